package iotjobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"strings"
	"time"
	"unicode"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/internal/service"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// Handler works on one job: nil reports SUCCEEDED, an error FAILED, ErrReject REJECTED, a panic FAILED. ctx ends when Run's does,
// and when the job is cancelled; the job is then not reported, and in the first case goes on with the next Run.
type Handler func(ctx context.Context, j *Job) error

var (
	// ErrReject, returned or wrapped by a Handler, reports the job as REJECTED: this device will not do it.
	ErrReject = errors.New("job rejected by the device")
	// ErrCanceled is the cause of a Handler's context when the job was cancelled, removed or timed out, or another
	// program has reported its end.
	ErrCanceled = errors.New("the job is no longer this device's")
)

// DefaultStepTimeout is how long a job may go without a sign of life.
const DefaultStepTimeout = 10 * time.Minute

// Run takes the jobs of a thing, one after the other, until ctx ends, whose cause it returns, or the service or the broker refuses
// for good. It starts with the job that was in progress when the program ended. See Runner.
func Run(ctx context.Context, c *Client, thingName string, h Handler) error {
	return (&Runner{Client: c, ThingName: thingName, Handler: h}).Run(ctx)
}

// Runner is Run with options. Client, ThingName and Handler are required. Run it once at a time for a thing.
type Runner struct {
	Client    *Client
	ThingName string
	Handler   Handler
	// StepTimeout is set as the job's step timer, in whole minutes, and set anew at half of it while the handler works: the job
	// of a device that has died times out. 0: 10 minutes; negative: none.
	StepTimeout time.Duration
	// Logger gets what is tried again. nil: slog.Default().
	Logger *slog.Logger
}

// runner is one Run.
type runner struct {
	*Runner
	step *int64        // the timer in minutes; nil: none
	wake chan struct{} // something may have changed; has room for one
	over chan error    // the stream was halted; has room for one
}

// Run works until ctx ends.
func (o *Runner) Run(ctx context.Context) error {
	if o.Client == nil || o.Handler == nil {
		return &awsiot.ValidationError{Field: "Runner", Problem: "Client and Handler are required"}
	}
	r := &runner{Runner: o, wake: make(chan struct{}, 1), over: make(chan error, 1)}
	d := o.StepTimeout
	if d == 0 {
		d = DefaultStepTimeout
	}
	if d > 0 {
		r.step = new(min(maxStep, max(1, int64((d+time.Minute-1)/time.Minute))))
	}
	s, err := o.Client.CreateNextJobExecutionChangedStream(&NextJobExecutionChangedSubscriptionRequest{ThingName: o.ThingName}, StreamOptions[NextJobExecutionChangedEvent]{
		OnEvent:     func(*NextJobExecutionChangedEvent) { r.poke() },
		OnMalformed: func(error) { r.poke() },
		OnStatus: func(status reqresp.StreamStatus, err error) {
			if status == reqresp.StreamHalted {
				r.over <- err // comes once
			} else {
				r.poke() // what was missed is asked for
			}
		},
	})
	if err == nil {
		err = s.Open()
	}
	if err != nil {
		return err
	}
	defer s.Close()
	for {
		e, err := again(ctx, r, func() (*ExecutionResponse, error) {
			return o.Client.StartNextPendingJobExecution(ctx, &StartNextPendingJobExecutionRequest{ThingName: o.ThingName, StepTimeoutInMinutes: r.step})
		})
		switch {
		case err != nil:
			return err
		case e.Execution != nil:
			if err := r.work(ctx, e.Execution); err != nil {
				return err
			}
		default:
			select {
			case <-r.wake:
			case err := <-r.over:
				return err
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
}

func (r *runner) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// again makes a request until it succeeds, fails for good, or ctx ends.
func again[T any](ctx context.Context, r *runner, do func() (T, error)) (T, error) {
	return service.Again(ctx, passing, func(delay time.Duration, err error) {
		r.log("jobs: tried again", slog.Duration("delay", delay), slog.Any("error", err))
	}, do)
}

// passing reports whether a request may succeed later as it is.
func passing(err error) bool {
	if refused, ok := errors.AsType[*RejectedError](err); ok {
		return refused.Code == CodeRequestThrottled || refused.Code == CodeInternalError
	}
	return reqresp.Retryable(err)
}

func (r *runner) log(msg string, args ...any) {
	l := r.Logger
	if l == nil {
		l = slog.Default()
	}
	l.Warn(msg, append([]any{slog.String("thing", r.ThingName)}, args...)...)
}

// work gives a job to the handler, and reports its end. An error ends Run.
func (r *runner) work(ctx context.Context, d *JobExecutionData) error {
	jobCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	j := &Job{JobExecutionData: *d, r: r, turn: make(chan struct{}, 1), cancel: cancel, version: d.VersionNumber, details: maps.Clone(d.StatusDetails), taken: d.StatusDetails}
	watching, stop := context.WithCancel(jobCtx)
	watched := make(chan struct{})
	go func() { // joined below
		defer close(watched)
		j.watch(watching)
	}()
	err := j.call(jobCtx)
	stop() // an update that is under way is not needed any more
	<-watched
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(context.Cause(jobCtx), ErrCanceled):
		return nil
	}
	status := StatusSucceeded
	if err != nil {
		status = StatusFailed
		if errors.Is(err, ErrReject) {
			status = StatusRejected
		}
		r.log("jobs: a job was not done", slog.String("job", j.JobID), slog.String("status", string(status)), slog.Any("error", err))
	}
	_, err = again(ctx, r, func() (struct{}, error) { return struct{}{}, j.report(ctx, status, reason(err)) })
	if errors.Is(err, ErrCanceled) {
		return nil // somebody else has ended it
	}
	return err
}

// maxDetail is the longest value of status details (AWS IoT jobs API reference, UpdateJobExecution).
const maxDetail = 1024

// reason returns the status details that say why a job was not done.
func reason(err error) map[string]string {
	if err == nil {
		return nil
	}
	text := strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return ' ' // the service refuses values with line ends, tabs and the like
	}, err.Error())
	if text == "" {
		text = fmt.Sprintf("%T", err) // nor may they be empty
	}
	if len(text) > maxDetail {
		text = strings.ToValidUTF8(text[:maxDetail], "") // without half a character
	}
	return map[string]string{"error": text}
}

// Job is a job that a Handler works on.
type Job struct {
	JobExecutionData // as it was when it was started

	r       *runner
	cancel  context.CancelCauseFunc
	turn    chan struct{} // whose token is in it makes an update; has room for one
	version int64         // as far as is known; with turn, as details and taken
	details map[string]string
	taken   map[string]string // the details that the service has
}

// Progress reports that the job goes on, with status details that are added to those before. Names and values are
// texts; the service takes 10 of them, names of at most 128 of a-z A-Z 0-9 : _ -, values of 1 to 1024 bytes without control
// characters. With others the report is refused, and they are forgotten: the next report does not have them.
func (j *Job) Progress(ctx context.Context, details map[string]string) error {
	return j.report(ctx, StatusInProgress, details)
}

// Details sets status details that go with the next report. If the service does not take them they are left out of it, but
// for one by Progress with details of its own, which is refused.
func (j *Job) Details(details map[string]string) {
	j.turn <- struct{}{}
	defer func() { <-j.turn }()
	j.merge(details)
}

func (j *Job) merge(details map[string]string) {
	if j.details == nil && len(details) > 0 {
		j.details = map[string]string{}
	}
	maps.Copy(j.details, details)
}

// call runs the handler.
func (j *Job) call(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
			j.r.log("jobs: panic in the handler", slog.String("job", j.JobID), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		}
	}()
	return j.r.Handler(ctx, j)
}

// report updates the job, one update at a time. An update of another version than is known is made again if the
// job is still in progress; ErrCanceled: it is not.
func (j *Job) report(ctx context.Context, status JobStatus, details map[string]string) error {
	select {
	case j.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-j.turn }()
	j.merge(details)
	for {
		step := j.r.step
		if status != StatusInProgress {
			step = nil
		}
		answer, err := j.r.Client.UpdateJobExecution(ctx, &UpdateJobExecutionRequest{ThingName: j.r.ThingName, JobID: j.JobID, Status: status, StatusDetails: j.details,
			ExpectedVersion: new(j.version), ExecutionNumber: new(j.ExecutionNumber), IncludeJobExecutionState: new(true), StepTimeoutInMinutes: step})
		if err == nil {
			j.taken = maps.Clone(j.details)
			if s := answer.ExecutionState; s != nil {
				j.version = s.VersionNumber
			} else {
				j.version++
			}
			return nil
		}
		refused, ok := errors.AsType[*RejectedError](err)
		if !ok {
			return err
		}
		switch s := refused.ExecutionState; {
		case refused.Code == CodeVersionMismatch && s != nil && s.VersionNumber != j.version && s.Status == StatusInProgress:
			j.version = s.VersionNumber
			continue
		case refused.Code == CodeInvalidRequest && !maps.Equal(j.details, j.taken): // they must not be in the way of the job's end
			j.details = maps.Clone(j.taken)
			if status != StatusInProgress || len(details) == 0 {
				j.r.log("jobs: status details were refused, and are left out", slog.String("job", j.JobID), slog.Any("error", err))
				continue
			}
		case refused.Code == CodeVersionMismatch, refused.Code == CodeInvalidStateTransition, refused.Code == CodeTerminalStateReached, refused.Code == CodeResourceNotFound:
			err = errors.Join(ErrCanceled, err)
			j.cancel(err)
		}
		return err
	}
}

// watch keeps the step timer alive while the handler works, and looks whether the job is still there when the next job has changed.
func (j *Job) watch(ctx context.Context) {
	var tick <-chan time.Time
	if j.r.step != nil {
		t := time.NewTicker(time.Duration(*j.r.step) * time.Minute / 2)
		defer t.Stop()
		tick = t.C
	}
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-tick:
			err = j.report(ctx, StatusInProgress, nil)
		case <-j.r.wake:
			err = j.look(ctx)
		}
		if err != nil && ctx.Err() == nil {
			j.r.log("jobs: a sign of life failed", slog.String("job", j.JobID), slog.Any("error", err))
		}
	}
}

// look asks whether the job is still in progress.
func (j *Job) look(ctx context.Context) error {
	answer, err := j.r.Client.DescribeJobExecution(ctx, &DescribeJobExecutionRequest{ThingName: j.r.ThingName, JobID: j.JobID,
		ExecutionNumber: new(j.ExecutionNumber), IncludeJobDocument: new(false)})
	refused, ok := errors.AsType[*RejectedError](err)
	switch {
	case ok && (refused.Code == CodeTerminalStateReached || refused.Code == CodeResourceNotFound):
		j.cancel(errors.Join(ErrCanceled, err))
		return nil
	case err != nil:
		return err
	case answer.Execution == nil || answer.Execution.Status != StatusInProgress:
		j.cancel(ErrCanceled)
	}
	return nil
}
