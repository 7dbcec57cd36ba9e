package nullbroker

import (
	"fmt"
	"strconv"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/frame"
)

// heldTopic is where the broker says how a resend went: the nanoseconds it
// took, or "error: ..." when what came was not what had been sent.
const heldTopic = "bench/held"

// hold is a session whose acknowledgements are withheld: what ctl/hold orders.
// The connection that is open owns it; it passes to the next one of the same
// client through Broker.held.
type hold struct {
	client string
	count  int
	first  map[uint16]struct{} // identifiers of the first connection, then those that have not come again
	ids    []uint16            // of the resend, in order of arrival
	since  time.Time           // of the CONNECT that took the session up; zero on the first connection
	fault  string              // the first thing that was wrong with the resend
}

// startHold begins the withholding for this connection's client.
func (k *conn) startHold(payload string) bool {
	n, err := strconv.Atoi(payload)
	if err != nil || n < 1 || n > 65535 {
		return false
	}
	k.held = &hold{client: k.client, count: n, first: make(map[uint16]struct{}, n)}
	return true
}

// resume takes up what is held for the client that connects. A clean start
// ends it, as it ends a session [MQTT5-3.1.2-4].
func (k *conn) resume(clean bool) (present bool) {
	k.broker.mu.Lock()
	defer k.broker.mu.Unlock()
	h := k.broker.held[k.client]
	delete(k.broker.held, k.client)
	if h == nil || clean {
		return false
	}
	h.since = time.Now()
	k.held = h
	return true
}

// withhold counts a PUBLISH that is not acknowledged. The last of the first
// connection ends it (false) and keeps the session; the last that comes again
// releases all acknowledgements and the report.
func (k *conn) withhold(h byte, id uint16) bool {
	s := k.held
	if s.since.IsZero() {
		s.first[id] = struct{}{}
		if len(s.first) < s.count {
			return true
		}
		k.broker.mu.Lock()
		defer k.broker.mu.Unlock()
		if k.broker.held == nil {
			k.broker.held = map[string]*hold{}
		}
		k.broker.held[s.client] = s
		return false
	}
	const dup = 8 // [MQTT5-3.3.1-1]
	_, known := s.first[id]
	switch {
	case s.fault != "":
	case !known:
		s.fault = fmt.Sprintf("identifier %d came twice, or was never sent before", id)
	case h&dup == 0:
		s.fault = fmt.Sprintf("identifier %d came again without DUP", id)
	}
	delete(s.first, id)
	s.ids = append(s.ids, id)
	if len(s.ids) < s.count {
		return true
	}
	report := strconv.FormatInt(time.Since(s.since).Nanoseconds(), 10)
	if s.fault != "" {
		report = "error: " + s.fault
	}
	for _, id := range s.ids {
		k.out = append(k.out, frame.Puback<<4, 2, byte(id>>8), byte(id))
	}
	k.out = frame.AppendPublish(k.out, k.v5, 0, heldTopic, 0, []byte(report))
	k.held = nil
	return true
}
