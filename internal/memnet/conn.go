package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// pair is what the two ends of a connection share.
type pair struct {
	mu      sync.Mutex
	pipes   [2]pipe // by Direction
	observe func(Chunk)
	ends    [2]*Conn // 0 dialled, 1 accepted
	nw      *Network
	closed  int // ends that are closed
}

// Conn is one end of a connection: a net.Conn with CloseWrite as TCP has, and
// the switches for faults, which act the same from either end.
type Conn struct {
	p      *pair
	server bool
	local  net.Addr
	remote net.Addr
}

var _ net.Conn = (*Conn)(nil)

// Outbound returns the direction this end writes to.
func (c *Conn) Outbound() Direction {
	if c.server {
		return ToClient
	}
	return ToServer
}

// Inbound returns the direction this end reads from.
func (c *Conn) Inbound() Direction { return 1 - c.Outbound() }

func (c *Conn) out() *pipe { return &c.p.pipes[c.Outbound()] }
func (c *Conn) in() *pipe  { return &c.p.pipes[c.Inbound()] }

// Peer returns the other end.
func (c *Conn) Peer() *Conn {
	if c.server {
		return c.p.ends[0]
	}
	return c.p.ends[1]
}

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the address of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// Read reads what has arrived, or waits. After the peer's Close it returns the
// rest and then io.EOF; after a cut, ECONNRESET; on a closed Conn net.ErrClosed;
// once the read deadline has passed, os.ErrDeadlineExceeded even if data waits.
// All but io.EOF come in a *net.OpError.
func (c *Conn) Read(b []byte) (int, error) {
	p := c.in()
	c.p.mu.Lock()
	for {
		o := p.read(b, time.Now())
		if !o.wait {
			c.p.mu.Unlock()
			return o.n, c.opError("read", o.err)
		}
		c.p.sleep(&p.readWait, o.wake)
	}
}

// Write writes b, waiting while the buffer is full. Concurrent writes do not
// interleave. With an error it returns how many bytes went: deadline, cut and
// close as in Read, EPIPE once the peer has closed.
func (c *Conn) Write(b []byte) (int, error) {
	p := c.out()
	c.p.mu.Lock()
	for p.writing {
		if o := p.room(1, time.Now()); o.err != nil {
			c.p.mu.Unlock()
			return 0, c.opError("write", o.err)
		}
		c.p.sleep(&p.writeWait, p.writeDeadline)
	}
	p.writing = true
	n, err := c.write(p, b)
	p.writing = false
	wake(&p.writeWait)
	c.p.mu.Unlock()
	return n, c.opError("write", err)
}

// write is entered and left with the mutex held and p.writing set; only room
// can change while it lets go of the mutex, and only grow.
func (c *Conn) write(p *pipe, b []byte) (n int, err error) {
	for {
		o := p.room(len(b)-n, time.Now())
		if o.err != nil {
			return n, o.err
		}
		if o.wait {
			c.p.sleep(&p.writeWait, o.wake)
			continue
		}
		part := b[n : n+o.n]
		if f := c.p.observe; f != nil && len(part) > 0 {
			chunk := Chunk{Conn: c.p.ends[0], Dir: c.Outbound(), Data: part, Lost: p.lost}
			c.p.mu.Unlock()
			f(chunk)
			c.p.mu.Lock()
			// The observer may have cut, closed or blackened the connection.
			if again := p.room(len(part), time.Now()); again.err != nil {
				return n, again.err
			} else if again.wait || again.n < len(part) {
				part = part[:again.n]
			}
		}
		n += len(part)
		if len(part) > 0 && !p.lost && p.push(part, time.Now()) {
			c.p.cut(c.Outbound())
			if n < len(b) {
				return n, errReset
			}
		}
		if n == len(b) {
			return n, nil
		}
	}
}

// sleep waits, with the mutex released, for a change or until the time given.
func (p *pair) sleep(ch *chan struct{}, until time.Time) {
	change := waiter(ch)
	p.mu.Unlock()
	if until.IsZero() {
		<-change
	} else {
		t := time.NewTimer(time.Until(until))
		select {
		case <-change:
		case <-t.C:
		}
		t.Stop()
	}
	p.mu.Lock()
}

// cut resets both directions; what is buffered in direction keep can be read.
func (p *pair) cut(keep Direction) {
	p.pipes[1-keep].cut(false)
	p.pipes[keep].cut(true)
}

// Close closes this end: its calls return net.ErrClosed, the peer reads what is
// buffered and then io.EOF. A second Close returns net.ErrClosed.
func (c *Conn) Close() error {
	c.p.mu.Lock()
	in, out := c.in(), c.out()
	if in.readClosed {
		c.p.mu.Unlock()
		return c.opError("close", net.ErrClosed)
	}
	in.readClosed, out.writeClosed = true, true
	in.discard()
	in.changed()
	out.finish(time.Now())
	c.p.closed++
	gone := c.p.closed == 2
	c.p.mu.Unlock()
	if gone {
		c.p.nw.forget(c.p)
	}
	return nil
}

// CloseWrite ends what this end sends: the peer reads the rest and io.EOF, this
// end can still read.
func (c *Conn) CloseWrite() error {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if c.out().writeClosed {
		return c.opError("close", net.ErrClosed)
	}
	c.out().writeClosed = true
	c.out().finish(time.Now())
	return nil
}

// SetDeadline sets both deadlines; zero removes them. Calls that block now obey
// the new value.
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadline(t, true, true) }

// SetReadDeadline sets the deadline of Read.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadline(t, true, false) }

// SetWriteDeadline sets the deadline of Write.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(t, false, true) }

func (c *Conn) setDeadline(t time.Time, read, write bool) error {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	in, out := c.in(), c.out()
	if in.readClosed {
		return c.opError("set", net.ErrClosed)
	}
	if read {
		in.readDeadline = t
		wake(&in.readWait)
	}
	if write {
		out.writeDeadline = t
		wake(&out.writeWait)
	}
	return nil
}

// Cut breaks the connection now: calls of both ends, blocked ones too, return
// ECONNRESET, and what was not read is gone.
func (c *Conn) Cut() {
	c.p.mu.Lock()
	for i := range c.p.pipes {
		c.p.pipes[i].cut(false)
	}
	c.p.mu.Unlock()
}

// SetLink sets the state of one direction for what is written from now on. What
// is on the way keeps its own delay and rate; CutAfter counts anew.
func (c *Conn) SetLink(d Direction, l Link) {
	c.p.mu.Lock()
	c.p.pipes[d].setLink(l, time.Now())
	c.p.mu.Unlock()
}

// Link returns what SetLink set last, or the dial's faults.
func (c *Conn) Link(d Direction) Link {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	return c.p.pipes[d].link
}

// Blackhole turns both directions black: a half-open connection.
func (c *Conn) Blackhole() {
	c.SetLink(ToServer, Link{Blackhole: true})
	c.SetLink(ToClient, Link{Blackhole: true})
}

// Observe sets a function that sees everything written from now on, in order per
// direction, in place of the network's; nil removes it. It runs on the writer's
// goroutine without a lock held.
func (c *Conn) Observe(f func(Chunk)) {
	c.p.mu.Lock()
	c.p.observe = f
	c.p.mu.Unlock()
}

// opError dresses err as the net package does.
func (c *Conn) opError(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if no, ok := err.(syscall.Errno); ok {
		err = os.NewSyscallError(op, no)
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}
