package iotidentity

import (
	"context"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/internal/service"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// The first generation of AWS's calls: a request is a publish, an answer a message of a subscription.

// PublishCreateKeysAndCertificate publishes the request of CreateKeysAndCertificate. It ends with the PUBACK, which does not say what the service makes of it.
func (c *Client) PublishCreateKeysAndCertificate(ctx context.Context, r *CreateKeysAndCertificateRequest, qos awsiot.QoS) error {
	return createKeysAndCertificate.Publish(ctx, c.s, r, qos)
}

// SubscribeToCreateKeysAndCertificateAccepted subscribes to the accepted answers of CreateKeysAndCertificate.
func (c *Client) SubscribeToCreateKeysAndCertificateAccepted(ctx context.Context, r *CreateKeysAndCertificateSubscriptionRequest, qos awsiot.QoS, h func(*CreateKeysAndCertificateResponse)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return createKeysAndCertificate.Accepted(ctx, c.s, n, err, qos, h)
}

// SubscribeToCreateKeysAndCertificateRejected subscribes to the refusals of CreateKeysAndCertificate.
func (c *Client) SubscribeToCreateKeysAndCertificateRejected(ctx context.Context, r *CreateKeysAndCertificateSubscriptionRequest, qos awsiot.QoS, h func(*RejectedError)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return service.Rejected(ctx, c.s, createKeysAndCertificate, n, err, qos, h)
}

// PublishCreateCertificateFromCsr publishes the request of CreateCertificateFromCsr. It ends with the PUBACK, which does not say what the service makes of it.
func (c *Client) PublishCreateCertificateFromCsr(ctx context.Context, r *CreateCertificateFromCsrRequest, qos awsiot.QoS) error {
	return createCertificateFromCsr.Publish(ctx, c.s, r, qos)
}

// SubscribeToCreateCertificateFromCsrAccepted subscribes to the accepted answers of CreateCertificateFromCsr.
func (c *Client) SubscribeToCreateCertificateFromCsrAccepted(ctx context.Context, r *CreateCertificateFromCsrSubscriptionRequest, qos awsiot.QoS, h func(*CreateCertificateFromCsrResponse)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return createCertificateFromCsr.Accepted(ctx, c.s, n, err, qos, h)
}

// SubscribeToCreateCertificateFromCsrRejected subscribes to the refusals of CreateCertificateFromCsr.
func (c *Client) SubscribeToCreateCertificateFromCsrRejected(ctx context.Context, r *CreateCertificateFromCsrSubscriptionRequest, qos awsiot.QoS, h func(*RejectedError)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return service.Rejected(ctx, c.s, createCertificateFromCsr, n, err, qos, h)
}

// PublishRegisterThing publishes the request of RegisterThing. It ends with the PUBACK, which does not say what the service makes of it.
func (c *Client) PublishRegisterThing(ctx context.Context, r *RegisterThingRequest, qos awsiot.QoS) error {
	return registerThing.Publish(ctx, c.s, r, qos)
}

// SubscribeToRegisterThingAccepted subscribes to the accepted answers of RegisterThing.
func (c *Client) SubscribeToRegisterThingAccepted(ctx context.Context, r *RegisterThingSubscriptionRequest, qos awsiot.QoS, h func(*RegisterThingResponse)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return registerThing.Accepted(ctx, c.s, n, err, qos, h)
}

// SubscribeToRegisterThingRejected subscribes to the refusals of RegisterThing.
func (c *Client) SubscribeToRegisterThingRejected(ctx context.Context, r *RegisterThingSubscriptionRequest, qos awsiot.QoS, h func(*RejectedError)) (*reqresp.Subscription, error) {
	n, err := r.names()
	return service.Rejected(ctx, c.s, registerThing, n, err, qos, h)
}
