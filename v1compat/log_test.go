package v1compat

// Where the clients log, from the inside.

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sirupsen/logrus"
	logrustest "github.com/sirupsen/logrus/hooks/test"

	"github.com/portage-iot/awsiot/logruslog"
)

// logTo makes a logger that only its hook hears, and sets it for the test.
func logTo(t *testing.T, level logrus.Level) *logrustest.Hook {
	t.Helper()
	l, hook := logrustest.NewNullLogger()
	l.SetLevel(level)
	SetLogger(l)
	t.Cleanup(func() { SetLogger(nil) })
	return hook
}

// Without a logger nothing is written, neither by logrus's standard one nor by log/slog's, but a panic.
func TestNoLogger(t *testing.T) {
	logTo(t, logrus.InfoLevel)
	SetLogger(nil)
	var standard, std bytes.Buffer
	logrus.SetOutput(&standard)
	former := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&std, &slog.HandlerOptions{Level: slog.LevelDebug})))
	t.Cleanup(func() { logrus.SetOutput(os.Stderr); slog.SetDefault(former) })
	c := NewAWSIoTMQTTClient("silent")
	c.ConfigureEndpoint("localhost", 1883)
	c.ConfigureSocketFactory(func() (net.Conn, error) { return nil, errors.New("refused") })
	require.Error(t, c.Connect(5))                      // a warning about the keep-alive, and the failure
	c.asyncError("publish", "a", errors.New("refused")) // an error that nobody is told
	assert.Empty(t, standard.String())
	assert.Empty(t, std.String())
	c.guard("OnOnline", func() { panic("oops") })
	assert.Empty(t, standard.String())
	for _, part := range []string{"panic in callback", "panic=oops", "callback=OnOnline", "client_id=silent", "TestNoLogger"} {
		assert.Contains(t, std.String(), part)
	}
	require.NoError(t, c.V2().Close())
}

// A disabled level costs nothing.
func TestLogDisabledAllocatesNothing(t *testing.T) {
	logTo(t, logrus.InfoLevel)
	log := slog.New(coreHandler{logruslog.Default().Handler()}).With("logger", "x")
	assert.Zero(t, testing.AllocsPerRun(100, func() { log.LogAttrs(t.Context(), slog.LevelDebug, "x", slog.Int("n", 1)) }))
}
