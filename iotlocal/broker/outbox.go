package broker

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// maxOutbox is how many packets may wait for the writer before the reader of
// the same connection pauses: a client that sends and never reads must not fill
// the memory.
const maxOutbox = 4096

// outbox carries packets from anybody to the writer of one connection. The writer
// is a goroutine only while there is something to do: most connections are idle
// nearly always.
type outbox struct {
	wake chan struct{} // capacity 1: something to do for the writer, which runs
	room chan struct{} // capacity 1: the writer has taken what waited

	bytes atomic.Int64 // of the packets that are not written yet, by size

	mu      sync.Mutex
	run     func()      // starts the writer
	state   writerState // of the writer
	items   []packet
	muted   bool // a fault or the end of the connection: pushes are ignored
	finish  bool // after items: close the connection in good order
	greeted bool // a CONNACK that accepts was pushed: DISCONNECT may follow [MQTT5-3.14.0-1]
}

// writerState says where the writer of a connection is.
type writerState byte

const (
	writerNone    writerState = iota // not yet: nothing is written before CONNECT
	writerIdle                       // no goroutine
	writerRunning                    // a goroutine, its own or, for a moment, another
	writerEnded                      // there will be none any more
)

// open lets the writer run, by a call of run whenever there is something to do. When the connection has ended before, which told
// nobody, the writer runs at once, to end itself.
func (o *outbox) open(run func()) {
	o.mu.Lock()
	o.run, o.state = run, writerIdle
	if o.muted {
		o.release()
		return
	}
	o.mu.Unlock()
}

// opened reports whether the writer may run or may have run.
func (o *outbox) opened() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.state != writerNone
}

// mayDisconnect reports whether last would send a DISCONNECT.
func (o *outbox) mayDisconnect() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.greeted
}

// release unlocks after a change and makes the writer look at it.
func (o *outbox) release() {
	start := o.state == writerIdle
	if start {
		o.state = writerRunning
	}
	o.mu.Unlock()
	if start {
		o.run()
		return
	}
	signal(o.wake)
}

// rest says that the writer is idle from now on, unless there is something to do.
func (o *outbox) rest(done <-chan struct{}) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.items) > 0 || o.finish || closed(done) {
		return false
	}
	o.state = writerIdle
	return true
}

// ended says that the writer will do nothing any more.
func (o *outbox) ended() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.state = writerEnded
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func newOutbox() *outbox {
	return &outbox{wake: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// size is about what a packet keeps in memory while it waits. A message that
// waits for several clients counts for each of them.
func size(p packet) int {
	const fixed = 64 // an acknowledgement
	switch p := p.(type) {
	case *publishPacket:
		return fixed + p.msg.kept()
	case *codesPacket:
		return fixed + len(p.codes) + len(p.reason)
	case *ackPacket:
		return fixed + len(p.reason)
	case rawPacket:
		return fixed + len(p.data)
	case markPacket:
		return 0
	}
	return fixed
}

// push appends a packet; it reports false when the outbox takes no more. Whoever
// pushes sees to it that conn.flush is called: see turn.
func (o *outbox) push(p packet) bool {
	o.mu.Lock()
	if o.muted {
		o.mu.Unlock()
		return false
	}
	if ack, ok := p.(*connackPacket); ok {
		o.greeted = !ack.code.IsError()
	}
	o.items = append(o.items, p)
	o.bytes.Add(int64(size(p)))
	o.mu.Unlock()
	return true
}

// claim sees to it that what waits is written. It reports true when the caller is the
// writer until rest says that it is no more, which it is asked to be only when direct
// is true.
func (o *outbox) claim(direct bool) bool {
	o.mu.Lock()
	switch {
	case len(o.items) == 0:
		o.mu.Unlock()
		return false
	case direct && o.state == writerIdle && !o.finish:
		o.state = writerRunning
		o.mu.Unlock()
		return true
	}
	o.release()
	return false
}

// pending returns the bytes that wait, those that the writer has taken and not
// written included.
func (o *outbox) pending() int { return int(o.bytes.Load()) }

// swap gives the writer what waits and takes the emptied slice of last time.
func (o *outbox) swap(empty []packet) (items []packet, finish bool) {
	o.mu.Lock()
	items, o.items = o.items, empty
	finish = o.finish
	o.mu.Unlock()
	signal(o.room)
	return items, finish
}

// full reports whether the reader should pause.
func (o *outbox) full() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.items) >= maxOutbox
}

// mute makes the outbox forget what waits and ignore what comes.
func (o *outbox) mute() {
	o.mu.Lock()
	o.muted, o.items = true, nil
	o.release()
}

// last ends the outbox with a DISCONNECT, for the codecs that have one, and the
// order to close. What waits before it goes out first when keep is true, which
// an answer explaining the end needs; else it is forgotten, but for CONNACK. Without one that
// accepts there is no DISCONNECT: see mayDisconnect.
func (o *outbox) last(p packet, keep bool) {
	o.mu.Lock()
	if !o.muted {
		if !keep {
			o.items = slices.DeleteFunc(o.items, func(p packet) bool { _, ok := p.(*connackPacket); return !ok })
		}
		if p != nil && o.greeted {
			o.items = append(o.items, p)
		}
		o.muted, o.finish = true, true
	}
	o.release()
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// disconnect builds the DISCONNECT of last, or nothing for code success.
func disconnect(code wire.Code, reason string) packet {
	if code == wire.Success {
		return nil
	}
	return &disconnectPacket{code: code, reason: reason}
}
