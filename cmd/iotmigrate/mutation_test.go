package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/portage-iot/awsiot/cmd/iotmigrate/internal/replay"
	"github.com/portage-iot/awsiot/cmd/iotmigrate/internal/wirediff"
)

// rewrittenExample is what iotmigrate makes of an example; TestTwins sees to it.
const rewrittenExample = "../../examples/v2-style/pubsub/main.go"

// Texts of the example that the mutants change.
const (
	birth    = "client := awsiot.NewClient(opts)"
	sent     = "QoS: 1}); err != nil {"
	filtered = "QoS: 1, Handler:"
	stop     = "client.Stop(ctx, nil)"
	leave    = "for i := 0; target.More(i); i++ {"
)

// mutant is a change of the example that other programs could see, with what must be said of it.
type mutant struct {
	what     string
	old, new string
	kind     wirediff.Kind
	names    string // one of the properties that differ
}

var mutants = []mutant{
	{"a byte of a payload", "Hello", "hello", wirediff.Sent, "payload from byte 13"},
	{"the order of two payloads", `"sequence": %d}` + "`, i)", `"sequence": %d}` + "`, 1-i)", wirediff.Sent, "payload from byte 40"},
	{"the topic of a publish", "Topic: target.Topic, Payload: []byte(payload), " + sent, "Topic: target.Topic + \"x\", Payload: []byte(payload), " + sent + "\nlocal.Tell(received, true)", wirediff.Sent, "missing in the new program"},
	{"QoS 0 for 1", sent, "QoS: 0}); err != nil {", wirediff.Sent, "QoS"},
	{"retain", sent, "QoS: 1, Retain: true}); err != nil {", wirediff.Sent, "retain"},
	{"a content type", sent, "QoS: 1, ContentType: \"text/plain\"}); err != nil {", wirediff.Sent, "properties"},
	{"a user property", sent, "QoS: 1, UserProperties: []awsiot.UserProperty{{Name: \"a\", Value: \"b\"}}}); err != nil {", wirediff.Received, "properties"},
	{"a message expiry", sent, "QoS: 1, MessageExpiry: new(time.Minute)}); err != nil {", wirediff.Sent, "properties"},
	{"a publish more", stop, "client.PublishAsync(&awsiot.PublishPacket{Topic: \"more\"}).Err(); err != nil {\nreturn err\n}\nif err := client.Stop(ctx, nil)", wirediff.Sent, "missing in the old program"},
	{"a publish less", "if i%2 == 0 {", "if i == 0 {\nlocal.Tell(received, true)\n} else if i%2 == 0 {", wirediff.Sent, "missing in the new program"},
	{"a publish twice", leave, leave + "\nif i == 0 {\nclient.Publish(ctx, &awsiot.PublishPacket{Topic: target.Topic, Payload: []byte(`{\"message\": \"Hello World!\", \"sequence\": 0}`), QoS: 1})\n<-received\n}", wirediff.Sent, "missing in the old program"},
	{"another filter", "TopicFilter: target.Topic, QoS", "TopicFilter: target.Topic + \"/#\", QoS", wirediff.Subscribe, "missing in the old program"},
	{"the QoS of a filter", filtered, "QoS: 0, Handler:", wirediff.Subscribe, "QoS"},
	{"an option of a filter", filtered, "QoS: 1, RetainAsPublished: true, Handler:", wirediff.Subscribe, "QoS"},
	{"a filter more", leave, "if _, err := client.Subscribe(ctx, &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: \"more\"}}}); err != nil {\nreturn err\n}\n" + leave, wirediff.Subscribe, "missing in the old program"},
	{"no acknowledgement of what is received", "fmt.Printf(\"received %s from %s\\n\", message.Payload, message.Topic)", "fmt.Printf(\"received %s from %s\\n\", message.Payload, message.Topic)\nmessage.HoldAck()", wirediff.Received, "acknowledgement"},
	{"no unsubscribe", "if _, err := client.Unsubscribe(ctx, &awsiot.UnsubscribePacket{TopicFilters: []string{target.Topic}}); err != nil {", "if err := error(nil); err != nil {", wirediff.Unsubscribe, "missing in the new program"},
	{"no DISCONNECT", stop, "stopped(client)", wirediff.End, "end of the connection"},
	{"a DISCONNECT that asks for the will", stop, "client.Stop(ctx, &awsiot.DisconnectPacket{Code: 4})", wirediff.End, "end of the connection"},
	{"another keep-alive", birth, "opts.KeepAlive = time.Minute\n" + birth, wirediff.Connect, "keep alive"},
	{"another client id", "OptionsV1(target.ClientID)", "OptionsV1(target.ClientID + \"x\")", wirediff.Connect, "client id"},
	{"a session that is kept", birth, "opts.SessionBehavior, opts.SessionExpiry = awsiot.RejoinAlways, time.Hour\n" + birth, wirediff.Connect, "session at the end"},
	{"a will", birth, "opts.Will = &awsiot.Will{Topic: \"gone\"}\n" + birth, wirediff.Connect, "will"},
	{"a user name", birth, "opts.Username = \"me\"\n" + birth, wirediff.Connect, "user name"},
	{"a password", birth, "opts.Username, opts.Password = \"me\", []byte(\"p\")\n" + birth, wirediff.Connect, "password"},
	{"a second connection", leave, "if err := client.Stop(ctx, nil); err != nil {\nreturn err\n}\nif err := client.StartAndWait(ctx); err != nil {\nreturn err\n}\n" + leave, wirediff.Connect, "missing in the old program"},
}

// addMutants puts the example and its mutants beside the rewritten programs.
func (c *corpus) addMutants(t *testing.T) []mutant {
	t.Helper()
	src, err := os.ReadFile(rewrittenExample)
	if err != nil {
		t.Fatal(err)
	}
	c.extra["after/mutant/main.go"] = asPackage(src)
	for i, m := range mutants {
		if !bytes.Contains(src, []byte(m.old)) {
			t.Fatalf("%s: the example has no %q any more", m.what, m.old)
		}
		text := strings.Replace(string(src), m.old, m.new, 1)
		if strings.Contains(m.new, "stopped(") {
			text += "\n// stopped ends the connection without a word.\nfunc stopped(c *awsiot.Client) error {\n\tc.Abort()\n\treturn nil\n}\n"
		}
		c.extra[fmt.Sprintf("after/mutant%d/main.go", i)] = asPackage([]byte(text))
	}
	return mutants
}

// mutations runs the mutants: each must be reported with the packet that it changes.
func (c *corpus) mutations(t *testing.T, mutants []mutant) {
	words, err := splitWords(replay.DefaultArgs + " -n 2 -interval 1ms -timeout 30s")
	if err != nil {
		t.Fatal(err)
	}
	o := replay.Options{Args: words, Thing: "device"}
	old, err := c.record(t, "after", "mutant", o)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.record(t, "after", "mutant", o)
	if err != nil {
		t.Fatal(err)
	}
	if res := wirediff.Compare(old.Packets, again.Packets, wirediff.Options{}); !res.Equal() {
		t.Fatalf("the example differs from itself: %v", res.Differences)
	}
	var wait sync.WaitGroup
	slots := make(chan bool, 4)
	for i, m := range mutants {
		wait.Go(func() {
			slots <- true
			defer func() { <-slots }()
			run, err := c.record(t, "after", fmt.Sprint("mutant", i), o)
			if err != nil {
				t.Errorf("%s: %v", m.what, err)
				return
			}
			res := wirediff.Compare(old.Packets, run.Packets, wirediff.Options{})
			for _, d := range res.Differences {
				if d.Kind == m.kind && strings.Contains(strings.Join(d.What, ", "), m.names) && strings.Contains(d.String(), "packet ") {
					return
				}
			}
			t.Errorf("%s: no difference of %s in %q, but %v", m.what, m.kind, m.names, res.Differences)
		})
	}
	wait.Wait()
}
