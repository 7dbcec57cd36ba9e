package awsauth

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
)

// static are credentials that were given.
type static aws.Credentials

// Static returns a provider of the credentials it is given; sessionToken is "" for those of a user
// and comes with those of a role. They do not change and are not known to end: when AWS refuses them
// after their time, every attempt fails with status 403 until the program is given others. A missing
// part is a *CredentialsError at the attempt.
func Static(accessKeyID, secretAccessKey, sessionToken string) aws.CredentialsProvider {
	return static{AccessKeyID: accessKeyID, SecretAccessKey: secretAccessKey, SessionToken: sessionToken, Source: "Static"}
}

// Format prints nothing of the credentials, with every verb of package fmt.
func (s static) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "awsauth.Static(...)") }

// LogValue is what slog logs.
func (s static) LogValue() slog.Value { return slog.StringValue("awsauth.Static(...)") }

// Retrieve returns what Static was given.
func (s static) Retrieve(context.Context) (aws.Credentials, error) { return aws.Credentials(s), nil }

// defaultChain loads the SDK's configuration when it is asked.
type defaultChain struct {
	load func(context.Context) (aws.Config, error)

	mu     sync.Mutex
	ending aws.CredentialsProvider // the loaded chain, once it has returned credentials that end
}

// DefaultChain returns a provider that looks where the AWS tools do, as aws-sdk-go-v2/config does:
// environment, shared configuration and credentials files (AWS_PROFILE, single sign-on, roles, processes),
// web identity, container and EC2 instance (https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html).
// It reads nothing before the first attempt. Credentials that end are kept and renewed in time;
// others are looked up anew at every attempt, so an edited file is used by the next connection.
func DefaultChain() aws.CredentialsProvider {
	return &defaultChain{load: func(ctx context.Context) (aws.Config, error) { return config.LoadDefaultConfig(ctx) }}
}

// Retrieve walks the chain.
func (d *defaultChain) Retrieve(ctx context.Context) (aws.Credentials, error) {
	d.mu.Lock()
	p := d.ending
	d.mu.Unlock()
	if p == nil {
		cfg, err := d.load(ctx)
		if err != nil {
			return aws.Credentials{}, err
		}
		p = cfg.Credentials
	}
	creds, err := p.Retrieve(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil && creds.CanExpire {
		d.ending = p
	} else {
		d.ending = nil // what failed, or does not end, is loaded anew
	}
	return creds, err
}
