package awsiot_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// What a broker allowed on one connection and refuses on the next ends that operation alone: its identifier is free
// again, and a late acknowledgement for it is nobody's.
func TestResendRefused(t *testing.T) {
	for name, refuse := range map[string]func(*packets.Connack){
		"MaximumPacketSize": func(a *packets.Connack) { a.Properties.MaximumPacketSize = new(uint32(50)) },
		"RetainAvailable":   func(a *packets.Connack) { a.Properties.RetainAvailable = new(byte(0)) },
		"MaximumQoS":        func(a *packets.Connack) { a.Properties.MaximumQOS = new(byte(0)) },
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, rejoin)
			p := w.start()
			old := packet("old", strings.Repeat("x", 100), 1)
			old.Retain = true
			w.client.PublishFunc(old, w.events.done("old"))
			id := expect[*packets.Publish](p).PacketID
			p.cut()
			p, _ = w.accept(sessionPresent(refuse))
			synctest.Wait()
			if e := strings.Join(w.events.take(), "\n"); !strings.Contains(e, "old: awsiot: ") {
				t.Errorf("%s: events\n%s", name, e)
			}
			if name == "MaximumQoS" {
				return // nothing goes out at QoS 1 any more
			}
			w.client.PublishFunc(packet("new", "y", 1), w.events.done("new"))
			next := expect[*packets.Publish](p).PacketID
			if next != id { // also where the counter has moved on
				p.send(id)
				synctest.Wait()
				equal(t, name+": behind the late acknowledgement", w.events.take(), nil)
			}
			p.send(next)
			synctest.Wait()
			equal(t, name+": in the end", w.events.take(), []string{"new: <nil>"})
			if s := w.client.Stats(); s.IncompleteOperationCount != 0 || s.UnackedOperationCount != 0 {
				t.Errorf("%s: %+v", name, s)
			}
		})
	}
}

// A manual alias above what the next connection allows does not end a message: it is sent with its full topic, whether it
// was sent before, waited for its turn, or was queued without a connection. One above what this connection allows does.
func TestAliasOfAnotherConnection(t *testing.T) {
	for _, present := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(o *awsiot.ClientOptions) {
				rejoin(o)
				o.TopicAliasing, o.MaxInflight = awsiot.TopicAliasing{Outbound: awsiot.AliasManual}, 1
			})
			if err := w.client.Start(); err != nil {
				t.Fatal(err)
			}
			p, _ := w.accept(func(a *packets.Connack) { a.Properties.TopicAliasMaximum = new(uint16(10)) })
			call := func(name string) {
				m := packet("topic", name, 1)
				m.TopicAlias = new(uint16(7))
				w.client.PublishFunc(m, w.events.done(name))
			}
			call("sent")
			if first := expect[*packets.Publish](p); *first.Properties.TopicAlias != 7 {
				t.Errorf("%v", first)
			}
			call("waiting")
			p.cut()
			synctest.Wait()
			call("queued")
			p, _ = w.accept(func(a *packets.Connack) { a.SessionPresent, a.Properties.TopicAliasMaximum = present, new(uint16(5)) })
			w.events.take()
			for _, name := range []string{"sent", "waiting", "queued"} {
				m := expect[*packets.Publish](p)
				if m.Topic != "topic" || m.Properties.TopicAlias != nil || string(m.Payload) != name || m.Duplicate != (present && name == "sent") {
					t.Errorf("sent again as %+v", m)
				}
				p.send(m.PacketID)
			}
			synctest.Wait()
			call("new")
			synctest.Wait()
			equal(t, "ends", w.events.take(), []string{"sent: <nil>", "waiting: <nil>", "queued: <nil>", "new: awsiot: TopicAlias: 7 is above the maximum of 5"})
		})
	}
}

// With an alias the packet gets longer: at the broker's limit it goes without.
func TestAliasWithinPacketSize(t *testing.T) {
	for _, mode := range []awsiot.AliasBehavior{awsiot.AliasLRU, awsiot.AliasManual} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(o *awsiot.ClientOptions) { o.TopicAliasing = awsiot.TopicAliasing{Outbound: mode} })
			if err := w.client.Start(); err != nil {
				t.Fatal(err)
			}
			p, _ := w.accept(func(a *packets.Connack) {
				a.Properties.TopicAliasMaximum, a.Properties.MaximumPacketSize = new(uint16(10)), new(uint32(100))
			})
			for size := 80; size < 94; size++ { // 7 bytes beside topic and payload at QoS 0
				m := packet("t", strings.Repeat("x", size), 0)
				m.TopicAlias = new(uint16(1))
				if _, err := w.client.PublishAsync(m).Wait(context.Background()); err != nil {
					t.Errorf("%v, %d bytes: %v", mode, size, err)
					break
				}
				if n := len(encode(t, expect[*packets.Publish](p))); n > 100 {
					t.Errorf("%v: a packet of %d bytes", mode, n)
				}
			}
		})
	}
}

// DISCONNECT obeys the broker's limit, too.
func TestDisconnectWithinPacketSize(t *testing.T) {
	for _, size := range []int{5, 200} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			if err := w.client.Start(); err != nil {
				t.Fatal(err)
			}
			p, _ := w.accept(func(a *packets.Connack) { a.Properties.MaximumPacketSize = new(uint32(100)) })
			go func() {
				_ = w.client.Stop(context.Background(), &awsiot.DisconnectPacket{Code: 4, Reason: strings.Repeat("r", size)})
			}()
			d := expect[*packets.Disconnect](p)
			if d.ReasonCode != 4 || len(d.Properties.ReasonString) != map[int]int{5: 5, 200: 0}[size] {
				t.Errorf("code 0x%02X, reason %q", d.ReasonCode, d.Properties.ReasonString)
			}
			p.expectEnd()
		})
	}
}

// The expiry of DISCONNECT is measured by that of CONNECT, whatever CONNACK made of it [MQTT5-3.14.2-2].
func TestDisconnectExpiryAgainstConnect(t *testing.T) {
	for _, c := range []struct {
		connect time.Duration
		connack uint32
		refused bool
	}{{0, 3600, true}, {time.Hour, 0, false}, {time.Hour, 60, false}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(o *awsiot.ClientOptions) { o.SessionExpiry = c.connect })
			if err := w.client.Start(); err != nil {
				t.Fatal(err)
			}
			p, _ := w.accept(func(a *packets.Connack) { a.Properties.SessionExpiryInterval = new(c.connack) })
			sent := make(chan *packets.Disconnect, 1)
			go func() {
				d, _ := p.next().(*packets.Disconnect)
				sent <- d
				_ = p.conn.Close()
			}()
			err := w.client.Stop(context.Background(), &awsiot.DisconnectPacket{SessionExpiry: new(30 * time.Second)})
			var ve *awsiot.ValidationError
			if errors.As(err, &ve) != c.refused || !c.refused && err != nil {
				t.Errorf("%+v: %v", c, err)
			}
			if c.refused {
				if w.client.State() != awsiot.StateConnected {
					t.Errorf("%+v: the client is %v", c, w.client.State())
				}
				return
			}
			if d := <-sent; d == nil || d.Properties.SessionExpiryInterval == nil || *d.Properties.SessionExpiryInterval != 30 {
				t.Errorf("%+v: sent %+v", c, d)
			}
		})
	}
}

// Stop ends calls that wait for room in the queue (Block), as it ends those that have some.
func TestStopEndsBlockedCalls(t *testing.T) {
	for name, start := range map[string]bool{"started": true, "not started": false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(o *awsiot.ClientOptions) {
				o.OfflineQueue = awsiot.OfflineQueue{MaxOperations: 1, WhenFull: awsiot.Block}
			})
			if start {
				if err := w.client.Start(); err != nil {
					t.Fatal(err)
				}
			}
			var wg sync.WaitGroup
			errs := make(chan error, 9)
			for range 3 {
				wg.Go(func() { _, err := w.client.Publish(context.Background(), packet("t", "", 1)); errs <- err })
				wg.Go(func() {
					w.client.PublishFunc(packet("t", "", 1), func(_ awsiot.PublishResult, err error) { errs <- err })
				})
				wg.Go(func() { _, err := w.client.Subscribe(context.Background(), filters(nil, "f")); errs <- err })
			}
			synctest.Wait()
			_ = w.client.Stop(context.Background(), nil)
			wg.Wait()
			for range 9 {
				if err := <-errs; !errors.Is(err, awsiot.ErrStopped) {
					t.Errorf("%s: %v", name, err)
				}
			}
			if s := w.client.Stats(); s.IncompleteOperationCount != 0 {
				t.Errorf("%s: %+v", name, s)
			}
		})
	}
}

// A QoS 0 publish that the end of the connection overtakes fails behind the news of that, and the hint does not name
// what the broker has not seen.
func TestUnwrittenFailsBehindDisconnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, p := newPipeWorld(t, nil)
		w.events.take()
		for _, name := range []string{"first", "second"} {
			w.client.PublishFunc(packet("t", "", 0), w.events.done(name))
			synctest.Wait()
		}
		w.client.PublishAsync(packet("t", "", 0)).OnDone(func(_ awsiot.PublishResult, err error) { w.events.add("third: %v", err) })
		w.client.PublishFunc(packet("unseen", "", 1), nil)
		synctest.Wait()
		_ = p.conn.Close()
		synctest.Wait()
		e := w.events.take()
		if len(e) != 4 || !strings.HasPrefix(e[0], "disconnection: ") || strings.Contains(e[0], "unseen") ||
			!strings.HasPrefix(e[1], "first: ") || !strings.HasPrefix(e[2], "second: ") || !strings.HasPrefix(e[3], "third: ") {
			t.Errorf("events:\n%s", strings.Join(e, "\n"))
		}
	})
}

// A SUBSCRIBE that ended without its SUBACK may not have arrived: with the next connection it is sent again, also in
// the same session.
func TestSubscribedWithoutSuback(t *testing.T) {
	for _, how := range []string{"stopped", "timed out"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(o *awsiot.ClientOptions) { rejoin(o); o.AckTimeout = 10 * time.Second })
			p := w.start()
			f := w.client.SubscribeAsync(filters(nil, "a"))
			expect[*packets.Subscribe](p)
			if how == "stopped" {
				go p.expectClose()
				_ = w.client.Stop(context.Background(), nil)
				if err := w.client.Start(); err != nil {
					t.Fatal(err)
				}
			} else {
				pass(11 * time.Second)
				p.cut()
			}
			if _, err := f.Result(); err == nil {
				t.Errorf("%s: no error", how)
			}
			p, _ = w.accept(sessionPresent())
			if s := expect[*packets.Subscribe](p); s.Subscriptions[0].Topic != "a" {
				t.Errorf("%s: %+v", how, s)
			} else {
				p.answer(s)
			}
			synctest.Wait()
		})
	}
}

// A session of an earlier run, and many held acknowledgements, are worth a warning, once.
func TestSessionWarnings(t *testing.T) {
	var log bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) {
			rejoin(o)
			o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
			o.OnPublishReceived = func(m *awsiot.Message) { m.HoldAck() }
		})
		if err := w.client.Start(); err != nil {
			t.Fatal(err)
		}
		p, _ := w.accept(sessionPresent())
		for i := range 150 {
			p.send(publish("a", "", uint16(i+1)))
		}
		synctest.Wait()
		p.cut()
		_, _ = w.accept(sessionPresent())
	})
	for _, want := range []string{"session of an earlier run", "acknowledgements are held"} {
		if n := strings.Count(log.String(), want); n != 1 {
			t.Errorf("%q is logged %d times:\n%s", want, n, log.String())
		}
	}
}
