package reqresp_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// What comes on the topics of the answers, and what a request makes of it.
func TestAnswers(t *testing.T) {
	const timeout = 10 * time.Second
	for _, tt := range []struct {
		name   string
		answer func(topic, token string) []reply
		want   string // the topic and payload, or the error, with TOKEN for the token
		after  time.Duration
	}{
		{"accepted", accept, `svc/x/accepted {"clientToken":"TOKEN","of":"svc/x"}`, 0},
		{"rejected", func(topic, token string) []reply {
			return []reply{{topic: topic + "/rejected", payload: fmt.Sprintf(`{"clientToken":%q}`, token)}}
		}, `svc/x/rejected {"clientToken":"TOKEN"}`, 0},
		{"slow", func(topic, token string) []reply {
			r := accept(topic, token)
			r[0].after = timeout - 1
			return r
		}, `svc/x/accepted {"clientToken":"TOKEN","of":"svc/x"}`, timeout - 1},
		{"doubled", func(topic, token string) []reply { return append(accept(topic, token), accept(topic, token)...) },
			`svc/x/accepted {"clientToken":"TOKEN","of":"svc/x"}`, 0},
		{"that of somebody else first", func(topic, token string) []reply { return append(accept(topic, "other"), accept(topic, token)...) },
			`svc/x/accepted {"clientToken":"TOKEN","of":"svc/x"}`, 0},
		{"what is no answer first", func(topic, token string) []reply {
			var rs []reply
			for _, payload := range []string{"", "x", "{", "[]", `"TOKEN"`, "\xff", `{"clientToken":5}`, `{"clientToken":null}`, `{"a":{"clientToken":"` + token + `"}}`} {
				rs = append(rs, reply{topic: topic + "/accepted", payload: payload})
			}
			rs = append(rs, reply{topic: topic + "/delta", payload: `{"clientToken":"` + token + `"}`})
			return append(rs, accept(topic, token)...)
		}, `svc/x/accepted {"clientToken":"TOKEN","of":"svc/x"}`, 0},
		{"large", func(topic, token string) []reply {
			return []reply{{topic: topic + "/accepted", payload: fmt.Sprintf(`{"a":%q,"clientToken":%q}`, strings.Repeat("x", 20<<10), token)}}
		}, `svc/x/accepted {"a":"` + strings.Repeat("x", 20<<10) + `","clientToken":"TOKEN"}`, 0},
		{"none", silence, `test "svc/x": no answer in time (the service did not answer; does the policy allow iot:Receive on topic/svc/x/accepted?)`, timeout},
		{"only that of somebody else", func(topic, _ string) []reply { return accept(topic, "other") },
			`test "svc/x": no answer in time (the service did not answer; does the policy allow iot:Receive on topic/svc/x/accepted?)`, timeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				w.answers(tt.answer)
				w.start()
				c := reqresp.New(w.client, reqresp.Options{OperationTimeout: timeout})
				defer c.Close()
				for _, how := range []string{"Do", "DoAsync"} {
					r := request(c, "x")
					began := time.Now()
					var res *reqresp.Response
					var err error
					if how == "Do" {
						res, err = c.Do(t.Context(), r)
					} else {
						res, err = c.DoAsync(r).Wait(t.Context())
					}
					got := text(err, r.Token)
					if err == nil {
						got = res.Topic + " " + strings.ReplaceAll(string(res.Payload), r.Token, "TOKEN")
					} else if e, ok := errors.AsType[*reqresp.Error](err); !ok || e.Token != r.Token || !errors.Is(err, reqresp.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%s: error %#v", how, err)
					}
					if got != tt.want {
						t.Errorf("%s:\n got %.300s\nwant %.300s", how, got, tt.want)
					}
					if d := time.Since(began); d != tt.after {
						t.Errorf("%s took %v, want %v", how, d, tt.after)
					}
				}
			})
		})
	}
}

// The answer counts whatever has become of the publish that it answers.
func TestAnswerBeforePuback(t *testing.T) {
	for _, how := range []iotlocal.Rule{
		{Action: iotlocal.Drop}, {Action: iotlocal.Delay, Delay: time.Second}, {Action: iotlocal.Hold},
	} {
		t.Run(how.Action.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) { o.AckTimeout = 2 * time.Second })
				w.start()
				c := reqresp.New(w.client, reqresp.Options{})
				defer c.Close()
				how.Dir, how.Type = iotlocal.ServerToClient, iotlocal.PUBACK
				w.fault(how)
				began := time.Now()
				if _, err := c.Do(t.Context(), request(c, "x")); err != nil || time.Since(began) != 0 {
					t.Errorf("%v after %v", err, time.Since(began))
				}
				// Not even the end of AckTimeout ends a request: the broker may have it.
				w.answers(func(topic, token string) []reply {
					r := accept(topic, token)
					r[0].after = 3 * time.Second
					return r
				})
				if _, err := c.Do(t.Context(), request(c, "x")); err != nil || time.Since(began) != 3*time.Second {
					t.Errorf("late: %v after %v", err, time.Since(began))
				}
			})
		})
	}
}

// An answer that comes when its request has ended disturbs nobody, nor does one to a request that was never made.
func TestLateAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.answers(func(topic, token string) []reply {
			r := accept(topic, token)
			r[0].after = 90 * time.Second
			return r
		})
		w.start()
		c := reqresp.New(w.client, reqresp.Options{})
		defer c.Close()
		if _, err := c.Do(t.Context(), request(c, "x")); !errors.Is(err, reqresp.ErrTimeout) {
			t.Fatal(err)
		}
		w.answers(accept)
		pass(time.Minute)
		if _, err := c.Do(t.Context(), request(c, "x")); err != nil {
			t.Error(err)
		}
		// A request's own time, in place of that of the options.
		w.answers(silence)
		for _, d := range []time.Duration{time.Second, 2 * time.Minute} {
			r := request(c, "x")
			r.Timeout = d
			began := time.Now()
			if _, err := c.Do(t.Context(), r); !errors.Is(err, reqresp.ErrTimeout) || time.Since(began) != d {
				t.Errorf("%v after %v", err, time.Since(began))
			}
		}
	})
}

// Requests without a token are made one at a time for each topic; so are those that the program gave the same token.
func TestTurns(t *testing.T) {
	for _, token := range []string{"", "mine"} {
		t.Run("token "+token, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				w.answers(func(topic, token string) []reply {
					r := accept(topic, token)
					r[0].after = time.Second
					return r
				})
				w.start()
				c := reqresp.New(w.client, reqresp.Options{OperationTimeout: 3500 * time.Millisecond})
				defer c.Close()
				began := time.Now()
				ended := make(chan string, 10)
				ctx, cancel := context.WithCancel(t.Context())
				for i := range 6 {
					with := t.Context()
					if i == 1 {
						with = ctx
					}
					go func() {
						_, err := c.Do(with, requestWith("svc/x", token, "svc/x/accepted", "svc/x/rejected"))
						ended <- fmt.Sprintf("%d after %v: %v", i, time.Since(began), text(err))
					}()
					synctest.Wait()
				}
				if n := len(w.requests()); n != 1 {
					t.Errorf("%d requests at once", n)
				}
				cancel() // one that waits for its turn
				var got []string
				for range 6 {
					got = append(got, <-ended)
				}
				late := `test "svc/x": no answer in time`
				equal(t, "ends", strings.Join(got, "\n"), strings.Join([]string{`1 after 0s: test "svc/x": context canceled`,
					"0 after 1s: <nil>", "2 after 2s: <nil>", "3 after 3s: <nil>",
					got[4], got[5]}, "\n"))
				for _, g := range got[4:] { // one had its turn, and no answer yet
					if !strings.Contains(g, "after 3.5s: "+late) {
						t.Error(g)
					}
				}
			})
		})
	}
}

func TestTokenPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.start()
		c := reqresp.New(w.client, reqresp.Options{})
		defer c.Close()
		w.answers(func(topic, token string) []reply {
			return []reply{{topic: topic + "/accepted", payload: fmt.Sprintf(`{"meta":{"id":{"token":%q}}}`, token)}}
		})
		r := request(c, "x")
		for i := range r.Replies {
			r.Replies[i].TokenPath = "meta.id.token"
		}
		if _, err := c.Do(t.Context(), r); err != nil {
			t.Error(err)
		}
	})
}

func TestWrongRequests(t *testing.T) {
	c := reqresp.New(awsiot.NewClient(awsiot.ClientOptions{}), reqresp.Options{MaxRequestResponseSubscriptions: 2})
	defer c.Close()
	good := func() *reqresp.Request { return request(c, "x") }
	for _, tt := range []struct {
		name   string
		change func(*reqresp.Request)
		want   string
	}{
		{"topic", func(r *reqresp.Request) { r.Topic = "a/+" }, `Topic: `},
		{"payload", func(r *reqresp.Request) { r.Payload = nil }, `Payload: is empty`},
		{"no replies", func(r *reqresp.Request) { r.Replies = nil }, `Replies: there are none`},
		{"no filters", func(r *reqresp.Request) { r.Filters = nil }, `Filters: 0 filters; 1 to Options.MaxRequestResponseSubscriptions (2) are possible`},
		{"filters", func(r *reqresp.Request) { r.Filters = []string{"a", "b", "c"} }, `Filters: 3 filters`},
		{"filter", func(r *reqresp.Request) { r.Filters = []string{"a/#/b"} }, `Filters[0]: `},
		{"reply", func(r *reqresp.Request) { r.Replies[1].Topic = "" }, `Replies[1].Topic: `},
		{"path without token", func(r *reqresp.Request) { r.Token = "" }, `Replies[0].TokenPath: `},
		{"token without path", func(r *reqresp.Request) { r.Replies[0].TokenPath = "" }, `Replies[0].TokenPath: `},
	} {
		r := good()
		tt.change(r)
		_, err := c.Do(t.Context(), r)
		_, async := c.DoAsync(r).Result()
		for _, err := range []error{err, async} {
			if v, ok := errors.AsType[*awsiot.ValidationError](err); !ok || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v, %v; want %s", tt.name, err, v, tt.want)
			}
		}
	}
	for _, o := range []reqresp.Options{{MaxRequestResponseSubscriptions: 1}, {MaxRequestResponseSubscriptions: -1}} {
		bad := reqresp.New(c.Client(), o)
		if _, err := bad.Do(t.Context(), good()); err == nil || !strings.Contains(err.Error(), "MaxRequestResponseSubscriptions") {
			t.Errorf("%+v: %v", o, err)
		}
		if _, err := bad.NewStream(reqresp.StreamOptions{TopicFilter: "a", OnMessage: func(*awsiot.Message) {}}); err == nil {
			t.Errorf("%+v: a stream", o)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err := c.Do(ctx, good()); text(err) != `test "svc/x": enough` {
		t.Error(err)
	}
	if _, err := reqresp.New(nil, reqresp.Options{}).Do(t.Context(), good()); err == nil {
		t.Error("a request without a client")
	}
}

// A request may be waited for in every callback, also where one lane serves them all.
func TestRequestsInCallbacks(t *testing.T) {
	for _, serial := range []bool{false, true} {
		t.Run(fmt.Sprintf("SerialCallbacks %v", serial), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var c *reqresp.Client
				var done journal // two lanes write it
				ask := func(where string) {
					began := time.Now()
					_, err := c.Do(context.Background(), request(c, "x"))
					done.add("%s: %v after %v", where, err, time.Since(began))
				}
				w := newWorld(t, func(o *awsiot.ClientOptions) {
					o.SerialCallbacks = serial
					o.OnConnectionSuccess = func(*awsiot.ConnectionSuccess) { ask("OnConnectionSuccess") }
				})
				c = reqresp.New(w.client, reqresp.Options{})
				defer c.Close()
				w.start()
				_, err := w.client.Subscribe(t.Context(), &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "a", QoS: 1, Handler: func(*awsiot.Message) { ask("handler") }}}})
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				w.client.PublishFunc(&awsiot.PublishPacket{Topic: "a", QoS: 1}, func(awsiot.PublishResult, error) { ask("PublishFunc") })
				synctest.Wait()
				got := strings.Split(done.take(), "\n")
				slices.Sort(got)
				equal(t, "ends", strings.Join(got, "\n"), "OnConnectionSuccess: <nil> after 0s\nPublishFunc: <nil> after 0s\nhandler: <nil> after 0s")
			})
		})
	}
}
