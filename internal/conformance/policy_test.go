package conformance

import (
	"fmt"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
)

// allows stores one statement for the thing's certificate, and asks what it allows: request to answer.
func (p *probe) allows(statement string, want map[string]bool) {
	policies := p.srv.Policy()
	p.check(policies.Put("probe", `{"Version":"2012-10-17","Statement":[`+statement+`]}`))
	p.check(policies.Attach("probe", p.certificateID()))
	for question, allowed := range want {
		var action, resource string
		_, err := fmt.Sscan(question, &action, &resource)
		p.check(err)
		d := policies.Test(p.certificateID(), iotlocal.PolicyRequest{ClientID: p.thing, Action: "iot:" + action, Resource: resource, Secure: true})
		if d.Allowed() != allowed {
			p.differ("%s: %v", question, d)
		}
	}
}

const arn = "arn:aws:iot:us-east-1:123456789012:"

var policyFacts = []fact{
	{id: "policy.connect", says: "iot:Connect is asked on client/ID", source: guidePolicies, needs: operator, probe: func(p *probe) {
		p.allows(`{"Effect":"Allow","Action":"iot:Connect","Resource":"`+arn+`client/`+p.thing+`"}`, map[string]bool{"Connect client/" + p.thing: true})
		p.connect()
		_, ack := p.tryConnect(as("another"))
		p.equal("CONNACK of another", ack.ReasonCode, byte(0x87))
	}},
	{id: "policy.publish", says: "iot:Publish and iot:Receive are asked on topic/TOPIC, iot:Subscribe on topicfilter/FILTER", source: guidePolicies, needs: operator, probe: func(p *probe) {
		p.allows(`{"Effect":"Allow","Action":"iot:Connect","Resource":"*"},{"Effect":"Allow","Action":["iot:Publish","iot:Receive"],"Resource":"`+arn+`topic/a"},
			{"Effect":"Allow","Action":"iot:Subscribe","Resource":"`+arn+`topicfilter/a"}`, nil)
		c := p.connect()
		p.equal("filter a", c.codes(1, "a"), []byte{1})
		p.equal("filter b", c.codes(1, "b"), []byte{0x87})
		c.pub("a", "x")
		c.message("a")
		p.equal("topic b", c.tryPub("b", "x").ReasonCode, byte(0x87))
	}},
	{id: "policy.receive", says: "A message that a client may not receive is not sent to it, whatever it has subscribed to", source: guidePolicies, needs: operator, probe: func(p *probe) {
		p.forbid(`{"Effect":"Deny","Action":"iot:Receive","Resource":"` + arn + `topic/a/secret"}`)
		c := p.connect()
		c.sub(1, "a/+")
		c.pub("a/secret", "x")
		c.pub("a/b", "y")
		c.message("a/b")
		c.none("a/secret")
	}},
	{id: "policy.retain", says: "A retained publish needs iot:RetainPublish too", source: guidePolicies, needs: operator, probe: func(p *probe) {
		p.forbid(`{"Effect":"Deny","Action":"iot:RetainPublish","Resource":"*"}`)
		c := p.connect()
		p.equal("retained", c.tryPub("a", "x", retain).ReasonCode, byte(0x87))
		if a := c.tryPub("a", "x"); a.ReasonCode >= 0x80 {
			p.differ("not retained: PUBACK 0x%02X", a.ReasonCode)
		}
	}},
	{id: "policy.wildcards", says: "* and ? are the wildcards of policies; + and # stand for themselves", source: guidePolicies, needs: operator, probe: func(p *probe) {
		p.allows(`{"Effect":"Allow","Action":["iot:Publish","iot:Subscribe"],"Resource":["`+arn+`topic/a/*","`+arn+`topic/b?","`+arn+`topic/c/+","`+arn+`topicfilter/d/#"]}`,
			map[string]bool{"Publish topic/a/b/c": true, "Publish topic/a": false, "Publish topic/b1": true, "Publish topic/b12": false,
				"Publish topic/c/x": false, "Publish topic/c/+": true, "Subscribe topicfilter/d/#": true, "Subscribe topicfilter/d/x": false})
	}},
	{id: "policy.deny", says: "A statement that denies wins over all that allow; without one that allows nothing is", source: guidePolicies, needs: operator, probe: func(p *probe) {
		p.allows(`{"Effect":"Allow","Action":"iot:Publish","Resource":"*"},{"Effect":"Deny","Action":"iot:Publish","Resource":"`+arn+`topic/no"}`,
			map[string]bool{"Publish topic/yes": true, "Publish topic/no": false, "Subscribe topicfilter/yes": false})
	}},
	{id: "policy.client-id", says: "${iot:ClientId} is the client id", source: guidePolicies, needs: operator, probe: func(p *probe) {
		p.allows(`{"Effect":"Allow","Action":"iot:Publish","Resource":"`+arn+`topic/${iot:ClientId}/*"}`,
			map[string]bool{"Publish topic/" + p.thing + "/a": true, "Publish topic/other/a": false})
	}},
	{id: "policy.source-ip", says: "aws:SourceIp is the client's address", source: guidePolicies, needs: operator, probe: func(p *probe) {
		p.forbid(`{"Effect":"Deny","Action":"iot:Publish","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"127.0.0.0/8"}}},
			{"Effect":"Deny","Action":"iot:Subscribe","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}`)
		c := p.connect()
		p.equal("PUBACK", c.tryPub("a", "x").ReasonCode, byte(0x87))
		p.equal("SUBACK", c.codes(1, "a"), []byte{1})
	}},
	{id: "policy.domain", says: "iot:DomainName is the host that the client names in the TLS handshake", source: "AWS IoT developer guide, basic-policy-variables", needs: operator, probe: func(p *probe) {
		p.forbid(`{"Effect":"Deny","Action":"iot:Publish","Resource":"*","Condition":{"StringNotEquals":{"iot:DomainName":"localhost"}}},
			{"Effect":"Deny","Action":"iot:Subscribe","Resource":"*","Condition":{"StringEquals":{"iot:DomainName":"localhost"}}}`)
		c := p.connect()
		if a := c.tryPub("a", "x"); a.ReasonCode >= 0x80 {
			p.differ("PUBACK 0x%02X", a.ReasonCode)
		}
		p.equal("SUBACK", c.codes(1, "a"), []byte{0x87})
	}},
	{id: "policy.thing", says: "${iot:Connection.Thing.ThingName}, ThingTypeName and Attributes[x] are those of the thing that the certificate is attached to", source: guidePolicies, needs: operator, probe: func(p *probe) {
		p.check(p.srv.Policy().SetThing(iotlocal.PolicyThing{Name: p.thing, TypeName: "lamp", Attributes: map[string]string{"room": "kitchen"}}))
		p.allows(`{"Effect":"Allow","Action":"iot:Publish","Resource":["`+arn+`topic/n/${iot:Connection.Thing.ThingName}","`+arn+`topic/t/${iot:Connection.Thing.ThingTypeName}","`+arn+`topic/a/${iot:Connection.Thing.Attributes[room]}"]}`,
			map[string]bool{"Publish topic/n/" + p.thing: true, "Publish topic/t/lamp": true, "Publish topic/a/kitchen": true, "Publish topic/a/hall": false})
	}},
	{id: "policy.thing-client-id", says: "The variables of the thing have values only when the client id is its name; iot:Connection.Thing.IsAttached says so", source: guidePolicies, needs: operator, probe: func(p *probe) {
		p.forbid(`{"Effect":"Deny","Action":"iot:Publish","Resource":"*","Condition":{"Bool":{"iot:Connection.Thing.IsAttached":"false"}}}`)
		c, other := p.connect(), p.connect(as("another"))
		if a := c.tryPub("a", "x"); a.ReasonCode >= 0x80 {
			p.differ("its name: PUBACK 0x%02X", a.ReasonCode)
		}
		p.equal("another name", other.tryPub("a", "x").ReasonCode, byte(0x87))
	}},
	{id: "policy.certificate", says: "${iot:Certificate.Subject.*}, Issuer.*, SerialNumber and AvailableKeys are those of the client certificate", source: guidePolicies, needs: operator, probe: func(p *probe) {
		p.allows(`{"Effect":"Allow","Action":"iot:Publish","Resource":"`+arn+`topic/${iot:Certificate.Subject.CommonName}"},
			{"Effect":"Allow","Action":"iot:Subscribe","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"iot:Certificate.AvailableKeys":"Subject.CommonName"},"StringLike":{"iot:Certificate.SerialNumber":"?*"}}}`,
			map[string]bool{"Publish topic/" + p.thing: true, "Publish topic/other": false, "Subscribe topicfilter/a": true})
	}},
	{id: "policy.connect-attributes", says: "iot:ConnectAttributes has PersistentConnect and LastWill where the client asks for them", source: guidePolicies, needs: operator, probe: func(p *probe) {
		p.forbid(`{"Effect":"Deny","Action":"iot:Connect","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"iot:ConnectAttributes":["PersistentConnect","LastWill"]}}}`)
		p.connect()
		_, ack := p.tryConnect(persistent)
		p.equal("persistent", ack.ReasonCode, byte(0x87))
		_, ack = p.tryConnect(will("a", "x"))
		p.equal("will", ack.ReasonCode, byte(0x87))
	}},
	{id: "policy.unknown-key", says: "A key or operator that is not known is an error when the policy is stored", source: "AWS IoT developer guide, iot-policies", sure: unconfirmed, needs: operator, probe: func(p *probe) {
		err := p.srv.Policy().Put("bad", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*","Condition":{"StringEquals":{"iot:NoSuchKey":"x"}}}]}`)
		if err == nil {
			p.differ("it is stored")
		}
	}},
}

// authorizer stores a custom authorizer, which is the default one, and lets in whom the function lets in.
func (p *probe) authorizer(lets func(iotlocal.AuthorizerRequest) bool) {
	p.check(p.srv.Authorizers().Put(iotlocal.Authorizer{Name: "mine", SigningDisabled: true, TokenKeyName: "token", Function: func(r iotlocal.AuthorizerRequest) (iotlocal.AuthorizerAnswer, error) {
		return answerOf(lets(r)), nil
	}}))
	p.check(p.srv.Authorizers().SetDefault("mine"))
}

// day is the longest time that an authorizer gives a connection.
const day = 24 * time.Hour
