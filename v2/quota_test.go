package awsiot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// Cases of aws-c-mqtt's tests, group "limits": flow_control_iot_core_publish_tps (650 packets).
func TestFlowControlPublishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.FlowControl = awsiot.FlowControlAWS })
		p := w.start()
		began := time.Now()
		for range 650 {
			w.client.PublishFunc(packet("t", "x", awsiot.AtMostOnce), nil)
		}
		for i := range 650 {
			expect[*packets.Publish](p)
			// The bucket is empty at the start: the nth packet may leave when n/100 s have passed.
			if earliest := time.Duration(i+1) * time.Second / 100; time.Since(began) < earliest {
				t.Fatalf("packet %d after %v, before %v", i+1, time.Since(began), earliest)
			}
		}
		if took := time.Since(began); took > 6600*time.Millisecond {
			t.Errorf("650 packets took %v", took)
		}
	})
}

// The rate is one of publishes: SUBSCRIBE and UNSUBSCRIBE count their bytes only.
func TestFlowControlSubscribes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.FlowControl = awsiot.FlowControlAWS })
		p := w.start()
		began := time.Now()
		for i := range 50 {
			w.client.SubscribeAsync(filters(nil, fmt.Sprint("f", i)))
		}
		for range 50 {
			expect[*packets.Subscribe](p)
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("50 packets took %v", took)
		}
	})
}

// Cases of aws-c-mqtt's tests, group "limits": flow_control_iot_core_throughput.
func TestFlowControlBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.FlowControl = awsiot.FlowControlAWS })
		p := w.start()
		began := time.Now()
		payload := strings.Repeat("x", 128<<10)
		for range 8 {
			w.client.PublishFunc(packet("t", payload, awsiot.AtMostOnce), nil)
		}
		for range 8 {
			expect[*packets.Publish](p)
		}
		if took := time.Since(began); took < 2*time.Second || took > 2100*time.Millisecond {
			t.Errorf("1 MiB took %v at 512 KiB/s", took)
		}
		w.client.PublishFunc(packet("t", payload+"x", awsiot.AtMostOnce), w.events.done("too large"))
		synctest.Wait()
		if l := w.events.take(); len(l) != 3 || l[2] != "too large: awsiot: Payload: 131073 bytes; AWS IoT Core takes at most 131072" {
			t.Errorf("%q", l)
		}
	})
}

// limitedEndpoints are cases of FlowControl: whether static limits and rates hold.
var limitedEndpoints = []struct {
	endpoint      string
	flow          awsiot.FlowControl
	limits, rates bool
}{
	{"x-ats.iot.eu-west-1.amazonaws.com", awsiot.FlowControlAuto, true, true},
	{"X-ATS.iot.cn-north-1.AMAZONAWS.COM.CN", awsiot.FlowControlAuto, true, true},
	{"vpce-1.data.iot.us-east-1.vpce.amazonaws.com", awsiot.FlowControlAuto, true, true},
	{"data.iot-fips.us-gov-west-1.api.aws", awsiot.FlowControlAuto, true, true},
	{"x-ats.iot.eu-west-1.amazonaws.com", awsiot.FlowControlAWS, true, true},
	{"x-ats.iot.eu-west-1.amazonaws.com", awsiot.FlowControlLimits, true, false},
	{"x-ats.iot.eu-west-1.amazonaws.com", awsiot.FlowControlNone, true, false},
	{"x-ats.iot.eu-west-1.amazonaws.com", awsiot.FlowControlOff, false, false},
	{"amazonaws.com.example.org", awsiot.FlowControlAuto, false, false},
	{"ec2-1-2-3-4.eu-west-1.compute.amazonaws.com", awsiot.FlowControlAuto, false, false},
	{"broker.elb.eu-west-1.amazonaws.com", awsiot.FlowControlAuto, false, false},
	{"b-1.mq.us-west-2.amazonaws.com", awsiot.FlowControlNone, false, false},
	{"broker", awsiot.FlowControlAuto, false, false},
	{"broker", awsiot.FlowControlAWS, true, true},
	{"broker", awsiot.FlowControlLimits, true, false},
	{"broker", awsiot.FlowControlNone, false, false},
	{"broker", awsiot.FlowControlOff, false, false},
}

// Static limits hold at the call, without a connection, where FlowControl and the endpoint's name say so.
func TestFlowControlAuto(t *testing.T) {
	nine := &awsiot.SubscribePacket{}
	for _, f := range strings.Split("abcdefghi", "") {
		nine.Subscriptions = append(nine.Subscriptions, awsiot.Subscription{TopicFilter: f})
	}
	for _, tt := range limitedEndpoints {
		c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: tt.endpoint, Auth: awsiot.PlainTCP(), FlowControl: tt.flow})
		refused := func(name string, err error) {
			t.Helper()
			var ve *awsiot.ValidationError
			if errors.As(err, &ve) != tt.limits {
				t.Errorf("%s, %v: %s: %v", tt.endpoint, tt.flow, name, err)
			}
		}
		refused("9 filters", c.SubscribeAsync(nine).Err())
		refused("9 filters to unsubscribe", c.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: strings.Split("abcdefghi", "")}).Err())
		refused("128 KiB + 1", c.PublishAsync(packet("t", strings.Repeat("x", 128<<10+1), 1)).Err())
		refused("8 slashes in a filter", c.SubscribeAsync(filters(nil, "+/2/3/4/5/6/7/8/9")).Err())
		refused("8 slashes", c.PublishAsync(packet("1/2/3/4/5/6/7/8/9", "", 1)).Err())
		refused("257 bytes", c.PublishAsync(packet(strings.Repeat("a", 257), "", 1)).Err())
		if err := c.PublishAsync(packet("$aws/rules/r/1/2/3/4/5/6/7/8", "", 1)).Err(); err != nil {
			t.Errorf("the prefix of a rule does not count: %v", err)
		}
		if err := c.SubscribeAsync(filters(nil, "$aws/commands/things/t/executions/+/response/accepted/json")).Err(); err != nil {
			t.Errorf("AWS's own: %v", err)
		}
		long := awsiot.ClientOptions{Endpoint: tt.endpoint, Auth: awsiot.PlainTCP(), FlowControl: tt.flow, ClientID: strings.Repeat("a", 129)}
		refused("129 bytes of client id", long.Validate())
		_ = c.Close()
	}
}

// Rates hold on a connection where they do: of 101 messages one waits.
func TestFlowControlRates(t *testing.T) {
	for _, tt := range limitedEndpoints {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(o *awsiot.ClientOptions) {
				dial := o.Dialer
				o.Endpoint, o.FlowControl = tt.endpoint, tt.flow
				o.Dialer = func(ctx context.Context, network, _ string) (net.Conn, error) {
					return dial(ctx, network, "broker:1883")
				}
			})
			p := w.start()
			pass(time.Second)
			for range 101 {
				w.client.PublishFunc(packet("t", "x", 0), nil)
			}
			got := make(chan int, 1)
			go func() {
				n := 0
				for ; n < 101 && p.next() != nil; n++ {
				}
				got <- n
			}()
			synctest.Wait()
			if held := len(got) == 0; held != tt.rates {
				t.Errorf("%s, %v: held back: %v", tt.endpoint, tt.flow, held)
			}
			pass(time.Second)
			if n := <-got; n != 101 {
				t.Errorf("%s, %v: %d messages came", tt.endpoint, tt.flow, n)
			}
		})
	}
}

// ReceiveMaximum is always announced: 100 to AWS IoT Core, which has that limit itself, and 1,000 to others.
func TestReceiveMaximumDefault(t *testing.T) {
	for _, tt := range []struct {
		endpoint string
		flow     awsiot.FlowControl
		given    uint16
		want     uint16
	}{
		{"x-ats.iot.eu-west-1.amazonaws.com", awsiot.FlowControlAuto, 0, 100}, {"x-ats.iot.eu-west-1.amazonaws.com", awsiot.FlowControlOff, 0, 100},
		{"data.iot.eu-west-1.api.aws", awsiot.FlowControlNone, 0, 100}, {"broker", awsiot.FlowControlAWS, 0, 100}, {"broker", awsiot.FlowControlLimits, 0, 100},
		{"broker", awsiot.FlowControlAuto, 0, 1000}, {"b-1.mq.us-west-2.amazonaws.com", awsiot.FlowControlAuto, 0, 1000},
		{"broker", awsiot.FlowControlAuto, 65535, 65535}, {"x-ats.iot.eu-west-1.amazonaws.com", awsiot.FlowControlAuto, 7, 7},
	} {
		raw, err := awsiot.ConnectOf(awsiot.ClientOptions{Endpoint: tt.endpoint, ClientID: "c", Auth: awsiot.PlainTCP(), FlowControl: tt.flow, ReceiveMaximum: tt.given})
		if err != nil {
			t.Fatal(err)
		}
		cp, err := packets.ReadPacket(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if got := cp.Content.(*packets.Connect).Properties.ReceiveMaximum; got == nil || *got != tt.want {
			t.Errorf("%s, %v, %d: announced %v, want %d", tt.endpoint, tt.flow, tt.given, got, tt.want)
		}
	}
}

// What was accepted for another broker, or comes from the store, is not sent to AWS IoT Core when that would end the connection
// for it; its neighbours are.
func TestFlowControlOfWhatWaits(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		log := newStateLog(t)
		makeWorld := func() *world {
			return newWorld(t, func(o *awsiot.ClientOptions) {
				o.Store, o.OfflineQueue.Behavior, o.Logger = awsiot.NewFileStore(dir), awsiot.KeepAll, slog.New(log)
			})
		}
		w := makeWorld()
		publishAll := func() (fs []*awsiot.Future[awsiot.PublishResult]) {
			for _, p := range []*awsiot.PublishPacket{packet("a", "good", 1), packet("1/2/3/4/5/6/7/8/9", "deep", 1),
				packet("t", strings.Repeat("x", 128<<10+1), 1), packet("t", strings.Repeat("y", 128<<10), 1)} {
				fs = append(fs, w.client.PublishAsync(p))
			}
			return fs
		}
		sent := func(p *peer) (topics []string) {
			for range 2 {
				v := expect[*packets.Publish](p)
				topics = append(topics, fmt.Sprintf("%s %d", v.Topic, len(v.Payload)))
				p.answer(v)
			}
			p.silent(time.Minute)
			return topics
		}
		fs := publishAll()
		nine := w.client.SubscribeAsync(filters(nil, strings.Split("abcdefghi", "")...))
		update(w, func(o *awsiot.ClientOptions) { o.FlowControl = awsiot.FlowControlAWS })
		p := w.start()
		want := []string{"a 4", fmt.Sprintf("t %d", 128<<10)}
		equal(t, "sent", sent(p), want)
		for i, f := range fs {
			var ve *awsiot.ValidationError
			if _, err := f.Result(); errors.As(err, &ve) != (i == 1 || i == 2) {
				t.Errorf("%d: %v", i, err)
			}
		}
		if _, err := nine.Result(); err == nil || !strings.Contains(err.Error(), "9 filters") {
			t.Errorf("9 filters: %v", err)
		}
		_ = w.client.Stop(t.Context(), nil)
		update(w, func(o *awsiot.ClientOptions) { o.FlowControl = awsiot.FlowControlOff })
		publishAll()
		_ = w.client.Start() // into the store
		w.raw()
		_ = w.client.Close()
		_ = w.ln.Close()
		w = makeWorld()
		update(w, func(o *awsiot.ClientOptions) { o.FlowControl = awsiot.FlowControlLimits })
		equal(t, "sent from the store", sent(w.start()), want)
		if logs := strings.Join(log.logs, "\n"); strings.Count(logs, "ERROR a publish of the store cannot be sent, and is removed") != 2 {
			t.Errorf("%s", logs)
		}
		_ = w.client.Close()
		w = makeWorld()
		w.start().silent(time.Minute)
	})
}

// Cases of aws-c-mqtt's tests, group "ids": client_auto_assigned_client_id_iot_core: IoT Core does not take the id that it assigned again.
func TestClientIDMadeLocally(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.FlowControl, o.ClientID = awsiot.FlowControlAWS, "" })
		if err := w.client.Start(); err != nil {
			t.Fatal(err)
		}
		p, c := w.accept(nil)
		if !strings.HasPrefix(c.ClientID, "gen") || len(c.ClientID) < 20 {
			t.Errorf("client id %q", c.ClientID)
		}
		p.cut()
		_, again := w.accept(nil)
		if again.ClientID != c.ClientID {
			t.Errorf("client id %q, then %q", c.ClientID, again.ClientID)
		}
	})
}

// Cases of aws-c-mqtt's tests, group "alias end-to-end": outbound_alias_lru_success_a_b_c_br_cr_a and manual_success_a_b_ar_br.
func TestOutboundAliases(t *testing.T) {
	two := uint16(2)
	for _, tt := range []struct {
		name     string
		aliasing awsiot.TopicAliasing
		server   *uint16
		send     []string // topic, or topic=alias
		want     []string // topic:alias as on the wire
	}{
		{"LRU", awsiot.TopicAliasing{Outbound: awsiot.AliasLRU}, &two, []string{"a", "b", "a", "c", "b"}, []string{"a:1", "b:2", ":1", "c:2", "b:1"}},
		{"LRU, own maximum", awsiot.TopicAliasing{Outbound: awsiot.AliasLRU, OutboundMaximum: 1}, &two, []string{"a", "b", "b"}, []string{"a:1", "b:1", ":1"}},
		{"LRU, server has none", awsiot.TopicAliasing{Outbound: awsiot.AliasLRU}, nil, []string{"a", "a"}, []string{"a:0", "a:0"}},
		{"manual", awsiot.TopicAliasing{Outbound: awsiot.AliasManual}, &two, []string{"a=1", "b=2", "a=1", "c=1", "d"}, []string{"a:1", "b:2", ":1", "c:1", "d:0"}},
		{"manual, server has none", awsiot.TopicAliasing{Outbound: awsiot.AliasManual}, nil, []string{"a=1"}, []string{"a:0"}},
		{"disabled", awsiot.TopicAliasing{}, &two, []string{"a=1", "a=1"}, []string{"a:0", "a:0"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(o *awsiot.ClientOptions) { o.TopicAliasing = tt.aliasing })
			if err := w.client.Start(); err != nil {
				t.Fatal(err)
			}
			p, _ := w.accept(func(a *packets.Connack) { a.Properties.TopicAliasMaximum = tt.server })
			var got []string
			for _, s := range tt.send {
				topic, number, manual := strings.Cut(s, "=")
				q := packet(topic, s, awsiot.AtLeastOnce)
				if manual {
					q.TopicAlias = new(uint16(number[0] - '0'))
				}
				w.client.PublishFunc(q, nil)
				in := expect[*packets.Publish](p)
				alias := uint16(0)
				if in.Properties.TopicAlias != nil {
					alias = *in.Properties.TopicAlias
				}
				if string(in.Payload) != s {
					t.Errorf("payload %q", in.Payload)
				}
				got = append(got, in.Topic+":"+string(rune('0'+alias)))
			}
			equal(t, tt.name, got, tt.want)
			// On another connection the packet that is sent again has its topic.
			p.cut()
			p, _ = w.accept(func(a *packets.Connack) { a.Properties.TopicAliasMaximum = tt.server })
			if in := expect[*packets.Publish](p); in.Topic != "a" {
				t.Errorf("%s: sent again with topic %q", tt.name, in.Topic)
			}
		})
	}
}

// Cases of aws-c-mqtt's tests: outbound_alias_manual with an alias above the maximum; the C client tears the connection down, here only the operation fails.
func TestAliasOutOfRange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.TopicAliasing.Outbound = awsiot.AliasManual })
		if err := w.client.Start(); err != nil {
			t.Fatal(err)
		}
		p, _ := w.accept(func(a *packets.Connack) { a.Properties.TopicAliasMaximum = new(uint16(2)) })
		q := packet("t", "x", awsiot.AtLeastOnce)
		for _, alias := range []uint16{0, 3} {
			q.TopicAlias = &alias
			_, err := w.client.Publish(context.Background(), q)
			var ve *awsiot.ValidationError
			if !errors.As(err, &ve) || ve.Field != "TopicAlias" {
				t.Errorf("alias %d: %v", alias, err)
			}
		}
		w.client.PublishFunc(packet("t", "good", awsiot.AtLeastOnce), nil)
		if in := expect[*packets.Publish](p); string(in.Payload) != "good" {
			t.Errorf("got %v", in)
		}
	})
}

// Cases of aws-c-mqtt's tests: inbound_alias_success, _failure_disabled, _zero_id, _too_large_id, _unbound_id.
func TestInboundAliases(t *testing.T) {
	aliased := func(topic string, alias uint16) *packets.Publish {
		p := publish(topic, "x", 0)
		p.Properties.TopicAlias = &alias
		return p
	}
	for _, tt := range []struct {
		name    string
		inbound awsiot.AliasBehavior
		send    []any
		topics  []string
		refused bool
	}{
		{"success", awsiot.AliasEnabled, []any{aliased("a", 1), aliased("", 1), aliased("b", 2), aliased("", 2), aliased("c", 1), aliased("", 1)}, []string{"a", "a", "b", "b", "c", "c"}, false},
		{"disabled", awsiot.AliasDisabled, []any{aliased("a", 1)}, nil, true},
		{"zero", awsiot.AliasEnabled, []any{[]byte{0x30, 7, 0, 1, 'a', 3, 35, 0, 0}}, nil, true},
		{"above the maximum", awsiot.AliasEnabled, []any{aliased("a", 4)}, nil, true},
		{"unbound", awsiot.AliasEnabled, []any{aliased("", 2)}, nil, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			rec := &recorder{}
			w := newWorld(t, func(o *awsiot.ClientOptions) {
				o.TopicAliasing = awsiot.TopicAliasing{Inbound: tt.inbound, InboundMaximum: 3}
				o.OnPublishReceived = func(m *awsiot.Message) { rec.add("%s", m.Topic) }
			})
			if err := w.client.Start(); err != nil {
				t.Fatal(err)
			}
			p, c := w.accept(nil)
			if enabled := tt.inbound == awsiot.AliasEnabled; enabled != (c.Properties.TopicAliasMaximum != nil) || enabled && *c.Properties.TopicAliasMaximum != 3 {
				t.Errorf("%s: CONNECT announces %v", tt.name, c.Properties.TopicAliasMaximum)
			}
			p.send(tt.send...)
			synctest.Wait()
			equal(t, tt.name, rec.take(), tt.topics)
			if tt.refused {
				if d := expect[*packets.Disconnect](p); d.ReasonCode != 0x94 {
					t.Errorf("%s: DISCONNECT %v", tt.name, d.ReasonCode)
				}
			}
		})
	}
}
