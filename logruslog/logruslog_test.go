package logruslog

import (
	"context"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/sirupsen/logrus"
	logrustest "github.com/sirupsen/logrus/hooks/test"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// hooked is a logger that only its hook hears.
func hooked(level logrus.Level) (*slog.Logger, *logrustest.Hook) {
	l, hook := logrustest.NewNullLogger()
	l.SetLevel(level)
	return New(l), hook
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
	log, hook := hooked(logrus.TraceLevel)
	err := slogtest.TestHandler(log.Handler(), func() []map[string]any {
		var all []map[string]any
		for _, e := range hook.AllEntries() {
			all = append(all, nested(e))
		}
		return all
	})
	// logrus has no entry without a time: this one rule of slog cannot be kept.
	all, _ := err.(interface{ Unwrap() []error })
	if all == nil || len(all.Unwrap()) != 1 || !strings.Contains(err.Error(), "zero Record.Time") {
		t.Errorf("slogtest says %v", err)
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
		log, hook := hooked(least)
		for _, l := range levels {
			hook.Reset()
			want := l.logrus <= least // the numbers of logrus fall with the weight
			if got := log.Enabled(t.Context(), l.slog); got != want {
				t.Errorf("logger at %v: %v is enabled: %v, want %v", least, l.slog, got, want)
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
	log, hook := hooked(logrus.InfoLevel)
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "v")
	at := time.Date(2020, 1, 2, 3, 4, 5, 6, time.UTC)
	r := slog.NewRecord(at, slog.LevelInfo, "message", 0)
	r.AddAttrs(slog.Duration("d", time.Second), slog.Any("error", awsiot.ErrClosed), slog.Group("g", slog.Int("n", 1), slog.Group("", slog.Bool("b", true))))
	// Three attributes leave room in their slice, for which the two handlers must not compete.
	h := log.Handler().WithAttrs([]slog.Attr{slog.String("a", "1"), slog.String("b", "2"), slog.String("c", "3")}).WithGroup("outer")
	one, two := h.WithAttrs([]slog.Attr{slog.Int("which", 1)}), h.WithAttrs([]slog.Attr{slog.Int("which", 2)})
	if err1, err2 := one.Handle(ctx, r), two.Handle(ctx, r); err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	for i, e := range hook.AllEntries() {
		want := logrus.Fields{"a": "1", "b": "2", "c": "3", "outer.which": int64(i + 1), "outer.d": time.Second, "outer.error": awsiot.ErrClosed, "outer.g.n": int64(1), "outer.g.b": true}
		if !reflect.DeepEqual(want, e.Data) {
			t.Errorf("entry %d: fields %v, want %v", i, e.Data, want)
		}
		if e.Message != "message" || !e.Time.Equal(at) || e.Context.Value(key{}) != "v" {
			t.Errorf("entry %d is %+v", i, e)
		}
	}
	if n := len(hook.AllEntries()); n != 2 {
		t.Errorf("%d entries, want 2", n)
	}
}

// The logger of the process may be set and taken away while others hold what Default has returned.
func TestDefault(t *testing.T) {
	log := Default().With("n", 1)
	former := chosen.Load()
	t.Cleanup(func() { SetDefault(former) })
	SetDefault(nil)
	if log.Enabled(t.Context(), slog.LevelWarn) {
		t.Error("a warning is logged without a logger")
	}
	l, hook := logrustest.NewNullLogger()
	SetDefault(l)
	log.Info("set")
	SetDefault(nil)
	log.Info("taken away")
	if got := hook.AllEntries(); len(got) != 1 || got[0].Message != "set" || got[0].Data["n"] != int64(1) {
		t.Errorf("entries: %v", got)
	}
}
