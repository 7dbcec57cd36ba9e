package reqresp_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// journal keeps what happened.
type journal struct {
	mu   sync.Mutex
	list []string
}

func (l *journal) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, fmt.Sprintf(format, args...))
}

func (l *journal) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := strings.Join(l.list, "\n")
	l.list = nil
	return s
}

// stream opens a stream that logs.
func stream(t *testing.T, c *reqresp.Client, filter string, l *journal) *reqresp.Stream {
	t.Helper()
	s, err := c.NewStream(reqresp.StreamOptions{Operation: "test", TopicFilter: filter,
		OnMessage: func(m *awsiot.Message) { l.add("%s %s", m.Topic, m.Payload) },
		OnStatus:  func(s reqresp.StreamStatus, err error) { l.add("%v %v", s, err) }})
	if err == nil {
		err = s.Open()
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) publish(topic, payload string) {
	w.service.PublishFunc(&awsiot.PublishPacket{Topic: topic, Payload: []byte(payload), QoS: 1}, nil)
	synctest.Wait()
}

func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, rejoin)
		c := reqresp.New(w.client, reqresp.Options{})
		defer c.Close()
		l := &journal{}
		s := stream(t, c, "e/+", l)
		if err := s.Open(); err != nil {
			t.Errorf("opened twice: %v", err)
		}
		step := func(what, want string) {
			t.Helper()
			synctest.Wait()
			equal(t, what, l.take(), want)
		}
		step("before the connection", "")
		w.start()
		step("connected", "StreamEstablished <nil>")
		w.publish("e/1", "x")
		step("message", "e/1 x")
		w.cut()
		pass(2 * time.Second)
		w.publish("e/1", "y")
		step("again, with the session", "StreamEstablished <nil>\ne/1 y")
		w.server.Faults().LoseSessions()
		w.cut()
		pass(3 * time.Second)
		step("again, without", "StreamLost <nil>\nStreamEstablished <nil>")
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		w.publish("e/1", "z")
		step("closed", "")
		equal(t, "subscribed", w.subscribed(), []string{})
		if err := s.Open(); !errors.Is(err, reqresp.ErrClosed) {
			t.Errorf("opened when closed: %v", err)
		}
		stream(t, c, "e/+", l)
		step("another one", "StreamEstablished <nil>")
		_ = c.Close()
		step("the client closed", `StreamHalted test "e/+": closed`)
		if s, err := c.NewStream(reqresp.StreamOptions{TopicFilter: "a", OnMessage: func(*awsiot.Message) {}}); err != nil {
			t.Error(err)
		} else if err := s.Open(); !errors.Is(err, reqresp.ErrClosed) {
			t.Errorf("on a closed client: %v", err)
		}
	})
}

func TestStreamEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		c := reqresp.New(w.client, reqresp.Options{MaxStreamingSubscriptions: 1})
		defer c.Close()
		w.start()
		l := &journal{}
		w.fault(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.SUBSCRIBE, Topic: "no", Action: iotlocal.Reject, Code: 0x87})
		stream(t, c, "no", l)
		synctest.Wait()
		if got := l.take(); !strings.HasPrefix(got, `StreamHalted test "no": subscribe "no": not authorized (0x87)`) || !strings.Contains(got, "the policy must allow iot:Subscribe to topicfilter/no") {
			t.Error(got)
		}
		h := w.fault(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.SUBSCRIBE, Topic: "later", Action: iotlocal.Reject, Code: 0x80, Times: 3})
		stream(t, c, "later", l)
		stream(t, c, "later", l) // the same filter counts once
		pass(20 * time.Second)
		equal(t, "after retries", l.take(), "StreamEstablished <nil>\nStreamEstablished <nil>")
		if h.Hits() != 3 {
			t.Errorf("%d refusals", h.Hits())
		}
		s, err := c.NewStream(reqresp.StreamOptions{Operation: "test", TopicFilter: "third", OnMessage: func(*awsiot.Message) {}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Open(); !errors.Is(err, reqresp.ErrNoCapacity) {
			t.Errorf("a stream too many: %v", err)
		}
		w.publish("later", "x")
		equal(t, "both hear", l.take(), "later x\nlater x")
		_ = w.client.Close()
		synctest.Wait()
		equal(t, "the client is closed", l.take(), `StreamHalted test "later": attach "later": client closed`+"\n"+`StreamHalted test "later": attach "later": client closed`)
		for _, o := range []reqresp.StreamOptions{{TopicFilter: "a/#/b", OnMessage: func(*awsiot.Message) {}}, {TopicFilter: "a"}} {
			if _, err := c.NewStream(o); err == nil {
				t.Errorf("%+v is taken", o)
			}
		}
	})
}

// The four users of one filter: of every two, either ends first, and the other still hears.
func TestEveryPair(t *testing.T) {
	type user struct {
		name  string
		start func(w *world, c *reqresp.Client, hear func()) (end func())
	}
	users := []user{
		{"Subscribe", func(w *world, _ *reqresp.Client, hear func()) func() {
			w.client.SubscribeAsync(&awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "svc/x/+", QoS: 1, Handler: func(*awsiot.Message) { hear() }}}})
			return func() { w.client.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: []string{"svc/x/+"}}) }
		}},
		{"first generation", func(w *world, c *reqresp.Client, hear func()) func() {
			s, err := c.Subscribe(context.Background(), "test", "svc/x/+", 1, func(*awsiot.Message) { hear() })
			if err != nil {
				w.t.Fatal(err)
			}
			return func() { _ = s.Close() }
		}},
		{"request", func(w *world, _ *reqresp.Client, hear func()) func() {
			c := reqresp.New(w.client, reqresp.Options{})
			w.answers(silence)
			c.DoFunc(request(c, "x"), func(_ *reqresp.Response, err error) {
				if err == nil {
					hear()
				}
			})
			synctest.Wait()
			w.answers(func(string, string) (rs []reply) {
				for _, t := range w.tokens {
					rs = append(rs, accept("svc/x", t)...)
				}
				return rs
			})
			return func() { _ = c.Close() }
		}},
		{"stream", func(w *world, c *reqresp.Client, hear func()) func() {
			s, err := c.NewStream(reqresp.StreamOptions{TopicFilter: "svc/x/+", OnMessage: func(*awsiot.Message) { hear() }})
			if err == nil {
				err = s.Open()
			}
			if err != nil {
				w.t.Fatal(err)
			}
			return func() { _ = s.Close() }
		}},
	}
	for i, a := range users {
		for _, b := range users[i:] {
			for _, order := range [][2]int{{0, 1}, {1, 0}} {
				t.Run(fmt.Sprintf("%s, %s, ends %v", a.name, b.name, order), func(t *testing.T) {
					if a.name == b.name && a.name == "Subscribe" {
						return // there is one Subscription per filter
					}
					synctest.Test(t, func(t *testing.T) {
						w := newWorld(t, nil)
						w.start()
						c := reqresp.New(w.client, reqresp.Options{})
						defer c.Close()
						var l journal
						ends := [2]func(){a.start(w, c, func() { l.add("0") }), b.start(w, c, func() { l.add("1") })}
						synctest.Wait()
						ends[order[0]]()
						synctest.Wait()
						// Publish what a request waits for; the other users hear that too.
						w.service.PublishFunc(&awsiot.PublishPacket{Topic: "svc/x", QoS: 1}, nil)
						if a.name != "request" && b.name != "request" {
							w.answers(accept)
						}
						synctest.Wait()
						if got := l.take(); got != fmt.Sprint(order[1]) && !strings.HasPrefix(got, fmt.Sprintf("%d\n", order[1])) {
							t.Errorf("heard by %q, want %d", got, order[1])
						}
						ends[order[1]]()
						synctest.Wait()
						equal(t, "subscribed at the end", w.subscribed(), []string{})
						if n := slices.Index(w.subscribing(), "-svc/x/+"); n < 0 {
							t.Error("never unsubscribed")
						}
					})
				})
			}
		}
	}
}

func TestFirstGeneration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		c := reqresp.New(w.client, reqresp.Options{OperationTimeout: 5 * time.Second})
		defer c.Close()
		handler := func(*awsiot.Message) {}
		_, err := c.Subscribe(t.Context(), "test", "a", 1, handler)
		equal(t, "without a connection", text(err), `test "a": no answer in time`)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { time.Sleep(time.Second); cancel() }()
		_, err = c.Subscribe(ctx, "test", "a", 1, handler)
		equal(t, "cancelled", text(err), `test "a": context canceled`)
		w.start()
		w.fault(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.SUBSCRIBE, Topic: "no", Action: iotlocal.Reject, Code: 0x87})
		if _, err := c.Subscribe(t.Context(), "test", "no", 1, handler); err == nil || !strings.Contains(err.Error(), "the policy must allow") {
			t.Errorf("refused: %v", err)
		}
		for _, bad := range []struct {
			filter string
			h      awsiot.MessageHandler
		}{{"a", nil}, {"a/#/b", handler}} {
			if _, err := c.Subscribe(t.Context(), "test", bad.filter, 1, bad.h); err == nil {
				t.Errorf("%q is taken", bad.filter)
			}
		}
		s, err := c.Subscribe(t.Context(), "test", "a", 0, handler)
		if err != nil || s.Topic() != "a" {
			t.Fatal(s, err)
		}
		equal(t, "subscribed", w.subscribed(), []string{"a"})
		_ = c.Close()
		synctest.Wait()
		equal(t, "closed", w.subscribed(), []string{})
		if _, err := c.Subscribe(t.Context(), "test", "a", 0, handler); !errors.Is(err, reqresp.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		_ = s.Close()
	})
}
