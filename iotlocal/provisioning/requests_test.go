package provisioning

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/internal/payload"
)

var t0 = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// authority signs as the server does.
func authority(t testing.TB) Issue {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	serial := int64(0)
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, IsCA: true, BasicConstraintsValid: true}
	return func(public crypto.PublicKey, subject []byte) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		serial++
		return x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(serial), RawSubject: subject}, ca, public, key)
	}
}

// bench is a service with a way to ask it.
type bench struct {
	t   testing.TB
	s   *Service
	now time.Time
}

func newBench(t testing.TB, l Limits) *bench {
	return &bench{t, NewService(l, authority(t)), t0}
}

func (b *bench) template(name, body string, o TemplateOptions) {
	b.t.Helper()
	if err := b.s.PutTemplate(name, []byte(body), o); err != nil {
		b.t.Fatal(err)
	}
}

// ask sends a request and returns the answer as an object.
func (b *bench) ask(topicName, body string, by Client) (accepted bool, a payload.Object) {
	b.t.Helper()
	topic, ok := ParseTopic(topicName)
	if !ok {
		b.t.Fatalf("%s is no topic of a request", topicName)
	}
	answer := b.s.Do(context.Background(), topic, by, []byte(body), b.now)
	a, err := topic.format.Decode(answer.Payload)
	if err != nil {
		b.t.Fatalf("%q: %v", answer.Payload, err)
	}
	verdict := strings.TrimPrefix(answer.Topic, topicName)
	if verdict != "/accepted" && verdict != "/rejected" {
		b.t.Fatal(answer.Topic)
	}
	return verdict == "/accepted", a
}

const createKeysTopic, createCSRTopic = CertificatesPrefix + "create/json", CertificatesPrefix + "create-from-csr/json"

// csr makes a certificate signing request.
func csr(t testing.TB, key crypto.Signer, subject pkix.Name) string {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: subject}, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

func ecKey(t testing.TB, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// fromCSR makes a certificate that waits and returns its id and token. It takes
// less time than keys of the service.
func (b *bench) fromCSR() (id, token string) {
	b.t.Helper()
	ok, a := b.ask(createCSRTopic, `{"certificateSigningRequest":`+quote(csr(b.t, ecKey(b.t, elliptic.P256()), pkix.Name{CommonName: "cn", Country: []string{"DE"}}))+`}`, Client{ID: "c"})
	if !ok {
		b.t.Fatal(a)
	}
	return a["certificateId"].(string), a["certificateOwnershipToken"].(string)
}

// register registers with a template and returns the answer.
func (b *bench) register(name, token, params string, by Client) (bool, payload.Object) {
	b.t.Helper()
	return b.ask(TemplatesPrefix+name+"/provision/json", `{"certificateOwnershipToken":`+quote(token)+`,"parameters":`+params+`}`, by)
}

// refused fails the test unless the answer is an error of a code.
func refused(t testing.TB, ok bool, a payload.Object, code Code, text string) {
	t.Helper()
	message, _ := a["errorMessage"].(string)
	status, _ := a["statusCode"].(json.Number)
	if ok || a["errorCode"] != string(code) || !strings.Contains(message, text) || status.String() != fmt.Sprint(code.Status()) {
		t.Errorf("%v, want %d %s %q", a, code.Status(), code, text)
	}
}

func TestCreateKeys(t *testing.T) {
	b := newBench(t, Limits{})
	ok, a := b.ask(createKeysTopic, ``, Client{})
	if !ok {
		t.Fatal(a)
	}
	pair, err := tls.X509KeyPair([]byte(a["certificatePem"].(string)), []byte(a["privateKey"].(string)))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(a["privateKey"].(string), "-----BEGIN RSA PRIVATE KEY-----") || pair.Leaf.Subject.CommonName != "AWS IoT Certificate" {
		t.Errorf("%v %v", a["privateKey"], pair.Leaf.Subject)
	}
	id := a["certificateId"].(string)
	if id != CertificateID(pair.Leaf.Raw) || b.s.Status(id, t0) != PendingActivation {
		t.Errorf("%s is %v", id, b.s.Status(id, t0))
	}
	if ok, a := b.ask(createKeysTopic, `not looked at`, Client{}); !ok || a["certificateId"] == id {
		t.Error(a)
	}
}

func TestCreateFromCSR(t *testing.T) {
	b := newBench(t, Limits{})
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	big, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := csr(t, ecKey(t, elliptic.P384()), pkix.Name{CommonName: "device", SerialNumber: "7"})
	block, _ := pem.Decode([]byte(good))
	forged := slices.Clone(block.Bytes)
	forged[len(forged)-1] ^= 1
	asPEM := func(typ string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der}))
	}
	for _, tt := range []struct {
		name, csr, want string // want "": accepted
	}{
		{"P-384", good, ""},
		{"P-521", csr(t, ecKey(t, elliptic.P521()), pkix.Name{}), ""},
		{"RSA", csr(t, big, pkix.Name{CommonName: "x"}), ""},
		{"as Microsoft writes it", asPEM("NEW CERTIFICATE REQUEST", block.Bytes), ""},
		{"short RSA", csr(t, small, pkix.Name{}), "RSA key of 1024 bits"},
		{"P-224", csr(t, ecKey(t, elliptic.P224()), pkix.Name{}), "curve P-224"},
		{"Ed25519", csr(t, edwards, pkix.Name{}), "key of type ed25519.PublicKey"},
		{"nothing", "", "not PEM"},
		{"certificate", asPEM("CERTIFICATE", block.Bytes), "not PEM of type"},
		{"no ASN.1", asPEM("CERTIFICATE REQUEST", []byte("x")), "cannot be read"},
		{"forged", asPEM("CERTIFICATE REQUEST", forged), ""}, // see below
		{"too long", good + strings.Repeat("\n", 16<<10), "the limit is 16384"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ok, a := b.ask(createCSRTopic, `{"certificateSigningRequest":`+quote(tt.csr)+`}`, Client{})
			if tt.name == "forged" {
				refused(t, ok, a, InvalidCSR, "")
				return
			}
			if tt.want != "" {
				refused(t, ok, a, InvalidCSR, tt.want)
				return
			}
			if !ok || a["privateKey"] != nil {
				t.Fatal(a)
			}
			cert, err := x509.ParseCertificate(must(pem.Decode([]byte(a["certificatePem"].(string)))).Bytes)
			if err != nil {
				t.Fatal(err)
			}
			request, err := x509.ParseCertificateRequest(must(pem.Decode([]byte(tt.csr))).Bytes)
			if err != nil || !slices.Equal(cert.RawSubject, request.RawSubject) || !slices.Equal(cert.RawSubjectPublicKeyInfo, request.RawSubjectPublicKeyInfo) {
				t.Errorf("subject %v, %v", cert.Subject, err)
			}
		})
	}
	for body, want := range map[string]string{``: "not JSON", `[]`: "not an object", `{"certificateSigningRequest":1}`: "must be a string"} {
		ok, a := b.ask(createCSRTopic, body, Client{})
		refused(t, ok, a, InvalidPayload, want)
	}
	ok, a := b.ask(createCSRTopic, `{}`, Client{})
	refused(t, ok, a, InvalidCSR, "not PEM")
}

func must(b *pem.Block, _ []byte) *pem.Block { return b }
