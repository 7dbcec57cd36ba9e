package v1compat

import (
	"context"
	"errors"
	"fmt"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/awsauth"
)

// iamKeys is what ConfigureIAMCredentials was given last.
type iamKeys struct{ id, secret, token string }

// source is aws.CredentialsProvider. Nothing here looks into the credentials, so
// their type stays a parameter, and package aws is no import of this package.
type source[C any] interface {
	Retrieve(context.Context) (C, error)
}

// latestKeys is the credentials provider of a websocket client. It is asked at
// every handshake, and so follows ConfigureIAMCredentials and the chain.
type latestKeys[C any, P source[C]] struct {
	keys   func() iamKeys
	static func(id, secret, token string) P
	chain  P
}

// newLatestKeys is a function because Go infers type arguments for functions only.
func newLatestKeys[C any, P source[C]](keys func() iamKeys, static func(id, secret, token string) P, chain P) *latestKeys[C, P] {
	return &latestKeys[C, P]{keys, static, chain}
}

// Retrieve returns the keys that were configured, or what v1's chain finds when
// one of the two is empty, as v1 did.
func (l *latestKeys[C, P]) Retrieve(ctx context.Context) (C, error) {
	k := l.keys()
	if k.id != "" && k.secret != "" {
		return l.static(k.id, k.secret, k.token).Retrieve(ctx)
	}
	c, err := l.chain.Retrieve(ctx)
	switch {
	case err == nil:
	case k.id != "":
		err = fmt.Errorf("ConfigureIAMCredentials was given no secret access key: %w", err)
	case k.secret != "":
		err = fmt.Errorf("ConfigureIAMCredentials was given no access key id: %w", err)
	}
	return c, err
}

// iamKeys returns what ConfigureIAMCredentials was given last.
func (c *AWSIoTMQTTClient) iamKeys() iamKeys {
	c.mu.Lock()
	defer c.mu.Unlock()
	keys, _ := c.settings.iam.open()
	return keys
}

// websocketAuth signs each handshake anew, for the region in the endpoint's name.
func websocketAuth(keys func() iamKeys) awsiot.Auth {
	return awsauth.Websocket("", newLatestKeys(keys, awsauth.Static, awsauth.V1Chain()))
}

// WssNoKeyInEnvironmentError is v1's wssNoKeyInEnvironmentError: there are no AWS
// credentials to sign the websocket handshake with. v1 turned it into a
// ValueError on its way to the caller; here the *ValueError wraps it, so both are
// found by errors.As. It wraps *awsauth.NoCredentialsError, which says where was
// looked and what was missing.
//
// Deprecated: use *awsauth.NoCredentialsError.
type WssNoKeyInEnvironmentError struct{ Err error }

// Error returns v1's text and the cause.
func (e *WssNoKeyInEnvironmentError) Error() string {
	return withCause("No AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY detected in $ENV.", e.Err)
}

// Unwrap returns the error of package awsiot.
func (e *WssNoKeyInEnvironmentError) Unwrap() error { return e.Err }
func (e *WssNoKeyInEnvironmentError) operation()    {}

// WssHandShakeError is v1's wssHandShakeError: the server refused the websocket
// handshake, or the credentials cannot sign one. v1 turned it into a ValueError
// on its way to the caller; here the *ValueError wraps it, so both are found by
// errors.As. It wraps *awsiot.UpgradeError with the HTTP status, 403 for
// credentials that are wrong, have ended or are not allowed to connect, or
// *awsauth.CredentialsError.
//
// Deprecated: use *awsiot.UpgradeError and *awsauth.CredentialsError.
type WssHandShakeError struct{ Err error }

// Error returns v1's text and the cause.
func (e *WssHandShakeError) Error() string { return withCause("Error in WSS handshake.", e.Err) }

// Unwrap returns the error of package awsiot.
func (e *WssHandShakeError) Unwrap() error { return e.Err }
func (e *WssHandShakeError) operation()    {}

// handshakeError gives the error of a websocket handshake the type that v1 raised
// for it, with v1's text. It returns nil for an error that is none.
func handshakeError(err error) error {
	var region *awsauth.RegionError
	var none *awsauth.NoCredentialsError
	var unusable *awsauth.CredentialsError
	var refused *awsiot.UpgradeError
	switch {
	case errors.As(err, &region):
		return &ValueError{Message: "Invalid endpoint pattern for wss: " + region.Host, Err: err}
	case errors.As(err, &none):
		return &ValueError{Message: "No Access Key/KeyID Error", Err: &WssNoKeyInEnvironmentError{Err: err}}
	case errors.As(err, &unusable), errors.As(err, &refused):
		return &ValueError{Message: "Websocket Handshake Error", Err: &WssHandShakeError{Err: err}}
	}
	return nil
}
