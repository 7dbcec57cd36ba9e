package iotshadow

import (
	"context"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/internal/service"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// The first generation of AWS's calls: a request is a publish, an answer a message of a subscription.

// PublishGetShadow publishes the request of GetShadow. It ends with the PUBACK, which does not say what the service makes of it.
func (c *Client) PublishGetShadow(ctx context.Context, r *GetShadowRequest, qos awsiot.QoS) error {
	return getShadow.Publish(ctx, c.s, r, qos)
}

// SubscribeToGetShadowAccepted subscribes to the accepted answers of GetShadow, whoever asked.
func (c *Client) SubscribeToGetShadowAccepted(ctx context.Context, r *GetShadowSubscriptionRequest, qos awsiot.QoS, h func(*GetShadowResponse)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return getShadow.Accepted(ctx, c.s, n, err, qos, h)
}

// SubscribeToGetShadowRejected subscribes to the refusals of GetShadow, whoever asked.
func (c *Client) SubscribeToGetShadowRejected(ctx context.Context, r *GetShadowSubscriptionRequest, qos awsiot.QoS, h func(*RejectedError)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return service.Rejected(ctx, c.s, getShadow, n, err, qos, h)
}

// PublishUpdateShadow publishes the request of UpdateShadow. It ends with the PUBACK, which does not say what the service makes of it.
func (c *Client) PublishUpdateShadow(ctx context.Context, r *UpdateShadowRequest, qos awsiot.QoS) error {
	return updateShadow.Publish(ctx, c.s, r, qos)
}

// SubscribeToUpdateShadowAccepted subscribes to the accepted answers of UpdateShadow, whoever asked.
func (c *Client) SubscribeToUpdateShadowAccepted(ctx context.Context, r *UpdateShadowSubscriptionRequest, qos awsiot.QoS, h func(*UpdateShadowResponse)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return updateShadow.Accepted(ctx, c.s, n, err, qos, h)
}

// SubscribeToUpdateShadowRejected subscribes to the refusals of UpdateShadow, whoever asked.
func (c *Client) SubscribeToUpdateShadowRejected(ctx context.Context, r *UpdateShadowSubscriptionRequest, qos awsiot.QoS, h func(*RejectedError)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return service.Rejected(ctx, c.s, updateShadow, n, err, qos, h)
}

// PublishDeleteShadow publishes the request of DeleteShadow. It ends with the PUBACK, which does not say what the service makes of it.
func (c *Client) PublishDeleteShadow(ctx context.Context, r *DeleteShadowRequest, qos awsiot.QoS) error {
	return deleteShadow.Publish(ctx, c.s, r, qos)
}

// SubscribeToDeleteShadowAccepted subscribes to the accepted answers of DeleteShadow, whoever asked.
func (c *Client) SubscribeToDeleteShadowAccepted(ctx context.Context, r *DeleteShadowSubscriptionRequest, qos awsiot.QoS, h func(*DeleteShadowResponse)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return deleteShadow.Accepted(ctx, c.s, n, err, qos, h)
}

// SubscribeToDeleteShadowRejected subscribes to the refusals of DeleteShadow, whoever asked.
func (c *Client) SubscribeToDeleteShadowRejected(ctx context.Context, r *DeleteShadowSubscriptionRequest, qos awsiot.QoS, h func(*RejectedError)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return service.Rejected(ctx, c.s, deleteShadow, n, err, qos, h)
}

// PublishGetNamedShadow publishes the request of GetNamedShadow. It ends with the PUBACK, which does not say what the service makes of it.
func (c *Client) PublishGetNamedShadow(ctx context.Context, r *GetNamedShadowRequest, qos awsiot.QoS) error {
	return getNamedShadow.Publish(ctx, c.s, r, qos)
}

// SubscribeToGetNamedShadowAccepted subscribes to the accepted answers of GetNamedShadow, whoever asked.
func (c *Client) SubscribeToGetNamedShadowAccepted(ctx context.Context, r *GetNamedShadowSubscriptionRequest, qos awsiot.QoS, h func(*GetShadowResponse)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return getNamedShadow.Accepted(ctx, c.s, n, err, qos, h)
}

// SubscribeToGetNamedShadowRejected subscribes to the refusals of GetNamedShadow, whoever asked.
func (c *Client) SubscribeToGetNamedShadowRejected(ctx context.Context, r *GetNamedShadowSubscriptionRequest, qos awsiot.QoS, h func(*RejectedError)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return service.Rejected(ctx, c.s, getNamedShadow, n, err, qos, h)
}

// PublishUpdateNamedShadow publishes the request of UpdateNamedShadow. It ends with the PUBACK, which does not say what the service makes of it.
func (c *Client) PublishUpdateNamedShadow(ctx context.Context, r *UpdateNamedShadowRequest, qos awsiot.QoS) error {
	return updateNamedShadow.Publish(ctx, c.s, r, qos)
}

// SubscribeToUpdateNamedShadowAccepted subscribes to the accepted answers of UpdateNamedShadow, whoever asked.
func (c *Client) SubscribeToUpdateNamedShadowAccepted(ctx context.Context, r *UpdateNamedShadowSubscriptionRequest, qos awsiot.QoS, h func(*UpdateShadowResponse)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return updateNamedShadow.Accepted(ctx, c.s, n, err, qos, h)
}

// SubscribeToUpdateNamedShadowRejected subscribes to the refusals of UpdateNamedShadow, whoever asked.
func (c *Client) SubscribeToUpdateNamedShadowRejected(ctx context.Context, r *UpdateNamedShadowSubscriptionRequest, qos awsiot.QoS, h func(*RejectedError)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return service.Rejected(ctx, c.s, updateNamedShadow, n, err, qos, h)
}

// PublishDeleteNamedShadow publishes the request of DeleteNamedShadow. It ends with the PUBACK, which does not say what the service makes of it.
func (c *Client) PublishDeleteNamedShadow(ctx context.Context, r *DeleteNamedShadowRequest, qos awsiot.QoS) error {
	return deleteNamedShadow.Publish(ctx, c.s, r, qos)
}

// SubscribeToDeleteNamedShadowAccepted subscribes to the accepted answers of DeleteNamedShadow, whoever asked.
func (c *Client) SubscribeToDeleteNamedShadowAccepted(ctx context.Context, r *DeleteNamedShadowSubscriptionRequest, qos awsiot.QoS, h func(*DeleteShadowResponse)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return deleteNamedShadow.Accepted(ctx, c.s, n, err, qos, h)
}

// SubscribeToDeleteNamedShadowRejected subscribes to the refusals of DeleteNamedShadow, whoever asked.
func (c *Client) SubscribeToDeleteNamedShadowRejected(ctx context.Context, r *DeleteNamedShadowSubscriptionRequest, qos awsiot.QoS, h func(*RejectedError)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return service.Rejected(ctx, c.s, deleteNamedShadow, n, err, qos, h)
}

// SubscribeToShadowDeltaUpdatedEvents subscribes to the same events as ShadowDeltaUpdated.
func (c *Client) SubscribeToShadowDeltaUpdatedEvents(ctx context.Context, r *ShadowDeltaUpdatedSubscriptionRequest, qos awsiot.QoS, h func(*ShadowDeltaUpdatedEvent)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return shadowDeltaUpdated.Subscribe(ctx, c.s, n, err, qos, h)
}

// SubscribeToShadowUpdatedEvents subscribes to the same events as ShadowUpdated.
func (c *Client) SubscribeToShadowUpdatedEvents(ctx context.Context, r *ShadowUpdatedSubscriptionRequest, qos awsiot.QoS, h func(*ShadowUpdatedEvent)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return shadowUpdated.Subscribe(ctx, c.s, n, err, qos, h)
}

// SubscribeToNamedShadowDeltaUpdatedEvents subscribes to the same events as NamedShadowDeltaUpdated.
func (c *Client) SubscribeToNamedShadowDeltaUpdatedEvents(ctx context.Context, r *NamedShadowDeltaUpdatedSubscriptionRequest, qos awsiot.QoS, h func(*ShadowDeltaUpdatedEvent)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return namedShadowDeltaUpdated.Subscribe(ctx, c.s, n, err, qos, h)
}

// SubscribeToNamedShadowUpdatedEvents subscribes to the same events as NamedShadowUpdated.
func (c *Client) SubscribeToNamedShadowUpdatedEvents(ctx context.Context, r *NamedShadowUpdatedSubscriptionRequest, qos awsiot.QoS, h func(*ShadowUpdatedEvent)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return namedShadowUpdated.Subscribe(ctx, c.s, n, err, qos, h)
}
