package conformance

import (
	"fmt"

	p5 "github.com/eclipse/paho.golang/packets"
)

// lifecycle watches the events of clients.
func (p *probe) lifecycle() *conn {
	c := p.connect()
	c.sub(0, "$aws/events/presence/connected/+", "$aws/events/presence/disconnected/+", "$aws/events/subscriptions/subscribed/+", "$aws/events/subscriptions/unsubscribed/+")
	return c
}

func (c *conn) life(kind, id string) object {
	return c.p.parse(c.message("$aws/events/" + kind + "/" + id).Payload)
}

// gone returns the event of the end of the connection whose connected event is on. That of an earlier connection with the same
// client id, which another probe has left, may come late.
func (c *conn) gone(on object, id string) object {
	for {
		off := c.life("presence/disconnected", id)
		was, _ := off["versionNumber"].(float64)
		if now, _ := on["versionNumber"].(float64); was >= now {
			return off
		}
	}
}

// endOf returns the reason in the event of the end of a client's connection, whose connected event nobody has read yet.
func (c *conn) endOf(id string) (reason any) {
	return c.gone(c.life("presence/connected", id), id)["disconnectReason"]
}

var lifecycleFacts = []fact{
	{id: "lifecycle.connected", says: "connected/ID has clientId, timestamp in ms, eventType, sessionIdentifier, principalIdentifier, ipAddress and versionNumber", source: guideLife, probe: func(p *probe) {
		watch, c := p.lifecycle(), p.connect()
		e := watch.life("presence/connected", c.id)
		for _, member := range []string{"clientId", "timestamp", "eventType", "sessionIdentifier", "principalIdentifier", "ipAddress", "versionNumber"} {
			if e[member] == nil {
				p.differ("no %s", member)
			}
		}
		p.equal("eventType", e["eventType"], any("connected"))
		if n, _ := e["timestamp"].(float64); n < 1e12 {
			p.differ("timestamp %v is not in milliseconds", e["timestamp"])
		}
	}},
	{id: "lifecycle.disconnected", says: "disconnected/ID has clientInitiatedDisconnect and disconnectReason: CLIENT_INITIATED_DISCONNECT after DISCONNECT, of the same session and version", source: guideLife, probe: func(p *probe) {
		watch, c := p.lifecycle(), p.connect()
		on := watch.life("presence/connected", c.id)
		c.bye()
		off := watch.gone(on, c.id)
		p.equal("clientInitiatedDisconnect", off["clientInitiatedDisconnect"], any(true))
		p.equal("disconnectReason", off["disconnectReason"], any("CLIENT_INITIATED_DISCONNECT"))
		for _, member := range []string{"sessionIdentifier", "versionNumber", "principalIdentifier"} {
			p.equal(member, off[member], on[member])
		}
	}},
	{id: "lifecycle.lost", says: "CONNECTION_LOST after the loss of a connection, DUPLICATE_CLIENTID after a takeover, CLIENT_ERROR after a violation", source: guideLife, probe: func(p *probe) {
		watch := p.lifecycle()
		lost := p.connect()
		lost.drop()
		p.equal("lost", watch.endOf(lost.id), any("CONNECTION_LOST"))
		old := p.connect()
		p.connect(as(old.id))
		p.equal("taken over", watch.endOf(old.id), any("DUPLICATE_CLIENTID"))
		wrong := p.connect()
		wrong.write([]byte{0xF0, 0})
		p.equal("violation", watch.endOf(wrong.id), any("CLIENT_ERROR"))
	}},
	{id: "lifecycle.forbidden", says: "FORBIDDEN_ACCESS after what a policy denies has ended the connection", source: guideLife, needs: operator, probe: func(p *probe) {
		p.forbid(`{"Effect":"Deny","Action":"iot:Publish","Resource":"arn:aws:iot:*:*:topic/no"}`)
		watch, c := p.lifecycle(), p.connect()
		c.send(c.packet("no", "x", 0))
		p.equal("denied", watch.endOf(c.id), any("FORBIDDEN_ACCESS"))
	}},
	{id: "lifecycle.version", says: "versionNumber rises with every connection of a client id", source: guideLife, probe: func(p *probe) {
		watch, c := p.lifecycle(), p.connect()
		first := watch.life("presence/connected", c.id)["versionNumber"]
		c.bye()
		p.connect(as(c.id))
		n, _ := first.(float64)
		p.equal("second", watch.life("presence/connected", c.id)["versionNumber"], any(n+1))
	}},
	{id: "lifecycle.subscribed", says: "subscribed/ID and unsubscribed/ID have the topics, and no versionNumber", source: guideLife, probe: func(p *probe) {
		watch, c := p.lifecycle(), p.connect()
		c.sub(1, p.topic("a"), p.topic("b"))
		e := watch.life("subscriptions/subscribed", c.id)
		p.equal("topics", fmt.Sprint(e["topics"]), fmt.Sprintf("[%s %s]", p.topic("a"), p.topic("b")))
		p.equal("versionNumber", e["versionNumber"], nil)
		c.unsub(p.topic("a"))
		p.equal("topics", fmt.Sprint(watch.life("subscriptions/unsubscribed", c.id)["topics"]), fmt.Sprintf("[%s]", p.topic("a")))
	}},
	{id: "lifecycle.wildcard-id", says: "Client ids with # or + have no events", source: guideLife, needs: operator, probe: func(p *probe) {
		watch := p.lifecycle()
		watch.sub(0, "$aws/events/presence/#")
		p.connect(as("a+b")).bye()
		p.connect(as("a#b")).bye()
		watch.none("$aws/events/presence/connected/a")
		watch.none("$aws/events/presence/disconnected/a")
	}},
}

func (c *conn) unsub(filters ...string) {
	c.send(&p5.Unsubscribe{PacketID: c.nextID(), Topics: filters, Properties: &p5.Properties{}})
	want[*p5.Unsuback](c, "UNSUBACK")
}
