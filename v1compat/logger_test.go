package v1compat_test

// What the clients log, and where.

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

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
	t.Cleanup(func() { v1compat.SetLogger(quiet()) })
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
	seen := newEvents()
	c.OnOnline = func() { seen.add("online") }
	must(t, c.Connect(5)) // below the minimum
	if ok, err := c.Subscribe("t", 1, func(*v1compat.AWSIoTMQTTClient, any, *v1compat.Message) { defer seen.add("message"); panic("oops") }); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if ok, err := c.Publish("t", "secret payload", 1); !ok || err != nil {
		t.Fatal(ok, err)
	}
	seen.wait(t, 2)
	c.ConfigureDrainingFrequency(1) // while connected
	fault(t, srv, iotlocal.Rule{Type: iotlocal.SUBSCRIBE, Action: iotlocal.Reject, Code: 0x87, Times: 1})
	c.V2().Observe(awsiot.Observer{OnResubscribed: func(*awsiot.Resubscribed) { seen.add("resubscribed") }}) // after the facade's own
	srv.Faults().Cut("logs")
	seen.wait(t, 4)
	must(t, c.Disconnect())
	for text, want := range map[string]string{
		"keep-alive":           "warning " + ofClient + " keep-alive below the minimum of AWS IoT Core",
		"panic":                "error " + ofClient + " panic in callback",
		"configured":           "warning " + ofClient + " configured while connected",
		"connection lost":      "warning " + ofCore + " connection lost",
		"operation failed":     "error " + ofClient + " operation failed",
		"resubscribing failed": "",
	} {
		got := logged(hook, text)
		if want == "" && len(got) > 0 || want != "" && !slices.Equal(got, []string{want}) {
			t.Errorf("%q is in %q", text, got)
		}
	}
	if got := logged(hook, "connected"); len(got) < 2 || got[0] != "info "+ofCore+" connected" {
		t.Errorf("connected: %q", got)
	}
	packets := 0
	for _, e := range hook.AllEntries() {
		if e.Data["client_id"] != "logs" || e.Time.IsZero() {
			t.Errorf("entry %q at %v of client %v", e.Message, e.Time, e.Data["client_id"])
		}
		if e.Level == logrus.TraceLevel {
			packets++
		}
		for k, v := range e.Data {
			if s, _ := v.(string); strings.Contains(s, "secret payload") {
				t.Errorf("the payload is in %q of %q", k, e.Message)
			}
		}
	}
	if packets < 10 {
		t.Errorf("%d packets at trace level", packets)
	}
	if std.Len() > 0 {
		t.Errorf("log/slog got\n%s", std.String())
	}
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
	must(t, c.Connect())
	must(t, c.Disconnect())
	if got := logged(hook, ""); len(got) != 1 || got[0] != "error "+ofClient+" panic in callback" {
		t.Errorf("logrus got %q", got)
	}
	if !strings.Contains(own.String(), "msg=connected") {
		t.Errorf("the client's own logger got %q", own.String())
	}
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
				v1compat.SetLogger(quiet())
				v1compat.SetLogger(nil)
				v1compat.SetLogger(quiet())
				if ok, err := c.Publish("t", "x", 1); !ok || err != nil {
					t.Error(ok, err)
				}
			}
		})
	}
	wg.Wait()
	hook := hooked(t, logrus.InfoLevel)
	must(t, c.Disconnect())
	must(t, c.Connect())
	if got := logged(hook, "connected"); len(got) == 0 {
		t.Error("the new logger got nothing")
	}
}
