package jsonobj_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/portage-iot/awsiot/v2/internal/jsonobj"
)

// read returns the members of an object as encoding/json would: the last of one name counts.
func read(text []byte) (map[string]string, error) {
	m := map[string]string{}
	err := jsonobj.Read(text, func(name []byte, v jsonobj.Value) error {
		m[string(name)] = string(v)
		return nil
	})
	return m, err
}

var objects = []string{
	`{}`, ` { } `, `{"a":1}`, "\t{\"a\" : [1, {\"b\":\"]\"}] ,\r\n\"c\":null}", `{"a":"x\"}","b":true,"b":false}`,
	`{"é\n\u0041":"\\"}`, `{"a":-1.5e3,"b":{"c":{}},"d":[[],{}]}`, `[]`, `1`, `"x"`, `null`, ``, ` `, `{`, `{"a":1}}`, `{"a" 1}`, "{\"a\":\"\xff\"}",
	`{"clientToken":"t"}`, `{"clientToken":{"clientToken":"t"}}`, `{"clientToken":"a","clientToken":"b"}`,
}

func FuzzRead(f *testing.F) {
	for _, s := range objects {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := read(text)
		var raw map[string]json.RawMessage
		wrong := json.Unmarshal(text, &raw)
		if bad := wrong != nil || raw == nil || !utf8.Valid(text); (err != nil) != bad {
			t.Fatalf("%q: %v; encoding/json: %v", text, err, wrong)
		}
		if err != nil {
			_, _ = jsonobj.Lookup(text, "clientToken") // whatever it finds
			_, _ = jsonobj.Lookup(text, "a", "b")
			return
		}
		want := map[string]string{}
		for k, v := range raw {
			want[k] = string(v)
		}
		if !maps.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		want2, isString := "", false
		if v, ok := raw["clientToken"]; ok {
			isString = json.Unmarshal(v, &want2) == nil && v[0] == '"'
		}
		if token, ok := jsonobj.Lookup(text, "clientToken"); ok != isString || ok && string(token) != want2 {
			t.Errorf("%q: token %q, %v; want %q, %v", text, token, ok, want2, isString)
		}
	})
}

func FuzzSet(f *testing.F) {
	for _, s := range objects {
		f.Add([]byte(s), "tok\"en")
	}
	f.Fuzz(func(t *testing.T, text []byte, value string) {
		out, err := jsonobj.Set(text, "clientToken", value)
		if (err != nil) != (jsonobj.Check(text) != nil) {
			t.Fatalf("%q: %v", text, err)
		}
		if err != nil {
			return
		}
		want, got := map[string]any{}, map[string]any{}
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%q gives %q: %v", text, out, err)
		}
		_ = json.Unmarshal(text, &want)
		want["clientToken"] = strings.ToValidUTF8(value, "�")
		if len(value) > 0 && !utf8.ValidString(value) {
			want["clientToken"] = got["clientToken"] // how many U+FFFD stand for it is encoding/json's business
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q gives %q", text, out)
		}
	})
}

func TestSet(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{`{}`, `{"t":"v"}`},
		{` { } `, ` {"t":"v"} `},
		{"{\"state\": {\"desired\": {\"a\": 1.10}}}\n", "{\"state\": {\"desired\": {\"a\": 1.10}},\"t\":\"v\"}\n"},
		{`{"t" : "old", "a":1}`, `{"t" : "v", "a":1}`},
		{`{"a":{"t":1},"t":5,"t":null}`, `{"a":{"t":1},"t":"v","t":"v"}`},
	} {
		if got, err := jsonobj.Set([]byte(tt.in), "t", "v"); err != nil || string(got) != tt.want {
			t.Errorf("%s gives %s, %v; want %s", tt.in, got, err, tt.want)
		}
	}
}

func TestLookup(t *testing.T) {
	text := []byte(`{"a":{"b":{"c":"deep"},"n":5},"a2":"x"}`)
	for _, tt := range []struct{ path, want string }{{"a.b.c", "deep"}, {"a2", "x"}, {"a.n", ""}, {"a.b", ""}, {"a2.x", ""}, {"z", ""}} {
		if got, ok := jsonobj.Lookup(text, strings.Split(tt.path, ".")...); string(got) != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: %q, %v", tt.path, got, ok)
		}
	}
}

func TestTime(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{`1700000000`, "2023-11-14T22:13:20Z"},
		{`1700000000.5`, "2023-11-14T22:13:20.5Z"},
		{`1700000000.123456789123`, "2023-11-14T22:13:20.123456789Z"},
		{`1.7e9`, "2023-11-14T22:13:20Z"},
		{`1700000000123`, "2023-11-14T22:13:20.123Z"},
		{`0`, "1970-01-01T00:00:00Z"},
		{`-1.5`, "1969-12-31T23:59:58.5Z"},
		{`null`, "0001-01-01T00:00:00Z"},
		{`"2023"`, `member "t" is a string, not a time in seconds since 1970`},
		{`1e300`, `member "t" is a number, not a time in seconds since 1970`},
	} {
		var at time.Time
		err := jsonobj.Read([]byte(`{"t":`+tt.in+`}`), func(_ []byte, v jsonobj.Value) error { return v.Time(&at) })
		got := at.Format(time.RFC3339Nano)
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestValues(t *testing.T) {
	var n int64
	var s string
	var list []string
	var texts map[string]string
	var p *int64
	member := func(name []byte, v jsonobj.Value) error {
		switch string(name) {
		case "n":
			return v.Int(&n)
		case "p":
			return v.IntPointer(&p)
		case "s":
			return v.String(&s)
		case "m":
			return v.Strings(&texts)
		case "l":
			return v.Array(func(v jsonobj.Value) error {
				list = append(list, string(v))
				return nil
			})
		case "o":
			return v.Object(func(_ []byte, v jsonobj.Value) error { return v.Int(&n) })
		}
		return nil
	}
	text := `{"n":9007199254740993,"p":2.0,"s":"a\u00e9","m":{"k":"v"},"l":[ 1, [2,3] ,{"a":"]"}],"unknown":1}`
	if err := jsonobj.Read([]byte(text), member); err != nil {
		t.Fatal(err)
	}
	if n != 9007199254740993 || *p != 2 || s != "aé" || texts["k"] != "v" || strings.Join(list, ";") != `1;[2,3];{"a":"]"}` {
		t.Error(n, *p, s, texts, list)
	}
	for _, tt := range []struct{ in, want string }{
		{`{"n":"1"}`, `member "n" is a string, not a number`},
		{`{"n":1.5}`, `member "n" is 1.5, not a whole number of 64 bits`},
		{`{"s":1}`, `member "s" is a number, not a string`},
		{`{"s":false}`, `member "s" is a boolean, not a string`},
		{`{"m":[]}`, `member "m" is an array, not an object`},
		{`{"m":{"k":{}}}`, `member "k" is an object, not a string`},
		{`{"l":{}}`, `member "l" is an object, not an array`},
		{`{"o":{"x":[]}}`, `member "x" is an array, not a number`},
		{`[]`, `a JSON object is needed, not an array`},
		{``, `empty, not a JSON object`},
		{"{\"a\":\"\xff\"}", `not UTF-8`},
		{`{"a"}`, `not JSON: invalid character '}' after object key`},
	} {
		if err := jsonobj.Read([]byte(tt.in), member); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", tt.in, err, tt.want)
		}
	}
	for _, null := range []string{"n", "p", "s", "m", "l", "o"} {
		if err := jsonobj.Read([]byte(`{"`+null+`":null}`), member); err != nil {
			t.Errorf("null for %s: %v", null, err)
		}
	}
}

func TestWriter(t *testing.T) {
	var w jsonobj.Writer
	w.String("none", "")
	w.String("s", "a\"<é\n")
	w.Int("i", new(int64(-1)))
	w.Int("absent", nil)
	w.Bool("b", new(false))
	w.Bool("absent", nil)
	w.Strings("m", map[string]string{"z": "1", "a\"": "2"})
	w.Strings("empty", map[string]string{})
	w.Strings("absent", nil)
	w.Any("raw", json.RawMessage(`{"x": 1.10}`))
	w.Any("absent", json.RawMessage(nil))
	w.Any("absent", nil)
	w.Any("any", map[string]any{"n": json.Number("1.10")})
	w.Object("o", func(w *jsonobj.Writer) {
		w.Any("null", json.RawMessage("null"))
		w.String("t", "u")
	})
	w.Object("nothing", func(*jsonobj.Writer) {})
	got, err := w.Bytes()
	want := `{"s":"a\"<é\n","i":-1,"b":false,"m":{"a\"":"2","z":"1"},"empty":{},"raw":{"x": 1.10},"any":{"n":1.10},"o":{"null":null,"t":"u"},"nothing":{}}`
	if err != nil || string(got) != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
	if got, err := new(jsonobj.Writer).Bytes(); string(got) != "{}" || err != nil {
		t.Errorf("nothing: %s, %v", got, err)
	}
	for _, bad := range []any{json.RawMessage("{"), make(chan int)} {
		var w jsonobj.Writer
		w.Object("o", func(w *jsonobj.Writer) { w.Any("bad", bad) })
		if got, err := w.Bytes(); err == nil {
			t.Errorf("%T: %s", bad, got)
		}
	}
	if got := jsonobj.AppendString(nil, "\x7f\u2028"); !json.Valid(got) || bytes.ContainsRune(got, '\u2028') {
		t.Errorf("%q", got)
	}
}

func TestErrors(t *testing.T) {
	err := jsonobj.Read([]byte(`{"a":1}`), func([]byte, jsonobj.Value) error { return fmt.Errorf("mine") })
	if err == nil || err.Error() != "mine" {
		t.Error(err)
	}
	_, ok := errors.AsType[*jsonobj.SyntaxError](jsonobj.Check([]byte("x")))
	if !ok {
		t.Error("no *SyntaxError")
	}
}
