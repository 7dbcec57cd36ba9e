package awsiot_test

// The MQTT 5 features that the migration guide of the AWS SDKs lists in its appendix, each end to
// end: the client, a broker that enforces AWS's rules, and a second client or the broker's record
// to see that it really happened. (The helpers are in faults_test.go.)

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// Session expiry: the broker keeps what comes while the client is away, no longer than CONNECT or
// DISCONNECT said. A second client with the same id sees whether the session is still there.
func TestFeatureSessionExpiry(t *testing.T) {
	const hour = time.Hour
	for _, tt := range []struct {
		name       string
		connect    time.Duration
		disconnect *time.Duration
		away       time.Duration
		kept       bool
	}{
		{"within", hour, nil, 59 * time.Minute, true},
		{"over", hour, nil, 61 * time.Minute, false},
		{"DISCONNECT lengthens it", hour, new(2 * hour), 90 * time.Minute, true},
		{"DISCONNECT lengthens it, over", hour, new(2 * hour), 121 * time.Minute, false},
		{"DISCONNECT shortens it", hour, new(time.Minute), 2 * time.Minute, false},
		{"DISCONNECT ends it", hour, new(time.Duration(0)), time.Second, false},
		{"DISCONNECT with 0 after a CONNECT with 0", 0, new(time.Duration(0)), time.Second, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
				session := func(o *awsiot.ClientOptions) {
					if o.SessionExpiry = tt.connect; tt.connect > 0 {
						o.SessionBehavior = awsiot.RejoinAlways
					}
				}
				one := e.client("c", session).up().subscribe("t")
				if s := one.again().Settings; s.SessionExpiry != tt.connect {
					t.Errorf("negotiated %v", s.SessionExpiry)
				}
				var p *awsiot.DisconnectPacket
				if tt.disconnect != nil {
					p = &awsiot.DisconnectPacket{SessionExpiry: tt.disconnect}
				}
				if err := one.Stop(context.Background(), p); err != nil {
					t.Fatal(err)
				}
				end := one.sent(iotlocal.DISCONNECT)
				if len(end) != 1 || (end[0].SessionExpiry != nil) != (tt.disconnect != nil) || tt.disconnect != nil && *end[0].SessionExpiry != uint32(*tt.disconnect/time.Second) {
					t.Errorf("DISCONNECT %+v", end)
				}
				if _, err := e.srv.Publish(iotlocal.Message{Topic: "t", Payload: []byte("meanwhile"), QoS: 1}); err != nil {
					t.Fatal(err)
				}
				pass(tt.away)
				two := e.client("c", func(o *awsiot.ClientOptions) { session(o); o.Resubscribe.When = awsiot.ResubscribeNever }).up()
				if s := two.again(); s.Connack.SessionPresent != tt.kept || s.Settings.RejoinedSession != tt.kept {
					t.Errorf("session present %v, want %v", s.Connack.SessionPresent, tt.kept)
				}
				synctest.Wait()
				var want []string
				if tt.kept {
					want = []string{"t=meanwhile"}
				}
				equal(t, "received", two.got.take(), want)
			})
		})
	}
	t.Run("cannot be set when CONNECT announced 0", func(t *testing.T) {
		withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
			n := e.client("c", nil).up()
			err := n.Stop(context.Background(), &awsiot.DisconnectPacket{SessionExpiry: new(hour)})
			var ve *awsiot.ValidationError
			if !errors.As(err, &ve) || ve.Field != "SessionExpiry" || n.State() != awsiot.StateConnected {
				t.Errorf("%v, %v", err, n.State())
			}
			n.publish("t", "it goes on")
		})
	})
}

// Reason codes on all acknowledgements: what the broker says is in the result, and a refusal is an error too.
func TestFeatureReasonCodes(t *testing.T) {
	for _, tt := range []struct {
		name string
		rule iotlocal.Rule
		call func(n *node) (awsiot.ReasonCode, error)
		code awsiot.ReasonCode
		want string // of the error
	}{
		{"PUBACK, nobody there", iotlocal.Rule{Type: iotlocal.PUBACK, Action: iotlocal.Reject, Code: 0x10}, func(n *node) (awsiot.ReasonCode, error) {
			r, err := n.Publish(within(time.Minute), packet("t", "x", 1))
			return r.Code, err
		}, awsiot.ReasonNoMatchingSubscribers, ""},
		{"PUBACK, refused", iotlocal.Rule{Type: iotlocal.PUBACK, Action: iotlocal.Reject, Code: 0x97}, func(n *node) (awsiot.ReasonCode, error) {
			r, err := n.Publish(within(time.Minute), packet("t", "x", 1))
			return r.Code, err
		}, awsiot.ReasonQuotaExceeded, `awsiot: publish "t": quota exceeded (0x97); hint: throttled: send less often, or set FlowControl to FlowControlAWS`},
		{"SUBACK, granted less", iotlocal.Rule{Type: iotlocal.SUBACK, Action: iotlocal.Reject, Code: 0}, func(n *node) (awsiot.ReasonCode, error) {
			a, err := n.Subscribe(within(time.Minute), filters(nil, "f"))
			return a.Codes[0], err
		}, awsiot.ReasonGrantedQoS0, ""},
		{"SUBACK, refused", iotlocal.Rule{Type: iotlocal.SUBACK, Action: iotlocal.Reject, Code: 0x87}, func(n *node) (awsiot.ReasonCode, error) {
			a, err := n.Subscribe(within(time.Minute), filters(nil, "f"))
			return a.Codes[0], err
		}, awsiot.ReasonNotAuthorized, `awsiot: subscribe "f": not authorized (0x87); hint: the policy may not allow iot:Subscribe to this filter`},
		{"UNSUBACK, none existed", iotlocal.Rule{Type: iotlocal.PINGRESP, Action: iotlocal.Pass}, func(n *node) (awsiot.ReasonCode, error) {
			a, err := n.Unsubscribe(within(time.Minute), &awsiot.UnsubscribePacket{TopicFilters: []string{"f"}})
			return a.Codes[0], err
		}, awsiot.ReasonNoSubscriptionExisted, ""},
		{"UNSUBACK, refused", iotlocal.Rule{Type: iotlocal.UNSUBACK, Action: iotlocal.Reject, Code: 0x83}, func(n *node) (awsiot.ReasonCode, error) {
			a, err := n.Unsubscribe(within(time.Minute), &awsiot.UnsubscribePacket{TopicFilters: []string{"f"}})
			return a.Codes[0], err
		}, awsiot.ReasonImplementationSpecificError, `awsiot: unsubscribe "f": implementation specific error (0x83)`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
				n := e.client("c", nil).up()
				tt.rule.Dir = iotlocal.ServerToClient
				n.rule(tt.rule)
				code, err := tt.call(n)
				if code != tt.code || (err == nil) != (tt.want == "") || err != nil && err.Error() != tt.want {
					t.Errorf("%v, %v", code, err)
				}
				if got, ok := awsiot.ReasonOf(err); ok != (tt.want != "") || ok && got != tt.code {
					t.Errorf("ReasonOf: %v", got)
				}
			})
		})
	}
	t.Run("CONNACK", func(t *testing.T) {
		withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
			n := e.client(strings.Repeat("x", 200), nil) // AWS takes 128 bytes
			err := n.StartAndWait(within(time.Minute))
			var ce *awsiot.ConnectError
			if !errors.As(err, &ce) || ce.Connack == nil || ce.Connack.Code != awsiot.ReasonClientIdentifierNotValid || !strings.Contains(err.Error(), "client identifier not valid (0x85)") {
				t.Errorf("%v", err)
			}
		})
	})
}

// Topic aliases both ways: the broker's record has the topics that it made of the client's aliases,
// and the program sees topics where the broker sent aliases.
func TestFeatureTopicAliases(t *testing.T) {
	withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
		n := e.client("c", func(o *awsiot.ClientOptions) {
			o.TopicAliasing = awsiot.TopicAliasing{Outbound: awsiot.AliasLRU, OutboundMaximum: 2, Inbound: awsiot.AliasEnabled, InboundMaximum: 5}
		}).up().subscribe("a/#")
		if s := n.again().Settings; s.TopicAliasMaximumToServer != 8 || s.TopicAliasMaximumToClient != 5 {
			t.Errorf("%+v", s)
		}
		if c := n.sent(iotlocal.CONNECT)[0].Connect; c.TopicAliasMaximum == nil || *c.TopicAliasMaximum != 5 {
			t.Errorf("CONNECT announces %v", c.TopicAliasMaximum)
		}
		for _, topic := range []string{"a/long", "a/long", "a/b", "a/c", "a/long"} {
			n.publish(topic, "out")
		}
		var got []string
		for _, p := range n.sent(iotlocal.PUBLISH) {
			got = append(got, fmt.Sprintf("%s %d", p.Topic, *p.Properties.TopicAlias))
		}
		equal(t, "out", got, []string{"a/long 1", "a/long 1", "a/b 2", "a/c 1", "a/long 2"})
		synctest.Wait()
		n.got.take()
		e.srv.Faults().Inject("c", []byte{0x30, 12, 0, 3, 'a', '/', 'x', 3, 0x23, 0, 5, 'o', 'n', 'e'})
		e.srv.Faults().Inject("c", []byte{0x30, 9, 0, 0, 3, 0x23, 0, 5, 't', 'w', 'o'})
		synctest.Wait()
		equal(t, "in", n.got.take(), []string{"a/x=one", "a/x=two"})
	})
}

// Message expiry: in the session of a subscriber that is away, of a retained message, and in the client's own queue.
func TestFeatureMessageExpiry(t *testing.T) {
	for _, tt := range []struct {
		away time.Duration
		left time.Duration // 0: the message is gone
	}{{4 * time.Second, 6 * time.Second}, {11 * time.Second, 0}} {
		withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
			var left []time.Duration
			sub := e.client("sub", func(o *awsiot.ClientOptions) {
				rejoin(o)
				o.OnPublishReceived = func(m *awsiot.Message) { left = append(left, *m.MessageExpiry) }
			}).up().subscribe("t")
			_ = sub.Stop(context.Background(), nil)
			pub := e.client("pub", nil).up()
			p := packet("t", "x", 1)
			p.MessageExpiry = new(10 * time.Second)
			if _, err := pub.Publish(within(time.Minute), p); err != nil {
				t.Fatal(err)
			}
			pass(tt.away)
			sub.up()
			synctest.Wait()
			if tt.left == 0 && len(left) != 0 || tt.left != 0 && !slices.Equal(left, []time.Duration{tt.left}) {
				t.Errorf("after %v: %v", tt.away, left)
			}
		})
	}
	withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
		n := e.client("c", nil)
		short, long := packet("t", "short", 1), packet("t", "long", 1)
		short.MessageExpiry, long.MessageExpiry = new(10*time.Second), new(20*time.Second)
		f, g := n.PublishAsync(short), n.PublishAsync(long)
		pass(15 * time.Second)
		n.up()
		if err := wait(f); !errors.Is(err, awsiot.ErrExpired) {
			t.Errorf("expired in the queue: %v", err)
		}
		if err := wait(g); err != nil {
			t.Error(err)
		}
		if sent := n.sent(iotlocal.PUBLISH); len(sent) != 1 || *sent[0].Properties.MessageExpiry != 5 { // what is left [MQTT5-3.3.2-6]
			t.Errorf("sent %v", sent)
		}
	})
}

// Server disconnect: its reason code and string are in the event, and in its error.
func TestFeatureServerDisconnect(t *testing.T) {
	withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
		n := e.client("c", nil)
		var got *awsiot.Disconnection
		n.Observe(awsiot.Observer{OnDisconnection: func(d *awsiot.Disconnection) { got = d }})
		n.up()
		e.srv.Faults().Disconnect("c", iotlocal.Code(awsiot.ReasonAdministrativeAction), "maintenance")
		synctest.Wait()
		var re *awsiot.ReasonError
		if got == nil || got.Packet == nil || got.Packet.Code != awsiot.ReasonAdministrativeAction || got.Packet.Reason != "maintenance" ||
			!errors.As(got.Err, &re) || re.Op != "connection" || re.Reason != "maintenance" {
			t.Errorf("%+v", got)
		}
		n.again()
	})
}

// Request and response: the answer finds its way by response topic and correlation data.
func TestFeatureRequestResponse(t *testing.T) {
	withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
		server := e.client("server", nil).up()
		answer := func(m *awsiot.Message) {
			if m.ResponseTopic == "" {
				t.Errorf("no response topic: %+v", m)
				return
			}
			server.PublishFunc(&awsiot.PublishPacket{Topic: m.ResponseTopic, CorrelationData: m.CorrelationData,
				Payload: append([]byte("answer to "), m.Payload...), QoS: awsiot.AtLeastOnce}, nil)
		}
		if _, err := server.Subscribe(within(time.Minute), filters(answer, "request")); err != nil {
			t.Fatal(err)
		}
		asker := e.client("asker", nil).up()
		answers := map[string]string{}
		if _, err := asker.Subscribe(within(time.Minute), filters(func(m *awsiot.Message) { answers[string(m.CorrelationData)] = string(m.Payload) }, "answers/asker")); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{}
		for i := range 10 {
			id := string([]byte{0, byte(i), 0xFF}) // binary, not text
			p := packet("request", fmt.Sprint(i), 1)
			p.ResponseTopic, p.CorrelationData = "answers/asker", []byte(id)
			if _, err := asker.Publish(within(time.Minute), p); err != nil {
				t.Fatal(err)
			}
			want[id] = fmt.Sprintf("answer to %d", i)
		}
		synctest.Wait()
		if fmt.Sprint(answers) != fmt.Sprint(want) {
			t.Errorf("got %q, want %q", answers, want)
		}
	})
}

// Maximum packet size: the broker does not send what is larger than the client announced, and the
// client does not send what is larger than the broker announced.
func TestFeatureMaximumPacketSize(t *testing.T) {
	withLocal(t, iotlocal.Options{Limits: iotlocal.Limits{MaximumPacketSize: 300}}, func(t *testing.T, e *onLocal) {
		n := e.client("c", func(o *awsiot.ClientOptions) { o.MaximumPacketSize = 100 }).up().subscribe("t")
		if c, s := n.sent(iotlocal.CONNECT)[0].Connect, n.again(); c.MaximumPacketSize == nil || *c.MaximumPacketSize != 100 || s.Settings.MaximumPacketSizeToServer != 300 {
			t.Errorf("CONNECT %v, negotiated %+v", c.MaximumPacketSize, s.Settings)
		}
		for _, size := range []int{10, 200, 20} {
			n.publish("t", strings.Repeat("x", size))
		}
		synctest.Wait()
		var sizes []int
		for _, s := range n.got.take() {
			sizes = append(sizes, len(s)-len("t="))
		}
		equal(t, "sizes received", sizes, []int{10, 20})
		var ve *awsiot.ValidationError
		if _, err := n.Publish(within(time.Minute), packet("t", strings.Repeat("x", 300), 1)); !errors.As(err, &ve) || ve.Field != "Payload" {
			t.Errorf("%v", err)
		}
		if len(n.sent(iotlocal.CONNECT)) != 1 || len(n.sent(iotlocal.PUBLISH)) != 3 {
			t.Error("the connection did not live on")
		}
	})
}

// Payload format, content type and user properties travel unchanged: order kept, names twice, not only ASCII.
func TestFeatureProperties(t *testing.T) {
	withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
		var got *awsiot.Message
		e.client("sub", func(o *awsiot.ClientOptions) { o.OnPublishReceived = func(m *awsiot.Message) { got = m } }).up().subscribe("t")
		user := []awsiot.UserProperty{{Name: "b", Value: "2"}, {Name: "a", Value: "1"}, {Name: "b", Value: "3"}, {Name: "ключ", Value: ""}, {Name: "", Value: "é"}}
		pub := e.client("pub", func(o *awsiot.ClientOptions) { o.UserProperties = user }).up()
		for _, format := range []awsiot.PayloadFormat{awsiot.PayloadBytes, awsiot.PayloadUTF8} {
			p := packet("t", "héllo", 1)
			p.PayloadFormat, p.ContentType, p.UserProperties = &format, "text/plain; charset=utf-8", user
			if _, err := pub.Publish(within(time.Minute), p); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if got == nil || got.PayloadFormat == nil || *got.PayloadFormat != format || got.ContentType != p.ContentType || string(got.Payload) != "héllo" {
				t.Fatalf("%+v", got)
			}
			equal(t, "user properties", got.UserProperties, user)
		}
		bad := packet("t", "\xff", 1)
		bad.PayloadFormat = new(awsiot.PayloadUTF8)
		var ve *awsiot.ValidationError
		if _, err := pub.Publish(within(time.Minute), bad); !errors.As(err, &ve) || ve.Field != "Payload" {
			t.Errorf("not UTF-8: %v", err)
		}
	})
}
