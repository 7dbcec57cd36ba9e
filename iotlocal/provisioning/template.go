package provisioning

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// The pseudo parameters of a certificate (auto-register-device-cert.html). A
// template may declare them, and needs not to refer to them.
const (
	certificateID = "AWS::IoT::Certificate::Id"
	pseudoPrefix  = "AWS::IoT::Certificate::"
)

// pseudo are the names behind pseudoPrefix.
var pseudo = []string{"Country", "Organization", "OrganizationalUnit", "DistinguishedNameQualifier", "StateName", "CommonName", "SerialNumber", "Id"}

func isPseudo(name string) bool {
	rest, ok := strings.CutPrefix(name, pseudoPrefix)
	return ok && slices.Contains(pseudo, rest)
}

// template is a provisioning template taken apart and checked.
type template struct {
	purpose    purpose
	body       json.RawMessage
	parameters map[string]*string // nil: no default
	mappings   map[string]map[string]any
	thing      *resource // nil: none
	cert       *resource
	policies   []*resource // sorted by their names in the template
	config     map[string]any
}

// purpose is what a template is for.
type purpose uint8

const (
	forFleet purpose = iota // devices that have the certificate of an ownership token
	forOne                  // one thing, which RegisterThing of the control API registers, with a certificate or without
)

// resource is one of the resources of a template.
type resource struct {
	name       string // in the template
	properties map[string]any
	override   map[string]string
}

// kind is a type of resource: the properties it may have, and those whose
// OverrideSettings may say what.
type kind struct {
	properties []string
	override   map[string][]string
}

var kinds = map[string]kind{
	"AWS::IoT::Thing": {
		[]string{"ThingName", "AttributePayload", "ThingTypeName", "ThingGroups", "BillingGroup"},
		map[string][]string{"AttributePayload": {doNothing, replace, fail, merge}, "ThingTypeName": {doNothing, replace, fail},
			"ThingGroups": {doNothing, replace, fail, merge}, "BillingGroup": {doNothing, replace, fail}},
	},
	"AWS::IoT::Certificate": {
		[]string{"CertificateId", "CertificateID", "Status", "ThingPrincipalType"},
		map[string][]string{"Status": {doNothing, replace, fail}},
	},
	"AWS::IoT::Policy": {[]string{"PolicyName", "PolicyDocument"}, nil},
}

// ofOne is what the certificate may have in a template for one thing.
var ofOne = kind{[]string{"CertificateId", "CertificateSigningRequest", "Status", "ThingPrincipalType"}, kinds["AWS::IoT::Certificate"].override}

// The values of OverrideSettings.
const (
	doNothing = "DO_NOTHING"
	replace   = "REPLACE"
	fail      = "FAIL"
	merge     = "MERGE"
)

// parseTemplate reads and checks a template. What can be wrong for every device
// is an error here rather than at the first registration: unknown sections,
// resources, properties, functions and parameters.
func parseTemplate(body []byte, lim Limits) (*template, error) { return parseFor(forFleet, body, lim) }

func parseFor(use purpose, body []byte, lim Limits) (*template, error) {
	if over(len(body), lim.TemplateBody) {
		return nil, fmt.Errorf("the template has %d bytes, the limit is %d", len(body), lim.TemplateBody)
	}
	top, err := decodeTemplate(body)
	if err != nil {
		return nil, err
	}
	t := &template{purpose: use, body: slices.Clone(body), parameters: map[string]*string{}, mappings: map[string]map[string]any{}}
	for _, name := range slices.Sorted(maps.Keys(top)) {
		section, ok := top[name].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s is not an object", name)
		}
		switch name {
		case "Parameters":
			err = t.parseParameters(section)
		case "Mappings":
			err = t.parseMappings(section)
		case "Resources":
			err = t.parseResources(section)
		case "DeviceConfiguration":
			t.config = section
		default:
			return nil, fmt.Errorf("unknown section %s; there are Parameters, Mappings, Resources and DeviceConfiguration", name)
		}
		if err != nil {
			return nil, err
		}
	}
	if t.cert == nil && use == forFleet {
		return nil, errors.New("section Resources has no AWS::IoT::Certificate, so that no device would ever be let in")
	}
	return t, t.checkCalls()
}

func decodeTemplate(body []byte) (map[string]any, error) {
	if !utf8.Valid(body) {
		return nil, errors.New("the template is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var top map[string]any
	if err := dec.Decode(&top); err != nil {
		return nil, fmt.Errorf("the template is not a JSON object: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("the template holds something after the JSON object")
	}
	if d := depth(top, 0); d > maxDepth {
		return nil, fmt.Errorf("the template nests more than %d levels", maxDepth)
	}
	return top, nil
}

// depth returns how many levels a value has, or one more than it looks at.
func depth(v any, above int) int {
	deepest := above
	if above > maxDepth {
		return above
	}
	switch v := v.(type) {
	case map[string]any:
		deepest++
		for _, e := range v {
			deepest = max(deepest, depth(e, above+1))
		}
	case []any:
		deepest++
		for _, e := range v {
			deepest = max(deepest, depth(e, above+1))
		}
	}
	return deepest
}

func (t *template) parseParameters(section map[string]any) error {
	for name, v := range section {
		p, ok := v.(map[string]any)
		if !ok || p["Type"] != "String" {
			return fmt.Errorf("parameter %s: want {\"Type\": \"String\"}, with or without a Default", name)
		}
		for member, v := range p {
			text, ok := v.(string)
			switch {
			case member == "Type":
			case member == "Default" && ok:
				t.parameters[name] = &text
			default:
				return fmt.Errorf("parameter %s: want {\"Type\": \"String\"}, with or without a Default that is text", name)
			}
		}
		if _, hasDefault := t.parameters[name]; !hasDefault {
			t.parameters[name] = nil
		}
	}
	return nil
}

// parseMappings reads tables of two levels; functions and parameters have no
// place in them.
func (t *template) parseMappings(section map[string]any) error {
	for table, v := range section {
		rows, ok := v.(map[string]any)
		if !ok {
			return fmt.Errorf("section Mappings: %s is not an object", table)
		}
		for row, v := range rows {
			cells, ok := v.(map[string]any)
			if !ok {
				return fmt.Errorf("section Mappings: %s, %s is not an object", table, row)
			}
			for cell, v := range cells {
				if _, isMap := v.(map[string]any); isMap || v == nil {
					return fmt.Errorf("section Mappings: %s, %s, %s is neither text nor a list", table, row, cell)
				}
			}
		}
		t.mappings[table] = rows
	}
	return nil
}

func (t *template) parseResources(section map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(section)) {
		members, ok := section[name].(map[string]any)
		if !ok {
			return fmt.Errorf("resource %s is not an object", name)
		}
		typ, _ := members["Type"].(string)
		k, ok := kinds[typ]
		if !ok {
			return fmt.Errorf("resource %s has the type %q; there are %s", name, typ, strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
		}
		if t.purpose == forOne && typ == "AWS::IoT::Certificate" {
			k = ofOne
		}
		r, err := parseResource(members, k)
		if err == nil {
			r.name = name
			err = t.add(typ, r)
		}
		if err != nil {
			return fmt.Errorf("resource %s: %w", name, err)
		}
	}
	return nil
}

func parseResource(members map[string]any, k kind) (*resource, error) {
	r := &resource{override: map[string]string{}}
	for member, v := range members {
		m, ok := v.(map[string]any)
		switch {
		case member == "Type":
		case member == "Properties" && ok:
			r.properties = m
		case member == "OverrideSettings" && ok && k.override != nil:
			for property, v := range m {
				setting, _ := v.(string)
				if !slices.Contains(k.override[property], setting) {
					return nil, fmt.Errorf("OverrideSettings: %s cannot be %v", property, v)
				}
				r.override[property] = setting
			}
		default:
			return nil, fmt.Errorf("unexpected member %s", member)
		}
	}
	for property := range r.properties {
		if !slices.Contains(k.properties, property) {
			return nil, fmt.Errorf("unexpected property %s; there are %s", property, strings.Join(k.properties, ", "))
		}
	}
	return r, nil
}

// add gives a resource its place: one thing at most, one certificate, any number
// of policies.
func (t *template) add(typ string, r *resource) error {
	switch typ {
	case "AWS::IoT::Thing":
		if t.thing != nil {
			return errors.New("a second thing")
		}
		if r.properties["ThingName"] == nil {
			return errors.New("ThingName is missing")
		}
		t.thing = r
	case "AWS::IoT::Certificate":
		if t.cert != nil {
			return errors.New("a second certificate")
		}
		if t.purpose == forOne {
			if (r.properties["CertificateId"] == nil) == (r.properties["CertificateSigningRequest"] == nil) {
				return errors.New("want one of CertificateId and CertificateSigningRequest")
			}
			t.cert = r
			return nil
		}
		// "Only certificate IDs can be used with a fleet provisioning template."
		if (r.properties["CertificateId"] == nil) == (r.properties["CertificateID"] == nil) {
			return fmt.Errorf("want CertificateId, which is {\"Ref\": %q}", certificateID)
		}
		t.cert = r
	default:
		if (r.properties["PolicyName"] == nil) == (r.properties["PolicyDocument"] == nil) {
			return errors.New("want PolicyName or PolicyDocument, and not both")
		}
		t.policies = append(t.policies, r)
	}
	return nil
}

// checkCalls looks at every call of a function, whether or not a registration
// comes to it.
func (t *template) checkCalls() error {
	for _, r := range append([]*resource{t.cert, t.thing}, t.policies...) {
		if r == nil {
			continue
		}
		if err := t.checkValue(r.properties); err != nil {
			return err
		}
	}
	return t.checkValue(t.config)
}

func (t *template) checkValue(v any) error {
	switch v := v.(type) {
	case map[string]any:
		name, arg, is, err := call(v)
		if err != nil {
			return err
		}
		if is && name == "Ref" {
			if to, ok := arg.(string); ok && !t.declares(to) {
				return fmt.Errorf("there is no parameter %s for a Ref", to)
			}
		}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if err := t.checkValue(v[k]); err != nil {
				return err
			}
		}
	case []any:
		for _, e := range v {
			if err := t.checkValue(e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *template) declares(name string) bool {
	_, ok := t.parameters[name]
	return ok || isPseudo(name)
}
