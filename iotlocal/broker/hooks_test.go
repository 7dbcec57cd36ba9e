package broker

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	p5 "github.com/eclipse/paho.golang/packets"

	"github.com/portage-iot/awsiot/internal/memnet"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// peer is a client of a broker on an in-memory network.
type peer struct {
	t  *testing.T
	nc net.Conn
}

func join(t *testing.T, nw *memnet.Network, id string) (*peer, *p5.Connack) {
	t.Helper()
	nc, err := nw.Dial(context.Background(), "tcp", "b:1883")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t, nc}
	p.send(&p5.Connect{ProtocolName: "MQTT", ProtocolVersion: 5, ClientID: id, CleanStart: true, UsernameFlag: true,
		Username: "u?SDK=x", PasswordFlag: true, Password: []byte("pw"), Properties: &p5.Properties{}})
	ack, ok := p.read().(*p5.Connack)
	if !ok {
		t.Fatal("no CONNACK")
	}
	return p, ack
}

func (p *peer) send(pkt p5.Packet) {
	p.t.Helper()
	if _, err := pkt.WriteTo(p.nc); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) read() p5.Packet {
	p.t.Helper()
	p.nc.SetReadDeadline(time.Now().Add(5 * time.Minute))
	cp, err := p5.ReadPacket(p.nc)
	if err != nil {
		p.t.Fatal(err)
	}
	return cp.Content
}

func (p *peer) publish(topic string, qos byte) p5.Packet {
	p.t.Helper()
	p.send(&p5.Publish{Topic: topic, QoS: qos, PacketID: uint16(qos), Properties: &p5.Properties{}})
	return p.read()
}

func TestHooksAndServices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var events []string
		note := func(format string, a ...any) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, fmt.Sprintf(format, a...))
		}
		b := New(Options{
			Hooks: Hooks{
				Connect: func(c *Client) wire.Code {
					if c.ID == "stranger" {
						return wire.NotAuthorized
					}
					if c.Username != "u" || string(c.Password) != "pw" || c.Version != wire.MQTT5 || !c.CleanStart || c.HasWill {
						t.Errorf("%+v", c)
					}
					return wire.Success
				},
				Publish: func(_ *Client, m *Message) wire.Code {
					if strings.HasPrefix(m.Topic, "forbidden") {
						return wire.NotAuthorized
					}
					return wire.Success
				},
				Subscribe: func(_ *Client, f string) wire.Code {
					if f == "forbidden" {
						return wire.NotAuthorized
					}
					return wire.Success
				},
				Connected:    func(c *Client) { note("connected %s", c.ID) },
				Disconnected: func(c *Client, cause Cause) { note("disconnected %s: %v", c.ID, cause) },
			},
			Services: map[string]Service{
				"$aws/":     func(_ *Client, m *Message) { note("short prefix %s", m.Topic) },
				"$aws/ask/": func(c *Client, m *Message) { c.Send(&Message{Topic: m.Topic + "/answer", QoS: 1}) },
			},
		})
		nw := &memnet.Network{}
		l, err := nw.Listen("b:1883")
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Listen(l, nil); err != nil {
			t.Fatal(err)
		}

		if p, ack := join(t, nw, "stranger"); ack.ReasonCode != 0x87 {
			t.Errorf("stranger: %v", ack)
		} else {
			p.nc.Close()
		}
		p, _ := join(t, nw, "c")
		other, _ := join(t, nw, "other")
		if a := p.publish("forbidden/x", 1).(*p5.Puback); a.ReasonCode != 0x87 {
			t.Errorf("%v", a)
		}
		p.send(&p5.Subscribe{PacketID: 1, Properties: &p5.Properties{}, Subscriptions: []p5.SubOptions{{Topic: "forbidden"}, {Topic: "fine"}}})
		if a := p.read().(*p5.Suback); !slices.Equal(a.Reasons, []byte{0x87, 0}) {
			t.Errorf("%v", a)
		}
		// A service answers the client that asked, without a subscription, after
		// the PUBACK, and nobody else.
		if a := p.publish("$aws/ask/1", 1).(*p5.Puback); a.ReasonCode != 0 {
			t.Errorf("%v", a)
		}
		if m := p.read().(*p5.Publish); m.Topic != "$aws/ask/1/answer" || m.QoS != 1 {
			t.Errorf("%v", m)
		}
		if a := p.publish("$aws/else", 1).(*p5.Puback); a.ReasonCode != 0 {
			t.Errorf("%v", a)
		}
		other.send(&p5.Pingreq{})
		if _, ok := other.read().(*p5.Pingresp); !ok {
			t.Error("the other client got something")
		}
		// QoS 0 cannot be refused but by ending the connection.
		if d := p.publish("forbidden", 0).(*p5.Disconnect); d.ReasonCode != 0x87 {
			t.Errorf("%v", d)
		}
		p.nc.Close()
		other.nc.Close()
		synctest.Wait()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if err := b.Listen(l, nil); err != ErrClosed {
			t.Errorf("Listen on a closed broker: %v", err)
		}
		slices.Sort(events)
		want := []string{"connected c", "connected other", "disconnected c: not permitted", "disconnected other: connection lost", "short prefix $aws/else"}
		if !slices.Equal(events, want) {
			t.Errorf("%q, want %q", events, want)
		}
	})
}

// goroutines counts those that belong to connections.
func goroutines() int {
	b := make([]byte, 4<<20)
	b = b[:runtime.Stack(b, true)]
	return bytes.Count(b, []byte("broker.(*conn).serve(")) + bytes.Count(b, []byte("broker.(*writer).run("))
}

// One goroutine per client that has nothing to say or to hear, gone with it.
func TestGoroutinesPerClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{})
		nw := &memnet.Network{}
		l, err := nw.Listen("b:1883")
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Listen(l, nil); err != nil {
			t.Fatal(err)
		}
		var peers []*peer
		for i := range 50 {
			p, _ := join(t, nw, fmt.Sprint(i))
			peers = append(peers, p)
		}
		time.Sleep(3 * writerRest)
		synctest.Wait()
		if n := goroutines(); n != 50 {
			t.Errorf("%d goroutines for 50 clients", n)
		}
		for _, p := range peers {
			p.nc.Close()
		}
		synctest.Wait()
		if n := goroutines(); n != 0 {
			t.Errorf("%d goroutines left", n)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}
