package iotlocal_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	p5 "github.com/eclipse/paho.golang/packets"

	"github.com/portage-iot/awsiot/internal/memnet"
	"github.com/portage-iot/awsiot/iotlocal"
)

// ends are the ways in which a server ends before it is started again: whether it says goodbye.
var ends = map[string]bool{"closed": true, "killed": false}

// restarts runs a test in a bubble with a server that keeps its state, and with the one that takes its place.
func restarts(t *testing.T, before, after func(e *env)) {
	t.Helper()
	for name, closed := range ends {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				life := func(stateDir string, f func(e *env)) {
					nw := &memnet.Network{}
					srv, err := iotlocal.Start(iotlocal.Options{StateDir: stateDir, Listen: func(_, addr string) (net.Listener, error) { return nw.Listen(addr) }})
					if err != nil {
						t.Fatal(err)
					}
					defer func() {
						if err := srv.Close(); err != nil {
							t.Error(err)
						}
					}()
					f(&env{t, nw, srv})
				}
				next := filepath.Join(dir, "state")
				life(next, func(e *env) {
					before(e)
					if !closed { // what a kill at this moment would leave
						next = filepath.Join(dir, "killed")
						if err := os.CopyFS(next, os.DirFS(filepath.Join(dir, "state"))); err != nil {
							t.Fatal(err)
						}
					}
				})
				time.Sleep(time.Minute)
				life(next, after)
			})
		})
	}
}

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestStateOfShadows(t *testing.T) {
	var want []byte
	restarts(t, func(e *env) {
		for _, d := range []string{`{"state":{"desired":{"on":true,"n":1.50}}}`, `{"state":{"reported":{"on":false}}}`} {
			must(e.srv.Shadow("lamp", "").Update(d))(e.t)
		}
		must(e.srv.Shadow("lamp", "config").Update(`{"state":{"reported":{"a":1}}}`))(e.t)
		must(e.srv.Shadow("lamp", "gone").Update(`{"state":{}}`))(e.t)
		if err := e.srv.Shadow("lamp", "gone").Delete(); err != nil {
			e.t.Fatal(err)
		}
		want = must(e.srv.Shadow("lamp", "").Get())(e.t)
	}, func(e *env) {
		got := must(e.srv.Shadow("lamp", "").Get())(e.t)
		if head, _, _ := strings.Cut(string(want), `,"version":`); !strings.HasPrefix(string(got), head) {
			e.t.Errorf("got  %s\nwant %s", got, head)
		}
		for name, version := range map[string]int64{"": 2, "config": 1, "gone": 2} {
			if v := e.srv.Shadow("lamp", name).Version(); v != version {
				e.t.Errorf("shadow %q has the version %d, want %d", name, v, version)
			}
		}
		if names := e.srv.Shadows("lamp"); len(names) != 1 || names[0] != "config" {
			e.t.Errorf("named shadows: %v", names)
		}
		if v := must(e.srv.Shadow("lamp", "gone").Update(`{"state":{}}`))(e.t); v != 3 {
			e.t.Errorf("a deleted shadow goes on with version %d", v)
		}
	})
}

func TestStateOfJobs(t *testing.T) {
	restarts(t, func(e *env) {
		jobs := e.srv.Jobs("lamp")
		for id, o := range map[string]iotlocal.JobOptions{"a": {InProgressTimeout: 90 * time.Second, Retry: iotlocal.JobRetry{TimedOut: 1}}, "b": {}} {
			if err := jobs.Create(id, `{"v":"`+id+`"}`, o); err != nil {
				e.t.Fatal(err)
			}
		}
		c, _ := e.connect5("lamp")
		c.send(pub5("$aws/things/lamp/jobs/a/update", `{"status":"IN_PROGRESS","statusDetails":{"step":"1"}}`, 1, 1))
		synctest.Wait()
		c.drop()
	}, func(e *env) {
		jobs := e.srv.Jobs("lamp")
		a := must(jobs.Describe("a"))(e.t)
		if a.Status != iotlocal.JobInProgress || a.StatusDetails["step"] != "1" || a.VersionNumber != 2 || string(a.Document) != `{"v":"a"}` || a.TimesOutAt.IsZero() {
			e.t.Errorf("%+v", a)
		}
		if p := jobs.Pending(); len(p) != 2 || p[0].JobID != "a" {
			e.t.Errorf("pending: %+v", p)
		}
		time.Sleep(time.Minute) // the timer of before runs out, and the retry of before is queued
		synctest.Wait()
		if a := must(jobs.DescribeNumber("a", 1))(e.t); a.Status != iotlocal.JobTimedOut {
			e.t.Errorf("%+v", a)
		}
		if a := must(jobs.Describe("a"))(e.t); a.Status != iotlocal.JobQueued || a.ExecutionNumber != 2 {
			e.t.Errorf("%+v", a)
		}
	})
}

func TestStateOfRetainedMessages(t *testing.T) {
	restarts(t, func(e *env) {
		c, _ := e.connect5("p")
		retain(c, "r/a", "one", nil)
		retain(c, "r/gone", "two", nil)
		retain(c, "r/gone", "", nil)
		retain(c, "r/short", "three", new(uint32(30)))
		retain(c, "r/long", "four", new(uint32(600)))
		synctest.Wait()
	}, func(e *env) {
		c, _ := e.connect5("s")
		c.sub(1, "r/a", "r/gone", "r/short", "r/long")
		got := map[string]string{}
		for range 2 {
			m := want[*p5.Publish](c)
			if !m.Retain {
				e.t.Errorf("%v is not retained", m)
			}
			got[m.Topic] = string(m.Payload)
			if m.Topic == "r/long" && *m.Properties.MessageExpiry > 540 {
				e.t.Errorf("expires in %d s, a minute has passed", *m.Properties.MessageExpiry)
			}
			if m.QoS > 0 {
				c.ack(m.PacketID)
			}
		}
		c.quiet()
		if got["r/a"] != "one" || got["r/long"] != "four" {
			e.t.Errorf("got %v", got)
		}
	})
}

func TestStateOfSessions(t *testing.T) {
	restarts(t, func(e *env) {
		c, _ := e.connect5("kept", persistent)
		c.sub(1, "a/#", "b")
		c.send(&p5.Unsubscribe{PacketID: 7, Topics: []string{"b"}, Properties: &p5.Properties{}})
		want[*p5.Unsuback](c)
		clean, _ := e.connect5("clean")
		clean.sub(1, "a/#")
		short, _ := e.connect5("short", persistent, func(c *p5.Connect) { c.Properties.SessionExpiryInterval = new(uint32(30)) })
		short.sub(1, "a/#")
		p, _ := e.connect5("p")
		p.pub("a/1", "acknowledged", 1)
		c.ack(want[*p5.Publish](c).PacketID)
		synctest.Wait()
		p.pub("a/2", "not acknowledged", 2)
		want[*p5.Publish](c)
		c.drop()
		short.drop()
		p.pub("a/3", "queued", 3)
		p.send(&p5.Publish{Topic: "a/4", QoS: 1, PacketID: 4, Payload: []byte("expires"), Properties: &p5.Properties{MessageExpiry: new(uint32(30))}})
		want[*p5.Puback](p)
		p.pub("b", "nobody's", 5)
	}, func(e *env) {
		for _, id := range []string{"clean", "short"} {
			if s, ok := e.srv.Session(id); ok {
				e.t.Errorf("session %s: %+v", id, s)
			}
		}
		c, ack := e.connect5("kept", persistent)
		if !ack.SessionPresent {
			e.t.Fatal("the session is gone")
		}
		for _, payload := range []string{"not acknowledged", "queued"} {
			m := want[*p5.Publish](c)
			if string(m.Payload) != payload {
				e.t.Errorf("got %q, want %q", m.Payload, payload)
			}
			c.ack(m.PacketID)
		}
		c.quiet()
		p, _ := e.connect5("p")
		p.pub("a/5", "new", 1)
		if m := want[*p5.Publish](c); string(m.Payload) != "new" {
			e.t.Errorf("got %q", m.Payload)
		}
	})
}

// Sessions of clients that are connected when the server ends, and one that a client has ended.
func TestStateOfConnected(t *testing.T) {
	restarts(t, func(e *env) {
		c, _ := e.connect5("live", persistent)
		c.sub(1, "a", "b")
		c.send(&p5.Unsubscribe{PacketID: 7, Topics: []string{"b"}, Properties: &p5.Properties{}})
		want[*p5.Unsuback](c)
		c.sub(1, "c")
		gone, _ := e.connect5("gone", persistent)
		gone.sub(1, "a")
		p, _ := e.connect5("p")
		p.pub("a", "queued", 1)
		gone.drop()
		e.connect5("gone") // a clean start, and no session expiry
		synctest.Wait()
	}, func(e *env) {
		if s, ok := e.srv.Session("live"); !ok || fmt.Sprint(slices.Sorted(slices.Values(s.Subscriptions))) != "[a c]" || s.Queued != 1 {
			e.t.Errorf("%v %+v", ok, s)
		}
		if s, ok := e.srv.Session("gone"); ok {
			e.t.Errorf("%+v", s)
		}
		time.Sleep(58 * time.Minute)
		if _, ok := e.srv.Session("live"); !ok {
			e.t.Error("the session has ended")
		}
		time.Sleep(3 * time.Minute) // their time begins anew when nobody has seen them go
		synctest.Wait()
		if _, ok := e.srv.Session("live"); ok {
			e.t.Error("the session has not ended")
		}
	})
}

// What was acknowledged does not come back, also when the server ends twice.
func TestStateOfAcknowledged(t *testing.T) {
	restarts(t, func(e *env) {
		c, _ := e.connect5("kept", persistent)
		c.sub(1, "a")
		c.drop()
		p, _ := e.connect5("p")
		for i := range 3 {
			p.pub("a", fmt.Sprint(i), uint16(i+1))
		}
		c, _ = e.connect5("kept", persistent)
		for range 3 {
			c.ack(want[*p5.Publish](c).PacketID)
		}
		synctest.Wait()
		c.drop()
	}, func(e *env) {
		c, ack := e.connect5("kept", persistent)
		if !ack.SessionPresent {
			e.t.Error("the session is gone")
		}
		c.quiet()
	})
}

// Rules and authorizers are kept, but for those that are Go functions.
func TestStateOfRulesAndAuthorizers(t *testing.T) {
	function := iotlocal.RuleAction{Function: func(iotlocal.RuleEvent) error { return nil }}
	restarts(t, func(e *env) {
		for _, r := range []iotlocal.TopicRule{
			{Name: "copy", SQL: "SELECT v FROM 'in'", Description: "d", Actions: []iotlocal.RuleAction{{Republish: &iotlocal.RepublishAction{Topic: "out", QoS: 1}}},
				ErrorAction: &iotlocal.RuleAction{URL: &iotlocal.URLAction{URL: "http://localhost/", Header: map[string][]string{"A": {"b"}}}}},
			{Name: "off", SQL: "SELECT * FROM 'in'", Disabled: true},
			{Name: "code", SQL: "SELECT * FROM 'in'", Actions: []iotlocal.RuleAction{function}},
			{Name: "code2", SQL: "SELECT * FROM 'in'", ErrorAction: &function},
			{Name: "deleted", SQL: "SELECT * FROM 'in'"},
		} {
			if err := e.srv.Rules().Put(r); err != nil {
				e.t.Fatal(err)
			}
		}
		e.srv.Rules().Delete("deleted")
		for _, a := range []iotlocal.Authorizer{{Name: "url", URL: "http://localhost/", SigningDisabled: true, Inactive: true}, {Name: "code", SigningDisabled: true,
			Function: func(iotlocal.AuthorizerRequest) (iotlocal.AuthorizerAnswer, error) {
				return iotlocal.AuthorizerAnswer{}, nil
			}}} {
			if err := e.srv.Authorizers().Put(a); err != nil {
				e.t.Fatal(err)
			}
		}
		if err := e.srv.Authorizers().SetDefault("url"); err != nil {
			e.t.Fatal(err)
		}
		if err := e.srv.Rules().Put(iotlocal.TopicRule{Name: "late", SQL: "SELECT * FROM 'in'"}); err != nil {
			e.t.Fatal(err)
		}
	}, func(e *env) {
		if names := e.srv.Rules().Names(); fmt.Sprint(names) != "[copy late off]" {
			e.t.Errorf("rules: %v", names)
		}
		if r, _ := e.srv.Rules().Get("off"); !r.Disabled {
			e.t.Errorf("%+v", r)
		}
		if r, _ := e.srv.Rules().Get("copy"); r.Description != "d" || r.ErrorAction == nil || r.ErrorAction.URL.Header.Get("A") != "b" {
			e.t.Errorf("%+v", r)
		}
		if names := e.srv.Authorizers().Names(); fmt.Sprint(names) != "[url]" || e.srv.Authorizers().Default() != "url" {
			e.t.Errorf("authorizers: %v, default %q", names, e.srv.Authorizers().Default())
		}
		if a, _ := e.srv.Authorizers().Get("url"); a.URL != "http://localhost/" || !a.SigningDisabled || !a.Inactive {
			e.t.Errorf("%+v", a)
		}
		c, _ := e.connect5("c")
		c.sub(1, "out")
		other, _ := e.connect5("d") // the rule may be quicker than PUBACK
		other.pub("in", `{"v":1,"w":2}`, 1)
		if m := want[*p5.Publish](c); string(m.Payload) != `{"v":1}` {
			e.t.Errorf("got %s", m.Payload)
		}
	})
}

// What the control API has made: things, types, groups, certificates, policies with their versions, what is attached, templates.
func TestStateOfTheRegistry(t *testing.T) {
	const allow = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}`
	var revoked, lamp string
	restarts(t, func(e *env) {
		config := `[
			{"operation": "CreateThingType", "thingTypeName": "light", "thingTypeProperties": {"thingTypeDescription": "d"}},
			{"operation": "NewThing", "thingName": "lamp"}, {"operation": "NewThing", "thingName": "old"},
			{"operation": "UpdateThing", "thingName": "lamp", "thingTypeName": "light", "attributePayload": {"attributes": {"room": "hall"}}},
			{"operation": "CreateThingGroup", "thingGroupName": "lamps"}, {"operation": "CreateThingGroup", "thingGroupName": "hall", "parentGroupName": "lamps"},
			{"operation": "AddThingToThingGroup", "thingGroupName": "hall", "thingName": "lamp"},
			{"operation": "CreatePolicy", "policyName": "p", "policyDocument": ` + allow + `},
			{"operation": "CreatePolicyVersion", "policyName": "p", "policyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "iot:*", "Resource": "*"}]}},
			{"operation": "CreatePolicy", "policyName": "gone", "policyDocument": ` + allow + `}, {"operation": "DeletePolicy", "policyName": "gone"},
			{"operation": "AttachPolicy", "policyName": "p", "target": "${iotlocal:certificate/lamp}"},
			{"operation": "CreateJob", "jobId": "j", "targets": ["${iotlocal:thinggroup/lamps}"], "document": "{}", "targetSelection": "CONTINUOUS"}]`
		if err := e.srv.Configure([]byte(config)); err != nil {
			e.t.Fatal(err)
		}
		if err := e.srv.Templates().Create("fleet", iotlocal.DefaultTemplate, iotlocal.TemplateOptions{}); err != nil {
			e.t.Fatal(err)
		}
		must(e.srv.Templates().Claim("fleet", iotlocal.ClaimOptions{}))(e.t)
		revoked, lamp = must(e.srv.NewThing("old"))(e.t).CertificateID(), must(e.srv.NewThing("lamp"))(e.t).CertificateID()
		if err := e.srv.SetCertificateStatus(revoked, iotlocal.CertificateRevoked); err != nil {
			e.t.Fatal(err)
		}
	}, func(e *env) {
		if status, ok := e.srv.CertificateStatus(revoked); !ok || status != iotlocal.CertificateRevoked {
			e.t.Errorf("the revoked certificate: %v %v", status, ok)
		}
		if status, ok := e.srv.CertificateStatus(lamp); !ok || status != iotlocal.CertificateActive {
			e.t.Errorf("the certificate of the lamp: %v %v", status, ok)
		}
		if names := e.srv.Policy().Names(); fmt.Sprint(names) != "[p]" {
			e.t.Errorf("policies: %v", names)
		}
		if text, _ := e.srv.Policy().Document("p"); text != allow {
			e.t.Errorf("the default version: %s", text)
		}
		if d := e.srv.Policy().Test(lamp, iotlocal.PolicyRequest{Action: "iot:Connect", Resource: "client/x"}); !d.Allowed() {
			e.t.Errorf("%v", d)
		}
		if d := e.srv.Policy().Test(revoked, iotlocal.PolicyRequest{Action: "iot:Connect", Resource: "client/x"}); d.Allowed() {
			e.t.Errorf("%v", d)
		}
		if thing, ok := e.srv.Templates().Thing("lamp"); !ok || thing.TypeName != "light" || thing.Attributes["room"] != "hall" || fmt.Sprint(thing.Groups) != "[hall]" || fmt.Sprint(thing.Certificates) != "["+lamp+"]" {
			e.t.Errorf("the thing: %+v", thing)
		}
		if all := e.srv.Templates().List(); len(all) != 1 || all[0].Name != "fleet" {
			e.t.Errorf("templates: %+v", all)
		}
		if all := e.srv.Templates().Certificates(); len(all) != 1 || all[0].Status != iotlocal.CertificateClaim || all[0].ExpiresAt.IsZero() {
			e.t.Errorf("certificates of provisioning: %+v", all)
		}
		if all := e.srv.Jobs("lamp").Pending(); len(all) != 1 {
			e.t.Errorf("jobs: %+v", all)
		}
		// The continuous job goes on.
		if err := e.srv.Configure([]byte(`[{"operation": "NewThing", "thingName": "bulb"}, {"operation": "AddThingToThingGroup", "thingGroupName": "lamps", "thingName": "bulb"}]`)); err != nil {
			e.t.Fatal(err)
		}
		if all := e.srv.Jobs("bulb").Pending(); len(all) != 1 {
			e.t.Errorf("jobs of the new member: %+v", all)
		}
	})
}

// A certificate that provisioning has made can be registered after the restart.
func TestStateOfProvisioning(t *testing.T) {
	var token, certificate string
	restarts(t, func(e *env) {
		if err := e.srv.Templates().Create("fleet", iotlocal.DefaultTemplate, iotlocal.TemplateOptions{}); err != nil {
			e.t.Fatal(err)
		}
		c, _ := e.connect5("device")
		c.sub(1, "$aws/certificates/create/json/accepted")
		c.send(pub5("$aws/certificates/create/json", `{}`, 1, 1))
		var answer struct{ CertificateOwnershipToken, CertificateID string }
		for {
			if m, ok := c.read().(*p5.Publish); ok {
				if err := json.Unmarshal(m.Payload, &answer); err != nil {
					e.t.Fatal(err)
				}
				break
			}
		}
		token, certificate = answer.CertificateOwnershipToken, answer.CertificateID
	}, func(e *env) {
		if status, _ := e.srv.CertificateStatus(certificate); status != iotlocal.CertificatePendingActivation {
			e.t.Errorf("status %v", status)
		}
		c, _ := e.connect5("device")
		c.send(pub5("$aws/provisioning-templates/fleet/provision/json", `{"certificateOwnershipToken":"`+token+`","parameters":{"SerialNumber":"sn1"}}`, 0, 0))
		if m := want[*p5.Publish](c); !strings.HasSuffix(m.Topic, "/accepted") {
			e.t.Fatalf("%s %s", m.Topic, m.Payload)
		}
		if status, _ := e.srv.CertificateStatus(certificate); status != iotlocal.CertificateActive {
			e.t.Errorf("status %v", status)
		}
	})
}

func TestStateDirRefused(t *testing.T) {
	start := func(dir string, o iotlocal.Options) error {
		o.StateDir, o.TLSPort, o.TCPPort, o.WSPort, o.WSSPort = dir, iotlocal.Off, iotlocal.Off, iotlocal.Off, iotlocal.Off
		srv, err := iotlocal.Start(o)
		if err == nil {
			err = srv.Close()
		}
		return err
	}
	t.Run("in use", func(t *testing.T) {
		dir := t.TempDir()
		iotlocal.StartT(t, iotlocal.Options{StateDir: dir})
		if err := start(dir, iotlocal.Options{}); !errors.Is(err, iotlocal.ErrStateLocked) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%v", err)
		}
	})
	t.Run("damaged", func(t *testing.T) {
		dir := t.TempDir()
		if err := start(dir, iotlocal.Options{}); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "state")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(text, "rubbish\n"...), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := start(dir, iotlocal.Options{}); err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "line ") {
			t.Errorf("%v", err)
		}
	})
	t.Run("of another CA", func(t *testing.T) {
		dir := t.TempDir()
		if err := start(dir, iotlocal.Options{Dir: t.TempDir()}); err != nil {
			t.Fatal(err)
		}
		if err := start(dir, iotlocal.Options{Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "another CA") {
			t.Errorf("%v", err)
		}
	})
	t.Run("the certificates are kept in it", func(t *testing.T) {
		dir := t.TempDir()
		for range 2 {
			if err := start(dir, iotlocal.Options{}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := os.Stat(filepath.Join(dir, "certs", "ca.key")); err != nil {
			t.Error(err)
		}
	})
}
