package reqresp

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// How long a refused or unanswered SUBSCRIBE that may succeed later waits: from the first to the second, doubled each time,
// less up to half of it at random.
const (
	minRetry = time.Second
	maxRetry = 30 * time.Second
)

// filterPhase is where a filter stands.
type filterPhase uint8

const (
	filterPending filterPhase = iota // a SUBSCRIBE is on its way, or there is no connection
	filterReady                      // subscribed
	filterWaiting                    // the SUBSCRIBE failed, and is tried again later
	filterGone                       // given up
)

// filter is a subscription to answers. Client.mu guards it.
type filter struct {
	name    string
	phase   filterPhase
	users   int         // calls that need it
	used    uint64      // the last use
	paths   []tokenPath // where its answers have their tokens
	att     *awsiot.Attachment
	tries   int
	last    error // why the SUBSCRIBE failed
	timer   *time.Timer
	replies []Reply // of the last request, for hints
}

// work is what is to be done without the lock, in this order.
type work struct {
	detach  []*filter
	attach  []*filter
	publish []*call
	tell    []*call
}

func (w *work) empty() bool {
	return len(w.detach)+len(w.attach)+len(w.publish)+len(w.tell) == 0
}

// merge takes what from holds.
func (w *work) merge(from *work) {
	w.detach = append(w.detach, from.detach...)
	w.attach = append(w.attach, from.attach...)
	w.publish = append(w.publish, from.publish...)
	w.tell = append(w.tell, from.tell...)
	*from = work{}
}

// unlock releases mu. What is to be done then is left to a worker, but for telling who waits: the caller may be the goroutine that reads
// the connection.
func (c *Client) unlock() {
	tell := c.todo.tell
	c.todo.tell = nil
	if !c.todo.empty() && !c.working {
		c.working = true
		c.owned.Go(c.work)
	}
	c.mu.Unlock()
	for _, k := range tell {
		k.tell()
	}
}

// tell ends a call that nobody waits for.
func (k *call) tell() {
	if k.err != nil {
		k.done(nil, k.err)
	} else {
		k.done(&k.response, nil)
	}
}

// work does what is to be done, and ends when nothing is left.
func (c *Client) work() {
	for {
		c.mu.Lock()
		var w work
		w.merge(&c.todo)
		if w.empty() {
			c.working = false
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		c.perform(w)
	}
}

// perform does the work. mu is not held.
func (c *Client) perform(w work) {
	for _, f := range w.detach {
		c.mu.Lock()
		att := f.att
		c.mu.Unlock()
		if att != nil {
			att.Detach()
		} // else attach, which is under way, sees that it is gone
	}
	for _, f := range w.attach {
		c.attach(f)
	}
	for _, k := range w.publish {
		c.mu.Lock()
		times, over := k.times, k.phase != phaseSent
		c.mu.Unlock()
		if over {
			continue
		}
		p := &awsiot.PublishPacket{Topic: k.r.Topic, Payload: k.r.Payload, QoS: awsiot.AtLeastOnce}
		c.c.PublishFunc(p, func(_ awsiot.PublishResult, err error) { c.published(k, times, err) })
	}
	for _, k := range w.tell {
		k.tell()
	}
}

// acquire gives k its filters if there is room for them, all or none; behind says that others wait for room. mu is held.
func (c *Client) acquire(k *call, behind bool, w *work) bool {
	var needs []*filter
	if n := len(k.r.Filters); n <= len(k.room) {
		needs = k.room[:n]
	} else {
		needs = make([]*filter, n)
	}
	missing := 0
	for i, name := range k.r.Filters {
		if needs[i] = c.filters[name]; needs[i] == nil {
			missing++
		}
	}
	if missing > 0 && behind {
		return false
	}
	for _, f := range needs {
		if f != nil {
			f.users++ // it is not given up below
		}
	}
	for len(c.filters)+missing > c.o.MaxRequestResponseSubscriptions {
		var oldest *filter
		for _, f := range c.filters {
			if f.users == 0 && (oldest == nil || f.used < oldest.used) {
				oldest = f
			}
		}
		if oldest == nil {
			for _, f := range needs {
				if f != nil {
					f.users--
				}
			}
			return false
		}
		c.drop(oldest, w)
	}
	c.uses++
	for i, name := range k.r.Filters {
		f := needs[i]
		if f == nil {
			f = &filter{name: name, users: 1}
			c.filters[name] = f
			w.attach = append(w.attach, f)
		}
		if f.users == 1 {
			f.tries = 0 // nobody waited for the tries before
		}
		f.used, f.replies = c.uses, k.r.Replies
		for j := range k.r.Replies {
			f.look(k.r.Replies[j].TokenPath)
		}
		needs[i] = f
	}
	k.needs = needs
	k.move(phaseFilters)
	c.proceed(k, w)
	return true
}

// admit lets in those that wait for a place among the filters, in their order. mu is held.
func (c *Client) admit(w *work) {
	for len(c.blocked) > 0 && c.acquire(c.blocked[0], false, w) {
		c.blocked = c.blocked[1:]
	}
}

// drop gives a filter up. mu is held.
func (c *Client) drop(f *filter, w *work) {
	delete(c.filters, f.name)
	f.phase = filterGone
	if f.timer != nil {
		f.timer.Stop()
	}
	w.detach = append(w.detach, f)
}

// attach begins to use a filter. mu is not held.
func (c *Client) attach(f *filter) {
	att, err := c.c.Attach(awsiot.AttachOptions{TopicFilter: f.name, QoS: awsiot.AtLeastOnce, Direct: true,
		Handler:  func(m *awsiot.Message) { c.receive(f, m) },
		OnStatus: func(s awsiot.AttachmentStatus, err error) { c.status(f, s, err) }})
	if err != nil {
		c.status(f, awsiot.AttachmentHalted, err)
		return
	}
	c.mu.Lock()
	f.att = att
	gone := f.phase == filterGone
	c.mu.Unlock()
	if gone {
		att.Detach()
	}
}

// status hears how a filter fares.
func (c *Client) status(f *filter, s awsiot.AttachmentStatus, err error) {
	c.mu.Lock()
	defer c.unlock()
	if f.phase == filterGone {
		return
	}
	w := &c.todo
	switch s {
	case awsiot.AttachmentPending:
		f.phase = filterPending
		if err != nil { // the client was stopped: that ends every request
			for c.first != nil {
				c.end(c.first, awsiot.ErrStopped, "")
			}
		}
	case awsiot.AttachmentEstablished:
		f.phase, f.tries, f.last = filterReady, 0, nil
		c.each(f, func(k *call) { c.proceed(k, w) })
	case awsiot.AttachmentLost:
		f.phase = filterPending
		c.each(f, func(k *call) {
			switch {
			case k.phase != phaseSent:
			case k.r.Repeatable:
				k.move(phaseFilters)
			case k.acked:
				c.end(k, ErrAnswerLost, "")
			}
		})
	case awsiot.AttachmentHalted:
		c.halted(f, err, w)
	}
}

// halted decides what follows a SUBSCRIBE that has failed. mu is held.
func (c *Client) halted(f *filter, err error, w *work) {
	f.last, f.att = err, nil
	if !Retryable(err) {
		delete(c.filters, f.name)
		f.phase = filterGone
		c.each(f, func(k *call) { c.end(k, err, hintOf(f.name, f.replies, err)) })
		c.admit(w)
		return
	}
	if f.users == 0 {
		delete(c.filters, f.name)
		f.phase = filterGone
		c.admit(w)
		return
	}
	f.phase = filterWaiting
	f.timer = time.AfterFunc(backOff(f.tries), func() {
		c.mu.Lock()
		defer c.unlock()
		if f.phase == filterWaiting {
			f.phase = filterPending
			c.todo.attach = append(c.todo.attach, f)
		}
	})
	f.tries++
}

// backOff returns the wait before try n, from 0.
func backOff(n int) time.Duration {
	d := min(maxRetry, minRetry<<min(n, 10))
	return d - rand.N(d/2)
}

// each calls fn for the calls that need f, as they are now, the oldest first. mu is held.
func (c *Client) each(f *filter, fn func(*call)) {
	var calls []*call
	for k := c.first; k != nil; k = k.next { // the newest is first
		if slices.Contains(k.needs, f) {
			calls = append(calls, k)
		}
	}
	for _, k := range slices.Backward(calls) {
		fn(k)
	}
}

// tokenPath is where an answer has its token.
type tokenPath struct {
	path  string
	names []string
}

// look adds a path to those where the answers of f have their tokens.
func (f *filter) look(path string) {
	if path != "" && !slices.ContainsFunc(f.paths, func(p tokenPath) bool { return p.path == path }) {
		f.paths = append(f.paths, tokenPath{path, strings.Split(path, ".")})
	}
}
