package awsiot

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/v2/internal/router"
)

// AttachmentStatus says where the subscription of an Attachment stands.
type AttachmentStatus int

const (
	// AttachmentPending: there is no connection, or the broker has not answered the SUBSCRIBE. With
	// ErrStopped, the client was stopped.
	AttachmentPending AttachmentStatus = iota
	// AttachmentEstablished: the broker has acknowledged the filter, and the connection is there.
	AttachmentEstablished
	// AttachmentLost: the client is connected again, but the broker has forgotten the session: messages
	// are missed until a new SUBSCRIBE, which is on its way, is acknowledged.
	AttachmentLost
	// AttachmentHalted: it is over, and the error says why: the broker refused the filter, it did not
	// answer within AckTimeout, or the client was closed.
	AttachmentHalted
)

// String returns the name of the constant.
func (s AttachmentStatus) String() string {
	return enumName("AttachmentStatus", s, "AttachmentPending", "AttachmentEstablished", "AttachmentLost", "AttachmentHalted")
}

// AttachOptions describe one user of a filter; see Client.Attach.
type AttachOptions struct {
	TopicFilter string
	QoS         QoS
	// Handler gets the messages, in the order of the routes as with Subscribe. nil: none.
	Handler MessageHandler
	// OnStatus hears of every change of the status, which is AttachmentPending in the beginning. nil: nobody does.
	OnStatus func(AttachmentStatus, error)
	// Direct makes Handler and OnStatus run at once, on the goroutine that reads the connection or
	// that makes the change, and not as callbacks: so they run also while a callback waits. They must return soon
	// and must not wait for anything of the client; calls that do not wait are allowed. A message goes
	// to its other handlers, and is acknowledged, as ever.
	Direct bool
}

// Attachment is one of the users that share the subscription to a filter; see Client.Attach.
type Attachment struct {
	c     *Client
	o     AttachOptions
	route *router.Route[MessageHandler]
	rec   *subscription // nil once detached or halted; guarded by Client.mu, as all below

	status  AttachmentStatus
	err     error
	lived   bool             // it was established in the present session
	news    []attachmentNews // for a direct OnStatus that is still to be told
	telling bool
}

// attachmentNews is one change of a status.
type attachmentNews struct {
	status AttachmentStatus
	err    error
}

// Attach makes its caller one user of the subscription to a filter, among others: the filter is subscribed to when the
// first one comes, at the highest QoS that one of them asks for, and unsubscribed when the last one has gone. The
// program's own Subscribe counts as one. So several parts of a program can use a filter without knowing of each other.
// It does no I/O: without a connection the SUBSCRIBE goes out with the next one, whatever OfflineQueue says, and it is sent
// again whenever the broker has lost the session, whatever Resubscribe says. It fails for a wrong filter and on a closed client.
func (c *Client) Attach(o AttachOptions) (*Attachment, error) {
	p := &SubscribePacket{Subscriptions: []Subscription{{TopicFilter: o.TopicFilter, QoS: o.QoS}}}
	err := p.validate()
	if err == nil && c.limits.Load() {
		err = checkAWSFilters("Subscriptions", []string{o.TopicFilter})
	}
	if err != nil {
		return nil, err
	}
	a := &Attachment{c: c, o: o}
	c.mu.Lock()
	defer c.unlock()
	if c.closed {
		return nil, opError("attach", o.TopicFilter, ErrClosed)
	}
	if o.Handler != nil {
		routes := &c.router
		if o.Direct {
			routes = &c.direct
		}
		a.route = routes.Add(o.TopicFilter, o.Handler)
	}
	r := c.subscriptionOf(o.TopicFilter)
	r.users = append(r.users, a)
	a.rec = r
	r.left = c.keepSubscribed(o.TopicFilter) || r.left
	switch {
	case r.op != nil: // its answer decides
	case r.missing || o.QoS > r.asked:
		c.subscribeAgain(r)
	case c.connected():
		a.set(AttachmentEstablished, nil)
	}
	return a, nil
}

// Status returns the status, and the error that goes with AttachmentHalted.
func (a *Attachment) Status() (AttachmentStatus, error) {
	a.c.mu.Lock()
	defer a.c.mu.Unlock()
	return a.status, a.err
}

// Detach ends the use of the filter; a message that is being handed out may still reach Handler. If it was the last user of the filter, an UNSUBSCRIBE is sent, which nobody waits for. It
// may be called any number of times.
func (a *Attachment) Detach() {
	c := a.c
	c.mu.Lock()
	defer c.unlock()
	if r := a.rec; r != nil {
		a.leave()
		if !r.used() {
			c.subs.Delete(r.TopicFilter)
			c.unsubscribeUnused(r)
		}
	}
}

// leave takes a out of the users of its filter. mu is held.
func (a *Attachment) leave() {
	r := a.rec
	a.rec = nil
	r.users = slices.DeleteFunc(slices.Clone(r.users), func(u *Attachment) bool { return u == a }) // halt goes through the old ones
	if a.o.Direct {
		a.c.direct.Remove(a.route)
	} else {
		a.c.router.Remove(a.route)
	}
}

// set changes the status and tells OnStatus. mu is held.
func (a *Attachment) set(status AttachmentStatus, err error) {
	a.status, a.err = status, err
	a.lived = a.lived || status == AttachmentEstablished
	switch fn := a.o.OnStatus; {
	case fn == nil:
	case a.o.Direct:
		a.news = append(a.news, attachmentNews{status, err})
		a.c.news = append(a.c.news, a)
	default:
		a.c.batch = append(a.c.batch, item{fn: func() { fn(status, err) }})
	}
}

// tell calls a direct OnStatus, one call at a time and in the order of the changes. mu is not held.
func (a *Attachment) tell() {
	a.c.mu.Lock()
	defer a.c.mu.Unlock()
	if a.telling {
		return // that goroutine goes on with these
	}
	a.telling = true
	for len(a.news) > 0 {
		n := a.news[0]
		a.news = a.news[1:]
		a.c.mu.Unlock()
		a.c.events.guard(func() { a.o.OnStatus(n.status, n.err) })
		a.c.mu.Lock()
	}
	a.telling = false
}

// early runs the direct handlers of messages that have just been read.
func (l *link) early() {
	c := l.c
	if c.direct.Len() == 0 {
		return
	}
	for _, m := range l.msgs {
		l.found = c.direct.Match(m.Topic, l.found[:0])
		for _, r := range l.found {
			m.Handled = true
			c.messages.call(r.Value(), m)
		}
	}
	clear(l.found)
}

// connected reports whether there is a connection that has not failed. mu is held.
func (c *Client) connected() bool {
	return c.state == StateConnected && c.link != nil && c.link.err == nil
}

// subscribeAgain sends a SUBSCRIBE for the users of a filter, if there is a connection. Without one resubscribe will. mu is held.
func (c *Client) subscribeAgain(r *subscription) {
	r.missing = true
	if !c.connected() {
		return
	}
	r.asked = r.wanted().QoS
	s := &subscribeOp{auto: true, quiet: true, identifier: r.identifier, subs: []Subscription{r.wanted()}, records: []*subscription{r}}
	o := &operation{kind: opSubscribe, sub: s, size: s.size()}
	c.seq++
	o.seq = c.seq
	r.op = o
	c.accept(o)
	c.queue.insert(o, nil)
	c.pump(c.link)
}

// unsubscribeUnused sends an UNSUBSCRIBE for a filter whose last user has gone, if the broker may know the filter. Without a
// connection the filter is remembered, for the case that the broker has kept the session. mu is held.
func (c *Client) unsubscribeUnused(r *subscription) {
	due := c.willSubscribe(r.TopicFilter)
	switch {
	case !r.sent && !r.left && !due:
	case c.connected() && !c.refusing:
		c.unsubscribeAll([]string{r.TopicFilter})
		c.pump(c.link)
	case due && !c.closed && !c.refusing && c.state != StateDisconnecting:
		c.unsubscribeAll([]string{r.TopicFilter}) // behind that
	default:
		c.leaveBehind(r.TopicFilter)
	}
}

// willSubscribe reports whether a SUBSCRIBE of the program for the filter waits in the queue. mu is held.
func (c *Client) willSubscribe(filter string) bool {
	for o := c.queue.head; o != nil; o = o.next {
		if o.sub != nil && !o.sub.auto && o.sub.filters == nil && slices.Contains(o.sub.names(), filter) {
			return true
		}
	}
	return false
}

// unsubscribeAll puts an UNSUBSCRIBE that nobody waits for at the end of the queue. mu is held.
func (c *Client) unsubscribeAll(filters []string) {
	s := &subscribeOp{filters: filters, unused: true, removed: &Future[*UnsubackPacket]{lane: c.events}}
	o := &operation{kind: opUnsubscribe, sub: s, size: s.size()}
	c.seq++
	o.seq = c.seq
	c.accept(o)
	c.queue.insert(o, nil)
}

// leaveBehind remembers a filter that a session of the broker's may have and nobody uses. mu is held.
func (c *Client) leaveBehind(filter string) {
	if c.closed || c.options().SessionBehavior == CleanSession {
		return // no connection will take that session up
	}
	if c.unused == nil {
		c.unused = map[string]bool{}
	}
	c.unused[filter] = true
}

// tidy unsubscribes what nobody uses, if the session is still there. mu is held.
func (c *Client) tidy(l *link) {
	if l.connack.SessionPresent {
		for batch := range slices.Chunk(slices.Sorted(maps.Keys(c.unused)), topic.MaxAWSFiltersPerSubscribe) {
			c.unsubscribeAll(batch)
		}
	}
	c.unused = nil
}

// keepSubscribed takes the filter out of every UNSUBSCRIBE that waits to be sent, for somebody uses it again, and reports
// whether there was one. mu is held.
func (c *Client) keepSubscribed(filter string) (kept bool) {
	for o := c.queue.head; o != nil; {
		next := o.next
		if o.sub != nil && slices.Contains(o.sub.filters, filter) {
			o.sub.settle(slices.Index(o.sub.filters, filter))
			c.endSettled(o)
			kept = true
		}
		o = next
	}
	return kept
}

// tellUsers sets the status of the users of every filter. mu is held.
func (c *Client) tellUsers(status AttachmentStatus) {
	for _, r := range c.subs.All() {
		r.tell(status, nil)
	}
}

// tell sets the status of the users that have another one; an error is news by itself. mu is held.
func (r *subscription) tell(status AttachmentStatus, err error) {
	for _, a := range r.users {
		if a.status != status || err != nil {
			a.set(status, err)
		}
	}
}

// lost tells the users of a filter that the broker has forgotten the session. mu is held.
func (r *subscription) lost() {
	for _, a := range r.users {
		if a.lived {
			a.lived = false
			a.set(AttachmentLost, nil)
		}
	}
}

// halt ends the use of a filter by all its users but the program's own Subscribe. mu is held.
func (c *Client) halt(r *subscription, err error) {
	for _, a := range r.users {
		a.leave()
		a.set(AttachmentHalted, err)
	}
	r.users = nil
	if !r.used() && c.subs.Get(r.TopicFilter) == r {
		c.subs.Delete(r.TopicFilter)
	}
}

// tellFailed tells the users that every operation has failed: a stopped client keeps them, a closed one does not. mu is held.
func (c *Client) tellFailed(cause error) {
	for _, r := range c.subs.All() {
		if errors.Is(cause, ErrClosed) {
			c.halt(r, opError("attach", r.TopicFilter, cause))
		} else {
			r.tell(AttachmentPending, opError("attach", r.TopicFilter, cause))
		}
	}
}

// answered tells the users of a filter how the SUBSCRIBE o for it has ended: code is nil without a SUBACK. mu is held.
func (c *Client) answered(r *subscription, o *operation, code *ReasonCode, err error) {
	switch {
	case len(r.users) == 0:
	case code != nil && !code.IsError():
		if r.wanted().QoS > r.asked {
			c.subscribeAgain(r)
		} else if c.connected() {
			r.tell(AttachmentEstablished, nil)
		}
	case lostWith(err): // resubscribe will see to it
	case !o.sub.auto || len(o.sub.subs) > 1: // which need not mean that theirs fails by itself: a broker may refuse all for one
		c.subscribeAgain(r)
	case code != nil:
		re := &ReasonError{Op: "subscribe", Topic: r.TopicFilter, Code: *code, Reason: o.sub.suback.Reason, UserProperties: o.sub.suback.UserProperties}
		c.halt(r, refusals([]error{re}))
	default:
		c.halt(r, err)
	}
}

// lostWith reports whether a SUBSCRIBE ended with its connection: the next one gets another.
func lostWith(err error) bool {
	return errors.Is(err, ErrOffline) || errors.Is(err, ErrStopped) || errors.Is(err, ErrClosed)
}

// used reports whether a filter has a user. mu is held.
func (r *subscription) used() bool { return r.own || len(r.users) > 0 }

// wanted returns what to ask the broker for: the options of the program's own Subscribe, if it has one, so that every
// user gets what it needs. mu is held.
func (r *subscription) wanted() Subscription {
	s := r.Subscription
	for _, a := range r.users {
		s.QoS = max(s.QoS, a.o.QoS)
		s.NoLocal = false
	}
	return s
}

// String helps in logs and tests.
func (a *Attachment) String() string {
	status, _ := a.Status()
	return fmt.Sprintf("%s: %v", a.o.TopicFilter, status)
}
