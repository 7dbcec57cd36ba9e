package jobs

import (
	"testing"
	"time"
)

const (
	left     = "approximateSecondsBeforeTimedOut"
	begin    = `{"status":"IN_PROGRESS"}`
	timedOut = "notify"
)

// The example of jobs-configurations-details.html: an in-progress timer of 20
// minutes, step timers of 7, 5 and 9.
func TestTimersOfTheGuide(t *testing.T) {
	running := func(seconds string) string {
		return `accepted {"timestamp":` + seconds
	}
	s := NewService(Limits{})
	describe := func(after time.Duration, at, secondsLeft string) step {
		return later(after, ask(Describe, "a", `{"includeJobDocument":false}`, running(at)+`,"execution":{"jobId":"a","thingName":"lamp","status":"IN_PROGRESS",`+
			`"queuedAt":1000,"startedAt":1000,"lastUpdatedAt":`+map[string]string{"1000": "1000", "1300": "1300", "1600": "1600", "1780": "1780"}[at]+
			`,"versionNumber":`+map[string]string{"1000": "2", "1300": "3", "1600": "4", "1780": "5"}[at]+`,"executionNumber":1,"`+left+`":`+secondsLeft+`}}`))
	}
	run(t, s,
		create("a", `{}`, Options{InProgressTimeout: 20 * time.Minute}),
		ask(Update, "a", begin, "accepted"),
		describe(0, "1000", "1200"),
		later(5*time.Minute, ask(Update, "a", `{"status":"IN_PROGRESS","stepTimeoutInMinutes":7}`, "accepted")),
		describe(0, "1300", "420"),
		later(5*time.Minute, ask(Update, "a", `{"status":"IN_PROGRESS","stepTimeoutInMinutes":5}`, "accepted")),
		describe(0, "1600", "300"),
		later(3*time.Minute, ask(Update, "a", `{"status":"IN_PROGRESS","stepTimeoutInMinutes":9}`, "accepted")),
		describe(0, "1780", "420"), // not 540: 20 minutes are the most
		expire(7*time.Minute-1, quiet...),
		expire(1, `notify {"timestamp":2200,"jobs":{}}`, `notify-next {"timestamp":2200}`),
	)
	if e, err := s.Get(lamp, "a", 0); err != nil || e.Status != TimedOut || e.VersionNumber != 6 || !e.TimesOutAt.IsZero() {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestTimers(t *testing.T) {
	for _, tt := range []struct {
		name  string
		o     Options
		steps []step
	}{
		{"none", Options{}, []step{ask(StartNext, "", ``), expire(8*24*time.Hour, quiet...)}},
		{"the in-progress timer does not run while queued", Options{InProgressTimeout: time.Minute}, []step{expire(time.Hour, quiet...), ask(StartNext, "", ``), expire(time.Minute, timedOut, "notify-next")}},
		{"an update does not stretch the in-progress timer", Options{InProgressTimeout: time.Minute}, []step{ask(StartNext, "", ``),
			later(59*time.Second, ask(Update, "a", begin, "accepted")), expire(time.Second, timedOut, "notify-next")}},
		{"step timer of start-next", Options{}, []step{ask(StartNext, "", `{"stepTimeoutInMinutes":1}`), expire(59*time.Second, quiet...), expire(time.Second, timedOut, "notify-next")}},
		{"an update without step timer leaves it", Options{}, []step{ask(StartNext, "", `{"stepTimeoutInMinutes":1}`),
			later(30*time.Second, ask(Update, "a", begin, "accepted")), expire(30*time.Second, timedOut, "notify-next")}},
		{"an update with -1 cancels the step timer", Options{}, []step{ask(StartNext, "", `{"stepTimeoutInMinutes":1}`),
			later(30*time.Second, ask(Update, "a", `{"status":"IN_PROGRESS","stepTimeoutInMinutes":-1}`, "accepted")), expire(8*24*time.Hour, quiet...)}},
		{"-1 as text, as v1 for Python sends numbers", Options{}, []step{ask(StartNext, "", `{"stepTimeoutInMinutes":1}`),
			ask(Update, "a", `{"status":"IN_PROGRESS","stepTimeoutInMinutes":"-1"}`, "accepted"), expire(time.Hour, quiet...)}},
		{"-1 without a timer does nothing", Options{}, []step{ask(Update, "a", `{"status":"IN_PROGRESS","stepTimeoutInMinutes":-1}`, "accepted"), expire(time.Hour, quiet...)}},
		{"-1 leaves the in-progress timer", Options{InProgressTimeout: time.Minute}, []step{ask(StartNext, "", `{"stepTimeoutInMinutes":1}`),
			ask(Update, "a", `{"status":"IN_PROGRESS","stepTimeoutInMinutes":-1}`, "accepted"), expire(time.Minute, timedOut, "notify-next")}},
		{"start-next of one in progress sets the step timer", Options{}, []step{ask(StartNext, "", `{"stepTimeoutInMinutes":1}`),
			later(30*time.Second, ask(StartNext, "", `{"stepTimeoutInMinutes":2}`, "accepted")), expire(time.Minute, quiet...), expire(time.Minute, timedOut, "notify-next")}},
		{"the end stops the timers", Options{InProgressTimeout: time.Minute}, []step{ask(StartNext, "", `{"stepTimeoutInMinutes":1}`),
			ask(Update, "a", `{"status":"SUCCEEDED","stepTimeoutInMinutes":1}`, "accepted", "notify", "notify-next"), expire(time.Hour, quiet...)}},
		{"a request after the time finds it ended, timer or not", Options{}, []step{ask(StartNext, "", `{"stepTimeoutInMinutes":1}`),
			later(time.Minute, ask(Update, "a", begin,
				`rejected {"code":"InvalidStateTransition","message":"Job execution a cannot go from TIMED_OUT to IN_PROGRESS","timestamp":1060,"executionState":{"status":"TIMED_OUT","versionNumber":3}}`, "notify", "notify-next"))}},
		{"an operator too", Options{}, []step{ask(StartNext, "", `{"stepTimeoutInMinutes":1}`),
			later(time.Minute, cancel("a", CancelOptions{Force: true}, "notify", "notify-next", "iotlocal: jobs: InvalidStateTransition: Job execution a cannot go from TIMED_OUT to CANCELED"))}},
		{"the longest step timer", Options{}, []step{ask(StartNext, "", `{"stepTimeoutInMinutes":10080}`, "accepted"), expire(7*24*time.Hour, timedOut, "notify-next")}},
		{"a started second counts as left", Options{InProgressTimeout: 1500 * time.Millisecond}, []step{ask(StartNext, "", ``,
			`accepted {"timestamp":1000,"execution":{"jobId":"a","thingName":"lamp","status":"IN_PROGRESS","queuedAt":1000,"startedAt":1000,"lastUpdatedAt":1000,"versionNumber":2,"executionNumber":1,"approximateSecondsBeforeTimedOut":2,"jobDocument":{}}}`)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, NewService(Limits{}), append([]step{create("a", `{}`, tt.o)}, tt.steps...)...)
		})
	}
}

func TestNextTimeout(t *testing.T) {
	s := NewService(Limits{})
	expect := func(at time.Time, any bool) {
		t.Helper()
		if got, ok := s.NextTimeout(); !got.Equal(at) || ok != any {
			t.Errorf("NextTimeout %v %v, want %v %v", got, ok, at, any)
		}
	}
	expect(time.Time{}, false)
	run(t, s, create("a", `{}`, Options{InProgressTimeout: time.Hour}), create("b", `{}`, Options{}))
	expect(time.Time{}, false)
	run(t, s, ask(StartNext, "", ``))
	expect(t0.Add(time.Hour), true)
	run(t, s, ask(Update, "b", `{"status":"IN_PROGRESS","stepTimeoutInMinutes":2}`))
	expect(t0.Add(2*time.Minute), true)
	run(t, s, ask(Update, "b", `{"status":"FAILED"}`))
	expect(t0.Add(time.Hour), true)
}

// Timers that are due at once go off in the order of the things' names, and
// those of other things stay.
func TestExpireSeveral(t *testing.T) {
	s := NewService(Limits{})
	for _, thing := range []string{"c", "a", "b"} {
		s.Create(thing, "j", []byte(`{}`), Options{}, t0)
		minutes := map[string]string{"a": "2", "b": "9", "c": "1"}[thing]
		if a, _ := s.Do(StartNext, thing, "", []byte(`{"stepTimeoutInMinutes":`+minutes+`}`), t0); !a.Accepted {
			t.Fatalf("%s", a.Payload)
		}
	}
	var things string
	for _, e := range s.Expire(t0.Add(2 * time.Minute)) {
		things += e.Thing + " "
	}
	if things != "a a c c " {
		t.Errorf("notified %s", things)
	}
	if e, _ := s.Get("b", "j", 0); e.Status != InProgress {
		t.Errorf("b is %v", e.Status)
	}
}

func TestRetries(t *testing.T) {
	fail := func(want ...string) step { return ask(Update, "a", `{"status":"FAILED"}`, want...) }
	again := []string{"accepted", "notify", "notify-next"}
	for _, tt := range []struct {
		name  string
		retry Retry
		steps []step
		want  string // statuses of the executions
	}{
		{"none", Retry{}, []step{fail(again...)}, "1 FAILED"},
		{"failed once, then for good", Retry{Failed: 1}, []step{
			fail("accepted", `notify {"timestamp":1000,"jobs":{"QUEUED":[{"jobId":"a","queuedAt":1000,"lastUpdatedAt":1000,"executionNumber":2,"versionNumber":1}]}}`,
				`notify-next {"timestamp":1000,"execution":{"jobId":"a","thingName":"lamp","status":"QUEUED","queuedAt":1000,"lastUpdatedAt":1000,"versionNumber":1,"executionNumber":2,"jobDocument":{}}}`),
			fail("accepted", `notify {"timestamp":1000,"jobs":{}}`, `notify-next {"timestamp":1000}`)}, "1 FAILED, 2 FAILED"},
		{"an ended execution stays what it was", Retry{Failed: 1}, []step{fail(again...),
			ask(Describe, "a", `{"executionNumber":1}`, `rejected {"code":"TerminalStateReached","message":"Job execution a is in the terminal state FAILED","timestamp":1000}`),
			ask(Update, "a", `{"status":"SUCCEEDED","executionNumber":1}`,
				`rejected {"code":"InvalidStateTransition","message":"Job execution a cannot go from FAILED to SUCCEEDED","timestamp":1000,"executionState":{"status":"FAILED","versionNumber":2}}`),
			ask(Update, "a", `{"status":"SUCCEEDED","executionNumber":2}`, again...)}, "1 FAILED, 2 SUCCEEDED"},
		{"of timeouts only", Retry{TimedOut: 1}, []step{ask(StartNext, "", `{"stepTimeoutInMinutes":1}`), expire(time.Minute, "notify", "notify-next"), fail(again...)}, "1 TIMED_OUT, 2 FAILED"},
		{"timeouts do not use up those of failures", Retry{Failed: 1}, []step{ask(StartNext, "", `{"stepTimeoutInMinutes":1}`), expire(time.Minute, "notify", "notify-next")}, "1 TIMED_OUT"},
		{"of both", Retry{All: 2}, []step{fail(again...), ask(StartNext, "", `{"stepTimeoutInMinutes":1}`), expire(time.Minute, "notify", "notify-next"), fail(again...)}, "1 FAILED, 2 TIMED_OUT, 3 FAILED"},
		{"never after a rejection", Retry{All: 3}, []step{ask(Update, "a", `{"status":"REJECTED"}`, again...)}, "1 REJECTED"},
		{"never after a cancellation", Retry{All: 3}, []step{cancel("a", CancelOptions{}, "notify", "notify-next")}, "1 CANCELED"},
		{"never after success", Retry{All: 3}, []step{ask(Update, "a", `{"status":"SUCCEEDED"}`, again...)}, "1 SUCCEEDED"},
		{"never after a removal", Retry{All: 3}, []step{remove("a", "notify", "notify-next")}, "1 REMOVED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := NewService(Limits{})
			run(t, s, append([]step{create("a", `{}`, Options{Retry: tt.retry})}, tt.steps...)...)
			if got := list(s); got != tt.want {
				t.Errorf("executions %s, want %s", got, tt.want)
			}
		})
	}
	// A retry waits behind what is queued already.
	run(t, NewService(Limits{}), create("a", `{}`, Options{Retry: Retry{Failed: 1}}), create("b", `{}`, Options{}),
		fail("accepted", "notify", `notify-next {"timestamp":1000,"execution":{"jobId":"b","thingName":"lamp","status":"QUEUED","queuedAt":1000,"lastUpdatedAt":1000,"versionNumber":1,"executionNumber":1,"jobDocument":{}}}`))
}
