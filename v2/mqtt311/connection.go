package mqtt311

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/internal/router"
)

// ErrConnected is the error of Connect on a connection that is there, or being made.
var ErrConnected = errors.New("mqtt311: the connection is there already, or being made")

// state is where a Connection stands.
type state int

const (
	stopped     state = iota // Connect may be called
	connecting               // the first attempt of a Connect
	open                     // operations are sent
	interrupted              // further attempts follow
	closing                  // Disconnect is at work
)

// Connection is a client for MQTT 3.1.1. Its methods may be called from any goroutine.
type Connection struct {
	o      Options
	lane   lane
	routes router.Router[*subscription]

	mu       sync.Mutex
	state    state
	run      *run // from Connect to Disconnect
	queue    []*operation
	inflight []*operation    // sent and not ended, in the order of sending
	ids      map[uint16]bool // packet identifiers of inflight
	lastID   uint16
	losses   int             // in a row, by the peer, without an acknowledgement between them
	suspects int             // operations that go alone: one of them may be what the broker ends connections over
	received map[uint16]bool // identifiers of messages at QoS 2 that have come and are not released
	subs     map[string]*subscription
	onAny    Handler
	counts   Stats
	inbound  int // bytes of messages at QoS 0 in the lane
	unacked  int // bytes of messages at QoS 1 and 2 there
}

// NewConnection returns a connection that is not made yet. It does no I/O and cannot fail: Connect says what is wrong
// with the options.
func NewConnection(o Options) *Connection {
	c := &Connection{o: o.withDefaults(), ids: map[uint16]bool{}, received: map[uint16]bool{}, subs: map[string]*subscription{}, onAny: o.OnMessage}
	if c.o.Logger == nil {
		c.o.Logger = slog.New(slog.DiscardHandler)
	}
	c.lane.log = c.o.Logger
	return c
}

// run is what goes on from Connect to Disconnect.
type run struct {
	ctx    context.Context // ends with Disconnect
	cancel context.CancelFunc
	ended  chan struct{} // closed when it is over
	link   *link         // the present one, or nil; guarded by Connection.mu
}

// Connect makes the connection. The first attempt decides: after an error, an *awsiot.ConnectError, the connection is
// stopped, and Connect may be called again. A connection that is lost later is made again until Disconnect. When ctx ends
// first, the attempt is given up.
func (c *Connection) Connect(ctx context.Context) (Connected, error) {
	if ctx == nil {
		return Connected{}, errNoContext
	}
	if err := c.o.Validate(); err != nil {
		return Connected{}, err
	}
	r := &run{ended: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	c.mu.Lock()
	if c.state != stopped {
		c.mu.Unlock()
		r.cancel()
		return Connected{}, ErrConnected
	}
	c.state, c.run = connecting, r
	c.mu.Unlock()

	first, cancel := context.WithCancel(r.ctx)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	l, err := c.attempt(first)
	if err == nil {
		said := Connected{SessionPresent: l.sessionPresent}
		if c.established(r, l) {
			go c.keep(r, l)
			return said, nil
		}
		l.close()
		err = awsiot.ErrStopped // Disconnect came first
	} else if r.ctx.Err() != nil {
		err = awsiot.ErrStopped
	} else if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	c.end(r)
	err = &awsiot.ConnectError{Err: fmt.Errorf("mqtt311: connecting: %w", err)}
	c.event(c.o.OnConnectFailed, err)
	return Connected{}, err
}

// established takes a new connection into use, unless the run is over.
func (c *Connection) established(r *run, l *link) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == closing {
		return false
	}
	first := c.state == connecting
	c.state, r.link = open, l
	if !l.sessionPresent {
		clear(c.received)
	}
	c.resume(l.sessionPresent)
	said := Connected{SessionPresent: l.sessionPresent}
	if fn := c.o.OnConnected; fn != nil {
		c.lane.do(func() { fn(said) })
	}
	if fn := c.o.OnResumed; fn != nil && !first {
		c.lane.do(func() { fn(said) })
	}
	l.wake()
	return true
}

// keep serves a connection, and makes it again whenever it is lost.
func (c *Connection) keep(r *run, l *link) {
	delay := c.o.MinReconnectDelay
	for {
		since := time.Now()
		err := c.serve(l)
		c.mu.Lock()
		r.link = nil
		if c.state == closing {
			c.mu.Unlock()
			break
		}
		c.state = interrupted
		c.counts.Interruptions++
		c.blame(err)
		c.mu.Unlock()
		c.event(c.o.OnInterrupted, err)
		if time.Since(since) >= 10*time.Second { // as the AWS SDKs: a connection that lasted makes the next loss a new one
			delay = c.o.MinReconnectDelay
		}
		if l = c.again(r, &delay); l == nil {
			break
		}
	}
	c.end(r)
	if fn := c.o.OnClosed; fn != nil {
		c.lane.do(fn)
	}
}

// again makes the connection again. It returns nil when the run is over.
func (c *Connection) again(r *run, delay *time.Duration) *link {
	for {
		wait := time.NewTimer(*delay)
		select {
		case <-wait.C:
		case <-r.ctx.Done():
			wait.Stop()
			return nil
		}
		*delay = min(2**delay, c.o.MaxReconnectDelay)
		l, err := c.attempt(r.ctx)
		switch {
		case err == nil && c.established(r, l):
			return l
		case err == nil:
			l.close()
			return nil
		case r.ctx.Err() != nil:
			return nil
		}
		c.event(c.o.OnConnectFailed, &awsiot.ConnectError{Err: err})
	}
}

// event runs a callback with an error.
func (c *Connection) event(fn func(error), err error) {
	if fn != nil {
		c.lane.do(func() { fn(err) })
	}
}

// Disconnect ends the connection, with DISCONNECT when there is one, and every operation that is pending with
// awsiot.ErrStopped. It returns at the end of ctx at the latest, with the connection dropped, and does not wait for
// callbacks. A broker that does not read any more is given up after two seconds. On a connection that was never made it ends what waits for one.
func (c *Connection) Disconnect(ctx context.Context) error {
	if ctx == nil {
		return errNoContext
	}
	c.mu.Lock()
	r := c.run
	if r == nil {
		c.stopAll()
		c.mu.Unlock()
		return nil
	}
	l, another := r.link, c.state == closing
	c.state = closing
	c.mu.Unlock()
	switch {
	case l == nil:
		r.cancel()
	case !another: // which says it
		go l.goodbye()
	}
	select {
	case <-r.ended:
		return nil
	case <-ctx.Done():
		if l != nil {
			l.close()
		}
		<-r.ended // soon after that
		return fmt.Errorf("mqtt311: disconnecting: %w", context.Cause(ctx))
	}
}

// end ends a run and everything pending.
func (c *Connection) end(r *run) {
	r.cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state, c.run, c.losses, c.suspects = stopped, nil, 0, 0
	c.stopAll()
	close(r.ended)
}

// stopAll ends everything pending. mu is held.
func (c *Connection) stopAll() {
	for _, o := range slices.Concat(c.inflight, c.queue) {
		c.complete(o, awsiot.ErrStopped)
	}
}

var errNoContext = &awsiot.ValidationError{Field: "ctx", Problem: "is nil"}
