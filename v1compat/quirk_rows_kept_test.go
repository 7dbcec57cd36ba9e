package v1compat_test

// The rows of the table that keep what v1's callers depend on.

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/internal/facadetest"
	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/shadowcompat"
	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// refusedDial is a TCP connection that nobody accepts.
var refusedDial = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}

var keptRows = []quirkRow{
	{
		name: "ThreeResults", what: "what `publish` and `publishAsync` return: offline, then online",
		v1: "False, \"QUEUED\"; True, an id", here: "false, `MidQueued`; true, an id",
		v2: "`Queued` in the result, `Queued()` of the future; neither", threads: "#196",
		run: func(s *stage) string {
			s.client()
			if s.v2 != nil {
				offline, _ := s.v2.Publish(bg(), &awsiot.PublishPacket{Topic: "a"})
				waits := s.v2.PublishAsync(&awsiot.PublishPacket{Topic: "a"})
				s.online()
				s.pass(2 * time.Second)
				res, err := s.v2.Publish(bg(), &awsiot.PublishPacket{Topic: "a", QoS: 1})
				now := s.v2.PublishAsync(&awsiot.PublishPacket{Topic: "a"})
				if offline.Queued && waits.Queued() && !res.Queued && err == nil && !now.Queued() {
					return "`Queued` in the result, `Queued()` of the future; neither"
				}
				return fmt.Sprint(offline, waits.Queued(), res, err, now.Queued())
			}
			ok1, err1 := s.facade.Publish("a", "x", 1)
			mid1, err2 := s.facade.PublishAsync("a", "x", 1, nil)
			s.online()
			s.pass(2 * time.Second)
			ok2, err3 := s.facade.Publish("a", "x", 1)
			mid2, err4 := s.facade.PublishAsync("a", "x", 1, nil)
			if err := errors.Join(err1, err2, err3, err4); err != nil {
				return err.Error()
			}
			what := fmt.Sprint(mid2)
			if mid2 > 0 {
				what = "an id"
			}
			return strings.ReplaceAll(fmt.Sprintf("%v, `%v`; %v, %s", ok1, mid1, ok2, what), "`QUEUED`", "`MidQueued`")
		},
	},
	{
		name: "OfflineQueueOrder", what: "the offline queue: what it holds, its order, its rate, and where a request made while it is drained goes",
		v1: "publish, subscribe, unsubscribe in call order, each 0.5 s after the one before, the new request last", here: asV1,
		v2: "publish, subscribe, unsubscribe in call order, each 0.5 s after the one before, the new request last", threads: "#20, README",
		run: func(s *stage) string {
			s.publish("first", "1", 0)
			s.subscribe("f", 1)
			s.unsubscribe("g")
			s.publish("last", "2", 0)
			s.online()
			if r := s.publish("new", "3", 0); r != "queued" {
				return "while draining: " + r
			}
			s.pass(10 * time.Second)
			var at []time.Time
			var words []string
			for _, p := range s.srv.Recorder().Packets() {
				if p.Dir == iotlocal.ClientToServer && (p.Type == iotlocal.PUBLISH || p.Type == iotlocal.SUBSCRIBE || p.Type == iotlocal.UNSUBSCRIBE) {
					at, words = append(at, p.Time), append(words, facadetest.Text(p))
				}
			}
			if got := strings.Join(words, "; "); got != "PUBLISH first 0 1; SUBSCRIBE f 1; UNSUBSCRIBE g; PUBLISH last 0 2; PUBLISH new 0 3" {
				return got
			}
			for i := range at[1:] {
				if d := at[i+1].Sub(at[i]); d != 500*time.Millisecond {
					return d.String()
				}
			}
			return "publish, subscribe, unsubscribe in call order, each 0.5 s after the one before, the new request last"
		},
	},
	{
		name: "QueueOff", what: "publish, subscribe and unsubscribe while offline with a queue of size 0, as a shadow client has it by default",
		v1: "`*PublishQueueDisabledError`, `*SubscribeQueueDisabledError`, `*UnsubscribeQueueDisabledError`", here: asV1,
		v2: "`ErrOffline`, `ErrOffline`, `ErrOffline`", threads: "#7, #13, #114",
		run: func(s *stage) string {
			s.configure = func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureOfflinePublishQueueing(0) }
			s.options = func(o *awsiot.ClientOptions) { o.OfflineQueue.MaxOperations = awsiot.QueueSizeV1(0) }
			if !s.onV2 {
				h := shadowcompat.NewAWSIoTMQTTShadowClient("bot").CreateShadowHandlerWithName("Bot", true)
				if _, err := h.ShadowGet(nil, 5); errorText(err) != "`*SubscribeQueueDisabledError`" {
					return "a shadow client: " + errorText(err)
				}
			}
			return strings.Join([]string{s.publish("a", "x", 1), s.subscribe("a", 1), s.unsubscribe("a")}, ", ")
		},
	},
	{
		name: "DropOldestQuietly", quirk: "DropOldestQuietly", what: "DropOldest with a full queue of 2: the result of the third publish, and what is sent",
		v1: "`*PublishQueueFullError`; 2, 3", here: asV1, flipped: "queued; 2, 3", v2: "queued; 2, 3", threads: "rec",
		run: func(s *stage) string {
			s.configure = func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureOfflinePublishQueueing(2, v1compat.DropOldest) }
			s.options = func(o *awsiot.ClientOptions) {
				o.OfflineQueue.MaxOperations, o.OfflineQueue.WhenFull = 2, awsiot.DropOldest
			}
			s.publish("a", "1", 0)
			s.publish("a", "2", 0)
			third := s.publish("a", "3", 0)
			s.online()
			s.pass(5 * time.Second)
			var left []string
			for _, p := range s.packets()[1:] {
				left = append(left, strings.TrimPrefix(p, "PUBLISH a 0 "))
			}
			return third + "; " + strings.Join(left, ", ")
		},
	},
	{
		name: "ResubscribeAlways", what: "subscriptions after a reconnect, also when the server has kept the session",
		v1: "one SUBSCRIBE for each filter, in their order, and the ack callback again", here: asV1,
		v2: "one SUBSCRIBE for each filter, in their order, and `OnResubscribed`", threads: "#65, #79, #132",
		run: func(s *stage) string {
			s.options = func(o *awsiot.ClientOptions) {
				o.SessionBehavior, o.SessionExpiry = awsiot.RejoinAlways, time.Hour
				o.OnResubscribed = func(r *awsiot.Resubscribed) { s.log.Add("resubscribed") }
			}
			s.online()
			again := "the ack callback again"
			if s.v2 != nil {
				again = "`OnResubscribed`"
				s.subscribe("b", 1)
				s.subscribe("a", 0)
			} else {
				for _, f := range []string{"b", "a"} {
					_, err := s.facade.SubscribeAsync(f, 1, func(v1compat.Mid, []byte) { s.log.Add("resubscribed") }, nil)
					require.NoError(s.t, err)
				}
				s.pass(time.Second)
			}
			former := s.heard("resubscribed")
			s.cut()
			s.pass(10 * time.Second)
			got := s.packets()
			if len(got) != 6 || !strings.HasPrefix(got[4], "SUBSCRIBE b") || !strings.HasPrefix(got[5], "SUBSCRIBE a") || s.heard("resubscribed") != former+2 {
				return fmt.Sprint(got, s.log.All())
			}
			return "one SUBSCRIBE for each filter, in their order, and " + again
		},
	},
	{
		name: "SurvivesDisconnect", what: "Disconnect and Connect: the subscription, an unacknowledged message, a message published in between",
		v1: "subscribed again, sent again, sent", here: asV1, v2: "subscribed again, `ErrStopped`, sent", threads: "rec",
		run: func(s *stage) string {
			s.online()
			s.subscribe("f", 1)
			hold := s.fault(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Action: iotlocal.Drop})
			s.publishAsync("a", "unacked", 1)
			s.pass(time.Second)
			s.disconnect()
			hold.Remove()
			s.publishAsync("a", "between", 1)
			s.online()
			s.pass(10 * time.Second)
			unacked := "sent again"
			if s.heard("`ErrStopped` for unacked") == 1 {
				unacked = "`ErrStopped`"
			} else if s.heard("ack unacked") != 1 {
				unacked = "lost"
			}
			if s.sent("SUBSCRIBE f") != 2 || s.heard("ack between") != 1 {
				return fmt.Sprint(s.packets(), s.log.All())
			}
			return "subscribed again, " + unacked + ", sent"
		},
	},
	{
		name: "CallbackOrder", what: "callbacks of one message that several filters match, and of the next message",
		v1: "in the order of the first subscription, then OnMessage, one at a time", here: asV1,
		v2: "in the order of the first subscription, then `OnPublishReceived`, one at a time", threads: "#69, #81",
		run: func(s *stage) string {
			last := "OnMessage"
			slow := func(string) { time.Sleep(time.Second) }
			s.configure = func(c *v1compat.AWSIoTMQTTClient) {
				c.OnMessage = func(m *v1compat.Message) { s.log.Add("all %s", m.Payload) }
			}
			s.options = func(o *awsiot.ClientOptions) {
				o.OnPublishReceived = func(m *awsiot.Message) { s.log.Add("all %s", m.Payload) }
			}
			s.online()
			if s.v2 != nil {
				last = "`OnPublishReceived`"
			}
			s.subscribe("o/#", 0, slow)
			s.subscribe("o/a", 0, slow)
			s.subscribe("o/#", 1, slow) // again: it keeps its place
			s.deliver("o/a", "1")
			s.deliver("o/a", "2")
			s.pass(10 * time.Second)
			if got := strings.Join(s.log.All(), ", "); got != "online, o/# 1, o/a 1, all 1, o/# 2, o/a 2, all 2" {
				return got
			}
			return "in the order of the first subscription, then " + last + ", one at a time"
		},
	},
	{
		name: "TimeoutLeavesInFlight", what: "a publish that gets no PUBACK in time, and its message at the next reconnect (a caller that repeats it sends it twice)",
		v1: "`*PublishTimeoutError`, sent again", here: asV1,
		v2: "`ErrAckTimeout`, not sent again", threads: "#84, #211, #293",
		run: func(s *stage) string {
			s.online()
			lost := s.fault(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Action: iotlocal.Drop})
			r := s.publish("a", "x", 1)
			lost.Remove()
			s.cut()
			s.pass(10 * time.Second)
			if s.sent("PUBLISH") == 2 {
				return r + ", sent again"
			}
			return r + ", not sent again"
		},
	},
	{
		name: "FirstConnectNotRetried", what: "a first connect that does not reach the server",
		v1: "an error of the socket, no second attempt", here: "`*net.OpError`, no second attempt",
		v2: "`*net.OpError`, no second attempt (`Start` does not wait, and retries)", threads: "#149, #212",
		run: func(s *stage) string {
			s.breakDials(5, refusedDial)
			r := s.connect()
			s.pass(2 * time.Minute)
			if n := s.dialled(); n != 1 {
				return fmt.Sprintf("%s, %d attempts", r, n)
			}
			if s.v2 == nil {
				return r + ", no second attempt"
			}
			require.NoError(s.t, s.v2.Start())
			s.pass(2 * time.Minute)
			if n := s.dialled(); n != 6 {
				return fmt.Sprintf("Start: %d attempts", n)
			}
			return r + ", no second attempt (`Start` does not wait, and retries)"
		},
	},
	{
		name: "Backoff", what: "the waits of `configureAutoReconnectBackoffTime(2, 8, 10)`, in seconds, and the first one after a connection that lived for 10 s",
		v1: "1, 2, 4, 8, 8; 2", here: asV1, v2: "1, 2, 4, 8, 8; 2", threads: "#57, #189",
		run: func(s *stage) string {
			s.configure = func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureAutoReconnectBackoffTime(2, 8, 10) }
			s.options = func(o *awsiot.ClientOptions) {
				o.MinReconnectDelay, o.MaxReconnectDelay, o.MinConnectedTimeToResetReconnectDelay = 2*time.Second, 8*time.Second, 10*time.Second
			}
			s.online()
			var waits []string
			wait := func() {
				for begin, n := time.Now(), s.dialled(); ; s.pass(time.Second / 2) {
					if s.dialled() > n {
						waits = append(waits, fmt.Sprint(time.Since(begin).Seconds()))
						return
					}
				}
			}
			s.breakDials(4, refusedDial)
			s.cut()
			for range 5 {
				wait()
			}
			s.pass(15 * time.Second)
			s.cut()
			wait()
			return strings.Join(waits[:5], ", ") + "; " + waits[5]
		},
	},
	{
		name: "CredentialsOrder", what: "the order of the arguments of `configureCredentials`",
		v1: "CA, key, certificate (discovery: CA, certificate, key)", here: asV1, v2: none + "`CAFile`, and `MTLSFromPath(certificate, key)`", threads: "docs",
		run: func(s *stage) string {
			s.configure = func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureCredentials("/no/1", "/no/2", "/no/3") }
			s.client()
			err := s.facade.Connect()
			for _, part := range []string{"root CA: open /no/1", "private key: open /no/2", "certificate: open /no/3"} {
				if err == nil || !strings.Contains(err.Error(), part) {
					return fmt.Sprint(err)
				}
			}
			return "CA, key, certificate (discovery: CA, certificate, key)"
		},
	},
}
