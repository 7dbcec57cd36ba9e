package mqtt311_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/internal/memnet"
	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/mqtt311"
)

func TestConnection(t *testing.T) {
	bubble(t, func(o *mqtt311.Options) { o.Will = &mqtt311.Will{Topic: "gone", Payload: []byte("x")} }, func(w *world) {
		if c := w.connect(); c.SessionPresent {
			t.Error("a session is present")
		}
		if _, err := w.Connect(w.ctx); !errors.Is(err, mqtt311.ErrConnected) {
			t.Errorf("a second Connect: %v", err)
		}
		granted, err := w.Subscribe(w.ctx, "a/+", 1, func(m *mqtt311.Message) { w.note("a: %s %s %d", m.Topic, m.Payload, m.QoS) })
		if granted != 1 || err != nil {
			t.Errorf("granted %d, %v", granted, err)
		}
		w.OnMessage(func(m *mqtt311.Message) { w.note("any: %s", m.Topic) })
		for qos := range awsiot.QoS(2) {
			if err := w.Publish(w.ctx, message("a/b", fmt.Sprintf("qos %d", qos), qos)); err != nil {
				t.Error(err)
			}
		}
		w.heard("connected, session false", "a: a/b qos 0 0", "any: a/b", "a: a/b qos 1 1", "any: a/b")
		if err := w.Unsubscribe(w.ctx, "a/+"); err != nil {
			t.Error(err)
		}
		if err := w.Publish(w.ctx, message("a/b", "unheard", 1)); err != nil {
			t.Error(err)
		}
		if err := w.Disconnect(w.ctx); err != nil {
			t.Error(err)
		}
		w.heard("closed")
		w.said("CONNECT", "SUBSCRIBE a/+", "PUBLISH a/b 0 qos 0", "PUBLISH a/b 1 qos 1", "UNSUBSCRIBE a/+", "PUBLISH a/b 1 unheard", "DISCONNECT")
		if c := w.connect(); !c.SessionPresent { // CleanSession is false
			t.Error("no session is present")
		}
		w.heard("connected, session true")
	})
}

// The first attempt decides.
func TestConnectFails(t *testing.T) {
	bubble(t, nil, func(w *world) {
		h := w.fault(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.CONNECT, Action: iotlocal.Reject, Code: 5})
		_, err := w.Connect(w.ctx)
		if e, ok := errors.AsType[*awsiot.ConnectError](err); !ok || !strings.Contains(e.Error(), "not authorized (5)") && !strings.Contains(e.Error(), "not authorised (5)") {
			t.Errorf("refused: %v", err)
		}
		w.heard("failed")
		h.Remove()
		w.net.NextFaults(memnet.Faults{Refuse: true})
		if _, err = w.Connect(w.ctx); err == nil || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("no transport: %v", err)
		}
		w.heard("failed")
		hold := w.fault(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.CONNACK, Action: iotlocal.Hold})
		ctx, cancel := context.WithTimeout(w.ctx, time.Second)
		defer cancel()
		begin := time.Now()
		if _, err = w.Connect(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
		begin = time.Now()
		if _, err = w.Connect(w.ctx); err == nil || time.Since(begin) != 20*time.Second || !strings.Contains(err.Error(), "ConnackTimeout") {
			t.Errorf("no CONNACK after %v: %v", time.Since(begin), err)
		}
		go func() {
			time.Sleep(time.Second)
			if err := w.Disconnect(w.ctx); err != nil {
				t.Error(err)
			}
		}()
		if _, err = w.Connect(w.ctx); !errors.Is(err, awsiot.ErrStopped) {
			t.Errorf("Disconnect during Connect: %v", err)
		}
		hold.Remove()
		w.heard("failed", "failed", "failed")
		w.connect()
	})
}

// What waits for a connection is sent in order, at every QoS; what was under way is sent again.
func TestReconnect(t *testing.T) {
	bubble(t, nil, func(w *world) {
		var mu sync.Mutex
		var done []string
		publish := func(name string, qos awsiot.QoS) {
			w.PublishAsync(message("t", name, qos), func(err error) {
				mu.Lock()
				defer mu.Unlock()
				done = append(done, fmt.Sprintf("%s %v", name, err))
			})
		}
		publish("before", 0)
		if s := w.Stats(); s.Pending != 1 || s.Waiting != 1 {
			t.Errorf("%+v", s)
		}
		w.connect()
		w.said("CONNECT", "PUBLISH t 0 before")
		lose := w.fault(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK, Action: iotlocal.Drop})
		publish("unacknowledged", 1)
		synctest.Wait()
		lose.Remove()
		w.server.Recorder().Reset()
		begin := time.Now()
		w.net.SetFaults(memnet.Faults{Refuse: true})
		w.net.CutAll()
		synctest.Wait()
		publish("first", 0)
		publish("second", 1)
		publish("third", 0)
		time.Sleep(16 * time.Second) // the attempts at 5 and 15 s fail, the next one is at 35 s
		synctest.Wait()
		w.net.SetFaults(memnet.Faults{})
		w.heard("connected, session false", "interrupted", "failed", "failed")
		time.Sleep(20 * time.Second)
		w.heard("connected, session true", "resumed, session true")
		if d := time.Since(begin); d != 36*time.Second {
			t.Errorf("%v", d)
		}
		w.said("CONNECT", "PUBLISH t 1 unacknowledged again", "PUBLISH t 0 first", "PUBLISH t 1 second", "PUBLISH t 0 third")
		mu.Lock()
		if got := strings.Join(done, ", "); len(done) != 5 || strings.Count(got, "<nil>") != 5 {
			t.Errorf("%s", got)
		}
		mu.Unlock()
		if s := w.Stats(); s.Pending != 0 || s.Waiting != 0 || s.Interruptions != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// The broker has forgotten the session: the program subscribes again, eight filters a packet.
func TestResubscribe(t *testing.T) {
	bubble(t, func(o *mqtt311.Options) { o.CleanSession = true }, func(w *world) {
		w.connect()
		var filters []string
		for i := range 20 {
			f := fmt.Sprintf("f%02d", i)
			filters = append(filters, f)
			if _, err := w.Subscribe(w.ctx, f, 1, func(m *mqtt311.Message) { w.note("heard %s", m.Topic) }); err != nil {
				t.Fatal(err)
			}
		}
		w.heard("connected, session false")
		w.net.CutAll()
		time.Sleep(6 * time.Second)
		w.heard("interrupted", "connected, session false", "resumed, session false")
		w.server.Recorder().Reset()
		w.fault(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.SUBSCRIBE, Topic: "f08", Action: iotlocal.Reject, Code: 0x80})
		all, err := w.ResubscribeExistingTopics(w.ctx)
		if err != nil || len(all) != 20 {
			t.Fatalf("%v %v", all, err)
		}
		for i, r := range all {
			e, refused := errors.AsType[*awsiot.ReasonError](r.Err)
			if r.TopicFilter != filters[i] || (i >= 8 && i < 16) != refused || refused && e.Code != 0x80 || !refused && r.QoS != 1 {
				t.Errorf("%d: %+v", i, r)
			}
		}
		if err := w.Publish(w.ctx, message("f07", "", 1)); err != nil {
			t.Error(err)
		}
		if err := w.Publish(w.ctx, message("f08", "", 1)); err != nil {
			t.Error(err)
		}
		w.heard("heard f07")
		w.said("SUBSCRIBE "+strings.Join(filters[:8], " "), "SUBSCRIBE "+strings.Join(filters[8:16], " "), "SUBSCRIBE "+strings.Join(filters[16:], " "),
			"PUBLISH f07 1 ", "PUBLISH f08 1 ")
		if _, err := w.Subscribe(w.ctx, "f08", 0, nil); err == nil {
			t.Error("a refused Subscribe has no error")
		} else if code, ok := awsiot.ReasonOf(err); !ok || code != 0x80 {
			t.Errorf("%v", err)
		}
	})
}

// Disconnect ends everything, wherever it comes.
func TestDisconnect(t *testing.T) {
	bubble(t, nil, func(w *world) {
		errs := make(chan error, 3)
		w.connect()
		w.fault(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK, Action: iotlocal.Drop})
		w.PublishAsync(message("t", "unacknowledged", 1), func(err error) { errs <- err })
		synctest.Wait()
		if err := w.Disconnect(w.ctx); err != nil {
			t.Error(err)
		}
		if err := <-errs; !errors.Is(err, awsiot.ErrStopped) {
			t.Errorf("unacknowledged: %v", err)
		}
		w.said("CONNECT", "PUBLISH t 1 unacknowledged", "DISCONNECT")
		w.connect()
		w.net.SetFaults(memnet.Faults{Refuse: true})
		w.net.CutAll()
		time.Sleep(time.Second)
		w.PublishAsync(message("t", "waits", 0), func(err error) { errs <- err })
		begin := time.Now()
		if err := w.Disconnect(w.ctx); err != nil || time.Since(begin) > time.Second {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
		if err := <-errs; !errors.Is(err, awsiot.ErrStopped) {
			t.Errorf("waiting: %v", err)
		}
		w.net.SetFaults(memnet.Faults{})
		w.heard("connected, session false", "closed", "connected, session true", "interrupted", "closed")
		time.Sleep(time.Minute)
		w.said("CONNECT")
	})
}

// A publish without acknowledgement ends after OperationTimeout, and is not sent on the next connection.
func TestOperationTimeout(t *testing.T) {
	bubble(t, func(o *mqtt311.Options) { o.OperationTimeout = 7 * time.Second }, func(w *world) {
		w.connect()
		w.fault(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Topic: "poison", Action: iotlocal.CutBefore})
		begin := time.Now()
		if err := w.Publish(w.ctx, message("poison", "", 1)); !errors.Is(err, awsiot.ErrAckTimeout) || time.Since(begin) != 7*time.Second {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
		time.Sleep(time.Hour)
		if err := w.Publish(w.ctx, message("good", "", 1)); err != nil {
			t.Error(err)
		}
		w.said("CONNECT", "PUBLISH poison 1 ", "CONNECT", "PUBLISH poison 1  again", "CONNECT", "PUBLISH good 1 ")
		ctx, cancel := context.WithTimeout(w.ctx, time.Second)
		defer cancel()
		w.fault(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.UNSUBACK, Action: iotlocal.Drop})
		if err := w.Unsubscribe(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) || w.Stats().Pending != 1 {
			t.Errorf("%v, %+v", err, w.Stats())
		}
		time.Sleep(7 * time.Second)
		if s := w.Stats(); s.Pending != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// Any call in a callback, a panic, and handlers that do not keep up.
func TestCallbacks(t *testing.T) {
	bubble(t, func(o *mqtt311.Options) { o.MaxInboundBytes = 900 }, func(w *world) {
		w.connect()
		release := make(chan struct{})
		if _, err := w.Subscribe(w.ctx, "in", 1, func(m *mqtt311.Message) {
			if string(m.Payload) == "panic" {
				panic("on purpose")
			}
			if _, err := w.Subscribe(w.ctx, "other", 1, nil); err != nil {
				t.Error(err)
			}
			if err := w.Publish(w.ctx, message("other", "", 1)); err != nil {
				t.Error(err)
			}
			w.note("done")
			<-release
		}); err != nil {
			t.Fatal(err)
		}
		publish := func(all ...*mqtt311.PublishPacket) {
			for _, m := range all {
				if err := w.Publish(w.ctx, m); err != nil {
					t.Fatal(err)
				}
			}
		}
		publish(message("in", "panic", 1), message("in", "call", 1))
		w.heard("connected, session false", "done")
		publish(message("in", strings.Repeat("x", 500), 0), message("other", "1234", 0), message("other", strings.Repeat("x", 100), 0))
		synctest.Wait()
		if s := w.Stats(); s.InboundDropped != 2 { // the first and the last
			t.Errorf("%+v", s)
		}
		close(release)
		synctest.Wait()
		if _, err := w.Subscribe(w.ctx, "stop", 1, func(*mqtt311.Message) { _ = w.Disconnect(w.ctx); w.note("stopped") }); err != nil {
			t.Fatal(err)
		}
		if err := w.Publish(w.ctx, message("stop", "", 0)); err != nil {
			t.Fatal(err)
		}
		w.heard("stopped", "closed")
	})
}

// A publish that the broker ends connections over ends itself; what was under way with it arrives.
func TestPoison(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.connect()
		w.fault(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Topic: "poison", Action: iotlocal.CutBefore})
		errs := make(chan error, 3)
		for _, name := range []string{"before", "poison", "behind"} {
			w.PublishAsync(message(name, "", 1), func(err error) { errs <- err })
		}
		time.Sleep(time.Hour)
		for _, want := range []error{nil, awsiot.ErrEndsConnection, nil} {
			if err := <-errs; !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		}
		if s := w.Stats(); s.Interruptions > 7 || s.Pending != 0 { // two with company, three alone, and two more when the first one slipped through before
			t.Errorf("%+v", s)
		}
	})
}

// A connection without life in it is noticed.
func TestKeepAlive(t *testing.T) {
	bubble(t, func(o *mqtt311.Options) { o.KeepAlive = 30 * time.Second }, func(w *world) {
		w.connect()
		time.Sleep(10 * time.Minute)
		w.heard("connected, session false")
		w.fault(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PINGRESP, Action: iotlocal.Drop, Times: 1})
		time.Sleep(34 * time.Second)
		w.heard("interrupted")
		time.Sleep(10 * time.Minute)
		w.heard("connected, session true", "resumed, session true")
		pings := 0
		for _, p := range w.server.Recorder().Packets() {
			if p.Type == iotlocal.PINGREQ {
				pings++
			}
		}
		if pings < 38 || pings > 40 {
			t.Errorf("%d pings in 20 minutes", pings)
		}
	})
}

// Without a connection no more operations wait than MaxPending.
// A Subscribe that fails is not tried again by ResubscribeExistingTopics; one that Disconnect ends is.
func TestFailedSubscribeIsForgotten(t *testing.T) {
	bubble(t, func(o *mqtt311.Options) { o.MaxPending, o.CleanSession = 1, true }, func(w *world) {
		w.PublishAsync(message("t", "", 1), nil)
		if _, err := w.Subscribe(w.ctx, "full", 1, nil); !errors.Is(err, awsiot.ErrQueueFull) {
			t.Error(err)
		}
		w.connect()
		w.fault(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.SUBSCRIBE, Topic: "poison", Action: iotlocal.CutBefore})
		if _, err := w.Subscribe(w.ctx, "poison", 1, nil); !errors.Is(err, awsiot.ErrEndsConnection) {
			t.Error(err)
		}
		if err := w.Disconnect(w.ctx); err != nil {
			t.Error(err)
		}
		later, cancel := context.WithCancel(w.ctx)
		cancel()
		if _, err := w.Subscribe(later, "stopped", 1, nil); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := w.Disconnect(w.ctx); err != nil {
			t.Error(err)
		}
		w.connect()
		all, err := w.ResubscribeExistingTopics(w.ctx)
		if err != nil || len(all) != 1 || all[0].TopicFilter != "stopped" {
			t.Errorf("%+v %v", all, err)
		}
	})
}

func TestMaxPending(t *testing.T) {
	bubble(t, func(o *mqtt311.Options) { o.MaxPending = 2 }, func(w *world) {
		errs := make(chan error, 3)
		for range 3 {
			w.PublishAsync(message("t", "", 0), func(err error) { errs <- err })
		}
		if err := <-errs; !errors.Is(err, awsiot.ErrQueueFull) {
			t.Error(err)
		}
		w.connect()
		if err := errors.Join(<-errs, <-errs); err != nil {
			t.Error(err)
		}
	})
}
