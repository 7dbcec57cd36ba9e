package v1compat_test

// The world of one replay: the clock of the recording against that of the bubble, the network whose dials end as
// recorded, and what was seen.

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/internal/memnet"
)

// trPatience is how long, in bubble time, a stimulus waits for what came before it in the recording, or a call for its
// end. After it the replay goes on, with a difference that names both.
const trPatience = 150 * time.Second

// trWorld is one replay.
type trWorld struct {
	t   testing.TB
	rec *transcript
	net memnet.Network
	ln  net.Listener

	quirks trQuirks
	certs  *trCerts
	found  trFound // of the program

	mu      sync.Mutex
	change  chan struct{}         // closed at the next occurrence
	seen    map[float64]time.Time // entries that have occurred, by seq
	anchors []trAnchor            // sorted
	dials   []trDial              // planned, in order
	dialled int
	accept  []int // connection numbers of dials that were let through
	conns   map[int]*trConn
	matched map[*trPacket]bool
	count   int
	refs    map[uint16]string // of the client's packets, by id
	over    bool              // the recording has ended: what the client does now counts for nothing

	sent      []trSeen // by the client
	acks      []trSeen
	pings     map[int]int
	opened    []string
	callbacks []trHeard
	outcomes  map[*trCall]string
	took      map[*trCall]time.Duration
	mids      map[string]int // returned ids, by the recording's reference
	tokens    map[string]string
	diffs     []string
	inside    map[*trCall]bool  // calls that have not returned
	where     map[string]string // what each side is doing, for the report of a hang
}

// trSeen is a packet the client sent.
type trSeen struct {
	text string
	at   time.Time
	rec  *trPacket // its counterpart in the recording, nil for one too many
}

// trHeard is a callback that ran.
type trHeard struct {
	trCallback
	mid    int
	unsubs int // UNSUBSCRIBE packets sent before it
}

// trAnchor is an entry whose occurrence others wait for.
type trAnchor struct {
	seq, t float64
	what   string
}

// trDial is how a dial ended: conn 0 was refused.
type trDial struct {
	seq, t float64
	conn   int
	fails  bool // the TLS handshake fails
}

func newTrWorld(t testing.TB, rec *transcript, quirks trQuirks) *trWorld {
	w := &trWorld{t: t, rec: rec, quirks: quirks, change: make(chan struct{}), seen: map[float64]time.Time{}, conns: map[int]*trConn{},
		matched: map[*trPacket]bool{}, pings: map[int]int{}, outcomes: map[*trCall]string{}, took: map[*trCall]time.Duration{}, mids: map[string]int{},
		tokens: map[string]string{}, refs: map[uint16]string{}, where: map[string]string{}, inside: map[*trCall]bool{}}
	var err error
	if w.ln, err = w.net.Listen("broker:8883"); err != nil {
		require.NoError(t, err)
	}
	w.plan()
	return w
}

// plan finds the anchors and how each dial ends.
func (w *trWorld) plan() {
	for _, c := range w.rec.Calls {
		if c.main() && c.Thread != "" {
			w.anchors = append(w.anchors, trAnchor{c.Seq, c.T, "call " + c.String()})
			if c.EndSeq > 0 {
				w.anchors = append(w.anchors, trAnchor{c.EndSeq, c.EndT, "end of call " + c.String()})
			}
			if c.Raises != nil && c.Raises.Type == "ConnectionRefusedError" {
				w.dials = append(w.dials, trDial{seq: c.Seq, t: c.T})
			}
		}
	}
	for i, p := range w.rec.Packets {
		switch {
		case p.Dir == "c2s" && p.Type != "PINGREQ", w.stimulus(p):
			w.anchors = append(w.anchors, trAnchor{p.Seq, p.T, p.Dir + " " + p.String()})
		case p.Type == "TRANSPORT_OPEN":
			w.dials = append(w.dials, trDial{seq: p.Seq, t: p.T, conn: p.Conn})
		case p.Type == "TRANSPORT_FAILED":
			w.dials = append(w.dials, trDial{seq: p.Seq, t: p.T, conn: p.Conn, fails: true})
		case p.Type == "CONNECT_ATTEMPT" && (i+1 == len(w.rec.Packets) || w.rec.Packets[i+1].Type != "TRANSPORT_OPEN" || w.rec.Packets[i+1].T > p.T+0.2):
			w.dials = append(w.dials, trDial{seq: p.Seq, t: p.T})
		}
	}
	slices.SortFunc(w.anchors, func(a, b trAnchor) int { return cmpFloat(a.seq, b.seq) })
	slices.SortFunc(w.dials, func(a, b trDial) int { return cmpFloat(a.seq, b.seq) })
	for _, d := range w.dials {
		w.anchors = append(w.anchors, trAnchor{d.seq + 0.25, d.t, fmt.Sprintf("dial %d", d.conn)})
	}
	slices.SortFunc(w.anchors, func(a, b trAnchor) int { return cmpFloat(a.seq, b.seq) })
}

func cmpFloat(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// stimulus reports whether the peer does p by itself and not as an answer.
func (w *trWorld) stimulus(p *trPacket) bool {
	switch {
	case p.Dir == "s2c":
		return p.Proxy == "released" || p.Proxy == "late" || !p.ack()
	case p.Dir != "event":
		return false
	case p.Type == "SERVER_CLOSES":
		return true
	case p.Type == "CLIENT_CLOSED", p.Type == "SERVER_SIDE_CLOSED":
		return w.cutByPeer(p)
	}
	return false
}

// cutByPeer reports whether the close event p means that the peer ended the connection: it is the first one of its
// connection, and nothing the client did explains it.
func (w *trWorld) cutByPeer(p *trPacket) bool {
	var ping *trPacket
	for _, q := range w.rec.Packets {
		if q.Conn != p.Conn || q.Seq >= p.Seq {
			if q.Type == "DISCONNECT" && q.Conn == p.Conn && q.T <= p.T+0.05 {
				return false // the recorder saw the close first
			}
			continue
		}
		switch {
		case q.Type == "CLIENT_CLOSED", q.Type == "SERVER_SIDE_CLOSED", q.Type == "SERVER_CLOSES", q.Dir == "c2s" && q.Type == "DISCONNECT":
			return false
		case q.Type == "CONNACK" && q.ReturnCode != 0:
			return false // v1 closed it, and so does MQTT 5
		case q.Type == "WS_UPGRADE_RESPONSE" && q.Status != http.StatusSwitchingProtocols:
			return false // a refusal ends it
		case q.Type == "PINGREQ":
			ping = q
		case q.Type == "PINGRESP" && q.Proxy == "":
			ping = nil
		}
	}
	if ping != nil {
		return false // the client missed the PINGRESP
	}
	for _, c := range w.rec.Calls {
		if (c.Method == "connect" || c.Method == "connectAsync") && c.Seq < p.Seq && (c.EndSeq == 0 || p.Seq < c.EndSeq) {
			for _, q := range w.rec.Packets {
				if q.Conn == p.Conn && q.Type == "TRANSPORT_OPEN" && q.Seq > c.Seq {
					return true // opened and closed within the call
				}
			}
			return false // a connect on a connected client closed it
		}
	}
	return true
}

// mark notes that an entry has occurred.
func (w *trWorld) mark(seq float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.seen[seq]; !ok {
		w.seen[seq] = time.Now()
	}
	close(w.change)
	w.change = make(chan struct{})
}

// diff notes a difference.
func (w *trWorld) diff(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.diffs = append(w.diffs, fmt.Sprintf(format, args...))
}

// anchorOf is the last entry before seq that others can wait for.
func (w *trWorld) anchorOf(seq float64) (trAnchor, bool) {
	var found trAnchor
	ok := false
	for _, a := range w.anchors {
		if a.seq < seq && a.seq+0.25 != seq {
			found, ok = a, true
		}
	}
	return found, ok
}

// until waits for the moment of an entry: as long after the entry before it as in the recording.
func (w *trWorld) until(side string, seq, t float64, what string) {
	a, ok := w.anchorOf(seq)
	if !ok {
		return
	}
	w.doing(side, fmt.Sprintf("waits for %q before %q", a.what, what))
	late := time.NewTimer(trPatience)
	defer late.Stop()
	for {
		w.mu.Lock()
		at, seen := w.seen[a.seq]
		change := w.change
		w.mu.Unlock()
		if seen {
			if d := time.Until(at.Add(seconds(t - a.t))); d > 0 {
				time.Sleep(d)
			}
			return
		}
		select {
		case <-change:
		case <-late.C:
			w.diff("%s waits for ever: %q never happened before %q", side, a.what, what)
			return
		}
	}
}

// doing notes what a side does, for the report of a hang.
func (w *trWorld) doing(side, what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.where[side] = what
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// dial is the client's network: the next dial ends as it did in the recording.
func (w *trWorld) dial() (net.Conn, error) {
	w.mu.Lock()
	refuse := func() (net.Conn, error) {
		w.mu.Unlock()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	if w.over {
		return refuse()
	}
	if w.dialled == len(w.dials) {
		w.diffs = append(w.diffs, "a connection that the recording does not have")
		return refuse()
	}
	d := w.dials[w.dialled]
	w.dialled++
	w.seen[d.seq+0.25] = time.Now()
	close(w.change)
	w.change = make(chan struct{})
	if d.conn == 0 {
		return refuse()
	}
	w.accept = append(w.accept, d.conn)
	w.mu.Unlock()
	return w.net.Dial(context.Background(), "tcp", "broker:8883")
}

// serve accepts connections until the listener is closed.
func (w *trWorld) serve() {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		conn, err := w.ln.Accept()
		if err != nil {
			return
		}
		w.mu.Lock()
		n := w.accept[0]
		w.accept = w.accept[1:]
		w.mu.Unlock()
		all.Go(func() { w.serveConn(n, conn) })
	}
}

// script does what the peer did by itself, one thing after the other.
func (w *trWorld) script() {
	for _, p := range w.rec.Packets {
		if !w.stimulus(p) {
			continue
		}
		w.until("peer", p.Seq, p.T, p.Dir+" "+p.String())
		w.mu.Lock()
		c := w.conns[p.Conn]
		w.mu.Unlock()
		if c == nil {
			w.diff("connection %d is not there for %s %s", p.Conn, p.Dir, p)
		} else if p.Dir == "event" {
			c.raw.Close()
		} else if err := w.sendRecorded(c, p); err != nil {
			w.diff("peer: %s on connection %d: %v", p, p.Conn, err)
		}
		w.mark(p.Seq)
	}
	w.doing("peer", "has finished")
}

// checkTLS compares what a TLS client offered with the recording.
func (w *trWorld) checkTLS(n int, s tls.ConnectionState) {
	for _, p := range w.rec.Packets {
		if p.Type != "TRANSPORT_OPEN" || p.Conn != n {
			continue
		}
		want := fmt.Sprintf("sni %q alpn %q client certificate %v", p.SNI, p.ALPN, p.ClientCert)
		got := fmt.Sprintf("sni %q alpn %q client certificate %v", s.ServerName, s.NegotiatedProtocol, len(s.PeerCertificates) > 0)
		if got != want {
			w.diff("TLS of connection %d:\n got %s\nwant %s", n, got, want)
		}
	}
}
