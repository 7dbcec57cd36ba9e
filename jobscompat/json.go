package jobscompat

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/portage-iot/awsiot/v1compat"
)

// members are those of a JSON object, written one after another as Python's json
// module writes them: ", " and ": " between them, everything beyond ASCII
// escaped. The first error is kept.
type members struct {
	b   []byte
	err error
}

func (m *members) fail(err error) {
	if m.err == nil {
		m.err = err
	}
}

// name begins a member.
func (m *members) name(name string) {
	if len(m.b) > 0 {
		m.b = append(m.b, ", "...)
	}
	m.quote(name)
	m.b = append(m.b, ": "...)
}

func (m *members) text(name, value string) {
	m.name(name)
	if !utf8.ValidString(value) {
		m.fail(&v1compat.ValueError{Message: "Invalid JSON text.", Err: fmt.Errorf("%s %q is not UTF-8", name, value)})
		return
	}
	m.quote(value)
}

// number adds a number, nothing for nil.
func (m *members) number(name string, value *int64) {
	if value != nil {
		m.name(name)
		m.b = strconv.AppendInt(m.b, *value, 10)
	}
}

func (m *members) flag(name string, value bool) {
	m.name(name)
	m.b = strconv.AppendBool(m.b, value)
}

// details adds an object of texts, in the order of their names.
func (m *members) details(name string, values map[string]string) {
	var inner members
	for _, k := range slices.Sorted(maps.Keys(values)) {
		if !utf8.ValidString(k) {
			m.fail(&v1compat.ValueError{Message: "Invalid JSON text.", Err: fmt.Errorf("the name %q in %s is not UTF-8", k, name)})
		}
		inner.text(k, values[k])
	}
	if inner.err != nil {
		m.fail(inner.err)
	}
	m.name(name)
	m.b = append(append(append(m.b, '{'), inner.b...), '}')
}

// object is the whole.
func (m *members) object() (string, error) {
	if m.err != nil {
		return "", m.err
	}
	return "{" + string(m.b) + "}", nil
}

// escapes are the characters that have an escape of one letter.
var escapes = map[rune]byte{'"': '"', '\\': '\\', '\n': 'n', '\r': 'r', '\t': 't', '\b': 'b', '\f': 'f'}

// quote writes s as a JSON string in ASCII.
func (m *members) quote(s string) {
	m.b = append(m.b, '"')
	for _, r := range s {
		switch short, ok := escapes[r]; {
		case ok:
			m.b = append(m.b, '\\', short)
		case r >= ' ' && r <= '~':
			m.b = append(m.b, byte(r))
		case r < 0x10000:
			m.b = fmt.Appendf(m.b, `\u%04x`, r)
		default:
			high, low := utf16.EncodeRune(r)
			m.b = fmt.Appendf(m.b, `\u%04x\u%04x`, high, low)
		}
	}
	m.b = append(m.b, '"')
}
