package mqtt_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal"
	mqtt "github.com/portage-iot/awsiot/pahocompat"
)

// keepers are clients with a session that stays and a store, one after another.
type keepers struct {
	t     *testing.T
	srv   *iotlocal.Server
	store func() mqtt.Store
}

// client returns one, and what its loss is told on.
func (k keepers) client(e mqtt.Engine) (mqtt.Client, <-chan error) {
	k.t.Helper()
	mqtt.SetEngine(e)
	defer mqtt.SetEngine(mqtt.EngineAuto)
	lost := make(chan error, 1)
	return mqtt.NewClient(mqtt.NewClientOptions().AddBroker(addr(k.srv)).SetClientID("kept").SetCleanSession(false).SetStore(k.store()).SetAutoReconnect(false).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost <- err })), lost
}

// leave publishes n messages that the server has and does not acknowledge, and loses the connection.
func (k keepers) leave(e mqtt.Engine, n int) (ids []uint16) {
	k.t.Helper()
	c, lost := k.client(e)
	must(k.t, "Connect", c.Connect())
	silent, err := k.srv.Faults().Add(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK, Action: iotlocal.Drop})
	if err != nil {
		k.t.Fatal(err)
	}
	for i := range n {
		tok := c.Publish("kept/t", 1, false, fmt.Sprint(e, i))
		ids = append(ids, tok.(*mqtt.PublishToken).MessageID())
		await(k.t, k.srv, "the publish", func(p iotlocal.Packet) bool {
			return p.Type == iotlocal.PUBLISH && string(p.Payload) == fmt.Sprint(e, i)
		})
	}
	k.srv.Faults().Cut("kept")
	next(k.t, "the loss", lost) // nothing touches the store any more: Disconnect of paho closes it after its return
	silent.Remove()
	return ids
}

// TestSwitchOfEngines: what one engine has left unacknowledged, the next one sends again, under the same identifiers, with DUP since
// the session is kept; the store is empty then. Every pair of engines, every kind of store.
func TestSwitchOfEngines(t *testing.T) {
	dir := func(t *testing.T) func() mqtt.Store {
		d := t.TempDir()
		return func() mqtt.Store { return mqtt.NewFileStore(d) }
	}
	shared := func(t *testing.T) func() mqtt.Store {
		s := mqtt.NewOrderedMemoryStore()
		return func() mqtt.Store { return s }
	}
	engines := []mqtt.Engine{mqtt.EngineV2, mqtt.EnginePaho}
	for kind, store := range map[string]func(*testing.T) func() mqtt.Store{"file": dir, "memory": shared} {
		for _, from := range engines {
			for _, to := range engines {
				t.Run(fmt.Sprintf("%s: %v to %v", kind, from, to), func(t *testing.T) {
					srv := iotlocal.StartT(t, iotlocal.Options{})
					k := keepers{t, srv, store(t)}
					ids := k.leave(from, 5)
					srv.Recorder().Reset()
					c, _ := k.client(to)
					tok := c.Connect()
					must(t, "Connect", tok)
					defer c.Disconnect(100)
					if !tok.(*mqtt.ConnectToken).SessionPresent() {
						t.Error("the session was lost")
					}
					last := fmt.Sprint(from, 4)
					await(t, srv, last, func(p iotlocal.Packet) bool { return p.Type == iotlocal.PUBLISH && string(p.Payload) == last })
					fresh := c.Publish("kept/t", 1, false, "fresh")
					must(t, "Publish", fresh)
					if id := fresh.(*mqtt.PublishToken).MessageID(); slices.Contains(ids, id) {
						t.Errorf("the identifier %d was given twice", id)
					}
					var again []uint16
					for _, p := range sent(srv) {
						if p.Type == iotlocal.PUBLISH && string(p.Payload) != "fresh" {
							again = append(again, p.PacketID)
							if !p.Dup {
								t.Errorf("%v without DUP", p)
							}
						}
					}
					slices.Sort(again)
					if !slices.Equal(again, ids) {
						t.Errorf("sent again %v, want %v", again, ids)
					}
					s := k.store()
					c.Disconnect(quiesce)
					s.Open()
					if left := s.All(); len(left) > 0 {
						t.Errorf("left in the store: %v", left)
					}
				})
			}
		}
	}
}

// The session is gone: everything arrives all the same, as new messages.
func TestSwitchWithoutSession(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	d := t.TempDir()
	k := keepers{t, srv, func() mqtt.Store { return mqtt.NewFileStore(d) }}
	ids := k.leave(mqtt.EnginePaho, 3)
	srv.Faults().LoseSessions()
	srv.Recorder().Reset()
	c, _ := k.client(mqtt.EngineV2)
	must(t, "Connect", c.Connect())
	defer c.Disconnect(100)
	must(t, "Publish", c.Publish("kept/t", 1, false, "fresh"))
	var again []uint16
	for _, p := range sent(srv) {
		if p.Type == iotlocal.PUBLISH && string(p.Payload) != "fresh" {
			again = append(again, p.PacketID)
			if p.Dup {
				t.Errorf("%v with DUP", p)
			}
		}
	}
	if !slices.Equal(again, ids) {
		t.Errorf("sent %v, want %v", again, ids)
	}
}

// A store with state of QoS 2 is refused by the v2 engine, and left as it is.
func TestStoreOfQoS2(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	publish := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	publish.Qos, publish.TopicName, publish.MessageID = 2, "t", 9
	release := packets.NewControlPacket(packets.Pubrel).(*packets.PubrelPacket)
	release.MessageID = 9
	for key, p := range map[string]packets.ControlPacket{"o.9": publish, "i.9": release} {
		d := t.TempDir()
		s := mqtt.NewFileStore(d)
		s.Open()
		s.Put(key, p)
		s.Close()
		k := keepers{t, srv, func() mqtt.Store { return mqtt.NewFileStore(d) }}
		c, _ := k.client(mqtt.EngineV2)
		err := mqtt.WaitTokenTimeout(c.Connect(), patience)
		if err == nil || !strings.Contains(err.Error(), "Store: "+key) || !strings.Contains(err.Error(), "PORTAGE_PAHO_ENGINE=paho") {
			t.Errorf("%s: Connect: %v", key, err)
		}
		if _, err := os.Stat(filepath.Join(d, key+".msg")); err != nil {
			t.Error(err)
		}
	}
}

// A directory that cannot be made, and one that vanishes: errors, where paho panics.
func TestStoreThatFails(t *testing.T) {
	withEngine(t, mqtt.EngineV2)
	srv := iotlocal.StartT(t, iotlocal.Options{})
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	bad := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(addr(srv)).SetClientID("a").SetStore(mqtt.NewFileStore(filepath.Join(file, "below"))))
	if err := mqtt.WaitTokenTimeout(bad.Connect(), patience); err == nil || !strings.Contains(err.Error(), "Store") {
		t.Errorf("Connect: %v", err)
	}
	if bad.IsConnected() {
		t.Error("connected")
	}
	d := filepath.Join(t.TempDir(), "store")
	c := connected(t, mqtt.NewClientOptions().AddBroker(addr(srv)).SetClientID("b").SetStore(mqtt.NewFileStore(d)))
	if err := os.RemoveAll(d); err != nil {
		t.Fatal(err)
	}
	if err := mqtt.WaitTokenTimeout(c.Publish("t", 1, false, "x"), patience); err == nil || !strings.Contains(err.Error(), "Store") {
		t.Errorf("Publish: %v", err)
	}
	if err := os.Mkdir(d, 0o700); err != nil {
		t.Fatal(err)
	}
	must(t, "Publish", c.Publish("t", 1, false, "x"))
}

// With ResumeSubs a SUBSCRIBE that was not answered is sent again by the next client, of either engine.
func TestResumeSubs(t *testing.T) {
	for _, from := range []mqtt.Engine{mqtt.EngineV2, mqtt.EnginePaho} {
		for _, to := range []mqtt.Engine{mqtt.EngineV2, mqtt.EnginePaho} {
			t.Run(fmt.Sprintf("%v to %v", from, to), func(t *testing.T) {
				srv := iotlocal.StartT(t, iotlocal.Options{})
				d := t.TempDir()
				options := func(e mqtt.Engine) *mqtt.ClientOptions {
					withEngine(t, e)
					return mqtt.NewClientOptions().AddBroker(addr(srv)).SetClientID("kept").SetCleanSession(false).SetResumeSubs(true).
						SetStore(mqtt.NewFileStore(d)).SetAutoReconnect(false)
				}
				c := mqtt.NewClient(options(from))
				must(t, "Connect", c.Connect())
				rule, err := srv.Faults().Add(iotlocal.Rule{Type: iotlocal.SUBSCRIBE, Action: iotlocal.Drop})
				if err != nil {
					t.Fatal(err)
				}
				c.Subscribe("a/b", 1, nil)
				(&stage{t: t}).until("the SUBSCRIBE", func() bool { return rule.Hits() > 0 })
				c.Disconnect(10)
				for c.IsConnected() {
					c.Disconnect(10)
				}
				rule.Remove()
				got := make(chan string, 1)
				c = mqtt.NewClient(options(to).SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { got <- string(m.Payload()) }))
				must(t, "Connect", c.Connect())
				defer c.Disconnect(100)
				await(t, srv, "the SUBSCRIBE", func(p iotlocal.Packet) bool { return p.Type == iotlocal.SUBSCRIBE && p.Fault == "" })
				must(t, "Publish", c.Publish("a/b", 1, false, "x"))
				if m := next(t, "the message", got); m != "x" {
					t.Error(m)
				}
			})
		}
	}
}

// A store with state of QoS 2 makes a client of EngineAuto one of the paho engine, said once and counted.
func TestStoreOfQoS2Auto(t *testing.T) {
	logged.warn.keep(true)
	defer logged.warn.keep(false)
	srv := iotlocal.StartT(t, iotlocal.Options{})
	release := packets.NewControlPacket(packets.Pubrel).(*packets.PubrelPacket)
	release.MessageID = 9
	d := t.TempDir()
	s := mqtt.NewFileStore(d)
	s.Open()
	s.Put("i.9", release)
	s.Close()
	before := mqtt.Fallbacks()
	k := keepers{t, srv, func() mqtt.Store { return mqtt.NewFileStore(d) }}
	c, _ := k.client(mqtt.EngineAuto)
	must(t, "Connect", c.Connect())
	defer c.Disconnect(100)
	if _, ok := mqtt.V2(c); ok {
		t.Error("the client is one of the v2 engine")
	}
	if n := mqtt.Fallbacks() - before; n != 1 {
		t.Errorf("%d fallbacks", n)
	}
	if said := logged.warn.said(); strings.Count(said, "goes on with paho.mqtt.golang") != 1 || strings.Count(said, "Store: i.9") != 1 {
		t.Errorf("said %q", said)
	}
}

// A client that ends properly, and another one with the same files, have nothing to warn about.
func TestFileStoreQuiet(t *testing.T) {
	for _, l := range []*lines{&logged.warn, &logged.err} {
		l.keep(true)
		defer l.keep(false)
	}
	for _, e := range []mqtt.Engine{mqtt.EngineV2, mqtt.EngineAuto} {
		srv := iotlocal.StartT(t, iotlocal.Options{})
		d := t.TempDir()
		k := keepers{t, srv, func() mqtt.Store { return mqtt.NewFileStore(d) }}
		for range 2 {
			c, _ := k.client(e)
			must(t, "Connect", c.Connect())
			must(t, "Subscribe", c.Subscribe("kept/in", 1, nil))
			must(t, "Publish", c.Publish("kept/t", 1, false, "x"))
			c.Disconnect(quiesce)
		}
	}
	if said := logged.warn.said() + logged.err.said(); said != "" {
		t.Errorf("said %q", said)
	}
}
