package mqtt

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// The four loggers, to be set before the first client is made. Both engines write to them; what paho.mqtt.golang says while nobody has set
// its own loggers comes here, too.
var (
	// ERROR gets what went wrong.
	ERROR Logger = NOOPLogger{}
	// CRITICAL gets the end of a dead connection.
	CRITICAL Logger = NOOPLogger{}
	// WARN gets what may go wrong.
	WARN Logger = NOOPLogger{}
	// DEBUG gets everything else.
	DEBUG Logger = NOOPLogger{}
)

// handOn is a logger of the paho engine: it writes to one of this package's, as that is at the time.
type handOn struct{ to *Logger }

func (h handOn) Println(v ...any)               { (*h.to).Println(v...) }
func (h handOn) Printf(format string, v ...any) { (*h.to).Printf(format, v...) }

func init() {
	for theirs, ours := range map[*Logger]*Logger{&paho.ERROR: &ERROR, &paho.CRITICAL: &CRITICAL, &paho.WARN: &WARN, &paho.DEBUG: &DEBUG} {
		if _, unset := (*theirs).(NOOPLogger); unset {
			*theirs = handOn{ours}
		}
	}
}

// logHandler writes what awsiot.Client logs to the four loggers.
type logHandler struct {
	attrs string
	kept  bool // the store of the program outlives it: a session of an earlier run is expected
}

// sessionText is how awsiot.Client begins its warning of a session that it knows nothing of.
const sessionText = "the broker goes on with a session"

// loggerOf returns the logger for a level.
func loggerOf(l slog.Level) Logger {
	switch {
	case l >= slog.LevelError:
		return ERROR
	case l >= slog.LevelWarn:
		return WARN
	}
	return DEBUG
}

// panicText is how awsiot.Client begins its report of a panic in a callback.
const panicText = "panic in a callback"

// Enabled implements slog.Handler. Errors always are: a panic in a callback must not go unseen.
func (h *logHandler) Enabled(_ context.Context, l slog.Level) bool {
	_, noop := loggerOf(l).(NOOPLogger)
	return !noop || l >= slog.LevelError
}

// Handle implements slog.Handler.
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	if h.kept && strings.HasPrefix(r.Message, sessionText) {
		return nil
	}
	to := loggerOf(r.Level)
	if _, noop := to.(NOOPLogger); noop {
		if strings.HasPrefix(r.Message, panicText) {
			return slog.Default().Handler().Handle(ctx, r)
		}
		return nil
	}
	line := r.Message + h.attrs
	r.Attrs(func(a slog.Attr) bool {
		line += attr(a)
		return true
	})
	to.Println(CLI, line)
	return nil
}

func attr(a slog.Attr) string { return fmt.Sprintf(" %s=%v", a.Key, a.Value) }

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	line := h.attrs
	for _, a := range attrs {
		line += attr(a)
	}
	return &logHandler{attrs: line, kept: h.kept}
}

// WithGroup implements slog.Handler; the lines have no groups.
func (h *logHandler) WithGroup(string) slog.Handler { return h }
