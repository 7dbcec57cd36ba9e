package v1compat

import "fmt"

// OperationTimeoutError is v1's root operationTimeoutException, for errors.As:
//
//	var timeout v1compat.OperationTimeoutError
//	if errors.As(err, &timeout) { ... }
//
// The timeout errors of this package match it, and nothing else.
//
// Deprecated: use errors.Is with awsiot.ErrAckTimeout or awsiot.ErrConnackTimeout.
type OperationTimeoutError interface {
	error
	operationTimeout()
}

// OperationError is v1's root operationError, for errors.As. The errors of this
// package about a refused, failed or unqueued operation match it, and nothing
// else.
//
// Deprecated: use the errors of package awsiot.
type OperationError interface {
	error
	operation()
}

// The codes of v1's connectError, publishError and their like (Paho's
// MQTT_ERR_*). They say less than the error wrapped.
const (
	codeProtocol     = 2  // the peer or the caller broke the protocol
	codeInvalid      = 3  // invalid argument
	codeNoConnection = 4  // the only code that v1 itself was seen to raise
	codeConnLost     = 7  // connection lost
	codePayloadSize  = 9  // payload too large
	codeUnsupported  = 10 // not supported
	codeACL          = 12 // not authorized
	codeUnknown      = 13 // unknown
)

// withCause appends the cause to v1's text.
func withCause(text string, cause error) string {
	if cause == nil {
		return text
	}
	return text + ": " + cause.Error()
}

// ConnectTimeoutError is v1's connectTimeoutException: no CONNACK came in the
// time of ConfigureConnectDisconnectTimeout, or the server closed the connection
// instead of sending one. Err says which.
//
// Deprecated: use *awsiot.ConnectError.
type ConnectTimeoutError struct{ Err error }

// Error returns v1's text and the cause.
func (e *ConnectTimeoutError) Error() string { return withCause("Connect Timeout", e.Err) }

// Unwrap returns the error of package awsiot.
func (e *ConnectTimeoutError) Unwrap() error     { return e.Err }
func (e *ConnectTimeoutError) operationTimeout() {}

// DisconnectTimeoutError is v1's disconnectTimeoutException: the connection was
// not closed in the time of ConfigureConnectDisconnectTimeout.
//
// Deprecated: use the context of awsiot.Client.Stop.
type DisconnectTimeoutError struct{ Err error }

// Error returns v1's text and the cause.
func (e *DisconnectTimeoutError) Error() string { return withCause("Disconnect Timeout", e.Err) }

// Unwrap returns the error of package awsiot.
func (e *DisconnectTimeoutError) Unwrap() error     { return e.Err }
func (e *DisconnectTimeoutError) operationTimeout() {}

// PublishTimeoutError is v1's publishTimeoutException: no PUBACK came in the
// time of ConfigureMQTTOperationTimeout. The message is still on its way, as in
// v1: it is sent again after a reconnect, and a caller that publishes it once
// more may deliver it twice. It wraps awsiot.ErrAckTimeout.
//
// Deprecated: use awsiot.ErrAckTimeout.
type PublishTimeoutError struct{ Err error }

// Error returns v1's text.
func (e *PublishTimeoutError) Error() string { return "Publish Timeout" }

// Unwrap returns the error of package awsiot.
func (e *PublishTimeoutError) Unwrap() error     { return e.Err }
func (e *PublishTimeoutError) operationTimeout() {}

// SubscribeTimeoutError is v1's subscribeTimeoutException. The filter stays
// recorded: its messages are dispatched and it is subscribed again after a
// reconnect, as in v1. It wraps awsiot.ErrAckTimeout.
//
// Deprecated: use awsiot.ErrAckTimeout.
type SubscribeTimeoutError struct{ Err error }

// Error returns v1's text.
func (e *SubscribeTimeoutError) Error() string { return "Subscribe Timeout" }

// Unwrap returns the error of package awsiot.
func (e *SubscribeTimeoutError) Unwrap() error     { return e.Err }
func (e *SubscribeTimeoutError) operationTimeout() {}

// UnsubscribeTimeoutError is v1's unsubscribeTimeoutException. It wraps
// awsiot.ErrAckTimeout.
//
// Deprecated: use awsiot.ErrAckTimeout.
type UnsubscribeTimeoutError struct{ Err error }

// Error returns v1's text.
func (e *UnsubscribeTimeoutError) Error() string { return "Unsubscribe Timeout" }

// Unwrap returns the error of package awsiot.
func (e *UnsubscribeTimeoutError) Unwrap() error     { return e.Err }
func (e *UnsubscribeTimeoutError) operationTimeout() {}

// ConnectError is v1's connectError. Code is the return code of MQTT 3.1.1, 1 to
// 5, that corresponds to the reason code of the CONNACK (1 protocol version, 2
// client id, 3 server unavailable, 4 user name or password, 5 not authorized).
// v1 had the type but returned True for a refused connection; the quirk
// AcceptRefusedConnect brings that back. It wraps *awsiot.ConnectError.
//
// Deprecated: use *awsiot.ConnectError.
type ConnectError struct {
	Code int
	Err  error
}

// Error returns v1's text and the cause.
func (e *ConnectError) Error() string {
	return withCause(fmt.Sprintf("Connect Error: %d", e.Code), e.Err)
}

// Unwrap returns the error of package awsiot.
func (e *ConnectError) Unwrap() error { return e.Err }
func (e *ConnectError) operation()    {}

// DisconnectError is v1's disconnectError. Code 4: there is no connection to
// end.
//
// Deprecated: use awsiot.Client.State.
type DisconnectError struct {
	Code int
	Err  error
}

// Error returns v1's text and the cause.
func (e *DisconnectError) Error() string {
	return withCause(fmt.Sprintf("Disconnect Error: %d", e.Code), e.Err)
}

// Unwrap returns the error of package awsiot.
func (e *DisconnectError) Unwrap() error { return e.Err }
func (e *DisconnectError) operation()    {}

// PublishError is v1's publishError. Code is one of v1's error codes: 12 when
// the policy denies the topic, 4 when the connection or the client ended; for a
// refusal it wraps the *awsiot.ReasonError.
//
// Deprecated: use *awsiot.ReasonError.
type PublishError struct {
	Code int
	Err  error
}

// Error returns v1's text and the cause.
func (e *PublishError) Error() string {
	return withCause(fmt.Sprintf("Publish Error: %d", e.Code), e.Err)
}

// Unwrap returns the error of package awsiot.
func (e *PublishError) Unwrap() error { return e.Err }
func (e *PublishError) operation()    {}

// SubscribeError is v1's subscribeError: the SUBSCRIBE could not be sent or its
// answer was lost. A refusal is a SubackError.
//
// Deprecated: use awsiot.ErrStopped and awsiot.ErrClosed.
type SubscribeError struct {
	Code int
	Err  error
}

// Error returns v1's text and the cause.
func (e *SubscribeError) Error() string {
	return withCause(fmt.Sprintf("Subscribe Error: %d", e.Code), e.Err)
}

// Unwrap returns the error of package awsiot.
func (e *SubscribeError) Unwrap() error { return e.Err }
func (e *SubscribeError) operation()    {}

// UnsubscribeError is v1's unsubscribeError. On MQTT 5 it also stands for an
// UNSUBACK that refuses, which MQTT 3.1.1 did not have.
//
// Deprecated: use *awsiot.ReasonError.
type UnsubscribeError struct {
	Code int
	Err  error
}

// Error returns v1's text and the cause.
func (e *UnsubscribeError) Error() string {
	return withCause(fmt.Sprintf("Unsubscribe Error: %d", e.Code), e.Err)
}

// Unwrap returns the error of package awsiot.
func (e *UnsubscribeError) Unwrap() error { return e.Err }
func (e *UnsubscribeError) operation()    {}

// SubackError is v1's subackError: the server refused the filter. Suback is the
// code of the SUBACK, 0x80 or higher: v1 on MQTT 3.1.1 saw 0x80 only, MQTT 5
// names the reason, as 0x87 for not authorized. It wraps *awsiot.ReasonError.
//
// Deprecated: use *awsiot.ReasonError.
type SubackError struct {
	Suback byte
	Err    error
}

// Error returns v1's text and the cause.
func (e *SubackError) Error() string {
	return withCause("Received Error suback. Subscription failed.", e.Err)
}

// Unwrap returns the error of package awsiot.
func (e *SubackError) Unwrap() error { return e.Err }
func (e *SubackError) operation()    {}

// PublishQueueFullError is v1's publishQueueFullException. With DropOldest it is
// returned although the new message was queued: the oldest request was dropped
// for it. That is how v1's callers count drops; the quirk DropOldestQuietly ends
// it. It wraps awsiot.ErrQueueFull.
//
// Deprecated: use awsiot.ErrQueueFull.
type PublishQueueFullError struct{ Err error }

// Error returns v1's text.
func (e *PublishQueueFullError) Error() string { return "Internal Publish Queue Full" }

// Unwrap returns the error of package awsiot.
func (e *PublishQueueFullError) Unwrap() error { return e.Err }
func (e *PublishQueueFullError) operation()    {}

// PublishQueueDisabledError is v1's publishQueueDisabledException: the client is
// offline and its queue size is 0. It wraps awsiot.ErrOffline.
//
// Deprecated: use awsiot.ErrOffline.
type PublishQueueDisabledError struct{ Err error }

// Error returns v1's text.
func (e *PublishQueueDisabledError) Error() string {
	return "Offline publish request dropped because queueing is disabled"
}

// Unwrap returns the error of package awsiot.
func (e *PublishQueueDisabledError) Unwrap() error { return e.Err }
func (e *PublishQueueDisabledError) operation()    {}

// SubscribeQueueFullError is v1's subscribeQueueFullException; see
// PublishQueueFullError.
//
// Deprecated: use awsiot.ErrQueueFull.
type SubscribeQueueFullError struct{ Err error }

// Error returns v1's text.
func (e *SubscribeQueueFullError) Error() string { return "Internal Subscribe Queue Full" }

// Unwrap returns the error of package awsiot.
func (e *SubscribeQueueFullError) Unwrap() error { return e.Err }
func (e *SubscribeQueueFullError) operation()    {}

// SubscribeQueueDisabledError is v1's subscribeQueueDisabledException; see
// PublishQueueDisabledError.
//
// Deprecated: use awsiot.ErrOffline.
type SubscribeQueueDisabledError struct{ Err error }

// Error returns v1's text.
func (e *SubscribeQueueDisabledError) Error() string {
	return "Offline subscribe request dropped because queueing is disabled"
}

// Unwrap returns the error of package awsiot.
func (e *SubscribeQueueDisabledError) Unwrap() error { return e.Err }
func (e *SubscribeQueueDisabledError) operation()    {}

// UnsubscribeQueueFullError is v1's unsubscribeQueueFullException; see
// PublishQueueFullError.
//
// Deprecated: use awsiot.ErrQueueFull.
type UnsubscribeQueueFullError struct{ Err error }

// Error returns v1's text.
func (e *UnsubscribeQueueFullError) Error() string { return "Internal Unsubscribe Queue Full" }

// Unwrap returns the error of package awsiot.
func (e *UnsubscribeQueueFullError) Unwrap() error { return e.Err }
func (e *UnsubscribeQueueFullError) operation()    {}

// UnsubscribeQueueDisabledError is v1's unsubscribeQueueDisabledException; see
// PublishQueueDisabledError.
//
// Deprecated: use awsiot.ErrOffline.
type UnsubscribeQueueDisabledError struct{ Err error }

// Error returns v1's text.
func (e *UnsubscribeQueueDisabledError) Error() string {
	return "Offline unsubscribe request dropped because queueing is disabled"
}

// Unwrap returns the error of package awsiot.
func (e *UnsubscribeQueueDisabledError) Unwrap() error { return e.Err }
func (e *UnsubscribeQueueDisabledError) operation()    {}
