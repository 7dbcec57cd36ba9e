package topic

import (
	"strings"
	"testing"
)

// Cases of aws-c-mqtt's tests: topic_skip_rules_prefix, topic_get_segment_count.
func TestAWSCounted(t *testing.T) {
	for _, c := range []struct{ s, want string }{
		{"", ""},
		{"a/b", "a/b"},
		{"$aws/rules/r/a/b", "a/b"},
		{"$AWS/Rules/r/a", "a"},
		{"$aws/rules/r/", ""},
		{"$aws/rules/r", "$aws/rules/r"},
		{"$aws/rules/", "$aws/rules/"},
		{"$aws/rules", "$aws/rules"},
		{"$aws/rulesx/r/a", "$aws/rulesx/r/a"},
		{"$share/g/a", "a"},
		{"$SHARE/g/a", "a"},
		{"$share/g/$aws/rules/r/a", "a"},
		{"$aws/rules/r/$share/g/a", "$share/g/a"},
		{"$share/g/$share/h/a", "$share/h/a"},
		{"$share/g", "$share/g"},
	} {
		if got := AWSCounted(c.s); got != c.want {
			t.Errorf("AWSCounted(%q) = %q, want %q", c.s, got, c.want)
		}
	}
}

func TestCheckAWS(t *testing.T) {
	b256 := strings.Repeat("x", 256)
	for _, c := range []struct {
		name, s string
		rule    Rule
	}{
		{"short", "a", 0},
		{"7 slashes", "1/2/3/4/5/6/7/8", 0},
		{"8 slashes", "1/2/3/4/5/6/7/8/9", RuleAWSSlashes},
		{"8 slashes, all empty", "////////", RuleAWSSlashes},
		{"256 bytes", b256, 0},
		{"257 bytes", b256 + "x", RuleAWSLength},
		{"bytes, not characters", strings.Repeat("é", 129), RuleAWSLength},
		{"rule, 7 slashes", "$aws/rules/r/1/2/3/4/5/6/7/8", 0},
		{"rule, 8 slashes", "$aws/rules/r/1/2/3/4/5/6/7/8/9", RuleAWSSlashes},
		{"rule, 256 bytes", "$aws/rules/" + b256 + "/" + b256, 0},
		{"rule, 257 bytes", "$aws/rules/r/x" + b256, RuleAWSLength},
		{"share and rule", "$share/" + b256 + "/$Aws/rules/r/" + b256, 0},
		{"shadow", "$aws/things/t/shadow/name/n/update/accepted", 0},
		{"a service's own, 8 slashes", "$aws/things/t/shadow/name/n/update/accepted/x", 0},
		{"a service's own, 257 bytes", "$aws/things/" + b256[:244] + "x", RuleAWSLength},
		{"not $aws/", "$awsx/1/2/3/4/5/6/7/8", RuleAWSSlashes},
		{"rule with a reserved name behind it", "$aws/rules/r/$aws/2/3/4/5/6/7/8/9", RuleAWSSlashes},
	} {
		t.Run(c.name, func(t *testing.T) {
			if rule, _ := broke(t, CheckAWSTopic(c.s), KindTopic); rule != c.rule {
				t.Errorf("topic: rule %v, want %v", rule, c.rule)
			}
			if rule, _ := broke(t, CheckAWSFilter(c.s), KindFilter); rule != c.rule {
				t.Errorf("filter: rule %v, want %v", rule, c.rule)
			}
		})
	}
}

// The reserved topics of the AWS IoT Developer Guide, with the longest names that their services take where that fits into
// 256 bytes: none is refused, as a topic, with a wildcard for each name, and shared.
func TestCheckAWSReserved(t *testing.T) {
	names := strings.NewReplacer("THING", strings.Repeat("t", MaxThingNameBytes), "SHADOW", strings.Repeat("s", MaxShadowNameBytes),
		"JOB", strings.Repeat("j", MaxJobIDBytes), "EXECUTION", strings.Repeat("e", 36), "TEMPLATE", strings.Repeat("p", 36), "STREAM", strings.Repeat("m", 64))
	wild := strings.NewReplacer("THING", "+", "SHADOW", "+", "JOB", "+", "EXECUTION", "+", "TEMPLATE", "+", "STREAM", "+")
	for _, s := range []string{
		"$aws/things/THING/shadow/get", "$aws/things/THING/shadow/update/documents", "$aws/things/THING/shadow/name/SHADOW/update/documents",
		"$aws/things/THING/shadow/name/SHADOW/delete/accepted", "$aws/things/THING/shadow/#",
		"$aws/things/THING/jobs/notify-next", "$aws/things/THING/jobs/$next/get/accepted", "$aws/things/THING/jobs/JOB/update/rejected",
		"$aws/commands/things/THING/executions/EXECUTION/request/json", "$aws/commands/things/THING/executions/EXECUTION/response/json",
		"$aws/commands/things/THING/executions/EXECUTION/response/accepted/json", "$aws/commands/things/THING/executions/EXECUTION/response/rejected/cbor",
		"$aws/commands/clients/THING/executions/EXECUTION/response/accepted/json", "$aws/commands/things/THING/executions/+/request/+",
		"$aws/certificates/create-from-csr/cbor/accepted", "$aws/provisioning-templates/TEMPLATE/provision/json/rejected",
		"$aws/things/THING/defender/metrics/json/accepted", "$aws/things/THING/streams/STREAM/description/json", "$aws/things/THING/streams/STREAM/rejected/cbor",
		"$aws/things/THING/tunnels/notify", "$aws/device_location/THING/get_position_estimate/accepted",
		"$aws/events/presence/connected/THING", "$aws/events/subscriptions/unsubscribed/THING", "$aws/events/job/JOB/cancellation_in_progress",
		"$aws/events/jobExecution/JOB/timed_out", "$aws/events/thing/THING/created", "$aws/events/thingGroupHierarchy/thingGroup/a/childThingGroup/b/added",
		"$aws/events/thingTypeAssociation/thing/THING/thingType/a/added", "$aws/events/certificates/registered/a",
		"$aws/sitewise/asset-models/a/assets/b/properties/c", "$aws/iotwireless/events/join/eventType/lorawan/wireless_devices/deveui/a/b",
		"$aws/a-service/of/next/year/with/more/levels/than/any/other",
	} {
		full := names.Replace(s)
		if len(full) > MaxAWSTopicBytes {
			t.Errorf("%s: %d bytes: the test wants less", s, len(full))
		}
		for _, f := range []string{full, wild.Replace(s), "$share/g/" + full} {
			if err := CheckAWSFilter(f); err != nil || !AWSReserved(f) {
				t.Errorf("filter %q: %v", f, err)
			}
		}
		if err := CheckAWSTopic(full); err != nil {
			t.Error(err)
		}
	}
	for _, s := range []string{"a/b", "$aws", "$SYS/x", "$aws/rules/r/a", "$share/g/$aws/rules/r/a", "x/$aws/y", "$share/g/a"} {
		if AWSReserved(s) {
			t.Errorf("%q is reserved", s)
		}
	}
}

func TestCheckNames(t *testing.T) {
	for _, c := range []struct {
		name  string
		check func(string) error
		kind  Kind
		good  []string
		bad   map[string]Rule
	}{
		{"client id", CheckAWSClientID, KindClientID,
			[]string{"", "device 1", strings.Repeat("c", 128)},
			map[string]Rule{strings.Repeat("c", 129): RuleAWSLength, "a\x00": RuleNull, "\xff": RuleUTF8}},
		{"thing", CheckThingName, KindThing,
			[]string{"a", "Az09:_-", strings.Repeat("t", 128)},
			map[string]Rule{"": RuleEmpty, strings.Repeat("t", 129): RuleAWSLength, "a/b": RuleAWSName, "+": RuleAWSName, "$a": RuleAWSName, "é": RuleAWSName, "a@": RuleAWSName, "[": RuleAWSName}},
		{"shadow", CheckShadowName, KindShadowName,
			[]string{"a", "$a:_-9", strings.Repeat("s", 64)},
			map[string]Rule{"": RuleEmpty, strings.Repeat("s", 65): RuleAWSLength, "a b": RuleAWSName, "a/b": RuleAWSName}},
		{"job", CheckJobID, KindJobID,
			[]string{"a", "A_-9", "$next", strings.Repeat("j", 64)},
			map[string]Rule{"": RuleEmpty, strings.Repeat("j", 65): RuleAWSLength, "a:b": RuleAWSName, "$nexT": RuleAWSName, "#": RuleAWSName}},
	} {
		for _, s := range c.good {
			if err := c.check(s); err != nil {
				t.Errorf("%s %q: %v", c.name, s, err)
			}
		}
		for s, want := range c.bad {
			if rule, _ := broke(t, c.check(s), c.kind); rule != want {
				t.Errorf("%s %q: rule %v, want %v", c.name, s, rule, want)
			}
		}
	}
}
