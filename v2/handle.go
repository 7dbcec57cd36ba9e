package awsiot

import (
	"log/slog"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/v2/internal/wire"
)

// Handle adds a route without a SUBSCRIBE, for messages of persistent sessions and of
// subscriptions made elsewhere, until remove is called. Any number per filter, independent of
// Subscribe. An invalid filter matches nothing, and is logged as an error; so is a nil handler.
func (c *Client) Handle(filter string, h MessageHandler) (remove func()) {
	err := topic.ValidateFilter(filter)
	if err == nil && h == nil {
		err = missing("MessageHandler")
	}
	if err != nil {
		c.log.Error("Handle: not added", slog.String("filter", filter), slog.Any("error", err))
		return func() {}
	}
	r := c.router.Add(filter, h)
	return func() { c.router.Remove(r) }
}

// deliver runs the handlers of one message, then acknowledges it. Unless it is the last for now,
// its PUBACK may travel with those of the messages behind it. Only the message lane calls it.
func (c *Client) deliver(m *Message, last bool) {
	if m.QoS == AtLeastOnce {
		defer c.ackMessage(m, last) // also when a handler calls runtime.Goexit
	}
	c.scratch = c.router.Match(m.Topic, c.scratch[:0])
	for _, r := range c.scratch {
		if h := r.Value(); h != nil {
			m.Handled = true
			c.messages.call(h, m)
		}
	}
	if h := c.options().OnPublishReceived; h != nil {
		c.messages.call(h, m)
	}
	if hear := c.hearers.Load(); hear != nil {
		for _, h := range *hear {
			c.messages.call(h, m)
		}
	}
}

// call runs one handler; see guard.
func (l *lane) call(h MessageHandler, m *Message) {
	defer l.recover()
	h(m)
}

// ackMessage acknowledges a message whose handlers have returned, unless one of them took that over.
func (c *Client) ackMessage(m *Message, last bool) {
	c.mu.Lock()
	if a := m.ack; a.phase == ackByClient {
		a.phase = ackDone
		if a.alive() {
			l := c.link
			l.puback(a.id)
			if !last && !l.ackSoon {
				l.ackSoon = true
				time.AfterFunc(ackDelay, func() {
					c.mu.Lock()
					l.ackSoon = false
					c.unlock()
				})
			}
		}
	}
	if last {
		c.unlock()
	} else {
		c.mu.Unlock() // the writer is woken by the last one, or by the timer when that takes long
	}
}

// puback encodes a PUBACK. mu is held.
func (l *link) puback(id uint16) {
	if len(l.out) == 0 {
		l.batchStart = l.c.clock()
	}
	out := wire.AppendPuback(l.out, id, 0)
	l.end += uint64(len(out) - len(l.out))
	l.out = out
	l.inbound--
}

// maxAWSHeld is how many messages AWS IoT Core sends to a client that acknowledges none of them.
const maxAWSHeld = 100

// hold counts an acknowledgement that a handler has taken over. mu is held.
func (l *link) hold() {
	if l.held++; l.held == maxAWSHeld {
		l.c.note(slog.LevelWarn, "many acknowledgements are held: AWS IoT Core sends nothing more until some are given", slog.Int("held", int(l.held)))
	}
}
