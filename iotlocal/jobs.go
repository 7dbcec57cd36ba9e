package iotlocal

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/iotlocal/broker"
	"github.com/portage-iot/awsiot/iotlocal/internal/registry"
	"github.com/portage-iot/awsiot/iotlocal/jobs"
)

// jobService glues the Jobs service to the broker and to the clock.
type jobService struct {
	service *jobs.Service
	clock   *Clock
	publish func(*broker.Message) int

	// order keeps answers and notifications in the order of what happened. As
	// with shadows, sending only puts messages into queues.
	order sync.Mutex

	wg      sync.WaitGroup // the goroutine of the timers
	closing chan struct{}
	changed chan struct{} // capacity 1: the next timeout may be another one
	once    sync.Once
}

func newJobService(l JobLimits, k *Clock) *jobService {
	return &jobService{service: jobs.NewService(l), clock: k, closing: make(chan struct{}), changed: make(chan struct{}, 1)}
}

func (s *jobService) start(publish func(*broker.Message) int) {
	s.publish = publish
	s.wg.Go(s.timers)
}

// close ends the timers and returns when they have ended. It may be called
// again, and without start.
func (s *jobService) close() {
	s.once.Do(func() { close(s.closing) })
	s.wg.Wait()
}

// timers ends executions when their time has come.
func (s *jobService) timers() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		s.expire()
		if at, any := s.service.NextTimeout(); any {
			timer.Reset(at.Sub(s.clock.Now()))
		} else {
			timer.Stop()
		}
		select {
		case <-timer.C:
		case <-s.changed:
		case <-s.closing:
			return
		}
	}
}

// wake makes the timers look for the next timeout again.
func (s *jobService) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// expire does what is due by the clock.
func (s *jobService) expire() {
	s.order.Lock()
	defer s.order.Unlock()
	s.notify(s.service.Expire(s.clock.Now()))
}

// advanced does what is due after a jump of the clock, from which the timers
// count anew.
func (s *jobService) advanced() {
	s.expire()
	s.wake()
}

// handle takes what clients publish under thingsPrefix. Topics of other services
// pass by, and so do those of answers: who publishes there plays the service. A
// topic of jobs that is neither is answered with InvalidTopic.
func (s *jobService) handle(c *broker.Client, m *broker.Message) {
	thing, rest, ok := topic.CutJobs(m.Topic)
	if !ok || strings.HasSuffix(rest, "/accepted") || strings.HasSuffix(rest, "/rejected") {
		return
	}
	op, jobID := jobs.Unknown, ""
	if t, ok := topic.ParseJobs(m.Topic); ok && t.Role == topic.Request {
		op, jobID = map[topic.JobsOp]jobs.Op{topic.JobsGetPending: jobs.GetPending, topic.JobsStartNext: jobs.StartNext,
			topic.JobsDescribe: jobs.Describe, topic.JobsUpdate: jobs.Update}[t.Op], t.JobID
	}
	s.order.Lock()
	defer s.order.Unlock()
	answer, events := s.service.Do(op, thing, jobID, m.Payload, s.clock.Now())
	to := m.Topic + "/rejected"
	if answer.Accepted {
		to = m.Topic + "/accepted"
	}
	// AWS does not say with which QoS it answers. The client's subscription
	// decides, as for any message; without one the QoS of the request does.
	qos, subscribed := c.Granted(to)
	if !subscribed {
		qos = m.QoS
	}
	c.Send(&broker.Message{Topic: to, Payload: answer.Payload, QoS: qos})
	s.notify(events)
	s.wake()
}

// ask is a request that did not come over MQTT.
func (s *jobService) ask(op jobs.Op, thing, jobID string, payload []byte) (accepted bool, answer []byte) {
	s.order.Lock()
	defer s.order.Unlock()
	a, events := s.service.Do(op, thing, jobID, payload, s.clock.Now())
	s.notify(events)
	s.wake()
	return a.Accepted, a.Payload
}

// moved returns what the registry calls when things come into groups and leave them: they get the continuous jobs of those, and lose
// them.
func (s *jobService) moved(r *registry.Registry) func([]registry.Move) {
	return func(moves []registry.Move) {
		s.order.Lock()
		defer s.order.Unlock()
		for _, m := range moves {
			target := jobs.GroupTarget + m.Group
			switch {
			case !m.Joined:
				s.notify(s.service.Left(target, m.Thing, func(target string) bool {
					group, _ := strings.CutPrefix(target, jobs.GroupTarget)
					return target == jobs.ThingTarget+m.Thing || r.InGroup(m.Thing, group)
				}, s.clock.Now()))
			case r.InGroup(m.Thing, m.Group): // else it has left meanwhile, which may have been told before
				s.notify(s.service.Joined(target, m.Thing, s.clock.Now()))
			}
		}
		s.wake()
	}
}

// notify publishes at QoS 1: subscribers get it with the QoS they asked for.
func (s *jobService) notify(events []jobs.Event) {
	for _, e := range events {
		s.publish(&broker.Message{Topic: topic.Jobs{Thing: e.Thing}.Request(e.Op, ""), Payload: e.Payload, QoS: 1})
	}
}

// The parts of the Jobs service that users name, from package jobs.
type (
	// JobOptions configure a job: its timer, its retries, its execution number: see [jobs.Options].
	JobOptions = jobs.Options
	// JobRetry says how often a failed execution is queued again: see [jobs.Retry].
	JobRetry = jobs.Retry
	// JobExecution is one attempt of a thing at a job: see [jobs.Execution].
	JobExecution = jobs.Execution
	// JobStatus is the status of an execution: see [jobs.Status].
	JobStatus = jobs.Status
	// JobError is a refusal of the Jobs service: code and text: see [jobs.Error].
	JobError = jobs.Error
	// JobErrorCode is an error code of the Jobs service: see [jobs.Code].
	JobErrorCode = jobs.Code
	// CancelJobOptions configure Jobs.Cancel: see [jobs.CancelOptions].
	CancelJobOptions = jobs.CancelOptions
	// DeleteJobOptions configure Jobs.Delete: see [jobs.DeleteOptions].
	DeleteJobOptions = jobs.DeleteOptions
)

// The statuses of executions.
const (
	JobQueued     = jobs.Queued
	JobInProgress = jobs.InProgress
	JobSucceeded  = jobs.Succeeded
	JobFailed     = jobs.Failed
	JobTimedOut   = jobs.TimedOut
	JobRejected   = jobs.Rejected
	JobRemoved    = jobs.Removed
	JobCanceled   = jobs.Canceled
)

// The error codes of the Jobs service; package jobs says when each comes.
const (
	JobInvalidTopic           = jobs.InvalidTopic
	JobInvalidJSON            = jobs.InvalidJSON
	JobInvalidRequest         = jobs.InvalidRequest
	JobInvalidStateTransition = jobs.InvalidStateTransition
	JobResourceNotFound       = jobs.ResourceNotFound
	JobVersionMismatch        = jobs.VersionMismatch
	JobInternalError          = jobs.InternalError
	JobRequestThrottled       = jobs.RequestThrottled
	JobTerminalStateReached   = jobs.TerminalStateReached
	JobAlreadyExists          = jobs.AlreadyExists
)

// Jobs is a handle on the jobs of one thing for the program around the server,
// which plays the operator of the fleet: the thing gets notifications as if the
// AWS API had been called. Its errors are *JobError, unless they say otherwise.
type Jobs struct {
	jobs  *jobService
	thing string
}

// Jobs returns the handle of a thing's jobs. The thing need not have an identity
// of NewThing; a name that no thing can have is refused by the methods, with
// code InvalidRequest.
func (s *Server) Jobs(thing string) *Jobs { return &Jobs{jobs: s.jobs, thing: thing} }

// Create makes a job and queues its execution. The id is 1 to 64 of a-z A-Z 0-9
// _ -. The document is a JSON object of at most 32 KiB: a string, []byte or
// json.RawMessage holds JSON, anything else is marshalled, whose error is no
// *JobError. Codes: InvalidRequest for a bad id, document or option,
// ResourceAlreadyExists for an id the thing has a job with, in whatever state.
func (h *Jobs) Create(jobID string, document any, o JobOptions) error {
	doc, err := jsonText(document)
	if err != nil {
		return fmt.Errorf("iotlocal: job document: %w", err)
	}
	return h.do(func(now time.Time) ([]jobs.Event, *jobs.Error) {
		return h.jobs.service.Create(h.thing, jobID, doc, o, now)
	})
}

// Cancel cancels the latest execution of a job, one in progress only with
// Force. Codes: ResourceNotFound, VersionMismatch, InvalidStateTransition,
// InvalidRequest.
func (h *Jobs) Cancel(jobID string, o CancelJobOptions) error {
	return h.do(func(now time.Time) ([]jobs.Event, *jobs.Error) {
		return h.jobs.service.Cancel(h.thing, jobID, o, now)
	})
}

// Remove gives the latest execution of a job the status REMOVED, as when the
// thing leaves the group that the job is for. Codes: ResourceNotFound,
// InvalidStateTransition, InvalidRequest.
func (h *Jobs) Remove(jobID string) error {
	return h.do(func(now time.Time) ([]jobs.Event, *jobs.Error) {
		return h.jobs.service.Remove(h.thing, jobID, now)
	})
}

// Delete forgets a job with all its executions, one in progress only with
// Force. Codes: ResourceNotFound, InvalidStateTransition, InvalidRequest.
func (h *Jobs) Delete(jobID string, o DeleteJobOptions) error {
	return h.do(func(now time.Time) ([]jobs.Event, *jobs.Error) {
		return h.jobs.service.Delete(h.thing, jobID, o, now)
	})
}

// List returns every execution, ended ones too, in the order of queueing.
func (h *Jobs) List() []JobExecution {
	h.jobs.expire()
	return h.jobs.service.List(h.thing)
}

// Pending returns the executions that are to be done, the one that $next stands
// for first.
func (h *Jobs) Pending() []JobExecution {
	h.jobs.expire()
	return h.jobs.service.Pending(h.thing)
}

// Describe returns the latest execution of a job, in whatever state. Code:
// ResourceNotFound.
func (h *Jobs) Describe(jobID string) (JobExecution, error) { return h.DescribeNumber(jobID, 0) }

// DescribeNumber returns the execution of a job with a number, such as one that
// was retried since; 0 is the latest. Code: ResourceNotFound.
func (h *Jobs) DescribeNumber(jobID string, executionNumber int64) (JobExecution, error) {
	h.jobs.expire()
	e, err := h.jobs.service.Get(h.thing, jobID, executionNumber)
	if err != nil {
		return JobExecution{}, err
	}
	return e, nil
}

// Refuse makes the service answer the next n requests of the thing's devices
// with JobInternalError or JobRequestThrottled; 0 takes back what is left. Code:
// InvalidRequest for another code or a negative n.
func (h *Jobs) Refuse(code JobErrorCode, n int) error {
	if err := h.jobs.service.Refuse(h.thing, code, n); err != nil {
		return err
	}
	return nil
}

// do is operate with an error that is nil when there is none.
func (h *Jobs) do(f func(now time.Time) ([]jobs.Event, *jobs.Error)) error {
	if err := h.jobs.operate(f); err != nil {
		return err
	}
	return nil
}

// operate runs one call of the operator and publishes what comes of it.
func (s *jobService) operate(f func(now time.Time) ([]jobs.Event, *jobs.Error)) *jobs.Error {
	s.order.Lock()
	defer s.order.Unlock()
	events, err := f(s.clock.Now())
	s.notify(events)
	s.wake()
	return err
}
