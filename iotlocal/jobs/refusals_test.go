package jobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
)

// list shows the executions of the lamp: number and status.
func list(s *Service) string {
	var out []string
	for _, e := range s.List(lamp) {
		out = append(out, fmt.Sprint(e.ExecutionNumber, " ", e.Status))
	}
	return strings.Join(out, ", ")
}

// every status, and the one before them.
var statuses = []Status{0, Queued, InProgress, Succeeded, Failed, TimedOut, Rejected, Removed, Canceled}

// The whole table of transitions, walked: what may follow what by whose hand.
func TestTransitions(t *testing.T) {
	legal := map[string]bool{}
	for _, s := range strings.Fields(`
		device:QUEUED>IN_PROGRESS device:QUEUED>SUCCEEDED device:QUEUED>FAILED device:QUEUED>REJECTED
		device:IN_PROGRESS>IN_PROGRESS device:IN_PROGRESS>SUCCEEDED device:IN_PROGRESS>FAILED device:IN_PROGRESS>REJECTED
		operator:QUEUED>CANCELED operator:QUEUED>REMOVED operator:IN_PROGRESS>REMOVED
		forced:QUEUED>CANCELED forced:IN_PROGRESS>CANCELED clock:IN_PROGRESS>TIMED_OUT`) {
		legal[s] = true
	}
	for by, name := range map[actor]string{device: "device", operator: "operator", forced: "forced", clock: "clock"} {
		for _, from := range statuses {
			for _, to := range statuses {
				e := &execution{job: &job{id: "a"}, status: from, version: 7}
				err := e.move(by, to, map[string]string{"k": "v"}, t0)
				want := legal[fmt.Sprintf("%s:%v>%v", name, from, to)]
				if (err == nil) != want {
					t.Errorf("%s: %v to %v: %v, want legal %v", name, from, to, err, want)
				}
				if err != nil && (err.Code != InvalidStateTransition || err.State.Status != from || err.State.VersionNumber != 7 || e.status != from || e.version != 7 || e.details != nil) {
					t.Errorf("%s: %v to %v: %v changed %+v", name, from, to, err, e)
				}
				if err == nil && (e.status != to || e.version != 8 || e.details["k"] != "v" || e.updated != t0) {
					t.Errorf("%s: %v to %v: %+v", name, from, to, e)
				}
			}
		}
	}
}

func TestStatusText(t *testing.T) {
	for _, s := range statuses[1:] {
		b, err := s.MarshalText()
		var back Status
		if err != nil || back.UnmarshalText(b) != nil || back != s || s.Pending() == s.Terminal() {
			t.Errorf("%v came back as %v", s, back)
		}
	}
	var s Status
	for _, bad := range []string{"", "SUCCESS", "queued"} {
		if s.UnmarshalText([]byte(bad)) == nil {
			t.Errorf("status %q", bad)
		}
	}
	if s.Pending() || s.Terminal() || Status(9).Terminal() || Status(9).String() != "Status(9)" || s.String() != "Status(0)" {
		t.Error("what is no status")
	}
	if StartNext.String() != "start-next" || Op(9).String() != "Op(9)" {
		t.Error(StartNext, Op(9))
	}
}

func TestRefusals(t *testing.T) {
	long := strings.Repeat("x", 65)
	for _, tt := range []struct {
		name    string
		op      Op
		job     string
		payload string
		code    Code
		message string // a part of it
	}{
		{"unknown topic", Unknown, "", `{}`, InvalidTopic, "no operation"},
		{"unknown topic without JSON", Unknown, "", `x`, InvalidTopic, "no operation"},
		{"update without body", Update, "q", ``, InvalidJSON, "not a JSON object"},
		{"no JSON", GetPending, "", `{"a":`, InvalidJSON, "not a JSON object"},
		{"an array", StartNext, "", `[]`, InvalidJSON, "not a JSON object"},
		{"null", Describe, "q", `null`, InvalidJSON, "not a JSON object"},
		{"text after", Update, "q", `{"status":"FAILED"} x`, InvalidJSON, "something after"},
		{"not UTF-8", Update, "q", "{\"status\":\"\xff\"}", InvalidJSON, "not UTF-8"},
		{"token is a number", GetPending, "", `{"clientToken":1}`, InvalidRequest, "clientToken must be a string"},
		{"token too long", GetPending, "", `{"clientToken":"` + long + `"}`, InvalidRequest, "clientToken is longer than 64 bytes"},
		{"no status", Update, "q", `{}`, InvalidRequest, "status is missing"},
		{"status is null", Update, "q", `{"status":null}`, InvalidRequest, "status is missing"},
		{"status is a number", Update, "q", `{"status":1}`, InvalidRequest, "status must be a string"},
		{"status is unknown", Update, "q", `{"status":"DONE"}`, InvalidRequest, "status must be IN_PROGRESS, FAILED, SUCCEEDED or REJECTED"},
		{"status QUEUED", Update, "q", `{"status":"QUEUED"}`, InvalidRequest, "status must be"},
		{"status TIMED_OUT", Update, "p", `{"status":"TIMED_OUT"}`, InvalidRequest, "status must be"},
		{"status REMOVED", Update, "q", `{"status":"REMOVED"}`, InvalidRequest, "status must be"},
		{"status CANCELED", Update, "q", `{"status":"CANCELED"}`, InvalidRequest, "status must be"},
		{"version is a word", Update, "q", `{"status":"FAILED","expectedVersion":"one"}`, InvalidRequest, "expectedVersion must be a whole number"},
		{"version is a fraction", Update, "q", `{"status":"FAILED","expectedVersion":1.5}`, InvalidRequest, "expectedVersion must be"},
		{"version is negative", Update, "q", `{"status":"FAILED","expectedVersion":-1}`, InvalidRequest, "expectedVersion must be"},
		{"version has a sign", Update, "q", `{"status":"FAILED","expectedVersion":"+1"}`, InvalidRequest, "expectedVersion must be"},
		{"version is too large", Update, "q", `{"status":"FAILED","expectedVersion":9223372036854775808}`, InvalidRequest, "expectedVersion must be"},
		{"execution number is an object", Describe, "q", `{"executionNumber":{}}`, InvalidRequest, "executionNumber must be"},
		{"execution number of an update", Update, "q", `{"status":"FAILED","executionNumber":true}`, InvalidRequest, "executionNumber must be"},
		{"flag is a string", Describe, "q", `{"includeJobDocument":"true"}`, InvalidRequest, "includeJobDocument must be true or false"},
		{"flag is a number", Update, "q", `{"status":"FAILED","includeJobExecutionState":1}`, InvalidRequest, "includeJobExecutionState must be"},
		{"document flag of an update", Update, "q", `{"status":"FAILED","includeJobDocument":[]}`, InvalidRequest, "includeJobDocument must be"},
		{"step of 0", Update, "q", `{"status":"IN_PROGRESS","stepTimeoutInMinutes":0}`, InvalidRequest, "stepTimeoutInMinutes must be between 1 and 10080, or -1 to cancel the timer"},
		{"step of -2", Update, "q", `{"status":"IN_PROGRESS","stepTimeoutInMinutes":-2}`, InvalidRequest, "stepTimeoutInMinutes must be between 1 and 10080, or -1 to cancel the timer"},
		{"start-next cannot cancel a timer", StartNext, "", `{"stepTimeoutInMinutes":-1}`, InvalidRequest, "stepTimeoutInMinutes must be between 1 and 10080"},
		{"step over 7 days", StartNext, "", `{"stepTimeoutInMinutes":10081}`, InvalidRequest, "stepTimeoutInMinutes must be between"},
		{"step is a word", StartNext, "", `{"stepTimeoutInMinutes":"long"}`, InvalidRequest, "stepTimeoutInMinutes must be"},
		{"details are a string", StartNext, "", `{"statusDetails":"x"}`, InvalidRequest, "statusDetails must be an object"},
		{"a detail is a number", Update, "q", `{"status":"FAILED","statusDetails":{"a":1}}`, InvalidRequest, "statusDetails must be an object whose values are strings"},
		{"a detail is null", Update, "q", `{"status":"FAILED","statusDetails":{"a":null}}`, InvalidRequest, `the value of "a" is null`},
		{"a detail is empty", Update, "q", `{"status":"FAILED","statusDetails":{"a":""}}`, InvalidRequest, `the value of "a" is not 1 to 1024`},
		{"a detail is too long", Update, "q", `{"status":"FAILED","statusDetails":{"a":"` + strings.Repeat("é", 1025) + `"}}`, InvalidRequest, `the value of "a" is not 1 to 1024`},
		{"a detail with a line feed", Update, "q", `{"status":"FAILED","statusDetails":{"a":"x\ny"}}`, InvalidRequest, "control character"},
		{"a detail without name", Update, "q", `{"status":"FAILED","statusDetails":{"":"x"}}`, InvalidRequest, `the name ""`},
		{"a detail with a bad name", Update, "q", `{"status":"FAILED","statusDetails":{"a b":"x"}}`, InvalidRequest, `the name "a b"`},
		{"a detail with a long name", Update, "q", `{"status":"FAILED","statusDetails":{"` + strings.Repeat("n", 129) + `":"x"}}`, InvalidRequest, "is not 1 to 128 of"},
		{"bad job id", Describe, "a.b", `{}`, InvalidRequest, "Invalid job id"},
		{"long job id", Update, long, `{"status":"FAILED"}`, InvalidRequest, "Invalid job id"},
		{"update of $next", Update, topic.NextJob, `{"status":"FAILED"}`, InvalidRequest, "$next can only be described"},
		{"describe what is not", Describe, "none", `{}`, ResourceNotFound, "No job execution for job none and thing lamp"},
		{"update what is not", Update, "none", `{"status":"FAILED"}`, ResourceNotFound, "No job execution for job none"},
		{"describe another execution", Describe, "q", `{"executionNumber":2}`, ResourceNotFound, "Job q has no execution 2"},
		{"update another execution", Update, "q", `{"status":"FAILED","executionNumber":"7"}`, ResourceNotFound, "Job q has no execution 7"},
		{"another version", Update, "p", `{"status":"FAILED","expectedVersion":"1"}`, VersionMismatch, "Expected version 1 but found version 2"},
		{"version 0", Update, "p", `{"status":"FAILED","expectedVersion":0}`, VersionMismatch, "Expected version 0 but found version 2"},
		{"another version of what has ended", Update, "done", `{"status":"FAILED","expectedVersion":1}`, VersionMismatch, "Expected version 1 but found version 2"},
		{"what has ended goes on", Update, "done", `{"status":"IN_PROGRESS"}`, InvalidStateTransition, "Job execution done cannot go from SUCCEEDED to IN_PROGRESS"},
		{"what has ended ends again", Update, "done", `{"status":"SUCCEEDED","expectedVersion":2}`, InvalidStateTransition, "cannot go from SUCCEEDED to SUCCEEDED"},
		{"what is canceled goes on", Update, "off", `{"status":"IN_PROGRESS"}`, InvalidStateTransition, "cannot go from CANCELED to IN_PROGRESS"},
		{"describe what has ended", Describe, "done", `{}`, TerminalStateReached, "Job execution done is in the terminal state SUCCEEDED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := NewService(Limits{})
			run(t, s, create("p", `{}`, Options{}), ask(StartNext, "", `{"statusDetails":{"k":"v"}}`, "accepted"), create("q", `{}`, Options{}),
				create("done", `{}`, Options{}), ask(Update, "done", `{"status":"SUCCEEDED"}`), create("off", `{}`, Options{}), cancel("off", CancelOptions{}))
			before := fmt.Sprintf("%+v", s.List(lamp))
			withToken := tt.payload
			if rest, ok := strings.CutPrefix(tt.payload, "{"); ok && tt.code != InvalidJSON && !strings.Contains(tt.payload, "clientToken") {
				withToken = `{"clientToken":"tok",` + rest
				if rest == "}" {
					withToken = `{"clientToken":"tok"}`
				}
			}
			a, events := s.Do(tt.op, lamp, tt.job, []byte(withToken), t0)
			var got errorAnswer
			if err := json.Unmarshal(a.Payload, &got); err != nil || a.Accepted || len(events) > 0 {
				t.Fatalf("%s %v %v", a.Payload, events, err)
			}
			if got.Code != tt.code || !strings.Contains(got.Message, tt.message) || got.Timestamp != 1000 {
				t.Errorf("%s, want %v %s", a.Payload, tt.code, tt.message)
			}
			if (got.Token != nil && *got.Token == "tok") != strings.Contains(withToken, "tok") {
				t.Errorf("client token: %s", a.Payload)
			}
			if want := tt.code == VersionMismatch || tt.code == InvalidStateTransition; (got.State != nil) != want {
				t.Errorf("executionState: %s", a.Payload)
			}
			if after := fmt.Sprintf("%+v", s.List(lamp)); after != before {
				t.Errorf("a refused request changed\n%s\nto\n%s", before, after)
			}
		})
	}
}

func TestRefusalsByteForByte(t *testing.T) {
	run(t, NewService(Limits{}), create("a", `{}`, Options{}), ask(StartNext, "", `{"statusDetails":{"k":"v"}}`),
		ask(Update, "a", `{"status":"FAILED","expectedVersion":9,"clientToken":"t"}`,
			`rejected {"code":"VersionMismatch","message":"Expected version 9 but found version 2","clientToken":"t","timestamp":1000,"executionState":{"status":"IN_PROGRESS","statusDetails":{"k":"v"},"versionNumber":2}}`),
		ask(Describe, "b", `{"clientToken":"t"}`, `rejected {"code":"ResourceNotFound","message":"No job execution for job b and thing lamp","clientToken":"t","timestamp":1000}`))
}

func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		name    string
		lim     Limits
		op      Op
		payload string
	}{
		{"token of 64 bytes", Limits{}, GetPending, `{"clientToken":"` + strings.Repeat("x", 64) + `"}`},
		{"any token", Limits{ClientToken: -1}, GetPending, `{"clientToken":"` + strings.Repeat("x", 999) + `"}`},
		{"value of 1,024 characters", Limits{}, StartNext, `{"statusDetails":{"a":"` + strings.Repeat("é", 1024) + `"}}`},
		{"any value", Limits{DetailValue: -1}, StartNext, `{"statusDetails":{"a":"` + strings.Repeat("é", 5000) + `"}}`},
		{"name of 128", Limits{}, StartNext, `{"statusDetails":{"` + strings.Repeat("a", 125) + `:_-":"x"}}`},
		{"any name", Limits{DetailKey: -1}, StartNext, `{"statusDetails":{"` + strings.Repeat("a", 500) + `":"x"}}`},
		{"members of no use", Limits{}, GetPending, `{"status":1,"statusDetails":2,"executionNumber":{}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if a, _ := NewService(tt.lim).Do(tt.op, lamp, "", []byte(tt.payload), t0); !a.Accepted {
				t.Errorf("%s", a.Payload)
			}
		})
	}
}

func TestRefuse(t *testing.T) {
	s := NewService(Limits{})
	get := func(want string) step {
		return ask(GetPending, "", `{"clientToken":"t"}`, want)
	}
	for _, code := range []Code{InternalError, RequestThrottled} {
		if err := s.Refuse(lamp, code, 2); err != nil {
			t.Fatal(err)
		}
		refused := fmt.Sprintf(`rejected {"code":"%v","message":"%v was asked for by the test","clientToken":"t","timestamp":1000}`, code, code)
		run(t, s, get(refused), get(refused), get("accepted"))
	}
	if err := s.Refuse("other", InternalError, 1); err != nil {
		t.Fatal(err)
	}
	run(t, s, get("accepted"))
	if s.Refuse(lamp, InternalError, 3) != nil || s.Refuse(lamp, InternalError, 0) != nil {
		t.Error("to take back")
	}
	run(t, s, get("accepted"))
	for _, code := range []Code{VersionMismatch, "Oops", ""} {
		if err := s.Refuse(lamp, code, 1); err == nil || err.Code != InvalidRequest {
			t.Errorf("%q: %v", code, err)
		}
	}
	if err := s.Refuse(lamp, InternalError, -1); err == nil || err.Code != InvalidRequest {
		t.Errorf("-1: %v", err)
	}
}

func TestOperator(t *testing.T) {
	big := func(n int) string { return `{"a":"` + strings.Repeat("x", n-8) + `"}` }
	refusal := func(code Code, text string) string { return fmt.Sprintf("iotlocal: jobs: %v: %s", code, text) }
	for _, tt := range []struct {
		name string
		step step
	}{
		{"document is an array", create("n", `[]`, Options{}, refusal(InvalidRequest, "the job document is not a JSON object in UTF-8: The payload is not a JSON object: json: cannot unmarshal array into Go value of type jobs.members"))},
		{"document is cut", create("n", `{"a":1`, Options{}, refusal(InvalidRequest, "the job document is not a JSON object in UTF-8: The payload is not a JSON object: unexpected EOF"))},
		{"document is empty", create("n", ``, Options{}, refusal(InvalidRequest, "the job document is not a JSON object in UTF-8: The payload is not a JSON object: EOF"))},
		{"document is not UTF-8", create("n", "{\"a\":\"\xff\"}", Options{}, refusal(InvalidRequest, "the job document is not a JSON object in UTF-8: The payload is not UTF-8"))},
		{"document is too long", create("n", big(32769), Options{}, refusal(InvalidRequest, "the job document has 32769 bytes, the limit is 32768"))},
		{"document is just right", create("n", big(32768), Options{}, "notify")},
		{"blanks do not count", create("n", strings.Repeat(" ", 40000)+`{}`, Options{}, "notify")},
		{"job there", create("q", `{}`, Options{}, refusal(AlreadyExists, "thing lamp has a job q already"))},
		{"job there, ended", create("done", `{}`, Options{}, refusal(AlreadyExists, "thing lamp has a job done already"))},
		{"no id", create("", `{}`, Options{}, "iotlocal:")},
		{"bad id", create("a:b", `{}`, Options{}, "iotlocal:")},
		{"id is $next", create(topic.NextJob, `{}`, Options{}, refusal(InvalidRequest, "Invalid job id: $next can only be described"))},
		{"id too long", create(strings.Repeat("x", 65), `{}`, Options{}, "iotlocal:")},
		{"longest id", create(strings.Repeat("x", 64), `{}`, Options{}, "notify")},
		{"timeout negative", create("n", `{}`, Options{InProgressTimeout: -1}, refusal(InvalidRequest, "InProgressTimeout -1ns is not between 0 and 168h0m0s"))},
		{"timeout too long", create("n", `{}`, Options{InProgressTimeout: MaxTimeout + 1}, "iotlocal:")},
		{"longest timeout", create("n", `{}`, Options{InProgressTimeout: MaxTimeout}, "notify")},
		{"retries negative", create("n", `{}`, Options{Retry: Retry{Failed: -1}}, "iotlocal:")},
		{"too many retries", create("n", `{}`, Options{Retry: Retry{Failed: 6, TimedOut: 5}}, refusal(InvalidRequest, "Retry {Failed:6 TimedOut:5 All:0}: more than 10 retries together"))},
		{"most retries", create("n", `{}`, Options{Retry: Retry{Failed: 3, TimedOut: 3, All: 4}}, "notify")},
		{"execution number negative", create("n", `{}`, Options{ExecutionNumber: -1}, refusal(InvalidRequest, "ExecutionNumber -1 is negative"))},
		{"cancel what is not", cancel("n", CancelOptions{}, refusal(ResourceNotFound, "No job execution for job n and thing lamp"))},
		{"cancel what is in progress", cancel("p", CancelOptions{}, refusal(InvalidStateTransition, "Job execution p cannot go from IN_PROGRESS to CANCELED"))},
		{"cancel by force", cancel("p", CancelOptions{Force: true}, "notify", "notify-next")},
		{"cancel queued by force", cancel("q", CancelOptions{Force: true}, "notify")},
		{"cancel what has ended by force", cancel("done", CancelOptions{Force: true}, refusal(InvalidStateTransition, "Job execution done cannot go from SUCCEEDED to CANCELED"))},
		{"cancel another version", cancel("q", CancelOptions{ExpectedVersion: 3}, refusal(VersionMismatch, "Expected version 3 but found version 1"))},
		{"cancel the version", cancel("q", CancelOptions{ExpectedVersion: 1}, "notify")},
		{"cancel with bad details", cancel("q", CancelOptions{StatusDetails: map[string]string{"a": ""}}, "iotlocal:")},
		{"cancel with a bad id", cancel("$next", CancelOptions{}, "iotlocal:")},
		{"remove what is not", remove("n", refusal(ResourceNotFound, "No job execution for job n and thing lamp"))},
		{"remove what has ended", remove("done", refusal(InvalidStateTransition, "Job execution done cannot go from SUCCEEDED to REMOVED"))},
		{"delete what is not", erase("n", DeleteOptions{}, refusal(ResourceNotFound, "No job execution for job n and thing lamp"))},
		{"delete what is in progress", erase("p", DeleteOptions{}, refusal(InvalidStateTransition, "Job execution p is IN_PROGRESS and is deleted by force only"))},
		{"delete by force", erase("p", DeleteOptions{Force: true}, "notify", "notify-next")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := NewService(Limits{})
			run(t, s, create("p", `{}`, Options{}), ask(StartNext, "", ``), create("q", `{}`, Options{}),
				create("done", `{}`, Options{}), ask(Update, "done", `{"status":"SUCCEEDED"}`))
			before := list(s)
			run(t, s, tt.step)
			if after := list(s); strings.HasPrefix(tt.step.want[0], "iotlocal:") != (after == before) {
				t.Errorf("%s became %s", before, after)
			}
		})
	}
	if _, err := NewService(Limits{}).Create("a b", "j", []byte(`{}`), Options{}, t0); err == nil || err.Code != InvalidRequest || !strings.Contains(err.Message, "Invalid thing name") {
		t.Errorf("bad thing: %v", err)
	}
	if a, _ := NewService(Limits{}).Do(GetPending, "a b", "", nil, t0); a.Accepted || !strings.Contains(string(a.Payload), `"code":"InvalidRequest","message":"Invalid thing name`) {
		t.Errorf("bad thing: %s", a.Payload)
	}
}

func TestViews(t *testing.T) {
	s := NewService(Limits{})
	if s.List(lamp) != nil || s.Pending(lamp) != nil {
		t.Error("executions of nothing")
	}
	if _, err := s.Get(lamp, "a", 0); err == nil || err.Code != ResourceNotFound {
		t.Errorf("Get: %v", err)
	}
	run(t, s, create("a", `{ "x": 1 }`, Options{Retry: Retry{Failed: 1}, InProgressTimeout: time.Hour}), create("b", `{}`, Options{}),
		later(time.Second, ask(Update, "a", `{"status":"FAILED","statusDetails":{"why":"x"}}`)),
		later(time.Second, ask(Update, "a", `{"status":"IN_PROGRESS"}`)))
	var order []string
	for _, e := range append(s.List(lamp), s.Pending(lamp)...) {
		order = append(order, fmt.Sprint(e.JobID, e.ExecutionNumber))
	}
	if got := strings.Join(order, " "); got != "a1 b1 a2 a2 b1" {
		t.Errorf("list, then pending: %s", got)
	}
	old, err := s.Get(lamp, "a", 1)
	if err != nil || old.Status != Failed || old.StatusDetails["why"] != "x" || string(old.Document) != `{"x":1}` || !old.StartedAt.IsZero() || old.LastUpdatedAt.Unix() != 1001 {
		t.Errorf("%+v, %v", old, err)
	}
	e, err := s.Get(lamp, "a", 0)
	if err != nil || e.ExecutionNumber != 2 || e.ThingName != lamp || e.StartedAt.Unix() != 1002 || e.QueuedAt.Unix() != 1001 || !e.TimesOutAt.Equal(t0.Add(2*time.Second+time.Hour)) {
		t.Errorf("%+v, %v", e, err)
	}
	// What a caller does to its copy does not reach the service.
	old.StatusDetails["why"], old.Document[2] = "y", '?'
	if again, _ := s.Get(lamp, "a", 1); again.StatusDetails["why"] != "x" || string(again.Document) != `{"x":1}` {
		t.Errorf("%+v", again)
	}
	_, refused := s.Cancel(lamp, "a", CancelOptions{}, t0)
	var je *Error
	if !errors.As(error(refused), &je) || je.State.Status != InProgress || je.State.VersionNumber != 2 {
		t.Errorf("%+v", je)
	}
}
