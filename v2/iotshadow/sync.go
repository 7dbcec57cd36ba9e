package iotshadow

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/internal/service"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// SyncOptions describe a Sync. ThingName and Apply are required.
type SyncOptions[T any] struct {
	ThingName  string
	ShadowName string // "": the classic shadow
	// Apply makes the device what is desired, and returns what it is then: the reported section, or the part of it that has
	// changed, as in ShadowState; nil reports nothing. delta holds the keys whose desired value differs from the
	// reported one, decoded as by Decode: a struct with pointers, or a map. It is called for one delta at a time, the newest that is
	// known. After an error the delta comes again, with growing delays.
	Apply func(ctx context.Context, delta T) (reported any, err error)
	// Report returns the state of the device, which is reported in the beginning and after every reconnect. nil: nothing is.
	Report func() any
	// Logger gets what is tried again. nil: slog.Default().
	Logger *slog.Logger
}

// Sync keeps a device like its shadow until ctx ends, whose cause it returns, or the service or the broker refuses for good. It
// follows the deltas, of which stale and repeated ones are dropped by their version, fetches the shadow after every
// reconnect, since deltas may have been missed, and reports with the version that it has seen: when another
// one has changed the shadow meanwhile, it looks again.
func Sync[T any](ctx context.Context, c *Client, o SyncOptions[T]) error {
	if c == nil || o.Apply == nil {
		return &awsiot.ValidationError{Field: "SyncOptions", Problem: "a Client and Apply are required"}
	}
	s := &syncer[T]{SyncOptions: o, c: c, wake: make(chan struct{}, 1), over: make(chan error, 1)}
	stream, err := s.stream()
	if err == nil {
		err = stream.Open()
	}
	if err != nil {
		return err
	}
	defer stream.Close()
	return s.run(ctx)
}

// syncer is one Sync.
type syncer[T any] struct {
	SyncOptions[T]
	c    *Client
	wake chan struct{} // something has changed; has room for one
	over chan error    // the stream was halted; has room for one

	mu    sync.Mutex
	fresh bool                     // connected anew: Report is to be reported
	fetch bool                     // the shadow is to be asked for
	delta *ShadowDeltaUpdatedEvent // the newest one that was not looked at

	version int64 // of the shadow that was applied last; of the goroutine of Sync
}

func (s *syncer[T]) stream() (*Stream, error) {
	o := StreamOptions[ShadowDeltaUpdatedEvent]{
		OnEvent: func(e *ShadowDeltaUpdatedEvent) {
			s.change(func() {
				if s.delta == nil || e.Version > s.delta.Version {
					s.delta = e
				}
			})
		},
		OnMalformed: func(err error) { s.change(func() { s.fetch = true }) },
		OnStatus: func(status reqresp.StreamStatus, err error) {
			switch status {
			case reqresp.StreamEstablished:
				s.change(func() { s.fresh, s.fetch = true, true })
			case reqresp.StreamHalted:
				s.over <- err // comes once
			}
		},
	}
	if s.ShadowName == "" {
		return s.c.CreateShadowDeltaUpdatedStream(&ShadowSubscriptionRequest{s.ThingName}, o)
	}
	return s.c.CreateNamedShadowDeltaUpdatedStream(&NamedShadowSubscriptionRequest{s.ThingName, s.ShadowName}, o)
}

func (s *syncer[T]) change(do func()) {
	s.mu.Lock()
	do()
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *syncer[T]) run(ctx context.Context) error {
	for {
		select {
		case <-s.wake:
		case err := <-s.over:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		for delay := service.FirstDelay; ; delay = service.NextDelay(delay) {
			again, err := s.round(ctx)
			if err != nil {
				return err
			}
			if !again {
				break
			}
			select {
			case <-time.After(delay):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
}

// round looks at what has changed, and brings the device there. again: Apply has failed.
func (s *syncer[T]) round(ctx context.Context) (again bool, err error) {
	s.mu.Lock()
	fresh, fetch, delta := s.fresh, s.fetch, s.delta
	s.fresh, s.fetch, s.delta = false, false, nil
	s.mu.Unlock()
	if fresh && s.Report != nil {
		if err := s.report(ctx, s.Report(), 0); err != nil {
			return false, err
		}
	}
	section, version := []byte(nil), int64(0)
	switch {
	case fetch:
		d, err := s.get(ctx)
		if err != nil || d == nil {
			return false, err
		}
		section, version = d.State.Delta, d.Version
		if section == nil {
			s.version = version
		}
	case delta != nil && delta.Version > s.version:
		section, version = delta.State, delta.Version
	}
	if section == nil || version == s.version {
		return false, nil
	}
	wanted, err := Decode[T](section)
	if err != nil {
		s.log("shadow: a delta does not fit", slog.Int64("version", version), slog.Any("error", err))
		s.version = version // it would not fit better later
		return false, nil
	}
	reported, err := s.Apply(ctx, wanted)
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if err != nil {
		s.log("shadow: a delta was not applied, and is tried again", slog.Int64("version", version), slog.Any("error", err))
		s.change(func() { s.fetch = true })
		return true, nil
	}
	s.version = version
	if reported == nil {
		return false, nil
	}
	return false, s.report(ctx, reported, version)
}

// get returns the shadow, nil if there is none.
func (s *syncer[T]) get(ctx context.Context) (*Document, error) {
	d, err := again(ctx, s, func() (*Document, error) {
		if s.ShadowName == "" {
			return s.c.GetShadow(ctx, &GetShadowRequest{ThingName: s.ThingName})
		}
		return s.c.GetNamedShadow(ctx, &GetNamedShadowRequest{ThingName: s.ThingName, ShadowName: s.ShadowName})
	})
	if refused, ok := errors.AsType[*RejectedError](err); ok && refused.Code == CodeNotFound {
		return nil, nil
	}
	return d, err
}

// report reports a state of the device, made of a version of the shadow; 0: of none.
func (s *syncer[T]) report(ctx context.Context, reported any, version int64) error {
	for conflict := false; ; conflict = true {
		var expected *int64
		if version > 0 {
			expected = &version
		}
		state := &ShadowState{Reported: reported}
		d, err := again(ctx, s, func() (*Document, error) {
			if s.ShadowName == "" {
				return s.c.UpdateShadow(ctx, &UpdateShadowRequest{ThingName: s.ThingName, State: state, Version: expected})
			}
			return s.c.UpdateNamedShadow(ctx, &UpdateNamedShadowRequest{ThingName: s.ThingName, ShadowName: s.ShadowName, State: state, Version: expected})
		})
		refused, ok := errors.AsType[*RejectedError](err)
		switch {
		case err == nil && conflict:
			s.version = 0 // what the other one desires has not been looked at
			return nil
		case err == nil && expected != nil:
			s.version = d.Version
			return nil
		case err == nil || !ok || refused.Code != CodeVersionConflict:
			return err
		}
		// Somebody was quicker: what the device is holds all the same, and what is desired is asked for anew.
		s.change(func() { s.fetch = true })
		now, err := s.get(ctx)
		if err != nil {
			return err
		}
		version = 0
		if now != nil {
			version = now.Version
		}
	}
}

// again makes a request until it succeeds, fails for good, or ctx ends.
func again[T any](ctx context.Context, s interface{ log(string, ...any) }, do func() (*T, error)) (*T, error) {
	return service.Again(ctx, passing, func(delay time.Duration, err error) {
		s.log("shadow: tried again", slog.Duration("delay", delay), slog.Any("error", err))
	}, do)
}

// passing reports whether a request may succeed later as it is.
func passing(err error) bool {
	if refused, ok := errors.AsType[*RejectedError](err); ok {
		return refused.Code == CodeTooManyRequests || refused.Code >= 500
	}
	return reqresp.Retryable(err)
}

func (s *syncer[T]) log(msg string, args ...any) {
	l := s.Logger
	if l == nil {
		l = slog.Default()
	}
	l.Warn(msg, append([]any{slog.String("thing", s.ThingName), slog.String("shadow", s.ShadowName)}, args...)...)
}
