package iotlocal

import (
	"fmt"

	"github.com/portage-iot/awsiot/iotlocal/broker"
	"github.com/portage-iot/awsiot/iotlocal/fault"
)

// Faults makes a Server misbehave. Add, Clear and the rules are those of
// package fault; the methods here concern connections and sessions.
type Faults struct {
	*fault.Set
	broker *broker.Broker
}

// RefuseConnects answers the next n CONNECT packets with code and closes. A
// 3.1.1 client gets the return code its protocol has for it, codes below 0x80
// unchanged.
func (f *Faults) RefuseConnects(n int, code Code) (*RuleHandle, error) {
	if n < 1 {
		return nil, fmt.Errorf("iotlocal: faults: refuse %d connects: want at least 1", n)
	}
	return f.Add(Rule{Dir: ClientToServer, Type: CONNECT, Times: n, Action: Reject, Code: code})
}

// RefuseConnections closes the next n connections as soon as they are accepted;
// negative n: all until called again with 0.
func (f *Faults) RefuseConnections(n int) { f.broker.RefuseConnections(n) }

// SilenceConnections accepts the next n connections and says nothing on them,
// not even in a TLS handshake; negative n: all until called again with 0.
func (f *Faults) SilenceConnections(n int) { f.broker.SilenceConnections(n) }

// Throttle makes the server write at most so many bytes per second to each
// client, one at a time: a slow-loris server. 0 ends it.
func (f *Faults) Throttle(bytesPerSecond int) { f.broker.Throttle(bytesPerSecond) }

// LoseSessions cuts every connection and forgets every session, like a server
// that restarts without a store.
func (f *Faults) LoseSessions() { f.broker.LoseSessions() }

// Cut closes the connection of a client without a word, or all connections when
// clientID is "". It returns how many there were.
func (f *Faults) Cut(clientID string) int { return f.broker.Cut(clientID) }

// Disconnect sends a client DISCONNECT with the code and closes; a 3.1.1 client
// is only closed. It reports whether the client was connected.
func (f *Faults) Disconnect(clientID string, code Code, reason string) bool {
	return f.broker.Disconnect(clientID, code, reason)
}

// Inject writes raw bytes to a client between two packets. It reports whether
// the client was connected.
func (f *Faults) Inject(clientID string, raw []byte) bool {
	return len(raw) > 0 && f.broker.Inject(clientID, raw)
}

// BlackHole loses everything in both directions for a client, or for all when
// clientID is "", until the handle's rule is removed: a half-open link.
func (f *Faults) BlackHole(clientID string) (*RuleHandle, error) {
	return f.Add(Rule{ClientID: clientID, Action: Drop})
}
