package greengrass

import (
	"errors"
	"fmt"
	"strings"
)

// The answers of the service that mean something to a program; test a *StatusError for them with errors.Is.
var (
	// ErrInvalidRequest is status 400, or a thing name that no thing can have.
	ErrInvalidRequest = errors.New("invalid discovery request")
	// ErrUnauthorized is status 401: the certificate is not that of the thing, or its policy lacks greengrass:Discover.
	ErrUnauthorized = errors.New("discovery request not authorized")
	// ErrNotFound is status 404: the thing is associated with no core.
	ErrNotFound = errors.New("no discovery data found")
	// ErrThrottled is status 429: too many requests; wait before the next.
	ErrThrottled = errors.New("too many discovery requests")
)

// ErrTooLarge is returned for an answer of more than Options.MaxResponseBytes.
var ErrTooLarge = errors.New("the answer is larger than MaxResponseBytes")

// ErrMissing is wrapped by a *FormatError about a member that is not there.
var ErrMissing = errors.New("is missing")

// Error is an attempt to discover that failed: it says what was asked of whom. Err is a *StatusError, a
// *FormatError, ErrTooLarge, a *awsiot.ValidationError for options that make no sense, the error of the
// network or of TLS, or context.DeadlineExceeded when Options.Timeout or the context's time was over.
type Error struct {
	Thing   string // the thing name
	Address string // host:port
	Err     error
}

// Error names the thing, the address and the cause.
func (e *Error) Error() string {
	if e.Address == "" {
		return fmt.Sprintf("greengrass: discover %q: %v", e.Thing, e.Err)
	}
	return fmt.Sprintf("greengrass: discover %q at %s: %v", e.Thing, e.Address, e.Err)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// StatusError is an answer with a status other than 200.
type StatusError struct {
	Code    int    // the HTTP status
	Message string // of the body's JSON member message (or Message); "" when there is none
	Body    string // the whole text
}

// Error returns the status and what the service says.
func (e *StatusError) Error() string {
	text := fmt.Sprintf("status %d", e.Code)
	if kind := e.kind(); kind != nil {
		text += ", " + kind.Error()
	}
	said := e.Message
	if said == "" {
		said = strings.TrimSpace(e.Body)
	}
	if said == "" {
		return text
	}
	const most = 500 // an error page of a proxy does not fill the log
	if len(said) > most {
		said = strings.ToValidUTF8(said[:most], "") + "..."
	}
	return text + ": " + said
}

// Is reports whether target is the sentinel of the status.
func (e *StatusError) Is(target error) bool {
	kind := e.kind()
	return kind != nil && target == kind
}

func (e *StatusError) kind() error {
	switch e.Code {
	case 400:
		return ErrInvalidRequest
	case 401:
		return ErrUnauthorized
	case 404:
		return ErrNotFound
	case 429:
		return ErrThrottled
	}
	return nil
}

// FormatError is an answer that is not what the discovery API returns.
type FormatError struct {
	Member  string // where it is, as "GGGroups[0].Cores[1].thingArn"; "": the document
	Problem string
	Err     error // of package json, ErrMissing, or nil
}

// Error names the member and the problem.
func (e *FormatError) Error() string {
	if e.Member == "" {
		return "the answer is malformed: " + e.Problem
	}
	return "the answer is malformed: " + e.Member + " " + e.Problem
}

// Unwrap returns Err.
func (e *FormatError) Unwrap() error { return e.Err }

// Attempt is a candidate that did not connect.
type Attempt struct {
	Candidate Candidate
	Err       error
}

// ConnectError is returned by Connect when no candidate connects.
type ConnectError struct {
	Attempts []Attempt // in their order; none: the answer has no address
	Err      error     // the end of the context, or nil
}

// Error lists the attempts.
func (e *ConnectError) Error() string {
	var said []string
	for _, a := range e.Attempts {
		said = append(said, fmt.Sprintf("%v: %v", a.Candidate, a.Err))
	}
	if e.Err != nil {
		said = append(said, e.Err.Error())
	} else if len(said) == 0 {
		said = append(said, "the answer names no address of a core")
	}
	return "greengrass: no core could be reached: " + strings.Join(said, "; ")
}

// Unwrap returns the errors of the attempts and Err.
func (e *ConnectError) Unwrap() []error {
	var all []error
	for _, a := range e.Attempts {
		all = append(all, a.Err)
	}
	if e.Err != nil {
		all = append(all, e.Err)
	}
	return all
}
