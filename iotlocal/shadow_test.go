package iotlocal_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	p5 "github.com/eclipse/paho.golang/packets"
	p3 "github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal"
)

// suffixes reads n messages and returns what follows the shadow's prefix.
func (r *raw) suffixes(prefix string, n int) (topics []string, payloads []string) {
	r.t.Helper()
	for range n {
		m := want[*p5.Publish](r)
		s, ok := strings.CutPrefix(m.Topic, prefix)
		if !ok {
			r.t.Errorf("topic %s", m.Topic)
		}
		if m.QoS == 1 {
			r.ack(m.PacketID)
		}
		topics, payloads = append(topics, s), append(payloads, string(m.Payload))
	}
	return topics, payloads
}

func TestShadowOverMQTT(t *testing.T) {
	for name, prefix := range map[string]string{"classic": "$aws/things/lamp/shadow/", "named": "$aws/things/lamp/shadow/name/mode/"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, iotlocal.Options{}, func(e *env) {
				r, _ := e.connect5("lamp")
				if g := r.sub(1, prefix+"get/+", prefix+"delete/+", prefix+"update/accepted", prefix+"update/rejected", prefix+"update/delta", prefix+"update/documents"); slices.Max(g) != 1 {
					t.Fatalf("SUBACK % X", g)
				}
				ask := func(op, body string, want ...string) []string {
					t.Helper()
					if code := r.pub(prefix+op, body, 5); code != 0 {
						t.Fatalf("PUBACK 0x%02X", code)
					}
					topics, payloads := r.suffixes(prefix, len(want))
					if !slices.Equal(topics, want) {
						t.Fatalf("%s: got %v, want %v", op, topics, want)
					}
					return payloads
				}
				p := ask("get", `{"clientToken":"1"}`, "get/rejected")
				if !strings.Contains(p[0], `"code":404`) || !strings.Contains(p[0], `"clientToken":"1"`) {
					t.Error(p)
				}
				p = ask("update", `{"state":{"desired":{"on":true}},"clientToken":"2"}`, "update/delta", "update/accepted", "update/documents")
				if !strings.HasPrefix(p[0], `{"state":{"on":true}`) || !strings.Contains(p[1], `"version":1,`) || !strings.HasPrefix(p[2], `{"previous":`) {
					t.Error(p)
				}
				ask("update", `{"state":{"reported":{"on":true}}}`, "update/accepted", "update/documents")
				p = ask("update", `{"state":{"reported":{"on":true}},"version":1,"clientToken":"3"}`, "update/rejected")
				if !strings.Contains(p[0], `"code":409,"message":"Version conflict"`) {
					t.Error(p)
				}
				p = ask("get", ``, "get/accepted")
				if !json.Valid([]byte(p[0])) || strings.Contains(p[0], "delta") || !strings.Contains(p[0], `"version":2`) {
					t.Error(p)
				}
				p = ask("delete", `{"clientToken":"4"}`, "delete/accepted")
				if !strings.Contains(p[0], `"version":2`) {
					t.Error(p)
				}
				r.quiet()
				r.bye()
			})
		})
	}
}

func TestShadowOtherTopicsPassBy(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		r, _ := e.connect5("c")
		r.sub(0, "$aws/things/#")
		for _, topic := range []string{"$aws/things/lamp/shadow/update/accepted", "$aws/things/lamp/shadow/other", "$aws/things/lamp/else"} {
			if code := r.pub2qos0(topic); code != 0 {
				t.Errorf("%s: PUBACK 0x%02X", topic, code)
			}
			r.quiet()
		}
		// A bad name is answered, not ignored.
		r.pub2qos0("$aws/things/a b/shadow/get")
		if m := want[*p5.Publish](r); m.Topic != "$aws/things/a b/shadow/get/rejected" || !strings.Contains(string(m.Payload), `"code":400`) {
			t.Errorf("%v", m)
		}
		r.quiet()
		r.bye()
	})
}

// pub2qos0 publishes QoS 1 to a topic the client has subscribed at QoS 0.
func (r *raw) pub2qos0(topic string) byte {
	r.t.Helper()
	r.send(pub5(topic, "{}", 1, 5))
	if m := want[*p5.Publish](r); m.Topic != topic {
		r.t.Errorf("%v", m)
	}
	return want[*p5.Puback](r).ReasonCode
}

func TestShadowHandle(t *testing.T) {
	bubble(t, iotlocal.Options{ShadowLimits: iotlocal.ShadowLimits{Bytes: 100}}, func(e *env) {
		device, _ := e.connect3("device")
		device.sub3(1, "$aws/things/lamp/shadow/update/delta")
		h := e.srv.Shadow("lamp", "")
		var se *iotlocal.ShadowError
		if _, err := h.Get(); !errors.As(err, &se) || se.Code != 404 {
			t.Errorf("Get: %v", err)
		}
		if v, err := h.Update(map[string]any{"state": map[string]any{"desired": map[string]any{"on": true}}}); v != 1 || err != nil {
			t.Errorf("Update: %d, %v", v, err)
		}
		if m := device.read3().(*p3.PublishPacket); !strings.HasPrefix(string(m.Payload), `{"state":{"on":true}`) {
			t.Errorf("delta %s", m.Payload)
		}
		for _, doc := range []any{`{"state":{"desired":{"on":false}}}`, []byte(`{"state":{"desired":{"on":null}}}`), json.RawMessage(`{"state":{}}`)} {
			if _, err := h.Update(doc); err != nil {
				t.Errorf("Update: %v", err)
			}
		}
		if _, err := h.Update(`{"state":{"desired":{"x":"` + strings.Repeat("y", 100) + `"}}}`); !errors.As(err, &se) || se.Code != 413 {
			t.Errorf("Update: %v", err)
		}
		if _, err := h.Update(func() {}); err == nil || !strings.HasPrefix(err.Error(), "iotlocal: shadow update: ") {
			t.Errorf("Update: %v", err)
		}
		if b, err := h.Get(); err != nil || !strings.Contains(string(b), `"version":4`) || h.Version() != 4 {
			t.Errorf("Get: %s, %v", b, err)
		}
		if err := h.Delete(); err != nil {
			t.Error(err)
		}
		if err := h.Delete(); !errors.As(err, &se) || se.Code != 404 {
			t.Errorf("Delete: %v", err)
		}
		if _, err := e.srv.Shadow("no/thing", "").Update(`{}`); err == nil || !strings.HasPrefix(err.Error(), "iotlocal: ") {
			t.Errorf("bad name: %v", err)
		}
		if _, err := e.srv.Shadow("lamp", "a").Update(`{"state":{}}`); err != nil || !slices.Equal(e.srv.Shadows("lamp"), []string{"a"}) {
			t.Errorf("named: %v %v", err, e.srv.Shadows("lamp"))
		}
		device.drop()
	})
}
