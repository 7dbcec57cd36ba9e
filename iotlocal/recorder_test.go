package iotlocal_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	p5 "github.com/eclipse/paho.golang/packets"
	p3 "github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal"
)

// The whole record of one conversation, as the demo prints it.
func TestGoldenSequence(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		r, _ := e.connect5("lamp", persistent, func(c *p5.Connect) {
			willOf(c, "lamp/gone").WillQOS = 1
			c.UsernameFlag, c.Username = true, "?SDK=PortageGo&Version=v0.1.0&Platform=linux"
		})
		r.sub(1, "lamp/+", "x")
		r.send(pub5("lamp/on", "yes", 1, 1)) // id 1 is used again below
		m := want[*p5.Publish](r)
		want[*p5.Puback](r)
		r.ack(m.PacketID)
		r.pub("nobody", "\x00\xff", 1)
		r.send(pub5("nobody", "", 0, 0))
		r.send(&p5.Unsubscribe{PacketID: 4, Topics: []string{"x", "y"}, Properties: &p5.Properties{}})
		want[*p5.Unsuback](r)
		r.sub(0, "bad/#/filter")
		r.send(&p5.Pingreq{})
		want[*p5.Pingresp](r)
		r.bye()
		r, _ = e.connect5("lamp", func(c *p5.Connect) { c.Properties.AuthMethod = "x" })
		r.closed()
		synctest.Wait()
		got := lines(e.srv.Recorder().Packets())
		for i, l := range got { // ports differ from run to run
			got[i], _, _ = strings.Cut(l, " from ")
		}
		want := []string{
			` · TRANSPORT_OPEN TCP`,
			`lamp → CONNECT MQTT 5 client "lamp" clean start false keep alive 60 s session expiry 3600 s will "lamp/gone" QoS 1`,
			`lamp ← CONNACK accepted, session present false`,
			`lamp → SUBSCRIBE c1 "lamp/+" QoS 1, "x" QoS 1`,
			`lamp ← SUBACK c1 granted QoS 1, granted QoS 1`,
			`lamp → PUBLISH c2 "lamp/on" QoS 1 3 bytes "yes"`,
			`lamp ← PUBLISH s1 "lamp/on" QoS 1 3 bytes "yes"`,
			`lamp ← PUBACK c2`,
			`lamp → PUBACK s1`,
			`lamp → PUBLISH c3 "nobody" QoS 1 2 bytes 0x00ff`,
			`lamp ← PUBACK c3 no matching subscribers (0x10)`,
			`lamp → PUBLISH "nobody" QoS 0 0 bytes`,
			`lamp → UNSUBSCRIBE c4 "x", "y"`,
			`lamp ← UNSUBACK c4 success (0x00), no subscription existed (0x11)`,
			`lamp → SUBSCRIBE c5 "bad/#/filter" QoS 0`,
			`lamp ← SUBACK c5 topic filter invalid (0x8F) (` + filterReason(e) + `)`,
			`lamp → PINGREQ`,
			`lamp ← PINGRESP`,
			`lamp → DISCONNECT success (0x00)`,
			`lamp · CLIENT_CLOSED`,
			` · TRANSPORT_OPEN TCP`,
			`lamp → CONNECT MQTT 5 client "lamp" clean start true keep alive 60 s`,
			`lamp ← CONNACK refused: bad authentication method (0x8C) (enhanced authentication is not supported)`,
			`lamp · SERVER_SIDE_CLOSED`,
		}
		if !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// filterReason is the text of package topic, which is not this test's subject.
func filterReason(e *env) string {
	for _, p := range e.srv.Recorder().Packets() {
		if p.Type == iotlocal.SUBACK && p.Granted[0] == 0x8F {
			return p.Reason
		}
	}
	return ""
}

func TestRecorderWait(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		rec := e.srv.Recorder()
		has := func(topic string) func([]iotlocal.Packet) bool {
			return func(ps []iotlocal.Packet) bool {
				return slices.ContainsFunc(ps, func(p iotlocal.Packet) bool { return p.Topic == topic })
			}
		}
		r, _ := e.connect5("c")
		done := make(chan error)
		go func() { done <- rec.Wait(context.Background(), has("t")) }()
		r.pub("other", "x", 1)
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("Wait ended early: %v", err)
		default:
		}
		r.pub("t", "x", 1)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := rec.Wait(ctx, has("never")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		old := rec.Packets()
		rec.Reset()
		if n := len(rec.Packets()); n != 0 || len(old) == 0 {
			t.Errorf("%d packets after Reset, %d before", n, len(old))
		}
		r.pub("t", "x", 9)
		if p := rec.Packets()[0]; p.Ref != "c1" || p.Seq != 1 {
			t.Errorf("after Reset %+v", p)
		}
		r.bye()
	})
}

func TestRecorderCap(t *testing.T) {
	bubble(t, iotlocal.Options{RecorderCap: 10, RecorderBytes: 50}, func(e *env) {
		r, _ := e.connect5("c")
		for i := range 30 {
			r.pub("t", fmt.Sprintf("%010d", i), 1)
		}
		rec := e.srv.Recorder()
		ps := rec.Packets()
		payload := 0
		for _, p := range ps {
			payload += len(p.Payload)
		}
		if len(ps) > 10 || payload > 50 || rec.Dropped()+len(ps) != 63 || ps[len(ps)-1].Seq != 63 {
			t.Errorf("%d packets, %d bytes, %d dropped", len(ps), payload, rec.Dropped())
		}
		r.bye()
	})
	bubble(t, iotlocal.Options{RecorderCap: -1}, func(e *env) {
		r, _ := e.connect5("c")
		r.bye()
		if n := len(e.srv.Recorder().Packets()); n != 0 {
			t.Errorf("%d packets although recording is off", n)
		}
	})
}

func TestRecorderJSON(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		r, _ := e.connect5("c", persistent)
		m := pub5("t", "<text>", 1, 1)
		m.Properties.User = []p5.User{{Key: "k", Value: "v"}}
		r.send(m)
		want[*p5.Puback](r)
		r.pub("t", "\xff", 1)
		r.bye()
		var b bytes.Buffer
		if err := e.srv.Recorder().WriteJSONLines(&b); err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{`"dir":"c2s"`, `"type":"PUBLISH"`, `"payload":"<text>"`, `"payload":{"hex":"ff"}`, `"mid_ref":"c1"`,
			`"session_expiry":3600`, `"clean_start":false`, `"type":"CLIENT_CLOSED"`, `"user_properties":[{"name":"k","value":"v"}]`} {
			if !strings.Contains(b.String(), s) {
				t.Errorf("no %s in\n%s", s, b.String())
			}
		}
		// What was written can be read, and is the same.
		var again []string
		sc := bufio.NewScanner(&b)
		for sc.Scan() {
			var p iotlocal.Packet
			if err := json.Unmarshal(sc.Bytes(), &p); err != nil {
				t.Fatalf("%v: %s", err, sc.Text())
			}
			again = append(again, p.ClientID+" "+p.String())
		}
		if got := lines(e.srv.Recorder().Packets()); !slices.Equal(got, again) {
			t.Errorf("read back\n%s\nwas\n%s", strings.Join(again, "\n"), strings.Join(got, "\n"))
		}
	})
}

// Acknowledgements pair with what they acknowledge, over reconnects and when
// identifiers are used again.
func TestRecorderRefs(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		h := e.fault(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK, Action: iotlocal.Drop, Times: 1})
		r, _ := e.connect5("c", persistent)
		r.send(pub5("t", "1", 1, 5))
		r.quiet()
		if h.Hits() != 1 {
			t.Fatal("no PUBACK dropped")
		}
		r.drop()
		r, _ = e.connect5("c", persistent)
		dup := pub5("t", "1", 1, 5)
		dup.Duplicate = true
		r.send(dup)
		want[*p5.Puback](r)
		r.pub("t", "2", 5)
		r.bye()
		var got []string
		for _, p := range e.srv.Recorder().Packets() {
			if p.Ref != "" {
				got = append(got, fmt.Sprintf("%s %s %s", p.Type, p.Ref, p.Fault))
			}
		}
		want := []string{"PUBLISH c1 ", "PUBACK c1 dropped", "PUBLISH c1 ", "PUBACK c1 ", "PUBLISH c2 ", "PUBACK c2 "}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// What is recorded of 3.1.1 is what that protocol can say.
func TestRecordOf311(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		r, _ := e.connect3("old", func(c *p3.ConnectPacket) { c.CleanSession = false })
		r.sub3(2, "a", "a/#/b")
		p := p3.NewControlPacket(p3.Publish).(*p3.PublishPacket)
		p.TopicName, p.Qos, p.MessageID = "nobody", 1, 7
		r.send3(p)
		r.read3()
		u := p3.NewControlPacket(p3.Unsubscribe).(*p3.UnsubscribePacket)
		u.MessageID, u.Topics = 8, []string{"never"}
		r.send3(u)
		r.read3()
		r.drop()
		r, _ = e.connect3("old", func(c *p3.ConnectPacket) { c.CleanSession = false })
		r.drop()
		r, _ = e.connect3("", func(c *p3.ConnectPacket) { c.CleanSession = false })
		r.closed()
		var got []string
		for _, p := range e.srv.Recorder().Packets() {
			if p.Dir == iotlocal.ServerToClient {
				got = append(got, p.String())
			}
		}
		want := []string{
			`← CONNACK accepted, session present false`,
			`← SUBACK c1 granted QoS 1, unspecified error (0x80)`,
			`← PUBACK c2`,
			`← UNSUBACK c3`,
			`← CONNACK accepted, session present true`,
			`← CONNACK refused: identifier rejected (2)`,
		}
		if !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestLongPayloadIsCutInText(t *testing.T) {
	p := iotlocal.Packet{Type: iotlocal.PUBLISH, Dir: iotlocal.ClientToServer, Payload: []byte(strings.Repeat("é", 500))}
	if s := p.String(); len(s) > 300 || !strings.HasSuffix(s, "é\"...") {
		t.Errorf("%d %s", len(s), s)
	}
}
