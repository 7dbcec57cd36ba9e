package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sarifObjects are the rules of the SARIF 2.1.0 schema for the objects that are written: their properties and no others,
// by type; "!" marks those that must be there. A type is an object of this table, a list of one ([]), a map of one ({}),
// or a check of sarifChecks.
var sarifObjects = map[string]map[string]string{
	"sarifLog":            {"$schema": "uri", "version": "!version", "runs": "![]run"},
	"run":                 {"tool": "!tool", "invocations": "[]invocation", "originalUriBaseIds": "{}artifactLocation", "columnKind": "columnKind", "results": "[]result"},
	"tool":                {"driver": "!toolComponent"},
	"toolComponent":       {"name": "!text", "informationUri": "uri", "rules": "[]reportingDescriptor"},
	"reportingDescriptor": {"id": "!text", "name": "text", "shortDescription": "message", "helpUri": "uri"},
	"message":             {"text": "!text"},
	"invocation":          {"executionSuccessful": "!bool", "toolExecutionNotifications": "[]notification"},
	"notification":        {"level": "level", "message": "!message"},
	"result":              {"ruleId": "text", "ruleIndex": "index", "level": "level", "message": "!message", "locations": "[]location", "relatedLocations": "[]location", "partialFingerprints": "{}text", "baselineState": "baselineState"},
	"location":            {"id": "index", "physicalLocation": "physicalLocation", "message": "message"},
	"physicalLocation":    {"artifactLocation": "!artifactLocation", "region": "region"},
	"artifactLocation":    {"uri": "reference", "uriBaseId": "text"},
	"region":              {"startLine": "one", "startColumn": "one"},
}

var sarifChecks = map[string]func(v any) bool{
	"version": func(v any) bool { return v == "2.1.0" },
	"text":    func(v any) bool { s, ok := v.(string); return ok && s != "" },
	"bool":    func(v any) bool { _, ok := v.(bool); return ok },
	"uri":     func(v any) bool { u, err := url.Parse(fmt.Sprint(v)); return err == nil && u.IsAbs() },
	"reference": func(v any) bool {
		s := fmt.Sprint(v)
		_, err := url.Parse(s)
		return err == nil && regexp.MustCompile(`^[!-~]+$`).MatchString(s)
	},
	"columnKind":    func(v any) bool { return v == "utf16CodeUnits" || v == "unicodeCodePoints" },
	"level":         func(v any) bool { return slices.Contains([]any{"none", "note", "warning", "error"}, v) },
	"baselineState": func(v any) bool { return slices.Contains([]any{"new", "unchanged", "updated", "absent"}, v) },
	"index":         func(v any) bool { n, ok := v.(float64); return ok && n >= -1 && n == float64(int(n)) },
	"one":           func(v any) bool { n, ok := v.(float64); return ok && n >= 1 && n == float64(int(n)) },
}

// conforms adds what is wrong with a value of a type.
func conforms(path, typ string, v any, wrong *[]string) {
	fail := func(format string, args ...any) { *wrong = append(*wrong, path+": "+fmt.Sprintf(format, args...)) }
	switch {
	case strings.HasPrefix(typ, "[]"):
		list, ok := v.([]any)
		if !ok {
			fail("no list")
		}
		for i, x := range list {
			conforms(fmt.Sprintf("%s[%d]", path, i), typ[2:], x, wrong)
		}
	case strings.HasPrefix(typ, "{}"):
		m, ok := v.(map[string]any)
		if !ok {
			fail("no object")
		}
		for k, x := range m {
			conforms(path+"."+k, typ[2:], x, wrong)
		}
	case sarifChecks[typ] != nil:
		if !sarifChecks[typ](v) {
			fail("%v is no %s", v, typ)
		}
	default:
		props := sarifObjects[typ]
		m, ok := v.(map[string]any)
		if !ok || props == nil {
			fail("no %s", typ)
			return
		}
		for k, x := range m {
			t, ok := props[k]
			if !ok {
				fail("a %s has no %s", typ, k)
				continue
			}
			conforms(path+"."+k, strings.TrimPrefix(t, "!"), x, wrong)
		}
		for k, t := range props {
			if _, ok := m[k]; !ok && strings.HasPrefix(t, "!") {
				fail("%s is missing", k)
			}
		}
	}
}

// sarif writes a report and reads it as the types here have it.
func sarif(t *testing.T, r *Report) sarifRun {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteSARIF(&b); err != nil {
		t.Fatal(err)
	}
	var v any
	var wrong []string
	if err := json.Unmarshal(b.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	if conforms("$", "sarifLog", v, &wrong); len(wrong) > 0 {
		t.Errorf("not SARIF 2.1.0:\n%s", strings.Join(wrong, "\n"))
	}
	var log sarifLog
	if err := json.Unmarshal(b.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	seen := map[string]bool{}
	for _, res := range run.Results {
		if i := res.RuleIndex; i < 0 || i >= len(run.Tool.Driver.Rules) || run.Tool.Driver.Rules[i].ID != res.RuleID {
			t.Errorf("rule %s has the index %d", res.RuleID, i)
		}
		if id := res.PartialFingerprints[fingerprint]; id == "" || seen[id] {
			t.Errorf("fingerprint %q twice, or none", id)
		} else {
			seen[id] = true
		}
		for _, l := range res.Locations {
			base, ok := run.OriginalURIBaseIDs[l.PhysicalLocation.ArtifactLocation.URIBaseID]
			if l.PhysicalLocation.ArtifactLocation.URIBaseID != "" && (!ok || !strings.HasSuffix(base.URI, "/")) { // 3.14.14
				t.Errorf("base %+v", base)
			}
		}
	}
	return run
}

func TestSARIF(t *testing.T) {
	r := sample()
	r.Problems = []Problem{{Package: "p", Errors: []string{"broken"}}}
	run := sarif(t, r)
	var got []string
	for _, res := range run.Results {
		l := res.Locations[0].PhysicalLocation
		got = append(got, fmt.Sprintf("%s %s %s:%d:%d %s (%d related)", res.Level, res.RuleID, l.ArtifactLocation.URI, l.Region.StartLine, l.Region.StartColumn, res.Message.Text, len(res.RelatedLocations)))
	}
	want := []string{
		"warning v1-errors main.go:9:1 An error type is inspected. (2 related)",
		"note rewritable main.go:4:2 The v1 client whole would be rewritten: connect 1. (0 related)",
		"warning message-ids main.go:6:4 Bridge: Publish stays on v1's shape, through v1compat.FromV2: its id is used. Count by yourself. (1 related)",
		"note rewritable main.go:5:2 The v1 client part would be rewritten: publish 1; 1 bridge. (0 related)",
		"warning unknown-use main.go:12:2 <no rule>. (1 related)",
		"warning unknown-use main.go:11:15 <no rule>. (1 related)",
		"warning bridge main.go:6:2 Bridge: helper stays on v1's shape, through v1compat.FromV2: it takes v1's client. Give it v2's. (0 related)",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if inv := run.Invocations[0]; inv.ExecutionSuccessful || len(inv.ToolExecutionNotifications) != 1 {
		t.Errorf("%+v", inv)
	}
}

// TestSARIFBaseline: with a baseline every result is new or unchanged.
func TestSARIFBaseline(t *testing.T) {
	r := sample()
	var b bytes.Buffer
	if err := r.WriteBaseline(&b); err != nil {
		t.Fatal(err)
	}
	base, err := ReadBaseline(&b)
	if err != nil {
		t.Fatal(err)
	}
	delete(base.Uses, "m start Publish")
	r = sample()
	r.Baseline = base
	n := map[string]int{}
	for _, res := range sarif(t, r).Results {
		n[res.BaselineState+" "+res.Level]++
	}
	if fmt.Sprint(n) != "map[new note:1 new warning:1 unchanged note:1 unchanged warning:4]" {
		t.Errorf("%v", n)
	}
}

// TestSARIFPlaces: columns count UTF-16, names are escaped, and a file elsewhere has a whole URI.
func TestSARIFPlaces(t *testing.T) {
	r := sample()
	p := pos("\n\ta.Pub", 1) // the end of a line with a letter of two bytes and a sign of four
	l := r.sarifLocation(p)
	if l.PhysicalLocation.Region.StartColumn != p.Column-1-2 {
		t.Errorf("column %d of %d bytes", l.PhysicalLocation.Region.StartColumn, p.Column)
	}
	p.Filename = "/m/a dir/b#1.go"
	if a := r.sarifLocation(p).PhysicalLocation.ArtifactLocation; a.URI != "a%20dir/b%231.go" || a.URIBaseID != sarifRoot {
		t.Errorf("%+v", a)
	}
	p.Filename = "/elsewhere/c.go"
	if a := r.sarifLocation(p).PhysicalLocation.ArtifactLocation; a.URI != "file:///elsewhere/c.go" || a.URIBaseID != "" {
		t.Errorf("%+v", a)
	}
	p = pos("start", 1)
	p.Filename, p.Line = "/m/main.go", 0
	if l := r.sarifLocation(p); l.PhysicalLocation.Region != nil {
		t.Errorf("a region without a line: %+v", l)
	}
}

// TestConforms: the rules of this test see what is wrong.
func TestConforms(t *testing.T) {
	for _, text := range []string{
		`{}`, `{"version":"2.0","runs":[]}`, `{"version":"2.1.0","runs":[{}]}`, `{"version":"2.1.0","runs":[],"extra":1}`,
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[{"message":{"text":"x"},"level":"bad"}]}]}`,
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[{"message":{"text":"x"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"a b"}}}]}]}]}`,
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[{"message":{"text":"x"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"a"},"region":{"startLine":0}}}]}]}]}`,
	} {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		var wrong []string
		if conforms("$", "sarifLog", v, &wrong); len(wrong) == 0 {
			t.Errorf("%s passes", text)
		}
	}
}
