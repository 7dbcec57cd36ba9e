package shadowcompat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

const tokenMember = "clientToken"

// withToken returns the JSON object in text with its member clientToken set, as
// Python's json module writes it: members in their order, an existing
// clientToken overwritten in place and a new one appended, ", " and ": " between
// them, everything beyond ASCII escaped. Of a member given twice the last value
// counts, in the place of the first.
func withToken(text, token string) (string, error) {
	if !json.Valid([]byte(text)) {
		return "", &v1compat.ValueError{Message: "Invalid JSON file.", Err: jsonFault(text)}
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	v, err := decode(d)
	if err != nil {
		return "", &v1compat.ValueError{Message: "Invalid JSON file.", Err: err}
	}
	o, ok := v.(*object)
	if !ok {
		return "", &v1compat.TypeError{Message: "JSON payload must be an object.", Err: fmt.Errorf("it is %s", kindOf(v))}
	}
	o.set(tokenMember, token)
	var b bytes.Buffer
	encode(&b, o)
	return b.String(), nil
}

// jsonFault says what is wrong with text.
func jsonFault(text string) error {
	var v any
	return json.Unmarshal([]byte(text), &v)
}

func kindOf(v any) string {
	switch v.(type) {
	case []any:
		return "an array"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case bool:
		return "a boolean"
	}
	return "null"
}

// object is a JSON object whose members keep their order.
type object struct {
	names  []string
	values map[string]any
}

func (o *object) set(name string, value any) {
	if _, known := o.values[name]; !known {
		o.names = append(o.names, name)
	}
	o.values[name] = value
}

// decode reads the next value: *object, []any, string, json.Number, bool or nil.
// The text has passed json.Valid, which also limits its depth.
func decode(d *json.Decoder) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('{'):
		o := &object{values: map[string]any{}}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := decode(d)
			if err != nil {
				return nil, err
			}
			o.set(name.(string), v)
		}
		_, err = d.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := decode(d)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, err
	}
	return t, nil
}

// encode writes what Python's json.dumps writes.
func encode(b *bytes.Buffer, v any) {
	switch v := v.(type) {
	case *object:
		b.WriteByte('{')
		for i, name := range v.names {
			if i > 0 {
				b.WriteString(", ")
			}
			quote(b, name)
			b.WriteString(": ")
			encode(b, v.values[name])
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteString(", ")
			}
			encode(b, e)
		}
		b.WriteByte(']')
	case string:
		quote(b, v)
	case json.Number:
		b.WriteString(number(v))
	case bool:
		if v {
			b.WriteString("true")
		} else {
			b.WriteString("false")
		}
	default:
		b.WriteString("null")
	}
}

// number returns n as Python writes it: a whole number as it is, -0 as 0, another
// one as the shortest text of its float. One that no float holds is left as it
// is: Python wrote Infinity, which is not JSON.
func number(n json.Number) string {
	s := n.String()
	if !strings.ContainsAny(s, ".eE") {
		if s == "-0" {
			return "0"
		}
		return s
	}
	f, err := n.Float64()
	if err != nil {
		return s
	}
	text, err := awsiot.PayloadV1(f)
	if err != nil {
		return s
	}
	return string(text)
}

// quote writes s as a JSON string in ASCII.
func quote(b *bytes.Buffer, s string) {
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\b':
			b.WriteString(`\b`)
		case r == '\f':
			b.WriteString(`\f`)
		case r >= ' ' && r <= '~':
			b.WriteByte(byte(r))
		case r < 0x10000:
			fmt.Fprintf(b, `\u%04x`, r)
		case r <= utf8.MaxRune:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(b, `\u%04x\u%04x`, hi, lo)
		}
	}
	b.WriteByte('"')
}
