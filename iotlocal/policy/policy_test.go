package policy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// decide parses one document and asks it.
func decide(t *testing.T, document string, r Request) Decision {
	t.Helper()
	d, err := Parse([]byte(document))
	if err != nil {
		t.Fatalf("%v in %s", err, document)
	}
	return NewSet([]Named{{"p", d}}).Decide(&r)
}

// allow is a document with one statement.
func allow(action, res, condition string) string {
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":%q,"Resource":%q%s}]}`, action, res, condition)
}

const arn = "arn:aws:iot:eu-west-1:111122223333:"

func TestResources(t *testing.T) {
	lamp := &Thing{Name: "lamp", TypeName: "light", Attributes: map[string]string{"Color": "red", "empty": ""}}
	for _, tt := range []struct {
		pattern  string
		resource string
		want     bool
	}{
		{arn + "topic/a/b", "topic/a/b", true}, {arn + "topic/a/b", "topic/a/bc", false}, {arn + "topic/a/b", "topic/a", false},
		{arn + "topic/*", "topic/", true}, {arn + "topic/*", "topic/a/b/c", true}, {arn + "topic/*", "topicfilter/a", false},
		{arn + "topic/a*c", "topic/abbc/c", true}, {arn + "topic/a*c", "topic/abbcd", false}, {arn + "topic/*/x/*", "topic/a/x/y/x/z", true},
		{arn + "topic/a?c", "topic/abc", true}, {arn + "topic/a?c", "topic/aüc", true}, {arn + "topic/a?c", "topic/ac", false}, {arn + "topic/a?c", "topic/abbc", false},
		{arn + "topicfilter/a/+", "topicfilter/a/b", false}, {arn + "topicfilter/a/+", "topicfilter/a/+", true}, {arn + "topicfilter/a/#", "topicfilter/a/b", false},
		{arn + "topicfilter/a/*", "topicfilter/a/#", true}, {arn + "Topic/a", "topic/a", false}, {arn + "topic/a:b", "topic/a:b", true},
		{"*", "topic/a", true}, {"arn:*", "topic/a", true}, {"arn:aws:iot:*", "topic/a", true}, {"arn:aws:iot:eu-west-1:*", "topic/a", true},
		{"arn:aws:iot:*:*:topic/a", "topic/a", true}, {"arn:aws-cn:iot:cn-north-1:1:topic/a", "topic/a", true}, {"arn:aws:s3:::topic/a", "topic/a", false},
		{"arn:aws:i?t:*:*:topic/a", "topic/a", true}, {"arn:aws:iot", "topic/a", false}, {"arn:aws:iot:eu-west-1:111122223333:", "topic/a", false},
		{arn + "client/${iot:ClientId}", "client/me", true}, {arn + "client/${iot:ClientId}", "client/you", false}, {arn + "client/${IOT:clientid}", "client/me", true},
		{arn + "topic/${iot:ClientId}/*", "topic/me/x", true}, {arn + "topic/${iot:ClientId}${iot:ClientId}", "topic/meme", true},
		{arn + "topic/${aws:SourceIp}", "topic/192.0.2.7", true},
		{arn + "topic/${iot:Connection.Thing.ThingName}/${iot:Connection.Thing.ThingTypeName}", "topic/lamp/light", true},
		{arn + "topic/${iot:Connection.Thing.Attributes[Color]}", "topic/red", true}, {arn + "topic/${iot:Connection.Thing.Attributes[color]}", "topic/red", false},
		{arn + "topic/${iot:Connection.Thing.Attributes[empty]}*", "topic/x", false}, // a variable without a value stands for nothing
		{arn + "topic/${iot:Connection.Thing.IsAttached}", "topic/true", true}, {arn + "topic/${iot:Certificate.Subject.CommonName}*", "topic/x", false},
		{arn + "topic/a${*}b", "topic/a*b", true}, {arn + "topic/a${*}b", "topic/axb", false}, {arn + "topic/${?}${$}{x}", "topic/?${x}", true},
		{arn + "topic/$aws/things/x", "topic/$aws/things/x", true},
		{arn + "topic/" + strings.Repeat("*a", 60), "topic/" + strings.Repeat("a", 200) + "b", false}, // no explosion
	} {
		t.Run(tt.pattern+" "+tt.resource, func(t *testing.T) {
			r := Request{Action: Publish, Resource: tt.resource, ClientID: "me", SourceIP: netip.MustParseAddr("::ffff:192.0.2.7"), Thing: lamp}
			if got := decide(t, allow(Publish, tt.pattern, ""), r); got.Allowed() != tt.want {
				t.Errorf("%v", got)
			}
		})
	}
	// What a variable stands for is text: no wildcard, and no variable.
	for _, id := range []string{"*", "?", "${iot:ClientId}"} {
		if d := decide(t, allow(Publish, arn+"topic/${iot:ClientId}", ""), Request{Action: Publish, Resource: "topic/x", ClientID: id}); d.Allowed() {
			t.Errorf("client id %q reads as a pattern", id)
		}
	}
	// The older version has no variables.
	old := strings.Replace(allow(Publish, arn+"topic/${iot:ClientId}", ""), "2012-10-17", "2008-10-17", 1)
	for res, want := range map[string]bool{"topic/me": false, "topic/${iot:ClientId}": true} {
		if d := decide(t, old, Request{Action: Publish, Resource: res, ClientID: "me"}); d.Allowed() != want {
			t.Errorf("2008: %s: %v", res, d)
		}
	}
	// Region and account count when the endpoint has them.
	for _, tt := range []struct {
		region, account string
		want            bool
	}{{"", "", true}, {"eu-west-1", "", true}, {"eu-west-1", "111122223333", true}, {"us-east-1", "", false}, {"", "444455556666", false}} {
		r := Request{Action: Publish, Resource: "topic/a", Region: tt.region, Account: tt.account}
		if d := decide(t, allow(Publish, arn+"topic/a", ""), r); d.Allowed() != tt.want {
			t.Errorf("%+v: %v", tt, d)
		}
		if d := decide(t, allow(Publish, "arn:aws:iot:*:*:topic/a", ""), r); !d.Allowed() {
			t.Errorf("wildcards, %+v: %v", tt, d)
		}
	}
}

func TestActions(t *testing.T) {
	for action, wants := range map[string]map[string]bool{
		"iot:Publish":           {Publish: true, RetainPublish: false, "IOT:publish": true},
		"iot:*":                 {Publish: true, Connect: true, "iot:GetThingShadow": true, "greengrass:Discover": false},
		"*":                     {Publish: true, "greengrass:Discover": true},
		"iot:*Publish":          {Publish: true, RetainPublish: true, Receive: false},
		"iot:?ublish":           {Publish: true},
		"IOT:PUBLISH":           nil, // not even a service
		"iot:UpdateThingShadow": {"iot:UpdateThingShadow": true, "iot:GetThingShadow": false},
	} {
		d, err := Parse([]byte(allow(action, "*", "")))
		if (err != nil) != (wants == nil) {
			t.Errorf("%s: %v", action, err)
		}
		for asked, want := range wants {
			if got := NewSet([]Named{{"p", d}}).Decide(&Request{Action: asked, Resource: "topic/a"}); got.Allowed() != want {
				t.Errorf("%s, asked for %s: %v", action, asked, got)
			}
		}
	}
}

// Deny wins, nothing is allowed without a statement, and the decision names who made it.
func TestDecisions(t *testing.T) {
	parse := func(s string) *Document {
		d, err := Parse([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	s := NewSet([]Named{
		{"base", parse(`{"Version":"2012-10-17","Statement":[
			{"Sid":"Connect","Effect":"Allow","Action":"iot:Connect","Resource":"*"},
			{"Effect":"Allow","Action":["iot:Publish","iot:Receive"],"Resource":["` + arn + `topic/a/*","` + arn + `topic/b"]}]}`)},
		{"limits", parse(`{"Version":"2012-10-17","Statement":{"Sid":"Secret","Effect":"Deny","Action":"iot:*","Resource":"` + arn + `topic/a/secret*"}}`)},
	})
	for _, tt := range []struct{ action, resource, want string }{
		{Connect, "client/x", "allow by policy base, statement 0 (Connect)"},
		{Publish, "topic/a/x", "allow by policy base, statement 1"},
		{Receive, "topic/b", "allow by policy base, statement 1"},
		{Publish, "topic/a/secrets", "explicit deny by policy limits, statement 0 (Secret)"},
		{Publish, "topic/c", "implicit deny: no statement allows it"},
		{Subscribe, "topicfilter/b", "implicit deny: no statement allows it"},
		{"iot:GetThingShadow", "topic/a/secret", "explicit deny by policy limits, statement 0 (Secret)"},
	} {
		if got := s.Decide(&Request{Action: tt.action, Resource: tt.resource}).String(); got != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.action, tt.resource, got, tt.want)
		}
	}
	// In whatever order they stand.
	deny, permit := parse(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`), parse(allow(Publish, arn+"topic/a", ""))
	for _, both := range [][]Named{{{"deny", deny}, {"allow", permit}}, {{"allow", permit}, {"deny", deny}}} {
		if d := NewSet(both).Decide(&Request{Action: Publish, Resource: "topic/a"}); d.Effect != ExplicitDeny || d.Policy != "deny" {
			t.Errorf("%s first: %v", both[0].Name, d)
		}
	}
	if d := NewSet(nil).Decide(&Request{Action: Publish, Resource: "topic/a"}); d != (Decision{}) || d.Effect.String() != "implicit deny" {
		t.Errorf("no policies: %v", d)
	}
}

// certificate has two of what may be there twice.
func certificate(t *testing.T) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	subject := pkix.Name{CommonName: "lamp", Organization: []string{"Example Corp", "AnyCompany"}, Country: []string{"DE"},
		ExtraNames: []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, 65}, Value: "Pseudo"}}}
	c := &x509.Certificate{SerialNumber: big.NewInt(0xABC), Subject: subject, DNSNames: []string{"a.example", "b.example"},
		EmailAddresses: []string{"me@example.com"}, IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConditions(t *testing.T) {
	full := Request{Action: Connect, Resource: "client/lamp-1", ClientID: "lamp-1", DomainName: "iot.example.com", SourceIP: netip.MustParseAddr("192.0.2.7"), Secure: true,
		Thing: &Thing{Name: "lamp-1", Attributes: map[string]string{"n": "7", "on": "true"}}, Certificate: certificate(t),
		ConnectAttributes: []string{PersistentConnect, LastWill}, Time: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)}
	empty := Request{Action: Connect, Resource: "client/lamp-1"}
	for _, tt := range []struct {
		condition   string
		full, empty bool // does it hold where all keys are there, and where none is
	}{
		{`{"StringEquals":{"iot:ClientId":"lamp-1"}}`, true, false},
		{`{"StringEquals":{"iot:ClientId":["x","lamp-1"]}}`, true, false},
		{`{"StringEquals":{"iot:DomainName":"iot.example.com"}}`, true, false},
		{`{"StringLike":{"iot:DomainName":"*.example.org"}}`, false, false},
		{`{"StringEquals":{"iot:ClientId":"LAMP-1"}}`, false, false},
		{`{"StringEquals":{"iot:ClientId":"lamp-*"}}`, false, false},
		{`{"StringEquals":{"iot:ClientId":"${iot:Connection.Thing.ThingName}"}}`, true, false},
		{`{"StringEqualsIfExists":{"iot:ClientId":"x"}}`, false, true},
		{`{"StringNotEquals":{"iot:ClientId":["x","y"]}}`, true, true},
		{`{"StringNotEquals":{"iot:ClientId":["x","lamp-1"]}}`, false, true},
		{`{"StringEqualsIgnoreCase":{"iot:ClientId":"LAMP-1"}}`, true, false},
		{`{"StringNotEqualsIgnoreCase":{"iot:ClientId":"LAMP-1"}}`, false, true},
		{`{"StringLike":{"iot:ClientId":"lamp-?"}}`, true, false},
		{`{"StringLike":{"iot:ClientId":"${iot:Certificate.Subject.CommonName}-*"}}`, true, false},
		{`{"StringNotLike":{"iot:ClientId":"lamp-*"}}`, false, true},
		{`{"NumericEquals":{"iot:Connection.Thing.Attributes[n]":7}}`, true, false},
		{`{"NumericEquals":{"iot:Connection.Thing.Attributes[n]":"7.0"}}`, true, false},
		{`{"NumericNotEquals":{"iot:Connection.Thing.Attributes[n]":"7"}}`, false, true},
		{`{"NumericLessThan":{"iot:Connection.Thing.Attributes[n]":"7"}}`, false, false},
		{`{"NumericLessThanEquals":{"iot:Connection.Thing.Attributes[n]":"7"}}`, true, false},
		{`{"NumericGreaterThan":{"iot:Connection.Thing.Attributes[n]":"6.5"}}`, true, false},
		{`{"NumericGreaterThanEquals":{"iot:Connection.Thing.Attributes[n]":"8"}}`, false, false},
		{`{"NumericGreaterThan":{"iot:ClientId":"0"}}`, false, false}, // no number
		{`{"Bool":{"iot:Connection.Thing.IsAttached":["true"]}}`, true, false},
		{`{"Bool":{"iot:Connection.Thing.IsAttached":false}}`, false, true},
		{`{"Bool":{"aws:SecureTransport":"true"}}`, true, false},
		{`{"BoolIfExists":{"iot:Connection.Thing.Attributes[on]":"false"}}`, false, true},
		{`{"DateGreaterThan":{"aws:CurrentTime":"2026-01-31T11:59:59Z"}}`, true, false},
		{`{"DateLessThan":{"aws:CurrentTime":"2026-01-31T12:00:00Z"}}`, false, false},
		{`{"DateLessThanEquals":{"aws:CurrentTime":"2026-01-31T13:00:00+01:00"}}`, true, false},
		{`{"DateEquals":{"aws:EpochTime":"1769860800"}}`, true, false},
		{`{"DateNotEquals":{"aws:CurrentTime":"2026-01-31"}}`, true, true},
		{`{"DateGreaterThanEquals":{"aws:CurrentTime":"2026-01-31T12:00Z"}}`, true, false},
		{`{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`, true, false},
		{`{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","192.0.2.7"]}}`, true, false},
		{`{"IpAddress":{"aws:SourceIp":"2001:db8::/32"}}`, false, false},
		{`{"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`, false, true},
		{`{"Null":{"iot:Connection.Thing.ThingName":"true"}}`, false, true},
		{`{"Null":{"iot:ConnectAttributes":"false"}}`, true, false},
		{`{"ForAllValues:StringEquals":{"iot:ConnectAttributes":["PersistentConnect","LastWill"]}}`, true, true},
		{`{"ForAllValues:StringEquals":{"iot:ConnectAttributes":["PersistentConnect"]}}`, false, true},
		{`{"ForAnyValue:StringEquals":{"iot:ConnectAttributes":["LastWill","other"]}}`, true, false},
		{`{"ForAnyValue:StringEqualsIfExists":{"iot:ConnectAttributes":["other"]}}`, false, true},
		{`{"ForAllValues:StringNotEquals":{"iot:ConnectAttributes":["LastWill"]}}`, false, true},
		{`{"ForAnyValue:StringNotEquals":{"iot:ConnectAttributes":["LastWill"]}}`, true, false},
		{`{"StringEquals":{"iot:Certificate.Subject.CommonName":"lamp","iot:Certificate.Issuer.Country":"DE"}}`, true, false},
		{`{"StringEquals":{"iot:Certificate.Subject.Organization":"Example Corp"}}`, false, false}, // the first counts, and that is AnyCompany: a set is sorted
		{`{"StringEquals":{"iot:Certificate.Subject.Organization":"AnyCompany"}}`, true, false},
		{`{"StringEquals":{"iot:Certificate.Subject.Organization.1":"Example Corp"}}`, true, false},
		{`{"StringEquals":{"iot:Certificate.Subject.Organization.2":"Example Corp"}}`, false, false},
		{`{"ForAnyValue:StringEquals":{"iot:Certificate.Subject.Organization.List":"AnyCompany"}}`, true, false},
		{`{"ForAllValues:StringEquals":{"iot:Certificate.Subject.Organization.List":["AnyCompany","Example Corp"]}}`, true, true},
		{`{"StringEquals":{"iot:Certificate.Subject.Pseudonym":"Pseudo"}}`, true, false},
		{`{"StringEquals":{"iot:Certificate.SubjectAlternativeName.DNSName.1":"b.example"}}`, true, false},
		{`{"StringEquals":{"iot:Certificate.SubjectAlternativeName.RFC822Name":"me@example.com"}}`, true, false},
		{`{"IpAddress":{"iot:Certificate.SubjectAlternativeName.IPAddress":"192.0.2.0/30"}}`, true, false},
		{`{"StringEquals":{"iot:Certificate.SerialNumber":"abc"}}`, true, false},
		{`{"ForAnyValue:StringEquals":{"iot:Certificate.AvailableKeys":"Subject.Pseudonym"}}`, true, false},
		{`{"ForAnyValue:StringEquals":{"iot:Certificate.AvailableKeys":"Subject.Title"}}`, false, false},
		{`{"StringEquals":{"iot:ClientId":"lamp-1"},"Bool":{"aws:SecureTransport":"false"}}`, false, false}, // all must hold
	} {
		t.Run(tt.condition, func(t *testing.T) {
			document := allow(Connect, "*", tt.condition)
			if d := decide(t, document, full); d.Allowed() != tt.full {
				t.Errorf("with all keys: %v", d)
			}
			if d := decide(t, document, empty); d.Allowed() != tt.empty {
				t.Errorf("without keys: %v", d)
			}
		})
	}
}

func TestRefusedDocuments(t *testing.T) {
	statement := func(members string) string { return `{"Version":"2012-10-17","Statement":[{` + members + `}]}` }
	const good = `"Effect":"Allow","Action":"iot:Publish","Resource":"*"`
	condition := func(c string) string { return statement(good + `,"Condition":` + c) }
	for _, tt := range []struct{ document, want string }{
		{``, "it is not JSON"}, {`[`, "it is not JSON"}, {`{"Version":`, "it is not JSON"}, {`{} {}`, "something after the end"}, {`[]`, "no JSON object"},
		{"{\"Id\":\"\xff\"}", "not UTF-8"}, {strings.Repeat("[", 100), "nested too deep"},
		{`{"Version":"2012-10-17"}`, "Statement: is missing"}, {`{"Statement":[]}`, "Statement: is empty"}, {`{"Statement":1}`, "Statement: want an object"},
		{`{"Version":"2020-01-01","Statement":{}}`, `Version: want "2012-10-17" or "2008-10-17"`}, {`{"version":"2012-10-17"}`, "version: unknown element"},
		{`{"Id":1,"Statement":{}}`, "Id: want a string"},
		{statement(`"Action":"iot:Publish","Resource":"*"`), "Statement[0].Effect: is missing"}, {statement(`"Effect":"Allow","Resource":"*"`), "Statement[0].Action: is missing"},
		{statement(`"Effect":"Allow","Action":"iot:Publish"`), "Statement[0].Resource: is missing"},
		{statement(good + `,"Effect":"Deny"`), "Statement[0].Effect: stands there twice"}, {statement(`"Effect":"allow","Action":"iot:Publish","Resource":"*"`), `want "Allow" or "Deny"`},
		{statement(good + `,"NotAction":"iot:Publish"`), "Statement[0].NotAction: unknown element"}, {statement(good + `,"Principal":"*"`), "Principal: unknown element"},
		{statement(good + `,"Sid":"a b"`), "Sid: want a string of letters and digits"},
		{statement(`"Effect":"Allow","Action":[],"Resource":"*"`), "Action: is empty"}, {statement(`"Effect":"Allow","Action":["iot:Publish",1],"Resource":"*"`), "Action[1]: want a string"},
		{statement(`"Effect":"Allow","Action":"Publish","Resource":"*"`), `"Publish" is no action`}, {statement(`"Effect":"Allow","Action":"iot:${iot:ClientId}","Resource":"*"`), "is no action"},
		{statement(`"Effect":"Allow","Action":"iot:Publish","Resource":"topic/a"`), `"topic/a" is no resource`},
		{allow(Publish, arn+"topic/${iot:Nothing}", ""), "Statement[0].Resource: unknown variable ${iot:Nothing}"}, {allow(Publish, arn+"topic/${iot:ClientId", ""), "has no end"},
		{allow(Publish, arn+"topic/${iot:ConnectAttributes}", ""), "unknown variable"}, {allow(Publish, arn+"topic/${iot:ClientId, 'x'}", ""), "unknown variable"},
		{condition(`[]`), "Condition: want an object"}, {condition(`{"StringMatches":{"iot:ClientId":"x"}}`), "Condition.StringMatches: unknown operator"},
		{condition(`{"stringEquals":{"iot:ClientId":"x"}}`), "unknown operator"}, {condition(`{"NullIfExists":{"iot:ClientId":"true"}}`), "unknown operator"},
		{condition(`{"ForSomeValues:StringEquals":{"iot:ClientId":"x"}}`), "unknown operator"},
		{condition(`{"StringEquals":{"iot:Client":"x"}}`), "Condition.StringEquals.iot:Client: unknown key"}, {condition(`{"StringEquals":{"iot:Connection.Thing.Attributes[]":"x"}}`), "unknown key"},
		{condition(`{"StringEquals":{"iot:Certificate.Subject.Name":"x"}}`), "unknown key"}, {condition(`{"StringEquals":{"iot:Certificate.Subject.CommonName.x":"x"}}`), "unknown key"},
		{condition(`{"StringEquals":{"iot:ConnectAttributes":"x"}}`), "want ForAnyValue:StringEquals or ForAllValues:StringEquals"},
		{condition(`{"StringEquals":{}}`), "want an object of keys and values"}, {condition(`{"StringEquals":{"iot:ClientId":[]}}`), "is empty"},
		{condition(`{"StringEquals":{"iot:ClientId":{}}}`), "want a string, a number or a boolean"}, {condition(`{"StringEquals":{"iot:ClientId":null}}`), "want a string"},
		{condition(`{"StringEquals":{"iot:ClientId":"${x}"}}`), "unknown variable ${x}"},
		{condition(`{"NumericEquals":{"iot:ClientId":"x"}}`), `"x" is no number`}, {condition(`{"NumericEquals":{"iot:ClientId":"NaN"}}`), "is no number"},
		{condition(`{"Bool":{"iot:ClientId":"yes"}}`), "is no true or false"}, {condition(`{"DateEquals":{"aws:CurrentTime":"soon"}}`), "is no time of ISO 8601"},
		{condition(`{"IpAddress":{"aws:SourceIp":"192.0.2.0/33"}}`), "is no IP address or CIDR range"},
		{allow(Publish, arn+"topic/"+strings.Repeat("x", 2048), ""), "at most 2048 are allowed"},
	} {
		_, err := Parse([]byte(tt.document))
		if e, ok := errors.AsType[*Error](err); !ok || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "policy document: ") {
			t.Errorf("%s: %v (%v), want %q", tt.document, err, e, tt.want)
		}
	}
	// White space does not count.
	if _, err := Parse([]byte(allow(Publish, "*", "") + strings.Repeat(" \n", 5000))); err != nil {
		t.Error(err)
	}
}

func TestTimed(t *testing.T) {
	for document, want := range map[string]bool{
		allow(Publish, "*", ""): false, allow(Publish, "*", `{"StringEquals":{"iot:ClientId":"x"}}`): false,
		allow(Publish, "*", `{"DateLessThan":{"aws:CurrentTime":"2026-01-31"}}`): true, allow(Publish, arn+"topic/${aws:EpochTime}", ""): true,
		allow(Publish, "*", `{"StringEquals":{"iot:ClientId":"${aws:EpochTime}"}}`): true,
	} {
		d, err := Parse([]byte(document))
		if err != nil {
			t.Fatal(err)
		}
		if got := NewSet([]Named{{"p", d}}).Timed(); got != want {
			t.Errorf("%s: %v", document, got)
		}
	}
}

// FuzzParse: whatever the document is, it is refused with a reason that begins as reasons do, or decides, twice alike, and
// never allows what a statement of the same document that denies everything would deny.
func FuzzParse(f *testing.F) {
	for _, s := range []string{allow(Publish, arn+"topic/${iot:ClientId}/*", ""), allow("iot:*", "*", `{"ForAllValues:StringLike":{"iot:ConnectAttributes":["*"]}}`),
		allow(Publish, "arn:a${*}:b", `{"NumericLessThanIfExists":{"iot:Connection.Thing.Attributes[a]":1e3}}`), `{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`,
		`{"Statement":[{}]}`, "{", `{"Version":"2012-10-17","Version":"2012-10-17"}`, allow(Publish, "*", `{"IpAddress":{"aws:SourceIp":"::/0"}}`)} {
		f.Add(s, "topic/a", "me")
	}
	f.Fuzz(func(t *testing.T, document, res, id string) {
		if len(res) > 300 || len(id) > 128 {
			return // no topic and no client id of AWS is as long
		}
		d, err := Parse([]byte(document))
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Errorf("error %T %v", err, err)
			}
			return
		}
		if !json.Valid([]byte(document)) {
			t.Errorf("took %q", document)
		}
		r := &Request{Action: Publish, Resource: res, ClientID: id, Thing: &Thing{Name: id}, Time: time.Unix(0, 0)}
		set := NewSet([]Named{{"p", d}})
		first, again := set.Decide(r), NewSet([]Named{{"p", d}}).Decide(r)
		if first.Effect != again.Effect {
			t.Errorf("%v, then %v", first, again)
		}
		// The index finds what looking at every statement finds.
		slow := Decision{}
		for _, st := range d.statements {
			for _, p := range st.resources {
				if st.concerns("iot:publish") && (entry{"p", st, p}).applies(r) && slow.Effect != ExplicitDeny {
					slow.Effect = st.effect
				}
			}
		}
		if slow.Effect != first.Effect {
			t.Errorf("%v with the index, %v without", first, slow)
		}
	})
}

// The cost of a decision does not grow with the statements that begin otherwise.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(n, " statements"), func(b *testing.B) {
			d := &Document{}
			for i := range n {
				one, err := Parse([]byte(allow(Publish, fmt.Sprintf("%stopic/device-%07d/*", arn, i), "")))
				if err != nil {
					b.Fatal(err)
				}
				d.statements = append(d.statements, one.statements...)
			}
			s := NewSet([]Named{{"p", d}})
			r := &Request{Action: Publish, Resource: "topic/device-0000000/telemetry"}
			for b.Loop() {
				if !s.Decide(r).Allowed() {
					b.Fatal("denied")
				}
			}
		})
	}
}
