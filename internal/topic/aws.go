package topic

import (
	"strings"
	"time"
)

// Limits of AWS IoT Core (AWS General Reference, "AWS IoT Core endpoints and
// quotas"; aws-c-mqtt, AWS_IOT_CORE_DEFAULTS). Those marked adjustable can be
// raised for an account.
const (
	MaxAWSSlashes                 = 7         // slashes in a topic or filter, that is 8 levels
	MaxAWSTopicBytes              = 256       // bytes of a topic or filter
	MaxAWSClientIDBytes           = 128       // bytes of a client identifier
	MaxAWSFiltersPerSubscribe     = 8         // filters in one SUBSCRIBE or UNSUBSCRIBE
	MaxAWSSubscriptions           = 50        // subscriptions of one connection (adjustable)
	MaxAWSPayloadBytes            = 128 << 10 // bytes of a PUBLISH payload
	MaxAWSPublishesPerSecond      = 100       // PUBLISH packets of one connection, each direction
	MaxAWSBytesPerSecond          = 512 << 10 // bytes of one connection, each direction
	MaxAWSInflight                = 100       // QoS 1 messages without PUBACK, each direction
	MaxAWSConnectsPerSecond       = 1         // CONNECT of one client identifier
	MaxAWSTopicAliases            = 8         // topic aliases of one connection
	MaxAWSOfflineReplaysPerSecond = 10        // stored messages sent to a client that comes back
	MaxThingNameBytes             = 128       // bytes of a thing name
	MaxShadowNameBytes            = 64        // bytes of the name of a named shadow
	MaxJobIDBytes                 = 64        // bytes of a job identifier
	MaxClientTokenBytes           = 64        // bytes of a clientToken in a shadow or jobs request
	MaxShadowBytes                = 8 << 10   // bytes of desired and reported together (adjustable)
	MaxShadowNesting              = 6         // levels of JSON below desired or reported
	MaxShadowInflight             = 10        // shadow requests without an answer, one connection
	MinAWSKeepAlive               = 30 * time.Second
	MaxAWSKeepAlive               = 1200 * time.Second
	DefaultAWSSessionExpiry       = time.Hour // of a persistent session
)

// CheckAWSTopic checks s, a valid topic, against the limits of AWS IoT Core: at
// most 7 slashes and 256 bytes, not counting a leading `$aws/rules/RULE/`; a
// reserved topic of a service has as many slashes as it has, see AWSReserved. It
// does not allocate when s is good. AWS closes the connection of a client that
// breaks these limits, which takes every other operation down with it: better
// refused here.
func CheckAWSTopic(s string) error { return checkAWS(KindTopic, s) }

// CheckAWSFilter is CheckAWSTopic for a valid topic filter. A leading
// `$share/GROUP/` is not counted either.
func CheckAWSFilter(s string) error { return checkAWS(KindFilter, s) }

func checkAWS(k Kind, s string) error {
	counted := AWSCounted(s)
	if len(counted) > MaxAWSTopicBytes {
		return fail(k, s, RuleAWSLength, -1, MaxAWSTopicBytes)
	}
	if strings.Count(counted, "/") > MaxAWSSlashes && !AWSReserved(s) {
		return fail(k, s, RuleAWSSlashes, -1, MaxAWSSlashes)
	}
	return nil
}

// AWSCounted returns the part of a topic or filter to which AWS's limits apply:
// what follows a leading `$share/GROUP/` and then a leading `$aws/rules/RULE/`,
// both compared without regard to case, as aws-c-mqtt does.
func AWSCounted(s string) string {
	return skip(skip(s, sharePrefix), rulesPrefix)
}

// AWSReserved reports whether a topic or filter, without regard to a leading
// `$share/GROUP/`, belongs to a service of AWS IoT (AWS IoT Developer Guide,
// "Reserved topics"): everything under `$aws/` but `$aws/rules/`, where what
// follows the name of the rule is the program's. The services' topics have as many
// levels as they need, those of commands nine, and new services come.
func AWSReserved(s string) bool {
	s = skip(s, sharePrefix)
	return len(s) >= len(awsPrefix) && strings.EqualFold(s[:len(awsPrefix)], awsPrefix) && AWSCounted(s) == s
}

const (
	awsPrefix   = "$aws/"
	rulesPrefix = "$aws/rules/"
)

// skip cuts prefix and the level after it from s, if both are there.
func skip(s, prefix string) string {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s
	}
	if _, rest, ok := strings.Cut(s[len(prefix):], "/"); ok {
		return rest
	}
	return s
}

// CheckAWSClientID checks a client identifier against AWS IoT Core's limit of
// 128 bytes, after the rule of every MQTT string. An empty one is good: somebody
// else assigns it.
func CheckAWSClientID(s string) error {
	if len(s) > MaxAWSClientIDBytes {
		return fail(KindClientID, s, RuleAWSLength, -1, MaxAWSClientIDBytes)
	}
	if i, rule := scan(s, classHigh|classControl); rule != 0 {
		return fail(KindClientID, s, rule, i, 0)
	}
	return nil
}

// CheckThingName checks a thing name: 1 to 128 of a-z A-Z 0-9 : _ -
// (AWS IoT API reference, CreateThing).
func CheckThingName(s string) error { return checkName(KindThing, s, MaxThingNameBytes, ":_-") }

// CheckShadowName checks the name of a named shadow: 1 to 64 of
// $ a-z A-Z 0-9 : _ - (AWS IoT Data Plane API reference, UpdateThingShadow).
func CheckShadowName(s string) error {
	return checkName(KindShadowName, s, MaxShadowNameBytes, "$:_-")
}

// CheckJobID checks a job identifier: 1 to 64 of a-z A-Z 0-9 _ -, or `$next`,
// the next pending job (AWS IoT API reference, DescribeJobExecution).
func CheckJobID(s string) error {
	if s == NextJob {
		return nil
	}
	return checkName(KindJobID, s, MaxJobIDBytes, "_-")
}

func checkName(k Kind, s string, limit int, extra string) error {
	if s == "" {
		return fail(k, s, RuleEmpty, -1, 0)
	}
	if len(s) > limit {
		return fail(k, s, RuleAWSLength, -1, limit)
	}
	for i := range len(s) {
		c := s[i]
		if c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || strings.IndexByte(extra, c) >= 0 {
			continue
		}
		return fail(k, s, RuleAWSName, i, 0)
	}
	return nil
}
