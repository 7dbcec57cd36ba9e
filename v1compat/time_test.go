package v1compat_test

import (
	"context"
	"net"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/internal/facadetest"

	"github.com/portage-iot/awsiot/internal/memnet"
	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/v1compat"
)

// world is a server and a client in a bubble, where time costs nothing.
type world struct {
	net memnet.Network
	srv *iotlocal.Server
	c   *v1compat.AWSIoTMQTTClient

	addr string // of the server in net
}

// inBubble runs f with a client that is not connected.
func inBubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		srv, err := iotlocal.Start(iotlocal.Options{
			Dir: t.TempDir(), TLSPort: iotlocal.Off,
			Listen: func(_, address string) (net.Listener, error) { return w.net.Listen(address) },
		})
		require.NoError(t, err)
		w.srv = srv
		w.c = v1compat.NewAWSIoTMQTTClient("time")
		w.c.ConfigureEndpoint(srv.Host(), srv.TCPPort())
		w.addr = net.JoinHostPort(srv.Host(), strconv.Itoa(srv.TCPPort()))
		w.c.ConfigureSocketFactory(func() (net.Conn, error) { return w.net.Dial(context.Background(), "tcp", w.addr) })
		f(t, w)
		w.c.Disconnect()
		require.NoError(t, w.c.V2().Close())
		require.NoError(t, srv.Close())
		synctest.Wait()
	})
}

// took returns how long f takes.
func took(f func()) time.Duration {
	begin := time.Now()
	f()
	return time.Since(begin)
}

func TestDefaultTimeouts(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		mute := fault(t, w.srv, iotlocal.Rule{Dir: iotlocal.ServerToClient, Action: iotlocal.Drop})
		var ct *v1compat.ConnectTimeoutError
		d := took(func() {
			assert.ErrorAs(t, w.c.Connect(), &ct, "connect")
		})
		assert.Equal(t, 30*time.Second, d, "connect took")
		mute.Remove()
		require.NoError(t, w.c.Connect())
		mute = fault(t, w.srv, iotlocal.Rule{Dir: iotlocal.ServerToClient, Action: iotlocal.Drop})
		for name, call := range map[string]func() error{
			"publish":     func() error { _, err := w.c.Publish("a", "x", 1); return err },
			"subscribe":   func() error { _, err := w.c.Subscribe("a", 1, nil); return err },
			"unsubscribe": func() error { _, err := w.c.Unsubscribe("b"); return err },
		} {
			var to v1compat.OperationTimeoutError
			d := took(func() {
				assert.ErrorAs(t, call(), &to)
			})
			assert.Equal(t, 5*time.Second, d, "%s took %v, want 5 s", name, d)
		}
		// QoS 0 does not wait for anything that the server says.
		assert.Equal(t, time.Duration(0), took(func() { w.c.Publish("a", "x", 0) }), "QoS 0 took")
		mute.Remove()
	})
}

// Connect returns after OnOnline has run, Disconnect after OnOffline: what these
// set is there.
func TestHooksHaveRun(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.c.OnOnline = func() { time.Sleep(time.Second) }
		w.c.OnOffline = func() { time.Sleep(2 * time.Second) }
		assert.Equal(t, time.Second, took(func() { require.NoError(t, w.c.Connect()) }), "Connect took")
		assert.Equal(t, 2*time.Second, took(func() { require.NoError(t, w.c.Disconnect()) }), "Disconnect took")
	})
}

// Two requests per second, and what is asked for meanwhile goes behind (v1's
// transcript offline_draining_interval).
func TestDrainingInterval(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for i := range 3 {
			facadetest.Queued(t)(w.c.Publish("d", i, 0))
		}
		begin := time.Now()
		require.NoError(t, w.c.Connect())
		facadetest.Queued(t)(w.c.Publish("d", 3, 0))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		facadetest.Acked(t)(w.c.Publish("d", 4, 0))
		synctest.Wait()
		var at []time.Duration
		for _, p := range w.srv.Recorder().Packets() {
			if p.Type == iotlocal.PUBLISH {
				at = append(at, p.Time.Sub(begin))
			}
		}
		want := []time.Duration{0, 500 * time.Millisecond, time.Second, 1500 * time.Millisecond, 2 * time.Second}
		assert.Equal(t, want, at, "sent after")
	})
}

// 1, 2, 4, ... up to the maximum, and from the base again after a stable
// connection. One OnOffline for each loss.
func TestBackoff(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.c.ConfigureAutoReconnectBackoffTime(1, 8, 20)
		ev := facadetest.NewEvents()
		begin := time.Now()
		w.c.OnOnline = func() { ev.Add("online %v", time.Since(begin)) }
		w.c.OnOffline = func() { ev.Add("offline %v", time.Since(begin)) }
		require.NoError(t, w.c.Connect())
		w.srv.Faults().RefuseConnections(5)
		w.srv.Faults().Cut("time")
		time.Sleep(time.Minute)
		w.srv.Faults().Cut("time")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		assert.Equal(t, []string{"online 0s", "offline 0s", "online 31s", "offline 1m0s", "online 1m1s"}, ev.All(), "events")
		assert.Equal(t, 8, w.net.Dials())
	})
}

// A half-open link: QoS 0 succeeds and is lost, QoS 1 times out and is sent again
// after the reconnect, OnOffline comes once (v1's transcript
// publish_half_open_link; v1 called it twice).
func TestHalfOpenLink(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.c.ConfigureOfflinePublishQueueing(0)
		ev := facadetest.NewEvents()
		w.c.OnOnline = func() { ev.Add("online") }
		w.c.OnOffline = func() { ev.Add("offline") }
		require.NoError(t, w.c.Connect(3))
		hole, err := w.srv.Faults().BlackHole("time")
		require.NoError(t, err)
		facadetest.Acked(t)(w.c.Publish("h", "lost", 0))
		var to *v1compat.PublishTimeoutError
		_, err = w.c.Publish("h", "kept", 1)
		assert.ErrorAs(t, err, &to)
		time.Sleep(2 * time.Second)
		hole.Remove()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		assert.Equal(t, []string{"online", "offline", "online"}, ev.All(), "events")
		got := facadetest.Sent(t, w.srv, "time", 5)
		n := len(got)
		assert.Equal(t, "CONNECT", got[n-2])
		assert.Equal(t, "PUBLISH h 1 kept", got[n-1])
	})
}

// Twenty unacknowledged messages on the wire; the others wait without an error
// and without being queued (v1's transcript publish_inflight_cap).
func TestInflightCap(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		require.NoError(t, w.c.Connect())
		hold := fault(t, w.srv, iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Action: iotlocal.Drop})
		ev := facadetest.NewEvents()
		for i := range 30 {
			mid, err := w.c.PublishAsync("c", i, 1, func(mid v1compat.Mid) { ev.Add("%d", mid) })
			require.Equal(t, v1compat.Mid(i+1), mid)
			require.NoError(t, err)
		}
		synctest.Wait()
		assert.Equal(t, 21, len(facadetest.Sent(t, w.srv, "time", 1)))
		hold.Remove()
		w.srv.Faults().Cut("time")
		time.Sleep(30 * time.Second)
		synctest.Wait()
		assert.Equal(t, 30, len(ev.All()))
	})
}
