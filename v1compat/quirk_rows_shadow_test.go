package v1compat_test

// The rows about shadows. They run against iotlocal's shadow service.

import (
	"fmt"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/shadowcompat"
	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

const (
	shadowBase = "$aws/things/Bot/shadow/"
	reported   = `{"state":{"reported":{"on":1}}}`
)

// handler is a shadow handler on the facade, which is connected.
func (s *stage) handler(persistent bool) *shadowcompat.ShadowHandler {
	s.online()
	return shadowcompat.NewAWSIoTMQTTShadowClientWith(s.facade).CreateShadowHandlerWithName("Bot", persistent)
}

// heardShadow logs what a shadow callback gets, as "NAME STATUS".
func (s *stage) heardShadow(name string) shadowcompat.ShadowCallback {
	return func(_, status, _ string) { s.log.Add("%s %s", name, status) }
}

// deltas is how often the delta of a version was delivered.
func (s *stage) deltas() int {
	n := 0
	for _, e := range s.log.All() {
		if strings.HasPrefix(e, "delta") || strings.HasPrefix(e, shadowBase+"update/delta") {
			n++
		}
	}
	return n
}

// knowing leaves a handler, or a program on v2, that has seen version 1 in an accepted update, and counts deltas.
func (s *stage) knowing() *shadowcompat.ShadowHandler {
	if s.onV2 {
		s.online()
		s.subscribe(shadowBase+"update/delta", 0)
		s.subscribe(shadowBase+"update/accepted", 0)
		s.publish(shadowBase+"update", reported, 0)
		s.pass(time.Second)
		return nil
	}
	h := s.handler(true)
	require.NoError(s.t, h.ShadowRegisterDeltaCallback(s.heardShadow("delta")))
	_, err := h.ShadowUpdate(reported, s.heardShadow("update"), 5)
	require.NoError(s.t, err)
	s.pass(time.Second)
	if s.heard("update accepted") != 1 {
		require.Fail(s.t, fmt.Sprint(s.log.All()))
	}
	return h
}

var shadowRows = []quirkRow{
	{
		name: "ShadowStatus", what: "what a shadow callback gets: an accepted, a rejected, an unanswered request, a delta",
		v1: "accepted, rejected, timeout (`REQUEST TIME OUT`), delta/Bot", here: asV1, v2: none + "`iotshadow.AnswerV1`: as v1; deltas are a stream", threads: "#4, rec",
		run: func(s *stage) string {
			h := s.handler(true)
			var got []string
			cb := func(payload, status, _ string) {
				if status == "timeout" {
					status += " (`" + payload + "`)"
				}
				got = append(got, status)
			}
			require.NoError(s.t, h.ShadowRegisterDeltaCallback(cb))
			for _, call := range []func() (string, error){
				func() (string, error) { return h.ShadowUpdate(reported, cb, 5) },
				func() (string, error) { return h.ShadowUpdate(`{"state":1}`, cb, 5) },
			} {
				_, err := call()
				require.NoError(s.t, err)
				s.pass(time.Second)
			}
			hole, err := s.srv.Faults().BlackHole(stageID)
			require.NoError(s.t, err)
			_, err = h.ShadowUpdate(reported, cb, 5)
			require.NoError(s.t, err)
			s.pass(6 * time.Second)
			hole.Remove()
			s.deliver(shadowBase+"update/delta", `{"version":9,"state":{}}`)
			return strings.Join(got, ", ")
		},
	},
	{
		name: "ShadowOneCallback", what: "two updates under way with a callback each",
		v1: "the second callback gets both answers, found by their token", here: asV1, v2: none + "each subscription has its own handler", threads: "#92, #94, #260",
		run: func(s *stage) string {
			h := s.handler(true)
			held := s.fault(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Action: iotlocal.Hold})
			for _, name := range []string{"first", "second"} {
				_, err := h.ShadowUpdate(reported, s.heardShadow(name), 5)
				require.NoError(s.t, err)
			}
			held.Release()
			s.deliver(shadowBase+"update/accepted", `{"version":99,"clientToken":"foreign"}`)
			s.pass(time.Second)
			if s.heard("second accepted") == 2 && s.heard("first accepted") == 0 {
				return "the second callback gets both answers, found by their token"
			}
			return strings.Join(s.log.All(), ", ")
		},
	},
	{
		name: "ShadowDeltaSameVersion", quirk: "ShadowDeltaSameVersion", what: "a delta whose version an accepted update has named already",
		v1: "dropped", here: asV1, flipped: "delivered", v2: "delivered", threads: "#92, #94",
		run: func(s *stage) string {
			s.knowing()
			s.deliver(shadowBase+"update/delta", `{"version":1,"state":{"on":2}}`)
			return map[int]string{0: "dropped", 1: "delivered"}[s.deltas()]
		},
	},
	{
		name: "ShadowVersionReset", quirk: "ShadowVersionReset", what: "an old delta after an accepted get with a version that is known",
		v1: "delivered", here: "dropped", flipped: "delivered", v2: "delivered", threads: "rec",
		run: func(s *stage) string {
			if h := s.knowing(); h != nil {
				_, err := h.ShadowGet(s.heardShadow("get"), 5)
				require.NoError(s.t, err)
				s.pass(time.Second)
				if s.heard("get accepted") != 1 {
					return strings.Join(s.log.All(), ", ")
				}
			}
			s.deliver(shadowBase+"update/delta", `{"version":1,"state":{"on":2}}`)
			return map[int]string{0: "dropped", 1: "delivered"}[s.deltas()]
		},
	},
	{
		name: "ShadowSubscribeSleep", quirk: "ShadowSubscribeSleep", what: "how long a first request takes, subscribing included",
		v1: "2 s after the SUBACK", here: "until the SUBACK", flipped: "2 s after the SUBACK", v2: "until the SUBACK", threads: "#194",
		run: func(s *stage) string {
			var h *shadowcompat.ShadowHandler
			if s.onV2 {
				s.online()
			} else {
				h = s.handler(true)
			}
			d := took(func() {
				if h == nil {
					s.subscribe(shadowBase+"get/accepted", 0)
					s.publish(shadowBase+"get", "", 0)
					return
				}
				_, err := h.ShadowGet(nil, 5)
				require.NoError(s.t, err)
			})
			if d == 0 {
				return "until the SUBACK"
			}
			return fmt.Sprintf("%g s after the SUBACK", d.Seconds())
		},
	},
	{
		name: "ShadowRequestState", what: "a request that fails while offline, and what it leaves behind: does a later one unsubscribe when it is answered",
		v1: "`*SubscribeQueueDisabledError`; never again", here: "`*SubscribeQueueDisabledError`; it does", v2: none + "nothing is kept", threads: "#80, #257, #284, rec",
		run: func(s *stage) string {
			s.configure = func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureOfflinePublishQueueing(0) }
			s.client()
			h := shadowcompat.NewAWSIoTMQTTShadowClientWith(s.facade).CreateShadowHandlerWithName("Bot", false)
			_, err := h.ShadowUpdate(reported, s.heardShadow("failed"), 5)
			failed := errorText(err)
			s.online()
			_, err = h.ShadowUpdate(reported, s.heardShadow("later"), 5)
			require.NoError(s.t, err)
			s.pass(20 * time.Second)
			if s.heard("later accepted") != 1 || s.heard("failed timeout") != 0 {
				return strings.Join(s.log.All(), ", ")
			}
			if s.sent("UNSUBSCRIBE") != 2 {
				return failed + "; never again"
			}
			return failed + "; it does"
		},
	},
	{
		name: "TimeoutCallbackUnlocked", what: "a request of the same handler inside its timeout callback",
		v1: "never returns", here: "is made", v2: none + "a context per call, no lock", threads: "rec",
		run: func(s *stage) string {
			h := s.handler(true)
			lost := s.fault(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Action: iotlocal.Drop})
			_, err := h.ShadowUpdate(reported, func(_, status, _ string) {
				lost.Remove()
				if _, err := h.ShadowUpdate(reported, s.heardShadow("inside"), 5); err != nil {
					s.log.Add("inside: %v", err)
				}
			}, 1)
			require.NoError(s.t, err)
			s.pass(5 * time.Second)
			if s.heard("inside accepted") == 1 {
				return "is made"
			}
			return "never returns"
		},
	},
	{
		name: "ShadowHandlersShare", what: "two handlers of one thing that both want deltas",
		v1: "the second takes them from the first", here: "both get them", v2: "both get them", threads: "code",
		run: func(s *stage) string {
			if s.onV2 {
				s.online()
				s.subscribe(shadowBase+"update/delta", 0)
				s.v2.Handle(shadowBase+"update/delta", func(*awsiot.Message) { s.log.Add("delta") })
				s.deliver(shadowBase+"update/delta", `{"version":7,"state":{}}`)
				if s.deltas() == 2 {
					return "both get them"
				}
				return strings.Join(s.log.All(), ", ")
			}
			s.online()
			c := shadowcompat.NewAWSIoTMQTTShadowClientWith(s.facade)
			for _, name := range []string{"first", "second"} {
				require.NoError(s.t, c.CreateShadowHandlerWithName("Bot", true).ShadowRegisterDeltaCallback(s.heardShadow(name)))
			}
			s.deliver(shadowBase+"update/delta", `{"version":7,"state":{}}`)
			synctest.Wait()
			got := s.log.All()[1:]
			slices.Sort(got) // each on a goroutine of its handler
			if strings.Join(got, ", ") == "first delta/Bot, second delta/Bot" {
				return "both get them"
			}
			return "the second takes them from the first"
		},
	},
}
