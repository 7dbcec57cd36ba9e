package conformance

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"

	p5 "github.com/eclipse/paho.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal"
)

var withCredentials = iotlocal.Options{Credentials: map[string]iotlocal.Credential{keyID: {SecretAccessKey: secretKey, SessionToken: sessionToken}}}

// mqttOver connects with MQTT 5 over an ALPN name.
func (p *probe) mqttOver(alpn string) *conn {
	nc, err := p.dialTLS(p.alpn, alpn)
	p.check(err)
	p.equal("negotiated", nc.ConnectionState().NegotiatedProtocol, alpn)
	c := p.add(nc, p.clientID())
	c.send(&p5.Connect{ProtocolName: "MQTT", ProtocolVersion: 5, ClientID: c.id, CleanStart: true, KeepAlive: 60, Properties: &p5.Properties{}})
	c.mustConnect(want[*p5.Connack](c, "CONNACK").ReasonCode)
	return c
}

// mqttIn connects with MQTT 5 inside a websocket, and returns the code of CONNACK.
func (p *probe) mqttIn(ws *socket, username string) (*conn, byte) {
	c := p.add(ws, p.clientID())
	c.send(&p5.Connect{ProtocolName: "MQTT", ProtocolVersion: 5, ClientID: c.id, CleanStart: true, KeepAlive: 60, UsernameFlag: username != "", Username: username, Properties: &p5.Properties{}})
	return c, want[*p5.Connack](c, "CONNACK").ReasonCode
}

var connectionFacts = []fact{
	{id: "connection.mtls", says: "MQTT with a client certificate on 8883, without ALPN", source: guideProtocols, probe: func(p *probe) { p.connect().ping() }},
	{id: "connection.no-certificate", says: "Without a client certificate there is no MQTT connection there", source: guideProtocols, probe: func(p *probe) {
		nc, err := tls.DialWithDialer(&net.Dialer{Timeout: p.patience}, "tcp", p.mqtt, &tls.Config{RootCAs: p.roots, ServerName: p.host})
		if err == nil {
			c := p.add(nc, "nobody")
			c.write([]byte{0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, 1, 'x'})
			c.v3 = true
			c.closed() // TLS 1.3 tells of it here
			p.equal("packets", len(c.inbox), 0)
		}
	}},
	{id: "connection.alpn-mqtt", says: "The same on 443 with ALPN x-amzn-mqtt-ca", source: guideProtocols, probe: func(p *probe) { p.mqttOver("x-amzn-mqtt-ca").ping() }},
	{id: "connection.https-alpn", says: "HTTPS with a client certificate on 443 with ALPN x-amzn-http-ca: POST /topics/TOPIC publishes", source: guideProtocols, probe: func(p *probe) {
		c := p.connect()
		c.sub(1, p.topic("https"))
		code, body := p.http("POST", "/topics/"+p.topic("https")+"?qos=1", "by https")
		p.equal("status", code, 200)
		p.contains("body", body, "OK")
		p.equal("payload", string(c.message(p.topic("https")).Payload), "by https")
	}},
	{id: "connection.https", says: "The same on 8443 without that ALPN name", source: guideProtocols, probe: func(p *probe) {
		code, _ := p.httpOver(p.https, "http/1.1", "POST", "/topics/"+p.topic("https")+"?qos=1", "x")
		p.equal("status", code, 200)
	}},
	{id: "connection.websocket", says: "Websockets on 443 at /mqtt with a signature of service iotdevicegateway or iotdata; another signature is refused with 403", source: guideProtocols, needs: identity, options: withCredentials, probe: func(p *probe) {
		good := signed{service: "iotdevicegateway", headers: "host", canonical: "host:" + p.host + "\n"}
		for _, service := range []string{"iotdevicegateway", "iotdata"} {
			s := good
			s.service = service
			answer, ws := p.upgrade(p.plainUpgrade(s.query(), "mqtt"))
			p.switched(answer)
			_, code := p.mqttIn(ws, "")
			p.equal("CONNACK", code, byte(0))
		}
		good.wrongSecret = true
		answer, _ := p.upgrade(p.plainUpgrade(good.query(), "mqtt"))
		p.contains("answer to another signature", answer, "403")
	}},
	{id: "connection.authorizer-alpn", says: "MQTT with a custom authorizer on 443 with ALPN mqtt, without a client certificate", source: guideProtocols, needs: identity, probe: func(p *probe) {
		p.authorizer(func(iotlocal.AuthorizerRequest) bool { return true })
		p.cert = tls.Certificate{}
		p.mqttOver("mqtt").ping()
	}},
	{id: "connection.sni", says: "SNI was asked for of every client in 2023, and is where several accounts or custom domains are: Options.RequireSNI", source: guideProtocols, sure: unconfirmed, needs: operator, options: iotlocal.Options{RequireSNI: true}, probe: func(p *probe) {
		p.connect()
		p.host = "127.0.0.1" // of an address no SNI is sent
		p.equal("a client without SNI is let in", p.letIn(), false)
	}},
	{id: "connection.wrong-ca", says: "A client certificate of another authority is refused", source: guideProtocols, needs: operator, probe: func(p *probe) {
		other, err := iotlocal.Start(iotlocal.Options{TCPPort: iotlocal.Off, WSPort: iotlocal.Off, WSSPort: iotlocal.Off, TLSPort: iotlocal.Off})
		p.check(err)
		p.undo = append(p.undo, func() { p.check(other.Close()) })
		thing, err := other.NewThing("stranger")
		p.check(err)
		pair, err := thing.Certificate()
		p.check(err)
		p.cert = tls.Certificate(pair)
		p.equal("it is let in", p.letIn(), false)
	}},
	{id: "connection.revoked", says: "A certificate that is INACTIVE or REVOKED is not let in", source: "AWS IoT developer guide, activate-or-deactivate-device-cert", needs: operator, probe: func(p *probe) {
		p.check(p.srv.SetCertificateStatus(p.certificateID(), iotlocal.CertificateInactive))
		_, ack := p.tryConnect()
		if ack.ReasonCode == 0 {
			p.differ("an inactive one is let in")
		}
	}},
}

// letIn reports whether a client gets as far as a CONNACK. With TLS 1.3 a server refuses after the client's handshake.
func (p *probe) letIn() bool {
	nc, err := p.dialTLS(p.mqtt)
	if err != nil {
		return false
	}
	c := p.add(nc, p.clientID())
	connect := &p5.Connect{ProtocolName: "MQTT", ProtocolVersion: 5, ClientID: c.id, CleanStart: true, KeepAlive: 60, Properties: &p5.Properties{}}
	if _, err := connect.WriteTo(nc); err != nil {
		return false
	}
	m, err := c.read()
	_, connack := m.five.(*p5.Connack)
	return err == nil && connack
}

// certificateID is that of the thing.
func (p *probe) certificateID() string {
	t, err := p.srv.NewThing(p.thing) // the same one again
	p.check(err)
	return t.CertificateID()
}

var shadowHTTPFacts = []fact{
	{id: "shadow.https", says: "HTTPS: POST, GET and DELETE of /things/THING/shadow, with ?name= for a named one", source: "AWS IoT Data Plane API reference", probe: func(p *probe) {
		for _, query := range []string{"", "?name=conformance"} {
			path := "/things/" + p.thing + "/shadow" + query
			p.http("POST", path, `{"state":{}}`)
			p.http("DELETE", path, "")
			code, body := p.http("POST", path, `{"state":{"reported":{"h":1}}}`)
			p.equal("POST", code, 200)
			p.contains("POST", body, `"h":1`)
			code, body = p.http("GET", path, "")
			p.equal("GET", code, 200)
			p.contains("GET", body, `"h":1`)
			code, _ = p.http("DELETE", path, "")
			p.equal("DELETE", code, 200)
			code, body = p.http("GET", path, "")
			p.equal("GET of none", code, 404)
			p.contains("GET of none", body, "No shadow exists with name")
		}
	}},
	{id: "shadow.https-list", says: "ListNamedShadowsForThing answers with results and timestamp, and nextToken while there is more", source: "AWS IoT Data Plane API reference", probe: func(p *probe) {
		path := func(n int) string { return fmt.Sprintf("/things/%s/shadow?name=conformance-%d", p.thing, n) }
		for n := range 2 {
			p.http("POST", path(n), `{"state":{}}`)
			p.undo = append(p.undo, func() { p.http("DELETE", path(n), "") })
		}
		code, body := p.http("GET", "/api/things/shadow/ListNamedShadowsForThing/"+p.thing+"?pageSize=1", "")
		p.equal("status", code, 200)
		answer := p.parse([]byte(body))
		list, _ := answer["results"].([]any)
		p.equal("results", len(list), 1)
		if answer["timestamp"] == nil || answer["nextToken"] == nil {
			p.differ("%s", body)
		}
	}},
	{id: "shadow.https-forbidden", says: "HTTPS: what policies deny is 403", source: guideShadowErrors, needs: operator, probe: func(p *probe) {
		p.forbid(`{"Effect":"Deny","Action":"iot:GetThingShadow","Resource":"*"}`)
		code, _ := p.http("GET", "/things/"+p.thing+"/shadow", "")
		p.equal("status", code, 403)
	}},
	{id: "shadow.https-unauthorized", says: "HTTPS: who proves nothing is refused", source: guideShadowErrors, needs: operator, options: withCredentials, probe: func(p *probe) {
		p.cert = tls.Certificate{}
		code, _ := p.httpOver(p.alpn, "http/1.1", "GET", "/things/"+p.thing+"/shadow", "")
		if code != 401 && code != 403 {
			p.differ("status %d", code)
		}
	}},
	{id: "shadow.thing-name", says: "A thing name is 1 to 128 of a-z A-Z 0-9 : _ -", source: "AWS IoT Data Plane API reference, UpdateThingShadow", needs: operator, probe: func(p *probe) {
		code, _ := p.http("POST", "/things/"+strings.Repeat("t", 128)+"/shadow", `{"state":{}}`)
		p.equal("128", code, 200)
		for _, bad := range []string{strings.Repeat("t", 129), "a.b", "a%20b"} {
			code, _ := p.http("POST", "/things/"+bad+"/shadow", `{"state":{}}`)
			p.equal(bad, code, 400)
		}
	}},
}
