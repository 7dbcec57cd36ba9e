package broker

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// gate holds the faults that concern connections rather than packets.
type gate struct {
	rate atomic.Int64 // bytes per second towards clients; 0: no limit

	mu      sync.Mutex
	refused int // connections to close at once
	silent  int // connections to accept and never answer
}

type admission int

const (
	admit admission = iota
	admitSilent
	admitNot
)

func (g *gate) enter() admission {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.refused != 0:
		if g.refused > 0 {
			g.refused--
		}
		return admitNot
	case g.silent != 0:
		if g.silent > 0 {
			g.silent--
		}
		return admitSilent
	}
	return admit
}

// RefuseConnections closes the next n connections right after they were
// accepted; negative n: all of them until called again with 0.
func (b *Broker) RefuseConnections(n int) {
	b.gate.mu.Lock()
	defer b.gate.mu.Unlock()
	b.gate.refused = n
}

// SilenceConnections accepts the next n connections and says nothing on them,
// not even in a TLS handshake, until the client gives up; negative n: all of
// them until called again with 0.
func (b *Broker) SilenceConnections(n int) {
	b.gate.mu.Lock()
	defer b.gate.mu.Unlock()
	b.gate.silent = n
}

// Throttle limits what the server writes to each connection to so many bytes
// per second, one byte at a time; 0 ends that. A TLS handshake is not slowed.
func (b *Broker) Throttle(bytesPerSecond int) { b.gate.rate.Store(int64(max(bytesPerSecond, 0))) }

// pace returns the pause after each byte, 0 when there is no throttle.
func (g *gate) pace() time.Duration {
	if r := g.rate.Load(); r > 0 {
		return time.Second / time.Duration(r)
	}
	return 0
}

// Disconnect sends DISCONNECT with the code to a client (a 3.1.1 client is just
// closed) and closes the connection. It reports whether the client was
// connected. The will is sent.
func (b *Broker) Disconnect(clientID string, code wire.Code, reason string) bool {
	c := b.connected(clientID, Kicked)
	if c == nil {
		return false
	}
	c.end(code, reason, true)
	return true
}

// DisconnectWhere does that to every connected client for which match reports
// true, and returns how many there were. match must not call the Broker.
func (b *Broker) DisconnectWhere(match func(*Client) bool, code wire.Code, reason string) int {
	var all []*conn
	b.mu.Lock()
	for c := range b.conns {
		if c.sess != nil && c.sess.conn == c && match(c.client) {
			b.detach(c, Kicked)
			all = append(all, c)
		}
	}
	b.unlock()
	for _, c := range all {
		c.end(code, reason, true)
	}
	return len(all)
}

// Cut closes the connection of a client without a word, or of all clients when
// clientID is empty. It returns how many connections it cut.
func (b *Broker) Cut(clientID string) int {
	var cut []*conn
	b.mu.Lock()
	for c := range b.conns {
		if clientID == "" || c.sess != nil && c.sess.conn == c && c.sess.id == clientID {
			b.detach(c, Kicked)
			cut = append(cut, c)
		}
	}
	b.unlock()
	for _, c := range cut {
		c.abort("cut")
	}
	return len(cut)
}

// LoseSessions cuts every connection and forgets every session, as a server
// does that restarts without a store. Retained messages stay; wills that would
// be sent are.
func (b *Broker) LoseSessions() {
	b.Cut("")
	now := b.opts.Now()
	b.mu.Lock()
	defer b.unlock()
	for _, s := range b.sessions {
		if s.conn == nil {
			b.dropSession(s, now)
		}
	}
}

// Inject writes raw bytes to a connected client, between two packets.
func (b *Broker) Inject(clientID string, raw []byte) bool {
	b.mu.Lock()
	defer b.unlock()
	s := b.sessions[clientID]
	if s == nil || s.conn == nil {
		return false
	}
	b.touch(s.conn)
	return s.conn.out.push(rawPacket{append([]byte(nil), raw...)})
}

// connected detaches the live connection of a client for cause and returns it.
func (b *Broker) connected(clientID string, cause Cause) *conn {
	b.mu.Lock()
	defer b.unlock()
	s := b.sessions[clientID]
	if s == nil || s.conn == nil {
		return nil
	}
	c := s.conn
	b.detach(c, cause)
	return c
}

// Clients returns the ids of the clients that are connected, in no order.
func (b *Broker) Clients() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []string
	for id, s := range b.sessions {
		if s.conn != nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// Session describes what the server keeps for a client id.
type Session struct {
	Connected     bool
	Subscriptions []string // filters as subscribed, in no order
	Queued        int      // QoS 1 messages not sent yet
	Unacked       int      // QoS 1 messages sent and not acknowledged
	Expiry        time.Duration
}

// Session returns the session of a client id, if there is one.
func (b *Broker) Session(clientID string) (Session, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sessions[clientID]
	if s == nil || !s.lives(b.opts.Now()) {
		return Session{}, false
	}
	out := Session{Connected: s.conn != nil, Queued: len(s.queue), Unacked: len(s.inflight), Expiry: s.expiry}
	for f := range s.subs {
		out.Subscriptions = append(out.Subscriptions, f)
	}
	return out, true
}
