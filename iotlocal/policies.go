package iotlocal

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"

	"github.com/portage-iot/awsiot/iotlocal/broker"
	"github.com/portage-iot/awsiot/iotlocal/internal/registry"
	"github.com/portage-iot/awsiot/iotlocal/policy"
	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// policies decides by the policies of the account. Its lock is taken below that of
// the broker, and nothing but the registry's below it.
type policies struct {
	region   string
	clock    *Clock
	fleet    *fleet
	registry *registry.Registry
	record   *record.Recorder // gets the decisions, while somebody follows it

	mu      sync.Mutex
	version uint64                      // of the registry, that sets are of
	sets    map[string]*policy.Set      // by the names of the policies
	parsed  map[string]*policy.Document // by text
}

func newPolicies(region string, k *Clock, f *fleet, r *registry.Registry, rec *record.Recorder) *policies {
	return &policies{region: region, clock: k, fleet: f, registry: r, record: rec, sets: map[string]*policy.Set{}, parsed: map[string]*policy.Document{}}
}

// maxParsed bounds how many documents are remembered; then they are read anew.
const maxParsed = 1024

// permits are the decisions of one connection: by its reader and, with the broker
// locked, for what it is sent. Neither needs a lock.
type permits struct{ reader, receiver permit }

// permit decides for one connection, and remembers.
type permit struct {
	principal string
	request   policy.Request // without action and resource
	custom    *authorized    // by a custom authorizer, whose policies alone count; nil: by none

	version   uint64
	set       *policy.Set
	decisions map[question]policy.Decision
	last      question // and not of decisions yet: clients publish to few topics
	decision  policy.Decision
}

type question struct{ action, kind, name string }

// resource is what is asked about, as in an ARN.
func (q question) resource() string { return q.kind + q.name }

// The kinds of resources.
const (
	kindClient = "client/"
	kindTopic  = "topic/"
	kindFilter = "topicfilter/"
)

// maxDecisions bounds what a connection remembers; then it begins anew.
const maxDecisions = 256

// enforces reports whether there are policies for a connection.
func (p *policies) enforces(pm *permit) bool { return pm.custom != nil || p.registry.Enforced() }

func (p *policies) decide(pm *permit, q question) policy.Decision {
	if pm.custom != nil {
		r := pm.request
		r.Action, r.Resource, r.Time = q.action, q.resource(), p.clock.Now()
		return pm.custom.policies().Decide(&r)
	}
	if v := p.registry.Version(); pm.set == nil || pm.version != v {
		p.mu.Lock()
		pm.version = v
		pm.set = p.resolve(pm.principal, &pm.request)
		p.mu.Unlock()
		pm.decisions, pm.last = nil, question{}
	}
	if pm.last == q {
		return pm.decision
	}
	if d, ok := pm.decisions[q]; ok {
		pm.remember()
		pm.last, pm.decision = q, d
		return d
	}
	r := pm.request
	r.Action, r.Resource, r.Time = q.action, q.resource(), p.clock.Now()
	d := pm.set.Decide(&r)
	if q.action != policy.Connect && q.action != policy.Subscribe && !pm.set.Timed() { // which are asked once
		pm.remember()
		pm.last, pm.decision = q, d
	}
	return d
}

// remember makes room for another decision than the last one.
func (pm *permit) remember() {
	if pm.last == (question{}) {
		return
	}
	if pm.decisions == nil {
		pm.decisions = map[question]policy.Decision{}
	}
	if len(pm.decisions) >= maxDecisions {
		clear(pm.decisions)
	}
	pm.decisions[pm.last] = pm.decision
}

// resolve returns the set of a principal's policies, and puts the thing that is
// attached to it into r. The lock is held.
func (p *policies) resolve(principal string, r *policy.Request) *policy.Set {
	if v := p.registry.Version(); v != p.version { // what follows may be newer: then it is made again
		clear(p.sets)
		p.version = v
	}
	found := p.registry.Permissions(principal, r.ClientID)
	var claim string
	if c, ok := p.fleet.service.Certificate(principal); ok && c.Template != "" && p.fleet.service.Claims(principal) {
		claim = c.Template
	}
	r.Thing = nil
	if t := found.Thing; t != nil {
		r.Thing = &policy.Thing{Name: t.Name, TypeName: t.Type, Attributes: t.Attributes}
	}
	key := strings.Join(found.Policies, "\x00") + "\x00\x00" + claim
	if s := p.sets[key]; s != nil {
		return s
	}
	all := p.named(found.Policies)
	if claim != "" {
		all = append(all, claimPolicy(claim))
	}
	s := policy.NewSet(all)
	p.sets[key] = s
	return s
}

// named returns the default versions of policies; those that are not there, or
// that a provisioning template has brought along and that cannot be understood, are
// left out. The lock is held.
func (p *policies) named(names []string) (all []policy.Named) {
	for _, n := range names {
		text, ok := p.registry.Document(n)
		if !ok {
			continue
		}
		d := p.parsed[text]
		if d == nil {
			var err error
			if d, err = policy.Parse([]byte(text)); err != nil {
				continue
			}
			if len(p.parsed) >= maxParsed {
				clear(p.parsed)
			}
			p.parsed[text] = d
		}
		all = append(all, policy.Named{Name: n, Document: d})
	}
	return all
}

// claimPolicy is what a claim may do: register devices with its template, as the
// certificates of CreateProvisioningClaim.
func claimPolicy(template string) policy.Named {
	topics := func(kind string) string {
		const head = `"arn:aws:iot:*:*:`
		return head + kind + `/$aws/certificates/create*",` + head + kind + `/$aws/provisioning-templates/` + template + `/provision/*"`
	}
	d, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":"*"},` +
		`{"Effect":"Allow","Action":["iot:Publish","iot:Receive"],"Resource":[` + topics("topic") + `]},` +
		`{"Effect":"Allow","Action":"iot:Subscribe","Resource":[` + topics("topicfilter") + `]}]}`))
	if err != nil { // names of templates have neither quotes nor variables
		d = &policy.Document{}
	}
	return policy.Named{Name: "claim of " + template, Document: d}
}

// principalOf says whom a client is: the id of its certificate, of its access key,
// or nobody.
func principalOf(c *broker.Client) string {
	if id := certificateID(c); id != "" {
		return id
	}
	if c.Principal != "" {
		return c.Principal
	}
	return Anonymous
}

// connect is the hook for CONNECT.
func (p *policies) connect(c *broker.Client) wire.Code {
	r := policy.Request{ClientID: c.ID, DomainName: c.SNI, Secure: c.Secure, Region: p.region}
	if host, _, err := net.SplitHostPort(c.RemoteAddr); err == nil {
		r.SourceIP, _ = netip.ParseAddr(host) // not there for an address that is none
	}
	if len(c.Certificates) > 0 {
		r.Certificate = c.Certificates[0]
	}
	if c.Persistent {
		r.ConnectAttributes = append(r.ConnectAttributes, policy.PersistentConnect)
	}
	if c.HasWill {
		r.ConnectAttributes = append(r.ConnectAttributes, policy.LastWill)
	}
	principal := principalOf(c)
	pm := permit{principal: principal, request: r}
	if d, ok := c.Custom.(*authorized); ok {
		pm.principal, pm.custom = d.who(), d
	}
	c.Value = &permits{pm, pm}
	return p.ask(c, question{policy.Connect, kindClient, c.ID})
}

// ask decides on the goroutine of the client's reader.
func (p *policies) ask(c *broker.Client, q question) wire.Code {
	pm := &c.Value.(*permits).reader
	if !p.enforces(pm) {
		return wire.Success
	}
	d := p.decide(pm, q)
	p.tell(c, pm, q, d)
	if !d.Allowed() {
		c.Denial = denial(q, pm.principal, d)
		return wire.NotAuthorized
	}
	return wire.Success
}

func denial(q question, principal string, d policy.Decision) string {
	if len(principal) == 64 {
		principal = "certificate " + principal[:8] + "..."
	}
	return fmt.Sprintf("%s on %s by %s: %v", q.action, q.resource(), principal, d)
}

// publish is the hook for PUBLISH, will the one for wills: a retained message needs
// a permission more.
func (p *policies) publish(c *broker.Client, m *broker.Message) wire.Code {
	code := p.ask(c, question{policy.Publish, kindTopic, m.Topic})
	if m.Retain && !code.IsError() {
		code = p.ask(c, question{policy.RetainPublish, kindTopic, m.Topic})
	}
	return code
}

func (p *policies) will(c *broker.Client, m *broker.Message) wire.Code { return p.publish(c, m) }

// subscribe is the hook for the filters of SUBSCRIBE.
func (p *policies) subscribe(c *broker.Client, filter string) wire.Code {
	return p.ask(c, question{policy.Subscribe, kindFilter, filter})
}

// receive is the hook for what a client is sent. The broker is locked.
func (p *policies) receive(c *broker.Client, m *broker.Message) string {
	pm := &c.Value.(*permits).receiver
	if !p.enforces(pm) {
		return ""
	}
	q := question{policy.Receive, kindTopic, m.Topic}
	d := p.decide(pm, q)
	p.tell(c, pm, q, d)
	if !d.Allowed() {
		return denial(q, pm.principal, d)
	}
	return ""
}
