package iotlocal

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"regexp"

	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/iotlocal/internal/registry"
	"github.com/portage-iot/awsiot/iotlocal/policy"
	"github.com/portage-iot/awsiot/iotlocal/provisioning"
)

// The parts of policies that users name, from package policy.
type (
	// PolicyRequest is what a client wants to do, for Policies.Test: see the fields of [policy.Request].
	PolicyRequest = policy.Request
	// PolicyDecision is an answer, and the statement that made it: see the fields of [policy.Decision].
	PolicyDecision = policy.Decision
	// PolicyThing is a thing of the registry, as far as policies see it: see the fields of [policy.Thing].
	PolicyThing = policy.Thing
	// PolicyError is what is wrong with a policy document, and where: see the fields of [policy.Error].
	PolicyError = policy.Error
)

// Principals that policies are attached to, beside the ids of certificates and of
// access keys.
const (
	// AnyPrincipal is everybody.
	AnyPrincipal = registry.AnyPrincipal
	// Anonymous is who has neither a certificate nor a signature: clients of the
	// TCP port, and unsigned websockets.
	Anonymous = "anonymous"
)

// Policies is a handle on the account's policies for the program around the
// server. As long as none is stored, everything is allowed. From the first one on a
// client may do what a policy allows that is attached to its principal, and
// nothing else; a change holds at once, for open connections too.
//
// A client that may not connect gets CONNACK 0x87, with 3.1.1 return code 7. A
// publish that is denied gets PUBACK 0x87, or with QoS 0 and in 3.1.1 ends the
// connection; a filter SUBACK 0x87, or in 3.1.1 the end of the connection. What a
// client may not receive it is not sent. The record says which statement decided.
type Policies struct{ policies *policies }

// Policy returns the handle of the policies.
func (s *Server) Policy() *Policies { return &Policies{s.policies} }

// policyName is the pattern of CreatePolicy.
var policyName = regexp.MustCompile(`^[\w+=,.@-]{1,128}$`)

// Put stores a policy, in place of one of that name if there is one. The document
// is a string, []byte or json.RawMessage of JSON, or is marshalled. The error of a
// bad document is a *PolicyError.
func (h *Policies) Put(name string, document any) error {
	if !policyName.MatchString(name) {
		return fmt.Errorf("iotlocal: policy name %q is not 1 to 128 of a-z A-Z 0-9 _ + = , . @ -", name)
	}
	text, err := jsonText(document)
	if err != nil {
		return fmt.Errorf("iotlocal: policy %s: %w", name, err)
	}
	if _, err := policy.Parse(text); err != nil {
		return fmt.Errorf("iotlocal: policy %s: %w", name, err)
	}
	return h.policies.registry.SetPolicy(name, string(text), h.policies.clock.Now())
}

// Delete forgets a policy and where it was attached. It reports whether it was
// there; one that Options.StateDir cannot let go of stays.
func (h *Policies) Delete(name string) bool {
	return h.policies.registry.DropPolicy(name) == nil // an error of keeping is logged
}

// Names returns the names of the policies, sorted.
func (h *Policies) Names() []string {
	var names []string
	for _, p := range h.policies.registry.Policies() {
		if !p.Brought {
			names = append(names, p.Name)
		}
	}
	return names
}

// Document returns the text of a policy: its default version, when there are
// several.
func (h *Policies) Document(name string) (text string, ok bool) {
	p, ok := h.policies.registry.Policy(name)
	if !ok || p.Brought {
		return "", false
	}
	return p.DefaultDocument(), true
}

// Attach gives a principal the permissions of a policy: the id of a certificate
// (Thing.CertificateID), which the server need not know yet, an access key id,
// AnyPrincipal or Anonymous. The error is that there is no such policy, or an empty
// principal.
func (h *Policies) Attach(name, principal string) error {
	if _, ok := h.Document(name); !ok {
		return fmt.Errorf("iotlocal: there is no policy %q", name)
	}
	if principal == "" {
		return fmt.Errorf("iotlocal: policy %s: a principal must not be empty", name)
	}
	if err := h.policies.registry.AttachPolicy(name, principal, true); err != nil {
		return fmt.Errorf("iotlocal: policy %s: %w", name, err)
	}
	return nil
}

// Detach takes the permissions of a policy from a principal. It reports whether it
// was attached; what Options.StateDir cannot keep does not happen.
func (h *Policies) Detach(name, principal string) bool {
	return h.policies.registry.DetachPolicy(name, principal) == nil // an error of keeping is logged
}

// Attached returns the names of the policies that are attached to a principal,
// sorted, without those of AnyPrincipal and of groups.
func (h *Policies) Attached(principal string) []string {
	return h.policies.registry.Attached(principal, false)
}

// SetThing says of which type a thing is and which attributes it has, for the
// variables iot:Connection.Thing.*. They have a value for connections whose client
// id is the name of the thing, and whose certificate is attached to it: those of
// NewThing and of fleet provisioning are.
func (h *Policies) SetThing(t PolicyThing) error {
	if err := topic.CheckThingName(t.Name); err != nil {
		return fmt.Errorf("iotlocal: %w", err)
	}
	return h.policies.registry.SetThing(t.Name, t.TypeName, t.Attributes)
}

// Test returns what a request of a principal would be answered, and which
// statement decides. Action and Resource must be given: Connect on client/ID,
// Publish, RetainPublish and Receive on topic/TOPIC, Subscribe on
// topicfilter/FILTER. Thing and Certificate, when nil, are those of the principal,
// Time is the server's when it is zero. Without a policy the answer is Allow.
func (h *Policies) Test(principal string, r PolicyRequest) PolicyDecision {
	p := h.policies
	if !p.registry.Enforced() {
		return PolicyDecision{Effect: policy.Allow}
	}
	thing := r.Thing
	p.mu.Lock()
	set := p.resolve(principal, &r)
	p.mu.Unlock()
	if c, ok := p.registry.Certificate(principal); ok && r.Certificate == nil {
		r.Certificate = parseCertificate(c.PEM)
	}
	if thing != nil {
		r.Thing = thing
	}
	if r.Region == "" {
		r.Region = p.region
	}
	if r.Time.IsZero() {
		r.Time = p.clock.Now()
	}
	return set.Decide(&r)
}

// parseCertificate reads a certificate in PEM; nil when it is none.
func parseCertificate(text string) *x509.Certificate {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return c
}

// CertificateID returns the id of the thing's certificate in AWS: its SHA-256 in
// hexadecimal; "" when CertPEM is none.
func (t Thing) CertificateID() string {
	block, _ := pem.Decode(t.CertPEM)
	if block == nil {
		return ""
	}
	return provisioning.CertificateID(block.Bytes)
}
