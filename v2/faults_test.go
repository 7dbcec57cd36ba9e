package awsiot_test

// The faults that the client must survive, numbered as in the reference list of faults. Each
// comment states the expected result; common to all: nothing is lost at QoS 1 unless it says so,
// every operation ends exactly once with one clear error or none, and no goroutine is left (the
// bubble would not end). Where a broker has to behave it is iotlocal, on an in-memory network;
// where it has to misbehave in a way that no rule of iotlocal has, it is the scripted peer.
// 24, 25, 40 and the signatures of 22 belong to the packages that bring proxies and services.

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/portage-iot/awsiot/internal/memnet"
	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// onLocal is an iotlocal server on an in-memory network, in a bubble.
type onLocal struct {
	t   *testing.T
	net *memnet.Network
	srv *iotlocal.Server
}

// withLocal runs f in a bubble with a server that has the options o.
func withLocal(t *testing.T, o iotlocal.Options, f func(t *testing.T, e *onLocal)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e := &onLocal{t: t, net: &memnet.Network{}}
		o.Listen = func(_, addr string) (net.Listener, error) { return e.net.Listen(addr) }
		e.srv = iotlocal.StartT(t, o)
		f(t, e)
	})
}

// node is a client of an onLocal with its recorders.
type node struct {
	*awsiot.Client
	e      *onLocal
	id     string
	events *recorder
	got    *recorder // the messages, as "topic=payload"
	conn   atomic.Pointer[memnet.Conn]
}

// client makes a client; change may alter its options. At the end it is closed, and must have ended everything.
func (e *onLocal) client(id string, change func(*awsiot.ClientOptions)) *node {
	e.t.Helper()
	n := &node{e: e, id: id, events: &recorder{}, got: &recorder{}}
	o := awsiot.ClientOptions{Endpoint: e.srv.Host(), Port: e.srv.TCPPort(), ClientID: id, Auth: awsiot.PlainTCP(),
		DisableMetrics: true, RetryJitterMode: awsiot.JitterNone,
		OnPublishReceived: func(m *awsiot.Message) { n.got.add("%s=%s", m.Topic, m.Payload) }}
	if change != nil {
		change(&o)
	}
	if dial := o.Dialer; dial == nil {
		o.Dialer = e.net.Dial
	}
	dial := o.Dialer
	o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if mc, ok := c.(*memnet.Conn); ok {
			n.conn.Store(mc)
		}
		return c, err
	}
	n.Client = awsiot.NewClient(o)
	n.Observe(n.events.observer())
	e.t.Cleanup(func() {
		_ = n.Close()
		<-n.Done()
		if s := n.Stats(); s.IncompleteOperationCount != 0 || s.IncompleteOperationSize != 0 || s.UnackedOperationCount != 0 {
			e.t.Errorf("%s: operations left at the end: %+v", id, s)
		}
	})
	return n
}

// up starts the client and waits for the connection.
func (n *node) up() *node {
	n.e.t.Helper()
	if err := n.StartAndWait(within(time.Hour)); err != nil {
		n.e.t.Fatal(err)
	}
	synctest.Wait() // the event has been seen
	return n
}

// again waits for the next connection.
func (n *node) again() *awsiot.ConnectionSuccess {
	n.e.t.Helper()
	synctest.Wait() // the client knows that the connection is gone
	s, err := n.AwaitConnected(within(time.Hour))
	if err != nil {
		n.e.t.Fatal(err)
	}
	return s
}

// subscribe subscribes to filters at QoS 1.
func (n *node) subscribe(fs ...string) *node {
	n.e.t.Helper()
	if _, err := n.Subscribe(within(time.Minute), filters(nil, fs...)); err != nil {
		n.e.t.Fatal(err)
	}
	return n
}

// publish publishes at QoS 1, and waits for the acknowledgement.
func (n *node) publish(topic, payload string) {
	n.e.t.Helper()
	if _, err := n.Publish(within(time.Hour), packet(topic, payload, 1)); err != nil {
		n.e.t.Fatal(err)
	}
}

// rule adds a fault rule for this client.
func (n *node) rule(r iotlocal.Rule) *iotlocal.RuleHandle {
	n.e.t.Helper()
	r.ClientID = n.id
	h, err := n.e.srv.Faults().Add(r)
	if err != nil {
		n.e.t.Fatal(err)
	}
	return h
}

// sent returns what the client has sent of a type since the server began to record.
func (n *node) sent(typ iotlocal.PacketType) []iotlocal.Packet {
	return n.recorded(iotlocal.ClientToServer, typ)
}

func (n *node) recorded(dir iotlocal.Direction, typ iotlocal.PacketType) (list []iotlocal.Packet) {
	synctest.Wait()
	for _, p := range n.e.srv.Recorder().Packets() {
		if p.ClientID == n.id && p.Dir == dir && p.Type == typ {
			list = append(list, p)
		}
	}
	return list
}

// payloads describes PUBLISH packets as peer.take does, without the identifiers.
func payloads(ps []iotlocal.Packet) (list []string) {
	for _, p := range ps {
		s := string(p.Payload)
		if p.Dup {
			s += "+"
		}
		list = append(list, s)
	}
	return list
}

// failures returns the failed attempts from now on: ask before Start, as a broker may be quick.
func failures(c *awsiot.Client) <-chan *awsiot.ConnectionFailure {
	got := make(chan *awsiot.ConnectionFailure, 100)
	c.Observe(awsiot.Observer{OnConnectionFailure: func(f *awsiot.ConnectionFailure) {
		select {
		case got <- f:
		default: // nobody counts so far
		}
	}})
	return got
}

// only checks that exactly one of the recorded texts begins with prefix, and returns it.
func only(t testing.TB, list []string, prefix string) string {
	t.Helper()
	var found []string
	for _, s := range list {
		if strings.HasPrefix(s, prefix) {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		t.Errorf("want one %q, got %q in %q", prefix, found, list)
		return ""
	}
	return found[0]
}

// Cut in the middle of an outgoing PUBLISH: it is sent again after the reconnect. Written in full
// it keeps its id with DUP 1 while the session lives; a part of it nobody has seen, so it goes as
// new, as it does in a new session. With FailAll it fails by policy, never silently.
func TestFaultCutInsideOutgoingPublish(t *testing.T) {
	const size = 12 // of PUBLISH "t" "half"
	for _, tt := range []struct {
		name   string
		kept   bool
		policy awsiot.OfflineQueueBehavior
	}{
		{"session kept", true, awsiot.FailQoS0}, {"session kept, FailAll", true, awsiot.FailAll},
		{"session lost", false, awsiot.FailQoS0}, {"session lost, FailAll", false, awsiot.FailAll},
	} {
		for at := 1; at <= size; at++ {
			t.Run(fmt.Sprintf("%s, after %d bytes", tt.name, at), func(t *testing.T) {
				withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
					n := e.client("c", func(o *awsiot.ClientOptions) { rejoin(o); o.OfflineQueue.Behavior = tt.policy }).up()
					n.conn.Load().SetLink(memnet.ToServer, memnet.Link{CutAfter: at})
					n.PublishFunc(packet("t", "half", 1), n.events.done("half"))
					synctest.Wait()
					if !tt.kept {
						e.srv.Faults().LoseSessions()
					}
					if s := n.again(); s.Connack.SessionPresent != tt.kept {
						t.Errorf("session present %v", s.Connack.SessionPresent)
					}
					pass(time.Second)
					fails := tt.policy == awsiot.FailAll && (at < size || !tt.kept)
					got := only(t, n.events.take(), "half: ")
					if want := `half: awsiot: publish "t": ` + awsiot.ErrOffline.Error(); fails && got != want || !fails && got != "half: <nil>" {
						t.Errorf("result %q", got)
					}
					want := []string{"half"}
					if at == size {
						want = []string{"half", "half+"}
						if !tt.kept {
							want[1] = "half"
						}
					}
					if fails {
						want = want[:len(want)-1]
					}
					all := n.sent(iotlocal.PUBLISH)
					equal(t, "the broker saw", payloads(all), want)
					if len(all) == 2 && tt.kept && all[0].PacketID != all[1].PacketID {
						t.Errorf("identifiers %d and %d", all[0].PacketID, all[1].PacketID)
					}
				})
			})
		}
	}
}

// The same twice: sent again with DUP in its session, and lost again with the session, it is a new message,
// without DUP and with a new id, and it keeps its place.
func TestFaultCutAgainSessionLost(t *testing.T) {
	withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
		n := e.client("c", rejoin).up()
		n.rule(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK, Action: iotlocal.Drop, Times: 4})
		for _, s := range []string{"one", "two"} {
			n.PublishFunc(packet("t", s, 1), n.events.done(s))
		}
		synctest.Wait()
		e.srv.Faults().Cut("c")
		if s := n.again(); !s.Connack.SessionPresent {
			t.Error("the session was lost too early")
		}
		synctest.Wait()
		e.srv.Faults().LoseSessions()
		if s := n.again(); s.Connack.SessionPresent {
			t.Error("the session was kept")
		}
		pass(time.Second)
		all := n.sent(iotlocal.PUBLISH)
		equal(t, "the broker saw", payloads(all), []string{"one", "two", "one+", "two+", "one", "two"})
		var ids []uint16
		for _, p := range all {
			ids = append(ids, p.PacketID)
		}
		equal(t, "identifiers", ids, []uint16{1, 2, 1, 2, 3, 4})
		var ends []string
		for _, event := range n.events.take() {
			if strings.Contains(event, "nil") {
				ends = append(ends, event)
			}
		}
		equal(t, "results", ends, []string{"one: <nil>", "two: <nil>"})
	})
}

// Cut in the middle of an incoming PUBLISH: nothing of it is delivered; the broker sends it again after the reconnect.
func TestFaultCutInsideIncomingPublish(t *testing.T) {
	const size = 13 // of PUBLISH "t" "whole"
	for at := 1; at < size; at++ {
		t.Run(fmt.Sprintf("after %d bytes", at), func(t *testing.T) {
			withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
				n := e.client("c", rejoin).up().subscribe("t")
				n.rule(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBLISH, Nth: 1, Action: iotlocal.CutMiddle, Bytes: at})
				if _, err := e.srv.Publish(iotlocal.Message{Topic: "t", Payload: []byte("whole"), QoS: 1}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				equal(t, "before the reconnect", n.got.take(), nil)
				n.again()
				pass(time.Second)
				equal(t, "after it", n.got.take(), []string{"t=whole"})
				if acks := n.sent(iotlocal.PUBACK); len(acks) != 1 {
					t.Errorf("%d PUBACKs", len(acks))
				}
				only(t, n.events.take(), "disconnection: ")
			})
		})
	}
}

// Half-open (packets vanish, no RST): the PINGRESP timeout closes within keep-alive + ping
// timeout; pending operations are kept.
func TestFaultHalfOpen(t *testing.T) {
	withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
		n := e.client("c", func(o *awsiot.ClientOptions) {
			rejoin(o)
			o.KeepAlive, o.PingTimeout = 30*time.Second, 10*time.Second
		}).up()
		n.conn.Load().Blackhole()
		began := time.Now()
		n.PublishFunc(packet("t", "kept", 1), n.events.done("kept"))
		f := n.SubscribeAsync(filters(nil, "f"))
		for n.State() == awsiot.StateConnected {
			pass(100 * time.Millisecond)
		}
		// The broker's end says it has gone: closing waits for it, but no longer than a moment.
		if d := time.Since(began); d < 39*time.Second || d > 41*time.Second {
			t.Errorf("noticed after %v", d)
		}
		got := only(t, n.events.take(), "disconnection: ")
		if want := awsiot.ErrPingTimeout.Error(); !strings.Contains(got, want) {
			t.Error(got)
		}
		n.again()
		if _, err := f.Wait(within(time.Second)); err != nil {
			t.Errorf("subscribe: %v", err)
		}
		synctest.Wait()
		equal(t, "kept", n.events.take(), []string{"attempting", "success", "kept: <nil>"})
	})
}

// Slow-loris broker, one byte per second: ConnackTimeout is a bound on the whole; so is
// ConnectTimeout for the TLS handshake and the websocket upgrade.
func TestFaultSlowLoris(t *testing.T) {
	for _, tt := range []struct {
		name  string
		auth  awsiot.Auth
		tls   bool
		limit time.Duration
		want  string
	}{
		{"CONNACK", awsiot.PlainTCP(), false, 7 * time.Second, awsiot.ErrConnackTimeout.Error()},
		{"TLS handshake", awsiot.TLS(), true, 5 * time.Second, "TLS with localhost"},
		{"websocket upgrade", awsiot.PlainWebsocket(nil), false, 5 * time.Second, "websocket with localhost"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
				n := e.client("c", func(o *awsiot.ClientOptions) {
					o.Auth, o.ConnectTimeout, o.ConnackTimeout = tt.auth, 5*time.Second, 7*time.Second
					if tt.tls {
						o.Port, o.CAPEM = e.srv.TLSPort(), e.srv.CAPEM()
					}
					if tt.name == "websocket upgrade" {
						o.Port = slowUpgrade(e.t, e.net)
					}
				})
				e.net.SetFaults(memnet.Faults{ToClient: memnet.Link{Rate: 1}})
				began, failed := time.Now(), failures(n.Client)
				if err := n.Start(); err != nil {
					t.Fatal(err)
				}
				err := (<-failed).Err
				if d := time.Since(began); d != tt.limit || err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%v after %v", err, d)
				}
				var ce *awsiot.ConnectError
				if !errors.As(err, &ce) || !awsiot.Retryable(err) {
					t.Errorf("%#v", err)
				}
			})
		})
	}
}

// slowUpgrade serves one websocket upgrade that would take a minute, and returns its port.
func slowUpgrade(t *testing.T, nw *memnet.Network) int {
	ln, err := nw.Listen("localhost:8080")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"))
		_, _ = conn.Read(make([]byte, 1)) // until the client gives up
		_ = conn.Close()
	}()
	t.Cleanup(func() { _ = ln.Close(); <-ended })
	return 8080
}

// The broker accepts TCP and says nothing: the same error, the backoff grows, no spin.
func TestFaultSilence(t *testing.T) {
	withLocal(t, iotlocal.Options{Limits: iotlocal.Limits{ConnectTimeout: time.Hour}}, func(t *testing.T, e *onLocal) {
		e.srv.Faults().SilenceConnections(-1)
		n := e.client("c", func(o *awsiot.ClientOptions) {
			cBackoff(o)
			o.ConnackTimeout = 10 * time.Second
		})
		n.PublishFunc(packet("t", "kept", 1), n.events.done("kept"))
		w := &world{t: t, client: n.Client}
		_ = n.Start()
		synctest.Wait()
		equal(t, "delays", attempts(w, 6), []int{10500, 11000, 12000, 14000, 15000, 15000})
		list := n.events.take()
		for i, s := range list[1:] {
			if want := "failure: awsiot: connect: " + awsiot.ErrConnackTimeout.Error() + ": waited 10s"; i%2 == 0 && s != want || i%2 == 1 && s != "attempting" {
				t.Errorf("event %d: %q", i, s)
			}
		}
		e.srv.Faults().SilenceConnections(0)
		n.again()
		pass(time.Second)
		only(t, n.events.take(), "kept: <nil>")
	})
}

// Restart with the session kept: session present, no SUBSCRIBE is sent again, what was
// unacknowledged is sent again once.
func TestFaultRestartSessionKept(t *testing.T) {
	withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
		n := e.client("c", rejoin).up().subscribe("other", "t")
		lost := n.rule(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK, Action: iotlocal.Drop})
		for i := range 5 {
			n.PublishFunc(packet("t", fmt.Sprint(i), 1), n.events.done(fmt.Sprint(i)))
		}
		synctest.Wait()
		lost.Remove()
		e.srv.Faults().Cut("")
		if s := n.again(); !s.Settings.RejoinedSession || !s.Connack.SessionPresent {
			t.Errorf("%+v", s)
		}
		pass(time.Second)
		equal(t, "publishes", payloads(n.sent(iotlocal.PUBLISH)), []string{"0", "1", "2", "3", "4", "0+", "1+", "2+", "3+", "4+"})
		if subs := n.sent(iotlocal.SUBSCRIBE); len(subs) != 1 {
			t.Errorf("%d SUBSCRIBEs", len(subs))
		}
		list := n.events.take()
		equal(t, "events", list[len(list)-5:], []string{"0: <nil>", "1: <nil>", "2: <nil>", "3: <nil>", "4: <nil>"})
		got := n.got.take() // the broker had them the first time already: at least once
		for i := range 5 {
			if s := fmt.Sprintf("t=%d", i); !slices.Contains(got, s) {
				t.Errorf("%s did not arrive: %q", s, got)
			}
		}
	})
}

// Restart with the session lost: session present 0, the subscriptions are made again and that is
// an event; what was unacknowledged follows the policy: sent as new, or failed.
func TestFaultRestartSessionLost(t *testing.T) {
	for policy, want := range map[awsiot.OfflineQueueBehavior]string{
		awsiot.FailQoS0: "<nil>", awsiot.FailNonQoS1: "<nil>", awsiot.KeepAll: "<nil>",
		awsiot.FailAll: `awsiot: publish "t": ` + awsiot.ErrOffline.Error(),
	} {
		t.Run(policy.String(), func(t *testing.T) {
			withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
				n := e.client("c", func(o *awsiot.ClientOptions) { rejoin(o); o.OfflineQueue.Behavior = policy }).up().subscribe("a", "b")
				lost := n.rule(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK, Action: iotlocal.Drop})
				n.PublishFunc(packet("t", "x", 1), n.events.done("x"))
				n.PublishFunc(packet("t", "y", 1), n.events.done("y"))
				synctest.Wait()
				lost.Remove()
				e.srv.Faults().LoseSessions()
				if s := n.again(); s.Settings.RejoinedSession {
					t.Errorf("%+v", s)
				}
				pass(time.Second)
				list := n.events.take()
				for _, name := range []string{"x: ", "y: "} {
					if got := only(t, list, name); got != name+want {
						t.Errorf("%q, want %q", got, want)
					}
				}
				only(t, list, "resubscribed [a b]: <nil>")
				if want == "<nil>" {
					equal(t, "publishes", payloads(n.sent(iotlocal.PUBLISH)), []string{"x", "y", "x", "y"})
				}
				if _, err := e.srv.Publish(iotlocal.Message{Topic: "b", Payload: []byte("again")}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				equal(t, "received", n.got.take(), []string{"b=again"})
			})
		})
	}
}

// Duplicate PUBACK: ignored, logged, and the send quota is not increased twice.
func TestFaultDuplicatePuback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newStateLog(t)
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.Logger = slog.New(log) })
		_ = w.client.Start()
		p, _ := w.accept(func(a *packets.Connack) { a.Properties.ReceiveMaximum = new(uint16(2)) })
		for i := range 6 {
			w.client.PublishFunc(packet("t", fmt.Sprint(i), 1), w.events.done(fmt.Sprint(i)))
		}
		equal(t, "the window", p.take(2), []string{"0#1", "1#2"})
		for i := range uint16(3) {
			p.send(i+1, i+1, i+1)
			equal(t, "one more", p.take(1), []string{fmt.Sprintf("%d#%d", i+2, i+3)})
			p.silent(time.Second)
		}
		equal(t, "completions", w.events.take()[2:], []string{"0: <nil>", "1: <nil>", "2: <nil>"})
		if l := log.matching("acknowledgement that nothing waits for packet=PUBACK"); len(l) != 6 {
			t.Errorf("log: %q", l)
		}
	})
}

// PUBACK for an id of the former connection, after the reconnect: ignored, in a new session and in
// the old one, where the message has the id still but has not been sent again yet.
func TestFaultPubackOfFormerConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, rejoin)
		p := w.start()
		w.client.PublishFunc(packet("t", "a", 1), w.events.done("a"))
		equal(t, "first", p.take(1), []string{"a#1"})
		p.cut()
		p, _ = w.accept(nil) // the session is lost: a gets another id
		equal(t, "again", p.take(1), []string{"a#2"})
		p.send(uint16(1))
		p.silent(time.Second)
		if s := w.client.Stats(); s.UnackedOperationCount != 1 || w.client.State() != awsiot.StateConnected {
			t.Errorf("%+v, %v", s, w.client.State())
		}
		p.send(uint16(2))
		synctest.Wait()
		only(t, w.events.take(), "a: <nil>")

		w.client.PublishFunc(packet("t", "b", 1), w.events.done("b"))
		w.client.PublishFunc(packet("t", "c", 1), w.events.done("c"))
		equal(t, "two more", p.take(2), []string{"b#3", "c#4"})
		p.cut()
		p, _ = w.accept(sessionPresent(func(a *packets.Connack) { a.Properties.ReceiveMaximum = new(uint16(1)) }))
		equal(t, "one of them again", p.take(1), []string{"b#3+"})
		p.send(uint16(4))
		p.silent(time.Second)
		p.send(uint16(3))
		equal(t, "the other is not lost", p.take(1), []string{"c#4+"})
		p.send(uint16(4))
		synctest.Wait()
		list := w.events.take()
		only(t, list, "b: <nil>")
		only(t, list, "c: <nil>")
	})
}

// PUBACK with an unknown or illegal code: the operation ends with an error that keeps the byte,
// at once (another SDK never calls back); the connection lives.
func TestFaultPubackWithIllegalCode(t *testing.T) {
	for code := range 256 {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			p := w.start()
			f := w.client.PublishAsync(packet("t", "a", 1))
			p.take(1)
			p.send([]byte{0x40, 4, 0, 1, byte(code), 0})
			res, err := f.Wait(within(time.Second))
			reason, coded := awsiot.ReasonOf(err)
			switch {
			case code == 0 || code == 0x10:
				if err != nil {
					t.Errorf("0x%02X: %v", code, err)
				}
			case code < 0x80:
				if !errors.Is(err, awsiot.ErrProtocol) || coded || !strings.HasPrefix(err.Error(), `awsiot: publish "t": protocol error`) {
					t.Errorf("0x%02X: %v", code, err)
				}
			case !coded || byte(reason) != byte(code) || !strings.HasPrefix(err.Error(), `awsiot: publish "t": `):
				t.Errorf("0x%02X: %v", code, err)
			}
			if byte(res.Code) != byte(code) {
				t.Errorf("0x%02X: the result has %v", code, res.Code)
			}
			w.client.PublishFunc(packet("t", "b", 1), nil)
			equal(t, "the connection lives", p.take(1), []string{"b#2"})
		})
	}
}
