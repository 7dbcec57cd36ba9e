package iotshadow_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
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

// heard is what the callbacks of a handler got.
type heard struct {
	mu   sync.Mutex
	list []string
}

func (h *heard) callback(name string) func(payload, status, token string) {
	return func(payload, status, token string) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if token != "" {
			payload = strings.ReplaceAll(payload, token, "TOKEN")
		}
		h.list = append(h.list, strings.TrimSpace(name+" "+status+" "+times.ReplaceAllString(payload, "0")))
	}
}

// all returns what came since the last call, once everything is done that is due.
func (h *heard) all() string {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	defer func() { h.list = nil }()
	return strings.Join(h.list, "\n")
}

var (
	times  = regexp.MustCompile(`\b[0-9]{9,}\b`)
	tokens = regexp.MustCompile(`"[A-Z2-7]{26}"`)
)

// saidV1 is what the client has sent since the last call, with TOKEN for the tokens.
func (w *world) saidV1() string { return tokens.ReplaceAllString(w.said(), `"TOKEN"`) }

// push publishes a message of the service about the thing Bot.
func (w *world) push(topic, payload string) {
	w.t.Helper()
	if _, err := w.server.Publish(iotlocal.Message{Topic: "$aws/things/Bot/shadow/" + topic, Payload: []byte(payload)}); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
}

// What v1's handlers put on the wire, and what their callbacks hear: the answers of the service, persistent and not.
func TestHandlerV1(t *testing.T) {
	const shadow = "$aws/things/Bot/shadow/"
	for _, persistent := range []bool{true, false} {
		t.Run(fmt.Sprintf("persistent %v", persistent), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, reqresp.Options{})
				h := iotshadow.NewHandlerV1(w.client, "Bot", persistent)
				var got heard
				subscribed := func(op string) string {
					return "SUBSCRIBE " + shadow + op + "/accepted 0\nSUBSCRIBE " + shadow + op + "/rejected 0\n"
				}
				ended := func(op string) string {
					if persistent {
						return ""
					}
					return "\nUNSUBSCRIBE " + shadow + op + "/accepted 0\nUNSUBSCRIBE " + shadow + op + "/rejected 0"
				}
				for _, tt := range []struct {
					op, payload, want string
					call              func(context.Context, func(payload, status, token string), time.Duration) (string, error)
				}{
					{"get", `{"clientToken":"TOKEN"}`, `get rejected {"code":404,"message":"No shadow exists with name: 'Bot'","timestamp":0,"clientToken":"TOKEN"}`, h.Get},
					{"update", `{"state":{"desired":{"x":1}},"clientToken":"TOKEN"}`,
						`update accepted {"state":{"desired":{"x":1}},"metadata":{"desired":{"x":{"timestamp":0}}},"version":1,"timestamp":0,"clientToken":"TOKEN"}`,
						func(ctx context.Context, cb func(payload, status, token string), d time.Duration) (string, error) {
							return h.Update(ctx, `{"state":{"desired":{"x":1}}}`, cb, d)
						}},
					{"delete", `{"clientToken":"TOKEN"}`, `delete accepted {"version":1,"timestamp":0,"clientToken":"TOKEN"}`, h.Delete},
				} {
					token, err := tt.call(t.Context(), got.callback(tt.op), 5*time.Second)
					if err != nil || len(token) != 26 {
						t.Fatalf("%s: %q %v", tt.op, token, err)
					}
					equal(t, tt.op+" hears", got.all(), tt.want)
					equal(t, tt.op+" says", w.saidV1(), subscribed(tt.op)+"PUBLISH "+shadow+tt.op+" 0 "+tt.payload+ended(tt.op))
				}
				if _, err := h.Get(t.Context(), nil, time.Second); err != nil {
					t.Fatal(err)
				}
				first := subscribed("get")
				if persistent {
					first = ""
				}
				equal(t, "the second get", w.saidV1(), first+"PUBLISH "+shadow+`get 0 {"clientToken":"TOKEN"}`+ended("get"))
			})
		})
	}
}

// Answers that do not come, come late or are somebody else's; a callback that panics, and one that asks again.
func TestHandlerV1Timeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, reqresp.Options{})
		if _, err := w.server.Faults().Add(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Topic: "$aws/things/Bot/shadow/get", Action: iotlocal.Drop}); err != nil {
			t.Fatal(err)
		}
		h := iotshadow.NewHandlerV1(w.client, "Bot", false)
		var got heard
		began := time.Now()
		token, err := h.Get(t.Context(), func(payload, status, token string) {
			got.callback("first")(payload, status, token)
			if _, err := h.Delete(context.Background(), got.callback("second"), time.Second); err != nil {
				t.Error(err)
			}
			panic("of the callback")
		}, 2*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		w.push("get/accepted", `{"clientToken":"foreign","version":1}`)
		w.push("get/accepted", `{"version":1}`)
		w.push("get/accepted", `no json`)
		equal(t, "foreign answers", got.all(), "")
		for d := time.Since(began); d < 2*time.Second; d = time.Since(began) {
			pass(2*time.Second - d)
		}
		equal(t, "the end of the time", got.all(), "first timeout REQUEST TIME OUT\nsecond rejected "+`{"code":404,"message":"No shadow exists with name: 'Bot'","timestamp":0,"clientToken":"TOKEN"}`)
		w.push("get/accepted", `{"clientToken":"`+token+`","version":1}`)
		equal(t, "a late answer", got.all(), "")
	})
}

// The version rule: what of the deltas is delivered.
func TestHandlerV1Delta(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, reqresp.Options{})
		h := iotshadow.NewHandlerV1(w.client, "Bot", true)
		var got heard
		if err := h.RegisterDelta(t.Context(), got.callback("")); err != nil {
			t.Fatal(err)
		}
		for _, payload := range []string{`{"version":5}`, `{"version":6}`, `{"version":6}`, `{"version":4}`, `{"state":{}}`, `no json`, `{"version":7}`} {
			w.push("update/delta", payload)
		}
		equal(t, "deltas", got.all(), `delta/Bot {"version":5}`+"\n"+`delta/Bot {"version":6}`+"\n"+`delta/Bot {"version":7}`)
		if _, err := h.Update(t.Context(), `{"state":{"desired":{"x":1}}}`, nil, time.Second); err != nil { // version 1: no news
			t.Fatal(err)
		}
		equal(t, "the delta of the update", got.all(), "")
		if _, err := h.Delete(t.Context(), nil, time.Second); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.push("update/delta", `{"version":1}`)
		equal(t, "after a delete", got.all(), `delta/Bot {"version":1}`)
		if err := h.RegisterDelta(t.Context(), got.callback("other")); err != nil {
			t.Fatal(err)
		}
		w.push("update/delta", `{"version":2}`)
		equal(t, "another callback", got.all(), `other delta/Bot {"version":2}`)
		w.said()
		if err := h.UnregisterDelta(t.Context()); err != nil {
			t.Fatal(err)
		}
		equal(t, "unregistered", w.said(), "UNSUBSCRIBE $aws/things/Bot/shadow/update/delta 0")
		if err := h.UnregisterDelta(t.Context()); err == nil {
			t.Error("it is unregistered twice")
		}
		if err := h.RegisterDelta(t.Context(), nil); err != nil {
			t.Error(err)
		}
		w.push("update/delta", `{"version":3}`)
		equal(t, "no callback", got.all(), "")
	})
}

// What is wrong is the error of the call, and leaves nothing behind.
func TestHandlerV1Errors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, reqresp.Options{})
		var got heard
		h := iotshadow.NewHandlerV1(w.client, "Bot", false)
		for _, payload := range []string{"", "no json", "[]", `"x"`} {
			if _, err := h.Update(t.Context(), payload, got.callback("x"), time.Second); !isInvalid(err) {
				t.Errorf("%q: %v", payload, err)
			}
		}
		if _, err := h.Get(t.Context(), nil, -time.Second); !isInvalid(err) {
			t.Error(err)
		}
		bad := iotshadow.NewHandlerV1(w.client, "a/b", true)
		if _, err := bad.Get(t.Context(), got.callback("x"), time.Second); !isInvalid(err) {
			t.Error(err)
		}
		if err := bad.RegisterDelta(t.Context(), got.callback("x")); !isInvalid(err) {
			t.Error(err)
		}
		rule, err := w.server.Faults().Add(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.SUBSCRIBE, Topic: "$aws/things/Bot/shadow/get/rejected", Action: iotlocal.Reject, Code: 0x87})
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.Get(t.Context(), got.callback("x"), time.Second)
		if code, _ := awsiot.ReasonOf(err); code != awsiot.ReasonNotAuthorized {
			t.Errorf("denied: %v", err)
		}
		rule.Remove()
		if _, err = h.Get(t.Context(), nil, time.Second); err != nil {
			t.Errorf("after a denied request: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := h.Get(ctx, got.callback("x"), time.Second); !errors.Is(err, context.Canceled) {
			t.Errorf("a context that has ended: %v", err)
		}
		_ = w.client.Stop(t.Context(), nil)
		for _, h := range []*iotshadow.HandlerV1{h, iotshadow.NewHandlerV1(nil, "Bot", true)} {
			if _, err := h.Delete(t.Context(), got.callback("x"), time.Second); !errors.Is(err, awsiot.ErrOffline) {
				t.Errorf("offline: %v", err)
			}
			if err := h.RegisterDelta(t.Context(), got.callback("x")); !errors.Is(err, awsiot.ErrOffline) {
				t.Errorf("offline: %v", err)
			}
		}
		pass(time.Minute)
		equal(t, "callbacks", got.all(), "")
	})
}

func isInvalid(err error) bool {
	_, ok := errors.AsType[*awsiot.ValidationError](err)
	return ok
}
