package iotlocal_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	p5 "github.com/eclipse/paho.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal"
)

// fleetAnswer is every member of every answer of provisioning.
type fleetAnswer struct {
	CertificateID  string            `json:"certificateId"`
	CertificatePem string            `json:"certificatePem"`
	PrivateKey     string            `json:"privateKey"`
	Token          string            `json:"certificateOwnershipToken"`
	Configuration  map[string]string `json:"deviceConfiguration"`
	ThingName      string            `json:"thingName"`
	StatusCode     int               `json:"statusCode"`
	ErrorCode      string            `json:"errorCode"`
}

// provision publishes a request at QoS 1 and returns the answer with the rest of
// its topic.
func (d *device) provision(topic, payload string) (verdict string, a fleetAnswer) {
	d.t.Helper()
	d.publish(topic, payload)
	m := d.next()
	if err := json.Unmarshal([]byte(m.payload), &a); err != nil {
		d.t.Fatalf("%s: %v", m.payload, err)
	}
	if !strings.HasPrefix(m.topic, topic) || m.qos != 1 {
		d.t.Errorf("an answer on %s at QoS %d", m.topic, m.qos)
	}
	return strings.TrimPrefix(m.topic, topic), a
}

// publish publishes at QoS 1 to any topic and reads the PUBACK.
func (d *device) publish(topic, payload string) {
	d.t.Helper()
	if d.five {
		d.send(pub5(topic, payload, 1, 7))
		if a := want[*p5.Puback](d.raw); a.ReasonCode != 0 {
			d.t.Fatalf("PUBACK 0x%02X", a.ReasonCode)
		}
		return
	}
	d.publish3(topic, payload)
}

func registration(token, serial string) string {
	return `{"certificateOwnershipToken":"` + token + `","parameters":{"SerialNumber":"` + serial + `"}}`
}

const (
	createKeys  = "$aws/certificates/create/json"
	provisionIt = "$aws/provisioning-templates/fleet/provision/json"
)

func createTemplate(t *testing.T, srv *iotlocal.Server, o iotlocal.TemplateOptions) {
	t.Helper()
	if err := srv.Templates().Create("fleet", iotlocal.DefaultTemplate, o); err != nil {
		t.Fatal(err)
	}
}

// The flow of the guide over both protocols: answers come to the requester, with
// and without a subscription, and to nobody else.
func TestProvisioningOverMQTT(t *testing.T) {
	for name, five := range protocols {
		t.Run(name, func(t *testing.T) {
			bubble(t, iotlocal.Options{}, func(e *env) {
				createTemplate(t, e.srv, iotlocal.TemplateOptions{})
				d, by := e.device("claim", five), e.device("bystander", five)
				by.subscribe(1, "$aws/certificates/#", "$aws/provisioning-templates/#")
				verdict, keys := d.provision(createKeys, "")
				if verdict != "/accepted" || keys.PrivateKey == "" {
					t.Fatalf("%s %+v", verdict, keys)
				}
				d.subscribe(1, provisionIt+"/accepted", provisionIt+"/rejected")
				if verdict, a := d.provision(provisionIt, registration("", "lamp")); verdict != "/rejected" || a.StatusCode != 400 || a.ErrorCode != "InvalidCertificateOwnershipToken" {
					t.Errorf("%s %+v", verdict, a)
				}
				if verdict, a := d.provision(provisionIt, registration(keys.Token, "lamp")); verdict != "/accepted" || a.ThingName != "lamp" || len(a.Configuration) != 0 {
					t.Errorf("%s %+v", verdict, a)
				}
				d.quiet()
				// What the bystander sees are the requests, as on AWS.
				for range 3 {
					if m := by.next(); strings.HasSuffix(m.topic, "ed") {
						t.Errorf("the bystander got %s", m.topic)
					}
				}
				by.quiet()
				if thing, ok := e.srv.Templates().Thing("lamp"); !ok || !slices.Equal(thing.Certificates, []string{keys.CertificateID}) {
					t.Errorf("%+v", thing)
				}
				d.drop()
				by.drop()
			})
		})
	}
}

// Tokens end by the server's clock.
func TestProvisioningClock(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		createTemplate(t, e.srv, iotlocal.TemplateOptions{})
		d := e.device("claim", true)
		_, keys := d.provision(createKeys, "{}")
		e.srv.Clock().Advance(time.Hour - time.Second)
		if cs := e.srv.Templates().Certificates(); len(cs) != 1 || cs[0].Status != iotlocal.CertificatePendingActivation {
			t.Errorf("%+v", cs)
		}
		time.Sleep(time.Second) // the bubble's time counts too
		if cs := e.srv.Templates().Certificates(); len(cs) != 0 {
			t.Errorf("%+v", cs)
		}
		if verdict, a := d.provision(provisionIt, registration(keys.Token, "lamp")); verdict != "/rejected" || a.ErrorCode != "InvalidCertificateOwnershipToken" {
			t.Errorf("%s %+v", verdict, a)
		}
		d.drop()
	})
}

// A hook that waits is let go when the server closes.
func TestHookEndsWithTheServer(t *testing.T) {
	bubble(t, iotlocal.Options{ProvisioningLimits: iotlocal.ProvisioningLimits{HookTime: -1}}, func(e *env) {
		asked := make(chan iotlocal.HookRequest, 1)
		createTemplate(t, e.srv, iotlocal.TemplateOptions{Hook: func(ctx context.Context, r iotlocal.HookRequest) (iotlocal.HookResponse, error) {
			asked <- r
			<-ctx.Done()
			return iotlocal.HookResponse{}, ctx.Err()
		}})
		d := e.device("claim", true)
		_, keys := d.provision(createKeys, "{}")
		d.publish(provisionIt, registration(keys.Token, "lamp"))
		if r := <-asked; r.ClientID != "claim" || r.CertificateID != keys.CertificateID || r.Parameters["SerialNumber"] != "lamp" {
			t.Errorf("%+v", r)
		}
		if err := e.srv.Close(); err != nil {
			t.Error(err)
		}
	})
}

// connectTLS connects with a certificate and returns the reason code of CONNACK.
func connectTLS(t *testing.T, srv *iotlocal.Server, id string, thing iotlocal.Thing) (*device, byte) {
	t.Helper()
	nc, err := dialTLS(t, srv, thing, &tls.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	r := &raw{t: t, nc: nc, id: id}
	r.send(connect5(id))
	return &device{raw: r, five: true}, want[*p5.Connack](r).ReasonCode
}

// From the claim to the device's own connection and to the end of both, over TLS:
// which certificate may connect when.
func TestProvisionedCertificatesConnect(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{TCPPort: iotlocal.Off, WSPort: iotlocal.Off, WSSPort: iotlocal.Off})
	var hooked iotlocal.HookRequest
	createTemplate(t, srv, iotlocal.TemplateOptions{Hook: func(_ context.Context, r iotlocal.HookRequest) (iotlocal.HookResponse, error) {
		hooked = r
		return iotlocal.HookResponse{AllowProvisioning: true}, nil
	}})
	if err := srv.Templates().Create("other", json.RawMessage(iotlocal.DefaultTemplate), iotlocal.TemplateOptions{}); err != nil {
		t.Fatal(err)
	}
	claim, err := srv.Templates().Claim("fleet", iotlocal.ClaimOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{claim.CertFile, claim.KeyFile} {
		if info, err := os.Stat(f); err != nil || filepath.Dir(f) != srv.Dir() || strings.HasSuffix(f, ".key") && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f, info, err)
		}
	}
	d, code := connectTLS(t, srv, "claim", claim)
	if code != 0 {
		t.Fatalf("CONNACK 0x%02X", code)
	}
	_, keys := d.provision(createKeys, "")
	device := iotlocal.Thing{Name: "lamp", CertPEM: []byte(keys.CertificatePem), KeyPEM: []byte(keys.PrivateKey)}
	refused := func(when string, id iotlocal.Thing) {
		t.Helper()
		if _, code := connectTLS(t, srv, "lamp", id); code != 0x87 {
			t.Errorf("%s: CONNACK 0x%02X", when, code)
		}
	}
	refused("before it is registered", device)
	if verdict, a := d.provision("$aws/provisioning-templates/other/provision/json", registration(keys.Token, "lamp")); verdict != "/rejected" || a.StatusCode != 403 {
		t.Errorf("%s %+v", verdict, a)
	}
	if verdict, a := d.provision(provisionIt, registration(keys.Token, "lamp")); verdict != "/accepted" {
		t.Fatalf("%+v", a)
	}
	claims := srv.Templates().Certificates()
	if len(claims) != 2 || claims[0].Status != iotlocal.CertificateClaim && claims[1].Status != iotlocal.CertificateClaim || hooked.ClaimCertificateID == "" || hooked.ClaimCertificateID == keys.CertificateID {
		t.Errorf("%+v %+v", claims, hooked)
	}
	if _, code := connectTLS(t, srv, "lamp", device); code != 0 {
		t.Errorf("registered: CONNACK 0x%02X", code)
	}
	i := slices.IndexFunc(claims, func(c iotlocal.ProvisionedCertificate) bool { return c.ID == keys.CertificateID })
	if c := claims[i]; c.Thing != "lamp" || c.Status != iotlocal.CertificateActive || !slices.Equal(c.Policies, []string{"device"}) {
		t.Errorf("%+v", c)
	}
	if !srv.Templates().SetActive(keys.CertificateID, false) {
		t.Error("not turned off")
	}
	refused("turned off", device)
	srv.Templates().SetActive(keys.CertificateID, true)
	srv.Clock().Advance(5 * time.Minute)
	refused("a claim after its life", claim)
	_, late := d.provision(createKeys, "") // the claim's connection is still there
	srv.Clock().Advance(time.Hour)
	refused("never registered", iotlocal.Thing{CertPEM: []byte(late.CertificatePem), KeyPEM: []byte(late.PrivateKey)})
	if _, code := connectTLS(t, srv, "lamp", device); code != 0 {
		t.Errorf("an hour later: CONNACK 0x%02X", code)
	}
	if _, code := connectTLS(t, srv, "other", newThing(t, srv, "other")); code != 0 {
		t.Errorf("a thing of NewThing: CONNACK 0x%02X", code)
	}
}

func TestTemplatesHandle(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	h := srv.Templates()
	for _, body := range []any{iotlocal.DefaultTemplate, []byte(iotlocal.DefaultTemplate), json.RawMessage(iotlocal.DefaultTemplate), map[string]any{"Resources": map[string]any{
		"c": map[string]any{"Type": "AWS::IoT::Certificate", "Properties": map[string]any{"CertificateId": map[string]string{"Ref": "AWS::IoT::Certificate::Id"}}}}}} {
		if err := h.Create("fleet", body, iotlocal.TemplateOptions{}); err != nil {
			t.Errorf("%T: %v", body, err)
		}
	}
	for body, want := range map[any]string{"{}": "no AWS::IoT::Certificate", 1: "not a JSON object"} {
		if err := h.Create("fleet", body, iotlocal.TemplateOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", body, err)
		}
	}
	if err := h.Create("fleet", func() {}, iotlocal.TemplateOptions{}); err == nil {
		t.Error("a function is a template")
	}
	if l := h.List(); len(l) != 1 || l[0].Name != "fleet" {
		t.Errorf("%+v", l)
	}
	if _, err := h.Claim("none", iotlocal.ClaimOptions{}); !isProvisioning(err, iotlocal.ProvisioningResourceNotFound) {
		t.Error(err)
	}
	forever, err := h.Claim("fleet", iotlocal.ClaimOptions{Life: -1})
	if err != nil {
		t.Fatal(err)
	}
	if cs := h.Certificates(); len(cs) != 1 || !cs[0].ExpiresAt.IsZero() || cs[0].Template != "fleet" || cs[0].PEM != string(forever.CertPEM) {
		t.Errorf("%+v", cs)
	}
	if err := h.Refuse(iotlocal.ProvisioningAccessDenied, 1); err == nil {
		t.Error("AccessDenied can be asked for")
	}
	if err := h.Refuse(iotlocal.ProvisioningInternalFailure, 1); err != nil {
		t.Error(err)
	}
	if _, ok := h.PolicyDocument("device"); ok {
		t.Error("a document of a policy that has none")
	}
	if !h.Delete("fleet") || h.Delete("fleet") {
		t.Error("not deleted once")
	}
}

func isProvisioning(err error, code iotlocal.ProvisioningErrorCode) bool {
	var refused *iotlocal.ProvisioningError
	return errors.As(err, &refused) && refused.Code == code
}
