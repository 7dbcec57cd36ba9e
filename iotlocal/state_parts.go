package iotlocal

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/broker"
	"github.com/portage-iot/awsiot/iotlocal/internal/registry"
	"github.com/portage-iot/awsiot/iotlocal/jobs"
	"github.com/portage-iot/awsiot/iotlocal/policy"
)

// The kinds of what is kept, beside those of the registry, of provisioning and of the broker.
const (
	kindEndpoint          = "endpoint" // "ca": the CA that has signed the certificates
	kindShadow            = "shadow"
	kindJob               = "job"      // of all things
	kindThingJob          = "thingjob" // what one thing has of it
	kindRule              = "rule"
	kindAuthorizer        = "authorizer"
	kindDefaultAuthorizer = "defaultauthorizer"
)

// restorer puts in what was kept of a kind.
type restorer struct {
	kind    string
	restore func(key string, text []byte) error
}

// restorers are those of every kind, in the order of restoring.
func (s *Server) restorers() []restorer {
	of, fleet := s.registry.Restorers(checkPolicy), s.fleet.service.Restorers()
	maps.Copy(of, fleet)
	of[registry.KindCertificate] = checked(of[registry.KindCertificate], func(id string, text []byte) error {
		var c registry.Certificate
		if err := json.Unmarshal(text, &c); err != nil {
			return err
		}
		if (Thing{CertPEM: []byte(c.PEM)}).CertificateID() != id {
			return errors.New("it is of another name")
		}
		return nil
	})
	var all []restorer
	for _, kind := range slices.Sorted(maps.Keys(of)) {
		all = append(all, restorer{kind, of[kind]})
	}
	job := func(key string, text []byte) error { return s.jobs.service.Restore(jobs.Record{Key: key, Value: text}) }
	kept := func(kind string) restorer {
		return restorer{kind, func(key string, text []byte) error { return s.broker.Restore(kind, key, text) }}
	}
	return append(all, restorer{kindRule, s.restoreRule}, restorer{kindAuthorizer, s.restoreAuthorizer}, restorer{kindDefaultAuthorizer, s.restoreDefaultAuthorizer},
		restorer{kindShadow, func(_ string, text []byte) error { return s.shadows.service.Restore(text) }}, restorer{kindJob, job}, restorer{kindThingJob, job},
		kept(broker.KeptRetained), kept(broker.KeptSession), kept(broker.KeptQueued))
}

// checked is restore behind a check.
func checked(restore, check func(key string, text []byte) error) func(key string, text []byte) error {
	return func(key string, text []byte) error {
		if err := check(key, text); err != nil {
			return err
		}
		return restore(key, text)
	}
}

// checkPolicy checks a policy that was kept. One that a template has brought along need not be understood.
func checkPolicy(p *registry.Policy) error {
	for _, v := range p.Versions {
		if _, err := policy.Parse([]byte(v.Document)); err != nil && !p.Brought {
			return err
		}
	}
	return nil
}

// restored reads a value that was kept under its name.
func restored[V any](key string, text []byte, name func(*V) string) (v V, err error) {
	if err := json.Unmarshal(text, &v); err != nil {
		return v, err
	}
	if name(&v) != key {
		return v, fmt.Errorf("it is of the name %q", name(&v))
	}
	return v, nil
}

// savedRule is a rule as it is kept.
type savedRule struct {
	TopicRule
	Created time.Time `json:"createdAt"`
}

// saved is what is kept of a rule; nil when it has a Go function, which no file can hold.
func (c *compiledRule) saved() any {
	if c.hasFunction() {
		return nil
	}
	return savedRule{c.TopicRule, c.created}
}

// hasFunction reports whether a part of the rule is code.
func (r TopicRule) hasFunction() bool {
	for _, a := range r.Actions {
		if a.Function != nil {
			return true
		}
	}
	return r.ErrorAction != nil && r.ErrorAction.Function != nil
}

func (s *Server) restoreRule(name string, text []byte) error {
	v, err := restored(name, text, func(v *savedRule) string { return v.Name })
	if err != nil {
		return err
	}
	c, err := compileRule(v.TopicRule)
	if err != nil {
		return err
	}
	c.created = v.Created
	s.rules.mu.Lock()
	defer s.rules.mu.Unlock()
	s.rules.rules.Put(name, c)
	s.rules.counted()
	return nil
}

// savedAuthorizer is an authorizer as it is kept.
type savedAuthorizer struct {
	Authorizer
	Created  time.Time `json:"createdAt"`
	Modified time.Time `json:"modifiedAt"`
	Caching  bool      `json:"caching,omitempty"`
}

// saved is what is kept of an authorizer; nil when it is a Go function.
func (p *preparedAuthorizer) saved() any {
	if p.Function != nil {
		return nil
	}
	return savedAuthorizer{p.Authorizer, p.created, p.modified, p.caching}
}

func (s *Server) restoreAuthorizer(name string, text []byte) error {
	v, err := restored(name, text, func(v *savedAuthorizer) string { return v.Name })
	if err != nil {
		return err
	}
	p, err := prepareAuthorizer(v.Authorizer)
	if err != nil {
		return err
	}
	p.created, p.modified, p.caching = v.Created, v.Modified, v.Caching
	s.authorizers.mu.Lock()
	defer s.authorizers.mu.Unlock()
	s.authorizers.all.Put(name, p)
	return nil
}

// saved is what is kept of the default: its name; nil when that is not kept either.
func (d defaultAuthorizer) saved() any {
	if d.code {
		return nil
	}
	return d.name
}

func (s *Server) restoreDefaultAuthorizer(key string, text []byte) error {
	var name string
	if err := json.Unmarshal(text, &name); err != nil {
		return err
	}
	s.authorizers.mu.Lock()
	defer s.authorizers.mu.Unlock()
	if !s.authorizers.all.Has(name) {
		return fmt.Errorf("there is no authorizer %q", name)
	}
	s.authorizers.standard.Put(key, defaultAuthorizer{name: name})
	return nil
}
