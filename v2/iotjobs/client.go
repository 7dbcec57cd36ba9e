package iotjobs

import (
	"context"
	"iter"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/internal/service"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// Client is a client of the AWS IoT Jobs service, for any number of things. All methods may be called from any goroutine and every callback. Their
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

// GetPendingJobExecutions asks for the jobs of a thing that have not ended and waits for the answer. A refusal is a *RejectedError within the error.
func (c *Client) GetPendingJobExecutions(ctx context.Context, r *GetPendingJobExecutionsRequest) (*GetPendingJobExecutionsResponse, error) {
	return getPendingJobExecutions.Call(ctx, c.s, r)
}

// GetPendingJobExecutionsAsync is GetPendingJobExecutions without the wait.
func (c *Client) GetPendingJobExecutionsAsync(r *GetPendingJobExecutionsRequest) *awsiot.Future[*GetPendingJobExecutionsResponse] {
	return getPendingJobExecutions.Async(c.s, r)
}

// StartNextPendingJobExecution starts the next job of a thing and waits for the answer. A refusal is a *RejectedError within the error.
func (c *Client) StartNextPendingJobExecution(ctx context.Context, r *StartNextPendingJobExecutionRequest) (*StartNextJobExecutionResponse, error) {
	return startNextPendingJobExecution.Call(ctx, c.s, r)
}

// StartNextPendingJobExecutionAsync is StartNextPendingJobExecution without the wait.
func (c *Client) StartNextPendingJobExecutionAsync(r *StartNextPendingJobExecutionRequest) *awsiot.Future[*StartNextJobExecutionResponse] {
	return startNextPendingJobExecution.Async(c.s, r)
}

// DescribeJobExecution asks for a job of a thing and waits for the answer. A refusal is a *RejectedError within the error.
func (c *Client) DescribeJobExecution(ctx context.Context, r *DescribeJobExecutionRequest) (*DescribeJobExecutionResponse, error) {
	return describeJobExecution.Call(ctx, c.s, r)
}

// DescribeJobExecutionAsync is DescribeJobExecution without the wait.
func (c *Client) DescribeJobExecutionAsync(r *DescribeJobExecutionRequest) *awsiot.Future[*DescribeJobExecutionResponse] {
	return describeJobExecution.Async(c.s, r)
}

// UpdateJobExecution reports how a job of a thing fares and waits for the answer. A refusal is a *RejectedError within the error.
func (c *Client) UpdateJobExecution(ctx context.Context, r *UpdateJobExecutionRequest) (*UpdateJobExecutionResponse, error) {
	return updateJobExecution.Call(ctx, c.s, r)
}

// UpdateJobExecutionAsync is UpdateJobExecution without the wait.
func (c *Client) UpdateJobExecutionAsync(r *UpdateJobExecutionRequest) *awsiot.Future[*UpdateJobExecutionResponse] {
	return updateJobExecution.Async(c.s, r)
}

// JobExecutionsChanged iterates over the events of a thing: the list of jobs that have not ended has changed. It subscribes when it is ranged over, and ends with the
// loop, with ctx, or when the broker refuses; an error is its last value, but for a message that is not what the service
// documents (reqresp.ErrMalformed). A message is acknowledged when the loop asks for the next; meanwhile no
// other handler of messages runs, but requests may be made.
func (c *Client) JobExecutionsChanged(ctx context.Context, r *JobExecutionsChangedSubscriptionRequest) iter.Seq2[*JobExecutionsChangedEvent, error] {
	n, err := r.names()
	return jobExecutionsChanged.All(ctx, c.s, n, err)
}

// CreateJobExecutionsChangedStream makes a stream of the same events, which Open begins.
func (c *Client) CreateJobExecutionsChangedStream(r *JobExecutionsChangedSubscriptionRequest, o StreamOptions[JobExecutionsChangedEvent]) (*Stream, error) {
	n, err := r.names()
	return jobExecutionsChanged.Stream(c.s, n, err, o)
}

// NextJobExecutionChanged iterates over the events of a thing: another job is the next one. It subscribes when it is ranged over, and ends with the
// loop, with ctx, or when the broker refuses; an error is its last value, but for a message that is not what the service
// documents (reqresp.ErrMalformed). A message is acknowledged when the loop asks for the next; meanwhile no
// other handler of messages runs, but requests may be made.
func (c *Client) NextJobExecutionChanged(ctx context.Context, r *NextJobExecutionChangedSubscriptionRequest) iter.Seq2[*NextJobExecutionChangedEvent, error] {
	n, err := r.names()
	return nextJobExecutionChanged.All(ctx, c.s, n, err)
}

// CreateNextJobExecutionChangedStream makes a stream of the same events, which Open begins.
func (c *Client) CreateNextJobExecutionChangedStream(r *NextJobExecutionChangedSubscriptionRequest, o StreamOptions[NextJobExecutionChangedEvent]) (*Stream, error) {
	n, err := r.names()
	return nextJobExecutionChanged.Stream(c.s, n, err, o)
}
