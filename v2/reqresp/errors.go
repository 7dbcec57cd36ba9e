package reqresp

import (
	"context"
	"errors"
	"fmt"
	"strings"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// The ends of a request or a stream that neither the service nor the network decides on; they arrive in an *Error.
var (
	// ErrClosed: this Client or Stream was closed.
	ErrClosed = errors.New("closed")
	// ErrTimeout: no answer came in time. The service may have carried the request out. It is also a
	// context.DeadlineExceeded.
	ErrTimeout error = timeout{}
	// ErrAnswerLost: the request was taken, and the broker then forgot the session, and with it perhaps the
	// answer. Operations that only read are sent again instead.
	ErrAnswerLost = errors.New("the session was lost, and with it perhaps the answer")
	// ErrMalformed: the answer is not what the service documents; Error.Payload has it.
	ErrMalformed = errors.New("malformed answer")
	// ErrNoCapacity: a stream needs another subscription than Options.MaxStreamingSubscriptions allows.
	ErrNoCapacity = errors.New("no subscription left for another stream")
)

type timeout struct{}

func (timeout) Error() string        { return "no answer in time" }
func (timeout) Timeout() bool        { return true }
func (timeout) Is(target error) bool { return target == context.DeadlineExceeded }

// Error is the failure of a request or a stream. Err is one of the errors of this package, of a
// service (such as *iotshadow.RejectedError), of awsiot, a *awsiot.ValidationError for what is wrong with the
// request, or the cause of a context.
type Error struct {
	Operation string // as "iotshadow.GetShadow"
	Topic     string // of the request, or the filter of a stream; "" when it could not be told
	Token     string // the correlation token that was sent; "" for none
	Payload   []byte // with ErrMalformed: the answer
	Hint      string // what the cause may be, if that is known
	Err       error
}

// Error returns a text such as `iotshadow.GetShadow "$aws/things/lamp/shadow/get": no answer in time`.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Operation)
	if e.Topic != "" {
		fmt.Fprintf(&b, " %q", e.Topic)
	}
	b.WriteString(": ")
	text := strings.TrimPrefix(e.Err.Error(), "awsiot: ")
	if e.Hint != "" {
		if at := strings.LastIndex(text, "; hint: "); at >= 0 {
			text = text[:at] // the client's own, which knows less
		}
		text += " (" + e.Hint + ")"
	}
	return b.String() + text
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Retryable reports whether the same request may succeed later without a change by anybody: false for what is wrong with the
// request, what is closed, and what the policy denies. Refusals by a service are that service's to judge: they are errors of its
// package, and true here.
func Retryable(err error) bool {
	if err == nil || errors.Is(err, ErrClosed) || errors.Is(err, ErrMalformed) || errors.Is(err, ErrNoCapacity) {
		return false
	}
	if code, refused := awsiot.ReasonOf(err); refused {
		return passing[code]
	}
	return awsiot.Retryable(err)
}

// passing has the reasons for which a broker may refuse a packet now and take it later.
var passing = map[awsiot.ReasonCode]bool{
	awsiot.ReasonUnspecifiedError: true, awsiot.ReasonImplementationSpecificError: true, awsiot.ReasonServerUnavailable: true, awsiot.ReasonServerBusy: true,
	awsiot.ReasonPacketIdentifierInUse: true, awsiot.ReasonReceiveMaximumExceeded: true, awsiot.ReasonMessageRateTooHigh: true, awsiot.ReasonQuotaExceeded: true,
}

// hintOf says what a refused subscription to answers may come from.
func hintOf(filter string, replies []Reply, err error) string {
	code, ok := awsiot.ReasonOf(err)
	if !ok || code != awsiot.ReasonNotAuthorized {
		return ""
	}
	if stem, wild := strings.CutSuffix(filter, "/+"); wild && len(replies) > 0 {
		return fmt.Sprintf("the policy must allow iot:Subscribe to topicfilter/%s: that it allows %s/accepted and %s/rejected one by one is not enough", filter, stem, stem)
	}
	return "the policy must allow iot:Subscribe to topicfilter/" + filter
}

// invalid returns the error of a wrong option or argument.
func invalid(field, format string, args ...any) error {
	return &awsiot.ValidationError{Field: field, Problem: fmt.Sprintf(format, args...)}
}
