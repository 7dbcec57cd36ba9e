package jobs

import (
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
)

func (t *thing) getPending(r request, now time.Time) []byte {
	a := pendingAnswer{head: head{r.token, now.Unix()}, InProgress: []summary{}, Queued: []summary{}}
	for _, e := range t.pending() {
		if e.status == InProgress {
			a.InProgress = append(a.InProgress, e.summary())
		} else {
			a.Queued = append(a.Queued, e.summary())
		}
	}
	return encode(a)
}

// startNext starts the next execution, or returns the one that is in progress,
// whose details and version stay as they are. A step timer that is asked for is
// set in both cases: the device says how long it needs from now on.
func (t *thing) startNext(r request, now time.Time) ([]byte, *Error) {
	a := executionAnswer{head: head{r.token, now.Unix()}}
	if e := t.next(); e != nil {
		if e.status == Queued {
			if err := e.move(device, InProgress, r.details, now); err != nil {
				return nil, err
			}
		}
		e.setStep(r.step, now)
		a.Execution = e.data(t.name, true, now)
	}
	return encode(a), nil
}

// noStep is the duration that cancels a step timer.
const noStep = time.Duration(-1)

// setStep starts the step timer anew, or cancels it; 0 leaves it as it is.
func (e *execution) setStep(d time.Duration, now time.Time) {
	switch {
	case d == noStep:
		e.step, e.job.dirty = time.Time{}, true
	case d > 0 && e.status == InProgress:
		e.step, e.job.dirty = now.Add(d), true
	}
}

func (t *thing) find(jobID string, number int64) (*execution, *Error) {
	if j := t.jobs[jobID]; j != nil {
		if e := j.execution(number); e != nil {
			return e, nil
		}
		return nil, refuse(ResourceNotFound, "Job %s has no execution %d for thing %s", jobID, number, t.name)
	}
	return nil, refuse(ResourceNotFound, "No job execution for job %s and thing %s", jobID, t.name)
}

// describe shows one execution. For $next the execution number does not count,
// and there may be no execution.
func (t *thing) describe(jobID string, r request, now time.Time) ([]byte, *Error) {
	a := executionAnswer{head: head{r.token, now.Unix()}}
	if jobID == topic.NextJob {
		if e := t.next(); e != nil {
			a.Execution = e.data(t.name, r.includeDocument, now)
		}
		return encode(a), nil
	}
	e, err := t.find(jobID, r.executionNumber)
	if err != nil {
		return nil, err
	}
	if e.status.Terminal() {
		return nil, refuse(TerminalStateReached, "Job execution %s is in the terminal state %v", jobID, e.status)
	}
	a.Execution = e.data(t.name, r.includeDocument, now)
	return encode(a), nil
}

// update reports a status. The version is compared before the transition is
// looked at: a device with old knowledge is told so.
func (t *thing) update(jobID string, r request, now time.Time) ([]byte, *Error) {
	e, err := t.find(jobID, r.executionNumber)
	if err != nil {
		return nil, err
	}
	if err := e.expect(r.expectedVersion); err != nil {
		return nil, err
	}
	if err := e.move(device, r.status, r.details, now); err != nil {
		return nil, err
	}
	e.setStep(r.step, now)
	a := updateAnswer{head: head{Token: r.token, Timestamp: now.Unix()}}
	if r.includeState {
		a.State = e.state()
	}
	if r.includeDocument {
		a.JobDocument = e.job.document
	}
	t.again(e, now)
	return encode(a), nil
}

func (e *execution) expect(version *int64) *Error {
	if version == nil || *version == e.version {
		return nil
	}
	err := refuse(VersionMismatch, "Expected version %d but found version %d", *version, e.version)
	err.State = e.state()
	return err
}

// again queues the next attempt after a failure, if the job has retries left:
// a new execution, behind what is queued already.
func (t *thing) again(e *execution, now time.Time) {
	if e == e.job.latest() && e.job.takeRetry(e.status) {
		t.queue(e.job, e.number+1, now)
	}
}
