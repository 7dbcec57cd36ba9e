package iotlocal

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/portage-iot/awsiot/iotlocal/internal/control"
	"github.com/portage-iot/awsiot/iotlocal/internal/registry"
	"github.com/portage-iot/awsiot/iotlocal/internal/rest"
	"github.com/portage-iot/awsiot/iotlocal/policy"
)

func (a *controlAPI) policyHandlers() map[string]control.Handler {
	return map[string]control.Handler{
		"CreatePolicy": a.createPolicy, "GetPolicy": a.getPolicy, "DeletePolicy": a.deletePolicy, "ListPolicies": a.listPolicies,
		"CreatePolicyVersion": a.createPolicyVersion, "GetPolicyVersion": a.getPolicyVersion, "DeletePolicyVersion": a.deletePolicyVersion,
		"ListPolicyVersions": a.listPolicyVersions, "SetDefaultPolicyVersion": a.setDefaultPolicyVersion,
		"AttachPolicy": a.attachPolicy, "AttachPrincipalPolicy": a.attachPolicy, "DetachPolicy": a.detachPolicy, "DetachPrincipalPolicy": a.detachPolicy,
		"ListAttachedPolicies": a.listAttachedPolicies, "ListPrincipalPolicies": a.listPrincipalPolicies,
		"ListTargetsForPolicy": a.listTargetsForPolicy, "ListPolicyPrincipals": a.listPolicyPrincipals,
		"GetEffectivePolicies": a.getEffectivePolicies, "TestAuthorization": a.testAuthorization,
	}
}

func policyARN(c *control.Call, name string) string { return c.ARN("policy/" + name) }

// maxPolicyDocument is how many bytes a document may have, white space left out (AWS General Reference).
const maxPolicyDocument = 2048

// policyDocument reads and checks the document of a call.
func policyDocument(c *control.Call) (string, error) {
	text := c.Text("policyDocument")
	if _, err := policy.Parse([]byte(text)); err != nil {
		return "", control.Refuse(control.MalformedPolicy, "Policy document is Malformed: %v", err)
	}
	if n := len(strings.Join(strings.Fields(text), "")); n > maxPolicyDocument {
		return "", control.Refuse(control.MalformedPolicy, "Policy document is Malformed: it has %d bytes without white space, at most %d are allowed", n, maxPolicyDocument)
	}
	return text, nil
}

func (a *controlAPI) createPolicy(c *control.Call) (any, error) {
	text, err := policyDocument(c)
	if err != nil {
		return nil, err
	}
	p, err := a.s.registry.CreatePolicy(c.Text("policyName"), text, a.s.clock.Now())
	if err != nil {
		return nil, refusal(c, err)
	}
	return map[string]string{"policyName": p.Name, "policyArn": policyARN(c, p.Name), "policyDocument": text, "policyVersionId": "1"}, nil
}

// find returns the policy of a call.
func (a *controlAPI) find(c *control.Call) (registry.Policy, error) {
	p, ok := a.s.registry.Policy(c.Text("policyName"))
	if !ok {
		return p, rest.NotFound("Policy %s not found", c.Text("policyName"))
	}
	return p, nil
}

func (a *controlAPI) getPolicy(c *control.Call) (any, error) {
	p, err := a.find(c)
	if err != nil {
		return nil, err
	}
	return map[string]any{"policyName": p.Name, "policyArn": policyARN(c, p.Name), "policyDocument": p.DefaultDocument(), "defaultVersionId": strconv.Itoa(p.Default),
		"creationDate": p.CreatedAt.Unix(), "lastModifiedDate": p.ModifiedAt.Unix(), "generationId": strconv.Itoa(p.Last)}, nil
}

func (a *controlAPI) deletePolicy(c *control.Call) (any, error) {
	return empty{}, refusal(c, a.s.registry.DeletePolicy(c.Text("policyName")))
}

// shownPolicy is the shape Policy.
type shownPolicy struct {
	Name string `json:"policyName"`
	ARN  string `json:"policyArn"`
}

// pageOfPolicies is a page of policies by name.
func pageOfPolicies(c *control.Call, names []string) (any, error) {
	return pageOfNames(c, control.ByMarker, "policies", !c.Bool("ascendingOrder", true), names, func(s string) shownPolicy { return shownPolicy{s, policyARN(c, s)} })
}

func (a *controlAPI) listPolicies(c *control.Call) (any, error) {
	var names []string
	for _, p := range a.s.registry.Policies() {
		names = append(names, p.Name)
	}
	return pageOfPolicies(c, names)
}

func (a *controlAPI) createPolicyVersion(c *control.Call) (any, error) {
	text, err := policyDocument(c)
	if err != nil {
		return nil, err
	}
	name, asDefault := c.Text("policyName"), c.Bool("setAsDefault", false)
	p, _ := a.s.registry.Policy(name)
	var v registry.PolicyVersion
	if n, there := a.versionOf("policy/"+name, text, p.Versions); !there {
		v, err = a.s.registry.CreatePolicyVersion(name, text, asDefault, a.s.clock.Now())
	} else if v.Number = n; asDefault && p.Default != n {
		err = a.s.registry.SetDefaultPolicyVersion(name, n, a.s.clock.Now())
	}
	if err != nil {
		return nil, refusal(c, err)
	}
	return map[string]any{"policyArn": policyARN(c, name), "policyDocument": text, "policyVersionId": strconv.Itoa(v.Number), "isDefaultVersion": asDefault}, nil
}

// version is the number of a version that a call names.
func version(c *control.Call) int {
	n, _ := strconv.Atoi(c.Text("policyVersionId")) // at most nine digits
	return n
}

func (a *controlAPI) getPolicyVersion(c *control.Call) (any, error) {
	p, err := a.find(c)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(p.Versions, func(v registry.PolicyVersion) bool { return v.Number == version(c) })
	if i < 0 {
		return nil, rest.NotFound("Policy version %s of %s not found", c.Text("policyVersionId"), p.Name)
	}
	v := p.Versions[i]
	return map[string]any{"policyArn": policyARN(c, p.Name), "policyName": p.Name, "policyDocument": v.Document, "policyVersionId": strconv.Itoa(v.Number),
		"isDefaultVersion": v.Number == p.Default, "creationDate": v.CreatedAt.Unix(), "lastModifiedDate": v.CreatedAt.Unix(), "generationId": strconv.Itoa(p.Last)}, nil
}

func (a *controlAPI) deletePolicyVersion(c *control.Call) (any, error) {
	return empty{}, refusal(c, a.s.registry.DeletePolicyVersion(c.Text("policyName"), version(c), a.s.clock.Now()))
}

func (a *controlAPI) listPolicyVersions(c *control.Call) (any, error) {
	p, err := a.find(c)
	if err != nil {
		return nil, err
	}
	out := []map[string]any{}
	for _, v := range slices.Backward(p.Versions) { // the newest first, as AWS
		out = append(out, map[string]any{"versionId": strconv.Itoa(v.Number), "isDefaultVersion": v.Number == p.Default, "createDate": v.CreatedAt.Unix()})
	}
	return map[string]any{"policyVersions": out}, nil
}

func (a *controlAPI) setDefaultPolicyVersion(c *control.Call) (any, error) {
	return empty{}, refusal(c, a.s.registry.SetDefaultPolicyVersion(c.Text("policyName"), version(c), a.s.clock.Now()))
}

// readTarget reads the target of a policy: a group by its ARN, or a principal.
func readTarget(c *control.Call, field string) (string, error) {
	resource, _ := control.Resource(c.Text(field))
	if _, group := registry.CutGroup(resource); group {
		return resource, nil
	}
	return readPrincipal(c, field)
}

// target is readTarget of one that must be there.
func (a *controlAPI) target(c *control.Call, field string) (string, error) {
	resource, _ := control.Resource(c.Text(field))
	name, ok := registry.CutGroup(resource)
	if !ok {
		return a.principal(c, field)
	}
	if _, ok := a.s.registry.Group(name); !ok {
		return "", rest.NotFound("Thing group %s not found", name)
	}
	return resource, nil
}

// targetField is the field of an operation that names a target; those of principals are older.
func targetField(c *control.Call) string {
	if strings.Contains(c.Operation, "Principal") {
		return "principal"
	}
	return "target"
}

func (a *controlAPI) attachPolicy(c *control.Call) (any, error) {
	target, err := readTarget(c, targetField(c))
	if err != nil {
		return nil, err
	}
	if target == AnyPrincipal {
		return nil, rest.Invalid("a policy is not attached to %s, everybody, by the API: name a certificate, a Cognito identity or a thing group; programs have Server.Policy().Attach for it", target)
	}
	return empty{}, refusal(c, a.s.registry.AttachPolicy(c.Text("policyName"), target, false))
}

func (a *controlAPI) detachPolicy(c *control.Call) (any, error) {
	target, err := readTarget(c, targetField(c))
	if err != nil {
		return nil, err
	}
	err = a.s.registry.DetachPolicy(c.Text("policyName"), target)
	if e, ok := errors.AsType[*registry.Error](err); !ok || e.Kind != registry.NotFound { // the target need not be there any more
		return empty{}, err
	}
	if _, err := a.target(c, targetField(c)); err != nil {
		return nil, err
	}
	_, err = a.find(c)
	return empty{}, err
}

func (a *controlAPI) listAttachedPolicies(c *control.Call) (any, error) {
	target, err := a.target(c, "target")
	if err != nil {
		return nil, err
	}
	return pageOfPolicies(c, a.s.registry.Attached(target, c.Bool("recursive", false)))
}

func (a *controlAPI) listPrincipalPolicies(c *control.Call) (any, error) {
	target, err := a.principal(c, "principal")
	if err != nil {
		return nil, err
	}
	return pageOfPolicies(c, a.s.registry.Attached(target, false))
}

// showTarget is a target as the API shows it.
func showTarget(c *control.Call) func(string) string {
	return func(t string) string {
		if _, group := registry.CutGroup(t); group {
			return c.ARN(t)
		}
		return principalARN(c, t)
	}
}

func (a *controlAPI) listTargetsForPolicy(c *control.Call) (any, error) {
	p, err := a.find(c)
	if err != nil {
		return nil, err
	}
	return pageOfNames(c, control.ByMarker, "targets", false, a.s.registry.Targets(p.Name), showTarget(c))
}

func (a *controlAPI) listPolicyPrincipals(c *control.Call) (any, error) {
	p, err := a.find(c)
	if err != nil {
		return nil, err
	}
	principals := slices.DeleteFunc(a.s.registry.Targets(p.Name), func(t string) bool { _, group := registry.CutGroup(t); return group })
	return pageOfNames(c, control.ByMarker, "principals", !c.Bool("ascendingOrder", true), principals, showTarget(c))
}

func (a *controlAPI) getEffectivePolicies(c *control.Call) (any, error) {
	principal, err := a.who(c)
	if err != nil {
		return nil, err
	}
	out := []map[string]string{}
	for _, name := range a.s.registry.Permissions(principal, c.Text("thingName")).Policies {
		if text, ok := a.s.registry.Document(name); ok {
			out = append(out, map[string]string{"policyName": name, "policyArn": policyARN(c, name), "policyDocument": text})
		}
	}
	return map[string]any{"effectivePolicies": out}, nil
}

// who is the principal of a call, which need not say one: then it is nobody.
func (a *controlAPI) who(c *control.Call) (string, error) {
	if !c.Has("principal") {
		return Anonymous, nil
	}
	return a.principal(c, "principal")
}

// authInfo is the shape AuthInfo.
type authInfo struct {
	ActionType string   `json:"actionType,omitempty"`
	Resources  []string `json:"resources"`
}

// testActions are the actions of TestAuthorization.
var testActions = map[string]string{"PUBLISH": policy.Publish, "SUBSCRIBE": policy.Subscribe, "RECEIVE": policy.Receive, "CONNECT": policy.Connect}

// testAuthorization says what the policies decide, with those that are named added or left out.
func (a *controlAPI) testAuthorization(c *control.Call) (any, error) {
	principal, err := a.who(c)
	if err != nil {
		return nil, err
	}
	var infos []authInfo
	if err := c.Decode("authInfos", &infos); err != nil {
		return nil, err
	}
	if len(infos) < 1 || len(infos) > 10 {
		return nil, rest.Invalid("%d authInfos, want 1 to 10", len(infos))
	}
	request := policy.Request{ClientID: c.Text("clientId"), Region: a.s.policies.region, Time: a.s.clock.Now(), Secure: true}
	permission := a.s.registry.Permissions(principal, request.ClientID)
	if t := permission.Thing; t != nil {
		request.Thing = &policy.Thing{Name: t.Name, TypeName: t.Type, Attributes: t.Attributes}
	}
	if known, ok := a.s.registry.Certificate(principal); ok {
		request.Certificate = parseCertificate(known.PEM)
	}
	names := permission.Policies
	for _, n := range c.List("policyNamesToAdd") {
		if _, ok := a.s.registry.Document(n); !ok {
			return nil, rest.NotFound("Policy %s not found", n)
		}
		names = append(names, n)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return slices.Contains(c.List("policyNamesToSkip"), n) })
	slices.Sort(names)
	names = slices.Compact(names)
	a.s.policies.mu.Lock()
	set := policy.NewSet(a.s.policies.named(names))
	a.s.policies.mu.Unlock()
	results := []any{}
	for _, info := range infos {
		action, ok := testActions[info.ActionType]
		if !ok || len(info.Resources) == 0 {
			return nil, rest.Invalid("an authInfo needs resources and an actionType of PUBLISH, SUBSCRIBE, RECEIVE and CONNECT, not %.100q", info.ActionType)
		}
		for _, arn := range info.Resources {
			resource, ok := control.Resource(arn)
			if !ok {
				return nil, rest.Invalid("resource %.200q is not an ARN of AWS IoT", arn)
			}
			request.Action, request.Resource = action, resource
			results = append(results, tested(c, authInfo{info.ActionType, []string{arn}}, set.Decide(&request)))
		}
	}
	return map[string]any{"authResults": results}, nil
}

// tested is the shape AuthResult.
func tested(c *control.Call, info authInfo, d policy.Decision) map[string]any {
	decided := []shownPolicy{}
	if d.Policy != "" {
		decided = append(decided, shownPolicy{d.Policy, policyARN(c, d.Policy)})
	}
	result := map[string]any{"authInfo": info, "allowed": map[string]any{"policies": []shownPolicy{}}, "denied": map[string]any{}, "missingContextValues": []string{}}
	switch {
	case d.Allowed():
		result["authDecision"], result["allowed"] = "ALLOWED", map[string]any{"policies": decided}
	case d.Policy == "":
		result["authDecision"], result["denied"] = "IMPLICIT_DENY", map[string]any{"implicitDeny": map[string]any{"policies": decided}}
	default:
		result["authDecision"], result["denied"] = "EXPLICIT_DENY", map[string]any{"explicitDeny": map[string]any{"policies": decided}}
	}
	return result
}
