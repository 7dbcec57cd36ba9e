package provisioning

import (
	"crypto/elliptic"
	"crypto/x509/pkix"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/iotlocal/internal/payload"
)

// FuzzRegister feeds any request: no panic, an answer that can be read, a refusal
// with a known code that changes nothing.
func FuzzRegister(f *testing.F) {
	for _, s := range []string{``, `{}`, `{"certificateOwnershipToken":"T","parameters":{"Serial":"lamp"}}`, `{"certificateOwnershipToken":"T","parameters":{"Serial":""}}`, "\xa1\x61a\x01", "\xbf\xff", `{"certificateSigningRequest":"x"}`} {
		for _, isCBOR := range []bool{false, true} {
			f.Add([]byte(s), isCBOR, uint8(RegisterThing))
			f.Add([]byte(s), isCBOR, uint8(CreateFromCSR))
		}
	}
	issue := authority(f)
	request := csr(f, ecKey(f, elliptic.P256()), pkix.Name{CommonName: "x", Country: []string{"DE"}})
	f.Fuzz(func(t *testing.T, body []byte, isCBOR bool, op uint8) {
		b := &bench{t, NewService(Limits{}, issue), t0}
		b.template("fleet", fleetTemplate, TemplateOptions{})
		ok, a := b.ask(createCSRTopic, `{"certificateSigningRequest":`+quote(request)+`}`, Client{})
		if !ok {
			t.Fatal(a)
		}
		id, token := a["certificateId"].(string), a["certificateOwnershipToken"].(string)
		topic := TemplatesPrefix + "fleet/provision/"
		if op%2 == 0 {
			topic = CertificatesPrefix + "create-from-csr/"
		}
		format := payload.JSON
		if isCBOR {
			format = payload.CBOR
		} else {
			body = []byte(strings.ReplaceAll(string(body), `"T"`, quote(token)))
		}
		ok, a = b.ask(topic+format.String(), string(body), Client{})
		if !ok {
			code, _ := a["errorCode"].(string)
			if statusOf[Code(code)] == 0 || a["errorMessage"] == "" || b.s.Status(id, t0) != PendingActivation || len(b.s.Certificates(t0)) != 1 {
				t.Fatalf("%v", a)
			}
			return
		}
		if op%2 != 0 {
			name, _ := a["thingName"].(string)
			if _, found := b.s.Thing(name); !found || b.s.Status(id, t0) != Active {
				t.Fatalf("%v", a)
			}
		}
	})
}
