package conformance

import (
	"fmt"
	"strings"
	"time"

	p5 "github.com/eclipse/paho.golang/packets"
	p3 "github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal"
)

var brokerFacts = []fact{
	{id: "broker.qos2-publish", says: "There is no QoS 2: a PUBLISH of QoS 2 has no acknowledgement, the connection ends", source: guideMQTT + "; issue 120 of awslabs/aws-c-mqtt", sure: reported, probe: func(p *probe) {
		for _, c := range []*conn{p.connect(), p.connect3()} {
			if c.v3 {
				c.send3(c.packet3(p.topic("a"), "x", 2))
			} else {
				c.send(&p5.Publish{Topic: p.topic("a"), Payload: []byte("x"), QoS: 2, PacketID: 9, Properties: &p5.Properties{}})
			}
			c.closed()
			for _, m := range c.inbox {
				switch m.five.(type) {
				case *p5.Pubrec, *p5.Puback:
					p.differ("an acknowledgement: %v", m.five)
				}
			}
		}
	}},
	{id: "broker.qos2-subscribe", says: "A filter asked for with QoS 2 is granted QoS 1", source: guideMQTT, sure: unconfirmed, probe: func(p *probe) {
		p.equal("SUBACK", p.connect().codes(2, p.topic("a")), []byte{1})
	}},
	{id: "broker.hash-parent", says: "a/# does not match a, unlike in MQTT", source: "AWS IoT developer guide, topics", probe: func(p *probe) {
		c := p.connect()
		c.sub(1, p.topic("a/#"))
		c.pub(p.topic("a"), "x")
		c.pub(p.topic("a/b"), "y")
		c.message(p.topic("a/b"))
		c.none(p.topic("a"))
	}},
	{id: "broker.retained-wildcard", says: "Retained messages go to new subscriptions without wildcards only", source: "AWS IoT developer guide, mqtt (retained messages)", probe: func(p *probe) {
		c := p.connect()
		c.pub(p.topic("r"), "kept", retain)
		p.undo = append(p.undo, func() { c.pub(p.topic("r"), "", retain) })
		c.sub(1, p.topic("+"))
		c.none(p.topic("r"))
		c.sub(1, p.topic("r"))
		m := c.message(p.topic("r"))
		p.equal("payload", string(m.Payload), "kept")
		p.equal("retain", m.Retain, true)
	}},
	{id: "broker.retained-clear", says: "An empty retained message removes the one that is kept", source: "MQTT 5, 3.3.1.3", probe: func(p *probe) {
		c := p.connect()
		c.pub(p.topic("r"), "kept", retain)
		c.pub(p.topic("r"), "", retain)
		c.sub(1, p.topic("r"))
		c.none(p.topic("r"))
	}},
	{id: "broker.retained-reserved", says: "A retained message may not be published to a reserved topic", source: guideMQTT, probe: func(p *probe) {
		c := p.connect()
		k := c.packet("$aws/things/"+p.thing+"/shadow/update", `{"state":{}}`, 1, retain)
		c.send(k)
		m := c.next("PUBACK or DISCONNECT", func(m message) bool {
			switch m.five.(type) {
			case *p5.Puback, *p5.Disconnect:
				return true
			}
			return false
		})
		if a, ok := m.five.(*p5.Puback); ok && a.ReasonCode < 0x80 {
			p.differ("PUBACK 0x%02X", a.ReasonCode)
		}
	}},
	{id: "broker.connack-7", says: "MQTT 3.1.1: who may not connect gets CONNACK 7, not 5", source: guideMQTT, needs: operator, probe: func(p *probe) {
		p.forbid(`{"Effect":"Deny","Action":"iot:Connect","Resource":"*"}`)
		_, ack := p.tryConnect3()
		p.equal("CONNACK", ack.ReturnCode, byte(7))
	}},
	{id: "broker.takeover", says: "A new connection with a client id ends the old one, which is told 0x8E in MQTT 5 and nothing in 3.1.1", source: "MQTT 5, 3.1.4; " + guideMQTT, probe: func(p *probe) {
		old := p.connect()
		p.connect(as(old.id))
		old.disconnected(0x8E)
		three := p.connect3()
		p.connect(as(three.id))
		three.closed()
		p.equal("packets to 3.1.1", len(three.inbox), 0)
	}},
	{id: "broker.no-disconnect-3", says: "MQTT 3.1.1 has no DISCONNECT from the server: the connection only ends", source: "MQTT 3.1.1, 3.14", probe: func(p *probe) {
		c := p.connect3()
		c.send3(c.packet3("a/+/b", "x", 1))
		c.closed()
		p.equal("packets", len(c.inbox), 0)
	}},
	{id: "broker.second-connect", says: "A second CONNECT on a connection ends it with 0x82", source: "MQTT 5, 3.1.0-2", probe: func(p *probe) {
		c := p.connect()
		c.send(&p5.Connect{ProtocolName: "MQTT", ProtocolVersion: 5, ClientID: c.id, CleanStart: true, Properties: &p5.Properties{}})
		c.disconnected(0x82)
	}},
	{id: "broker.no-subscribers", says: "MQTT 5: a PUBACK says 0x10 where nobody has subscribed, and 0 where somebody has", source: "MQTT 5, 3.4.2.1; AWS IoT developer guide, mqtt (reason codes)", probe: func(p *probe) {
		c := p.connect()
		p.equal("nobody", c.tryPub(p.topic("nobody"), "x").ReasonCode, byte(0x10))
		c.sub(1, p.topic("somebody"))
		p.equal("somebody", c.tryPub(p.topic("somebody"), "x").ReasonCode, byte(0))
	}},
	{id: "broker.will", says: "The will is published when the connection is lost, and not after DISCONNECT", source: guideLife, probe: func(p *probe) {
		watch := p.connect()
		watch.sub(1, p.topic("will/+"))
		lost := p.connectWithWill(p.topic("will/lost"), "gone")
		gone := p.connectWithWill(p.topic("will/bye"), "bye")
		lost.drop()
		m := watch.message(p.topic("will/lost"))
		p.equal("payload", string(m.Payload), "gone")
		p.equal("content type", m.Properties.ContentType, willContentType)
		gone.bye()
		watch.none(p.topic("will/"))
	}},
	{id: "broker.will-takeover", says: "The will is published when another connection takes the client id over", source: guideLife, probe: func(p *probe) {
		watch := p.connect()
		watch.sub(1, p.topic("will"))
		old := p.connectWithWill(p.topic("will"), "taken")
		p.connect(as(old.id))
		watch.message(p.topic("will"))
	}},
	{id: "broker.topic-rules", says: "Basic Ingest: what is published to $aws/rules/RULE/TOPIC goes to the rule, and to no subscriber", source: "AWS IoT developer guide, iot-basic-ingest", probe: func(p *probe) {
		c := p.connect()
		c.sub(1, p.topic("ingest"))
		c.tryPub("$aws/rules/no_such_rule/"+p.topic("ingest"), "x")
		c.none(p.topic("ingest"))
	}},
	{id: "broker.dollar", says: "A filter that begins with a wildcard does not match topics that begin with $", source: "MQTT 5, 4.7.2", needs: operator, probe: func(p *probe) {
		c := p.connect()
		c.sub(1, "#", "+/things/#")
		c.pub("$aws/things/"+p.thing+"/shadow/get", "")
		c.none("$aws/")
	}},
}

const willContentType = "text/plain"

// connectWithWill connects with a will that has a content type, which the codec leaves out.
func (p *probe) connectWithWill(topic, payload string) *conn {
	c := p.open(p.clientID())
	text := func(s string) string { return string([]byte{byte(len(s) >> 8), byte(len(s))}) + s }
	properties := "\x03" + text(willContentType)
	body := text("MQTT") + "\x05\x0e\x00\x3c\x00" + text(c.id) + string([]byte{byte(len(properties))}) + properties + text(topic) + text(payload)
	c.write([]byte("\x10" + string([]byte{byte(len(body)) | 0x80, byte(len(body) >> 7)}) + body))
	c.mustConnect(want[*p5.Connack](c, "CONNACK").ReasonCode)
	return c
}

// will adds a will.
func will(topic, payload string) func(*p5.Connect) {
	return func(k *p5.Connect) {
		k.WillFlag, k.WillTopic, k.WillMessage, k.WillQOS = true, topic, []byte(payload), 1
		k.WillProperties = &p5.Properties{}
	}
}

// forbid stores a policy that allows everything but what the statement says, for everybody.
func (p *probe) forbid(statement string) {
	p.check(p.srv.Policy().Put("probe", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"},`+statement+`]}`))
	p.check(p.srv.Policy().Attach("probe", iotlocal.AnyPrincipal))
}

var sessionFacts = []fact{
	{id: "session.persistent-3", says: "MQTT 3.1.1: a session with clean session 0 keeps QoS 1 messages and subscriptions", source: guideMQTT, probe: func(p *probe) {
		c := p.connect3(keep3)
		c.sub(1, p.topic("s"))
		c.drop()
		p.connect().pub(p.topic("s"), "waits")
		back, ack := p.tryConnect3(keep3, func(k *p3.ConnectPacket) { k.ClientIdentifier = c.id })
		p.equal("session present", ack.SessionPresent, true)
		m := want3[*p3.PublishPacket](back, "what waited")
		p.equal("payload", string(m.Payload), "waits")
		p.clean(c.id)
	}},
	{id: "session.expiry-3", says: "MQTT 3.1.1: it ends 1 h after the disconnect (quota, adjustable), not after the connect", source: quotas, needs: clock, probe: func(p *probe) {
		c := p.connect3(keep3)
		p.srv.Clock().Advance(2 * time.Hour) // connected
		c.drop()
		p.gone(c.id, true)
		p.srv.Clock().Advance(59 * time.Minute)
		p.gone(c.id, true)
		p.srv.Clock().Advance(2 * time.Minute)
		p.gone(c.id, false)
	}},
	{id: "session.expiry-5", says: "MQTT 5: the session lives as long as the session expiry interval says after the disconnect; 0 or none ends it at once", source: "AWS IoT developer guide, mqtt (session expiry)", needs: clock, probe: func(p *probe) {
		c := p.connect(persistent)
		c.drop()
		p.srv.Clock().Advance(59 * time.Minute)
		p.gone(c.id, true)
		p.srv.Clock().Advance(2 * time.Minute)
		p.gone(c.id, false)
		now := p.connect()
		now.drop()
		p.gone(now.id, false)
	}},
	{id: "session.clean-start", says: "MQTT 5: clean start forgets the session", source: "MQTT 5, 3.1.2.4", probe: func(p *probe) {
		c := p.connect(persistent)
		c.sub(1, p.topic("s"))
		c.drop()
		_, ack := p.tryConnect(as(c.id))
		p.equal("session present", ack.SessionPresent, false)
	}},
	{id: "session.expiry-max", says: "MQTT 5: a session expiry interval above 7 days becomes 7 days, which CONNACK says", source: quotas, sure: unconfirmed, probe: func(p *probe) {
		c, ack := p.tryConnect(persistent, func(k *p5.Connect) { k.Properties.SessionExpiryInterval = new(uint32(1 << 30)) })
		c.mustConnect(ack.ReasonCode)
		if e := ack.Properties.SessionExpiryInterval; e == nil || *e != 604800 {
			p.differ("session expiry interval in CONNACK: %v", e)
		}
		p.clean(c.id)
	}},
	{id: "session.disconnect-expiry", says: "MQTT 5: DISCONNECT may change the session expiry interval", source: "MQTT 5, 3.14.2.2.2", probe: func(p *probe) {
		c := p.connect(persistent)
		c.send(&p5.Disconnect{Properties: &p5.Properties{SessionExpiryInterval: new(uint32(0))}})
		c.closed()
		_, ack := p.tryConnect(as(c.id), persistent)
		p.equal("session present", ack.SessionPresent, false)
		p.clean(c.id)
	}},
	{id: "session.backlog", says: "What waited comes in its order, at most as much at once as the client's receive maximum says, and without DUP", source: "MQTT 5, 4.4, 4.6, 4.9", probe: func(p *probe) {
		c := p.connect(persistent)
		c.sub(1, p.topic("s"))
		c.drop()
		pub := p.connect()
		for i := range 5 {
			pub.pub(p.topic("s"), fmt.Sprint(i))
		}
		back := p.connect(as(c.id), persistent, func(k *p5.Connect) { k.Properties.ReceiveMaximum = new(uint16(1)) })
		back.manual = true
		for i := range 5 {
			m := back.message(p.topic("s"))
			p.equal("payload", string(m.Payload), fmt.Sprint(i))
			p.equal("dup", m.Duplicate, false)
			p.quiet()
			back.noMore(p.topic("s"))
			back.send(&p5.Puback{PacketID: m.PacketID, Properties: &p5.Properties{}})
		}
		p.clean(c.id)
	}},
	{id: "session.replay-rate", says: "What waited is sent at 10 messages a second at most: Limits.OfflineReplay", source: quotas, needs: operator, options: iotlocal.Options{Limits: iotlocal.Limits{OfflineReplay: 10}}, probe: func(p *probe) {
		c := p.connect(persistent)
		c.sub(1, p.topic("s"))
		c.drop()
		pub := p.connect()
		for i := range 15 {
			pub.pub(p.topic("s"), fmt.Sprint(i))
		}
		back := p.connect(as(c.id), persistent)
		start := time.Now()
		for range 15 {
			back.message(p.topic("s"))
		}
		if d := time.Since(start); d < time.Second/2 { // never sooner, however loaded the machine is
			p.differ("15 messages in %v", d)
		}
	}},
	{id: "session.redelivery", says: "What was not acknowledged comes again with DUP when the client is back", source: "MQTT 5, 4.4.0-1", probe: func(p *probe) {
		c := p.connect(persistent)
		c.manual = true
		c.sub(1, p.topic("s"))
		p.connect().pub(p.topic("s"), "again")
		c.message(p.topic("s"))
		c.drop()
		m := p.connect(as(c.id), persistent).message(p.topic("s"))
		p.equal("dup", m.Duplicate, true)
		p.clean(c.id)
	}},
}

func keep3(k *p3.ConnectPacket) { k.CleanSession = false }

// clean forgets a session.
func (p *probe) clean(id string) {
	p.undo = append(p.undo, func() { p.connect(as(id)).bye() })
}

// gone asks whether a session is kept.
func (p *probe) gone(id string, kept bool) {
	_, ok := p.srv.Session(id)
	p.equal("session of "+id+" kept", ok, kept)
}

// noMore notes a message that waits in the inbox, after quiet.
func (c *conn) noMore(topic string) {
	for _, m := range c.inbox {
		if strings.HasPrefix(topicOf(m), topic) {
			c.p.differ("%s: more at once than the receive maximum allows", c.id)
		}
	}
}
