package awsiot

import "fmt"

// enumName returns the constant's name, or the type and the number of a value that has none.
func enumName[T ~int | ~byte](typ string, v T, names ...string) string {
	if int(v) >= 0 && int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("%s(%d)", typ, v)
}

// QoS is the delivery guarantee of a message [MQTT5-4.3].
type QoS byte

const (
	// AtMostOnce is QoS 0: sent once, not acknowledged.
	AtMostOnce QoS = iota
	// AtLeastOnce is QoS 1: acknowledged, sent again when the acknowledgement is missing.
	AtLeastOnce
	// ExactlyOnce is QoS 2, which AWS IoT Core does not have: it is refused by every call.
	ExactlyOnce
)

// String returns the constant's name.
func (q QoS) String() string { return enumName("QoS", q, "AtMostOnce", "AtLeastOnce", "ExactlyOnce") }

// ConnectionState is where a client stands between Start and Stop.
type ConnectionState int

const (
	// StateStopped: not started, or stopped. No goroutine, no connection.
	StateStopped ConnectionState = iota
	// StateConnecting: an attempt is being made (DNS, TCP, TLS, CONNECT, CONNACK).
	StateConnecting
	// StateConnected: the broker has accepted the connection.
	StateConnected
	// StateDisconnecting: Stop or Close was called and the connection is being ended.
	StateDisconnecting
	// StateBackoff: the attempt failed or the connection was lost; the next attempt waits.
	StateBackoff
)

// String returns the constant's name.
func (s ConnectionState) String() string {
	return enumName("ConnectionState", s, "StateStopped", "StateConnecting", "StateConnected", "StateDisconnecting", "StateBackoff")
}

// SessionBehavior says whether a connection asks for the session of the one before it.
type SessionBehavior int

const (
	// CleanSession begins a new session at every connection (Clean Start 1). The default.
	CleanSession SessionBehavior = iota
	// RejoinPostSuccess begins a new session at the first connection after Start and asks
	// for it again afterwards.
	RejoinPostSuccess
	// RejoinAlways asks for an existing session at every connection, the first included.
	RejoinAlways
)

// String returns the constant's name.
func (s SessionBehavior) String() string {
	return enumName("SessionBehavior", s, "CleanSession", "RejoinPostSuccess", "RejoinAlways")
}

// OfflineQueueBehavior says which operations wait while there is no connection. QoS 1
// publishes that the broker has seen and not acknowledged are kept by every behavior
// as long as the session lives [MQTT5-4.4.0-1].
type OfflineQueueBehavior int

const (
	// FailQoS0 fails QoS 0 publishes and keeps everything else. The default.
	FailQoS0 OfflineQueueBehavior = iota
	// FailNonQoS1 keeps QoS 1 publishes only.
	FailNonQoS1
	// FailAll keeps nothing.
	FailAll
	// KeepAll keeps everything, QoS 0 publishes too, as the v1 SDK did.
	KeepAll
)

// String returns the constant's name.
func (b OfflineQueueBehavior) String() string {
	return enumName("OfflineQueueBehavior", b, "FailQoS0", "FailNonQoS1", "FailAll", "KeepAll")
}

// FullBehavior says what happens when a bounded queue has no room.
type FullBehavior int

const (
	// RejectNew refuses the new entry: ErrQueueFull. The default.
	RejectNew FullBehavior = iota
	// DropOldest removes the oldest entries, which end with ErrDropped.
	DropOldest
	// Block makes the call wait for room.
	Block
)

// String returns the constant's name.
func (b FullBehavior) String() string {
	return enumName("FullBehavior", b, "RejectNew", "DropOldest", "Block")
}

// RetryJitterMode says how the delay before an attempt to reconnect is drawn.
type RetryJitterMode int

const (
	// JitterFull draws uniformly from 0 to the exponential delay. The default.
	JitterFull RetryJitterMode = iota
	// JitterNone waits the exponential delay itself.
	JitterNone
	// JitterDecorrelated draws uniformly from the minimum to three times the delay before.
	JitterDecorrelated
)

// String returns the constant's name.
func (m RetryJitterMode) String() string {
	return enumName("RetryJitterMode", m, "JitterFull", "JitterNone", "JitterDecorrelated")
}

// ResubscribeWhen says when the client subscribes again by itself after a reconnect.
type ResubscribeWhen int

const (
	// ResubscribeIfNoSession subscribes again when the broker has no session. The default.
	ResubscribeIfNoSession ResubscribeWhen = iota
	// ResubscribeAlways subscribes again at every connection, as the v1 SDK did.
	ResubscribeAlways
	// ResubscribeNever leaves it to the program.
	ResubscribeNever
)

// String returns the constant's name.
func (w ResubscribeWhen) String() string {
	return enumName("ResubscribeWhen", w, "ResubscribeIfNoSession", "ResubscribeAlways", "ResubscribeNever")
}

// RetainHandling says whether a SUBSCRIBE asks for retained messages [MQTT5-3.8.3.1].
type RetainHandling byte

const (
	// RetainSend sends retained messages at every SUBSCRIBE. The default.
	RetainSend RetainHandling = iota
	// RetainSendIfNew sends them only when the subscription did not exist.
	RetainSendIfNew
	// RetainDontSend does not send them.
	RetainDontSend
)

// String returns the constant's name.
func (r RetainHandling) String() string {
	return enumName("RetainHandling", r, "RetainSend", "RetainSendIfNew", "RetainDontSend")
}

// PayloadFormat tells the receiver what the payload is [MQTT5-3.3.2.3.2].
type PayloadFormat byte

const (
	// PayloadBytes: unspecified bytes.
	PayloadBytes PayloadFormat = iota
	// PayloadUTF8: UTF-8 text. The client refuses what the AWS SDKs refuse, the same as in any MQTT string: bytes
	// that are not UTF-8, the control characters U+0000 to U+001F (line feed and tab among them) and
	// U+007F to U+009F, and the non-characters U+FDD0 to U+FDEF and U+xxFFFE, U+xxFFFF. Payloads of other
	// formats are not looked at.
	PayloadUTF8
)

// String returns the constant's name.
func (f PayloadFormat) String() string {
	return enumName("PayloadFormat", f, "PayloadBytes", "PayloadUTF8")
}

// AliasBehavior says who chooses topic aliases in one direction [MQTT5-3.3.2.3.4].
type AliasBehavior int

const (
	// AliasDisabled uses none. The default in both directions.
	AliasDisabled AliasBehavior = iota
	// AliasManual, outbound: PublishPacket.TopicAlias says which.
	AliasManual
	// AliasLRU, outbound: the client gives aliases to the topics used last.
	AliasLRU
	// AliasEnabled, inbound: the broker may use aliases.
	AliasEnabled
)

// String returns the constant's name.
func (a AliasBehavior) String() string {
	return enumName("AliasBehavior", a, "AliasDisabled", "AliasManual", "AliasLRU", "AliasEnabled")
}

// FlowControl says which quotas of AWS IoT Core the client keeps to by itself. They are of two kinds. Static limits: what
// AWS IoT Core would answer with the end of the connection is a *ValidationError of the call, also without a connection:
// payloads of more than 128 KiB, more than 8 filters in one packet, topics and filters of more than 256 bytes or 7 slashes
// (the first three levels of `$aws/rules/NAME/...` do not count, and reserved topics of AWS's services have as many slashes as
// they need), and client ids of more than 128 bytes. Rates: what goes beyond 100 publishes or 512 KiB per second waits.
//
// Where Auto looks at Endpoint it wants the name of an AWS IoT data endpoint: [PREFIX.]iot.REGION.amazonaws.com, with
// iot-fips in place of iot, VPC endpoints, dual-stack names under api.aws, and the suffixes of all partitions. Custom domains
// look like any other broker: set FlowControlAWS or FlowControlLimits for them.
type FlowControl int

const (
	// FlowControlAuto keeps to limits and rates where Endpoint is AWS's, and to neither elsewhere. The default.
	FlowControlAuto FlowControl = iota
	// FlowControlAWS keeps to limits and rates, whatever the endpoint.
	FlowControlAWS
	// FlowControlLimits keeps to the static limits, whatever the endpoint, and to no rates.
	FlowControlLimits
	// FlowControlNone keeps to no rates; the static limits hold where Endpoint is AWS's. The facades of v1 have it.
	FlowControlNone
	// FlowControlOff keeps to nothing.
	FlowControlOff
)

// String returns the constant's name.
func (f FlowControl) String() string {
	return enumName("FlowControl", f, "FlowControlAuto", "FlowControlAWS", "FlowControlLimits", "FlowControlNone", "FlowControlOff")
}

// limits reports whether the static limits hold; named: Endpoint is AWS's.
func (f FlowControl) limits(named bool) bool {
	switch f {
	case FlowControlAWS, FlowControlLimits:
		return true
	case FlowControlAuto, FlowControlNone:
		return named
	}
	return false
}

// rates reports whether the rates hold; named: Endpoint is AWS's.
func (f FlowControl) rates(named bool) bool {
	return f == FlowControlAWS || f == FlowControlAuto && named
}
