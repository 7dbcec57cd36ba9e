package iotlocal_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	p5 "github.com/eclipse/paho.golang/packets"
	p3 "github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal"
)

const anyARN = "arn:aws:iot:us-east-1:123456789012:"

// statement is one of a policy document.
type statement struct {
	Effect, Action, Resource any
	Condition                map[string]any `json:",omitempty"`
}

// put stores a policy and attaches it.
func put(t *testing.T, srv *iotlocal.Server, name, principal string, statements ...statement) {
	t.Helper()
	err := srv.Policy().Put(name, map[string]any{"Version": "2012-10-17", "Statement": statements})
	if err := errors.Join(err, srv.Policy().Attach(name, principal)); err != nil {
		t.Fatal(err)
	}
}

// deviceStatements are what most tests let clients do: connect, and everything on topics that begin with a.
var deviceStatements = []statement{
	{"Allow", "iot:Connect", "*", nil}, {"Allow", []string{"iot:Publish", "iot:Receive"}, anyARN + "topic/a*", nil},
	{"Allow", "iot:Subscribe", anyARN + "topicfilter/a*", nil}, {"Deny", "iot:*", []string{anyARN + "topic/a/secret*", anyARN + "topicfilter/a/secret*"}, nil},
}

// refused returns the reasons of refusals in the record of a client.
func (e *env) refused(id string) (all []string) {
	synctest.Wait()
	for _, p := range e.srv.Recorder().Packets() {
		if p.ClientID != id {
			continue
		}
		if p.Refusal != "" {
			all = append(all, fmt.Sprintf("%v %s", p.Type, p.Refusal))
		} else if p.Type == iotlocal.ServerClosed && p.Reason != "" {
			all = append(all, fmt.Sprintf("%v %s", p.Type, p.Reason))
		}
	}
	return all
}

func TestPolicyWithMQTT5(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		t := e.t
		free, _ := e.connect5("free") // before any policy is stored
		if code := free.pub("free", "x", 1); code != 0x10 {
			t.Errorf("PUBACK 0x%02X without policies", code)
		}
		put(t, e.srv, "device", iotlocal.Anonymous, deviceStatements...)
		if code := free.pub("free", "x", 2); code != 0x87 { // an open connection is asked anew
			t.Errorf("PUBACK 0x%02X of an open connection", code)
		}
		free.bye()

		c, _ := e.connect5("c")
		for topic, want := range map[string]byte{"a": 0x10, "a/b": 0x10, "b": 0x87, "a/secret": 0x87} {
			if code := c.pub(topic, "x", 1); code != want {
				t.Errorf("%s: PUBACK 0x%02X, want 0x%02X", topic, code, want)
			}
		}
		if codes := c.sub(1, "a/#", "b", "#", "a/secret/x", "$share/g/a"); !bytes.Equal(codes, []byte{1, 0x87, 0x87, 0x87, 0x87}) {
			t.Errorf("SUBACK %x", codes)
		}
		retained := pub5("a/r", "x", 1, 3)
		retained.Retain = true
		c.send(retained)
		if a := want[*p5.Puback](c); a.ReasonCode != 0x87 || a.Properties.ReasonString != "" {
			t.Errorf("retained: PUBACK 0x%02X %q", a.ReasonCode, a.Properties.ReasonString)
		}
		if got := e.refused("c"); !slices.Contains(got, "PUBACK iot:RetainPublish on topic/a/r by anonymous: implicit deny: no statement allows it") ||
			!slices.Contains(got, "PUBACK iot:Publish on topic/a/secret by anonymous: explicit deny by policy device, statement 3") ||
			!slices.Contains(got, "SUBACK iot:Subscribe on topicfilter/b by anonymous: implicit deny: no statement allows it") {
			t.Errorf("record %q", got)
		}
		put(t, e.srv, "retain", iotlocal.AnyPrincipal, statement{"Allow", "iot:RetainPublish", "*", nil})
		c.send(retained)
		if m := want[*p5.Publish](c); m.Topic != "a/r" {
			t.Errorf("%v", m)
		}
		if a := want[*p5.Puback](c); a.ReasonCode != 0 {
			t.Errorf("retained: PUBACK 0x%02X", a.ReasonCode)
		}
		// QoS 0 has no answer that could carry a code.
		c.send(pub5("b", "x", 0, 0))
		c.disconnected(0x87)
		if got := e.refused("c"); got[len(got)-1] != "SERVER_SIDE_CLOSED iot:Publish on topic/b by anonymous: implicit deny: no statement allows it" {
			t.Errorf("record %q", got)
		}
		if !e.srv.Policy().Detach("device", iotlocal.Anonymous) {
			t.Error("not attached")
		}
		r, ack := e.connect5("c")
		if ack.ReasonCode != 0x87 {
			t.Errorf("CONNACK 0x%02X", ack.ReasonCode)
		}
		r.closed()
		if got := e.refused("c"); !slices.Contains(got, "CONNACK iot:Connect on client/c by anonymous: implicit deny: no statement allows it") {
			t.Errorf("record %q", got)
		}
		// Without policies everything is allowed again.
		for _, n := range e.srv.Policy().Names() {
			e.srv.Policy().Delete(n)
		}
		r, ack = e.connect5("c")
		if ack.ReasonCode != 0 {
			t.Errorf("CONNACK 0x%02X without policies", ack.ReasonCode)
		}
		r.bye()
	})
}

func TestPolicyWithMQTT311(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(r *raw)
		want string // reason of the end
	}{
		{"QoS 0", func(r *raw) { r.write([]byte("\x30\x03\x00\x01b")) }, "iot:Publish on topic/b by anonymous: implicit deny: no statement allows it"},
		{"QoS 1", func(r *raw) { r.write([]byte("\x32\x05\x00\x01b\x00\x01")) }, "iot:Publish on topic/b by anonymous"},
		{"retained", func(r *raw) { r.write([]byte("\x33\x05\x00\x01a\x00\x01")) }, "iot:RetainPublish on topic/a by anonymous"},
		{"subscribe", func(r *raw) { r.write([]byte("\x82\x0a\x00\x01\x00\x01a\x01\x00\x01b\x01")) }, "iot:Subscribe on topicfilter/b by anonymous"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, iotlocal.Options{}, func(e *env) {
				put(e.t, e.srv, "device", iotlocal.Anonymous, deviceStatements...)
				r, ack := e.connect3("c")
				if ack.ReturnCode != 0 {
					e.t.Fatalf("return code %d", ack.ReturnCode)
				}
				tt.do(r)
				r.closed()
				if got := e.refused("c"); len(got) != 1 || !strings.HasPrefix(got[0], "SERVER_SIDE_CLOSED "+tt.want) {
					e.t.Errorf("record %q", got)
				}
				if s, ok := e.srv.Session("c"); ok {
					e.t.Errorf("session %v", s)
				}
			})
		})
	}
	bubble(t, iotlocal.Options{}, func(e *env) {
		put(e.t, e.srv, "none", iotlocal.Anonymous, statement{"Allow", "iot:Connect", anyARN + "client/other", nil})
		r, ack := e.connect3("c")
		if ack.ReturnCode != 7 { // as AWS, instead of 5
			e.t.Errorf("return code %d", ack.ReturnCode)
		}
		r.closed()
		other, ack := e.connect3("other")
		if ack.ReturnCode != 0 {
			e.t.Errorf("return code %d", ack.ReturnCode)
		}
		other.send3(p3.NewControlPacket(p3.Disconnect))
		other.closed()
	})
}

// What a client may not receive is not sent: live, from its queue, retained, or as the answer of a service.
func TestPolicyOfReceiving(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		t := e.t
		publish := func(topic string, qos byte, retain bool) {
			t.Helper()
			if _, err := e.srv.Publish(iotlocal.Message{Topic: topic, Payload: []byte(topic), QoS: qos, Retain: retain}); err != nil {
				t.Fatal(err)
			}
		}
		put(t, e.srv, "device", iotlocal.Anonymous, append(slices.Clone(deviceStatements), statement{"Allow", "iot:Subscribe", "*", nil},
			statement{"Allow", "iot:Publish", anyARN + "topic/$aws/things/c/jobs/get", nil})...)
		publish("b/retained", 1, true)
		c, _ := e.connect5("c", persistent)
		c.sub(1, "a/#", "b/#")
		c.sub(1, "b/retained")
		for _, qos := range []byte{0, 1} {
			publish("b/x", qos, false)
			publish("a/secret", qos, false)
			publish("a/x", qos, false)
			if m := want[*p5.Publish](c); m.Topic != "a/x" || m.QoS != qos {
				t.Errorf("%v", m)
			} else if qos == 1 {
				c.ack(m.PacketID)
			}
		}
		if code := c.pub("$aws/things/c/jobs/get", "{}", 9); code != 0 {
			t.Errorf("PUBACK 0x%02X", code)
		}
		c.quiet()
		got := e.refused("c")
		for _, topic := range []string{"b/retained", "b/x", "$aws/things/c/jobs/get/accepted"} {
			if !slices.Contains(got, "PUBLISH iot:Receive on topic/"+topic+" by anonymous: implicit deny: no statement allows it") {
				t.Errorf("%s is not in the record %q", topic, got)
			}
		}
		c.drop()
		publish("b/offline", 1, false)
		publish("a/offline", 1, false)
		if s, _ := e.srv.Session("c"); s.Queued != 2 {
			t.Errorf("%d queued", s.Queued)
		}
		c, ack := e.connect5("c", persistent)
		if m := want[*p5.Publish](c); m.Topic != "a/offline" || !ack.SessionPresent {
			t.Errorf("%v", m)
		} else {
			c.ack(m.PacketID)
		}
		// Allowed from now on, on the open connection.
		put(t, e.srv, "more", iotlocal.Anonymous, statement{"Allow", "iot:Receive", anyARN + "topic/b/*", nil})
		publish("b/now", 0, false)
		if m := want[*p5.Publish](c); m.Topic != "b/now" {
			t.Errorf("%v", m)
		}
		synctest.Wait() // the acknowledgement has come
		if s, _ := e.srv.Session("c"); s.Queued+s.Unacked != 0 {
			t.Errorf("%+v", s)
		}
		c.drop()
	})
}

// Wills are asked about at CONNECT, and connect attributes are conditions.
func TestPolicyOfWillsAndAttributes(t *testing.T) {
	will := func(topic string) func(*p5.Connect) {
		return func(c *p5.Connect) { willOf(c, topic) }
	}
	attributes := func(values ...string) statement {
		return statement{"Allow", "iot:Connect", anyARN + "client/${iot:ClientId}", map[string]any{"ForAllValues:StringEquals": map[string]any{"iot:ConnectAttributes": values}}}
	}
	for _, tt := range []struct {
		name    string
		allowed []string
		change  []func(*p5.Connect)
		code    byte
	}{
		{"none", []string{"LastWill"}, nil, 0}, {"will", []string{"LastWill"}, []func(*p5.Connect){will("a/w")}, 0},
		{"will, not allowed", []string{"PersistentConnect"}, []func(*p5.Connect){will("a/w")}, 0x87},
		{"persistent, not allowed", []string{"LastWill"}, []func(*p5.Connect){persistent}, 0x87},
		{"both", []string{"LastWill", "PersistentConnect"}, []func(*p5.Connect){persistent, will("a/w")}, 0},
		{"no clean start and no expiry is not persistent", []string{"LastWill"}, []func(*p5.Connect){func(c *p5.Connect) { c.CleanStart = false }}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, iotlocal.Options{}, func(e *env) {
				put(e.t, e.srv, "p", iotlocal.Anonymous, append(slices.Clone(deviceStatements[1:]), attributes(tt.allowed...))...)
				r, ack := e.connect5("c", tt.change...)
				if ack.ReasonCode != tt.code {
					e.t.Errorf("CONNACK 0x%02X, want 0x%02X", ack.ReasonCode, tt.code)
				}
				r.drop()
			})
		})
	}
	bubble(t, iotlocal.Options{}, func(e *env) {
		put(e.t, e.srv, "device", iotlocal.Anonymous, append(slices.Clone(deviceStatements), statement{"Allow", []string{"iot:Subscribe", "iot:Receive"}, "*", nil})...)
		watch, _ := e.connect5("watch")
		watch.sub(0, "#")
		for _, topic := range []string{"b/will", "a/will"} { // the first may not be published
			r, ack := e.connect5("c", will(topic))
			if ack.ReasonCode != 0 {
				e.t.Fatalf("CONNACK 0x%02X", ack.ReasonCode)
			}
			r.drop()
		}
		if m := want[*p5.Publish](watch); m.Topic != "a/will" {
			e.t.Errorf("%v", m)
		}
		watch.bye()
	})
}

// Certificates, the things they are attached to, and what is in them.
func TestPolicyOfCertificates(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	lamp, fan := newThing(t, srv, "lamp"), newThing(t, srv, "fan")
	put(t, srv, "thing", iotlocal.AnyPrincipal,
		statement{"Allow", "iot:Connect", anyARN + "client/${iot:Connection.Thing.ThingName}", map[string]any{"Bool": map[string]any{"iot:Connection.Thing.IsAttached": "true"}}},
		statement{"Allow", "iot:Publish", anyARN + "topic/${iot:Connection.Thing.Attributes[room]}/${iot:Certificate.Subject.CommonName}", nil})
	if err := srv.Policy().SetThing(iotlocal.PolicyThing{Name: "lamp", Attributes: map[string]string{"room": "hall"}}); err != nil {
		t.Fatal(err)
	}
	connect := func(thing iotlocal.Thing, id string) (*raw, byte) {
		t.Helper()
		nc, err := dialTLS(t, srv, thing, &tls.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		r := &raw{t: t, nc: nc, id: id}
		r.send(connect5(id))
		return r, want[*p5.Connack](r).ReasonCode
	}
	if _, code := connect(lamp, "fan"); code != 0x87 { // the thing of another certificate
		t.Errorf("CONNACK 0x%02X", code)
	}
	r, code := connect(lamp, "lamp")
	if code != 0 {
		t.Fatalf("CONNACK 0x%02X", code)
	}
	for topic, want := range map[string]byte{"hall/lamp": 0x10, "hall/fan": 0x87, "/lamp": 0x87} {
		if code := r.pub(topic, "x", 1); code != want {
			t.Errorf("%s: PUBACK 0x%02X, want 0x%02X", topic, code, want)
		}
	}
	r, code = connect(fan, "fan")
	if code != 0 {
		t.Fatalf("CONNACK 0x%02X", code)
	}
	if code := r.pub("/fan", "x", 1); code != 0x87 { // a variable without a value
		t.Errorf("PUBACK 0x%02X", code)
	}
	// The same, asked.
	for _, tt := range []struct {
		thing              iotlocal.Thing
		id, action, object string
		want               string
	}{
		{lamp, "lamp", "iot:Connect", "client/lamp", "allow by policy thing, statement 0"},
		{lamp, "fan", "iot:Connect", "client/fan", "implicit deny: no statement allows it"},
		{lamp, "lamp", "iot:Publish", "topic/hall/lamp", "allow by policy thing, statement 1"},
		{lamp, "other", "iot:Publish", "topic/hall/lamp", "implicit deny: no statement allows it"}, // the thing is seen under its own name only
		{fan, "fan", "iot:Publish", "topic/hall/fan", "implicit deny: no statement allows it"},
	} {
		if got := srv.Policy().Test(tt.thing.CertificateID(), iotlocal.PolicyRequest{ClientID: tt.id, Action: tt.action, Resource: tt.object}); got.String() != tt.want {
			t.Errorf("%s as %s, %s on %s: %v, want %s", tt.thing.Name, tt.id, tt.action, tt.object, got, tt.want)
		}
	}
	// A claim may do what it is for.
	if err := srv.Templates().Create("fleet", iotlocal.DefaultTemplate, iotlocal.TemplateOptions{}); err != nil {
		t.Fatal(err)
	}
	claim, err := srv.Templates().Claim("fleet", iotlocal.ClaimOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for object, want := range map[string]bool{"topic/$aws/certificates/create/json": true, "topic/$aws/provisioning-templates/fleet/provision/json": true,
		"topic/$aws/provisioning-templates/other/provision/json": false, "topic/a": false} {
		if d := srv.Policy().Test(claim.CertificateID(), iotlocal.PolicyRequest{ClientID: "new", Action: "iot:Publish", Resource: object}); d.Allowed() != want {
			t.Errorf("claim on %s: %v", object, d)
		}
	}
}

// A websocket is whoever has signed its upgrade.
func TestPolicyOfAccessKeys(t *testing.T) {
	for principal, want := range map[string]byte{"AKIDEXAMPLE": 0, "AKIDOTHER": 0x87, iotlocal.Anonymous: 0x87} {
		t.Run(principal, func(t *testing.T) {
			bubble(t, iotlocal.Options{Credentials: v1Credentials}, func(e *env) {
				put(e.t, e.srv, "p", principal, statement{"Allow", "iot:*", "*", map[string]any{"IpAddress": map[string]any{"aws:SourceIp": "127.0.0.0/8"}}})
				nc := e.dialWS()
				defer nc.Close()
				say(e.t, nc, v1Upgrade)
				in := bufio.NewReader(nc)
				if resp, err := http.ReadResponse(in, nil); err != nil || resp.StatusCode != 101 {
					e.t.Fatal(resp, err)
				}
				var b bytes.Buffer
				if _, err := connect5("ws").WriteTo(&b); err != nil {
					e.t.Fatal(err)
				}
				say(e.t, nc, string(frame(2, b.Bytes())))
				if ack, ok := onePerMessage(e.t, in).(*p5.Connack); !ok || ack.ReasonCode != want {
					e.t.Errorf("CONNACK %v, want 0x%02X", ack, want)
				}
			})
		})
	}
}

// A document for another region than the endpoint's gives nothing; without one, the regions of documents are not looked at.
func TestPolicyOfRegions(t *testing.T) {
	for region, want := range map[string]byte{"": 0, "us-east-1": 0, "eu-west-1": 0x87} {
		bubble(t, iotlocal.Options{Region: region}, func(e *env) {
			put(e.t, e.srv, "p", iotlocal.Anonymous, statement{"Allow", "iot:*", anyARN + "client/*", nil})
			r, ack := e.connect5("c")
			if ack.ReasonCode != want {
				e.t.Errorf("region %q: CONNACK 0x%02X, want 0x%02X", region, ack.ReasonCode, want)
			}
			r.drop()
		})
	}
}

func TestPolicyHandle(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{Region: "eu-west-1"})
	h := srv.Policy()
	if d := h.Test("x", iotlocal.PolicyRequest{Action: "iot:Publish", Resource: "topic/a"}); !d.Allowed() {
		t.Errorf("without policies: %v", d)
	}
	const good = `{"Version":"2012-10-17","Statement":{"Sid":"All","Effect":"Allow","Action":"iot:*","Resource":"arn:aws:iot:eu-west-1:1:*"}}`
	for _, tt := range []struct {
		err  error
		want string
	}{
		{h.Put("a b", good), "policy name"}, {h.Put("", good), "policy name"}, {h.Put("p", "{"), "iotlocal: policy p: policy document: it is not JSON"},
		{h.Put("p", make(chan int)), "unsupported type"}, {h.Attach("p", "x"), `no policy "p"`}, {h.SetThing(iotlocal.PolicyThing{Name: "a/b"}), "thing"},
		{h.Put("p", `{"Statement":{"Effect":"Allow","Action":"iot:Publish","Resource":"*","Condition":{"StringEquals":{"iot:Foo":"x"}}}}`), "Statement.Condition.StringEquals.iot:Foo: unknown key"},
	} {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) || !strings.HasPrefix(tt.err.Error(), "iotlocal: ") {
			t.Errorf("error %v, want %q", tt.err, tt.want)
		}
	}
	if _, ok := errors.AsType[*iotlocal.PolicyError](h.Put("p", "{}")); !ok || len(h.Names()) != 0 {
		t.Errorf("names %q", h.Names())
	}
	if err := errors.Join(h.Put("p", good), h.Put("q", []byte(good)), h.Attach("p", "x"), h.Attach("q", "x")); err != nil {
		t.Fatal(err)
	}
	if err := h.Attach("p", ""); err == nil {
		t.Error("attached to nobody")
	}
	if text, ok := h.Document("p"); !ok || text != good || !slices.Equal(h.Names(), []string{"p", "q"}) || !slices.Equal(h.Attached("x"), []string{"p", "q"}) {
		t.Errorf("%q %v, names %q, attached %q", text, ok, h.Names(), h.Attached("x"))
	}
	ask := func(principal string) string {
		return h.Test(principal, iotlocal.PolicyRequest{Action: "iot:GetThingShadow", Resource: "thing/lamp"}).String()
	}
	if got := ask("x"); got != "allow by policy p, statement 0 (All)" {
		t.Error(got)
	}
	if got := ask("y"); got != "implicit deny: no statement allows it" {
		t.Error(got)
	}
	// The region of the endpoint counts.
	if err := h.Put("p", strings.ReplaceAll(good, "eu-west-1", "us-east-1")); err != nil {
		t.Fatal(err)
	}
	if got := ask("x"); got != "allow by policy q, statement 0 (All)" {
		t.Error(got)
	}
	if !h.Detach("q", "x") || h.Detach("q", "x") || !h.Delete("q") || h.Delete("q") {
		t.Error("Detach or Delete")
	}
	if got := ask("x"); got != "implicit deny: no statement allows it" {
		t.Error(got)
	}
	if (iotlocal.Thing{}).CertificateID() != "" {
		t.Error("an id of nothing")
	}
}
