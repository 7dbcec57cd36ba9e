package broker

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// rawClient is a 3.1.1 client that does what it is told.
type rawClient struct {
	t *testing.T
	net.Conn
}

// open connects; the answer has been read.
func (c rawClient) open(id string) rawClient {
	c.t.Helper()
	c.say(append([]byte{0x10, byte(12 + len(id)), 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, byte(len(id))}, id...))
	c.read(4)
	return c
}

func (c rawClient) say(b []byte) {
	c.t.Helper()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

func (c rawClient) read(n int) []byte {
	c.t.Helper()
	b := make([]byte, n)
	c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.ReadFull(c, b); err != nil {
		c.t.Fatal(err)
	}
	return b
}

func publish3(topic string, qos byte, id int, payload []byte) []byte {
	return appendPublish(nil, wire.MQTT311, &publishPacket{msg: &Message{Topic: topic, Payload: payload}, qos: qos, id: uint16(id)})
}

// countedConn counts what is written.
type countedConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countedConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// startTCP starts a broker on a port of this machine. wrap changes what it sees of
// connections.
func startTCP(t *testing.T, o Options, wrap func(net.Conn) net.Conn) (dial func() rawClient) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := New(o)
	t.Cleanup(func() { l.Close(); b.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			b.ServeConn(wrap(nc), nil)
		}
	}()
	return func() rawClient {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		return rawClient{t, nc}
	}
}

// transports are the two ways to write: at once on the goroutine that has something, or
// by the connection's own.
var transports = map[string]func(net.Conn) net.Conn{
	"at once":   func(nc net.Conn) net.Conn { return nc },
	"goroutine": func(nc net.Conn) net.Conn { return countedConn{nc, new(atomic.Int64)} },
}

// What comes together is answered together: packets do not cost a write each.
func TestAnswersShareWrites(t *testing.T) {
	var writes atomic.Int64
	c := startTCP(t, Options{}, func(nc net.Conn) net.Conn { return countedConn{nc, &writes} })().open("c")
	before := writes.Load()
	const many = 90
	var all []byte
	for i := range many {
		all = append(all, publish3("t", 1, i+1, []byte("payload"))...)
	}
	c.say(all)
	for i := range many {
		if got := c.read(4); !bytes.Equal(got, []byte{0x40, 2, 0, byte(i + 1)}) {
			t.Fatalf("answer %d: % x", i, got)
		}
	}
	if n := writes.Load() - before; n > 5 { // the first bytes fill the small buffer
		t.Errorf("%d writes for %d answers", n, many)
	}
}

// A subscriber that does not read for a while gets everything in order afterwards,
// although its transport took a part at once and no more, and the publisher is served
// meanwhile.
func TestSubscriberThatReadsLate(t *testing.T) {
	for name, wrap := range transports {
		t.Run(name, func(t *testing.T) {
			dial := startTCP(t, Options{Limits: Limits{PendingBytes: 1 << 30}}, wrap)
			pub, subs := dial().open("pub"), make([]rawClient, 2) // two, since they share buffers
			for i := range subs {
				subs[i] = dial().open(fmt.Sprint("sub", i))
				subs[i].say([]byte{0x82, 7, 0, 1, 0, 2, 't', byte('0' + i), 0})
				subs[i].read(5)
			}
			const many, size = 900, 8 << 10 // 7 MB each: more than sockets take
			payload := func(k, i int) []byte {
				return binary.BigEndian.AppendUint32(bytes.Repeat([]byte{byte('0' + k)}, size), uint32(i))
			}
			for i := range many {
				var together []byte
				for k := range subs {
					together = append(together, publish3(fmt.Sprint("t", k), 0, 0, payload(k, i))...)
				}
				pub.say(together)
			}
			pub.say(publish3("other", 1, 1, nil))
			if got := pub.read(4); got[0] != 0x40 {
				t.Fatalf("the publisher got % x", got)
			}
			for k, sub := range subs {
				for i := range many {
					frame := publish3(fmt.Sprint("t", k), 0, 0, payload(k, i))
					if got := sub.read(len(frame)); !bytes.Equal(got, frame) {
						t.Fatalf("message %d begins % x", i, got[:16])
					}
				}
			}
		})
	}
}

// Every client that talks to every other gets each message once, in order, with its
// answers in between, whichever goroutine writes to it.
func TestEverybodyWrites(t *testing.T) {
	for name, wrap := range transports {
		t.Run(name, func(t *testing.T) {
			dial := startTCP(t, Options{}, wrap)
			const clients, rounds = 20, 90 // more than are written by one goroutine
			all := make([]rawClient, clients)
			for i := range all {
				all[i] = dial().open(fmt.Sprint("c", i))
				all[i].say([]byte{0x82, 6, 0, 1, 0, 1, '#', 0})
				all[i].read(5)
			}
			for i, c := range all {
				go func() {
					for k := range rounds {
						if _, err := c.Write(publish3("t"+string(rune('A'+i)), 1, 1+k%90, binary.BigEndian.AppendUint32(nil, uint32(k)))); err != nil {
							return
						}
					}
				}()
			}
			for i, c := range all {
				var next [clients]uint32
				for acks, n := 0, 0; acks < rounds || n < clients*rounds; {
					if head := c.read(2); head[0] == 0x40 {
						if id := binary.BigEndian.Uint16(c.read(2)); int(id) != 1+acks%90 {
							t.Fatalf("client %d: answer %d is for %d", i, acks, id)
						}
						acks++
					} else {
						b := c.read(int(head[1])) // 0, 2, 't', number, four bytes
						from := b[3] - 'A'
						if got := binary.BigEndian.Uint32(b[4:]); got != next[from] {
							t.Fatalf("client %d: message %d of %d, want %d", i, got, from, next[from])
						}
						next[from]++
						n++
					}
				}
			}
		})
	}
}

// A client that does nothing, whatever it did before, has a goroutine that reads and no
// other.
func TestIdleClientHasOneGoroutine(t *testing.T) {
	const clients = 50
	dial := startTCP(t, Options{}, transports["at once"])
	before := runtime.NumGoroutine()
	all := make([]rawClient, clients)
	for i := range all {
		all[i] = dial().open(fmt.Sprint("c", i))
		all[i].say([]byte{0x82, 6, 0, 1, 0, 1, 't', 0})
		all[i].read(5)
	}
	all[0].say(publish3("t", 0, 0, make([]byte, 9)))
	for _, c := range all {
		c.read(2 + 3 + 9)
	}
	n := 0
	for range 6000 { // a writer that was needed takes a moment to end, where it writes everything some seconds
		if n = runtime.NumGoroutine() - before; n <= clients {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines for %d clients", n, clients)
}
