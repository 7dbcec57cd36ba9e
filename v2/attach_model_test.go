package awsiot_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
	"pgregory.net/rapid"
)

// usersModel is what should become of the users of three filters: the program's own Subscribe and any number of
// Attachments, each of which counts.
type usersModel struct {
	w       *world
	session bool // the client asks for its session, and the broker keeps it, but for lose
	own     map[string]bool
	users   map[string][]*awsiot.Attachment

	mu    sync.Mutex // the broker's goroutines share what follows with the test
	lose  bool
	known map[string]bool // what the broker has subscribed
	said  []string        // what was done, and what came
	wrong []string
}

// userFilters are the model's filters.
var userFilters = []string{"a", "b", "c/+"}

// The steps of the model.
const (
	stepAttach = iota
	stepDetach
	stepSubscribe
	stepUnsubscribe
	stepCut
	stepPass
	stepRestart
)

// userStep is one of these steps; n and m choose a filter, a user, a QoS and so on.
type userStep struct{ kind, n, m int }

// note adds to said.
func (m *usersModel) note(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.said = append(m.said, what)
}

// losing says whether the broker forgets the session at the next connection.
func (m *usersModel) losing(lose bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lose = lose
}

func (m *usersModel) connect(_ *packets.Connect, a *packets.Connack) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lose || !m.session {
		clear(m.known)
	} else {
		a.SessionPresent = true
	}
	m.said = append(m.said, fmt.Sprint("CONNECT, session present ", a.SessionPresent))
}

func (m *usersModel) answer(p *peer, v packets.Packet) {
	m.note(describe(v))
	m.remember(v)
	p.answer(v)
}

// remember is what a SUBSCRIBE or UNSUBSCRIBE changes at the broker.
func (m *usersModel) remember(v packets.Packet) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch v := v.(type) {
	case *packets.Subscribe:
		for _, s := range v.Subscriptions {
			m.known[s.Topic] = true
		}
	case *packets.Unsubscribe:
		for _, f := range v.Topics {
			delete(m.known, f)
		}
	}
}

func (m *usersModel) step(t *testing.T, s userStep) {
	m.note(fmt.Sprint("step ", s))
	f, c := userFilters[s.n%len(userFilters)], m.w.client
	switch s.kind {
	case stepAttach:
		a, err := c.Attach(awsiot.AttachOptions{TopicFilter: f, QoS: awsiot.QoS(s.m & 1), Direct: s.m&2 != 0, Handler: func(*awsiot.Message) {}})
		if err != nil {
			t.Fatal(err)
		}
		m.users[f] = append(m.users[f], a)
	case stepDetach:
		if n := len(m.users[f]); n > 0 {
			a := m.users[f][s.m%n]
			a.Detach()
			a.Detach() // once more changes nothing
			m.users[f] = slices.DeleteFunc(m.users[f], func(u *awsiot.Attachment) bool { return u == a })
		}
	case stepSubscribe:
		p := filters(func(*awsiot.Message) {}, f)
		p.Lasting = true // it survives Stop, so that the model need not know whether it was sent before
		c.SubscribeAsync(p)
		m.own[f] = true
	case stepUnsubscribe:
		c.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: []string{f}, Lasting: true})
		delete(m.own, f)
	case stepCut:
		m.losing(s.m&1 != 0)
		m.w.net.CutAll()
	case stepPass:
		pass(time.Duration(s.n%3) * time.Second)
		m.losing(false)
	case stepRestart:
		if err := c.Stop(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
	}
	if s.m&4 != 0 {
		synctest.Wait()
	}
}

func (m *usersModel) run(t *testing.T, always bool, steps []userStep) {
	m.known, m.own, m.users = map[string]bool{}, map[string]bool{}, map[string][]*awsiot.Attachment{}
	m.w = newWorld(t, func(o *awsiot.ClientOptions) {
		if m.session {
			rejoin(o)
		}
		o.OfflineQueue.Behavior = awsiot.KeepAll
		if always {
			o.Resubscribe.When = awsiot.ResubscribeAlways
		}
	})
	m.w.serve(m.connect, m.answer)
	m.losing(true) // the first connection finds no session
	if err := m.w.client.Start(); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	m.losing(false)
	for _, s := range steps {
		m.step(t, s)
	}
	pass(5 * time.Minute)
	m.check()
}

// check compares what the broker and the users know with what should be.
func (m *usersModel) check() {
	m.mu.Lock()
	defer m.mu.Unlock()
	complain := func(format string, args ...any) { m.wrong = append(m.wrong, fmt.Sprintf(format, args...)) }
	if s := m.w.client.State(); s != awsiot.StateConnected {
		complain("the client is %v", s)
	}
	for _, f := range userFilters {
		if want := m.own[f] || len(m.users[f]) > 0; want != m.known[f] {
			complain("%s: subscribed at the broker: %v, want %v (own Subscribe %v, %d users)", f, m.known[f], want, m.own[f], len(m.users[f]))
		}
		for _, a := range m.users[f] {
			if s, err := a.Status(); s != awsiot.AttachmentEstablished {
				complain("%s: a user is %v, %v", f, s, err)
			}
		}
	}
	if s := m.w.client.Stats(); s.IncompleteOperationCount+s.UnackedOperationCount+s.IncompleteOperationSize != 0 {
		complain("something is left: %+v", s)
	}
}

// TestUsersModel plays random uses of three filters over cuts, lost sessions, Stop and Start: in the end the broker has
// exactly the filters that somebody uses, every user knows that it is heard, and nothing is left under way.
func TestUsersModel(t *testing.T) {
	checks(t, 600)
	kinds := []int{stepAttach, stepAttach, stepDetach, stepSubscribe, stepUnsubscribe, stepCut, stepPass, stepRestart}
	rapid.Check(t, func(rt *rapid.T) {
		m := &usersModel{session: rapid.Bool().Draw(rt, "session")}
		always := rapid.Bool().Draw(rt, "always")
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) userStep {
			return userStep{rapid.SampledFrom(kinds).Draw(t, "kind"), rapid.IntRange(0, 11).Draw(t, "n"), rapid.IntRange(0, 7).Draw(t, "m")}
		}), 5, 40).Draw(rt, "steps")
		synctest.Test(t, func(t *testing.T) { m.run(t, always, steps) })
		if len(m.wrong) > 0 {
			rt.Fatalf("%v\n%v", m.wrong, m.said)
		}
	})
}
