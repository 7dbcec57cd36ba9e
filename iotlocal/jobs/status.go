package jobs

import (
	"fmt"
	"slices"
)

// Status is the status of an execution.
type Status uint8

// The statuses. The zero Status is none.
const (
	Queued     Status = iota + 1 // waits to be started
	InProgress                   // the device works on it
	Succeeded
	Failed
	TimedOut // a timer ran out while in progress
	Rejected // the device does not want it
	Removed  // the thing is no longer a target
	Canceled // by the operator
)

var statusNames = [...]string{"", "QUEUED", "IN_PROGRESS", "SUCCEEDED", "FAILED", "TIMED_OUT", "REJECTED", "REMOVED", "CANCELED"}

// String returns the name of the API, as "IN_PROGRESS".
func (s Status) String() string {
	if s > 0 && int(s) < len(statusNames) {
		return statusNames[s]
	}
	return fmt.Sprintf("Status(%d)", uint8(s))
}

// MarshalText makes JSON carry the name.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name.
func (s *Status) UnmarshalText(b []byte) error {
	i := slices.Index(statusNames[1:], string(b))
	if i < 0 {
		return fmt.Errorf("iotlocal: jobs: unknown status %q", b)
	}
	*s = Status(i + 1)
	return nil
}

// Pending reports whether the execution is still to be done: queued or in
// progress.
func (s Status) Pending() bool { return s == Queued || s == InProgress }

// Terminal reports whether the execution has ended.
func (s Status) Terminal() bool { return s > InProgress && int(s) < len(statusNames) }

// actor is who changes a status.
type actor uint8

const (
	device   actor = iota // with an update or start-next
	operator              // with cancel or remove
	forced                // the same with force
	clock                 // a timer
)

// transitions says which status may follow which, and by whose hand. What it
// does not list is refused. A device may end an execution that it never
// reported as started: the guide asks it to only for IN_PROGRESS.
var transitions = map[actor]map[Status][]Status{
	device: {
		Queued:     {InProgress, Succeeded, Failed, Rejected},
		InProgress: {InProgress, Succeeded, Failed, Rejected},
	},
	operator: {Queued: {Canceled, Removed}, InProgress: {Removed}},
	forced:   {Queued: {Canceled}, InProgress: {Canceled}},
	clock:    {InProgress: {TimedOut}},
}

// may reports whether by may turn from into to.
func may(by actor, from, to Status) bool { return slices.Contains(transitions[by][from], to) }
