package iotlocal_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
)

// quoted is text in JSON, without the quotes.
func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return strings.Trim(string(b), `"`)
}

// newCSR returns a certificate signing request and its key in PEM.
func newCSR(t *testing.T) (csr, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "mine"}}, k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), keyPEM(t, k)
}

func keyPEM(t *testing.T, k *ecdsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// foreign returns a certificate that another CA has signed, in PEM with its key.
func foreign(t *testing.T, until time.Time) (cert, key string) {
	t.Helper()
	ca, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	above := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "another CA"}, IsCA: true, BasicConstraintsValid: true, NotBefore: until.Add(-2 * time.Hour), NotAfter: until}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "device"}, NotBefore: until.Add(-2 * time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, leaf, above, k.Public(), ca)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), keyPEM(t, k)
}

func identity(name, cert, key string) iotlocal.Thing {
	return iotlocal.Thing{Name: name, CertPEM: []byte(cert), KeyPEM: []byte(key)}
}

// What the API makes connects, is subject to its policies at once, and is put out.
func TestAPICertificateConnects(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	c := newAPI(t, srv)
	_, _, body := c.ask(step{method: "POST", path: "/keys-and-certificate?setAsActive=true"})
	var made struct {
		CertificateID, CertificateARN, CertificatePem string
		KeyPair                                       struct{ PublicKey, PrivateKey string }
	}
	if err := json.Unmarshal([]byte(body), &made); err != nil || !strings.HasPrefix(made.KeyPair.PublicKey, "-----BEGIN PUBLIC KEY") {
		t.Fatalf("%v %s", err, body)
	}
	c.vars["id"], c.vars["cert"] = made.CertificateID, made.CertificateARN
	lamp := identity("lamp", made.CertificatePem, made.KeyPair.PrivateKey)
	d, code := connectTLS(t, srv, "lamp", lamp)
	if code != 0 {
		t.Fatalf("without policies: %x", code)
	}
	doc := func(resource string) string {
		return `{"policyDocument":"` + quoted(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"`+resource+`"}]}`) + `"}`
	}
	c.run([]step{{name: "a policy", method: "POST", path: "/policies/p", body: doc("arn:aws:iot:*:*:topic/${iot:Connection.Thing.Attributes[room]}/*")}})
	if code := d.pub("hall/x", "", 1); code != 0x87 {
		t.Errorf("with a policy of others: %x", code)
	}
	c.run([]step{
		{name: "attach", method: "PUT", path: "/target-policies/p", body: `{"target":"{cert}"}`},
		{name: "thing", method: "POST", path: "/things/lamp", body: `{"attributePayload":{"attributes":{"room":"hall"}}}`},
		{name: "attach to the thing", method: "PUT", path: "/things/lamp/principals", header: "x-amzn-principal: {cert}"},
	})
	if code := d.pub("hall/x", "", 2); code != 0x10 {
		t.Errorf("with an attribute of the thing: %x", code)
	}
	c.run([]step{{name: "attribute", method: "PATCH", path: "/things/lamp", body: `{"attributePayload":{"attributes":{"room":"attic"}}}`}})
	if code := d.pub("hall/x", "", 3); code != 0x87 {
		t.Errorf("with another attribute: %x", code)
	}
	c.run([]step{{name: "another version", method: "POST", path: "/policies/p/version?setAsDefault=true", body: doc("*")}})
	if code := d.pub("hall/x", "", 4); code != 0x10 {
		t.Errorf("with another version: %x", code)
	}
	c.run([]step{{name: "detach", method: "POST", path: "/target-policies/p", body: `{"target":"{cert}"}`}})
	if code := d.pub("hall/x", "", 5); code != 0x87 {
		t.Errorf("without its policy: %x", code)
	}
	c.run([]step{ // the policies of the groups above count for the things below
		{name: "group", method: "POST", path: "/thing-groups/house"},
		{name: "room", method: "POST", path: "/thing-groups/room", body: `{"parentGroupName":"house"}`},
		{name: "into the room", method: "PUT", path: "/thing-groups/addThingToThingGroup", body: `{"thingGroupName":"room","thingName":"lamp"}`},
		{name: "policy of the house", method: "PUT", path: "/target-policies/p", body: `{"target":"` + arnOf + `thinggroup/house"}`},
		{name: "effective", method: "POST", path: "/effective-policies?thingName=lamp", body: `{"principal":"{cert}"}`, want: `"policyName":"p"`},
		{name: "effective without the thing", method: "POST", path: "/effective-policies", body: `{"principal":"{cert}"}`, want: `"effectivePolicies":[]`},
	})
	if code := d.pub("hall/x", "", 6); code != 0x10 {
		t.Errorf("with the policy of a group: %x", code)
	}
	c.run([]step{
		{name: "delete while active", method: "DELETE", path: "/certificates/{id}", status: 406, want: "CertificateStateException"},
		{name: "turn off", method: "PUT", path: "/certificates/{id}?newStatus=INACTIVE", want: "{}"},
	})
	d.disconnected(0x87)
	if _, code := connectTLS(t, srv, "lamp", lamp); code != 0x87 {
		t.Errorf("inactive: %x", code)
	}
	c.run([]step{
		{name: "thing with principal", method: "DELETE", path: "/things/lamp", status: 400, want: "still attached"},
		{name: "delete while attached", method: "DELETE", path: "/certificates/{id}", status: 409, want: "DeleteConflictException"},
		{name: "principals", method: "GET", path: "/things/lamp/principals", want: `"principals":["{cert}"]`},
		{name: "principals of nothing", method: "GET", path: "/things/none/principals", status: 404},
		{name: "things", method: "GET", path: "/principals/things", header: "x-amzn-principal: {cert}", want: `"things":["lamp"]`},
		{name: "things of nobody", method: "GET", path: "/principals/things", status: 400},
		{name: "detach", method: "DELETE", path: "/things/lamp/principals", header: "x-amzn-principal: {cert}"},
		{name: "detach again", method: "DELETE", path: "/things/lamp/principals", header: "x-amzn-principal: {cert}"},
		{name: "detach from nothing", method: "DELETE", path: "/things/none/principals", header: "x-amzn-principal: {cert}", status: 404},
		{name: "policy", method: "PUT", path: "/target-policies/p", body: `{"target":"{cert}"}`},
		{name: "delete with policy", method: "DELETE", path: "/certificates/{id}", status: 409, want: "DeleteConflictException"},
		{name: "delete by force", method: "DELETE", path: "/certificates/{id}?forceDelete=true", want: "{}"},
		{name: "deleted", method: "GET", path: "/certificates/{id}", status: 404},
		{name: "update what is deleted", method: "PUT", path: "/certificates/{id}?newStatus=ACTIVE", status: 404},
	})
	if _, code := connectTLS(t, srv, "lamp", lamp); code != 0x87 {
		t.Errorf("deleted: %x", code)
	}
}

func TestAPICertificates(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	c := newAPI(t, srv)
	csr, key := newCSR(t)
	c.vars["csr"], c.vars["ca"] = quoted(csr), quoted(string(srv.CAPEM()))
	c.run([]step{
		{name: "none", method: "GET", path: "/certificates", want: `"certificates":[]`},
		{name: "from a CSR", method: "POST", path: "/certificates", body: `{"certificateSigningRequest":"{csr}"}`, want: `"certificateArn":"` + arnOf + `cert/`, save: "id=certificateId,pem=certificatePem"},
		{name: "no CSR", method: "POST", path: "/certificates", body: `{"certificateSigningRequest":"x"}`, status: 400, want: "InvalidRequestException"},
		{name: "CSR left out", method: "POST", path: "/certificates", body: `{}`, status: 400, want: "certificateSigningRequest"},
		{name: "describe", method: "GET", path: "/certificates/{id}", want: `"status":"INACTIVE" | "certificateMode":"DEFAULT" | "notAfter": | "ownedBy":"000000000000"`},
		{name: "describe nothing", method: "GET", path: "/certificates/" + strings.Repeat("0", 64), status: 404},
		{name: "describe no id", method: "GET", path: "/certificates/x", status: 400},
		{name: "to a status that is none", method: "PUT", path: "/certificates/{id}?newStatus=PENDING_TRANSFER", status: 400},
		{name: "to nothing", method: "PUT", path: "/certificates/{id}", status: 400, want: "newStatus"},
		{name: "of nothing", method: "PUT", path: "/certificates/" + strings.Repeat("0", 64) + "?newStatus=ACTIVE", status: 404},
		{name: "revoke", method: "PUT", path: "/certificates/{id}?newStatus=REVOKED"},
		{name: "revoked", method: "GET", path: "/certificates/{id}", want: `"status":"REVOKED" | "customerVersion":2`},
		{name: "activate", method: "PUT", path: "/certificates/{id}?newStatus=ACTIVE"},
	})
	if _, code := connectTLS(t, srv, "mine", identity("mine", c.vars["pem"], key)); code != 0 {
		t.Errorf("from a CSR: %x", code)
	}
	c.vars["own"] = quoted(c.vars["pem"])
	cert, key := foreign(t, time.Now().Add(time.Hour))
	expired, _ := foreign(t, time.Now().Add(-time.Hour))
	c.vars["foreign"], c.vars["expired"] = quoted(cert), quoted(expired)
	if _, err := dialTLS(t, srv, identity("device", cert, key), &tls.Config{MaxVersion: tls.VersionTLS12}); err == nil {
		t.Error("a certificate of another CA is let in")
	}
	c.run([]step{
		{name: "registered already", method: "POST", path: "/certificate/register", body: `{"certificatePem":"{own}"}`, status: 409, want: `ResourceAlreadyExistsException | "resourceId":"{id}"`},
		{name: "of another CA", method: "POST", path: "/certificate/register", body: `{"certificatePem":"{foreign}"}`, status: 400, want: "CertificateValidationException | RegisterCertificateWithoutCA"},
		{name: "of a CA that is not known", method: "POST", path: "/certificate/register", body: `{"certificatePem":"{foreign}","caCertificatePem":"{foreign}"}`, status: 404},
		{name: "of this CA", method: "POST", path: "/certificate/register", body: `{"certificatePem":"{foreign}","caCertificatePem":"{ca}"}`, status: 400},
		{name: "no PEM", method: "POST", path: "/certificate/register-no-ca", body: `{"certificatePem":"x"}`, status: 400, want: "CertificateValidationException"},
		{name: "two", method: "POST", path: "/certificate/register-no-ca", body: `{"certificatePem":"{foreign}{foreign}"}`, status: 400, want: "not one certificate"},
		{name: "expired", method: "POST", path: "/certificate/register-no-ca", body: `{"certificatePem":"{expired}"}`, status: 400, want: "has expired"},
		{name: "odd status", method: "POST", path: "/certificate/register-no-ca", body: `{"certificatePem":"{foreign}","status":"REVOKED"}`, status: 400, want: "ACTIVE or INACTIVE"},
		{name: "inactive", method: "POST", path: "/certificate/register-no-ca", body: `{"certificatePem":"{foreign}"}`, save: "theirs=certificateId"},
		{name: "again", method: "POST", path: "/certificate/register-no-ca", body: `{"certificatePem":"{foreign}"}`, status: 409},
		{name: "mode", method: "GET", path: "/certificates/{theirs}", want: `"certificateMode":"SNI_ONLY" | "status":"INACTIVE"`},
		{name: "the newest first", method: "GET", path: "/certificates?pageSize=1", want: "{theirs} | !{id}", save: "next=nextMarker"},
		{name: "the next one", method: "GET", path: "/certificates?pageSize=1&marker={next}", want: "{id} | !{theirs} | !nextMarker"},
		{name: "the oldest first", method: "GET", path: "/certificates?isAscendingOrder=true&pageSize=1", want: "{id}"},
	})
	device := identity("device", cert, key)
	if _, code := connectTLS(t, srv, "device", device); code != 0x87 {
		t.Errorf("inactive: %x", code)
	}
	c.run([]step{{name: "activate", method: "PUT", path: "/certificates/{theirs}?newStatus=ACTIVE"}})
	if _, code := connectTLS(t, srv, "device", device); code != 0 {
		t.Errorf("registered without CA: %x", code)
	}
	other, otherKey := foreign(t, time.Now().Add(time.Hour)) // of a CA with the same name
	if _, err := dialTLS(t, srv, identity("device", other, otherKey), &tls.Config{MaxVersion: tls.VersionTLS12}); err == nil {
		t.Error("who has registered one certificate has let in all of its CA")
	}
	c.run([]step{
		{name: "off", method: "PUT", path: "/certificates/{theirs}?newStatus=INACTIVE"},
		{name: "delete", method: "DELETE", path: "/certificates/{theirs}"},
	})
	if _, err := dialTLS(t, srv, device, &tls.Config{MaxVersion: tls.VersionTLS12}); err == nil {
		t.Error("a deleted certificate of another CA is let in")
	}
}

// What fleet provisioning makes is in the registry, and what the registry has counts for fleet provisioning.
func TestAPISeesProvisioning(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	createTemplate(t, srv, iotlocal.TemplateOptions{})
	claim, err := srv.Templates().Claim("fleet", iotlocal.ClaimOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := newAPI(t, srv)
	d, code := connectTLS(t, srv, "new", claim)
	if code != 0 {
		t.Fatalf("%x", code)
	}
	verdict, made := d.provision(createKeys, "")
	if verdict != "/accepted" {
		t.Fatal(verdict)
	}
	c.vars["id"] = made.CertificateID
	c.run([]step{
		{name: "waits", method: "GET", path: "/certificates/{id}", want: `"status":"PENDING_ACTIVATION"`},
		{name: "listed without the claim", method: "GET", path: "/certificates", want: "{id} | !" + claim.CertificateID()},
		{name: "thing before", method: "POST", path: "/things/s1", body: `{"attributePayload":{"attributes":{"room":"hall"}}}`},
	})
	if verdict, a := d.provision(provisionIt, registration(made.Token, "s1")); verdict != "/accepted" || a.ThingName != "s1" {
		t.Fatalf("%s %+v", verdict, a)
	}
	c.run([]step{
		{name: "registered", method: "GET", path: "/certificates/{id}", want: `"status":"ACTIVE"`},
		{name: "attached", method: "GET", path: "/things/s1/principals", want: "{id}"},
		{name: "as it was", method: "GET", path: "/things/s1", want: `"room":"hall"`},
		{name: "its policy", method: "POST", path: "/attached-policies/" + strings.ReplaceAll(arnOf, "/", "%2F") + "cert%2F{id}", want: `"policyName":"device"`},
		{name: "off", method: "PUT", path: "/certificates/{id}?newStatus=INACTIVE"},
	})
	if s, _ := srv.CertificateStatus(made.CertificateID); s != iotlocal.CertificateInactive {
		t.Errorf("%v", s)
	}
	if all := srv.Templates().Certificates(); all[len(all)-1].Status != iotlocal.CertificateInactive || all[len(all)-1].Thing != "s1" {
		t.Errorf("%+v", all)
	}
	if thing, ok := srv.Templates().Thing("s1"); !ok || thing.Attributes["room"] != "hall" || len(thing.Certificates) != 1 {
		t.Errorf("%+v", thing)
	}
}

// Many ask at once, while clients connect.
func TestAPIConcurrent(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	c := newAPI(t, srv)
	c.run([]step{
		{name: "group", method: "POST", path: "/thing-groups/all"},
		{name: "policy", method: "POST", path: "/policies/p", body: `{"policyDocument":"` + quoted(everything) + `"}`},
		{name: "for all", method: "PUT", path: "/target-policies/p", body: `{"target":"` + arnOf + `thinggroup/all"}`},
	})
	thing, err := srv.NewThing("lamp")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 5 {
				name := fmt.Sprintf("t%d-%d", i, n)
				for _, s := range []step{
					{method: "POST", path: "/things/" + name, body: `{"attributePayload":{"attributes":{"n":"1"}}}`},
					{method: "PUT", path: "/thing-groups/addThingToThingGroup", body: `{"thingGroupName":"all","thingName":"` + name + `"}`},
					{method: "PUT", path: "/things/" + name + "/principals", header: "x-amzn-principal: " + arnOf + "cert/" + thing.CertificateID()},
					{method: "PATCH", path: "/things/" + name, body: `{"attributePayload":{"attributes":{"n":"2"}}}`},
					{method: "GET", path: "/things?maxResults=2"},
					{method: "GET", path: "/thing-groups/all/things?recursive=true"},
				} {
					if status, kind, body := c.ask(s); status != 200 {
						t.Errorf("%s %s: %d %s %s", s.method, s.path, status, kind, body)
					}
				}
				if d, code := connectTLS(t, srv, name, thing); code != 0 {
					t.Errorf("%s: %x", name, code)
				} else if code := d.pub("x", "", 1); code != 0x10 && code != 0 {
					t.Errorf("%s: publish %x", name, code)
				}
			}
		})
	}
	wg.Wait()
	c.run([]step{{name: "all of them", method: "GET", path: "/thing-groups/all/things?maxResults=250", want: `"t7-4" | "t0-0"`}})
}
