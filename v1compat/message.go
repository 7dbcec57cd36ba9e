package v1compat

import (
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// Message is v1's message: what OnMessage and message callbacks get. One value
// is shared by all callbacks of one message, as in v1.
//
// Deprecated: use awsiot.Message.
type Message struct {
	Topic   string
	Payload []byte
	QoS     byte
	Retain  bool
	Dup     bool
	// Mid numbers the QoS 1 messages received, 1 to 65535; 0 for QoS 0, as in v1.
	// It is not the packet identifier on the wire.
	Mid Mid
	// Timestamp is when the message reached the callbacks. v1: seconds as float.
	Timestamp time.Time
}

// MessageCallback is the type of v1's message callbacks. client is the client
// that received the message (v1 passed None), userdata is nil.
//
// Deprecated: use awsiot.MessageHandler.
type MessageCallback func(client *AWSIoTMQTTClient, userdata any, message *Message)

// Handler makes a handler of an awsiot.Client out of a message callback of v1's
// shape, which gets FromV2(client). It is what iotmigrate writes where a callback
// uses its client.
//
// Deprecated: write an awsiot.MessageHandler.
func Handler(client *awsiot.Client, cb MessageCallback) awsiot.MessageHandler {
	c := FromV2(client)
	return func(m *awsiot.Message) {
		if cb != nil {
			msg := c.convert(m)
			c.guard("message", func() { cb(c, nil, msg) })
		}
	}
}

// record is one filter with its callbacks. v1 kept it from the call on, whatever
// became of the SUBSCRIBE, and by the order of the first call.
type record struct {
	client *AWSIoTMQTTClient
	filter string
	order  uint64

	// under the client's lock
	qos     byte
	message MessageCallback
	ack     func(Mid, []byte)
	version int    // counts the calls that changed it
	again   bool   // the core does not subscribe it again by itself
	refused bool   // by the server; kept for Quirks.KeepRejectedSubscription
	unroute func() // takes the route out of the core
}

// receive is the core's handler of the filter.
func (r *record) receive(m *awsiot.Message) {
	c := r.client
	c.mu.Lock()
	cb := r.message
	c.mu.Unlock()
	if cb == nil {
		return // v1: rely on OnMessage
	}
	msg := c.convert(m)
	c.guard("message", func() { cb(c, nil, msg) })
}

// general hears of all messages, after the handlers of the filters.
func (c *AWSIoTMQTTClient) general(m *awsiot.Message) {
	if hook := c.hooks().message; hook != nil {
		msg := c.convert(m)
		c.guard("OnMessage", func() { hook(msg) })
	}
	c.mu.Lock()
	if c.lastIn == m {
		c.lastIn, c.lastOut = nil, nil
	}
	c.mu.Unlock()
}

// convert returns the v1 form of m: the same one for every callback of m.
func (c *AWSIoTMQTTClient) convert(m *awsiot.Message) *Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lastIn == m {
		return c.lastOut
	}
	msg := &Message{Topic: m.Topic, Payload: m.Payload, QoS: byte(m.QoS), Retain: m.Retain, Dup: m.Duplicate, Timestamp: time.Now()}
	if m.QoS > 0 {
		c.inMid = c.inMid.next()
		msg.Mid = c.inMid
	}
	c.lastIn, c.lastOut = m, msg
	return msg
}
