package v1compat

import "log/slog"

// logger returns the logger of the client: v1's logger name, the client id.
func (c *AWSIoTMQTTClient) logger() *slog.Logger {
	return slog.Default().With("logger", "AWSIoTPythonSDK.core", "client_id", c.settings.clientID)
}
