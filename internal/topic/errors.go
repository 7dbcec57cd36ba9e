package topic

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Kind says what the refused string was meant to be.
type Kind uint8

// The kinds of string this package judges.
const (
	KindString     Kind = iota // any MQTT string
	KindTopic                  // a topic name
	KindFilter                 // a topic filter
	KindClientID               // an MQTT client identifier
	KindThing                  // an AWS IoT thing name
	KindShadowName             // the name of a named shadow
	KindJobID                  // an AWS IoT job identifier
)

// String returns the kind in words, as error texts use it.
func (k Kind) String() string {
	switch k {
	case KindString:
		return "string"
	case KindTopic:
		return "topic"
	case KindFilter:
		return "topic filter"
	case KindClientID:
		return "client id"
	case KindThing:
		return "thing name"
	case KindShadowName:
		return "shadow name"
	case KindJobID:
		return "job id"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Rule is the rule that a string breaks.
type Rule uint8

// The rules, with where they come from.
const (
	RuleEmpty        Rule = iota + 1 // at least one character [MQTT5-4.7.3-1]
	RuleLength                       // at most 65535 bytes [MQTT5-4.7.3-3]
	RuleUTF8                         // well-formed UTF-8 [MQTT5-1.5.4-1]
	RuleNull                         // no U+0000 [MQTT5-1.5.4-2]
	RuleControl                      // no U+0001..U+001F, U+007F..U+009F [MQTT5-1.5.4]
	RuleNonCharacter                 // no Unicode non-character [MQTT5-1.5.4]
	RuleWildcard                     // no + and # in a topic name [MQTT5-4.7.1-1]
	RulePlusLevel                    // + fills its level [MQTT5-4.7.1-2]
	RuleHashLevel                    // # fills the last level [MQTT5-4.7.1-1]
	RuleShareName                    // a share name is not empty and has no wildcard [MQTT5-4.8.2-1]
	RuleShareFilter                  // a filter follows the share name [MQTT5-4.8.2-2]
	RuleAWSSlashes                   // at most 7 slashes (AWS IoT Core)
	RuleAWSLength                    // the AWS limit of bytes: 256 for topics, 128 for client ids and things, 64 for shadow names and job ids
	RuleAWSName                      // only the characters AWS allows in the name
)

// String returns the rule in words, with its source.
func (r Rule) String() string {
	switch r {
	case RuleEmpty:
		return "is empty [MQTT5-4.7.3-1]"
	case RuleLength:
		return "is longer than 65535 bytes [MQTT5-4.7.3-3]"
	case RuleUTF8:
		return "is not valid UTF-8 [MQTT5-1.5.4-1]"
	case RuleNull:
		return "contains the null character [MQTT5-1.5.4-2]"
	case RuleControl:
		return "contains a control character [MQTT5-1.5.4]"
	case RuleNonCharacter:
		return "contains a Unicode non-character [MQTT5-1.5.4]"
	case RuleWildcard:
		return "contains a wildcard, + or # [MQTT5-4.7.1-1]"
	case RulePlusLevel:
		return "has a + that does not fill its level [MQTT5-4.7.1-2]"
	case RuleHashLevel:
		return "has a # that is not the whole last level [MQTT5-4.7.1-1]"
	case RuleShareName:
		return "has an empty share name or one with a wildcard [MQTT5-4.8.2-1]"
	case RuleShareFilter:
		return "has no filter after the share name [MQTT5-4.8.2-2]"
	case RuleAWSSlashes:
		return "has more than 7 slashes (AWS IoT Core limit)"
	case RuleAWSLength:
		return "is longer than AWS IoT Core allows"
	case RuleAWSName:
		return "contains a character AWS IoT does not allow there"
	}
	return fmt.Sprintf("Rule(%d)", uint8(r))
}

// Error says which rule a string breaks, and where.
type Error struct {
	Kind Kind
	Rule Rule
	// Value is the string, at most 64 bytes of it followed by "...". It is empty
	// for KindString, which may be a user name or token: no error shows those.
	Value string
	// Offset is the byte at which the rule is broken, -1 for a rule about the
	// whole string.
	Offset int
	// Limit is the number of bytes or slashes allowed, 0 for other rules.
	Limit int
}

// Error returns a text such as `topic filter "a#": has a # that is not the
// whole last level [MQTT5-4.7.1-1] (byte 1)`.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Kind.String())
	if e.Kind != KindString {
		fmt.Fprintf(&b, " %q:", e.Value)
	}
	b.WriteByte(' ')
	b.WriteString(e.Rule.String())
	if e.Rule == RuleAWSLength {
		fmt.Fprintf(&b, ": at most %d bytes", e.Limit)
	}
	if e.Offset >= 0 {
		fmt.Fprintf(&b, " (byte %d)", e.Offset)
	}
	return b.String()
}

// shownBytes bounds what an error repeats of the string.
const shownBytes = 64

func fail(k Kind, s string, r Rule, offset, limit int) error {
	e := &Error{Kind: k, Rule: r, Offset: offset, Limit: limit}
	if k != KindString {
		e.Value = shorten(s)
	}
	return e
}

// shorten cuts s between characters.
func shorten(s string) string {
	if len(s) <= shownBytes {
		return s
	}
	n := shownBytes
	for n > shownBytes-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.Clone(s[:n]) + "..."
}
