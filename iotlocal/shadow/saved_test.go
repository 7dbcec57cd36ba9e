package shadow

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// kept is a Service that keeps what it does in a map.
func kept(t *testing.T) (*Service, map[ID][]byte) {
	t.Helper()
	all := map[ID][]byte{}
	s := NewService(Limits{})
	s.Keep(func(id ID, saved []byte) error {
		all[id] = bytes.Clone(saved)
		return nil
	})
	return s, all
}

func mustDo(t *testing.T, s *Service, op Op, id ID, body string) string {
	t.Helper()
	events, err := s.Do(op, id, []byte(body), t0)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, e := range events {
		all.WriteString(e.Suffix + " " + string(e.Payload) + "\n")
	}
	return all.String()
}

// What was kept is, restored, what it was: state, metadata, numbers as written, versions, and those of deleted shadows.
func TestRestore(t *testing.T) {
	s, all := kept(t)
	classic, named, gone := ID{Thing: lamp}, ID{lamp, "config"}, ID{lamp, "gone"}
	mustDo(t, s, Update, classic, `{"state":{"desired":{"a":1.50,"n":{"x":[1,{"y":2}]}},"reported":{"a":12345678901234567890}}}`)
	mustDo(t, s, Update, classic, `{"state":{"reported":{"n":{"x":1}}}}`)
	mustDo(t, s, Update, named, `{"state":null}`)
	mustDo(t, s, Update, gone, `{"state":{"desired":{"a":1}}}`)
	mustDo(t, s, Delete, gone, ``)
	r := NewService(Limits{})
	for _, text := range all {
		if err := r.Restore(text); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []ID{classic, named} {
		if got, want := mustDo(t, r, Get, id, ``), mustDo(t, s, Get, id, ``); got != want {
			t.Errorf("%v:\ngot  %s\nwant %s", id, got, want)
		}
	}
	if v, exists := r.Version(gone); v != 2 || exists {
		t.Errorf("the deleted shadow: version %d, exists %v", v, exists)
	}
	const more = `{"state":{"desired":{"n":{"x":null}}}}`
	for _, id := range []ID{classic, named, gone} {
		if got, want := mustDo(t, r, Update, id, more), mustDo(t, s, Update, id, more); got != want {
			t.Errorf("an update of %v:\ngot  %s\nwant %s", id, got, want)
		}
	}
}

// A change that cannot be kept is refused and has not happened.
func TestKeepFails(t *testing.T) {
	s, _ := kept(t)
	id := ID{Thing: lamp}
	mustDo(t, s, Update, id, `{"state":{"desired":{"a":1}}}`)
	before := mustDo(t, s, Get, id, ``)
	s.Keep(func(ID, []byte) error { return errors.New("no space left") })
	for _, op := range []Op{Update, Delete} {
		events, err := s.Do(op, id, []byte(`{"state":{"desired":{"a":2}},"clientToken":"t"}`), t1)
		if err == nil || err.Code != 500 || !strings.Contains(err.Message, "no space left") {
			t.Fatalf("%v: %v", op, err)
		}
		if len(events) != 1 || events[0].Suffix != op.String()+"/rejected" || !strings.Contains(string(events[0].Payload), `"clientToken":"t"`) {
			t.Errorf("%v: %v", op, events)
		}
	}
	if after := mustDo(t, s, Get, id, ``); after != before {
		t.Errorf("before %s after %s", before, after)
	}
}

func TestRestoreRefuses(t *testing.T) {
	for _, text := range []string{``, `[]`, `{}`, `{"thing":"a"}`, `{"thing":"a","version":0}`, `{"thing":"a","version":1,"desired":{"a":1},"desiredMetadata":{"a":{}}}`,
		`{"thing":"a","version":1,"exists":true,"desired":{"a":1}}`, `{"thing":"a","version":1,"exists":true,"reported":{"a":1},"reportedMetadata":{"b":{}}}`,
		`{"thing":1,"version":1,"exists":true}`} {
		if err := NewService(Limits{}).Restore([]byte(text)); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
}

func FuzzRestore(f *testing.F) {
	f.Add([]byte(`{"thing":"a","version":1,"exists":true,"desired":{"a":1},"desiredMetadata":{"a":{"timestamp":1}}}`))
	f.Add([]byte(`{"thing":"a","name":"b","version":3}`))
	f.Add([]byte(`{"thing":"a","version":1,"exists":true,"desired":{"a":{"b":[1]}},"desiredMetadata":{"a":3}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s := NewService(Limits{})
		if s.Restore(text) != nil {
			return
		}
		for id := range s.docs { // whatever it is, the service works with it
			_, _ = s.Do(Get, id, nil, t0)
			_, _ = s.Do(Update, id, []byte(`{"state":{"desired":{"a":{"b":{"c":1}}},"reported":{"a":{"b":2}}}}`), t0)
			_, _ = s.Do(Delete, id, nil, t0)
		}
	})
}
