package wirediff

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// log is a record under construction.
type log []record.Packet

func (l *log) add(dir wire.Direction, t wire.PacketType, p record.Packet) {
	p.Dir, p.Type, p.Conn = dir, t, max(p.Conn, 1)
	if p.ClientID == "" && t != wire.TransportOpen {
		p.ClientID = "dev"
	}
	p.Seq = len(*l) + 1
	*l = append(*l, p)
}

func (l *log) open(conn int, id string, connect record.Connect) {
	l.add(wire.Event, wire.TransportOpen, record.Packet{Conn: conn, Transport: &record.Transport{TLS: true, ClientCert: "device", RemoteAddr: fmt.Sprint(conn)}})
	l.add(wire.ClientToServer, wire.CONNECT, record.Packet{Conn: conn, ClientID: id, Connect: &connect})
	l.add(wire.ServerToClient, wire.CONNACK, record.Packet{Conn: conn, ClientID: id, Connack: &record.Connack{}})
}

func (l *log) subscribe(ref, filter string, qos byte) {
	l.add(wire.ClientToServer, wire.SUBSCRIBE, record.Packet{Ref: ref, Filters: []record.Filter{{Filter: filter, QoS: qos}}})
	l.add(wire.ServerToClient, wire.SUBACK, record.Packet{Ref: ref, Granted: []wire.Code{wire.Code(qos)}})
}

func (l *log) unsubscribe(ref, filter string) {
	l.add(wire.ClientToServer, wire.UNSUBSCRIBE, record.Packet{Ref: ref, Filters: []record.Filter{{Filter: filter}}})
	l.add(wire.ServerToClient, wire.UNSUBACK, record.Packet{Ref: ref, Granted: []wire.Code{0}})
}

func (l *log) publish(ref, topic, payload string) {
	l.add(wire.ClientToServer, wire.PUBLISH, record.Packet{Ref: ref, Topic: topic, QoS: 1, Payload: record.Payload(payload)})
	l.add(wire.ServerToClient, wire.PUBACK, record.Packet{Ref: ref})
}

func (l *log) deliver(ref, topic, payload string) {
	l.add(wire.ServerToClient, wire.PUBLISH, record.Packet{Ref: ref, Topic: topic, QoS: 1, Payload: record.Payload(payload)})
	l.add(wire.ClientToServer, wire.PUBACK, record.Packet{Ref: ref})
}

func (l *log) close(conn int, id string) {
	l.add(wire.ClientToServer, wire.DISCONNECT, record.Packet{Conn: conn, ClientID: id})
	l.add(wire.Event, wire.ClientClosed, record.Packet{Conn: conn, ClientID: id})
}

var five = record.Connect{Protocol: "MQTT", Level: 5, CleanStart: true, KeepAlive: 600, Username: "?SDK=A&Version=1"}

// base is the record that the table changes.
func base() log {
	var l log
	l.open(1, "dev", five)
	l.subscribe("c1", "a/#", 1)
	l.publish("c2", "a/1", "one")
	l.deliver("s1", "a/1", "one")
	l.publish("c3", "a/2", "two")
	l.deliver("s2", "a/2", "two")
	l.publish("c4", "a/1", "three")
	l.deliver("s3", "a/1", "three")
	l.unsubscribe("c5", "a/#")
	l.close(1, "dev")
	return l
}

// find is the index of the nth packet (from 0) of a type and direction.
func (l log) find(dir wire.Direction, t wire.PacketType, nth int) int {
	for i, p := range l {
		if p.Dir == dir && p.Type == t {
			if nth == 0 {
				return i
			}
			nth--
		}
	}
	return -1
}

func (l log) sent(t wire.PacketType, nth int) *record.Packet {
	return &l[l.find(wire.ClientToServer, t, nth)]
}
func (l log) got(t wire.PacketType, nth int) *record.Packet {
	return &l[l.find(wire.ServerToClient, t, nth)]
}

// without cuts the nth packet of a type and direction out.
func (l *log) without(dir wire.Direction, t wire.PacketType, nth int) {
	i := l.find(dir, t, nth)
	*l = slices.Delete(*l, i, i+1)
}

func TestCompare(t *testing.T) {
	connect := func(change func(*record.Connect)) func(*log) {
		return func(l *log) {
			c := *l.sent(wire.CONNECT, 0).Connect
			change(&c)
			l.sent(wire.CONNECT, 0).Connect = &c
		}
	}
	swapTopics := func(l *log) { // a/2 before a/1, each with its acknowledgement
		i, j := l.find(wire.ClientToServer, wire.PUBLISH, 0), l.find(wire.ClientToServer, wire.PUBLISH, 1)
		(*l)[i], (*l)[i+1], (*l)[j], (*l)[j+1] = (*l)[j], (*l)[j+1], (*l)[i], (*l)[i+1]
	}
	tests := []struct {
		name   string
		change func(*log) // of the new record
		opts   Options
		// first difference: "" is none. note: a part of a note, "" is none.
		first, note string
	}{
		{name: "the same"},
		{name: "payload", change: func(l *log) { l.sent(wire.PUBLISH, 2).Payload = record.Payload("thre3") },
			first: `packet 13, PUBLISH sent "a/1" (client "dev"): payload from byte 4`},
		{name: "delivered payload", change: func(l *log) { l.got(wire.PUBLISH, 1).Payload = record.Payload("") },
			first: `packet 11, PUBLISH received "a/2" (client "dev"): payload from byte 0`},
		{name: "topic", change: func(l *log) { l.sent(wire.PUBLISH, 1).Topic = "a/3" },
			first: `packet 9 of the old, PUBLISH sent "a/2" (client "dev"): missing in the new program`},
		{name: "QoS and retain", change: func(l *log) { l.sent(wire.PUBLISH, 0).QoS = 0; l.sent(wire.PUBLISH, 0).Retain = true },
			first: `packet 5, PUBLISH sent "a/1" (client "dev"): QoS, retain`},
		{name: "dup", change: func(l *log) { l.sent(wire.PUBLISH, 0).Dup = true }, first: `dup`},
		{name: "content type", change: func(l *log) { l.sent(wire.PUBLISH, 0).Properties = &record.Properties{ContentType: "x"} }, first: `properties`},
		{name: "topic alias alone", change: func(l *log) { l.sent(wire.PUBLISH, 0).Properties = &record.Properties{TopicAlias: new(uint16(3))} }},
		{name: "one message less", change: func(l *log) { l.without(wire.ClientToServer, wire.PUBLISH, 0) },
			first: `packet 5 of the old, PUBLISH sent "a/1" (client "dev"): missing in the new program`},
		{name: "one message more", change: func(l *log) {
			*l = slices.Insert(*l, l.find(wire.ClientToServer, wire.UNSUBSCRIBE, 0), *l.sent(wire.PUBLISH, 2))
		}, first: `packet 17 of the new, PUBLISH sent "a/1" (client "dev"): missing in the old program`},
		{name: "order within a topic", change: func(l *log) {
			a, b := l.sent(wire.PUBLISH, 0), l.sent(wire.PUBLISH, 2)
			a.Payload, b.Payload = b.Payload, a.Payload
		}, first: `packet 5, PUBLISH sent "a/1" (client "dev"): payload from byte 0`},
		{name: "order across topics", change: swapTopics, note: "another order across topics from old packet 5"},
		{name: "order across topics, strict", change: swapTopics, opts: Options{Strict: true}, first: `packet 5`},
		{name: "place of an acknowledgement", change: func(l *log) {
			i := l.find(wire.ServerToClient, wire.PUBACK, 0)
			(*l)[i], (*l)[i+1] = (*l)[i+1], (*l)[i]
		}},
		{name: "other packet ids", change: func(l *log) {
			for i := range *l {
				(*l)[i].PacketID += 7
			}
		}},
		{name: "filter", change: func(l *log) { l.sent(wire.SUBSCRIBE, 0).Filters = []record.Filter{{Filter: "a/+", QoS: 1}} },
			first: `packet 3 of the old, SUBSCRIBE "a/#" (client "dev"): missing in the new program`},
		{name: "QoS of a filter", change: func(l *log) { l.sent(wire.SUBSCRIBE, 0).Filters = []record.Filter{{Filter: "a/#", QoS: 0}} },
			first: `packet 3, SUBSCRIBE "a/#" (client "dev"): QoS`},
		{name: "a filter more in one packet", change: func(l *log) {
			l.sent(wire.SUBSCRIBE, 0).Filters = []record.Filter{{Filter: "a/#", QoS: 1}, {Filter: "b", QoS: 1}}
		}, first: `filters, QoS`},
		{name: "no unsubscribe", change: func(l *log) { l.without(wire.ClientToServer, wire.UNSUBSCRIBE, 0) }, first: `UNSUBSCRIBE "a/#"`},
		{name: "refused filter", change: func(l *log) { l.got(wire.SUBACK, 0).Granted = []wire.Code{wire.NotAuthorized} }, first: `SUBSCRIBE "a/#" (client "dev"): acknowledgement`},
		{name: "delivery not acknowledged", change: func(l *log) { l.without(wire.ClientToServer, wire.PUBACK, 1) },
			first: `packet 11, PUBLISH received "a/2" (client "dev"): acknowledgement`},
		{name: "last delivery not acknowledged", change: func(l *log) { l.without(wire.ClientToServer, wire.PUBACK, 2) }, note: "left before it acknowledged packet 15"},
		{name: "acknowledgement of the server not waited for", change: func(l *log) { l.without(wire.ServerToClient, wire.PUBACK, 2) }},
		{name: "a delivery while leaving", change: func(l *log) {
			i := l.find(wire.ClientToServer, wire.DISCONNECT, 0)
			*l = slices.Insert(*l, i, record.Packet{Dir: wire.ServerToClient, Type: wire.PUBLISH, Conn: 1, ClientID: "dev", Topic: "a/9"})
		}, note: "rule leaving"},
		{name: "a delivery before", change: func(l *log) {
			i := l.find(wire.ClientToServer, wire.UNSUBSCRIBE, 0)
			*l = slices.Insert(*l, i, record.Packet{Dir: wire.ServerToClient, Type: wire.PUBLISH, Conn: 1, ClientID: "dev", Topic: "a/9"})
		}, first: `PUBLISH received "a/9" (client "dev"): missing in the old program`},
		{name: "no DISCONNECT", change: func(l *log) { l.without(wire.ClientToServer, wire.DISCONNECT, 0) },
			first: `packet 19 of the old, end of the connection of the new, DISCONNECT (client "dev"): end of the connection`},
		{name: "DISCONNECT with will", change: func(l *log) { l.sent(wire.DISCONNECT, 0).Code = wire.DisconnectWithWill }, first: `DISCONNECT (client "dev"): end of the connection`},
		{name: "pings", change: func(l *log) {
			l.add(wire.ClientToServer, wire.PINGREQ, record.Packet{})
			l.add(wire.ServerToClient, wire.PINGRESP, record.Packet{})
		}},

		{name: "client id", change: func(l *log) {
			for i := range *l {
				(*l)[i].ClientID = strings.Replace((*l)[i].ClientID, "dev", "other", 1)
			}
		}, first: `packet 1, CONNECT (client "dev"): client id`},
		{name: "keep alive", change: connect(func(c *record.Connect) { c.KeepAlive = 1200 }), first: `packet 1, CONNECT (client "dev"): keep alive`},
		{name: "clean start", change: connect(func(c *record.Connect) { c.CleanStart = false }), first: `session at the start`},
		{name: "session expiry", change: connect(func(c *record.Connect) { c.SessionExpiry = new(uint32(60)) }), first: `session at the end`},
		{name: "session expiry 0 is none", change: connect(func(c *record.Connect) { c.SessionExpiry = new(uint32(0)) })},
		{name: "user name", change: connect(func(c *record.Connect) { c.Username = "me?SDK=A" }), first: `user name`},
		{name: "another SDK", change: connect(func(c *record.Connect) { c.Username = "?SDK=B&Version=2&Platform=linux" })},
		{name: "password", change: connect(func(c *record.Connect) { c.HasPassword = true }), first: `password`},
		{name: "will", change: connect(func(c *record.Connect) { c.Will = &record.Will{Topic: "w"} }), first: `will`},
		{name: "limits", change: connect(func(c *record.Connect) { c.ReceiveMaximum = new(uint16(9)); c.MaximumPacketSize = new(uint32(9)) })},
		{name: "no certificate", change: func(l *log) { (*l)[0].Transport = &record.Transport{TLS: true} }, first: `client certificate`},
		{name: "session present", change: func(l *log) { l.got(wire.CONNACK, 0).Connack = &record.Connack{SessionPresent: true} }, first: `CONNECT (client "dev"): acknowledgement`},
		{name: "MQTT 3.1.1", change: func(l *log) {
			connect(func(c *record.Connect) { c.Level = 4 })(l)
			l.got(wire.UNSUBACK, 0).Granted = nil
		}},
		{name: "MQTT 3.1.1 with a kept session", change: connect(func(c *record.Connect) { c.Level, c.CleanStart = 4, false }), first: `session at the start, session at the end`},

		{name: "a second client", change: func(l *log) { l.open(2, "b", five); l.close(2, "b") }, first: `packet 20 of the new, CONNECT (client "b"): missing in the old program`},
		{name: "the rest on a second connection", change: func(l *log) {
			i := l.find(wire.ClientToServer, wire.UNSUBSCRIBE, 0)
			rest := slices.Clone((*l)[i:])
			*l = (*l)[:i]
			l.add(wire.Event, wire.ClientClosed, record.Packet{})
			l.open(2, "dev", five)
			for _, p := range rest {
				p.Conn = 2
				*l = append(*l, p)
			}
		}, first: `DISCONNECT (client "dev"): end of the connection`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			changed := base()
			if tt.change != nil {
				tt.change(&changed)
			}
			res := Compare(base(), changed, tt.opts)
			if res.Equal() != (tt.first == "") {
				t.Fatalf("Equal() = %v, differences %v, want first %q", res.Equal(), res.Differences, tt.first)
			}
			if tt.first != "" && !strings.Contains(res.Differences[0].String(), tt.first) {
				t.Errorf("first difference %q, want %q", res.Differences[0], tt.first)
			}
			if got := strings.Join(res.Notes, "\n"); tt.note == "" && got != "" || !strings.Contains(got, tt.note) {
				t.Errorf("notes %q, want %q", got, tt.note)
			}
			if res.Equal() && tt.note == "" {
				if sum := res.Total(); sum.Equal != sum.Old || sum.Old != sum.New {
					t.Errorf("equal, but %+v", sum)
				}
			}
			// The comparison must not prefer a side.
			if back := Compare(changed, base(), tt.opts); back.Equal() != res.Equal() || len(back.Differences) != len(res.Differences) {
				t.Errorf("the other way round: %v, want %v", back.Differences, res.Differences)
			}
		})
	}
}

// TestConcurrentClients: the packets of several clients, and of several topics, may come in any mixture.
func TestConcurrentClients(t *testing.T) {
	record := func(ids ...string) []record.Packet {
		var l log
		for i, id := range ids {
			l.open(i+1, id, five)
			l.close(i+1, id)
		}
		return l
	}
	if res := Compare(record("a", "b", "c"), record("c", "a", "b"), Options{}); !res.Equal() || len(res.Notes) != 0 {
		t.Errorf("another order of clients: %v %v", res.Differences, res.Notes)
	}
	if res := Compare(record("a", "b"), record("a"), Options{}); len(res.Differences) != 2 || res.Differences[0].Client != "b" {
		t.Errorf("a client less: %v, want its CONNECT and DISCONNECT", res.Differences)
	}
}

func TestPayloads(t *testing.T) {
	const update = "$aws/things/x/shadow/update"
	tests := []struct {
		name     string
		topic    string
		old, new []string // payloads sent
		ignore   []string
		equal    bool
	}{
		{name: "bytes on a topic of one's own", topic: "t", old: []string{`{"a":1,"b":2}`}, new: []string{`{"b":2,"a":1}`}},
		{name: "JSON on a topic of AWS", topic: update, old: []string{`{"a":1,"b":[1.0,2]}`}, new: []string{` {"b":[1.0, 2], "a":1}`}, equal: true},
		{name: "another value", topic: update, old: []string{`{"a":1}`}, new: []string{`{"a":2}`}},
		{name: "another type", topic: update, old: []string{`{"a":1}`}, new: []string{`{"a":"1"}`}},
		{name: "a member more", topic: update, old: []string{`{"a":1}`}, new: []string{`{"a":1,"b":null}`}},
		{name: "order of an array", topic: update, old: []string{`[1,2]`}, new: []string{`[2,1]`}},
		{name: "no JSON", topic: update, old: []string{`{`}, new: []string{`{ `}},
		{name: "two values", topic: update, old: []string{`1 2`}, new: []string{`1  2`}},
		{name: "tokens", topic: update, old: []string{`{"clientToken":"p"}`, `{"clientToken":"q"}`}, new: []string{`{"clientToken":"r"}`, `{"clientToken":"s"}`}, equal: true},
		{name: "a token again", topic: update, old: []string{`{"clientToken":"p"}`, `{"clientToken":"q"}`}, new: []string{`{"clientToken":"r"}`, `{"clientToken":"r"}`}},
		{name: "no token", topic: update, old: []string{`{"clientToken":"p"}`}, new: []string{`{}`}},
		{name: "a token elsewhere is data", topic: "t", old: []string{`{"clientToken":"p"}`}, new: []string{`{"clientToken":"q"}`}},
		{name: "times", topic: update, old: []string{`{"metadata":{"a":{"timestamp":1}},"timestamp":1}`}, new: []string{`{"metadata":{"a":{"timestamp":2}},"timestamp":3}`}, equal: true},
		{name: "a time as text is data", topic: update, old: []string{`{"timestamp":"1"}`}, new: []string{`{"timestamp":"2"}`}},
		{name: "ignored", topic: "t", old: []string{`{"v":1,"up":[{"s":5}]}`}, new: []string{`{"v":1,"up":[{"s":6}]}`}, ignore: []string{"s"}, equal: true},
		{name: "ignored, the rest differs", topic: "t", old: []string{`{"v":1,"s":5}`}, new: []string{`{"v":2,"s":6}`}, ignore: []string{"s"}},
		{name: "ignored, a time of the program's own differs", topic: "t", old: []string{`{"s":5,"timestamp":1}`}, new: []string{`{"s":6,"timestamp":2}`}, ignore: []string{"s"}},
		{name: "ignored, a token of the program's own differs", topic: "t", old: []string{`{"s":5,"clientToken":"p"}`}, new: []string{`{"s":6,"clientToken":"q"}`}, ignore: []string{"s"}},
		{name: "nothing to ignore: bytes", topic: "t", old: []string{`{"v":1}`}, new: []string{`{"v": 1}`}, ignore: []string{"s"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			said := func(payloads []string) []record.Packet {
				var l log
				l.open(1, "dev", five)
				for i, p := range payloads {
					l.publish(fmt.Sprint("c", i+1), tt.topic, p)
				}
				l.close(1, "dev")
				return l
			}
			if res := Compare(said(tt.old), said(tt.new), Options{Ignore: tt.ignore}); res.Equal() != tt.equal {
				t.Errorf("equal %v, want %v: %v", res.Equal(), tt.equal, res.Differences)
			}
		})
	}
}

// TestGranted: the QoS that a SUBACK grants counts also where one side speaks MQTT 3.1.1, which has it too; the codes of
// an UNSUBACK count only between two of MQTT 5.
func TestGranted(t *testing.T) {
	four := five
	four.Level = 4
	said := func(connect record.Connect, granted, unsuback wire.Code) []record.Packet {
		var l log
		l.open(1, "dev", connect)
		l.subscribe("c1", "a/#", 1)
		l.got(wire.SUBACK, 0).Granted = []wire.Code{granted}
		l.unsubscribe("c2", "a/#")
		l.got(wire.UNSUBACK, 0).Granted = []wire.Code{unsuback}
		l.close(1, "dev")
		return l
	}
	tests := []struct {
		name     string
		old, new []record.Packet
		equal    bool
	}{
		{"3.1.1, the same", said(four, 1, 0), said(five, 1, 0), true},
		{"3.1.1, less granted", said(four, 1, 0), said(five, 0, 0), false},
		{"3.1.1, refused", said(four, 1, 0), said(five, 0x80, 0), false},
		{"3.1.1, no subscription existed", said(four, 1, 0), said(five, 1, 0x11), true},
		{"MQTT 5, no subscription existed", said(five, 1, 0), said(five, 1, 0x11), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if res := Compare(tt.old, tt.new, Options{}); res.Equal() != tt.equal {
				t.Errorf("equal %v, want %v: %v", res.Equal(), tt.equal, res.Differences)
			}
		})
	}
}

// TestMadeUpIDs: client ids that v1 made up are others in every run; that there is one counts, and which is whose.
func TestMadeUpIDs(t *testing.T) {
	said := func(ids ...string) []record.Packet {
		var l log
		for i, id := range ids {
			l.open(i+1, id, five)
			l.close(i+1, id)
		}
		return l
	}
	const a, b, c = "paho/0123456789ADCDEF01", "paho/FEDCDA987654321001", "paho/00000000000000000F"
	for _, tt := range []struct {
		name     string
		old, new []record.Packet
		equal    bool
	}{
		{"two of them", said(a, b, a), said(c, a, c), true},
		{"one instead of two", said(a, b), said(c, c), false},
		{"another form", said(a), said("paho/0123"), false},
		{"an id of one's own", said(a), said("dev"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if res := Compare(tt.old, tt.new, Options{}); res.Equal() != tt.equal {
				t.Errorf("equal %v, want %v: %v", res.Equal(), tt.equal, res.Differences)
			}
		})
	}
}

// TestAnswers: the token of an answer counts only as that of a question.
func TestAnswers(t *testing.T) {
	said := func(answer string) []record.Packet {
		var l log
		l.open(1, "dev", five)
		l.publish("c1", "$aws/things/x/shadow/get", `{"clientToken":"p"}`)
		l.deliver("s1", "$aws/things/x/shadow/get/accepted", `{"clientToken":"`+answer+`","timestamp":5}`)
		l.unsubscribe("c2", "x")
		l.close(1, "dev")
		return l
	}
	if res := Compare(said("p"), said("q"), Options{}); res.Equal() {
		t.Error("a foreign token in an answer is no difference")
	}
}

func TestWriteText(t *testing.T) {
	changed := base()
	changed.sent(wire.PUBLISH, 1).Payload = record.Payload("twO")
	res := Compare(base(), changed, Options{})
	var b strings.Builder
	if err := res.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	want := `packets            old   new   equal
CONNECT            1     1     1
SUBSCRIBE          1     1     1
UNSUBSCRIBE        1     1     1
PUBLISH sent       3     3     2
PUBLISH received   3     3     3
DISCONNECT         1     1     1
all                10    10    9

first difference: packet 9, PUBLISH sent "a/2" (client "dev"): payload from byte 2
  old: → PUBLISH c3 "a/2" QoS 1 3 bytes "two", answered: success (0x00)
  new: → PUBLISH c3 "a/2" QoS 1 3 bytes "twO", answered: success (0x00)
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	if got := Lines(base()); len(got) != 19 || got[8].N != 9 || !strings.Contains(got[8].String(), `"two"`) {
		t.Errorf("Lines do not number packets as reports do: %v", got)
	}
	if _, err := json.Marshal(res); err != nil {
		t.Error(err)
	}
}

func TestLine(t *testing.T) {
	for payload, want := range map[string]string{
		`plain`:          `"plain"`,
		`{"a": 1}`:       "`{\"a\": 1}`",
		"{\"a\": `1`}":   "\"{\\\"a\\\": `1`}\"",
		"\"two\nlines\"": `"\"two\nlines\""`,
		"\xff\"":         "0xff22",
	} {
		var l log
		l.publish("c1", "t", payload)
		if got := Lines(l)[0].String(); !strings.HasSuffix(got, " bytes "+want) {
			t.Errorf("%q is shown as %s, want %s", payload, got, want)
		}
	}
}

func FuzzPayload(f *testing.F) {
	for _, s := range []string{`{"clientToken":"a","timestamp":1}`, `[1,{"a":null}]`, `"x"`, ``, `{`, `1 2`, "\xff"} {
		f.Add(s, s+" ")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		said := func(s string) []record.Packet {
			var l log
			l.open(1, "dev", five)
			l.publish("c1", "$aws/things/x/shadow/update", s)
			return l
		}
		if res := Compare(said(a), said(a), Options{}); !res.Equal() {
			t.Errorf("%q differs from itself: %v", a, res.Differences)
		}
		if Compare(said(a), said(b), Options{}).Equal() != Compare(said(b), said(a), Options{}).Equal() {
			t.Errorf("%q and %q: not symmetric", a, b)
		}
	})
}

// TestExpected: what an Expected covers is reported by its rule and does not count; anything more does.
func TestExpected(t *testing.T) {
	quiet := func(l *log) { l.sent(wire.PUBLISH, 0).QoS = 0 }
	for _, tt := range []struct {
		name     string
		change   func(*log)
		expected Expected
		equal    bool
	}{
		{"covered", quiet, Expected{Rule: "r", Kind: Sent, Topic: "a/+", What: []string{"QoS", "retain"}}, true},
		{"any topic", quiet, Expected{Rule: "r", Kind: Sent, What: []string{"QoS"}}, true},
		{"another property", quiet, Expected{Rule: "r", Kind: Sent, Topic: "a/+", What: []string{"payload"}}, false},
		{"another kind", quiet, Expected{Rule: "r", Kind: Received, What: []string{"QoS"}}, false},
		{"another topic", quiet, Expected{Rule: "r", Kind: Sent, Topic: "b/#", What: []string{"QoS"}}, false},
		{"something more", func(l *log) { quiet(l); l.sent(wire.PUBLISH, 0).Payload = record.Payload("x") }, Expected{Rule: "r", Kind: Sent, What: []string{"QoS"}}, false},
		{"payload", func(l *log) { l.sent(wire.PUBLISH, 0).Payload = record.Payload("x") }, Expected{Rule: "r", Kind: Sent, What: []string{"payload"}}, true},
		{"filter", func(l *log) { l.without(wire.ClientToServer, wire.UNSUBSCRIBE, 0) }, Expected{Rule: "r", Kind: Unsubscribe, Topic: "a/#", What: []string{"missing in the new program"}}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			changed := base()
			tt.change(&changed)
			res := Compare(base(), changed, Options{Expected: []Expected{tt.expected}})
			if res.Equal() != tt.equal || len(res.Expected)+len(res.Differences) != 1 {
				t.Errorf("differences %v, expected %v", res.Differences, res.Expected)
			}
			var b strings.Builder
			if err := res.WriteText(&b); err != nil || strings.Contains(b.String(), "expected by rule r: packet") != tt.equal {
				t.Errorf("%v\n%s", err, &b)
			}
		})
	}
}

// TestLevels: against a program on MQTT 3.1.1, whose acknowledgements have no codes, those of MQTT 5 say accepted or refused.
func TestLevels(t *testing.T) {
	three := func(change func(*log)) log {
		l := base()
		c := *l.sent(wire.CONNECT, 0).Connect
		c.Level = 4
		l.sent(wire.CONNECT, 0).Connect = &c
		if change != nil {
			change(&l)
		}
		return l
	}
	puback := func(c wire.Code) func(*log) { return func(l *log) { l.got(wire.PUBACK, 0).Code = c } }
	suback := func(c wire.Code) func(*log) { return func(l *log) { l.got(wire.SUBACK, 0).Granted = []wire.Code{c} } }
	for _, tt := range []struct {
		name     string
		old, new func(*log)
		equal    bool
	}{
		{"nobody listens", nil, puback(wire.NoMatchingSubscribers), true},
		{"refused publish", nil, puback(wire.NotAuthorized), false},
		{"refused filter", suback(0x80), suback(wire.NotAuthorized), true},
		{"another QoS", nil, suback(0), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			changed := base()
			tt.new(&changed)
			if res := Compare(three(tt.old), changed, Options{}); res.Equal() != tt.equal {
				t.Errorf("%v", res.Differences)
			}
		})
	}
	changed := base()
	puback(wire.NoMatchingSubscribers)(&changed)
	if Compare(base(), changed, Options{}).Equal() {
		t.Error("two programs on MQTT 5 with different codes are equal")
	}
}

// TestFilterOrder: the order of the filters of one SUBSCRIBE does not count against a program on MQTT 3.1.1; their options and
// codes do, and so does the order between two programs on MQTT 5.
func TestFilterOrder(t *testing.T) {
	said := func(level byte, filters []record.Filter, granted ...wire.Code) log {
		var l log
		c := five
		c.Level = level
		l.open(1, "dev", c)
		l.add(wire.ClientToServer, wire.SUBSCRIBE, record.Packet{Ref: "c1", Filters: filters})
		l.add(wire.ServerToClient, wire.SUBACK, record.Packet{Ref: "c1", Granted: granted})
		l.close(1, "dev")
		return l
	}
	a, b := record.Filter{Filter: "a", QoS: 0}, record.Filter{Filter: "b", QoS: 1}
	three := said(4, []record.Filter{b, a}, 1, 0)
	for _, tt := range []struct {
		name     string
		old, new log
		equal    bool
	}{
		{"another order", three, said(5, []record.Filter{a, b}, 0, 1), true},
		{"another order, one refused", said(4, []record.Filter{b, a}, 0x80, 0), said(5, []record.Filter{a, b}, 0, 0x87), true},
		{"another one refused", said(4, []record.Filter{b, a}, 0x80, 0), said(5, []record.Filter{a, b}, 0x87, 1), false},
		{"other QoS", three, said(5, []record.Filter{{Filter: "a", QoS: 1}, b}, 1, 1), false},
		{"a filter less", three, said(5, []record.Filter{a}, 0), false},
		{"on MQTT 5", said(5, []record.Filter{b, a}, 1, 0), said(5, []record.Filter{a, b}, 0, 1), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if res := Compare(tt.old, tt.new, Options{}); res.Equal() != tt.equal {
				t.Errorf("%v", res.Differences)
			}
		})
	}
}

// TestNormalisations: the list has names and texts, each once.
func TestNormalisations(t *testing.T) {
	seen := map[string]bool{}
	for _, n := range Normalisations {
		if n.Name == "" || n.Text == "" || seen[n.Name] {
			t.Errorf("%+v", n)
		}
		seen[n.Name] = true
	}
}
