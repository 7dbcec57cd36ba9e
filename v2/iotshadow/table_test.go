package iotshadow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/iotshadow"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// row is one operation of the service: the same request through the second generation, its twin with a future, and the first.
type row struct {
	name    string
	prefix  string // of its topics
	op      string // last level
	filters string // of the second generation
	body    string // without the token
	call    func(context.Context, *iotshadow.Client, string) (*iotshadow.Document, error)
	async   func(*iotshadow.Client, string) *awsiot.Future[*iotshadow.Document]
	publish func(context.Context, *iotshadow.Client, string) error
	hear    func(context.Context, *iotshadow.Client, func(*iotshadow.Document), func(*iotshadow.RejectedError)) error
}

// both subscribes to the answers as the first generation does.
func both[R any](ctx context.Context, r R, accepted func(context.Context, R, awsiot.QoS, func(*iotshadow.Document)) (*reqresp.Subscription, error),
	rejected func(context.Context, R, awsiot.QoS, func(*iotshadow.RejectedError)) (*reqresp.Subscription, error), a func(*iotshadow.Document), b func(*iotshadow.RejectedError)) error {
	_, err := accepted(ctx, r, 1, a)
	_, err2 := rejected(ctx, r, 1, b)
	return errors.Join(err, err2)
}

const (
	classic = "$aws/things/lamp/shadow"
	named   = "$aws/things/lamp/shadow/name/night"
)

func state() *iotshadow.ShadowState {
	return &iotshadow.ShadowState{Desired: map[string]any{"on": true, "n": json.Number("1.10")}, Reported: struct {
		On bool `json:"on"`
	}{false}}
}

const stateBody = `"state":{"desired":{"n":1.10,"on":true},"reported":{"on":false}},"version":1`

var table = []row{
	{"GetShadow", classic, "get", "get/+", "",
		func(ctx context.Context, c *iotshadow.Client, t string) (*iotshadow.Document, error) {
			return c.GetShadow(ctx, &iotshadow.GetShadowRequest{ThingName: "lamp", ClientToken: t})
		}, func(c *iotshadow.Client, t string) *awsiot.Future[*iotshadow.Document] {
			return c.GetShadowAsync(&iotshadow.GetShadowRequest{ThingName: "lamp", ClientToken: t})
		}, func(ctx context.Context, c *iotshadow.Client, t string) error {
			return c.PublishGetShadow(ctx, &iotshadow.GetShadowRequest{ThingName: "lamp", ClientToken: t}, 1)
		}, func(ctx context.Context, c *iotshadow.Client, a func(*iotshadow.Document), b func(*iotshadow.RejectedError)) error {
			return both(ctx, &iotshadow.GetShadowSubscriptionRequest{ThingName: "lamp"}, c.SubscribeToGetShadowAccepted, c.SubscribeToGetShadowRejected, a, b)
		}},
	{"UpdateShadow", classic, "update", "update/accepted update/rejected", stateBody,
		func(ctx context.Context, c *iotshadow.Client, t string) (*iotshadow.Document, error) {
			return c.UpdateShadow(ctx, &iotshadow.UpdateShadowRequest{ThingName: "lamp", ClientToken: t, State: state(), Version: new(int64(1))})
		}, func(c *iotshadow.Client, t string) *awsiot.Future[*iotshadow.Document] {
			return c.UpdateShadowAsync(&iotshadow.UpdateShadowRequest{ThingName: "lamp", ClientToken: t, State: state(), Version: new(int64(1))})
		}, func(ctx context.Context, c *iotshadow.Client, t string) error {
			return c.PublishUpdateShadow(ctx, &iotshadow.UpdateShadowRequest{ThingName: "lamp", ClientToken: t, State: state(), Version: new(int64(1))}, 1)
		}, func(ctx context.Context, c *iotshadow.Client, a func(*iotshadow.Document), b func(*iotshadow.RejectedError)) error {
			return both(ctx, &iotshadow.UpdateShadowSubscriptionRequest{ThingName: "lamp"}, c.SubscribeToUpdateShadowAccepted, c.SubscribeToUpdateShadowRejected, a, b)
		}},
	{"DeleteShadow", classic, "delete", "delete/+", "",
		func(ctx context.Context, c *iotshadow.Client, t string) (*iotshadow.Document, error) {
			return c.DeleteShadow(ctx, &iotshadow.DeleteShadowRequest{ThingName: "lamp", ClientToken: t})
		}, func(c *iotshadow.Client, t string) *awsiot.Future[*iotshadow.Document] {
			return c.DeleteShadowAsync(&iotshadow.DeleteShadowRequest{ThingName: "lamp", ClientToken: t})
		}, func(ctx context.Context, c *iotshadow.Client, t string) error {
			return c.PublishDeleteShadow(ctx, &iotshadow.DeleteShadowRequest{ThingName: "lamp", ClientToken: t}, 1)
		}, func(ctx context.Context, c *iotshadow.Client, a func(*iotshadow.Document), b func(*iotshadow.RejectedError)) error {
			return both(ctx, &iotshadow.DeleteShadowSubscriptionRequest{ThingName: "lamp"}, c.SubscribeToDeleteShadowAccepted, c.SubscribeToDeleteShadowRejected, a, b)
		}},
	{"GetNamedShadow", named, "get", "get/+", "",
		func(ctx context.Context, c *iotshadow.Client, t string) (*iotshadow.Document, error) {
			return c.GetNamedShadow(ctx, &iotshadow.GetNamedShadowRequest{ThingName: "lamp", ShadowName: "night", ClientToken: t})
		}, func(c *iotshadow.Client, t string) *awsiot.Future[*iotshadow.Document] {
			return c.GetNamedShadowAsync(&iotshadow.GetNamedShadowRequest{ThingName: "lamp", ShadowName: "night", ClientToken: t})
		}, func(ctx context.Context, c *iotshadow.Client, t string) error {
			return c.PublishGetNamedShadow(ctx, &iotshadow.GetNamedShadowRequest{ThingName: "lamp", ShadowName: "night", ClientToken: t}, 1)
		}, func(ctx context.Context, c *iotshadow.Client, a func(*iotshadow.Document), b func(*iotshadow.RejectedError)) error {
			return both(ctx, &iotshadow.GetNamedShadowSubscriptionRequest{ThingName: "lamp", ShadowName: "night"}, c.SubscribeToGetNamedShadowAccepted, c.SubscribeToGetNamedShadowRejected, a, b)
		}},
	{"UpdateNamedShadow", named, "update", "update/accepted update/rejected", stateBody,
		func(ctx context.Context, c *iotshadow.Client, t string) (*iotshadow.Document, error) {
			return c.UpdateNamedShadow(ctx, &iotshadow.UpdateNamedShadowRequest{ThingName: "lamp", ShadowName: "night", ClientToken: t, State: state(), Version: new(int64(1))})
		}, func(c *iotshadow.Client, t string) *awsiot.Future[*iotshadow.Document] {
			return c.UpdateNamedShadowAsync(&iotshadow.UpdateNamedShadowRequest{ThingName: "lamp", ShadowName: "night", ClientToken: t, State: state(), Version: new(int64(1))})
		}, func(ctx context.Context, c *iotshadow.Client, t string) error {
			return c.PublishUpdateNamedShadow(ctx, &iotshadow.UpdateNamedShadowRequest{ThingName: "lamp", ShadowName: "night", ClientToken: t, State: state(), Version: new(int64(1))}, 1)
		}, func(ctx context.Context, c *iotshadow.Client, a func(*iotshadow.Document), b func(*iotshadow.RejectedError)) error {
			return both(ctx, &iotshadow.UpdateNamedShadowSubscriptionRequest{ThingName: "lamp", ShadowName: "night"}, c.SubscribeToUpdateNamedShadowAccepted, c.SubscribeToUpdateNamedShadowRejected, a, b)
		}},
	{"DeleteNamedShadow", named, "delete", "delete/+", "",
		func(ctx context.Context, c *iotshadow.Client, t string) (*iotshadow.Document, error) {
			return c.DeleteNamedShadow(ctx, &iotshadow.DeleteNamedShadowRequest{ThingName: "lamp", ShadowName: "night", ClientToken: t})
		}, func(c *iotshadow.Client, t string) *awsiot.Future[*iotshadow.Document] {
			return c.DeleteNamedShadowAsync(&iotshadow.DeleteNamedShadowRequest{ThingName: "lamp", ShadowName: "night", ClientToken: t})
		}, func(ctx context.Context, c *iotshadow.Client, t string) error {
			return c.PublishDeleteNamedShadow(ctx, &iotshadow.DeleteNamedShadowRequest{ThingName: "lamp", ShadowName: "night", ClientToken: t}, 1)
		}, func(ctx context.Context, c *iotshadow.Client, a func(*iotshadow.Document), b func(*iotshadow.RejectedError)) error {
			return both(ctx, &iotshadow.DeleteNamedShadowSubscriptionRequest{ThingName: "lamp", ShadowName: "night"}, c.SubscribeToDeleteNamedShadowAccepted, c.SubscribeToDeleteNamedShadowRejected, a, b)
		}},
}

// Every topic, filter, body and answer of every operation, through both generations.
func TestOperations(t *testing.T) {
	for _, tt := range table {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, reqresp.Options{})
				ctx, c := t.Context(), w.shadows
				body := func(token string) string {
					if tt.body == "" {
						return fmt.Sprintf(`{"clientToken":%q}`, token)
					}
					return fmt.Sprintf(`{%s,"clientToken":%q}`, tt.body, token)
				}
				var subscribe []string
				for f := range strings.FieldsSeq(tt.filters) {
					subscribe = append(subscribe, "SUBSCRIBE "+tt.prefix+"/"+f+" 1")
				}
				topic := tt.prefix + "/" + tt.op
				shadowName := map[string]string{classic: "", named: "night"}[tt.prefix]
				put := func() {
					if _, err := w.server.Shadow("lamp", shadowName).Update(map[string]any{"state": map[string]any{"reported": map[string]any{"on": false}}}); err != nil {
						t.Fatal(err)
					}
				}
				// Second generation. The refusal: there is no shadow, or not of that version.
				_, err := tt.call(ctx, c, "")
				equal(t, "second generation, wire", w.said(), strings.Join(append(subscribe, "PUBLISH "+topic+" 1 "+body("TOKEN")), "\n"))
				refused, ok := errors.AsType[*iotshadow.RejectedError](err)
				e, _ := errors.AsType[*reqresp.Error](err)
				if want := map[string]int{"get": 404, "delete": 404, "update": 409}[tt.op]; !ok || refused.Code != want || e.Operation != "iotshadow."+tt.name || e.Topic != topic || refused.ClientToken != e.Token || refused.Timestamp.IsZero() || refused.Message == "" {
					t.Errorf("refusal: %v (%+v)", err, refused)
				}
				put()
				check := func(what string, d *iotshadow.Document, err error, token string) {
					t.Helper()
					version := map[string]int64{"get": 1, "delete": 1, "update": 2}[tt.op]
					if err != nil || d.Version != version || d.ClientToken != token || d.Timestamp.Unix() != time.Now().Unix() || !json.Valid(d.Raw) {
						t.Fatalf("%s: %+v, %v", what, d, err)
					}
					if tt.op == "delete" {
						return
					}
					on, err := iotshadow.Decode[map[string]any](d.State.Reported)
					if err != nil || on["on"] != false || len(d.Metadata.Reported) == 0 {
						t.Errorf("%s: %s, %v", what, d.State.Reported, err)
					}
					if tt.op == "update" && !strings.Contains(string(d.State.Desired), `"n":1.10`) {
						t.Errorf("%s: desired %s", what, d.State.Desired)
					}
				}
				d, err := tt.call(ctx, c, "mine")
				check("second generation", d, err, "mine")
				equal(t, "second generation again, wire", w.said(), "PUBLISH "+topic+" 1 "+body("mine"))
				_ = w.server.Shadow("lamp", shadowName).Delete()
				if _, err := tt.async(c, "").Wait(ctx); err == nil {
					t.Error("the future has no refusal")
				}
				w.said()
				_ = w.client.Stop(ctx, nil) // everything anew
				w2 := newWorld(t, reqresp.Options{})
				*w = *w2
				c = w.shadows
				put()
				d, err = tt.async(c, "future").Wait(ctx)
				check("future", d, err, "future")
				equal(t, "future, wire", w.said(), strings.Join(append(subscribe, "PUBLISH "+topic+" 1 "+body("future")), "\n"))

				// First generation.
				w3 := newWorld(t, reqresp.Options{})
				*w = *w3
				c = w.shadows
				var accepted []*iotshadow.Document
				var rejected []*iotshadow.RejectedError
				if err := tt.hear(ctx, c, func(d *iotshadow.Document) { accepted = append(accepted, d) }, func(e *iotshadow.RejectedError) { rejected = append(rejected, e) }); err != nil {
					t.Fatal(err)
				}
				equal(t, "first generation, subscriptions", w.said(), "SUBSCRIBE "+topic+"/accepted 1\nSUBSCRIBE "+topic+"/rejected 1")
				if err := tt.publish(ctx, c, "first"); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if len(rejected) != 1 || rejected[0].ClientToken != "first" {
					t.Errorf("refusals: %+v", rejected)
				}
				equal(t, "first generation, wire", w.said(), "PUBLISH "+topic+" 1 "+body("first"))
				put()
				if err := tt.publish(ctx, c, "first"); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if want := map[bool]int{false: 1, true: 2}[tt.op == "update"]; len(accepted) != want { // that of put is heard too
					t.Fatalf("%d answers, want %d", len(accepted), want)
				}
				check("first generation", accepted[len(accepted)-1], nil, "first")
			})
		})
	}
}

// Every event, as an iterator, a handle, and a subscription of the first generation.
func TestEvents(t *testing.T) {
	for _, shadow := range []string{"", "night"} {
		for _, documents := range []bool{false, true} {
			t.Run(fmt.Sprintf("shadow %q, documents %v", shadow, documents), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, reqresp.Options{})
					ctx, c := t.Context(), w.shadows
					one, two := &iotshadow.ShadowSubscriptionRequest{ThingName: "lamp"}, &iotshadow.NamedShadowSubscriptionRequest{ThingName: "lamp", ShadowName: shadow}
					var heard []string
					delta := func(e *iotshadow.ShadowDeltaUpdatedEvent) {
						heard = append(heard, fmt.Sprintf("%s %d %s %v", e.State, e.Version, e.ClientToken, len(e.Metadata) > 0 && len(e.Raw) > 0 && e.Timestamp.Unix() == time.Now().Unix()))
					}
					updated := func(e *iotshadow.ShadowUpdatedEvent) {
						heard = append(heard, fmt.Sprintf("%d %s %d %s %s %v", e.Previous.Version, e.Previous.State.Desired, e.Current.Version, e.Current.State.Desired, e.ClientToken, len(e.Current.Metadata.Desired) > 0 && len(e.Raw) > 0))
					}
					status := func(s reqresp.StreamStatus, err error) { heard = append(heard, fmt.Sprint(s, err)) }
					topic, want := iotshadow.TopicDelta("lamp", shadow), `{"on":true} 1 tok true`
					var s *iotshadow.Stream
					var sub *reqresp.Subscription
					var err, err2 error
					switch {
					case documents && shadow == "":
						s, err = c.CreateShadowUpdatedStream(one, iotshadow.StreamOptions[iotshadow.ShadowUpdatedEvent]{OnEvent: updated, OnStatus: status})
						sub, err2 = c.SubscribeToShadowUpdatedEvents(ctx, one, 1, updated)
					case documents:
						s, err = c.CreateNamedShadowUpdatedStream(two, iotshadow.StreamOptions[iotshadow.ShadowUpdatedEvent]{OnEvent: updated, OnStatus: status})
						sub, err2 = c.SubscribeToNamedShadowUpdatedEvents(ctx, two, 1, updated)
					case shadow == "":
						s, err = c.CreateShadowDeltaUpdatedStream(one, iotshadow.StreamOptions[iotshadow.ShadowDeltaUpdatedEvent]{OnEvent: delta, OnStatus: status})
						sub, err2 = c.SubscribeToShadowDeltaUpdatedEvents(ctx, one, 1, delta)
					default:
						s, err = c.CreateNamedShadowDeltaUpdatedStream(two, iotshadow.StreamOptions[iotshadow.ShadowDeltaUpdatedEvent]{OnEvent: delta, OnStatus: status})
						sub, err2 = c.SubscribeToNamedShadowDeltaUpdatedEvents(ctx, two, 1, delta)
					}
					if err := errors.Join(err, err2, s.Open()); err != nil {
						t.Fatal(err)
					}
					if documents {
						topic, want = iotshadow.TopicDocuments("lamp", shadow), `0  1 {"on":true} tok true`
					}
					synctest.Wait()
					equal(t, "wire", w.said(), "SUBSCRIBE "+topic+" 1")
					equal(t, "status", strings.Join(heard, "\n"), "StreamEstablished <nil>")
					heard = nil
					update := func(value bool) {
						if _, err := w.server.Shadow("lamp", shadow).Update(fmt.Sprintf(`{"state":{"desired":{"on":%v}},"clientToken":"tok"}`, value)); err != nil {
							t.Error(err)
						}
					}
					update(true)
					synctest.Wait()
					equal(t, "both hear", strings.Join(heard, "\n"), want+"\n"+want)
					_, _ = s.Close(), sub.Close()
					synctest.Wait()
					equal(t, "wire at the end", w.said(), "UNSUBSCRIBE "+topic+" 0")

					// The iterator, inside of which requests are possible.
					loop := make(chan string)
					get := func() {
						if _, err := c.GetShadow(ctx, &iotshadow.GetShadowRequest{ThingName: "none"}); err == nil {
							t.Error("a shadow of none")
						}
					}
					go func() {
						defer close(loop)
						if documents {
							events := c.ShadowUpdated(ctx, one)
							if shadow != "" {
								events = c.NamedShadowUpdated(ctx, two)
							}
							for e, err := range events {
								get()
								loop <- fmt.Sprint(e.Current.Version, err)
								if e.Current.Version == 3 {
									return
								}
							}
							return
						}
						events := c.ShadowDeltaUpdated(ctx, one)
						if shadow != "" {
							events = c.NamedShadowDeltaUpdated(ctx, two)
						}
						for e, err := range events {
							get()
							loop <- fmt.Sprint(e.Version, err)
							if e.Version == 3 {
								return
							}
						}
					}()
					synctest.Wait()
					update(false)
					equal(t, "first", <-loop, "2 <nil>")
					update(true)
					equal(t, "second", <-loop, "3 <nil>")
					if s, more := <-loop; more {
						t.Error("one more:", s)
					}
				})
			})
		}
	}
}
