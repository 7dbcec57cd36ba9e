package iotidentity

import (
	"context"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/internal/service"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// Client is a client of fleet provisioning. All methods may be called from any goroutine and every callback. Their
// errors are *reqresp.Error.
type Client struct{ s *service.Client }

// NewClient returns a client on c. It does no I/O and cannot fail: what is wrong with the options is an error of every
// call. With o.Shared it shares subscriptions and limits with other service clients.
func NewClient(c *awsiot.Client, o reqresp.Options) *Client { return &Client{service.NewClient(c, o)} }

// Close ends pending requests with reqresp.ErrClosed and gives up the subscriptions of the client.
// A shared reqresp.Client stays open.
func (c *Client) Close() error { return c.s.Close() }

// CreateKeysAndCertificate lets the service make a key and a certificate and waits for the answer. A refusal is a *RejectedError within the error.
func (c *Client) CreateKeysAndCertificate(ctx context.Context, r *CreateKeysAndCertificateRequest) (*CreateKeysAndCertificateResponse, error) {
	return createKeysAndCertificate.Call(ctx, c.s, r)
}

// CreateKeysAndCertificateAsync is CreateKeysAndCertificate without the wait.
func (c *Client) CreateKeysAndCertificateAsync(r *CreateKeysAndCertificateRequest) *awsiot.Future[*CreateKeysAndCertificateResponse] {
	return createKeysAndCertificate.Async(c.s, r)
}

// CreateCertificateFromCsr lets the service sign a certificate for a key of the device and waits for the answer. A refusal is a *RejectedError within the error.
func (c *Client) CreateCertificateFromCsr(ctx context.Context, r *CreateCertificateFromCsrRequest) (*CreateCertificateFromCsrResponse, error) {
	return createCertificateFromCsr.Call(ctx, c.s, r)
}

// CreateCertificateFromCsrAsync is CreateCertificateFromCsr without the wait.
func (c *Client) CreateCertificateFromCsrAsync(r *CreateCertificateFromCsrRequest) *awsiot.Future[*CreateCertificateFromCsrResponse] {
	return createCertificateFromCsr.Async(c.s, r)
}

// RegisterThing registers the device with a provisioning template and waits for the answer. A refusal is a *RejectedError within the error.
func (c *Client) RegisterThing(ctx context.Context, r *RegisterThingRequest) (*RegisterThingResponse, error) {
	return registerThing.Call(ctx, c.s, r)
}

// RegisterThingAsync is RegisterThing without the wait.
func (c *Client) RegisterThingAsync(r *RegisterThingRequest) *awsiot.Future[*RegisterThingResponse] {
	return registerThing.Async(c.s, r)
}
