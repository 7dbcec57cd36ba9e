package awsiot

import (
	"context"
	"crypto/rand"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portage-iot/awsiot/v2/internal/backoff"
	"github.com/portage-iot/awsiot/v2/internal/inflight"
	"github.com/portage-iot/awsiot/v2/internal/journal"
	"github.com/portage-iot/awsiot/v2/internal/router"
)

// Client is an MQTT 5 client. Its methods may be called from any goroutine, and from every callback.
type Client struct {
	opts       ClientOptions // a private copy, with the defaults
	validity   error         // what Validate says of the options
	aws        bool          // the quotas of AWS IoT Core hold
	tracing    bool          // packets are logged
	log        *slog.Logger
	messages   *lane // received messages
	events     *lane // lifecycle, completions; the same lane with SerialCallbacks
	router     router.Router[MessageHandler]
	scratch    []*router.Route[MessageHandler] // the runner of messages only
	live       tracker                         // the goroutines of the client
	operations sync.Pool                       // of *operation, see newOperation
	closing    chan struct{}                   // closed by Close, for Messages
	journal    atomic.Pointer[journal.Journal] // of the Store; nil while stopped
	base       time.Time                       // clock() counts from here

	mu        sync.Mutex // guards everything below
	state     ConnectionState
	closed    bool
	refusing  bool     // Drain was called: no new operations
	sess      *session // the running session loop; nil while stopped
	link      *link    // the connection; nil while there is none
	epoch     uint64   // number of the connection
	last      *ConnectionSuccess
	clientID  string // as configured, or as the broker assigned it
	rejoin    bool   // there was a success since the last Start
	retry     backoff.Backoff
	observers []*Observer
	waiters   []chan<- attempt

	queue     queue                      // operations that wait, in the order in which they are to be sent
	table     inflight.Table[*operation] // operations that are sent and not acknowledged
	seq       uint64                     // of the last operation
	inflight  int                        // QoS 1 publishes sent on this connection that hold a place in the window
	subs      map[string]*subscription
	restoring bool          // the queue holds operations from before this connection
	pacing    bool          // restoring, and the interval of DrainRate is not over
	room      chan struct{} // made by who waits for room in the queue
	failures  int           // how often failAll has ended everything
	failure   error         // why it did the last time
	stats     OperationStatistics
	free      *operation // recycled operations, chained by next
	freeCount int
	signals   []signal      // of operations that have ended: given when mu is released
	forgotten []uint64      // records of the store to remove when mu is released
	batch     []item        // for the event lane when mu is released
	draining  chan struct{} // made by Drain: closed when no operation is left

	unheard map[string]bool // topics of requests that hears has logged

	ackTimer   *time.Timer
	ackArmed   bool
	expired    []uint16 // identifiers of operations that have timed out on this connection
	drainTimer *time.Timer
}

// NewClient makes a client. It does no I/O and cannot fail: Start reports what is wrong with opts.
func NewClient(opts ClientOptions) *Client {
	c := &Client{validity: opts.Validate(), opts: opts.clone().withDefaults(), base: time.Now()}
	c.log = c.opts.Logger
	c.live.ended = make(chan struct{})
	c.closing = make(chan struct{})
	c.aws = c.opts.aws()
	c.tracing = c.log.Enabled(context.Background(), LevelTrace)
	c.clientID = c.opts.ClientID
	if c.clientID == "" && c.aws {
		c.clientID = "gen" + strings.ToLower(rand.Text()) // AWS IoT Core does not take the id it assigned at a reconnect
	}
	c.retry = backoff.Backoff{Mode: jitterModes[c.opts.RetryJitterMode], Min: c.opts.MinReconnectDelay, Max: c.opts.MaxReconnectDelay, First: c.opts.InitialReconnectDelay}
	c.messages = newLane(c)
	c.events = c.messages
	if !c.opts.SerialCallbacks {
		c.events = newLane(c)
	}
	o := &c.opts
	if o.OnAttemptingConnect != nil || o.OnConnectionSuccess != nil || o.OnConnectionFailure != nil ||
		o.OnDisconnection != nil || o.OnStopped != nil || o.OnResubscribed != nil {
		c.observers = []*Observer{{o.OnAttemptingConnect, o.OnConnectionSuccess, o.OnConnectionFailure,
			o.OnDisconnection, o.OnStopped, o.OnResubscribed}}
	}
	return c
}

var jitterModes = map[RetryJitterMode]backoff.Mode{
	JitterFull: backoff.Full, JitterNone: backoff.None, JitterDecorrelated: backoff.Decorrelated,
}

// State returns where the client stands.
func (c *Client) State() ConnectionState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Done returns a channel that is closed when Close was called and the last goroutine of the
// client has ended, callbacks included.
func (c *Client) Done() <-chan struct{} { return c.live.ended }

// clock returns the monotonic time since the client was made.
func (c *Client) clock() time.Duration { return time.Since(c.base) }

// unlock releases mu: what was gathered for the event lane goes there first, so that events
// keep the order of what caused them, and the writer is woken when there is something to write.
func (c *Client) unlock() {
	c.flush()
	if c.draining != nil && c.stats.IncompleteOperationCount == 0 {
		close(c.draining)
		c.draining = nil
	}
	var wake chan struct{}
	if l := c.link; l != nil {
		if l.asleep && (len(l.out) > 0 || l.pingDue || l.err != nil) {
			l.asleep = false
			wake = l.wake
		}
		if l.lead != nil {
			l.callBack()
		}
	}
	records := c.forgotten
	c.forgotten = nil
	var one signal
	var many []signal
	if len(c.signals) == 1 {
		one, c.signals[0] = c.signals[0], signal{}
		c.signals = c.signals[:0]
	} else if len(c.signals) > 0 {
		many, c.signals = c.signals, nil
	}
	c.mu.Unlock()
	one.give()
	for _, s := range many {
		s.give()
	}
	if len(records) > 0 {
		c.removeRecords(records)
	}
	if wake != nil {
		wake <- struct{}{} // has room for one, and asleep is true at most once per wake-up
	}
}

// signal wakes who waits for an operation: a blocking publish, by a value in its channel, or a
// future, by closing its channel.
type signal struct {
	ch    chan struct{}
	close bool
}

func (s signal) give() {
	switch {
	case s.close:
		close(s.ch)
	case s.ch != nil:
		s.ch <- struct{}{} // has room for one
	}
}

// unlockReusing is unlock for the reader and the writer, which end many operations at once:
// spare is the caller's, and its memory is used in turn with that of Client.signals.
func (c *Client) unlockReusing(spare *[]signal) {
	signals := c.signals
	c.signals = (*spare)[:0]
	c.unlock()
	for i, s := range signals {
		s.give()
		signals[i] = signal{}
	}
	*spare = signals
}

// flush hands the gathered items to the event lane. mu is held.
func (c *Client) flush() {
	if len(c.batch) > 0 {
		c.events.push(c.batch...)
		clear(c.batch)
		if c.batch = c.batch[:0]; cap(c.batch) > 4096 {
			c.batch = nil
		}
	}
}

// tracker counts the goroutines of a client, so that Done can tell when the last one has ended.
type tracker struct {
	mu      sync.Mutex
	n       int
	closing bool
	ended   chan struct{}
}

func (t *tracker) add() {
	t.mu.Lock()
	t.n++
	t.mu.Unlock()
}

func (t *tracker) done()  { t.change(-1, false) }
func (t *tracker) close() { t.change(0, true) }

func (t *tracker) change(by int, closing bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.closing && t.n == 0
	t.n += by
	t.closing = t.closing || closing
	if t.closing && t.n == 0 && !before {
		close(t.ended)
	}
}
