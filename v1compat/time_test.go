package v1compat_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/internal/memnet"
	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/v1compat"
)

// world is a server and a client in a bubble, where time costs nothing.
type world struct {
	net memnet.Network
	srv *iotlocal.Server
	c   *v1compat.AWSIoTMQTTClient
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
		must(t, err)
		w.srv = srv
		w.c = v1compat.NewAWSIoTMQTTClient("time")
		w.c.ConfigureEndpoint(srv.Host(), srv.TCPPort())
		addr := net.JoinHostPort(srv.Host(), strconv.Itoa(srv.TCPPort()))
		w.c.ConfigureSocketFactory(func() (net.Conn, error) { return w.net.Dial(context.Background(), "tcp", addr) })
		f(t, w)
		w.c.Disconnect()
		must(t, w.c.V2().Close())
		must(t, srv.Close())
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
			if err := w.c.Connect(); !errors.As(err, &ct) {
				t.Errorf("connect: %v", err)
			}
		})
		if d != 30*time.Second {
			t.Errorf("connect took %v, want 30 s", d)
		}
		mute.Remove()
		must(t, w.c.Connect())
		mute = fault(t, w.srv, iotlocal.Rule{Dir: iotlocal.ServerToClient, Action: iotlocal.Drop})
		for name, call := range map[string]func() error{
			"publish":     func() error { _, err := w.c.Publish("a", "x", 1); return err },
			"subscribe":   func() error { _, err := w.c.Subscribe("a", 1, nil); return err },
			"unsubscribe": func() error { _, err := w.c.Unsubscribe("b"); return err },
		} {
			var to v1compat.OperationTimeoutError
			d := took(func() {
				if err := call(); !errors.As(err, &to) {
					t.Errorf("%s: %v", name, err)
				}
			})
			if d != 5*time.Second {
				t.Errorf("%s took %v, want 5 s", name, d)
			}
		}
		// QoS 0 does not wait for anything that the server says.
		if d := took(func() { w.c.Publish("a", "x", 0) }); d != 0 {
			t.Errorf("QoS 0 took %v", d)
		}
		mute.Remove()
	})
}

// Connect returns after OnOnline has run, Disconnect after OnOffline: what these
// set is there.
func TestHooksHaveRun(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.c.OnOnline = func() { time.Sleep(time.Second) }
		w.c.OnOffline = func() { time.Sleep(2 * time.Second) }
		if d := took(func() { must(t, w.c.Connect()) }); d != time.Second {
			t.Errorf("Connect took %v", d)
		}
		if d := took(func() { must(t, w.c.Disconnect()) }); d != 2*time.Second {
			t.Errorf("Disconnect took %v", d)
		}
	})
}

// Two requests per second, and what is asked for meanwhile goes behind (v1's
// transcript offline_draining_interval).
func TestDrainingInterval(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for i := range 3 {
			if ok, err := w.c.Publish("d", i, 0); ok || err != nil {
				t.Fatal(ok, err)
			}
		}
		begin := time.Now()
		must(t, w.c.Connect())
		if ok, err := w.c.Publish("d", 3, 0); ok || err != nil {
			t.Error("while draining:", ok, err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if ok, err := w.c.Publish("d", 4, 0); !ok || err != nil {
			t.Error("after draining:", ok, err)
		}
		synctest.Wait()
		var at []time.Duration
		for _, p := range w.srv.Recorder().Packets() {
			if p.Type == iotlocal.PUBLISH {
				at = append(at, p.Time.Sub(begin))
			}
		}
		want := []time.Duration{0, 500 * time.Millisecond, time.Second, 1500 * time.Millisecond, 2 * time.Second}
		if !slices.Equal(at, want) {
			t.Errorf("sent after %v, want %v", at, want)
		}
	})
}

// 1, 2, 4, ... up to the maximum, and from the base again after a stable
// connection. One OnOffline for each loss.
func TestBackoff(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.c.ConfigureAutoReconnectBackoffTime(1, 8, 20)
		ev := newEvents()
		begin := time.Now()
		w.c.OnOnline = func() { ev.add("online %v", time.Since(begin)) }
		w.c.OnOffline = func() { ev.add("offline %v", time.Since(begin)) }
		must(t, w.c.Connect())
		w.srv.Faults().RefuseConnections(5)
		w.srv.Faults().Cut("time")
		time.Sleep(time.Minute)
		w.srv.Faults().Cut("time")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		equal(t, "events", ev.all(), []string{"online 0s", "offline 0s", "online 31s", "offline 1m0s", "online 1m1s"})
		if n := w.net.Dials(); n != 8 {
			t.Errorf("%d attempts, want 8", n)
		}
	})
}

// A half-open link: QoS 0 succeeds and is lost, QoS 1 times out and is sent again
// after the reconnect, OnOffline comes once (v1's transcript
// publish_half_open_link; v1 called it twice).
func TestHalfOpenLink(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.c.ConfigureOfflinePublishQueueing(0)
		ev := newEvents()
		w.c.OnOnline = func() { ev.add("online") }
		w.c.OnOffline = func() { ev.add("offline") }
		must(t, w.c.Connect(3))
		hole, err := w.srv.Faults().BlackHole("time")
		must(t, err)
		if ok, err := w.c.Publish("h", "lost", 0); !ok || err != nil {
			t.Error(ok, err)
		}
		var to *v1compat.PublishTimeoutError
		if _, err := w.c.Publish("h", "kept", 1); !errors.As(err, &to) {
			t.Error(err)
		}
		time.Sleep(2 * time.Second)
		hole.Remove()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		equal(t, "events", ev.all(), []string{"online", "offline", "online"})
		got := sent(t, w.srv, "time", 5)
		if n := len(got); got[n-2] != "CONNECT" || got[n-1] != "PUBLISH h 1 kept" {
			t.Errorf("%q", got)
		}
	})
}

// Twenty unacknowledged messages on the wire; the others wait without an error
// and without being queued (v1's transcript publish_inflight_cap).
func TestInflightCap(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		must(t, w.c.Connect())
		hold := fault(t, w.srv, iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Action: iotlocal.Drop})
		ev := newEvents()
		for i := range 30 {
			if mid, err := w.c.PublishAsync("c", i, 1, func(mid v1compat.Mid) { ev.add("%d", mid) }); mid != v1compat.Mid(i+1) || err != nil {
				t.Fatal(mid, err)
			}
		}
		synctest.Wait()
		if n := len(sent(t, w.srv, "time", 1)); n != 21 {
			t.Errorf("%d packets, want CONNECT and 20 PUBLISH", n)
		}
		hold.Remove()
		w.srv.Faults().Cut("time")
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if n := len(ev.all()); n != 30 {
			t.Errorf("%d acks", n)
		}
	})
}
