package awsiot

import (
	"runtime"
	"time"

	"github.com/portage-iot/awsiot/v2/internal/wire"
)

// Under load the reader does not make QoS 0 messages one by one: it hands the whole read buffer, once it has
// checked it, to the message lane, which makes each message just before its handler runs. So a message is made
// where it is used, nothing is made that is dropped, and what waits for the handlers is bytes.

const (
	// minBlock is the least that a block must hold, and a quarter of its buffer: a nearly empty one would be held for
	// little.
	minBlock = 8 << 10
	// maxBlocks is how far, in blocks, the reader runs ahead of the handlers, and how many buffers a busy client keeps, 4
	// MiB at most. The longer the steps, the fewer the changes between the two, which cost more than the messages.
	maxBlocks = 64
	// blockWait is how long the reader waits at most when it is that far ahead, so that a burst is slowed down by
	// TCP rather than dropped. No longer: the cause may be a handler that takes its time, and acknowledgements must not
	// wait for that.
	blockWait = time.Millisecond
)

// block is a run of PUBLISH packets of QoS 0 without properties, checked by the reader.
type block struct {
	raw  []byte
	off  int    // of the first packet that is left
	buf  []byte // the whole buffer
	size int    // what the messages that are left count against Inbound.MaxBytes
}

// empty reports whether nothing is left.
func (b *block) empty() bool { return b.off == len(b.raw) }

// next takes the first packet off the block; p holds the one before.
func (b *block) next(p *wire.Plain) {
	p.Next(b.raw[b.off:], 0, p.Topic) // it has been checked
	b.off += p.Size
	b.size -= waitingSize(len(p.Topic), len(p.Payload))
}

// scan returns the run at the beginning of what was received.
func (l *link) scan() (raw []byte, size int) {
	var p wire.Plain
	at := 0
	for all := l.in[:l.have]; p.Next(all[at:], l.maxIn, p.Topic) && p.QoS() == 0; {
		at += p.Size
		size += waitingSize(len(p.Topic), len(p.Payload))
	}
	return l.in[:at], size
}

// handOver gives the run at the beginning of what was received to the message lane as a block, if it is worth it,
// and returns what is left for parse, which has nothing gathered yet. The buffer goes with it, and the rest is moved to
// another one.
func (l *link) handOver() []byte {
	c := l.c
	all := l.in[:l.have]
	enough := max(minBlock, len(l.in)/4)
	if len(all) < enough || c.tracing {
		return all
	}
	raw, size := l.scan()
	if len(raw) < enough {
		return all
	}
	c.mu.Lock()
	l.lastRead = c.clock()
	l.quick = 0
	deliver := c.state == StateConnected && l.err == nil
	c.mu.Unlock()
	rest := all[len(raw):]
	if deliver {
		if !c.messages.pushBlock(&block{raw: raw, buf: l.in, size: size}) {
			return all // message by message, as Inbound says
		}
		l.in = c.messages.buffer(len(l.in))
	}
	l.have = copy(l.in, rest)
	l.breathe()
	return l.in[:l.have]
}

// breathe gives the processor to the message lane, and lets it catch up.
func (l *link) breathe() {
	taken := l.c.messages.behind()
	if taken == nil {
		runtime.Gosched()
		return
	}
	if l.patience == nil {
		l.patience = time.NewTimer(blockWait)
	} else {
		l.patience.Reset(blockWait)
	}
	select {
	case <-taken:
	case <-l.patience.C:
	}
	l.patience.Stop()
}

// burst is what a message lane has for its blocks.
type burst struct {
	waiting int           // blocks in lane.q
	watched bool          // the reader waits for one to be taken
	taken   chan struct{} // gets a value then; has room for one
	spare   [][]byte      // read buffers of blocks that have been delivered

	// touched by the runner only
	blk    *block // that is being delivered
	cutter cutter
}

// behind returns nil, or when the reader is too far ahead a channel that gets a value when a block is taken.
func (l *lane) behind() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.burst
	if u == nil || u.waiting < maxBlocks {
		return nil
	}
	select {
	case <-u.taken: // of a wait that has ended by time
	default:
	}
	u.watched = true
	return u.taken
}

// took counts a block that has left the queue. lane.mu is held.
func (u *burst) took() {
	u.waiting--
	if u.watched {
		u.watched = false
		u.taken <- struct{}{} // has room: behind has emptied it
	}
}

// pushBlock adds a block; false: the lane is closed, or Inbound has no room for all of it.
func (l *lane) pushBlock(b *block) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.bytes0+b.size > l.c.opts.Inbound.MaxBytes {
		return false
	}
	if l.burst == nil {
		l.burst = &burst{taken: make(chan struct{}, 1), cutter: cutter{c: l.c, burst: true}}
	}
	l.bytes0 += b.size
	l.burst.waiting++
	l.q = append(l.q, item{blk: b})
	l.start()
	return true
}

// deliver makes and delivers the messages of a block.
func (l *lane) deliver(b *block) {
	u := l.burst // it stays while there is a runner
	u.blk = b
	var p wire.Plain
	for !b.empty() && !l.discard.Load() {
		b.next(&p)
		m := u.cutter.plain(&p, 0)
		m.Retain = p.Retain()
		l.c.deliver(m, b.empty() && len(l.taken) == 0)
	}
	u.blk = nil
	l.mu.Lock()
	if len(u.spare) < maxBlocks {
		u.spare = append(u.spare, b.buf)
	}
	l.mu.Unlock()
}

// dropFrom drops messages from the front of a waiting block until n more bytes fit into limit. mu is held.
func (l *lane) dropFrom(b *block, n, limit int) (dropped int) {
	var p wire.Plain
	for ; !b.empty() && l.bytes0+n > limit; dropped++ {
		before := b.size
		b.next(&p)
		l.bytes0 -= before - b.size
	}
	return dropped
}

// buffer returns a read buffer of n bytes.
func (l *lane) buffer(n int) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	for u := l.burst; u != nil && len(u.spare) > 0; { // nil: the connection has just become idle
		b := u.spare[len(u.spare)-1]
		u.spare = u.spare[:len(u.spare)-1]
		if len(b) == n {
			return b
		}
	}
	return make([]byte, n)
}

// dropSpare forgets the buffers that are kept for the reader.
func (l *lane) dropSpare() {
	l.mu.Lock()
	if l.burst != nil {
		l.burst.spare = nil
	}
	l.mu.Unlock()
}
