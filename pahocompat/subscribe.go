package mqtt

import (
	"errors"
	"maps"
	"slices"
	"strings"

	paho "github.com/eclipse/paho.mqtt.golang"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// Errors of Subscribe and Unsubscribe with paho's texts.
var (
	errNotKept    = errors.New("not currently connected and ResumeSubs not set")
	errNotResumed = errors.New("reconnecting state and cleansession is true")
	errNoFilters  = errors.New("invalid subscription; subscribe map must not be empty")
)

// refused is the return code of a filter that the broker does not take [MQTT311-3.9.3].
const refused = 0x80

// Subscribe implements Client.
func (c *client) Subscribe(topic string, qos byte, callback MessageHandler) Token {
	if p := c.paho.Load(); p != nil {
		return &SubscribeToken{baseToken: baseToken{inner: p.c.Subscribe(topic, qos, p.handler(callback))}}
	}
	t := &SubscribeToken{c: c}
	routed := routedTopic(topic)
	err := errors.Join(c.mayAsk(), checkFilter(topic, qos, "Subscribe"))
	if err != nil {
		t.fail(first(err))
		return t
	}
	if callback != nil {
		c.addRoute(routed, callback)
	}
	t.subs = []string{routed}
	c.subscribe(t, []awsiot.Subscription{{TopicFilter: topic, QoS: awsiot.QoS(qos)}}, func(p *pahoEngine) paho.Token {
		return p.c.Subscribe(topic, qos, p.handler(callback))
	})
	return t
}

// SubscribeMultiple implements Client. The filters go out in the order of their names.
func (c *client) SubscribeMultiple(filters map[string]byte, callback MessageHandler) Token {
	if p := c.paho.Load(); p != nil {
		return &SubscribeToken{baseToken: baseToken{inner: p.c.SubscribeMultiple(filters, p.handler(callback))}}
	}
	t := &SubscribeToken{c: c}
	err := c.mayAsk()
	if err == nil && len(filters) == 0 {
		err = errNoFilters
	}
	var subs []awsiot.Subscription
	for _, f := range slices.Sorted(maps.Keys(filters)) {
		if err == nil {
			err = checkFilter(f, filters[f], "SubscribeMultiple")
		}
		subs = append(subs, awsiot.Subscription{TopicFilter: f, QoS: awsiot.QoS(filters[f])})
		t.subs = append(t.subs, f)
	}
	if err != nil {
		t.fail(err)
		return t
	}
	if callback != nil {
		for _, f := range t.subs {
			c.addRoute(routedTopic(f), callback)
		}
	}
	kept := maps.Clone(filters)
	c.subscribe(t, subs, func(p *pahoEngine) paho.Token { return p.c.SubscribeMultiple(kept, p.handler(callback)) })
	return t
}

// mayAsk returns why a SUBSCRIBE or UNSUBSCRIBE would be lost now.
func (c *client) mayAsk() error {
	switch s := c.status.load(); {
	case !c.connected(s):
		return ErrNotConnected
	case s == statusConnected:
		return nil
	case !c.options.ResumeSubs:
		return errNotKept
	case c.options.CleanSession && s == statusReconnecting:
		return errNotResumed
	}
	return nil
}

// first returns the first of joined errors: the values are compared by programs.
func first(err error) error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap()[0]
	}
	return err
}

// checkFilter is paho's check, with its errors.
func checkFilter(topic string, qos byte, call string) error {
	if topic == "" {
		return ErrInvalidTopicEmptyString
	}
	if i := strings.Index(topic, "#/"); i == 0 || i > 0 && topic[i-1] == '/' {
		return ErrInvalidTopicMultilevel
	}
	switch {
	case qos > 2:
		return ErrInvalidQos
	case qos == 2:
		return &errQoS2{call}
	}
	return nil
}

// routedTopic returns the filter that the messages of a subscription match: shared ones without their group.
func routedTopic(topic string) string {
	if rest, shared := strings.CutPrefix(topic, "$share/"); shared {
		_, rest, _ = strings.Cut(rest, "/")
		return rest
	}
	return strings.TrimPrefix(topic, "$queue/")
}

// subscribe sends a SUBSCRIBE, or queues it for the next connection.
func (c *client) subscribe(t *SubscribeToken, subs []awsiot.Subscription, again func(*pahoEngine) paho.Token) {
	if c.options.ResumeSubs {
		key, err := c.keep(subscribePacket(subs))
		if err != nil {
			t.fail(err)
			return
		}
		t.key = key
	}
	if !c.decided.Load() {
		c.remember(func() func(*pahoEngine) {
			if !t.move() {
				return nil
			}
			c.forget(t.key)
			return func(p *pahoEngine) {
				inner := again(p)
				go t.follow(inner, func() { t.result = inner.(*paho.SubscribeToken).Result() }) // ends with the operation
			}
		})
	}
	c.core.SubscribeAsync(&awsiot.SubscribePacket{Subscriptions: subs}).OnDone(t.settled)
}

// settled is the end of a SUBSCRIBE. A refusal is no error but a result, as under paho.
func (t *SubscribeToken) settled(ack *awsiot.SubackPacket, err error) {
	if !errors.Is(err, awsiot.ErrStopped) && !errors.Is(err, awsiot.ErrClosed) {
		t.c.forget(t.key)
	} else {
		t.c.core.ReleasePacketID(t.key)
	}
	if ack == nil || len(ack.Codes) != len(t.subs) {
		t.end(operationError("Subscribe", err), nil)
		return
	}
	if err != nil {
		WARN.Println(CLI, err)
	}
	result := make(map[string]byte, len(t.subs))
	for i, code := range ack.Codes {
		result[t.subs[i]] = byte(code)
		if code.IsError() {
			result[t.subs[i]] = refused
		}
	}
	t.end(nil, func() { t.result = result })
}

// Unsubscribe implements Client.
func (c *client) Unsubscribe(topics ...string) Token {
	if p := c.paho.Load(); p != nil {
		return &UnsubscribeToken{baseToken: baseToken{inner: p.c.Unsubscribe(topics...)}}
	}
	t := &UnsubscribeToken{c: c}
	if err := c.mayAsk(); err != nil {
		t.fail(err)
		return t
	}
	kept := slices.Clone(topics)
	if c.options.ResumeSubs {
		key, err := c.keep(unsubscribePacket(kept))
		if err != nil {
			t.fail(err)
			return t
		}
		t.key = key
	}
	if !c.decided.Load() {
		c.remember(func() func(*pahoEngine) {
			if !t.move() {
				return nil
			}
			c.forget(t.key)
			return func(p *pahoEngine) { go t.follow(p.c.Unsubscribe(kept...), nil) } // ends with the operation
		})
	}
	for _, topic := range topics {
		c.removeRoute(topic)
		c.removeRoute(routedTopic(topic))
	}
	c.core.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: kept}).OnDone(t.settled)
	return t
}

// settled is the end of an UNSUBSCRIBE.
func (t *UnsubscribeToken) settled(_ *awsiot.UnsubackPacket, err error) {
	if !errors.Is(err, awsiot.ErrStopped) && !errors.Is(err, awsiot.ErrClosed) {
		t.c.forget(t.key)
	} else {
		t.c.core.ReleasePacketID(t.key)
	}
	t.end(operationError("Unsubscribe", err), nil)
}
