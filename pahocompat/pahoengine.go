package mqtt

import (
	"crypto/tls"
	"net/url"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// pahoEngine is paho.mqtt.golang beneath a client.
type pahoEngine struct {
	self *client // what the program's handlers get
	c    paho.Client
}

// newPahoEngine makes paho's client with the options of self; the handlers get self.
func newPahoEngine(self *client, o paho.ClientOptions) *pahoEngine {
	p := &pahoEngine{self: self}
	o.DefaultPublishHandler = p.handler(o.DefaultPublishHandler)
	if fn := o.OnConnect; fn != nil {
		o.OnConnect = func(paho.Client) { fn(self) }
	}
	if fn := o.OnConnectionLost; fn != nil {
		o.OnConnectionLost = func(_ paho.Client, err error) { fn(self, err) }
	}
	if fn := o.OnReconnecting; fn != nil {
		o.OnReconnecting = func(_ paho.Client, options *paho.ClientOptions) { fn(self, options) }
	}
	if fn := o.OnConnectionNotification; fn != nil {
		o.OnConnectionNotification = func(_ paho.Client, n paho.ConnectionNotification) { fn(self, n) }
	}
	p.c = paho.NewClient(&o)
	return p
}

// handler makes h get the client that the program has; nil stays nil.
func (p *pahoEngine) handler(h MessageHandler) MessageHandler {
	if h == nil {
		return nil
	}
	return func(_ paho.Client, m paho.Message) { h(p.self, m) }
}

// fallBack makes c a client of the paho engine, if its broker takes MQTT 3.1.1, or since its store needs that, and t the token of the new Connect. Routes and
// operations that wait go along. A broker that has closed the connection without an answer may have had another reason: there the paho
// engine must get its connection first, or all stays as it was.
func (c *client) fallBack(r *run, t *ConnectToken, out outcome) bool {
	trial := closedUnanswered(out)
	o := c.options
	moved := make(chan struct{}) // closed when the operations that wait are with paho
	if trial {
		o.ConnectRetry = false
	} else {
		// What paho gets while it connects it has in its store, and sends when it has looked there. With a connection by then it would
		// send it at once, too.
		fn := o.OnConnectAttempt
		o.OnConnectAttempt = func(broker *url.URL, config *tls.Config) *tls.Config {
			<-moved
			if fn != nil {
				return fn(broker, config)
			}
			return config
		}
	}
	p := newPahoEngine(c, o)
	c.mu.Lock()
	for filter, route := range c.routes.All() {
		p.c.AddRoute(filter, p.handler(*route.handler.Load()))
	}
	c.mu.Unlock()
	var waiting []func(*pahoEngine)
	if !trial {
		waiting = c.takeReplays()
	}
	c.paho.Store(p)
	inner := p.c.Connect()
	if trial {
		if inner.Wait(); inner.Error() != nil {
			c.paho.Store(nil)
			if c.store != nil {
				_ = guarded(c.store.s.Open) // paho has closed it; an error was logged, and comes again at the next use
			}
			return false
		}
		waiting = c.takeReplays()
	}
	fallbacks.Add(1)
	why := []any{"the broker knows MQTT 3.1.1 only", "the answer to MQTT 5 was:"}
	if isStoreOfQoS2(out.err) {
		why = []any{"the store has messages of QoS 2 that are not finished", "what the v2 engine says of it is:"}
	}
	WARN.Println(CLI, why[0], "- this client goes on with paho.mqtt.golang;", engineVariable+"=v2 forbids that;", why[1], out.err)
	for _, fn := range waiting {
		fn(p)
	}
	close(moved)
	_ = c.core.Close() // always nil
	if r.stopped() {
		p.c.Disconnect(0)
	}
	ct := inner.(*paho.ConnectToken)
	go t.follow(inner, func() { t.returnCode, t.sessionPresent = ct.ReturnCode(), ct.SessionPresent() }) // ends with the attempt
	return true
}

// takeReplays takes the operations that wait away from core.
func (c *client) takeReplays() (waiting []func(*pahoEngine)) {
	c.mu.Lock()
	replays := c.replay
	c.replay = nil
	c.decided.Store(true)
	c.mu.Unlock()
	for _, take := range replays {
		if fn := take(); fn != nil {
			waiting = append(waiting, fn)
		}
	}
	return waiting
}
