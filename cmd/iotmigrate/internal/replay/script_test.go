package replay

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/wire"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// script parses a script of the test.
func script(t *testing.T, lines ...string) Script {
	t.Helper()
	s, err := ParseScript(strings.Join(lines, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// obey is a program that does as the server says: it ends with the message "end".
func obey() error {
	return connect(func(c *awsiot.Client) error {
		end := make(chan struct{})
		handler := func(m *awsiot.Message) {
			if string(m.Payload) == "end" {
				close(end)
			}
		}
		_, err := c.Subscribe(context.Background(), &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "to/#", QoS: awsiot.AtLeastOnce, Handler: handler}}})
		if err != nil {
			return err
		}
		<-end
		_, err = c.Publish(context.Background(), &awsiot.PublishPacket{Topic: "from", Payload: []byte(os.Getenv("SAYS")), QoS: awsiot.AtLeastOnce})
		return errors.Join(err, c.Stop(context.Background(), nil))
	})
}

// TestScript plays what stands in a script against a program, and counts what it got and did.
func TestScript(t *testing.T) {
	run, err := play(t, t.Context(), "obey", Options{
		Env:    []string{"SAYS={thing} {name}"},
		Names:  []string{"a1-ats.iot.eu-west-1.amazonaws.com"},
		Things: []string{"other"},
		Args:   []string{"{host}", "{port}", "{ca}", "{cert:other}", "{key:other}"},
		Script: script(t, "# comment", "",
			"after subscribe to/#: publish to/a 1 one two",
			`shadow other {"state":{"desired":{"on":true}}}`,
			`job other:j1:{"op":"x"}`,
			"cancel other:j1",
			"after puback: cut",
			"after subscribe to/# x2: wait 10ms",
			"refuse 1 0x88",
			"disconnect 0x8b",
			"drop puback 1",
			"after subscribe to/# x3: publish to/b 0 end",
			"after publish from: cut",
			"after publish from x5: cut"),
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range run.Packets {
		switch {
		case p.Type == wire.CONNECT, p.Type == wire.PUBLISH && p.Topic != "from" && !strings.HasPrefix(p.Topic, "$aws"):
			got = append(got, strings.TrimSpace(p.Type.String()+" "+p.Topic+" "+string(p.Payload)))
		case p.Type == wire.CONNACK && p.Code != 0, p.Type == wire.DISCONNECT && p.Dir == wire.ServerToClient:
			got = append(got, p.Type.String()+" "+p.Code.String())
		}
	}
	t.Log(got)
	for _, want := range []string{"PUBLISH to/a one two", "PUBLISH to/b end"} {
		if !slices.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	connects, said := 0, ""
	for _, p := range run.Packets {
		if p.Type == wire.CONNECT {
			connects++
		}
		if p.Topic == "from" {
			said = string(p.Payload)
		}
		if p.Transport != nil && p.Type != wire.HandshakeFailed && p.Transport.ClientCert != "" && p.Transport.ClientCert != "other" {
			t.Errorf("certificate of %q", p.Transport.ClientCert)
		}
	}
	if connects != 5 {
		t.Errorf("%d CONNECT, want 5: two cuts, one disconnect, one refused", connects)
	}
	if want := "device a1-ats.iot.eu-west-1.amazonaws.com"; said != want {
		t.Errorf("said %q, want %q", said, want)
	}
	if want := []string{"line 14, after publish from x5: cut"}; !slices.Equal(run.Unplayed, want) {
		t.Errorf("unplayed %q, want %q", run.Unplayed, want)
	}
}

// TestConditionWaitsForTheAnswer: a packet that is answered counts when the endpoint has done with it.
func TestConditionWaitsForTheAnswer(t *testing.T) {
	sent := func(p record.Packet) record.Packet {
		p.Dir, p.Conn = wire.ClientToServer, 1
		return p
	}
	publish := sent(record.Packet{Type: wire.PUBLISH, Topic: "a/b", QoS: 1, Ref: "c1"})
	subscribe := sent(record.Packet{Type: wire.SUBSCRIBE, Filters: []record.Filter{{Filter: "a/#"}}, Ref: "c1"})
	answer := func(typ wire.PacketType) record.Packet {
		return record.Packet{Dir: wire.ServerToClient, Type: typ, Conn: 1, Ref: "c1"}
	}
	lost, elsewhere, other := answer(wire.PUBACK), answer(wire.PUBACK), answer(wire.PUBACK)
	lost.Fault, elsewhere.Conn, other.Ref = "dropped", 2, "c2"
	closed := record.Packet{Dir: wire.Event, Type: wire.ServerClosed, Conn: 1}
	closedElsewhere := record.Packet{Dir: wire.Event, Type: wire.ServerClosed, Conn: 2}
	for _, tt := range []struct {
		name, after string
		packets     []record.Packet
		want        bool
	}{
		{"QoS 0 has no answer", "publish a/b", []record.Packet{sent(record.Packet{Type: wire.PUBLISH, Topic: "a/b"})}, true},
		{"QoS 1 before its answer", "publish a/b", []record.Packet{publish}, false},
		{"QoS 1 with another's answer", "publish a/+", []record.Packet{publish, other, elsewhere, closedElsewhere}, false},
		{"QoS 1 with its answer", "publish a/+", []record.Packet{publish, other, answer(wire.PUBACK)}, true},
		{"QoS 1 whose answer gets lost", "publish a/b", []record.Packet{publish, lost}, true},
		{"QoS 1 that ended its connection", "publish", []record.Packet{publish, closed}, true},
		{"another topic", "publish a/c", []record.Packet{publish, answer(wire.PUBACK)}, false},
		{"one of two", "publish a/b x2", []record.Packet{publish, answer(wire.PUBACK), publish}, false},
		{"a filter before its answer", "subscribe a/#", []record.Packet{subscribe}, false},
		{"a filter with its answer", "subscribe a/#", []record.Packet{subscribe, answer(wire.SUBACK)}, true},
		{"a filter whose connection ended", "subscribe a/#", []record.Packet{subscribe, closed}, false},
		{"a puback is an answer itself", "puback", []record.Packet{sent(record.Packet{Type: wire.PUBACK, Ref: "s1"})}, true},
	} {
		c, err := parseCondition(strings.Fields(tt.after))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.met(tt.packets); got != tt.want {
			t.Errorf("%s: after %s: %v, want %v", tt.name, tt.after, got, tt.want)
		}
	}
}

func TestScriptErrors(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"publish a/b", "line 1: publish: want a topic"},
		{"publish a 2 x", "QoS of 0 or 1"},
		{"\n\nfly", `line 3: no action "fly"`},
		{"after: cut", `no action "after:"`},
		{"after connect cut", "want a colon"},
		{"after nothing: cut", "want a packet type"},
		{"after publish a x0: cut", `"x0" is no number of packets`},
		{"cut now", `unexpected "now"`},
		{"disconnect 1", "reason code from 0x80"},
		{"refuse 0 0x88", "number from 1"},
		{"refuse 1", "want a number and a reason code"},
		{"drop pingreq 1", "want a packet type"},
		{"wait long", "want a duration"},
		{"job a:b", "want THING:ID:JSON"},
		{"cancel a", "want THING:ID"},
		{"shadow a", "want a thing"},
	} {
		if _, err := ParseScript(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %q", tt.text, err, tt.want)
		}
	}
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{Script: script(t, "shadow device {")}, "script, line 1, shadow device {"},
		{Options{Jobs: []Job{{"device", "bad id", "{}"}}}, "job bad id of device"},
		{Options{Shadows: []Shadow{{"device", "n", "no json"}}}, "shadow device/n"},
		{Options{Things: []string{"a b"}}, "thing name"},
		{Options{Args: []string{"{name}"}}, `{name} in "{name}" needs -name`},
		{Options{Args: []string{"{cert:x}"}}, `{cert:x} in "{cert:x}": no thing of this name`},
	} {
		if _, err := play(t, t.Context(), "obey", tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.o, err, tt.want)
		}
	}
}

// TestProxy: the names lead to the ports of the server, nothing else does.
func TestProxy(t *testing.T) {
	const name = "a1-ats.iot.eu-west-1.amazonaws.com"
	h, err := newHost(Options{Thing: "device", Names: []string{name}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer h.close()
	through, err := url.Parse(h.proxy.url())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		endpoint string
		port     int
		ok       bool
	}{{name, 8883, true}, {name, h.server.TLSPort(), true}, {name, 1, false}, {"example.com", 8883, false}} {
		files, err := h.fill([]string{"{ca}", "{cert}", "{key}"})
		if err != nil {
			t.Fatal(err)
		}
		c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: tt.endpoint, Port: tt.port, ClientID: "p", CAFile: files[0], Auth: awsiot.MTLSFromPath(files[1], files[2]), HTTPProxy: http.ProxyURL(through)})
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err = c.StartAndWait(ctx)
		cancel()
		if (err == nil) != tt.ok {
			t.Errorf("%s:%d: %v", tt.endpoint, tt.port, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if p := h.proxy.target(name + ":443"); p != h.server.WSSPort() {
		t.Errorf("port 443 leads to %d, want %d", p, h.server.WSSPort())
	}
}

func TestCommand(t *testing.T) {
	p, err := Build(t.Context(), []string{"go", "version"}, t.TempDir(), "x")
	if err != nil || !p.Command || !filepath.IsAbs(p.Path) || !slices.Equal(p.Args, []string{"version"}) {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := Build(t.Context(), []string{"no-such-command", "x"}, t.TempDir(), "x"); err == nil || !strings.Contains(err.Error(), "no such command") {
		t.Error(err)
	}
}

// What ends connections waits until nothing is on its way, or until it has waited long enough for a program that never pauses.
func TestEndsInSilence(t *testing.T) {
	for name, tt := range map[string]struct {
		packets int
		kind    wire.PacketType
		want    time.Duration
	}{
		"a pause":         {10, wire.PUBLISH, 320 * time.Millisecond},
		"pings are none":  {1000, wire.PINGREQ, 120 * time.Millisecond},
		"it never pauses": {1000, wire.PUBLISH, 2020 * time.Millisecond},
	} {
		for _, line := range []string{"cut", "disconnect 0x8b"} {
			t.Run(name+" "+line, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := iotlocal.StartT(t, iotlocal.Options{TLSPort: iotlocal.Off, TCPPort: iotlocal.Off, WSPort: iotlocal.Off, WSSPort: iotlocal.Off, APIPort: iotlocal.Off})
					ctx, end := context.WithCancel(t.Context())
					go func() {
						for range tt.packets {
							server.Recorder().Add(record.Packet{Type: tt.kind})
							select {
							case <-ctx.Done():
								return
							case <-time.After(20 * time.Millisecond):
							}
						}
					}()
					began := time.Now()
					if _, err := script(t, line).run(ctx, server); err != nil {
						t.Fatal(err)
					}
					if took := time.Since(began); took < tt.want-120*time.Millisecond || took > tt.want {
						t.Errorf("after %v, want about %v", took, tt.want)
					}
					end()
				})
			})
		}
	}
}

// TestScriptHead: what a program must find when it starts does not depend on whether it or the script is faster.
func TestScriptHead(t *testing.T) {
	for _, tt := range []struct {
		lines []string
		want  int // events before the program
	}{
		{nil, 0},
		{[]string{"refuse 2 0x88"}, 1},
		{[]string{"drop puback 1", "job a:b:{}", "refuse 1 0x88", "after connect: cut", "refuse 1 0x88"}, 3},
		{[]string{"after connect: publish a 0 x"}, 0},
		{[]string{"wait 1s", "refuse 1 0x88"}, 0},
		{[]string{"publish a 0 x", "cut"}, 1},
		{[]string{"disconnect 0x8b"}, 0},
	} {
		s := script(t, tt.lines...)
		before, then := s.head()
		if len(before) != tt.want || len(before)+len(then) != len(tt.lines) {
			t.Errorf("%q: %d before the program and %d then, want %d", tt.lines, len(before), len(then), tt.want)
		}
	}
}
