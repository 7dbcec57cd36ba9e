package conformance

import (
	"fmt"
	"strings"

	p5 "github.com/eclipse/paho.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal"
)

// levels makes a topic with so many slashes.
func levels(slashes int) string { return "c" + strings.Repeat("/c", slashes) }

var limitFacts = []fact{
	{id: "limit.payload", says: "A payload has at most 128 KB; a larger one ends the connection", source: quotas, probe: func(p *probe) {
		c := p.connect()
		c.pub(p.topic("big"), strings.Repeat("x", 128<<10))
		c.send(c.packet(p.topic("big"), strings.Repeat("x", 128<<10+1), 1))
		c.closed()
	}},
	{id: "limit.filters", says: "A SUBSCRIBE has at most 8 filters; more end the connection", source: quotas, probe: func(p *probe) {
		c := p.connect()
		var filters []string
		for i := range 9 {
			filters = append(filters, p.topic(fmt.Sprint(i)))
		}
		c.sub(1, filters[:8]...)
		s := &p5.Subscribe{PacketID: c.nextID(), Properties: &p5.Properties{}}
		for _, f := range filters {
			s.Subscriptions = append(s.Subscriptions, p5.SubOptions{Topic: f, QoS: 1})
		}
		c.send(s)
		c.closed()
	}},
	{id: "limit.slashes", says: "A topic or filter has at most 7 slashes", source: quotas, needs: operator, probe: func(p *probe) {
		c := p.connect()
		c.sub(1, levels(7))
		c.pub(levels(7), "x")
		if code := c.codes(1, levels(8))[0]; code < 0x80 {
			p.differ("SUBACK 0x%02X for 8 slashes", code)
		}
		c.send(c.packet(levels(8), "x", 0))
		c.closed()
	}},
	{id: "limit.slashes-ingest", says: "$aws/rules/RULE/ does not count for slashes and length", source: quotas, needs: operator, probe: func(p *probe) {
		c := p.connect()
		if a := c.tryPub("$aws/rules/r/"+levels(7), "x"); a.ReasonCode >= 0x80 {
			p.differ("PUBACK 0x%02X", a.ReasonCode)
		}
	}},
	{id: "limit.slashes-commands", says: "The topics of commands have eight slashes and are good", source: "AWS IoT developer guide, remote commands", probe: func(p *probe) {
		c := p.connect()
		c.sub(1, "$aws/commands/things/"+p.thing+"/executions/+/response/accepted/json")
	}},
	{id: "limit.topic", says: "A topic or filter has at most 256 bytes", source: quotas, needs: operator, probe: func(p *probe) {
		c := p.connect()
		c.sub(1, strings.Repeat("t", 256))
		if code := c.codes(1, strings.Repeat("t", 257))[0]; code < 0x80 {
			p.differ("SUBACK 0x%02X for 257 bytes", code)
		}
		c.send(c.packet(strings.Repeat("t", 257), "x", 0))
		c.closed()
	}},
	{id: "limit.client-id", says: "A client id has at most 128 bytes", source: quotas, needs: operator, probe: func(p *probe) {
		p.connect(as(strings.Repeat("i", 128)))
		c, ack := p.tryConnect(as(strings.Repeat("i", 129)))
		if ack.ReasonCode < 0x80 {
			p.differ("CONNACK 0x%02X", ack.ReasonCode)
		}
		c.closed()
	}},
	{id: "limit.subscriptions", says: "A connection has at most 50 subscriptions (adjustable); users of the v1 SDK saw silence beyond", source: quotas + "; discussion 318 of the v1 SDK for Python", probe: func(p *probe) {
		c := p.connect()
		for i := range 10 {
			var filters []string
			for k := range 5 {
				filters = append(filters, p.topic(fmt.Sprint(i*5+k)))
			}
			c.sub(1, filters...)
		}
		if code := c.codes(1, p.topic("one-too-many"))[0]; code < 0x80 {
			p.differ("SUBACK 0x%02X for the 51st", code)
		}
	}},
	{id: "limit.receive-maximum", says: "At most 100 QoS 1 messages of a client are unacknowledged: CONNACK says so", source: quotas, probe: func(p *probe) {
		c, ack := p.tryConnect()
		c.mustConnect(ack.ReasonCode)
		if n := ack.Properties.ReceiveMaximum; n == nil || *n != 100 {
			p.differ("receive maximum %v", n)
		}
	}},
	{id: "limit.outbound", says: "At most 100 QoS 1 messages to a client are unacknowledged; the rest waits and comes", source: quotas, probe: func(p *probe) {
		c := p.connect()
		c.manual = true
		c.sub(1, p.topic("s"))
		pub := p.connect()
		for i := range 101 {
			pub.pub(p.topic("s"), fmt.Sprint(i))
		}
		var first *p5.Publish
		for i := range 100 {
			m := c.message(p.topic("s"))
			if i == 0 {
				first = m
			}
		}
		c.none(p.topic("s"))
		c.send(&p5.Puback{PacketID: first.PacketID, Properties: &p5.Properties{}})
		p.equal("the last", string(c.message(p.topic("s")).Payload), "100")
	}},
	{id: "limit.window", says: "A client's own receive maximum holds: all messages come, as many at once as it says", source: "MQTT 5, 4.9", probe: func(p *probe) {
		for _, n := range []uint16{1, 2, 10} {
			c := p.connect(func(k *p5.Connect) { k.Properties.ReceiveMaximum = &n })
			c.sub(1, p.topic("s"))
			pub := p.connect()
			for i := range 50 {
				pub.pub(p.topic("s"), fmt.Sprint(i))
			}
			for i := range 50 {
				p.equal("payload", string(c.message(p.topic("s")).Payload), fmt.Sprint(i))
			}
			c.bye()
		}
	}},
	{id: "limit.publishes", says: "A connection may publish 100 times a second; the rest is dropped without an acknowledgement, the connection stays: Limits.PublishesPerSecond", source: quotas, needs: operator, options: iotlocal.Options{Limits: iotlocal.Limits{PublishesPerSecond: 100}}, probe: func(p *probe) {
		c := p.connect()
		for range 1000 {
			c.send(c.packet(p.topic("r"), "x", 0))
		}
		c.ping()
		if p.srv.Lost() == 0 {
			p.differ("1,000 publishes at once were all taken")
		}
	}},
	{id: "limit.connects", says: "A client id may connect once a second: Limits.ConnectsPerSecond", source: quotas, needs: operator, options: iotlocal.Options{Limits: iotlocal.Limits{ConnectsPerSecond: 1}}, probe: func(p *probe) {
		refused := false
		for range 200 { // of so many some are within a second
			if _, ack := p.tryConnect(as(p.thing)); ack.ReasonCode != 0 {
				p.equal("CONNACK", ack.ReasonCode, byte(0x9F))
				refused = true
				break
			}
		}
		p.equal("refused", refused, true)
	}},
	{id: "limit.keep-alive", says: "A keep alive above 1,200 s, and none, becomes 1,200 s", source: quotas, probe: func(p *probe) {
		for _, seconds := range []uint16{0, 1201, 65535} {
			c, ack := p.tryConnect(func(k *p5.Connect) { k.KeepAlive = seconds })
			c.mustConnect(ack.ReasonCode)
			if k := ack.Properties.ServerKeepAlive; k == nil || *k != 1200 {
				p.differ("server keep alive %v for %d", k, seconds)
			}
		}
	}},
	{id: "limit.keep-alive-min", says: "A keep alive below 30 s becomes 30 s (an older page says 5): Limits.MinKeepAlive, off by default because it makes tests slow", source: quotas, sure: unconfirmed, needs: operator,
		options: iotlocal.Options{Limits: iotlocal.Limits{MinKeepAlive: 30e9}}, probe: func(p *probe) {
			c, ack := p.tryConnect(func(k *p5.Connect) { k.KeepAlive = 5 })
			c.mustConnect(ack.ReasonCode)
			if k := ack.Properties.ServerKeepAlive; k == nil || *k != 30 {
				p.differ("server keep alive %v", k)
			}
		}},
	{id: "limit.packet", says: "CONNACK says the maximum packet size; AWS's number is not known, iotlocal's is 149,504: Limits.MaximumPacketSize", source: "MQTT 5, 3.2.2.3.6", sure: unconfirmed, probe: func(p *probe) {
		c, ack := p.tryConnect()
		c.mustConnect(ack.ReasonCode)
		if n := ack.Properties.MaximumPacketSize; n == nil || *n != 149504 {
			p.differ("maximum packet size %v", n)
		}
	}},
	{id: "limit.packet-reason", says: "A packet that is too large ends the connection with 0x95", source: "MQTT 5, 3.1.2-25", probe: func(p *probe) {
		c := p.connect()
		c.write([]byte{0x30, 0xFF, 0xFF, 0xFF, 0x7F}) // 256 MiB are announced
		c.disconnected(0x95)
	}},
}
