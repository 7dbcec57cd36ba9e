package v1compat

import (
	"context"
	"log/slog"

	"github.com/sirupsen/logrus"

	"github.com/portage-iot/awsiot/logruslog"
)

// v1's logger names: that of the client, and that of its network side, for what
// the awsiot.Client underneath logs. logrus has no named loggers, so the field
// "logger" carries them; both begin with the name that v1's samples set a level
// for, AWSIoTPythonSDK.core.
const (
	loggerClient = "AWSIoTPythonSDK.core.protocol.mqtt_core"
	loggerCore   = "AWSIoTPythonSDK.core.protocol.internal.clients"
)

// SetLogger sets where the clients of this package log, those that are there
// already too. It stands for logging.getLogger("AWSIoTPythonSDK.core") of v1, whose
// level and handlers are the level, the output and the hooks of logger;
// logrus.StandardLogger() is one. Without it, and after SetLogger(nil), nothing is
// logged, as v1's programs saw nothing until they had added a handler; a panic in a
// callback goes to slog.Default then, as Python printed the traceback. It may be
// called at any time. Every event is one entry, with the fields logger (v1's logger
// name) and client_id; payloads and secrets are never in one. Packets are logged at
// trace level, by clients that were made while the logger had it.
//
// A client made by FromV2 logs its own events here; its awsiot.Client keeps the
// logger of its options.
//
// Deprecated: use logruslog.SetDefault, which sets the same logger, or awsiot.ClientOptions.Logger.
func SetLogger(logger *logrus.Logger) { logruslog.SetDefault(logger) }

// Logger returns a log/slog logger that writes where the clients of this package
// do, under one of v1's logger names: for the packages beside this one. v1 had
// logging.getLogger(name).
//
// Deprecated: use logruslog.Default, or log/slog.
func Logger(name string) *slog.Logger { return logruslog.Default().With("logger", name) }

// logger returns the logger of the client.
func (c *AWSIoTMQTTClient) logger() *slog.Logger {
	return Logger(loggerClient).With("client_id", c.settings.clientID)
}

// coreLogger returns the logger of the core.
func (s *settings) coreLogger() *slog.Logger {
	return slog.New(coreHandler{logruslog.Default().Handler()}).With("logger", loggerCore, "client_id", s.clientID)
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
