package memnet

import (
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"time"
)

// pipe is one direction of a connection. The mutex of its pair guards it.
type pipe struct {
	link Link
	left int // bytes until CutAfter strikes, when link.CutAfter > 0
	lost bool

	chunks   []chunk
	spare    []byte // memory of a chunk that was read
	buffered int
	size     int       // bound of buffered
	lineFree time.Time // when a throttled line has sent everything so far
	eof      bool      // the writer has closed its side
	eofAt    time.Time
	reset    bool // the connection was cut
	drain    bool // the reader gets what is buffered before the reset

	readClosed, writeClosed     bool // by this side's own end
	writing                     bool // a Write is under way: writes do not interleave
	readDeadline, writeDeadline time.Time
	readWait, writeWait         chan struct{} // closed when something changed; nil when nobody waits
}

// chunk is data that becomes readable at a time, or byte by byte from a time on.
type chunk struct {
	buf   []byte
	taken int       // bytes of buf that were read already
	start time.Time // zero: at once
	rate  int       // bytes per second from start on, 0: all at start
}

// rest returns what was not read yet.
func (c *chunk) rest() []byte { return c.buf[c.taken:] }

// outcome of an attempt to read or write: done, or wait for a change and, when
// wake is not zero, until that time at most.
type outcome struct {
	n    int
	err  error
	wait bool
	wake time.Time
}

// wakers: each closes the channel its waiters share.
func wake(ch *chan struct{}) {
	if *ch != nil {
		close(*ch)
		*ch = nil
	}
}

// waiter returns the channel that the next wake closes.
func waiter(ch *chan struct{}) chan struct{} {
	if *ch == nil {
		*ch = make(chan struct{})
	}
	return *ch
}

func (p *pipe) changed() { wake(&p.readWait); wake(&p.writeWait) }

var (
	errReset = syscall.ECONNRESET
	errPipe  = syscall.EPIPE
)

// read is one attempt to read.
func (p *pipe) read(b []byte, now time.Time) outcome {
	switch {
	case p.readClosed:
		return outcome{err: net.ErrClosed}
	case expired(p.readDeadline, now):
		return outcome{err: os.ErrDeadlineExceeded}
	case p.reset && !p.drain:
		return outcome{err: errReset}
	case len(b) == 0:
		return outcome{}
	}
	var next time.Time
	n := 0
	for !p.link.Hold && len(p.chunks) > 0 && n < len(b) {
		c := &p.chunks[0]
		ready := c.ready(now)
		if ready == 0 {
			next = c.next()
			break
		}
		k := copy(b[n:], c.rest()[:ready])
		n += k
		p.buffered -= k
		if c.taken += k; c.taken == len(c.buf) {
			p.pop()
		}
	}
	if n > 0 {
		wake(&p.writeWait)
		return outcome{n: n}
	}
	if len(p.chunks) == 0 {
		if p.reset {
			return outcome{err: errReset}
		}
		if p.eof && !p.link.Hold {
			if !now.Before(p.eofAt) {
				return outcome{err: io.EOF}
			}
			next = p.eofAt
		}
	}
	return outcome{wait: true, wake: earliest(next, p.readDeadline)}
}

// pop drops the empty first chunk and keeps its memory for the next one.
func (p *pipe) pop() {
	p.spare = p.chunks[0].buf[:0]
	p.chunks = slices.Delete(p.chunks, 0, 1)
}

// fill copies b into memory of its own.
func (p *pipe) fill(b []byte) []byte {
	buf := append(p.spare, b...)
	p.spare = nil
	return buf
}

// room is one attempt to find out how much of n bytes can be written now. A
// write of n > 0 into a black hole has room for everything.
func (p *pipe) room(n int, now time.Time) outcome {
	switch {
	case p.writeClosed:
		return outcome{err: net.ErrClosed}
	case expired(p.writeDeadline, now):
		return outcome{err: os.ErrDeadlineExceeded}
	case p.reset:
		return outcome{err: errReset}
	case p.lost:
		return outcome{n: n}
	case p.readClosed:
		return outcome{err: errPipe}
	}
	k := min(n, p.size-p.buffered)
	if p.link.CutAfter > 0 {
		k = min(k, p.left)
	}
	if k == 0 && n > 0 {
		return outcome{wait: true, wake: p.writeDeadline}
	}
	return outcome{n: k}
}

// push takes b, for which room was found, and reports whether that was the last
// byte before a cut.
func (p *pipe) push(b []byte, now time.Time) (cut bool) {
	p.buffered += len(b)
	if p.link.Delay > 0 || p.link.Rate > 0 {
		start := now
		if p.link.Rate > 0 {
			start = latest(now, p.lineFree)
			p.lineFree = start.Add(span(len(b), p.link.Rate))
		}
		p.chunks = append(p.chunks, chunk{buf: p.fill(b), start: start.Add(p.link.Delay), rate: p.link.Rate})
	} else if last := len(p.chunks) - 1; last >= 0 && p.chunks[last].start.IsZero() {
		p.chunks[last].add(b)
	} else {
		p.chunks = append(p.chunks, chunk{buf: p.fill(b)})
	}
	wake(&p.readWait)
	if p.link.CutAfter > 0 {
		p.left -= len(b)
		return p.left == 0
	}
	return false
}

// add appends to a chunk that is readable at once, over what was read if b fits
// that way.
func (c *chunk) add(b []byte) {
	if len(c.buf)+len(b) > cap(c.buf) && c.taken > 0 {
		c.buf = c.buf[:copy(c.buf, c.rest())]
		c.taken = 0
	}
	c.buf = append(c.buf, b...)
}

// finish marks the end of the stream behind what is on the way. A black hole
// swallows it like everything else.
func (p *pipe) finish(now time.Time) {
	if !p.eof && !p.lost {
		p.eof, p.eofAt = true, latest(now, p.lineFree).Add(p.link.Delay)
	}
	p.changed()
}

// cut ends the direction with a reset.
func (p *pipe) cut(drain bool) {
	p.reset, p.drain = true, drain
	if !drain {
		p.discard()
	}
	p.changed()
}

// discard drops what was not read.
func (p *pipe) discard() { p.chunks, p.spare, p.buffered = nil, nil, 0 }

// setLink changes the state for what is written from now on.
func (p *pipe) setLink(l Link, now time.Time) {
	held := p.link.Hold
	p.link, p.left = l, l.CutAfter
	if l.Blackhole && !p.lost {
		p.lost = true
		p.loseInFlight(held, now)
	}
	p.changed()
}

// loseInFlight drops what has not arrived when the link turns black.
func (p *pipe) loseInFlight(held bool, now time.Time) {
	arrived := p.chunks[:0]
	p.buffered = 0
	for _, c := range p.chunks {
		if n := c.ready(now); n > 0 && !held {
			arrived = append(arrived, chunk{buf: c.rest()[:n]})
			p.buffered += n
		}
	}
	clear(p.chunks[len(arrived):])
	p.chunks = arrived
	if p.eof && (held || now.Before(p.eofAt)) {
		p.eof = false
	}
}

// ready returns how many bytes of the rest have arrived.
func (c *chunk) ready(now time.Time) int {
	rest := len(c.buf) - c.taken
	if c.start.IsZero() {
		return rest
	}
	gone := now.Sub(c.start)
	switch {
	case gone < 0:
		return 0
	case c.rate == 0 || gone >= span(len(c.buf), c.rate):
		return rest
	}
	// gone is below the span of the whole chunk: no overflow
	return max(int(gone*time.Duration(c.rate)/time.Second)-c.taken, 0)
}

// next returns when there is more to read: at least one byte, and at high rates
// a millisecond's worth, lest a reader wake for every byte.
func (c *chunk) next() time.Time {
	if c.rate == 0 {
		return c.start
	}
	quantum := min(max(1, c.rate/1000), len(c.buf)-c.taken)
	return c.start.Add(span(c.taken+quantum, c.rate))
}

// span returns the time n bytes take, rounded up.
func span(n, rate int) time.Duration {
	return time.Duration((int64(n)*int64(time.Second) + int64(rate) - 1) / int64(rate))
}

func expired(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }

// earliest returns the earlier time; a zero one does not count.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
