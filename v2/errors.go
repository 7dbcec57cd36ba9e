package awsiot

import (
	"errors"
	"fmt"
	"strings"
)

// The ends of an operation that are not an answer of the broker. They arrive wrapped,
// with the operation and its topic in the text; test them with errors.Is.
var (
	// ErrClosed: the client was closed, now or before the call.
	ErrClosed = errors.New("client closed")
	// ErrStopped: the client was stopped while the operation was pending.
	ErrStopped = errors.New("client stopped")
	// ErrOffline: there is no connection, and the offline queue does not take such an operation.
	ErrOffline = errors.New("not connected, and the offline queue does not keep this operation")
	// ErrQueueFull: OfflineQueue.MaxOperations or MaxBytes is reached.
	ErrQueueFull = errors.New("queue full")
	// ErrDropped: removed from the full queue to make room for a newer operation.
	ErrDropped = errors.New("dropped from the full queue")
	// ErrExpired: MessageExpiry had passed before the message could be sent.
	ErrExpired = errors.New("message expired while it waited to be sent")
	// ErrAckTimeout: sent, and not acknowledged within AckTimeout. The broker may have it. The error wraps the reason of the
	// last connection's end if an earlier connection counts.
	ErrAckTimeout = errors.New("no acknowledgement in time")
	// ErrUnknownOutcome: the context ended after the packet was sent. The broker may have it.
	ErrUnknownOutcome = errors.New("outcome unknown: sent, not yet acknowledged")
	// ErrEndsConnection: the broker ends connections over the operation, which was the only one under way three times in a
	// row. The error wraps that of the last connection; where the broker gave a reason it is a *ReasonError about the operation.
	ErrEndsConnection = errors.New("the broker ends the connection over it")
	// ErrPending: Future.Result was asked before the operation ended.
	ErrPending = errors.New("operation pending")
	// ErrAckLost: the connection on which the message came is gone; the broker sends it again.
	ErrAckLost = errors.New("acknowledgement lost: the connection of this message is gone")
)

// The ends of a connection that the client itself decides on.
var (
	// ErrConnackTimeout: no CONNACK within ConnackTimeout.
	ErrConnackTimeout = errors.New("no CONNACK in time")
	// ErrPingTimeout: no PINGRESP within PingTimeout; the link is dead.
	ErrPingTimeout = errors.New("no PINGRESP in time: the link is dead")
	// ErrProtocol: the broker sent what MQTT 5 does not allow.
	ErrProtocol = errors.New("protocol error")
	// ErrUnexpectedSession: the broker resumed a session although a clean start was asked for [MQTT5-3.2.2-4].
	ErrUnexpectedSession = errors.New("the broker resumed a session that was not asked for")
)

// ReasonError is a refusal by the broker: a reason code of 0x80 and above in a PUBACK,
// SUBACK, UNSUBACK, CONNACK or DISCONNECT.
type ReasonError struct {
	Op             string // "publish", "subscribe", "unsubscribe", "connect" or "connection"
	Topic          string // topic or filter; empty for a connection
	Code           ReasonCode
	Reason         string // the broker's reason string, if any
	UserProperties []UserProperty
}

// Error returns a text such as `awsiot: publish "a/b": not authorized (0x87): policy`.
func (e *ReasonError) Error() string {
	var b strings.Builder
	b.WriteString("awsiot: ")
	b.WriteString(e.Op)
	if e.Topic != "" {
		fmt.Fprintf(&b, " %q", e.Topic)
	}
	fmt.Fprintf(&b, ": %s (0x%02X)", e.Code, byte(e.Code))
	if e.Reason != "" {
		b.WriteString(": ")
		b.WriteString(e.Reason)
	}
	return b.String()
}

// ConnectError is a failed attempt to connect. Connack is nil when the broker did not
// answer; Err says why and unwraps to the network, TLS or *ReasonError cause.
type ConnectError struct {
	Connack *ConnackPacket
	Err     error
}

// Error returns the cause, prefixed.
func (e *ConnectError) Error() string {
	if e.Err == nil {
		return "awsiot: connect: failed"
	}
	return "awsiot: connect: " + strings.TrimPrefix(strings.TrimPrefix(e.Err.Error(), "awsiot: "), "connect: ")
}

// Unwrap returns Err.
func (e *ConnectError) Unwrap() error { return e.Err }

// ValidationError is a wrong option, packet or argument, found before anything is sent.
type ValidationError struct {
	Field   string // the Go name of the field, as "Topic" or "OfflineQueue.WhenFull"
	Problem string
	err     error // the cause, when there is one (a file that cannot be read)
}

// Error returns the field and the problem.
func (e *ValidationError) Error() string { return "awsiot: " + e.Field + ": " + e.Problem }

// Unwrap returns the cause, such as the *fs.PathError of a file, or nil.
func (e *ValidationError) Unwrap() error { return e.err }

// ReasonOf returns the reason code that err carries, and whether it carries one.
func ReasonOf(err error) (ReasonCode, bool) {
	var re *ReasonError
	if errors.As(err, &re) {
		return re.Code, true
	}
	var ce *ConnectError
	if errors.As(err, &ce) && ce.Connack != nil {
		return ce.Connack.Code, true
	}
	return 0, false
}

// Retryable reports whether the same call may succeed later without a change by the
// program: false for nil, validation errors, a closed client, ErrEndsConnection, the reason codes that do
// not heal by themselves (0x80-0x86, 0x8A, 0x8C, 0x90, 0x95, 0x99-0x9D), and on an operation also the others
// that blame the packet (0x8F, 0x9E, 0xA1, 0xA2).
func Retryable(err error) bool {
	if err == nil || errors.Is(err, ErrClosed) || errors.Is(err, ErrEndsConnection) {
		return false
	}
	var ve *ValidationError
	if errors.As(err, &ve) {
		return false
	}
	if re, ok := errors.AsType[*ReasonError](err); ok && re.Op != "connect" && re.Op != "connection" && blame[re.Code] == lossBlamed {
		return false
	}
	if code, ok := ReasonOf(err); ok {
		return code.heals()
	}
	return true
}

// opError wraps the sentinel or cause err with the operation and its topic.
func opError(op, topic string, err error) error {
	if topic == "" {
		return fmt.Errorf("awsiot: %s: %w", op, err)
	}
	return fmt.Errorf("awsiot: %s %q: %w", op, topic, err)
}
