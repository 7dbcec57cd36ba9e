package mqtt

import (
	"sync"
	"sync/atomic"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/portage-iot/awsiot/internal/few"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// client implements paho's interface: on core, until there is a pahoEngine.
type client struct {
	options paho.ClientOptions // OnReconnecting may change them; what an attempt reads
	problem error              // why Connect fails, found by NewClient
	auto    bool               // EngineAuto
	core    *awsiot.Client     // nil under EnginePaho
	paho    atomic.Pointer[pahoEngine]
	status  statusBox
	store   *store // nil: nothing is kept outside core

	loose atomic.Int64 // bytes of QoS 0 publishes that are not written yet
	open  atomic.Int64 // QoS 1 publishes that are not acknowledged
	left  atomic.Int64 // of these: how many are to be sent again before the window of MaxResumePubInFlight is lifted
	last  *message     // that is being handed out: the message lane's own

	decided atomic.Bool // a broker with MQTT 5 was found, or nothing is to be decided
	waiting atomic.Bool // somebody waits for room

	mu     sync.Mutex
	run    *run          // what Connect or the loss of the connection has begun
	plan   *plan         // for the dialler
	room   chan struct{} // made by who waits for loose to go down
	news   chan struct{} // made by who waits for the next change of the status
	routes few.Map[*route]
	wild   []*route // of routes: those that begin with a wildcard
	replay []replay // with EngineAuto until a broker was found: for the paho engine
	tried  bool     // an attempt was made; of the goroutine that makes them
	lost   backoff  // of losses
	retry  backoff  // of failed attempts
	ending chan struct{}
}

// NewClient makes a client with a copy of o. It does no I/O and never fails: what is wrong with o is an error of the token of
// Connect, which names the option. The engine is chosen here, see Engine.
func NewClient(o *ClientOptions) Client {
	c := &client{}
	engine, err := engineNow()
	if err != nil {
		c.problem = err
	}
	if o == nil {
		c.problem = errNilOptions
		o = &paho.ClientOptions{}
	}
	c.options = *o
	if engine == EnginePaho && c.problem == nil {
		c.paho.Store(newPahoEngine(c, c.options))
		return c
	}
	c.auto = engine == EngineAuto
	c.decided.Store(!c.auto)
	if c.problem == nil {
		c.problem = check(&c.options)
	}
	c.store = newStore(&c.options)
	c.core = awsiot.NewClient(c.coreOptions())
	c.core.Observe(awsiot.Observer{
		OnConnectionSuccess: c.succeeded,
		OnConnectionFailure: c.attemptFailed,
		OnDisconnection:     c.disconnected,
	})
	return c
}

// V2 returns the awsiot.Client beneath c, for new code on the same connection: subscribe and publish on it as on any other. It is
// one for the life of c, with its subscriptions and routes. ok is false when c has none: under EnginePaho, also when EngineAuto
// has gone over to it, and for a client that is not of this package. Stopping it is like Disconnect here, but starting it again is for
// Connect; after its Close c is at its end, too, and Connect fails. Its operations wait for acknowledgements without a limit of time, and end with
// ErrStopped at Disconnect and when a connection is lost that is not made again. A message that a handler of it takes does not go
// to the DefaultPublishHandler.
func V2(c Client) (core *awsiot.Client, ok bool) {
	if s, ok := c.(*shape); ok {
		return s.core, true
	}
	p, ok := c.(*client)
	if !ok || p.core == nil || p.paho.Load() != nil {
		return nil, false
	}
	return p.core, true
}

// IsConnected implements Client: it is true also while the client is making the connection by itself.
func (c *client) IsConnected() bool {
	if p := c.paho.Load(); p != nil {
		return p.c.IsConnected()
	}
	return c.connected(c.status.load())
}

func (c *client) connected(s status) bool {
	switch s {
	case statusConnected:
		return c.options.AutoReconnect || c.linked()
	case statusConnecting:
		return c.options.ConnectRetry
	case statusReconnecting:
		return true
	}
	return false
}

// linked reports whether core has its connection: it knows before its events have told us.
func (c *client) linked() bool { return c.core.State() == awsiot.StateConnected }

// IsConnectionOpen implements Client.
func (c *client) IsConnectionOpen() bool {
	if p := c.paho.Load(); p != nil {
		return p.c.IsConnectionOpen()
	}
	return c.status.load() == statusConnected && c.linked()
}

// OptionsReader implements Client.
func (c *client) OptionsReader() ClientOptionsReader {
	if p := c.paho.Load(); p != nil {
		return p.c.OptionsReader()
	}
	return paho.NewOptionsReader(&c.options)
}

// replay takes an operation of a client of EngineAuto, which no broker has seen, away from core, and returns how the paho engine
// does it; nil: it has ended.
type replay func() func(*pahoEngine)

// remember keeps fn for the paho engine, as long as EngineAuto has not found a broker with MQTT 5.
func (c *client) remember(fn replay) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.decided.Load() {
		c.replay = append(c.replay, fn)
	}
}

// step goes to another status, if that may follow, and wakes who waits for it. mu is held.
func (c *client) step(to status) bool {
	if !c.status.step(to) {
		return false
	}
	if c.news != nil {
		close(c.news)
		c.news = nil
	}
	c.wakeWriters()
	return true
}

// leastQuiesce is how long Disconnect lets a DISCONNECT take, whatever its argument.
const leastQuiesce = 100 * time.Millisecond
