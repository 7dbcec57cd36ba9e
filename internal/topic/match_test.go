package topic

import (
	"regexp"
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		filter, topic string
		want          bool
	}{
		// the examples of MQTT5-4.7.1.2 and 4.7.1.3
		{"sport/tennis/player1/#", "sport/tennis/player1", true},
		{"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
		{"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
		{"sport/#", "sport", true},
		{"#", "sport", true},
		{"sport/tennis/+", "sport/tennis/player1", true},
		{"sport/tennis/+", "sport/tennis/player1/ranking", false},
		{"sport/+", "sport", false},
		{"sport/+", "sport/", true},
		{"+/+", "/finance", true},
		{"/+", "/finance", true},
		{"+", "/finance", false},
		// MQTT5-4.7.2
		{"#", "$SYS/x", false},
		{"+/monitor/Clients", "$SYS/monitor/Clients", false},
		{"$SYS/#", "$SYS/monitor", true},
		{"$SYS/#", "$SYS", true},
		{"$SYS/monitor/+", "$SYS/monitor/Clients", true},
		{"+", "$", false},
		{"a/#", "a/$x", true},
		{"a/+", "a/$x", true},
		// MQTT5-4.7.3: case and slashes matter
		{"ACCOUNTS", "Accounts", false},
		{"a/b", "a/b", true},
		{"a/b", "/a/b", false},
		{"a/b", "a/b/", false},
		{"a/b/", "a/b", false},
		{"a//b", "a//b", true},
		{"a/+/b", "a//b", true},
		{"a", "ab", false},
		{"ab", "a", false},
		{"a/#", "ab", false},
		{"a/+/#", "a/b", true},
		{"a/+/#", "a", false},
		{"+/#", "a", true},
		{"/#", "/", true},
		{"/#", "", true},
		// shared subscriptions
		{"$share/g/a/+", "a/b", true},
		{"$share/g/a", "$share/g/a", false},
		{"$share/g/#", "$aws/x", false},
		{"$share/g/$aws/#", "$aws/x", true},
		{"$Share/g/a", "$Share/g/a", true},
		{"$share/g", "$share/g", true},
		// malformed: ordinary characters
		{"a+", "ab", false},
		{"#/a", "b/a", false},
		{"a/#/b", "a/x/b", false},
	} {
		if got := Match(c.filter, c.topic); got != c.want {
			t.Errorf("Match(%q, %q) = %v", c.filter, c.topic, got)
		}
	}
}

// AWS IoT Core differs in one point: the parent level of a #.
func TestMatchAWS(t *testing.T) {
	for _, c := range []struct {
		filter, topic string
		want          bool
	}{
		{"a/#", "a", false},
		{"a/+/#", "a/b", false},
		{"+/#", "a", false},
		{"$share/g/a/#", "a", false},
		{"$aws/#", "$aws", false},
		{"a/#", "a/", true},
		{"a/#", "a/b/c", true},
		{"#", "a", true},
		{"#", "$aws/x", false},
		{"a/+", "a/b", true},
		{"a/b", "a/b", true},
		{"a/b", "a", false},
	} {
		if got := MatchAWS(c.filter, c.topic); got != c.want {
			t.Errorf("MatchAWS(%q, %q) = %v", c.filter, c.topic, got)
		}
	}
}

func TestSplitShare(t *testing.T) {
	for _, c := range []struct {
		filter, group, rest string
		shared              bool
	}{
		{"$share/g/a/b", "g", "a/b", true},
		{"$share/g/", "g", "", true},
		{"$share//a", "", "a", true},
		{"$share/g", "", "$share/g", false},
		{"$share/", "", "$share/", false},
		{"$Share/g/a", "", "$Share/g/a", false},
		{"a/b", "", "a/b", false},
		{"", "", "", false},
	} {
		g, r, s := SplitShare(c.filter)
		if g != c.group || r != c.rest || s != c.shared {
			t.Errorf("SplitShare(%q) = %q, %q, %v", c.filter, g, r, s)
		}
	}
}

// oracle is Match written as a regular expression.
func oracle(filter, topic string) bool {
	if strings.HasPrefix(topic, "$") && strings.HasPrefix(filter, "+") || strings.HasPrefix(topic, "$") && filter == "#" {
		return false
	}
	levels := strings.Split(filter, "/")
	re := `(?s)\A`
	for i, l := range levels {
		sep := ""
		if i > 0 {
			sep = "/"
		}
		switch {
		case l == "#" && i == 0:
			re += `.*`
		case l == "#":
			re += `(/.*)?`
		case l == "+":
			re += sep + `[^/]*`
		default:
			re += sep + regexp.QuoteMeta(l)
		}
	}
	return regexp.MustCompile(re + `\z`).MatchString(topic)
}

func FuzzMatch(f *testing.F) {
	for _, s := range [][2]string{{"a/+/#", "a/b"}, {"#", "$x"}, {"+/+", "/"}, {"a/#", "a"}, {"$share/g/a", "a"}, {"a//+", "a//b"}, {"(.*)/+", "x/y"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, filter, name string) {
		got := Match(filter, name)
		if aws := MatchAWS(filter, name); aws && !got {
			t.Errorf("MatchAWS(%q, %q) without Match", filter, name)
		}
		if ValidateFilter(filter) != nil || ValidateTopic(name) != nil || len(filter) > 300 {
			return // only that it does not panic
		}
		_, rest, _ := SplitShare(filter)
		if want := oracle(rest, name); got != want {
			t.Errorf("Match(%q, %q) = %v, want %v", filter, name, got, want)
		}
	})
}
