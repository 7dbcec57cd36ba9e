package reqresp_test

import (
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

// Requests share their subscriptions, which stay; when the budget is used up, the one that was used longest ago goes.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.start()
		c := reqresp.New(w.client, reqresp.Options{MaxRequestResponseSubscriptions: 2})
		for _, name := range []string{"a", "a", "b", "a", "c", "a", "b"} {
			if _, err := c.Do(t.Context(), request(c, name)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		equal(t, "wire", w.subscribing(), []string{"+svc/a/+", "+svc/b/+", "-svc/b/+", "+svc/c/+", "-svc/c/+", "+svc/b/+"})
		equal(t, "at the end", w.subscribed(), []string{"svc/a/+", "svc/b/+"})
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		equal(t, "after Close", w.subscribed(), []string{})
		if _, err := c.Do(t.Context(), request(c, "a")); !errors.Is(err, reqresp.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		_ = c.Close()
	})
}

// A request for which there is no room waits, without keeping those back that need no room; they are let in in their order.
func TestBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.answers(func(topic, token string) []reply {
			r := accept(topic, token)
			if topic == "svc/a" || topic == "svc/b" {
				r[0].after = 10*time.Second + time.Duration(topic[4]-'a')*time.Millisecond
			}
			return r
		})
		w.start()
		c := reqresp.New(w.client, reqresp.Options{MaxRequestResponseSubscriptions: 2, OperationTimeout: 15 * time.Second})
		defer c.Close()
		began := time.Now()
		ended := make(chan string, 10)
		start := func(name string, r *reqresp.Request) {
			c.DoFunc(r, func(_ *reqresp.Response, err error) {
				ended <- fmt.Sprintf("%s after %v: %v", name, time.Since(began), text(err, r.Token))
			})
			synctest.Wait()
		}
		start("a", request(c, "a"))
		start("b", request(c, "b"))
		start("two", requestWith("svc/two", c.Token(), "svc/two/accepted", "svc/two/rejected"))
		start("d", request(c, "d"))
		pass(time.Second)
		start("b again", request(c, "b")) // it needs no room
		hopeless := request(c, "e")
		hopeless.Timeout = 2 * time.Second
		start("e", hopeless)
		pass(20 * time.Second)
		close(ended)
		got := slices.Collect(func(yield func(string) bool) {
			for s := range ended {
				yield(s)
			}
		})
		equal(t, "ends", strings.Join(got, "\n"), strings.Join([]string{
			`e after 3s: test "svc/e": no answer in time (Options.MaxRequestResponseSubscriptions are all in use)`,
			"a after 10s: <nil>", "b after 10.001s: <nil>", "b again after 11.001s: <nil>", "two after 11.001s: <nil>", "d after 11.001s: <nil>"}, "\n"))
	})
}

// Requests that wait for their filter are published in the order of their calls, and those that follow behind them.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		c := reqresp.New(w.client, reqresp.Options{})
		defer c.Close()
		var tokens []string
		var answered sync.WaitGroup
		for i := range 20 {
			r := request(c, "a")
			tokens = append(tokens, r.Token)
			answered.Add(1)
			c.DoFunc(r, func(_ *reqresp.Response, err error) {
				equal(t, "error", err, nil)
				answered.Done()
			})
			if i == 9 {
				w.start()
			}
		}
		answered.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		equal(t, "tokens", w.tokens, tokens)
	})
}

// A refused filter fails its own requests, at once and with a hint where the policy may allow less than that filter; the others go on.
func TestDeniedFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.start()
		c := reqresp.New(w.client, reqresp.Options{})
		defer c.Close()
		w.fault(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.SUBSCRIBE, Topic: "svc/no/+", Action: iotlocal.Reject, Code: 0x87})
		w.fault(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.SUBSCRIBE, Topic: "svc/half/rejected", Action: iotlocal.Reject, Code: 0x87})
		half := func() *reqresp.Request {
			return requestWith("svc/half", c.Token(), "svc/half/accepted", "svc/half/rejected")
		}
		var all []*awsiot.Future[*reqresp.Response]
		for range 2 {
			all = append(all, c.DoAsync(request(c, "no")), c.DoAsync(half()), c.DoAsync(request(c, "yes")))
		}
		synctest.Wait()
		for i, f := range all {
			_, err := f.Result()
			want := map[int]string{0: "test \"svc/no\": subscribe \"svc/no/+\": not authorized (0x87)", 1: "test \"svc/half\": subscribe \"svc/half/rejected\": not authorized (0x87)", 2: "<nil>"}[i%3]
			if got := text(err); !strings.HasPrefix(got, want) {
				t.Errorf("%d: %s, want %s...", i, got, want)
			}
			if e, ok := errors.AsType[*reqresp.Error](err); ok {
				want := map[int]string{0: "the policy must allow iot:Subscribe to topicfilter/svc/no/+: that it allows svc/no/accepted and svc/no/rejected one by one is not enough",
					1: "the policy must allow iot:Subscribe to topicfilter/svc/half/rejected"}[i%3]
				if e.Hint != want {
					t.Errorf("%d: hint %s, want %s", i, e.Hint, want)
				}
			}
		}
		if code, ok := awsiot.ReasonOf(all[0].Err()); !ok || code != awsiot.ReasonNotAuthorized {
			t.Errorf("code %v", code)
		}
		// The policy was mended: the next request subscribes again, and the half that was granted is still there.
		w.server.Faults().Clear()
		for _, r := range []*reqresp.Request{half(), request(c, "no")} {
			if _, err := c.Do(t.Context(), r); err != nil {
				t.Error(err)
			}
		}
		equal(t, "subscribed", w.subscribed(), []string{"svc/half/accepted", "svc/half/rejected", "svc/no/+", "svc/yes/+"})
	})
}

// A refusal that may pass is tried again, with growing delays; one that is not answered likewise.
func TestFilterRetries(t *testing.T) {
	for _, tt := range []struct {
		name string
		rule iotlocal.Rule
		hint string
	}{
		{"quota", iotlocal.Rule{Dir: iotlocal.ClientToServer, Action: iotlocal.Reject, Code: 0x97}, "awsiot: subscribe \"svc/x/+\": quota exceeded (0x97)"},
		{"no SUBACK", iotlocal.Rule{Dir: iotlocal.ClientToServer, Action: iotlocal.Drop}, "awsiot: subscribe \"svc/x/+\": no acknowledgement in time"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) { o.AckTimeout = 2 * time.Second })
				w.start()
				c := reqresp.New(w.client, reqresp.Options{OperationTimeout: time.Minute})
				defer c.Close()
				rule := tt.rule
				rule.Type, rule.Topic = iotlocal.SUBSCRIBE, "svc/x/+"
				h := w.fault(rule)
				if _, err := c.Do(t.Context(), request(c, "other")); err != nil {
					t.Errorf("another filter: %v", err)
				}
				r := request(c, "x")
				_, err := c.Do(t.Context(), r)
				if e, ok := errors.AsType[*reqresp.Error](err); !ok || !errors.Is(err, reqresp.ErrTimeout) || !strings.HasPrefix(e.Hint, tt.hint) {
					t.Errorf("%v, hint %+v", err, e)
				}
				if n := h.Hits(); n < 4 || n > 9 {
					t.Errorf("%d tries in a minute", n)
				}
				f := c.DoAsync(request(c, "x"))
				pass(3 * time.Second)
				h.Remove()
				began := time.Now()
				if _, err := f.Wait(t.Context()); err != nil || time.Since(began) > 10*time.Second {
					t.Errorf("%v after %v", err, time.Since(began))
				}
			})
		})
	}
}

// A request that found no room has not used the filters that were there: they go when others need their place.
func TestBlockedUsesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.answers(func(topic, token string) []reply {
			r := accept(topic, token)
			if topic == "svc/b" {
				r[0].after = 10 * time.Second
			}
			return r
		})
		w.start()
		c := reqresp.New(w.client, reqresp.Options{MaxRequestResponseSubscriptions: 2, OperationTimeout: 15 * time.Second})
		defer c.Close()
		if _, err := c.Do(t.Context(), request(c, "a")); err != nil {
			t.Fatal(err)
		}
		b := c.DoAsync(request(c, "b"))
		both := c.DoAsync(requestWith("svc/c", c.Token(), "svc/a/+", "svc/c/+")) // there is room for one of its filters, and one is there
		late := c.DoAsync(requestWith("svc/d", c.Token(), "svc/d/accepted", "svc/d/rejected"))
		for name, f := range map[string]*awsiot.Future[*reqresp.Response]{"b": b, "both": both, "late": late} {
			if _, err := f.Wait(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// The delays between the tries of a filter begin anew with a request that has not seen those before.
func TestFilterRetriesAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.AckTimeout = 10 * time.Second })
		w.start()
		c := reqresp.New(w.client, reqresp.Options{OperationTimeout: 15 * time.Second})
		defer c.Close()
		w.fault(iotlocal.Rule{Dir: iotlocal.ClientToServer, Action: iotlocal.Drop, Type: iotlocal.SUBSCRIBE, Topic: "svc/x/+"})
		for range 2 { // the first one ends during the second try
			if _, err := c.Do(t.Context(), request(c, "x")); !errors.Is(err, reqresp.ErrTimeout) {
				t.Fatal(err)
			}
		}
		var at []time.Time
		for _, p := range w.server.Recorder().Packets() {
			if p.ClientID == "device" && p.Type == iotlocal.SUBSCRIBE {
				at = append(at, p.Time)
			}
		}
		if len(at) < 3 || at[2].Sub(at[1]) > 11*time.Second {
			t.Errorf("tries at %v", at)
		}
	})
}

// A request whose filters are subscribed in part already needs the rest only.
func TestPartlySubscribed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.start()
		c := reqresp.New(w.client, reqresp.Options{OperationTimeout: time.Second})
		defer c.Close()
		one := requestWith("svc/x", c.Token(), "svc/x/accepted")
		both := requestWith("svc/x", c.Token(), "svc/x/accepted", "svc/x/rejected")
		for _, r := range []*reqresp.Request{one, both} {
			if _, err := c.Do(t.Context(), r); err != nil {
				t.Error(err)
			}
		}
		equal(t, "wire", w.subscribing(), []string{"+svc/x/accepted", "+svc/x/rejected"})
	})
}

// Two clients on one awsiot.Client, and the program itself, use one filter: the last to go unsubscribes.
func TestSharedFilters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.start()
		one, two := reqresp.New(w.client, reqresp.Options{}), reqresp.New(w.client, reqresp.Options{})
		own := 0
		if _, err := w.client.Subscribe(t.Context(), &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "svc/x/+", QoS: 1, Handler: func(*awsiot.Message) { own++ }}}}); err != nil {
			t.Fatal(err)
		}
		for _, c := range []*reqresp.Client{one, two} {
			if _, err := c.Do(t.Context(), request(c, "x")); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait() // the program's handler comes after the request has its answer
		_ = one.Close()
		if _, err := w.client.Unsubscribe(t.Context(), &awsiot.UnsubscribePacket{TopicFilters: []string{"svc/x/+"}}); err != nil {
			t.Error(err)
		}
		if _, err := two.Do(t.Context(), request(two, "x")); err != nil {
			t.Error(err)
		}
		if own != 2 {
			t.Errorf("the program's handler had %d answers", own)
		}
		equal(t, "wire", w.subscribing(), []string{"+svc/x/+"})
		_ = two.Close()
		synctest.Wait()
		equal(t, "wire at the end", w.subscribing(), []string{"+svc/x/+", "-svc/x/+"})
	})
}

func TestShared(t *testing.T) {
	client := awsiot.NewClient(awsiot.ClientOptions{})
	shared := reqresp.New(client, reqresp.Options{})
	defer shared.Close()
	if c, owned := (reqresp.Options{Shared: shared}).Of(client); c != shared || owned {
		t.Error("not shared")
	}
	c, owned := (reqresp.Options{Shared: shared}).Of(awsiot.NewClient(awsiot.ClientOptions{}))
	_, err := c.Do(t.Context(), request(c, "x"))
	if v, ok := errors.AsType[*awsiot.ValidationError](err); !ok || v.Field != "Shared" || !owned {
		t.Errorf("on another client: %v", err)
	}
}

func TestRetryable(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{nil, false}, {reqresp.ErrTimeout, true}, {reqresp.ErrAnswerLost, true}, {reqresp.ErrClosed, false}, {awsiot.ErrClosed, false}, {awsiot.ErrOffline, true},
		{reqresp.ErrMalformed, false}, {reqresp.ErrNoCapacity, false}, {&awsiot.ValidationError{}, false},
		{&awsiot.ReasonError{Code: awsiot.ReasonNotAuthorized}, false}, {&awsiot.ReasonError{Code: awsiot.ReasonQuotaExceeded}, true},
		{&awsiot.ReasonError{Code: awsiot.ReasonPacketTooLarge}, false}, {errors.New("by a service"), true},
	} {
		for _, err := range []error{tt.err, &reqresp.Error{Err: tt.err}} {
			if got := reqresp.Retryable(err); got != tt.want && (tt.err != nil || err == nil) {
				t.Errorf("%v: %v", tt.err, got)
			}
			if tt.err == nil {
				break
			}
		}
	}
}
