package iotjobs_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/iotjobs"
)

// runWorld is a world with a Run in it, whose handler does what the test says for each job.
type runWorld struct {
	*world
	t      *testing.T
	mu     sync.Mutex
	does   map[string]iotjobs.Handler
	calls  []string
	cancel context.CancelCauseFunc
	ended  chan error
}

func newRunWorld(t *testing.T) *runWorld {
	w := &runWorld{world: newWorld(t), t: t, does: map[string]iotjobs.Handler{}}
	t.Cleanup(func() {
		if w.cancel != nil {
			w.stop()
		}
	})
	return w
}

// run begins a Run.
func (w *runWorld) run(step time.Duration) {
	ctx, cancel := context.WithCancelCause(context.Background())
	w.cancel, w.ended = cancel, make(chan error, 1)
	r := &iotjobs.Runner{Client: w.jobs, ThingName: "lamp", StepTimeout: step, Handler: func(ctx context.Context, j *iotjobs.Job) error {
		w.mu.Lock()
		w.calls = append(w.calls, j.JobID)
		do := w.does[j.JobID]
		w.mu.Unlock()
		if do == nil {
			return nil
		}
		return do(ctx, j)
	}}
	go func() { w.ended <- r.Run(ctx) }()
	synctest.Wait()
}

var errStop = errors.New("enough")

// stop ends the Run.
func (w *runWorld) stop() {
	w.t.Helper()
	w.cancel(errStop)
	if err := <-w.ended; !errors.Is(err, errStop) {
		w.t.Errorf("Run returned %v", err)
	}
	w.cancel = nil
}

func (w *runWorld) create(id string) {
	w.t.Helper()
	if err := w.server.Jobs("lamp").Create(id, `{"job":"`+id+`"}`, iotlocal.JobOptions{}); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
}

// status returns the status of a job, and its details.
func (w *runWorld) status(id string) string {
	w.t.Helper()
	e, err := w.server.Jobs("lamp").Describe(id)
	if err != nil {
		w.t.Fatal(err)
	}
	return fmt.Sprint(e.Status, " ", e.StatusDetails)
}

func (w *runWorld) called() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := strings.Join(w.calls, " ")
	w.calls = nil
	return s
}

// Every way in which a job ends, one after the other, before Run began and while it waits.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newRunWorld(t)
		w.does = map[string]iotjobs.Handler{
			"progress": func(ctx context.Context, j *iotjobs.Job) error {
				j.Details(map[string]string{"of": "3"})
				for i := range 3 {
					if err := j.Progress(ctx, map[string]string{"step": fmt.Sprint(i)}); err != nil {
						return err
					}
				}
				if string(j.JobDocument) != `{"job":"progress"}` || j.Status != iotjobs.StatusInProgress {
					t.Errorf("%+v", j.JobExecutionData)
				}
				return nil
			},
			"fails":   func(context.Context, *iotjobs.Job) error { return errors.New(strings.Repeat("x", 2000)) },
			"rejects": func(context.Context, *iotjobs.Job) error { return fmt.Errorf("not here: %w", iotjobs.ErrReject) },
			"panics":  func(context.Context, *iotjobs.Job) error { panic("oh") },
		}
		w.create("plain")
		pass(time.Second)
		w.create("progress")
		w.run(0)
		equal(t, "jobs that waited", w.called(), "plain progress")
		for _, id := range []string{"fails", "rejects", "panics", "last"} {
			w.create(id)
		}
		equal(t, "jobs that came", w.called(), "fails rejects panics last")
		for id, want := range map[string]string{
			"plain": "SUCCEEDED map[]", "progress": "SUCCEEDED map[of:3 step:2]", "fails": "FAILED map[error:" + strings.Repeat("x", 1024) + "]",
			"rejects": "REJECTED map[error:not here: job rejected by the device]", "panics": "FAILED map[error:panic: oh]", "last": "SUCCEEDED map[]",
		} {
			equal(t, id, w.status(id), want)
		}
		w.stop()
		synctest.Wait()
		w.said()
		w.create("later")
		equal(t, "after the end", w.called()+w.said(), "")
	})
}

// A job that takes long keeps its step timer alive; one whose program has died goes on with the next Run.
func TestRunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newRunWorld(t)
		var cause error
		hours := func(ctx context.Context, j *iotjobs.Job) error {
			select {
			case <-time.After(3 * time.Hour):
				return nil
			case <-ctx.Done():
				cause = context.Cause(ctx)
				return cause
			}
		}
		w.does["long"] = hours
		w.create("long")
		w.run(90 * time.Second)
		pass(2 * time.Hour)
		equal(t, "after two hours", w.status("long"), "IN_PROGRESS map[]")
		w.stop()
		if !errors.Is(cause, errStop) {
			t.Errorf("cause %v", cause)
		}
		equal(t, "after the end of Run", w.status("long"), "IN_PROGRESS map[]")
		w.run(90 * time.Second)
		equal(t, "calls", w.called(), "long long")
		pass(3 * time.Hour)
		equal(t, "at the end", w.status("long"), "SUCCEEDED map[]")
		w.create("long2")
		w.does["long2"] = hours
		w.stop()
		// Without a sign of life it times out.
		w.does["dies"] = hours
		w.create("dies")
		w.run(90 * time.Second)
		w.stop()
		w.server.Clock().Advance(3 * time.Minute)
		pass(time.Second)
		equal(t, "without a sign of life", w.status("dies"), "TIMED_OUT map[]")
	})
}

// A job that is cancelled, removed, ended or touched by somebody else while the handler works.
func TestRunMeddling(t *testing.T) {
	for _, tt := range []struct {
		name   string
		meddle func(w *runWorld) error
		want   string // the cause of the handler's context, and the status at the end
	}{
		{"cancelled", func(w *runWorld) error {
			return w.server.Jobs("lamp").Cancel("one", iotlocal.CancelJobOptions{Force: true})
		}, "canceled CANCELED map[]"},
		{"ended", func(w *runWorld) error {
			_, err := w.jobs.UpdateJobExecution(w.t.Context(), &iotjobs.UpdateJobExecutionRequest{ThingName: "lamp", JobID: "one", Status: iotjobs.StatusFailed})
			return err
		}, "canceled FAILED map[]"},
		{"updated", func(w *runWorld) error {
			_, err := w.jobs.UpdateJobExecution(w.t.Context(), &iotjobs.UpdateJobExecutionRequest{ThingName: "lamp", JobID: "one", Status: iotjobs.StatusInProgress, StatusDetails: map[string]string{"who": "else"}})
			return err
		}, "none SUCCEEDED map[who:else]"},
		{"offline at its end", func(w *runWorld) error {
			w.server.Faults().RefuseConnections(-1)
			w.server.Faults().Cut("device")
			time.AfterFunc(5*time.Minute, func() { w.server.Faults().RefuseConnections(0) })
			return nil
		}, "none SUCCEEDED map[]"},
		{"throttled at its end", func(w *runWorld) error { return w.server.Jobs("lamp").Refuse(iotlocal.JobRequestThrottled, 4) }, "none SUCCEEDED map[]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newRunWorld(t)
				cause := "none"
				w.does["one"] = func(ctx context.Context, j *iotjobs.Job) error {
					select {
					case <-time.After(2 * time.Minute):
					case <-ctx.Done():
						cause = "canceled"
						if !errors.Is(context.Cause(ctx), iotjobs.ErrCanceled) {
							t.Errorf("cause %v", context.Cause(ctx))
						}
					}
					return nil
				}
				w.create("one")
				w.run(-1)
				if err := tt.meddle(w); err != nil {
					t.Fatal(err)
				}
				w.create("two")
				pass(15 * time.Minute)
				equal(t, "the job", cause+" "+w.status("one"), tt.want)
				equal(t, "calls", w.called(), "one two")
				equal(t, "the next one", w.status("two"), "SUCCEEDED map[]")
			})
		})
	}
}

// Whatever a handler's error says, and whatever details the program has set: the job's end is reported, and Run goes on.
func TestRunDetailsRefused(t *testing.T) {
	fails := func(text string) iotjobs.Handler {
		return func(context.Context, *iotjobs.Job) error { return errors.New(text) }
	}
	bad := map[string]string{"bad name": "x"}
	for name, c := range map[string]struct {
		does   iotjobs.Handler
		status string
	}{
		"two lines":         {func(context.Context, *iotjobs.Job) error { return errors.Join(errors.New("one"), errors.New("two")) }, "FAILED map[error:one two]"},
		"tab and zero":      {fails("a\tb\x00c"), "FAILED map[error:a b c]"},
		"no text":           {fails(""), "FAILED map[error:*errors.errorString]"},
		"not UTF-8":         {fails("a\xffb"), "FAILED map[error:a\uFFFDb]"},
		"cut in a rune":     {fails(strings.Repeat("x", 1022) + "\u20ac"), "FAILED map[error:" + strings.Repeat("x", 1022) + "]"},
		"panic, two lines":  {func(context.Context, *iotjobs.Job) error { panic("oh\nno") }, "FAILED map[error:panic: oh no]"},
		"details":           {func(_ context.Context, j *iotjobs.Job) error { j.Details(bad); return nil }, "SUCCEEDED map[]"},
		"details, then end": {func(_ context.Context, j *iotjobs.Job) error { j.Details(bad); return errors.New("no") }, "FAILED map[]"},
		"progress": {func(ctx context.Context, j *iotjobs.Job) error {
			if err := j.Progress(ctx, map[string]string{"step": "1"}); err != nil {
				return err
			}
			if refused, ok := errors.AsType[*iotjobs.RejectedError](j.Progress(ctx, bad)); !ok || refused.Code != iotjobs.CodeInvalidRequest {
				return fmt.Errorf("refused: %v", refused)
			}
			return j.Progress(ctx, map[string]string{"step": "2"})
		}, "SUCCEEDED map[step:2]"},
		"a sign of life": {func(_ context.Context, j *iotjobs.Job) error {
			j.Details(bad)
			pass(25 * time.Minute) // more than the step timer, which is set anew all the same
			return nil
		}, "SUCCEEDED map[]"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newRunWorld(t)
				w.does = map[string]iotjobs.Handler{"one": c.does}
				w.create("one")
				w.create("two")
				w.run(0)
				pass(time.Hour)
				equal(t, "the job", w.status("one"), c.status)
				equal(t, "the next one", w.status("two"), "SUCCEEDED map[]")
			})
		})
	}
}

// The step timer is never shorter than what was asked for, in the whole minutes that the service takes.
func TestRunStepTimeout(t *testing.T) {
	for step, want := range map[time.Duration]string{0: "10,", time.Second: "1,", time.Minute: "1,", 90 * time.Second: "2,", 121 * time.Second: "3,", 1e6 * time.Hour: "10080,", -1: "none"} {
		synctest.Test(t, func(t *testing.T) {
			w := newRunWorld(t)
			w.run(step)
			w.stop()
			_, got, found := strings.Cut(strings.ReplaceAll(w.said(), "}", ","), `"stepTimeoutInMinutes":`)
			if !found {
				got = "none"
			}
			if !strings.HasPrefix(got, want) {
				t.Errorf("%v: %s, want %s", step, got, want)
			}
		})
	}
}

// What ends a Run for good.
func TestRunEnds(t *testing.T) {
	handler := func(context.Context, *iotjobs.Job) error { return nil }
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, r := range []*iotjobs.Runner{{}, {Client: w.jobs, ThingName: "lamp"}, {Client: w.jobs, Handler: handler}} {
			if _, ok := errors.AsType[*awsiot.ValidationError](r.Run(t.Context())); !ok {
				t.Errorf("%+v runs", r)
			}
		}
		rule, err := w.server.Faults().Add(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.SUBSCRIBE, Topic: jobsOf + "notify-next", Action: iotlocal.Reject, Code: 0x87})
		if err != nil {
			t.Fatal(err)
		}
		if code, _ := awsiot.ReasonOf(iotjobs.Run(t.Context(), w.jobs, "lamp", handler)); code != awsiot.ReasonNotAuthorized {
			t.Errorf("code %v", code)
		}
		rule.Remove()
		ended := make(chan error)
		go func() { ended <- iotjobs.Run(t.Context(), w.jobs, "lamp", handler) }()
		synctest.Wait()
		_ = w.client.Close()
		if err := <-ended; !errors.Is(err, awsiot.ErrClosed) {
			t.Errorf("the client was closed: %v", err)
		}
	})
}

// pass lets time go by, with everything done that is due until then.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
