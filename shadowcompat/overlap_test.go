package shadowcompat_test

// What overlaps on one handler: requests, and deltas with a change of the callback.

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/internal/facadetest"
	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/shadowcompat"
	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// A second request that fails takes nothing from the first one that waits: its callback gets the answer, and the
// subscriptions end when it is there.
func TestSecondRequestFails(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	c := connected(t, srv)
	h := c.CreateShadowHandlerWithName("Bot", false)
	_, err := srv.Faults().Add(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Action: iotlocal.Drop, Times: 1})
	require.NoError(t, err)
	ev := facadetest.NewEvents()
	token, err := h.ShadowGet(cb(ev, "first"), 60)
	require.NoError(t, err)
	mqtt := c.GetMQTTConnection()
	mqtt.V2().Observe(awsiot.Observer{
		OnDisconnection: func(*awsiot.Disconnection) { ev.Add("offline") },
		OnResubscribed:  func(r *awsiot.Resubscribed) { ev.Add("again %s", r.Subscriptions[0].TopicFilter) },
	})
	wire(srv).Sent(t, 4) // the request is there, and is not answered
	srv.Faults().RefuseConnections(1)
	srv.Faults().Cut("shadow")
	ev.Wait(t, 1)
	_, err = h.ShadowGet(cb(ev, "second"), 60)
	var offline *v1compat.SubscribeQueueDisabledError
	require.ErrorAs(t, err, &offline)
	ev.Wait(t, 3)
	inject(t, srv, "get/accepted", `{"clientToken":"`+token+`","state":{}}`)
	got := ev.Wait(t, 4)
	assert.Contains(t, got[3], "first accepted ")
	packets := wire(srv).Sent(t, 9)
	assert.Equal(t, []string{"UNSUBSCRIBE get/accepted", "UNSUBSCRIBE get/rejected"}, packets[7:])
	assert.Len(t, ev.All(), 4)
}

// What waits for a delta callback that is unregistered is not for the next one.
func TestDeltasOverUnregister(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	c := connected(t, srv)
	h := c.CreateShadowHandlerWithName("Bot", true)
	ev := facadetest.NewEvents()
	inside, leave := make(chan struct{}), make(chan struct{})
	require.NoError(t, h.ShadowRegisterDeltaCallback(func(payload, _, _ string) {
		ev.Add("former %s", payload)
		close(inside) // a second call would panic
		<-leave
	}))
	inject(t, srv, "update/delta", `{"version":1}`)
	<-inside
	inject(t, srv, "update/delta", `{"version":2}`)
	inject(t, srv, "update/delta", `{"version":3}`)
	after := make(chan struct{}) // callbacks run in the order of the messages
	facadetest.Acked(t)(c.GetMQTTConnection().Subscribe("after", 0, func(*v1compat.AWSIoTMQTTClient, any, *v1compat.Message) { close(after) }))
	facadetest.Acked(t)(c.GetMQTTConnection().Publish("after", "", 0))
	facadetest.Next(t, after)
	require.NoError(t, h.ShadowUnregisterDeltaCallback())
	require.NoError(t, h.ShadowRegisterDeltaCallback(cb(ev, "next")))
	close(leave)
	inject(t, srv, "update/delta", `{"version":4}`)
	got := ev.Wait(t, 2)
	assert.Equal(t, []string{`former {"version":1}`, `next delta/Bot {"version":4}`}, got)
}

// Two shadow clients on one connection take nothing from each other: both handlers of a thing get their answers, and the
// end of the one's subscriptions leaves the other's.
func TestTwoClientsOnOneConnection(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	c := connected(t, srv)
	lasting := c.CreateShadowHandlerWithName("Bot", true)
	other := shadowcompat.NewAWSIoTMQTTShadowClientWith(c.GetMQTTConnection()).CreateShadowHandlerWithName("Bot", false)
	for range 2 {
		for _, h := range []*shadowcompat.ShadowHandler{lasting, other} {
			answered := make(chan string, 1)
			_, err := h.ShadowUpdate(`{"state":{"reported":{"a":1}}}`, func(_, status, _ string) { answered <- status }, 60)
			require.NoError(t, err)
			require.Equal(t, "accepted", facadetest.Next(t, answered))
		}
	}
}
