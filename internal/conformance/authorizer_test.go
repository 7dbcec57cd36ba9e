package conformance

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/url"
	"strings"

	p5 "github.com/eclipse/paho.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal"
)

// answerOf is the answer of an authorizer that allows everything, to whom it lets in.
func answerOf(in bool) iotlocal.AuthorizerAnswer {
	return iotlocal.AuthorizerAnswer{IsAuthenticated: in, PrincipalID: "them", PolicyDocuments: []json.RawMessage{
		json.RawMessage(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}`)}}
}

// withoutCertificate connects over ALPN mqtt with a user name and password, and returns the code of CONNACK.
func (p *probe) withoutCertificate(username, password string) (*conn, byte) {
	p.cert = tls.Certificate{}
	nc, err := p.dialTLS(p.alpn, "mqtt")
	p.check(err)
	c := p.add(nc, p.clientID())
	c.send(&p5.Connect{ProtocolName: "MQTT", ProtocolVersion: 5, ClientID: c.id, CleanStart: true, KeepAlive: 1200, UsernameFlag: true, Username: username,
		PasswordFlag: password != "", Password: []byte(password), Properties: &p5.Properties{}})
	return c, want[*p5.Connack](c, "CONNACK").ReasonCode
}

var authorizerFacts = []fact{
	{id: "authorizer.username", says: "CONNECT's user name names the authorizer and gives the token: user?x-amz-customauthorizer-name=A&KEY=TOKEN", source: guideAuthorizer, needs: identity, probe: func(p *probe) {
		p.authorizer(func(r iotlocal.AuthorizerRequest) bool { return r.Token == "to ken" })
		_, code := p.withoutCertificate("bob?x-amz-customauthorizer-name=mine&token=to%20ken", "")
		p.equal("CONNACK", code, byte(0))
		_, code = p.withoutCertificate("bob?x-amz-customauthorizer-name=mine&token=other", "")
		p.equal("CONNACK of another token", code, byte(0x87))
		_, code = p.withoutCertificate("bob?x-amz-customauthorizer-name=none&token=to%20ken", "")
		p.equal("CONNACK of another authorizer", code, byte(0x87))
	}},
	{id: "authorizer.signature", says: "The token is signed with RSA and SHA-256, x-amz-customauthorizer-signature is its base64; the authorizer is not asked when it is wrong", source: guideAuthorizer, needs: identity, probe: func(p *probe) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		p.check(err)
		der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		p.check(err)
		asked := 0
		p.check(p.srv.Authorizers().Put(iotlocal.Authorizer{Name: "mine", TokenKeyName: "token", PublicKeys: map[string]string{"k": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))},
			Function: func(r iotlocal.AuthorizerRequest) (iotlocal.AuthorizerAnswer, error) {
				asked++
				return answerOf(r.SignatureVerified), nil
			}}))
		sum := sha256.Sum256([]byte("secret"))
		sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		p.check(err)
		name := "bob?x-amz-customauthorizer-name=mine&x-amz-customauthorizer-signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(sig)) + "&token="
		_, code := p.withoutCertificate(name+"secret", "")
		p.equal("CONNACK", code, byte(0))
		_, code = p.withoutCertificate(name+"another", "")
		p.equal("CONNACK of another token", code, byte(0x87))
		p.equal("asked", asked, 1)
	}},
	{id: "authorizer.password", says: "The password goes to the authorizer in base64, with the user name and the client id", source: guideAuthorizer, needs: identity, probe: func(p *probe) {
		var event string
		p.authorizer(func(r iotlocal.AuthorizerRequest) bool {
			text, err := json.Marshal(r.ProtocolData.MQTT)
			event = string(text)
			return err == nil
		})
		c, _ := p.withoutCertificate("bob", "secret")
		p.same("event", p.parse([]byte(event)), `{"username":"bob","password":"c2VjcmV0","clientId":"`+c.id+`"}`)
	}},
	{id: "authorizer.websocket", says: "Over a websocket the authorizer and the token are in headers or the query of the upgrade", source: guideAuthorizer, needs: identity, options: withCredentials, probe: func(p *probe) {
		p.authorizer(func(r iotlocal.AuthorizerRequest) bool { return r.Token == "t" && r.ProtocolData.HTTP != nil })
		for _, request := range []string{
			p.plainUpgrade("?x-amz-customauthorizer-name=mine&token=t", "mqtt"),
			p.plainUpgrade("", "mqtt", "x-amz-customauthorizer-name: mine\r\n", "token: t\r\n"),
		} {
			answer, ws := p.upgrade(request)
			p.switched(answer)
			_, code := p.mqttIn(ws, "")
			p.equal("CONNACK", code, byte(0))
		}
	}},
	{id: "authorizer.policies", says: "What an authorizer's documents do not allow is denied", source: guideAuthorizer, needs: identity, probe: func(p *probe) {
		p.check(p.srv.Authorizers().Put(iotlocal.Authorizer{Name: "mine", SigningDisabled: true, Function: func(iotlocal.AuthorizerRequest) (iotlocal.AuthorizerAnswer, error) {
			a := answerOf(true)
			a.PolicyDocuments[0] = json.RawMessage(strings.Replace(string(a.PolicyDocuments[0]), "iot:*", "iot:Connect", 1))
			return a, nil
		}}))
		c, code := p.withoutCertificate("bob?x-amz-customauthorizer-name=mine", "")
		p.equal("CONNACK", code, byte(0))
		p.equal("PUBACK", c.tryPub("a", "x").ReasonCode, byte(0x87))
	}},
	{id: "authorizer.time", says: "The connection ends after disconnectAfterInSeconds, a day at most, and the lifecycle event says CUSTOMAUTH_TTL_EXPIRATION", source: guideAuthorizer + "; " + guideLife, needs: clock, probe: func(p *probe) {
		p.authorizer(func(iotlocal.AuthorizerRequest) bool { return true })
		watch := p.lifecycle()
		c, _ := p.withoutCertificate("bob", "")
		p.srv.Clock().Advance(day)
		c.disconnected(0xA0)
		p.equal("reason", watch.life("presence/disconnected", c.id)["disconnectReason"], any("CUSTOMAUTH_TTL_EXPIRATION"))
	}},
}
