package commands

import (
	"fmt"
	"slices"
)

// Status is the status of an execution.
type Status uint8

// The statuses. The zero Status is none.
const (
	Created    Status = iota + 1 // sent to the device
	InProgress                   // the device works on it
	Succeeded
	Failed
	Rejected // the device does not want it
	TimedOut // the device says so, or has said nothing in time
)

var statusNames = [...]string{"", "CREATED", "IN_PROGRESS", "SUCCEEDED", "FAILED", "REJECTED", "TIMED_OUT"}

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
		return fmt.Errorf("iotlocal: commands: unknown status %q", b)
	}
	*s = Status(i + 1)
	return nil
}

// state is a status together with who has brought it about, which decides what
// may follow: TIMED_OUT of the service is no end, TIMED_OUT of the device is one.
type state uint8

const (
	created state = iota
	inProgress
	succeeded
	failed
	rejected
	deviceTimedOut
	noResponse // the service's TIMED_OUT
)

var statusOf = [...]Status{created: Created, inProgress: InProgress, succeeded: Succeeded, failed: Failed,
	rejected: Rejected, deviceTimedOut: TimedOut, noResponse: TimedOut}

func (s state) status() Status { return statusOf[s] }

// reported is the state a device brings about by reporting a status.
var reported = map[Status]state{InProgress: inProgress, Succeeded: succeeded, Failed: failed, Rejected: rejected, TimedOut: deviceTimedOut}

// ends are the states after which nothing follows.
var ends = []state{succeeded, failed, rejected, deviceTimedOut}

func (s state) terminal() bool { return slices.Contains(ends, s) }

// transitions says which state may follow which. What it does not list is
// refused.
var transitions = map[state][]state{
	created:    {inProgress, succeeded, failed, rejected, deviceTimedOut, noResponse},
	inProgress: {inProgress, succeeded, failed, rejected, deviceTimedOut, noResponse},
	noResponse: {succeeded, failed, rejected, deviceTimedOut},
}

// move says why to may not follow from; nil when it may. The guide's examples of
// InvalidStateTransition are SUCCEEDED to IN_PROGRESS and any update after the
// device's TIMED_OUT; a second end after another is TerminalStateReached here.
func (s state) move(to state) *Error {
	switch {
	case slices.Contains(transitions[s], to):
		return nil
	case s == deviceTimedOut || !s.terminal() || !to.terminal():
		return refuse(InvalidStateTransition, "The command execution cannot go from %v to %v", s.status(), to.status())
	}
	return refuse(TerminalStateReached, "The command execution has ended as %v and cannot be updated", s.status())
}
