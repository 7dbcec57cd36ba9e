package awsiot_test

import (
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// optionFields returns the fields of ClientOptions that Update treats as class says.
func optionFields(t *testing.T, class string) (names []string) {
	t.Helper()
	o := reflect.TypeFor[awsiot.ClientOptions]()
	for i := range o.NumField() {
		c, ok := awsiot.UpdateClass(o.Field(i).Name)
		if !ok {
			t.Errorf("%s has no class", o.Field(i).Name)
		}
		if c == class {
			names = append(names, o.Field(i).Name)
		}
	}
	return names
}

// Every field of ClientOptions has exactly one class, and no class has a field that is not there.
func TestUpdateClasses(t *testing.T) {
	n := 0
	for _, class := range []string{"at once", "at the next attempt", "never"} {
		n += len(optionFields(t, class))
	}
	if fields := reflect.TypeFor[awsiot.ClientOptions]().NumField(); n != fields || awsiot.UpdateFields() != fields {
		t.Errorf("%d fields in %d classes, ClientOptions has %d", n, awsiot.UpdateFields(), fields)
	}
}

// setOther gives a field another value than it has.
func setOther(v reflect.Value) {
	switch {
	case v.Kind() == reflect.String:
		v.SetString(v.String() + "x")
	case v.Kind() == reflect.Bool:
		v.SetBool(!v.Bool())
	case v.CanInt():
		v.SetInt(v.Int() + 1)
	case v.Kind() == reflect.Func:
		v.Set(reflect.MakeFunc(v.Type(), func([]reflect.Value) []reflect.Value { return nil }))
	case v.Type() == reflect.TypeFor[*slog.Logger]():
		v.Set(reflect.ValueOf(slog.New(slog.DiscardHandler)))
	case v.Type() == reflect.TypeFor[*awsiot.Trace]():
		v.Set(reflect.ValueOf(&awsiot.Trace{ConnectSent: func() {}}))
	case v.Type() == reflect.TypeFor[awsiot.Store]():
		v.Set(reflect.ValueOf(awsiot.NewFileStore("other")))
	}
}

// What is fixed at the client's birth is refused, by name, and nothing is changed then, not even what would be legal; to
// leave it as it is, also to set it to itself, is not.
func TestUpdateRefuses(t *testing.T) {
	for _, field := range optionFields(t, "never") {
		t.Run(field, func(t *testing.T) {
			hook := func(*awsiot.Stopped) {}
			c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "e", Auth: awsiot.PlainTCP(), ClientID: "c", AckTimeout: time.Second, SessionExpiry: time.Hour,
				Trace: &awsiot.Trace{TLSStart: func() {}}, Logger: slog.New(slog.DiscardHandler), OnStopped: hook, Store: awsiot.NewFileStore("d")})
			defer c.Close()
			err := c.Update(func(o *awsiot.ClientOptions) {
				o.AckTimeout = time.Minute
				setOther(reflect.ValueOf(o).Elem().FieldByName(field))
			})
			var ve *awsiot.ValidationError
			if !errors.As(err, &ve) || ve.Field != field {
				t.Errorf("%v", err)
			}
			if d := awsiot.GivenOptions(c).AckTimeout; d != time.Second {
				t.Errorf("AckTimeout was changed to %v all the same", d)
			}
			if err := c.Update(func(o *awsiot.ClientOptions) { o.OnStopped, o.AckTimeout = hook, time.Minute }); err != nil {
				t.Errorf("without a change: %v", err)
			}
			if d := awsiot.GivenOptions(c).AckTimeout; d != time.Minute {
				t.Errorf("AckTimeout is %v", d)
			}
		})
	}
}

// Two closures of one function are different values.
func TestUpdateRefusesAnotherClosure(t *testing.T) {
	hook := func(n int) func(*awsiot.Stopped) { return func(*awsiot.Stopped) { _ = n } }
	c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "e", Auth: awsiot.PlainTCP(), OnStopped: hook(1)})
	defer c.Close()
	if err := c.Update(func(o *awsiot.ClientOptions) { o.OnStopped = hook(2) }); err == nil {
		t.Error("taken")
	}
}

// An invalid result changes nothing. What was wrong before does not count: options can be completed one by one.
func TestUpdateValidates(t *testing.T) {
	c := awsiot.NewClient(awsiot.ClientOptions{})
	defer c.Close()
	update := func(change func(*awsiot.ClientOptions)) string {
		err := c.Update(change)
		if err == nil {
			return ""
		}
		var ve *awsiot.ValidationError
		if !errors.As(err, &ve) {
			t.Errorf("%T %v", err, err)
		}
		return err.Error()
	}
	if got := update(func(o *awsiot.ClientOptions) { o.KeepAlive = time.Minute }); got != "" {
		t.Errorf("a good change of incomplete options: %s", got)
	}
	got := update(func(o *awsiot.ClientOptions) { o.Port, o.OfflineQueue.MaxBytes, o.KeepAlive = -1, -1, time.Hour })
	if !strings.Contains(got, "Port") || !strings.Contains(got, "OfflineQueue.MaxBytes") || strings.Contains(got, "Endpoint") {
		t.Errorf("two bad ones: %q", got)
	}
	if o := awsiot.GivenOptions(c); o.Port != 0 || o.OfflineQueue.MaxBytes != 0 || o.KeepAlive != time.Minute {
		t.Errorf("they changed something: %+v", o)
	}
	if err := c.Start(); err == nil || !strings.Contains(err.Error(), "Endpoint") || !strings.Contains(err.Error(), "Auth") {
		t.Errorf("Start: %v", err)
	}
	if got := update(func(o *awsiot.ClientOptions) { o.Endpoint = "bad host" }) + update(func(o *awsiot.ClientOptions) { o.Endpoint = "localhost" }) +
		update(func(o *awsiot.ClientOptions) { o.Auth = awsiot.PlainTCP() }); !strings.Contains(got, "bad host") || strings.Contains(got, "localhost") {
		t.Errorf("completing: %s", got)
	}
	if err := awsiot.GivenOptions(c).Validate(); err != nil {
		t.Error(err)
	}
	if got := update(nil); !strings.Contains(got, "nil") {
		t.Errorf("nil: %q", got)
	}
	_ = c.Close()
	if err := c.Update(func(*awsiot.ClientOptions) {}); !errors.Is(err, awsiot.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// change may call the client, also Update, and its panic leaves everything as it was.
func TestUpdateInside(t *testing.T) {
	c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "e", Auth: awsiot.PlainTCP()})
	defer c.Close()
	outer := 0
	if err := c.Update(func(o *awsiot.ClientOptions) {
		o.Username = "outer"
		if outer++; outer == 1 {
			if err := c.Update(func(o *awsiot.ClientOptions) { o.Password = []byte("inner") }); err != nil {
				t.Error(err)
			}
		}
	}); err != nil {
		t.Error(err)
	}
	if o := awsiot.GivenOptions(c); o.Username != "outer" || string(o.Password) != "inner" || outer != 2 {
		t.Errorf("%q %q, %d calls", o.Username, o.Password, outer)
	}
	func() {
		defer func() { _ = recover() }()
		_ = c.Update(func(o *awsiot.ClientOptions) { o.Username = "x"; panic("x") })
	}()
	if o := awsiot.GivenOptions(c); o.Username != "outer" {
		t.Errorf("%q after a panic", o.Username)
	}
}

// Update from many goroutines, with everything else going on: no race, and no change is lost.
func TestUpdateConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) {
			o.OfflineQueue = awsiot.OfflineQueue{Behavior: awsiot.KeepAll, WhenFull: awsiot.Block, MaxOperations: 1 << 20}
			o.MaxReconnectDelay = time.Second
		})
		w.serve(nil, nil)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for range 25 {
					if err := w.client.Update(func(o *awsiot.ClientOptions) {
						o.OfflineQueue.MaxOperations++
						o.AckTimeout += time.Second
						o.ConnectTimeout, o.ConnackTimeout, o.PingTimeout = time.Second<<(i%3), time.Second<<(i%2), time.Second
						o.KeepAlive = time.Duration(30+i) * time.Second
						o.MinReconnectDelay, o.OfflineQueue.DrainRate = time.Duration(i)*time.Millisecond, float64(i*1000)
						o.Endpoint, o.MaxInflight = "broker", i
					}); err != nil {
						t.Error(err)
					}
					w.client.PublishFunc(packet("t", "x", awsiot.QoS(i%2)), nil)
					_ = w.client.Stats()
				}
			})
		}
		for range 5 {
			_ = w.client.Start()
			pass(10 * time.Millisecond)
			w.net.CutAll()
			pass(time.Second)
			_ = w.client.Stop(t.Context(), nil)
		}
		wg.Wait()
		if o := awsiot.GivenOptions(w.client); o.OfflineQueue.MaxOperations != 1<<20+200 || o.AckTimeout != 200*time.Second {
			t.Errorf("%d %v", o.OfflineQueue.MaxOperations, o.AckTimeout)
		}
	})
}

// The number of an attempt is in all of its events, and grows over losses, failures, Stop and Start.
func TestAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		var log recorder
		w.client.Observe(awsiot.Observer{
			OnAttemptingConnect: func(e *awsiot.AttemptingConnect) { log.add("attempting %d", e.Attempt) },
			OnConnectionSuccess: func(e *awsiot.ConnectionSuccess) { log.add("success %d", e.Attempt) },
			OnConnectionFailure: func(e *awsiot.ConnectionFailure) { log.add("failure %d", e.Attempt) },
			OnDisconnection:     func(e *awsiot.Disconnection) { log.add("disconnection %d", e.Attempt) },
			OnStopped:           func(e *awsiot.Stopped) { log.add("stopped %d", e.Attempt) },
		})
		w.start().cut()
		synctest.Wait()
		w.accept(func(a *packets.Connack) { a.ReasonCode = 0x88 })
		p, _ := w.accept(nil)
		if s, err := w.client.AwaitConnected(t.Context()); err != nil || s.Attempt != 3 || w.client.Stats().Attempts != 3 {
			t.Errorf("%+v %v, %d attempts", s, err, w.client.Stats().Attempts)
		}
		_ = w.client.Stop(t.Context(), nil)
		p.expectClose()
		w.start()
		w.client.Abort()
		_ = w.client.Start()
		w.raw()
		_ = w.client.Stop(t.Context(), nil)
		synctest.Wait()
		equal(t, "events", log.take(), []string{"attempting 1", "success 1", "disconnection 1", "attempting 2", "failure 2", "attempting 3", "success 3",
			"disconnection 3", "stopped 3", "attempting 4", "success 4", "disconnection 4", "stopped 4", "attempting 5", "failure 5", "stopped 5"})
	})
}

// InCallback is true in callbacks of this client, of either lane, and nowhere else.
func TestInCallback(t *testing.T) {
	for _, serial := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(o *awsiot.ClientOptions) { o.SerialCallbacks = serial })
			other := awsiot.NewClient(awsiot.ClientOptions{})
			defer other.Close()
			see := func(where string) {
				beside := make(chan bool)
				go func() { beside <- w.client.InCallback() }()
				w.events.add("%s: %v, another client %v, another goroutine %v", where, w.client.InCallback(), other.InCallback(), <-beside)
			}
			w.client.Observe(awsiot.Observer{OnConnectionSuccess: func(*awsiot.ConnectionSuccess) { see("event") }})
			w.client.Handle("t", func(*awsiot.Message) { see("message") })
			see("before")
			p := w.start()
			p.send(publish("t", "x", 0))
			synctest.Wait()
			w.client.PublishFunc(packet("t", "x", 0), func(awsiot.PublishResult, error) { see("done") })
			synctest.Wait()
			see("after")
			equal(t, "seen", w.events.take(), []string{"before: false, another client false, another goroutine false", "attempting", "success",
				"event: true, another client false, another goroutine false", "message: true, another client false, another goroutine false",
				"done: true, another client false, another goroutine false", "after: false, another client false, another goroutine false"})
		})
	}
}
