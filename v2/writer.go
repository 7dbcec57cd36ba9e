package awsiot

import (
	"fmt"
	"runtime"
	"slices"
	"time"
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
}

// take takes what was encoded. mu is held.
func (l *link) take() batch {
	w := batch{l.out, l.pend, l.told, l.loose, l.batchStart}
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
	defer close(l.done)
	var signals []signal
	c.mu.Lock()
	for {
		if l.err == nil {
			c.pump(l)
		} else if !l.closing || len(l.out) == 0 {
			c.unlockReusing(&signals)
			l.close()
			return
		}
		if len(l.out) == 0 {
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
		n, err := l.conn.Write(w.out)
		c.mu.Lock()
		l.wrote(n, &w)
		l.recycle(&w)
		if err != nil {
			l.fail(err)
			l.closing = false
		}
	}
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
		l.fail(err)
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
	l.tell(w.told)
	for i, o := range w.pend {
		if o.end > l.written {
			c.complete(o, PublishResult{}, l.lost(o.topic()))
		} else {
			c.complete(o, PublishResult{}, nil)
		}
		w.pend[i] = nil
	}
	if l.lastWrite-w.began > 50*time.Millisecond {
		c.restamp(before, l.lastWrite) // AckTimeout counts from the end of the write
	}
}

// tell reports the end of QoS 0 publishes: those whose last byte the socket took have succeeded.
// mu is held.
func (l *link) tell(list []told) {
	for i := range list {
		t := &list[i]
		var err error
		if t.end > l.written {
			err = l.lost(t.topic)
		}
		l.c.batch = append(l.c.batch, report(t.done, PublishResult{}, err))
	}
	clear(list)
}

// lost is the error of a QoS 0 publish that the end of the connection overtook.
func (l *link) lost(topic string) error {
	if s := l.c.sess; s != nil && s.cause != nil {
		return opError("publish", topic, s.cause)
	}
	return fmt.Errorf("awsiot: publish %q: the connection ended before it was written: %w", topic, ErrOffline)
}
