package shadowcompat_test

import (
	"context"
	"net"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
		require.NoError(t, err)
		c := shadowcompat.NewAWSIoTMQTTShadowClient("shadow", opts...)
		c.ConfigureEndpoint(srv.Host(), srv.TCPPort())
		addr := net.JoinHostPort(srv.Host(), strconv.Itoa(srv.TCPPort()))
		c.ConfigureSocketFactory(func() (net.Conn, error) { return nw.Dial(context.Background(), "tcp", addr) })
		require.NoError(t, c.Connect())
		f(t, srv, c)
		require.NoError(t, c.Disconnect())
		require.NoError(t, c.GetMQTTConnection().V2().Close())
		require.NoError(t, srv.Close())
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
					require.NoError(t, call())
					assert.Equal(t, tt.want, time.Since(begin), name)
				}
				begin := time.Now()
				_, err := h.ShadowGet(nil, 5) // subscribed already
				require.NoError(t, err)
				assert.Equal(t, time.Duration(0), time.Since(begin), "the second get took")
			}, tt.opts...)
		})
	}
}

// The timeout counts from the publish, not from the call.
func TestTimeoutCounts(t *testing.T) {
	inBubble(t, func(t *testing.T, srv *iotlocal.Server, c *shadowcompat.AWSIoTMQTTShadowClient) {
		_, err := srv.Faults().Add(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Action: iotlocal.Drop})
		require.NoError(t, err)
		h := c.CreateShadowHandlerWithName("Bot", true)
		begin := time.Now()
		done := make(chan time.Duration, 1)
		_, err = h.ShadowGet(func(_, status, _ string) {
			assert.Equal(t, "timeout", status, "status")
			done <- time.Since(begin)
		}, 1.5)
		require.NoError(t, err)
		assert.Equal(t, 3500*time.Millisecond, <-done, "timeout after")
	}, v1compat.WithStrictV1())
}
