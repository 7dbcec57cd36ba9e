package memnet

import (
	"fmt"
	"time"
)

// Direction is one of the two directions of a connection.
type Direction uint8

// The directions.
const (
	ToServer Direction = iota // from the dialling end to the accepted one
	ToClient                  // the other way
)

// String returns the name of the constant.
func (d Direction) String() string {
	switch d {
	case ToServer:
		return "ToServer"
	case ToClient:
		return "ToClient"
	}
	return fmt.Sprintf("Direction(%d)", uint8(d))
}

// Faults is what goes wrong with one connection. The zero value is a network
// without faults.
type Faults struct {
	// Refuse makes Dial fail at once with ECONNREFUSED.
	Refuse bool
	// Hang makes Dial wait until its context ends, as a SYN that nobody answers.
	Hang bool
	// DialDelay is the time Dial takes before it does anything else.
	DialDelay time.Duration
	// ToServer and ToClient are the state of the two directions.
	ToServer, ToClient Link
}

// Both returns faults with the same link in both directions.
func Both(l Link) Faults { return Faults{ToServer: l, ToClient: l} }

// Link is the state of one direction of a connection. The zero value carries
// everything at once.
type Link struct {
	// CutAfter resets the connection once that many more bytes have gone this
	// way; 0 is never. The receiver can still read those bytes, then gets
	// ECONNRESET; the sender gets it from the Write that crosses the limit,
	// with the count of the bytes that went, or from its next call.
	CutAfter int
	// Blackhole lets writes succeed and vanish; the other end reads what had
	// arrived, then blocks, and never sees this end close. A connection that has
	// lost bytes stays lost: clearing Blackhole has no effect.
	Blackhole bool
	// Hold keeps what is written back, up to the buffer size, until Hold is
	// cleared: a link that is down and comes back before anybody gives up.
	Hold bool
	// Delay is the latency of each write: it is readable that much later. The
	// writer does not wait, several writes can be on the way.
	Delay time.Duration
	// Rate is the speed in bytes per second, 0 is unlimited. 1 makes a
	// slow-loris peer.
	Rate int
}

// Chunk is a piece of a Write as an observer sees it, before the other end can
// read it.
type Chunk struct {
	Conn *Conn // the dialling end
	Dir  Direction
	Data []byte // valid during the call only
	Lost bool   // it went into a black hole
}
