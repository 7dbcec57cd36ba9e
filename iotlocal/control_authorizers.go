package iotlocal

import (
	"encoding/json"
	"reflect"
	"strings"

	"github.com/portage-iot/awsiot/iotlocal/internal/control"
	"github.com/portage-iot/awsiot/iotlocal/internal/rest"
)

func (a *controlAPI) authorizerHandlers() map[string]control.Handler {
	return map[string]control.Handler{
		"CreateAuthorizer": a.createAuthorizer, "DescribeAuthorizer": a.describeAuthorizer, "UpdateAuthorizer": a.updateAuthorizer,
		"DeleteAuthorizer": a.deleteAuthorizer, "ListAuthorizers": a.listAuthorizers, "SetDefaultAuthorizer": a.setDefaultAuthorizer,
		"DescribeDefaultAuthorizer": a.describeDefaultAuthorizer, "ClearDefaultAuthorizer": a.clearDefaultAuthorizer,
		"TestInvokeAuthorizer": a.testInvokeAuthorizer,
	}
}

// shownAuthorizer is the shape AuthorizerSummary.
type shownAuthorizer struct {
	Name string `json:"authorizerName"`
	ARN  string `json:"authorizerArn"`
}

func showAuthorizer(c *control.Call) func(string) shownAuthorizer {
	return func(name string) shownAuthorizer { return shownAuthorizer{name, c.ARN("authorizer/" + name)} }
}

// readAuthorizer puts what a call says into an authorizer.
func readAuthorizer(c *control.Call, a *Authorizer) {
	if arn := c.Text("authorizerFunctionArn"); isURL(arn) {
		a.URL, a.FunctionARN, a.Function = arn, "", nil
	} else if arn != "" {
		a.URL, a.FunctionARN, a.Function = "", arn, nil
	}
	if c.Has("tokenKeyName") {
		a.TokenKeyName = c.Text("tokenKeyName")
	}
	if c.Has("tokenSigningPublicKeys") {
		a.PublicKeys = c.Map("tokenSigningPublicKeys")
	}
	if c.Has("status") {
		a.Inactive = c.Text("status") == "INACTIVE"
	}
	a.SigningDisabled = c.Bool("signingDisabled", a.SigningDisabled)
}

// invalid is a mistake of the caller in the API's shape, without the prefix of Go errors.
func invalid(err error) error {
	return rest.Invalid("%s", strings.TrimPrefix(err.Error(), "iotlocal: "))
}

func (a *controlAPI) createAuthorizer(c *control.Call) (any, error) {
	wanted := Authorizer{Name: c.Text("authorizerName"), Inactive: true} // AWS's default
	readAuthorizer(c, &wanted)
	p, err := prepareAuthorizer(wanted)
	if err != nil {
		return nil, invalid(err)
	}
	p.created, p.caching = a.s.clock.Now(), c.Bool("enableCachingForHttp", false)
	p.modified = p.created
	return showAuthorizer(c)(p.Name), a.s.authorizers.change(func(d *authorizerDraft) error {
		if old := d.all.Get(p.Name); old != nil {
			return control.Exists(old.Function == nil && old.caching == p.caching && reflect.DeepEqual(old.Authorizer, p.Authorizer), p.Name, c.ARN("authorizer/"+p.Name), "Authorizer %s already exists", p.Name)
		}
		d.put(p)
		return nil
	})
}

// authorizer returns the one that a call names.
func (a *controlAPI) authorizer(c *control.Call) (*preparedAuthorizer, error) {
	return known(c, a.s.authorizers.get(c.Text("authorizerName")))
}

// known is an authorizer that must be there.
func known(c *control.Call, p *preparedAuthorizer) (*preparedAuthorizer, error) {
	if p == nil {
		return nil, rest.NotFound("Authorizer %s not found", c.Text("authorizerName"))
	}
	return p, nil
}

// description is the shape AuthorizerDescription. A Go function that stands in the program has no name of its own.
func (p *preparedAuthorizer) description(c *control.Call) map[string]any {
	target := p.FunctionARN + p.URL
	if p.Function != nil {
		target = "arn:aws:lambda:" + c.Region + ":" + c.Account + ":function:go"
	}
	d := map[string]any{"authorizerName": p.Name, "authorizerArn": c.ARN("authorizer/" + p.Name), "authorizerFunctionArn": target, "status": "ACTIVE",
		"creationDate": p.created.Unix(), "lastModifiedDate": p.modified.Unix(), "signingDisabled": p.SigningDisabled, "enableCachingForHttp": p.caching}
	if p.Inactive {
		d["status"] = "INACTIVE"
	}
	if p.TokenKeyName != "" {
		d["tokenKeyName"] = p.TokenKeyName
	}
	if len(p.PublicKeys) > 0 {
		d["tokenSigningPublicKeys"] = p.PublicKeys
	}
	return map[string]any{"authorizerDescription": d}
}

func (a *controlAPI) describeAuthorizer(c *control.Call) (any, error) {
	p, err := a.authorizer(c)
	if err != nil {
		return nil, err
	}
	return p.description(c), nil
}

func (a *controlAPI) updateAuthorizer(c *control.Call) (any, error) {
	return showAuthorizer(c)(c.Text("authorizerName")), a.s.authorizers.change(func(d *authorizerDraft) error {
		old, err := known(c, d.all.Get(c.Text("authorizerName")))
		if err != nil {
			return err
		}
		wanted := old.Authorizer
		readAuthorizer(c, &wanted)
		p, err := prepareAuthorizer(wanted)
		if err != nil {
			return invalid(err)
		}
		p.created, p.modified, p.caching = old.created, a.s.clock.Now(), c.Bool("enableCachingForHttp", old.caching)
		d.put(p)
		return nil
	})
}

// deleteAuthorizer deletes one that is inactive and not the default one, as AWS.
func (a *controlAPI) deleteAuthorizer(c *control.Call) (any, error) {
	return empty{}, a.s.authorizers.change(func(d *authorizerDraft) error {
		p, err := known(c, d.all.Get(c.Text("authorizerName")))
		switch {
		case err != nil:
			return err
		case d.standard.Get(standardKey).name == p.Name:
			return control.Refuse(control.DeleteConflict, "Authorizer %s is the default authorizer: clear the default before deletion", p.Name)
		case !p.Inactive:
			return control.Refuse(control.DeleteConflict, "Authorizer %s is ACTIVE: make it INACTIVE before deletion", p.Name)
		}
		d.all.Delete(p.Name)
		return nil
	})
}

func (a *controlAPI) listAuthorizers(c *control.Call) (any, error) {
	var names []string
	a.s.authorizers.mu.Lock()
	for name, p := range a.s.authorizers.all.All() {
		if !c.Has("status") || p.Inactive == (c.Text("status") == "INACTIVE") {
			names = append(names, name)
		}
	}
	a.s.authorizers.mu.Unlock()
	return pageOfNames(c, control.ByMarker, "authorizers", !c.Bool("ascendingOrder", true), names, showAuthorizer(c))
}

func (a *controlAPI) setDefaultAuthorizer(c *control.Call) (any, error) {
	name := c.Text("authorizerName")
	if err := (&Authorizers{a.s.authorizers}).SetDefault(name); err != nil {
		return nil, asAbsent(err, "Authorizer %s not found", name)
	}
	return showAuthorizer(c)(name), nil
}

// noDefault is the refusal when there is no default authorizer.
func noDefault() error { return rest.NotFound("Default authorizer not found") }

func (a *controlAPI) describeDefaultAuthorizer(c *control.Call) (any, error) {
	p := a.s.authorizers.get(a.s.Authorizers().Default())
	if p == nil {
		return nil, noDefault()
	}
	return p.description(c), nil
}

func (a *controlAPI) clearDefaultAuthorizer(*control.Call) (any, error) {
	if a.s.Authorizers().Default() == "" {
		return nil, noDefault()
	}
	return empty{}, a.s.Authorizers().SetDefault("")
}

// testInvokeAuthorizer asks an authorizer as a connection would.
func (a *controlAPI) testInvokeAuthorizer(c *control.Call) (any, error) {
	all := a.s.authorizers
	p, err := a.authorizer(c)
	if err != nil {
		return nil, err
	}
	r := AuthorizerRequest{Token: c.Text("token"), Protocols: []string{}, ConnectionMetadata: AuthorizerConnection{rest.TraceID()}}
	data := &r.ProtocolData
	for _, protocol := range []struct {
		field, name string
		into        any
	}{{"tlsContext", "tls", &data.TLS}, {"httpContext", "http", &data.HTTP}, {"mqttContext", "mqtt", &data.MQTT}} {
		if c.Has(protocol.field) {
			r.Protocols = append(r.Protocols, protocol.name)
			if err := c.Decode(protocol.field, protocol.into); err != nil {
				return nil, err
			}
		}
	}
	if !p.SigningDisabled {
		if err := p.verify(r.Token, c.Text("tokenSignature")); err != nil {
			return nil, rest.Invalid("%v", err)
		}
		r.SignatureVerified = true
	}
	answer, err := all.call(c.Context(), p, r)
	if err == nil && answer.IsAuthenticated {
		answer, err = (&authorized{all: all, by: p}).take(answer, a.s.clock.Now())
	}
	if err != nil {
		return nil, control.Refuse(control.InvalidResponse, "%v", err)
	}
	documents := []string{}
	for _, d := range answer.PolicyDocuments {
		var text string
		if json.Unmarshal(d, &text) != nil {
			text = string(d)
		}
		documents = append(documents, text)
	}
	return map[string]any{"isAuthenticated": answer.IsAuthenticated, "principalId": answer.PrincipalID, "policyDocuments": documents,
		"refreshAfterInSeconds": answer.RefreshAfterInSeconds, "disconnectAfterInSeconds": answer.DisconnectAfterInSeconds}, nil
}
