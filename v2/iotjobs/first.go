package iotjobs

import (
	"context"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/internal/service"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// The first generation of AWS's calls: a request is a publish, an answer a message of a subscription.

// PublishGetPendingJobExecutions publishes the request of GetPendingJobExecutions. It ends with the PUBACK, which does not say what the service makes of it.
func (c *Client) PublishGetPendingJobExecutions(ctx context.Context, r *GetPendingJobExecutionsRequest, qos awsiot.QoS) error {
	return getPendingJobExecutions.Publish(ctx, c.s, r, qos)
}

// SubscribeToGetPendingJobExecutionsAccepted subscribes to the accepted answers of GetPendingJobExecutions.
func (c *Client) SubscribeToGetPendingJobExecutionsAccepted(ctx context.Context, r *GetPendingJobExecutionsSubscriptionRequest, qos awsiot.QoS, h func(*GetPendingJobExecutionsResponse)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return getPendingJobExecutions.Accepted(ctx, c.s, n, err, qos, h)
}

// SubscribeToGetPendingJobExecutionsRejected subscribes to the refusals of GetPendingJobExecutions.
func (c *Client) SubscribeToGetPendingJobExecutionsRejected(ctx context.Context, r *GetPendingJobExecutionsSubscriptionRequest, qos awsiot.QoS, h func(*RejectedError)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return service.Rejected(ctx, c.s, getPendingJobExecutions, n, err, qos, h)
}

// PublishStartNextPendingJobExecution publishes the request of StartNextPendingJobExecution. It ends with the PUBACK, which does not say what the service makes of it.
func (c *Client) PublishStartNextPendingJobExecution(ctx context.Context, r *StartNextPendingJobExecutionRequest, qos awsiot.QoS) error {
	return startNextPendingJobExecution.Publish(ctx, c.s, r, qos)
}

// SubscribeToStartNextPendingJobExecutionAccepted subscribes to the accepted answers of StartNextPendingJobExecution.
func (c *Client) SubscribeToStartNextPendingJobExecutionAccepted(ctx context.Context, r *StartNextPendingJobExecutionSubscriptionRequest, qos awsiot.QoS, h func(*StartNextJobExecutionResponse)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return startNextPendingJobExecution.Accepted(ctx, c.s, n, err, qos, h)
}

// SubscribeToStartNextPendingJobExecutionRejected subscribes to the refusals of StartNextPendingJobExecution.
func (c *Client) SubscribeToStartNextPendingJobExecutionRejected(ctx context.Context, r *StartNextPendingJobExecutionSubscriptionRequest, qos awsiot.QoS, h func(*RejectedError)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return service.Rejected(ctx, c.s, startNextPendingJobExecution, n, err, qos, h)
}

// PublishDescribeJobExecution publishes the request of DescribeJobExecution. It ends with the PUBACK, which does not say what the service makes of it.
func (c *Client) PublishDescribeJobExecution(ctx context.Context, r *DescribeJobExecutionRequest, qos awsiot.QoS) error {
	return describeJobExecution.Publish(ctx, c.s, r, qos)
}

// SubscribeToDescribeJobExecutionAccepted subscribes to the accepted answers of DescribeJobExecution.
func (c *Client) SubscribeToDescribeJobExecutionAccepted(ctx context.Context, r *DescribeJobExecutionSubscriptionRequest, qos awsiot.QoS, h func(*DescribeJobExecutionResponse)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return describeJobExecution.Accepted(ctx, c.s, n, err, qos, h)
}

// SubscribeToDescribeJobExecutionRejected subscribes to the refusals of DescribeJobExecution.
func (c *Client) SubscribeToDescribeJobExecutionRejected(ctx context.Context, r *DescribeJobExecutionSubscriptionRequest, qos awsiot.QoS, h func(*RejectedError)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return service.Rejected(ctx, c.s, describeJobExecution, n, err, qos, h)
}

// PublishUpdateJobExecution publishes the request of UpdateJobExecution. It ends with the PUBACK, which does not say what the service makes of it.
func (c *Client) PublishUpdateJobExecution(ctx context.Context, r *UpdateJobExecutionRequest, qos awsiot.QoS) error {
	return updateJobExecution.Publish(ctx, c.s, r, qos)
}

// SubscribeToUpdateJobExecutionAccepted subscribes to the accepted answers of UpdateJobExecution.
func (c *Client) SubscribeToUpdateJobExecutionAccepted(ctx context.Context, r *UpdateJobExecutionSubscriptionRequest, qos awsiot.QoS, h func(*UpdateJobExecutionResponse)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return updateJobExecution.Accepted(ctx, c.s, n, err, qos, h)
}

// SubscribeToUpdateJobExecutionRejected subscribes to the refusals of UpdateJobExecution.
func (c *Client) SubscribeToUpdateJobExecutionRejected(ctx context.Context, r *UpdateJobExecutionSubscriptionRequest, qos awsiot.QoS, h func(*RejectedError)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return service.Rejected(ctx, c.s, updateJobExecution, n, err, qos, h)
}

// SubscribeToJobExecutionsChangedEvents subscribes to the same events as JobExecutionsChanged.
func (c *Client) SubscribeToJobExecutionsChangedEvents(ctx context.Context, r *JobExecutionsChangedSubscriptionRequest, qos awsiot.QoS, h func(*JobExecutionsChangedEvent)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return jobExecutionsChanged.Subscribe(ctx, c.s, n, err, qos, h)
}

// SubscribeToNextJobExecutionChangedEvents subscribes to the same events as NextJobExecutionChanged.
func (c *Client) SubscribeToNextJobExecutionChangedEvents(ctx context.Context, r *NextJobExecutionChangedSubscriptionRequest, qos awsiot.QoS, h func(*NextJobExecutionChangedEvent)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return nextJobExecutionChanged.Subscribe(ctx, c.s, n, err, qos, h)
}
