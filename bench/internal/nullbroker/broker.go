// Package nullbroker is the sink and source of the measurements: an MQTT
// server that keeps no state and routes nothing, so that it is never the
// bottleneck of a client. It answers CONNECT, SUBSCRIBE, UNSUBSCRIBE, PINGREQ
// and QoS 1 PUBLISH with one large read and one write for all the answers of
// that read, and speaks MQTT 3.1.1 and MQTT 5.
//
// Topics steer it, on the connection that publishes to them:
//
//	ctl/blast  payload "count qos size topics window": the broker sends count
//	           PUBLISH packets of size payload bytes to bench/0 ..
//	           bench/<topics-1> in turn; at QoS 1 at most window of them are
//	           unacknowledged. The first 8 payload bytes are the sequence
//	           number, big-endian, from 0.
//	ctl/drop   the broker closes the TCP connection without DISCONNECT.
//	ctl/hold   payload "count": from then on the broker acknowledges no
//	           PUBLISH. When count of them have come it closes the TCP
//	           connection and keeps the session (MQTT 5, until the client
//	           connects again). When they have all come again it acknowledges
//	           them and publishes to bench/held, at QoS 0, the nanoseconds from
//	           the CONNECT to the last of them, or "error: ..." if one was
//	           missing, doubled or without DUP.
//	echo/...   the payload comes back on the same topic at QoS 0.
//	$aws/things/THING/shadow/update
//	           the answer of the Device Shadow service comes on .../accepted at
//	           QoS 0: the state that was sent, with metadata, version, timestamp
//	           and the client token.
package nullbroker

import (
	"errors"
	"net"
	"sync"

	"github.com/portage-iot/awsiot/bench/internal/frame"
)

// Buffer sizes in bytes. A connection starts small, because thousands of idle
// ones are measured too, and grows as soon as one read fills the buffer.
const (
	firstBuffer = 4 << 10
	fullBuffer  = 64 << 10
	maxPacket   = 16 << 20
)

// Broker serves any number of listeners. The zero value is ready.
type Broker struct {
	mu        sync.Mutex
	closed    bool
	listeners []net.Listener
	conns     map[*conn]struct{}
	held      map[string]*hold // by client identifier, of clients that are not connected
	wg        sync.WaitGroup
}

// Serve accepts connections from l until Close; it owns l. It returns nil
// after Close and the error of Accept otherwise.
func (b *Broker) Serve(l net.Listener) error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return errors.Join(net.ErrClosed, l.Close())
	}
	b.listeners = append(b.listeners, l)
	b.mu.Unlock()
	for {
		nc, err := l.Accept()
		if err != nil {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.closed {
				return nil
			}
			return err
		}
		k := &conn{broker: b, c: nc, in: make([]byte, firstBuffer), gone: make(chan struct{})}
		if !b.add(k) {
			nc.Close()
			return nil
		}
	}
}

// add starts the goroutine of a connection, unless the broker has been closed.
func (b *Broker) add(k *conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	if b.conns == nil {
		b.conns = map[*conn]struct{}{}
	}
	b.conns[k] = struct{}{}
	b.wg.Go(func() {
		k.serve()
		b.mu.Lock()
		delete(b.conns, k)
		b.mu.Unlock()
	})
	return true
}

// Close stops the listeners, drops every connection and waits for their
// goroutines.
func (b *Broker) Close() error {
	b.mu.Lock()
	b.closed = true
	var errs []error
	for _, l := range b.listeners {
		errs = append(errs, l.Close())
	}
	for k := range b.conns {
		k.c.Close()
	}
	b.mu.Unlock()
	b.wg.Wait()
	return errors.Join(errs...)
}

// conn is one client. Its serve goroutine owns every field but those a blast
// shares: c (under wmu for writing) and the channels.
type conn struct {
	broker *Broker
	c      net.Conn
	in     []byte // read buffer
	out    []byte // answers to the packets of the current read
	v5     bool   // MQTT 5, else 3.1.1: known from CONNECT
	open   bool   // CONNECT has been seen
	client string // its client identifier
	held   *hold  // nil: QoS 1 is acknowledged
	shadow int    // version of the shadow that was updated last
	answer []byte // to the last update

	wmu    sync.Mutex     // one Write at a time: answers and blasts
	sem    chan struct{}  // places of the running QoS 1 blast, freed by PUBACKs
	gone   chan struct{}  // closed when the connection ends
	blasts sync.WaitGroup // blasts, one after the other
	turn   sync.Mutex     // held by the blast that runs
}

func (k *conn) serve() {
	defer k.blasts.Wait()
	defer k.c.Close()
	defer close(k.gone)
	have := 0
	for {
		n, err := k.c.Read(k.in[have:])
		if err != nil {
			return
		}
		have += n
		full := have == len(k.in) && have < fullBuffer
		used, need, ok := k.parse(k.in[:have])
		if !ok {
			return
		}
		in := k.in
		if size := max(need, len(in)); full || size > len(in) {
			k.in = make([]byte, max(size, fullBuffer))
		}
		if used > 0 || len(k.in) != len(in) {
			have = copy(k.in, in[used:have])
		}
		if len(k.out) > 0 {
			if !k.write(k.out) {
				return
			}
			k.out = k.out[:0]
		}
	}
}

func (k *conn) write(b []byte) bool {
	k.wmu.Lock()
	defer k.wmu.Unlock()
	_, err := k.c.Write(b)
	return err == nil
}

// parse handles every whole packet of b. It returns how many bytes it used and
// the size of the packet that is not complete yet, if its length is known.
func (k *conn) parse(b []byte) (used, need int, ok bool) {
	for {
		p := b[used:]
		header, total, err := frame.Next(p, maxPacket)
		switch {
		case err != nil:
			return used, 0, false
		case total == 0 || total > len(p):
			return used, total, true
		case !k.packet(p[0], p[header:total]):
			return used, 0, false
		}
		used += total
	}
}
