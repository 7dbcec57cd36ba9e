package jobs

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// progress shows a job: its status, then THING:STATUS of every execution.
func progress(t *testing.T, s *Service, id string) string {
	t.Helper()
	j, all, err := s.Job(id)
	if err != nil {
		return string(err.Code)
	}
	out := []string{string(j.Status)}
	for _, e := range all {
		out = append(out, fmt.Sprintf("%s:%v", e.ThingName, e.Status))
	}
	return strings.Join(out, " ")
}

func update(t *testing.T, s *Service, thing, id, status string) {
	t.Helper()
	if a, _ := s.Do(Update, thing, id, []byte(`{"status":"`+status+`"}`), t0); !a.Accepted {
		t.Fatalf("%s", a.Payload)
	}
}

func newJob(t *testing.T, s *Service, id string, n NewJob) {
	t.Helper()
	n.Document = []byte(`{}`)
	if _, err := s.CreateJob(id, n, t0); err != nil {
		t.Fatal(err)
	}
}

func TestFleetJobs(t *testing.T) {
	ab := NewJob{Targets: []string{"thing/a", "thinggroup/g"}, Things: []string{"a", "b"}}
	continuous := ab
	continuous.Continuous = true
	still := func(targets ...string) func(string) bool {
		return func(target string) bool { return slices.Contains(targets, target) }
	}
	for _, tt := range []struct {
		name string
		job  NewJob
		do   func(*testing.T, *Service)
		want string
	}{
		{"queued for every thing", ab, func(*testing.T, *Service) {}, "IN_PROGRESS a:QUEUED b:QUEUED"},
		{"completed with the last one", ab, func(t *testing.T, s *Service) {
			update(t, s, "a", "j", "SUCCEEDED")
			if got, want := progress(t, s, "j"), "IN_PROGRESS a:SUCCEEDED b:QUEUED"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			update(t, s, "b", "j", "REJECTED")
		}, "COMPLETED a:SUCCEEDED b:REJECTED"},
		{"a retry keeps it in progress", NewJob{Targets: ab.Targets, Things: []string{"a"}, Options: Options{Retry: Retry{Failed: 1}}}, func(t *testing.T, s *Service) {
			update(t, s, "a", "j", "FAILED")
		}, "IN_PROGRESS a:FAILED a:QUEUED"},
		{"no thing", NewJob{Targets: ab.Targets}, func(*testing.T, *Service) {}, "COMPLETED"},
		{"continuous never completes", continuous, func(t *testing.T, s *Service) {
			update(t, s, "a", "j", "SUCCEEDED")
			update(t, s, "b", "j", "SUCCEEDED")
		}, "IN_PROGRESS a:SUCCEEDED b:SUCCEEDED"},
		{"a member of a target of a snapshot", ab, func(t *testing.T, s *Service) { s.Joined("thinggroup/g", "c", t0) }, "IN_PROGRESS a:QUEUED b:QUEUED"},
		{"a new member of a continuous one", continuous, func(t *testing.T, s *Service) {
			if events := s.Joined("thinggroup/g", "c", t0); len(events) != 2 || events[0].Thing != "c" {
				t.Errorf("%v", show(events))
			}
			s.Joined("thinggroup/other", "d", t0)
			s.Joined("thinggroup/g", "a", t0) // has it
		}, "IN_PROGRESS a:QUEUED b:QUEUED c:QUEUED"},
		{"a member left", continuous, func(t *testing.T, s *Service) {
			s.Left("thinggroup/g", "b", still(), t0)
			s.Left("thinggroup/g", "a", still("thing/a"), t0)
		}, "IN_PROGRESS a:QUEUED b:REMOVED"},
		{"associated", continuous, func(t *testing.T, s *Service) {
			if _, err := s.Associate("j", []string{"thing/c"}, []string{"c", "a"}, "more", t0); err != nil {
				t.Fatal(err)
			}
			if j, _, _ := s.Job("j"); j.Comment != "more" || !slices.Contains(j.Targets, "thing/c") {
				t.Errorf("%+v", j)
			}
		}, "IN_PROGRESS a:QUEUED b:QUEUED c:QUEUED"},
		{"cancelled", ab, func(t *testing.T, s *Service) {
			update(t, s, "a", "j", "IN_PROGRESS")
			if _, err := s.CancelJob("j", JobCancel{Comment: "why", ReasonCode: "R"}, t0.Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			if j, _, _ := s.Job("j"); j.Comment != "why" || j.ReasonCode != "R" || j.ForceCanceled || !j.CompletedAt.Equal(t0.Add(time.Hour)) {
				t.Errorf("%+v", j)
			}
		}, "CANCELED a:IN_PROGRESS b:CANCELED"},
		{"cancelled, and then by force", ab, func(t *testing.T, s *Service) {
			update(t, s, "a", "j", "IN_PROGRESS")
			for _, force := range []bool{false, true} {
				if _, err := s.CancelJob("j", JobCancel{Force: force}, t0); err != nil {
					t.Fatal(err)
				}
			}
		}, "CANCELED a:CANCELED b:CANCELED"},
		{"deleted by force", ab, func(t *testing.T, s *Service) {
			if _, err := s.DeleteJob("j", true, t0); err != nil {
				t.Fatal(err)
			}
			if left := append(s.List("a"), s.List("b")...); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		}, "ResourceNotFound"},
		{"deleted once it has ended", ab, func(t *testing.T, s *Service) {
			update(t, s, "a", "j", "SUCCEEDED")
			update(t, s, "b", "j", "SUCCEEDED")
			if _, err := s.DeleteJob("j", false, t0); err != nil {
				t.Fatal(err)
			}
		}, "ResourceNotFound"},
		{"an execution deleted", ab, func(t *testing.T, s *Service) {
			update(t, s, "a", "j", "SUCCEEDED")
			if _, err := s.DeleteExecution("a", "j", 1, false, t0); err != nil {
				t.Fatal(err)
			}
		}, "IN_PROGRESS b:QUEUED"},
		{"the last one deleted", ab, func(t *testing.T, s *Service) {
			for _, thing := range []string{"a", "b"} {
				if _, err := s.DeleteExecution(thing, "j", 1, true, t0); err != nil {
					t.Fatal(err)
				}
			}
		}, "COMPLETED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := NewService(Limits{})
			newJob(t, s, "j", tt.job)
			tt.do(t, s)
			if got := progress(t, s, "j"); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// A job of Create is one for every thing that has it.
func TestJobsOfCreate(t *testing.T) {
	s := NewService(Limits{})
	for thing, document := range map[string]string{"a": `{"x":1}`, "b": `{"x":2}`} {
		if _, err := s.Create(thing, "j", []byte(document), Options{}, t0); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := progress(t, s, "j"), "IN_PROGRESS a:QUEUED b:QUEUED"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	update(t, s, "a", "j", "SUCCEEDED")
	update(t, s, "b", "j", "SUCCEEDED")
	if got, want := progress(t, s, "j"), "COMPLETED a:SUCCEEDED b:SUCCEEDED"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, err := s.Create("c", "j", []byte(`{}`), Options{}, t0); err != nil {
		t.Fatal(err)
	}
	if got, want := progress(t, s, "j"), "IN_PROGRESS a:SUCCEEDED b:SUCCEEDED c:QUEUED"; got != want {
		t.Errorf("with another thing: got %s, want %s", got, want)
	}
	for _, thing := range []string{"a", "b", "c"} {
		if _, err := s.Delete(thing, "j", DeleteOptions{}, t0); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := progress(t, s, "j"), "ResourceNotFound"; got != want {
		t.Errorf("deleted everywhere: got %s, want %s", got, want)
	}
	newJob(t, s, "k", NewJob{Targets: []string{"thing/a"}, Things: []string{"a"}})
	if _, err := s.Create("b", "k", []byte(`{}`), Options{}, t0); err == nil || err.Code != AlreadyExists {
		t.Errorf("a job of CreateJob, made for another thing: %v", err)
	}
}

func TestFleetRefusals(t *testing.T) {
	one := NewJob{Document: []byte(`{}`), Targets: []string{"thing/a"}, Things: []string{"a"}}
	with := func(f func(*NewJob)) NewJob {
		n := one
		f(&n)
		return n
	}
	createJob := func(id string, n NewJob) func(*Service) *Error {
		return func(s *Service) *Error { _, err := s.CreateJob(id, n, t0); return err }
	}
	many := make([]string, MaxTargets+1)
	for i := range many {
		many[i] = fmt.Sprintf("thing/t%d", i)
	}
	for _, tt := range []struct {
		name string
		do   func(*Service) *Error
		code Code
		text string
	}{
		{"id", createJob("j j", one), InvalidRequest, "Invalid job id"},
		{"no targets", createJob("k", with(func(n *NewJob) { n.Targets = nil })), InvalidRequest, "0 targets"},
		{"too many targets", createJob("k", with(func(n *NewJob) { n.Targets = many })), InvalidRequest, "101 targets"},
		{"thing", createJob("k", with(func(n *NewJob) { n.Things = []string{"a b"} })), InvalidRequest, "thing name"},
		{"document", createJob("k", with(func(n *NewJob) { n.Document = []byte(`[]`) })), InvalidRequest, "document"},
		{"timeout", createJob("k", with(func(n *NewJob) { n.Options.InProgressTimeout = -1 })), InvalidRequest, "InProgressTimeout"},
		{"twice", createJob("j", one), AlreadyExists, "already exists"},
		{"associate a snapshot", func(s *Service) *Error { _, err := s.Associate("j", one.Targets, nil, "", t0); return err }, InvalidRequest, "not continuous"},
		{"associate too many", func(s *Service) *Error { _, err := s.Associate("c", many, nil, "", t0); return err }, InvalidRequest, "more than 100"},
		{"associate nothing", func(s *Service) *Error { _, err := s.Associate("c", nil, nil, "", t0); return err }, InvalidRequest, "no targets"},
		{"associate what has ended", func(s *Service) *Error {
			if _, err := s.CancelJob("c", JobCancel{}, t0); err != nil {
				return err
			}
			_, err := s.Associate("c", one.Targets, nil, "", t0)
			return err
		}, InvalidRequest, "CANCELED"},
		{"update what has ended", func(s *Service) *Error { return s.UpdateJob("done", Change{Description: new("x")}, t0) }, InvalidRequest, "COMPLETED"},
		{"update with a bad timeout", func(s *Service) *Error { return s.UpdateJob("j", Change{Timeout: new(-time.Second)}, t0) }, InvalidRequest, "InProgressTimeout"},
		{"cancel what has ended", func(s *Service) *Error { _, err := s.CancelJob("done", JobCancel{}, t0); return err }, InvalidRequest, "COMPLETED"},
		{"delete what is in progress", func(s *Service) *Error { _, err := s.DeleteJob("j", false, t0); return err }, InvalidStateTransition, "by force only"},
		{"delete an execution that is queued", func(s *Service) *Error { _, err := s.DeleteExecution("a", "j", 1, false, t0); return err }, InvalidStateTransition, "QUEUED"},
		{"delete an execution that is not there", func(s *Service) *Error { _, err := s.DeleteExecution("a", "j", 2, false, t0); return err }, ResourceNotFound, "no execution 2"},
		{"a job that is not there", func(s *Service) *Error { _, err := s.CancelJob("none", JobCancel{}, t0); return err }, ResourceNotFound, "none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := NewService(Limits{})
			newJob(t, s, "j", one)
			newJob(t, s, "done", NewJob{Targets: one.Targets})
			newJob(t, s, "c", NewJob{Targets: one.Targets, Continuous: true})
			err := tt.do(s)
			if err == nil || err.Code != tt.code || !strings.Contains(err.Message, tt.text) {
				t.Errorf("%v, want %v with %q", err, tt.code, tt.text)
			}
		})
	}
}
