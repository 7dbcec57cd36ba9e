package jobs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
)

const lamp = "lamp"

// t0 is when every test begins.
var t0 = time.Unix(1000, 0)

// step is a request of the device or an act of the operator, and what comes of
// it, in order: "accepted PAYLOAD" or "rejected PAYLOAD" for a request, then
// "notify PAYLOAD" and "notify-next PAYLOAD". A line without payload is for any.
type step struct {
	after time.Duration // before it
	do    func(*Service, time.Time) []string
	want  []string
}

func ask(op Op, job, payload string, want ...string) step {
	return step{do: func(s *Service, now time.Time) []string {
		a, events := s.Do(op, lamp, job, []byte(payload), now)
		verdict := "rejected "
		if a.Accepted {
			verdict = "accepted "
		}
		return append([]string{verdict + string(a.Payload)}, show(events)...)
	}, want: want}
}

func act(f func(*Service, time.Time) ([]Event, *Error), want ...string) step {
	return step{do: func(s *Service, now time.Time) []string {
		events, err := f(s, now)
		if err != nil {
			return append(show(events), err.Error())
		}
		return show(events)
	}, want: want}
}

func show(events []Event) (out []string) {
	for _, e := range events {
		out = append(out, fmt.Sprintf("%v %s", e.Op, e.Payload))
	}
	return out
}

func create(job, document string, o Options, want ...string) step {
	return act(func(s *Service, now time.Time) ([]Event, *Error) {
		return s.Create(lamp, job, []byte(document), o, now)
	}, want...)
}

func cancel(job string, o CancelOptions, want ...string) step {
	return act(func(s *Service, now time.Time) ([]Event, *Error) { return s.Cancel(lamp, job, o, now) }, want...)
}

func remove(job string, want ...string) step {
	return act(func(s *Service, now time.Time) ([]Event, *Error) { return s.Remove(lamp, job, now) }, want...)
}

func erase(job string, o DeleteOptions, want ...string) step {
	return act(func(s *Service, now time.Time) ([]Event, *Error) { return s.Delete(lamp, job, o, now) }, want...)
}

// expire lets time pass, then the timers do their work.
func expire(after time.Duration, want ...string) step {
	s := act(func(s *Service, now time.Time) ([]Event, *Error) { return s.Expire(now), nil }, want...)
	s.after = after
	return s
}

func later(d time.Duration, s step) step {
	s.after = d
	return s
}

// run plays the steps from t0 on.
func run(t *testing.T, s *Service, steps ...step) {
	t.Helper()
	now := t0
	for i, st := range steps {
		now = now.Add(st.after)
		got := st.do(s, now)
		if st.want == nil {
			continue
		}
		if len(got) != len(st.want) {
			t.Fatalf("step %d: got\n%s\nwant\n%s", i, strings.Join(got, "\n"), strings.Join(st.want, "\n"))
		}
		for j, want := range st.want {
			if name, _, _ := strings.Cut(got[j], " "); got[j] != want && name != want {
				t.Errorf("step %d line %d:\n got %s\nwant %s", i, j, got[j], want)
			}
		}
	}
}

// quiet is the want of a step of which nothing may come.
var quiet = []string{}

func TestRequests(t *testing.T) {
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"get pending of nothing", []step{
			ask(GetPending, "", `{"clientToken":"a"}`, `accepted {"clientToken":"a","timestamp":1000,"inProgressJobs":[],"queuedJobs":[]}`)}},
		{"an empty body and an empty token", []step{
			ask(GetPending, "", ``, `accepted {"timestamp":1000,"inProgressJobs":[],"queuedJobs":[]}`),
			ask(StartNext, "", ``, `accepted {"timestamp":1000}`),
			ask(Describe, topic.NextJob, ``, `accepted {"timestamp":1000}`),
			ask(GetPending, "", `{"clientToken":""}`, `accepted {"clientToken":"","timestamp":1000,"inProgressJobs":[],"queuedJobs":[]}`),
			ask(GetPending, "", `{"clientToken":null}`, `accepted {"timestamp":1000,"inProgressJobs":[],"queuedJobs":[]}`)}},
		{"get pending lists both kinds, in the order of queueing", []step{
			create("a", `{}`, Options{}), later(time.Second, create("b", `{}`, Options{})), create("c", `{}`, Options{}),
			later(time.Second, ask(Update, "b", `{"status":"IN_PROGRESS"}`)),
			ask(GetPending, "", `{}`, `accepted {"timestamp":1002,"inProgressJobs":[{"jobId":"b","queuedAt":1001,"lastUpdatedAt":1002,"startedAt":1002,"executionNumber":1,"versionNumber":2}],`+
				`"queuedJobs":[{"jobId":"a","queuedAt":1000,"lastUpdatedAt":1000,"executionNumber":1,"versionNumber":1},{"jobId":"c","queuedAt":1001,"lastUpdatedAt":1001,"executionNumber":1,"versionNumber":1}]}`)}},
		{"start-next starts the oldest with the details", []step{
			create("b", ` { "n" : 1.0, "t" : "<é>" } `, Options{}), create("a", `{}`, Options{}),
			later(5*time.Second, ask(StartNext, "", `{"clientToken":"x","statusDetails":{"by":"me"}}`,
				`accepted {"clientToken":"x","timestamp":1005,"execution":{"jobId":"b","thingName":"lamp","status":"IN_PROGRESS","statusDetails":{"by":"me"},`+
					`"queuedAt":1000,"startedAt":1005,"lastUpdatedAt":1005,"versionNumber":2,"executionNumber":1,"jobDocument":{"n":1.0,"t":"<é>"}}}`)),
		}},
		{"start-next returns what is in progress unchanged", []step{
			create("a", `{}`, Options{}), create("b", `{}`, Options{}), ask(StartNext, "", `{"statusDetails":{"by":"me"}}`),
			later(time.Second, ask(StartNext, "", `{"statusDetails":{"by":"you"}}`,
				`accepted {"timestamp":1001,"execution":{"jobId":"a","thingName":"lamp","status":"IN_PROGRESS","statusDetails":{"by":"me"},`+
					`"queuedAt":1000,"startedAt":1000,"lastUpdatedAt":1000,"versionNumber":2,"executionNumber":1,"jobDocument":{}}}`))}},
		{"describe", []step{
			create("a", `{"x":1}`, Options{}),
			ask(Describe, "a", `{"clientToken":"x"}`, `accepted {"clientToken":"x","timestamp":1000,"execution":{"jobId":"a","thingName":"lamp","status":"QUEUED","queuedAt":1000,"lastUpdatedAt":1000,"versionNumber":1,"executionNumber":1,"jobDocument":{"x":1}}}`),
			ask(Describe, "a", `{"includeJobDocument":false,"executionNumber":1}`, `accepted {"timestamp":1000,"execution":{"jobId":"a","thingName":"lamp","status":"QUEUED","queuedAt":1000,"lastUpdatedAt":1000,"versionNumber":1,"executionNumber":1}}`),
			ask(Describe, "a", `{"executionNumber":"1","includeJobDocument":true}`, `accepted`)}},
		{"describe $next prefers what is in progress", []step{
			create("a", `{}`, Options{}), create("b", `{}`, Options{}), ask(Update, "b", `{"status":"IN_PROGRESS"}`),
			ask(Describe, topic.NextJob, `{"includeJobDocument":false}`, `accepted {"timestamp":1000,"execution":{"jobId":"b","thingName":"lamp","status":"IN_PROGRESS","queuedAt":1000,"startedAt":1000,"lastUpdatedAt":1000,"versionNumber":2,"executionNumber":1}}`)}},
		{"update answers with what is asked for", []step{
			create("a", `{"x":1}`, Options{}),
			ask(Update, "a", `{"status":"IN_PROGRESS","clientToken":"x"}`, `accepted {"clientToken":"x","timestamp":1000}`),
			ask(Update, "a", `{"status":"IN_PROGRESS","includeJobExecutionState":true}`, `accepted {"timestamp":1000,"executionState":{"status":"IN_PROGRESS","versionNumber":3}}`),
			ask(Update, "a", `{"status":"IN_PROGRESS","includeJobDocument":true}`, `accepted {"timestamp":1000,"jobDocument":{"x":1}}`),
			ask(Update, "a", `{"status":"SUCCEEDED","statusDetails":{"p":"100%"},"includeJobDocument":true,"includeJobExecutionState":true}`,
				`accepted {"timestamp":1000,"executionState":{"status":"SUCCEEDED","statusDetails":{"p":"100%"},"versionNumber":5},"jobDocument":{"x":1}}`, "notify", "notify-next")}},
		{"details stay unless specified, and are replaced whole", []step{
			create("a", `{}`, Options{}),
			ask(Update, "a", `{"status":"IN_PROGRESS","statusDetails":{"a":"1","b":"2"}}`),
			ask(Update, "a", `{"status":"IN_PROGRESS","includeJobExecutionState":true}`, `accepted {"timestamp":1000,"executionState":{"status":"IN_PROGRESS","statusDetails":{"a":"1","b":"2"},"versionNumber":3}}`),
			ask(Update, "a", `{"status":"IN_PROGRESS","statusDetails":{"b":"3"},"includeJobExecutionState":true}`, `accepted {"timestamp":1000,"executionState":{"status":"IN_PROGRESS","statusDetails":{"b":"3"},"versionNumber":4}}`),
			ask(Update, "a", `{"status":"IN_PROGRESS","statusDetails":{},"includeJobExecutionState":true}`, `accepted {"timestamp":1000,"executionState":{"status":"IN_PROGRESS","versionNumber":5}}`)}},
		{"v1 sends numbers as strings", []step{
			create("a", `{}`, Options{ExecutionNumber: 2}),
			ask(Update, "a", `{"status":"IN_PROGRESS","expectedVersion":"1","executionNumber":"2","stepTimeoutInMinutes":"5"}`, `accepted`),
			ask(Update, "a", `{"status":"IN_PROGRESS","expectedVersion":2,"executionNumber":2}`, `accepted`)}},
		{"a device may end what it has not started", []step{
			create("a", `{}`, Options{}), create("b", `{}`, Options{}), create("c", `{}`, Options{}),
			ask(Update, "a", `{"status":"SUCCEEDED"}`, "accepted", "notify", "notify-next"),
			ask(Update, "b", `{"status":"REJECTED"}`, "accepted", "notify", "notify-next"),
			ask(Update, "c", `{"status":"FAILED"}`, "accepted", `notify {"timestamp":1000,"jobs":{}}`, `notify-next {"timestamp":1000}`)}},
	} {
		t.Run(tt.name, func(t *testing.T) { run(t, NewService(Limits{}), tt.steps...) })
	}
}

// The series of examples in jobs-comm-notifications.html, with its own ids.
func TestNotifications(t *testing.T) {
	job := func(id string, queued, updated int, more string) string {
		return fmt.Sprintf(`{"jobId":%q,"queuedAt":%d,"lastUpdatedAt":%d,%s}`, id, queued, updated, more)
	}
	const q, doc = `"executionNumber":1,"versionNumber":1`, `{"operation":"test"}`
	next := func(id, status string, queued int) string {
		return fmt.Sprintf(`"execution":{"jobId":%q,"thingName":"lamp","status":%q,"queuedAt":%d,`, id, status, queued)
	}
	run(t, NewService(Limits{}),
		create("job1", doc, Options{}, `notify {"timestamp":1000,"jobs":{"QUEUED":[`+job("job1", 1000, 1000, q)+`]}}`,
			`notify-next {"timestamp":1000,`+next("job1", "QUEUED", 1000)+`"lastUpdatedAt":1000,"versionNumber":1,"executionNumber":1,"jobDocument":{"operation":"test"}}}`),
		// Another job: the next one is the same.
		later(time.Second, create("job2", doc, Options{}, `notify {"timestamp":1001,"jobs":{"QUEUED":[`+job("job1", 1000, 1000, q)+","+job("job2", 1001, 1001, q)+`]}}`)),
		// job1 starts and reports: neither the list nor the next one is another.
		later(time.Second, ask(StartNext, "", `{}`, "accepted")),
		ask(Update, "job1", `{"status":"IN_PROGRESS"}`, "accepted"),
		ask(StartNext, "", `{}`, "accepted"),
		later(time.Second, create("job3", doc, Options{}, `notify {"timestamp":1003,"jobs":{"IN_PROGRESS":[`+job("job1", 1000, 1002, `"startedAt":1002,"executionNumber":1,"versionNumber":3`)+
			`],"QUEUED":[`+job("job2", 1001, 1001, q)+","+job("job3", 1003, 1003, q)+`]}}`)),
		later(time.Second, ask(Update, "job1", `{"status":"SUCCEEDED"}`, "accepted",
			`notify {"timestamp":1004,"jobs":{"QUEUED":[`+job("job2", 1001, 1001, q)+","+job("job3", 1003, 1003, q)+`]}}`,
			`notify-next {"timestamp":1004,`+next("job2", "QUEUED", 1001)+`"lastUpdatedAt":1001,"versionNumber":1,"executionNumber":1,"jobDocument":{"operation":"test"}}}`)),
		// In progress, job3 overtakes job2 that is queued; nothing came or went.
		later(time.Second, ask(Update, "job3", `{"status":"IN_PROGRESS"}`, "accepted",
			`notify-next {"timestamp":1005,`+next("job3", "IN_PROGRESS", 1003)+`"startedAt":1005,"lastUpdatedAt":1005,"versionNumber":2,"executionNumber":1,"jobDocument":{"operation":"test"}}}`)),
		later(time.Second, ask(Update, "job2", `{"status":"REJECTED"}`, "accepted",
			`notify {"timestamp":1006,"jobs":{"IN_PROGRESS":[`+job("job3", 1003, 1005, `"startedAt":1005,"executionNumber":1,"versionNumber":2`)+`]}}`)),
		later(time.Second, erase("job3", DeleteOptions{Force: true}, `notify {"timestamp":1007,"jobs":{}}`, `notify-next {"timestamp":1007}`)),
		// What has ended is in no list: to delete it is told to nobody.
		erase("job1", DeleteOptions{}, quiet...),
	)
}

func TestNotifyRules(t *testing.T) {
	two := []step{create("a", `{}`, Options{}), create("b", `{}`, Options{})}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"two in progress: the older is next again", []step{
			ask(Update, "b", `{"status":"IN_PROGRESS"}`, "accepted", "notify-next"),
			ask(Update, "a", `{"status":"IN_PROGRESS"}`, "accepted", "notify-next")}},
		{"the later of two in progress is not next", []step{
			ask(Update, "a", `{"status":"IN_PROGRESS"}`, "accepted"),
			ask(Update, "b", `{"status":"IN_PROGRESS"}`, "accepted")}},
		{"the one that is not next ends", []step{ask(Update, "b", `{"status":"FAILED"}`, "accepted", "notify")}},
		{"cancel of the next", []step{cancel("a", CancelOptions{}, "notify", "notify-next")}},
		{"cancel of another", []step{cancel("b", CancelOptions{}, "notify")}},
		{"removal of the next in progress", []step{ask(StartNext, "", ``), remove("a", "notify", "notify-next")}},
		{"deletion of a queued one", []step{erase("b", DeleteOptions{}, "notify")}},
		{"questions", []step{ask(GetPending, "", ``, "accepted"), ask(Describe, "a", ``, "accepted"), ask(Describe, topic.NextJob, ``, "accepted")}},
		{"refusals", []step{ask(Update, "a", `{"status":"QUEUED"}`, "rejected"), ask(Update, "a", `{"status":"FAILED","expectedVersion":9}`, "rejected")}},
	} {
		t.Run(tt.name, func(t *testing.T) { run(t, NewService(Limits{}), append(two[:2:2], tt.steps...)...) })
	}
}

func TestNotifyListsFifteen(t *testing.T) {
	for _, tt := range []struct {
		limit, want int
	}{{0, 15}, {3, 3}, {-1, 20}} {
		t.Run(fmt.Sprint(tt.limit), func(t *testing.T) {
			s := NewService(Limits{Listed: tt.limit})
			var events []Event
			for i := range 20 {
				events, _ = s.Create(lamp, fmt.Sprint("j", i), []byte(`{}`), Options{}, t0)
			}
			if n := strings.Count(string(events[0].Payload), "jobId"); n != tt.want {
				t.Errorf("%d executions listed, want %d", n, tt.want)
			}
			a, _ := s.Do(GetPending, lamp, "", nil, t0)
			if n := strings.Count(string(a.Payload), "jobId"); n != 20 {
				t.Errorf("get pending lists %d, want 20", n)
			}
		})
	}
}
