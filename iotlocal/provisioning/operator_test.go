package provisioning

import (
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/x509/pkix"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/internal/payload"
)

func TestRefuseAndRoom(t *testing.T) {
	b := newBench(t, Limits{Pending: 2})
	for _, code := range []Code{RequestThrottled, InternalFailure} {
		if err := b.s.Refuse(code, 2); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			ok, a := b.ask(createKeysTopic, ``, Client{})
			refused(t, ok, a, code, "was asked for by the test")
		}
	}
	if b.s.Refuse(AccessDenied, 1) == nil || b.s.Refuse(InternalFailure, -1) == nil {
		t.Error("no error")
	}
	b.s.Refuse(InternalFailure, 3)
	b.s.Refuse(InternalFailure, 0)
	b.fromCSR()
	b.fromCSR()
	ok, a := b.ask(createKeysTopic, ``, Client{})
	refused(t, ok, a, RequestThrottled, "2 certificates wait")
	b.now = t0.Add(time.Hour)
	b.fromCSR()
	broken := NewService(Limits{}, func(crypto.PublicKey, []byte) ([]byte, error) { return nil, errors.New("no CA") })
	b = &bench{t, broken, t0}
	ok, a = b.ask(createKeysTopic, ``, Client{})
	refused(t, ok, a, InternalFailure, "no CA")
}

func TestOperator(t *testing.T) {
	b := newBench(t, Limits{})
	for _, name := range []string{"", "a b", "a/b", strings.Repeat("x", 37)} {
		if err := b.s.PutTemplate(name, []byte(fleetTemplate), TemplateOptions{}); err == nil || !strings.Contains(err.Error(), "template name") {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := b.s.PutTemplate("x", []byte(`{}`), TemplateOptions{}); err == nil || !strings.Contains(err.Error(), "template x: ") {
		t.Error(err)
	}
	b.template("two", fleetTemplate, TemplateOptions{Disabled: true})
	b.template("one", fleetTemplate, TemplateOptions{Hook: func(context.Context, HookRequest) (HookResponse, error) { return HookResponse{}, nil }})
	if l := b.s.Templates(); len(l) != 2 || l[0].Name != "one" || !l[0].HasHook || l[0].Disabled || !l[1].Disabled || string(l[1].Body) != fleetTemplate {
		t.Errorf("%+v", l)
	}
	first, e1 := b.s.DeleteTemplate("one")
	second, e2 := b.s.DeleteTemplate("one")
	if !first || second || errors.Join(e1, e2) != nil || len(b.s.Templates()) != 1 {
		t.Error("not deleted once")
	}
	b.template("two", resources(`,"p":{"Type":"AWS::IoT::Policy","Properties":{"PolicyDocument":{"a":"b"}}}`), TemplateOptions{})
	id, token := b.fromCSR()
	setActive := func(id string, active bool) bool {
		ok, err := b.s.SetActive(id, active, b.now)
		if err != nil {
			t.Error(err)
		}
		return ok
	}
	if setActive(id, false) || setActive("none", true) {
		t.Error("a certificate that waits was turned off")
	}
	if ok, a := b.register("two", token, `{}`, Client{}); !ok {
		t.Fatal(a)
	}
	for _, active := range []bool{false, true} {
		want := Inactive
		if active {
			want = Active
		}
		if !setActive(id, active) || b.s.Status(id, b.now) != want {
			t.Errorf("%v", b.s.Status(id, b.now))
		}
	}
	policy := b.s.Certificates(b.now)[0].Policies[0]
	if d, ok := b.s.PolicyDocument(policy); !ok || d != `{"a":"b"}` {
		t.Errorf("%q %v", d, ok)
	}
	if _, ok := b.s.PolicyDocument("none"); ok {
		t.Error("a document of nothing")
	}
	for s := PendingActivation; s <= Revoked; s++ {
		if text, err := s.MarshalText(); err != nil || strings.Contains(string(text), "(") {
			t.Errorf("%s", text)
		}
	}
	if CertificateStatus(99).String() != "CertificateStatus(99)" || Op(99).String() != "Op(99)" || RegisterThing.String() != "RegisterThing" {
		t.Error("names")
	}
}

// What the operator has said of a certificate that waits holds when it is registered, whatever the template says.
func TestOperatorIsFaster(t *testing.T) {
	for _, said := range []CertificateStatus{Active, Inactive, Revoked} {
		b := newBench(t, Limits{})
		b.template("one", fleetTemplate, TemplateOptions{})
		id, token := b.fromCSR()
		if ok, err := b.s.SetStatus(id, said, b.now); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if ok, a := b.register("one", token, `{"Serial":"1"}`, Client{}); !ok {
			t.Fatal(a)
		}
		if got := b.s.Status(id, b.now); got != said {
			t.Errorf("%v, want %v", got, said)
		}
	}
}

func TestParseTopic(t *testing.T) {
	for s, want := range map[string]Topic{
		"$aws/certificates/create/json":                    {Op: CreateKeys},
		"$aws/certificates/create/cbor":                    {Op: CreateKeys},
		"$aws/certificates/create-from-csr/cbor":           {Op: CreateFromCSR},
		"$aws/provisioning-templates/fleet/provision/json": {Op: RegisterThing, Template: "fleet"},
	} {
		if got, ok := ParseTopic(s); !ok || got.Op != want.Op || got.Template != want.Template || got.answer(true) != s+"/accepted" {
			t.Errorf("%s: %+v %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "json", "$aws/certificates/create", "$aws/certificates/create/xml", "$aws/certificates/create/json/accepted", "$aws/certificates/json",
		"$aws/provisioning-templates/fleet/json", "$aws/provisioning-templates//provision/json", "$aws/provisioning-templates/a/b/provision/json",
		"$aws/provisioning-templates/fleet/provision/json/rejected", "$aws/provisioning-templates/fleet/provision"} {
		if got, ok := ParseTopic(s); ok {
			t.Errorf("%s: %+v", s, got)
		}
	}
}

func TestCBOR(t *testing.T) {
	b := newBench(t, Limits{})
	b.template("fleet", fleetTemplate, TemplateOptions{})
	body, err := payload.CBOR.Encode(map[string]string{"certificateSigningRequest": csr(t, ecKey(t, elliptic.P256()), pkix.Name{})})
	if err != nil {
		t.Fatal(err)
	}
	ok, a := b.ask(CertificatesPrefix+"create-from-csr/cbor", string(body), Client{})
	if !ok {
		t.Fatal(a)
	}
	body, err = payload.CBOR.Encode(map[string]any{"certificateOwnershipToken": a["certificateOwnershipToken"], "parameters": map[string]string{"Serial": "c", "Place": "p"}})
	if err != nil {
		t.Fatal(err)
	}
	if ok, a := b.ask(TemplatesPrefix+"fleet/provision/cbor", string(body), Client{}); !ok || a["thingName"] != "c" || a["deviceConfiguration"].(payload.Object)["place"] != "p" {
		t.Error(a)
	}
	if ok, a := b.ask(TemplatesPrefix+"fleet/provision/cbor", "{}", Client{}); ok || a["errorCode"] != "InvalidPayload" || a["statusCode"] != uint64(400) {
		t.Errorf("%#v", a)
	}
}
