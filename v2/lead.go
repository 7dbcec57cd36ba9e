package awsiot

import (
	"errors"
	"os"
	"time"

	"github.com/portage-iot/awsiot/v2/internal/wire"
)

// One goroutine that publishes, waits for the PUBACK and publishes again has a processor change hands twice for
// each message: from the session loop, which reads, to the caller, and back. On a broker nearby that costs more than
// the message. So after a series of such publishes with quick answers, and no message received meanwhile, the loop
// stands aside, and the publish reads its own answer; whatever else it finds, it leaves to the loop. Anything that
// needs the loop calls it back, and it comes back by itself when no publish has read for a while. (The
// leader/followers pattern, with one follower.)

const (
	// leadEnough is after how many quick publishes in a row the loop stands aside.
	leadEnough = 16
	// leadQuick is the longest answer, and the longest pause before the next publish, that counts as quick.
	leadQuick = 500 * time.Microsecond
	// leadLook is how often the loop looks whether it is needed. A publish that has read for as long, or the lack
	// of one, ends the arrangement: a message or the end of the connection is noticed at most two looks late, and the
	// end of a publish's context too.
	leadLook = time.Millisecond
)

// lead says who reads a connection. It is guarded by Client.mu; aside is changed by the session loop alone.
type lead struct {
	aside   bool // the loop does not read: the next publish may
	reading bool // a publish reads
	turn    uint // counts these
	evicted bool // the loop has interrupted it, and waits for its end
	called  bool // back has a value, or is about to
	back    chan struct{}
	look    *time.Timer
	err     error // what a publish got from the connection instead of an answer
}

// aside reports whether the loop stands aside. Only the loop may ask without the lock.
func (l *link) aside() bool { return l.lead != nil && l.lead.aside }

// gauge counts quick publishes in a row, when one is about to be written; a received message ends the row. mu is held.
func (l *link) gauge() {
	answer, pause := l.lastRead-l.lastWrite, l.batchStart-l.lastRead
	if l.quick++; answer > leadQuick || pause > leadQuick {
		l.quick = 0
	}
}

// standAside makes the loop stand aside if the time has come: everything that was sent is answered, and everything
// that was received dealt with. From here to follow the loop must not touch what is the reader's. mu is held.
func (l *link) standAside() {
	if l.quick < leadEnough || l.have > 0 || l.err != nil || l.c.stats.IncompleteOperationCount > 0 {
		return
	}
	if l.lead == nil {
		l.lead = &lead{back: make(chan struct{}, 1)}
	}
	l.lead.aside = true
}

// takeLead makes the publish o, which is about to be written, the reader if the loop stands aside. mu is held.
func (l *link) takeLead(o *operation) bool {
	if o.kind != opPublish1 || o.phase != phaseSent {
		return false
	}
	d := l.lead
	if d == nil || !d.aside {
		l.gauge()
		return false
	}
	if d.reading || d.called || d.evicted {
		return false
	}
	d.reading = true
	d.turn++
	return true
}

// end ends the reading of a publish; settled: it has found its answer and nothing else. mu is held.
func (d *lead) end(settled bool) {
	d.reading = false
	if !settled || d.evicted {
		d.call()
	}
}

// call makes the loop read again. mu is held.
func (d *lead) call() {
	if !d.called {
		d.called = true
		d.back <- struct{}{} // has room for one
	}
}

// callBack calls the loop back if it is needed: the connection is to end, or an answer will come and nobody reads. mu
// is held.
func (l *link) callBack() {
	if d := l.lead; d.aside && (l.err != nil || !d.reading && l.c.stats.UnackedOperationCount > 0) {
		d.call()
	}
}

// soleAck returns the PUBACK that the buffer holds, if it holds that and nothing else, and no properties in it.
func (l *link) soleAck() (f wire.Frame, a wire.Ack, ok bool) {
	f, _, err := wire.Next(l.in[:l.have], l.maxIn)
	ok = err == nil && l.have > 0 && len(f.Raw) == l.have && f.Type() == wire.TypePuback && wire.ParseAck(f, &a) == nil && a.Reason == "" && a.User == nil
	return f, a, ok
}

// readOwn reads the answer to o, and ends o. false: something else came, and the loop reads again.
func (l *link) readOwn(o *operation) bool {
	c := l.c
	err := l.fill()
	f, a, own := l.soleAck()
	c.mu.Lock()
	defer c.unlock()
	d := l.lead
	if own {
		sent, _ := c.table.Get(a.ID)
		own = sent == o && o.phase == phaseSent
	}
	if !own {
		if !d.evicted || !errors.Is(err, os.ErrDeadlineExceeded) {
			d.err = err
		}
		d.end(false)
		return false
	}
	if c.tracing {
		c.tracePacket("packet received", f)
	}
	l.have = 0
	l.lastRead = c.clock()
	o.here = true
	_ = c.puback(&ackEntry{id: a.ID, code: a.Code}) // it has been looked at: o is what it acknowledges
	o.here = false
	c.pump(l)
	d.end(true)
	return true
}

// follow waits, standing aside, until the loop is to read again, and does so unless a publish has left it something.
func (l *link) follow() error {
	c, d := l.c, l.lead
	if d.look == nil {
		d.look = time.NewTimer(leadLook)
	} else {
		d.look.Reset(leadLook)
	}
	defer d.look.Stop()
	c.mu.Lock()
	for turn, needed := d.turn, false; !needed || d.reading; {
		if needed && !d.evicted {
			d.evicted = true
			_ = l.conn.SetReadDeadline(time.Unix(1, 0))
		}
		c.mu.Unlock()
		select {
		case <-d.back:
			c.mu.Lock()
			d.called, needed = false, true
		case <-d.look.C:
			d.look.Reset(leadLook)
			c.mu.Lock()
			needed = needed || turn == d.turn
			turn = d.turn
		}
	}
	if d.called {
		<-d.back
	}
	if d.evicted && l.err == nil {
		_ = l.conn.SetReadDeadline(time.Time{})
	} else if d.evicted && (l.closing && !l.dead || l.broken) {
		_ = l.conn.SetReadDeadline(time.Now().Add(closeTimeout)) // as close has it
	}
	err := d.err
	d.aside, d.called, d.evicted, d.err = false, false, false, nil
	l.quick = 0
	c.mu.Unlock()
	if err == nil && l.have == 0 {
		err = l.fill()
	}
	return err
}
