package mqtt_test

// What paho.mqtt.golang's issues complain of, each shown not to be so under the v2 engine.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/portage-iot/awsiot/internal/memnet"
	"github.com/portage-iot/awsiot/iotlocal"
	mqtt "github.com/portage-iot/awsiot/pahocompat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// bubble runs fn in a synctest bubble, with a server on an in-memory network and options that lead there.
func bubble(t *testing.T, fn func(t *testing.T, nw *memnet.Network, srv *iotlocal.Server, o *paho.ClientOptions)) {
	t.Helper()
	withEngine(t, mqtt.EngineV2)
	synctest.Test(t, func(t *testing.T) {
		nw := &memnet.Network{}
		srv, err := iotlocal.Start(iotlocal.Options{TLSPort: iotlocal.Off, WSPort: iotlocal.Off, WSSPort: iotlocal.Off,
			Listen: func(_, addr string) (net.Listener, error) { return nw.Listen(addr) }})
		if err != nil {
			t.Fatal(err)
		}
		defer srv.Close()
		defer nw.CutAll() // a black hole has not seen the end
		o := mqtt.NewClientOptions().AddBroker(addr(srv)).SetClientID("c")
		o.SetCustomOpenConnectionFn(func(u *url.URL, _ mqtt.ClientOptions) (net.Conn, error) {
			return nw.Dial(context.Background(), "tcp", u.Host)
		})
		fn(t, nw, srv, o)
	})
}

// A link that is dead without a word: the client says so when the ping has had no answer, not minutes later.
func TestConnectedOnlyWhileThereIsALink(t *testing.T) {
	bubble(t, func(t *testing.T, nw *memnet.Network, srv *iotlocal.Server, o *paho.ClientOptions) {
		lost := make(chan error, 1)
		c := mqtt.NewClient(o.SetKeepAlive(30 * time.Second).SetPingTimeout(10 * time.Second).SetAutoReconnect(false).
			SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost <- err }))
		must(t, "Connect", c.Connect())
		for _, conn := range nw.Conns() {
			conn.Blackhole()
		}
		began := time.Now()
		err := <-lost
		if d := time.Since(began); d > 41*time.Second {
			t.Errorf("told after %v", d)
		}
		if c.IsConnected() || c.IsConnectionOpen() {
			t.Error("still connected")
		}
		if err.Error() != "pingresp not received, disconnecting" || !errors.Is(err, awsiot.ErrPingTimeout) {
			t.Errorf("ConnectionLost: %v", err)
		}
		if err := mqtt.WaitTokenTimeout(c.Publish("t", 0, false, "x"), time.Second); err != mqtt.ErrNotConnected {
			t.Errorf("Publish: %v", err)
		}
	})
}

// Every token ends, whatever becomes of the connection: here it ends while each kind of operation is under way.
func TestEveryTokenEnds(t *testing.T) {
	for name, end := range map[string]func(*iotlocal.Server, mqtt.Client){
		"Disconnect": func(_ *iotlocal.Server, c mqtt.Client) { c.Disconnect(10) },
		"loss":       func(srv *iotlocal.Server, _ mqtt.Client) { srv.Faults().Cut("c") },
		"Abort of V2": func(_ *iotlocal.Server, c mqtt.Client) {
			core, _ := mqtt.V2(c)
			core.Abort()
		},
	} {
		for _, clean := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, clean session %v", name, clean), func(t *testing.T) {
				withEngine(t, mqtt.EngineV2)
				srv := iotlocal.StartT(t, iotlocal.Options{})
				c := connected(t, mqtt.NewClientOptions().AddBroker(addr(srv)).SetClientID("c").SetCleanSession(clean).SetAutoReconnect(false))
				if _, err := srv.Faults().Add(iotlocal.Rule{Dir: iotlocal.ServerToClient, Action: iotlocal.Drop}); err != nil {
					t.Fatal(err)
				}
				toks := map[string]mqtt.Token{"Publish": c.Publish("t", 1, false, "x"), "Subscribe": c.Subscribe("t", 1, nil), "Unsubscribe": c.Unsubscribe("t")}
				end(srv, c)
				for what, tok := range toks {
					if !tok.WaitTimeout(patience) {
						t.Errorf("the token of %s does not end", what)
					} else if want := "connection lost before " + what + " completed"; tok.Error() == nil || tok.Error().Error() != want {
						t.Errorf("%s: %v, want %s", what, tok.Error(), want)
					}
				}
			})
		}
	}
}

// Handlers of subscriptions still hear after many reconnects, with and without a session.
func TestHandlersOutliveReconnects(t *testing.T) {
	for _, clean := range []bool{true, false} {
		bubble(t, func(t *testing.T, nw *memnet.Network, srv *iotlocal.Server, o *paho.ClientOptions) {
			heard := make(chan string, 10)
			ups := make(chan bool, 10)
			o.SetCleanSession(clean).SetOnConnectHandler(func(c mqtt.Client) {
				if clean {
					must(t, "Subscribe", c.Subscribe("a", 1, nil)) // nil: the handler of before
				}
				ups <- true
			})
			c := mqtt.NewClient(o)
			must(t, "Connect", c.Connect())
			<-ups
			must(t, "Subscribe", c.Subscribe("a", 1, func(_ mqtt.Client, m mqtt.Message) { heard <- string(m.Payload()) }))
			for i := range 5 {
				nw.CutAll()
				<-ups
				must(t, "Publish", c.Publish("a", 1, false, fmt.Sprint(i)))
				for <-heard != fmt.Sprint(i) { // one whose acknowledgement was cut off comes again
				}
			}
			c.Disconnect(100)
		})
	}
}

// A handler may publish, subscribe and wait for the tokens, with messages waiting behind the one it has.
func TestHandlerMayPublishAndWait(t *testing.T) {
	bubble(t, func(t *testing.T, _ *memnet.Network, srv *iotlocal.Server, o *paho.ClientOptions) {
		const n = 50
		done := make(chan error, n)
		c := mqtt.NewClient(o)
		must(t, "Connect", c.Connect())
		must(t, "Subscribe", c.Subscribe("ask", 1, func(c mqtt.Client, m mqtt.Message) {
			err := mqtt.WaitTokenTimeout(c.Publish("answer", 1, false, m.Payload()), time.Minute)
			done <- errors.Join(err, mqtt.WaitTokenTimeout(c.Subscribe("more/"+string(m.Payload()), 0, nil), time.Minute),
				mqtt.WaitTokenTimeout(c.Unsubscribe("more/"+string(m.Payload())), time.Minute))
		}))
		for i := range n {
			c.Publish("ask", 1, false, fmt.Sprint(i))
		}
		for range n {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		c.Disconnect(100)
	})
}

// A handler that blocks for longer than the keep-alive does not cost the connection: pings go on.
func TestBlockedHandlerDoesNotStopPings(t *testing.T) {
	bubble(t, func(t *testing.T, _ *memnet.Network, srv *iotlocal.Server, o *paho.ClientOptions) {
		lost := make(chan error, 1)
		blocked, release, ended := make(chan bool, 100), make(chan bool), make(chan bool, 100)
		c := mqtt.NewClient(o.SetKeepAlive(5 * time.Second).SetPingTimeout(2 * time.Second).SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost <- err }))
		must(t, "Connect", c.Connect())
		must(t, "Subscribe", c.Subscribe("a", 1, func(mqtt.Client, mqtt.Message) {
			blocked <- true
			<-release
			ended <- true
		}))
		for range 20 {
			must(t, "Publish", c.Publish("a", 1, false, "x"))
		}
		<-blocked
		time.Sleep(time.Minute) // of the bubble
		if !c.IsConnectionOpen() || len(lost) > 0 {
			t.Error("the connection was lost")
		}
		must(t, "Publish", c.Publish("b", 1, false, "goes on"))
		close(release)
		for range 20 {
			<-ended
		}
		c.Disconnect(100)
	})
}

// Publishes just before Disconnect are acknowledged within its time: paho's DISCONNECT overtakes them.
func TestDisconnectLetsPublishesEnd(t *testing.T) {
	bubble(t, func(t *testing.T, _ *memnet.Network, srv *iotlocal.Server, o *paho.ClientOptions) {
		c := mqtt.NewClient(o)
		must(t, "Connect", c.Connect())
		if _, err := srv.Faults().Add(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK, Action: iotlocal.Delay, Delay: 500 * time.Millisecond}); err != nil {
			t.Fatal(err)
		}
		var toks []mqtt.Token
		for range 50 {
			toks = append(toks, c.Publish("a", 1, false, "x"))
		}
		c.Disconnect(1000)
		for _, tok := range toks {
			must(t, "Publish", tok)
		}
	})
}

// Reconnecting waits as paho does: at once after a loss, then 1 s, 2 s, 4 s, up to the maximum, and the next loss soon after waits, too.
func TestReconnectDelays(t *testing.T) {
	bubble(t, func(t *testing.T, nw *memnet.Network, srv *iotlocal.Server, o *paho.ClientOptions) {
		var mu sync.Mutex
		var at []time.Duration
		began, fail := time.Now(), false
		open := o.CustomOpenConnectionFn
		o.SetConnectTimeout(time.Second).SetMaxReconnectInterval(6 * time.Second).SetCustomOpenConnectionFn(func(u *url.URL, o mqtt.ClientOptions) (net.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Since(began).Round(time.Millisecond))
			if fail {
				return nil, errors.New("not now")
			}
			return open(u, o)
		})
		c := mqtt.NewClient(o)
		must(t, "Connect", c.Connect())
		time.Sleep(time.Minute)
		mu.Lock()
		began, fail, at = time.Now(), true, nil
		mu.Unlock()
		nw.CutAll()
		time.Sleep(20 * time.Second)
		mu.Lock()
		got := strings.TrimSpace(fmt.Sprint(at))
		fail = false
		mu.Unlock()
		if want := "[0s 1s 3s 7s 13s 19s]"; got != want {
			t.Errorf("attempts at %s, want %s", got, want)
		}
		time.Sleep(10 * time.Second)
		if !c.IsConnectionOpen() {
			t.Error("not connected again")
		}
		c.Disconnect(100)
	})
}

// A message of a kept session can be there before the news of the connection: its handler finds the client connected all the same.
func TestHandlerFindsTheClientConnected(t *testing.T) {
	bubble(t, func(t *testing.T, _ *memnet.Network, srv *iotlocal.Server, o *paho.ClientOptions) {
		open := make(chan error, 10)
		c := mqtt.NewClient(o.SetCleanSession(false).SetDefaultPublishHandler(func(c mqtt.Client, m mqtt.Message) {
			if !c.IsConnectionOpen() {
				open <- errors.New("not connected")
				return
			}
			open <- mqtt.WaitTokenTimeout(c.Publish("b", 1, false, "x"), time.Minute)
		}))
		must(t, "Connect", c.Connect())
		must(t, "Subscribe", c.Subscribe("a", 1, nil))
		c.Disconnect(100)
		if _, err := srv.Publish(iotlocal.Message{Topic: "a", QoS: 1}); err != nil {
			t.Fatal(err)
		}
		core, _ := mqtt.V2(c)
		core.Observe(awsiot.Observer{OnAttemptingConnect: func(*awsiot.AttemptingConnect) { time.Sleep(time.Second) }}) // the news are late
		must(t, "Connect", c.Connect())
		if err := <-open; err != nil {
			t.Error(err)
		}
		c.Disconnect(100)
	})
}

// A message is acknowledged when its handler has returned, also where handlers run beside each other.
func TestAckBehindHandler(t *testing.T) {
	for _, order := range []bool{true, false} {
		bubble(t, func(t *testing.T, _ *memnet.Network, srv *iotlocal.Server, o *paho.ClientOptions) {
			release := make(chan struct{})
			c := mqtt.NewClient(o.SetOrderMatters(order))
			must(t, "Connect", c.Connect())
			must(t, "Subscribe", c.Subscribe("a", 1, func(mqtt.Client, mqtt.Message) { <-release }))
			if _, err := srv.Publish(iotlocal.Message{Topic: "a", QoS: 1}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			acked := func(p iotlocal.Packet) bool { return p.Type == iotlocal.PUBACK && p.Dir == iotlocal.ClientToServer }
			if n := count(srv, acked); n != 0 {
				t.Errorf("order %v: acknowledged in the handler", order)
			}
			close(release)
			synctest.Wait()
			if n := count(srv, acked); n != 1 {
				t.Errorf("order %v: %d acknowledgements", order, n)
			}
			c.Disconnect(100)
		})
	}
}

// Identifiers come back: there are 65535, and more messages.
func TestIdentifiersComeBack(t *testing.T) {
	withEngine(t, mqtt.EngineV2)
	srv := iotlocal.StartT(t, iotlocal.Options{RecorderCap: -1})
	c := connected(t, mqtt.NewClientOptions().AddBroker(addr(srv)).SetClientID("c"))
	ring := make([]mqtt.Token, 90)
	for i := range 66_000 {
		if tok := ring[i%len(ring)]; tok != nil {
			must(t, "Publish", tok)
		}
		ring[i%len(ring)] = c.Publish("a", 1, false, "x")
	}
	for _, tok := range ring {
		must(t, "Publish", tok)
	}
}

// The end of a connection without a reason has paho's error value, and a user name reaches a broker that is not AWS's as it is.
func TestPlainBroker(t *testing.T) {
	withEngine(t, mqtt.EngineV2)
	srv := iotlocal.StartT(t, iotlocal.Options{})
	s := newStage(t, strings.TrimPrefix(addr(srv), "tcp://"), srv)
	lost := make(chan error, 1)
	c := connected(t, s.options().SetUsername("me").SetAutoReconnect(false).SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost <- err }))
	srv.Faults().Cut(s.options().ClientID)
	if err := next(t, "the loss", lost); err != io.EOF {
		t.Errorf("ConnectionLost: %v", err)
	}
	if said := s.proxy.said(); !strings.Contains(said, "me") || strings.Contains(said, "SDK=") {
		t.Errorf("CONNECT: %q", said)
	}
	if c.IsConnected() {
		t.Error("connected")
	}
}

// WriteTimeout ends a connection that takes nothing any more, as under paho; without it the ping does.
func TestWriteTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, _ *memnet.Network, _ *iotlocal.Server, o *paho.ClientOptions) {
		open := o.CustomOpenConnectionFn
		stuck, ended := make(chan bool), make(chan bool)
		o.SetCustomOpenConnectionFn(func(u *url.URL, options mqtt.ClientOptions) (net.Conn, error) {
			far, err := open(u, options)
			if err != nil {
				return nil, err
			}
			near, back := net.Pipe() // a write ends when the other side reads
			go func() { _, _ = io.Copy(back, far); back.Close() }()
			go func() {
				defer close(ended)
				b := make([]byte, 4096)
				for {
					select {
					case <-stuck:
						return
					default:
					}
					_ = back.SetReadDeadline(time.Now().Add(time.Millisecond))
					n, _ := back.Read(b)
					_, _ = far.Write(b[:n])
				}
			}()
			return near, nil
		})
		lost := make(chan error, 1)
		c := mqtt.NewClient(o.SetWriteTimeout(3 * time.Second).SetAutoReconnect(false).SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost <- err }))
		must(t, "Connect", c.Connect())
		must(t, "Publish", c.Publish("a", 1, false, "x"))
		stuck <- true
		<-ended
		began := time.Now()
		tok := c.Publish("a", 1, false, "y")
		<-lost
		if d := time.Since(began); d > 4*time.Second {
			t.Errorf("the connection ended after %v", d)
		}
		if !tok.WaitTimeout(time.Minute) || tok.Error() == nil {
			t.Errorf("Publish: %v", tok.Error())
		}
	})
}
