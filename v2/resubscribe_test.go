package awsiot_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// A SUBSCRIBE or UNSUBSCRIBE whose acknowledgement was lost is sent again on the next connection, but it does not undo
// what a later call did that was acknowledged.
func TestResentNotBehindLater(t *testing.T) {
	sub := func(fs ...string) func(c *awsiot.Client) func() string {
		return func(c *awsiot.Client) func() string {
			f := c.SubscribeAsync(filters(nil, fs...))
			return func() string {
				a, err := f.Wait(context.Background())
				if err != nil {
					return err.Error()
				}
				return fmt.Sprint(a.Codes)
			}
		}
	}
	unsub := func(fs ...string) func(c *awsiot.Client) func() string {
		return func(c *awsiot.Client) func() string {
			f := c.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: fs})
			return func() string {
				a, err := f.Wait(context.Background())
				if err != nil {
					return err.Error()
				}
				return fmt.Sprint(a.Codes)
			}
		}
	}
	type step struct {
		call     func(c *awsiot.Client) func() string
		answered bool // before the end of the connection
		want     string
	}
	success, qos1 := fmt.Sprint([]awsiot.ReasonCode{0}), fmt.Sprint([]awsiot.ReasonCode{1})
	for _, c := range []struct {
		name  string
		steps []step
		again []string // packets on the next connection
	}{
		{"subscribed behind an UNSUBSCRIBE", []step{{unsub("a"), false, success}, {sub("a"), true, qos1}}, nil},
		{"unsubscribed behind a SUBSCRIBE", []step{{sub("a"), false, qos1}, {unsub("a"), true, success}}, nil},
		{"one of two subscribed", []step{{unsub("a", "b"), false, fmt.Sprint([]awsiot.ReasonCode{0, 0})}, {sub("a"), true, qos1}},
			[]string{"UNSUBSCRIBE [b]"}},
		{"one of two unsubscribed", []step{{sub("a", "b"), false, fmt.Sprint([]awsiot.ReasonCode{1, 1})}, {unsub("b"), true, success}},
			[]string{"SUBSCRIBE [a]"}},
		{"subscribed with other options", []step{{sub("a"), false, qos1}, {sub("a"), true, qos1}}, nil},
		{"none is answered", []step{{sub("a"), false, qos1}, {unsub("a"), false, success}, {sub("a"), false, qos1}},
			[]string{"SUBSCRIBE [a]", "UNSUBSCRIBE [a]", "SUBSCRIBE [a]"}},
		{"the second is answered", []step{{sub("a"), false, qos1}, {unsub("a"), true, success}, {sub("a"), false, qos1}},
			[]string{"SUBSCRIBE [a]", "SUBSCRIBE [a]"}},
		{"the last is answered", []step{{sub("a"), false, qos1}, {unsub("a"), false, success}, {sub("a"), true, qos1}}, nil},
		{"about another filter", []step{{unsub("a"), false, success}, {sub("b"), true, qos1}}, []string{"UNSUBSCRIBE [a]"}},
		{"the later is refused", []step{{unsub("a"), false, success}, {sub("a"), true, "refused"}}, []string{"UNSUBSCRIBE [a]"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, rejoin)
			p := w.start()
			var results []func() string
			for _, s := range c.steps {
				results = append(results, s.call(w.client))
				switch v := p.next().(type) {
				case *packets.Subscribe:
					if s.want == "refused" {
						p.send(suback(v.PacketID, 0x87))
					} else if s.answered {
						p.send(suback(v.PacketID, slices.Repeat([]byte{1}, len(v.Subscriptions))...))
					}
				case *packets.Unsubscribe:
					if s.answered {
						p.answer(v)
					}
				}
				synctest.Wait()
			}
			p.cut()
			p, _ = w.accept(sessionPresent())
			for _, want := range c.again {
				var got string
				switch v := p.next().(type) {
				case *packets.Subscribe:
					var fs []string
					for _, s := range v.Subscriptions {
						fs = append(fs, s.Topic)
					}
					got = fmt.Sprint("SUBSCRIBE ", fs)
					p.send(suback(v.PacketID, slices.Repeat([]byte{1}, len(fs))...))
				case *packets.Unsubscribe:
					got = fmt.Sprint("UNSUBSCRIBE ", v.Topics)
					p.answer(v)
				}
				if got != want {
					t.Errorf("%s: sent again %s, want %s", c.name, got, want)
				}
			}
			p.silent(looks)
			for i, result := range results {
				if got := result(); got != c.steps[i].want && c.steps[i].want != "refused" {
					t.Errorf("%s: call %d got %s, want %s", c.name, i, got, c.steps[i].want)
				}
			}
			if s := w.client.Stats(); s.IncompleteOperationCount != 0 || s.IncompleteOperationSize != 0 {
				t.Errorf("%s: at the end %+v", c.name, s)
			}
		})
	}
}

// A batch of subscribing again is no larger than the broker takes, in filters and in bytes.
func TestResubscribeWithinPacketSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, rejoin)
		if err := w.client.Start(); err != nil {
			t.Fatal(err)
		}
		limit := func(a *packets.Connack) { a.Properties.MaximumPacketSize = new(uint32(300)) }
		p, _ := w.accept(limit)
		var want, got []string
		for i := range 5 {
			f := fmt.Sprint(i, strings.Repeat("x", 100))
			want = append(want, f)
			w.client.SubscribeAsync(filters(nil, f))
			p.answer(p.next())
		}
		p.cut()
		p, _ = w.accept(limit)
		for len(got) < len(want) {
			s := expect[*packets.Subscribe](p)
			if n := len(encode(t, s)); n > 300 {
				t.Errorf("a packet of %d bytes", n)
			}
			for _, sub := range s.Subscriptions {
				got = append(got, sub.Topic)
			}
			p.answer(s)
		}
		equal(t, "filters", got, want)
		p.silent(time.Second)
	})
}

// An operation that was sent on a lost connection, and waits for the next chance, has an unknown outcome when its
// caller gives up: the broker may have it already, and the client sends it again.
func TestCancelAfterLoss(t *testing.T) {
	for name, call := range map[string]func(ctx context.Context, c *awsiot.Client) error{
		"publish": func(ctx context.Context, c *awsiot.Client) error {
			_, err := c.Publish(ctx, packet("t", "", 1))
			return err
		},
		"subscribe": func(ctx context.Context, c *awsiot.Client) error {
			_, err := c.Subscribe(ctx, filters(nil, "f"))
			return err
		},
		"unsubscribe": func(ctx context.Context, c *awsiot.Client) error {
			_, err := c.Unsubscribe(ctx, &awsiot.UnsubscribePacket{TopicFilters: []string{"f"}})
			return err
		},
	} {
		for _, back := range []bool{false, true} { // connected again, in a new session
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, rejoin)
				p := w.start()
				w.client.PublishFunc(packet("first", "", 1), nil)
				expect[*packets.Publish](p)
				ctx, cancel := context.WithCancel(context.Background())
				ended := make(chan error, 1)
				go func() { ended <- call(ctx, w.client) }()
				sent := p.next()
				p.cut()
				synctest.Wait()
				one := func(a *packets.Connack) { a.Properties.ReceiveMaximum = new(uint16(1)) }
				if back {
					p, _ = w.accept(one) // the first publish takes the only place
				}
				cancel()
				if err := <-ended; !errors.Is(err, awsiot.ErrUnknownOutcome) || !errors.Is(err, context.Canceled) {
					t.Errorf("%s, connected again %v: %v", name, back, err)
				}
				if !back {
					p, _ = w.accept(one)
				}
				var again []string
				for range 2 {
					v := p.next()
					again = append(again, fmt.Sprintf("%T", v))
					p.answer(v)
				}
				if !slices.Contains(again, fmt.Sprintf("%T", sent)) { // it is sent all the same
					t.Errorf("%s, connected again %v: sent again %v", name, back, again)
				}
				p.silent(time.Second)
			})
		}
	}
}
