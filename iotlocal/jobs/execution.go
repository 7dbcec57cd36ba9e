package jobs

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// Execution is one attempt of a thing at a job, as an operator sees it.
type Execution struct {
	JobID, ThingName string
	// Document is the job document, as compact JSON.
	Document      json.RawMessage
	Status        Status
	StatusDetails map[string]string
	// QueuedAt, StartedAt and LastUpdatedAt are by the server's clock; StartedAt
	// is zero before the start.
	QueuedAt, StartedAt, LastUpdatedAt time.Time
	// VersionNumber is 1 when queued and rises with every change.
	VersionNumber int64
	// ExecutionNumber is 1 for the first attempt, unless Options say otherwise,
	// and rises with every retry.
	ExecutionNumber int64
	// TimesOutAt is when a timer will end the execution; zero if none runs.
	TimesOutAt time.Time
}

// Retry says how often to try again after which end of an execution. Retries of
// both kinds together are at most 10.
type Retry struct {
	Failed, TimedOut int
	// All counts retries after either end, on top of the two.
	All int
}

// Options configure a job. The zero value: no timer, no retries, the execution
// number 1.
type Options struct {
	// InProgressTimeout ends an execution that has been in progress for so long
	// (timeoutConfig). AWS takes whole minutes from 1 to 10,080; here any duration
	// of at most MaxTimeout will do. 0 is none.
	InProgressTimeout time.Duration
	// Retry makes the service queue a failed execution again.
	Retry Retry
	// ExecutionNumber of the first execution. 0 is 1.
	ExecutionNumber int64
}

func (o Options) check() *Error {
	if o.InProgressTimeout < 0 || o.InProgressTimeout > MaxTimeout {
		return refuse(InvalidRequest, "InProgressTimeout %v is not between 0 and %v", o.InProgressTimeout, MaxTimeout)
	}
	r := o.Retry
	if r.Failed < 0 || r.TimedOut < 0 || r.All < 0 {
		return refuse(InvalidRequest, "Retry %+v has a negative number of retries", r)
	}
	if max(r.Failed, r.TimedOut, r.All) > MaxRetries || r.Failed+r.TimedOut+r.All > MaxRetries {
		return refuse(InvalidRequest, "Retry %+v: more than %d retries together", r, MaxRetries)
	}
	if o.ExecutionNumber < 0 {
		return refuse(InvalidRequest, "ExecutionNumber %d is negative", o.ExecutionNumber)
	}
	return nil
}

// job is a job on one thing with its executions, the latest last.
type job struct {
	id         string
	fleet      *fleetJob // that of every thing; its document may be another one
	dirty      bool      // it differs from kept
	kept       []byte    // as it was kept last; nil: never
	document   json.RawMessage
	timeout    time.Duration
	retry      Retry // what is left
	executions []*execution
}

func (j *job) latest() *execution { return j.executions[len(j.executions)-1] }

// execution returns the execution with a number, 0 being the latest; nil if
// there is none.
func (j *job) execution(number int64) *execution {
	if number == 0 {
		return j.latest()
	}
	for _, e := range j.executions {
		if e.number == number {
			return e
		}
	}
	return nil
}

// takeRetry uses up one retry for an end, if there is one left.
func (j *job) takeRetry(end Status) bool {
	kinds := map[Status]*int{Failed: &j.retry.Failed, TimedOut: &j.retry.TimedOut}
	own := kinds[end]
	if own == nil {
		return false
	}
	for _, n := range []*int{own, &j.retry.All} {
		if *n > 0 {
			*n--
			j.dirty = true
			return true
		}
	}
	return false
}

// key identifies an execution of a thing.
type key struct {
	job    string
	number int64
}

// execution is the state machine. Its job is never nil.
type execution struct {
	job      *job
	number   int64
	order    int64 // of queueing: executions of one instant keep it
	status   Status
	details  map[string]string
	version  int64
	queued   time.Time
	started  time.Time
	updated  time.Time
	deadline time.Time // of the in-progress timer; zero: none
	step     time.Time // of the step timer; zero: none
}

func (e *execution) key() key { return key{e.job.id, e.number} }

func (e *execution) state() *State {
	return &State{Status: e.status, StatusDetails: maps.Clone(e.details), VersionNumber: e.version}
}

// move turns the execution into another status, or repeats it. Details that are
// nil stay; otherwise they replace the old ones, as the guide says only that they
// are unchanged when not specified.
func (e *execution) move(by actor, to Status, details map[string]string, now time.Time) *Error {
	if !may(by, e.status, to) {
		err := refuse(InvalidStateTransition, "Job execution %s cannot go from %v to %v", e.job.id, e.status, to)
		err.State = e.state()
		return err
	}
	if to == InProgress && e.status != InProgress {
		e.started = now
		if e.job.timeout > 0 {
			e.deadline = now.Add(e.job.timeout)
		}
	}
	if to.Terminal() {
		e.deadline, e.step = time.Time{}, time.Time{}
	}
	if details != nil {
		e.details = details
	}
	e.status, e.updated = to, now
	e.version++
	e.job.dirty = true
	return nil
}

// timesOut returns when the first of the timers ends; the step timer cannot
// outlast the other one.
func (e *execution) timesOut() (at time.Time, any bool) {
	at = e.deadline
	if at.IsZero() || !e.step.IsZero() && e.step.Before(at) {
		at = e.step
	}
	return at, !at.IsZero()
}

func (e *execution) public(thing string) Execution {
	at, _ := e.timesOut()
	return Execution{JobID: e.job.id, ThingName: thing, Document: slices.Clone(e.job.document), Status: e.status,
		StatusDetails: maps.Clone(e.details), QueuedAt: e.queued, StartedAt: e.started, LastUpdatedAt: e.updated,
		VersionNumber: e.version, ExecutionNumber: e.number, TimesOutAt: at}
}

// thing is what the service knows of one thing.
type thing struct {
	name  string
	jobs  map[string]*job
	order int64
}

// queue appends an execution to a job.
func (t *thing) queue(j *job, number int64, now time.Time) {
	t.order++
	j.dirty = true
	j.executions = append(j.executions, &execution{job: j, number: number, order: t.order, status: Queued, version: 1, queued: now, updated: now})
}

// pending returns the executions that are to be done, the next first: those in
// progress before those queued, each in the order of queueing.
func (t *thing) pending() []*execution {
	var out []*execution
	for _, j := range t.jobs {
		if e := j.latest(); e.status.Pending() { // an earlier one has ended
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b *execution) int {
		return cmp.Or(cmp.Compare(b.status, a.status), cmp.Compare(a.order, b.order)) // InProgress > Queued
	})
	return out
}

// next returns the execution that $next stands for, or nil.
func (t *thing) next() *execution {
	if p := t.pending(); len(p) > 0 {
		return p[0]
	}
	return nil
}
