package provisioning

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
)

const certOf = `"certificate": {"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}}}`

// resources is a template with a certificate and more.
func resources(more string) string { return `{"Resources": {` + certOf + more + `}}` }

func TestParseTemplateErrors(t *testing.T) {
	nested := `"x"`
	for range maxDepth {
		nested = `{"a":` + nested + `}`
	}
	for _, tt := range []struct{ name, body, want string }{
		{"empty", ``, "not a JSON object"},
		{"no object", `[]`, "not a JSON object"},
		{"two", `{} {}`, "something after"},
		{"not UTF-8", "{\"\xff\":1}", "not UTF-8"},
		{"too long", `{"Resources":{}}` + strings.Repeat(" ", 10240), "the limit is 10240"},
		{"too deep", `{"DeviceConfiguration":` + nested + `}`, "nests more than 24 levels"},
		{"unknown section", `{"Outputs":{}}`, "unknown section Outputs"},
		{"section is no object", `{"Resources":[]}`, "Resources is not an object"},
		{"no certificate", `{"Resources":{}}`, "no AWS::IoT::Certificate"},
		{"parameter of another type", `{"Parameters":{"a":{"Type":"Number"}}}`, "parameter a: want"},
		{"parameter is no object", `{"Parameters":{"a":"String"}}`, "parameter a: want"},
		{"default is a number", `{"Parameters":{"a":{"Type":"String","Default":1}}}`, "parameter a: want"},
		{"parameter with more", `{"Parameters":{"a":{"Type":"String","AllowedValues":["x"]}}}`, "parameter a: want"},
		{"mapping is no object", `{"Mappings":{"a":1}}`, "Mappings: a is not an object"},
		{"mapping of one level", `{"Mappings":{"a":{"b":1}}}`, "Mappings: a, b is not an object"},
		{"mapping with a function", `{"Mappings":{"a":{"b":{"c":{"Ref":"x"}}}}}`, "Mappings: a, b, c is neither text nor a list"},
		{"unknown resource", resources(`,"x":{"Type":"AWS::S3::Bucket"}`), `resource x has the type "AWS::S3::Bucket"`},
		{"resource is no object", resources(`,"x":1`), "resource x is not an object"},
		{"unknown member", resources(`,"x":{"Type":"AWS::IoT::Policy","DependsOn":"y"}`), "resource x: unexpected member DependsOn"},
		{"unknown property", resources(`,"x":{"Type":"AWS::IoT::Thing","Properties":{"ThingName":"x","Colour":"red"}}`), "unexpected property Colour; there are ThingName"},
		{"thing without name", resources(`,"x":{"Type":"AWS::IoT::Thing","Properties":{}}`), "ThingName is missing"},
		{"two things", resources(`,"x":{"Type":"AWS::IoT::Thing","Properties":{"ThingName":"x"}},"y":{"Type":"AWS::IoT::Thing","Properties":{"ThingName":"y"}}`), "resource y: a second thing"},
		{"two certificates", resources(`,"d":{"Type":"AWS::IoT::Certificate","Properties":{"CertificateId":"x"}}`), "a second certificate"},
		{"certificate by CSR", `{"Resources":{"c":{"Type":"AWS::IoT::Certificate","Properties":{"CertificateSigningRequest":"x"}}}}`, "unexpected property CertificateSigningRequest"},
		{"certificate without id", `{"Resources":{"c":{"Type":"AWS::IoT::Certificate"}}}`, "want CertificateId"},
		{"policy without anything", resources(`,"p":{"Type":"AWS::IoT::Policy"}`), "want PolicyName or PolicyDocument"},
		{"policy with both", resources(`,"p":{"Type":"AWS::IoT::Policy","Properties":{"PolicyName":"p","PolicyDocument":"{}"}}`), "and not both"},
		{"override of a policy", resources(`,"p":{"Type":"AWS::IoT::Policy","Properties":{"PolicyName":"p"},"OverrideSettings":{}}`), "unexpected member OverrideSettings"},
		{"override of a name", resources(`,"x":{"Type":"AWS::IoT::Thing","Properties":{"ThingName":"x"},"OverrideSettings":{"ThingName":"FAIL"}}`), "OverrideSettings: ThingName cannot be FAIL"},
		{"override merges a type", resources(`,"x":{"Type":"AWS::IoT::Thing","Properties":{"ThingName":"x"},"OverrideSettings":{"ThingTypeName":"MERGE"}}`), "ThingTypeName cannot be MERGE"},
		{"unknown parameter", resources(`,"x":{"Type":"AWS::IoT::Thing","Properties":{"ThingName":{"Ref":"Serial"}}}`), "there is no parameter Serial for a Ref"},
		{"unknown function", `{"Resources":{` + certOf + `},"DeviceConfiguration":{"a":{"Fn::If":[]}}}`, "unknown function Fn::If"},
		{"function beside another", `{"Resources":{` + certOf + `},"DeviceConfiguration":{"a":{"Fn::Join":[],"b":1}}}`, "Fn::Join stands beside other members"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := parseTemplate([]byte(tt.body), Limits{}.withDefaults()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// config evaluates one entry of DeviceConfiguration.
func config(t *testing.T, value string, params map[string]string) (string, error) {
	t.Helper()
	body := `{"Parameters":{"A":{"Type":"String"},"D":{"Type":"String","Default":"def"}},
		"Mappings":{"M":{"row":{"cell":"found","list":["p","q"]}}},
		"Resources":{` + certOf + `},"DeviceConfiguration":{"v":` + value + `}}`
	tmpl, err := parseTemplate([]byte(body), Limits{}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	p, refused := tmpl.fill(params, map[string]string{certificateID: "id", pseudoPrefix + "CommonName": "cn"}, "id")
	if refused != nil {
		return "", refused
	}
	return p.config["v"], nil
}

func TestFunctions(t *testing.T) {
	params := map[string]string{"A": "a,b,c"}
	for _, tt := range []struct{ name, value, want, err string }{
		{"text", `"x"`, "x", ""},
		{"number", `1.50`, "1.50", ""},
		{"boolean", `true`, "true", ""},
		{"Ref", `{"Ref":"A"}`, "a,b,c", ""},
		{"Ref with default", `{"Ref":"D"}`, "def", ""},
		{"Ref of the certificate", `{"Ref":"AWS::IoT::Certificate::CommonName"}`, "cn", ""},
		{"Ref of the certificate, absent", `{"Ref":"AWS::IoT::Certificate::Country"}`, "", "there is no parameter AWS::IoT::Certificate::Country"},
		{"Ref of a list", `{"Ref":["A"]}`, "", "Ref: want the name of a parameter"},
		{"Ref of what a function makes", `{"Ref":{"Fn::Join":["",["A"]]}}`, "a,b,c", ""},
		{"Ref of nothing that a function makes", `{"Ref":{"Fn::Join":["",["Z"]]}}`, "", "there is no parameter Z"},
		{"Join", `{"Fn::Join":["-",["x",{"Ref":"D"},1,true]]}`, "x-def-1-true", ""},
		{"Join of a split", `{"Fn::Join":["",{"Fn::Split":[",",{"Ref":"A"}]}]}`, "abc", ""},
		{"Join without list", `{"Fn::Join":["-","x"]}`, "", "Fn::Join: want [delimiter, [values]]"},
		{"Join of three", `{"Fn::Join":["-",["x"],"y"]}`, "", "Fn::Join: want [delimiter, [values]]"},
		{"Join of an object", `{"Fn::Join":["-",[{}]]}`, "", "Fn::Join: value 0 is no text"},
		{"Select", `{"Fn::Select":[1,["x","y"]]}`, "y", ""},
		{"Select by text", `{"Fn::Select":["2",{"Fn::Split":[",",{"Ref":"A"}]}]}`, "c", ""},
		{"Select outside", `{"Fn::Select":[2,["x","y"]]}`, "", "index 2 is outside of the list"},
		{"Select below", `{"Fn::Select":[-1,["x","y"]]}`, "", "index -1 is outside"},
		{"Select of null", `{"Fn::Select":[0,[null]]}`, "", "index 0 is outside"},
		{"Select by word", `{"Fn::Select":["x",["y"]]}`, "", "want [index, [values]]"},
		{"Split with nothing", `{"Fn::Select":[0,{"Fn::Split":["","x"]}]}`, "", "the delimiter not empty"},
		{"FindInMap", `{"Fn::FindInMap":["M","row","cell"]}`, "found", ""},
		{"FindInMap of a list", `{"Fn::Select":[1,{"Fn::FindInMap":["M","row","list"]}]}`, "q", ""},
		{"FindInMap by parameter", `{"Fn::FindInMap":["M",{"Ref":"A"},"cell"]}`, "", "Mappings has no M, a,b,c, cell"},
		{"FindInMap without cell", `{"Fn::FindInMap":["M","row","none"]}`, "", "Mappings has no M, row, none"},
		{"FindInMap by number", `{"Fn::FindInMap":["M",1,"cell"]}`, "", "want text"},
		{"Sub", `{"Fn::Sub":"<${D}|${AWS::IoT::Certificate::Id}>"}`, "<def|id>", ""},
		{"Sub with variables", `{"Fn::Sub":["${D}${V}",{"V":{"Ref":"D"},"D":1}]}`, "1def", ""},
		{"Sub leaves literals", `{"Fn::Sub":"${!D} ${ $"}`, "${D} ${ $", ""},
		{"Sub of nothing", `{"Fn::Sub":"${Z}"}`, "", "there is no parameter Z"},
		{"Sub with a list", `{"Fn::Sub":["${V}",{"V":[]}]}`, "", "variable V is no text"},
		{"Sub of a number", `{"Fn::Sub":1}`, "", "want text, or [text, {variables}]"},
		{"object", `{"a":"b"}`, "", "DeviceConfiguration: v: is no text"},
		{"list", `["a"]`, "", "is no text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := config(t, tt.value, params)
			if tt.err == "" && (err != nil || got != tt.want) {
				t.Errorf("%q, %v", got, err)
			}
			if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("%q, error %v, want %q", got, err, tt.err)
			}
		})
	}
	if _, err := config(t, `""`, nil); err == nil || !strings.Contains(err.Error(), "InvalidParameters: Parameters are missing: A") {
		t.Error(err)
	}
}

// A few hundred bytes that ask for megabytes.
func TestFunctionsAreBounded(t *testing.T) {
	doubling := `"xxxxxxxxxxxxxxxx"`
	for range 6 {
		doubling = `{"Fn::Sub":["` + strings.Repeat("${V}", 8) + `",{"V":` + doubling + `}]}`
	}
	joined := `"xxxxxxxxxxxxxxxx"`
	long := strings.Repeat(`{"Ref":"A"},`, 200) + `"end"`
	for name, value := range map[string]string{"Sub": doubling, "Join": `{"Fn::Join":["",[` + long + `]]}`,
		"Split": `{"Fn::Join":["",{"Fn::Split":[",",{"Ref":"A"}]}]}`, "many": joined} {
		params := map[string]string{"A": strings.Repeat(",", 4096)}
		got, err := config(t, value, params)
		if name == "many" {
			if err != nil || got != "xxxxxxxxxxxxxxxx" {
				t.Error(got, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), "makes more than 65536 bytes") {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

func TestFill(t *testing.T) {
	full := `{"Parameters":{"S":{"Type":"String"},"AWS::IoT::Certificate::Id":{"Type":"String"}},
		"Resources":{"t":{"Type":"AWS::IoT::Thing","Properties":{"ThingName":{"Fn::Join":["_",["lamp",{"Ref":"S"}]]},"ThingTypeName":"bulb",
			"ThingGroups":["all",{"Ref":"S"}],"BillingGroup":"b","AttributePayload":{"serial":{"Ref":"S"},"n":1}}},
			"c":{"Type":"AWS::IoT::Certificate","Properties":{"CertificateID":{"Ref":"AWS::IoT::Certificate::Id"},"Status":"Inactive"}},
			"p":{"Type":"AWS::IoT::Policy","Properties":{"PolicyName":"b"}},"q":{"Type":"AWS::IoT::Policy","Properties":{"PolicyName":"a"}},
			"r":{"Type":"AWS::IoT::Policy","Properties":{"PolicyDocument":{"Version":"2012-10-17","Statement":[{"Resource":{"Fn::Sub":"arn/${S}"}}]}}},
			"s":{"Type":"AWS::IoT::Policy","Properties":{"PolicyDocument":"{\"Version\":\"2012-10-17\"}"}}},
		"DeviceConfiguration":{"url":"https://example.com"}}`
	fill := func(body string, params map[string]string) (*plan, *Error) {
		t.Helper()
		tmpl, err := parseTemplate([]byte(body), Limits{}.withDefaults())
		if err != nil {
			t.Fatal(err)
		}
		return tmpl.fill(params, map[string]string{certificateID: "id"}, "id")
	}
	// The device cannot choose the certificate's id, nor does a parameter too many do harm.
	p, err := fill(full, map[string]string{"S": "7", "AWS::IoT::Certificate::Id": "another", "more": "x"})
	if err != nil {
		t.Fatal(err)
	}
	want := &Thing{Name: "lamp_7", TypeName: "bulb", Groups: []string{"all", "7"}, BillingGroup: "b", Attributes: map[string]string{"serial": "7", "n": "1"}}
	if !reflect.DeepEqual(p.thing, want) || p.active || !maps.Equal(p.config, map[string]string{"url": "https://example.com"}) {
		t.Errorf("%+v %+v", p, p.thing)
	}
	var docs []string
	for _, name := range p.policies {
		if d, ok := p.documents[name]; ok {
			docs = append(docs, d)
			if len(name) != 64 {
				t.Errorf("policy name %s", name)
			}
		} else if name != "a" && name != "b" {
			t.Errorf("policy name %s", name)
		}
	}
	if len(p.policies) != 4 || len(docs) != 2 || !strings.Contains(strings.Join(docs, " "), `[{"Resource":"arn/7"}]`) {
		t.Errorf("%v %v", p.policies, docs)
	}
	thing := func(properties string) string {
		return resources(`,"t":{"Type":"AWS::IoT::Thing","Properties":` + properties + `}`)
	}
	for _, tt := range []struct{ name, body, want string }{
		{"bad thing name", thing(`{"ThingName":"a b"}`), "thing: ThingName: thing name"},
		{"empty thing name", thing(`{"ThingName":""}`), "thing: ThingName: thing name"},
		{"attributes as text", thing(`{"ThingName":"a","AttributePayload":"x"}`), "AttributePayload: is not an object"},
		{"attribute is a list", thing(`{"ThingName":"a","AttributePayload":{"x":[]}}`), "AttributePayload: x is no text"},
		{"attribute too long", thing(`{"ThingName":"a","AttributePayload":{"x":"` + strings.Repeat("v", 801) + `"}}`), "x is longer than AWS IoT allows"},
		{"groups as text", thing(`{"ThingName":"a","ThingGroups":"x"}`), "ThingGroups: is not a list"},
		{"group with a slash", thing(`{"ThingName":"a","ThingGroups":["a/b"]}`), `"a/b" is no name of a group`},
		{"eleven groups", thing(`{"ThingName":"a","ThingGroups":["1","2","3","4","5","6","7","8","9","10","11"]}`), "more than 10 groups"},
		{"type is a list", thing(`{"ThingName":"a","ThingTypeName":["x"]}`), "ThingTypeName: is no text"},
		{"status", `{"Resources":{"c":{"Type":"AWS::IoT::Certificate","Properties":{"CertificateId":{"Ref":"AWS::IoT::Certificate::Id"},"Status":"REVOKED"}}}}`, `Status: "REVOKED" is neither ACTIVE nor INACTIVE`},
		{"another certificate", `{"Resources":{"c":{"Type":"AWS::IoT::Certificate","Properties":{"CertificateId":"x"}}}}`, "CertificateId: is not that of the ownership token"},
		{"document is a list", resources(`,"p":{"Type":"AWS::IoT::Policy","Properties":{"PolicyDocument":[]}}`), "PolicyDocument: is neither an object nor JSON as text"},
		{"document is no JSON", resources(`,"p":{"Type":"AWS::IoT::Policy","Properties":{"PolicyDocument":"x"}}`), "PolicyDocument: is not a JSON object"},
		{"policy name too long", resources(`,"p":{"Type":"AWS::IoT::Policy","Properties":{"PolicyName":"` + strings.Repeat("p", 129) + `"}}`), "PolicyName: is not 1 to 128"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := fill(tt.body, nil); err == nil || err.Code != InvalidParameters || !strings.Contains(err.Message, tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	many := map[string]string{}
	for i := range maxAttributes + 1 {
		many[fmt.Sprint("a", i)] = "v"
	}
	text, _ := json.Marshal(many)
	if _, err := fill(thing(`{"ThingName":"a","AttributePayload":`+string(text)+`}`), nil); err == nil || !strings.Contains(err.Message, "more than 50 attributes") {
		t.Error(err)
	}
}

// FuzzTemplate: whatever is a template is filled in or refused, and what it makes
// is bounded and well-formed.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{`{}`, resources(""), resources(`,"t":{"Type":"AWS::IoT::Thing","Properties":{"ThingName":{"Fn::Sub":["${A}",{"A":{"Ref":"AWS::IoT::Certificate::Id"}}]}}}`),
		`{"Parameters":{"A":{"Type":"String","Default":"x"}},"Resources":{` + certOf + `},"DeviceConfiguration":{"a":{"Fn::Select":[0,{"Fn::Split":[",",{"Ref":"A"}]}]},"b":{"Fn::Join":["",["x"]]},"c":{"Fn::FindInMap":["a","b","c"]}}}`} {
		f.Add(s, "A", "value")
	}
	f.Fuzz(func(t *testing.T, body, name, value string) {
		tmpl, err := parseTemplate([]byte(body), Limits{}.withDefaults())
		if err != nil {
			return
		}
		p, refused := tmpl.fill(map[string]string{name: value}, map[string]string{certificateID: "id"}, "id")
		if refused != nil {
			if refused.Code != InvalidParameters || refused.Message == "" {
				t.Fatal(refused)
			}
			return
		}
		n := 0
		for _, v := range p.config {
			n += len(v)
		}
		if n > maxProduced+len(body) {
			t.Fatalf("%d bytes of configuration from %d bytes of template", n, len(body))
		}
		if p.thing != nil && p.thing.Name == "" {
			t.Fatal("a thing without a name")
		}
	})
}
