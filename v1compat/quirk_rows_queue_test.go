package v1compat_test

// The rows about the offline queue and messages in flight.

import (
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

var queueRows = []quirkRow{
	{
		name: "QueueSizeDefault", what: "the default size of the offline queue (v1's README says 20, its code unlimited): the 1000th request",
		v1: "queued", here: asV1, v2: "queued", threads: "code",
		run: func(s *stage) string {
			for range 999 {
				s.publish("a", "x", 0)
			}
			return s.publish("a", "x", 0)
		},
	},
	{
		name: "QueuedPublishAckLost", quirk: "QueuedPublishAckLost", what: "the ack callback of a `publishAsync` that was queued",
		v1: "queued; never called", here: "queued; called at the PUBACK", flipped: "queued; never called", v2: "queued; called at the PUBACK", threads: "#196, #226",
		run: func(s *stage) string {
			r := s.publishAsync("a", "x", 1)
			s.online()
			s.pass(5 * time.Second)
			if s.heard("ack x") == 1 {
				return r + "; called at the PUBACK"
			}
			return r + "; never called"
		},
	},
	{
		name: "DrainStopsWhileOffline", what: "a link that is lost while the queue is drained",
		v1: "drained into the void, then stable while offline", here: "stops, and goes on with the next connection", v2: "stops, and goes on with the next connection", threads: "#65, #83, rec",
		run: func(s *stage) string {
			for i := range 4 {
				s.publish("a", fmt.Sprint(i), 0)
			}
			s.online()
			s.pass(time.Second / 4)
			s.breakDials(2, refusedDial)
			s.cut()
			s.pass(30 * time.Second)
			var got []string
			for _, p := range s.packets() {
				if rest, ok := strings.CutPrefix(p, "PUBLISH a 0 "); ok {
					got = append(got, rest)
				}
			}
			if list := strings.Join(got, " "); list != "0 1 2 3" {
				return "sent: " + list
			}
			return "stops, and goes on with the next connection"
		},
	},
	{
		name: "PublishErrorButSent", what: "a publish at QoS 1 while the link is down",
		v1: "`*PublishError` 4, and sent later all the same", here: "queued, and sent once", v2: "queued, and sent once", threads: "rec",
		run: func(s *stage) string {
			s.online()
			s.breakDials(2, refusedDial)
			s.cut()
			r := s.publish("a", "x", 1)
			s.pass(30 * time.Second)
			if n := s.sent("PUBLISH a 1 x"); n != 1 {
				return fmt.Sprintf("%s, and sent %d times", r, n)
			}
			return r + ", and sent once"
		},
	},
	{
		name: "QueueKeptOnConfigure", what: "`configureOfflinePublishQueueing` when requests are queued",
		v1: "they are thrown away", here: "they are kept", v2: "they are kept", threads: "rec",
		run: func(s *stage) string {
			s.publish("a", "x", 0)
			if s.onV2 {
				require.NoError(s.t, s.v2.Update(func(o *awsiot.ClientOptions) { o.OfflineQueue.MaxOperations = 5 }))
			} else {
				s.facade.ConfigureOfflinePublishQueueing(5)
			}
			s.online()
			s.pass(5 * time.Second)
			if s.sent("PUBLISH a") == 1 {
				return "they are kept"
			}
			return "they are thrown away"
		},
	},
	{
		name: "NoRetransmitOnLiveLink", what: "a message without a PUBACK for 45 s on a live connection",
		v1: "sent 3 times, with DUP from the second time", here: "sent once", v2: "sent once", threads: "MQTT5-4.4.0-1, rec",
		run: func(s *stage) string {
			s.online()
			s.fault(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK, Action: iotlocal.Drop})
			s.publishAsync("a", "x", 1)
			s.pass(45 * time.Second)
			if n := s.sent("PUBLISH"); n != 1 {
				return fmt.Sprintf("sent %d times", n)
			}
			return "sent once"
		},
	},
	{
		name: "LostSessionSendsAnew", what: "an unacknowledged message after a reconnect without the session (clean session)",
		v1: "sent again with DUP", here: "sent as new, without DUP", v2: "sent as new, without DUP", threads: "MQTT5-3.3.1-1, rec",
		run: func(s *stage) string {
			s.online()
			lost := s.fault(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK, Action: iotlocal.Drop})
			s.publishAsync("a", "x", 1)
			s.pass(time.Second)
			lost.Remove()
			s.cut()
			s.pass(5 * time.Second)
			switch got := s.packets(); got[len(got)-1] {
			case "PUBLISH a 1 x":
				if s.sent("PUBLISH") != 2 {
					return "not sent again"
				}
				return "sent as new, without DUP"
			case "PUBLISH a 1 x dup":
				return "sent again with DUP"
			default:
				return strings.Join(got, ", ")
			}
		},
	},
	{
		name: "CapHoldsOnReconnect", what: "30 messages without PUBACK: how many are on the wire, and how many after a reconnect",
		v1: "20, then 30", here: "20, then 20", v2: "20, then 20", threads: "paho.mqtt.python #24, #492, rec",
		run: func(s *stage) string {
			s.online()
			s.fault(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK, Action: iotlocal.Drop})
			for i := range 30 {
				s.publishAsync("a", fmt.Sprint(i), 1)
			}
			s.pass(time.Second)
			first := s.sent("PUBLISH")
			s.cut()
			s.pass(5 * time.Second)
			return fmt.Sprintf("%d, then %d", first, s.sent("PUBLISH")-first)
		},
	},
	{
		name: "EndsConnections", what: "a message for which the server ends the connection (140,000 bytes at QoS 1), and the one behind it",
		v1: "sent again on every connection, for ever; never acknowledged", here: "`*PublishError` 9 to `OnAsyncError` after 2 connections; acknowledged",
		v2: "`*ReasonError` 0x95 after 2 connections; acknowledged", threads: "code",
		run: func(s *stage) string {
			s.configure = func(c *v1compat.AWSIoTMQTTClient) {
				c.OnAsyncError = func(_, topic string, err error) { s.log.Add("%s of %s", errorText(err), topic) }
			}
			s.online()
			large := strings.Repeat("x", 140_000)
			s.publishAsync("large", large, 1)
			s.publishAsync("a", "behind", 1)
			s.pass(time.Minute)
			end := "sent again on every connection"
			for _, e := range s.log.All() {
				if text, ok := strings.CutSuffix(e, " of large"); ok {
					end = text + " to `OnAsyncError`"
				}
				if text, ok := strings.CutSuffix(e, " for "+large); ok {
					end = text
				}
			}
			end = fmt.Sprintf("%s after %d connections", end, s.sent("PUBLISH large"))
			if s.heard("ack behind") != 1 {
				return end + "; never acknowledged"
			}
			return end + "; acknowledged"
		},
	},
	{
		name: "QoS2Refused", what: "QoS 2, which AWS IoT Core does not have",
		v1: "true, and the whole handshake", here: "`*ValueError`", v2: "`*ValidationError`", threads: "rec",
		run: func(s *stage) string {
			s.online()
			return s.publish("a", "x", 2)
		},
	},
	{
		name: "BeyondV1", what: "what v1 does not have: retained messages, MQTT 5 properties, named shadows, custom authorizers, proxies",
		v1: "refused", here: "through `V2()`: a retained message with a content type is sent", v2: "a retained message with a content type is sent", threads: "#90, #152, #260, #291",
		run: func(s *stage) string {
			s.online()
			core, through := s.v2, ""
			if core == nil {
				core, through = s.facade.V2(), "through `V2()`: "
			}
			_, err := core.Publish(bg(), &awsiot.PublishPacket{Topic: "a", QoS: 1, Retain: true, ContentType: "text/plain"})
			require.NoError(s.t, err)
			if s.sent("PUBLISH a 1  retain") != 1 {
				return strings.Join(s.packets(), ", ")
			}
			return through + "a retained message with a content type is sent"
		},
	},
}

var callbackRows = []quirkRow{
	{
		name: "CallbackPanicSurvived", what: "an exception in a message callback: the next message, and a publish after it",
		v1: "no callback any more, `*PublishTimeoutError`", here: "its callback runs, true", v2: "its callback runs, true", threads: "#48, pysesame3 PR 33",
		run: func(s *stage) string {
			s.online()
			s.subscribe("m", 0, func(payload string) {
				if payload == "1" {
					panic("the callback of a user")
				}
			})
			s.deliver("m", "1")
			s.deliver("m", "2")
			if s.heard("m 2") != 1 {
				return "no callback any more"
			}
			return "its callback runs, " + s.publish("a", "x", 1)
		},
	},
	{
		name: "CallbacksDoNotHoldNetwork", what: "a message callback that takes 8 s, with a keep-alive of 2 s",
		v1: "the network waits, no PINGREQ", here: "pings go on, later callbacks wait", v2: "pings go on, later callbacks wait", threads: "#81, #97",
		run: func(s *stage) string {
			s.online(2)
			s.subscribe("m", 0, func(string) { time.Sleep(8 * time.Second) })
			begin := time.Now()
			s.deliver("m", "1")
			s.deliver("m", "2")
			s.pass(7 * time.Second)
			pings := 0
			for _, p := range s.srv.Recorder().Packets() {
				if p.Type == iotlocal.PINGREQ && p.Time.After(begin) {
					pings++
				}
			}
			if pings < 3 || s.heard("m 2") != 0 {
				return fmt.Sprintf("%d pings", pings)
			}
			s.pass(10 * time.Second)
			if s.heard("m 2") != 1 || s.heard("offline") != 0 {
				return "offline"
			}
			return "pings go on, later callbacks wait"
		},
	},
	{
		name: "CallInCallbackWorks", what: "a blocking publish at QoS 1 inside a message callback",
		v1: "`*PublishTimeoutError`", here: "true", v2: "true", threads: "#77, #78, #82, #97",
		run: func(s *stage) string {
			s.online()
			inside := "not called"
			s.subscribe("m", 0, func(string) { inside = s.publish("a", "x", 1) })
			s.deliver("m", "1")
			s.pass(10 * time.Second)
			return inside
		},
	},
	{
		name: "InvalidRefusedAtCall", what: "an invalid topic and an invalid filter while offline, and the valid request behind them",
		v1: "queued, queued, never sent", here: "`*ValueError`, `*ValueError`, sent", v2: "`*ValidationError`, `*ValidationError`, sent", threads: "#232, rec",
		run: func(s *stage) string {
			bad := s.publish("a/+", "x", 0) + ", " + s.subscribe("a/#/b", 0)
			s.publish("good", "x", 0)
			s.online()
			s.pass(5 * time.Second)
			if s.sent("PUBLISH good") != 1 || s.publish("good", "y", 1) != "true" {
				return bad + ", never sent"
			}
			return bad + ", sent"
		},
	},
	{
		name: "CallbackClient", what: "the first two arguments of a message callback",
		v1: "None, None", here: "the client, nil", v2: none + "a handler gets the message", threads: "code",
		run: func(s *stage) string {
			s.online()
			saw := "not called"
			_, err := s.facade.Subscribe("m", 0, func(c *v1compat.AWSIoTMQTTClient, userdata any, _ *v1compat.Message) {
				if c == s.facade && userdata == nil {
					saw = "the client, nil"
				}
			})
			require.NoError(s.t, err)
			s.deliver("m", "1")
			return saw
		},
	},
}

var requestRows = []quirkRow{
	{
		name: "KeepRejectedSubscription", quirk: "KeepRejectedSubscription", what: "a filter that the server refuses, and the next reconnect",
		v1: "`*SubackError`, subscribed again", here: "`*SubackError`, forgotten", flipped: "`*SubackError`, subscribed again", v2: "`*ReasonError` 0x80, forgotten", threads: "js #191, rec",
		run: func(s *stage) string {
			s.online()
			s.fault(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.SUBSCRIBE, Action: iotlocal.Reject, Code: 0x80})
			r := s.subscribe("f", 1)
			s.cut()
			s.pass(10 * time.Second)
			if s.sent("SUBSCRIBE") > 1 {
				return r + ", subscribed again"
			}
			return r + ", forgotten"
		},
	},
	{
		name: "CloseWhenDenied", quirk: "CloseWhenDenied", what: "a publish and a subscribe that the policy denies (v1's calls then timed out)",
		v1: "an error, the connection is closed; an error, the connection is closed", here: "`*PublishError` 12 of `*ReasonError` 0x87, the connection stays; `*SubackError`, the connection stays",
		flipped: "an error, the connection is closed; an error, the connection is closed",
		v2:      "`*ReasonError` 0x87, the connection stays; `*ReasonError` 0x87, the connection stays", threads: "AWS developer guide",
		run: func(s *stage) string {
			s.online()
			s.deny(iotlocal.PUBLISH)
			s.deny(iotlocal.SUBSCRIBE)
			lost := 0
			after := func(r string) string {
				s.pass(20 * time.Second)
				if n := s.heard("offline"); n > lost {
					lost = n
					if r == "true" || r == "queued" {
						return r
					}
					return "an error, the connection is closed"
				}
				return r + ", the connection stays"
			}
			r := s.publish("a", "x", 1)
			if s.v2 == nil && r == "`*PublishError` 12" {
				r += " of `*ReasonError` 0x87"
			}
			return after(r) + "; " + after(s.subscribe("f", 1))
		},
	},
}
