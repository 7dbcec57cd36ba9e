package commands

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/internal/payload"
)

var (
	t0   = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	lamp = Target{Things, "lamp"}
)

// start creates an execution with an id and fails the test on an error.
func start(t *testing.T, s *Service, id string, o Options) Execution {
	t.Helper()
	o.ExecutionID = id
	e, _, err := s.Start(lamp, []byte(`{"op":"on"}`), o, t0)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// update sends an update in JSON and returns the last levels of the answer's
// topic and its body.
func (s *Service) say(id, body string, now time.Time) (verdict, answer string) {
	r, _ := ParseResponse("$aws/commands/things/lamp/executions/" + id + "/response/json")
	m := s.Update(r, []byte(body), now)
	_, verdict, _ = strings.Cut(m.Topic, "/response/")
	return verdict, string(m.Payload)
}

func TestStart(t *testing.T) {
	for _, tt := range []struct {
		name    string
		target  Target
		payload string
		o       Options
		topic   string // behind the prefix; "" when code is set
		code    Code
	}{
		{"thing", lamp, `{}`, Options{ExecutionID: "e"}, "things/lamp/executions/e/request/json", ""},
		{"client", Target{Clients, "c 1"}, `{}`, Options{ExecutionID: "e"}, "clients/c 1/executions/e/request/json", ""},
		{"CBOR", lamp, "\xa0", Options{ExecutionID: "e", ContentType: "application/cbor"}, "things/lamp/executions/e/request/cbor", ""},
		{"other format", lamp, "x", Options{ExecutionID: "e", ContentType: "text/plain"}, "things/lamp/executions/e/request", ""},
		{"bad thing", Target{Things, "a/b"}, "", Options{}, "", InvalidRequest},
		{"no client id", Target{Clients, ""}, "", Options{}, "", InvalidRequest},
		{"client id with a slash", Target{Clients, "a/b"}, "", Options{}, "", InvalidRequest},
		{"bad type", Target{7, "a"}, "", Options{}, "", InvalidRequest},
		{"bad execution id", lamp, "", Options{ExecutionID: "a b"}, "", InvalidRequest},
		{"$next", lamp, "", Options{ExecutionID: "$next"}, "", InvalidRequest},
		{"bad command id", lamp, "", Options{CommandID: "a/b"}, "", InvalidRequest},
		{"payload too long", lamp, strings.Repeat("x", 32<<10+1), Options{}, "", InvalidRequest},
		{"timeout too long", lamp, "", Options{Timeout: 12*time.Hour + 1}, "", InvalidRequest},
		{"negative timeout", lamp, "", Options{Timeout: -1}, "", InvalidRequest},
		{"content type with a line feed", lamp, "", Options{ContentType: "a\nb"}, "", InvalidRequest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := NewService(Limits{})
			e, m, err := s.Start(tt.target, []byte(tt.payload), tt.o, t0)
			if tt.code != "" {
				if err == nil || err.Code != tt.code || len(s.List(tt.target, t0)) != 0 {
					t.Fatalf("%v, %v", err, s.List(tt.target, t0))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if m.Topic != Prefix+tt.topic || string(m.Payload) != tt.payload || m.ContentType != e.ContentType || *m.Expiry != DefaultTimeout {
				t.Errorf("%+v", m)
			}
			if e.Status != Created || !e.CreatedAt.Equal(t0) || e.Timeout != DefaultTimeout {
				t.Errorf("%+v", e)
			}
		})
	}
	s := NewService(Limits{})
	a, b := start(t, s, "", Options{}), start(t, s, "", Options{})
	if a.ID == b.ID || len(a.ID) != 36 || a.ID[14] != '4' {
		t.Errorf("ids %s and %s", a.ID, b.ID)
	}
	if _, _, err := s.Start(lamp, nil, Options{ExecutionID: a.ID}, t0); err == nil || err.Code != AlreadyExists {
		t.Error(err)
	}
	if l := s.List(lamp, t0); len(l) != 2 || l[0].ID != a.ID || l[1].ID != b.ID {
		t.Errorf("%v", l)
	}
}

// Every state and every status that a device reports in it.
func TestTransitions(t *testing.T) {
	all := map[state]string{created: "", inProgress: "IN_PROGRESS", succeeded: "SUCCEEDED", failed: "FAILED", rejected: "REJECTED",
		deviceTimedOut: "TIMED_OUT", noResponse: "wait"}
	statuses := []string{"IN_PROGRESS", "SUCCEEDED", "FAILED", "REJECTED", "TIMED_OUT"}
	want := map[state]string{ // by statuses: + accepted, i InvalidStateTransition, t TerminalStateReached
		created: "+++++", inProgress: "+++++", succeeded: "itttt", failed: "itttt", rejected: "itttt",
		deviceTimedOut: "iiiii", noResponse: "i++++",
	}
	for from, how := range all {
		for i, status := range statuses {
			s := NewService(Limits{})
			start(t, s, "e", Options{})
			now := t0
			if how == "wait" {
				now = now.Add(DefaultTimeout)
			} else if how != "" {
				if verdict, a := s.say("e", `{"status":"`+how+`"}`, now); verdict != "accepted/json" {
					t.Fatal(a)
				}
			}
			before, _ := s.Get(lamp, "e", now)
			verdict, a := s.say("e", `{"status":"`+status+`"}`, now)
			after, _ := s.Get(lamp, "e", now)
			ok := verdict == "accepted/json" && after.Status.String() == status
			switch want[from][i] {
			case 'i':
				ok = strings.Contains(a, `"error":"InvalidStateTransition"`) && verdict == "rejected/json" && after.Status == before.Status
			case 't':
				ok = strings.Contains(a, `"error":"TerminalStateReached"`) && verdict == "rejected/json" && after.Status == before.Status
			}
			if !ok {
				t.Errorf("from %v to %s: %s %s, %v", before.Status, status, verdict, a, after.Status)
			}
		}
	}
}

func TestUpdate(t *testing.T) {
	for _, tt := range []struct {
		name, body, answer string
	}{
		{"plain", `{"status":"SUCCEEDED"}`, `{"executionId":"e"}`},
		{"everything", `{"status":"IN_PROGRESS","statusReason":{"reasonCode":"200","reasonDescription":"half way"},"result":{"a":{"s":"x"},"b":{"b":true},"c":{"bin":"AAE="}},"clientToken":"t","timestamp":1}`,
			`{"clientToken":"t","executionId":"e"}`},
		{"token comes back", `{"status":"BAD","clientToken":"t"}`, `{"clientToken":"t","executionId":"e","error":"InvalidRequest","errorMessage":"status must be`},
		{"no JSON", `{"status"`, `{"executionId":"e","error":"InvalidJson"`},
		{"no object", `null`, `"error":"InvalidJson"`},
		{"empty", ``, `"error":"InvalidJson"`},
		{"no status", `{}`, `"errorMessage":"status is missing"`},
		{"status is null", `{"status":null}`, `"errorMessage":"status is missing"`},
		{"CREATED", `{"status":"CREATED"}`, `status must be`},
		{"status is a number", `{"status":1}`, `status must be a string`},
		{"token too long", `{"status":"FAILED","clientToken":"` + strings.Repeat("x", 65) + `"}`, `clientToken is longer than 64 bytes`},
		{"reason is text", `{"status":"FAILED","statusReason":"x"}`, `statusReason must be an object`},
		{"reason without code", `{"status":"FAILED","statusReason":{"reasonDescription":"x"}}`, `statusReason needs a reasonCode`},
		{"reason code is small", `{"status":"FAILED","statusReason":{"reasonCode":"x"}}`, `reasonCode is not 1 to 64 of A-Z 0-9 _ -`},
		{"reason code is empty", `{"status":"FAILED","statusReason":{"reasonCode":""}}`, `reasonCode is not 1 to 64`},
		{"reason code is the service's", `{"status":"FAILED","statusReason":{"reasonCode":"$NO_RESPONSE_FROM_DEVICE"}}`, `reasonCode is not 1 to 64`},
		{"reason code too long", `{"status":"FAILED","statusReason":{"reasonCode":"` + strings.Repeat("X", 65) + `"}}`, `reasonCode is not 1 to 64`},
		{"description too long", `{"status":"FAILED","statusReason":{"reasonCode":"X","reasonDescription":"` + strings.Repeat("é", 1025) + `"}}`, `reasonDescription is longer than 1024`},
		{"description with line feed", `{"status":"FAILED","statusReason":{"reasonCode":"X","reasonDescription":"a\nb"}}`, `reasonDescription has a control character`},
		{"result is empty", `{"status":"FAILED","result":{}}`, `At least 1 command execution result is required`},
		{"result is a list", `{"status":"FAILED","result":[]}`, `result must be an object`},
		{"result without type", `{"status":"FAILED","result":{"a":"x"}}`, `the value of \"a\" is not an object with one of s, b and bin`},
		{"result with two types", `{"status":"FAILED","result":{"a":{"s":"x","b":true}}}`, `is not an object with one of`},
		{"result in upper case", `{"status":"FAILED","result":{"a":{"S":"x"}}}`, `is not text as s, true or false as b, or binary as bin`},
		{"result with a number", `{"status":"FAILED","result":{"a":{"s":1}}}`, `is not text as s`},
		{"result is not base64", `{"status":"FAILED","result":{"a":{"bin":"?"}}}`, `is not text as s`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := NewService(Limits{})
			start(t, s, "e", Options{})
			verdict, a := s.say("e", tt.body, t0)
			good := !strings.Contains(tt.answer, "error") && strings.HasPrefix(tt.answer, "{")
			if good && (verdict != "accepted/json" || a != tt.answer) {
				t.Errorf("%s %s", verdict, a)
			}
			if !good && (verdict != "rejected/json" || !strings.Contains(a, tt.answer) || !json.Valid([]byte(a))) {
				t.Errorf("%s %s", verdict, a)
			}
			if e, _ := s.Get(lamp, "e", t0); !good && e.Status != Created {
				t.Errorf("%+v", e)
			}
		})
	}
	s := NewService(Limits{})
	if verdict, a := s.say("none", `{"status":"FAILED"}`, t0); verdict != "rejected/json" || !strings.Contains(a, `"error":"ResourceNotFound"`) {
		t.Error(verdict, a)
	}
}

// What a device reports is what an operator sees; a reason replaces the one
// before, a result stays until another comes.
func TestReported(t *testing.T) {
	s := NewService(Limits{})
	start(t, s, "e", Options{CommandID: "switch"})
	s.say("e", `{"status":"IN_PROGRESS","statusReason":{"reasonCode":"BUSY"},"result":{"text":{"s":"x"},"flag":{"b":false},"bytes":{"bin":"AAE="}}}`, t0.Add(time.Second))
	e, err := s.Get(lamp, "e", t0.Add(time.Second))
	if err != nil || e.Status != InProgress || *e.StatusReason != (StatusReason{"BUSY", ""}) || e.CommandID != "switch" || !e.StartedAt.Equal(t0.Add(time.Second)) || !e.CompletedAt.IsZero() {
		t.Errorf("%+v %v", e, err)
	}
	if r := e.Result; *r["text"].S != "x" || *r["flag"].B || !slices.Equal(r["bytes"].Bin, []byte{0, 1}) {
		t.Errorf("%v", r)
	}
	s.say("e", `{"status":"SUCCEEDED"}`, t0.Add(2*time.Second))
	e, _ = s.Get(lamp, "e", t0.Add(time.Hour))
	if e.Status != Succeeded || e.StatusReason != nil || len(e.Result) != 3 || !e.CompletedAt.Equal(t0.Add(2*time.Second)) {
		t.Errorf("%+v", e)
	}
}

func TestTimeout(t *testing.T) {
	s := NewService(Limits{})
	start(t, s, "e", Options{Timeout: time.Minute})
	start(t, s, "f", Options{Timeout: time.Minute})
	s.say("f", `{"status":"IN_PROGRESS"}`, t0.Add(30*time.Second))
	if e, _ := s.Get(lamp, "e", t0.Add(time.Minute-1)); e.Status != Created {
		t.Errorf("%+v", e)
	}
	for _, e := range s.List(lamp, t0.Add(time.Hour)) {
		if e.Status != TimedOut || e.StatusReason.Code != NoResponse || !e.CompletedAt.IsZero() || !e.LastUpdatedAt.Equal(t0.Add(time.Minute)) {
			t.Errorf("%+v", e)
		}
	}
	// Late is better than never.
	if verdict, a := s.say("e", `{"status":"SUCCEEDED"}`, t0.Add(time.Hour)); verdict != "accepted/json" {
		t.Error(a)
	}
	if e, _ := s.Get(lamp, "e", t0.Add(time.Hour)); e.Status != Succeeded || e.StatusReason != nil {
		t.Errorf("%+v", e)
	}
}

func TestCBOR(t *testing.T) {
	s := NewService(Limits{})
	start(t, s, "e", Options{})
	body, err := payload.CBOR.Encode(map[string]any{"status": "SUCCEEDED", "clientToken": "t", "result": map[string]any{"x": map[string]any{"bin": []byte{7}}}})
	if err != nil {
		t.Fatal(err)
	}
	r, ok := ParseResponse("$aws/commands/things/lamp/executions/e/response/cbor")
	if !ok {
		t.Fatal("not parsed")
	}
	m := s.Update(r, body, t0)
	if m.Topic != "$aws/commands/things/lamp/executions/e/response/accepted/cbor" {
		t.Error(m.Topic)
	}
	if a, err := payload.CBOR.Decode(m.Payload); err != nil || a["executionId"] != "e" || a["clientToken"] != "t" {
		t.Error(a, err)
	}
	if e, _ := s.Get(lamp, "e", t0); e.Status != Succeeded || !slices.Equal(e.Result["x"].Bin, []byte{7}) {
		t.Errorf("%+v", e)
	}
	if a, err := payload.CBOR.Decode(s.Update(r, []byte("{}"), t0).Payload); err != nil || a["error"] != "InvalidJson" {
		t.Error(a, err)
	}
}

func TestDeleteAndRefuse(t *testing.T) {
	s := NewService(Limits{})
	start(t, s, "e", Options{})
	if err := s.Delete(lamp, "e", t0); err == nil || err.Code != InvalidRequest {
		t.Error(err)
	}
	for _, code := range []Code{DataConflict, InternalError, RequestThrottled} {
		if err := s.Refuse(lamp, code, 1); err != nil {
			t.Error(err)
		}
		if verdict, a := s.say("e", `{"status":"IN_PROGRESS"}`, t0); verdict != "rejected/json" || !strings.Contains(a, `"error":"`+string(code)+`"`) {
			t.Error(verdict, a)
		}
	}
	if err := s.Refuse(lamp, ResourceNotFound, 1); err == nil {
		t.Error("no error")
	}
	if err := s.Refuse(lamp, DataConflict, -1); err == nil {
		t.Error("no error")
	}
	s.Refuse(lamp, DataConflict, 5)
	s.Refuse(lamp, DataConflict, 0)
	if verdict, a := s.say("e", `{"status":"FAILED"}`, t0); verdict != "accepted/json" {
		t.Error(a)
	}
	if err := s.Delete(lamp, "e", t0); err != nil {
		t.Error(err)
	}
	if err := s.Delete(lamp, "e", t0); err == nil || err.Code != ResourceNotFound {
		t.Error(err)
	}
	if _, err := s.Get(lamp, "e", t0); err == nil || err.Code != ResourceNotFound || err.Error() == "" {
		t.Error(err)
	}
}

func TestStatusText(t *testing.T) {
	for s := Created; s <= TimedOut; s++ {
		b, _ := s.MarshalText()
		var back Status
		if err := back.UnmarshalText(b); err != nil || back != s {
			t.Errorf("%s: %v %v", b, back, err)
		}
	}
	if s := Status(99).String(); s != "Status(99)" {
		t.Error(s)
	}
	if s := DeviceType(99).String(); s != "DeviceType(99)" {
		t.Error(s)
	}
}

func TestParseResponse(t *testing.T) {
	for _, s := range []string{"", "$aws/commands/", "$aws/commands/things/lamp/executions/e/response", "$aws/commands/things/lamp/executions/e/response/xml",
		"$aws/commands/things/lamp/executions/e/response/accepted/json", "$aws/commands/things//executions/e/response/json", "$aws/commands/things/lamp/executions//response/json",
		"$aws/commands/groups/lamp/executions/e/response/json", "$aws/commands/things/lamp/executions/e/request/json", "$aws/things/lamp/executions/e/response/json", "$aws/commands/things/lamp/jobs/e/response/json"} {
		if r, ok := ParseResponse(s); ok {
			t.Errorf("%s: %+v", s, r)
		}
	}
	if r, ok := ParseResponse("$aws/commands/clients/c/executions/e/response/json"); !ok || r.Target != (Target{Clients, "c"}) || r.ExecutionID != "e" || r.topic(false) != "$aws/commands/clients/c/executions/e/response/rejected/json" {
		t.Errorf("%+v %v", r, ok)
	}
}

// FuzzUpdate feeds any update: no panic, an answer that can be read, a refusal
// that changes nothing, an acceptance that leaves what was reported.
func FuzzUpdate(f *testing.F) {
	for _, s := range []string{``, `{}`, `null`, `{"status":"SUCCEEDED"}`, `{"status":"IN_PROGRESS","statusReason":{"reasonCode":"A"},"result":{"a":{"bin":"AA=="}}}`, "\xa1\x66status\x66FAILED", "\xbf\xff"} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, isCBOR bool) {
		s := NewService(Limits{})
		start(t, s, "e", Options{})
		format := payload.JSON
		if isCBOR {
			format = payload.CBOR
		}
		m := s.Update(Response{Target: lamp, ExecutionID: "e", format: format}, body, t0)
		a, err := format.Decode(m.Payload)
		if err != nil || a["executionId"] != "e" {
			t.Fatalf("%q: %v", m.Payload, err)
		}
		e, _ := s.Get(lamp, "e", t0)
		if a["error"] != nil {
			if e.Status != Created || e.Result != nil || !strings.Contains(m.Topic, "/response/rejected/") || a["errorMessage"] == "" {
				t.Fatalf("%v left %+v", a, e)
			}
			return
		}
		o, err := format.Decode(body)
		if err != nil || o["status"] != e.Status.String() || e.Status == Created || (o["result"] != nil) != (len(e.Result) > 0) {
			t.Fatalf("%q left %+v", body, e)
		}
	})
}
