package reqresp

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/internal/jsonobj"
)

// Reply is a topic on which an answer may come.
type Reply struct {
	Topic string
	// TokenPath is where the answer, a JSON object, has the token: names of members, separated by dots. "" for a request
	// without a token: what comes on the topic is the answer.
	TokenPath string
}

// Request is a message that is answered. It belongs to the Client until the call has ended.
type Request struct {
	Operation string   // for errors, as "iotshadow.GetShadow"
	Topic     string   // where it is published, at QoS 1
	Payload   []byte   // what is published; it must hold Token
	Filters   []string // subscribed before that, at QoS 1
	Replies   []Reply
	// Token correlates the answer. One that another request on its way has waits for the end of that. "": none; such
	// requests are made one at a time for each Topic.
	Token string
	// Timeout: 0: Options.OperationTimeout; negative: no limit.
	Timeout time.Duration
	// Repeatable: it changes nothing, and is published again when the session was lost before the answer came.
	Repeatable bool
}

// Response is an answer, whether the service accepts or refuses: its topic tells.
type Response struct {
	Topic   string
	Payload []byte
}

// Client makes requests on an awsiot.Client, which it neither starts nor stops. All methods may
// be called from any goroutine and every callback.
type Client struct {
	c      *awsiot.Client
	o      Options
	bad    error  // what is wrong with the options
	prefix string // of tokens
	tokens atomic.Uint64
	wakes  sync.Pool // of chan struct{} for blocking calls
	owned  sync.WaitGroup

	mu       sync.Mutex // never held while the awsiot.Client is called, but for Status
	closed   bool
	first    *call            // every call that has not ended
	turns    map[string]*call // by token, or topic for those without: the one whose turn it is, the others behind it
	bare     map[string]*call // of those without a token, whose turn it is: by the topics of the answers
	blocked  []*call          // wait for a place among the filters
	filters  map[string]*filter
	uses     uint64 // grows with each use of a filter
	deadline timeouts
	streams  map[*Stream]bool
	subs     map[*Subscription]bool
	open     map[string]int // streams by filter
	todo     work           // of the worker
	working  bool
}

// New returns a Client on c. It does no I/O and cannot fail: what is wrong with the options is an error of
// every call.
func New(c *awsiot.Client, o Options) *Client {
	bad := o.Validate()
	o.Shared = nil
	rr := &Client{c: c, o: o.withDefaults(), bad: bad, prefix: rand.Text()[:16] + "-",
		turns: map[string]*call{}, bare: map[string]*call{}, filters: map[string]*filter{},
		streams: map[*Stream]bool{}, subs: map[*Subscription]bool{}, open: map[string]int{}}
	if c == nil && bad == nil {
		rr.bad = invalid("c", "no awsiot.Client")
	}
	rr.wakes.New = func() any { return make(chan struct{}, 1) }
	return rr
}

// Client returns the client that requests are made on.
func (c *Client) Client() *awsiot.Client { return c.c }

// Token returns a token that no other call of it returns, here or in another process: at most 64 bytes, as AWS's services
// want it.
func (c *Client) Token() string {
	var b [40]byte
	n := append(b[:0], c.prefix...)
	return string(strconv.AppendUint(n, c.tokens.Add(1), 36))
}

// Do makes a request and waits for its answer. Its errors are *Error.
func (c *Client) Do(ctx context.Context, r *Request) (*Response, error) {
	if ctx.Err() != nil {
		return nil, &Error{Operation: r.Operation, Topic: r.Topic, Err: context.Cause(ctx)}
	}
	k := &call{r: r, wake: c.wakes.Get().(chan struct{})}
	if err := c.start(k); err != nil {
		return nil, err
	}
	select {
	case <-k.wake:
	case <-ctx.Done():
		c.mu.Lock()
		c.end(k, context.Cause(ctx), "")
		c.unlock()
		<-k.wake
	}
	c.wakes.Put(k.wake)
	if k.err != nil {
		return nil, k.err
	}
	return &k.response, nil
}

// DoAsync is Do without the wait.
func (c *Client) DoAsync(r *Request) *awsiot.Future[*Response] {
	f, complete := awsiot.NewFuture[*Response](c.c)
	c.DoFunc(r, complete)
	return f
}

// DoFunc is Do without the wait: done is called once, with what Do would return, on the goroutine that learns it, which may
// be the one that reads the connection, or the caller's. It must not wait for anything.
func (c *Client) DoFunc(r *Request, done func(*Response, error)) {
	if err := c.start(&call{r: r, done: done}); err != nil {
		done(nil, err)
	}
}

// validate checks what can be checked at the call.
func (c *Client) validate(r *Request) error {
	if c.bad != nil {
		return c.bad
	}
	if err := topic.ValidateTopic(r.Topic); err != nil {
		return invalid("Topic", "%v", err)
	}
	switch n := len(r.Filters); {
	case len(r.Payload) == 0:
		return invalid("Payload", "is empty")
	case len(r.Replies) == 0:
		return invalid("Replies", "there are none")
	case n == 0 || n > c.o.MaxRequestResponseSubscriptions:
		return invalid("Filters", "%d filters; 1 to Options.MaxRequestResponseSubscriptions (%d) are possible", n, c.o.MaxRequestResponseSubscriptions)
	}
	for i, f := range r.Filters {
		if err := topic.ValidateFilter(f); err != nil {
			return invalid(fmt.Sprintf("Filters[%d]", i), "%v", err)
		}
	}
	for i, reply := range r.Replies {
		if err := topic.ValidateTopic(reply.Topic); err != nil {
			return invalid(fmt.Sprintf("Replies[%d].Topic", i), "%v", err)
		}
		if (reply.TokenPath == "") != (r.Token == "") {
			return invalid(fmt.Sprintf("Replies[%d].TokenPath", i), "a token needs a path in every reply, and no token none")
		}
	}
	return nil
}

// start takes on a call; an error has ended it already.
func (c *Client) start(k *call) error {
	if err := c.validate(k.r); err != nil {
		return &Error{Operation: k.r.Operation, Topic: k.r.Topic, Token: k.r.Token, Err: err}
	}
	k.key = k.r.Token
	if k.key == "" {
		k.key = "\x00" + k.r.Topic
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return &Error{Operation: k.r.Operation, Topic: k.r.Topic, Token: k.r.Token, Err: ErrClosed}
	}
	k.link(&c.first)
	d := k.r.Timeout
	if d == 0 {
		d = c.o.OperationTimeout
	}
	if d > 0 {
		c.schedule(k, d)
	}
	var w work
	if before := c.turns[k.key]; before != nil {
		before.queue(k)
	} else {
		c.turn(k, &w)
	}
	if c.working || !c.todo.empty() { // behind the publishes that wait for the worker
		c.todo.merge(&w)
		c.unlock()
		return nil
	}
	c.mu.Unlock()
	c.perform(w)
	return nil
}

// Close ends every pending request with ErrClosed, halts the streams, and gives up the subscriptions; those that
// nobody else on the awsiot.Client uses are unsubscribed. It waits for nothing of the network. It may be called
// again.
func (c *Client) Close() error {
	var w work
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		c.owned.Wait()
		return nil
	}
	c.closed = true
	for c.first != nil {
		c.end(c.first, ErrClosed, "")
	}
	for _, f := range c.filters {
		c.drop(f, &w)
	}
	streams, subs := c.streams, c.subs
	c.streams, c.subs = map[*Stream]bool{}, map[*Subscription]bool{}
	w.merge(&c.todo)
	c.deadline.stop()
	c.mu.Unlock()
	c.perform(w)
	for s := range streams {
		s.halt(&Error{Operation: s.o.Operation, Topic: s.o.TopicFilter, Err: ErrClosed})
	}
	for s := range subs {
		_ = s.Close()
	}
	c.owned.Wait()
	return nil
}

// receive gets every message of the filter f, on the goroutine that reads the connection. What is no answer to a pending
// request is somebody else's, or late, or doubled, and passed over.
func (c *Client) receive(f *filter, m *awsiot.Message) {
	c.mu.Lock()
	paths := f.paths // it only grows
	if k := c.bare[m.Topic]; k != nil && k.sent {
		c.answered(k, m)
		return
	}
	c.mu.Unlock()
	for i := range paths {
		token, ok := jsonobj.Lookup(m.Payload, paths[i].names...)
		if !ok {
			continue
		}
		c.mu.Lock()
		if k := c.turns[string(token)]; k != nil && k.sent && k.answers(m.Topic, paths[i].path) {
			c.answered(k, m)
			return
		}
		c.mu.Unlock()
	}
}

// answered ends k with its answer, and releases mu, which is held.
func (c *Client) answered(k *call, m *awsiot.Message) {
	k.response = Response{m.Topic, m.Payload}
	c.end(k, nil, "")
	c.unlock()
}

// answers reports whether the call may have its answer on a topic, with the token at path.
func (k *call) answers(topic, path string) bool {
	for i := range k.r.Replies {
		if reply := &k.r.Replies[i]; reply.Topic == topic && reply.TokenPath == path {
			return true
		}
	}
	return false
}
