package awsiot_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// A request whose answers nobody takes is logged, once: the program has subscribed to the wrong topic, or not at all.
func TestUnheardAnswers(t *testing.T) {
	for topic, want := range map[string]bool{
		"$aws/certificates/create/json":                             true,
		"$aws/certificates/create/cbor":                             true,
		"$aws/certificates/create-from-csr/json":                    true,
		"$aws/provisioning-templates/fleet/provision/json":          true,
		"$aws/things/t/jobs/get":                                    true,
		"$aws/things/t/jobs/start-next":                             true,
		"$aws/things/t/jobs/$next/get":                              true,
		"$aws/things/t/shadow/get":                                  true,
		"$aws/things/t/shadow/name/n/get":                           true,
		"$aws/things/t/shadow/update":                               false, // makes sense alone
		"$aws/things/t/shadow/delete":                               false,
		"$aws/things/t/jobs/j/update":                               false,
		"$aws/things/get":                                           false,
		"$aws/rules/r/get":                                          false,
		"$aws/certificates/create/json/accepted":                    false,
		"$aws/provisioning-templates/fleet/provision/json/a":        false,
		"$aws/provisioning-templates/fleet/provision":               false,
		"$aws/certificates/create":                                  false,
		"$aws":                                                      false,
		"things/t/shadow/get":                                       false,
		"$AWS/certificates/create/json":                             false,
		"$aws/provisioning-templates/fleet/provision/json/rejected": false,
	} {
		synctest.Test(t, func(t *testing.T) {
			log := newStateLog(t)
			w := newWorld(t, func(o *awsiot.ClientOptions) {
				o.Logger, o.OfflineQueue.Behavior = slog.New(log), awsiot.KeepAll
			})
			logged := func(n int, when string) {
				t.Helper()
				if l := log.matching("no handler takes its answers"); len(l) != n || n > 0 && !strings.Contains(l[0], topic+"/accepted") {
					t.Errorf("%s, %s: log %q, want %d", topic, when, l, n)
				}
			}
			remove := w.client.Handle(strings.Replace(topic, "/t/", "/+/", 1)+"/+", func(*awsiot.Message) {})
			w.client.PublishFunc(packet(topic, "", 1), nil)
			logged(0, "with a handler")
			remove()
			n := 0
			if want {
				n = 1
			}
			w.client.Handle(topic+"/rejected", func(*awsiot.Message) {}) // the wrong one
			w.client.PublishFunc(packet(topic, "", 1), nil)
			w.client.PublishAsync(packet(topic, "", 0))
			logged(n, "without")
		})
	}
}

// Whoever takes every message takes the answers, too.
func TestUnheardAnswersWithOnPublishReceived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newStateLog(t)
		w := newWorld(t, func(o *awsiot.ClientOptions) {
			o.Logger, o.OnPublishReceived = slog.New(log), func(*awsiot.Message) {}
		})
		w.client.PublishFunc(packet("$aws/certificates/create/json", "", 1), nil)
		if l := log.matching("no handler takes its answers"); len(l) != 0 {
			t.Errorf("log %q", l)
		}
	})
}

// What the AWS SDKs' generated types cannot say or do not show, since payloads are handed over as they are: null in a
// shadow, and the clientToken of a delta.
func TestShadowPayloadsWhole(t *testing.T) {
	withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
		n := e.client("c", nil).up()
		n.subscribe("$aws/things/t/shadow/update/delta", "$aws/things/t/shadow/get/accepted")
		update := func(doc string) { n.publish("$aws/things/t/shadow/update", doc); synctest.Wait() }
		update(`{"state":{"desired":{"a":1,"b":2}},"clientToken":"tok"}`)
		if got := n.got.take(); len(got) != 1 || !strings.Contains(got[0], `"clientToken":"tok"`) {
			t.Errorf("delta %q", got)
		}
		update(`{"state":{"desired":{"a":null}}}`)
		update(`{"state":{"desired":null,"reported":{"c":3}}}`)
		n.got.take()
		if _, err := n.Publish(context.Background(), packet("$aws/things/t/shadow/get", "", 1)); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		if got := n.got.take(); len(got) != 1 || !strings.Contains(got[0], `"state":{"reported":{"c":3}}`) {
			t.Errorf("shadow %q", got)
		}
	})
}
