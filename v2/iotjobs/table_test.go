package iotjobs_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/iotjobs"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

const jobsOf = "$aws/things/lamp/jobs/"

// call is an operation with one request, in all its forms; what it returns is text.
type call struct {
	call    func(context.Context, *iotjobs.Client) (string, error)
	async   func(context.Context, *iotjobs.Client) (string, error)
	publish func(context.Context, *iotjobs.Client) error
	hear    func(context.Context, *iotjobs.Client, func(string), func(*iotjobs.RejectedError)) error
}

// forms makes a call out of the methods of an operation.
func forms[Req, Resp, Sub any](
	req *Req, sub *Sub, text func(*Resp) string,
	do func(*iotjobs.Client, context.Context, *Req) (*Resp, error),
	async func(*iotjobs.Client, *Req) *awsiot.Future[*Resp],
	publish func(*iotjobs.Client, context.Context, *Req, awsiot.QoS) error,
	accepted func(*iotjobs.Client, context.Context, *Sub, awsiot.QoS, func(*Resp)) (*reqresp.Subscription, error),
	rejected func(*iotjobs.Client, context.Context, *Sub, awsiot.QoS, func(*iotjobs.RejectedError)) (*reqresp.Subscription, error),
) call {
	safe := func(r *Resp) string {
		if r == nil {
			return ""
		}
		return text(r)
	}
	return call{
		func(ctx context.Context, c *iotjobs.Client) (string, error) {
			r, err := do(c, ctx, req)
			return safe(r), err
		},
		func(ctx context.Context, c *iotjobs.Client) (string, error) {
			r, err := async(c, req).Wait(ctx)
			return safe(r), err
		},
		func(ctx context.Context, c *iotjobs.Client) error { return publish(c, ctx, req, 1) },
		func(ctx context.Context, c *iotjobs.Client, a func(string), b func(*iotjobs.RejectedError)) error {
			_, err := accepted(c, ctx, sub, 1, func(r *Resp) { a(text(r)) })
			_, err2 := rejected(c, ctx, sub, 1, b)
			return errors.Join(err, err2)
		},
	}
}

func execution(r *iotjobs.ExecutionResponse) string {
	if r.Execution == nil {
		return "none " + r.ClientToken
	}
	e := r.Execution
	return fmt.Sprintf("%s %s %s %v %d %d %s %v %s", e.JobID, e.ThingName, e.Status, e.StatusDetails, e.VersionNumber, e.ExecutionNumber, e.JobDocument,
		e.QueuedAt.Year() == 2000 && r.Timestamp.Year() == 2000, r.ClientToken)
}

// Every operation, through both generations and as a future: topics, filters, bodies and answers.
func TestOperations(t *testing.T) {
	for _, tt := range []struct {
		name, topic, body, want string
		call                    call
	}{
		{"GetPendingJobExecutions", "get", `{"clientToken":"t"}`, "[] [one two] t",
			forms(&iotjobs.GetPendingJobExecutionsRequest{ThingName: "lamp", ClientToken: "t"}, &iotjobs.GetPendingJobExecutionsSubscriptionRequest{ThingName: "lamp"},
				func(r *iotjobs.GetPendingJobExecutionsResponse) string {
					ids := func(list []iotjobs.JobExecutionSummary) (ids []string) {
						for _, s := range list {
							if s.ExecutionNumber != 1 || s.VersionNumber != 1 || s.QueuedAt.Year() != 2000 || s.LastUpdatedAt.IsZero() || !s.StartedAt.IsZero() {
								t.Errorf("%+v", s)
							}
							ids = append(ids, s.JobID)
						}
						return ids
					}
					return fmt.Sprint(ids(r.InProgressJobs), " ", ids(r.QueuedJobs), " ", r.ClientToken)
				}, (*iotjobs.Client).GetPendingJobExecutions, (*iotjobs.Client).GetPendingJobExecutionsAsync, (*iotjobs.Client).PublishGetPendingJobExecutions,
				(*iotjobs.Client).SubscribeToGetPendingJobExecutionsAccepted, (*iotjobs.Client).SubscribeToGetPendingJobExecutionsRejected)},
		{"StartNextPendingJobExecution", "start-next", `{"statusDetails":{"a":"1"},"stepTimeoutInMinutes":5,"clientToken":"t"}`, `one lamp IN_PROGRESS map[a:1] 2 1 {"do":"this"} true t`,
			forms(&iotjobs.StartNextPendingJobExecutionRequest{ThingName: "lamp", StatusDetails: map[string]string{"a": "1"}, StepTimeoutInMinutes: new(int64(5)), ClientToken: "t"},
				&iotjobs.StartNextPendingJobExecutionSubscriptionRequest{ThingName: "lamp"}, execution,
				(*iotjobs.Client).StartNextPendingJobExecution, (*iotjobs.Client).StartNextPendingJobExecutionAsync, (*iotjobs.Client).PublishStartNextPendingJobExecution,
				(*iotjobs.Client).SubscribeToStartNextPendingJobExecutionAccepted, (*iotjobs.Client).SubscribeToStartNextPendingJobExecutionRejected)},
		{"DescribeJobExecution", "one/get", `{"executionNumber":1,"includeJobDocument":false,"clientToken":"t"}`, `one lamp QUEUED map[] 1 1  true t`,
			forms(&iotjobs.DescribeJobExecutionRequest{ThingName: "lamp", JobID: "one", ExecutionNumber: new(int64(1)), IncludeJobDocument: new(false), ClientToken: "t"},
				&iotjobs.DescribeJobExecutionSubscriptionRequest{ThingName: "lamp", JobID: "one"}, execution,
				(*iotjobs.Client).DescribeJobExecution, (*iotjobs.Client).DescribeJobExecutionAsync, (*iotjobs.Client).PublishDescribeJobExecution,
				(*iotjobs.Client).SubscribeToDescribeJobExecutionAccepted, (*iotjobs.Client).SubscribeToDescribeJobExecutionRejected)},
		{"DescribeJobExecution of the next", "$next/get", `{"clientToken":"t"}`, `one lamp QUEUED map[] 1 1 {"do":"this"} true t`,
			forms(&iotjobs.DescribeJobExecutionRequest{ThingName: "lamp", JobID: iotjobs.Next, ClientToken: "t"},
				&iotjobs.DescribeJobExecutionSubscriptionRequest{ThingName: "lamp", JobID: iotjobs.Next}, execution,
				(*iotjobs.Client).DescribeJobExecution, (*iotjobs.Client).DescribeJobExecutionAsync, (*iotjobs.Client).PublishDescribeJobExecution,
				(*iotjobs.Client).SubscribeToDescribeJobExecutionAccepted, (*iotjobs.Client).SubscribeToDescribeJobExecutionRejected)},
		{"UpdateJobExecution", "one/update", `{"status":"IN_PROGRESS","statusDetails":{"a":"1"},"expectedVersion":1,"executionNumber":1,"includeJobExecutionState":true,"includeJobDocument":true,"stepTimeoutInMinutes":-1,"clientToken":"t"}`,
			`IN_PROGRESS map[a:1] 2 {"do":"this"} t`,
			forms(&iotjobs.UpdateJobExecutionRequest{ThingName: "lamp", JobID: "one", Status: iotjobs.StatusInProgress, StatusDetails: map[string]string{"a": "1"},
				ExpectedVersion: new(int64(1)), ExecutionNumber: new(int64(1)), IncludeJobExecutionState: new(true), IncludeJobDocument: new(true), StepTimeoutInMinutes: new(int64(-1)), ClientToken: "t"},
				&iotjobs.UpdateJobExecutionSubscriptionRequest{ThingName: "lamp", JobID: "one"}, func(r *iotjobs.UpdateJobExecutionResponse) string {
					return fmt.Sprintf("%s %v %d %s %s", r.ExecutionState.Status, r.ExecutionState.StatusDetails, r.ExecutionState.VersionNumber, r.JobDocument, r.ClientToken)
				}, (*iotjobs.Client).UpdateJobExecution, (*iotjobs.Client).UpdateJobExecutionAsync, (*iotjobs.Client).PublishUpdateJobExecution,
				(*iotjobs.Client).SubscribeToUpdateJobExecutionAccepted, (*iotjobs.Client).SubscribeToUpdateJobExecutionRejected)},
		{"UpdateJobExecution, little", "one/update", `{"status":"REJECTED","clientToken":"t"}`, "nothing t",
			forms(&iotjobs.UpdateJobExecutionRequest{ThingName: "lamp", JobID: "one", Status: iotjobs.StatusRejected, ClientToken: "t"},
				&iotjobs.UpdateJobExecutionSubscriptionRequest{ThingName: "lamp", JobID: "+"}, func(r *iotjobs.UpdateJobExecutionResponse) string {
					if r.ExecutionState != nil || r.JobDocument != nil {
						t.Errorf("%+v", r)
					}
					return "nothing " + r.ClientToken
				}, (*iotjobs.Client).UpdateJobExecution, (*iotjobs.Client).UpdateJobExecutionAsync, (*iotjobs.Client).PublishUpdateJobExecution,
				(*iotjobs.Client).SubscribeToUpdateJobExecutionAccepted, (*iotjobs.Client).SubscribeToUpdateJobExecutionRejected)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				world := func() *world {
					w := newWorld(t)
					for _, id := range []string{"one", "two"} {
						if err := w.server.Jobs("lamp").Create(id, `{"do":"this"}`, iotlocal.JobOptions{}); err != nil {
							t.Fatal(err)
						}
						time.Sleep(time.Second) // by the bubble's clock: the order of the queue
					}
					return w
				}
				topic := jobsOf + tt.topic
				operation, _, _ := strings.Cut(tt.name, " of")
				operation, _, _ = strings.Cut(operation, ",")
				w := world()
				got, err := tt.call.call(ctx, w.jobs)
				if err != nil || got != tt.want {
					t.Errorf("second generation:\n got %s, %v\nwant %s", got, err, tt.want)
				}
				equal(t, "second generation, wire", w.said(), "SUBSCRIBE "+topic+"/+ 1\nPUBLISH "+topic+" 1 "+tt.body)
				if err := w.server.Jobs("lamp").Refuse(iotlocal.JobInternalError, 1); err != nil {
					t.Fatal(err)
				}
				_, err = tt.call.call(ctx, w.jobs)
				refused, ok := errors.AsType[*iotjobs.RejectedError](err)
				if e, named := errors.AsType[*reqresp.Error](err); !ok || refused.Code != iotjobs.CodeInternalError || refused.ClientToken != "t" || !named || e.Operation != "iotjobs."+operation || e.Topic != topic {
					t.Errorf("refusal: %v", err)
				}
				w = world()
				if got, err := tt.call.async(ctx, w.jobs); err != nil || got != tt.want {
					t.Errorf("future:\n got %s, %v\nwant %s", got, err, tt.want)
				}
				equal(t, "future, wire", w.said(), "SUBSCRIBE "+topic+"/+ 1\nPUBLISH "+topic+" 1 "+tt.body)
				w = world()
				var heard []string
				if err := tt.call.hear(ctx, w.jobs, func(s string) { heard = append(heard, s) }, func(e *iotjobs.RejectedError) { heard = append(heard, e.Code) }); err != nil {
					t.Fatal(err)
				}
				filter := topic
				if tt.name == "UpdateJobExecution, little" {
					filter = jobsOf + "+/update"
				}
				if err := tt.call.publish(ctx, w.jobs); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				equal(t, "first generation, wire", w.said(), "SUBSCRIBE "+filter+"/accepted 1\nSUBSCRIBE "+filter+"/rejected 1\nPUBLISH "+topic+" 1 "+tt.body)
				_ = w.server.Jobs("lamp").Refuse(iotlocal.JobInternalError, 1)
				if err := tt.call.publish(ctx, w.jobs); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				equal(t, "first generation", strings.Join(heard, "\n"), tt.want+"\nInternalError")
			})
		})
	}
}

// Both events, as an iterator, a handle and a subscription of the first generation.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ctx, c := t.Context(), w.jobs
		lamp := &iotjobs.JobsSubscriptionRequest{ThingName: "lamp"}
		var heard []string
		changed := func(e *iotjobs.JobExecutionsChangedEvent) {
			heard = append(heard, fmt.Sprintf("changed: %d queued, %v", len(e.Jobs[iotjobs.StatusQueued]), e.Timestamp.Year() == 2000 && len(e.Raw) > 0))
		}
		next := func(e *iotjobs.NextJobExecutionChangedEvent) { heard = append(heard, "next: "+execution(e)) }
		one, err1 := c.CreateJobExecutionsChangedStream(lamp, iotjobs.StreamOptions[iotjobs.JobExecutionsChangedEvent]{OnEvent: changed})
		two, err2 := c.CreateNextJobExecutionChangedStream(lamp, iotjobs.StreamOptions[iotjobs.NextJobExecutionChangedEvent]{OnEvent: next})
		_, err3 := c.SubscribeToJobExecutionsChangedEvents(ctx, lamp, 1, changed)
		_, err4 := c.SubscribeToNextJobExecutionChangedEvents(ctx, lamp, 1, next)
		if err := errors.Join(err1, err2, err3, err4, one.Open(), two.Open()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		equal(t, "wire", w.said(), "SUBSCRIBE "+jobsOf+"notify 1\nSUBSCRIBE "+jobsOf+"notify-next 1")
		got := make(chan string, 10)
		go func() {
			for e, err := range c.JobExecutionsChanged(ctx, lamp) {
				got <- fmt.Sprint(len(e.Jobs[iotjobs.StatusQueued]), " ", err)
				break
			}
		}()
		go func() {
			for e, err := range c.NextJobExecutionChanged(ctx, lamp) {
				got <- fmt.Sprint(e.Execution.JobID, " ", err)
				break
			}
		}()
		synctest.Wait()
		if err := w.server.Jobs("lamp").Create("one", `{}`, iotlocal.JobOptions{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := w.server.Jobs("lamp").Cancel("one", iotlocal.CancelJobOptions{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		a, b := "changed: 1 queued, true", "next: one lamp QUEUED map[] 1 1 {} true "
		want := map[string]int{a: 2, b: 2, "changed: 0 queued, true": 2, "next: none ": 2}
		for _, h := range heard {
			want[h]--
		}
		for h, n := range want {
			if n != 0 {
				t.Errorf("%q: %d too few, of %q", h, n, heard)
			}
		}
		if x, y := <-got, <-got; x+y != "1 <nil>one <nil>" && y+x != "1 <nil>one <nil>" {
			t.Errorf("the iterators gave %q and %q", x, y)
		}
	})
}

func TestWrongRequests(t *testing.T) {
	c := iotjobs.NewClient(awsiot.NewClient(awsiot.ClientOptions{}), reqresp.Options{})
	defer c.Close()
	long := strings.Repeat("x", 65)
	for _, tt := range []struct {
		field string
		r     iotjobs.UpdateJobExecutionRequest
	}{
		{"ThingName", iotjobs.UpdateJobExecutionRequest{JobID: "j", Status: iotjobs.StatusFailed}},
		{"JobID", iotjobs.UpdateJobExecutionRequest{ThingName: "t", Status: iotjobs.StatusFailed}},
		{"JobID", iotjobs.UpdateJobExecutionRequest{ThingName: "t", JobID: long, Status: iotjobs.StatusFailed}},
		{"JobID", iotjobs.UpdateJobExecutionRequest{ThingName: "t", JobID: "a:b", Status: iotjobs.StatusFailed}},
		{"JobID", iotjobs.UpdateJobExecutionRequest{ThingName: "t", JobID: "+", Status: iotjobs.StatusFailed}},
		{"Status", iotjobs.UpdateJobExecutionRequest{ThingName: "t", JobID: "j"}},
		{"Status", iotjobs.UpdateJobExecutionRequest{ThingName: "t", JobID: "j", Status: iotjobs.StatusQueued}},
		{"StepTimeoutInMinutes", iotjobs.UpdateJobExecutionRequest{ThingName: "t", JobID: "j", Status: iotjobs.StatusFailed, StepTimeoutInMinutes: new(int64(0))}},
		{"StepTimeoutInMinutes", iotjobs.UpdateJobExecutionRequest{ThingName: "t", JobID: "j", Status: iotjobs.StatusFailed, StepTimeoutInMinutes: new(int64(10081))}},
		{"Status", iotjobs.UpdateJobExecutionRequest{ThingName: "t", JobID: "j", Status: iotjobs.StatusFailed, Document: []byte(`{}`)}},
		{"a field of the update", iotjobs.UpdateJobExecutionRequest{ThingName: "t", JobID: "j", ExpectedVersion: new(int64(1)), Document: []byte(`{}`)}},
		{"ClientToken", iotjobs.UpdateJobExecutionRequest{ThingName: "t", JobID: "j", Status: iotjobs.StatusFailed, ClientToken: long}},
	} {
		_, err := c.UpdateJobExecution(t.Context(), &tt.r)
		if v, ok := errors.AsType[*awsiot.ValidationError](err); !ok || v.Field != tt.field {
			t.Errorf("%+v: %v, want a wrong %s", tt.r, err, tt.field)
		}
	}
	for _, err := range c.NextJobExecutionChanged(t.Context(), &iotjobs.JobsSubscriptionRequest{}) {
		if err == nil {
			t.Error("events of nobody")
		}
	}
	if _, err := c.SubscribeToDescribeJobExecutionRejected(t.Context(), &iotjobs.JobSubscriptionRequest{JobID: "+"}, 1, func(*iotjobs.RejectedError) {}); err == nil {
		t.Error("a subscription to nobody's job")
	}
}

func TestTopics(t *testing.T) {
	for got, want := range map[string]string{
		iotjobs.TopicGetPendingJobExecutions("lamp"):                        "get",
		iotjobs.TopicStartNextPendingJobExecution("lamp"):                   "start-next",
		iotjobs.TopicDescribeJobExecution("lamp", iotjobs.Next):             "$next/get",
		iotjobs.Accepted(iotjobs.TopicUpdateJobExecution("lamp", "one")):    "one/update/accepted",
		iotjobs.Rejected(iotjobs.TopicStartNextPendingJobExecution("lamp")): "start-next/rejected",
		iotjobs.TopicJobExecutionsChanged("lamp"):                           "notify",
		iotjobs.TopicNextJobExecutionChanged("lamp"):                        "notify-next",
	} {
		equal(t, "topic", got, jobsOf+want)
	}
}
