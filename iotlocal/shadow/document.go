package shadow

import "time"

// section is desired or reported: values and their metadata, which has the
// same shape with a timestamp in place of each value.
type section struct {
	state object
	meta  object
}

// Document is one shadow. The zero value is a shadow that does not exist. It
// is not safe for concurrent use.
type Document struct {
	desired, reported section
	exists            bool
	version           int64 // survives deletion, which takes a number: the next update continues it
}

// Exists reports whether the shadow exists.
func (d *Document) Exists() bool { return d.exists }

// Version returns the number of the last update or deletion, 0 before the
// first.
func (d *Document) Version() int64 { return d.version }

// change is an update request, checked.
type change struct {
	clear                   bool // state is null: both sections go
	desired, reported       any  // object, nil for null
	hasDesired, hasReported bool
	version                 *int64
}

// apply merges a change. What it returns are the sections as the request held
// them, with metadata, for the accepted answer. A refused change leaves the
// document as it was.
func (d *Document) apply(c change, now time.Time, lim Limits) (accepted *snapshot, err *Error) {
	if c.version != nil && *c.version != d.version {
		return nil, errConflict
	}
	next := Document{desired: d.desired, reported: d.reported, exists: true, version: d.version + 1}
	if !d.exists || c.clear {
		next.desired, next.reported = section{}, section{}
	}
	accepted = &snapshot{State: object{}, Metadata: object{}, Version: next.version}
	if c.clear {
		accepted.State = nil // as the request held it
	}
	for _, part := range []struct {
		name string
		has  bool
		req  any
		sec  *section
	}{{"desired", c.hasDesired, c.desired, &next.desired}, {"reported", c.hasReported, c.reported, &next.reported}} {
		if !part.has {
			continue
		}
		accepted.State[part.name] = part.req
		req, ok := part.req.(object)
		if !ok { // null removes the section
			*part.sec = section{}
			continue
		}
		// A request names whole paths, so its own depth decides for the result.
		if over(nesting(req), lim.Nesting) {
			return nil, refuse(400, nestingTemplate, lim.Nesting)
		}
		if hasNullInArray(req) {
			return nil, errNullElement
		}
		part.sec.state, part.sec.meta = merge(part.sec.state, part.sec.meta, req, now)
		if m := requestMeta(req, now); len(m) > 0 {
			accepted.Metadata[part.name] = m
		}
	}
	if over(next.size(), lim.Bytes) {
		return nil, errTooLarge
	}
	*d = next
	return accepted, nil
}

// size is what counts against the limit: the compact JSON of both sections.
func (d *Document) size() int {
	n := 0
	for _, s := range []section{d.desired, d.reported} {
		if len(s.state) > 0 {
			n += len(encode(s.state))
		}
	}
	return n
}

// remove deletes the shadow and returns the version that was deleted. The
// deletion takes the next number: an update after it gets the one after that.
func (d *Document) remove() (deleted int64) {
	deleted = d.version
	*d = Document{version: deleted + 1}
	return deleted
}

// snapshot is a document as answers show it. Sections that are empty are left
// out. State is nil for an update that has cleared it.
type snapshot struct {
	State    object
	Metadata object
	Version  int64
}

func (d *Document) snapshot() *snapshot {
	s := &snapshot{State: object{}, Metadata: object{}, Version: d.version}
	for name, sec := range map[string]section{"desired": d.desired, "reported": d.reported} {
		if len(sec.state) > 0 {
			s.State[name], s.Metadata[name] = sec.state, sec.meta
		}
	}
	return s
}

// delta returns what desired has and reported has not, or otherwise: nested
// paths from the root, arrays whole, metadata of desired. Nil when there is no
// difference.
func (d *Document) delta() (state, meta object) {
	return diff(d.desired.state, d.desired.meta, d.reported.state)
}
