package awsauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/portage-iot/awsiot/internal/topic"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// service is the name that the MQTT endpoint of AWS IoT Core has in signatures
// (https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html).
const service = "iotdevicegateway"

// emptyHash is the SHA-256 of no body.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// tokenParameter carries the session token of temporary credentials.
const tokenParameter = "X-Amz-Security-Token"

// errNoProvider: Websocket was given nil.
var errNoProvider = errors.New("awsauth: Websocket needs a credentials provider; DefaultChain() looks where the AWS tools do")

// Websocket connects by secure websocket, to port 443 by default, with an upgrade request that is
// signed with Signature Version 4 by the credentials of p, which is asked anew at every attempt.
//
// region is that of the endpoint, such as eu-west-1; "" reads it from the endpoint name, which works
// for the names that AWS gives out, not for custom domains, proxies and local endpoints: the attempt
// then fails with a *RegionError. The other errors of an attempt are those of p, a *CredentialsError for
// credentials that cannot sign, and an *awsiot.UpgradeError with status 403 when AWS refuses.
func Websocket(region string, p aws.CredentialsProvider) awsiot.Auth {
	s := &signer{region: region, provider: p, now: time.Now}
	return awsiot.WebsocketHandshake(s.complete)
}

// signer signs upgrade requests.
type signer struct {
	region   string
	provider aws.CredentialsProvider
	now      func() time.Time
}

// complete adds the signature to the query of r.
func (s *signer) complete(ctx context.Context, r *http.Request) error {
	if s.provider == nil {
		return errNoProvider
	}
	region, err := s.regionOf(r.URL.Hostname())
	if err != nil {
		return err
	}
	creds, err := s.provider.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("awsauth: retrieving credentials: %w", err)
	}
	now := s.now()
	if err := usable(creds, now); err != nil {
		return err
	}
	// AWS IoT Core takes the token beside the signature, not in the signed request
	// (https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html), unlike other services.
	token := creds.SessionToken
	creds.SessionToken = ""
	// A request of its own: headers that the program adds are none of the signature's business.
	u := *r.URL
	bare := &http.Request{Method: r.Method, URL: &u, Host: r.Host, Header: http.Header{}}
	// A new Signer for each attempt: it keeps the derived key by access key id and day, so one that lives longer goes
	// on signing with a secret that has been corrected since.
	signed, _, err := v4.NewSigner().PresignHTTP(ctx, creds, bare, emptyHash, service, region, now.UTC())
	if err != nil {
		return fmt.Errorf("awsauth: signing the upgrade request: %w", err)
	}
	_, query, _ := strings.Cut(signed, "?")
	if token != "" {
		query += "&" + tokenParameter + "=" + url.QueryEscape(token)
	}
	r.URL.RawQuery = query
	return nil
}

// usable returns what is wrong with credentials, if anything.
func usable(c aws.Credentials, now time.Time) error {
	switch {
	case c.AccessKeyID == "" && c.SecretAccessKey == "":
		return &CredentialsError{Source: c.Source, Problem: "neither an access key id nor a secret access key"}
	case c.AccessKeyID == "":
		return &CredentialsError{Source: c.Source, Problem: "no access key id"}
	case c.SecretAccessKey == "":
		return &CredentialsError{Source: c.Source, Problem: "no secret access key"}
	case strings.ContainsAny(c.AccessKeyID, "/ \t\r\n"):
		return &CredentialsError{Source: c.Source, Problem: "the access key id has a space or a slash in it"}
	case c.CanExpire && !c.Expires.After(now):
		return &CredentialsError{Source: c.Source, Problem: "expired at " + c.Expires.UTC().Format(time.RFC3339)}
	}
	return nil
}

// CredentialsError says why the credentials that a provider returned cannot sign. It never holds any part of them.
type CredentialsError struct {
	Source  string // the provider, as it names itself; may be ""
	Problem string
}

// Error returns the problem and the provider.
func (e *CredentialsError) Error() string {
	if e.Source == "" {
		return "awsauth: credentials: " + e.Problem
	}
	return "awsauth: credentials of " + e.Source + ": " + e.Problem
}

// RegionError is returned by an attempt to connect when there is no region to sign for.
type RegionError struct {
	Host   string // the endpoint, when its name was to tell the region
	Region string // what Websocket was given, when that is no region
}

// Error names the endpoint or the region.
func (e *RegionError) Error() string {
	if e.Region != "" {
		return fmt.Sprintf("awsauth: %q is not the name of a region, such as eu-west-1", e.Region)
	}
	return fmt.Sprintf("awsauth: the endpoint name %q does not tell its region; give it to Websocket, such as Websocket(\"eu-west-1\", ...)", e.Host)
}

// regionForm is looser than topic.IsAWSRegion: what a program gives may be a region of other software.
var regionForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// regionOf returns the region to sign for.
func (s *signer) regionOf(host string) (string, error) {
	if s.region != "" {
		if !regionForm.MatchString(s.region) {
			return "", &RegionError{Region: s.region}
		}
		return s.region, nil
	}
	e, ok := topic.ParseAWSEndpoint(host)
	if !ok || e.Prefix == "" { // iot.REGION is the control plane
		return "", &RegionError{Host: host}
	}
	return e.Region, nil
}
