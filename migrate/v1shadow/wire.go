package v1shadow

import "github.com/portage-iot/awsiot/migrate/unit"

// What typed requests say differently on the wire, by the operation in their topics.

// asking is that of a request with a callback.
func asking(operation string) []unit.WireDifference {
	const (
		sent = "a request with a callback is sent at QoS 1"
		held = "the answers to callbacks are subscribed together, at QoS 1, once and for good"
	)
	topic := "$aws/things/+/shadow/" + operation
	return []unit.WireDifference{
		{Idioms: true, Packet: "PUBLISH sent", Topic: topic, What: []string{"QoS"}, Text: sent},
		{Idioms: true, Packet: "SUBSCRIBE", Topic: topic + "/+", Text: held,
			What: []string{"QoS", "acknowledgement", "missing in the old program", "missing in the new program"}},
		{Idioms: true, Packet: "UNSUBSCRIBE", Topic: topic + "/+", What: []string{"missing in the new program"}, Text: held},
		{Idioms: true, Packet: "PUBLISH received", Topic: topic + "/+", What: []string{"QoS", "acknowledgement", "clientToken missing in the new program"}, Text: held},
	}
}

// silent is that of a request without a callback.
func silent(operation string) []unit.WireDifference {
	const text = "a request without a callback has no token, and its answers are not subscribed"
	topic := "$aws/things/+/shadow/" + operation
	return []unit.WireDifference{
		{Idioms: true, Packet: "PUBLISH sent", Topic: topic, What: []string{"clientToken missing in the new program"}, Text: text},
		{Idioms: true, Packet: "SUBSCRIBE", Topic: topic + "/+", What: []string{"missing in the new program"}, Text: text},
		{Idioms: true, Packet: "UNSUBSCRIBE", Topic: topic + "/+", What: []string{"missing in the new program"}, Text: text},
		{Idioms: true, Packet: "PUBLISH received", Topic: topic + "/+", What: []string{"missing in the new program"}, Text: text},
	}
}
