package iotlocal

import (
	"crypto/x509"

	"github.com/portage-iot/awsiot/iotlocal/broker"
	"github.com/portage-iot/awsiot/iotlocal/policy"
	"github.com/portage-iot/awsiot/iotlocal/provisioning"
	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// tell records a decision for who follows the record.
func (p *policies) tell(c *broker.Client, pm *permit, q question, d policy.Decision) {
	if p.record.Followed() {
		p.record.Add(decided(record.Packet{Conn: c.Number(), ClientID: c.ID}, pm, q, d))
	}
}

// tellRequest is tell for a request of the data plane.
func (p *policies) tellRequest(via string, pm *permit, q question, d policy.Decision) {
	if p.record.Followed() {
		p.record.Add(decided(record.Packet{Via: via}, pm, q, d))
	}
}

// decided is the event of a decision; e says whom it is about.
func decided(e record.Packet, pm *permit, q question, d policy.Decision) record.Packet {
	e.Dir, e.Type = wire.Event, wire.PolicyDecided
	e.Decision = &record.Decision{Action: q.action, Resource: q.resource(), Principal: pm.principal, Allowed: d.Allowed(), Policy: d.Policy, Statement: d.Statement, Sid: d.Sid}
	return e
}

// owner is the hook that names a client certificate and the thing that it is attached to; of several things the first.
func (p *policies) owner(c *x509.Certificate) (id, thing string) {
	id = provisioning.CertificateID(c.Raw)
	if all := p.registry.ThingsOf(id); len(all) > 0 {
		thing = all[0]
	}
	return id, thing
}
