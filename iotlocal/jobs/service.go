package jobs

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
)

// Op is a request of a device.
type Op uint8

// The requests.
const (
	GetPending Op = iota // list what is to be done
	StartNext            // start the next execution
	Describe             // describe one execution; the job may be topic.NextJob
	Update               // report the status of one execution
	Unknown              // a topic that is no operation
)

var opNames = [...]string{"get pending", "start-next", "describe", "update", "unknown"}

// String returns the operation in words, as "get pending".
func (o Op) String() string {
	if int(o) < len(opNames) {
		return opNames[o]
	}
	return fmt.Sprintf("Op(%d)", uint8(o))
}

// Answer is the answer to one request.
type Answer struct {
	Accepted bool
	Payload  []byte
}

// Event is a notification for a thing.
type Event struct {
	Thing   string
	Op      topic.JobsOp // JobsNotify or JobsNotifyNext
	Payload []byte
}

// Service holds the jobs of an account. Make one with NewService. It is safe for
// concurrent use. It has no clock of its own: now must not run backwards for
// timers to be right, and Expire must be called when they are due.
type Service struct {
	limits Limits

	mu      sync.Mutex
	things  map[string]*thing
	fleet   map[string]*fleetJob // by job id
	refusal map[string]refusal   // by thing: what the next requests get
	open    transaction
	keep    func([]Record) error // nil: nothing is kept
}

// refusal is what the next left requests of a thing get.
type refusal struct {
	code Code
	left int
}

// NewService returns a service without jobs.
func NewService(l Limits) *Service {
	return &Service{limits: l.withDefaults(), things: map[string]*thing{}, fleet: map[string]*fleetJob{}, refusal: map[string]refusal{}}
}

// Do handles a request of a device. jobID is that of the topic and counts for
// Describe and Update only. It returns the answer, which is for the requester
// alone, and the notifications, in the order of sending: the answer goes first.
func (s *Service) Do(op Op, thingName, jobID string, payload []byte, now time.Time) (Answer, []Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	events := s.expire(now) // the timer may be late, the request is not
	req, err := parse(op, payload, s.limits)
	if e := s.address(op, thingName, jobID); e != nil {
		err = e
	} else if e := s.refused(thingName); e != nil {
		err = e
	}
	if err != nil {
		return Answer{Payload: rejected(err, req.token, now)}, events
	}
	var body []byte
	changes, err := s.change(thingName, now, func(t *thing) (err *Error) {
		switch op {
		case GetPending:
			body = t.getPending(req, now)
		case StartNext:
			body, err = t.startNext(req, now)
		case Describe:
			body, err = t.describe(jobID, req, now)
		default:
			body, err = t.update(jobID, req, now)
		}
		return err
	})
	if err == nil {
		err = s.commit(now)
	}
	if err != nil {
		return Answer{Payload: rejected(err, req.token, now)}, events
	}
	return Answer{Accepted: true, Payload: body}, append(events, changes...)
}

// address checks the names in the topic.
func (s *Service) address(op Op, thingName, jobID string) *Error {
	if op == Unknown {
		return refuse(InvalidTopic, "The topic is no operation of the Jobs service")
	}
	if err := topic.CheckThingName(thingName); err != nil {
		return refuse(InvalidRequest, "Invalid thing name: %v", err)
	}
	if op != Describe && op != Update {
		return nil
	}
	if err := checkJob(jobID); err != nil && !(op == Describe && jobID == topic.NextJob) {
		return err
	}
	return nil
}

// checkJob is topic.CheckJobID without $next, which is no name of a job.
func checkJob(id string) *Error {
	if err := topic.CheckJobID(id); err != nil {
		return refuse(InvalidRequest, "Invalid job id: %v", err)
	}
	if id == topic.NextJob {
		return refuse(InvalidRequest, "Invalid job id: %s can only be described", id)
	}
	return nil
}

// refused takes the next refusal that a test has asked for.
func (s *Service) refused(thingName string) *Error {
	r, ok := s.refusal[thingName]
	if !ok {
		return nil
	}
	if r.left--; r.left > 0 {
		s.refusal[thingName] = r
	} else {
		delete(s.refusal, thingName)
	}
	return refuse(r.code, "%v was asked for by the test", r.code)
}

// change runs f on a thing and returns the notifications for what it did. When
// f fails it must have changed nothing. A thing is there only if it has jobs. What
// has changed is for commit, or for rollback.
func (s *Service) change(thingName string, now time.Time, f func(*thing) *Error) ([]Event, *Error) {
	t := s.things[thingName]
	if t == nil {
		t = &thing{name: thingName, jobs: map[string]*job{}}
	}
	news := s.open.touch(t)
	before := keys(t.pending())
	if err := f(t); err != nil {
		if news {
			delete(s.open.things, thingName)
		}
		return nil, err
	}
	if len(t.jobs) > 0 {
		s.things[thingName] = t
	} else {
		delete(s.things, thingName)
	}
	return t.notify(before, s.limits, now), nil
}

func keys(es []*execution) []key {
	out := make([]key, len(es))
	for i, e := range es {
		out[i] = e.key()
	}
	return out
}

// notify compares the pending executions with those before: notify is sent when
// one came or went, notify-next when another one is the first. That one of them
// has changed, be it from QUEUED to IN_PROGRESS, is told to nobody
// (jobs-comm-notifications.html, the series of examples).
func (t *thing) notify(before []key, lim Limits, now time.Time) (events []Event) {
	pending := t.pending()
	after := keys(pending)
	same := len(before) == len(after) && !slices.ContainsFunc(after, func(k key) bool { return !slices.Contains(before, k) })
	if !same {
		list := listEvent{head: head{Timestamp: now.Unix()}}
		for i, e := range pending {
			switch {
			case over(i+1, lim.Listed):
			case e.status == InProgress:
				list.Jobs.InProgress = append(list.Jobs.InProgress, e.summary())
			default:
				list.Jobs.Queued = append(list.Jobs.Queued, e.summary())
			}
		}
		events = append(events, Event{t.name, topic.JobsNotify, encode(list)})
	}
	if first(before) != first(after) {
		next := executionAnswer{head: head{Timestamp: now.Unix()}}
		if len(pending) > 0 {
			next.Execution = pending[0].data(t.name, true, now)
		}
		events = append(events, Event{t.name, topic.JobsNotifyNext, encode(next)})
	}
	return events
}

func first(ks []key) key {
	if len(ks) == 0 {
		return key{}
	}
	return ks[0]
}

// Expire ends the executions whose timers are due and returns the notifications.
func (s *Service) Expire(now time.Time) []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.expire(now)
}

func (s *Service) expire(now time.Time) (events []Event) {
	for _, name := range s.due(now) {
		changes, _ := s.change(name, now, func(t *thing) *Error {
			for _, e := range t.pending() {
				if at, any := e.timesOut(); any && !at.After(now) {
					if err := e.move(clock, TimedOut, nil, now); err != nil {
						continue // only executions in progress have timers
					}
					t.again(e, now)
				}
			}
			return nil
		})
		events = append(events, changes...)
	}
	s.settle(now)
	_ = s.write() // what cannot be kept has expired all the same, and will after a restart
	return events
}

// due returns the things with timers that have run out, sorted, so that what is
// due at once has an order.
func (s *Service) due(now time.Time) []string {
	var names []string
	for name, t := range s.things {
		if at, any := t.nextTimeout(); any && !at.After(now) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (t *thing) nextTimeout() (at time.Time, any bool) {
	for _, j := range t.jobs {
		if out, runs := j.latest().timesOut(); runs && (!any || out.Before(at)) {
			at, any = out, true
		}
	}
	return at, any
}

// NextTimeout returns when Expire has something to do next.
func (s *Service) NextTimeout() (at time.Time, any bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.things {
		if out, runs := t.nextTimeout(); runs && (!any || out.Before(at)) {
			at, any = out, true
		}
	}
	return at, any
}
