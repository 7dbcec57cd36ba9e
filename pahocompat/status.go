package mqtt

import (
	"fmt"
	"sync/atomic"
)

// status is where a client of the v2 engine stands.
type status int32

const (
	// statusDisconnected: before Connect, and after the end.
	statusDisconnected status = iota
	// statusConnecting: Connect is trying, again and again with ConnectRetry.
	statusConnecting
	// statusConnected: a broker has accepted the connection.
	statusConnected
	// statusReconnecting: the connection was lost, and is made again.
	statusReconnecting
	// statusDisconnecting: Disconnect was called, or a lost connection is not made again, and the end is on its way.
	statusDisconnecting
)

// String returns the status in a word.
func (s status) String() string {
	names := [...]string{"disconnected", "connecting", "connected", "reconnecting", "disconnecting"}
	if s < 0 || int(s) >= len(names) {
		return fmt.Sprintf("status(%d)", int32(s))
	}
	return names[s]
}

// steps has, for every status, those that may follow it.
var steps = map[status][]status{
	statusDisconnected:  {statusConnecting},
	statusConnecting:    {statusConnected, statusDisconnecting, statusDisconnected},
	statusConnected:     {statusReconnecting, statusDisconnecting},
	statusReconnecting:  {statusConnected, statusDisconnecting},
	statusDisconnecting: {statusDisconnected},
}

// statusBox is the status of a client. It is written with the client's lock held, and read without.
type statusBox struct{ v atomic.Int32 }

func (b *statusBox) load() status { return status(b.v.Load()) }

// step goes to the status to, if that may follow.
func (b *statusBox) step(to status) bool {
	for _, s := range steps[b.load()] {
		if s == to {
			b.v.Store(int32(to))
			return true
		}
	}
	return false
}
