package discovery

import "github.com/portage-iot/awsiot/v1compat"

// The roots of v1's exceptions are interfaces that only package v1compat can implement. Embedding one lends its
// mark to a type of this package; the embedded value is nil and never called.
type (
	timeoutRoot   = v1compat.OperationTimeoutError
	operationRoot = v1compat.OperationError
)

var (
	_ timeoutRoot   = (*DiscoveryTimeoutError)(nil)
	_ operationRoot = (*DiscoveryInvalidRequestError)(nil)
	_ operationRoot = (*DiscoveryUnauthorizedError)(nil)
	_ operationRoot = (*DiscoveryDataNotFoundError)(nil)
	_ operationRoot = (*DiscoveryThrottlingError)(nil)
	_ operationRoot = (*DiscoveryFailure)(nil)
)

func withCause(text string, cause error) string {
	if cause == nil {
		return text
	}
	return text + ": " + cause.Error()
}

// DiscoveryTimeoutError is v1's DiscoveryTimeoutException: no complete answer came in the time of ConfigureTimeout. It
// is a v1compat.OperationTimeoutError and wraps context.DeadlineExceeded.
//
// Deprecated: use context.DeadlineExceeded.
type DiscoveryTimeoutError struct {
	//lint:ignore U1000 its method is promoted
	timeoutRoot
	Err error
}

// Error returns v1's text and the cause.
func (e *DiscoveryTimeoutError) Error() string {
	return withCause("Discovery request timed out", e.Err)
}

// Unwrap returns the *greengrass.Error.
func (e *DiscoveryTimeoutError) Unwrap() error { return e.Err }

// DiscoveryInvalidRequestError is v1's DiscoveryInvalidRequestException: status 400, or a thing name that no thing can
// have. It is a v1compat.OperationError, as are all below.
//
// Deprecated: use greengrass.ErrInvalidRequest.
type DiscoveryInvalidRequestError struct {
	//lint:ignore U1000 its method is promoted
	operationRoot
	Err error
}

// Error returns v1's text and the cause.
func (e *DiscoveryInvalidRequestError) Error() string {
	return withCause("Invalid discovery request", e.Err)
}

// Unwrap returns the *greengrass.Error.
func (e *DiscoveryInvalidRequestError) Unwrap() error { return e.Err }

// DiscoveryUnauthorizedError is v1's DiscoveryUnauthorizedException: status 401.
//
// Deprecated: use greengrass.ErrUnauthorized.
type DiscoveryUnauthorizedError struct {
	//lint:ignore U1000 its method is promoted
	operationRoot
	Err error
}

// Error returns v1's text and the cause.
func (e *DiscoveryUnauthorizedError) Error() string {
	return withCause("Discovery request not authorized", e.Err)
}

// Unwrap returns the *greengrass.Error.
func (e *DiscoveryUnauthorizedError) Unwrap() error { return e.Err }

// DiscoveryDataNotFoundError is v1's DiscoveryDataNotFoundException: status 404, the thing is associated with no core.
//
// Deprecated: use greengrass.ErrNotFound.
type DiscoveryDataNotFoundError struct {
	//lint:ignore U1000 its method is promoted
	operationRoot
	Err error
}

// Error returns v1's text and the cause.
func (e *DiscoveryDataNotFoundError) Error() string {
	return withCause("No discovery data found", e.Err)
}

// Unwrap returns the *greengrass.Error.
func (e *DiscoveryDataNotFoundError) Unwrap() error { return e.Err }

// DiscoveryThrottlingError is v1's DiscoveryThrottlingException: status 429.
//
// Deprecated: use greengrass.ErrThrottled.
type DiscoveryThrottlingError struct {
	//lint:ignore U1000 its method is promoted
	operationRoot
	Err error
}

// Error returns v1's text and the cause.
func (e *DiscoveryThrottlingError) Error() string {
	return withCause("Too many discovery requests", e.Err)
}

// Unwrap returns the *greengrass.Error.
func (e *DiscoveryThrottlingError) Unwrap() error { return e.Err }

// DiscoveryFailure is v1's DiscoveryFailure: any other status. Message is the body of the answer, as in v1.
//
// Deprecated: use *greengrass.StatusError.
type DiscoveryFailure struct {
	//lint:ignore U1000 its method is promoted
	operationRoot
	Message string
	Err     error
}

// Error says what came, or v1's message when there is no cause.
func (e *DiscoveryFailure) Error() string {
	if e.Err == nil {
		return "Discovery failure: " + e.Message
	}
	return withCause("Discovery failure", e.Err) // it has the message
}

// Unwrap returns the *greengrass.Error.
func (e *DiscoveryFailure) Unwrap() error { return e.Err }
