package mqtt

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/portage-iot/awsiot/internal/topic"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// route is a filter with its handler. The route of core stays while the handler is replaced, and so does its place in the order.
type route struct {
	filter  string
	handler atomic.Pointer[MessageHandler]
	remove  func()
}

// AddRoute implements Client. A filter that MQTT does not know is logged, and a nil callback does nothing.
func (c *client) AddRoute(topic string, callback MessageHandler) {
	if callback == nil {
		return
	}
	if p := c.paho.Load(); p != nil {
		p.c.AddRoute(topic, p.handler(callback))
		return
	}
	c.addRoute(routedTopic(topic), callback)
}

func (c *client) addRoute(filter string, callback MessageHandler) {
	if err := topic.ValidateFilter(filter); err != nil {
		ERROR.Println(ROU, "no route for", filter, err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.routes.Get(filter)
	if r != nil {
		r.handler.Store(&callback)
		return
	}
	r = &route{filter: filter}
	r.handler.Store(&callback)
	r.remove = c.core.Handle(filter, func(m *awsiot.Message) { c.deliver(*r.handler.Load(), m) })
	c.routes.Put(filter, r)
	if filter[0] == '+' || filter[0] == '#' {
		c.wild = append(slices.Clip(c.wild), r)
	}
}

func (c *client) removeRoute(filter string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.routes.Get(filter); r != nil {
		r.remove()
		c.routes.Delete(filter)
		c.wild = slices.DeleteFunc(slices.Clone(c.wild), func(w *route) bool { return w == r })
	}
}

// unhandled gets every message from core, after its routes.
func (c *client) unhandled(m *awsiot.Message) {
	if m.Topic[0] == '$' && !m.Handled { // core keeps leading wildcards away from such topics, as brokers do; paho's routes match
		c.mu.Lock()
		wild := c.wild
		c.mu.Unlock()
		for _, r := range wild {
			if strings.HasPrefix(r.filter, "#") || topic.Match(r.filter[1:], m.Topic[level(m.Topic):]) {
				c.deliver(*r.handler.Load(), m)
				m.Handled = true
			}
		}
	}
	switch {
	case m.Handled:
	case c.options.DefaultPublishHandler != nil:
		c.deliver(c.options.DefaultPublishHandler, m)
	default:
		DEBUG.Println(ROU, "matchAndDispatch received message and no handler was available. Message will NOT be acknowledged.")
		m.HoldAck() // it comes again when somebody may want it
	}
	c.last = nil
}

// level returns the length of the first level of a topic.
func level(s string) int {
	if i := strings.IndexByte(s, '/'); i >= 0 {
		return i
	}
	return len(s)
}

// deliver hands a message to one handler. The message lane calls it, for the handlers of one message in a row.
func (c *client) deliver(h MessageHandler, m *awsiot.Message) {
	c.awaitConnected()
	msg := c.last
	if msg == nil || msg.m != m {
		msg = &message{m: m}
		c.last = msg
	}
	o := &c.options
	if o.AutoAckDisabled || !o.Order {
		msg.hold()
	}
	if o.Order {
		h(c, msg) // core acknowledges when all handlers have returned
		return
	}
	go func() { // the program's, as SetOrderMatters(false) asks for
		h(c, msg)
		if !o.AutoAckDisabled {
			msg.Ack()
		}
	}()
}

// awaitConnected waits until the events have told us of the connection that the message came on: a handler must find the client
// connected.
func (c *client) awaitConnected() {
	for {
		if s := c.status.load(); s != statusConnecting && s != statusReconnecting {
			return
		}
		if !c.linked() {
			return // it is of a connection that has ended
		}
		c.mu.Lock()
		if c.news == nil {
			c.news = make(chan struct{})
		}
		news, s := c.news, c.status.load()
		c.mu.Unlock()
		if s == statusConnecting || s == statusReconnecting {
			<-news
		}
	}
}
