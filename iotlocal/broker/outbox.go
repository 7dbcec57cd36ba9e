package broker

import (
	"sync"

	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// maxOutbox is how many packets may wait for the writer before the reader of
// the same connection pauses: a client that sends and never reads must not fill
// the memory.
const maxOutbox = 4096

// outbox carries packets from anybody to the writer of one connection.
type outbox struct {
	wake chan struct{} // capacity 1: something to do for the writer
	room chan struct{} // capacity 1: the writer has taken what waited

	mu     sync.Mutex
	items  []packet
	bytes  int  // payload bytes in items
	muted  bool // a fault or the end of the connection: pushes are ignored
	finish bool // after items: close the connection in good order
}

func newOutbox() *outbox {
	return &outbox{wake: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

func size(p packet) int {
	if p, ok := p.(*publishPacket); ok {
		return len(p.msg.Topic) + len(p.msg.Payload)
	}
	return 0
}

// push appends a packet; it reports false when the outbox takes no more.
func (o *outbox) push(p packet) bool {
	o.mu.Lock()
	ok := !o.muted
	if ok {
		o.items = append(o.items, p)
		o.bytes += size(p)
	}
	o.mu.Unlock()
	if ok {
		signal(o.wake)
	}
	return ok
}

// pending returns the payload bytes that wait.
func (o *outbox) pending() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes
}

// swap gives the writer what waits and takes the emptied slice of last time.
func (o *outbox) swap(empty []packet) (items []packet, finish bool) {
	o.mu.Lock()
	items, o.items = o.items, empty
	o.bytes = 0
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
	o.muted, o.items, o.bytes = true, nil, 0
	o.mu.Unlock()
	signal(o.wake)
}

// last ends the outbox with a DISCONNECT, for the codecs that have one, and the
// order to close. What waits before it goes out first when keep is true, which
// an answer explaining the end needs; else it is forgotten.
func (o *outbox) last(p packet, keep bool) {
	o.mu.Lock()
	if !o.muted {
		if !keep {
			o.items, o.bytes = nil, 0
		}
		if p != nil {
			o.items = append(o.items, p)
		}
		o.muted, o.finish = true, true
	}
	o.mu.Unlock()
	signal(o.wake)
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
