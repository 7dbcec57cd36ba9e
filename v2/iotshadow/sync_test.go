package iotshadow_test

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
	"github.com/portage-iot/awsiot/v2/iotshadow"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

var errStop = errors.New("enough")

// syncWorld is a world with a Sync in it.
type syncWorld struct {
	*world
	shadow *iotlocal.Shadow
	mu     sync.Mutex
	calls  []string
	apply  func(n int, delta map[string]any) (any, error) // of call n, from 1; nil: reports the delta
	stop   func()
	n      int
}

func newSyncWorld(t *testing.T, shadowName string, report func() any) *syncWorld {
	w := &syncWorld{world: newWorld(t, reqresp.Options{})}
	w.shadow = w.server.Shadow("lamp", shadowName)
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	w.stop = func() {
		cancel(errStop)
		if err := <-ended; !errors.Is(err, errStop) {
			t.Errorf("Sync returned %v", err)
		}
	}
	go func() {
		ended <- iotshadow.Sync(ctx, w.shadows, iotshadow.SyncOptions[map[string]any]{ThingName: "lamp", ShadowName: shadowName, Report: report,
			Apply: func(_ context.Context, delta map[string]any) (any, error) {
				w.mu.Lock()
				w.n++
				n, apply := w.n, w.apply
				w.calls = append(w.calls, fmt.Sprint(delta))
				w.mu.Unlock()
				if apply == nil {
					return delta, nil
				}
				return apply(n, delta)
			}})
	}()
	synctest.Wait()
	return w
}

func (w *syncWorld) called() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := strings.Join(w.calls, " ")
	w.calls = nil
	return s
}

// update changes the shadow as an app does.
func (w *syncWorld) update(state string) {
	w.t.Helper()
	if _, err := w.shadow.Update(`{"state":` + state + `}`); err != nil {
		w.t.Error(err)
	}
}

// delta returns what is desired and not reported.
func (w *syncWorld) delta() string {
	w.t.Helper()
	d, err := w.shadow.Get()
	if err != nil {
		return err.Error()
	}
	_, rest, ok := strings.Cut(string(d), `"delta":`)
	if !ok {
		return "none"
	}
	rest, _, _ = strings.Cut(rest, "}")
	return rest + "}"
}

func TestSync(t *testing.T) {
	for _, name := range []string{"", "night"} {
		t.Run("shadow "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newSyncWorld(t, name, nil)
				defer w.stop()
				equal(t, "no shadow yet", w.called(), "")
				w.update(`{"desired":{"on":true}}`)
				synctest.Wait()
				equal(t, "a delta", w.called()+" "+w.delta(), "map[on:true] none")
				// The device does less than is desired: it is not asked again until something changes.
				w.mu.Lock()
				w.apply = func(int, map[string]any) (any, error) { return map[string]any{"on": false}, nil }
				w.mu.Unlock()
				w.update(`{"desired":{"level":5}}`)
				pass(10 * time.Minute)
				equal(t, "less than desired", w.called(), "map[level:5]")
				w.mu.Lock()
				w.apply = nil
				w.mu.Unlock()
				w.update(`{"desired":{"color":"red"}}`)
				synctest.Wait()
				equal(t, "the next one has it all", w.called()+" "+w.delta(), "map[color:red level:5 on:true] none")
				// Deltas of the past, and doubled ones.
				topic := iotshadow.TopicDelta("lamp", name)
				for _, version := range []int64{1, w.shadow.Version()} {
					if _, err := w.server.Publish(iotlocal.Message{Topic: topic, Payload: fmt.Appendf(nil, `{"state":{"on":"stale"},"version":%d}`, version)}); err != nil {
						t.Fatal(err)
					}
				}
				synctest.Wait()
				equal(t, "stale deltas", w.called(), "")
				// What happens while there is no connection is fetched.
				w.server.Faults().Cut("device")
				synctest.Wait()
				w.update(`{"desired":{"on":"later"}}`)
				pass(5 * time.Second)
				equal(t, "after a reconnect", w.called()+" "+w.delta(), "map[on:later] none")
				// And a message that is none.
				if _, err := w.server.Publish(iotlocal.Message{Topic: topic, Payload: []byte(`[]`)}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				equal(t, "not a delta", w.called(), "")
			})
		})
	}
}

// Apply fails twice, and the delta comes again.
func TestSyncRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSyncWorld(t, "", nil)
		defer w.stop()
		w.apply = func(n int, delta map[string]any) (any, error) {
			if n < 3 {
				return nil, errors.New("busy")
			}
			return delta, nil
		}
		w.update(`{"desired":{"on":true}}`)
		pass(10 * time.Second)
		equal(t, "calls", w.called()+" "+w.delta(), "map[on:true] map[on:true] map[on:true] none")
	})
}

// Somebody changes the shadow while the device applies a delta: the report is made again, and the new delta is applied.
func TestSyncConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSyncWorld(t, "", nil)
		defer w.stop()
		w.apply = func(n int, delta map[string]any) (any, error) {
			if n == 1 {
				w.update(`{"desired":{"color":"red"}}`)
			}
			return delta, nil
		}
		w.update(`{"desired":{"on":true}}`)
		pass(time.Second)
		equal(t, "calls", w.called()+" "+w.delta(), "map[on:true] map[color:red] none")
		if n := strings.Count(w.said(), "PUBLISH "+classic+"/update "); n != 3 {
			t.Errorf("%d updates, want the refused one, the same again, and that of the new delta", n)
		}
	})
}

// Of the deltas that come while one is applied, the newest counts, also for a device that reports nothing.
func TestSyncNewestDelta(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSyncWorld(t, "", nil)
		defer w.stop()
		w.apply = func(n int, _ map[string]any) (any, error) {
			if n == 1 {
				w.update(`{"desired":{"color":"red"}}`)
				w.update(`{"desired":{"level":5}}`)
				<-time.After(time.Second) // both are there
			}
			return nil, nil
		}
		w.update(`{"desired":{"on":true}}`)
		pass(time.Minute)
		equal(t, "calls", w.called(), "map[on:true] map[color:red level:5 on:true]")
	})
}

// A delta that is older than the shadow that was fetched says nothing new, also when that one had none.
func TestSyncFetchedVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSyncWorld(t, "", nil)
		defer w.stop()
		w.server.Faults().Cut("device")
		synctest.Wait()
		w.update(`{"desired":{"on":true},"reported":{"on":true}}`)
		pass(5 * time.Second)
		if _, err := w.server.Publish(iotlocal.Message{Topic: iotshadow.TopicDelta("lamp", ""), Payload: []byte(`{"state":{"on":"stale"},"version":1}`)}); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		equal(t, "calls", w.called(), "")
	})
}

// The state of the device is reported in the beginning and after each reconnect.
func TestSyncReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		w := newSyncWorld(t, "", func() any { n++; return map[string]int{"boots": n} })
		defer w.stop()
		reported := func() string {
			d, err := w.shadow.Get()
			if err != nil {
				return err.Error()
			}
			_, rest, _ := strings.Cut(string(d), `"reported":`)
			rest, _, _ = strings.Cut(rest, "}")
			return rest + "}"
		}
		equal(t, "in the beginning", reported(), `{"boots":1}`)
		w.server.Faults().Cut("device")
		pass(2 * time.Second)
		equal(t, "after a reconnect", reported(), `{"boots":2}`)
	})
}

func TestSyncEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, reqresp.Options{})
		apply := func(context.Context, map[string]any) (any, error) { return nil, nil }
		for _, o := range []iotshadow.SyncOptions[map[string]any]{{}, {ThingName: "lamp"}, {Apply: apply}, {ThingName: "lamp", ShadowName: "a b", Apply: apply}} {
			if _, ok := errors.AsType[*awsiot.ValidationError](iotshadow.Sync(t.Context(), w.shadows, o)); !ok {
				t.Errorf("%+v runs", o)
			}
		}
		rule, err := w.server.Faults().Add(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.SUBSCRIBE, Topic: classic + "/get/+", Action: iotlocal.Reject, Code: 0x87})
		if err != nil {
			t.Fatal(err)
		}
		err = iotshadow.Sync(t.Context(), w.shadows, iotshadow.SyncOptions[map[string]any]{ThingName: "lamp", Apply: apply})
		if code, _ := awsiot.ReasonOf(err); code != awsiot.ReasonNotAuthorized {
			t.Errorf("get is denied: %v", err)
		}
		rule.Remove()
		ended := make(chan error)
		go func() {
			ended <- iotshadow.Sync(t.Context(), w.shadows, iotshadow.SyncOptions[map[string]any]{ThingName: "lamp", Apply: apply})
		}()
		synctest.Wait()
		_ = w.shadows.Close()
		if err := <-ended; !errors.Is(err, reqresp.ErrClosed) {
			t.Errorf("the client was closed: %v", err)
		}
	})
}

// pass lets time go by, with everything done that is due until then.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
