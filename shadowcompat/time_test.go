package shadowcompat_test

import (
	"context"
	"net"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/internal/memnet"
	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/shadowcompat"
	"github.com/portage-iot/awsiot/v1compat"
)

// inBubble runs f with a connected client, where time costs nothing.
func inBubble(t *testing.T, f func(t *testing.T, srv *iotlocal.Server, c *shadowcompat.AWSIoTMQTTShadowClient), opts ...v1compat.ClientOption) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var nw memnet.Network
		srv, err := iotlocal.Start(iotlocal.Options{
			Dir: t.TempDir(), TLSPort: iotlocal.Off,
			Listen: func(_, address string) (net.Listener, error) { return nw.Listen(address) },
		})
		must(t, err)
		c := shadowcompat.NewAWSIoTMQTTShadowClient("shadow", opts...)
		c.ConfigureEndpoint(srv.Host(), srv.TCPPort())
		addr := net.JoinHostPort(srv.Host(), strconv.Itoa(srv.TCPPort()))
		c.ConfigureSocketFactory(func() (net.Conn, error) { return nw.Dial(context.Background(), "tcp", addr) })
		must(t, c.Connect())
		f(t, srv, c)
		must(t, c.Disconnect())
		must(t, c.GetMQTTConnection().V2().Close())
		must(t, srv.Close())
		synctest.Wait()
	})
}

// v1 slept 2 s after it had subscribed; the quirk brings that back.
func TestSubscribeSleep(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts []v1compat.ClientOption
		want time.Duration
	}{
		{"default", nil, 0},
		{"strict", []v1compat.ClientOption{v1compat.WithStrictV1()}, 2 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, srv *iotlocal.Server, c *shadowcompat.AWSIoTMQTTShadowClient) {
				h := c.CreateShadowHandlerWithName("Bot", true)
				for name, call := range map[string]func() error{
					"get":      func() error { _, err := h.ShadowGet(nil, 5); return err },
					"delta":    func() error { return h.ShadowRegisterDeltaCallback(func(string, string, string) {}) },
					"deletion": func() error { _, err := h.ShadowDelete(nil, 5); return err },
				} {
					begin := time.Now()
					must(t, call())
					if d := time.Since(begin); d != tt.want {
						t.Errorf("%s took %v, want %v", name, d, tt.want)
					}
				}
				begin := time.Now()
				_, err := h.ShadowGet(nil, 5) // subscribed already
				must(t, err)
				if d := time.Since(begin); d != 0 {
					t.Errorf("the second get took %v", d)
				}
			}, tt.opts...)
		})
	}
}

// The timeout counts from the publish, not from the call.
func TestTimeoutCounts(t *testing.T) {
	inBubble(t, func(t *testing.T, srv *iotlocal.Server, c *shadowcompat.AWSIoTMQTTShadowClient) {
		_, err := srv.Faults().Add(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Action: iotlocal.Drop})
		must(t, err)
		h := c.CreateShadowHandlerWithName("Bot", true)
		begin := time.Now()
		done := make(chan time.Duration, 1)
		_, err = h.ShadowGet(func(_, status, _ string) {
			if status != "timeout" {
				t.Errorf("status %s", status)
			}
			done <- time.Since(begin)
		}, 1.5)
		must(t, err)
		if d := <-done; d != 3500*time.Millisecond {
			t.Errorf("timeout after %v, want 2 s of sleep and 1.5 s", d)
		}
	}, v1compat.WithStrictV1())
}
