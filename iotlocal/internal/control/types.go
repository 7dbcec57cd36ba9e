package control

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// kind is what a field holds.
type kind uint8

const (
	text kind = iota
	whole
	boolean
	object // kept as JSON, for the handler
	list   // a list of them
	table  // strings by name
	anything
)

// fieldType is what a field may hold.
type fieldType struct {
	kind        kind
	least, most int64 // of the number, or of the length in characters; most 0: as long as the body
	pattern     *regexp.Regexp
	enum        []string
	is          func(string) bool
	rule        string // of is, in words
}

func pattern(p string, least, most int64) fieldType {
	return fieldType{least: least, most: most, pattern: regexp.MustCompile(`^(?:` + p + `)$`)}
}

func oneOf(all ...string) fieldType { return fieldType{enum: all} }

// printable is the rule of descriptions.
func printable(least, most int64) fieldType {
	return fieldType{least: least, most: most, rule: "no control characters", is: func(s string) bool { return !strings.ContainsFunc(s, unicode.IsControl) }}
}

// types are the types of the table, by the names they have there (AWS IoT API reference).
var types = map[string]fieldType{
	"text": {}, "bool": {kind: boolean}, "object": {kind: object}, "list": {kind: list}, "map": {kind: table}, "any": {kind: anything},
	"int": {kind: whole, most: 1 << 53}, "page": {kind: whole, least: 1, most: 250}, "bigpage": {kind: whole, least: 1, most: 10_000},

	"filled":      {least: 1, most: 2048},
	"name":        pattern(`[a-zA-Z0-9:_-]+`, 1, 128), // of things, types and groups
	"attribute":   pattern(`[a-zA-Z0-9_.,@/:#-]+`, 1, 128),
	"value":       pattern(`[a-zA-Z0-9_.,@/:#-]*`, 0, 800),
	"certificate": pattern(`(0x)?[a-fA-F0-9]+`, 64, 64),
	"pem":         {least: 1, most: 65_536},
	"csr":         {least: 1, most: 4096},
	"policy":      pattern(`[\w+=,.@-]+`, 1, 128),
	"document":    {most: 404_600},
	"digits":      pattern(`[0-9]+`, 1, 9),
	"rule":        pattern(`[a-zA-Z0-9_]+`, 1, 128),
	"template":    pattern(`[0-9A-Za-z_-]+`, 1, 36),
	"body":        {most: 10_240},
	"about":       printable(0, 500),
	"comment":     printable(1, 2028),
	"role":        {least: 20, most: 2048},
	"authorizer":  pattern(`[\w=,@-]+`, 1, 128),
	"key":         pattern(`[a-zA-Z0-9_-]+`, 1, 128),
	"secret":      {least: 1, most: 6144},
	"signature":   pattern(`[A-Za-z0-9+/]+={0,2}`, 1, 2560),
	"job":         pattern(`[a-zA-Z0-9_-]+`, 1, 64),
	"jobdocument": {most: 32_768},
	"source":      {least: 1, most: 1350},
	"reason":      pattern(`[\p{Lu}\p{Nd}_]+`, 1, 128),
	"endpoint":    {most: 128},

	"onoff":        oneOf("ACTIVE", "INACTIVE"),
	"certstatus":   oneOf("ACTIVE", "INACTIVE", "REVOKED", "PENDING_TRANSFER", "REGISTER_INACTIVE", "PENDING_ACTIVATION"),
	"templatetype": oneOf("FLEET_PROVISIONING", "JITP"),
	"jobstatus":    oneOf("IN_PROGRESS", "CANCELED", "COMPLETED", "DELETION_IN_PROGRESS", "SCHEDULED"),
	"execution":    oneOf("QUEUED", "IN_PROGRESS", "SUCCEEDED", "FAILED", "TIMED_OUT", "REJECTED", "REMOVED", "CANCELED"),
	"selection":    oneOf("CONTINUOUS", "SNAPSHOT"),
}

// check returns what is wrong with a text, in the words of AWS; "" when nothing is.
func (t *fieldType) check(name, s string) string {
	length := int64(utf8.RuneCountInString(s))
	wrong := ""
	switch {
	case !utf8.ValidString(s):
		wrong = "Member must be valid UTF-8"
	case t.enum != nil && !slices.Contains(t.enum, s):
		wrong = "Member must satisfy enum value set: [" + strings.Join(t.enum, ", ") + "]"
	case length < t.least:
		wrong = fmt.Sprintf("Member must have length greater than or equal to %d", t.least)
	case t.most > 0 && length > t.most:
		wrong = fmt.Sprintf("Member must have length less than or equal to %d", t.most)
	case t.pattern != nil && !t.pattern.MatchString(s):
		wrong = "Member must satisfy regular expression pattern: " + strings.TrimSuffix(strings.TrimPrefix(t.pattern.String(), "^(?:"), ")$")
	case t.is != nil && !t.is(s):
		wrong = "Member must have " + t.rule
	default:
		return ""
	}
	return fmt.Sprintf("1 validation error detected: Value '%.200s' at '%s' failed to satisfy constraint: %s", strings.ToValidUTF8(s, "\uFFFD"), name, wrong)
}

// number checks a whole number.
func (t *fieldType) number(name string, n int64) string {
	if n < t.least || n > t.most {
		return fmt.Sprintf("1 validation error detected: Value '%d' at '%s' failed to satisfy constraint: Member must be from %d to %d", n, name, t.least, t.most)
	}
	return ""
}

// plain reads a field of path, query or header.
func (t *fieldType) plain(name, s string) (any, error) {
	switch t.kind {
	case whole:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return nil, serialization("%s: %q is not a whole number", name, s)
		}
		return n, complain(t.number(name, n))
	case boolean:
		b, err := strconv.ParseBool(strings.ToLower(s))
		if err != nil || len(s) < len("true") {
			return nil, serialization("%s: %q is neither true nor false", name, s)
		}
		return b, nil
	}
	return s, complain(t.check(name, s))
}

// member reads a field of the body.
func (t *fieldType) member(name string, raw json.RawMessage) (any, error) {
	wrong := func(want string) error { return serialization("%s must be %s", name, want) }
	switch t.kind {
	case whole:
		var n int64
		if json.Unmarshal(raw, &n) != nil {
			return nil, wrong("a whole number")
		}
		return n, complain(t.number(name, n))
	case boolean:
		var b bool
		if json.Unmarshal(raw, &b) != nil {
			return nil, wrong("true or false")
		}
		return b, nil
	case object:
		if raw[0] != '{' {
			return nil, wrong("an object")
		}
		return raw, nil
	case anything:
		return raw, nil
	case list:
		var all []string
		if json.Unmarshal(raw, &all) != nil {
			return nil, wrong("a list of strings")
		}
		return all, nil
	case table:
		var m map[string]string
		if json.Unmarshal(raw, &m) != nil {
			return nil, wrong("an object with strings")
		}
		return m, nil
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return nil, wrong("a string")
	}
	return s, complain(t.check(name, s))
}
