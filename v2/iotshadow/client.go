package iotshadow

import (
	"context"
	"iter"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/internal/service"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// Client is a client of the Device Shadow service, for any number of things. All methods may be called from any
// goroutine and every callback. Their errors are *reqresp.Error.
type Client struct{ s *service.Client }

// NewClient returns a client on c. It does no I/O and cannot fail: what is wrong with the options is an error of every
// call. With o.Shared it shares subscriptions and limits with other service clients.
func NewClient(c *awsiot.Client, o reqresp.Options) *Client { return &Client{service.NewClient(c, o)} }

// Close ends pending requests with reqresp.ErrClosed and gives up the subscriptions of the client, those of its streams
// included. A shared reqresp.Client stays open.
func (c *Client) Close() error { return c.s.Close() }

// Stream is a stream of events as a handle: Open begins it, Close ends it.
type Stream = reqresp.Stream

// StreamOptions are the functions of a stream of events.
type StreamOptions[E any] = reqresp.EventOptions[E]

// GetShadow asks for the classic shadow of a thing and waits for the answer. A refusal is a *RejectedError within the error.
func (c *Client) GetShadow(ctx context.Context, r *GetShadowRequest) (*GetShadowResponse, error) {
	return getShadow.Call(ctx, c.s, r)
}

// GetShadowAsync is GetShadow without the wait.
func (c *Client) GetShadowAsync(r *GetShadowRequest) *awsiot.Future[*GetShadowResponse] {
	return getShadow.Async(c.s, r)
}

// UpdateShadow changes the classic shadow of a thing and waits for the answer. A refusal is a *RejectedError within the error.
func (c *Client) UpdateShadow(ctx context.Context, r *UpdateShadowRequest) (*UpdateShadowResponse, error) {
	return updateShadow.Call(ctx, c.s, r)
}

// UpdateShadowAsync is UpdateShadow without the wait.
func (c *Client) UpdateShadowAsync(r *UpdateShadowRequest) *awsiot.Future[*UpdateShadowResponse] {
	return updateShadow.Async(c.s, r)
}

// DeleteShadow deletes the classic shadow of a thing and waits for the answer. A refusal is a *RejectedError within the error.
func (c *Client) DeleteShadow(ctx context.Context, r *DeleteShadowRequest) (*DeleteShadowResponse, error) {
	return deleteShadow.Call(ctx, c.s, r)
}

// DeleteShadowAsync is DeleteShadow without the wait.
func (c *Client) DeleteShadowAsync(r *DeleteShadowRequest) *awsiot.Future[*DeleteShadowResponse] {
	return deleteShadow.Async(c.s, r)
}

// GetNamedShadow asks for a named shadow and waits for the answer. A refusal is a *RejectedError within the error.
func (c *Client) GetNamedShadow(ctx context.Context, r *GetNamedShadowRequest) (*GetShadowResponse, error) {
	return getNamedShadow.Call(ctx, c.s, r)
}

// GetNamedShadowAsync is GetNamedShadow without the wait.
func (c *Client) GetNamedShadowAsync(r *GetNamedShadowRequest) *awsiot.Future[*GetShadowResponse] {
	return getNamedShadow.Async(c.s, r)
}

// UpdateNamedShadow changes a named shadow and waits for the answer. A refusal is a *RejectedError within the error.
func (c *Client) UpdateNamedShadow(ctx context.Context, r *UpdateNamedShadowRequest) (*UpdateShadowResponse, error) {
	return updateNamedShadow.Call(ctx, c.s, r)
}

// UpdateNamedShadowAsync is UpdateNamedShadow without the wait.
func (c *Client) UpdateNamedShadowAsync(r *UpdateNamedShadowRequest) *awsiot.Future[*UpdateShadowResponse] {
	return updateNamedShadow.Async(c.s, r)
}

// DeleteNamedShadow deletes a named shadow and waits for the answer. A refusal is a *RejectedError within the error.
func (c *Client) DeleteNamedShadow(ctx context.Context, r *DeleteNamedShadowRequest) (*DeleteShadowResponse, error) {
	return deleteNamedShadow.Call(ctx, c.s, r)
}

// DeleteNamedShadowAsync is DeleteNamedShadow without the wait.
func (c *Client) DeleteNamedShadowAsync(r *DeleteNamedShadowRequest) *awsiot.Future[*DeleteShadowResponse] {
	return deleteNamedShadow.Async(c.s, r)
}

// ShadowDeltaUpdated iterates over the events of the classic shadow of a thing: desired differs from reported, after an update. It subscribes when it is ranged over, and ends with the
// loop, with ctx, or when the broker refuses; an error is its last value, but for a message that is not what the service
// documents (reqresp.ErrMalformed). A message is acknowledged when the loop asks for the next; meanwhile no
// other handler of messages runs, but requests may be made.
func (c *Client) ShadowDeltaUpdated(ctx context.Context, r *ShadowDeltaUpdatedSubscriptionRequest) iter.Seq2[*ShadowDeltaUpdatedEvent, error] {
	n, err := r.names()
	return shadowDeltaUpdated.All(ctx, c.s, n, err)
}

// CreateShadowDeltaUpdatedStream makes a stream of the same events, which Open begins.
func (c *Client) CreateShadowDeltaUpdatedStream(r *ShadowDeltaUpdatedSubscriptionRequest, o StreamOptions[ShadowDeltaUpdatedEvent]) (*Stream, error) {
	n, err := r.names()
	return shadowDeltaUpdated.Stream(c.s, n, err, o)
}

// ShadowUpdated iterates over the events of the classic shadow of a thing: each update, with the document before and after. It subscribes when it is ranged over, and ends with the
// loop, with ctx, or when the broker refuses; an error is its last value, but for a message that is not what the service
// documents (reqresp.ErrMalformed). A message is acknowledged when the loop asks for the next; meanwhile no
// other handler of messages runs, but requests may be made.
func (c *Client) ShadowUpdated(ctx context.Context, r *ShadowUpdatedSubscriptionRequest) iter.Seq2[*ShadowUpdatedEvent, error] {
	n, err := r.names()
	return shadowUpdated.All(ctx, c.s, n, err)
}

// CreateShadowUpdatedStream makes a stream of the same events, which Open begins.
func (c *Client) CreateShadowUpdatedStream(r *ShadowUpdatedSubscriptionRequest, o StreamOptions[ShadowUpdatedEvent]) (*Stream, error) {
	n, err := r.names()
	return shadowUpdated.Stream(c.s, n, err, o)
}

// NamedShadowDeltaUpdated iterates over the events of a named shadow: desired differs from reported, after an update. It subscribes when it is ranged over, and ends with the
// loop, with ctx, or when the broker refuses; an error is its last value, but for a message that is not what the service
// documents (reqresp.ErrMalformed). A message is acknowledged when the loop asks for the next; meanwhile no
// other handler of messages runs, but requests may be made.
func (c *Client) NamedShadowDeltaUpdated(ctx context.Context, r *NamedShadowDeltaUpdatedSubscriptionRequest) iter.Seq2[*ShadowDeltaUpdatedEvent, error] {
	n, err := r.names()
	return namedShadowDeltaUpdated.All(ctx, c.s, n, err)
}

// CreateNamedShadowDeltaUpdatedStream makes a stream of the same events, which Open begins.
func (c *Client) CreateNamedShadowDeltaUpdatedStream(r *NamedShadowDeltaUpdatedSubscriptionRequest, o StreamOptions[ShadowDeltaUpdatedEvent]) (*Stream, error) {
	n, err := r.names()
	return namedShadowDeltaUpdated.Stream(c.s, n, err, o)
}

// NamedShadowUpdated iterates over the events of a named shadow: each update, with the document before and after. It subscribes when it is ranged over, and ends with the
// loop, with ctx, or when the broker refuses; an error is its last value, but for a message that is not what the service
// documents (reqresp.ErrMalformed). A message is acknowledged when the loop asks for the next; meanwhile no
// other handler of messages runs, but requests may be made.
func (c *Client) NamedShadowUpdated(ctx context.Context, r *NamedShadowUpdatedSubscriptionRequest) iter.Seq2[*ShadowUpdatedEvent, error] {
	n, err := r.names()
	return namedShadowUpdated.All(ctx, c.s, n, err)
}

// CreateNamedShadowUpdatedStream makes a stream of the same events, which Open begins.
func (c *Client) CreateNamedShadowUpdatedStream(r *NamedShadowUpdatedSubscriptionRequest, o StreamOptions[ShadowUpdatedEvent]) (*Stream, error) {
	n, err := r.names()
	return namedShadowUpdated.Stream(c.s, n, err, o)
}
