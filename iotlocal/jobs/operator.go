package jobs

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
)

// operate runs what an operator does to a thing.
func (s *Service) operate(thingName, jobID string, now time.Time, f func(*thing) *Error) ([]Event, *Error) {
	if err := topic.CheckThingName(thingName); err != nil {
		return nil, refuse(InvalidRequest, "Invalid thing name: %v", err)
	}
	if err := checkJob(jobID); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	events := s.expire(now)
	changes, err := s.change(thingName, now, f)
	if err == nil {
		err = s.commit(now)
	}
	if err != nil {
		changes = nil
	}
	return append(events, changes...), err
}

// Create makes a job for a thing and queues its execution. The document is a
// JSON object. Errors: InvalidRequest for a bad name, document or option,
// AlreadyExists for a job that is there, whatever its state.
func (s *Service) Create(thingName, jobID string, document []byte, o Options, now time.Time) ([]Event, *Error) {
	compact, err := checkDocument(document, s.limits)
	if err == nil {
		err = o.check()
	}
	if err != nil {
		return nil, err
	}
	return s.operate(thingName, jobID, now, func(t *thing) *Error {
		if t.jobs[jobID] != nil {
			return refuse(AlreadyExists, "thing %s has a job %s already", thingName, jobID)
		}
		f := s.fleet[jobID]
		switch {
		case f == nil:
			f = s.newFleetJob(jobID, NewJob{Document: compact, Options: o}, now)
			f.single = true
		case !f.single:
			return refuse(AlreadyExists, "there is a job %s already", jobID)
		}
		s.aim(f, []string{ThingTarget + thingName}, now)
		t.take(f, compact, o, now)
		return nil
	})
}

// CancelOptions configure Cancel.
type CancelOptions struct {
	// Force cancels an execution in progress too: the device can then no longer
	// update it.
	Force bool
	// ExpectedVersion is the version the execution must have; 0 is any.
	ExpectedVersion int64
	// StatusDetails replace those of the execution, unless nil.
	StatusDetails map[string]string
}

// Cancel cancels the latest execution of a job (CancelJobExecution). Errors:
// ResourceNotFound; VersionMismatch; InvalidStateTransition for one that is in
// progress, without Force, or has ended; InvalidRequest for bad details.
func (s *Service) Cancel(thingName, jobID string, o CancelOptions, now time.Time) ([]Event, *Error) {
	if err := checkDetails(o.StatusDetails, s.limits); err != nil {
		return nil, err
	}
	by := operator
	if o.Force {
		by = forced
	}
	return s.operate(thingName, jobID, now, func(t *thing) *Error {
		e, err := t.find(jobID, 0)
		if err != nil {
			return err
		}
		if o.ExpectedVersion != 0 {
			if err := e.expect(&o.ExpectedVersion); err != nil {
				return err
			}
		}
		return e.move(by, Canceled, maps.Clone(o.StatusDetails), now)
	})
}

// Remove gives the latest execution of a job the status REMOVED, as when the
// thing leaves the group the job is for; no retry follows. Errors:
// ResourceNotFound, InvalidStateTransition.
func (s *Service) Remove(thingName, jobID string, now time.Time) ([]Event, *Error) {
	return s.operate(thingName, jobID, now, func(t *thing) *Error {
		e, err := t.find(jobID, 0)
		if err != nil {
			return err
		}
		return e.move(operator, Removed, nil, now)
	})
}

// DeleteOptions configure Delete.
type DeleteOptions struct {
	// Force deletes a job whose execution is in progress too.
	Force bool
}

// Delete forgets a job and all its executions (DeleteJob, DeleteJobExecution).
// Errors: ResourceNotFound; InvalidStateTransition for one that is in progress,
// without Force.
func (s *Service) Delete(thingName, jobID string, o DeleteOptions, now time.Time) ([]Event, *Error) {
	return s.operate(thingName, jobID, now, func(t *thing) *Error {
		e, err := t.find(jobID, 0)
		if err != nil {
			return err
		}
		if e.status == InProgress && !o.Force {
			err := refuse(InvalidStateTransition, "Job execution %s is IN_PROGRESS and is deleted by force only", jobID)
			err.State = e.state()
			return err
		}
		t.drop(e.job)
		return nil
	})
}

// List returns every execution of a thing, in the order of queueing.
func (s *Service) List(thingName string) []Execution {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.things[thingName]
	if t == nil {
		return nil
	}
	var es []*execution
	for _, j := range t.jobs {
		es = append(es, j.executions...)
	}
	slices.SortFunc(es, func(a, b *execution) int { return cmp.Compare(a.order, b.order) })
	return t.public(es)
}

// Pending returns the executions of a thing that are to be done, the next first.
func (s *Service) Pending(thingName string) []Execution {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.things[thingName]
	if t == nil {
		return nil
	}
	return t.public(t.pending())
}

func (t *thing) public(es []*execution) []Execution {
	out := make([]Execution, len(es))
	for i, e := range es {
		out[i] = e.public(t.name)
	}
	return out
}

// Get returns an execution of a job, in whatever state; number 0 is the latest.
// The error is ResourceNotFound.
func (s *Service) Get(thingName, jobID string, number int64) (Execution, *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.things[thingName]
	if t == nil {
		t = &thing{name: thingName}
	}
	e, err := t.find(jobID, number)
	if err != nil {
		return Execution{}, err
	}
	return e.public(thingName), nil
}

// Refuse makes the next n requests of a thing fail with InternalError or
// RequestThrottled, which do not come about otherwise, for tests of what devices
// do then. n of 0 takes back what is left. Errors: InvalidRequest for another
// code, whose cause a test can bring about, or a negative n.
func (s *Service) Refuse(thingName string, code Code, n int) *Error {
	if code != InternalError && code != RequestThrottled {
		return refuse(InvalidRequest, "code %q cannot be asked for: only %v and %v can", code, InternalError, RequestThrottled)
	}
	if n < 0 {
		return refuse(InvalidRequest, "%d requests cannot be refused", n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n == 0 {
		delete(s.refusal, thingName)
		return nil
	}
	s.refusal[thingName] = refusal{code, n}
	return nil
}
