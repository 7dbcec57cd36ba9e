package iotlocal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/portage-iot/awsiot/iotlocal/internal/control"
	"github.com/portage-iot/awsiot/iotlocal/internal/registry"
	"github.com/portage-iot/awsiot/iotlocal/internal/rest"
	"github.com/portage-iot/awsiot/iotlocal/provisioning"
)

func (a *controlAPI) templateHandlers() map[string]control.Handler {
	return map[string]control.Handler{
		"CreateProvisioningTemplate": a.createTemplate, "DescribeProvisioningTemplate": a.describeTemplate, "UpdateProvisioningTemplate": a.updateTemplate,
		"DeleteProvisioningTemplate": a.deleteTemplate, "ListProvisioningTemplates": a.listTemplates,
		"CreateProvisioningTemplateVersion": a.createTemplateVersion, "DescribeProvisioningTemplateVersion": a.describeTemplateVersion,
		"DeleteProvisioningTemplateVersion": a.deleteTemplateVersion, "ListProvisioningTemplateVersions": a.listTemplateVersions,
		"CreateProvisioningClaim": a.createClaim, "RegisterThing": a.registerThing,
	}
}

func templateARN(c *control.Call, name string) string { return c.ARN("provisioningtemplate/" + name) }

// provisioningHook is the shape ProvisioningHook.
type provisioningHook struct {
	PayloadVersion string `json:"payloadVersion"`
	TargetARN      string `json:"targetArn"`
}

// hookVersion is the payload version that hooks get.
const hookVersion = "2020-04-01"

// readHook reads the hook of a call: a URL, or the name or ARN of a function.
func readHook(c *control.Call) (arn string, err error) {
	var h provisioningHook
	if err := c.Decode("preProvisioningHook", &h); err != nil || !c.Has("preProvisioningHook") {
		return "", err
	}
	if h.PayloadVersion != "" && h.PayloadVersion != hookVersion {
		return "", rest.Invalid("preProvisioningHook: payloadVersion %q is not %s", h.PayloadVersion, hookVersion)
	}
	if isURL(h.TargetARN) {
		if err := checkURL(h.TargetARN); err != nil {
			return "", rest.Invalid("preProvisioningHook: %v", err)
		}
	} else if _, ok := nameOfFunction(h.TargetARN); !ok {
		return "", rest.Invalid("preProvisioningHook: targetArn %.200q is neither a URL nor the name or ARN of a function", h.TargetARN)
	}
	return h.TargetARN, nil
}

// templateError is an error of a template in the API's shape.
func templateError(c *control.Call, err error) error {
	if _, ok := errors.AsType[*registry.Error](err); ok {
		return refusal(c, err)
	}
	if _, ok := errors.AsType[*unkeptError](err); ok {
		return err
	}
	return invalid(err)
}

func (a *controlAPI) createTemplate(c *control.Call) (any, error) {
	if c.Text("type") == "JITP" {
		return nil, rest.Invalid("type JITP is not available on this local endpoint: FLEET_PROVISIONING is")
	}
	hook, err := readHook(c)
	if err != nil {
		return nil, err
	}
	name := c.Text("templateName")
	info := provisioning.TemplateInfo{Name: name, Description: c.Text("description"), RoleARN: c.Text("provisioningRoleArn"), HookARN: hook, Disabled: !c.Bool("enabled", false)}
	if err := a.s.fleet.service.NewTemplate(info, c.Text("templateBody"), a.s.clock.Now()); err != nil {
		return nil, templateError(c, err)
	}
	return map[string]any{"templateArn": templateARN(c, name), "templateName": name, "defaultVersionId": 1}, nil
}

// template returns the template of a call.
func (a *controlAPI) template(c *control.Call) (provisioning.TemplateInfo, error) {
	t, ok := a.s.fleet.service.TemplateInfo(c.Text("templateName"))
	if !ok {
		return t, rest.NotFound("There is no provisioning template %s", c.Text("templateName"))
	}
	return t, nil
}

// shownTemplate is the shape ProvisioningTemplateSummary.
func shownTemplate(c *control.Call, t *provisioning.TemplateInfo) map[string]any {
	m := map[string]any{"templateArn": templateARN(c, t.Name), "templateName": t.Name, "enabled": !t.Disabled, "type": "FLEET_PROVISIONING",
		"creationDate": t.CreatedAt.Unix(), "lastModifiedDate": t.ModifiedAt.Unix()}
	if t.Description != "" {
		m["description"] = t.Description
	}
	return m
}

// body returns the body of a version.
func body(t *provisioning.TemplateInfo, number int) (provisioning.TemplateVersion, bool) {
	i := slices.IndexFunc(t.Versions, func(v provisioning.TemplateVersion) bool { return v.Number == number })
	if i < 0 {
		return provisioning.TemplateVersion{}, false
	}
	return t.Versions[i], true
}

func (a *controlAPI) describeTemplate(c *control.Call) (any, error) {
	t, err := a.template(c)
	if err != nil {
		return nil, err
	}
	m := shownTemplate(c, &t)
	v, _ := body(&t, t.Default)
	m["templateBody"], m["defaultVersionId"] = v.Body, t.Default
	m["provisioningRoleArn"] = t.RoleARN
	if t.HookARN != "" {
		m["preProvisioningHook"] = provisioningHook{hookVersion, t.HookARN}
	}
	return m, nil
}

func (a *controlAPI) updateTemplate(c *control.Call) (any, error) {
	hook, err := readHook(c)
	if err != nil {
		return nil, err
	}
	if hook != "" && c.Bool("removePreProvisioningHook", false) {
		return nil, rest.Invalid("preProvisioningHook and removePreProvisioningHook exclude each other")
	}
	return empty{}, refusal(c, a.s.fleet.service.ChangeTemplate(c.Text("templateName"), a.s.clock.Now(), func(t *provisioning.TemplateInfo) {
		if c.Has("description") {
			t.Description = c.Text("description")
		}
		if c.Has("provisioningRoleArn") {
			t.RoleARN = c.Text("provisioningRoleArn")
		}
		if hook != "" || c.Bool("removePreProvisioningHook", false) {
			t.HookARN = hook
		}
		t.Disabled = !c.Bool("enabled", !t.Disabled)
		t.Default = int(c.Int("defaultVersionId", int64(t.Default)))
	}))
}

func (a *controlAPI) deleteTemplate(c *control.Call) (any, error) {
	t, err := a.template(c)
	if err != nil {
		return nil, err
	}
	if len(t.Versions) > 1 {
		return nil, control.Refuse(control.DeleteConflict, "The template %s has %d versions: delete all but the default one before", t.Name, len(t.Versions))
	}
	_, err = a.s.fleet.service.DeleteTemplate(t.Name)
	return empty{}, err
}

func (a *controlAPI) listTemplates(c *control.Call) (any, error) {
	shown := map[string]map[string]any{}
	var names []string
	for _, t := range a.s.fleet.service.TemplateInfos() {
		shown[t.Name] = shownTemplate(c, &t)
		names = append(names, t.Name)
	}
	return pageOfNames(c, control.ByToken, "templates", false, names, func(name string) map[string]any { return shown[name] })
}

func (a *controlAPI) createTemplateVersion(c *control.Call) (any, error) {
	name, asDefault := c.Text("templateName"), c.Bool("setAsDefault", false)
	t, _ := a.s.fleet.service.TemplateInfo(name)
	var versions []registry.PolicyVersion
	for _, v := range t.Versions {
		versions = append(versions, registry.PolicyVersion{Number: v.Number, Document: v.Body})
	}
	number, there := a.versionOf("provisioningtemplate/"+name, c.Text("templateBody"), versions)
	var err error
	if !there {
		number, err = a.s.fleet.service.AddTemplateVersion(name, c.Text("templateBody"), asDefault, a.s.clock.Now())
	} else if asDefault && t.Default != number {
		err = a.s.fleet.service.ChangeTemplate(name, a.s.clock.Now(), func(t *provisioning.TemplateInfo) { t.Default = number })
	}
	if err != nil {
		return nil, templateError(c, err)
	}
	return map[string]any{"templateArn": templateARN(c, name), "templateName": name, "versionId": number, "isDefaultVersion": asDefault}, nil
}

func (a *controlAPI) describeTemplateVersion(c *control.Call) (any, error) {
	t, err := a.template(c)
	if err != nil {
		return nil, err
	}
	number := int(c.Int("versionId", 0))
	v, ok := body(&t, number)
	if !ok {
		return nil, rest.NotFound("The template %s has no version %d", t.Name, number)
	}
	return map[string]any{"versionId": v.Number, "creationDate": v.CreatedAt.Unix(), "templateBody": v.Body, "isDefaultVersion": v.Number == t.Default}, nil
}

func (a *controlAPI) deleteTemplateVersion(c *control.Call) (any, error) {
	return empty{}, refusal(c, a.s.fleet.service.DeleteTemplateVersion(c.Text("templateName"), int(c.Int("versionId", 0)), a.s.clock.Now()))
}

func (a *controlAPI) listTemplateVersions(c *control.Call) (any, error) {
	t, err := a.template(c)
	if err != nil {
		return nil, err
	}
	shown := map[string]map[string]any{}
	var keys []string
	for _, v := range t.Versions {
		key := fmt.Sprintf("%09d", v.Number)
		keys = append(keys, key)
		shown[key] = map[string]any{"versionId": v.Number, "creationDate": v.CreatedAt.Unix(), "isDefaultVersion": v.Number == t.Default}
	}
	return pageOfNames(c, control.ByToken, "versions", false, keys, func(k string) map[string]any { return shown[k] })
}

func (a *controlAPI) createClaim(c *control.Call) (any, error) {
	t, err := a.template(c)
	if err != nil {
		return nil, err
	}
	claim, key, err := a.s.fleet.service.NewClaim(t.Name, provisioning.ClaimLife, a.s.clock.Now())
	if err != nil {
		return nil, err
	}
	public, err := provisioning.PublicPEM(key)
	if err != nil {
		return nil, err
	}
	return map[string]any{"certificateId": claim.ID, "certificatePem": claim.PEM, "expiration": claim.ExpiresAt.Unix(),
		"keyPair": map[string]string{"PublicKey": public, "PrivateKey": key}}, nil
}

func (a *controlAPI) registerThing(c *control.Call) (any, error) {
	made, err := a.s.fleet.service.RegisterThing([]byte(c.Text("templateBody")), c.Map("parameters"), a.s.clock.Now())
	if e, ok := errors.AsType[*provisioning.Error](err); ok {
		return nil, control.Refuse(control.RegistrationFailed, "%s", e.Message)
	} else if err != nil {
		return nil, templateError(c, err)
	}
	arns := map[string]string{}
	for name, resource := range made.Resources {
		arns[name] = c.ARN(resource)
	}
	answer := map[string]any{"resourceArns": arns}
	if made.CertificatePEM != "" {
		answer["certificatePem"] = made.CertificatePEM
	}
	return answer, nil
}

// hook finds a pre-provisioning hook that a template names: a URL, which gets AWS's event as JSON and answers as a Lambda function
// does, or a function of Templates.Register.
func (f *fleet) hook(arn string) (PreProvisioningHook, error) {
	if !isURL(arn) {
		return f.hooks.find(arn)
	}
	return func(ctx context.Context, r HookRequest) (answer HookResponse, err error) {
		event, err := json.Marshal(map[string]any{"claimCertificateId": r.ClaimCertificateID, "certificateId": r.CertificateID, "certificatePem": r.CertificatePEM,
			"templateArn": control.ARN(control.DefaultRegion, AccountID, "provisioningtemplate/"+r.TemplateName), "clientId": r.ClientID, "parameters": r.Parameters})
		if err != nil {
			return answer, err
		}
		said, err := post(ctx, arn, nil, event)
		if err != nil {
			return answer, err
		}
		var shape struct {
			Allow     bool           `json:"allowProvisioning"`
			Overrides map[string]any `json:"parameterOverrides"`
		}
		if err := json.Unmarshal(said, &shape); err != nil {
			return answer, fmt.Errorf("the answer of %s: %w", arn, err)
		}
		answer = HookResponse{AllowProvisioning: shape.Allow, ParameterOverrides: map[string]string{}}
		for k, v := range shape.Overrides {
			switch v := v.(type) {
			case string:
				answer.ParameterOverrides[k] = v
			case bool:
				answer.ParameterOverrides[k] = strconv.FormatBool(v)
			default:
				return answer, fmt.Errorf("the answer of %s: parameterOverrides: %s is no string", arn, k)
			}
		}
		return answer, nil
	}, nil
}

// Register makes a pre-provisioning hook known to templates that name it, as those that the API creates: "NAME" and
// "arn:aws:lambda:REGION:ACCOUNT:function:NAME" are it. The error is a bad name.
func (h *Templates) Register(name string, hook PreProvisioningHook) error {
	return h.server.fleet.hooks.register(name, hook)
}
