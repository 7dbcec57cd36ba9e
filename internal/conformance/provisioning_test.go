package conformance

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
	"strings"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
)

const provisionTopic = "$aws/provisioning-templates/fleet/provision/json"

// claim connects with a claim of the template fleet.
func (p *probe) claim() *conn {
	p.check(p.srv.Templates().Create("fleet", iotlocal.DefaultTemplate, iotlocal.TemplateOptions{}))
	t, err := p.srv.Templates().Claim("fleet", iotlocal.ClaimOptions{Life: -1})
	p.check(err)
	pair, err := t.Certificate()
	p.check(err)
	p.cert = tls.Certificate(pair)
	return p.connect()
}

// call publishes a request and returns the answer.
func (c *conn) call(topic, payload string) (accepted bool, answer object) {
	c.pub(topic, payload)
	m := c.next("answer to "+topic, func(m message) bool { t := topicOf(m); return t == topic+"/accepted" || t == topic+"/rejected" })
	return strings.HasSuffix(topicOf(m), "/accepted"), c.p.parse(payloadOf(m))
}

// created makes a certificate, and returns the answer.
func (c *conn) created() object {
	accepted, answer := c.call("$aws/certificates/create/json", "{}")
	if !accepted {
		c.p.fail("create: %v", answer)
	}
	return answer
}

// register registers the certificate of an answer under a serial number.
func (c *conn) register(token any, serial string) (accepted bool, answer object) {
	request, err := json.Marshal(object{"certificateOwnershipToken": token, "parameters": object{"SerialNumber": serial}})
	c.p.check(err)
	return c.call(provisionTopic, string(request))
}

// pairOf is the certificate of an answer.
func (p *probe) pairOf(answer object) tls.Certificate {
	pair, err := tls.X509KeyPair([]byte(fmt.Sprint(answer["certificatePem"])), []byte(fmt.Sprint(answer["privateKey"])))
	p.check(err)
	return pair
}

// lets reports whether a certificate may connect.
func (p *probe) lets(pair tls.Certificate) bool {
	was := p.cert
	p.cert = pair
	defer func() { p.cert = was }()
	_, ack := p.tryConnect()
	return ack.ReasonCode == 0
}

var provisioningFacts = []fact{
	{id: "provisioning.create", says: "create/json makes certificateId, certificatePem, privateKey and certificateOwnershipToken", source: guideProvision, needs: operator, probe: func(p *probe) {
		answer := p.claim().created()
		for _, member := range []string{"certificateId", "certificatePem", "privateKey", "certificateOwnershipToken"} {
			if s, _ := answer[member].(string); s == "" {
				p.differ("no %s", member)
			}
		}
		p.pairOf(answer)
	}},
	{id: "provisioning.csr", says: "create-from-csr/json makes the same for a key of the device's, without privateKey", source: guideProvision, needs: operator, probe: func(p *probe) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		p.check(err)
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "device"}}, key)
		p.check(err)
		request, err := json.Marshal(object{"certificateSigningRequest": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))})
		p.check(err)
		accepted, answer := p.claim().call("$aws/certificates/create-from-csr/json", string(request))
		p.equal("accepted", accepted, true)
		p.equal("privateKey", answer["privateKey"], nil)
		if answer["certificatePem"] == nil || answer["certificateOwnershipToken"] == nil {
			p.differ("%v", answer)
		}
	}},
	{id: "provisioning.cbor", says: "The same requests exist as CBOR, under create/cbor", source: guideProvision, needs: operator, probe: func(p *probe) {
		c := p.claim()
		c.pub("$aws/certificates/create/cbor", "\xa0") // {}
		if m := c.message("$aws/certificates/create/cbor/accepted"); len(m.Payload) == 0 || m.Payload[0]>>5 != 5 {
			p.differ("the answer is no map of CBOR: %x", m.Payload[:min(8, len(m.Payload))])
		}
	}},
	{id: "provisioning.register", says: "provision answers with thingName and deviceConfiguration, and the certificate may connect then", source: guideProvision, needs: operator, probe: func(p *probe) {
		c := p.claim()
		made := c.created()
		accepted, answer := c.register(made["certificateOwnershipToken"], "sn-1")
		p.equal("accepted", accepted, true)
		p.equal("thingName", answer["thingName"], any("sn-1"))
		if _, ok := answer["deviceConfiguration"].(object); !ok {
			p.differ("deviceConfiguration: %v", answer["deviceConfiguration"])
		}
		p.equal("connects", p.lets(p.pairOf(made)), true)
	}},
	{id: "provisioning.pending", says: "Until then the certificate is PENDING_ACTIVATION, and may not connect", source: guideProvision, needs: operator, probe: func(p *probe) {
		p.equal("connects", p.lets(p.pairOf(p.claim().created())), false)
	}},
	{id: "provisioning.token", says: "The ownership token is good for an hour; the certificate is gone after it", source: guideProvision, needs: clock, probe: func(p *probe) {
		c := p.claim()
		early, late := c.created(), c.created()
		p.srv.Clock().Advance(59 * time.Minute)
		accepted, answer := c.register(early["certificateOwnershipToken"], "sn-1")
		p.equal(fmt.Sprint("accepted after 59 minutes: ", answer), accepted, true)
		p.srv.Clock().Advance(2 * time.Minute)
		accepted, answer = c.register(late["certificateOwnershipToken"], "sn-2")
		p.equal("accepted after 61 minutes", accepted, false)
		p.equal("statusCode", answer["statusCode"], any(400.0))
	}},
	{id: "provisioning.error", says: "Errors have statusCode, errorCode and errorMessage", source: guideProvision, needs: operator, probe: func(p *probe) {
		_, answer := p.claim().register("nonsense", "sn-1")
		for _, member := range []string{"statusCode", "errorCode", "errorMessage"} {
			if answer[member] == nil {
				p.differ("no %s in %v", member, answer)
			}
		}
	}},
	{id: "provisioning.error-empty", says: "Without a token: 400 InvalidCertificateOwnershipToken, Certificate ownership token cannot be empty.", source: "issue 69 of aws/aws-iot-device-sdk-js-v2", sure: reported, needs: operator, probe: func(p *probe) {
		_, answer := p.claim().register("", "sn-1")
		p.same("answer", answer, `{"statusCode":400,"errorCode":"InvalidCertificateOwnershipToken","errorMessage":"Certificate ownership token cannot be empty."}`)
	}},
	{id: "provisioning.error-hook", says: "A pre-provisioning hook that refuses is a 403", source: "AWS IoT developer guide, pre-provisioning-hook; issue 25 of aws-samples/aws-iot-fleet-provisioning", sure: reported, needs: operator, probe: func(p *probe) {
		c := p.claim()
		p.check(p.srv.Templates().Create("fleet", iotlocal.DefaultTemplate, iotlocal.TemplateOptions{Hook: refuseAll}))
		accepted, answer := c.register(c.created()["certificateOwnershipToken"], "sn-1")
		p.equal("accepted", accepted, false)
		p.equal("statusCode", answer["statusCode"], any(403.0))
	}},
	{id: "provisioning.private", says: "Answers go to the client that asks alone: who watches sees none", source: "issue 87 of espressif/esp-aws-iot", sure: reported, needs: operator, probe: func(p *probe) {
		watch := p.connect()
		watch.sub(1, "$aws/certificates/create/json/+")
		p.claim().created()
		watch.none("$aws/certificates/create/json/")
	}},
	{id: "provisioning.no-correlation", says: "Answers are told apart by topic alone: there is no clientToken", source: guideProvision, needs: operator, probe: func(p *probe) {
		c := p.claim()
		_, answer := c.call("$aws/certificates/create/json", `{"clientToken":"x"}`)
		p.equal("clientToken", answer["clientToken"], nil)
	}},
}
