package provisioning

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/internal/payload"
)

const fleetTemplate = `{"Parameters":{"Serial":{"Type":"String"},"Place":{"Type":"String","Default":"home"}},
	"Resources":{"t":{"Type":"AWS::IoT::Thing","Properties":{"ThingName":{"Ref":"Serial"},"AttributePayload":{"place":{"Ref":"Place"},"country":{"Ref":"AWS::IoT::Certificate::Country"}}}},
	"p":{"Type":"AWS::IoT::Policy","Properties":{"PolicyName":"lamps"}},` + certOf + `},"DeviceConfiguration":{"place":{"Ref":"Place"}}}`

func TestRegister(t *testing.T) {
	b := newBench(t, Limits{})
	b.template("fleet", fleetTemplate, TemplateOptions{})
	b.template("bare", resources(""), TemplateOptions{})
	b.template("off", fleetTemplate, TemplateOptions{Disabled: true})
	id, token := b.fromCSR()
	ok, a := b.register("fleet", token, `{"Serial":"lamp","unknown":"x"}`, Client{})
	if !ok || a["thingName"] != "lamp" || !maps.EqualFunc(a["deviceConfiguration"].(payload.Object), payload.Object{"place": "home"}, func(x, y any) bool { return x == y }) {
		t.Fatal(a)
	}
	thing, found := b.s.Thing("lamp")
	if !found || !maps.Equal(thing.Attributes, map[string]string{"place": "home", "country": "DE"}) || !slices.Equal(thing.Certificates, []string{id}) {
		t.Errorf("%+v", thing)
	}
	if cs := b.s.Certificates(b.now); len(cs) != 1 || cs[0].ID != id || cs[0].Status != Active || cs[0].Thing != "lamp" || !slices.Equal(cs[0].Policies, []string{"lamps"}) || cs[0].Template != "fleet" || !cs[0].ExpiresAt.IsZero() {
		t.Errorf("%+v", cs)
	}
	// Once more, as after a lost answer.
	if ok, a := b.register("fleet", token, `{"Serial":"lamp"}`, Client{}); !ok || a["thingName"] != "lamp" {
		t.Error(a)
	}
	// Without a thing there is no name.
	_, token2 := b.fromCSR()
	if ok, a := b.register("bare", token2, `{}`, Client{}); !ok || a["thingName"] != nil || len(a["deviceConfiguration"].(payload.Object)) != 0 {
		t.Error(a)
	}
	_, token3 := b.fromCSR()
	for _, tt := range []struct {
		name, template, body string
		code                 Code
		want                 string
	}{
		{"no JSON", "fleet", `{`, InvalidPayload, "not JSON"},
		{"no token", "fleet", `{}`, InvalidToken, "Certificate ownership token cannot be empty."},
		{"token is null", "fleet", `{"certificateOwnershipToken":null}`, InvalidToken, "cannot be empty."},
		{"token is a number", "fleet", `{"certificateOwnershipToken":1}`, InvalidPayload, "certificateOwnershipToken must be a string"},
		{"unknown token", "fleet", `{"certificateOwnershipToken":"x"}`, InvalidToken, "invalid or has expired"},
		{"parameters are a list", "fleet", `{"certificateOwnershipToken":"x","parameters":[]}`, InvalidPayload, "parameters must be an object"},
		{"parameter is a number", "fleet", `{"certificateOwnershipToken":"x","parameters":{"a":1}}`, InvalidPayload, `the value of "a" must be a string`},
		{"long name", "fleet", `{"certificateOwnershipToken":"x","parameters":{"` + strings.Repeat("n", 2049) + `":""}}`, InvalidParameters, "is longer than 2048 bytes"},
		{"long value", "fleet", `{"certificateOwnershipToken":"x","parameters":{"n":"` + strings.Repeat("v", 4097) + `"}}`, InvalidParameters, "or its value than 4096"},
		{"unknown template", "none", `{"certificateOwnershipToken":"x"}`, ResourceNotFound, "no enabled provisioning template none"},
		{"disabled template", "off", `{"certificateOwnershipToken":"x"}`, ResourceNotFound, "no enabled provisioning template off"},
		{"missing parameter", "fleet", `{"certificateOwnershipToken":"` + token3 + `"}`, InvalidParameters, "Parameters are missing: Serial"},
		{"bad thing name", "fleet", `{"certificateOwnershipToken":"` + token3 + `","parameters":{"Serial":"a b"}}`, InvalidParameters, "thing: ThingName"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ok, a := b.ask(TemplatesPrefix+tt.template+"/provision/json", tt.body, Client{})
			refused(t, ok, a, tt.code, tt.want)
		})
	}
	var many strings.Builder
	for i := range 101 {
		fmt.Fprintf(&many, `,"p%d":"x"`, i)
	}
	ok, a = b.register("fleet", token3, "{"+many.String()[1:]+"}", Client{})
	refused(t, ok, a, InvalidParameters, "101 parameters, the limit is 100")
}

// The clock drives what ends: tokens, certificates that nobody registered, claims.
func TestExpiry(t *testing.T) {
	b := newBench(t, Limits{})
	b.template("fleet", fleetTemplate, TemplateOptions{})
	late, lateToken := b.fromCSR()
	done, doneToken := b.fromCSR()
	if ok, a := b.register("fleet", doneToken, `{"Serial":"done"}`, Client{}); !ok {
		t.Fatal(a)
	}
	claim, _, err := b.s.NewClaim("fleet", ClaimLife, b.now)
	if err != nil {
		t.Fatal(err)
	}
	forever, _, err := b.s.NewClaim("fleet", 0, b.now)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		after time.Duration
		want  map[string]CertificateStatus
	}{
		{ClaimLife - 1, map[string]CertificateStatus{late: PendingActivation, done: Active, claim.ID: Claim, forever.ID: Claim}},
		{ClaimLife, map[string]CertificateStatus{late: PendingActivation, done: Active, claim.ID: Removed, forever.ID: Claim}},
		{time.Hour - 1, map[string]CertificateStatus{late: PendingActivation, done: Active, claim.ID: Removed, forever.ID: Claim}},
		{time.Hour, map[string]CertificateStatus{late: Removed, done: Active, claim.ID: Removed, forever.ID: Claim}},
	} {
		b.now = t0.Add(tt.after)
		for id, want := range tt.want {
			if got := b.s.Status(id, b.now); got != want {
				t.Errorf("after %v: %v, want %v", tt.after, got, want)
			}
		}
	}
	for _, token := range []string{lateToken, doneToken} {
		ok, a := b.register("fleet", token, `{"Serial":"late"}`, Client{})
		refused(t, ok, a, InvalidToken, "has expired")
	}
	if b.s.Status("unknown", b.now) != 0 || b.s.Status(strings.Repeat("0", 64), b.now) != 0 {
		t.Error("a certificate of somebody else has a status")
	}
}
