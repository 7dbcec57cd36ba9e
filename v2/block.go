package awsiot

import (
	"bytes"
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
	// maxBlocks is from how far ahead, in blocks, the reader lets the handlers catch up, and how many buffers a busy client
	// keeps, 4 MiB at most. The longer the steps, the fewer the changes between the two, which cost more than the messages.
	maxBlocks = 64
	// blockWait is how long the reader waits at most when it is that far ahead, so that a burst is slowed down by
	// TCP rather than dropped.
	blockWait = time.Millisecond
	// maxWaits is how many such waits in vain make it certain that the handlers stand still: until they take the next
	// block it waits no more, for acknowledgements and PINGRESPs are behind, and one of them may be what a handler waits for.
	maxWaits = 100
)

// block is a run of PUBLISH packets of QoS 0 without properties, checked by the reader.
type block struct {
	raw  []byte
	off  int    // of the first packet that is left
	buf  []byte // the whole buffer, to be used again; nil: raw is a copy
	size int    // what the messages that are left count against Inbound.MaxBytes
}

// empty reports whether nothing is left.
func (b *block) empty() bool { return b.off == len(b.raw) }

// next takes the first packet off the block; p holds the one before. It returns what the block counts less now.
func (b *block) next(p *wire.Plain) (less int) {
	p.Next(b.raw[b.off:], 0, p.Topic) // it has been checked
	b.off += p.Size
	less = waitingSize(len(p.Topic), len(p.Payload))
	b.size -= less
	return less
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
	if len(all) < enough || c.tracing || c.direct.Len() > 0 { // direct handlers see a message before the lane
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
		b := &block{raw: raw, buf: l.in, size: size}
		if len(raw) < len(l.in)-len(l.in)/8 { // else the block would keep much more than it counts
			b.raw, b.buf = bytes.Clone(raw), nil
		}
		if !c.messages.pushBlock(b) {
			return all // message by message, as Inbound says
		}
		if b.buf != nil {
			l.in = c.messages.buffer(len(l.in))
		}
	}
	l.have = copy(l.in, rest)
	l.breathe()
	return l.in[:l.have]
}

// breathe gives the processor to the message lane, and lets it catch up if it moves.
func (l *link) breathe() {
	taken, moves := l.c.messages.behind()
	if moves != l.moves {
		l.moves, l.waits = moves, 0
	}
	if taken == nil || l.waits >= maxWaits {
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
		l.waits++
	}
	l.patience.Stop()
}

// burst is what a message lane has for its blocks.
type burst struct {
	waiting int           // blocks in lane.q
	moves   uint64        // counts those that the runner has taken, from 1
	watched bool          // the reader waits for one to be taken
	taken   chan struct{} // gets a value then; has room for one
	spare   [][]byte      // read buffers of blocks that have been delivered, of maxBuffer at most

	// touched by the runner only
	blk    *block // that is being delivered
	cutter cutter
}

// behind returns nil, or when the reader is too far ahead a channel that gets a value when a block is taken, and how
// many have been taken, which is never 0.
func (l *lane) behind() (taken <-chan struct{}, moves uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.burst
	if u == nil || u.waiting < maxBlocks {
		return nil, 0
	}
	select {
	case <-u.taken: // of a wait that has ended by time
	default:
	}
	u.watched = true
	return u.taken, u.moves
}

// took counts a block that the runner has taken. lane.mu is held.
func (u *burst) took() {
	u.waiting--
	u.moves++
	if u.watched {
		u.watched = false
		u.taken <- struct{}{} // has room: behind has emptied it
	}
}

// pushBlock adds a block; false: the lane is closed, or Inbound has no room for all of it.
func (l *lane) pushBlock(b *block) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.bytes0()+b.size > l.c.options().Inbound.MaxBytes {
		return false
	}
	if l.burst == nil {
		l.burst = &burst{moves: 1, taken: make(chan struct{}, 1), cutter: cutter{burst: true}}
	}
	l.kept += int64(b.size)
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
		l.begin(b.next(&p))
		m := u.cutter.plain(&p, 0)
		m.Retain = p.Retain()
		l.c.deliver(m, b.empty() && len(l.taken) == 0)
	}
	u.blk = nil
	l.mu.Lock()
	if len(u.spare) < maxBlocks && b.buf != nil && len(b.buf) <= maxBuffer {
		u.spare = append(u.spare, b.buf)
	}
	l.mu.Unlock()
}

// dropFrom drops messages from the front of a waiting block until n more bytes fit into limit. mu is held.
func (l *lane) dropFrom(b *block, n, limit int) (dropped int) {
	var p wire.Plain
	for ; !b.empty() && l.bytes0()+n > limit; dropped++ {
		l.kept -= int64(b.next(&p))
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
