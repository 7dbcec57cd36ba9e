// Package jsonobj reads and writes JSON objects member by member, without
// reflection: the bodies of AWS's services. Values are views into the text, so
// that numbers keep their digits and what nobody asks for costs nothing.
package jsonobj

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Value is the text of one JSON value, without white space around it.
type Value []byte

// SyntaxError says why a text is not a JSON object.
type SyntaxError struct{ Problem string }

// Error returns the problem.
func (e *SyntaxError) Error() string { return e.Problem }

// TypeError is a member of another type than its model has.
type TypeError struct {
	Member     string
	Want, Have string // as "a number"
}

// Error names the member and the types.
func (e *TypeError) Error() string {
	return fmt.Sprintf("member %q is %s, not %s", e.Member, e.Have, e.Want)
}

// Check returns a *SyntaxError unless text is one JSON object in UTF-8.
func Check(text []byte) error {
	switch {
	case len(text) == 0:
		return &SyntaxError{"empty, not a JSON object"}
	case !json.Valid(text):
		var v any
		return &SyntaxError{"not JSON: " + fmt.Sprint(json.Unmarshal(text, &v))}
	case !utf8.Valid(text):
		return &SyntaxError{"not UTF-8"}
	}
	if v := Value(bytes.TrimLeft(text, " \t\r\n")); v[0] != '{' {
		return &SyntaxError{"a JSON object is needed, not " + v.kind()}
	}
	return nil
}

// Read checks text and calls member for each member of the object, in their
// order; name is unescaped and valid during the call only. The first error ends it.
func Read(text []byte, member func(name []byte, v Value) error) error {
	if err := Check(text); err != nil {
		return err
	}
	return each(text, func(name []byte, v Value) error {
		err := member(name, v)
		if te, ok := err.(*TypeError); ok && te.Member == "" {
			te.Member = string(name)
		}
		return err
	})
}

// each calls member for each member of a valid object.
func each(text []byte, member func(name []byte, v Value) error) (err error) {
	eachAt(text, func(name []byte, _ int, v Value) {
		if err == nil {
			err = member(name, v)
		}
	})
	return err
}

// eachAt is each with the index of the value, and no way to end it.
func eachAt(text []byte, member func(name []byte, at int, v Value)) {
	i := space(text, 0) + 1
	for i = space(text, i); text[i] != '}'; i = space(text, i) {
		end := skip(text, i)
		name := unquote(text[i:end])
		i = space(text, end) // the colon
		i = space(text, i+1)
		end = skip(text, i)
		member(name, i, Value(text[i:end:end]))
		if i = space(text, end); text[i] == ',' {
			i++
		}
	}
}

// space returns the index of the first byte at or behind i that is no white space.
func space(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r') {
		i++
	}
	return i
}

// skip returns the index behind the value that begins at i. In what is no JSON it returns some index, not beyond the end.
func skip(text []byte, i int) int {
	depth := 0
	for ; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return min(i+1, len(text))
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
			if depth < 0 { // of the object around a number
				return i
			}
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
		}
	}
	return len(text)
}

// unquote returns the text of a JSON string, without a copy where it has no escapes.
func unquote(s []byte) []byte {
	if bytes.IndexByte(s, '\\') < 0 {
		return s[1 : len(s)-1]
	}
	var text string
	_ = json.Unmarshal(s, &text) // it is valid
	return []byte(text)
}

// Lookup returns the string at a path of member names in text. It looks at no more than it must, since what is found is read
// with Check anyway: in a text that is no JSON it may find one, or none.
func Lookup(text []byte, path ...string) (s []byte, ok bool) {
	v := text
	for _, name := range path {
		if v = find(v, name); v == nil {
			return nil, false
		}
	}
	if len(v) < 2 || v[0] != '"' {
		return nil, false
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return v[1 : len(v)-1], true
	}
	var unescaped string
	if json.Unmarshal(v, &unescaped) != nil {
		return nil, false
	}
	return []byte(unescaped), true
}

// find returns the value of the last member of that name, nil if there is none or text is no object as far as it was looked at.
func find(text []byte, name string) (found []byte) {
	i := space(text, 0)
	if i == len(text) || text[i] != '{' {
		return nil
	}
	for i = space(text, i+1); i < len(text) && text[i] == '"'; i = space(text, i+1) {
		end := skip(text, i)
		key := text[i:end]
		if i = space(text, end); i == len(text) || text[i] != ':' || len(key) < 2 {
			return nil
		}
		i = space(text, i+1)
		if end = skip(text, i); end == i {
			return nil
		}
		if string(key[1:len(key)-1]) == name || bytes.IndexByte(key, '\\') >= 0 && string(unquote(key)) == name {
			found = text[i:end]
		}
		if i = space(text, end); i == len(text) || text[i] != ',' {
			break
		}
	}
	if i == len(text) || text[i] != '}' {
		return nil
	}
	return found
}

func (v Value) kind() string {
	switch v[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

func (v Value) mismatch(want string) error { return &TypeError{Want: want, Have: v.kind()} }

// IsNull reports whether v is null.
func (v Value) IsNull() bool { return v[0] == 'n' }

// Raw returns v as it stands.
func (v Value) Raw() json.RawMessage { return json.RawMessage(v) }

// String sets p; null leaves it alone, here and below.
func (v Value) String(p *string) error {
	switch {
	case v.IsNull():
	case v[0] != '"':
		return v.mismatch("a string")
	default:
		*p = string(unquote(v))
	}
	return nil
}

// Int sets p to a number without a fraction.
func (v Value) Int(p *int64) error {
	if v.IsNull() {
		return nil
	}
	if v[0] != '-' && (v[0] < '0' || v[0] > '9') {
		return v.mismatch("a number")
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil { // 2.0 and 2e3 are whole numbers too
		f, e := strconv.ParseFloat(string(v), 64)
		if e != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			return &TypeError{Want: "a whole number of 64 bits", Have: string(v)}
		}
		n = int64(f)
	}
	*p = n
	return nil
}

// IntPointer sets p to a new number.
func (v Value) IntPointer(p **int64) error {
	if v.IsNull() {
		return nil
	}
	n := new(int64)
	if err := v.Int(n); err != nil {
		return err
	}
	*p = n
	return nil
}

// milliseconds is where seconds since 1970 are no longer plausible (the year 5138): such a number counts milliseconds.
const milliseconds = 100_000_000_000

// Time sets p to a number of seconds since 1970, with or without a fraction. AWS's examples have milliseconds in places: a
// number that would be a year above 5137 is read as those.
func (v Value) Time(p *time.Time) error {
	if v.IsNull() {
		return nil
	}
	whole, fraction, _ := strings.Cut(string(v), ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	var nano int64
	if err == nil && fraction != "" {
		if len(fraction) > 9 && !strings.ContainsAny(fraction, "eE") {
			fraction = fraction[:9]
		}
		nano, err = strconv.ParseInt(fraction, 10, 64)
		for range 9 - len(fraction) {
			nano *= 10
		}
		if v[0] == '-' {
			nano = -nano
		}
	}
	if err != nil { // with an exponent, or no number
		f, e := strconv.ParseFloat(string(v), 64)
		if e != nil || math.Abs(f) > 1<<53 {
			return v.mismatch("a time in seconds since 1970")
		}
		sec = int64(f)
		nano = int64((f - math.Trunc(f)) * 1e9)
	}
	if sec >= milliseconds {
		sec, nano = sec/1000, sec%1000*1e6
	}
	if sec > milliseconds*100 || sec < -milliseconds*100 {
		return v.mismatch("a time in seconds since 1970")
	}
	*p = time.Unix(sec, nano).UTC()
	return nil
}

// Strings sets p to an object whose members are strings.
func (v Value) Strings(p *map[string]string) error {
	if v.IsNull() {
		return nil
	}
	m := map[string]string{}
	err := v.Object(func(name []byte, v Value) error {
		var s string
		err := v.String(&s)
		m[string(name)] = s
		return err
	})
	if err == nil {
		*p = m
	}
	return err
}

// Object calls member for each member of v.
func (v Value) Object(member func(name []byte, v Value) error) error {
	switch {
	case v.IsNull():
		return nil
	case v[0] != '{':
		return v.mismatch("an object")
	}
	return each(v, func(name []byte, m Value) error {
		err := member(name, m)
		if te, ok := err.(*TypeError); ok {
			if te.Member == "" {
				te.Member = string(name)
			}
		}
		return err
	})
}

// Array calls element for each element of v.
func (v Value) Array(element func(Value) error) error {
	switch {
	case v.IsNull():
		return nil
	case v[0] != '[':
		return v.mismatch("an array")
	}
	i := 1
	for i = space(v, i); v[i] != ']'; i = space(v, i) {
		end := skip(v, i)
		if err := element(Value(v[i:end:end])); err != nil {
			return err
		}
		if i = space(v, end); v[i] == ',' {
			i++
		}
	}
	return nil
}
