package unit

// WireDifference is what a rule makes a program say differently on the wire, on purpose.
type WireDifference struct {
	// Packet is "CONNECT", "SUBSCRIBE", "UNSUBSCRIBE", "PUBLISH sent", "PUBLISH received" or "DISCONNECT".
	Packet string
	// Topic is a filter for the topic of the packet, or for its first filter; "" is any.
	Topic string
	// What are the properties that may differ, as `iotmigrate verify` names them: "QoS", "payload", "keep alive",
	// "missing in the new program" and so on.
	What []string
	// Idioms says that only code written as new code would be (-idioms) makes it.
	Idioms bool
	// Text is what it means, in one sentence without a full stop.
	Text string
}
