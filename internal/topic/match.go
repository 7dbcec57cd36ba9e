package topic

import "strings"

// sharePrefix begins the filter of a shared subscription. MQTT compares it
// exactly [MQTT5-4.8.2-1].
const sharePrefix = "$share/"

// SplitShare splits the filter of a shared subscription, `$share/GROUP/FILTER`.
// For any other filter, and for a malformed one (no slash after the group),
// shared is false and rest is filter.
func SplitShare(filter string) (group, rest string, shared bool) {
	if s, ok := strings.CutPrefix(filter, sharePrefix); ok {
		if group, rest, ok = strings.Cut(s, "/"); ok {
			return group, rest, true
		}
	}
	return "", filter, false
}

// Match reports whether filter matches topic by MQTT's rules: `a/#` matches `a`
// as well [MQTT5-4.7.1-2], and a filter that begins with a wildcard does not
// match a topic that begins with $ [MQTT5-4.7.2-1]. A shared subscription
// matches by the filter behind its group. A wildcard character that does not
// fill its level, or a # before the last one, is an ordinary character here; the
// filters ValidateFilter passes have none. It does not allocate.
func Match(filter, topic string) bool { return match(filter, topic, true) }

// MatchAWS is Match as AWS IoT Core does it: there `a/#` does not match `a`
// (AWS IoT developer guide, MQTT: topics and topic filters).
func MatchAWS(filter, topic string) bool { return match(filter, topic, false) }

func match(filter, topic string, hashMatchesParent bool) bool {
	_, filter, _ = SplitShare(filter)
	if len(filter) > 0 && len(topic) > 0 && topic[0] == '$' && (first(filter) == "+" || filter == "#") {
		return false
	}
	for {
		f, frest, fmore := strings.Cut(filter, "/")
		if f == "#" && !fmore {
			return true
		}
		t, trest, tmore := strings.Cut(topic, "/")
		if f != "+" && f != t {
			return false
		}
		switch {
		case !fmore && !tmore:
			return true
		case fmore && !tmore:
			return frest == "#" && hashMatchesParent
		case !fmore:
			return false
		}
		filter, topic = frest, trest
	}
}

// first returns the first level of a filter.
func first(filter string) string {
	level, _, _ := strings.Cut(filter, "/")
	return level
}
