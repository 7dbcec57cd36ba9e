package jobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// dump is everything that a service has, as text.
func dump(t *testing.T, s *Service) string {
	t.Helper()
	var b strings.Builder
	for _, j := range s.Jobs() {
		_, executions, err := s.Job(j.ID)
		if err != nil {
			t.Fatal(err)
		}
		text, bad := json.Marshal(j)
		if bad != nil {
			t.Fatal(bad)
		}
		fmt.Fprintf(&b, "%s\n", text)
		for _, e := range executions {
			fmt.Fprintf(&b, "  %s %s %v %v %d %d %v\n", e.ThingName, e.Document, e.Status, e.StatusDetails, e.VersionNumber, e.ExecutionNumber,
				[]int64{e.QueuedAt.UnixNano(), seconds(e.StartedAt), e.LastUpdatedAt.UnixNano(), seconds(e.TimesOutAt)})
		}
	}
	for _, name := range []string{"a", "b", "c"} {
		var list, pending []string
		for _, e := range s.List(name) {
			list = append(list, fmt.Sprintf("%s#%d", e.JobID, e.ExecutionNumber))
		}
		for _, e := range s.Pending(name) {
			pending = append(pending, e.JobID)
		}
		fmt.Fprintf(&b, "%s %v %v\n", name, list, pending)
	}
	at, any := s.NextTimeout()
	fmt.Fprintln(&b, seconds(at), any)
	return b.String()
}

// disk keeps records in a map, when it has room.
type disk struct {
	all  map[string][]byte
	full bool
}

func (d *disk) keep(records []Record) error {
	if d.full {
		return errors.New("no space left")
	}
	for _, r := range records {
		if delete(d.all, r.Key); r.Value != nil {
			d.all[r.Key] = r.Value
		}
	}
	return nil
}

func (d *disk) restore(t *testing.T) *Service {
	t.Helper()
	s := NewService(Limits{})
	for _, ofThing := range []bool{false, true} {
		for k, v := range d.all {
			if strings.Contains(k, "/") == ofThing {
				if err := s.Restore(Record{k, v}); err != nil {
					t.Fatalf("%s %s: %v", k, v, err)
				}
			}
		}
	}
	return s
}

// randomOp does something to jobs 1 to 3 of things a to c. Its name is for messages.
func randomOp(s *Service, rng *rand.Rand, now time.Time) (name string, err *Error, what []Event) {
	one := func(of ...string) string { return of[rng.IntN(len(of))] }
	thing, id, force := one("a", "b", "c"), one("1", "2", "3"), rng.IntN(2) == 0
	o := Options{InProgressTimeout: time.Duration(rng.IntN(3)) * time.Minute, Retry: Retry{All: rng.IntN(2), Failed: rng.IntN(2)}}
	document := []byte(one(`{"x":1}`, `{}`))
	switch name = one("create", "fleet", "start", "update", "update", "update", "cancel", "remove", "delete", "delete execution", "cancel job", "delete job", "update job", "associate", "joined", "left"); name {
	case "create":
		what, err = s.Create(thing, id, document, o, now)
	case "fleet":
		what, err = s.CreateJob(id, NewJob{Document: document, Targets: []string{ThingTarget + thing, GroupTarget + "g"}, Things: []string{thing, one("a", "b", "c")}, Continuous: force, Options: o}, now)
	case "start":
		_, what = s.Do(StartNext, thing, "", []byte(`{"stepTimeoutInMinutes":1}`), now)
	case "update":
		_, what = s.Do(Update, thing, id, []byte(one(`{"status":"FAILED"}`, `{"status":"SUCCEEDED","statusDetails":{"a":"b"}}`, `{"status":"IN_PROGRESS"}`)), now)
	case "cancel":
		what, err = s.Cancel(thing, id, CancelOptions{Force: force}, now)
	case "remove":
		what, err = s.Remove(thing, id, now)
	case "delete":
		what, err = s.Delete(thing, id, DeleteOptions{Force: force}, now)
	case "delete execution":
		what, err = s.DeleteExecution(thing, id, int64(rng.IntN(3)), force, now)
	case "cancel job":
		what, err = s.CancelJob(id, JobCancel{Force: force, Comment: "c"}, now)
	case "delete job":
		what, err = s.DeleteJob(id, force, now)
	case "update job":
		err = s.UpdateJob(id, Change{Description: new("d"), Retry: &Retry{Failed: 1}}, now)
	case "associate":
		what, err = s.Associate(id, []string{ThingTarget + thing}, []string{thing}, "more", now)
	case "joined":
		what = s.Joined(GroupTarget+"g", thing, now)
	case "left":
		what = s.Left(GroupTarget+"g", thing, func(string) bool { return force }, now)
	}
	return name, err, what
}

// Whatever is done, what was kept is what there is; and what cannot be kept has not happened.
func TestKeep(t *testing.T) {
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 1))
		d := &disk{all: map[string][]byte{}}
		s := NewService(Limits{})
		s.Keep(d.keep)
		now := t0
		for step := range 100 {
			now = now.Add(time.Duration(rng.IntN(30)) * time.Second)
			s.Expire(now) // by itself: it happens also when it cannot be kept
			before := dump(t, s)
			d.full = rng.IntN(4) == 0
			name, err, events := randomOp(s, rng, now)
			after := dump(t, s)
			if d.full && (before != after || len(events) > 0) {
				t.Fatalf("seed %d step %d: %s could not be kept (%v) and did\n%s%v\nbefore:\n%s", seed, step, name, err, after, show(events), before)
			}
			if restored := dump(t, d.restore(t)); restored != after {
				t.Fatalf("seed %d step %d: after %s there is\n%s\nkept is\n%s", seed, step, name, after, restored)
			}
			d.full = false
			if step%20 == 19 { // a restart, after which everything goes on
				s = d.restore(t)
				s.Keep(d.keep)
			}
		}
	}
}

// A device is told that its update could not be kept.
func TestKeepFails(t *testing.T) {
	d := &disk{all: map[string][]byte{}}
	s := NewService(Limits{})
	s.Keep(d.keep)
	run(t, s, create("j", `{}`, Options{}, "notify", "notify-next"))
	d.full = true
	run(t, s, ask(Update, "j", `{"status":"SUCCEEDED","clientToken":"t"}`,
		`rejected {"code":"InternalError","message":"the change cannot be kept: no space left","clientToken":"t","timestamp":1000}`),
		create("k", `{}`, Options{}, "iotlocal: jobs: InternalError: the change cannot be kept: no space left"),
		ask(GetPending, "", ``, `accepted {"timestamp":1000,"inProgressJobs":[],"queuedJobs":[{"jobId":"j","queuedAt":1000,"lastUpdatedAt":1000,"executionNumber":1,"versionNumber":1}]}`))
	d.full = false
	run(t, s, ask(Update, "j", `{"status":"SUCCEEDED"}`, "accepted", "notify", "notify-next"))
}

// A timer runs out also when that cannot be kept, and is kept with the next change.
func TestExpireUnkept(t *testing.T) {
	d := &disk{all: map[string][]byte{}}
	s := NewService(Limits{})
	s.Keep(d.keep)
	run(t, s, create("j", `{}`, Options{InProgressTimeout: time.Minute}), create("k", `{}`, Options{}), ask(StartNext, "", ``))
	d.full = true
	run(t, s, expire(2*time.Minute, "notify", "notify-next"))
	d.full = false
	run(t, s, later(3*time.Minute, ask(StartNext, "", ``, "accepted")))
	e, err := d.restore(t).Get(lamp, "j", 0)
	if err != nil || e.Status != TimedOut {
		t.Fatalf("%v %v", e.Status, err)
	}
}

func TestRestoreRefuses(t *testing.T) {
	const (
		good = `{"id":"j","document":{},"targets":["thing/a"],"status":"IN_PROGRESS","createdAt":"2026-01-01T00:00:00Z","lastUpdatedAt":"2026-01-01T00:00:00Z"}`
		exec = `{"retry":{},"executions":[{"number":1,"order":1,"status":"QUEUED","version":1,"queued":"2026-01-01T00:00:00Z","updated":"2026-01-01T00:00:00Z"}]}`
	)
	at := func(old, new string) string { return strings.Replace(exec, old, new, 1) }
	for _, tt := range []struct{ name, key, value, err string }{
		{"a job id", "j j", good, "Invalid job id"},
		{"no JSON", "j", `{`, "unexpected end"},
		{"another job", "k", good, "of the job"},
		{"a status", "j", strings.Replace(good, "IN_PROGRESS", "QUEUED", 1), "with the status"},
		{"a document", "j", strings.Replace(good, `"document":{}`, `"document":[]`, 1), "not a JSON object"},
		{"a thing", "a b/j", exec, "name"},
		{"a job that is not there", "a/k", exec, "no job k"},
		{"no execution", "a/j", `{}`, "no execution"},
		{"a number", "a/j", at(`"number":1`, `"number":0`), "the number 0"},
		{"an order", "a/j", at(`"order":1`, `"order":0`), "the order 0"},
		{"no status", "a/j", at(`"status":"QUEUED",`, ``), "the status"},
		{"a timer", "a/j", at(`"version":1`, `"version":1,"step":"2026-01-01T00:00:00Z"`), "has a timer"},
		{"retries", "a/j", at(`"retry":{}`, `"retry":{"All":99}`), "more than"},
		{"pending before another", "a/j", at(`]}`, `,{"number":2,"order":2,"status":"QUEUED","version":1,"queued":"2026-01-01T00:00:00Z","updated":"2026-01-01T00:00:00Z"}]}`), "not the last"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := NewService(Limits{})
			if err := s.Restore(Record{"j", []byte(good)}); err != nil {
				t.Fatal(err)
			}
			if err := s.Restore(Record{tt.key, []byte(tt.value)}); err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%v, want %q", err, tt.err)
			}
		})
	}
}

func FuzzRestore(f *testing.F) {
	d := &disk{all: map[string][]byte{}}
	s := NewService(Limits{})
	s.Keep(d.keep)
	if _, err := s.Create("a", "j", []byte(`{"x":1}`), Options{InProgressTimeout: time.Minute, Retry: Retry{All: 1}}, t0); err != nil {
		f.Fatal(err)
	}
	f.Add(d.all["j"], d.all["a/j"])
	s.Do(StartNext, "a", "", []byte(`{"stepTimeoutInMinutes":1}`), t0)
	f.Add(d.all["j"], d.all["a/j"])
	f.Fuzz(func(t *testing.T, job, part []byte) {
		s := NewService(Limits{})
		if s.Restore(Record{"j", job}) != nil || s.Restore(Record{"a/j", part}) != nil {
			return
		}
		rng := rand.New(rand.NewPCG(1, 1)) // whatever it is, the service works with it
		for range 50 {
			randomOp(s, rng, t0)
		}
		s.Expire(t0.Add(time.Hour))
		dump(t, s)
	})
}
