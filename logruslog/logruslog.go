// Package logruslog lets the clients of this module log to a logrus logger: they log to log/slog, and its records become
// entries of logrus with their level, time, message, context and fields.
//
//	opts.Logger = logruslog.New(logrus.StandardLogger())
//
// A logger for the whole process, which may be set when the clients are there already, is that of SetDefault and Default;
// v1compat.SetLogger sets the same one.
package logruslog

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/sirupsen/logrus"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// chosen is what SetDefault was given; nil: logging is not set up.
var chosen atomic.Pointer[logrus.Logger]

// SetDefault sets where Default logs, from now on and also for those that are in use: level, output and hooks are those of
// logger. Before it, and after SetDefault(nil), nothing is logged; a panic in a callback goes to slog.Default then. It may
// be called at any time.
func SetDefault(logger *logrus.Logger) { chosen.Store(logger) }

// Default returns a logger that writes to the one of SetDefault, whichever it is at that moment.
func Default() *slog.Logger { return slog.New(handler{to: &chosen}) }

// New returns a logger that writes to logger, with its level, output and hooks; nil is as in SetDefault. Packets, which
// clients log at awsiot.LevelTrace, are of logrus's trace level.
func New(logger *logrus.Logger) *slog.Logger {
	to := new(atomic.Pointer[logrus.Logger])
	to.Store(logger)
	return slog.New(handler{to: to})
}

// handler brings the records of log/slog to logrus, where a group is a prefix of its members' names.
type handler struct {
	to     *atomic.Pointer[logrus.Logger] // nil in it: logging is not set up
	fields []field                        // of WithAttrs
	prefix string                         // of the groups opened by WithGroup
}

type field struct {
	key   string
	value any
}

// Enabled follows the level that the logrus logger has at this moment.
func (h handler) Enabled(_ context.Context, level slog.Level) bool {
	l := h.to.Load()
	if l == nil {
		return level >= slog.LevelError // it may be a panic
	}
	return l.IsLevelEnabled(logrusLevel(level))
}

// Handle logs one record as one entry.
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	logger := h.to.Load()
	if logger == nil {
		return h.handlePanic(ctx, r)
	}
	fields := make(logrus.Fields, len(h.fields)+r.NumAttrs())
	for _, f := range h.fields {
		fields[f.key] = f.value
	}
	r.Attrs(func(a slog.Attr) bool {
		for _, f := range flatten(nil, h.prefix, a) {
			fields[f.key] = f.value
		}
		return true
	})
	// A zero time is none in slog; logrus puts the present in its place.
	logger.WithContext(ctx).WithFields(fields).WithTime(r.Time).Log(logrusLevel(r.Level), r.Message)
	return nil
}

// handlePanic gives a panic to slog.Default, and nothing else: for programs that have no logger.
func (h handler) handlePanic(ctx context.Context, r slog.Record) error {
	if !strings.HasPrefix(r.Message, "panic in ") {
		return nil
	}
	for _, f := range h.fields {
		r.AddAttrs(slog.Any(f.key, f.value))
	}
	return slog.Default().Handler().Handle(ctx, r)
}

// WithAttrs returns a handler whose entries have attrs too.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	fields := append([]field(nil), h.fields...)
	for _, a := range attrs {
		fields = flatten(fields, h.prefix, a)
	}
	return handler{h.to, fields, h.prefix}
}

// WithGroup returns a handler that puts what follows into the group.
func (h handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return handler{h.to, h.fields, h.prefix + name + "."}
}

// flatten appends the attribute, or the members of a group; those of one without
// a name stand beside it, and an empty attribute is none (see slog.Handler).
func flatten(fields []field, prefix string, a slog.Attr) []field {
	v := a.Value.Resolve()
	switch {
	case v.Kind() == slog.KindGroup:
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, m := range v.Group() {
			fields = flatten(fields, prefix, m)
		}
		return fields
	case a.Equal(slog.Attr{}):
		return fields
	}
	return append(fields, field{prefix + a.Key, v.Any()})
}

// logrusLevel is the level of logrus for one of slog. Fatal and Panic, which end
// the program, stand for none.
func logrusLevel(l slog.Level) logrus.Level {
	switch {
	case l <= awsiot.LevelTrace:
		return logrus.TraceLevel
	case l < slog.LevelInfo:
		return logrus.DebugLevel
	case l < slog.LevelWarn:
		return logrus.InfoLevel
	case l < slog.LevelError:
		return logrus.WarnLevel
	}
	return logrus.ErrorLevel
}
