package shadow

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

var (
	t0 = time.Unix(1000, 0)
	t1 = time.Unix(2000, 0)
)

const lamp = "lamp"

// step is one request and the messages it must cause, in order, byte for byte.
type step struct {
	op   Op
	req  string
	want []string // "suffix payload"
}

func TestRequests(t *testing.T) {
	update := func(req string, want ...string) step { return step{Update, req, want} }
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"first update reported", []step{update(`{"state":{"reported":{"on":true}},"clientToken":"a"}`,
			`update/accepted {"state":{"reported":{"on":true}},"metadata":{"reported":{"on":{"timestamp":1000}}},"version":1,"timestamp":1000,"clientToken":"a"}`,
			`update/documents {"previous":{"state":{},"metadata":{},"version":0},"current":{"state":{"reported":{"on":true}},"metadata":{"reported":{"on":{"timestamp":1000}}},"version":1},"timestamp":1000,"clientToken":"a"}`)}},
		{"desired makes a delta before accepted", []step{update(`{"state":{"desired":{"on":true}}}`,
			`update/delta {"state":{"on":true},"metadata":{"on":{"timestamp":1000}},"version":1,"timestamp":1000}`,
			`update/accepted {"state":{"desired":{"on":true}},"metadata":{"desired":{"on":{"timestamp":1000}}},"version":1,"timestamp":1000}`,
			`update/documents {"previous":{"state":{},"metadata":{},"version":0},"current":{"state":{"desired":{"on":true}},"metadata":{"desired":{"on":{"timestamp":1000}}},"version":1},"timestamp":1000}`)}},
		{"delta carries all differences with the metadata of desired", []step{
			update(`{"state":{"desired":{"a":1,"b":2}}}`),
			update(`{"state":{"desired":{"c":3}}}`,
				`update/delta {"state":{"a":1,"b":2,"c":3},"metadata":{"a":{"timestamp":1000},"b":{"timestamp":1000},"c":{"timestamp":2000}},"version":2,"timestamp":2000}`,
				`update/accepted {"state":{"desired":{"c":3}},"metadata":{"desired":{"c":{"timestamp":2000}}},"version":2,"timestamp":2000}`, "update/documents")}},
		{"reported update that leaves a difference", []step{
			update(`{"state":{"desired":{"a":1,"b":2}}}`),
			update(`{"state":{"reported":{"a":1,"x":9}}}`,
				`update/delta {"state":{"b":2},"metadata":{"b":{"timestamp":1000}},"version":2,"timestamp":2000}`, "update/accepted", "update/documents"),
			update(`{"state":{"reported":{"b":2}}}`, "update/accepted", "update/documents")}},
		{"get", []step{
			update(`{"state":{"desired":{"a":1,"n":{"x":1,"y":2}},"reported":{"n":{"x":1}}}}`),
			{Get, `{"clientToken":"t"}`, []string{`get/accepted {"state":{"desired":{"a":1,"n":{"x":1,"y":2}},"reported":{"n":{"x":1}},"delta":{"a":1,"n":{"y":2}}},` +
				`"metadata":{"desired":{"a":{"timestamp":1000},"n":{"x":{"timestamp":1000},"y":{"timestamp":1000}}},"reported":{"n":{"x":{"timestamp":1000}}},` +
				`"delta":{"a":{"timestamp":1000},"n":{"y":{"timestamp":1000}}}},"version":1,"timestamp":2000,"clientToken":"t"}`}}}},
		{"get ignores its body", []step{
			update(`{"state":{}}`),
			{Get, ``, []string{`get/accepted {"state":{},"metadata":{},"version":1,"timestamp":2000}`}},
			{Get, `{]`, []string{`get/accepted {"state":{},"metadata":{},"version":1,"timestamp":2000}`}},
			{Get, `[1]`, []string{`get/accepted {"state":{},"metadata":{},"version":1,"timestamp":2000}`}}}},
		{"null removes a key", []step{
			update(`{"state":{"reported":{"a":1,"n":{"x":1,"y":2}}}}`),
			update(`{"state":{"reported":{"a":null,"n":{"x":null},"never":null}}}`,
				`update/accepted {"state":{"reported":{"a":null,"n":{"x":null},"never":null}},"metadata":{"reported":{"n":{}}},"version":2,"timestamp":2000}`, "update/documents"),
			{Get, ``, []string{`get/accepted {"state":{"reported":{"n":{"y":2}}},"metadata":{"reported":{"n":{"y":{"timestamp":1000}}}},"version":2,"timestamp":2000}`}}}},
		{"null removes a section", []step{
			update(`{"state":{"desired":{"a":1},"reported":{"a":1}}}`),
			update(`{"state":{"desired":null}}`,
				`update/accepted {"state":{"desired":null},"metadata":{},"version":2,"timestamp":2000}`, "update/documents"),
			{Get, ``, []string{`get/accepted {"state":{"reported":{"a":1}},"metadata":{"reported":{"a":{"timestamp":1000}}},"version":2,"timestamp":2000}`}}}},
		{"arrays are replaced whole", []step{
			update(`{"state":{"desired":{"l":[1,2,3]},"reported":{"l":[1,2,3]}}}`, "update/accepted", "update/documents"),
			update(`{"state":{"desired":{"l":[1,9]}}}`,
				`update/delta {"state":{"l":[1,9]},"metadata":{"l":[{"timestamp":2000},{"timestamp":2000}]},"version":2,"timestamp":2000}`, "update/accepted", "update/documents")}},
		{"object replaces value and value replaces object", []step{
			update(`{"state":{"reported":{"a":1,"b":{"x":1}}}}`),
			update(`{"state":{"reported":{"a":{"y":1,"z":null},"b":2}}}`),
			{Get, ``, []string{`get/accepted {"state":{"reported":{"a":{"y":1},"b":2}},"metadata":{"reported":{"a":{"y":{"timestamp":2000}},"b":{"timestamp":2000}}},"version":2,"timestamp":2000}`}}}},
		{"numbers come back as written and compare by value", []step{
			update(`{"state":{"desired":{"f":1.0,"big":12345678901234567890,"e":1e3},"reported":{"f":1,"big":12345678901234567890,"e":1000}}}`,
				"update/accepted", "update/documents"),
			{Get, ``, []string{`get/accepted {"state":{"desired":{"big":12345678901234567890,"e":1e3,"f":1.0},"reported":{"big":12345678901234567890,"e":1000,"f":1}},"metadata":{` +
				`"desired":{"big":{"timestamp":1000},"e":{"timestamp":1000},"f":{"timestamp":1000}},"reported":{"big":{"timestamp":1000},"e":{"timestamp":1000},"f":{"timestamp":1000}}},"version":1,"timestamp":2000}`}}}},
		{"large integers differ in the last digit", []step{
			update(`{"state":{"desired":{"n":9007199254740993},"reported":{"n":9007199254740992}}}`, "update/delta", "update/accepted", "update/documents")}},
		{"text is not escaped", []step{update(`{"state":{"reported":{"u":"<é&\u00e9>"}}}`,
			`update/accepted {"state":{"reported":{"u":"<é&é>"}},"metadata":{"reported":{"u":{"timestamp":1000}}},"version":1,"timestamp":1000}`, "update/documents")}},
		{"what is outside state is not kept", []step{
			update(`{"state":{"reported":{"a":1}},"desired":{"b":1},"more":2}`, "update/accepted", "update/documents"),
			{Get, ``, []string{`get/accepted {"state":{"reported":{"a":1}},"metadata":{"reported":{"a":{"timestamp":1000}}},"version":1,"timestamp":2000}`}}}},
		{"version must be the current one", []step{
			update(`{"state":{"reported":{"a":1}},"version":0}`, "update/accepted", "update/documents"),
			update(`{"state":{"reported":{"a":2}},"version":7,"clientToken":"x"}`, `update/rejected {"code":409,"message":"Version conflict","timestamp":2000,"clientToken":"x"}`),
			update(`{"state":{"reported":{"a":2}},"version":1}`, "update/accepted", "update/documents")}},
		{"null for state clears both sections", []step{
			update(`{"state":{"desired":{"a":1},"reported":{"b":1}}}`),
			update(`{"state":null,"clientToken":"c"}`,
				`update/accepted {"state":null,"metadata":{},"version":2,"timestamp":2000,"clientToken":"c"}`,
				`update/documents {"previous":{"state":{"desired":{"a":1},"reported":{"b":1}},"metadata":{"desired":{"a":{"timestamp":1000}},"reported":{"b":{"timestamp":1000}}},"version":1},"current":{"state":{},"metadata":{},"version":2},"timestamp":2000,"clientToken":"c"}`),
			{Get, ``, []string{`get/accepted {"state":{},"metadata":{},"version":2,"timestamp":2000}`}},
			update(`{"state":{}}`, "update/accepted", "update/documents"), // changes nothing, and is no null
			update(`{"state":null,"version":1}`, "update/rejected")}},
		{"null for state makes an empty shadow", []step{
			update(`{"state":null}`, "update/accepted", "update/documents"),
			{Get, ``, []string{`get/accepted {"state":{},"metadata":{},"version":1,"timestamp":2000}`}}}},
		{"delete takes a version number", []step{
			update(`{"state":{"reported":{"a":1}}}`), update(`{"state":{"reported":{"a":2}}}`),
			{Delete, `{"clientToken":"d"}`, []string{`delete/accepted {"version":2,"timestamp":2000,"clientToken":"d"}`}},
			{Get, `{"clientToken":"g"}`, []string{`get/rejected {"code":404,"message":"No shadow exists with name: 'lamp'","timestamp":2000,"clientToken":"g"}`}},
			{Delete, ``, []string{`delete/rejected {"code":404,"message":"No shadow exists with name: 'lamp'","timestamp":2000}`}},
			update(`{"state":{"reported":{"b":1}}}`,
				`update/accepted {"state":{"reported":{"b":1}},"metadata":{"reported":{"b":{"timestamp":2000}}},"version":4,"timestamp":2000}`,
				`update/documents {"previous":{"state":{},"metadata":{},"version":3},"current":{"state":{"reported":{"b":1}},"metadata":{"reported":{"b":{"timestamp":2000}}},"version":4},"timestamp":2000}`)}},
		{"the number of a deletion is the current one", []step{
			update(`{"state":{}}`), {Delete, ``, []string{`delete/accepted {"version":1,"timestamp":2000}`}},
			update(`{"state":{},"version":1}`, `update/rejected {"code":409,"message":"Version conflict","timestamp":2000}`),
			update(`{"state":{},"version":2}`, `update/accepted {"state":{},"metadata":{},"version":3,"timestamp":2000}`, "update/documents")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, now := NewService(Limits{}), t0
			for i, st := range tt.steps {
				events, _ := s.Do(st.op, ID{Thing: lamp}, []byte(st.req), now)
				now = t1
				if st.want == nil {
					continue
				}
				if len(events) != len(st.want) {
					t.Fatalf("step %d: %d messages %s, want %d", i, len(events), show(events), len(st.want))
				}
				for j, e := range events {
					got := fmt.Sprintf("%s %s", e.Suffix, e.Payload)
					if want := st.want[j]; got != want && (strings.Contains(want, " ") || e.Suffix != want) {
						t.Errorf("step %d message %d:\n got %s\nwant %s", i, j, got, want)
					}
				}
			}
		})
	}
}

func show(events []Event) string {
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "\n%s %s", e.Suffix, e.Payload)
	}
	return b.String()
}

func nested(levels int) string {
	return `{"state":{"desired":` + strings.Repeat(`{"k":`, levels) + "{}" + strings.Repeat("}", levels) + `}}`
}

func TestRefusals(t *testing.T) {
	fill := func(n int) string { return `{"state":{"desired":{"a":"` + strings.Repeat("x", n-8) + `"}}}` }
	for _, tt := range []struct {
		name, before, req string
		code              int
		message           string
	}{
		{"no JSON", "", `{"state":`, 400, "Invalid JSON"},
		{"empty", "", ``, 400, "Invalid JSON"},
		{"text after", "", `{"state":{}} x`, 400, "Invalid JSON"},
		{"array", "", `[]`, 400, "Invalid JSON"},
		{"null", "", `null`, 400, "Invalid JSON"},
		{"no state", "", `{}`, 400, "Missing required node: state"},
		{"delta in state", "", `{"state":{"delta":{"a":1}}}`, 400, "State contains an invalid node: 'delta'"},
		{"another node beside desired", "", `{"state":{"desired":{"a":1},"other":null}}`, 400, "State contains an invalid node: 'other'"},
		{"the case of a node counts", "", `{"state":{"Desired":{"a":1}}}`, 400, "State contains an invalid node: 'Desired'"},
		{"several other nodes", "", `{"state":{"z":1,"a":1}}`, 400, "State contains an invalid node: 'a'"},
		{"state is text", "", `{"state":"on"}`, 400, "State node must be an object"},
		{"desired is a number", "", `{"state":{"desired":1}}`, 400, "Desired node must be an object"},
		{"desired is an array", "", `{"state":{"desired":[]}}`, 400, "Desired node must be an object"},
		{"reported is true", "", `{"state":{"reported":true}}`, 400, "Reported node must be an object"},
		{"version is text", "", `{"state":{},"version":"1"}`, 400, "Invalid version"},
		{"version is a fraction", "", `{"state":{},"version":1.5}`, 400, "Invalid version"},
		{"version is negative", "", `{"state":{},"version":-1}`, 400, "Invalid version"},
		{"version of nothing", "", `{"state":{},"version":1}`, 409, "Version conflict"},
		{"token is a number", "", `{"state":{},"clientToken":1}`, 400, "Invalid clientToken"},
		{"token too long", "", `{"state":{},"clientToken":"` + strings.Repeat("x", 65) + `"}`, 400, "Invalid clientToken"},
		{"null in an array", "", `{"state":{"desired":{"a":[1,null]}}}`, 400, "State contains an invalid node"},
		{"null deep in an array", "", `{"state":{"desired":{"a":[{"b":null}]}}}`, 400, "State contains an invalid node"},
		{"seven levels", "", nested(7), 400, "JSON contains too many levels of nesting; maximum is 6"},
		{"too large", "", fill(8193), 413, "The payload exceeds the maximum size allowed"},
		{"small update on a large shadow", fill(8192), `{"state":{"reported":{"b":1}}}`, 413, "The payload exceeds the maximum size allowed"},
		{"not UTF-8", "", "{\"state\":{\"desired\":{\"a\":\"\xff\"}}}", 415, "Unsupported documented encoding; supported encoding is UTF-8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := NewService(Limits{})
			id := ID{"lamp", "mode"}
			if tt.before != "" {
				if events, err := s.Do(Update, id, []byte(tt.before), t0); err != nil {
					t.Fatal(show(events))
				}
			}
			before, _ := s.Version(id)
			events, err := s.Do(Update, id, []byte(tt.req), t1)
			if err == nil || err.Code != tt.code || err.Message != tt.message {
				t.Fatalf("error %v, want %d %s", err, tt.code, tt.message)
			}
			if len(events) != 1 || events[0].Suffix != "update/rejected" {
				t.Fatal(show(events))
			}
			var got errorBody
			if json.Unmarshal(events[0].Payload, &got) != nil || got.Code != tt.code || got.Message != tt.message || got.Timestamp != 2000 {
				t.Fatal(show(events))
			}
			if v, _ := s.Version(id); v != before {
				t.Errorf("a refused update raised the version to %d", v)
			}
		})
	}
	for _, tt := range []struct {
		name, req string
		lim       Limits
	}{
		{"six levels", nested(6), Limits{}},
		{"8,192 bytes", fill(8192), Limits{}},
		{"eight levels by option", nested(8), Limits{Nesting: 8}},
		{"no limits", fill(100000), Limits{Bytes: -1}},
		{"token of 64 bytes", `{"state":{},"clientToken":"` + strings.Repeat("x", 64) + `"}`, Limits{}},
	} {
		t.Run(tt.name+" accepted", func(t *testing.T) {
			if events, err := NewService(tt.lim).Do(Update, ID{Thing: lamp}, []byte(tt.req), t0); err != nil {
				t.Fatal(show(events))
			}
		})
	}
}

func TestNamedShadowsAreApart(t *testing.T) {
	s := NewService(Limits{})
	for _, id := range []ID{{"lamp", "b"}, {"lamp", "a"}, {"lamp", ""}, {"other", "c"}} {
		if _, err := s.Do(Update, id, []byte(`{"state":{"reported":{"x":"`+id.String()+`"}}}`), t0); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(s.Names("lamp"), ","); got != "a,b" {
		t.Errorf("names %s", got)
	}
	if _, err := s.Do(Delete, ID{"lamp", "a"}, nil, t0); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.Names("lamp"), ","); got != "b" {
		t.Errorf("names %s after delete", got)
	}
	_, err := s.Do(Get, ID{"lamp", "a"}, nil, t0)
	if err == nil || err.Message != "No shadow exists with name: 'lamp~a'" {
		t.Errorf("error %v", err)
	}
	if err.Error() != "iotlocal: shadow: 404 No shadow exists with name: 'lamp~a'" {
		t.Errorf("text %q", err.Error())
	}
}

// FuzzUpdate feeds two updates and a get and checks what must hold for any
// input: no panic, valid JSON out, a refused update changes nothing, and the
// delta is empty exactly when reporting the whole of desired leaves none.
func FuzzUpdate(f *testing.F) {
	for _, s := range []string{`{"state":{"desired":{"a":1}}}`, `{"state":{"reported":{"a":[1,{"b":null}]}}}`, `{"state":null}`,
		`{"state":{"desired":{"a":{"b":{"c":null}}},"reported":null},"version":1,"clientToken":"x"}`, `{"state":{"desired":{"":-0}}}`,
		`{"state":{"desired":{"n":1e999}}}`, `[`, ``, `{"state":{"desired":{"a":{}}}}`} {
		f.Add(s, `{"state":{"reported":{"a":1.0}}}`)
		f.Add(`{"state":{"desired":{"a":{"b":1}},"reported":{"a":2}}}`, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		s := NewService(Limits{})
		id := ID{Thing: lamp}
		for _, req := range []string{a, b} {
			before, _ := s.Do(Get, id, nil, t0)
			events, err := s.Do(Update, id, []byte(req), t0)
			for _, e := range events {
				if !json.Valid(e.Payload) {
					t.Fatalf("%s is no JSON: %s", e.Suffix, e.Payload)
				}
			}
			after, _ := s.Do(Get, id, nil, t0)
			if err != nil && show(before) != show(after) {
				t.Fatalf("refused update changed %s to %s", show(before), show(after))
			}
		}
		got, err := s.Do(Get, id, nil, t0)
		if err != nil {
			return
		}
		var doc struct {
			State struct{ Desired json.RawMessage }
		}
		if err := json.Unmarshal(got[0].Payload, &doc); err != nil {
			t.Fatal(err)
		}
		if doc.State.Desired == nil {
			doc.State.Desired = []byte("{}")
		}
		// Reporting nothing but desired must leave no delta.
		if _, err := s.Do(Update, id, []byte(`{"state":{"reported":null}}`), t0); err != nil {
			t.Fatal(err)
		}
		events, err := s.Do(Update, id, []byte(`{"state":{"reported":`+string(doc.State.Desired)+`}}`), t0)
		if err != nil {
			return // desired and the copy together are too large
		}
		if events[0].Suffix == "update/delta" {
			t.Fatalf("delta %s although reported is desired %s", events[0].Payload, doc.State.Desired)
		}
	})
}
