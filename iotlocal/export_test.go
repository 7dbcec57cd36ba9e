package iotlocal

import (
	"sync/atomic"

	"github.com/portage-iot/awsiot/iotlocal/internal/registry"
)

// PendingUpgrades returns how many connections are before the end of their websocket upgrade.
func (s *Server) PendingUpgrades() int {
	s.sockets.mu.Lock()
	defer s.sockets.mu.Unlock()
	return len(s.sockets.pending)
}

// BreakState makes everything fail that keeps something in Options.StateDir from now on.
func (s *Server) BreakState() error { return s.state.dir.Close() }

// FailState makes the disk under Options.StateDir fail until mend is called. Nothing else may happen on the server meanwhile.
func (s *Server) FailState(err error) (mend func()) {
	before := s.state.durable
	s.state.durable = func() error { return err }
	return func() { s.state.durable = before }
}

// HoldState makes what waits for the disk under Options.StateDir wait until release is called.
func (s *Server) HoldState() (release func()) {
	before, held := s.state.durable, make(chan struct{})
	s.state.durable = func() error { <-held; return before() }
	return func() { close(held) }
}

// CountSyncs counts how often somebody waits for the disk under Options.StateDir from now on.
func (s *Server) CountSyncs() (syncs func() int64) {
	before := s.state.durable
	var n atomic.Int64
	s.state.durable = func() error { n.Add(1); return before() }
	return n.Load
}

// TellJoined tells the jobs that a thing has joined a group, as who has put it there does some time after.
func (s *Server) TellJoined(thing, group string) {
	s.jobs.moved(s.registry)([]registry.Move{{Thing: thing, Group: group, Joined: true}})
}
