package awsiot

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"
)

// item is one thing for a lane to do: a message to deliver or a block of them, the end of a publish to report, or a
// function. The zero item is a hole, where a message was dropped.
type item struct {
	msg  *Message
	blk  *block // many messages, not made yet
	fn   func()
	done func(PublishResult, error)
	end  *outcome   // with done; nil: success with nothing but code
	code ReasonCode // with done
	size int32      // of a QoS 0 message, against Inbound.MaxBytes
}

// outcome is the end of a publish that is more than a code.
type outcome struct {
	res PublishResult
	err error
}

// report returns the item that tells done how a publish has ended.
func report(done func(PublishResult, error), res PublishResult, err error) item {
	it := item{done: done, code: res.Code}
	if err != nil || res.Reason != "" || res.UserProperties != nil {
		it.end = &outcome{res, err}
	}
	return it
}

// laneChunk is how many items the runner takes at a time; what it has taken can no longer be
// dropped to make room for newer messages.
const laneChunk = 64

// laneKeep is the capacity of the queue that an idle lane keeps until the connection is idle, too.
const laneKeep = 4096

// chunk is what a runner works with; a lane without a runner has none.
type chunk struct {
	items [laneChunk]item
	trace [64]byte // for goid
}

var chunks = sync.Pool{New: func() any { return new(chunk) }}

// A lane runs callbacks one at a time and in order, on a goroutine that lives only while items
// wait. It never blocks who fills it.
type lane struct {
	c *Client

	mu      sync.Mutex
	q       []item // waiting: q[head:]
	head    int
	running bool
	closed  bool        // nothing is accepted any more
	discard atomic.Bool // closed: messages are no longer delivered
	drained bool        // closed in a callback of this lane: no further one begins
	runner  uint64
	guest   uint64        // the goroutine that the runner waits for in a handler: see Messages
	ended   chan struct{} // made by ending: closed by close, when no message is delivered any more
	idle    chan struct{} // made by close: closed when the runner has ended
	kept    int64         // size of the QoS 0 messages that were put in and not dropped; see bytes0
	oldest0 int           // no QoS 0 message waits in q before this index
	begun   atomic.Int64  // size of those of them that have been handed to the handlers

	burst *burst // made by the first block; nil again when the connection is idle

	spawn func() // run, bound once: a go statement with a method would allocate

	// touched by the runner only
	chunk *chunk
	taken []item // rest of chunk that is still to run
}

func newLane(c *Client) *lane {
	l := &lane{c: c}
	l.spawn = l.run
	return l
}

// push adds items; it reports false, and does nothing, once the lane is closed.
func (l *lane) push(items ...item) bool {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return false
	}
	l.q = append(l.q, items...)
	l.start()
	l.mu.Unlock()
	return true
}

// start makes a runner if there is none and items wait. mu is held.
func (l *lane) start() {
	if !l.running && l.head < len(l.q) {
		l.running = true
		l.c.live.add()
		go l.spawn()
	}
}

func (l *lane) run() {
	defer l.c.live.done()
	l.chunk = chunks.Get().(*chunk)
	id := goid(l.chunk.trace[:])
	l.mu.Lock()
	l.runner = id
	l.mu.Unlock()
	normal := false
	defer func() {
		if !normal { // a callback called runtime.Goexit: the rest goes to a new goroutine
			l.mu.Lock()
			var rest []item
			if l.burst != nil && l.burst.blk != nil {
				rest = append(rest, item{blk: l.burst.blk})
				l.burst.waiting++
				l.burst.blk = nil
			}
			rest = append(rest, l.taken...)
			l.q = append(rest, l.q[l.head:]...)
			l.head, l.oldest0, l.running, l.runner = 0, 0, false, 0
			l.taken, l.chunk = nil, nil
			l.start()
			l.mu.Unlock()
		}
	}()
	for l.take() {
		l.runTaken()
	}
	normal = true
}

// take moves the next items to the runner; false: none wait, and the runner must end.
func (l *lane) take() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, it := range l.q[l.head:min(len(l.q), l.head+laneChunk)] {
		l.chunk.items[n] = it
		n++
		if it.blk != nil {
			l.burst.took()
			break // it is a chunk by itself
		}
	}
	if n == 0 {
		if l.burst != nil {
			l.burst.cutter.drop()
		}
		if cap(l.q) > laneKeep {
			l.q = nil
		}
		chunks.Put(l.chunk)
		l.chunk, l.taken = nil, nil
		l.q, l.head, l.oldest0 = l.q[:0], 0, 0
		l.running, l.runner = false, 0
		l.signalIdle()
		return false
	}
	clear(l.q[l.head : l.head+n])
	l.head += n
	if l.head == len(l.q) {
		l.q, l.head = l.q[:0], 0
	} else if l.head > 1024 && l.head > len(l.q)/2 {
		k := copy(l.q, l.q[l.head:])
		clear(l.q[k:])
		l.q, l.head = l.q[:k], 0
	}
	l.oldest0 = l.head
	l.taken = l.chunk.items[:n]
	return true
}

// signalIdle releases who waits in close. mu is held.
func (l *lane) signalIdle() {
	if l.idle != nil {
		close(l.idle)
		l.idle = nil
	}
}

// runTaken runs what the runner has taken. It is entered again when a callback closes the client.
func (l *lane) runTaken() {
	for len(l.taken) > 0 {
		it := l.taken[0]
		l.taken[0] = item{}
		l.taken = l.taken[1:]
		switch {
		case it.msg != nil && l.discard.Load():
		case it.msg != nil && it.msg.again():
		case it.msg != nil:
			if it.msg.QoS == 0 {
				l.begin(int(it.size))
			}
			l.c.deliver(it.msg, len(l.taken) == 0)
		case it.blk != nil:
			l.deliver(it.blk)
		case it.done != nil:
			l.report(&it)
		case it.fn != nil:
			l.guard(it.fn)
		}
	}
}

// report runs the callback of a publish; see guard.
func (l *lane) report(it *item) {
	defer l.recover()
	if it.end != nil {
		it.done(it.end.res, it.end.err)
		return
	}
	it.done(PublishResult{Code: it.code}, nil)
}

// guard runs one callback: a panic is reported, and life goes on.
func (l *lane) guard(fn func()) {
	defer l.recover()
	fn()
}

func (l *lane) recover() {
	if p := recover(); p != nil {
		l.c.panicked(l.name(), p)
	}
}

// name says whose callbacks the lane runs.
func (l *lane) name() string {
	switch {
	case l.c.events == l.c.messages:
		return "message or event"
	case l == l.c.messages:
		return "message"
	}
	return "event"
}

// pushMessages adds received messages, within the limit for QoS 0 messages that wait.
func (l *lane) pushMessages(ms []*Message) {
	in := l.c.options().Inbound
	dropped := 0
	l.mu.Lock()
	for _, m := range ms {
		if l.closed {
			break
		}
		if m.QoS == 0 {
			n := m.size()
			if l.bytes0()+n > in.MaxBytes && in.WhenFull == DropOldest {
				dropped += l.dropOldest(n, in.MaxBytes)
			}
			if l.bytes0()+n > in.MaxBytes {
				dropped++
				continue
			}
			l.kept += int64(n)
			l.q = append(l.q, item{msg: m, size: int32(min(n, math.MaxInt32))})
			continue
		}
		l.q = append(l.q, item{msg: m})
	}
	l.start()
	l.mu.Unlock()
	if dropped > 0 {
		l.c.inboundDropped(dropped)
	}
}

// dropOldest removes the oldest QoS 0 messages until n bytes fit. mu is held.
func (l *lane) dropOldest(n, limit int) (dropped int) {
	for ; l.oldest0 < len(l.q) && l.bytes0()+n > limit; l.oldest0++ {
		it := &l.q[l.oldest0]
		if b := it.blk; b != nil {
			dropped += l.dropFrom(b, n, limit)
			if !b.empty() {
				break
			}
			*it = item{}
			l.burst.waiting--
		} else if m := it.msg; m != nil && m.QoS == 0 {
			l.kept -= int64(it.size)
			*it = item{}
			dropped++
		}
	}
	return dropped
}

// bytes0 is what the QoS 0 messages that wait count. mu is held.
func (l *lane) bytes0() int { return int(l.kept - l.begun.Load()) }

// begin takes a message that goes to its handlers now off the count. Only the runner calls it, and takes no lock for it.
func (l *lane) begin(size int) { l.begun.Add(int64(size)) }

// dropAgain removes the messages of earlier connections that the broker sends again. It returns how many.
func (l *lane) dropAgain() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rest := l.q[:l.head]
	for _, it := range l.q[l.head:] {
		if it.msg != nil && it.msg.again() {
			n++
		} else {
			rest = append(rest, it)
		}
	}
	clear(l.q[len(rest):])
	l.q, l.oldest0 = rest, l.head
	return n
}

// close refuses new items and discards the messages that wait. It waits until the other items
// have run, and a callback that is running has ended; called from a callback of this lane it
// runs them itself instead. So no callback begins after it has returned.
func (l *lane) close() {
	l.discard.Store(true) // a runner that has not seen it is waited for
	l.mu.Lock()
	l.closed = true
	if l.ended != nil {
		close(l.ended)
		l.ended = nil
	}
	inside := l.inside()
	var idle chan struct{}
	if l.running && !inside && !l.drained {
		if l.idle == nil {
			l.idle = make(chan struct{})
		}
		idle = l.idle
	}
	l.mu.Unlock()
	if inside {
		l.drain()
		l.mu.Lock()
		l.drained = true
		l.signalIdle() // for a Close in a callback of the other lane: both would wait for each other
		l.mu.Unlock()
		return
	}
	if idle != nil {
		<-idle
	}
}

// drain runs, on the runner's own goroutine, all that is left; messages are discarded by now.
func (l *lane) drain() {
	for {
		l.runTaken()
		l.mu.Lock()
		n := copy(l.chunk.items[:], l.q[l.head:])
		l.head += n
		l.taken = l.chunk.items[:n]
		l.mu.Unlock()
		if n == 0 {
			return
		}
	}
}

// inside reports whether the calling goroutine runs the callbacks of the lane. mu is held.
func (l *lane) inside() bool { return l.running && l.runner == goid(make([]byte, 64)) }

// lend makes the calling goroutine, whose number is id, count as inside a callback while fn runs. The runner must be waiting for
// it.
func (l *lane) lend(id uint64, fn func() bool) bool {
	set := func(id uint64) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.guest = id
	}
	set(id)
	defer set(0)
	return fn()
}

// ending returns a channel that is closed when no message is delivered any more.
func (l *lane) ending() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return closedChan
	}
	if l.ended == nil {
		l.ended = make(chan struct{})
	}
	return l.ended
}

// InCallback reports whether the calling goroutine is inside a callback of this client: a handler of messages, an
// event, the end of an operation, or the body of a loop over Messages. Another goroutine that a callback waits for is not. It is for code that may be
// called from anywhere and would wait for a later callback, which cannot come while this one runs.
func (c *Client) InCallback() bool {
	for _, l := range [...]*lane{c.messages, c.events} {
		l.mu.Lock()
		inside := l.inside() || l.guest != 0 && l.guest == goid(make([]byte, 64))
		l.mu.Unlock()
		if inside {
			return true
		}
	}
	return false
}

// shrink gives the queue's memory back, if the lane is idle.
func (l *lane) shrink() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.running {
		l.q, l.burst = nil, nil
	}
}

// goid returns the number of the calling goroutine, from the head of its stack trace, for which
// buf has room. It is asked once per runner and at Close, to tell a call from inside a callback.
func goid(buf []byte) uint64 {
	var n uint64
	for _, b := range buf[len("goroutine "):runtime.Stack(buf, false)] {
		if b < '0' || b > '9' {
			break
		}
		n = n*10 + uint64(b-'0')
	}
	return n
}
