package v1compat

// The bridge from log/slog, from the inside.

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/sirupsen/logrus"
	logrustest "github.com/sirupsen/logrus/hooks/test"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// logTo makes a logger that only its hook hears, and sets it for the test.
func logTo(t *testing.T, level logrus.Level) *logrustest.Hook {
	t.Helper()
	l, hook := logrustest.NewNullLogger()
	l.SetLevel(level)
	former := chosenLogger.Load()
	SetLogger(l)
	t.Cleanup(func() { SetLogger(former) })
	return hook
}

// nested is an entry as slogtest wants it: what a dot joins is a group.
func nested(e *logrus.Entry) map[string]any {
	out := map[string]any{slog.TimeKey: e.Time, slog.LevelKey: e.Level, slog.MessageKey: e.Message}
	for k, v := range e.Data {
		m := out
		for {
			group, rest, ok := strings.Cut(k, ".")
			if !ok {
				break
			}
			inner, _ := m[group].(map[string]any)
			if inner == nil {
				inner = map[string]any{}
				m[group] = inner
			}
			m, k = inner, rest
		}
		m[k] = v
	}
	return out
}

func TestLogHandler(t *testing.T) {
	hook := logTo(t, logrus.TraceLevel)
	err := slogtest.TestHandler(logHandler{}, func() []map[string]any {
		var all []map[string]any
		for _, e := range hook.AllEntries() {
			all = append(all, nested(e))
		}
		return all
	})
	// logrus has no entry without a time: this one rule of slog cannot be kept.
	all, _ := err.(interface{ Unwrap() []error })
	if all == nil || len(all.Unwrap()) != 1 || !strings.Contains(err.Error(), "zero Record.Time") {
		t.Errorf("%v", err)
	}
}

func TestLogLevels(t *testing.T) {
	levels := []struct {
		slog   slog.Level
		logrus logrus.Level
	}{
		{awsiot.LevelTrace - 1, logrus.TraceLevel}, {awsiot.LevelTrace, logrus.TraceLevel}, {slog.LevelDebug, logrus.DebugLevel}, {slog.LevelDebug + 1, logrus.DebugLevel},
		{slog.LevelInfo, logrus.InfoLevel}, {slog.LevelInfo + 2, logrus.InfoLevel}, {slog.LevelWarn, logrus.WarnLevel},
		{slog.LevelError, logrus.ErrorLevel}, {slog.LevelError + 8, logrus.ErrorLevel},
	}
	for _, least := range logrus.AllLevels {
		hook := logTo(t, least)
		log := slog.New(logHandler{})
		for _, l := range levels {
			hook.Reset()
			want := l.logrus <= least // the numbers of logrus fall with the weight
			if got := log.Enabled(t.Context(), l.slog); got != want {
				t.Errorf("logger at %v, %v: enabled %v", least, l.slog, got)
			}
			log.Log(t.Context(), l.slog, "x")
			if got := hook.LastEntry(); (got != nil) != want || got != nil && got.Level != l.logrus {
				t.Errorf("logger at %v, %v: entry %v, want %v", least, l.slog, got, l.logrus)
			}
		}
	}
}

// Time, context and the kinds of values reach the entry as they are.
func TestLogEntry(t *testing.T) {
	hook := logTo(t, logrus.InfoLevel)
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "v")
	at := time.Date(2020, 1, 2, 3, 4, 5, 6, time.UTC)
	r := slog.NewRecord(at, slog.LevelInfo, "message", 0)
	r.AddAttrs(slog.Duration("d", time.Second), slog.Any("error", awsiot.ErrClosed), slog.Group("g", slog.Int("n", 1), slog.Group("", slog.Bool("b", true))))
	// Three attributes leave room in their slice, for which the two handlers must not compete.
	h := slog.Handler(logHandler{}).WithAttrs([]slog.Attr{slog.String("a", "1"), slog.String("b", "2"), slog.String("c", "3")}).WithGroup("outer")
	one, two := h.WithAttrs([]slog.Attr{slog.Int("which", 1)}), h.WithAttrs([]slog.Attr{slog.Int("which", 2)})
	if one.Handle(ctx, r) != nil || two.Handle(ctx, r) != nil {
		t.Fatal("an error")
	}
	for i, e := range hook.AllEntries() {
		want := logrus.Fields{"a": "1", "b": "2", "c": "3", "outer.which": int64(i + 1), "outer.d": time.Second, "outer.error": awsiot.ErrClosed, "outer.g.n": int64(1), "outer.g.b": true}
		if len(e.Data) != len(want) || e.Message != "message" || !e.Time.Equal(at) || e.Context.Value(key{}) != "v" {
			t.Errorf("entry %d: %v %v %v", i, e.Message, e.Time, e.Data)
		}
		for k, v := range want {
			if e.Data[k] != v {
				t.Errorf("entry %d: %s is %v, want %v", i, k, e.Data[k], v)
			}
		}
	}
}

// Without a logger, or after nil, it is logrus's standard one.
func TestSetLoggerNil(t *testing.T) {
	logTo(t, logrus.InfoLevel)
	SetLogger(nil)
	if got := currentLogger(); got != logrus.StandardLogger() {
		t.Errorf("%p", got)
	}
}

// A disabled level costs nothing.
func TestLogDisabledAllocatesNothing(t *testing.T) {
	logTo(t, logrus.InfoLevel)
	log := slog.New(coreHandler{logHandler{}}).With("logger", "x")
	if n := testing.AllocsPerRun(100, func() { log.LogAttrs(t.Context(), slog.LevelDebug, "x", slog.Int("n", 1)) }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}
