package awsauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentity"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentity/types"
)

const (
	// cognitoSource is what Cognito's credentials say they come from.
	cognitoSource = "Cognito"
	// cognitoTimeout bounds one retrieval, with the SDK's retries in it.
	cognitoTimeout = 10 * time.Second
	// expiryWindow: credentials are renewed so long before their end, short ones after half of their time.
	expiryWindow = time.Minute
)

// CognitoOptions says whose credentials Cognito gets. One of IdentityPoolID and IdentityID must be set.
type CognitoOptions struct {
	// IdentityPoolID, as eu-west-1:00000000-0000-..., is the pool that is asked for an identity, once; that identity is
	// kept for as long as the service knows it.
	IdentityPoolID string
	// IdentityID is an identity the program knows, of the same form. The pool is then not asked.
	IdentityID string
	// Logins are tokens by login provider, such as "cognito-idp.eu-west-1.amazonaws.com/POOL". None: a guest.
	Logins map[string]string
	// LoginsFunc, when not nil, is asked for the logins at every retrieval instead: their tokens end, too. Its ctx has
	// the deadline of the retrieval.
	LoginsFunc func(ctx context.Context) (map[string]string, error)
	// CustomRoleARN is the role to take when the token of the login offers several.
	CustomRoleARN string
	// Region, such as eu-west-1. "": that of the id.
	Region string
	// Endpoint is the URL of the service. "": cognito-identity.REGION.amazonaws.com, or what the SDK's settings say
	// (AWS_ENDPOINT_URL_COGNITO_IDENTITY, AWS_ENDPOINT_URL).
	Endpoint string
	// HTTPProxy returns the proxy for a request; nil: http.ProxyFromEnvironment.
	HTTPProxy func(*http.Request) (*url.URL, error)
	// Timeout bounds a retrieval with its retries. 0: 10 s.
	Timeout time.Duration
}

// Format prints the options without the tokens of Logins, with every verb of package fmt.
func (o CognitoOptions) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, o.text()) }

// LogValue is what slog logs: the same text as Format.
func (o CognitoOptions) LogValue() slog.Value { return slog.StringValue(o.text()) }

func (o CognitoOptions) text() string {
	return fmt.Sprintf("awsauth.CognitoOptions{IdentityPoolID:%q IdentityID:%q Logins:%q CustomRoleARN:%q Region:%q Endpoint:%q Timeout:%v}",
		o.IdentityPoolID, o.IdentityID, slices.Sorted(maps.Keys(o.Logins)), o.CustomRoleARN, o.Region, o.Endpoint, o.Timeout)
}

// Cognito returns a provider of the temporary credentials that an Amazon Cognito identity pool gives to an identity
// (https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-identity.html), a guest or one with logins. It does
// nothing before the first attempt. Credentials are kept until a minute before their end, also for several clients
// that share the provider.
//
// Errors are a *CognitoError; with errors.As one finds the exception of the service in it, such as
// *types.NotAuthorizedException of aws-sdk-go-v2's service/cognitoidentity.
func Cognito(o CognitoOptions) aws.CredentialsProvider {
	o.Logins = maps.Clone(o.Logins)
	return aws.NewCredentialsCache(&cognito{o: o, identity: o.IdentityID}, func(c *aws.CredentialsCacheOptions) { c.ExpiryWindow = expiryWindow })
}

// cognito is the provider behind the cache, which calls it once at a time.
type cognito struct {
	o CognitoOptions

	mu       sync.Mutex
	client   *cognitoidentity.Client
	identity string // "": ask the pool
}

// CognitoError is a retrieval of credentials that failed. It never holds tokens or credentials.
type CognitoError struct {
	Operation string // "GetId", "GetCredentialsForIdentity", "logins", "configuration"
	ID        string // the pool or identity that was asked about
	Err       error
}

// Error names the operation, the id and the cause.
func (e *CognitoError) Error() string {
	text := "awsauth: Cognito: " + e.Operation
	if e.ID != "" {
		text += " of " + e.ID
	}
	return text + ": " + e.Err.Error()
}

// Unwrap returns Err.
func (e *CognitoError) Unwrap() error { return e.Err }

// AdjustExpiresBy is how the cache brings the end forward, by a negative d.
func (c *cognito) AdjustExpiresBy(creds aws.Credentials, d time.Duration) (aws.Credentials, error) {
	return shortened(creds, d), nil
}

// shortened are credentials whose end is earlier by -d, or by half of what is left if that is less.
func shortened(creds aws.Credentials, d time.Duration) aws.Credentials {
	creds.Expires = creds.Expires.Add(max(d, -time.Until(creds.Expires)/2))
	return creds
}

// Retrieve asks the service. The cache has taken the caller's deadline off ctx, since others may wait for the same answer.
func (c *cognito) Retrieve(ctx context.Context) (aws.Credentials, error) {
	timeout := cmp.Or(c.o.Timeout, cognitoTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %v: %w", timeout, context.DeadlineExceeded))
	defer cancel()
	creds, err := c.retrieve(ctx)
	var failed *CognitoError
	if cause := context.Cause(ctx); cause != nil && errors.As(err, &failed) {
		failed.Err = fmt.Errorf("%w (%v)", cause, failed.Err)
	}
	return creds, err
}

func (c *cognito) retrieve(ctx context.Context) (aws.Credentials, error) {
	client, err := c.service(ctx)
	if err != nil {
		return aws.Credentials{}, &CognitoError{Operation: "configuration", ID: cmp.Or(c.o.IdentityID, c.o.IdentityPoolID), Err: err}
	}
	logins := c.o.Logins
	if c.o.LoginsFunc != nil {
		if logins, err = c.o.LoginsFunc(ctx); err != nil {
			return aws.Credentials{}, &CognitoError{Operation: "logins", Err: err}
		}
	}
	id, err := c.id(ctx, client, logins)
	if err != nil {
		return aws.Credentials{}, &CognitoError{Operation: "GetId", ID: c.o.IdentityPoolID, Err: err}
	}
	in := &cognitoidentity.GetCredentialsForIdentityInput{IdentityId: &id, Logins: logins}
	if c.o.CustomRoleARN != "" {
		in.CustomRoleArn = &c.o.CustomRoleARN
	}
	out, err := client.GetCredentialsForIdentity(ctx, in)
	if err != nil {
		var gone *types.ResourceNotFoundException
		if errors.As(err, &gone) { // deleted: the next attempt asks the pool again
			c.remember(c.o.IdentityID)
		}
		return aws.Credentials{}, &CognitoError{Operation: "GetCredentialsForIdentity", ID: id, Err: err}
	}
	if out.Credentials == nil {
		return aws.Credentials{}, &CognitoError{Operation: "GetCredentialsForIdentity", ID: id, Err: errors.New("the answer holds no credentials")}
	}
	creds := aws.Credentials{AccessKeyID: aws.ToString(out.Credentials.AccessKeyId), SecretAccessKey: aws.ToString(out.Credentials.SecretKey),
		SessionToken: aws.ToString(out.Credentials.SessionToken), Source: cognitoSource}
	if out.Credentials.Expiration != nil {
		creds.CanExpire, creds.Expires = true, *out.Credentials.Expiration
	}
	if err := usable(creds, time.Now()); err != nil { // not into the cache
		return aws.Credentials{}, &CognitoError{Operation: "GetCredentialsForIdentity", ID: id, Err: err}
	}
	return creds, nil
}

// id is the identity, which the pool is asked for when it is not known.
func (c *cognito) id(ctx context.Context, client *cognitoidentity.Client, logins map[string]string) (string, error) {
	c.mu.Lock()
	known := c.identity
	c.mu.Unlock()
	if known != "" {
		return known, nil
	}
	out, err := client.GetId(ctx, &cognitoidentity.GetIdInput{IdentityPoolId: &c.o.IdentityPoolID, Logins: logins})
	switch {
	case err != nil:
		return "", err
	case aws.ToString(out.IdentityId) == "":
		return "", errors.New("the answer holds no identity")
	}
	c.remember(*out.IdentityId)
	return *out.IdentityId, nil
}

func (c *cognito) remember(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.identity = id
}

// service makes the SDK's client, with the SDK's settings (endpoint, certificate authorities) from environment and files.
func (c *cognito) service(ctx context.Context) (*cognitoidentity.Client, error) {
	c.mu.Lock()
	client := c.client
	c.mu.Unlock()
	if client != nil {
		return client, nil
	}
	region, err := c.region()
	if err != nil {
		return nil, err
	}
	load := []func(*config.LoadOptions) error{config.WithRegion(region), config.WithCredentialsProvider(aws.AnonymousCredentials{})}
	if proxy := c.o.HTTPProxy; proxy != nil {
		load = append(load, config.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.Proxy = proxy })))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, err
	}
	client = cognitoidentity.NewFromConfig(cfg, func(o *cognitoidentity.Options) {
		if c.o.Endpoint != "" {
			o.BaseEndpoint = &c.o.Endpoint
		}
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.client = client
	return client, nil
}

// region is the one to ask: ids begin with theirs.
func (c *cognito) region() (string, error) {
	id := cmp.Or(c.o.IdentityID, c.o.IdentityPoolID)
	if id == "" {
		return "", errors.New("neither IdentityPoolID nor IdentityID is set")
	}
	region, rest, ok := strings.Cut(id, ":")
	if !ok || rest == "" || !regionForm.MatchString(region) {
		return "", fmt.Errorf("%q is not of the form REGION:UUID", id)
	}
	if c.o.Region == "" {
		return region, nil
	}
	if !regionForm.MatchString(c.o.Region) {
		return "", &RegionError{Region: c.o.Region}
	}
	return c.o.Region, nil
}
