package v1compat_test

// Bad input: everything that poisoned v1 is an error of its call, and harms nothing else.

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/internal/facadetest"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/jobscompat"
	"github.com/portage-iot/awsiot/shadowcompat"
	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// TestBadInput does something that ended v1, and then everything else must go on working.
func TestBadInput(t *testing.T) {
	for _, tt := range []struct {
		name    string
		offline bool // the bad thing is done before the first Connect
		do      func(s *stage) error
		want    string // in the error; "" if the call itself succeeds
	}{
		{"invalid topic queued offline", true, func(s *stage) error { _, err := s.facade.Publish("a/#", "x", 0); return err }, "Publish topic cannot contain wildcards."},
		{"empty topic queued offline", true, func(s *stage) error { _, err := s.facade.PublishAsync("", "x", 1, nil); return err }, "Invalid topic."},
		{"invalid filter queued offline", true, func(s *stage) error { _, err := s.facade.Subscribe("a/#/b", 1, nil); return err }, "Invalid topic."},
		{"empty filter queued offline", true, func(s *stage) error { _, err := s.facade.SubscribeAsync("", 1, nil, nil); return err }, "Invalid topic."},
		{"invalid filter of unsubscribe", true, func(s *stage) error { _, err := s.facade.Unsubscribe("a+"); return err }, "Invalid topic."},
		{"invalid filter online", false, func(s *stage) error { _, err := s.facade.Subscribe("a#", 1, nil); return err }, "Invalid topic."},
		{"topic with a NUL", false, func(s *stage) error { _, err := s.facade.Publish("a\x00", "x", 0); return err }, "Invalid topic."},
		{"topic that is not UTF-8", false, func(s *stage) error { _, err := s.facade.Publish("a\xff", "x", 0); return err }, "Invalid topic."},
		{"topic that is too long", true, func(s *stage) error { _, err := s.facade.Publish(strings.Repeat("a", 65536), "x", 0); return err }, "Invalid topic."},
		{"wrong payload type", false, func(s *stage) error { _, err := s.facade.Publish("a", map[string]int{}, 1); return err }, "payload must be a string, bytearray, int, float or None."},
		{"wrong payload type offline", true, func(s *stage) error { _, err := s.facade.PublishAsync("a", struct{}{}, 1, nil); return err }, "payload must be a string, bytearray, int, float or None."},
		{"QoS 3 offline", true, func(s *stage) error { _, err := s.facade.Publish("a", "x", 3); return err }, "Invalid QoS level."},
		{"panic in a message callback", false, func(s *stage) error {
			_, err := s.facade.Subscribe("p", 0, func(*v1compat.AWSIoTMQTTClient, any, *v1compat.Message) { panic("user") })
			s.deliver("p", "1")
			return err
		}, ""},
		{"panic in an ack callback", false, func(s *stage) error {
			_, err := s.facade.PublishAsync("a", "x", 1, func(v1compat.Mid) { panic("user") })
			synctest.Wait()
			return err
		}, ""},
		{"panic in OnOnline", true, func(s *stage) error { s.facade.OnOnline = func() { s.log.Add("online"); panic("user") }; return nil }, ""},
		{"blocking calls in a callback", false, func(s *stage) error {
			var inside error
			_, err := s.facade.Subscribe("c", 1, func(c *v1compat.AWSIoTMQTTClient, _ any, _ *v1compat.Message) {
				_, err1 := c.Publish("a", "x", 1)
				_, err2 := c.Subscribe("d", 1, nil)
				_, err3 := c.Unsubscribe("d")
				inside = errors.Join(err1, err2, err3)
			})
			s.deliver("c", "1")
			s.pass(time.Second)
			return errors.Join(err, inside)
		}, ""},
		{"Disconnect and Connect in a callback", false, func(s *stage) error {
			inside := errors.New("not called")
			_, err := s.facade.Subscribe("c", 1, func(c *v1compat.AWSIoTMQTTClient, _ any, _ *v1compat.Message) {
				inside = errors.Join(c.Disconnect(), c.Connect())
			})
			s.deliver("c", "1")
			s.pass(time.Second)
			return errors.Join(err, inside)
		}, ""},
		{"bad JSON in ShadowUpdate", false, func(s *stage) error { _, err := s.shadow().ShadowUpdate(`{"state":`, nil, 5); return err }, "Invalid JSON file."},
		{"JSON that is no object in ShadowUpdate", false, func(s *stage) error { _, err := s.shadow().ShadowUpdate(`[1]`, nil, 5); return err }, "JSON payload must be an object."},
		{"job subscription without a topic", false, func(s *stage) error {
			_, err := jobscompat.NewAWSIoTMQTTThingJobsClientWith(s.facade, stageID, "Bot", 1).CreateJobSubscription(nil, jobscompat.JobDescribeTopic, jobscompat.JobRequestType, "")
			return err
		}, "No topic specified, or incorrect topic type."},
		{"job request without a topic", false, func(s *stage) error {
			_, err := jobscompat.NewAWSIoTMQTTThingJobsClientWith(s.facade, stageID, "Bot", 1).SendJobsQuery(jobscompat.JobUpdateTopic, "")
			return err
		}, "Invalid topic."},
		{"bad JSON as a shadow's answer", false, func(s *stage) error {
			err := s.shadow().ShadowRegisterDeltaCallback(s.heardShadow("delta"))
			s.deliver(shadowBase+"update/delta", `{"version":`)
			s.deliver(shadowBase+"update/delta", `[]`)
			return err
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onStage(t, &stage{}, func(s *stage) string {
				s.client()
				if !tt.offline {
					s.online()
				}
				if tt.offline {
					s.publish("before", "1", 0)
				}
				err := tt.do(s)
				assert.False(t, tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)), "error")
				assert.False(t, tt.want == "" && err != nil)
				if tt.offline {
					s.publish("behind", "2", 0)
					s.online()
					s.pass(10 * time.Second)
					assert.Equal(t, 1, s.sent("PUBLISH before"), "the queue")
					assert.Equal(t, 1, s.sent("PUBLISH behind"), "the queue")
				}
				s.healthy()
				return ""
			})
		})
	}
}

// shadow is a handler on a shadow client over the facade, which is connected.
func (s *stage) shadow() *shadowcompat.ShadowHandler {
	return shadowcompat.NewAWSIoTMQTTShadowClientWith(s.facade).CreateShadowHandlerWithName("Bot", true)
}

// healthy fails unless the client does all that a client does, over a loss of the connection too.
func (s *stage) healthy() {
	s.t.Helper()
	works := func(when string) {
		if r := s.publish("h", when, 1); r != "true" {
			assert.Fail(s.t, fmt.Sprintf("%s: publish: %s", when, r))
		}
		s.deliver("healthy", when)
		if s.heard("healthy "+when) != 1 {
			assert.Fail(s.t, fmt.Sprintf("%s: no message", when))
		}
	}
	if r := s.subscribe("healthy", 1); r != "true" {
		assert.Fail(s.t, fmt.Sprintf("subscribe: %s", r))
	}
	works("now")
	s.cut()
	s.pass(time.Minute)
	works("after a loss")
	if r := s.disconnect() + s.connect(); r != "truetrue" {
		assert.Fail(s.t, fmt.Sprintf("disconnect and connect: %s", r))
	}
	s.pass(time.Second)
	works("after Disconnect")
}

// TestCloseWhenDenied: with the quirk, every refusal by policy drops the connection, and the next one works; errors and
// callbacks are those of the default.
func TestCloseWhenDenied(t *testing.T) {
	for _, tt := range []struct {
		name string
		kind iotlocal.PacketType
		call func(s *stage) error
		want []string // of the log, up to the reconnect
	}{
		{"publish", iotlocal.PUBLISH, func(s *stage) error { _, err := s.facade.Publish("a", "x", 1); return err }, nil},
		{"subscribe", iotlocal.SUBSCRIBE, func(s *stage) error { _, err := s.facade.Subscribe("a", 1, nil); return err }, nil},
		{"unsubscribe", iotlocal.UNSUBSCRIBE, func(s *stage) error { _, err := s.facade.Unsubscribe("a"); return err }, nil},
		{"publishAsync", iotlocal.PUBLISH, func(s *stage) error {
			_, err := s.facade.PublishAsync("a", "x", 1, func(v1compat.Mid) { s.log.Add("ack") })
			return err
		}, []string{"publish a *v1compat.PublishError 0x87"}},
		{"subscribeAsync", iotlocal.SUBSCRIBE, func(s *stage) error {
			_, err := s.facade.SubscribeAsync("a", 1, func(_ v1compat.Mid, data []byte) { s.log.Add("ack %x", data) }, nil)
			return err
		}, []string{"ack 87", "subscribe a *v1compat.SubackError 0x87"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onStage(t, &stage{quirks: v1compat.Quirks{CloseWhenDenied: true}}, func(s *stage) string {
				s.configure = func(c *v1compat.AWSIoTMQTTClient) {
					c.OnAsyncError = func(op, topic string, err error) {
						code, _ := awsiot.ReasonOf(err)
						s.log.Add("%s %s %T 0x%02X", op, topic, err, byte(code))
					}
				}
				s.online()
				denied := s.fault(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: tt.kind, Action: iotlocal.Reject, Code: 0x87})
				err := tt.call(s)
				code, ok := awsiot.ReasonOf(err)
				assert.False(t, tt.want == nil && (!ok || code != 0x87), "the call")
				if s.pass(0); s.heard("offline") != 1 {
					assert.Fail(t, fmt.Sprintf("the connection stays: %q", s.log.All()))
				}
				denied.Remove()
				s.pass(5 * time.Second)
				got := strings.Join(s.log.All(), "; ")
				for _, w := range append(tt.want, "offline", "online") {
					assert.NotEqual(t, 0, s.heard(w))
				}
				assert.NotContains(t, got, "; ack;")
				assert.Equal(t, 2, s.heard("online"))
				assert.LessOrEqual(t, s.sent("PUBLISH"), 1, "the denied message was sent")
				s.healthy()
				return ""
			})
		})
	}
}

// TestCloseWhenDeniedOverTCP: the quirk works without a socket factory too, and for a filter that is denied only when it
// is subscribed again.
func TestCloseWhenDeniedOverTCP(t *testing.T) {
	t.Parallel()
	srv := server(t)
	c := plain(t, srv, "closed", v1compat.WithStrictV1())
	ev := facadetest.NewEvents()
	c.OnOnline = func() { ev.Add("online") }
	c.OnOffline = func() { ev.Add("offline") }
	require.NoError(t, c.Connect())
	facadetest.Acked(t)(c.Subscribe("f", 1, nil))
	denied := fault(t, srv, iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.SUBSCRIBE, Action: iotlocal.Reject, Code: 0x87})
	srv.Faults().Cut("closed")
	got := ev.Wait(t, 4) // as v1: the filter is kept, so that this would go on for ever
	denied.Remove()
	assert.Equal(t, []string{"online", "offline", "online", "offline"}, got[:4], "events")
	ev.Wait(t, 5)
}

// TestAsyncErrorIsLogged: without OnAsyncError an error that no call returns is logged, at error.
func TestAsyncErrorIsLogged(t *testing.T) {
	onStage(t, &stage{}, func(s *stage) string {
		logged := s.captureLog()
		s.online()
		s.deny(iotlocal.PUBLISH)
		_, err := s.facade.PublishAsync("secret/topic", "x", 1, func(v1compat.Mid) { assert.Fail(t, "the ack of a refused message") })
		require.NoError(t, err)
		s.pass(time.Second)
		for _, part := range []string{"level=error", "op=publish", "topic=secret/topic", "Publish Error: 12"} {
			assert.Contains(t, logged(), part, "no")
		}
		return ""
	})
}
