package awsiot_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// looks is how long the session loop may take to read again, see lead.go.
const looks = 2 * time.Millisecond

// call is a blocking publish under way.
type call struct {
	res   awsiot.PublishResult
	err   error
	ended chan struct{}
	took  time.Duration
}

func publishing(ctx context.Context, c *awsiot.Client, p *awsiot.PublishPacket) *call {
	k := &call{ended: make(chan struct{})}
	go func() {
		t := time.Now()
		k.res, k.err = c.Publish(ctx, p)
		k.took = time.Since(t)
		close(k.ended)
	}()
	return k
}

func (k *call) wait() error {
	<-k.ended
	return k.err
}

// standAside makes the session loop stand aside, by publishes with quick answers.
func (w *world) standAside(p *peer) {
	w.t.Helper()
	awsiot.WriteInline(w.client, func(conn net.Conn, b []byte) (int, error) { return conn.Write(b) })
	for range 20 {
		k := publishing(context.Background(), w.client, packet("quick", "", 1))
		p.send(expect[*packets.Publish](p).PacketID)
		if err := k.wait(); err != nil {
			w.t.Fatal(err)
		}
	}
	if turns, aside := awsiot.Leads(w.client); turns == 0 || !aside {
		w.t.Fatalf("after 20 quick publishes: %d have read their answer; aside %v", turns, aside)
	}
}

// leader makes a publish that reads its own answer, and returns it with what the peer got.
func (w *world) leader(ctx context.Context, p *peer, topic string) (*call, *packets.Publish) {
	w.t.Helper()
	before, _ := awsiot.Leads(w.client)
	k := publishing(ctx, w.client, packet(topic, "", 1))
	m := expect[*packets.Publish](p)
	if after, _ := awsiot.Leads(w.client); after != before+1 {
		w.t.Fatalf("%s: it does not read its answer", topic)
	}
	return k, m
}

// idle checks that nothing is open, and that the loop reads again when it should.
func (w *world) idle() {
	w.t.Helper()
	pass(looks)
	if _, aside := awsiot.Leads(w.client); aside {
		w.t.Errorf("the loop still stands aside after %v", looks)
	}
	if s := w.client.Stats(); s.IncompleteOperationCount != 0 || s.IncompleteOperationSize != 0 || s.UnackedOperationCount != 0 || s.UnackedOperationSize != 0 {
		w.t.Errorf("at the end %+v", s)
	}
}

// What a publish that reads its own answer may find in its place, or beside it.
func TestLeadFinds(t *testing.T) {
	ack := func(m *packets.Publish) []byte { return encode(t, m.PacketID) }
	for _, c := range []struct {
		name  string
		send  func(p *peer, m *packets.Publish)
		code  awsiot.ReasonCode // of the error
		heard string
	}{
		{name: "the answer", send: func(p *peer, m *packets.Publish) { p.send(ack(m)) }},
		{name: "a message first", send: func(p *peer, m *packets.Publish) { p.send(publish("a", "1", 0)); synctest.Wait(); p.send(ack(m)) }, heard: "1"},
		{name: "a message before it in one read", send: func(p *peer, m *packets.Publish) { p.send(publish("a", "1", 0), ack(m)) }, heard: "1"},
		{name: "a message behind it in one read", send: func(p *peer, m *packets.Publish) { p.send(ack(m), publish("a", "1", 0)) }, heard: "1"},
		{name: "a QoS 1 message", send: func(p *peer, m *packets.Publish) {
			p.send(publish("a", "1", 9), ack(m))
			if id := expect[*packets.Puback](p).PacketID; id != 9 {
				t.Errorf("PUBACK %d", id)
			}
		}, heard: "1"},
		{name: "half of it", send: func(p *peer, m *packets.Publish) { p.send(ack(m)[:3]); synctest.Wait(); p.send(ack(m)[3:]) }},
		{name: "it and half a message", send: func(p *peer, m *packets.Publish) {
			b := encode(t, m.PacketID, publish("a", "1", 0))
			p.send(b[:9])
			synctest.Wait()
			p.send(b[9:])
		}, heard: "1"},
		{name: "it twice", send: func(p *peer, m *packets.Publish) { p.send(ack(m), ack(m)) }},
		{name: "another's", send: func(p *peer, m *packets.Publish) { p.send(m.PacketID+7, ack(m)) }},
		{name: "a PINGRESP", send: func(p *peer, m *packets.Publish) { p.send(&packets.Pingresp{}, ack(m)) }},
		{name: "a refusal", send: func(p *peer, m *packets.Publish) { p.send(puback(m.PacketID, 0x97)) }, code: awsiot.ReasonQuotaExceeded},
		{name: "a refusal that says why", send: func(p *peer, m *packets.Publish) {
			a := puback(m.PacketID, 0x97)
			a.Properties.ReasonString = "slow down"
			p.send(a)
		}, code: awsiot.ReasonQuotaExceeded},
		{name: "no subscribers", send: func(p *peer, m *packets.Publish) { p.send(puback(m.PacketID, 0x10)) }},
	} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var heard []string
			w := newWorld(t, func(o *awsiot.ClientOptions) {
				o.OnPublishReceived = func(m *awsiot.Message) { mu.Lock(); heard = append(heard, string(m.Payload)); mu.Unlock() }
			})
			p := w.start()
			w.standAside(p)
			k, m := w.leader(context.Background(), p, c.name)
			c.send(p, m)
			err := k.wait()
			if code, _ := awsiot.ReasonOf(err); code != c.code || (err != nil) != (c.code != 0) {
				t.Errorf("%s: %v, want %v", c.name, err, c.code)
			}
			synctest.Wait()
			mu.Lock()
			if got := strings.Join(heard, " "); got != c.heard {
				t.Errorf("%s: heard %q, want %q", c.name, got, c.heard)
			}
			mu.Unlock()
			w.idle()
			if e := w.events.take(); !slices.Equal(e, []string{"attempting", "success"}) {
				t.Errorf("%s: events %v", c.name, e)
			}
		})
	}
}

// The end of the connection while a publish reads its own answer: it goes out again on the next one.
func TestLeadLosesConnection(t *testing.T) {
	for name, c := range map[string]struct {
		send func(p *peer)
		want string
	}{
		"closed":     {func(p *peer) { _ = p.conn.Close() }, "unexpected EOF"},
		"cut":        {func(p *peer) { p.cut() }, "connection reset"},
		"DISCONNECT": {func(p *peer) { p.send(&packets.Disconnect{ReasonCode: 0x8B, Properties: &packets.Properties{}}) }, "server shutting down"},
		"nonsense":   {func(p *peer) { p.send([]byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF}) }, "protocol"},
		"half, then the end": {func(p *peer) {
			p.send([]byte{0x40, 2})
			_ = p.conn.Close()
		}, "unexpected EOF"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, rejoin)
			p := w.start()
			w.standAside(p)
			k, first := w.leader(context.Background(), p, name)
			c.send(p)
			go func() { // what the client still sends here
				for p.next() != nil {
				}
				_ = p.conn.Close()
			}()
			p, _ = w.accept(sessionPresent())
			m := expect[*packets.Publish](p)
			if m.Topic != name || !m.Duplicate || m.PacketID != first.PacketID {
				t.Errorf("%s: sent again %+v", name, m)
			}
			p.send(m.PacketID)
			if err := k.wait(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			w.idle()
			if e := strings.Join(w.events.take(), "\n"); !strings.Contains(e, "disconnection: ") || !strings.Contains(e, c.want) {
				t.Errorf("%s: events\n%s\nwant %q", name, e, c.want)
			}
		})
	}
}

// What ends the call of a publish that reads its own answer takes two looks longer at most.
func TestLeadInterrupted(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(w *world, cancel context.CancelFunc)
		want error
		took time.Duration
	}{
		"ctx":        {func(_ *world, cancel context.CancelFunc) { cancel() }, awsiot.ErrUnknownOutcome, 0},
		"AckTimeout": {func(*world, context.CancelFunc) {}, awsiot.ErrAckTimeout, 5 * time.Second},
		"Stop":       {func(w *world, _ context.CancelFunc) { _ = w.client.Stop(context.Background(), nil) }, awsiot.ErrStopped, 0},
		"Abort":      {func(w *world, _ context.CancelFunc) { w.client.Abort() }, awsiot.ErrStopped, 0},
		"Close":      {func(w *world, _ context.CancelFunc) { _ = w.client.Close() }, awsiot.ErrClosed, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(o *awsiot.ClientOptions) { o.AckTimeout = 5 * time.Second })
			p := w.start()
			w.standAside(p)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			k, m := w.leader(ctx, p, name)
			var last packets.Packet
			gone := make(chan bool)
			go func() {
				for v := p.next(); v != nil; v = p.next() {
					last = v
				}
				_ = p.conn.Close()
				close(gone)
			}()
			c.end(w, cancel)
			if err := k.wait(); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
			if late := k.took - c.took; late < 0 || late > looks {
				t.Errorf("%s: it took %v, want %v and at most %v more", name, k.took, c.took, looks)
			}
			switch name {
			case "ctx": // the outcome is known later
				p.send(m.PacketID)
				if res, err := k.res.Pending.Wait(context.Background()); err != nil || res.Code != awsiot.ReasonSuccess {
					t.Errorf("the outcome: %v, %v", res, err)
				}
			case "AckTimeout":
				p.send(m.PacketID) // late
				pass(looks)
			default:
				<-gone
				if _, ok := last.(*packets.Disconnect); ok != (name != "Abort") {
					t.Errorf("%s: the last packet was %T", name, last)
				}
				return
			}
			w.idle()
		})
	}
}

// Who needs the loop while it stands aside gets it at once, whether a publish reads or not.
func TestLeadCalledBack(t *testing.T) {
	for name, start := range map[string]func(c *awsiot.Client) <-chan struct{}{
		"PublishAsync":   func(c *awsiot.Client) <-chan struct{} { return c.PublishAsync(packet("other", "", 1)).Done() },
		"SubscribeAsync": func(c *awsiot.Client) <-chan struct{} { return c.SubscribeAsync(filters(nil, "other")).Done() },
		"UnsubscribeAsync": func(c *awsiot.Client) <-chan struct{} {
			return c.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: []string{"other"}}).Done()
		},
	} {
		for _, reading := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				p := w.start()
				w.standAside(p)
				begin := time.Now()
				var k *call
				var m *packets.Publish
				if reading {
					k, m = w.leader(context.Background(), p, "leader")
				}
				ended := start(w.client)
				p.answer(p.next())
				<-ended
				if took := time.Since(begin); took > 0 {
					t.Errorf("%s, reading %v: it took %v", name, reading, took)
				}
				if reading {
					p.send(m.PacketID)
					if err := k.wait(); err != nil {
						t.Error(err)
					}
				}
				w.idle()
			})
		}
	}
}

// What waits for the place of a publish in the window goes out when that has read its answer.
func TestLeadMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.MaxInflight = 1 })
		p := w.start()
		w.standAside(p)
		k, m := w.leader(context.Background(), p, "leader")
		f := w.client.PublishAsync(packet("other", "", 1))
		p.send(m.PacketID)
		if err := k.wait(); err != nil {
			t.Error(err)
		}
		p.send(expect[*packets.Publish](p).PacketID)
		answered := time.Now()
		if _, err := f.Wait(context.Background()); err != nil || time.Since(answered) > 0 {
			t.Errorf("%v, after %v", err, time.Since(answered))
		}
		w.idle()
	})
}

// On a real socket: a series of publishes reads its answers, and the error that one of them reads is the one that is
// reported (a second read would say that the connection has ended in peace).
func TestLeadSocketReset(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // no inline writes there
	}
	ended := make(chan error, 1)
	c, p := newSocketClient(t, func(o *awsiot.ClientOptions) { o.OnDisconnection = func(d *awsiot.Disconnection) { ended <- d.Err } })
	go func() {
		for v, ok := p.next().(*packets.Publish); ok; v, ok = p.next().(*packets.Publish) {
			if turns, _ := awsiot.Leads(c); turns > 0 {
				_ = p.conn.(*net.TCPConn).SetLinger(0) // a reset
				_ = p.conn.Close()
				return
			}
			p.reply(v.PacketID)
		}
	}()
	go func() { // until the end of the client; answers are not always quick on a busy machine
		for err := error(nil); err == nil; {
			_, err = c.Publish(context.Background(), packet("a", "", 1))
		}
	}()
	if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection ended with %v, want a reset", err)
	}
}

// Two looks after the last publish the loop reads: messages, and the end of the connection.
func TestLeadEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heard := make(chan time.Time, 1)
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.OnPublishReceived = func(*awsiot.Message) { heard <- time.Now() } })
		p := w.start()
		w.standAside(p)
		p.send(publish("a", "1", 0))
		sent := time.Now()
		if late := (<-heard).Sub(sent); late > looks {
			t.Errorf("a message came %v late", late)
		}
		w.standAside(p)
		sent = time.Now()
		p.cut()
		p = w.raw()
		if late := time.Since(sent) - time.Second; late > looks {
			t.Errorf("the loss of the connection was noticed after %v", late)
		}
		_ = p.conn.Close()
		_ = w.client.Close()
	})
}

// An answer that takes its time ends the arrangement, and slow publishes never begin it.
func TestLeadOnlyQuick(t *testing.T) {
	for _, delay := range []time.Duration{0, 400 * time.Microsecond, 600 * time.Microsecond, 20 * time.Millisecond} {
		for _, where := range []string{"answer", "pause"} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				p := w.start()
				awsiot.WriteInline(w.client, func(conn net.Conn, b []byte) (int, error) { return conn.Write(b) })
				for i := range 50 {
					k := publishing(context.Background(), w.client, packet(strconv.Itoa(i), "", 1))
					m := expect[*packets.Publish](p)
					if where == "answer" {
						<-time.After(delay)
					}
					p.send(m.PacketID)
					if err := k.wait(); err != nil {
						t.Fatal(err)
					}
					if where == "pause" {
						<-time.After(delay)
					}
				}
				if turns, _ := awsiot.Leads(w.client); (turns > 20) != (delay <= 500*time.Microsecond) {
					t.Errorf("%s of %v: %d publishes have read their answer", where, delay, turns)
				}
				w.idle()
			})
		}
	}
}

// Who gets messages between publishes, as answers to requests, does not wait for a look.
func TestLeadNotWithMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heard := make(chan bool, 1)
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.OnPublishReceived = func(*awsiot.Message) { heard <- true } })
		p := w.start()
		awsiot.WriteInline(w.client, func(conn net.Conn, b []byte) (int, error) { return conn.Write(b) })
		begin := time.Now()
		for i := range 100 {
			k := publishing(context.Background(), w.client, packet(strconv.Itoa(i), "", 1))
			p.send(expect[*packets.Publish](p).PacketID)
			if err := k.wait(); err != nil {
				t.Fatal(err)
			}
			p.send(publish("a", "1", 0))
			<-heard
		}
		if turns, _ := awsiot.Leads(w.client); turns > 0 || time.Since(begin) > 0 {
			t.Errorf("%d publishes have read their answers, and 100 requests took %v", turns, time.Since(begin))
		}
	})
}
