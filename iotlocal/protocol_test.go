package iotlocal_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	p5 "github.com/eclipse/paho.golang/packets"
	p3 "github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal"
)

func TestPublishBetweenVersions(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		a, ack := e.connect5("five")
		if ack.ReasonCode != 0 {
			t.Fatalf("CONNACK %v", ack)
		}
		b, ack3 := e.connect3("three")
		if ack3.ReturnCode != 0 {
			t.Fatalf("CONNACK %v", ack3)
		}
		if g := a.sub(1, "to/five"); g[0] != 1 {
			t.Fatal(g)
		}
		if g := b.sub3(1, "to/+"); g[0] != 1 {
			t.Fatal(g)
		}
		if code := a.pub("to/three", "hello", 7); code != 0 {
			t.Fatalf("PUBACK 0x%02X", code)
		}
		m := b.read3().(*p3.PublishPacket)
		if m.TopicName != "to/three" || string(m.Payload) != "hello" || m.Qos != 1 || m.Dup || m.Retain {
			t.Fatal(m)
		}
		if code := a.pub("nobody", "hello", 7); code != 0x10 {
			t.Fatalf("PUBACK 0x%02X, want no matching subscribers", code)
		}
		pub := p3.NewControlPacket(p3.Publish).(*p3.PublishPacket)
		pub.TopicName, pub.Payload = "to/five", []byte("hi")
		b.send3(pub)
		if m := want[*p5.Publish](a); m.QoS != 0 || string(m.Payload) != "hi" {
			t.Fatal(m)
		}
		b.read3() // its own
		a.send(&p5.Pingreq{})
		want[*p5.Pingresp](a)
		a.bye()
		b.drop()
	})
}

func TestConnackAsAWS(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		r, ack := e.connect5("c")
		p := ack.Properties
		if ack.ReasonCode != 0 || ack.SessionPresent || *p.ReceiveMaximum != 100 || *p.MaximumQOS != 1 || *p.MaximumPacketSize != 149504 ||
			*p.TopicAliasMaximum != 8 || *p.RetainAvailable != 1 || *p.WildcardSubAvailable != 1 || *p.SharedSubAvailable != 1 ||
			*p.SubIDAvailable != 0 || p.ServerKeepAlive != nil || p.AssignedClientID != "" || p.SessionExpiryInterval != nil {
			t.Errorf("%v", ack)
		}
		r.bye()
		r, ack = e.connect5("", func(c *p5.Connect) {
			c.KeepAlive = 0
			c.Properties.SessionExpiryInterval = new(uint32(0xFFFFFFFF))
		})
		p = ack.Properties
		if p.AssignedClientID == "" || p.ServerKeepAlive == nil || *p.ServerKeepAlive != 1200 || p.SessionExpiryInterval == nil || *p.SessionExpiryInterval != 604800 {
			t.Errorf("%v", ack)
		}
		r.bye()
	})
}

func TestConnectRefused(t *testing.T) {
	long := strings.Repeat("x", 129)
	for _, tt := range []struct {
		name   string
		change func(*p5.Connect)
		code   byte
	}{
		{"client id too long", func(c *p5.Connect) { c.ClientID = long }, 0x85},
		{"MQTT 6", func(c *p5.Connect) { c.ProtocolVersion = 6 }, 0x84},
		{"authentication method", func(c *p5.Connect) { c.Properties.AuthMethod = "SCRAM" }, 0x8C},
		{"receive maximum 0", func(c *p5.Connect) { c.Properties.ReceiveMaximum = new(uint16(0)) }, 0x82},
		{"maximum packet size 0", func(c *p5.Connect) { c.Properties.MaximumPacketSize = new(uint32(0)) }, 0x82},
		{"client id not UTF-8", func(c *p5.Connect) { c.ClientID = "\xff" }, 0x81},
		{"client id with NUL", func(c *p5.Connect) { c.ClientID = "a\x00" }, 0x81},
		{"will QoS 2", func(c *p5.Connect) { willOf(c, "w").WillQOS = 2 }, 0x9B},
		{"will topic with wildcard", func(c *p5.Connect) { willOf(c, "w/#") }, 0x90},
		{"will topic too deep", func(c *p5.Connect) { willOf(c, "1/2/3/4/5/6/7/8/9") }, 0x90},
		{"retained will on a reserved topic", func(c *p5.Connect) { willOf(c, "$aws/x").WillRetain = true }, 0x87},
	} {
		t.Run("5 "+tt.name, func(t *testing.T) {
			bubble(t, iotlocal.Options{}, func(e *env) {
				r, ack := e.connect5("c", tt.change)
				if ack.ReasonCode != tt.code || ack.SessionPresent {
					t.Errorf("CONNACK 0x%02X %q, want 0x%02X", ack.ReasonCode, ack.Properties.ReasonString, tt.code)
				}
				r.closed()
			})
		})
	}
	for _, tt := range []struct {
		name   string
		change func(*p3.ConnectPacket)
		code   byte
	}{
		{"client id too long", func(c *p3.ConnectPacket) { c.ClientIdentifier = long }, 2},
		{"empty client id with session", func(c *p3.ConnectPacket) { c.ClientIdentifier, c.CleanSession = "", false }, 2},
		{"MQTT level 3", func(c *p3.ConnectPacket) { c.ProtocolVersion = 3 }, 1},
		{"MQIsdp level 4", func(c *p3.ConnectPacket) { c.ProtocolName = "MQIsdp" }, 1},
	} {
		t.Run("3 "+tt.name, func(t *testing.T) {
			bubble(t, iotlocal.Options{}, func(e *env) {
				r, ack := e.connect3("c", tt.change)
				if ack.ReturnCode != tt.code || ack.SessionPresent {
					t.Errorf("CONNACK %v, want %d", ack, tt.code)
				}
				r.closed()
			})
		})
	}
}

func willOf(c *p5.Connect, topic string) *p5.Connect {
	c.WillFlag, c.WillTopic, c.WillMessage, c.WillProperties = true, topic, []byte("gone"), &p5.Properties{}
	return c
}

func TestMQTT31(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		r, ack := e.connect3("old", func(c *p3.ConnectPacket) { c.ProtocolName, c.ProtocolVersion = "MQIsdp", 3 })
		if ack.ReturnCode != 0 {
			t.Fatal(ack)
		}
		if g := r.sub3(0, "x"); g[0] != 0 {
			t.Fatal(g)
		}
		r.drop()
	})
}

// bytesOf encodes an MQTT 5 packet.
func bytesOf(p writerTo) []byte {
	var b bytes.Buffer
	if _, err := p.WriteTo(&b); err != nil {
		return nil
	}
	return b.Bytes()
}

// Every violation by a connected client: MQTT 5 hears why, 3.1.1 is closed
// without a packet that its protocol does not have.
func TestViolations(t *testing.T) {
	subscribe := func(change func(*p5.Subscribe)) []byte {
		s := &p5.Subscribe{PacketID: 1, Properties: &p5.Properties{}, Subscriptions: []p5.SubOptions{{Topic: "a", QoS: 1}}}
		change(s)
		return bytesOf(s)
	}
	publish := func(change func(*p5.Publish)) []byte {
		p := pub5("a", "x", 1, 1)
		change(p)
		return bytesOf(p)
	}
	for _, tt := range []struct {
		name string
		five []byte
		code byte
		v3   []byte // nil: cannot be said in 3.1.1
	}{
		{"second CONNECT", bytesOf(connect5("c")), 0x82, []byte{0x10, 0}},
		{"CONNACK from a client", []byte{0x20, 3, 0, 0, 0}, 0x82, []byte{0x20, 2, 0, 0}},
		{"packet type 0", []byte{0, 0}, 0x82, []byte{0, 0}},
		{"AUTH", []byte{0xF0, 0}, 0x82, []byte{0xF0, 0}},
		{"PUBREL", []byte{0x62, 2, 0, 1}, 0x82, []byte{0x62, 2, 0, 1}},
		{"remaining length over four bytes", []byte{0x30, 0xFF, 0xFF, 0xFF, 0xFF, 1}, 0x81, []byte{0x30, 0xFF, 0xFF, 0xFF, 0xFF, 1}},
		{"packet of 256 MiB announced", []byte{0x30, 0xFF, 0xFF, 0xFF, 0x7F}, 0x95, []byte{0x30, 0xFF, 0xFF, 0xFF, 0x7F}},
		{"PINGREQ with flags", []byte{0xC1, 0}, 0x81, []byte{0xC1, 0}},
		{"PINGREQ with a body", []byte{0xC0, 1, 0}, 0x81, []byte{0xC0, 1, 0}},
		{"PUBLISH QoS 3", []byte{0x36, 5, 0, 1, 'a', 0, 1}, 0x81, []byte{0x36, 5, 0, 1, 'a', 0, 1}},
		{"PUBLISH QoS 0 with DUP", []byte{0x38, 4, 0, 1, 'a', 0}, 0x81, []byte{0x38, 3, 0, 1, 'a'}},
		{"PUBLISH QoS 2", publish(func(p *p5.Publish) { p.QoS = 2 }), 0x9B, []byte{0x34, 5, 0, 1, 'a', 0, 1}},
		{"PUBLISH packet id 0", publish(func(p *p5.Publish) { p.PacketID = 0 }), 0x81, []byte{0x32, 5, 0, 1, 'a', 0, 0}},
		{"topic longer than the packet", []byte{0x30, 4, 0, 9, 'a', 'b'}, 0x81, []byte{0x30, 4, 0, 9, 'a', 'b'}},
		{"topic not UTF-8", publish(func(p *p5.Publish) { p.Topic = "\xc3" }), 0x81, []byte{0x30, 3, 0, 1, 0xC3}},
		{"topic with wildcard, QoS 0", publish(func(p *p5.Publish) { p.Topic, p.QoS = "a/+", 0 }), 0x90, []byte{0x30, 5, 0, 3, 'a', '/', '+'}},
		{"empty topic without alias", publish(func(p *p5.Publish) { p.Topic = "" }), 0x82, []byte{0x30, 2, 0, 0}},
		{"topic alias 0", publish(func(p *p5.Publish) { p.Properties.TopicAlias = new(uint16(0)) }), 0x94, nil},
		{"topic alias above the maximum", publish(func(p *p5.Publish) { p.Properties.TopicAlias = new(uint16(9)) }), 0x94, nil},
		{"topic alias unknown", publish(func(p *p5.Publish) { p.Topic, p.Properties.TopicAlias = "", new(uint16(3)) }), 0x94, nil},
		{"property unknown", []byte{0x30, 6, 0, 1, 'a', 2, 0x7E, 1}, 0x81, nil},
		{"property of another packet", []byte{0x30, 9, 0, 1, 'a', 5, 0x11, 0, 0, 0, 1}, 0x82, nil},
		{"property twice", []byte{0x30, 8, 0, 1, 'a', 4, 1, 1, 1, 1}, 0x82, nil},
		{"property cut off", []byte{0x30, 6, 0, 1, 'a', 2, 2, 0}, 0x81, nil},
		{"property length beyond the packet", []byte{0x30, 4, 0, 1, 'a', 9}, 0x81, nil},
		{"payload format 2", []byte{0x30, 6, 0, 1, 'a', 2, 1, 2}, 0x82, nil},
		{"subscription identifier in PUBLISH", []byte{0x30, 6, 0, 1, 'a', 2, 0x0B, 1}, 0x82, nil},
		{"response topic with wildcard", publish(func(p *p5.Publish) { p.Properties.ResponseTopic = "r/#" }), 0x82, nil},
		{"payload over 128 KB", publish(func(p *p5.Publish) { p.Payload = make([]byte, 128<<10+1) }), 0x95, append([]byte{0x30, 0x84, 0x80, 8, 0, 1, 'a'}, make([]byte, 128<<10+1)...)},
		{"SUBSCRIBE flags", []byte{0x80, 7, 0, 1, 0, 0, 1, 'a', 1}, 0x81, []byte{0x80, 6, 0, 1, 0, 1, 'a', 1}},
		{"SUBSCRIBE without filter", []byte{0x82, 3, 0, 1, 0}, 0x82, []byte{0x82, 2, 0, 1}},
		{"SUBSCRIBE packet id 0", subscribe(func(s *p5.Subscribe) { s.PacketID = 0 }), 0x81, []byte{0x82, 6, 0, 0, 0, 1, 'a', 1}},
		{"SUBSCRIBE QoS 3", subscribe(func(s *p5.Subscribe) { s.Subscriptions[0].QoS = 3 }), 0x82, []byte{0x82, 6, 0, 1, 0, 1, 'a', 3}},
		{"SUBSCRIBE reserved option bits", []byte{0x82, 7, 0, 1, 0, 0, 1, 'a', 0x41}, 0x81, []byte{0x82, 6, 0, 1, 0, 1, 'a', 4}},
		{"SUBSCRIBE retain handling 3", subscribe(func(s *p5.Subscribe) { s.Subscriptions[0].RetainHandling = 3 }), 0x82, nil},
		{"SUBSCRIBE with subscription identifier", subscribe(func(s *p5.Subscribe) { s.Properties.SubscriptionIdentifier = new(1) }), 0xA1, nil},
		{"SUBSCRIBE no local on shared", subscribe(func(s *p5.Subscribe) { s.Subscriptions[0].Topic, s.Subscriptions[0].NoLocal = "$share/g/a", true }), 0x82, nil},
		{"SUBSCRIBE with nine filters", subscribe(func(s *p5.Subscribe) {
			for i := range 8 {
				s.Subscriptions = append(s.Subscriptions, p5.SubOptions{Topic: fmt.Sprint(i)})
			}
		}), 0x97, append([]byte{0x82, 38, 0, 1}, bytes.Repeat([]byte{0, 1, 'a', 1}, 9)...)},
		{"UNSUBSCRIBE without filter", []byte{0xA2, 3, 0, 1, 0}, 0x82, []byte{0xA2, 2, 0, 1}},
		{"DISCONNECT raises session expiry from 0", bytesOf(&p5.Disconnect{Properties: &p5.Properties{SessionExpiryInterval: new(uint32(5))}}), 0x82, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, iotlocal.Options{}, func(e *env) {
				r, _ := e.connect5("c")
				r.write(tt.five)
				r.disconnected(tt.code)
				if tt.v3 == nil {
					return
				}
				r, _ = e.connect3("c3")
				r.write(tt.v3)
				r.closed()
			})
		})
	}
}

// What is not MQTT at all, or not CONNECT first, is closed without an answer.
func TestGarbageBeforeConnect(t *testing.T) {
	for name, b := range map[string][]byte{
		"HTTP":              []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"PINGREQ first":     {0xC0, 0},
		"unknown protocol":  {0x10, 12, 0, 4, 'A', 'M', 'Q', 'P', 5, 2, 0, 0, 0, 0},
		"huge CONNECT":      {0x10, 0xFF, 0xFF, 0xFF, 0x7F},
		"CONNECT cut short": {0x10, 2, 0, 4},
		"3.1.1 will QoS 3":  {0x10, 12, 0, 4, 'M', 'Q', 'T', 'T', 4, 0x1C, 0, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, iotlocal.Options{}, func(e *env) {
				r := e.dial()
				r.write(b)
				r.closed()
			})
		})
	}
	t.Run("nothing for ten seconds", func(t *testing.T) {
		bubble(t, iotlocal.Options{}, func(e *env) {
			start := time.Now()
			r := e.dial()
			r.nc.SetReadDeadline(time.Time{})
			if _, err := r.nc.Read(make([]byte, 1)); err == nil {
				t.Error("got something")
			}
			if d := time.Since(start); d != 10*time.Second {
				t.Errorf("closed after %v", d)
			}
			r.nc.Close()
			ps := e.srv.Recorder().Packets()
			if last := ps[len(ps)-1]; last.Type != iotlocal.ServerClosed || last.Reason != "no CONNECT in time" {
				t.Errorf("recorded %v", last)
			}
		})
	})
}

func TestRefusedWithoutDisconnect(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		r, _ := e.connect5("c")
		for _, topic := range []string{"a/#", strings.Repeat("x", 257), "1/2/3/4/5/6/7/8/9"} {
			if code := r.pub(topic, "x", 5); code != 0x90 {
				t.Errorf("PUBLISH %.20q: 0x%02X, want 0x90", topic, code)
			}
		}
		p := pub5("$aws/things/t/shadow/get", "", 1, 6)
		p.Retain = true
		r.send(p)
		if code := want[*p5.Puback](r).ReasonCode; code != 0x87 {
			t.Errorf("retained on a reserved topic: 0x%02X, want 0x87", code)
		}
		got := r.sub(2, "ok", "a/#/b", "1/2/3/4/5/6/7/8/9", strings.Repeat("x", 257), "$share/g", "$aws/rules/r/1/2/3/4/5/6/7/8")
		if want := []byte{1, 0x8F, 0x8F, 0x8F, 0x8F, 1}; !bytes.Equal(got, want) {
			t.Errorf("SUBACK % X, want % X", got, want)
		}
		for i := range 48 {
			if g := r.sub(0, fmt.Sprint("n/", i)); g[0] != 0 {
				t.Fatalf("subscription %d: 0x%02X", i, g[0])
			}
		}
		if g := r.sub(0, "n/one-too-many", "ok"); g[0] != 0x97 || g[1] != 0 {
			t.Errorf("SUBACK % X, want 97 00", g)
		}
		u := &p5.Unsubscribe{PacketID: 9, Topics: []string{"n/0", "never"}, Properties: &p5.Properties{}}
		r.send(u)
		if g := want[*p5.Unsuback](r).Reasons; !bytes.Equal(g, []byte{0, 0x11}) {
			t.Errorf("UNSUBACK % X", g)
		}
		r.bye()
		r, _ = e.connect3("c3")
		if got := r.sub3(2, "ok", "a/#/b"); !bytes.Equal(got, []byte{1, 0x80}) {
			t.Errorf("SUBACK % X", got)
		}
		r.drop()
	})
}

func TestKeepAlive(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		start := time.Now()
		five, _ := e.connect5("five", func(c *p5.Connect) { c.KeepAlive = 2 })
		three, _ := e.connect3("three", func(c *p3.ConnectPacket) { c.Keepalive = 4 })
		patient, _ := e.connect3("patient", func(c *p3.ConnectPacket) { c.Keepalive = 0 })
		five.disconnected(0x8D)
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("keep alive 2 s ended after %v", d)
		}
		three.nc.SetReadDeadline(time.Time{})
		three.nc.Read(make([]byte, 1))
		if d := time.Since(start); d < 6*time.Second || d > 7*time.Second {
			t.Errorf("keep alive 4 s ended after %v", d)
		}
		three.closed()
		time.Sleep(time.Hour)
		patient.send3(p3.NewControlPacket(p3.Pingreq))
		if _, ok := patient.read3().(*p3.PingrespPacket); !ok {
			t.Error("keep alive 0 ended")
		}
		patient.drop()
	})
}

// What counts is whole packets: bytes that dribble in do not keep a connection.
func TestKeepAliveEndsDribbledPacket(t *testing.T) {
	for _, version := range []byte{4, 5} {
		for _, first := range []string{"", "\xC0\x00"} { // nothing, or a whole packet half a second after the CONNECT
			t.Run(fmt.Sprintf("level %d after %d bytes", version, len(first)), func(t *testing.T) {
				bubble(t, iotlocal.Options{}, func(e *env) {
					var r *raw
					start := time.Now()
					if version == 5 {
						r, _ = e.connect5("c", func(c *p5.Connect) { c.KeepAlive = 2 })
					} else {
						r, _ = e.connect3("c", func(c *p3.ConnectPacket) { c.Keepalive = 2 })
					}
					want := 3 * time.Second
					if first != "" {
						time.Sleep(500 * time.Millisecond)
						want += 500 * time.Millisecond
						r.write([]byte(first))
						if _, err := io.ReadFull(r.nc, make([]byte, 2)); err != nil { // PINGRESP
							t.Fatal(err)
						}
					}
					var dribble sync.WaitGroup
					defer dribble.Wait()
					dribble.Go(func() {
						for _, b := range []byte("\x30\x7f\x00\x01t1234567890") {
							if _, err := r.nc.Write([]byte{b}); err != nil {
								return
							}
							time.Sleep(time.Second)
						}
					})
					got, _ := io.ReadAll(r.nc)
					if d := time.Since(start); d != want {
						t.Errorf("ended after %v, want %v", d, want)
					}
					if version == 5 && (len(got) < 3 || got[0] != 0xE0 || got[2] != 0x8D) {
						t.Errorf("%x, want DISCONNECT 0x8D", got)
					}
					r.nc.Close()
				})
			})
		}
	}
}

func TestUsernameSuffixIsIgnored(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		for _, u := range []string{"?SDK=IoTDeviceSDK/JS&Platform=Unix&Metadata=(CRTVersion=1;X=2)", "me?x-amz-customauthorizer-name=A&SDK=Go&Version=1", "plain"} {
			r, ack := e.connect5("c", func(c *p5.Connect) { c.UsernameFlag, c.Username = true, u })
			if ack.ReasonCode != 0 {
				t.Fatal(ack)
			}
			r.bye()
		}
		var got []string
		for _, p := range e.srv.Recorder().Packets() {
			if p.Connect != nil {
				got = append(got, p.Connect.Username)
			}
		}
		if s := strings.Join(got, "|"); s != "|me?x-amz-customauthorizer-name=A|plain" {
			t.Errorf("recorded %s", s)
		}
	})
}

func TestTakeover(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		first, _ := e.connect5("same")
		second, _ := e.connect3("same")
		first.disconnected(0x8E)
		third, _ := e.connect5("same")
		second.closed()
		third.sub(0, "x")
		if n := len(e.srv.Clients()); n != 1 {
			t.Errorf("%d clients", n)
		}
		third.bye()
		synctest.Wait()
		if n := len(e.srv.Clients()); n != 0 {
			t.Errorf("%d clients after DISCONNECT", n)
		}
	})
}
