package awsiot_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

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
