package topic

import (
	"strings"
	"unicode/utf8"
)

// MaxStringBytes is the length limit of every MQTT string [MQTT5-1.5.4].
const MaxStringBytes = 65535

// Classes of a byte. Ordinary ASCII is 0, so that one table look-up per byte
// passes the usual topic.
const (
	classHigh = 1 << iota // part of a multi-byte character: decode
	classControl
	classWildcard
)

var class = func() (t [256]uint8) {
	for i := range t {
		switch {
		case i >= utf8.RuneSelf:
			t[i] = classHigh
		case i < 0x20 || i == 0x7F:
			t[i] = classControl
		case i == '+' || i == '#':
			t[i] = classWildcard
		}
	}
	return t
}()

// ValidUTF8 checks s by the rule AWS's SDKs use for every MQTT string and for a
// payload flagged as UTF-8: well-formed UTF-8 [MQTT5-1.5.4-1] without U+0000
// [MQTT5-1.5.4-2], and without what the specification only advises against:
// control characters U+0001..U+001F and U+007F..U+009F (so no line feed and no
// tab) and the non-characters U+FDD0..U+FDEF and U+xxFFFE, U+xxFFFF. It does not
// judge the length. The *Error never repeats s, which may be a secret.
func ValidUTF8(s string) error {
	if i, rule := scan(s, classHigh|classControl); rule != 0 {
		return fail(KindString, s, rule, i, 0)
	}
	return nil
}

// ValidUTF8Bytes is ValidUTF8 for a payload: the same rule, without making a
// string of p. It does not allocate when p is good.
func ValidUTF8Bytes(p []byte) error {
	if i, rule := scan(p, classHigh|classControl); rule != 0 {
		return fail(KindString, "", rule, i, 0)
	}
	return nil
}

// ValidString checks s as a string field of a packet: the rule of ValidUTF8 and
// at most 65535 bytes.
func ValidString(s string) error {
	if len(s) > MaxStringBytes {
		return fail(KindString, s, RuleLength, -1, MaxStringBytes)
	}
	return ValidUTF8(s)
}

// ValidateTopic checks a topic name to publish to: 1 to 65535 bytes, the rule of
// ValidUTF8, no wildcard [MQTT5-4.7.1-1]. It does not allocate when s is good.
func ValidateTopic(s string) error {
	if s == "" {
		return fail(KindTopic, s, RuleEmpty, -1, 0)
	}
	if len(s) > MaxStringBytes {
		return fail(KindTopic, s, RuleLength, -1, MaxStringBytes)
	}
	if i, rule := scan(s, classHigh|classControl|classWildcard); rule != 0 {
		return fail(KindTopic, s, rule, i, 0)
	}
	return nil
}

// ValidateFilter checks a topic filter: 1 to 65535 bytes, the rule of ValidUTF8,
// + alone in its level [MQTT5-4.7.1-2], # alone in the last one [MQTT5-4.7.1-1],
// and for a shared subscription `$share/NAME/FILTER` a name without wildcards
// [MQTT5-4.8.2-1] and a filter after it [MQTT5-4.8.2-2]. That No Local is not
// set on a shared subscription [MQTT5-3.8.3-4] is not its business. It does not
// allocate when s is good.
func ValidateFilter(s string) error {
	if s == "" {
		return fail(KindFilter, s, RuleEmpty, -1, 0)
	}
	if len(s) > MaxStringBytes {
		return fail(KindFilter, s, RuleLength, -1, MaxStringBytes)
	}
	if i, rule := scan(s, classHigh|classControl); rule != 0 {
		return fail(KindFilter, s, rule, i, 0)
	}
	from := 0
	if strings.HasPrefix(s, sharePrefix) {
		name, rest, more := strings.Cut(s[len(sharePrefix):], "/")
		if name == "" || strings.ContainsAny(name, "+#") {
			return fail(KindFilter, s, RuleShareName, len(sharePrefix), 0)
		}
		if !more || rest == "" {
			return fail(KindFilter, s, RuleShareFilter, len(s), 0)
		}
		from = len(s) - len(rest)
	}
	for i := from; i < len(s); i++ {
		if class[s[i]] != classWildcard {
			continue
		}
		begins := i == from || s[i-1] == '/'
		last := i == len(s)-1
		if s[i] == '+' && !(begins && (last || s[i+1] == '/')) {
			return fail(KindFilter, s, RulePlusLevel, i, 0)
		}
		if s[i] == '#' && !(begins && last) {
			return fail(KindFilter, s, RuleHashLevel, i, 0)
		}
	}
	return nil
}

// scan returns the first byte of s in one of the refused classes and the rule it
// breaks; rule is 0 when s is good. Multi-byte characters are in refused always.
func scan[T string | []byte](s T, refused uint8) (int, Rule) {
	i := 0
	for ; len(s)-i >= 8; i += 8 { // eight at a time while they are ordinary
		t := s[i : i+8]
		w := uint64(t[0]) | uint64(t[1])<<8 | uint64(t[2])<<16 | uint64(t[3])<<24 | uint64(t[4])<<32 | uint64(t[5])<<40 | uint64(t[6])<<48 | uint64(t[7])<<56
		bad := w | below(w, 0x20) | below(w^0x7F*ones, 1)
		if refused&classWildcard != 0 {
			bad |= below(w^'+'*ones, 1) | below(w^'#'*ones, 1)
		}
		if bad&(0x80*ones) != 0 {
			break
		}
	}
	for ; i < len(s); i++ {
		c := class[s[i]] & refused
		if c == 0 {
			continue
		}
		if c != classHigh {
			return i, broken(s[i])
		}
		return scanRunes(s, i, refused)
	}
	return 0, 0
}

// ones times b is a word of eight bytes b.
const ones = 0x0101010101010101

// below sets the top bit of some byte when a byte of w is less than b, at most
// 0x80, and of none when all are at least b: bytes borrow only upwards from one
// that is less.
func below(w, b uint64) uint64 { return (w - b*ones) &^ w }

// broken names the rule an ASCII byte of a refused class breaks.
func broken(b byte) Rule {
	switch {
	case b == 0:
		return RuleNull
	case class[b] == classControl:
		return RuleControl
	}
	return RuleWildcard
}

// scanRunes is scan from the first byte that is not ASCII on.
func scanRunes[T string | []byte](s T, i int, refused uint8) (int, Rule) {
	for i < len(s) {
		if s[i] < utf8.RuneSelf {
			if class[s[i]]&refused != 0 {
				return i, broken(s[i])
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))])) // a copy of four bytes at most, on the stack
		switch {
		case r == utf8.RuneError && n == 1:
			return i, RuleUTF8 // also surrogates and overlong forms
		case r <= 0x9F:
			return i, RuleControl
		case r >= 0xFDD0 && r <= 0xFDEF, r&0xFFFE == 0xFFFE:
			return i, RuleNonCharacter
		}
		i += n
	}
	return 0, 0
}
