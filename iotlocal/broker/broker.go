package broker

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// ErrClosed is returned by Listen on a closed Broker.
var ErrClosed = errors.New("iotlocal: broker is closed")

// Broker is one MQTT server. Make it with New, give it listeners with Listen,
// end it with Close. All methods are safe for concurrent use.
type Broker struct {
	opts Options
	log  *slog.Logger
	rec  *record.Recorder
	gate gate

	services []prefixed // the longest prefix first

	wg       sync.WaitGroup // every goroutine
	closing  chan struct{}
	sweep    chan struct{} // capacity 1: the janitor's wake-up
	connSeq  atomic.Int64
	idSeq    atomic.Int64
	idPrefix string

	mu        sync.Mutex
	closed    bool
	listeners []net.Listener
	conns     map[*conn]struct{}
	sessions  map[string]*session
	subs      tree
	retained  map[string]*Message
	wills     map[string]delayedWill // by client id
	connects  map[string]*perSecond  // by client id, with Limits.ConnectsPerSecond
	routing   uint64                 // number of the current routing, for session.mark
	picks     []pick                 // scratch of route
	touched   []*conn                // have something to write that nobody has told them of
	losses    []loss                 // for the janitor to log
	lost      int                    // messages dropped for want of room
	numbers   uint64                 // of the messages that the Keeper has
	unkept    error                  // the last one of the Keeper
}

// New returns a running Broker without listeners.
func New(o Options) *Broker {
	o.Limits = o.Limits.withDefaults()
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	b := &Broker{
		opts: o, log: o.Logger, rec: o.Recorder,
		closing: make(chan struct{}), sweep: make(chan struct{}, 1),
		idPrefix: assignedPrefix(), services: byPrefix(o.Services),
		conns: map[*conn]struct{}{}, sessions: map[string]*session{},
		subs:     tree{parentMatch: o.Standard.HashMatchesParent},
		retained: map[string]*Message{}, wills: map[string]delayedWill{}, connects: map[string]*perSecond{},
	}
	b.wg.Go(b.janitor)
	return b
}

// Listen accepts connections from l, through TLS when conf is not nil, until
// Close. It returns at once; the Broker closes l.
func (b *Broker) Listen(l net.Listener, conf *tls.Config) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ErrClosed
	}
	b.listeners = append(b.listeners, l)
	b.wg.Go(func() { b.accept(l, conf) })
	return nil
}

func (b *Broker) accept(l net.Listener, conf *tls.Config) {
	for {
		nc, err := l.Accept()
		if err != nil {
			select {
			case <-b.closing:
				return
			default:
			}
			b.log.Warn("iotlocal: accept failed", "addr", l.Addr(), "error", err)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			// Out of file descriptors and the like heal; do not spin meanwhile.
			select {
			case <-time.After(50 * time.Millisecond):
				continue
			case <-b.closing:
				return
			}
		}
		b.ServeConn(nc, conf)
	}
}

// ServeConn takes one connection that somebody else accepted; it returns at
// once. The Broker closes nc. When nc has a method Transport() record.Transport,
// that is what is recorded of it; when it has a method Principal() string, that is
// Client.Principal, and what a method Request() *http.Request returns Client.Request.
func (b *Broker) ServeConn(nc net.Conn, conf *tls.Config) {
	c := newConn(b, nc, conf)
	c.admission = b.gate.enter() // here, so that it is in the order of accepting
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		nc.Close()
		return
	}
	b.conns[c] = struct{}{}
	b.wg.Go(c.serve)
	b.mu.Unlock()
}

// Close disconnects every client (0x8B for MQTT 5), closes the listeners and
// returns when the last goroutine has ended. Wills are not sent.
func (b *Broker) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		b.wg.Wait()
		return nil
	}
	b.closed = true
	close(b.closing)
	listeners := b.listeners
	conns := make([]*conn, 0, len(b.conns))
	for c := range b.conns {
		b.detach(c, Shutdown)
		conns = append(conns, c)
	}
	b.mu.Unlock()

	var errs []error
	for _, l := range listeners {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	for _, c := range conns {
		c.end(wire.ServerShuttingDown, "", false)
	}
	b.wg.Wait()
	return errors.Join(errs...)
}

// delayedWill waits for its delay or the end of the session.
type delayedWill struct {
	msg *Message
	due time.Time
}

// janitor ends sessions and sends wills when their time has come, and logs what
// happened where nothing may block.
func (b *Broker) janitor() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		// Nothing is due before the first call: what is restored may be, but not before
		// all of it has been, when Wake is called.
		select {
		case <-timer.C:
		case <-b.sweep:
		case <-b.closing:
			return
		}
		b.logLosses()
		if next, any := b.expire(b.opts.Now()); any {
			timer.Reset(next)
		} else {
			timer.Stop()
		}
	}
}

// Wake makes the broker do at once what is due by its clock, and returns when
// that is done.
func (b *Broker) Wake() {
	b.expire(b.opts.Now())
	signal(b.sweep) // the janitor waits for another time now
}

// expire does what is due and returns the time until the next thing is.
func (b *Broker) expire(now time.Time) (next time.Duration, any bool) {
	b.mu.Lock()
	defer b.unlock()
	due := func(t time.Time) bool {
		left := t.Sub(now)
		if left <= 0 {
			return true
		}
		if !any || left < next {
			next, any = left, true
		}
		return false
	}
	for _, s := range b.sessions {
		switch {
		case s.conn == nil && due(s.expiresAt):
			b.dropSession(s, now)
		case s.conn != nil && s.replay > 0 && s.replayed.full(b.opts.Limits.OfflineReplay) && due(s.replayed.next()):
			s.pump(now)
			due(s.replayed.next())
		}
	}
	for id, w := range b.wills {
		if due(w.due) {
			delete(b.wills, id)
			b.route(w.msg, nil, now)
		}
	}
	return next, any
}

// dropSession forgets a session; a will that waited for its end goes out
// [MQTT5-3.1.2-8]. b.mu is held.
func (b *Broker) dropSession(s *session, now time.Time) {
	for _, sub := range s.subs {
		b.subs.remove(sub)
	}
	delete(b.sessions, s.id)
	b.keepSession(s)
	if w, ok := b.wills[s.id]; ok {
		delete(b.wills, s.id)
		b.route(w.msg, nil, now)
	}
}

// detach separates a connection from its session at the end of the former:
// decides about the will and starts the session's expiry. b.mu is held. It
// reports whether c was attached.
func (b *Broker) detach(c *conn, cause Cause) bool {
	s := c.sess
	if s == nil || s.conn != c {
		return false
	}
	now := b.opts.Now()
	s.conn = nil
	c.cause = cause
	s.resume()
	s.expiresAt = now.Add(s.expiry)
	if w := c.will; w != nil && c.sendsWill(cause) {
		w.msg.received = now
		if delay := time.Duration(w.delay) * time.Second; delay > 0 { // or until dropSession
			b.wills[s.id] = delayedWill{w.msg, now.Add(delay)}
		} else {
			b.route(w.msg, nil, now)
		}
	}
	if s.expiry == 0 {
		b.dropSession(s, now)
	} else {
		b.keepSession(s)
	}
	signal(b.sweep)
	return true
}

// sendsWill applies [MQTT5-3.1.2-8, 3.1.2-10]. A server that shuts down keeps
// quiet: everybody is told by the loss of the connection.
func (c *conn) sendsWill(cause Cause) bool {
	switch cause {
	case Shutdown:
		return false
	case ClientDisconnected:
		return c.disconnectCode == wire.DisconnectWithWill
	}
	return true
}

// Retained returns the retained messages that have not expired, by their topics.
func (b *Broker) Retained() []RetainedMessage {
	now := b.opts.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []RetainedMessage
	for _, m := range b.retained {
		if _, expired := m.expired(now); !expired {
			all = append(all, RetainedMessage{Message: *m, At: m.received})
		}
	}
	slices.SortFunc(all, func(a, b RetainedMessage) int { return strings.Compare(a.Topic, b.Topic) })
	return all
}

// RetainedMessage returns the retained message of a topic, unless there is none or it has expired.
func (b *Broker) RetainedMessage(topic string) (RetainedMessage, bool) {
	now := b.opts.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.retained[topic]
	if m == nil {
		return RetainedMessage{}, false
	}
	_, expired := m.expired(now)
	return RetainedMessage{Message: *m, At: m.received}, !expired
}

// RetainedMessage is a message that is kept for later subscribers, and since when.
type RetainedMessage struct {
	Message
	At time.Time
}
