package awsiot_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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
	actWrap
	actPoison
	actRestart
)

// model is a broker that records, and what the test knows of every operation.
type model struct {
	w *world

	mu         sync.Mutex
	problems   []string
	acks       int        // how PUBACKs and the others are answered: see fate
	seed       uint64     // of the fates
	packets    uint64     // that had a fate
	window     int        // the receive maximum of the last CONNACK
	cur        *modelConn // the last connection, once it had a packet
	before     *modelConn // the one before the last
	counts     modelCounts
	session    bool            // the broker has a session
	present    bool            // what the last CONNACK said
	sessions   int             // that there were
	subs       map[string]bool // in the session
	in         map[int]int     // number of the session in which a publish arrived
	received   map[int]arrival // operations, by number: the last time
	conns      map[*peer]*modelConn
	calls      int         // operations started
	ends       map[int]int // how often each has ended
	policy     awsiot.OfflineQueueBehavior
	wrapped    bool        // the identifiers went round
	kind       map[int]int // an action
	by         map[int]int // the number of the goroutine that called; 0: the one that takes the steps, and others that do in its order
	first      map[int]int // number of the last publish that arrived for the first time, by the goroutine that called
	callers    int
	stopping   bool            // Stop was called, and has not returned
	stopped    map[int]bool    // operations that were open then
	chosen     map[int]bool    // operations that actCancel may have ended
	abandoned  map[int]bool    // goroutines whose context actCancel has ended
	cancelled  int             // ended for the caller, and perhaps not for the client
	wanted     map[string]bool // filters that must be subscribed at the end
	unwanted   map[string]bool // filters that must not
	latest     map[string]int  // the last call that concerns a filter
	filter     map[int]string  // of a subscribe or unsubscribe
	cancels    []cancellation
	successes  int // connections of this Start
	reconnects uint64
	inline     atomic.Int64 // writes of blocking publishes by themselves
	leads      uint         // publishes that have read their own answers, at least
	modelTemper
}

// begin numbers an operation.
func (m *model) begin(kind int) int { return m.beginBy(0, kind) }

func (m *model) beginBy(by, kind int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	m.by[m.calls] = by
	m.kind[m.calls] = kind
	m.since[m.calls] = m.losses
	if m.stopping {
		m.stopped[m.calls] = true
	}
	return m.calls
}

func (m *model) end(n int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ends[n]++
	if errors.Is(err, awsiot.ErrUnknownOutcome) {
		m.cancelled++
	}
	m.judge(n, err)
}

// judge checks that an operation may end as it does now.
func (m *model) judge(n int, err error) {
	a, arrived := m.received[n]
	kind := m.kind[n]
	switch {
	case err == nil && kind == actPublish0: // it was written
	case err == nil:
		if !a.answered && !m.overtaken(n) {
			m.problem("operation %d succeeded, and was never answered", n)
		}
	case errors.Is(err, awsiot.ErrStopped):
		if !m.stopped[n] {
			m.problem("operation %d: %v, and nobody has called Stop", n, err)
		}
	case errors.Is(err, awsiot.ErrAckTimeout):
		m.counts.timeouts++
		if waited := a.waited(); kind == actPublish0 || !arrived || waited != modelTimeout {
			m.problem("operation %d: %v; arrived %v, was under way for %v", n, err, arrived, waited)
		}
	case errors.Is(err, awsiot.ErrEndsConnection):
		m.judgeConviction(n, err)
	case errors.Is(err, context.Canceled):
		if !m.chosen[n] && !m.abandoned[m.by[n]] {
			m.problem("operation %d: %v, and nobody has cancelled it", n, err)
		}
		if unknown := errors.Is(err, awsiot.ErrUnknownOutcome); unknown {
			m.counts.unknown++
		} else if arrived {
			m.problem("operation %d: %v, and the broker had it", n, err)
		}
	case errors.Is(err, awsiot.ErrOffline) && (kind == actPublish0 || m.policy == awsiot.FailAll || kind != actPublish1 && m.policy == awsiot.FailNonQoS1):
	default:
		m.problem("operation %d: %v", n, err)
	}
}

// overtaken reports whether a later call for the filter of a subscribe or unsubscribe was answered: it has decided.
func (m *model) overtaken(n int) bool {
	for later := n + 1; m.filter[n] != "" && later <= m.calls; later++ {
		if m.filter[later] == m.filter[n] && m.received[later].answered {
			return true
		}
	}
	return false
}

func (m *model) step(a action) {
	c := m.w.client
	switch a.Kind {
	case actPublish0, actPublish1:
		n := m.begin(a.Kind)
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
		n := m.beginBy(by, actPublish1)
		ctx, cancel := context.WithCancel(context.Background())
		m.cancels = append(m.cancels, cancellation{cancel, n, 0})
		go func() { _, err := c.Publish(ctx, packet("t", strconv.Itoa(n), 1)); m.end(n, err) }()
	case actSeries: // so quick, one after the other, that they write by themselves and read their own answers
		ctx, cancel := context.WithCancel(context.Background())
		m.callers++
		by := m.callers
		m.cancels = append(m.cancels, cancellation{cancel, 0, by})
		go func() {
			for range 17 + a.B%32 {
				n := m.beginBy(by, actPublish1)
				_, err := c.Publish(ctx, packet("t", strconv.Itoa(n), 1))
				m.end(n, err)
			}
		}()
	case actCancel:
		if len(m.cancels) > 0 {
			i := 0
			if a.B%3 > 0 {
				i = len(m.cancels) - 1
			}
			c := m.cancels[i]
			m.cancels = slices.Delete(m.cancels, i, i+1)
			m.mu.Lock()
			m.chosen[c.n], m.abandoned[c.by] = true, c.by > 0
			m.mu.Unlock()
			c.end()
		}
	case actSubscribe:
		n, f := m.begin(a.Kind), fmt.Sprint("f", a.A%modelFilters)
		m.mu.Lock()
		m.filter[n] = f
		m.mu.Unlock()
		p := filters(nil, f)
		p.UserProperties = []awsiot.UserProperty{{Name: "n", Value: strconv.Itoa(n)}}
		c.SubscribeAsync(p).OnDone(func(_ *awsiot.SubackPacket, err error) {
			m.end(n, err)
			m.mu.Lock()
			defer m.mu.Unlock()
			if err == nil && m.latest[f] == n {
				m.wanted[f] = true
			}
		})
		m.note(f, n)
	case actUnsubscribe:
		n, f := m.begin(a.Kind), fmt.Sprint("f", a.A%modelFilters)
		m.mu.Lock()
		m.filter[n] = f
		m.mu.Unlock()
		m.note(f, n)
		p := &awsiot.UnsubscribePacket{TopicFilters: []string{f}, UserProperties: []awsiot.UserProperty{{Name: "n", Value: strconv.Itoa(n)}}}
		c.UnsubscribeAsync(p).OnDone(func(_ *awsiot.UnsubackPacket, err error) {
			m.end(n, err)
			m.mu.Lock()
			defer m.mu.Unlock()
			if err == nil && m.latest[f] == n {
				m.unwanted[f] = true
			}
		})
	case actAcks:
		m.mu.Lock()
		m.acks = a.A % numModes
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
	case actWrap: // the next identifiers are those that are open
		if !m.wrapped {
			m.wrapped = true
			awsiot.GrantIDs(c, 65535-1-a.A)
		}
	case actPoison:
		m.poison(a)
	case actRestart:
		m.restart(a)
	case actStop:
		m.mu.Lock()
		m.stopping = true
		for n := range m.calls {
			if m.ends[n+1] == 0 {
				m.stopped[n+1] = true
			}
		}
		m.mu.Unlock()
		_ = c.Stop(context.Background(), nil)
		m.mu.Lock()
		m.stopping = false
		m.mu.Unlock()
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
	connected := m.w.client.State() == awsiot.StateConnected
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leads = max(m.leads, turns)
	open := uint64(m.calls - len(m.ends))
	more := uint64(m.cancelled + modelFilters + m.poisonFilters()) // and a SUBSCRIBE of the client's own per filter at most
	if s.IncompleteOperationCount < open || s.IncompleteOperationCount > open+more {
		m.problem("%d operations are open, and %d more at most; Stats has %+v", open, more, s)
	}
	if s.UnackedOperationCount > s.IncompleteOperationCount || s.UnackedOperationSize > s.IncompleteOperationSize ||
		s.Reconnects != m.reconnects || s.InboundDropped != 0 {
		m.problem("Stats has %+v, with %d reconnects", s, m.reconnects)
	}
	window := 0
	if m.cur != nil {
		window = m.cur.window
	}
	if waiting := s.IncompleteOperationCount - s.UnackedOperationCount; connected && waiting > 0 && window < m.window && awsiot.Suspects(m.w.client) == 0 {
		m.problem("%d operations wait, and %d of %d places of the window are taken", waiting, window, m.window)
	}
	for n, k := range m.ends {
		if k != 1 {
			m.problem("operation %d has ended %d times", n, k)
		}
	}
}

// finish heals everything, and checks what must hold in the end.
func (m *model) finish() {
	m.step(action{actAcks, 0, 0})
	m.step(action{actStart, 1, 0})
	pass(m.patience()) // delays, timeouts, late acknowledgements, suspects
	m.w.net.CutAll()   // identifiers whose acknowledgement was lost are free again
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
func (m *model) run(t *testing.T, serial bool, actions []action) {
	m.subs, m.received, m.conns = map[string]bool{}, map[int]arrival{}, map[*peer]*modelConn{}
	m.ends, m.kind, m.by, m.first = map[int]int{}, map[int]int{}, map[int]int{}, map[int]int{}
	m.filter, m.in = map[int]string{}, map[int]int{}
	m.stopped, m.chosen, m.abandoned = map[int]bool{}, map[int]bool{}, map[int]bool{}
	m.wanted, m.unwanted, m.latest = map[string]bool{}, map[string]bool{}, map[string]int{}
	m.since, m.poisoned = map[int]int{}, map[int]bool{}
	m.w = newWorld(t, func(o *awsiot.ClientOptions) {
		rejoin(o)
		o.AckTimeout, o.KeepAlive = modelTimeout, 20*time.Second
		o.MinReconnectDelay, o.MaxReconnectDelay, o.MinConnectedTimeToResetReconnectDelay = 10*time.Millisecond, 2*time.Second, time.Second
		o.OfflineQueue.Behavior, o.SerialCallbacks = m.policy, serial
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
		o.OnDisconnection = m.lost
	})
	m.w.serve(m.connect, m.handle)
	for _, a := range append([]action{{actStart, 1, 0}}, actions...) {
		m.step(a)
		m.check()
	}
	m.finish()
}

// kinds are the actions of a single step, as often as they are drawn.
var kinds = slices.Concat(slices.Repeat([]int{actPublish1, actPass}, 5), slices.Repeat([]int{actPublishBlocking, actCut, actAcks, actSubscribe}, 3),
	slices.Repeat([]int{actPublish0, actSeries, actCancel, actUnsubscribe, actCutInside, actLoseSession, actStart}, 2), []int{actRefuse, actStop})

// drawScene draws a few steps: one of any kind, or publishes whose acknowledgements are lost or late or
// doubled, mostly with the end of the connection, and perhaps of the session, behind them.
func drawScene(t *rapid.T) (list []action) {
	kind := func(kinds ...int) {
		list = append(list, action{rapid.SampledFrom(kinds).Draw(t, "kind"), rapid.IntRange(0, 11).Draw(t, "a"), rapid.IntRange(0, 1<<16).Draw(t, "b")})
	}
	if rapid.IntRange(0, 2).Draw(t, "scene") < 2 {
		kind(kinds...)
		return list
	}
	kind(actAcks)
	list[0].A = rapid.SampledFrom([]int{fateLost, fateLost, fateLate, fateDoubled, fateMixed}).Draw(t, "mode")
	for range rapid.IntRange(1, 6).Draw(t, "publishes") {
		kind(actPublish1, actPublish1, actPublishBlocking, actPublishBlocking, actCancel, actSubscribe)
	}
	kind(actCut, actCut, actCutInside, actLoseSession, actPass)
	kind(actPass)
	return list
}

// checks makes rapid run n checks in t, unless the command line says how many.
func checks(t *testing.T, n int) {
	const name = "rapid.checks"
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	if given {
		return
	}
	before := flag.Lookup(name).Value.String()
	if err := flag.Set(name, strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = flag.Set(name, before) })
}

// TestModel plays random operations, cuts, lost sessions, lost, doubled, late and stale
// acknowledgements, Stop and Start against a broker that records: every operation ends exactly
// once, with an error only for a reason that the model knows, the wire has the order of the calls,
// nothing is lost at QoS 1 while the policy allows, the window and the identifiers are respected and
// what may be sent is, the counters are right, subscriptions that were granted are there in the end,
// and others are not, and only transitions of the table are seen.
func TestModel(t *testing.T) {
	const runs = 1000
	checks(t, runs)
	var inline, leads, played int64
	var counts modelCounts
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{policy: rapid.SampledFrom(policies).Draw(rt, "policy"), seed: rapid.Uint64().Draw(rt, "seed")}
		serial := rapid.Bool().Draw(rt, "serial")
		m.drawTemper(rt)
		actions := slices.Concat(rapid.SliceOfN(rapid.Custom(m.scene()), 5, 50).Draw(rt, "scenes")...)
		if m.temper == temperPlain && rapid.IntRange(0, 9).Draw(rt, "wrap") == 0 {
			at := rapid.IntRange(0, len(actions)).Draw(rt, "at")
			lost := action{rapid.SampledFrom([]int{actSubscribe, actUnsubscribe, actPublish1}).Draw(rt, "lost"), 1, 0}
			actions = slices.Insert(actions, at, action{actPass, 1, 2500}, action{actAcks, fateLost, 0}, lost,
				action{actPass, 1, 6000}, action{actWrap, rapid.IntRange(0, 3).Draw(rt, "a"), 0}, lost, action{actPublish1, 1, 0}, lost)
		}
		synctest.Test(t, func(t *testing.T) { m.run(t, serial, actions) })
		if len(m.problems) > 0 {
			rt.Fatalf("%d problems: %v", len(m.problems), m.problems[:min(3, len(m.problems))])
		}
		inline, leads, played = inline+m.inline.Load(), leads+int64(m.leads), played+1
		counts.add(m.counts)
	})
	t.Logf("%d runs, %+v; %d publishes wrote by themselves, and at least %d read their own answers", played, counts, inline, leads)
	if t.Failed() || played < runs {
		return // who asks for fewer does not ask for the cover
	}
	c := counts
	if min(inline, leads) == 0 || min(c.lost, c.doubled, c.late, c.dup, c.timeouts) < 200 || min(c.stale, c.unknown) < 50 ||
		min(c.kills, c.convictions, c.restarts, c.throttled) < 50 {
		t.Error("the runs do not cover what they are for")
	}
}
