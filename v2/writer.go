package awsiot

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/portage-iot/awsiot/v2/internal/wire"
)

// told is the callback of a QoS 0 publish that PublishFunc encoded straight into out.
type told struct {
	done  func(PublishResult, error)
	topic string
	end   uint64 // link.end behind its last byte
}

// looseCount is a number of operations and their bytes.
type looseCount struct{ n, bytes uint64 }

// batch is what one write takes: packets, and who waits until they are written.
type batch struct {
	out   []byte
	pend  []*operation
	told  []told
	loose looseCount
	began time.Duration // when the first packet was encoded
	ping  bool          // a PINGREQ is due
}

// take takes what was encoded. mu is held.
func (l *link) take() batch {
	w := batch{l.out, l.pend, l.told, l.loose, l.batchStart, l.pingDue}
	l.out, l.pend, l.told, l.loose = l.spare[:0], l.spareP[:0], l.spareT[:0], looseCount{}
	return w
}

// recycle takes the memory of a batch back. mu is held.
func (l *link) recycle(w *batch) {
	l.spare, l.spareP, l.spareT = w.out, w.pend[:0], w.told[:0]
	if cap(l.spare) > 2*maxOut {
		l.spare = nil
	}
}

// write is the writer: it takes what was encoded, writes it, and sleeps when there is nothing.
func (l *link) write() {
	c := l.c
	defer c.live.done()
	defer l.writerGone()
	var signals []signal
	c.mu.Lock()
	for {
		l.probe.due = false
		if l.err == nil {
			c.pump(l)
		} else if !l.closing || len(l.out) == 0 {
			wait, unread := l.closing && !l.dead, l.broken
			c.unlockReusing(&signals)
			if !unread { // else the reader closes
				l.close(wait)
			}
			return
		}
		if len(l.out) == 0 && !l.pingDue {
			l.asleep = true
			c.unlockReusing(&signals)
			<-l.wake
			runtime.Gosched() // those who are about to publish add to the batch
			c.mu.Lock()
			continue
		}
		w := l.take()
		c.unlockReusing(&signals)
		if c.tracing {
			c.tracePackets("packet sent", w.out)
		}
		n, err := l.send(&w)
		c.mu.Lock()
		l.wrote(n, &w)
		l.recycle(&w)
		if err != nil {
			l.failWrite(err)
			l.closing = false
		}
	}
}

// writerGone is the end of the writer.
func (l *link) writerGone() {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	if l.gone = true; l.done != nil {
		close(l.done)
	}
}

// writerEnd returns a channel that is closed when the writer has ended.
func (l *link) writerEnd() <-chan struct{} {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	if l.gone {
		return closedChan
	}
	if l.done == nil {
		l.done = make(chan struct{})
	}
	return l.done
}

// A long batch is written in pieces: a slow link shows that it gets on, and a PINGREQ does not wait for the end.
const (
	largePiece = 64 << 10
	smallPiece = 16 << 10               // after one that took slowWrite
	slowWrite  = 100 * time.Millisecond // of a piece
)

// send writes a batch, and between two packets of it a PINGREQ when one is due. n counts the bytes of the batch.
func (l *link) send(w *batch) (n int, err error) {
	c := l.c
	for n < len(w.out) || w.ping {
		end := len(w.out) // of what may go before anything else
		if w.ping {
			end = packetEnd(w.out, n)
		}
		if n == end && w.ping {
			if _, err := l.conn.Write(wire.Pingreq); err != nil {
				return n, err
			}
			l.pinged()
			w.ping = false
			continue
		}
		to := min(end, n+l.piece)
		if n == 0 && to == len(w.out) { // the usual case: one write
			return l.conn.Write(w.out)
		}
		began := c.clock()
		m, err := l.conn.Write(w.out[n:to])
		if n += m; err != nil {
			return n, err
		}
		c.mu.Lock()
		l.lastWrite = c.clock()
		w.ping = l.pingDue
		if l.lastWrite-began > slowWrite {
			l.piece = smallPiece
		} else if m >= l.piece { // less says nothing
			l.piece = largePiece
		}
		c.mu.Unlock()
	}
	return n, nil
}

// packetEnd returns where the packet ends of which b[:n] holds a part, or n.
func packetEnd(b []byte, n int) int {
	at := 0
	for at < n {
		f, _, err := wire.Next(b[at:], 0)
		if err != nil || len(f.Raw) == 0 {
			return len(b) // cannot be: they are our own packets
		}
		at += len(f.Raw)
	}
	return at
}

// With many goroutines publishing, the writer writes for all of them at once; if each wrote for
// itself, they would not meet. So a publish writes itself only after a few writes for one alone, and
// now and then one of them leaves it to the writer, to see whether there are others.
const (
	aloneEnough = 4
	aloneProbe  = 64
)

// writeInline does the writer's work in the goroutine of a blocking publish: with nothing else
// under way, waking the writer costs more than the write. It does not wait either: what the socket
// does not take at once is left to the writer. ended: o has ended, and there will be no signal; leads: the caller is to
// read the answer, see lead. mu is held, and released while it writes.
func (c *Client) writeInline(l *link, o *operation) (ended, leads bool) {
	if l.alone < aloneEnough || !l.asleep || l.err != nil || len(l.out) == 0 || l.noTry || c.stats.IncompleteOperationCount != 1 {
		return false, false
	}
	if l.tryWrite == nil {
		l.tryWrite = tryWriter(l.conn)
		if l.noTry = l.tryWrite == nil; l.noTry {
			return false, false
		}
	}
	leads = l.takeLead(o)
	l.asleep = false // nobody is to wake the writer meanwhile
	w := l.take()
	c.unlock()
	if c.tracing {
		c.tracePackets("packet sent", w.out)
	}
	n, err := l.tryWrite(w.out)
	c.mu.Lock()
	if n == len(w.out) {
		o.here = o.phase != phaseDone // its answer may have come already
		l.wrote(n, &w)
		ended = o.here && o.phase == phaseDone
		o.here = false
	} else {
		l.putBack(n, &w)
	}
	l.recycle(&w)
	if err != nil {
		l.failWrite(err)
	}
	if l.alone > aloneProbe && !leads {
		l.alone = aloneEnough - 1
	}
	l.asleep = true // unlock wakes the writer if there is something for it
	if leads && (n < len(w.out) || l.err != nil || o.phase != phaseSent) {
		l.lead.end(false)
		leads = false
	}
	return ended, leads
}

// putBack accounts for a write of n bytes, fewer than w has, and puts the rest back ahead of what was
// encoded since. mu is held.
func (l *link) putBack(n int, w *batch) {
	l.written += uint64(n)
	l.out = append(slices.Clone(w.out[n:]), l.out...)
	l.pend = append(slices.Clone(w.pend), l.pend...)
	l.told = append(slices.Clone(w.told), l.told...)
	l.loose.n += w.loose.n
	l.loose.bytes += w.loose.bytes
	l.batchStart = w.began
	clear(w.pend)
	clear(w.told)
}

// wrote accounts for a write of n bytes. mu is held.
func (l *link) wrote(n int, w *batch) {
	c := l.c
	before := l.written
	l.written += uint64(n)
	l.lastWrite = c.clock()
	if l.alone++; c.stats.IncompleteOperationCount > 1 {
		l.alone = 0
	}
	c.stats.IncompleteOperationCount -= w.loose.n
	c.stats.IncompleteOperationSize -= w.loose.bytes
	// what was not written ends with the connection, behind the news of that
	if k := slices.IndexFunc(w.told, func(t told) bool { return t.end > l.written }); k >= 0 {
		l.told = append(slices.Clone(w.told[k:]), l.told...)
		clear(w.told[k:])
		w.told = w.told[:k]
	}
	if k := slices.IndexFunc(w.pend, func(o *operation) bool { return o.end > l.written }); k >= 0 {
		l.pend = append(slices.Clone(w.pend[k:]), l.pend...)
		clear(w.pend[k:])
		w.pend = w.pend[:k]
	}
	l.finish(w.told, w.pend)
	if l.lastWrite-w.began > 50*time.Millisecond {
		c.restamp(before, l.lastWrite) // AckTimeout counts from the end of the write
	}
}

// finish ends QoS 0 publishes in the order of the wire: those whose last byte the socket took have succeeded. mu is held.
func (l *link) finish(told []told, pend []*operation) {
	c := l.c
	for i, k := 0, 0; i < len(told) || k < len(pend); {
		if k == len(pend) || i < len(told) && told[i].end < pend[k].end {
			t := &told[i]
			var err error
			if t.end > l.written {
				err = l.lost(t.topic)
			}
			c.batch = append(c.batch, report(t.done, PublishResult{}, err))
			i++
			continue
		}
		var err error
		if o := pend[k]; o.end > l.written {
			err = l.lost(o.topic())
		}
		c.complete(pend[k], PublishResult{}, err)
		k++
	}
	clear(told)
	clear(pend)
}

// lost is the error of a QoS 0 publish that the end of the connection overtook.
func (l *link) lost(topic string) error {
	if s := l.c.sess; s != nil && s.cause != nil {
		return opError("publish", topic, s.cause)
	}
	return opError("publish", topic, fmt.Errorf("the connection ended before it was written: %w", ErrOffline))
}
