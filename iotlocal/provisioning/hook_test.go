package provisioning

import (
	"context"
	"crypto/tls"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/internal/payload"
)

func TestHook(t *testing.T) {
	var got HookRequest
	decide := HookResponse{AllowProvisioning: true, ParameterOverrides: map[string]string{"Place": "office", "Serial": "from-the-hook"}}
	var failure error
	b := newBench(t, Limits{HookTime: time.Millisecond})
	b.template("fleet", fleetTemplate, TemplateOptions{Hook: func(ctx context.Context, r HookRequest) (HookResponse, error) {
		got = r
		switch r.Parameters["mode"] {
		case "panic":
			panic("broken")
		case "slow":
			<-ctx.Done()
		}
		return decide, failure
	}})
	id, token := b.fromCSR()
	try := func(mode string) (bool, payload.Object) {
		return b.register("fleet", token, `{"Serial":"s","mode":"`+mode+`"}`, Client{ID: "client", CertificateID: "claim"})
	}
	ok, a := try("slow")
	refused(t, ok, a, AccessDenied, "took longer than 1ms")
	b.s.limits.HookTime = time.Minute
	ok, a = try("panic")
	refused(t, ok, a, AccessDenied, "failed: panic: broken")
	failure = errors.New("no database")
	ok, a = try("")
	refused(t, ok, a, AccessDenied, "failed: no database")
	failure, decide.AllowProvisioning = nil, false
	ok, a = try("")
	refused(t, ok, a, AccessDenied, "does not allow")
	if _, found := b.s.Thing("from-the-hook"); found || b.s.Status(id, b.now) != PendingActivation {
		t.Error("a refusal has changed something")
	}
	decide.AllowProvisioning = true
	if ok, a := try("x"); !ok || a["thingName"] != "from-the-hook" || a["deviceConfiguration"].(payload.Object)["place"] != "office" {
		t.Error(a)
	}
	if got.ClaimCertificateID != "claim" || got.CertificateID != id || got.TemplateName != "fleet" || got.ClientID != "client" ||
		!maps.Equal(got.Parameters, map[string]string{"Serial": "s", "mode": "x"}) || !strings.HasPrefix(got.CertificatePEM, "-----BEGIN CERTIFICATE-----") {
		t.Errorf("%+v", got)
	}
	// A bad token never comes to the hook.
	got = HookRequest{}
	b.register("fleet", "x", `{}`, Client{})
	if got.TemplateName != "" {
		t.Error("the hook was asked about a bad token")
	}
}

// The token ends while the hook thinks.
func TestTokenEndsInHook(t *testing.T) {
	b := newBench(t, Limits{})
	b.template("fleet", fleetTemplate, TemplateOptions{Hook: func(context.Context, HookRequest) (HookResponse, error) {
		b.s.Status("", t0.Add(2*time.Hour)) // somebody else looks at the clock
		return HookResponse{AllowProvisioning: true}, nil
	}})
	_, token := b.fromCSR()
	ok, a := b.register("fleet", token, `{"Serial":"s"}`, Client{})
	refused(t, ok, a, InvalidToken, "has expired")
	if _, found := b.s.Thing("s"); found {
		t.Error("the thing was made")
	}
}

func TestClaimIsForItsTemplate(t *testing.T) {
	b := newBench(t, Limits{})
	b.template("fleet", fleetTemplate, TemplateOptions{})
	b.template("other", fleetTemplate, TemplateOptions{})
	claim, key, err := b.s.NewClaim("fleet", ClaimLife, b.now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tls.X509KeyPair([]byte(claim.PEM), []byte(key)); err != nil {
		t.Error(err)
	}
	_, token := b.fromCSR()
	ok, a := b.register("other", token, `{"Serial":"s"}`, Client{CertificateID: claim.ID})
	refused(t, ok, a, AccessDenied, "not for the template other")
	if ok, a := b.register("fleet", token, `{"Serial":"s"}`, Client{CertificateID: claim.ID}); !ok {
		t.Error(a)
	}
	_, _, err = b.s.NewClaim("none", ClaimLife, b.now)
	var refusal *Error
	if !errors.As(err, &refusal) || refusal.Code != ResourceNotFound {
		t.Error(err)
	}
}

// What a template says about a thing that is there, and a certificate that is.
func TestOverrideSettings(t *testing.T) {
	body := func(override, status, statusOverride string) string {
		return `{"Parameters":{"V":{"Type":"String"}},"Resources":{
			"t":{"Type":"AWS::IoT::Thing","Properties":{"ThingName":"lamp","ThingTypeName":{"Ref":"V"},"BillingGroup":{"Ref":"V"},"ThingGroups":[{"Ref":"V"}],"AttributePayload":{"all":{"Ref":"V"},"a":"1"}},"OverrideSettings":` + override + `},
			"c":{"Type":"AWS::IoT::Certificate","Properties":{"CertificateId":{"Ref":"AWS::IoT::Certificate::Id"},"Status":"` + status + `"},"OverrideSettings":` + statusOverride + `}}}`
	}
	for _, tt := range []struct {
		name, override string
		want           Thing // of the second registration; a Name of "" means a conflict
	}{
		{"nothing said", `{}`, Thing{Name: "lamp", TypeName: "one", BillingGroup: "one", Groups: []string{"one"}, Attributes: map[string]string{"all": "one", "a": "1"}}},
		{"do nothing", `{"AttributePayload":"DO_NOTHING","ThingTypeName":"DO_NOTHING","ThingGroups":"DO_NOTHING","BillingGroup":"DO_NOTHING"}`,
			Thing{Name: "lamp", TypeName: "one", BillingGroup: "one", Groups: []string{"one"}, Attributes: map[string]string{"all": "one", "a": "1"}}},
		{"replace", `{"AttributePayload":"REPLACE","ThingTypeName":"REPLACE","ThingGroups":"REPLACE","BillingGroup":"REPLACE"}`,
			Thing{Name: "lamp", TypeName: "two", BillingGroup: "two", Groups: []string{"two"}, Attributes: map[string]string{"all": "two", "a": "1"}}},
		{"merge", `{"AttributePayload":"MERGE","ThingGroups":"MERGE"}`,
			Thing{Name: "lamp", TypeName: "one", BillingGroup: "one", Groups: []string{"one", "two"}, Attributes: map[string]string{"all": "two", "a": "1"}}},
		{"fail", `{"ThingTypeName":"FAIL"}`, Thing{}},
		{"fail for groups", `{"ThingGroups":"FAIL"}`, Thing{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, Limits{})
			b.template("fleet", body(tt.override, "ACTIVE", "{}"), TemplateOptions{})
			one, token1 := b.fromCSR()
			two, token2 := b.fromCSR()
			if ok, a := b.register("fleet", token1, `{"V":"one"}`, Client{}); !ok {
				t.Fatal(a)
			}
			ok, a := b.register("fleet", token2, `{"V":"two"}`, Client{})
			got, _ := b.s.Thing("lamp")
			if tt.want.Name == "" {
				refused(t, ok, a, ResourceConflict, "The thing lamp is there already, with another Thing")
				if got.TypeName != "one" || b.s.Status(two, b.now) != PendingActivation {
					t.Errorf("%+v", got)
				}
				return
			}
			if !ok || got.TypeName != tt.want.TypeName || got.BillingGroup != tt.want.BillingGroup || !slices.Equal(got.Groups, tt.want.Groups) ||
				!maps.Equal(got.Attributes, tt.want.Attributes) || !slices.Equal(got.Certificates, []string{one, two}) {
				t.Errorf("%v: %+v", a, got)
			}
		})
	}
	for override, want := range map[string]CertificateStatus{`{}`: Inactive, `{"Status":"REPLACE"}`: Inactive, `{"Status":"DO_NOTHING"}`: Active, `{"Status":"FAIL"}`: 0} {
		b := newBench(t, Limits{})
		b.template("on", body(`{}`, "ACTIVE", "{}"), TemplateOptions{})
		b.template("off", body(`{}`, "INACTIVE", override), TemplateOptions{})
		id, token := b.fromCSR()
		b.register("on", token, `{"V":"x"}`, Client{})
		ok, a := b.register("off", token, `{"V":"x"}`, Client{})
		if want == 0 {
			refused(t, ok, a, ResourceConflict, "The certificate is ACTIVE already")
		} else if got := b.s.Status(id, b.now); got != want {
			t.Errorf("%s: %v %v", override, got, a)
		}
	}
}
