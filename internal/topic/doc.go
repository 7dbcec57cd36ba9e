// Package topic holds the rules about topic names and topic filters that the
// client, the service clients, the facades and the local broker share: MQTT's
// syntax and UTF-8 rule, matching, the limits of AWS IoT Core, and the reserved
// topics of the Device Shadow and Jobs services.
//
// The validators do not allocate when the string is good: they run for every
// publish. What they refuse is an *Error, which names the rule that was broken.
package topic
