package jsonobj

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// Writer writes the members of one object, in the order of the calls. The zero
// value is ready; the first error is kept for Bytes.
type Writer struct {
	b   []byte
	err error
}

// name begins a member.
func (w *Writer) name(name string) {
	if len(w.b) == 0 {
		w.b = append(make([]byte, 0, 256), '{')
	} else {
		w.b = append(w.b, ',')
	}
	w.b = append(AppendString(w.b, name), ':')
}

// String adds a member, nothing for "".
func (w *Writer) String(name, value string) {
	if value != "" {
		w.name(name)
		w.b = AppendString(w.b, value)
	}
}

// AppendString appends s as a JSON string. What is not UTF-8 becomes U+FFFD.
func AppendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7F || c == '"' || c == '\\' {
			var buf bytes.Buffer
			e := json.NewEncoder(&buf)
			e.SetEscapeHTML(false)
			_ = e.Encode(s) // strings always can be
			return append(b, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// Int adds a number, nothing for nil.
func (w *Writer) Int(name string, value *int64) {
	if value != nil {
		w.name(name)
		w.b = strconv.AppendInt(w.b, *value, 10)
	}
}

// Bool adds a boolean, nothing for nil.
func (w *Writer) Bool(name string, value *bool) {
	if value != nil {
		w.name(name)
		w.b = strconv.AppendBool(w.b, *value)
	}
}

// Strings adds an object of strings, sorted by name; nothing for nil.
func (w *Writer) Strings(name string, values map[string]string) {
	if values == nil {
		return
	}
	w.Object(name, func(inner *Writer) {
		for _, k := range slices.Sorted(maps.Keys(values)) {
			inner.name(k)
			inner.b = AppendString(inner.b, values[k])
		}
	})
}

// Any adds what encoding/json makes of value, without escaping for HTML; nothing for nil.
func (w *Writer) Any(name string, value any) {
	if value == nil || w.err != nil {
		return
	}
	if raw, ok := value.(json.RawMessage); ok {
		if raw == nil {
			return
		}
		if !json.Valid(raw) {
			w.err = &SyntaxError{"member " + strconv.Quote(name) + ": not JSON"}
			return
		}
		w.name(name)
		w.b = append(w.b, raw...)
		return
	}
	text, err := json.Marshal(value)
	if err != nil {
		w.err = err
		return
	}
	w.name(name)
	w.b = append(w.b, text...)
}

// Value adds what AppendAny makes of value, and nothing where that is null.
func (w *Writer) Value(name string, value any) error {
	before := len(w.b)
	w.name(name)
	at := len(w.b)
	b, err := AppendAny(w.b, value)
	w.b = b
	if err != nil || string(b[at:]) == "null" {
		w.b = b[:before]
	}
	return err
}

// Object adds an object whose members fill writes.
func (w *Writer) Object(name string, fill func(*Writer)) {
	w.name(name)
	start := len(w.b)
	inner := Writer{b: append(w.b, '{'), err: w.err}
	fill(&inner) // which puts a comma before the first member
	w.b, w.err = inner.b, inner.err
	if len(w.b) > start+1 {
		w.b = append(w.b[:start+1], w.b[start+2:]...)
	}
	w.b = append(w.b, '}')
}

// Fail makes Bytes return err.
func (w *Writer) Fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// Bytes ends the object and returns its text.
func (w *Writer) Bytes() ([]byte, error) {
	if w.err != nil {
		return nil, w.err
	}
	if len(w.b) == 0 {
		return []byte("{}"), nil
	}
	return append(w.b, '}'), nil
}

// Set returns text, one JSON object, with the member name set to a string: in the place of the ones that are there, else
// behind the last member. All else stays as it is, to the byte.
func Set(text []byte, name, value string) ([]byte, error) {
	if err := Check(text); err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(text)+len(name)+len(value)+8)
	from, found, empty := 0, false, true
	eachAt(text, func(n []byte, i int, v Value) {
		empty = false
		if string(n) == name {
			out = AppendString(append(out, text[from:i]...), value)
			from, found = i+len(v), true
		}
	})
	if found {
		return append(out, text[from:]...), nil
	}
	end := bytes.LastIndexByte(text, '}')
	out = append(out, bytes.TrimRight(text[:end], " \t\r\n")...)
	if !empty {
		out = append(out, ',')
	}
	out = append(AppendString(out, name), ':')
	return append(AppendString(out, value), text[end:]...), nil
}
