package conformance

import (
	"strings"

	p5 "github.com/eclipse/paho.golang/packets"
)

// v1Key is a Sec-WebSocket-Key as the v1 SDK for Python sends it: 128 bytes.
const v1Key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWltcXV5f" +
	"YGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn8="

// clientFacts are what real clients send and wait for.
var clientFacts = []fact{
	{id: "client.metrics", says: "The AWS SDKs put ?SDK=...&Version=...&Platform=...&Metadata=(...) into the user name, also beside a certificate; it is ignored", source: "AWS IoT Device SDKs", sure: measured, probe: func(p *probe) {
		c := p.connect(func(k *p5.Connect) {
			k.UsernameFlag, k.Username = true, "?SDK=IoTDeviceSDK/JS&Version=1.0&Platform=Unix&Metadata=(CRTVersion=1;IoTSDKVersion=1;IoTSDKFeature=A)"
		})
		c.ping()
	}},
	{id: "client.native-upgrade", says: "The native SDKs sign connection and host for service iotdevicegateway, and send the token before the signature", source: "AWS IoT Device SDKs v2, aws-c-auth", sure: measured, needs: identity, options: withCredentials, probe: func(p *probe) {
		s := signed{service: "iotdevicegateway", headers: "connection;host", canonical: "connection:Upgrade\nhost:" + p.host + "\n", tokenBefore: true}
		answer, ws := p.upgrade(p.plainUpgrade(s.query(), "mqtt"))
		p.switched(answer)
		_, code := p.mqttIn(ws, "?SDK=IoTDeviceSDK")
		p.equal("CONNACK", code, byte(0))
	}},
	{id: "client.v1-upgrade", says: "The v1 SDK for Python signs host for iotdata with X-Amz-Expires=86400, asks for mqttv3.1 with a key of 128 bytes under a header in lower case, and wants its answer in lower case within 1,024 bytes", source: "v1 SDK for Python, websocket core", sure: measured, needs: identity, options: withCredentials, probe: func(p *probe) {
		s := signed{service: "iotdata", headers: "host", canonical: "host:" + p.host + "\n", expires: "86400"}
		answer, ws := p.upgrade("GET /mqtt" + s.query() + " HTTP/1.1\r\nHost: " + p.host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Protocol: mqttv3.1\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nsec-websocket-key: " + v1Key + "\r\n\r\n")
		p.switched(answer)
		for _, part := range []string{"\r\nsec-websocket-accept: WyiKX9CHbrfiGGdAJxgmx8LIyes=\r\n", "\r\nsec-websocket-protocol: mqttv3.1\r\n"} {
			p.contains("answer", answer, part)
		}
		if len(answer) > 1024 || strings.Contains(answer, "permessage-deflate") {
			p.differ("answer %s", short(answer))
		}
		_, code := p.mqttIn(ws, "")
		p.equal("CONNACK", code, byte(0))
	}},
	{id: "client.one-packet", says: "Every MQTT packet is a websocket message of its own: the v1 SDK for Python sees the second in one message only when more bytes come", source: "v1 SDK for Python on Python 3.8, 3.11 and 3.13", sure: measured, needs: identity, probe: func(p *probe) {
		answer, ws := p.upgrade(p.plainUpgrade("", "mqtt"))
		p.switched(answer)
		c, _ := p.mqttIn(ws, "")
		c.sub(1, p.topic("own"))
		c.pub(p.topic("own"), "x") // PUBACK and the message come together
		c.message(p.topic("own"))
		p.equal("websocket messages for CONNACK, SUBACK, PUBLISH and PUBACK", ws.frames, 4)
	}},
	{id: "client.shadow-wildcards", says: "The v2 SDKs subscribe to shadow/get/+ and shadow/delete/+; a policy with .../accepted alone breaks them", source: "AWS IoT Device SDKs v2", sure: measured, probe: func(p *probe) {
		c, prefix := p.connect(), "$aws/things/"+p.thing+"/shadow"
		c.sub(1, prefix+"/get/+", prefix+"/delete/+", prefix+"/update/accepted", prefix+"/update/rejected")
		c.pub(prefix+"/get", "")
		c.next("answer", func(m message) bool { return strings.HasPrefix(topicOf(m), prefix+"/get/") })
	}},
	{id: "client.token", says: "Answers of shadows and jobs are told apart by clientToken in the body", source: guideShadowMQTT, probe: func(p *probe) {
		c, prefix := p.connect(), "$aws/things/"+p.thing+"/shadow"
		c.sub(1, prefix+"/get/+")
		for _, token := range []string{"one", "two"} {
			c.pub(prefix+"/get", `{"clientToken":"`+token+`"}`)
			m := c.next("answer", func(m message) bool { return strings.HasPrefix(topicOf(m), prefix+"/get/") })
			p.equal("clientToken", p.parse(payloadOf(m))["clientToken"], any(token))
		}
	}},
	{id: "client.resubscribe", says: "Clients subscribe to one filter again and again; each time is answered", source: "AWS IoT Device SDKs v2", sure: measured, probe: func(p *probe) {
		c := p.connect()
		for range 3 {
			c.sub(1, p.topic("again"))
		}
		c.pub(p.topic("again"), "x")
		c.message(p.topic("again"))
		c.none(p.topic("again"))
	}},
}

// unprobedFacts are those that a device cannot ask about.
var unprobedFacts = []fact{
	{id: "shadow.error.internal", says: "500 Internal service failure, when the service fails", source: guideShadowErrors, why: "a device cannot make the service fail"},
	{id: "shadow.error.throttled", says: "429: more than 10 requests of one connection without an answer", source: guideShadowErrors, why: "answers come as fast as requests: whether ten are without one is the service's own time, and iotlocal answers each before it reads the next"},
	{id: "broker.order", says: "Messages may come out of order, and again with another packet id and without DUP", source: guideMQTT, why: "it may happen and need not: no probe could fail"},
	{id: "session.late-end", says: "A session may live up to 30 minutes longer than its expiry", source: guideMQTT, why: "it may happen and need not"},
	{id: "session.qos1-retry", says: "QoS 1 messages that wait are tried for an hour", source: quotas, why: "of a session that lives for an hour it is the same as the session's end; with a longer one AWS would have to be watched for hours"},
	{id: "limit.throughput", says: "A connection has 512 KB a second; what comes faster is delayed", source: quotas, why: "a delay cannot be told from a slow network; iotlocal slows a connection with Faults().Throttle"},
	{id: "connection.life", says: "A connection ends after one to two weeks, a signed websocket after a day (WEBSOCKET_TTL_EXPIRATION)", source: guideProtocols, why: "nobody waits for it; Faults().Disconnect ends a connection at any time"},
	{id: "lifecycle.reasons", says: "More reasons of disconnected events: AUTH_ERROR, SERVER_ERROR, API_INITIATED_DISCONNECT, THROTTLED, UNKNOWN, NONE", source: guideLife, why: "a device cannot bring them about"},
	{id: "lifecycle.version-reset", says: "versionNumber begins anew after about an hour offline", source: guideLife, why: "about an hour is no number to hold anybody to; iotlocal has an hour (TestLifecycleVersions)"},
	{id: "lifecycle.order", says: "Lifecycle events may come out of order and twice", source: guideLife, why: "it may happen and need not"},
	{id: "connection.names", says: "Endpoints are named ID-ats.iot.REGION.amazonaws.com, data.iot.REGION.api.aws, and as FIPS and VPC names", source: "AWS General Reference, AWS IoT Core endpoints", why: "a name is not behaviour; internal/topic has the list and its test"},
	{id: "client.python-callbacks", says: "An exception in a callback of the v1 SDK for Python ends its event thread", source: "v1 SDK for Python", sure: measured, why: "it is the client's doing, not the endpoint's"},
	{id: "client.js-stop", says: "Stopping the JavaScript client is a disconnection event with AWS_ERROR_MQTT5_USER_REQUESTED_STOP", source: "AWS IoT Device SDK v2 for JavaScript", sure: measured, why: "it is the client's doing, not the endpoint's"},
	{id: "control.models", says: "The control plane is that of the service models iot, iot-data and iot-jobs-data", source: "botocore, service models 2015-05-28 and 2017-09-29", why: "it is an operator's API, not a device's"},
}
