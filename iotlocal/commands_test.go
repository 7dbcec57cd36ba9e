package iotlocal_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	p5 "github.com/eclipse/paho.golang/packets"
	p3 "github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal"
)

const lampCommands = "$aws/commands/things/lamp/executions/"

// publish3 publishes at QoS 1 as a 3.1.1 client and reads the PUBACK.
func (d *device) publish3(topic, payload string) {
	d.t.Helper()
	p := p3.NewControlPacket(p3.Publish).(*p3.PublishPacket)
	p.TopicName, p.Payload, p.Qos, p.MessageID = topic, []byte(payload), 1, 7
	d.send3(p)
	if _, ok := d.read3().(*p3.PubackPacket); !ok {
		d.t.Fatal("no PUBACK")
	}
}

// The life of a command with the filters of AWS's SDKs, over both protocols.
func TestCommandsOverMQTT(t *testing.T) {
	for name, five := range protocols {
		t.Run(name, func(t *testing.T) {
			bubble(t, iotlocal.Options{}, func(e *env) {
				d := e.device("lamp", five)
				d.subscribe(1, lampCommands+"+/request/json", lampCommands+"+/request/cbor", lampCommands+"+/request",
					lampCommands+"+/response/accepted/json", lampCommands+"+/response/rejected/json")
				h := e.srv.Commands("lamp")
				for _, c := range []struct {
					contentType, topic string
				}{{"", "/request/json"}, {"application/cbor", "/request/cbor"}, {"text/plain", "/request"}} {
					id, err := h.Start(`{"op":"on"}`, iotlocal.CommandOptions{ContentType: c.contentType, Timeout: time.Minute + 1})
					if err != nil {
						t.Fatal(err)
					}
					if m := d.next(); m.topic != lampCommands+id+c.topic || m.payload != `{"op":"on"}` || m.qos != 1 {
						t.Errorf("%+v", m)
					}
				}
				all := h.List()
				if len(all) != 3 || all[0].Status != iotlocal.CommandCreated || all[1].ContentType != "application/cbor" {
					t.Fatalf("%+v", all)
				}
				id := all[0].ID
				d.publish(lampCommands+id+"/response/json", `{"status":"IN_PROGRESS","clientToken":"1"}`)
				if m := d.next(); m.topic != lampCommands+id+"/response/accepted/json" || m.payload != `{"clientToken":"1","executionId":"`+id+`"}` {
					t.Errorf("%+v", m)
				}
				d.publish(lampCommands+id+"/response/json", `{"status":"SUCCEEDED","result":{"level":{"s":"7"}}}`)
				d.next()
				d.publish(lampCommands+id+"/response/json", `{"status":"FAILED"}`)
				if m := d.next(); m.topic != lampCommands+id+"/response/rejected/json" || !strings.Contains(m.payload, `"error":"TerminalStateReached"`) {
					t.Errorf("%+v", m)
				}
				if x, err := h.Describe(id); err != nil || x.Status != iotlocal.CommandSucceeded || *x.Result["level"].S != "7" {
					t.Errorf("%+v %v", x, err)
				}
				// The others end by the clock.
				e.srv.Clock().Advance(time.Minute + time.Second)
				if x, _ := h.Describe(all[1].ID); x.Status != iotlocal.CommandTimedOut || x.StatusReason.Code != "$NO_RESPONSE_FROM_DEVICE" {
					t.Errorf("%+v", x)
				}
				d.quiet()
				d.drop()
			})
		})
	}
}

// MQTT 5 carries the content type, and as message expiry what is left of the
// timeout: also to a device that comes back, if it does so in time.
func TestCommandProperties(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		c, _ := e.connect5("lamp", persistent)
		c.sub(1, "$aws/commands/clients/lamp/executions/+/request")
		h := e.srv.ClientCommands("lamp")
		if _, err := h.Start([]byte{1}, iotlocal.CommandOptions{ContentType: "x/y", Timeout: 2500 * time.Millisecond}); err != nil {
			t.Fatal(err)
		}
		if m := want[*p5.Publish](c); m.Properties.ContentType != "x/y" || *m.Properties.MessageExpiry != 3 {
			t.Errorf("%+v", m.Properties)
		}
		c.drop()
		for _, timeout := range []time.Duration{10 * time.Second, time.Minute} {
			if _, err := h.Start("late", iotlocal.CommandOptions{ContentType: "x/y", Timeout: timeout}); err != nil {
				t.Fatal(err)
			}
		}
		e.srv.Clock().Advance(20 * time.Second)
		c, _ = e.connect5("lamp", persistent)
		first := want[*p5.Publish](c) // was not acknowledged
		if !first.Duplicate {
			t.Errorf("%+v", first)
		}
		if m := want[*p5.Publish](c); *m.Properties.MessageExpiry != 40 || string(m.Payload) != "late" {
			t.Errorf("%+v", m.Properties)
		}
		c.quiet()
		c.drop()
	})
}

func TestCommandsHandle(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{CommandLimits: iotlocal.CommandLimits{Payload: 10}})
	h := srv.Commands("lamp")
	is := func(err error, code iotlocal.CommandErrorCode) {
		t.Helper()
		var refused *iotlocal.CommandError
		if !errors.As(err, &refused) || refused.Code != code {
			t.Errorf("%v, want %v", err, code)
		}
	}
	for _, payload := range []any{"x", []byte("x"), json.RawMessage("{}"), map[string]int{"a": 1}} {
		if _, err := h.Start(payload, iotlocal.CommandOptions{}); err != nil {
			t.Errorf("%T: %v", payload, err)
		}
	}
	id, err := h.Start("x", iotlocal.CommandOptions{ExecutionID: "one"})
	if err != nil || id != "one" {
		t.Error(id, err)
	}
	_, err = h.Start("x", iotlocal.CommandOptions{ExecutionID: "one"})
	is(err, iotlocal.CommandAlreadyExists)
	_, err = h.Start("more than ten", iotlocal.CommandOptions{})
	is(err, iotlocal.CommandInvalidRequest)
	_, err = h.Start(func() {}, iotlocal.CommandOptions{})
	if err == nil || !strings.Contains(err.Error(), "command payload") {
		t.Error(err)
	}
	_, err = h.Describe("none")
	is(err, iotlocal.CommandResourceNotFound)
	is(h.Delete("one"), iotlocal.CommandInvalidRequest)
	is(h.Refuse(iotlocal.CommandResourceNotFound, 1), iotlocal.CommandInvalidRequest)
	if err := h.Refuse(iotlocal.CommandDataConflict, 1); err != nil {
		t.Error(err)
	}
	if err := h.Refuse(iotlocal.CommandDataConflict, 0); err != nil {
		t.Error(err)
	}
	_, err = srv.Commands("a/b").Start("x", iotlocal.CommandOptions{})
	is(err, iotlocal.CommandInvalidRequest)
}
