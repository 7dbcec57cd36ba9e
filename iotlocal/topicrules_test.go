package iotlocal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	p5 "github.com/eclipse/paho.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/iotlocal/rules"
)

// heardBy is a function of a rule that notes what it gets.
type heardBy struct {
	mu  sync.Mutex
	all []string
}

func (h *heardBy) note(e iotlocal.RuleEvent) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, fmt.Sprintf("%s %s %s %s", e.Rule, e.Topic, e.ClientID, e.Payload))
	return nil
}

func (h *heardBy) expect(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.all, want) {
		t.Errorf("the function heard\n %q\nwant\n %q", h.all, want)
	}
	h.all = nil
}

func putRule(t *testing.T, s *iotlocal.Server, r iotlocal.TopicRule) {
	t.Helper()
	if err := s.Rules().Put(r); err != nil {
		t.Fatal(err)
	}
}

func publish(t *testing.T, s *iotlocal.Server, topic, payload string) {
	t.Helper()
	if _, err := s.Publish(iotlocal.Message{Topic: topic, Payload: []byte(payload), QoS: 1}); err != nil {
		t.Fatal(err)
	}
}

func TestTopicRules(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		var heard heardBy
		putRule(t, e.srv, iotlocal.TopicRule{Name: "hot", SQL: `SELECT t, topic(2) AS room FROM 'home/+/t' WHERE t > 30`, Actions: []iotlocal.RuleAction{
			{Function: heard.note}, {Republish: &iotlocal.RepublishAction{Topic: "alarm/${topic(2)}", QoS: 1}}}})
		putRule(t, e.srv, iotlocal.TopicRule{Name: "alarms", SQL: `SELECT * FROM 'alarm/#'`, Actions: []iotlocal.RuleAction{{Function: heard.note}}})
		putRule(t, e.srv, iotlocal.TopicRule{Name: "off", SQL: `SELECT * FROM '#'`, Disabled: true, Actions: []iotlocal.RuleAction{{Function: heard.note}}})
		publish(t, e.srv, "home/kitchen/t", `{"t":20}`)
		publish(t, e.srv, "home/kitchen/t", `{"t":31}`)
		publish(t, e.srv, "home/attic/t", `{"t":40,"x":1}`)
		heard.expect(t, `hot home/kitchen/t  {"room":"kitchen","t":31}`, `hot home/attic/t  {"room":"attic","t":40}`,
			`alarms alarm/kitchen  {"room":"kitchen","t":31}`, `alarms alarm/attic  {"room":"attic","t":40}`)
		if got := e.srv.Rules().Names(); !slices.Equal(got, []string{"alarms", "hot", "off"}) {
			t.Errorf("%v", got)
		}
		if r, ok := e.srv.Rules().Get("alarms"); !ok || r.SQL != `SELECT * FROM 'alarm/#'` {
			t.Errorf("%+v %v", r, ok)
		}
		if !e.srv.Rules().Delete("hot") || e.srv.Rules().Delete("hot") {
			t.Error("Delete")
		}
		publish(t, e.srv, "home/attic/t", `{"t":41}`)
		heard.expect(t)
	})
}

// Basic Ingest: a client's message for one rule, which no subscriber sees; the client is told of.
func TestBasicIngest(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		var heard heardBy
		for _, name := range []string{"mine", "other"} {
			putRule(t, e.srv, iotlocal.TopicRule{Name: name, SQL: `SELECT topic(1) AS one, clientid() AS id FROM 'elsewhere'`, Actions: []iotlocal.RuleAction{{Function: heard.note}}})
		}
		c, _ := e.connect5("lamp")
		c.sub(1, "#")
		c.pub("$aws/rules/mine/a/b", "{}", 7)
		heard.expect(t, `mine a/b lamp {"id":"lamp","one":"a"}`)
		putRule(t, e.srv, iotlocal.TopicRule{Name: "every", SQL: `SELECT * FROM '#'`, Actions: []iotlocal.RuleAction{{Function: heard.note}}})
		publish(t, e.srv, "$aws/rules//a", "{}") // for no rule
		heard.expect(t)
		e.srv.Rules().Delete("every")
		publish(t, e.srv, "seen", "")
		if p := want[*p5.Publish](c); p.Topic != "seen" {
			t.Errorf("the subscriber got %s", p.Topic)
		}
	})
}

// What goes wrong is reported to the error action in AWS's shape, and the other actions go on.
func TestRuleFails(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		var heard, reports heardBy
		report := &iotlocal.RuleAction{Function: reports.note}
		putRule(t, e.srv, iotlocal.TopicRule{Name: "r", SQL: `SELECT * FROM 'a'`, ErrorAction: report, Actions: []iotlocal.RuleAction{
			{Function: func(iotlocal.RuleEvent) error { return errors.New("no") }},
			{Function: func(iotlocal.RuleEvent) error { panic("worse") }},
			{Republish: &iotlocal.RepublishAction{Topic: "b/${missing}"}},
			{Republish: &iotlocal.RepublishAction{Topic: "$aws/things/x"}},
			{Republish: &iotlocal.RepublishAction{Topic: "a/#"}},
			{Function: heard.note}}})
		putRule(t, e.srv, iotlocal.TopicRule{Name: "value", SQL: `SELECT VALUE missing FROM 'c'`, ErrorAction: report})
		putRule(t, e.srv, iotlocal.TopicRule{Name: "circle", SQL: `SELECT * FROM 'round'`, ErrorAction: report, Actions: []iotlocal.RuleAction{{Republish: &iotlocal.RepublishAction{Topic: "round"}}}})
		publish(t, e.srv, "a", `{"x":1}`)
		heard.expect(t, `r a  {"x":1}`)
		publish(t, e.srv, "c", `{}`)
		publish(t, e.srv, "round", `{}`)
		synctest.Wait()
		var got []string
		for _, line := range reports.all {
			var r struct {
				RuleName, Topic, Base64OriginalPayload string
				Failures                               []struct{ FailedAction, FailedResource, ErrorMessage string }
			}
			if err := json.Unmarshal([]byte(line[strings.Index(line, "{"):]), &r); err != nil || len(r.Failures) != 1 {
				t.Fatal(line, err)
			}
			f := r.Failures[0]
			got = append(got, fmt.Sprintf("%s %s %s %s %s: %s", r.RuleName, r.Topic, r.Base64OriginalPayload, f.FailedAction, f.FailedResource, f.ErrorMessage))
		}
		want := []string{
			`r a eyJ4IjoxfQ== LambdaAction : no`,
			`r a eyJ4IjoxfQ== LambdaAction : the function panicked: worse`,
			`r a eyJ4IjoxfQ== RepublishAction b/${missing}: iotlocal: rule: an expression of "b/${missing}" is undefined`,
			`r a eyJ4IjoxfQ== RepublishAction $aws/things/x: a reserved topic is written with two dollar signs, as $$aws/things`,
		}
		if len(got) != 7 || !slices.Equal(got[:4], want) || !strings.HasPrefix(got[4], "r a eyJ4IjoxfQ== RepublishAction a/#: ") ||
			got[5] != `value c e30= SQL : iotlocal: rule: SELECT VALUE is undefined` || !strings.HasSuffix(got[6], "republished 10 times over the output of rules: a circle") {
			t.Errorf("reports:\n%s", strings.Join(got, "\n"))
		}
	})
}

// A rule that republishes to a shadow's topic makes a request of it.
func TestRuleUpdatesShadow(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		putRule(t, e.srv, iotlocal.TopicRule{Name: "r", SQL: `SELECT VALUE state FROM 'raw/+'`, Actions: []iotlocal.RuleAction{
			{Republish: &iotlocal.RepublishAction{Topic: "$$aws/things/${topic(2)}/shadow/update"}}}})
		publish(t, e.srv, "raw/lamp", `{"state":{"state":{"reported":{"on":true}}}}`)
		synctest.Wait()
		if doc, err := e.srv.Shadow("lamp", "").Get(); err != nil || !strings.Contains(string(doc), `"on":true`) {
			t.Errorf("%s %v", doc, err)
		}
	})
}

// A circle that leads through the shadow service ends too.
func TestRuleCircleThroughShadow(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		var reports heardBy
		putRule(t, e.srv, iotlocal.TopicRule{Name: "round", SQL: `SELECT state FROM '$aws/things/+/shadow/update/accepted'`, ErrorAction: &iotlocal.RuleAction{Function: reports.note},
			Actions: []iotlocal.RuleAction{{Republish: &iotlocal.RepublishAction{Topic: "$$aws/things/${topic(3)}/shadow/update"}}}})
		if _, err := e.srv.Shadow("lamp", "").Update(`{"state":{"reported":{"n":1}}}`); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(reports.all) != 1 || !strings.Contains(reports.all[0], "a circle") || e.srv.Shadow("lamp", "").Version() != 11 {
			t.Errorf("version %d, %q", e.srv.Shadow("lamp", "").Version(), reports.all)
		}
	})
}

func TestRuleURL(t *testing.T) {
	got := make(chan string, 10)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- fmt.Sprintf("%s %s %s %s %s", r.Method, r.URL, r.Header.Get("Content-Type"), r.Header.Get("X-Key"), b)
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer target.Close()
	s := iotlocal.StartT(t, iotlocal.Options{})
	failed := make(chan string, 10)
	putRule(t, s, iotlocal.TopicRule{Name: "r", SQL: `SELECT * FROM 'a'`,
		Actions:     []iotlocal.RuleAction{{URL: &iotlocal.URLAction{URL: target.URL + "/yes", Header: http.Header{"X-Key": {"k"}}}}, {URL: &iotlocal.URLAction{URL: target.URL + "/no", Header: http.Header{"Content-Type": {"text/plain"}}}}},
		ErrorAction: &iotlocal.RuleAction{Function: func(e iotlocal.RuleEvent) error { failed <- string(e.Payload); return nil }}})
	publish(t, s, "a", `{"x":1}`)
	if g := <-got; g != `POST /yes application/json k {"x":1}` {
		t.Error(g)
	}
	if g := <-got; g != `POST /no text/plain  {"x":1}` {
		t.Error(g)
	}
	if f := <-failed; !strings.Contains(f, "418") || !strings.Contains(f, "/no") {
		t.Error(f)
	}
}

// What a rule makes must not be larger than a message of AWS IoT Core.
func TestRuleMakesTooMuch(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		var heard, reports heardBy
		putRule(t, e.srv, iotlocal.TopicRule{Name: "double", SQL: `SELECT VALUE concat(a, a) FROM 'a'`, Actions: []iotlocal.RuleAction{{Republish: &iotlocal.RepublishAction{Topic: "b"}}},
			ErrorAction: &iotlocal.RuleAction{Function: reports.note}})
		putRule(t, e.srv, iotlocal.TopicRule{Name: "hears", SQL: `SELECT topic() FROM 'b'`, Actions: []iotlocal.RuleAction{{Function: heard.note}}})
		publish(t, e.srv, "a", `{"a":"`+strings.Repeat("x", 64<<10-1)+`"}`) // 128 KiB with its quotes
		heard.expect(t, `hears b  {"topic":"b"}`)
		publish(t, e.srv, "a", `{"a":"`+strings.Repeat("x", 64<<10)+`"}`)
		heard.expect(t)
		if len(reports.all) != 1 || !strings.Contains(reports.all[0], "131074 bytes") {
			t.Errorf("%.300q", reports.all)
		}
	})
}

// Close ends a request that hangs.
func TestRuleURLHangs(t *testing.T) {
	came, ended := make(chan bool, 1), make(chan bool, 1)
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		came <- true
		<-r.Context().Done()
		ended <- true
	}))
	defer target.Close()
	s := iotlocal.StartT(t, iotlocal.Options{})
	failed := make(chan string, 1)
	putRule(t, s, iotlocal.TopicRule{Name: "r", SQL: `SELECT * FROM 'a'`, Actions: []iotlocal.RuleAction{{URL: &iotlocal.URLAction{URL: target.URL}}},
		ErrorAction: &iotlocal.RuleAction{Function: func(e iotlocal.RuleEvent) error { failed <- string(e.Payload); return nil }}})
	publish(t, s, "a", `{}`)
	<-came
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	<-ended
	if f := <-failed; !strings.Contains(f, "context canceled") {
		t.Error(f)
	}
}

// The error action may republish; what Put got is not the caller's to change; what is too much is lost, and said.
func TestRuleEdges(t *testing.T) {
	var log bytes.Buffer
	bubble(t, iotlocal.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, func(e *env) {
		var heard heardBy
		release := make(chan struct{})
		n := 0
		actions := []iotlocal.RuleAction{{Republish: &iotlocal.RepublishAction{Topic: "never/${missing}"}},
			{Function: func(iotlocal.RuleEvent) error { <-release; n++; return nil }}}
		putRule(t, e.srv, iotlocal.TopicRule{Name: "r", SQL: `SELECT * FROM 'a'`, Actions: actions,
			ErrorAction: &iotlocal.RuleAction{Republish: &iotlocal.RepublishAction{Topic: "failed/${topic()}"}}})
		putRule(t, e.srv, iotlocal.TopicRule{Name: "failures", SQL: `SELECT ruleName FROM 'failed/a'`, Actions: []iotlocal.RuleAction{{Function: heard.note}}})
		actions[1] = iotlocal.RuleAction{}
		publish(t, e.srv, "a", "{}")
		synctest.Wait()            // the first one is being worked on
		for range 10_000 - 1 + 2 { // beside the failure
			publish(t, e.srv, "a", "{}")
		}
		e.srv.Rules().Delete("failures")
		close(release)
		synctest.Wait()
		if n != 10_000 || !strings.Contains(log.String(), "they come faster than rules and their actions work\" messages=2") {
			t.Errorf("%d applied", n)
		}
	})
}

func TestBadRules(t *testing.T) {
	s := iotlocal.StartT(t, iotlocal.Options{})
	nothing := func(iotlocal.RuleEvent) error { return nil }
	good := iotlocal.TopicRule{Name: "r", SQL: `SELECT * FROM 'a'`}
	for want, change := range map[string]func(*iotlocal.TopicRule){
		"a name is":      func(r *iotlocal.TopicRule) { r.Name = "a-b" },
		"11 actions":     func(r *iotlocal.TopicRule) { r.Actions = make([]iotlocal.RuleAction, 11) },
		"action 1: 0 of": func(r *iotlocal.TopicRule) { r.Actions = make([]iotlocal.RuleAction, 1) },
		"action 1: 2 of": func(r *iotlocal.TopicRule) {
			r.Actions = []iotlocal.RuleAction{{Function: nothing, URL: &iotlocal.URLAction{}}}
		},
		"is no http or https URL": func(r *iotlocal.TopicRule) {
			r.Actions = []iotlocal.RuleAction{{URL: &iotlocal.URLAction{URL: "ftp://x"}}}
		},
		"QoS must be 0 or 1": func(r *iotlocal.TopicRule) {
			r.ErrorAction = &iotlocal.RuleAction{Republish: &iotlocal.RepublishAction{QoS: 2}}
		},
		"${ without }": func(r *iotlocal.TopicRule) {
			r.Actions = []iotlocal.RuleAction{{Republish: &iotlocal.RepublishAction{Topic: "${x"}}}
		},
		"FROM is missing at the end": func(r *iotlocal.TopicRule) { r.SQL = "SELECT *" },
	} {
		r := good
		change(&r)
		if err := s.Rules().Put(r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		} else if _, is := errors.AsType[*rules.Error](err); strings.HasPrefix(want, "FROM") && !is {
			t.Errorf("%T", err)
		}
	}
	if len(s.Rules().Names()) > 0 {
		t.Error("a bad rule is stored")
	}
}
