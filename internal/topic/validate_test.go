package topic

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// broke returns the rule err names, 0 for nil.
func broke(t *testing.T, err error, k Kind) (Rule, int) {
	t.Helper()
	if err == nil {
		return 0, 0
	}
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind != k {
		t.Fatalf("error is %#v, want an *Error of kind %v", err, k)
	}
	return e.Rule, e.Offset
}

// Cases of aws-c-mqtt's tests: mqtt_utf8_encoded_string_test, at the edges of every range.
func TestValidUTF8(t *testing.T) {
	for _, c := range []struct {
		name, s string
		rule    Rule
		at      int
	}{
		{"empty", "", 0, 0},
		{"ascii", "a b~/ !", 0, 0},
		{"wildcards are no matter here", "+#", 0, 0},
		{"U+0000", "ab\x00", RuleNull, 2},
		{"U+0001", "\x01", RuleControl, 0},
		{"tab", "a\tb", RuleControl, 1},
		{"line feed", "\n", RuleControl, 0},
		{"U+001F", "\x1f", RuleControl, 0},
		{"U+0020", " ", 0, 0},
		{"U+007E", "~", 0, 0},
		{"U+007F", "x\x7f", RuleControl, 1},
		{"U+0080", "é\u0080", RuleControl, 2},
		{"U+009F", "\u009f", RuleControl, 0},
		{"U+00A0", "\u00a0", 0, 0},
		{"null behind a multi-byte character", "é\x00", RuleNull, 2},
		{"control behind a multi-byte character", "é\x1f", RuleControl, 2},
		{"U+FDCF", "\ufdcf", 0, 0},
		{"U+FDD0", "\ufdd0", RuleNonCharacter, 0},
		{"U+FDEF", "a\ufdef", RuleNonCharacter, 1},
		{"U+FDF0", "\ufdf0", 0, 0},
		{"U+FFFD, the replacement character", "\ufffd", 0, 0},
		{"U+FEFF, byte order mark", "\ufeff", 0, 0},
		{"U+FFFE", "\ufffe", RuleNonCharacter, 0},
		{"U+FFFF", "\uffff", RuleNonCharacter, 0},
		{"U+10000", "\U00010000", 0, 0},
		{"U+1FFFE", "\U0001fffe", RuleNonCharacter, 0},
		{"U+10FFFD", "\U0010fffd", 0, 0},
		{"U+10FFFF", "\U0010ffff", RuleNonCharacter, 0},
		{"above U+10FFFF", "\xf4\x90\x80\x80", RuleUTF8, 0},
		{"surrogate", "a\xed\xa0\x80", RuleUTF8, 1},
		{"overlong null", "\xc0\x80", RuleUTF8, 0},
		{"overlong slash", "\xe0\x80\xaf", RuleUTF8, 0},
		{"cut off", "aé"[:2], RuleUTF8, 1},
		{"stray continuation", "\x80", RuleUTF8, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			rule, at := broke(t, ValidUTF8(c.s), KindString)
			if rule != c.rule || at != c.at {
				t.Errorf("ValidUTF8(%q): rule %v at %d, want %v at %d", c.s, rule, at, c.rule, c.at)
			}
			if rule, at := broke(t, ValidUTF8Bytes([]byte(c.s)), KindString); rule != c.rule || at != c.at {
				t.Errorf("ValidUTF8Bytes(%q): rule %v at %d", c.s, rule, at)
			}
			// the same bytes in a topic and in a filter
			if c.s == "" || c.s == "+#" {
				return
			}
			if rule, at := broke(t, ValidateTopic(c.s), KindTopic); rule != c.rule || at != c.at {
				t.Errorf("ValidateTopic(%q): rule %v at %d", c.s, rule, at)
			}
			if rule, at := broke(t, ValidateFilter(c.s), KindFilter); rule != c.rule || at != c.at {
				t.Errorf("ValidateFilter(%q): rule %v at %d", c.s, rule, at)
			}
		})
	}
}

func TestValidString(t *testing.T) {
	for _, c := range []struct {
		name, s string
		rule    Rule
	}{
		{"longest", strings.Repeat("x", 65535), 0},
		{"too long", strings.Repeat("x", 65536), RuleLength},
		{"too long in bytes", strings.Repeat("é", 32768), RuleLength},
		{"control", "\r", RuleControl},
	} {
		if rule, _ := broke(t, ValidString(c.s), KindString); rule != c.rule {
			t.Errorf("%s: rule %v, want %v", c.name, rule, c.rule)
		}
	}
	if err := ValidUTF8(strings.Repeat("x", 70000)); err != nil {
		t.Errorf("ValidUTF8 judges the length: %v", err)
	}
}

func TestValidateTopic(t *testing.T) {
	for _, c := range []struct {
		name, s string
		rule    Rule
		at      int
	}{
		{"plain", "a/b/c", 0, 0},
		{"slash", "/", 0, 0},
		{"empty levels", "//a//", 0, 0},
		{"reserved", "$aws/things/t/shadow/get", 0, 0},
		{"space and unicode", "höhe/ m²", 0, 0},
		{"longest", strings.Repeat("a", 65535), 0, 0},
		{"empty", "", RuleEmpty, -1},
		{"too long", strings.Repeat("a", 65536), RuleLength, -1},
		{"plus", "a/+/b", RuleWildcard, 2},
		{"hash", "a/#", RuleWildcard, 2},
		{"plus in a name", "a+b", RuleWildcard, 1},
		{"hash behind a multi-byte character", "é#", RuleWildcard, 2},
		{"control first", "\x01+", RuleControl, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if rule, at := broke(t, ValidateTopic(c.s), KindTopic); rule != c.rule || at != c.at {
				t.Errorf("rule %v at %d, want %v at %d", rule, at, c.rule, c.at)
			}
		})
	}
}

// Cases of aws-c-mqtt's tests: shared_subscription_validation among others.
func TestValidateFilter(t *testing.T) {
	for _, c := range []struct {
		name, s string
		rule    Rule
		at      int
	}{
		{"plain", "a/b", 0, 0},
		{"hash alone", "#", 0, 0},
		{"plus alone", "+", 0, 0},
		{"plus levels", "+/+", 0, 0},
		{"leading slash", "/+", 0, 0},
		{"trailing slash", "+/", 0, 0},
		{"both", "a/+/b/#", 0, 0},
		{"slash hash", "/#", 0, 0},
		{"unicode", "é/+/#", 0, 0},
		{"longest", strings.Repeat("a", 65533) + "/#", 0, 0},
		{"empty", "", RuleEmpty, -1},
		{"too long", strings.Repeat("a", 65534) + "/#", RuleLength, -1},
		{"plus after a name", "a+", RulePlusLevel, 1},
		{"plus before a name", "+a", RulePlusLevel, 0},
		{"two plus", "++", RulePlusLevel, 0},
		{"plus and hash in a level", "a/+#", RulePlusLevel, 2},
		{"hash after a name", "a#", RuleHashLevel, 1},
		{"hash before a name", "#a", RuleHashLevel, 0},
		{"hash not last", "a/#/b", RuleHashLevel, 2},
		{"hash and slash", "#/", RuleHashLevel, 0},
		{"shared", "$share/g/a/+", 0, 0},
		{"shared, all", "$share/g/#", 0, 0},
		{"shared slash", "$share/g//", 0, 0},
		{"shared, no name", "$share//a", RuleShareName, 7},
		{"shared, plus in the name", "$share/g+/a", RuleShareName, 7},
		{"shared, hash as name", "$share/#/a", RuleShareName, 7},
		{"shared, nothing at all", "$share/", RuleShareName, 7},
		{"shared, no filter", "$share/g", RuleShareFilter, 8},
		{"shared, empty filter", "$share/g/", RuleShareFilter, 9},
		{"shared, bad filter", "$share/g/a#", RuleHashLevel, 10},
		{"shared, plus after the name", "$share/g/+a", RulePlusLevel, 9},
		{"not shared", "$share", 0, 0},
		{"case matters", "$Share/+/a", 0, 0},
		{"begins alike", "$shared", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if rule, at := broke(t, ValidateFilter(c.s), KindFilter); rule != c.rule || at != c.at {
				t.Errorf("rule %v at %d, want %v at %d", rule, at, c.rule, c.at)
			}
		})
	}
}

// Every byte value at every place of a string that spans two words and a tail.
func TestEveryByteEverywhere(t *testing.T) {
	const base = "abcdefgh/ijklmnop/q"
	for at := range len(base) {
		for b := range 256 {
			s := base[:at] + string([]byte{byte(b)}) + base[at+1:]
			want := Rule(0)
			switch {
			case b == 0:
				want = RuleNull
			case b < 0x20 || b == 0x7F:
				want = RuleControl
			case b >= 0x80:
				want = RuleUTF8
			case b == '+' || b == '#':
				want = RuleWildcard
			}
			rule, off := broke(t, ValidateTopic(s), KindTopic)
			if rule != want || rule != 0 && off != at {
				t.Fatalf("%q: rule %v at %d, want %v at %d", s, rule, off, want, at)
			}
		}
	}
}

func TestErrorText(t *testing.T) {
	long := strings.Repeat("é", 100) + "\n"
	for _, c := range []struct {
		err  error
		want string
	}{
		{ValidateTopic(""), `topic "": is empty [MQTT5-4.7.3-1]`},
		{ValidateTopic("a/#"), `topic "a/#": contains a wildcard, + or # [MQTT5-4.7.1-1] (byte 2)`},
		{ValidateFilter("a#"), `topic filter "a#": has a # that is not the whole last level [MQTT5-4.7.1-1] (byte 1)`},
		{ValidateTopic(long), `topic "` + strings.Repeat("é", 32) + `...": contains a control character [MQTT5-1.5.4] (byte 200)`},
		{ValidateTopic("x" + long), `topic "x` + strings.Repeat("é", 31) + `...": contains a control character [MQTT5-1.5.4] (byte 201)`},
		{ValidUTF8("password\x00"), `string contains the null character [MQTT5-1.5.4-2] (byte 8)`},
		{CheckAWSClientID(strings.Repeat("c", 129)), `client id "` + strings.Repeat("c", 64) + `...": is longer than AWS IoT Core allows: at most 128 bytes`},
		{CheckAWSTopic("/1/2/3/4/5/6/7"), ``},
		{CheckThingName("a b"), `thing name "a b": contains a character AWS IoT does not allow there (byte 1)`},
	} {
		got := ""
		if c.err != nil {
			got = c.err.Error()
		}
		if c.want == "" {
			if got != "" {
				t.Errorf("unexpected %s", got)
			}
		} else if got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	for k := KindString; k <= KindJobID; k++ {
		if strings.HasPrefix(k.String(), "Kind(") {
			t.Errorf("kind %d has no text", k)
		}
	}
	for r := RuleEmpty; r <= RuleAWSName; r++ {
		if strings.HasPrefix(r.String(), "Rule(") {
			t.Errorf("rule %d has no text", r)
		}
	}
	if Kind(99).String() != "Kind(99)" || Rule(0).String() != "Rule(0)" {
		t.Error("unknown values")
	}
}

func TestGoodStringsDoNotAllocate(t *testing.T) {
	payload := []byte(strings.Repeat("some é text, 好 𐀀; ", 100))
	for name, f := range map[string]func() error{
		"ValidateTopic":  func() error { return ValidateTopic("sensors/höhe/42/temp") },
		"ValidateFilter": func() error { return ValidateFilter("$share/g/sensors/+/é/#") },
		"ValidUTF8":      func() error { return ValidUTF8("some é text") },
		"ValidUTF8Bytes": func() error { return ValidUTF8Bytes(payload) },
		"CheckAWSTopic":  func() error { return CheckAWSTopic("$aws/rules/r/sensors/42") },
		"CheckAWSFilter": func() error { return CheckAWSFilter("$share/g/$AWS/rules/r/sensors/42") },
		"CheckThingName": func() error { return CheckThingName("thing-1") },
		"Match": func() error {
			if !Match("$share/g/a/+/#", "a/b/c") {
				return errors.New("no match")
			}
			return nil
		},
		"ParseShadow": func() error {
			if _, ok := ParseShadow("$aws/things/t/shadow/name/n/update/accepted"); !ok {
				return errors.New("not parsed")
			}
			return nil
		},
		"ParseJobs": func() error {
			if _, ok := ParseJobs("$aws/things/t/jobs/$next/get/accepted"); !ok {
				return errors.New("not parsed")
			}
			return nil
		},
	} {
		var err error
		if n := testing.AllocsPerRun(100, func() { err = f() }); n != 0 || err != nil {
			t.Errorf("%s: %v allocations, %v", name, n, err)
		}
	}
}

// FuzzValidate compares the validators with a direct reading of the rules.
func FuzzValidate(f *testing.F) {
	for _, s := range []string{"a/b", "", "+", "a/#", "a#", "$share/g/a", "$share//a", "$share/g/", "é\x00", "\xff", "\ufdd0", "a\u0085", strings.Repeat("x/", 40)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		utf := utf8.ValidString(s)
		for _, r := range s {
			if r < 0x20 || r >= 0x7F && r <= 0x9F || r >= 0xFDD0 && r <= 0xFDEF || r&0xFFFF >= 0xFFFE {
				utf = false
			}
		}
		if got := ValidUTF8(s) == nil; got != utf {
			t.Errorf("ValidUTF8(%q) = %v, want %v", s, got, utf)
		}
		if got := ValidUTF8Bytes([]byte(s)) == nil; got != utf {
			t.Errorf("ValidUTF8Bytes(%q) = %v, want %v", s, got, utf)
		}
		base := utf && s != "" && len(s) <= 65535
		if got := ValidateTopic(s) == nil; got != (base && !strings.ContainsAny(s, "+#")) {
			t.Errorf("ValidateTopic(%q) = %v", s, got)
		}
		filter := base
		levels := strings.Split(s, "/")
		if strings.HasPrefix(s, "$share/") {
			if filter = filter && len(levels) >= 3 && levels[1] != "" && !strings.ContainsAny(levels[1], "+#") && (len(levels) > 3 || levels[2] != ""); filter {
				levels = levels[2:]
			}
		}
		for i, l := range levels {
			if strings.ContainsAny(l, "+#") && l != "+" && (l != "#" || i != len(levels)-1) {
				filter = false
			}
		}
		err := ValidateFilter(s)
		if got := err == nil; got != filter {
			t.Errorf("ValidateFilter(%q) = %v, want %v", s, err, filter)
		}
		for _, err := range []error{err, ValidateTopic(s), ValidUTF8(s), CheckAWSTopic(s), CheckAWSFilter(s), CheckAWSClientID(s), CheckThingName(s)} {
			if err != nil && (len(err.Error()) > 500 || !utf8.ValidString(err.Error())) {
				t.Errorf("error text %q", err)
			}
		}
	})
}

func BenchmarkValidateTopic(b *testing.B) {
	for name, s := range map[string]string{"ascii20": "sensors/42/temp/now1", "unicode20": "sensors/höhe/temp/42", "ascii200": strings.Repeat("abcdefghi/", 20)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := ValidateTopic(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
