package awsiot

import (
	"fmt"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/v2/internal/bucket"
	"github.com/portage-iot/awsiot/v2/internal/wire"
)

// quota holds publishes back to the rates of AWS IoT Core per connection
// (https://docs.aws.amazon.com/general/latest/gr/iot-core.html). It starts empty at every connection.
type quota struct {
	publishes, bytes bucket.Bucket
	timer            *time.Timer
	armed            bool
}

func newQuota(now time.Duration) *quota {
	q := &quota{publishes: bucket.New(topic.MaxAWSPublishesPerSecond, topic.MaxAWSPublishesPerSecond),
		bytes: bucket.New(topic.MaxAWSBytesPerSecond, topic.MaxAWSBytesPerSecond)}
	q.publishes.Reset(now)
	q.bytes.Reset(now)
	return q
}

// need returns what an operation takes from the two buckets.
func (o *operation) need() (publishes, bytes uint64) {
	if o.sub == nil {
		publishes = 1
	}
	return publishes, uint64(min(o.size, topic.MaxAWSBytesPerSecond))
}

// allows reports whether o may be sent now, and if not, sees to it that the queue is looked at
// again when it may. mu is held.
func (c *Client) allows(l *link, o *operation) bool {
	q := l.quota
	if q == nil {
		return true
	}
	now := c.clock()
	n, bytes := o.need()
	wait := max(q.publishes.Wait(now, n), q.bytes.Wait(now, bytes))
	if wait <= 0 {
		return true
	}
	if !q.armed {
		q.armed = true
		q.timer = c.afterFunc(wait, func(c *Client) {
			c.mu.Lock()
			defer c.unlock()
			q.armed = false
			if l := c.link; l != nil && l.quota == q {
				c.pump(l)
			}
		})
	}
	return false
}

// spend takes what o needs. mu is held.
func (l *link) spend(now time.Duration, o *operation) {
	if l.quota != nil {
		n, bytes := o.need()
		l.quota.publishes.Take(now, n)
		l.quota.bytes.Take(now, bytes)
	}
}

// checkLimits refuses what waited for a connection, or comes from the store, and was not checked at its call because the
// client was on the way to another broker then.
func (o *operation) checkLimits() error {
	if o.sub != nil {
		field := "Subscriptions"
		if o.kind == opUnsubscribe {
			field = "TopicFilters"
		}
		return checkAWSFilters(field, o.sub.names())
	}
	p := PublishPacket{Topic: o.name}
	if o.name == "" || o.size > topic.MaxAWSPayloadBytes { // the store does not know its topic, and the payload is to be looked at
		var w wire.InPublish
		wire.SetPublishID(o.buf, max(o.id, 1)) // none is malformed
		if f, _, err := wire.Next(o.buf, 0); err != nil || wire.ParsePublish(f, &w) != nil {
			return nil // cannot be: the packet is our own
		}
		p.Topic, p.Payload = string(w.Topic), w.Payload
	}
	if err := checkAWSPublish(&p); err != nil {
		return err
	}
	return nil
}

// checkAWSPublish refuses what AWS IoT Core would answer by closing the connection.
func checkAWSPublish(p *PublishPacket) *ValidationError {
	if err := topic.CheckAWSTopic(p.Topic); err != nil {
		return &ValidationError{Field: "Topic", Problem: err.Error(), err: err}
	}
	if len(p.Payload) > topic.MaxAWSPayloadBytes {
		return invalid("Payload", "%d bytes; AWS IoT Core takes at most %d", len(p.Payload), topic.MaxAWSPayloadBytes)
	}
	return nil
}

// checkAWSFilters does the same for the filters of a SUBSCRIBE or UNSUBSCRIBE.
func checkAWSFilters(field string, filters []string) error {
	if len(filters) > topic.MaxAWSFiltersPerSubscribe {
		return invalid(field, "%d filters; AWS IoT Core takes at most %d in one packet", len(filters), topic.MaxAWSFiltersPerSubscribe)
	}
	for i, f := range filters {
		if err := topic.CheckAWSFilter(f); err != nil {
			return &ValidationError{Field: fmt.Sprintf("%s[%d]", field, i), Problem: err.Error(), err: err}
		}
	}
	return nil
}
