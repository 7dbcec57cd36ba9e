package iotcommands

import (
	"context"
	"iter"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/internal/service"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// Client is a client of AWS IoT Device Management commands, for any number of devices. All methods may be called from any goroutine and every callback. Their
// errors are *reqresp.Error.
type Client struct{ s *service.Client }

// NewClient returns a client on c. It does no I/O and cannot fail: what is wrong with the options is an error of every
// call. With o.Shared it shares subscriptions and limits with other service clients.
func NewClient(c *awsiot.Client, o reqresp.Options) *Client { return &Client{service.NewClient(c, o)} }

// Close ends pending requests with reqresp.ErrClosed and gives up the subscriptions of the client, those of its streams included.
// A shared reqresp.Client stays open.
func (c *Client) Close() error { return c.s.Close() }

// Stream is a stream of events as a handle: Open begins it, Close ends it.
type Stream = reqresp.Stream

// StreamOptions are the functions of a stream of events.
type StreamOptions[E any] = reqresp.EventOptions[E]

// UpdateCommandExecution reports how a command fares and waits for the answer. A refusal is a *RejectedError within the error.
func (c *Client) UpdateCommandExecution(ctx context.Context, r *UpdateCommandExecutionRequest) (*UpdateCommandExecutionResponse, error) {
	return updateCommandExecution.Call(ctx, c.s, r)
}

// UpdateCommandExecutionAsync is UpdateCommandExecution without the wait.
func (c *Client) UpdateCommandExecutionAsync(r *UpdateCommandExecutionRequest) *awsiot.Future[*UpdateCommandExecutionResponse] {
	return updateCommandExecution.Async(c.s, r)
}

// CommandExecutionsJSONPayload iterates over the events of a device: a command whose payload is JSON. It subscribes when it is ranged over, and ends with the
// loop, with ctx, or when the broker refuses; an error is its last value, but for a message that is not what the service
// documents (reqresp.ErrMalformed). A message is acknowledged when the loop asks for the next; meanwhile no
// other handler of messages runs, but requests may be made.
func (c *Client) CommandExecutionsJSONPayload(ctx context.Context, r *CommandExecutionsSubscriptionRequest) iter.Seq2[*CommandExecutionEvent, error] {
	n, err := r.names()
	return commandExecutionsJSONPayload.All(ctx, c.s, n, err)
}

// CreateCommandExecutionsJSONPayloadStream makes a stream of the same events, which Open begins.
func (c *Client) CreateCommandExecutionsJSONPayloadStream(r *CommandExecutionsSubscriptionRequest, o StreamOptions[CommandExecutionEvent]) (*Stream, error) {
	n, err := r.names()
	return commandExecutionsJSONPayload.Stream(c.s, n, err, o)
}

// CommandExecutionsCBORPayload iterates over the events of a device: a command whose payload is CBOR. It subscribes when it is ranged over, and ends with the
// loop, with ctx, or when the broker refuses; an error is its last value, but for a message that is not what the service
// documents (reqresp.ErrMalformed). A message is acknowledged when the loop asks for the next; meanwhile no
// other handler of messages runs, but requests may be made.
func (c *Client) CommandExecutionsCBORPayload(ctx context.Context, r *CommandExecutionsSubscriptionRequest) iter.Seq2[*CommandExecutionEvent, error] {
	n, err := r.names()
	return commandExecutionsCBORPayload.All(ctx, c.s, n, err)
}

// CreateCommandExecutionsCBORPayloadStream makes a stream of the same events, which Open begins.
func (c *Client) CreateCommandExecutionsCBORPayloadStream(r *CommandExecutionsSubscriptionRequest, o StreamOptions[CommandExecutionEvent]) (*Stream, error) {
	n, err := r.names()
	return commandExecutionsCBORPayload.Stream(c.s, n, err, o)
}

// CommandExecutionsGenericPayload iterates over the events of a device: a command whose payload is neither JSON nor CBOR. It subscribes when it is ranged over, and ends with the
// loop, with ctx, or when the broker refuses; an error is its last value, but for a message that is not what the service
// documents (reqresp.ErrMalformed). A message is acknowledged when the loop asks for the next; meanwhile no
// other handler of messages runs, but requests may be made.
func (c *Client) CommandExecutionsGenericPayload(ctx context.Context, r *CommandExecutionsSubscriptionRequest) iter.Seq2[*CommandExecutionEvent, error] {
	n, err := r.names()
	return commandExecutionsGenericPayload.All(ctx, c.s, n, err)
}

// CreateCommandExecutionsGenericPayloadStream makes a stream of the same events, which Open begins.
func (c *Client) CreateCommandExecutionsGenericPayloadStream(r *CommandExecutionsSubscriptionRequest, o StreamOptions[CommandExecutionEvent]) (*Stream, error) {
	n, err := r.names()
	return commandExecutionsGenericPayload.Stream(c.s, n, err, o)
}
