package iotlocal_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	p5 "github.com/eclipse/paho.golang/packets"
	p3 "github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal"
)

const lampJobs = "$aws/things/lamp/jobs/"

// got is a message as a device sees it.
type got struct {
	topic, payload string
	qos            byte
}

// device is a client of either protocol.
type device struct {
	*raw
	five bool
}

// protocols are both, by name.
var protocols = map[string]bool{"MQTT 5": true, "MQTT 3.1.1": false}

func (e *env) device(id string, five bool) *device {
	e.t.Helper()
	d := &device{five: five}
	if five {
		d.raw, _ = e.connect5(id)
	} else {
		d.raw, _ = e.connect3(id)
	}
	return d
}

func (d *device) subscribe(qos byte, filters ...string) {
	d.t.Helper()
	var codes []byte
	if d.five {
		codes = d.sub(qos, filters...)
	} else {
		codes = d.sub3(qos, filters...)
	}
	if slices.Max(codes) != qos {
		d.t.Fatalf("SUBACK % X", codes)
	}
}

// request publishes to a topic of the lamp's jobs; at QoS 1 it reads the PUBACK.
func (d *device) request(op, payload string, qos byte) {
	d.t.Helper()
	if d.five {
		d.send(pub5(lampJobs+op, payload, qos, uint16(qos)*7))
	} else {
		p := p3.NewControlPacket(p3.Publish).(*p3.PublishPacket)
		p.TopicName, p.Payload, p.Qos, p.MessageID = lampJobs+op, []byte(payload), qos, uint16(qos)*7
		d.send3(p)
	}
	if qos == 0 {
		return
	}
	if d.five {
		if a := want[*p5.Puback](d.raw); a.ReasonCode != 0 {
			d.t.Fatalf("PUBACK 0x%02X", a.ReasonCode)
		}
	} else if _, ok := d.read3().(*p3.PubackPacket); !ok {
		d.t.Fatal("no PUBACK")
	}
}

// next reads one message, acknowledges it and returns it, its topic without the
// lamp's prefix.
func (d *device) next() got {
	d.t.Helper()
	var g got
	if d.five {
		m := want[*p5.Publish](d.raw)
		g = got{m.Topic, string(m.Payload), m.QoS}
		if m.QoS == 1 {
			d.ack(m.PacketID)
		}
	} else {
		m, ok := d.read3().(*p3.PublishPacket)
		if !ok {
			d.t.Fatal("no PUBLISH")
		}
		g = got{m.TopicName, string(m.Payload), m.Qos}
		if m.Qos == 1 {
			a := p3.NewControlPacket(p3.Puback).(*p3.PubackPacket)
			a.MessageID = m.MessageID
			d.send3(a)
		}
	}
	g.topic = strings.TrimPrefix(g.topic, lampJobs)
	return g
}

// expect reads messages and compares them: "TOPIC PART", where PART must be in
// the payload.
func (d *device) expect(lines ...string) {
	d.t.Helper()
	for _, l := range lines {
		topic, part, _ := strings.Cut(l, " ")
		if g := d.next(); g.topic != topic || !strings.Contains(g.payload, part) || !json.Valid([]byte(g.payload)) {
			d.t.Errorf("%s: got %s %s, want %s", d.id, g.topic, g.payload, l)
		}
	}
}

func (e *env) create(id, document string, o iotlocal.JobOptions) {
	e.t.Helper()
	if err := e.srv.Jobs("lamp").Create(id, document, o); err != nil {
		e.t.Fatal(err)
	}
}

// The workflow of the guide with the filters of AWS's v2 SDKs.
func TestJobsOverMQTT(t *testing.T) {
	for name, five := range protocols {
		t.Run(name, func(t *testing.T) {
			bubble(t, iotlocal.Options{}, func(e *env) {
				d := e.device("lamp", five)
				d.subscribe(1, lampJobs+"notify", lampJobs+"notify-next", lampJobs+"get/+", lampJobs+"start-next/+", lampJobs+"+/get/+", lampJobs+"+/update/+")
				ask := func(op, payload string, want ...string) {
					t.Helper()
					d.request(op, payload, 1)
					d.expect(want...)
				}
				ask("$next/get", `{"clientToken":"0"}`, `$next/get/accepted {"clientToken":"0","timestamp":946684800}`)
				e.create("one", `{"op":"reboot"}`, iotlocal.JobOptions{})
				d.expect(`notify {"timestamp":946684800,"jobs":{"QUEUED":[{"jobId":"one"`, `notify-next "jobDocument":{"op":"reboot"}`)
				e.create("two", `{}`, iotlocal.JobOptions{})
				d.expect(`notify "jobId":"two"`)
				ask("get", `{"clientToken":"1"}`, `get/accepted {"clientToken":"1","timestamp":946684800,"inProgressJobs":[],"queuedJobs":[{"jobId":"one"`)
				ask("start-next", `{"statusDetails":{"step":"1"},"clientToken":"2"}`, `start-next/accepted "jobId":"one","thingName":"lamp","status":"IN_PROGRESS","statusDetails":{"step":"1"}`)
				// As v1 sends it.
				ask("one/update", `{"status": "IN_PROGRESS", "expectedVersion": "2", "executionNumber": "1", "includeJobExecutionState": true, "clientToken": "lamp"}`,
					`one/update/accepted {"clientToken":"lamp","timestamp":946684800,"executionState":{"status":"IN_PROGRESS","statusDetails":{"step":"1"},"versionNumber":3}}`)
				ask("one/update", `{"status":"FAILED","expectedVersion":2}`, `one/update/rejected "code":"VersionMismatch"`)
				ask("two/update", `{"status":"IN_PROGRESS"}`, `two/update/accepted`)
				ask("two/get", `{"includeJobDocument":false}`, `two/get/accepted "versionNumber":2,"executionNumber":1}}`)
				ask("one/update", `{"status":"SUCCEEDED"}`, `one/update/accepted`, `notify "IN_PROGRESS":[{"jobId":"two"`, `notify-next "jobId":"two"`)
				ask("two/update", `{"status":"REJECTED"}`, `two/update/accepted`, `notify "jobs":{}`, `notify-next {"timestamp":946684800}`)
				ask("one/get", `{}`, `one/get/rejected "code":"TerminalStateReached"`)
				if err := e.srv.Jobs("lamp").Delete("one", iotlocal.DeleteJobOptions{}); err != nil {
					t.Error(err)
				}
				ask("one/get", `{}`, `one/get/rejected "code":"ResourceNotFound"`)
				d.quiet()
				d.drop()
			})
		})
	}
}

// In-progress J2 overtakes queued J1, over the wire and to a bystander.
func TestJobsNotifyNext(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		d, by := e.device("lamp", true), e.device("bystander", false)
		by.subscribe(0, lampJobs+"notify-next")
		e.create("J1", `{}`, iotlocal.JobOptions{})
		e.create("J2", `{}`, iotlocal.JobOptions{})
		by.expect(`notify-next "jobId":"J1"`)
		by.quiet()
		d.request("J2/update", `{"status":"IN_PROGRESS"}`, 0)
		d.expect("J2/update/accepted")
		by.expect(`notify-next "jobId":"J2","thingName":"lamp","status":"IN_PROGRESS"`)
		d.request("J2/update", `{"status":"IN_PROGRESS","statusDetails":{"a":"b"}}`, 0)
		d.expect("J2/update/accepted")
		by.quiet()
		d.request("J2/update", `{"status":"SUCCEEDED"}`, 0)
		by.expect(`notify-next "jobId":"J1","thingName":"lamp","status":"QUEUED"`)
		if err := e.srv.Jobs("lamp").Cancel("J1", iotlocal.CancelJobOptions{}); err != nil {
			t.Error(err)
		}
		if g := by.next(); g.payload != fmt.Sprintf(`{"timestamp":%d}`, e.srv.Clock().Now().Unix()) {
			t.Errorf("%v", g)
		}
		by.quiet()
		d.drop()
		by.drop()
	})
}

// Answers reach the requester without a subscription, once, and nobody else;
// the QoS is that of the best subscription, without one that of the request.
func TestJobsAnswersArePrivate(t *testing.T) {
	for name, five := range protocols {
		for _, tt := range []struct {
			name    string
			request byte
			filters []string
			granted byte
			want    byte
		}{
			{"QoS 0, no subscription", 0, nil, 0, 0},
			{"QoS 1, no subscription", 1, nil, 0, 1},
			{"QoS 1, subscribed at 0", 1, []string{lampJobs + "$next/get/accepted"}, 0, 0},
			{"QoS 0, subscribed at 1", 0, []string{lampJobs + "$next/get/+"}, 1, 1},
			{"overlapping subscriptions", 1, []string{lampJobs + "+/get/accepted", lampJobs + "$next/get/+", lampJobs + "$next/+/accepted"}, 1, 1},
			{"a subscription to another topic", 1, []string{lampJobs + "$next/get/rejected"}, 0, 1},
			{"a shared subscription", 1, []string{"$share/g/" + lampJobs + "$next/get/+"}, 0, 1},
		} {
			if !five && strings.HasPrefix(tt.name, "a shared") {
				continue
			}
			t.Run(name+" "+tt.name, func(t *testing.T) {
				bubble(t, iotlocal.Options{}, func(e *env) {
					spies := []*device{e.device("spy5", true), e.device("spy3", false)}
					for _, s := range spies {
						s.subscribe(1, "$aws/things/+/jobs/#", lampJobs+"$next/get/+", lampJobs+"+/+/accepted")
					}
					d := e.device("lamp", five)
					if tt.filters != nil {
						d.subscribe(tt.granted, tt.filters...)
					}
					d.request("$next/get", `{"clientToken":"t"}`, tt.request)
					if g := d.next(); g.topic != "$next/get/accepted" || g.qos != tt.want || !strings.HasPrefix(g.payload, `{"clientToken":"t"`) {
						t.Errorf("%v, want QoS %d", g, tt.want)
					}
					d.quiet()
					for _, s := range spies {
						s.expect(`$next/get {"clientToken":"t"}`) // what the lamp said, not what it heard
						s.quiet()
						s.drop()
					}
					d.drop()
				})
			})
		}
	}
}

// A rejected answer is as private as an accepted one, and a client that asks for
// another thing gets the answer itself.
func TestJobsAnswerGoesToTheRequester(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		d, tool := e.device("lamp", true), e.device("tool", true)
		d.subscribe(1, lampJobs+"none/update/+")
		tool.request("none/update", `{"status":"FAILED"}`, 1)
		tool.expect(`none/update/rejected "code":"ResourceNotFound"`)
		d.quiet()
		d.drop()
		tool.drop()
	})
}

func TestJobsTopics(t *testing.T) {
	for _, tt := range []struct {
		name, topic, payload string
		want                 string // code of the answer; "": none
	}{
		{"no operation", "$aws/things/lamp/jobs/stop", `{"clientToken":"t"}`, "InvalidTopic"},
		{"no operation of a job", "$aws/things/lamp/jobs/one/stop", `{"clientToken":"t"}`, "InvalidTopic"},
		{"too deep", "$aws/things/lamp/jobs/a/b/get", `{"clientToken":"t"}`, "InvalidTopic"},
		{"update without job", "$aws/things/lamp/jobs/update", `{"clientToken":"t"}`, "InvalidTopic"},
		{"an event", "$aws/things/lamp/jobs/notify", `{"clientToken":"t"}`, "InvalidTopic"},
		{"a bad thing", "$aws/things/a b/jobs/get", `{"clientToken":"t"}`, "InvalidRequest"},
		{"a bad job", "$aws/things/lamp/jobs/a.b/get", `{"clientToken":"t"}`, "InvalidRequest"},
		{"who plays the service", "$aws/things/lamp/jobs/one/get/accepted", `{}`, ""},
		{"who plays the service and refuses", "$aws/things/lamp/jobs/get/rejected", `{}`, ""},
		{"another service", "$aws/things/lamp/tunnels/notify", `{}`, ""},
		{"nothing below jobs", "$aws/things/lamp/jobs", `{}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, iotlocal.Options{}, func(e *env) {
				d := e.device("c", true)
				if code := d.pub(tt.topic, tt.payload, 5); code != 0 {
					t.Errorf("PUBACK 0x%02X", code)
				}
				if tt.want != "" {
					m := want[*p5.Publish](d.raw)
					if m.Topic != tt.topic+"/rejected" || !strings.Contains(string(m.Payload), `"code":"`+tt.want+`"`) || !strings.Contains(string(m.Payload), `"clientToken":"t"`) {
						t.Errorf("%s %s", m.Topic, m.Payload)
					}
					d.ack(m.PacketID)
				}
				d.quiet()
				d.bye()
			})
		})
	}
}

// Every error code of the service, over the wire.
func TestJobsErrorCodes(t *testing.T) {
	const state = `"executionState":{"status":`
	for _, tt := range []struct {
		name, op, payload string
		refuse            iotlocal.JobErrorCode
		code              iotlocal.JobErrorCode
		more              string
	}{
		{"topic", "no/such/thing", `{}`, "", iotlocal.JobInvalidTopic, ""},
		{"JSON", "get", `{`, "", iotlocal.JobInvalidJSON, ""},
		{"v1's empty update", "started/update", ``, "", iotlocal.JobInvalidJSON, ""},
		{"request", "started/update", `{"status":"QUEUED"}`, "", iotlocal.JobInvalidRequest, ""},
		{"transition", "ended/update", `{"status":"IN_PROGRESS"}`, "", iotlocal.JobInvalidStateTransition, state + `"CANCELED","statusDetails":{"by":"test"},"versionNumber":2}`},
		{"not found", "none/get", `{}`, "", iotlocal.JobResourceNotFound, ""},
		{"version", "started/update", `{"status":"SUCCEEDED","expectedVersion":1}`, "", iotlocal.JobVersionMismatch, state + `"IN_PROGRESS","versionNumber":2}`},
		{"internal", "get", `{}`, iotlocal.JobInternalError, iotlocal.JobInternalError, ""},
		{"throttled", "start-next", `{}`, iotlocal.JobRequestThrottled, iotlocal.JobRequestThrottled, ""},
		{"terminal", "ended/get", `{}`, "", iotlocal.JobTerminalStateReached, ""},
	} {
		for name, five := range protocols {
			t.Run(tt.name+" "+name, func(t *testing.T) {
				bubble(t, iotlocal.Options{}, func(e *env) {
					h := e.srv.Jobs("lamp")
					e.create("started", `{}`, iotlocal.JobOptions{})
					e.create("ended", `{}`, iotlocal.JobOptions{})
					if err := h.Cancel("ended", iotlocal.CancelJobOptions{StatusDetails: map[string]string{"by": "test"}}); err != nil {
						t.Fatal(err)
					}
					d := e.device("lamp", five)
					d.request("start-next", `{}`, 1)
					d.expect("start-next/accepted")
					if tt.refuse != "" {
						if err := h.Refuse(tt.refuse, 1); err != nil {
							t.Fatal(err)
						}
					}
					d.request(tt.op, tt.payload, 1)
					g := d.next()
					if g.topic != tt.op+"/rejected" || !strings.HasPrefix(g.payload, fmt.Sprintf(`{"code":"%v","message":"`, tt.code)) ||
						!strings.Contains(g.payload, tt.more) || strings.Contains(g.payload, "executionState") != (tt.more != "") {
						t.Errorf("%v", g)
					}
					d.quiet()
					d.drop()
				})
			})
		}
	}
}

// Timers run by the server's clock: by time that passes and by Advance.
func TestJobsTimers(t *testing.T) {
	for name, pass := range map[string]func(e *env, d time.Duration){
		"time passes": func(_ *env, d time.Duration) { time.Sleep(d); synctest.Wait() },
		"Advance":     func(e *env, d time.Duration) { e.srv.Clock().Advance(d) },
		"both":        func(e *env, d time.Duration) { e.srv.Clock().Advance(d / 2); time.Sleep(d - d/2); synctest.Wait() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, iotlocal.Options{}, func(e *env) {
				h := e.srv.Jobs("lamp")
				e.create("one", `{}`, iotlocal.JobOptions{Retry: iotlocal.JobRetry{TimedOut: 1}, InProgressTimeout: time.Minute})
				pass(e, time.Hour) // queued: nothing runs
				if x, err := h.Describe("one"); err != nil || x.Status != iotlocal.JobQueued || !x.TimesOutAt.IsZero() {
					t.Errorf("%+v, %v", x, err)
				}
				calm := func(c *p5.Connect) { c.KeepAlive = 600 }
				r, _ := e.connect5("bystander", calm)
				by := &device{r, true}
				by.subscribe(1, lampJobs+"notify", lampJobs+"notify-next")
				r, _ = e.connect5("lamp", calm)
				d := &device{r, true}
				d.request("start-next", `{"stepTimeoutInMinutes":5}`, 1)
				d.expect(`start-next/accepted "approximateSecondsBeforeTimedOut":60`)
				pass(e, 50*time.Second)
				d.request("one/get", `{}`, 1)
				d.expect(`one/get/accepted "approximateSecondsBeforeTimedOut":10`)
				pass(e, 10*time.Second)
				by.expect(`notify "executionNumber":2`, `notify-next "executionNumber":2`)
				d.request("start-next", `{"stepTimeoutInMinutes":5}`, 1)
				d.expect(`start-next/accepted "executionNumber":2`)
				pass(e, time.Minute)
				by.expect(`notify "jobs":{}`, `notify-next`)
				var all []string
				for _, x := range h.List() {
					all = append(all, fmt.Sprint(x.JobID, " ", x.ExecutionNumber, " ", x.Status))
				}
				if want := []string{"one 1 TIMED_OUT", "one 2 TIMED_OUT"}; !slices.Equal(all, want) {
					t.Errorf("%v, want %v", all, want)
				}
				by.drop()
				d.drop()
			})
		})
	}
}

// The clock has moved back: the timer waits for as much longer.
func TestJobsTimerAfterClockWentBack(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		e.create("one", `{}`, iotlocal.JobOptions{InProgressTimeout: time.Minute})
		d := e.device("lamp", true)
		d.request("start-next", ``, 1)
		d.expect("start-next/accepted")
		e.srv.Clock().Advance(-time.Hour)
		time.Sleep(time.Hour)
		d.drop()
		if x, err := e.srv.Jobs("lamp").Describe("one"); err != nil || x.Status != iotlocal.JobInProgress {
			t.Errorf("%+v, %v", x, err)
		}
		time.Sleep(2 * time.Minute)
		if x, err := e.srv.Jobs("lamp").Describe("one"); err != nil || x.Status != iotlocal.JobTimedOut {
			t.Errorf("%+v, %v", x, err)
		}
	})
}

func TestJobsHandle(t *testing.T) {
	bubble(t, iotlocal.Options{JobLimits: iotlocal.JobLimits{Document: 20}}, func(e *env) {
		h := e.srv.Jobs("lamp")
		code := func(err error) iotlocal.JobErrorCode {
			var je *iotlocal.JobError
			if !errors.As(err, &je) {
				return ""
			}
			return je.Code
		}
		for i, doc := range []any{`{"a":1}`, []byte(`{"a":1}`), json.RawMessage(`{"a":1}`), map[string]int{"a": 1}, struct {
			A int `json:"a"`
		}{1}} {
			id := fmt.Sprint("job", i)
			if err := h.Create(id, doc, iotlocal.JobOptions{ExecutionNumber: 7}); err != nil {
				t.Errorf("%T: %v", doc, err)
			}
			if x, err := h.Describe(id); err != nil || string(x.Document) != `{"a":1}` || x.Status != iotlocal.JobQueued || x.ExecutionNumber != 7 || x.VersionNumber != 1 || !x.QueuedAt.Equal(e.srv.Clock().Now()) {
				t.Errorf("%+v, %v", x, err)
			}
		}
		if n := len(h.Pending()); n != 5 || len(h.List()) != 5 || h.Pending()[0].JobID != "job0" || e.srv.Jobs("other").List() != nil {
			t.Errorf("%d pending", n)
		}
		for _, tt := range []struct {
			name string
			err  error
			code iotlocal.JobErrorCode
		}{
			{"marshal", h.Create("x", func() {}, iotlocal.JobOptions{}), ""},
			{"document", h.Create("x", `[1]`, iotlocal.JobOptions{}), iotlocal.JobInvalidRequest},
			{"nil document", h.Create("x", nil, iotlocal.JobOptions{}), iotlocal.JobInvalidRequest},
			{"document too long", h.Create("x", `{"a":"0123456789abcdef"}`, iotlocal.JobOptions{}), iotlocal.JobInvalidRequest},
			{"id", h.Create("a b", `{}`, iotlocal.JobOptions{}), iotlocal.JobInvalidRequest},
			{"thing", e.srv.Jobs("a/b").Create("x", `{}`, iotlocal.JobOptions{}), iotlocal.JobInvalidRequest},
			{"duplicate", h.Create("job0", `{}`, iotlocal.JobOptions{}), iotlocal.JobAlreadyExists},
			{"cancel", h.Cancel("x", iotlocal.CancelJobOptions{}), iotlocal.JobResourceNotFound},
			{"cancel a version", h.Cancel("job0", iotlocal.CancelJobOptions{ExpectedVersion: 9}), iotlocal.JobVersionMismatch},
			{"remove", h.Remove("x"), iotlocal.JobResourceNotFound},
			{"delete", h.Delete("x", iotlocal.DeleteJobOptions{}), iotlocal.JobResourceNotFound},
			{"refuse", h.Refuse(iotlocal.JobVersionMismatch, 1), iotlocal.JobInvalidRequest},
		} {
			if tt.err == nil || code(tt.err) != tt.code || !strings.HasPrefix(tt.err.Error(), "iotlocal: ") {
				t.Errorf("%s: %v, want code %q", tt.name, tt.err, tt.code)
			}
		}
		if _, err := h.Describe("x"); code(err) != iotlocal.JobResourceNotFound {
			t.Errorf("Describe: %v", err)
		}
		if _, err := h.DescribeNumber("job0", 8); code(err) != iotlocal.JobResourceNotFound {
			t.Errorf("DescribeNumber: %v", err)
		}
		d := e.device("lamp", true)
		d.request("start-next", ``, 1)
		d.expect(`start-next/accepted "jobId":"job0"`)
		if err := h.Cancel("job0", iotlocal.CancelJobOptions{}); code(err) != iotlocal.JobInvalidStateTransition {
			t.Errorf("Cancel in progress: %v", err)
		}
		if err := h.Delete("job0", iotlocal.DeleteJobOptions{}); code(err) != iotlocal.JobInvalidStateTransition {
			t.Errorf("Delete in progress: %v", err)
		}
		if err := h.Cancel("job0", iotlocal.CancelJobOptions{Force: true}); err != nil {
			t.Error(err)
		}
		if err := h.Remove("job1"); err != nil {
			t.Error(err)
		}
		for id, status := range map[string]iotlocal.JobStatus{"job0": iotlocal.JobCanceled, "job1": iotlocal.JobRemoved, "job2": iotlocal.JobQueued} {
			if x, err := h.Describe(id); err != nil || x.Status != status {
				t.Errorf("%s: %v %v, want %v", id, x.Status, err, status)
			}
		}
		if err := h.Delete("job0", iotlocal.DeleteJobOptions{}); err != nil {
			t.Error(err)
		}
		if n := len(h.List()); n != 4 {
			t.Errorf("%d executions left", n)
		}
		d.drop()
	})
}

// Jobs and shadows of one thing do not disturb each other, and a notification
// waits for a device that is away.
func TestJobsBesideShadowsAndSessions(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		r, _ := e.connect5("lamp", persistent)
		d := &device{r, true}
		d.subscribe(1, lampJobs+"notify-next", "$aws/things/lamp/shadow/update/accepted")
		if code := d.pub("$aws/things/lamp/shadow/update", `{"state":{}}`, 5); code != 0 {
			t.Errorf("PUBACK 0x%02X", code)
		}
		if g := d.next(); g.topic != "$aws/things/lamp/shadow/update/accepted" {
			t.Errorf("%v", g)
		}
		d.drop()
		e.create("one", `{}`, iotlocal.JobOptions{})
		r, _ = e.connect5("lamp", persistent)
		d = &device{r, true}
		d.expect(`notify-next "jobId":"one"`)
		d.quiet()
		d.drop()
	})
}
