package awsauth

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/portage-iot/awsiot/internal/topic"
	awsiot "github.com/portage-iot/awsiot/v2"
)

const (
	// roleAliasSource is what the credential provider's credentials say they come from.
	roleAliasSource = "RoleAlias"
	// roleAliasTimeout bounds one retrieval.
	roleAliasTimeout = 10 * time.Second
	// roleAliasBytes bounds an answer, which has some 2 KiB.
	roleAliasBytes = 64 << 10
)

// roleAliasForm is that of CreateRoleAlias (https://docs.aws.amazon.com/iot/latest/apireference/API_CreateRoleAlias.html).
var roleAliasForm = regexp.MustCompile(`^[\w=,@-]{1,128}$`)

// RoleAliasOptions says for which role RoleAlias gets credentials, and how. Endpoint, RoleAlias and Auth must be set.
type RoleAliasOptions struct {
	// Endpoint is the host name of the account's credential provider, as ID.credentials.iot.REGION.amazonaws.com:
	// aws iot describe-endpoint --endpoint-type iot:CredentialProvider tells it.
	Endpoint string
	// Port: 0 means 443.
	Port int
	// RoleAlias is the name of the alias.
	RoleAlias string
	// ThingName is sent to the service for policy variables; "": none.
	ThingName string
	// Auth is the device's certificate: awsiot.MTLSFromPath and its like.
	Auth awsiot.Auth
	// CAFile and CAPEM name the authorities of the service's certificate, in PEM. Neither: the system's.
	CAFile string
	CAPEM  []byte
	// HTTPProxy is that of awsiot.ClientOptions; nil: none.
	HTTPProxy func(*http.Request) (*url.URL, error)
	// Timeout bounds a retrieval. 0: 10 s.
	Timeout time.Duration
}

// RoleAlias returns a provider of the temporary credentials that the AWS IoT credential provider gives to a device with
// a certificate (https://docs.aws.amazon.com/iot/latest/developerguide/authorizing-direct-aws.html). It does nothing
// before the first attempt. Credentials are kept until a minute before their end. Errors are a *RoleAliasError.
func RoleAlias(o RoleAliasOptions) aws.CredentialsProvider {
	o.CAPEM = bytes.Clone(o.CAPEM)
	return aws.NewCredentialsCache(&roleAlias{o}, func(c *aws.CredentialsCacheOptions) { c.ExpiryWindow = expiryWindow })
}

// roleAlias is the provider behind the cache.
type roleAlias struct{ o RoleAliasOptions }

// RoleAliasError is a retrieval that failed. It never holds credentials.
type RoleAliasError struct {
	RoleAlias string
	Status    int // the HTTP status; 0: there was no answer
	Err       error
}

// Error names the alias, the status and the cause.
func (e *RoleAliasError) Error() string {
	text := fmt.Sprintf("awsauth: role alias %q: ", e.RoleAlias)
	if e.Status != 0 {
		text += fmt.Sprintf("status %d: ", e.Status)
	}
	return text + e.Err.Error()
}

// Unwrap returns Err.
func (e *RoleAliasError) Unwrap() error { return e.Err }

// AdjustExpiresBy is how the cache brings the end forward, by a negative d.
func (r *roleAlias) AdjustExpiresBy(creds aws.Credentials, d time.Duration) (aws.Credentials, error) {
	return shortened(creds, d), nil
}

// Retrieve asks the service.
func (r *roleAlias) Retrieve(ctx context.Context) (aws.Credentials, error) {
	timeout := cmp.Or(r.o.Timeout, roleAliasTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %v: %w", timeout, context.DeadlineExceeded))
	defer cancel()
	creds, status, err := r.ask(ctx, timeout)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return aws.Credentials{}, &RoleAliasError{RoleAlias: r.o.RoleAlias, Status: status, Err: err}
	}
	return creds, nil
}

// ask makes the request, on a connection of its own.
func (r *roleAlias) ask(ctx context.Context, timeout time.Duration) (aws.Credentials, int, error) {
	if !roleAliasForm.MatchString(r.o.RoleAlias) {
		return aws.Credentials{}, 0, errors.New("not the name of a role alias: it has 1 to 128 letters, digits and _ = , @ -")
	}
	if r.o.ThingName != "" {
		if err := topic.CheckThingName(r.o.ThingName); err != nil {
			return aws.Credentials{}, 0, err
		}
	}
	o := awsiot.ClientOptions{Endpoint: r.o.Endpoint, Port: cmp.Or(r.o.Port, 443), Auth: r.o.Auth, CAFile: r.o.CAFile, CAPEM: r.o.CAPEM,
		HTTPProxy: r.o.HTTPProxy, ConnectTimeout: timeout, TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}}
	if err := o.Validate(); err != nil {
		return aws.Credentials{}, 0, err
	}
	transport := &http.Transport{DisableKeepAlives: true,
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return o.Dial(ctx) }}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("https://%s/role-aliases/%s/credentials",
		net.JoinHostPort(o.Endpoint, fmt.Sprint(o.Port)), url.PathEscape(r.o.RoleAlias)), nil)
	if err != nil {
		return aws.Credentials{}, 0, err
	}
	if r.o.ThingName != "" {
		req.Header.Set("X-Amzn-Iot-Thingname", r.o.ThingName)
	}
	resp, err := transport.RoundTrip(req) // follows no redirects
	if err != nil {
		return aws.Credentials{}, 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, roleAliasBytes+1))
	switch {
	case err != nil:
		return aws.Credentials{}, resp.StatusCode, err
	case len(body) > roleAliasBytes:
		return aws.Credentials{}, resp.StatusCode, fmt.Errorf("the answer is larger than %d bytes", roleAliasBytes)
	}
	creds, err := roleAliasAnswer(resp.StatusCode, body)
	return creds, resp.StatusCode, err
}

// roleAliasAnswer reads an answer. A body that is not understood may hold credentials: it is not quoted.
func roleAliasAnswer(status int, body []byte) (aws.Credentials, error) {
	var answer struct {
		Message     string `json:"message"`
		Credentials *struct {
			AccessKeyID     string    `json:"accessKeyId"`
			SecretAccessKey string    `json:"secretAccessKey"`
			SessionToken    string    `json:"sessionToken"`
			Expiration      time.Time `json:"expiration"`
		} `json:"credentials"`
	}
	err := json.Unmarshal(body, &answer)
	switch {
	case status != http.StatusOK:
		return aws.Credentials{}, errors.New(cmp.Or(strings.TrimSpace(answer.Message), "the service refused without a message"))
	case err != nil:
		return aws.Credentials{}, errors.New("the answer is not the expected JSON object")
	case answer.Credentials == nil:
		return aws.Credentials{}, errors.New("the answer holds no credentials")
	case answer.Credentials.Expiration.IsZero():
		return aws.Credentials{}, errors.New("the answer does not tell when the credentials end")
	}
	c := answer.Credentials
	creds := aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken,
		Source: roleAliasSource, CanExpire: true, Expires: c.Expiration}
	return creds, usable(creds, time.Now())
}
