package v1compat_test

// What a half-moved program relies on: one facade for one client, whoever connects, stops and subscribes.

import (
	"context"
	"net"
	"runtime"
	"strconv"
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

// half is a half-moved program in a bubble.
type half struct {
	world
	core *awsiot.Client
	ev   *facadetest.Events
}

// halfMoved runs f with an awsiot.Client that is not connected, and FromV2 of it.
func halfMoved(t *testing.T, change func(*awsiot.ClientOptions), f func(t *testing.T, h *half)) {
	t.Helper()
	inBubble(t, func(t *testing.T, w *world) {
		h := &half{world: world{srv: w.srv}, ev: facadetest.NewEvents()}
		o := awsiot.OptionsV1("half")
		o.Endpoint, o.Port, o.Auth = w.srv.Host(), w.srv.TCPPort(), awsiot.PlainTCP()
		addr := net.JoinHostPort(w.srv.Host(), strconv.Itoa(w.srv.TCPPort()))
		o.Dialer = func(ctx context.Context, _, _ string) (net.Conn, error) { return w.net.Dial(ctx, "tcp", addr) }
		if change != nil {
			change(&o)
		}
		h.core = awsiot.NewClient(o)
		h.c = v1compat.FromV2(h.core)
		h.c.OnOnline = func() { h.ev.Add("online") }
		h.c.OnOffline = func() { h.ev.Add("offline") }
		h.c.OnAsyncError = func(op, topic string, err error) { h.ev.Add("%s %s %s", op, topic, errorText(err)) }
		f(t, h)
		require.NoError(t, h.core.Close())
		synctest.Wait()
	})
}

// message is a callback that records its name.
func (h *half) message(name string) v1compat.MessageCallback {
	return func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { h.ev.Add("%s %s", name, m.Topic) }
}

func handlerOf(ev *facadetest.Events, name string) awsiot.MessageHandler {
	return func(m *awsiot.Message) { ev.Add("%s %s", name, m.Topic) }
}

// The same client has the same facade, from wherever it is asked for.
func TestFromV2IsOne(t *testing.T) {
	halfMoved(t, nil, func(t *testing.T, h *half) {
		assert.Same(t, h.c, v1compat.FromV2(h.core))
		owned := v1compat.NewAWSIoTMQTTClient("owned")
		assert.Same(t, owned, v1compat.FromV2(owned.V2()))
		require.NoError(t, owned.V2().Close())

		require.NoError(t, h.core.StartAndWait(bg()))
		facadetest.Acked(t)(h.c.Subscribe("f", 1, h.message("first")))
		other := v1compat.FromV2(h.core)
		facadetest.Acked(t)(other.Subscribe("f", 1, h.message("second"))) // takes the place of the first
		mid, err := h.c.PublishAsync("f", "x", 1, nil)
		require.NoError(t, err)
		next, err := other.PublishAsync("g", "x", 1, nil)
		require.NoError(t, err)
		assert.Equal(t, mid+1, next, "the ids are one count")
		synctest.Wait()
		assert.Equal(t, []string{"online", "second f"}, h.ev.All())
	})
}

// It follows the events from the first moment: Disconnect of a client that the other side has connected does not wait.
func TestFromV2Disconnect(t *testing.T) {
	halfMoved(t, nil, func(t *testing.T, h *half) {
		require.NoError(t, h.core.StartAndWait(bg()))
		assert.Zero(t, took(func() { require.NoError(t, h.c.Disconnect()) }))
		require.NoError(t, h.core.StartAndWait(bg()))
		_, err := h.c.DisconnectAsync(func(mid v1compat.Mid, data int) { h.ev.Add("ack %v %d", mid, data) })
		require.NoError(t, err)
		synctest.Wait()
		assert.Equal(t, []string{"online", "offline", "online", "offline", "ack DISCONNECTED 0"}, h.ev.All())
	})
}

// No call waits for later callbacks inside a callback of either side.
func TestFromV2InCallbacks(t *testing.T) {
	halfMoved(t, nil, func(t *testing.T, h *half) {
		require.NoError(t, h.core.StartAndWait(bg()))
		f := h.core.SubscribeAsync(&awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "f", Handler: func(*awsiot.Message) {
			assert.Zero(t, took(func() {
				assert.NoError(t, h.c.Disconnect())
				assert.NoError(t, h.c.Connect())
			}))
			h.ev.Add("done")
		}}}})
		<-f.Done()
		facadetest.Acked(t)(h.c.Publish("f", "x", 0))
		synctest.Wait()
		assert.Contains(t, h.ev.All(), "done")
		assert.Equal(t, awsiot.StateConnected, h.core.State())
	})
}

// Timeouts and the queue are those of the client's options; errors have v1's types.
func TestFromV2Options(t *testing.T) {
	halfMoved(t, func(o *awsiot.ClientOptions) {
		o.AckTimeout, o.ConnackTimeout = 2*time.Second, 3*time.Second
		o.OfflineQueue.MaxOperations, o.OfflineQueue.WhenFull = 2, awsiot.DropOldest
	}, func(t *testing.T, h *half) {
		var full *v1compat.PublishQueueFullError
		facadetest.Queued(t)(h.c.Publish("1", "x", 1))
		facadetest.Queued(t)(h.c.Publish("2", "x", 1))
		_, err := h.c.Publish("3", "x", 1)
		assert.ErrorAs(t, err, &full, "the call that pushes one out")
		synctest.Wait()
		assert.Equal(t, []string{"publish 1 `*PublishQueueFullError`"}, h.ev.All(), "the one that is pushed out")

		mute := fault(t, h.srv, iotlocal.Rule{Dir: iotlocal.ServerToClient, Action: iotlocal.Drop})
		var ct *v1compat.ConnectTimeoutError
		assert.Equal(t, 3*time.Second, took(func() { assert.ErrorAs(t, h.c.Connect(), &ct) }))
		mute.Remove()
		require.NoError(t, h.c.Connect())
		time.Sleep(5 * time.Second) // the queue is drained
		fault(t, h.srv, iotlocal.Rule{Dir: iotlocal.ServerToClient, Action: iotlocal.Drop})
		var pt *v1compat.PublishTimeoutError
		var st *v1compat.SubscribeTimeoutError
		var ut *v1compat.UnsubscribeTimeoutError
		assert.Equal(t, 2*time.Second, took(func() { _, err := h.c.Publish("a", "x", 1); assert.ErrorAs(t, err, &pt) }))
		assert.Equal(t, 2*time.Second, took(func() { _, err := h.c.Subscribe("a", 1, nil); assert.ErrorAs(t, err, &st) }))
		assert.Equal(t, 2*time.Second, took(func() { _, err := h.c.Unsubscribe("a"); assert.ErrorAs(t, err, &ut) }))
	})
}

// An operation made here outlives its wait, Stop and Start of either side; one of the awsiot.Client ends with ErrStopped.
func TestFromV2OutlivesStop(t *testing.T) {
	halfMoved(t, nil, func(t *testing.T, h *half) {
		require.NoError(t, h.core.StartAndWait(bg()))
		hold := fault(t, h.srv, iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Action: iotlocal.Drop})
		_, err := h.c.PublishAsync("sent", "x", 1, func(v1compat.Mid) { h.ev.Add("ack of sent") })
		require.NoError(t, err)
		f := h.core.PublishAsync(&awsiot.PublishPacket{Topic: "other", QoS: 1})
		synctest.Wait()
		require.NoError(t, h.core.Stop(bg(), nil))
		assert.ErrorIs(t, f.Err(), awsiot.ErrStopped)
		mid, err := h.c.PublishAsync("queued", "x", 1, func(v1compat.Mid) { h.ev.Add("ack of queued") })
		require.NoError(t, err)
		assert.Equal(t, v1compat.MidQueued, mid)
		hold.Remove()
		require.NoError(t, h.core.StartAndWait(bg()))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		assert.ElementsMatch(t, []string{"online", "offline", "online", "ack of sent", "ack of queued"}, h.ev.All())
	})
}

// A core that Disconnect has stopped is started again, by either side, with the subscriptions of both.
func TestFromV2RestartedAfterDisconnect(t *testing.T) {
	halfMoved(t, nil, func(t *testing.T, h *half) {
		require.NoError(t, h.c.Connect())
		facadetest.Acked(t)(h.c.Subscribe("old", 0, h.message("v1")))
		f := h.core.SubscribeAsync(&awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "new", Handler: handlerOf(h.ev, "v2")}}})
		<-f.Done()
		for i, start := range []func() error{func() error { return h.core.StartAndWait(bg()) }, func() error { return h.c.Connect() }} {
			require.NoError(t, h.c.Disconnect())
			require.NoError(t, start())
			time.Sleep(time.Second)
			for _, topic := range []string{"old", "new"} {
				facadetest.Acked(t)(h.c.Publish(topic, "x", 1))
			}
			synctest.Wait()
			got := h.ev.All()
			assert.Equal(t, []string{"v1 old", "v2 new"}, got[len(got)-2:], i)
		}
	})
}

// ConnectAsync returns when the CONNECT is written, and Stop of the awsiot.Client ends its ack.
func TestFromV2ConnectAsync(t *testing.T) {
	halfMoved(t, nil, func(t *testing.T, h *half) {
		held := fault(t, h.srv, iotlocal.Rule{Type: iotlocal.CONNACK, Action: iotlocal.Hold, Times: 1})
		assert.Zero(t, took(func() {
			_, err := h.c.ConnectAsync(600, func(v1compat.Mid, int) { h.ev.Add("ack") })
			require.NoError(t, err)
		}))
		assert.Equal(t, awsiot.StateConnecting, h.core.State())
		held.Release()
		synctest.Wait()
		require.NoError(t, h.core.Stop(bg(), nil))
		require.NoError(t, h.core.StartAndWait(bg()))
		synctest.Wait()
		assert.Equal(t, []string{"online", "ack", "offline", "online"}, h.ev.All())
	})
}

// OnMessage runs after all handlers, and Unsubscribe on either side removes the callbacks of both.
func TestFromV2Messages(t *testing.T) {
	halfMoved(t, nil, func(t *testing.T, h *half) {
		h.c.OnMessage = func(m *v1compat.Message) { h.ev.Add("OnMessage %s", m.Topic) }
		require.NoError(t, h.c.Connect())
		both := func() {
			facadetest.Acked(t)(h.c.Subscribe("f", 0, h.message("v1")))
			f := h.core.SubscribeAsync(&awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "f", Handler: handlerOf(h.ev, "v2")}}})
			<-f.Done()
		}
		deliver := func() []string {
			n := len(h.ev.All())
			_, err := h.srv.Publish(iotlocal.Message{Topic: "f"})
			require.NoError(t, err)
			synctest.Wait()
			return h.ev.All()[n:]
		}
		both()
		remove := h.core.Handle("f", handlerOf(h.ev, "late"))
		assert.Equal(t, []string{"v1 f", "v2 f", "late f", "OnMessage f"}, deliver())
		remove()
		facadetest.Acked(t)(h.c.Unsubscribe("f"))
		facadetest.Acked(t)(h.c.Subscribe("f", 0, nil)) // messages come, and no callback is left
		assert.Equal(t, []string{"OnMessage f"}, deliver())
		both()
		_, err := h.core.Unsubscribe(bg(), &awsiot.UnsubscribePacket{TopicFilters: []string{"f"}})
		require.NoError(t, err)
		f := h.core.SubscribeAsync(&awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "f"}}})
		<-f.Done()
		assert.Equal(t, []string{"OnMessage f"}, deliver())
	})
}

// Quirks are given to FromV2, also later.
func TestFromV2Quirks(t *testing.T) {
	halfMoved(t, nil, func(t *testing.T, h *half) {
		assert.Equal(t, v1compat.Quirks{}, h.c.Quirks())
		assert.Same(t, h.c, v1compat.FromV2(h.core, v1compat.WithStrictV1()))
		assert.True(t, v1compat.FromV2(h.core).Quirks().AcceptRefusedConnect)
		_, err := h.srv.Faults().RefuseConnects(1, 0x88)
		require.NoError(t, err)
		require.NoError(t, h.c.Connect(), "a refusal is no error")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		assert.Equal(t, []string{"online"}, h.ev.All())
	})
}

// Clients with facades leave nothing behind.
func TestFromV2Garbage(t *testing.T) {
	const n = 10_000
	collect := func() (heap uint64) {
		var m runtime.MemStats
		for range 4 { // cleanups run after a collection
			runtime.GC()
			time.Sleep(0)
			runtime.Gosched()
		}
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, known := collect(), v1compat.Facades()
	for i := range n {
		core := awsiot.NewClient(awsiot.OptionsV1("garbage"))
		if i%2 == 0 {
			core = v1compat.NewAWSIoTMQTTClient("garbage").V2()
		}
		c := v1compat.FromV2(core)
		if _, err := c.PublishAsync("a", "x", 1, func(v1compat.Mid) {}); err != nil {
			t.Fatal(err)
		}
		_ = core.Close()
	}
	require.Eventually(t, func() bool { runtime.GC(); return v1compat.Facades() <= known }, facadetest.Patience, time.Millisecond,
		"facades are left")
	after := collect()
	assert.Less(t, int64(after)-int64(before), int64(n*100), "bytes that are left")
}

// The facade of a client that is connected already hears of the end of that connection, once.
func TestFromV2OfAConnectedClient(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		o := awsiot.OptionsV1("late")
		o.Endpoint, o.Port, o.Auth = w.srv.Host(), w.srv.TCPPort(), awsiot.PlainTCP()
		addr := net.JoinHostPort(w.srv.Host(), strconv.Itoa(w.srv.TCPPort()))
		o.Dialer = func(ctx context.Context, _, _ string) (net.Conn, error) { return w.net.Dial(ctx, "tcp", addr) }
		core := awsiot.NewClient(o)
		require.NoError(t, core.StartAndWait(bg()))
		ev := facadetest.NewEvents()
		c := v1compat.FromV2(core)
		c.OnOnline = func() { ev.Add("online") }
		c.OnOffline = func() { ev.Add("offline") }
		require.NoError(t, c.Disconnect())
		synctest.Wait()
		assert.Equal(t, []string{"offline"}, ev.All())
		require.NoError(t, core.StartAndWait(bg()))
		require.NoError(t, core.Stop(bg(), nil))
		synctest.Wait()
		assert.Equal(t, []string{"offline", "online", "offline"}, ev.All())
		require.NoError(t, core.Close())
	})
}

// The hooks of a client made by FromV2 are read when the event happens.
func TestFromV2ReadsHooksLate(t *testing.T) {
	halfMoved(t, nil, func(t *testing.T, h *half) {
		h.c.OnOffline = nil
		require.NoError(t, h.c.Connect())
		h.c.OnOffline = func() { h.ev.Add("offline, late") }
		require.NoError(t, h.c.Disconnect())
		assert.Equal(t, []string{"online", "offline, late"}, h.ev.All())
	})
}

// What counts from the next Connect on counts from a Start of the other side, too.
func TestConfiguredForTheNextStart(t *testing.T) {
	srv := server(t)
	c := connected(t, srv, "next")
	c.DisableMetricsCollection()
	c.ConfigureUsernamePassword("new")
	require.NoError(t, c.V2().Stop(bg(), nil))
	require.NoError(t, c.V2().StartAndWait(bg()))
	assert.Contains(t, connectText(srv, "next"), " new", "CONNECT")
}
