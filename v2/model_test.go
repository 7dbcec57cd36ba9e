package awsiot_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/portage-iot/awsiot/internal/memnet"
	awsiot "github.com/portage-iot/awsiot/v2"
	"pgregory.net/rapid"
)

// action is one step of a random run; a and b are its arguments.
type action struct{ Kind, A, B int }

const (
	actPublish0 = iota
	actPublish1
	actPublishBlocking
	actSeries
	actCancel
	actSubscribe
	actUnsubscribe
	actAcks
	actCut
	actCutInside
	actLoseSession
	actRefuse
	actPass
	actStop
	actStart
	numActions
)

// model is a broker that records, and what the test knows of every operation.
type model struct {
	w *world

	mu         sync.Mutex
	problems   []string
	acks       int             // how PUBACKs and the others are answered: see answer
	session    bool            // the broker has a session
	present    bool            // what the last CONNACK said
	subs       map[string]bool // in the session
	received   map[int]bool    // publishes, by number
	conns      map[*peer]*modelConn
	calls      int         // operations started
	ends       map[int]int // how often each has ended
	err        map[int]error
	qos1       map[int]bool
	by         map[int]int // the number of the goroutine that called; 0: the one that takes the steps, and others that do in its order
	callers    int
	cancelled  int             // ended for the caller, and perhaps not for the client
	wanted     map[string]bool // filters that must be subscribed at the end
	unwanted   map[string]bool // filters that must not
	latest     map[string]int  // the last call that concerns a filter
	cancels    []context.CancelFunc
	successes  int // connections of this Start
	reconnects uint64
	inline     atomic.Int64 // writes of blocking publishes by themselves
	leads      uint         // publishes that have read their own answers, at least
}

// modelConn is what the broker knows of one connection.
type modelConn struct {
	last    map[int]int     // number of the last publish, by the goroutine that called
	open    map[uint16]bool // identifiers without an acknowledgement
	window  int             // publishes among them
	present bool            // the connection goes on with a session
}

const (
	modelWindow  = 3 // the receive maximum of the broker
	modelFilters = 4
)

func (m *model) problem(format string, args ...any) {
	m.problems = append(m.problems, fmt.Sprintf(format, args...))
}

func (m *model) connect(c *packets.Connect, a *packets.Connack) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.CleanStart {
		m.session = false
	}
	a.SessionPresent, m.present = m.session, m.session
	a.Properties.ReceiveMaximum = new(uint16(modelWindow))
	if !m.session {
		m.subs = map[string]bool{}
	}
	m.session = true
}

// handle is the broker: it checks the rules of the wire, and answers as the mode says.
func (m *model) handle(p *peer, v packets.Packet) {
	m.mu.Lock()
	defer m.mu.Unlock()
	mc := m.conns[p]
	if mc == nil {
		mc = &modelConn{last: map[int]int{}, open: map[uint16]bool{}, present: m.present}
		m.conns[p] = mc
	}
	var id uint16
	switch v := v.(type) {
	case *packets.Publish:
		n, err := strconv.Atoi(string(v.Payload))
		if err != nil {
			m.problem("payload %q", v.Payload)
		}
		if by := m.by[n]; n <= mc.last[by] {
			m.problem("publish %d came after %d on one connection", n, mc.last[by])
		} else {
			mc.last[by] = n
		}
		m.received[n] = true
		if id = v.PacketID; v.QoS == 0 {
			return
		}
		if mc.window++; mc.window > modelWindow {
			m.problem("%d publishes are unacknowledged", mc.window)
		}
		if v.Duplicate && !mc.present {
			m.problem("publish %d has DUP in a new session", n)
		}
	case *packets.Subscribe:
		id = v.PacketID
		for _, s := range v.Subscriptions {
			m.subs[s.Topic] = true
		}
	case *packets.Unsubscribe:
		id = v.PacketID
		for _, f := range v.Topics {
			delete(m.subs, f)
		}
	default:
		p.answer(v)
		return
	}
	if mc.open[id] {
		m.problem("identifier %d was used while it was open", id)
	}
	mc.open[id] = true
	switch m.acks {
	case 1: // lost
		return
	case 2: // doubled
		p.answer(v)
		if _, ok := v.(*packets.Publish); ok {
			p.answer(v)
		}
	case 3: // slow
		go func() {
			<-time.After(2 * time.Second)
			m.mu.Lock()
			mc.acknowledged(v, id)
			m.mu.Unlock()
			p.answer(v)
		}()
		return
	default:
		p.answer(v)
	}
	mc.acknowledged(v, id)
}

func (mc *modelConn) acknowledged(v packets.Packet, id uint16) {
	delete(mc.open, id)
	if _, ok := v.(*packets.Publish); ok {
		mc.window--
	}
}

// begin numbers an operation.
func (m *model) begin(qos1 bool) int { return m.beginBy(0, qos1) }

func (m *model) beginBy(by int, qos1 bool) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	m.by[m.calls] = by
	m.qos1[m.calls] = qos1
	return m.calls
}

func (m *model) end(n int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ends[n]++
	m.err[n] = err
	if errors.Is(err, awsiot.ErrUnknownOutcome) {
		m.cancelled++
	}
}

func (m *model) step(a action) {
	c := m.w.client
	switch a.Kind {
	case actPublish0, actPublish1:
		n := m.begin(a.Kind == actPublish1)
		p := packet("t", strconv.Itoa(n), awsiot.QoS(a.Kind))
		if a.A%2 == 0 {
			c.PublishFunc(p, func(_ awsiot.PublishResult, err error) { m.end(n, err) })
		} else {
			c.PublishAsync(p).OnDone(func(_ awsiot.PublishResult, err error) { m.end(n, err) })
		}
	case actPublishBlocking:
		by := 0
		if a.A%3 == 0 { // the next step may overtake it
			m.callers++
			by = m.callers
		}
		n := m.beginBy(by, true)
		ctx, cancel := context.WithCancel(context.Background())
		m.cancels = append(m.cancels, cancel)
		go func() { _, err := c.Publish(ctx, packet("t", strconv.Itoa(n), 1)); m.end(n, err) }()
	case actSeries: // so quick, one after the other, that they write by themselves and read their own answers
		ctx, cancel := context.WithCancel(context.Background())
		m.cancels = append(m.cancels, cancel)
		m.callers++
		by := m.callers
		go func() {
			for range 17 + a.B%32 {
				n := m.beginBy(by, true)
				_, err := c.Publish(ctx, packet("t", strconv.Itoa(n), 1))
				m.end(n, err)
			}
		}()
	case actCancel:
		if len(m.cancels) > 0 {
			m.cancels[0]()
			m.cancels = m.cancels[1:]
		}
	case actSubscribe:
		n, f := m.begin(false), fmt.Sprint("f", a.A%modelFilters)
		c.SubscribeAsync(filters(nil, f)).OnDone(func(_ *awsiot.SubackPacket, err error) {
			m.end(n, err)
			m.mu.Lock()
			defer m.mu.Unlock()
			if err == nil && m.latest[f] == n {
				m.wanted[f] = true
			}
		})
		m.note(f, n)
	case actUnsubscribe:
		n, f := m.begin(false), fmt.Sprint("f", a.A%modelFilters)
		m.note(f, n)
		c.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: []string{f}}).OnDone(func(_ *awsiot.UnsubackPacket, err error) {
			m.end(n, err)
			m.mu.Lock()
			defer m.mu.Unlock()
			if err == nil && m.latest[f] == n {
				m.unwanted[f] = true
			}
		})
	case actAcks:
		m.mu.Lock()
		m.acks = a.A % 4
		m.mu.Unlock()
	case actCut:
		m.w.net.CutAll()
	case actCutInside:
		if cs := m.w.net.Conns(); len(cs) > 0 {
			cs[len(cs)-1].SetLink(memnet.ToServer, memnet.Link{CutAfter: 1 + a.B%40})
		}
	case actLoseSession:
		m.mu.Lock()
		m.session = false
		m.mu.Unlock()
		m.w.net.CutAll()
	case actRefuse:
		m.w.net.NextFaults(memnet.Faults{Refuse: true})
		m.w.net.CutAll()
	case actPass:
		pass(time.Duration(a.B%8000) * time.Millisecond)
	case actStop:
		_ = c.Stop(context.Background(), nil)
	case actStart:
		if err := c.Start(); err != nil {
			m.mu.Lock()
			m.problem("Start: %v", err)
			m.mu.Unlock()
		}
	}
	if a.A%3 > 0 { // else the next step comes in the same instant
		synctest.Wait()
	}
}

// note records that call n decides about the filter.
func (m *model) note(f string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.wanted, f)
	delete(m.unwanted, f)
	m.latest[f] = n
}

// check compares the counters with what the callbacks said.
func (m *model) check() {
	synctest.Wait()
	s := m.w.client.Stats()
	turns, _ := awsiot.Leads(m.w.client)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leads = max(m.leads, turns)
	open := uint64(m.calls - len(m.ends))
	more := uint64(m.cancelled + modelFilters) // and a SUBSCRIBE of the client's own per filter at most
	if s.IncompleteOperationCount < open || s.IncompleteOperationCount > open+more {
		m.problem("%d operations are open, and %d more at most; Stats has %+v", open, more, s)
	}
	if s.UnackedOperationCount > s.IncompleteOperationCount || s.UnackedOperationSize > s.IncompleteOperationSize ||
		s.Reconnects != m.reconnects || s.InboundDropped != 0 {
		m.problem("Stats has %+v, with %d reconnects", s, m.reconnects)
	}
	for n, k := range m.ends {
		if k != 1 {
			m.problem("operation %d has ended %d times", n, k)
		}
	}
}

// finish heals everything, and checks what must hold in the end.
func (m *model) finish(policy awsiot.OfflineQueueBehavior) {
	m.step(action{actAcks, 0, 0})
	m.step(action{actStart, 1, 0})
	pass(5 * time.Minute) // delays, timeouts, late acknowledgements
	m.w.net.CutAll()      // identifiers whose acknowledgement was lost are free again
	pass(5 * time.Minute)
	m.check()
	if s := m.w.client.Stats(); s.IncompleteOperationCount != 0 || s.IncompleteOperationSize != 0 || s.UnackedOperationCount != 0 || s.UnackedOperationSize != 0 {
		m.problem("in the end: %+v", s)
	}
	_ = m.w.client.Close()
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.ends) != m.calls {
		m.problem("%d of %d operations have ended", len(m.ends), m.calls)
	}
	for n, err := range m.err {
		switch {
		case err == nil && m.qos1[n] && !m.received[n]:
			m.problem("publish %d was acknowledged and never received", n)
		case err == nil, errors.Is(err, awsiot.ErrStopped), errors.Is(err, awsiot.ErrAckTimeout), errors.Is(err, context.Canceled):
		case errors.Is(err, awsiot.ErrOffline) && (!m.qos1[n] || policy == awsiot.FailAll):
		default:
			m.problem("operation %d: %v", n, err)
		}
	}
	for f := range m.wanted {
		if !m.subs[f] {
			m.problem("the broker does not have the subscription %s", f)
		}
	}
	for f := range m.unwanted {
		if m.subs[f] {
			m.problem("the broker still has the subscription %s", f)
		}
	}
	checkPairing(m.w.t, m.w.events.take())
}

// run plays one random life in a bubble, and returns what went wrong.
func (m *model) run(t *testing.T, policy awsiot.OfflineQueueBehavior, serial bool, actions []action) {
	m.subs, m.received, m.conns = map[string]bool{}, map[int]bool{}, map[*peer]*modelConn{}
	m.ends, m.err, m.qos1, m.by = map[int]int{}, map[int]error{}, map[int]bool{}, map[int]int{}
	m.wanted, m.unwanted, m.latest = map[string]bool{}, map[string]bool{}, map[string]int{}
	m.w = newWorld(t, func(o *awsiot.ClientOptions) {
		rejoin(o)
		o.AckTimeout, o.KeepAlive = 5*time.Second, 20*time.Second
		o.OfflineQueue.Behavior, o.SerialCallbacks = policy, serial
		o.Logger = slog.New(newStateLog(t))
		o.OnConnectionSuccess = func(*awsiot.ConnectionSuccess) {
			m.mu.Lock()
			if m.successes++; m.successes > 1 {
				m.reconnects++
			}
			m.mu.Unlock()
			awsiot.WriteInline(m.w.client, func(conn net.Conn, b []byte) (int, error) {
				m.inline.Add(1)
				return conn.Write(b)
			})
		}
		o.OnStopped = func(*awsiot.Stopped) { m.successes = 0 }
	})
	m.w.serve(m.connect, m.handle)
	for _, a := range append([]action{{actStart, 1, 0}}, actions...) {
		m.step(a)
		m.check()
	}
	m.finish(policy)
}

// TestModel plays random operations, cuts, lost sessions, lost, doubled and late
// acknowledgements, Stop and Start against a broker that records: every operation ends exactly
// once, the wire has the order of the calls, nothing is lost at QoS 1 while the policy allows,
// the window and the identifiers are respected, the counters are right, subscriptions that
// were granted are there in the end, and others are not, and only transitions of the table are seen.
func TestModel(t *testing.T) {
	step := rapid.Custom(func(t *rapid.T) action {
		return action{rapid.IntRange(0, numActions-1).Draw(t, "kind"), rapid.IntRange(0, 11).Draw(t, "a"), rapid.IntRange(0, 1<<16).Draw(t, "b")}
	})
	var inline, leads int64
	rapid.Check(t, func(rt *rapid.T) {
		policy := rapid.SampledFrom(policies).Draw(rt, "policy")
		serial := rapid.Bool().Draw(rt, "serial")
		actions := rapid.SliceOfN(step, 10, 100).Draw(rt, "actions")
		m := &model{}
		synctest.Test(t, func(t *testing.T) { m.run(t, policy, serial, actions) })
		if len(m.problems) > 0 {
			rt.Fatalf("%d problems: %v", len(m.problems), m.problems[:min(3, len(m.problems))])
		}
		inline, leads = inline+m.inline.Load(), leads+int64(m.leads)
	})
	if inline == 0 || leads == 0 {
		t.Errorf("%d publishes wrote by themselves, and %d read their own answers: the runs do not cover these", inline, leads)
	}
	t.Logf("%d publishes wrote by themselves, and at least %d read their own answers", inline, leads)
}
