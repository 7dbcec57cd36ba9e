package v1compat

import (
	"errors"
	"fmt"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// ValueError is Python's ValueError, which v1 raised for an argument with a bad
// value. Message is v1's text; Err, if any, says what is wrong with it.
//
// Deprecated: use *awsiot.ValidationError.
type ValueError struct {
	Message string
	Err     error
}

// Error returns v1's text and, in brackets, what is wrong.
func (e *ValueError) Error() string { return argument(e.Message, e.Err) }

// Unwrap returns what is wrong.
func (e *ValueError) Unwrap() error { return e.Err }

// TypeError is Python's TypeError, which v1 raised for an argument of a type it
// does not take. Message is v1's text; Err, if any, names the type.
//
// Deprecated: use *awsiot.ValidationError.
type TypeError struct {
	Message string
	Err     error
}

// Error returns v1's text and, in brackets, what is wrong.
func (e *TypeError) Error() string { return argument(e.Message, e.Err) }

// Unwrap returns what is wrong.
func (e *TypeError) Unwrap() error { return e.Err }

// KeyError is Python's KeyError, which v1 raised when it was asked for something
// it does not have, as for a delta callback that is not registered.
//
// Deprecated: use iotshadow, which has no such case.
type KeyError struct{ Key string }

// Error returns the key as Python shows it.
func (e *KeyError) Error() string { return fmt.Sprintf("no such key: '%s'", e.Key) }

func argument(message string, cause error) string {
	if cause == nil {
		return message
	}
	return message + " (" + cause.Error() + ")"
}

// valueError gives the validation errors in err their v1 type.
func valueError(err error) error {
	var ve *awsiot.ValidationError
	if !errors.As(err, &ve) {
		return err
	}
	text := "Invalid argument."
	switch ve.Field {
	case "Endpoint":
		text = "Invalid host."
	case "Port":
		text = "Invalid port number."
	case "KeepAlive":
		text = "Keepalive must be >=0."
	case "Topic", "TopicFilter":
		text = "Invalid topic."
	case "QoS":
		text = "Invalid QoS level."
	}
	return &ValueError{Message: text, Err: err}
}

// ConfigureError is one thing that is wrong with the configuration. v1 raised it
// from the Configure call; here Configure returns nothing and Connect returns
// all of them, joined: find them with errors.As, which descends into Err too.
//
// Deprecated: use *awsiot.ValidationError.
type ConfigureError struct {
	Call string // the Configure call or constructor option, as "ConfigureEndpoint"
	Err  error  // *ValueError, *TypeError, *fs.PathError, or one of the errors below
}

// Error names the call and what is wrong.
func (e *ConfigureError) Error() string { return "v1compat: " + e.Call + ": " + e.Err.Error() }

// Unwrap returns what is wrong.
func (e *ConfigureError) Unwrap() error { return e.Err }

// Errors that a ConfigureError wraps; v1 did not report these.
//
// Deprecated: use *awsiot.ValidationError.
var (
	// ErrTooManyArguments is what Connect reports for an optional argument given
	// more than once.
	ErrTooManyArguments = errors.New("takes at most one optional argument")
)
