package iotlocal

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/iotlocal/internal/control"
	"github.com/portage-iot/awsiot/iotlocal/internal/registry"
	"github.com/portage-iot/awsiot/iotlocal/internal/rest"
)

// registryErrors are the types that the kinds of the registry have in the API; those that are not here are a 400 or a 404.
var registryErrors = map[registry.Kind]string{
	registry.VersionConflict: control.VersionConflict, registry.InUse: control.DeleteConflict, registry.Limit: control.LimitExceeded,
	registry.VersionsLimit: control.VersionsLimit, registry.WrongState: control.CertificateState, registry.Conflict: control.RegistrationFailed,
}

// refusal is an error of the registry in the API's shape.
func refusal(c *control.Call, err error) error {
	e, ok := errors.AsType[*registry.Error](err)
	if !ok {
		return err
	}
	switch e.Kind {
	case registry.NotFound:
		return rest.NotFound("%s", e.Message)
	case registry.Exists:
		return control.Exists(e.Same, e.ID, c.ARN(e.Resource), "%s", e.Message)
	}
	if kind, ok := registryErrors[e.Kind]; ok {
		return control.Refuse(kind, "%s", e.Message)
	}
	return rest.Invalid("%s", e.Message)
}

// absentError says that what is to be changed does not exist; other errors of a change are those of keeping it.
type absentError string

// Error returns the text.
func (e absentError) Error() string { return string(e) }

// asAbsent makes an absentError the refusal of the API with a text of its own. What else went wrong stays as it is.
func asAbsent(err error, format string, args ...any) error {
	if _, ok := errors.AsType[absentError](err); ok {
		return rest.NotFound(format, args...)
	}
	return err
}

// empty is the answer of operations that have nothing to say.
type empty struct{}

func (a *controlAPI) thingHandlers() map[string]control.Handler {
	return map[string]control.Handler{
		"CreateThing": a.createThing, "DescribeThing": a.describeThing, "UpdateThing": a.updateThing, "DeleteThing": a.deleteThing, "ListThings": a.listThings,
		"CreateThingType": a.createThingType, "DescribeThingType": a.describeThingType, "DeprecateThingType": a.deprecateThingType,
		"DeleteThingType": a.deleteThingType, "ListThingTypes": a.listThingTypes,
		"AttachThingPrincipal": a.attachThingPrincipal, "DetachThingPrincipal": a.detachThingPrincipal,
		"ListThingPrincipals": a.listThingPrincipals, "ListPrincipalThings": a.listPrincipalThings,
	}
}

// attributePayload is the shape AttributePayload.
type attributePayload struct {
	Attributes map[string]string `json:"attributes"`
	Merge      bool              `json:"merge"`
}

var attributeName, attributeValue = regexp.MustCompile(`^[a-zA-Z0-9_.,@/:#-]{1,128}$`), regexp.MustCompile(`^[a-zA-Z0-9_.,@/:#-]{0,800}$`)

// check checks names and values.
func (p *attributePayload) check() error {
	for k, v := range p.Attributes {
		if !attributeName.MatchString(k) {
			return rest.Invalid("attribute name %.200q is not 1 to 128 of a-z A-Z 0-9 _ . , @ / : # -", k)
		}
		if !attributeValue.MatchString(v) {
			return rest.Invalid("the value of attribute %s is not at most 800 of a-z A-Z 0-9 _ . , @ / : # -", k)
		}
	}
	return nil
}

func (a *controlAPI) createThing(c *control.Call) (any, error) {
	var p attributePayload
	if err := c.Decode("attributePayload", &p); err != nil {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	t, err := a.s.registry.CreateThing(registry.Thing{Name: c.Text("thingName"), Type: c.Text("thingTypeName"), Attributes: p.Attributes, BillingGroup: c.Text("billingGroupName")})
	if err != nil {
		return nil, refusal(c, err)
	}
	return map[string]string{"thingName": t.Name, "thingArn": c.ARN("thing/" + t.Name), "thingId": t.ID}, nil
}

func (a *controlAPI) describeThing(c *control.Call) (any, error) {
	name := c.Text("thingName")
	t, ok := a.s.registry.Thing(name)
	if !ok {
		return nil, rest.NotFound("Thing %s not found", name)
	}
	answer := thingAttributes(c, &t)
	answer["thingId"], answer["defaultClientId"] = t.ID, name
	if t.BillingGroup != "" {
		answer["billingGroupName"] = t.BillingGroup
	}
	return answer, nil
}

// thingAttributes is the shape ThingAttribute.
func thingAttributes(c *control.Call, t *registry.Thing) map[string]any {
	answer := map[string]any{"thingName": t.Name, "thingArn": c.ARN("thing/" + t.Name), "attributes": orEmpty(t.Attributes), "version": t.Version}
	if t.Type != "" {
		answer["thingTypeName"] = t.Type
	}
	return answer
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func (a *controlAPI) updateThing(c *control.Call) (any, error) {
	var p attributePayload
	if err := c.Decode("attributePayload", &p); err != nil {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	err := a.s.registry.UpdateThing(c.Text("thingName"), registry.ThingChange{Type: c.Text("thingTypeName"), RemoveType: c.Bool("removeThingType", false),
		Attributes: p.Attributes, Merge: p.Merge, Expected: c.Int("expectedVersion", 0)})
	return empty{}, refusal(c, err)
}

func (a *controlAPI) deleteThing(c *control.Call) (any, error) {
	return empty{}, refusal(c, a.s.registry.DeleteThing(c.Text("thingName"), c.Int("expectedVersion", 0)))
}

func (a *controlAPI) listThings(c *control.Call) (any, error) {
	name, value, prefix := c.Text("attributeName"), c.Text("attributeValue"), c.Bool("usePrefixAttributeValue", false)
	if c.Has("attributeValue") && name == "" {
		return nil, rest.Invalid("attributeValue needs an attributeName")
	}
	all := slices.DeleteFunc(a.s.registry.Things(), func(t registry.Thing) bool {
		v, has := t.Attributes[name]
		return c.Has("thingTypeName") && t.Type != c.Text("thingTypeName") || name != "" && !has ||
			c.Has("attributeValue") && v != value && !(prefix && strings.HasPrefix(v, value))
	})
	return control.List(c, control.ByToken, "things", all, false, func(t registry.Thing) string { return t.Name },
		func(t registry.Thing) map[string]any { return thingAttributes(c, &t) })
}

// typeProperties is the shape ThingTypeProperties.
type typeProperties struct {
	Description string   `json:"thingTypeDescription,omitempty"`
	Searchable  []string `json:"searchableAttributes,omitempty"`
}

func (a *controlAPI) createThingType(c *control.Call) (any, error) {
	var p typeProperties
	if err := c.Decode("thingTypeProperties", &p); err != nil {
		return nil, err
	}
	for _, name := range p.Searchable {
		if !attributeName.MatchString(name) {
			return nil, rest.Invalid("searchable attribute %.200q is not 1 to 128 of a-z A-Z 0-9 _ . , @ / : # -", name)
		}
	}
	if err := checkDescription(p.Description); err != nil {
		return nil, err
	}
	t, err := a.s.registry.CreateType(registry.Type{Name: c.Text("thingTypeName"), Description: p.Description, Searchable: p.Searchable}, a.s.clock.Now())
	if err != nil {
		return nil, refusal(c, err)
	}
	return map[string]string{"thingTypeName": t.Name, "thingTypeArn": c.ARN("thingtype/" + t.Name), "thingTypeId": t.ID}, nil
}

// maxDescription is how many characters the description of a type or group may have.
const maxDescription = 2028

func checkDescription(s string) error {
	if len([]rune(s)) > maxDescription {
		return rest.Invalid("a description has at most %d characters", maxDescription)
	}
	return nil
}

// describedType is what DescribeThingType and ListThingTypes say of a type.
func describedType(c *control.Call, t *registry.Type) map[string]any {
	meta := map[string]any{"deprecated": !t.DeprecatedAt.IsZero(), "creationDate": t.CreatedAt.Unix()}
	if !t.DeprecatedAt.IsZero() {
		meta["deprecationDate"] = t.DeprecatedAt.Unix()
	}
	return map[string]any{"thingTypeName": t.Name, "thingTypeArn": c.ARN("thingtype/" + t.Name),
		"thingTypeProperties": typeProperties{t.Description, t.Searchable}, "thingTypeMetadata": meta}
}

func (a *controlAPI) describeThingType(c *control.Call) (any, error) {
	name := c.Text("thingTypeName")
	t, ok := a.s.registry.Type(name)
	if !ok {
		return nil, rest.NotFound("Thing type %s not found", name)
	}
	answer := describedType(c, &t)
	answer["thingTypeId"] = t.ID
	return answer, nil
}

func (a *controlAPI) deprecateThingType(c *control.Call) (any, error) {
	return empty{}, refusal(c, a.s.registry.DeprecateType(c.Text("thingTypeName"), c.Bool("undoDeprecate", false), a.s.clock.Now()))
}

func (a *controlAPI) deleteThingType(c *control.Call) (any, error) {
	return empty{}, refusal(c, a.s.registry.DeleteType(c.Text("thingTypeName"), a.s.clock.Now()))
}

func (a *controlAPI) listThingTypes(c *control.Call) (any, error) {
	all := slices.DeleteFunc(a.s.registry.Types(), func(t registry.Type) bool {
		return c.Has("thingTypeName") && t.Name != c.Text("thingTypeName")
	})
	return control.List(c, control.ByToken, "thingTypes", all, false, func(t registry.Type) string { return t.Name },
		func(t registry.Type) map[string]any { return describedType(c, &t) })
}

// principal reads the principal of a call. Certificates must be there.
func (a *controlAPI) principal(c *control.Call, field string) (string, error) {
	p, err := readPrincipal(c, field)
	if err != nil || !registry.IsCertificateID(p) {
		return p, err
	}
	if _, ok := a.s.registry.Certificate(p); !ok {
		return "", rest.NotFound("Certificate %s not found", p)
	}
	return p, nil
}

// readPrincipal reads the principal of a call: the ARN of a certificate, or an identity that has none, as one of Cognito.
func readPrincipal(c *control.Call, field string) (string, error) {
	said := c.Text(field)
	resource, isARN := control.Resource(said)
	id, isCertificate := strings.CutPrefix(resource, "cert/")
	switch {
	case !isARN && strings.HasPrefix(said, "arn:"), isARN && !isCertificate, isCertificate && !registry.IsCertificateID(id):
		return "", rest.Invalid("Invalid principal %.200q: want the ARN of a certificate, arn:aws:iot:REGION:ACCOUNT:cert/ID, or a Cognito identity", said)
	case !isARN:
		return said, nil
	}
	return id, nil
}

// principalARN is the principal as the API shows it.
func principalARN(c *control.Call, principal string) string {
	if registry.IsCertificateID(principal) {
		return certificateARN(c, principal)
	}
	return principal
}

func (a *controlAPI) attachThingPrincipal(c *control.Call) (any, error) {
	p, err := a.principal(c, "principal")
	if err != nil {
		return nil, err
	}
	return empty{}, refusal(c, a.s.registry.AttachPrincipal(c.Text("thingName"), p))
}

func (a *controlAPI) detachThingPrincipal(c *control.Call) (any, error) {
	p, err := a.principal(c, "principal")
	if err != nil {
		return nil, err
	}
	return empty{}, refusal(c, a.s.registry.DetachPrincipal(c.Text("thingName"), p))
}

func (a *controlAPI) listThingPrincipals(c *control.Call) (any, error) {
	t, ok := a.s.registry.Thing(c.Text("thingName"))
	if !ok {
		return nil, rest.NotFound("Thing %s not found", c.Text("thingName"))
	}
	return pageOfNames(c, control.ByToken, "principals", false, t.Principals, func(p string) string { return principalARN(c, p) })
}

func (a *controlAPI) listPrincipalThings(c *control.Call) (any, error) {
	p, err := a.principal(c, "principal")
	if err != nil {
		return nil, err
	}
	return pageOfNames(c, control.ByToken, "things", false, a.s.registry.ThingsOf(p), func(s string) string { return s })
}

// pageOfNames is the page of a list of names, sorted, each in the form that show gives it.
func pageOfNames[T any](c *control.Call, p control.Pager, member string, descending bool, all []string, show func(string) T) (any, error) {
	slices.Sort(all)
	if descending {
		slices.Reverse(all)
	}
	return control.List(c, p, member, all, descending, func(s string) string { return s }, show)
}

// certificateARN is the ARN of a certificate.
func certificateARN(c *control.Call, id string) string { return c.ARN("cert/" + id) }
