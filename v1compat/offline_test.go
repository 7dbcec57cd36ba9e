package v1compat_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// v1's transcript offline_queue_before_connect, but for the ack of the queued
// publish, which v1 lost.
func TestQueueBeforeConnect(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "queue")
	c.ConfigureDrainingFrequency(20)
	ev := newEvents()
	cb := func(name string) v1compat.MessageCallback {
		return func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { ev.add("%s %s", name, m.Payload) }
	}
	blocking := func(ok bool, err error) {
		t.Helper()
		if ok || err != nil {
			t.Errorf("got %v, %v; want queued", ok, err)
		}
	}
	async := func(mid v1compat.Mid, err error) {
		t.Helper()
		if mid != v1compat.MidQueued || err != nil {
			t.Errorf("got %v, %v; want QUEUED", mid, err)
		}
	}
	payload := []byte("a")
	blocking(c.Publish("oq/1", payload, 1))
	payload[0] = 'z' // the caller's again
	async(c.PublishAsync("oq/2", "b", 1, func(mid v1compat.Mid) { ev.add("ackPub %d", mid) }))
	blocking(c.Subscribe("oq/#", 1, cb("msg")))
	async(c.SubscribeAsync("oz/#", 0, func(mid v1compat.Mid, data []byte) { ev.add("ackSub %d %v", mid, data) }, cb("msgz")))
	blocking(c.Publish("oq/3", "c", 0))
	blocking(c.Unsubscribe("oz/#"))
	async(c.UnsubscribeAsync("oq/#", func(mid v1compat.Mid) { ev.add("ackUnsub %d", mid) }))
	begin := time.Now()
	must(t, c.Connect())
	equal(t, "events", ev.wait(t, 4), []string{"ackPub 2", "ackSub 4 [0]", "msg c", "ackUnsub 7"})
	if d := time.Since(begin); d < 250*time.Millisecond {
		t.Errorf("7 requests at 20 Hz took only %v", d)
	}
	equal(t, "packets", sent(t, srv, "queue", 8), []string{"CONNECT", "PUBLISH oq/1 1 a", "PUBLISH oq/2 1 b", "SUBSCRIBE oq/# 1",
		"SUBSCRIBE oz/# 0", "PUBLISH oq/3 0 c", "UNSUBSCRIBE oz/#", "UNSUBSCRIBE oq/#"})
}

func TestQueueDisabled(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "none")
	c.ConfigureOfflinePublishQueueing(0)
	var pd *v1compat.PublishQueueDisabledError
	var sd *v1compat.SubscribeQueueDisabledError
	var ud *v1compat.UnsubscribeQueueDisabledError
	for _, qos := range []byte{0, 1} {
		if ok, err := c.Publish("a", "x", qos); ok || !errors.As(err, &pd) || !errors.Is(err, awsiot.ErrOffline) {
			t.Errorf("publish: %v, %v", ok, err)
		}
		if _, err := c.PublishAsync("a", "x", qos, nil); !errors.As(err, &pd) {
			t.Errorf("publishAsync: %v", err)
		}
	}
	cb := func(*v1compat.AWSIoTMQTTClient, any, *v1compat.Message) { t.Error("callback of a refused subscribe") }
	if ok, err := c.Subscribe("a", 1, cb); ok || !errors.As(err, &sd) {
		t.Errorf("subscribe: %v, %v", ok, err)
	}
	if _, err := c.SubscribeAsync("a", 1, nil, cb); !errors.As(err, &sd) {
		t.Errorf("subscribeAsync: %v", err)
	}
	if ok, err := c.Unsubscribe("a"); ok || !errors.As(err, &ud) {
		t.Errorf("unsubscribe: %v, %v", ok, err)
	}
	if _, err := c.UnsubscribeAsync("a", nil); !errors.As(err, &ud) {
		t.Errorf("unsubscribeAsync: %v", err)
	}
	must(t, c.Connect())
	if ok, err := c.Publish("a", "x", 1); !ok || err != nil {
		t.Error(ok, err)
	}
	equal(t, "packets", sent(t, srv, "none", 2), []string{"CONNECT", "PUBLISH a 1 x"})
}

// Drop behaviours, with the error that v1 raised in both.
func TestQueueFull(t *testing.T) {
	for _, tt := range []struct {
		name    string
		drop    []v1compat.DropBehavior
		quirks  v1compat.Quirks
		results string
		packets []string
	}{
		{name: "newest by default", results: "QQQFF", packets: []string{"0", "1", "2"}},
		{name: "newest", drop: []v1compat.DropBehavior{v1compat.DropNewest}, results: "QQQFF", packets: []string{"0", "1", "2"}},
		{name: "oldest", drop: []v1compat.DropBehavior{v1compat.DropOldest}, results: "QQQFF", packets: []string{"2", "3", "4"}},
		{name: "oldest quietly", drop: []v1compat.DropBehavior{v1compat.DropOldest}, quirks: v1compat.Quirks{DropOldestQuietly: true},
			results: "QQQQQ", packets: []string{"2", "3", "4"}},
	} {
		for _, mode := range []string{"Publish", "PublishAsync"} {
			t.Run(tt.name+" "+mode, func(t *testing.T) {
				srv := server(t)
				c := plain(t, srv, "full", v1compat.WithQuirks(tt.quirks))
				c.ConfigureOfflinePublishQueueing(3, tt.drop...)
				c.ConfigureDrainingFrequency(1000)
				c.OnAsyncError = func(op, topic string, err error) { t.Errorf("%s %s: %v", op, topic, err) }
				results := ""
				for i := range 5 {
					var err error
					if mode == "Publish" {
						_, err = c.Publish("q", i, 1)
					} else {
						_, err = c.PublishAsync("q", i, 1, nil)
					}
					var full *v1compat.PublishQueueFullError
					switch {
					case err == nil:
						results += "Q"
					case errors.As(err, &full) && errors.Is(err, awsiot.ErrQueueFull):
						results += "F"
					default:
						t.Errorf("%v", err)
					}
				}
				if results != tt.results {
					t.Errorf("results %s, want %s", results, tt.results)
				}
				must(t, c.Connect())
				want := []string{"CONNECT"}
				for _, p := range tt.packets {
					want = append(want, "PUBLISH q 1 "+p)
				}
				equal(t, "packets", sent(t, srv, "full", 4), want)
			})
		}
	}
}

// The oldest request that a newer one pushes out may be a subscribe: its record
// goes with it.
func TestQueueFullOfSubscribes(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "subs")
	c.ConfigureOfflinePublishQueueing(1, v1compat.DropOldest)
	ev := newEvents()
	cb := func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { ev.add("%s", m.Topic) }
	if ok, err := c.Subscribe("s/1", 0, cb); ok || err != nil {
		t.Fatal(ok, err)
	}
	var sf *v1compat.SubscribeQueueFullError
	if _, err := c.Subscribe("s/2", 0, cb); !errors.As(err, &sf) {
		t.Fatal(err)
	}
	var uf *v1compat.UnsubscribeQueueFullError
	if _, err := c.Unsubscribe("s/3"); !errors.As(err, &uf) {
		t.Fatal(err)
	}
	must(t, c.Connect())
	equal(t, "packets", sent(t, srv, "subs", 2), []string{"CONNECT", "UNSUBSCRIBE s/3"})
}

// What is queued and what is unacknowledged survives Disconnect and Connect, and
// so do the subscriptions: v1 kept all three. A failed Connect changes nothing.
func TestReuse(t *testing.T) {
	for _, tt := range []struct {
		name  string
		renew func(c *v1compat.AWSIoTMQTTClient)
	}{
		{"same core", func(c *v1compat.AWSIoTMQTTClient) {}},
		{"new core", func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureLastWill("w", "x", 0) }},
		{"closed core", func(c *v1compat.AWSIoTMQTTClient) {
			v2 := c.V2()
			v2.Close()
			<-v2.Done()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := server(t)
			c := plain(t, srv, "reuse")
			c.ConfigureDrainingFrequency(1000)
			ev := newEvents()
			must(t, c.Connect())
			cb := func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { ev.add("%s %s", m.Topic, m.Payload) }
			if ok, err := c.Subscribe("r/1", 1, cb); !ok || err != nil {
				t.Fatal(ok, err)
			}
			if _, err := c.SubscribeAsync("r/2", 0, func(mid v1compat.Mid, data []byte) { ev.add("ack %v", data) }, cb); err != nil {
				t.Fatal(err)
			}
			ev.wait(t, 1)
			hold := fault(t, srv, iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Action: iotlocal.Drop})
			if _, err := c.PublishAsync("r/1", "unacknowledged", 1, func(mid v1compat.Mid) { ev.add("ack %d", mid) }); err != nil {
				t.Fatal(err)
			}
			sent(t, srv, "reuse", 4)
			must(t, c.Disconnect())
			hold.Remove()
			if _, err := c.PublishAsync("r/2", "queued", 1, func(mid v1compat.Mid) { ev.add("ack %d", mid) }); err != nil {
				t.Fatal(err)
			}
			tt.renew(c)
			_, err := srv.Faults().RefuseConnects(1, 0x88)
			must(t, err)
			if c.Connect() == nil {
				t.Fatal("connected")
			}
			must(t, c.Connect())
			got := ev.wait(t, 6)
			for _, want := range []string{"ack [0]", "ack 3", "ack 4", "r/1 unacknowledged", "r/2 queued"} {
				if !strings.Contains(strings.Join(got, "\n"), want) {
					t.Errorf("missing %q in %q", want, got)
				}
			}
			packets := sent(t, srv, "reuse", 10)
			equal(t, "packets", packets[5:], []string{"CONNECT", "CONNECT", "SUBSCRIBE r/1 1", "SUBSCRIBE r/2 0",
				"PUBLISH r/1 1 unacknowledged", "PUBLISH r/2 1 queued"})
		})
	}
}

// A publish whose wait has timed out is still in flight, also over Disconnect.
func TestTimedOutPublishSurvives(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "late")
	c.ConfigureMQTTOperationTimeout(0.05)
	must(t, c.Connect())
	lost := fault(t, srv, iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Action: iotlocal.Drop})
	payload := []byte("once")
	var te *v1compat.PublishTimeoutError
	if _, err := c.Publish("l", payload, 1); !errors.As(err, &te) {
		t.Fatal(err)
	}
	copy(payload, "!!!!")
	lost.Remove()
	must(t, c.Disconnect())
	must(t, c.Connect())
	equal(t, "packets", sent(t, srv, "late", 5), []string{"CONNECT", "PUBLISH l 1 once", "DISCONNECT", "CONNECT", "PUBLISH l 1 once"})
}

// A call that waits while another goroutine disconnects gets an error, and its
// message is not sent later: not both, as v1 did.
func TestDisconnectDuringCalls(t *testing.T) {
	srv := server(t)
	c := connected(t, srv, "during")
	fault(t, srv, iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Action: iotlocal.Drop})
	done := make(chan error, 1)
	go func() { _, err := c.Publish("d", "x", 1); done <- err }()
	sent(t, srv, "during", 2)
	must(t, c.Disconnect())
	var pe *v1compat.PublishError
	if err := <-done; !errors.As(err, &pe) || pe.Code != 4 || !errors.Is(err, awsiot.ErrStopped) {
		t.Errorf("%v", err)
	}
	must(t, c.Connect())
	if ok, err := c.Publish("d", "y", 0); !ok || err != nil {
		t.Error(ok, err)
	}
	equal(t, "packets", sent(t, srv, "during", 5), []string{"CONNECT", "PUBLISH d 1 x", "DISCONNECT", "CONNECT", "PUBLISH d 0 y"})
}

// Offline: unsubscribed and subscribed again, the last call wins.
func TestQueuedResubscribe(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "flip")
	c.ConfigureDrainingFrequency(1000)
	ev := newEvents()
	cb := func(name string) v1compat.MessageCallback {
		return func(*v1compat.AWSIoTMQTTClient, any, *v1compat.Message) { ev.add("%s", name) }
	}
	for _, f := range []func() (bool, error){
		func() (bool, error) { return c.Subscribe("f", 0, cb("first")) },
		func() (bool, error) { return c.Unsubscribe("f") },
		func() (bool, error) { return c.Subscribe("f", 0, cb("second")) },
	} {
		if ok, err := f(); ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	must(t, c.Connect())
	sent(t, srv, "flip", 4)
	for i := 0; ; i++ { // until the queue is drained
		if ok, err := c.Publish("f", "x", 1); err != nil {
			t.Fatal(err)
		} else if ok || i > 1000 {
			break
		}
	}
	if got := ev.wait(t, 1); got[0] != "second" {
		t.Errorf("%q", got)
	}
}

// Strict v1 loses the ack of a queued publish.
func TestStrictLosesQueuedAck(t *testing.T) {
	for _, strict := range []bool{false, true} {
		t.Run(fmt.Sprint(strict), func(t *testing.T) {
			srv := server(t)
			c := plain(t, srv, "lost", v1compat.WithQuirks(v1compat.Quirks{QueuedPublishAckLost: strict}))
			c.ConfigureDrainingFrequency(1000)
			ev := newEvents()
			if mid, err := c.PublishAsync("a", "queued", 1, func(v1compat.Mid) { ev.add("queued") }); mid != v1compat.MidQueued || err != nil {
				t.Fatal(mid, err)
			}
			if _, err := c.SubscribeAsync("b", 1, func(v1compat.Mid, []byte) { ev.add("sub") }, nil); err != nil {
				t.Fatal(err)
			}
			must(t, c.Connect())
			want := []string{"queued", "sub"}
			if strict {
				want = want[1:]
			}
			equal(t, "acks", ev.wait(t, len(want)), want)
		})
	}
}

// A refused filter is forgotten, or, strictly, subscribed again for ever.
func TestKeepRejectedSubscription(t *testing.T) {
	for _, keep := range []bool{false, true} {
		t.Run(fmt.Sprint(keep), func(t *testing.T) {
			srv := server(t)
			fault(t, srv, iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.SUBSCRIBE, Topic: "no", Action: iotlocal.Reject, Code: 0x80})
			c := plain(t, srv, "keep", v1compat.WithQuirks(v1compat.Quirks{KeepRejectedSubscription: keep}))
			c.ConfigureAutoReconnectBackoffTime(0.01, 0.01, 20)
			ev := newEvents()
			c.OnOnline = func() { ev.add("online") }
			must(t, c.Connect())
			var se *v1compat.SubackError
			cb := func(*v1compat.AWSIoTMQTTClient, any, *v1compat.Message) { ev.add("message") }
			if _, err := c.Subscribe("no", 1, cb); !errors.As(err, &se) || se.Suback != 0x80 {
				t.Fatal(err)
			}
			// What else brings its messages brings them to the callback only if kept.
			if ok, err := c.Subscribe("+", 1, func(*v1compat.AWSIoTMQTTClient, any, *v1compat.Message) { ev.add("other") }); !ok || err != nil {
				t.Fatal(ok, err)
			}
			if ok, err := c.Publish("no", "x", 1); !ok || err != nil {
				t.Fatal(ok, err)
			}
			messages := []string{"online", "other"}
			if keep {
				messages = []string{"online", "message", "other"}
			}
			equal(t, "messages", ev.wait(t, len(messages)), messages)
			srv.Faults().Cut("keep")
			ev.wait(t, len(messages)+1)
			for i := 0; ; i++ {
				if ok, err := c.Publish("end", "x", 1); err != nil {
					t.Fatal(err)
				} else if ok || i > 1000 {
					break
				}
			}
			want := []string{"CONNECT", "SUBSCRIBE + 1", "PUBLISH end 1 x"}
			if keep {
				want = []string{"CONNECT", "SUBSCRIBE + 1", "SUBSCRIBE no 1", "PUBLISH end 1 x"}
			}
			equal(t, "packets", sent(t, srv, "keep", 4+len(want))[4:], want)
		})
	}
}
