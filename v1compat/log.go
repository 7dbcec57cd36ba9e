package v1compat

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/sirupsen/logrus"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// v1's logger names: that of the client, and that of its network side, for what
// the awsiot.Client underneath logs. logrus has no named loggers, so the field
// "logger" carries them; both begin with the name that v1's samples set a level
// for, AWSIoTPythonSDK.core.
const (
	loggerClient = "AWSIoTPythonSDK.core.protocol.mqtt_core"
	loggerCore   = "AWSIoTPythonSDK.core.protocol.internal.clients"
)

// chosenLogger is what SetLogger was given; nil is logrus's standard logger.
var chosenLogger atomic.Pointer[logrus.Logger]

// SetLogger sets where the clients of this package log, those that are there
// already too; nil is logrus.StandardLogger(), as at the beginning. It stands for
// logging.getLogger("AWSIoTPythonSDK.core") of v1, whose level and handlers are the
// level, the output and the hooks of logger. It may be called at any time. Every
// event is one entry, with the fields logger (v1's logger name) and client_id;
// payloads and secrets are never in one. Packets are logged at trace level, by
// clients that were made while the logger had it.
//
// A client made by FromV2 logs its own events here; its awsiot.Client keeps the
// logger of its options.
//
// Deprecated: use awsiot.ClientOptions.Logger.
func SetLogger(logger *logrus.Logger) { chosenLogger.Store(logger) }

func currentLogger() *logrus.Logger {
	if l := chosenLogger.Load(); l != nil {
		return l
	}
	return logrus.StandardLogger()
}

// Logger returns a log/slog logger that writes where the clients of this package
// do, under one of v1's logger names: for the packages beside this one. v1 had
// logging.getLogger(name).
//
// Deprecated: use log/slog.
func Logger(name string) *slog.Logger { return slog.New(logHandler{}).With("logger", name) }

// logger returns the logger of the client.
func (c *AWSIoTMQTTClient) logger() *slog.Logger {
	return Logger(loggerClient).With("client_id", c.settings.clientID)
}

// coreLogger returns the logger of the core.
func (s *settings) coreLogger() *slog.Logger {
	return slog.New(coreHandler{logHandler{}}).With("logger", loggerCore, "client_id", s.clientID)
}

// logHandler brings the records of log/slog to logrus, where a group is a prefix
// of its members' names. The zero value is ready for use.
type logHandler struct {
	fields []logField // of WithAttrs
	prefix string     // of the groups opened by WithGroup
}

type logField struct {
	key   string
	value any
}

// Enabled follows the level that the logrus logger has at this moment.
func (h logHandler) Enabled(_ context.Context, level slog.Level) bool {
	return currentLogger().IsLevelEnabled(logrusLevel(level))
}

// Handle logs one record as one entry.
func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
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
	currentLogger().WithContext(ctx).WithFields(fields).WithTime(r.Time).Log(logrusLevel(r.Level), r.Message)
	return nil
}

// WithAttrs returns a handler whose entries have attrs too.
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	fields := append([]logField(nil), h.fields...)
	for _, a := range attrs {
		fields = flatten(fields, h.prefix, a)
	}
	return logHandler{fields, h.prefix}
}

// WithGroup returns a handler that puts what follows into the group.
func (h logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return logHandler{h.fields, h.prefix + name + "."}
}

// flatten appends the attribute, or the members of a group; those of one without
// a name stand beside it, and an empty attribute is none (see slog.Handler).
func flatten(fields []logField, prefix string, a slog.Attr) []logField {
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
	return append(fields, logField{prefix + a.Key, v.Any()})
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

// coreHandler leaves out of what the core logs the events that this package tells
// in its own way, so that no event is logged twice.
type coreHandler struct{ slog.Handler }

// Handle passes the record on unless OnAsyncError, or the log in its place, is told.
func (h coreHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "resubscribing failed" {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs keeps the filter.
func (h coreHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return coreHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the filter.
func (h coreHandler) WithGroup(name string) slog.Handler {
	return coreHandler{h.Handler.WithGroup(name)}
}
