package reqresp_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// A request may be made before the first connection, and while there is none, whatever the offline queue keeps.
func TestWithoutConnection(t *testing.T) {
	for _, policy := range []awsiot.OfflineQueue{{}, {Behavior: awsiot.FailAll}, {Behavior: awsiot.FailNonQoS1}, {Behavior: awsiot.KeepAll}, {MaxOperations: -1}, {DrainRate: 2}, {ReturnQueued: true}} {
		t.Run(fmt.Sprintf("%+v", policy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) { o.OfflineQueue = policy })
				c := reqresp.New(w.client, reqresp.Options{})
				defer c.Close()
				before := c.DoAsync(request(c, "before"))
				late := request(c, "late")
				late.Timeout = time.Second
				_, err := c.Do(t.Context(), late)
				equal(t, "too late", text(err), `test "svc/late": no answer in time (not connected)`)
				w.start()
				if _, err := before.Wait(t.Context()); err != nil {
					t.Errorf("before the first connection: %v", err)
				}
				back := w.offline()
				offline := c.DoAsync(request(c, "before"))
				fresh := c.DoAsync(request(c, "fresh"))
				pass(3 * time.Second)
				back()
				for _, f := range []*awsiot.Future[*reqresp.Response]{offline, fresh} {
					if _, err := f.Wait(t.Context()); err != nil {
						t.Errorf("offline: %v", err)
					}
				}
			})
		})
	}
}

// What becomes of a request that was published when the connection broke.
func TestReconnect(t *testing.T) {
	for _, tt := range []struct {
		name       string
		session    bool
		repeatable bool
		acked      bool
		want       string
		asked      int
	}{
		{"with the session", true, false, true, "<nil>", 1},
		{"with the session, not acknowledged", true, false, false, "<nil>", 2},
		{"without the session", false, false, true, `test "svc/x": the session was lost, and with it perhaps the answer`, 1},
		{"without the session, not acknowledged", false, false, false, "<nil>", 2},
		{"without the session, repeatable", false, true, true, "<nil>", 2},
		{"with the session, repeatable", true, true, true, "<nil>", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) {
					if tt.session {
						rejoin(o)
					}
				})
				w.answers(func(topic, token string) []reply {
					r := accept(topic, token)
					if len(w.asked) == 1 {
						r[0].after = time.Second / 2 // while there is no connection
					}
					return r
				})
				w.start()
				c := reqresp.New(w.client, reqresp.Options{})
				defer c.Close()
				if !tt.acked {
					w.fault(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK, Action: iotlocal.Drop, Times: 1})
				}
				r := request(c, "x")
				r.Repeatable = tt.repeatable
				f := c.DoAsync(r)
				synctest.Wait()
				w.cut()
				_, err := f.Wait(t.Context())
				if got := text(err); got != tt.want {
					t.Errorf("%s, want %s", got, tt.want)
				}
				if err != nil && !errors.Is(err, reqresp.ErrAnswerLost) {
					t.Errorf("%#v", err)
				}
				synctest.Wait()
				if n := len(w.requests()); n != tt.asked {
					t.Errorf("the service was asked %d times, want %d", n, tt.asked)
				}
			})
		})
	}
}

// Stop, and the end of either client, end every request at once, wherever it stands.
func TestEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(*world, *reqresp.Client)
		want error
	}{
		{"Stop", func(w *world, _ *reqresp.Client) { _ = w.client.Stop(context.Background(), nil) }, awsiot.ErrStopped},
		{"Close of the awsiot.Client", func(w *world, _ *reqresp.Client) { _ = w.client.Close() }, awsiot.ErrClosed},
		{"Close", func(_ *world, c *reqresp.Client) { _ = c.Close() }, reqresp.ErrClosed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				w.answers(silence)
				c := reqresp.New(w.client, reqresp.Options{MaxRequestResponseSubscriptions: 2})
				defer c.Close()
				w.start()
				w.fault(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.SUBSCRIBE, Topic: "svc/silent/+", Action: iotlocal.Drop})
				var all []*awsiot.Future[*reqresp.Response]
				for _, r := range []*reqresp.Request{request(c, "sent"), request(c, "silent"), request(c, "blocked"), requestWith("svc/sent", "t", "svc/sent/+"), requestWith("svc/sent", "t", "svc/sent/+")} {
					all = append(all, c.DoAsync(r))
				}
				blocking := make(chan error)
				go func() {
					_, err := c.Do(context.Background(), request(c, "sent"))
					blocking <- err
				}()
				synctest.Wait()
				began := time.Now()
				go tt.end(w, c)
				if err := <-blocking; !errors.Is(err, tt.want) {
					t.Errorf("Do: %v", err)
				}
				for i, f := range all {
					if _, err := f.Wait(t.Context()); !errors.Is(err, tt.want) {
						t.Errorf("%d: %v, want %v", i, err, tt.want)
					}
				}
				if d := time.Since(began); d != 0 {
					t.Errorf("took %v", d)
				}
				if tt.want == awsiot.ErrStopped { // it goes on after the next Start
					w.answers(accept)
					f := c.DoAsync(request(c, "again"))
					w.start()
					if _, err := f.Wait(t.Context()); err != nil {
						t.Errorf("after the next Start: %v", err)
					}
				}
			})
		})
	}
}

// The broker restarts, and forgets every session, in the middle of 1,000 requests at a time: each ends once, with its own
// answer or with the reason why there is none, and nothing is left behind.
func TestThousand(t *testing.T) {
	for _, session := range []bool{false, true} {
		t.Run(fmt.Sprintf("session %v", session), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) {
					if session {
						rejoin(o)
					}
				})
				w.answers(func(topic, token string) []reply {
					r := accept(topic, token)
					r[0].after = time.Duration(len(w.asked)%100) * time.Millisecond
					return r
				})
				w.start()
				c := reqresp.New(w.client, reqresp.Options{})
				const n = 1000
				var wg sync.WaitGroup
				var mu sync.Mutex
				answered, lost := 0, 0
				for i := range n {
					wg.Go(func() {
						r := request(c, fmt.Sprint("op", i%7))
						r.Repeatable = i%2 == 0
						res, err := c.Do(t.Context(), r)
						mu.Lock()
						defer mu.Unlock()
						switch {
						case err == nil:
							answered++
							want := fmt.Sprintf(`{"clientToken":%q,"of":%q}`, r.Token, r.Topic)
							if string(res.Payload) != want || res.Topic != r.Topic+"/accepted" {
								t.Errorf("answer %s %s, want %s", res.Topic, res.Payload, want)
							}
						case errors.Is(err, reqresp.ErrAnswerLost) && !r.Repeatable:
							lost++
						default:
							t.Errorf("request %d: %v", i, err)
						}
					})
				}
				time.Sleep(50 * time.Millisecond)
				w.server.Faults().LoseSessions()
				w.server.Faults().Cut("device")
				wg.Wait()
				if answered+lost != n || answered < n/2 {
					t.Errorf("%d answered, %d lost", answered, lost)
				}
				t.Logf("%d answered, %d lost", answered, lost)
				_ = c.Close()
				synctest.Wait()
				equal(t, "subscribed at the end", w.subscribed(), []string{})
				if s := w.client.Stats(); s.IncompleteOperationCount != 0 {
					t.Errorf("%d operations are left", s.IncompleteOperationCount)
				}
			})
		})
	}
}
