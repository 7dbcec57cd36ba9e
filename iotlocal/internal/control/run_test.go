package control

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	r, err := NewRunner(Options{Account: "123456789012"}, map[string]Handler{"CreateThing": echo, "AttachThingPrincipal": echo, "DescribeThing": echo})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Changes(); !slices.Equal(got, []string{"AttachThingPrincipal", "CreateThing"}) {
		t.Errorf("changes: %v", got)
	}
	for _, tt := range []struct{ name, operation, input, want string }{
		{"a part of the path and a member", "CreateThing", `{"thingName":"a","attributePayload":{"attributes":{}}}`, `map[attributePayload:{"attributes":{}} thingName:a] arn:aws:iot:us-east-1:123456789012:thing/x`},
		{"a header", "AttachThingPrincipal", `{"thingName":"a","principal":"p"}`, `map[principal:p thingName:a]`},
		{"null is nothing", "CreateThing", `{"thingName":"a","thingTypeName":null}`, `map[thingName:a]`},
		{"missing", "CreateThing", `{}`, "thingName is missing"},
		{"unknown", "CreateThing", `{"thingName":"a","name":"b"}`, "CreateThing has no name; it has thingName"},
		{"a bad value", "CreateThing", `{"thingName":"a b"}`, "failed to satisfy constraint"},
		{"another type", "CreateThing", `{"thingName":1}`, "thingName must be a string"},
		{"no handler", "DeleteThing", `{"thingName":"a"}`, "DeleteThing is not available"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var input map[string]json.RawMessage
			if err := json.Unmarshal([]byte(tt.input), &input); err != nil {
				t.Fatal(err)
			}
			answer, err := r.Run(tt.operation, input)
			got := fmt.Sprint(err)
			if m, ok := answer.(map[string]any); ok && err == nil {
				got = fmt.Sprintf("%s %v", m["values"], m["arn"])
			}
			if !strings.Contains(got, tt.want) {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestParseEntries(t *testing.T) {
	all, _, err := ParseEntries([]byte("[\n {\"operation\": \"A\", \"x\": 1},\n\n {\"operation\":\n \"B\"}\n]\n"))
	if err != nil || len(all) != 2 || all[0].Line != 2 || all[0].Operation != "A" || string(all[0].Input["x"]) != "1" || len(all[0].Input) != 1 || all[1].Line != 4 || all[1].Operation != "B" {
		t.Fatalf("%+v %v", all, err)
	}
	for _, tt := range []struct {
		name, text string
		line       int
		err        string
	}{
		{"empty", "", 1, "ends too early"},
		{"an object", "\n{}", 2, "want a list"},
		{"a syntax error", "[\n{\"operation\": \"A\"},\n{\"operation\": }]", 3, "invalid character"},
		{"cut", "[\n{\"operation\": \"A\"},\n", 2, "ends too early"},
		{"no object", "[\n\n3]", 3, "no object"},
		{"null", "[null]", 1, "no object"},
		{"no operation", "[{\"a\": 1}]", 1, "has no operation"},
		{"two lists", "[]\n[]", 2, "behind the list"},
		{"a bomb", strings.Repeat("[", 1000), 1, "nested deeper"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, line, err := ParseEntries([]byte(tt.text))
			if err == nil || line != tt.line || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("line %d: %v; want line %d, %q", line, err, tt.line, tt.err)
			}
		})
	}
}

func FuzzParseEntries(f *testing.F) {
	f.Add([]byte(`[{"operation": "A", "x": [1]}]`))
	f.Add([]byte("[\n{\"operation\": }]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, line, err := ParseEntries(text)
		if lines := strings.Count(string(text), "\n") + 1; err != nil && (line < 1 || line > lines) {
			t.Fatalf("line %d of %d: %v", line, lines, err)
		}
	})
}
