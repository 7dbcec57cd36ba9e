package jobs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
)

// Record is a part of the state as it is kept: a job, under its id, or what one thing has of it, under THING/ID.
type Record struct {
	Key   string
	Value []byte // JSON, which Restore takes; nil: it is gone
}

// OfThing reports whether the record is what one thing has of a job.
func (r Record) OfThing() bool {
	_, _, ofThing := cutKey(r.Key)
	return ofThing
}

// Keep makes every change be kept before it is answered: keep gets the records that belong together. When it fails the request is
// refused with InternalError, and nothing has changed; only timers run out all the same.
func (s *Service) Keep(keep func([]Record) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep = keep
}

// transaction is what has been touched since the last commit, as it was.
type transaction struct {
	things map[string]map[string]*job // the jobs of a thing; an empty one had none
	fleet  map[string]touchedFleet
}

// touchedFleet is a job, and what it was.
type touchedFleet struct {
	now *fleetJob
	was fleetJob
	new bool // there was none
}

// touch notes what a thing has. It reports whether that is news.
func (x *transaction) touch(t *thing) bool {
	if x.things == nil {
		x.things = map[string]map[string]*job{}
	}
	_, known := x.things[t.name]
	if !known {
		x.things[t.name] = maps.Clone(t.jobs)
	}
	return !known
}

// touchFleet notes what a job is.
func (x *transaction) touchFleet(f *fleetJob, isNew bool) {
	if x.fleet == nil {
		x.fleet = map[string]touchedFleet{}
	}
	if _, known := x.fleet[f.ID]; !known {
		x.fleet[f.ID] = touchedFleet{f, *f, isNew}
	}
}

// commit ends jobs that are done and keeps what has changed, or takes it back.
func (s *Service) commit(now time.Time) *Error {
	s.settle(now)
	if err := s.write(); err != nil {
		s.rollback()
		return refuse(InternalError, "the change cannot be kept: %v", err)
	}
	return nil
}

// write keeps what has changed. After an error it is still to be kept.
func (s *Service) write() error {
	var records []Record
	for id, x := range s.open.fleet {
		switch f := s.fleet[id]; {
		case f == nil && x.now.kept != nil:
			records = append(records, Record{Key: id})
		case f != nil && f.dirty:
			records = append(records, Record{id, encode(savedFleet{f.Job, f.single})})
		}
	}
	for name, before := range s.open.things {
		now := map[string]*job{}
		if t := s.things[name]; t != nil {
			now = t.jobs
		}
		for id, j := range now {
			if j.dirty {
				records = append(records, Record{name + "/" + id, encode(j.saved())})
			}
		}
		for id, j := range before {
			if now[id] == nil && j.kept != nil {
				records = append(records, Record{Key: name + "/" + id})
			}
		}
	}
	if len(records) > 0 && s.keep != nil {
		if err := s.keep(records); err != nil {
			return err
		}
	}
	for _, r := range records {
		if r.Value == nil {
			continue
		}
		if name, id, ofThing := cutKey(r.Key); ofThing {
			j := s.things[name].jobs[id]
			j.kept, j.dirty = r.Value, false
		} else {
			s.fleet[id].kept, s.fleet[id].dirty = r.Value, false
		}
	}
	s.open = transaction{}
	return nil
}

// rollback takes back what has changed since the last commit.
func (s *Service) rollback() {
	for id, x := range s.open.fleet {
		if x.new {
			delete(s.fleet, id)
			continue
		}
		things := x.now.things // those of before are put in below
		*x.now = x.was
		x.now.things = things
		s.fleet[id] = x.now
	}
	for name, before := range s.open.things {
		t := s.things[name]
		if t == nil {
			t = &thing{name: name}
		}
		for id, j := range t.jobs {
			if before[id] == nil {
				delete(j.fleet.things, name)
			}
		}
		t.jobs = before
		for id, j := range before {
			j.fleet.things[name] = struct{}{}
			if !j.dirty {
				continue
			}
			old, err := readJob(j.kept)
			if err != nil { // it was written so before
				continue
			}
			old.id, old.fleet = id, j.fleet
			if old.document == nil {
				old.document = old.fleet.Document
			}
			t.jobs[id] = old
		}
		t.count()
		if delete(s.things, name); len(t.jobs) > 0 {
			s.things[name] = t
		}
	}
	s.open = transaction{}
}

// savedFleet is a job as it is kept.
type savedFleet struct {
	Job
	Single bool `json:"single,omitempty"`
}

// savedJob is what a thing has of a job.
type savedJob struct {
	Document   json.RawMessage  `json:"document,omitempty"` // unless it is that of the job
	Timeout    time.Duration    `json:"timeout,omitempty"`
	Retry      Retry            `json:"retry"`
	Executions []savedExecution `json:"executions"`
}

type savedExecution struct {
	Number   int64             `json:"number"`
	Order    int64             `json:"order"`
	Status   Status            `json:"status"`
	Details  map[string]string `json:"details,omitempty"`
	Version  int64             `json:"version"`
	Queued   time.Time         `json:"queued"`
	Started  time.Time         `json:"started,omitzero"`
	Updated  time.Time         `json:"updated"`
	Deadline time.Time         `json:"deadline,omitzero"`
	Step     time.Time         `json:"step,omitzero"`
}

func (j *job) saved() savedJob {
	v := savedJob{Timeout: j.timeout, Retry: j.retry}
	if !bytes.Equal(j.document, j.fleet.Document) {
		v.Document = j.document
	}
	for _, e := range j.executions {
		v.Executions = append(v.Executions, savedExecution{e.number, e.order, e.status, e.details, e.version, e.queued, e.started, e.updated, e.deadline, e.step})
	}
	return v
}

// readJob reads what a thing has of a job, without the job.
func readJob(text []byte) (*job, error) {
	var v savedJob
	if err := json.Unmarshal(text, &v); err != nil {
		return nil, err
	}
	j := &job{document: v.Document, timeout: v.Timeout, retry: v.Retry, kept: text}
	if err := (Options{InProgressTimeout: v.Timeout, Retry: v.Retry}).check(); err != nil {
		return nil, errors.New(err.Message)
	}
	last := int64(0)
	for i, e := range v.Executions {
		switch {
		case e.Status == 0 || e.Number <= last || e.Version < 1 || e.Order < 1:
			return nil, fmt.Errorf("execution %d has the number %d, the status %v, the version %d and the order %d", i+1, e.Number, e.Status, e.Version, e.Order)
		case e.Status.Pending() && i < len(v.Executions)-1:
			return nil, fmt.Errorf("execution %d is %v and not the last", i+1, e.Status)
		case e.Status != InProgress && !(e.Deadline.IsZero() && e.Step.IsZero()):
			return nil, fmt.Errorf("execution %d has a timer and is %v", i+1, e.Status)
		}
		last = e.Number
		j.executions = append(j.executions, &execution{j, e.Number, e.Order, e.Status, e.Details, e.Version, e.Queued, e.Started, e.Updated, e.Deadline, e.Step})
	}
	if len(j.executions) == 0 {
		return nil, errors.New("a job has no execution")
	}
	return j, nil
}

// Restore puts in a record that was kept: that of a job before those of its things. The error says what is wrong with it.
func (s *Service) Restore(r Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, id, ofThing := cutKey(r.Key)
	if err := checkJob(id); err != nil {
		return errors.New(err.Message)
	}
	if !ofThing {
		var v savedFleet
		if err := json.Unmarshal(r.Value, &v); err != nil {
			return err
		}
		_, bad := checkDocument(v.Document, Limits{Document: -1})
		if bad == nil {
			bad = v.Options.check()
		}
		switch {
		case bad != nil:
			return errors.New(bad.Message)
		case v.ID != id || v.Status != JobInProgress && v.Status != JobCompleted && v.Status != JobCanceled:
			return fmt.Errorf("it is of the job %q with the status %q", v.ID, v.Status)
		}
		s.fleet[id] = &fleetJob{Job: v.Job, single: v.Single, things: map[string]struct{}{}, kept: r.Value}
		return nil
	}
	if err := topic.CheckThingName(name); err != nil {
		return err
	}
	f := s.fleet[id]
	if f == nil {
		return fmt.Errorf("there is no job %s", id)
	}
	j, err := readJob(r.Value)
	if err != nil {
		return err
	}
	j.id, j.fleet = id, f
	if j.document == nil {
		j.document = f.Document
	}
	t := s.things[name]
	if t == nil {
		t = &thing{name: name, jobs: map[string]*job{}}
		s.things[name] = t
	}
	t.jobs[id] = j
	f.things[name] = struct{}{}
	t.count()
	return nil
}

// count makes the next execution come after those that are there.
func (t *thing) count() {
	for _, j := range t.jobs {
		for _, e := range j.executions {
			t.order = max(t.order, e.order)
		}
	}
}

// cutKey takes the key of a record apart.
func cutKey(key string) (thing, id string, ofThing bool) {
	i := bytes.LastIndexByte([]byte(key), '/')
	if i < 0 {
		return "", key, false
	}
	return key[:i], key[i+1:], true
}
