package mqtt_test

import (
	"errors"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal"
	mqtt "github.com/portage-iot/awsiot/pahocompat"
)

// only311 is a broker that knows MQTT 3.1.1 only: in front of srv, it answers a CONNECT of MQTT 5 with answer and closes. It
// returns its address, and how many such CONNECTs it has had.
func only311(t *testing.T, srv *iotlocal.Server, answer []byte) (string, func() int) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	refused := 0
	var wg sync.WaitGroup
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				var head [64]byte
				n, err := io.ReadAtLeast(conn, head[:], 9)
				if err != nil {
					return
				}
				if i := strings.Index(string(head[:n]), "MQTT"); i > 0 && head[i+4] == 5 {
					mu.Lock()
					refused++
					mu.Unlock()
					_, _ = conn.Write(answer)
					return
				}
				back, err := net.Dial("tcp", strings.TrimPrefix(addr(srv), "tcp://"))
				if err != nil {
					return
				}
				defer back.Close()
				_, _ = back.Write(head[:n])
				wg.Go(func() { _, _ = io.Copy(back, conn); back.Close() })
				_, _ = io.Copy(conn, back)
			})
		}
	})
	return "tcp://" + ln.Addr().String(), func() int { mu.Lock(); defer mu.Unlock(); return refused }
}

// The answers of brokers without MQTT 5.
var answers311 = map[string][]byte{
	"return code 1 of 3.1.1":     {0x20, 2, 0, 1},
	"reason code 0x84 of MQTT 5": {0x20, 3, 0, 0x84, 0},
	"the end of the connection":  nil,
}

func TestAutoFallsBack(t *testing.T) {
	for name, answer := range answers311 {
		t.Run(name, func(t *testing.T) {
			srv := iotlocal.StartT(t, iotlocal.Options{})
			broker, refused := only311(t, srv, answer)
			before := mqtt.Fallbacks()
			got := make(chan string, 10)
			ups := make(chan mqtt.Client, 10)
			o := mqtt.NewClientOptions().AddBroker(broker).SetClientID("c").SetOnConnectHandler(func(c mqtt.Client) { ups <- c })
			c := mqtt.NewClient(o)
			c.AddRoute("a/#", func(_ mqtt.Client, m mqtt.Message) { got <- string(m.Payload()) })
			tok := c.Connect()
			must(t, "Connect", tok)
			defer c.Disconnect(100)
			if rc := tok.(*mqtt.ConnectToken).ReturnCode(); rc != packets.Accepted {
				t.Errorf("ReturnCode %d", rc)
			}
			if up := next(t, "OnConnect", ups); up != c {
				t.Error("OnConnect got another client")
			}
			if n := mqtt.Fallbacks() - before; n != 1 || refused() != 1 {
				t.Errorf("%d fallbacks, %d CONNECTs of MQTT 5", n, refused())
			}
			if _, ok := mqtt.V2(c); ok {
				t.Error("V2 still has a client")
			}
			must(t, "Subscribe", c.Subscribe("a/b", 1, nil))
			must(t, "Publish", c.Publish("a/b", 1, false, "x"))
			if m := next(t, "the message, by the route of before", got); m != "x" {
				t.Errorf("got %q", m)
			}
		})
	}
}

// When the paho engine gets no connection either, all is as it was: what is published then is in the store.
func TestAutoTrialLeavesTheStoreOpen(t *testing.T) {
	withEngine(t, mqtt.EngineAuto)
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		o := mqtt.NewClientOptions().AddBroker("tcp://broker:1883").SetClientID("c").SetCleanSession(false).SetStore(mqtt.NewFileStore(dir)).
			SetConnectRetry(true).SetConnectRetryInterval(time.Hour).SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) {
			tries++
			client, broker := net.Pipe()
			go func() {
				_, _ = broker.Read(make([]byte, 1000))
				broker.Close()
			}()
			return client, nil
		})
		c := mqtt.NewClient(o)
		c.Connect()
		synctest.Wait()
		if tries != 3 {
			t.Errorf("%d connections, want one of MQTT 5, and those of paho: 3.1.1, then 3.1", tries)
		}
		c.Publish("a", 1, false, "kept")
		synctest.Wait()
		if files, err := filepath.Glob(filepath.Join(dir, "*")); len(files) != 1 {
			t.Errorf("the store has %q, %v", files, err)
		}
		c.Disconnect(0)
	})
}

// A publish that was made while Connect was trying goes along, and its token ends.
func TestAutoTakesWaitingAlong(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	inner, _ := only311(t, srv, answers311["return code 1 of 3.1.1"])
	refuse := make(chan struct{})
	o := mqtt.NewClientOptions().AddBroker(inner).SetClientID("c").SetConnectRetry(true).SetConnectRetryInterval(time.Millisecond).SetCleanSession(false)
	o.SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) {
		select {
		case <-refuse:
			return net.Dial("tcp", strings.TrimPrefix(inner, "tcp://"))
		default:
			return nil, errors.New("not yet")
		}
	})
	c := mqtt.NewClient(o)
	conn := c.Connect()
	defer c.Disconnect(100)
	pub := c.Publish("a/b", 1, false, "kept")
	if pub.WaitTimeout(10*time.Millisecond) || pub.Error() != nil {
		t.Fatalf("the publish has ended before there was a connection: %v", pub.Error())
	}
	close(refuse)
	must(t, "Connect", conn)
	must(t, "Publish", pub)
	// paho ends such a token when it sends the message again, not at the acknowledgement.
	await(t, srv, "the message", func(p iotlocal.Packet) bool { return p.Type == iotlocal.PUBLISH && string(p.Payload) == "kept" })
	must(t, "another", c.Publish("a/b", 1, false, "behind"))
	if n := count(srv, func(p iotlocal.Packet) bool { return p.Type == iotlocal.PUBLISH && string(p.Payload) == "kept" }); n != 1 {
		t.Errorf("the message was sent %d times", n)
	}
}

// slowStore is slow with what the paho engine puts into it.
type slowStore struct {
	*mqtt.MemoryStore
	puts    atomic.Int32
	putting atomic.Bool
	opened  chan struct{} // a value for every connection that is opened meanwhile
}

// Put implements mqtt.Store.
func (s *slowStore) Put(key string, p packets.ControlPacket) {
	if s.puts.Add(1) == 2 { // the first is of the v2 engine
		s.putting.Store(true)
		select {
		case <-s.opened:
		case <-time.After(100 * time.Millisecond): // it is not to come
		}
	}
	s.MemoryStore.Put(key, p)
	s.putting.Store(false)
}

// The paho engine has what waits before it connects: it would send a part of it twice.
func TestAutoMovesBeforeItConnects(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	inner, _ := only311(t, srv, answers311["return code 1 of 3.1.1"])
	store := &slowStore{MemoryStore: mqtt.NewMemoryStore(), opened: make(chan struct{}, 10)}
	refuse := make(chan struct{})
	o := mqtt.NewClientOptions().AddBroker(inner).SetClientID("c").SetConnectRetry(true).SetConnectRetryInterval(time.Millisecond).SetCleanSession(false).SetStore(store)
	o.SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) {
		<-refuse
		if store.putting.Load() {
			t.Error("it connects before it has everything")
			store.opened <- struct{}{}
		}
		return net.Dial("tcp", strings.TrimPrefix(inner, "tcp://"))
	})
	c := mqtt.NewClient(o)
	conn := c.Connect()
	defer c.Disconnect(quiesce)
	pub := c.Publish("a/b", 1, false, "kept")
	close(refuse)
	must(t, "Connect", conn)
	must(t, "Publish", pub)
	if n := store.puts.Load(); n < 2 {
		t.Errorf("%d puts: the message was not moved", n)
	}
}

func TestV2DoesNotFallBack(t *testing.T) {
	withEngine(t, mqtt.EngineV2)
	srv := iotlocal.StartT(t, iotlocal.Options{})
	broker, _ := only311(t, srv, answers311["reason code 0x84 of MQTT 5"])
	before := mqtt.Fallbacks()
	tok := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(broker).SetClientID("c")).Connect()
	if err := mqtt.WaitTokenTimeout(tok, patience); err != packets.ErrorRefusedBadProtocolVersion || mqtt.Fallbacks() != before {
		t.Errorf("%v, %d fallbacks", err, mqtt.Fallbacks()-before)
	}
}

func TestEngineVariable(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	for _, tt := range []struct {
		value string
		set   mqtt.Engine
		v2    bool
		err   string
	}{
		{"", mqtt.EngineV2, true, ""},
		{"", mqtt.EnginePaho, false, ""},
		{"v2", mqtt.EnginePaho, true, ""},
		{"auto", mqtt.EnginePaho, true, ""},
		{"paho", mqtt.EngineV2, false, ""},
		{"Paho", mqtt.EngineV2, true, `PORTAGE_PAHO_ENGINE: "Paho" is none of v2, paho and auto`},
		{"", mqtt.Engine(7), true, "SetEngine: Engine(7) is unknown"},
	} {
		t.Run(tt.value+" "+tt.set.String(), func(t *testing.T) {
			t.Setenv("PORTAGE_PAHO_ENGINE", tt.value)
			withEngine(t, tt.set)
			c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(addr(srv)).SetClientID("c"))
			err := mqtt.WaitTokenTimeout(c.Connect(), patience)
			defer c.Disconnect(0)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("Connect: %v, want %q", err, tt.err)
			}
			if _, ok := mqtt.V2(c); ok != tt.v2 {
				t.Errorf("V2: %v", ok)
			}
		})
	}
}

// QoS 2 is an error at the call, under the v2 engine and under auto.
func TestQoS2(t *testing.T) {
	for _, e := range []mqtt.Engine{mqtt.EngineV2, mqtt.EngineAuto} {
		withEngine(t, e)
		srv := iotlocal.StartT(t, iotlocal.Options{})
		c := connected(t, mqtt.NewClientOptions().AddBroker(addr(srv)).SetClientID("c"))
		will := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(addr(srv)).SetClientID("w").SetBinaryWill("gone", nil, 2, true))
		for what, tok := range map[string]mqtt.Token{
			"Publish":           c.Publish("a", 2, false, "x"),
			"Subscribe":         c.Subscribe("a", 2, nil),
			"SubscribeMultiple": c.SubscribeMultiple(map[string]byte{"a": 0, "b": 2}, nil),
			"WillQos":           will.Connect(),
		} {
			err := mqtt.WaitTokenTimeout(tok, patience)
			if err == nil || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "PORTAGE_PAHO_ENGINE=paho") {
				t.Errorf("%v: %s: %v", e, what, err)
			}
		}
		for _, p := range sent(srv) {
			if p.Type == iotlocal.PUBLISH || p.Type == iotlocal.SUBSCRIBE {
				t.Errorf("%v: on the wire: %v", e, p)
			}
		}
	}
}
