package conformance

import (
	"fmt"
	"time"

	p5 "github.com/eclipse/paho.golang/packets"
)

// echo publishes to itself with properties, and returns what comes.
func (p *probe) echo(change func(*p5.Publish)) *p5.Publish {
	c := p.connect()
	c.sub(1, p.topic("echo"))
	c.pub(p.topic("echo"), "x", change)
	return c.message(p.topic("echo"))
}

var mqtt5Facts = []fact{
	{id: "mqtt5.properties", says: "Content type, response topic, correlation data, payload format and user properties, in their order, come through", source: "AWS IoT developer guide, mqtt (MQTT 5 features)", probe: func(p *probe) {
		m := p.echo(func(k *p5.Publish) {
			k.Properties = &p5.Properties{ContentType: "text/plain", ResponseTopic: p.topic("answer"), CorrelationData: []byte{0, 1}, PayloadFormat: new(byte(1)),
				User: []p5.User{{Key: "b", Value: "2"}, {Key: "a", Value: "1"}, {Key: "b", Value: "3"}}}
		})
		k := m.Properties
		p.equal("content type", k.ContentType, "text/plain")
		p.equal("response topic", k.ResponseTopic, p.topic("answer"))
		p.equal("correlation data", k.CorrelationData, []byte{0, 1})
		if k.PayloadFormat == nil || *k.PayloadFormat != 1 {
			p.differ("payload format %v", k.PayloadFormat)
		}
		p.equal("user properties", fmt.Sprint(k.User), "[{b 2} {a 1} {b 3}]")
	}},
	{id: "mqtt5.puback", says: "The PUBACK of a message with properties has a code that PUBACK may have, and none of the message's properties", source: "MQTT 5, 3.4.2", sure: measured, probe: func(p *probe) {
		c := p.connect()
		a := c.tryPub(p.topic("a"), "x", func(k *p5.Publish) { k.Properties.User = []p5.User{{Key: "a", Value: "b"}} })
		if a.ReasonCode != 0 && a.ReasonCode != 0x10 || len(a.Properties.User) > 0 {
			p.differ("PUBACK 0x%02X %v", a.ReasonCode, a.Properties.User)
		}
	}},
	{id: "mqtt5.no-expiry", says: "A message without message expiry arrives without one", source: "MQTT 5, 3.3.2.3.3", sure: measured, probe: func(p *probe) {
		if e := p.echo(func(*p5.Publish) {}).Properties.MessageExpiry; e != nil {
			p.differ("message expiry %d", *e)
		}
	}},
	{id: "mqtt5.expiry", says: "Message expiry counts down while a message waits, retained or queued; after it the message is not sent", source: "AWS IoT developer guide, mqtt (message expiry)", needs: clock, probe: func(p *probe) {
		c := p.connect(persistent)
		c.sub(1, p.topic("q"))
		c.drop()
		pub := p.connect()
		expiry := func(k *p5.Publish) { k.Properties.MessageExpiry = new(uint32(100)) }
		pub.pub(p.topic("q"), "queued", expiry)
		pub.pub(p.topic("r"), "retained", expiry, retain)
		p.srv.Clock().Advance(40 * time.Second)
		back := p.connect(as(c.id), persistent)
		for _, m := range []*p5.Publish{back.message(p.topic("q")), back.retained(p.topic("r"))} {
			if e := m.Properties.MessageExpiry; e == nil || *e > 60 || *e < 30 {
				p.differ("%s: message expiry %v, want about 60", m.Payload, e)
			}
		}
		back.drop()
		p.gone(c.id, true)
		pub.pub(p.topic("q"), "queued", expiry)
		p.srv.Clock().Advance(101 * time.Second)
		late := p.connect(as(c.id), persistent)
		late.sub(1, p.topic("r"))
		late.none(p.topic(""))
	}},
	{id: "mqtt5.alias-maximum", says: "CONNACK allows 8 topic aliases", source: "issue 618 of awslabs/aws-crt-java", sure: reported, probe: func(p *probe) {
		c, ack := p.tryConnect()
		c.mustConnect(ack.ReasonCode)
		if n := ack.Properties.TopicAliasMaximum; n == nil || *n != 8 {
			p.differ("topic alias maximum %v", n)
		}
	}},
	{id: "mqtt5.alias", says: "A topic alias stands for its topic from its second use on", source: "MQTT 5, 3.3.2.3.4", probe: func(p *probe) {
		c := p.connect()
		c.sub(1, p.topic("alias"))
		alias := func(k *p5.Publish) { k.Properties.TopicAlias = new(uint16(1)) }
		c.pub(p.topic("alias"), "1", alias)
		c.pub("", "2", alias)
		c.message(p.topic("alias"))
		p.equal("payload", string(c.message(p.topic("alias")).Payload), "2")
	}},
	{id: "mqtt5.alias-unknown", says: "An alias that was not set ends the connection with 0x82 or 0x94, one above the maximum with 0x94", source: "MQTT 5, 3.3.2.3.4", probe: func(p *probe) {
		c := p.connect()
		c.send(c.packet("", "x", 1, func(k *p5.Publish) { k.Properties.TopicAlias = new(uint16(2)) }))
		if d := want[*p5.Disconnect](c, "DISCONNECT"); d.ReasonCode != 0x82 && d.ReasonCode != 0x94 {
			p.differ("DISCONNECT 0x%02X", d.ReasonCode)
		}
		c = p.connect()
		c.send(c.packet(p.topic("a"), "x", 1, func(k *p5.Publish) { k.Properties.TopicAlias = new(uint16(9)) }))
		c.disconnected(0x94)
	}},
	{id: "mqtt5.alias-policy", says: "Policies see the topic that an alias stands for", source: guidePolicies, needs: operator, probe: func(p *probe) {
		p.forbid(`{"Effect":"Deny","Action":"iot:Publish","Resource":"arn:aws:iot:*:*:topic/` + p.topic("secret") + `"}`)
		c := p.connect()
		alias := func(k *p5.Publish) { k.Properties.TopicAlias = new(uint16(1)) }
		p.equal("PUBACK", c.tryPub(p.topic("secret"), "1", alias).ReasonCode, byte(0x87))
		p.equal("PUBACK by alias", c.tryPub("", "2", alias).ReasonCode, byte(0x87))
	}},
	{id: "mqtt5.subscription-id", says: "Subscription identifiers are not supported: CONNACK says so, one ends the connection with 0xA1", source: "issue 4133 of node-red/node-red", sure: reported, probe: func(p *probe) {
		c, ack := p.tryConnect()
		c.mustConnect(ack.ReasonCode)
		if v := ack.Properties.SubIDAvailable; v == nil || *v != 0 {
			p.differ("subscription identifiers available: %v", v)
		}
		c.send(&p5.Subscribe{PacketID: 1, Subscriptions: []p5.SubOptions{{Topic: p.topic("a"), QoS: 1}}, Properties: &p5.Properties{SubscriptionIdentifier: new(5)}})
		c.disconnected(0xA1)
	}},
	{id: "mqtt5.connack", says: "CONNACK says maximum QoS 1, and that wildcards, shared subscriptions and retained messages are there", source: "AWS IoT developer guide, mqtt (CONNACK properties)", sure: unconfirmed, probe: func(p *probe) {
		c, ack := p.tryConnect()
		c.mustConnect(ack.ReasonCode)
		k := ack.Properties
		if k.MaximumQOS == nil || *k.MaximumQOS != 1 {
			p.differ("maximum QoS %v", k.MaximumQOS)
		}
		for what, v := range map[string]*byte{"retain": k.RetainAvailable, "wildcards": k.WildcardSubAvailable, "shared subscriptions": k.SharedSubAvailable} {
			if v != nil && *v != 1 {
				p.differ("%s: not available", what)
			}
		}
	}},
	{id: "mqtt5.assigned-id", says: "A client without an id is given one, which CONNACK tells", source: "MQTT 5, 3.2.2.3.7", needs: operator, probe: func(p *probe) {
		c, ack := p.tryConnect(as(""))
		c.mustConnect(ack.ReasonCode)
		if ack.Properties.AssignedClientID == "" {
			p.differ("no assigned client identifier")
		}
	}},
	{id: "mqtt5.shared", says: "Of the members of a shared subscription one gets each message, and each gets some", source: "AWS IoT developer guide, mqtt (shared subscriptions)", probe: func(p *probe) {
		a, b, pub := p.connect(), p.connect(), p.connect()
		for _, c := range []*conn{a, b} {
			c.sub(1, "$share/group/"+p.topic("shared"))
		}
		for i := range 20 {
			pub.pub(p.topic("shared"), fmt.Sprint(i))
		}
		p.quiet()
		got := map[string]int{}
		for _, c := range []*conn{a, b} {
			n := 0
			for _, m := range c.inbox {
				if topicOf(m) == p.topic("shared") {
					got[string(payloadOf(m))]++
					n++
				}
			}
			if n == 0 {
				p.differ("%s got none", c.id)
			}
		}
		for i := range 20 {
			p.equal(fmt.Sprint("message ", i), got[fmt.Sprint(i)], 1)
		}
	}},
	{id: "mqtt5.no-local", says: "No Local keeps a client's own messages from it", source: "MQTT 5, 3.8.3.1", probe: func(p *probe) {
		c := p.connect()
		c.send(&p5.Subscribe{PacketID: c.nextID(), Subscriptions: []p5.SubOptions{{Topic: p.topic("own"), QoS: 1, NoLocal: true}}, Properties: &p5.Properties{}})
		want[*p5.Suback](c, "SUBACK")
		c.pub(p.topic("own"), "x")
		c.none(p.topic("own"))
	}},
	{id: "mqtt5.denied", says: "MQTT 5: a denied QoS 1 publish has PUBACK 0x87, a denied filter SUBACK 0x87, and the connection stays; QoS 0 ends it", source: "AWS IoT developer guide, mqtt (reason codes)", needs: operator, probe: func(p *probe) {
		p.forbid(`{"Effect":"Deny","Action":["iot:Publish","iot:Subscribe"],"Resource":["arn:aws:iot:*:*:topic/no","arn:aws:iot:*:*:topicfilter/no"]}`)
		c := p.connect()
		p.equal("PUBACK", c.tryPub("no", "x").ReasonCode, byte(0x87))
		p.equal("SUBACK", c.codes(1, "no"), []byte{0x87})
		c.ping()
		c.send(c.packet("no", "x", 0))
		c.disconnected(0x87)
	}},
	{id: "mqtt5.denied-3", says: "MQTT 3.1.1: a denied publish or filter ends the connection without a word", source: guideMQTT, needs: operator, probe: func(p *probe) {
		p.forbid(`{"Effect":"Deny","Action":["iot:Publish","iot:Subscribe"],"Resource":["arn:aws:iot:*:*:topic/no","arn:aws:iot:*:*:topicfilter/no"]}`)
		c := p.connect3()
		c.send3(c.packet3("no", "x", 1))
		c.closed()
		p.equal("packets", len(c.inbox), 0)
		c = p.connect3()
		c.write([]byte{0x82, 7, 0, 9, 0, 2, 'n', 'o', 1})
		c.closed()
		p.equal("packets", len(c.inbox), 0)
	}},
	{id: "mqtt5.malformed", says: "A malformed packet ends the connection with 0x81 or 0x82", source: "MQTT 5, 4.13", probe: func(p *probe) {
		c := p.connect()
		c.write([]byte{0x82, 2, 0, 1}) // a SUBSCRIBE without properties and filters
		if d := want[*p5.Disconnect](c, "DISCONNECT"); d.ReasonCode != 0x81 && d.ReasonCode != 0x82 {
			p.differ("DISCONNECT 0x%02X", d.ReasonCode)
		}
	}},
}

// retained subscribes to an exact topic and returns the message that is kept.
func (c *conn) retained(topic string) *p5.Publish {
	c.sub(1, topic)
	return c.message(topic)
}
