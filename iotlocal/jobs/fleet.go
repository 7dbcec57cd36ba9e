package jobs

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
)

// JobStatus is the status of a job, not of its executions.
type JobStatus string

// The statuses of jobs.
const (
	JobInProgress JobStatus = "IN_PROGRESS"
	JobCompleted  JobStatus = "COMPLETED" // every execution has ended; a continuous job never is
	JobCanceled   JobStatus = "CANCELED"
)

// The kinds of targets, as resources of ARNs.
const (
	ThingTarget = "thing/"
	GroupTarget = "thinggroup/"
)

// MaxTargets is how many targets a job may have (AWS General Reference, "AWS IoT Device Management job limits").
const MaxTargets = 100

// Job is a job with its targets, as an operator sees it.
type Job struct {
	ID string `json:"id"`
	// Document is the job document, as compact JSON.
	Document    json.RawMessage `json:"document"`
	Description string          `json:"description,omitempty"`
	// Targets are the resources of their ARNs, as thing/lamp and thinggroup/lamps, in the order in which they came.
	Targets []string `json:"targets"`
	// Continuous: things that become members of a target later get an execution too.
	Continuous bool      `json:"continuous,omitempty"`
	Status     JobStatus `json:"status"`
	// Comment and ReasonCode are those of the last change that had one; ForceCanceled: the job was cancelled with force.
	Comment       string    `json:"comment,omitempty"`
	ReasonCode    string    `json:"reasonCode,omitempty"`
	ForceCanceled bool      `json:"forceCanceled,omitempty"`
	CreatedAt     time.Time `json:"createdAt"`
	LastUpdatedAt time.Time `json:"lastUpdatedAt"`
	CompletedAt   time.Time `json:"completedAt,omitzero"`
	Options       Options   `json:"options"`
	// Rollout is the configuration of the rollout, which Job only remembers: every execution is queued at once.
	Rollout json.RawMessage `json:"rollout,omitempty"`
}

// NewJob is what CreateJob makes a job of.
type NewJob struct {
	Document    []byte
	Description string
	Targets     []string
	// Things are those that the targets mean now.
	Things     []string
	Continuous bool
	Options    Options
	Rollout    json.RawMessage
}

// fleetJob is a job of any number of things.
type fleetJob struct {
	Job
	single bool                // made by Create, for one thing
	things map[string]struct{} // that have an execution, ended ones too
	dirty  bool
	kept   []byte
}

func (s *Service) newFleetJob(id string, n NewJob, now time.Time) *fleetJob {
	f := &fleetJob{Job: Job{ID: id, Document: n.Document, Description: n.Description, Continuous: n.Continuous, Status: JobInProgress,
		CreatedAt: now, LastUpdatedAt: now, Options: n.Options, Rollout: n.Rollout}, things: map[string]struct{}{}}
	s.open.touchFleet(f, true)
	s.fleet[id] = f
	return f
}

// edit is called before a job is changed.
func (s *Service) edit(f *fleetJob, now time.Time) {
	s.open.touchFleet(f, false)
	f.LastUpdatedAt, f.dirty = now, true
}

// aim adds targets to a job.
func (s *Service) aim(f *fleetJob, targets []string, now time.Time) {
	s.edit(f, now)
	if f.single {
		f.Status, f.CompletedAt = JobInProgress, time.Time{} // another thing has it now
	}
	for _, t := range targets {
		if !slices.Contains(f.Targets, t) {
			f.Targets = append(slices.Clone(f.Targets), t)
		}
	}
}

// take gives a thing its part of a job.
func (t *thing) take(f *fleetJob, document json.RawMessage, o Options, now time.Time) {
	j := &job{id: f.ID, fleet: f, document: document, timeout: o.InProgressTimeout, retry: o.Retry}
	t.queue(j, cmp.Or(o.ExecutionNumber, 1), now)
	t.jobs[f.ID] = j
	f.things[t.name] = struct{}{}
}

// drop takes it away.
func (t *thing) drop(j *job) {
	delete(t.jobs, j.id)
	delete(j.fleet.things, t.name)
}

// enrol queues an execution for things that have none of the job yet.
func (s *Service) enrol(f *fleetJob, things []string, now time.Time) (events []Event) {
	for _, name := range things {
		changes, _ := s.change(name, now, func(t *thing) *Error {
			if t.jobs[f.ID] == nil {
				t.take(f, f.Document, f.Options, now)
			}
			return nil
		})
		events = append(events, changes...)
	}
	return events
}

// fleetwide runs what an operator does to a job.
func (s *Service) fleetwide(id string, now time.Time, do func(*fleetJob) ([]Event, *Error)) ([]Event, *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.fleet[id]
	if f == nil {
		return nil, refuse(ResourceNotFound, "Job %s cannot be found", id)
	}
	events := s.expire(now)
	changes, err := do(f)
	if err == nil {
		err = s.commit(now)
	}
	if err != nil {
		changes = nil
	}
	return append(events, changes...), err
}

// CreateJob makes a job for targets and queues its executions. Errors: InvalidRequest for a bad name, document, option or number
// of targets, AlreadyExists.
func (s *Service) CreateJob(id string, n NewJob, now time.Time) ([]Event, *Error) {
	if err := checkJob(id); err != nil {
		return nil, err
	}
	if len(n.Targets) == 0 || len(n.Targets) > MaxTargets {
		return nil, refuse(InvalidRequest, "%d targets, want 1 to %d", len(n.Targets), MaxTargets)
	}
	for _, thing := range n.Things {
		if err := topic.CheckThingName(thing); err != nil {
			return nil, refuse(InvalidRequest, "Invalid thing name: %v", err)
		}
	}
	compact, err := checkDocument(n.Document, s.limits)
	if err == nil {
		err = n.Options.check()
	}
	if err != nil {
		return nil, err
	}
	n.Document = compact
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fleet[id] != nil {
		return nil, refuse(AlreadyExists, "Job %s already exists", id)
	}
	f := s.newFleetJob(id, n, now)
	s.aim(f, n.Targets, now)
	events := s.enrol(f, n.Things, now)
	if err := s.commit(now); err != nil {
		return nil, err
	}
	return events, nil
}

// Associate adds targets to a continuous job. Errors: ResourceNotFound; InvalidRequest for another job, one that has ended, and
// for more than MaxTargets.
func (s *Service) Associate(id string, targets, things []string, comment string, now time.Time) ([]Event, *Error) {
	return s.fleetwide(id, now, func(f *fleetJob) ([]Event, *Error) {
		switch {
		case !f.Continuous:
			return nil, refuse(InvalidRequest, "Job %s is not continuous", id)
		case f.Status != JobInProgress:
			return nil, refuse(InvalidRequest, "Job %s is %s", id, f.Status)
		case len(targets) == 0:
			return nil, refuse(InvalidRequest, "no targets")
		}
		more := 0
		for i, t := range targets {
			if !slices.Contains(f.Targets, t) && !slices.Contains(targets[:i], t) {
				more++
			}
		}
		if len(f.Targets)+more > MaxTargets {
			return nil, refuse(InvalidRequest, "more than %d targets", MaxTargets)
		}
		s.aim(f, targets, now)
		f.Comment = cmp.Or(comment, f.Comment)
		return s.enrol(f, things, now), nil
	})
}

// Joined queues the continuous jobs of a target for a thing that has become a member of it, a resource as GroupTarget+NAME.
func (s *Service) Joined(target, thing string, now time.Time) []Event {
	return s.member(target, now, func(f *fleetJob) []Event { return s.enrol(f, []string{thing}, now) })
}

// Left gives the executions of a thing that has left a target, and is of no other one of the continuous job, the status REMOVED.
// still reports whether the thing is a member of a target.
func (s *Service) Left(target, name string, still func(target string) bool, now time.Time) []Event {
	return s.member(target, now, func(f *fleetJob) []Event {
		if slices.ContainsFunc(f.Targets, still) {
			return nil
		}
		events, _ := s.change(name, now, func(t *thing) *Error {
			e, err := t.find(f.ID, 0)
			if err != nil || e.status.Terminal() {
				return err
			}
			return e.move(operator, Removed, nil, now)
		})
		return events
	})
}

func (s *Service) member(target string, now time.Time, do func(*fleetJob) []Event) (events []Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(s.fleet)) {
		if f := s.fleet[id]; f.Continuous && f.Status == JobInProgress && slices.Contains(f.Targets, target) {
			events = append(events, do(f)...)
		}
	}
	if s.commit(now) != nil {
		return nil
	}
	return events
}

// Change is what UpdateJob changes; nil leaves it as it is.
type Change struct {
	Description *string
	Timeout     *time.Duration // of executions that are queued from now on
	Retry       *Retry         // likewise
	Rollout     json.RawMessage
}

// UpdateJob changes a job. Errors: ResourceNotFound; InvalidRequest for a job that has ended, or a bad value.
func (s *Service) UpdateJob(id string, c Change, now time.Time) *Error {
	_, err := s.fleetwide(id, now, func(f *fleetJob) ([]Event, *Error) {
		if f.Status != JobInProgress {
			return nil, refuse(InvalidRequest, "Job %s is %s", id, f.Status)
		}
		o := f.Options
		if c.Timeout != nil {
			o.InProgressTimeout = *c.Timeout
		}
		if c.Retry != nil {
			o.Retry = *c.Retry
		}
		if err := o.check(); err != nil {
			return nil, err
		}
		s.edit(f, now)
		f.Options = o
		if c.Description != nil {
			f.Description = *c.Description
		}
		if c.Rollout != nil {
			f.Rollout = c.Rollout
		}
		return nil, nil
	})
	return err
}

// JobCancel configures CancelJob.
type JobCancel struct {
	Force               bool // executions in progress too
	ReasonCode, Comment string
}

// CancelJob cancels a job and its executions that are queued, with Force also those in progress. Errors: ResourceNotFound;
// InvalidRequest for a job that is completed.
func (s *Service) CancelJob(id string, c JobCancel, now time.Time) ([]Event, *Error) {
	return s.fleetwide(id, now, func(f *fleetJob) (events []Event, _ *Error) {
		if f.Status == JobCompleted {
			return nil, refuse(InvalidRequest, "Job %s is %s", id, f.Status)
		}
		s.edit(f, now)
		f.Status, f.ForceCanceled = JobCanceled, f.ForceCanceled || c.Force
		if f.CompletedAt.IsZero() {
			f.CompletedAt = now
		}
		f.ReasonCode, f.Comment = cmp.Or(c.ReasonCode, f.ReasonCode), cmp.Or(c.Comment, f.Comment)
		by := operator
		if c.Force {
			by = forced
		}
		for _, name := range slices.Sorted(maps.Keys(f.things)) {
			changes, _ := s.change(name, now, func(t *thing) *Error {
				if e := t.jobs[id].latest(); may(by, e.status, Canceled) {
					return e.move(by, Canceled, nil, now)
				}
				return nil
			})
			events = append(events, changes...)
		}
		return events, nil
	})
}

// DeleteJob forgets a job and its executions. Errors: ResourceNotFound; InvalidStateTransition for one that has not ended, without
// force.
func (s *Service) DeleteJob(id string, force bool, now time.Time) ([]Event, *Error) {
	return s.fleetwide(id, now, func(f *fleetJob) (events []Event, _ *Error) {
		if f.Status == JobInProgress && !force {
			return nil, refuse(InvalidStateTransition, "Job %s is IN_PROGRESS and is deleted by force only", id)
		}
		s.edit(f, now)
		for _, name := range slices.Sorted(maps.Keys(f.things)) {
			changes, _ := s.change(name, now, func(t *thing) *Error {
				t.drop(t.jobs[id])
				return nil
			})
			events = append(events, changes...)
		}
		delete(s.fleet, id)
		return events, nil
	})
}

// DeleteExecution forgets one execution of a thing. Errors: ResourceNotFound; InvalidStateTransition for one that has not ended,
// without force.
func (s *Service) DeleteExecution(thingName, jobID string, number int64, force bool, now time.Time) ([]Event, *Error) {
	return s.operate(thingName, jobID, now, func(t *thing) *Error {
		e, err := t.find(jobID, number)
		if err != nil {
			return err
		}
		if e.status.Pending() && !force {
			err := refuse(InvalidStateTransition, "Job execution %s is %v and is deleted by force only", jobID, e.status)
			err.State = e.state()
			return err
		}
		j := e.job
		j.executions = slices.DeleteFunc(slices.Clone(j.executions), func(other *execution) bool { return other == e })
		j.dirty = true
		if len(j.executions) == 0 {
			t.drop(j)
		}
		return nil
	})
}

// Jobs returns every job, the latest first.
func (s *Service) Jobs() []Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Job
	for _, f := range s.fleet {
		all = append(all, f.public())
	}
	slices.SortFunc(all, func(a, b Job) int { return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID)) })
	return all
}

func (f *fleetJob) public() Job {
	j := f.Job
	j.Document, j.Targets = slices.Clone(f.Document), slices.Clone(f.Targets)
	return j
}

// Job returns a job and the executions of all things, in the order of the things' names and of their numbers. The error is
// ResourceNotFound.
func (s *Service) Job(id string) (Job, []Execution, *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.fleet[id]
	if f == nil {
		return Job{}, nil, refuse(ResourceNotFound, "Job %s cannot be found", id)
	}
	var all []Execution
	for _, name := range slices.Sorted(maps.Keys(f.things)) {
		for _, e := range s.things[name].jobs[id].executions {
			all = append(all, e.public(name))
		}
	}
	return f.public(), all, nil
}

// settle ends the jobs of touched things that have nothing left to do, and forgets those of Create that no thing has any more.
func (s *Service) settle(now time.Time) {
	ids := map[string]struct{}{}
	for name, before := range s.open.things {
		var jobs map[string]*job
		if t := s.things[name]; t != nil {
			jobs = t.jobs
		}
		for id, j := range jobs {
			if j.dirty && j.latest().status.Terminal() {
				ids[id] = struct{}{}
			}
		}
		for id := range before {
			if jobs[id] == nil {
				ids[id] = struct{}{}
			}
		}
	}
	for id := range s.open.fleet {
		ids[id] = struct{}{}
	}
	for id := range ids {
		f := s.fleet[id]
		switch {
		case f == nil || f.Continuous || f.Status != JobInProgress && len(f.things) > 0:
		case f.single && len(f.things) == 0:
			s.edit(f, now)
			delete(s.fleet, id)
		case f.Status == JobInProgress && !s.pending(f):
			s.edit(f, now)
			f.Status, f.CompletedAt = JobCompleted, now
		}
	}
}

// pending reports whether a thing has something to do for a job.
func (s *Service) pending(f *fleetJob) bool {
	for name := range f.things {
		if t := s.things[name]; t != nil && t.jobs[f.ID] != nil && t.jobs[f.ID].latest().status.Pending() {
			return true
		}
	}
	return false
}
