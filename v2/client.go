package awsiot

import (
	"context"
	"crypto/rand"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portage-iot/awsiot/internal/few"
	"github.com/portage-iot/awsiot/v2/internal/backoff"
	"github.com/portage-iot/awsiot/v2/internal/inflight"
	"github.com/portage-iot/awsiot/v2/internal/journal"
	"github.com/portage-iot/awsiot/v2/internal/router"
)

// Client is an MQTT 5 client. Its methods may be called from any goroutine, and from every callback.
type Client struct {
	current    atomic.Pointer[config] // the options: see options and Update
	limits     atomic.Bool            // AWS's static limits hold for calls
	tracing    bool                   // packets are logged
	serial     bool                   // SerialCallbacks
	trace      *Trace
	log        *slog.Logger
	messages   *lane // received messages
	events     *lane // lifecycle, completions; the same lane with SerialCallbacks
	router     router.Router[MessageHandler]
	direct     router.Router[MessageHandler]    // of Attachments whose handlers run on the reader
	scratch    []*router.Route[MessageHandler]  // the runner of messages only
	live       tracker                          // the goroutines of the client
	calls      *calls                           // the program's functions that attempts call
	operations sync.Pool                        // of *operation, see newOperation
	hearers    atomic.Pointer[[]MessageHandler] // of observers: who hears every message
	journal    atomic.Pointer[journal.Journal]  // of the Store; nil while stopped
	base       time.Time                        // clock() counts from here

	mu    sync.Mutex // guards everything below
	state ConnectionState

	// together, for the sake of the size
	freeCount int32 // of free
	closed    bool
	refusing  bool // Drain was called: no new operations
	started   bool // Start was called
	rejoin    bool // there was a success since the last Start
	restoring bool // the queue holds operations from before this connection
	pacing    bool // restoring, and the interval of DrainRate is not over
	convicted bool // a suspect has ended for it, and nothing else was acknowledged since
	ackArmed  bool // ackTimer runs
	carried   bool // an operation has spent time of AckTimeout on an earlier connection

	closing   chan struct{} // made by untilClose
	sess      *session      // the running session loop; nil while stopped
	link      *link         // the connection; nil while there is none
	trial     *trial        // the attempt to connect that is under way
	delivered delivery      // of the last session that has ended
	epoch     uint64        // number of the connection
	last      *ConnectionSuccess
	clientID  string // as configured, or as the broker assigned it
	retry     backoff.Backoff
	observers []*Observer
	waiters   []waiter

	queue     queue                      // operations that wait, in the order in which they are to be sent
	table     inflight.Table[*operation] // operations that are sent and not acknowledged
	reserved  int                        // identifiers that the program holds, see ReservePacketID
	seq       uint64                     // of the last operation
	inflight  int                        // QoS 1 publishes sent on this connection that hold a place in the window
	subs      few.Map[*subscription]
	unused    map[string]bool // filters that a session of the broker's may have, see leaveBehind
	room      chan struct{}   // made by who waits for room in the queue
	failures  int             // how often failAll has ended everything
	failure   error           // why it did the last time
	stats     OperationStatistics
	free      *operation    // recycled operations, chained by next
	signals   []signal      // of operations that have ended: given when mu is released
	forgotten []uint64      // records of the store to remove when mu is released
	batch     []item        // for the event lane when mu is released
	news      []*Attachment // whose direct OnStatus is to be called when mu is released
	draining  chan struct{} // made by Drain: closed when no operation is left

	floods struct{ dropped, lateAcks flood } // see noteOften

	origin *origin // the last connection, see takeUp

	unheard map[string]bool // topics of requests that hears has logged

	suspects int       // operations that are suspected, see suspect.go
	lost     loss      // the last connection's end
	lostSeq  uint64    // seq at that time
	offline  time.Time // since when there is no connection; zero while there is one
	trouble  error     // since then: why there is none

	ackTimer   *time.Timer
	ackDue     time.Duration // with ackArmed: when it fires
	expired    []uint16      // identifiers of operations that have timed out on this connection
	drainTimer *time.Timer
	pacedAt    time.Duration // clock() when the interval of DrainRate began
}

// NewClient makes a client. It does no I/O and cannot fail: Start reports what is wrong with opts.
func NewClient(opts ClientOptions) *Client {
	c := &Client{base: time.Now()}
	o := newConfig(opts.clone())
	c.current.Store(o)
	c.trace, c.serial = o.Trace, o.SerialCallbacks
	if c.log = o.Logger; c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.calls = newCalls(&c.live, c.panicked)
	c.limits.Store(o.limits)
	c.tracing = c.log.Enabled(context.Background(), LevelTrace)
	c.clientID = o.ClientID
	c.nameSelf(o)
	c.tuneRetry(o)
	c.messages = newLane(c)
	c.events = c.messages
	if !c.serial {
		c.events = newLane(c)
	}
	if o.OnAttemptingConnect != nil || o.OnConnectionSuccess != nil || o.OnConnectionFailure != nil ||
		o.OnDisconnection != nil || o.OnStopped != nil || o.OnResubscribed != nil {
		c.observers = []*Observer{{OnAttemptingConnect: o.OnAttemptingConnect, OnConnectionSuccess: o.OnConnectionSuccess,
			OnConnectionFailure: o.OnConnectionFailure, OnDisconnection: o.OnDisconnection, OnStopped: o.OnStopped, OnResubscribed: o.OnResubscribed}}
	}
	return c
}

// nameSelf makes a client id where there is none and AWS IoT Core is to get one: it does not take the id it
// assigned at a reconnect. mu is held, or nobody else has c yet.
func (c *Client) nameSelf(o *config) {
	if c.clientID == "" && o.aws {
		c.clientID = "gen" + strings.ToLower(rand.Text())
	}
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
func (c *Client) Done() <-chan struct{} { return c.live.end() }

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
		if l.asleep && (len(l.out) > 0 || l.pingDue || l.err != nil || l.probe.due) {
			l.asleep = false
			wake = l.wake
		}
		if l.lead != nil {
			l.callBack()
		}
	}
	records, news := c.forgotten, c.news
	c.forgotten, c.news = nil, nil
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
	for _, a := range news {
		a.tell()
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
	ended   chan struct{} // made by end
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
	if t.closing && t.n == 0 && !before && t.ended != nil {
		close(t.ended)
	}
}

// end returns a channel that is closed when the last goroutine has ended after close.
func (t *tracker) end() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended == nil {
		if t.closing && t.n == 0 {
			return closedChan
		}
		t.ended = make(chan struct{})
	}
	return t.ended
}
