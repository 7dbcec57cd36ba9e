package awsiot_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	awsiot "github.com/portage-iot/awsiot/v2"
)

var noContext context.Context

// nilCalls are the methods of Client that take a pointer, a function or an interface, called with nil in its place: "" is
// where nil is allowed.
var nilCalls = map[string][]struct {
	what string
	call func(*awsiot.Client) error
	want string
}{
	"AwaitConnected": {{"ctx", func(c *awsiot.Client) error { _, err := c.AwaitConnected(noContext); return err }, "awsiot: ctx: is nil"}},
	"StartAndWait":   {{"ctx", func(c *awsiot.Client) error { return c.StartAndWait(noContext) }, "awsiot: ctx: is nil"}},
	"StartAndSend":   {{"ctx", func(c *awsiot.Client) error { return c.StartAndSend(noContext) }, "awsiot: ctx: is nil"}},
	"Drain":          {{"ctx", func(c *awsiot.Client) error { return c.Drain(noContext) }, "awsiot: ctx: is nil"}},
	"Stop":           {{"ctx", func(c *awsiot.Client) error { return c.Stop(noContext, nil) }, "awsiot: ctx: is nil"}},
	"StartAndRetry":  {{"ctx", func(c *awsiot.Client) error { return c.StartAndRetry(noContext) }, "awsiot: ctx: is nil"}},
	"Publish": {
		{"packet", func(c *awsiot.Client) error { _, err := c.Publish(context.Background(), nil); return err }, "awsiot: PublishPacket: is nil"},
		{"ctx", func(c *awsiot.Client) error { _, err := c.Publish(noContext, packet("t", "x", 1)); return err }, "awsiot: ctx: is nil"},
		{"no topic", func(c *awsiot.Client) error {
			_, err := c.Publish(context.Background(), &awsiot.PublishPacket{})
			return err
		}, "Topic: "},
	},
	"PublishAsync": {{"packet", func(c *awsiot.Client) error { return c.PublishAsync(nil).Err() }, "awsiot: PublishPacket: is nil"}},
	"PublishFunc": {
		{"packet", func(c *awsiot.Client) error {
			ended := make(chan error, 1)
			c.PublishFunc(nil, func(_ awsiot.PublishResult, err error) { ended <- err })
			return <-ended
		}, "awsiot: PublishPacket: is nil"},
		{"both", func(c *awsiot.Client) error { c.PublishFunc(nil, nil); return nil }, ""},
		{"done", func(c *awsiot.Client) error { c.PublishFunc(packet("t", "x", 1), nil); return nil }, ""},
	},
	"Subscribe": {
		{"packet", func(c *awsiot.Client) error { _, err := c.Subscribe(context.Background(), nil); return err }, "awsiot: SubscribePacket: is nil"},
		{"ctx", func(c *awsiot.Client) error { _, err := c.Subscribe(noContext, filters(nil, "t")); return err }, "awsiot: ctx: is nil"},
		{"no filters", func(c *awsiot.Client) error {
			_, err := c.Subscribe(context.Background(), &awsiot.SubscribePacket{})
			return err
		}, "Subscriptions: 0 filters"},
		{"an empty filter", func(c *awsiot.Client) error {
			_, err := c.Subscribe(context.Background(), filters(nil, ""))
			return err
		}, "Subscriptions[0].TopicFilter: "},
	},
	"SubscribeAsync": {{"packet", func(c *awsiot.Client) error { return c.SubscribeAsync(nil).Err() }, "awsiot: SubscribePacket: is nil"}},
	"Unsubscribe": {
		{"packet", func(c *awsiot.Client) error { _, err := c.Unsubscribe(context.Background(), nil); return err }, "awsiot: UnsubscribePacket: is nil"},
		{"ctx", func(c *awsiot.Client) error {
			_, err := c.Unsubscribe(noContext, &awsiot.UnsubscribePacket{TopicFilters: []string{"t"}})
			return err
		}, "awsiot: ctx: is nil"},
		{"an empty filter", func(c *awsiot.Client) error {
			_, err := c.Unsubscribe(context.Background(), &awsiot.UnsubscribePacket{TopicFilters: []string{""}})
			return err
		}, "TopicFilters[0]: "},
	},
	"UnsubscribeAsync": {{"packet", func(c *awsiot.Client) error { return c.UnsubscribeAsync(nil).Err() }, "awsiot: UnsubscribePacket: is nil"}},
	"Messages": {
		{"packet", func(c *awsiot.Client) error { return firstError(c, context.Background(), nil) }, "awsiot: SubscribePacket: is nil"},
		{"ctx", func(c *awsiot.Client) error { return firstError(c, noContext, filters(nil, "t")) }, "awsiot: ctx: is nil"},
	},
	"Handle": {{"handler", func(c *awsiot.Client) error { c.Handle("t", nil)(); return nil }, ""}}, // has no error to return: it is logged
}

func firstError(c *awsiot.Client, ctx context.Context, p *awsiot.SubscribePacket) error {
	for _, err := range c.Messages(ctx, p) {
		return err
	}
	return nil
}

// nil where something belongs is a *ValidationError of the call, offline and online, and never a panic.
func TestNilArguments(t *testing.T) {
	client := reflect.TypeFor[*awsiot.Client]()
	for i := range client.NumMethod() {
		m := client.Method(i)
		for p := 1; p < m.Type.NumIn(); p++ {
			switch m.Type.In(p).Kind() {
			case reflect.Pointer, reflect.Func, reflect.Interface:
				if nilCalls[m.Name] == nil && m.Name != "Update" && m.Name != "Format" { // Update has a test of its own, and fmt calls Format
					t.Errorf("%s takes %v: what does it do with nil?", m.Name, m.Type.In(p))
				}
			}
		}
	}
	for method, calls := range nilCalls {
		for _, tt := range calls {
			t.Run(method+" "+tt.what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var logged bytes.Buffer
					w := newWorld(t, func(o *awsiot.ClientOptions) { o.Logger = slog.New(slog.NewTextHandler(&logged, nil)) })
					judge := func(state string) {
						err := tt.call(w.client)
						_, wrong := errors.AsType[*awsiot.ValidationError](err)
						if (err != nil) != (tt.want != "") || err != nil && (!wrong || !strings.Contains(err.Error(), tt.want)) {
							t.Errorf("%s: %v, want %q", state, err, tt.want)
						}
					}
					judge("stopped")
					w.start()
					judge("connected")
					synctest.Wait()
					if strings.Contains(logged.String(), "panic") || w.client.State() != awsiot.StateConnected {
						t.Errorf("%v; log: %s", w.client.State(), logged.String())
					}
					if method == "Handle" && !strings.Contains(logged.String(), "MessageHandler: is nil") {
						t.Errorf("log: %s", logged.String())
					}
				})
			})
		}
	}
}

// The functions and methods beside Client's.
func TestNilArgumentsElsewhere(t *testing.T) {
	c := awsiot.NewClient(awsiot.ClientOptions{})
	defer c.Close()
	f := c.PublishAsync(nil)
	for _, tt := range []struct {
		name, want string
		call       func() error
	}{
		{"Dial", "awsiot: ctx: is nil", func() error { _, err := awsiot.ClientOptions{}.Dial(noContext); return err }},
		{"Wait", "awsiot: ctx: is nil", func() error { _, err := f.Wait(noContext); return err }},
		{"OnDone", "PublishPacket: is nil", func() error { return f.OnDone(nil).Err() }},
		{"MTLSFromFunc", "MTLSFromFunc needs a function", func() error {
			return awsiot.ClientOptions{Endpoint: "h", Auth: awsiot.MTLSFromFunc(nil)}.Validate()
		}},
		{"a nil CustomAuthorizer", "Auth: is required", func() error {
			return awsiot.ClientOptions{Endpoint: "h", Auth: (*awsiot.CustomAuthorizer)(nil)}.Validate()
		}},
		{"an empty ConnectError", "awsiot: connect: failed", func() error { return &awsiot.ConnectError{} }},
	} {
		if err := tt.call(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if code, ok := awsiot.ReasonOf(nil); ok || awsiot.Retryable(nil) {
		t.Errorf("nil has the code %v", code)
	}
}
