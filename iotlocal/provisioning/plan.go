package provisioning

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/internal/topic"
)

// plan is a template filled in for one device.
type plan struct {
	thing      *Thing // nil: the template has none
	active     bool
	policies   []string          // names, sorted
	documents  map[string]string // of those with a document, by name
	config     map[string]string
	overThing  map[string]string
	overStatus string
}

// fill evaluates the template for a certificate. Parameters that the template
// does not declare are for the hook alone.
func (t *template) fill(params, pseudos map[string]string, certID string) (*plan, *Error) {
	f, err := t.filler(params, pseudos)
	if err != nil {
		return nil, err
	}
	return t.plan(f, certID)
}

// filler returns what evaluates the template's properties.
func (t *template) filler(params, pseudos map[string]string) (*filler, *Error) {
	values := map[string]string{}
	maps.Copy(values, pseudos)
	var missing []string
	for name, byDefault := range t.parameters {
		given, ok := params[name]
		switch {
		case isPseudo(name): // the service's, whatever the device says
		case ok:
			values[name] = given
		case byDefault != nil:
			values[name] = *byDefault
		default:
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return nil, refuse(InvalidParameters, "Parameters are missing: %s", strings.Join(missing, ", "))
	}
	return &filler{scope: &scope{values: values, mappings: t.mappings}}, nil
}

// plan evaluates everything for a certificate, "" for none.
func (t *template) plan(f *filler, certID string) (*plan, *Error) {
	p := &plan{documents: map[string]string{}, config: map[string]string{}}
	if t.cert != nil {
		p.overStatus = t.cert.override["Status"]
		f.certificate(t.cert, certID, p)
	}
	if t.thing != nil {
		f.thing(t.thing, p)
	}
	for _, r := range t.policies {
		f.policy(r, p)
	}
	for _, name := range slices.Sorted(maps.Keys(t.config)) {
		p.config[name] = f.text("DeviceConfiguration", name, t.config[name])
	}
	if f.err != nil {
		return nil, f.err
	}
	return p, nil
}

// filler evaluates properties until one is wrong; err is the first error.
type filler struct {
	scope *scope
	err   *Error
}

func (f *filler) fail(where, name, format string, a ...any) {
	if f.err == nil {
		f.err = refuse(InvalidParameters, "%s: %s: %s", where, name, fmt.Sprintf(format, a...))
	}
}

func (f *filler) value(where, name string, v any) any {
	if f.err != nil || v == nil {
		return nil
	}
	out, err := f.scope.eval(v)
	if err != nil {
		f.fail(where, name, "%v", err)
		return nil
	}
	return out
}

// text evaluates a property that is text; numbers and booleans become text. ""
// when it is absent.
func (f *filler) text(where, name string, v any) string {
	out := f.value(where, name, v)
	if out == nil {
		return ""
	}
	s, ok := scalar(out)
	if !ok {
		f.fail(where, name, "is no text")
	}
	return s
}

func (f *filler) certificate(r *resource, certID string, p *plan) {
	id := r.properties["CertificateId"]
	if id == nil {
		id = r.properties["CertificateID"]
	}
	if got := f.text("certificate", "CertificateId", id); got != certID && r.properties["CertificateSigningRequest"] == nil {
		f.fail("certificate", "CertificateId", "is not that of the ownership token")
	}
	// The guide writes both ACTIVE and Active.
	switch status := strings.ToUpper(f.text("certificate", "Status", r.properties["Status"])); status {
	case "", "ACTIVE":
		p.active = true
	case "INACTIVE":
	default:
		f.fail("certificate", "Status", "%q is neither ACTIVE nor INACTIVE", status)
	}
}

// The limits of things (API reference: CreateThing, AttributePayload).
const (
	maxAttributes     = 50
	maxAttributeName  = 128
	maxAttributeValue = 800
	maxGroups         = 10
)

func (f *filler) thing(r *resource, p *plan) {
	const where = "thing"
	t := &Thing{Name: f.text(where, "ThingName", r.properties["ThingName"]), TypeName: f.text(where, "ThingTypeName", r.properties["ThingTypeName"]),
		BillingGroup: f.text(where, "BillingGroup", r.properties["BillingGroup"]), Attributes: map[string]string{}}
	if err := topic.CheckThingName(t.Name); err != nil {
		f.fail(where, "ThingName", "%v", err)
	}
	switch attributes := f.value(where, "AttributePayload", r.properties["AttributePayload"]).(type) {
	case nil:
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(attributes)) {
			t.Attributes[name] = f.attribute(name, attributes[name])
		}
	default:
		f.fail(where, "AttributePayload", "is not an object")
	}
	if len(t.Attributes) > maxAttributes {
		f.fail(where, "AttributePayload", "has more than %d attributes", maxAttributes)
	}
	switch groups := f.value(where, "ThingGroups", r.properties["ThingGroups"]).(type) {
	case nil:
	case []any:
		for _, g := range groups {
			name, ok := scalar(g)
			if err := topic.CheckThingName(name); !ok || err != nil { // groups have the characters of things
				f.fail(where, "ThingGroups", "%q is no name of a group", name)
			}
			t.Groups = append(t.Groups, name)
		}
	default:
		f.fail(where, "ThingGroups", "is not a list")
	}
	if len(t.Groups) > maxGroups {
		f.fail(where, "ThingGroups", "has more than %d groups", maxGroups)
	}
	p.thing, p.overThing = t, r.override
}

func (f *filler) attribute(name string, v any) string {
	value, ok := scalar(v)
	switch {
	case !ok:
		f.fail("thing", "AttributePayload", "%s is no text", name)
	case name == "" || len(name) > maxAttributeName || len(value) > maxAttributeValue:
		f.fail("thing", "AttributePayload", "%s is longer than AWS IoT allows: %d bytes for a name, %d for a value", name, maxAttributeName, maxAttributeValue)
	}
	return value
}

// policy takes the name of a policy, or the document, whose hash is then the
// name: "Defaults to a hash of the policy document."
func (f *filler) policy(r *resource, p *plan) {
	name := f.text("policy", "PolicyName", r.properties["PolicyName"])
	switch document := f.value("policy", "PolicyDocument", r.properties["PolicyDocument"]).(type) {
	case nil:
	case string:
		name = f.document(p, []byte(document))
	case map[string]any:
		text, err := json.Marshal(document)
		if err != nil {
			f.fail("policy", "PolicyDocument", "%v", err)
		}
		name = f.document(p, text)
	default:
		f.fail("policy", "PolicyDocument", "is neither an object nor JSON as text")
	}
	if name == "" || len(name) > 128 {
		f.fail("policy", "PolicyName", "is not 1 to 128 characters long")
	}
	if !slices.Contains(p.policies, name) {
		p.policies = append(p.policies, name)
		slices.Sort(p.policies)
	}
}

func (f *filler) document(p *plan, text []byte) string {
	var o map[string]any
	if json.Unmarshal(text, &o) != nil || o == nil {
		f.fail("policy", "PolicyDocument", "is not a JSON object")
	}
	sum := sha256.Sum256(text)
	name := hex.EncodeToString(sum[:])
	p.documents[name] = string(text)
	return name
}
