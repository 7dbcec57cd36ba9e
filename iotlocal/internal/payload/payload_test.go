package payload

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for level, want := range map[string]Format{"json": JSON, "cbor": CBOR, "JSON": 0, "": 0, "xml": 0} {
		if f, ok := Parse(level); f != want || ok != (want != 0) {
			t.Errorf("Parse(%q) = %v, %v", level, f, ok)
		}
	}
	if s := Format(9).String(); s != "Format(9)" {
		t.Error(s)
	}
}

func TestDecode(t *testing.T) {
	for _, tt := range []struct {
		name string
		f    Format
		in   string
		want Object
		err  string
	}{
		{"JSON", JSON, `{"a":"b","c":{"d":null,"e":true},"f":null}`, Object{"a": "b", "c": Object{"e": true}}, ""},
		{"JSON empty", JSON, ``, nil, "not JSON"},
		{"JSON array", JSON, `[]`, nil, "not an object"},
		{"JSON and more", JSON, `{} {}`, nil, "something after"},
		{"JSON not UTF-8", JSON, "{\"a\":\"\xff\"}", nil, "not UTF-8"},
		{"CBOR", CBOR, "\xa2\x61a\x61b\x61c\xa1\x61e\xf5", Object{"a": "b", "c": Object{"e": true}}, ""},
		{"CBOR bytes and null", CBOR, "\xa2\x61a\x42\x00\x01\x61f\xf6", Object{"a": []byte{0, 1}}, ""},
		{"CBOR indefinite", CBOR, "\xbf\x61a\x7f\x61b\x61c\xff\xff", Object{"a": "bc"}, ""},
		{"CBOR empty", CBOR, "", nil, "not CBOR"},
		{"CBOR text", CBOR, "\x61a", nil, "not an object"},
		{"CBOR key is no text", CBOR, "\xa1\x01\x02", nil, "not CBOR"},
		{"CBOR and more", CBOR, "\xa0\xa0", nil, "not CBOR"},
		{"CBOR key twice", CBOR, "\xa2\x61a\x01\x61a\x02", nil, "not CBOR"},
		{"CBOR tag", CBOR, "\xa1\x61a\xc0\x61b", nil, "not CBOR"},
		{"CBOR not UTF-8", CBOR, "\xa1\x61a\x61\xff", nil, "not CBOR"},
		{"CBOR four exabytes", CBOR, "\xa1\x61a\x5b\x40\x00\x00\x00\x00\x00\x00\x00", nil, "not CBOR"},
		{"CBOR a billion pairs", CBOR, "\xba\x40\x00\x00\x00", nil, "not CBOR"},
		{"CBOR nests deeply", CBOR, strings.Repeat("\xa1\x61a", 40) + "\xa0", nil, "not CBOR"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.f.Decode([]byte(tt.in))
			if tt.err == "" && (err != nil || !reflect.DeepEqual(got, tt.want)) {
				t.Errorf("%#v, %v", got, err)
			}
			if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}

func TestMembers(t *testing.T) {
	o, err := JSON.Decode([]byte(`{"s":"x","n":1,"o":{"p":"q"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if s, present, err := o.Text("s"); s != "x" || !present || err != nil {
		t.Error(s, present, err)
	}
	if _, present, err := o.Text("none"); present || err != nil {
		t.Error(present, err)
	}
	if _, present, err := o.Text("n"); !present || err == nil {
		t.Error(present, err)
	}
	if m, err := o.Object("o"); err != nil || m["p"] != "q" {
		t.Error(m, err)
	}
	if m, err := o.Object("none"); err != nil || m != nil {
		t.Error(m, err)
	}
	if _, err := o.Object("s"); err == nil {
		t.Error("no error for a string")
	}
}

func TestEncode(t *testing.T) {
	v := struct {
		Name  string            `json:"name"`
		Empty string            `json:"empty,omitempty"`
		Map   map[string]string `json:"map"`
	}{"a<b", "", map[string]string{"y": "2", "x": "1"}}
	for f, want := range map[Format]string{
		JSON: `{"name":"a<b","map":{"x":"1","y":"2"}}`,
		CBOR: "\xa2\x63map\xa2\x61x\x611\x61y\x612\x64name\x63a<b",
	} {
		got, err := f.Encode(v)
		if err != nil || string(got) != want {
			t.Errorf("%v: %q, %v", f, got, err)
		}
		if o, err := f.Decode(got); err != nil || o["name"] != "a<b" {
			t.Errorf("%v: %v, %v", f, o, err)
		}
	}
	if _, err := JSON.Encode(func() {}); err == nil {
		t.Error("a function was encoded")
	}
}

// FuzzDecode: no input makes more of itself than its size allows, and what is
// read is written and read again the same.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":{"b":[1,"x",null]}}`, "\xa1\x61a\xa1\x61b\x82\x01\x61x", "\xbf\xff", "\xa1\x61a\xf9\x7e\x00"} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, isCBOR bool) {
		format := JSON
		if isCBOR {
			format = CBOR
		}
		o, err := format.Decode(data)
		if err != nil {
			return
		}
		once, err := format.Encode(o)
		if err != nil {
			t.Fatalf("%v was read and cannot be written: %v", o, err)
		}
		again, err := format.Decode(once)
		if err != nil {
			t.Fatalf("%q: %v", once, err)
		}
		twice, err := format.Encode(again)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%q became %q (%v)", once, twice, err)
		}
	})
}
