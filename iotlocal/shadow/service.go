package shadow

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// Op is a request of the service.
type Op int

// The requests.
const (
	Get Op = iota
	Update
	Delete
)

// String returns get, update or delete.
func (o Op) String() string {
	switch o {
	case Get:
		return "get"
	case Update:
		return "update"
	case Delete:
		return "delete"
	}
	return "unknown"
}

// ID names a shadow.
type ID struct {
	Thing string
	Name  string // "": the classic shadow
}

// String returns the name that error messages show: the thing, or thing~name.
func (id ID) String() string {
	if id.Name == "" {
		return id.Thing
	}
	return id.Thing + "~" + id.Name
}

// Event is a message the service sends. Suffix follows the shadow's topic
// prefix, as "update/accepted".
type Event struct {
	Suffix  string
	Payload []byte
}

// Service holds the shadows of an account. Make one with NewService. It is safe
// for concurrent use.
type Service struct {
	limits Limits

	mu   sync.Mutex
	docs map[ID]*Document
	keep func(ID, []byte) error // nil: nothing is kept
}

// NewService returns a service without shadows.
func NewService(l Limits) *Service {
	return &Service{limits: l.withDefaults(), docs: map[ID]*Document{}}
}

// Do handles a request and returns what is to be published, in order: delta,
// then the answer, then documents. Delta stands first because the v1 SDK drops
// a delta whose version an accepted answer has shown before. The error, if any,
// is also in a rejected answer.
func (s *Service) Do(op Op, id ID, payload []byte, now time.Time) ([]Event, *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var d Document // a copy: the change may still be refused
	if was := s.docs[id]; was != nil {
		d = *was
	}
	tok, events, err := s.do(op, id, &d, payload, now)
	if err == nil && op != Get {
		if err = s.save(id, &d); err == nil {
			s.docs[id] = &d
		}
	}
	if err != nil {
		return []Event{{op.String() + "/rejected", rejected(err, tok, now)}}, err
	}
	return events, nil
}

// Reject returns the answer to a request that does not reach a shadow, such as
// one with a bad thing name.
func (s *Service) Reject(op Op, payload []byte, now time.Time, e *Error) Event {
	req, _ := decode(payload) // without a token if it is no JSON
	tok, _ := token(req, s.limits)
	return Event{op.String() + "/rejected", rejected(e, tok, now)}
}

func (s *Service) do(op Op, id ID, d *Document, payload []byte, now time.Time) (tok string, events []Event, err *Error) {
	req, err := decode(payload)
	if op != Update {
		// get and delete ignore their body apart from the token, so a body that
		// is no JSON has none.
		err = nil
	}
	if err != nil {
		return "", nil, err
	}
	if tok, err = token(req, s.limits); err != nil {
		return "", nil, err
	}
	switch op {
	case Update:
		events, err = s.update(d, req, tok, now)
	case Get:
		events, err = get(d, id, tok, now)
	default:
		events, err = remove(d, id, tok, now)
	}
	return tok, events, err
}

func get(d *Document, id ID, tok string, now time.Time) ([]Event, *Error) {
	if !d.exists {
		return nil, notFound(id)
	}
	snap := d.snapshot()
	if state, meta := d.delta(); state != nil {
		snap.State["delta"], snap.Metadata["delta"] = state, meta
	}
	b := snap.body()
	b.Timestamp, b.Token = now.Unix(), tok
	return []Event{{"get/accepted", encode(b)}}, nil
}

func remove(d *Document, id ID, tok string, now time.Time) ([]Event, *Error) {
	if !d.exists {
		return nil, notFound(id)
	}
	deleted := d.remove()
	return []Event{{"delete/accepted", encode(body{Version: &deleted, Timestamp: now.Unix(), Token: tok})}}, nil
}

func notFound(id ID) *Error { return refuse(404, "No shadow exists with name: '%s'", id) }

func (s *Service) update(d *Document, req object, tok string, now time.Time) ([]Event, *Error) {
	c, err := updateRequest(req)
	if err != nil {
		return nil, err
	}
	before := d.snapshot()
	accepted, err := d.apply(c, now, s.limits)
	if err != nil {
		return nil, err
	}
	var events []Event
	stamped := func(suffix string, b *body) {
		b.Timestamp, b.Token = now.Unix(), tok
		events = append(events, Event{suffix, encode(b)})
	}
	if state, meta := d.delta(); state != nil {
		stamped("update/delta", &body{State: state, Metadata: meta, Version: new(d.version)})
	}
	stamped("update/accepted", accepted.body())
	stamped("update/documents", &body{Previous: before.body(), Current: d.snapshot().body()})
	return events, nil
}

// Version returns the number of the last update or deletion of a shadow, 0 if
// it never existed, and whether it exists now.
func (s *Service) Version(id ID) (version int64, exists bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.docs[id]; d != nil {
		return d.version, d.exists
	}
	return 0, false
}

// Names returns the named shadows of a thing that exist, sorted.
func (s *Service) Names(thing string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for id, d := range s.docs {
		if id.Thing == thing && id.Name != "" && d.exists {
			names = append(names, id.Name)
		}
	}
	slices.SortFunc(names, strings.Compare)
	return names
}
