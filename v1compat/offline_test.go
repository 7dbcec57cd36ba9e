package v1compat_test

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
	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// v1's transcript offline_queue_before_connect, but for the ack of the queued
// publish, which v1 lost.
func TestQueueBeforeConnect(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "queue")
	c.ConfigureDrainingFrequency(20)
	ev := facadetest.NewEvents()
	cb := func(name string) v1compat.MessageCallback {
		return func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { ev.Add("%s %s", name, m.Payload) }
	}
	blocking := func(ok bool, err error) {
		t.Helper()
		assert.False(t, ok)
		assert.NoError(t, err)
	}
	async := func(mid v1compat.Mid, err error) {
		t.Helper()
		assert.Equal(t, v1compat.MidQueued, mid)
		assert.NoError(t, err)
	}
	payload := []byte("a")
	blocking(c.Publish("oq/1", payload, 1))
	payload[0] = 'z' // the caller's again
	async(c.PublishAsync("oq/2", "b", 1, func(mid v1compat.Mid) { ev.Add("ackPub %d", mid) }))
	blocking(c.Subscribe("oq/#", 1, cb("msg")))
	async(c.SubscribeAsync("oz/#", 0, func(mid v1compat.Mid, data []byte) { ev.Add("ackSub %d %v", mid, data) }, cb("msgz")))
	blocking(c.Publish("oq/3", "c", 0))
	blocking(c.Unsubscribe("oz/#"))
	async(c.UnsubscribeAsync("oq/#", func(mid v1compat.Mid) { ev.Add("ackUnsub %d", mid) }))
	begin := time.Now()
	require.NoError(t, c.Connect())
	assert.Equal(t, []string{"ackPub 2", "ackSub 4 [0]", "msg c", "ackUnsub 7"}, ev.Wait(t, 4), "events")
	assert.GreaterOrEqual(t, time.Since(begin), 250*time.Millisecond, "7 requests at 20 Hz took only")
	assert.Equal(t, []string{"CONNECT", "PUBLISH oq/1 1 a", "PUBLISH oq/2 1 b", "SUBSCRIBE oq/# 1",
		"SUBSCRIBE oz/# 0", "PUBLISH oq/3 0 c", "UNSUBSCRIBE oz/#", "UNSUBSCRIBE oq/#"}, facadetest.Sent(t, srv, "queue", 8), "packets")
}

func TestQueueDisabled(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "none")
	c.ConfigureOfflinePublishQueueing(0)
	var pd *v1compat.PublishQueueDisabledError
	var sd *v1compat.SubscribeQueueDisabledError
	var ud *v1compat.UnsubscribeQueueDisabledError
	for _, qos := range []byte{0, 1} {
		ok, err := c.Publish("a", "x", qos)
		assert.False(t, ok, "publish")
		if assert.ErrorAs(t, err, &pd, "publish") {
			assert.ErrorIs(t, err, awsiot.ErrOffline, "publish")
		}
		_, err = c.PublishAsync("a", "x", qos, nil)
		assert.ErrorAs(t, err, &pd, "publishAsync")
	}
	cb := func(*v1compat.AWSIoTMQTTClient, any, *v1compat.Message) {
		assert.Fail(t, "callback of a refused subscribe")
	}
	ok, err := c.Subscribe("a", 1, cb)
	assert.False(t, ok, "subscribe")
	assert.ErrorAs(t, err, &sd, "subscribe")
	_, err = c.SubscribeAsync("a", 1, nil, cb)
	assert.ErrorAs(t, err, &sd, "subscribeAsync")
	ok, err = c.Unsubscribe("a")
	assert.False(t, ok, "unsubscribe")
	assert.ErrorAs(t, err, &ud, "unsubscribe")
	_, err = c.UnsubscribeAsync("a", nil)
	assert.ErrorAs(t, err, &ud, "unsubscribeAsync")
	require.NoError(t, c.Connect())
	facadetest.Acked(t)(c.Publish("a", "x", 1))
	assert.Equal(t, []string{"CONNECT", "PUBLISH a 1 x"}, facadetest.Sent(t, srv, "none", 2), "packets")
}

// Drop behaviours, with the error that v1 raised in both.
func TestQueueFull(t *testing.T) {
	for _, tt := range []struct {
		name    string
		drop    []v1compat.DropBehavior
		quirks  v1compat.Quirks
		results string
		packets []string
	}{
		{name: "newest by default", results: "QQQFF", packets: []string{"0", "1", "2"}},
		{name: "newest", drop: []v1compat.DropBehavior{v1compat.DropNewest}, results: "QQQFF", packets: []string{"0", "1", "2"}},
		{name: "oldest", drop: []v1compat.DropBehavior{v1compat.DropOldest}, results: "QQQFF", packets: []string{"2", "3", "4"}},
		{name: "oldest quietly", drop: []v1compat.DropBehavior{v1compat.DropOldest}, quirks: v1compat.Quirks{DropOldestQuietly: true},
			results: "QQQQQ", packets: []string{"2", "3", "4"}},
	} {
		for _, mode := range []string{"Publish", "PublishAsync"} {
			t.Run(tt.name+" "+mode, func(t *testing.T) {
				srv := server(t)
				c := plain(t, srv, "full", v1compat.WithQuirks(tt.quirks))
				c.ConfigureOfflinePublishQueueing(3, tt.drop...)
				c.ConfigureDrainingFrequency(1000)
				c.OnAsyncError = func(op, topic string, err error) { assert.Fail(t, fmt.Sprintf("%s %s: %v", op, topic, err)) }
				results := ""
				for i := range 5 {
					var err error
					if mode == "Publish" {
						_, err = c.Publish("q", i, 1)
					} else {
						_, err = c.PublishAsync("q", i, 1, nil)
					}
					var full *v1compat.PublishQueueFullError
					switch {
					case err == nil:
						results += "Q"
					case errors.As(err, &full) && errors.Is(err, awsiot.ErrQueueFull):
						results += "F"
					default:
						assert.Fail(t, fmt.Sprintf("%v", err))
					}
				}
				assert.Equal(t, tt.results, results, "results")
				require.NoError(t, c.Connect())
				want := []string{"CONNECT"}
				for _, p := range tt.packets {
					want = append(want, "PUBLISH q 1 "+p)
				}
				assert.Equal(t, want, facadetest.Sent(t, srv, "full", 4), "packets")
			})
		}
	}
}

// The oldest request that a newer one pushes out may be a subscribe: its record
// goes with it.
func TestQueueFullOfSubscribes(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "subs")
	c.ConfigureOfflinePublishQueueing(1, v1compat.DropOldest)
	ev := facadetest.NewEvents()
	cb := func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { ev.Add("%s", m.Topic) }
	facadetest.Queued(t)(c.Subscribe("s/1", 0, cb))
	var sf *v1compat.SubscribeQueueFullError
	_, err := c.Subscribe("s/2", 0, cb)
	require.ErrorAs(t, err, &sf)
	var uf *v1compat.UnsubscribeQueueFullError
	_, err = c.Unsubscribe("s/3")
	require.ErrorAs(t, err, &uf)
	require.NoError(t, c.Connect())
	assert.Equal(t, []string{"CONNECT", "UNSUBSCRIBE s/3"}, facadetest.Sent(t, srv, "subs", 2), "packets")
}

// What is queued and what is unacknowledged survives Disconnect and Connect, and
// so do the subscriptions: v1 kept all three. A failed Connect changes nothing.
func TestReuse(t *testing.T) {
	for _, tt := range []struct {
		name  string
		renew func(c *v1compat.AWSIoTMQTTClient)
	}{
		{"as it was", func(c *v1compat.AWSIoTMQTTClient) {}},
		{"configured", func(c *v1compat.AWSIoTMQTTClient) {
			c.ConfigureLastWill("w", "x", 0)
			c.ConfigureDrainingFrequency(500)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := server(t)
			c := plain(t, srv, "reuse")
			c.ConfigureDrainingFrequency(1000)
			ev := facadetest.NewEvents()
			require.NoError(t, c.Connect())
			cb := func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { ev.Add("%s %s", m.Topic, m.Payload) }
			facadetest.Acked(t)(c.Subscribe("r/1", 1, cb))
			_, err := c.SubscribeAsync("r/2", 0, func(mid v1compat.Mid, data []byte) { ev.Add("ack %v", data) }, cb)
			require.NoError(t, err)
			ev.Wait(t, 1)
			hold := fault(t, srv, iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Action: iotlocal.Drop})
			_, err = c.PublishAsync("r/1", "unacknowledged", 1, func(mid v1compat.Mid) { ev.Add("ack %d", mid) })
			require.NoError(t, err)
			facadetest.Sent(t, srv, "reuse", 4)
			require.NoError(t, c.Disconnect())
			hold.Remove()
			_, err = c.PublishAsync("r/2", "queued", 1, func(mid v1compat.Mid) { ev.Add("ack %d", mid) })
			require.NoError(t, err)
			tt.renew(c)
			_, err = srv.Faults().RefuseConnects(1, 0x88)
			require.NoError(t, err)
			require.Error(t, c.Connect(), "connected")
			require.NoError(t, c.Connect())
			got := ev.Wait(t, 5)
			for _, want := range []string{"ack [0]", "ack 3", "ack 4", "r/2 queued"} {
				assert.Contains(t, strings.Join(got, "\n"), want, "missing")
			}
			packets := facadetest.Sent(t, srv, "reuse", 10)
			assert.Equal(t, []string{"CONNECT", "CONNECT", "PUBLISH r/1 1 unacknowledged", // ahead of the filters, as at any reconnect
				"SUBSCRIBE r/1 1", "SUBSCRIBE r/2 0", "PUBLISH r/2 1 queued"}, packets[5:], "packets")
		})
	}
}

// A publish whose wait has timed out is still in flight, also over Disconnect.
func TestTimedOutPublishSurvives(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "late")
	c.ConfigureMQTTOperationTimeout(0.05)
	require.NoError(t, c.Connect())
	lost := fault(t, srv, iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Action: iotlocal.Drop})
	payload := []byte("once")
	var te *v1compat.PublishTimeoutError
	_, err := c.Publish("l", payload, 1)
	require.ErrorAs(t, err, &te)
	copy(payload, "!!!!")
	lost.Remove()
	require.NoError(t, c.Disconnect())
	require.NoError(t, c.Connect())
	assert.Equal(t, []string{"CONNECT", "PUBLISH l 1 once", "DISCONNECT", "CONNECT", "PUBLISH l 1 once"}, facadetest.Sent(t, srv, "late", 5), "packets")
}

// A call that waits while another goroutine disconnects waits on, as in v1, and says in the end that its message is still
// on its way: it is sent with the next connection.
func TestDisconnectDuringCalls(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		require.NoError(t, w.c.Connect())
		hold := fault(t, w.srv, iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Action: iotlocal.Drop})
		done := make(chan error, 1)
		go func() { _, err := w.c.Publish("d", "x", 1); done <- err }()
		synctest.Wait()
		require.NoError(t, w.c.Disconnect())
		hold.Remove()
		var te *v1compat.PublishTimeoutError
		assert.Equal(t, 5*time.Second, took(func() { assert.ErrorAs(t, <-done, &te) }))
		require.NoError(t, w.c.Connect())
		synctest.Wait()
		assert.Equal(t, []string{"CONNECT", "PUBLISH d 1 x", "DISCONNECT", "CONNECT", "PUBLISH d 1 x"}, facadetest.Sent(t, w.srv, "time", 5), "packets")
	})
}

// Offline: unsubscribed and subscribed again, the last call wins.
func TestQueuedResubscribe(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "flip")
	c.ConfigureDrainingFrequency(1000)
	ev := facadetest.NewEvents()
	cb := func(name string) v1compat.MessageCallback {
		return func(*v1compat.AWSIoTMQTTClient, any, *v1compat.Message) { ev.Add("%s", name) }
	}
	for _, f := range []func() (bool, error){
		func() (bool, error) { return c.Subscribe("f", 0, cb("first")) },
		func() (bool, error) { return c.Unsubscribe("f") },
		func() (bool, error) { return c.Subscribe("f", 0, cb("second")) },
	} {
		facadetest.Queued(t)(f())
	}
	require.NoError(t, c.Connect())
	facadetest.Sent(t, srv, "flip", 4)
	for i := 0; ; i++ { // until the queue is drained
		if ok, err := c.Publish("f", "x", 1); err != nil {
			require.NoError(t, err)
		} else if ok || i > 1000 {
			break
		}
	}
	assert.Equal(t, "second", ev.Wait(t, 1)[0])
}

// Strict v1 loses the ack of a queued publish.
func TestStrictLosesQueuedAck(t *testing.T) {
	for _, strict := range []bool{false, true} {
		t.Run(fmt.Sprint(strict), func(t *testing.T) {
			srv := server(t)
			c := plain(t, srv, "lost", v1compat.WithQuirks(v1compat.Quirks{QueuedPublishAckLost: strict}))
			c.ConfigureDrainingFrequency(1000)
			ev := facadetest.NewEvents()
			mid, err := c.PublishAsync("a", "queued", 1, func(v1compat.Mid) { ev.Add("queued") })
			require.Equal(t, v1compat.MidQueued, mid)
			require.NoError(t, err)
			_, err = c.SubscribeAsync("b", 1, func(v1compat.Mid, []byte) { ev.Add("sub") }, nil)
			require.NoError(t, err)
			require.NoError(t, c.Connect())
			want := []string{"queued", "sub"}
			if strict {
				want = want[1:]
			}
			assert.Equal(t, want, ev.Wait(t, len(want)), "acks")
		})
	}
}

// A refused filter is forgotten, or, strictly, subscribed again for ever.
func TestKeepRejectedSubscription(t *testing.T) {
	for _, keep := range []bool{false, true} {
		t.Run(fmt.Sprint(keep), func(t *testing.T) {
			srv := server(t)
			fault(t, srv, iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.SUBSCRIBE, Topic: "no", Action: iotlocal.Reject, Code: 0x80})
			c := plain(t, srv, "keep", v1compat.WithQuirks(v1compat.Quirks{KeepRejectedSubscription: keep}))
			c.ConfigureAutoReconnectBackoffTime(0.01, 0.01, 20)
			ev := facadetest.NewEvents()
			c.OnOnline = func() { ev.Add("online") }
			require.NoError(t, c.Connect())
			var se *v1compat.SubackError
			cb := func(*v1compat.AWSIoTMQTTClient, any, *v1compat.Message) { ev.Add("message") }
			_, err := c.Subscribe("no", 1, cb)
			require.ErrorAs(t, err, &se)
			require.Equal(t, byte(0x80), se.Suback)
			// What else brings its messages brings them to the callback only if kept.
			facadetest.Acked(t)(c.Subscribe("+", 1, func(*v1compat.AWSIoTMQTTClient, any, *v1compat.Message) { ev.Add("other") }))
			facadetest.Acked(t)(c.Publish("no", "x", 1))
			messages := []string{"online", "other"}
			if keep {
				messages = []string{"online", "message", "other"}
			}
			assert.Equal(t, messages, ev.Wait(t, len(messages)), "messages")
			srv.Faults().Cut("keep")
			ev.Wait(t, len(messages)+1)
			for i := 0; ; i++ {
				if ok, err := c.Publish("end", "x", 1); err != nil {
					require.NoError(t, err)
				} else if ok || i > 1000 {
					break
				}
			}
			want := []string{"CONNECT", "SUBSCRIBE + 1", "PUBLISH end 1 x"}
			if keep {
				want = []string{"CONNECT", "SUBSCRIBE + 1", "SUBSCRIBE no 1", "PUBLISH end 1 x"}
			}
			assert.Equal(t, want, facadetest.Sent(t, srv, "keep", 4+len(want))[4:], "packets")
		})
	}
}
