package v1compat_test

// What the clients log, and where.

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/internal/facadetest"

	"github.com/sirupsen/logrus"
	logrustest "github.com/sirupsen/logrus/hooks/test"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// hooked sets a logger that only its hook hears.
func hooked(t *testing.T, level logrus.Level) *logrustest.Hook {
	t.Helper()
	l, hook := logrustest.NewNullLogger()
	l.SetLevel(level)
	v1compat.SetLogger(l)
	t.Cleanup(func() { v1compat.SetLogger(facadetest.Quiet()) })
	return hook
}

// logged returns the entries that contain text, as level, logger name and message.
func logged(hook *logrustest.Hook, text string) []string {
	var out []string
	for _, e := range hook.AllEntries() {
		if strings.Contains(e.Message, text) {
			name, _ := e.Data["logger"].(string)
			out = append(out, e.Level.String()+" "+name+" "+e.Message)
		}
	}
	return out
}

const (
	ofClient = "AWSIoTPythonSDK.core.protocol.mqtt_core"
	ofCore   = "AWSIoTPythonSDK.core.protocol.internal.clients"
)

// Every event is logged once, by the side that it belongs to, and nothing goes to log/slog's default.
func TestLoggedOnce(t *testing.T) {
	var std bytes.Buffer
	former := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&std, &slog.HandlerOptions{Level: awsiot.LevelTrace})))
	t.Cleanup(func() { slog.SetDefault(former) })
	hook := hooked(t, logrus.TraceLevel)
	srv := server(t)
	c := plain(t, srv, "logs")
	c.ConfigureAutoReconnectBackoffTime(0.01, 0.02, 1)
	seen := facadetest.NewEvents()
	c.OnOnline = func() { seen.Add("online") }
	require.NoError(t, c.Connect(5)) // below the minimum
	facadetest.Acked(t)(c.Subscribe("t", 1, func(*v1compat.AWSIoTMQTTClient, any, *v1compat.Message) { defer seen.Add("message"); panic("oops") }))
	facadetest.Acked(t)(c.Publish("t", "secret payload", 1))
	seen.Wait(t, 2)
	c.ConfigureDrainingFrequency(1) // while connected: nothing to say
	fault(t, srv, iotlocal.Rule{Type: iotlocal.SUBSCRIBE, Action: iotlocal.Reject, Code: 0x87, Times: 1})
	c.V2().Observe(awsiot.Observer{OnResubscribed: func(*awsiot.Resubscribed) { seen.Add("resubscribed") }}) // after the facade's own
	srv.Faults().Cut("logs")
	seen.Wait(t, 4)
	require.NoError(t, c.Disconnect())
	for text, want := range map[string]string{
		"keep-alive":           "warning " + ofClient + " keep-alive below the minimum of AWS IoT Core",
		"panic":                "error " + ofClient + " panic in callback",
		"configuration":        "",
		"connection lost":      "warning " + ofCore + " connection lost",
		"operation failed":     "error " + ofClient + " operation failed",
		"resubscribing failed": "",
	} {
		got := logged(hook, text)
		assert.False(t, want == "" && len(got) > 0)
		assert.False(t, want != "" && !slices.Equal(got, []string{want}))
	}
	got := logged(hook, "connected")
	assert.GreaterOrEqual(t, len(got), 2, "connected")
	assert.Equal(t, "info "+ofCore+" connected", got[0], "connected")
	packets := 0
	for _, e := range hook.AllEntries() {
		assert.Equal(t, "logs", e.Data["client_id"], "entry %q at %v of client %v", e.Message, e.Time, e.Data["client_id"])
		assert.False(t, e.Time.IsZero(), "entry %q at %v of client %v", e.Message, e.Time, e.Data["client_id"])
		if e.Level == logrus.TraceLevel {
			packets++
		}
		for k, v := range e.Data {
			s, _ := v.(string)
			assert.NotContains(t, s, "secret payload", "the payload is in %q of %q", k, e.Message)
		}
	}
	assert.GreaterOrEqual(t, packets, 10, "%d packets at trace level", packets)
	assert.Empty(t, std.String(), "log/slog got it")
}

// A client of FromV2 logs here what it has to say; the awsiot.Client keeps its own logger.
func TestLoggerOfFromV2(t *testing.T) {
	hook := hooked(t, logrus.DebugLevel)
	srv := server(t)
	var own syncBuffer
	core := awsiot.NewClient(awsiot.ClientOptions{Endpoint: srv.Host(), Port: srv.TCPPort(), Auth: awsiot.PlainTCP(), ClientID: "v2",
		Logger: slog.New(slog.NewTextHandler(&own, nil))})
	defer core.Close()
	c := v1compat.FromV2(core)
	c.OnOnline = func() { panic("oops") }
	require.NoError(t, c.Connect())
	require.NoError(t, c.Disconnect())
	got := logged(hook, "")
	if assert.Len(t, got, 1, "logrus got") {
		assert.Equal(t, "error "+ofClient+" panic in callback", got[0], "logrus got")
	}
	assert.Contains(t, own.String(), "msg=connected", "the client's own logger got")
}

// SetLogger may be called while clients log, and reaches those that are there.
func TestSetLoggerAtAnyTime(t *testing.T) {
	hooked(t, logrus.TraceLevel)
	srv := server(t)
	c := connected(t, srv, "any")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				v1compat.SetLogger(facadetest.Quiet())
				v1compat.SetLogger(nil)
				v1compat.SetLogger(facadetest.Quiet())
				facadetest.Acked(t)(c.Publish("t", "x", 1))
			}
		})
	}
	wg.Wait()
	hook := hooked(t, logrus.InfoLevel)
	require.NoError(t, c.Disconnect())
	require.NoError(t, c.Connect())
	assert.NotEqual(t, 0, len(logged(hook, "connected")), "the new logger got nothing")
}
