package jobscompat

import "github.com/portage-iot/awsiot/v1compat"

// noTopic is v1's text for a filter that is None.
const noTopic = "No topic specified, or incorrect topic type."

// CreateJobSubscription is v1's createJobSubscription: it subscribes cb, which
// may be nil, to a topic of the Jobs service. v1's defaults were
// JobWildcardTopic, JobRequestType and no job id, which is "" here. jobID may be
// "+", every job, and "$next", the next pending one.
//
// The result is the subscription, also when it waits in the offline queue: see
// JobSubscription.Queued. Errors are those of v1compat's Subscribe;
// *v1compat.ValueError also for arguments that have no topic.
//
// Deprecated: use iotjobs.Client's requests, which wait for their answers, or its
// SubscribeTo methods.
func (c *AWSIoTMQTTThingJobsClient) CreateJobSubscription(cb v1compat.MessageCallback, topicType JobExecutionTopicType, replyType JobExecutionTopicReplyType, jobID string) (*JobSubscription, error) {
	filter, err := c.filter(topicType, replyType, jobID)
	if err != nil {
		return nil, err
	}
	acked, err := c.mqtt.Subscribe(filter, c.qos, cb)
	if err != nil {
		return nil, err
	}
	return &JobSubscription{mqtt: c.mqtt, topic: filter, queued: !acked}, nil
}

// CreateJobSubscriptionAsync is v1's createJobSubscriptionAsync; mind the order:
// ack before cb. See CreateJobSubscription, and v1compat's SubscribeAsync for ack
// and the result, which is v1compat.MidQueued for the offline queue.
//
// Deprecated: use iotjobs.Client's SubscribeTo methods.
func (c *AWSIoTMQTTThingJobsClient) CreateJobSubscriptionAsync(ack func(mid v1compat.Mid, data []byte), cb v1compat.MessageCallback, topicType JobExecutionTopicType, replyType JobExecutionTopicReplyType, jobID string) (v1compat.Mid, error) {
	filter, err := c.filter(topicType, replyType, jobID)
	if err != nil {
		return 0, err
	}
	return c.mqtt.SubscribeAsync(filter, c.qos, ack, cb)
}

func (c *AWSIoTMQTTThingJobsClient) filter(topicType JobExecutionTopicType, replyType JobExecutionTopicReplyType, jobID string) (string, error) {
	filter, err := jobTopic(c.thing, topicType, replyType, jobID)
	if err != nil {
		return "", &v1compat.ValueError{Message: noTopic, Err: err}
	}
	return filter, nil
}

// JobSubscription is a subscription made by CreateJobSubscription. v1 returned
// whether it was subscribed, and had no way to end it but the topic, which it did
// not tell.
//
// Deprecated: use the reqresp.Subscription that SubscribeTo methods return.
type JobSubscription struct {
	mqtt   *v1compat.AWSIoTMQTTClient
	topic  string
	queued bool
}

// Topic returns the filter, which v1 had no way to tell.
//
// Deprecated: use the filter of awsiot.Client.Subscribe.
func (s *JobSubscription) Topic() string { return s.topic }

// Queued reports whether the call left the SUBSCRIBE in the offline queue: v1's
// result was then False. It does not change when the queue is sent.
//
// Deprecated: use awsiot.Client.SubscribeAsync.
func (s *JobSubscription) Queued() bool { return s.queued }

// Unsubscribe ends the subscription of the filter, which is one for all that
// subscribed to it on the connection; see v1compat's Unsubscribe.
//
// Deprecated: use reqresp.Subscription.Close.
func (s *JobSubscription) Unsubscribe() (bool, error) { return s.mqtt.Unsubscribe(s.topic) }
