package iotjobs

import (
	"context"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// ClientV1 stands for v1's jobs client in code that iotmigrate has rewritten: a connection, and what all its requests have in
// common. A request is a publish, its answer a message of a topic that the program has subscribed to, and nothing relates
// the two. Code that can be given another shape is better off with Client's requests, which return the answer, or with Run.
type ClientV1 struct {
	*awsiot.Client
	ThingName   string
	ClientToken string     // of every request, also when it is ""; v1's client id
	QoS         awsiot.QoS // of every request, and of subscriptions
}

// Positive is n where the request has a number, nil for one that is not positive, which v1 did not send.
func Positive(n int64) *int64 {
	if n > 0 {
		return &n
	}
	return nil
}

// PublishGetPendingJobExecutions publishes a request like Client's method, whose ThingName and ClientToken are those of c where it has
// none. The result is that of awsiot.Client.Publish, errors are *reqresp.Error.
func (c *ClientV1) PublishGetPendingJobExecutions(ctx context.Context, r *GetPendingJobExecutionsRequest) (awsiot.PublishResult, error) {
	q := of(r)
	c.fill(&q.ThingName, &q.ClientToken)
	return getPendingJobExecutions.PublishOn(ctx, c.Client, &q, c.QoS)
}

// PublishStartNextPendingJobExecution publishes a request; see PublishGetPendingJobExecutions.
func (c *ClientV1) PublishStartNextPendingJobExecution(ctx context.Context, r *StartNextPendingJobExecutionRequest) (awsiot.PublishResult, error) {
	q := of(r)
	c.fill(&q.ThingName, &q.ClientToken)
	return startNextPendingJobExecution.PublishOn(ctx, c.Client, &q, c.QoS)
}

// PublishDescribeJobExecution publishes a request; see PublishGetPendingJobExecutions.
func (c *ClientV1) PublishDescribeJobExecution(ctx context.Context, r *DescribeJobExecutionRequest) (awsiot.PublishResult, error) {
	q := of(r)
	c.fill(&q.ThingName, &q.ClientToken)
	return describeJobExecution.PublishOn(ctx, c.Client, &q, c.QoS)
}

// PublishUpdateJobExecution publishes a request; see PublishGetPendingJobExecutions.
func (c *ClientV1) PublishUpdateJobExecution(ctx context.Context, r *UpdateJobExecutionRequest) (awsiot.PublishResult, error) {
	q := of(r)
	c.fill(&q.ThingName, &q.ClientToken)
	return updateJobExecution.PublishOn(ctx, c.Client, &q, c.QoS)
}

// of is a copy of a request, empty for nil.
func of[R any](r *R) (q R) {
	if r != nil {
		q = *r
	}
	return q
}

// fill sets what a request leaves to c.
func (c *ClientV1) fill(thing, token *string) {
	if *thing == "" {
		*thing = c.ThingName
	}
	if *token == "" {
		*token = c.ClientToken
	}
}
