package mqtt

import (
	"net"
	"sync"
	"time"
)

// gorilla is what paho's NewWebsocket returns, beside net.Conn: a websocket that takes its deadline for writing from the
// goroutine that writes only.
type gorilla interface {
	WriteMessage(kind int, data []byte) error
	NetConn() net.Conn
}

// concurrent returns conn so that its deadlines may be set while somebody writes, as those of a net.Conn may.
func concurrent(conn net.Conn) net.Conn {
	if g, ok := conn.(gorilla); ok {
		return &socket{Conn: conn, wire: g.NetConn()}
	}
	return conn
}

// socket is a websocket whose deadline for writing may be set at any time. Beneath, every write sets the deadline of the
// connection anew, from a field that is not guarded: so the field is set by who writes, and a timer ends the write that has
// missed a change.
type socket struct {
	net.Conn
	wire net.Conn // beneath

	mu       sync.Mutex
	deadline time.Time // for writing; zero: none
	timer    *time.Timer
}

// SetWriteDeadline implements net.Conn.
func (s *socket) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = t
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	if !t.IsZero() {
		s.timer = time.AfterFunc(time.Until(t), s.expire)
	}
	return s.wire.SetWriteDeadline(t)
}

// expire ends a write that is still under way at the deadline.
func (s *socket) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.deadline.IsZero() && !time.Now().Before(s.deadline) {
		_ = s.wire.SetWriteDeadline(time.Unix(1, 0)) // it fails where the connection is closed
	}
}

// SetDeadline implements net.Conn.
func (s *socket) SetDeadline(t time.Time) error {
	if err := s.SetReadDeadline(t); err != nil {
		return err
	}
	return s.SetWriteDeadline(t)
}

// Write implements net.Conn. One goroutine writes at a time.
func (s *socket) Write(b []byte) (int, error) {
	s.mu.Lock()
	t := s.deadline
	s.mu.Unlock()
	if err := s.Conn.SetWriteDeadline(t); err != nil {
		return 0, err
	}
	return s.Conn.Write(b)
}

// Close implements net.Conn.
func (s *socket) Close() error {
	s.mu.Lock()
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	return s.Conn.Close()
}
