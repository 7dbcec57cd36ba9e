package awsiot

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// CustomAuthorizer is an Auth for an AWS IoT custom authorizer: the server is verified, and the
// authorizer gets its data in the user name of CONNECT
// (https://docs.aws.amazon.com/iot/latest/developerguide/custom-auth.html). A signed authorizer
// needs Signature, TokenKeyName and TokenValue together; an unsigned one none of them.
type CustomAuthorizer struct {
	// Name of the authorizer; empty: the account's default one.
	Name string
	// Signature of TokenValue, made with the authorizer's private key, in base64; it is
	// URL-encoded when it is not yet.
	Signature string
	// TokenKeyName and TokenValue: the value must be URL-encoded where it needs that.
	TokenKeyName, TokenValue string
	// Username and Password for the authorizer; empty: those of ClientOptions.
	Username string
	Password []byte
	// Websocket connects by websocket; else directly, with ALPN name mqtt.
	Websocket bool
}

func (a CustomAuthorizer) problem() string {
	set := 0
	for _, s := range []string{a.Signature, a.TokenKeyName, a.TokenValue} {
		if s != "" {
			set++
		}
	}
	var all []string
	if set != 0 && set != 3 {
		all = append(all, "CustomAuthorizer: Signature, TokenKeyName and TokenValue belong together: all or none")
	}
	if s := checkString(a.Username); s != "" {
		all = append(all, "CustomAuthorizer.Username "+s)
	}
	if len(a.Password) > maxString {
		all = append(all, "CustomAuthorizer.Password is too long")
	}
	return strings.Join(all, "; ")
}

// plainAuth returns the authorizer that a points to in its place, and nil for a nil pointer; other kinds as they are.
func plainAuth(a Auth) Auth {
	p, ok := a.(*CustomAuthorizer)
	switch {
	case !ok:
		return a
	case p == nil:
		return nil
	}
	return *p
}

func (a CustomAuthorizer) route(context.Context, *calls) (route, error) {
	if a.Websocket {
		return route{websocket: func(context.Context, *http.Request) error { return nil }}, nil
	}
	return route{alpn: alpnAuthorizer}, nil
}

// username builds the user name of CONNECT; a second question mark in it would keep the
// authorizer from being called.
func (a CustomAuthorizer) username(base string) string {
	if a.Username != "" {
		base = a.Username
	}
	add := func(key, value string) {
		if value == "" {
			return
		}
		if !strings.Contains(value, key+"=") {
			value = key + "=" + value
		}
		base = appendQuery(base, value)
	}
	add("x-amz-customauthorizer-name", a.Name)
	signature := a.Signature
	if !strings.Contains(signature, "%") {
		signature = strings.ReplaceAll(url.QueryEscape(signature), "%2F", "/")
	}
	add("x-amz-customauthorizer-signature", signature)
	add(a.TokenKeyName, a.TokenValue)
	return base
}
