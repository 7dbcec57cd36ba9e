package awsiot_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// Upstream group "limits": flow_control_iot_core_publish_tps (650 packets).
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

// Upstream group "limits": flow_control_iot_core_throughput.
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

// Without the option, or for another endpoint, nothing is held back; a *.amazonaws.com endpoint has the quotas by default.
func TestFlowControlAuto(t *testing.T) {
	nine := &awsiot.SubscribePacket{}
	for _, f := range strings.Split("abcdefghi", "") {
		nine.Subscriptions = append(nine.Subscriptions, awsiot.Subscription{TopicFilter: f})
	}
	for _, tt := range []struct {
		endpoint string
		flow     awsiot.FlowControl
		limited  bool
	}{
		{"x-ats.iot.eu-west-1.amazonaws.com", awsiot.FlowControlAuto, true},
		{"X-ATS.iot.cn-north-1.AMAZONAWS.COM.CN", awsiot.FlowControlAuto, true},
		{"x-ats.iot.eu-west-1.amazonaws.com", awsiot.FlowControlNone, false},
		{"amazonaws.com.example.org", awsiot.FlowControlAuto, false},
		{"broker", awsiot.FlowControlAuto, false},
		{"broker", awsiot.FlowControlAWS, true},
	} {
		c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: tt.endpoint, Auth: awsiot.PlainTCP(), FlowControl: tt.flow})
		refused := func(name string, err error) {
			t.Helper()
			var ve *awsiot.ValidationError
			if errors.As(err, &ve) != tt.limited {
				t.Errorf("%s, %v: %s: %v", tt.endpoint, tt.flow, name, err)
			}
		}
		refused("9 filters", c.SubscribeAsync(nine).Err())
		refused("8 slashes", c.PublishAsync(packet("1/2/3/4/5/6/7/8/9", "", 1)).Err())
		refused("257 bytes", c.PublishAsync(packet(strings.Repeat("a", 257), "", 1)).Err())
		if err := c.PublishAsync(packet("$aws/rules/r/1/2/3/4/5/6/7/8", "", 1)).Err(); err != nil {
			t.Errorf("the prefix of a rule does not count: %v", err)
		}
		long := awsiot.ClientOptions{Endpoint: tt.endpoint, Auth: awsiot.PlainTCP(), FlowControl: tt.flow, ClientID: strings.Repeat("a", 129)}
		refused("129 bytes of client id", long.Validate())
		_ = c.Close()
	}
}

// Upstream group "ids": client_auto_assigned_client_id_iot_core: IoT Core does not take the id that it assigned again.
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

// Upstream groups "alias end-to-end": outbound_alias_lru_success_a_b_c_br_cr_a and manual_success_a_b_ar_br.
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

// Upstream: outbound_alias_manual with an alias above the maximum; the C client tears the connection down, here only the operation fails.
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

// Upstream: inbound_alias_success, _failure_disabled, _zero_id, _too_large_id, _unbound_id. Fault 21.
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
