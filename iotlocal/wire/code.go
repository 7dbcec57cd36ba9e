package wire

import "fmt"

// Code is an MQTT 5 reason code [MQTT5-2.4]. The same number means different
// things in different packets below 0x80; String therefore takes the common
// reading, and StringFor knows the packet. In a CONNACK to a 3.1.1 client it is
// the return code of [MQTT-3.2.2.3].
type Code byte

// The reason codes of MQTT 5.
const (
	Success                     Code = 0x00
	GrantedQoS1                 Code = 0x01
	GrantedQoS2                 Code = 0x02
	DisconnectWithWill          Code = 0x04
	NoMatchingSubscribers       Code = 0x10
	NoSubscriptionExisted       Code = 0x11
	UnspecifiedError            Code = 0x80
	MalformedPacket             Code = 0x81
	ProtocolError               Code = 0x82
	ImplementationSpecificError Code = 0x83
	UnsupportedProtocolVersion  Code = 0x84
	ClientIdentifierNotValid    Code = 0x85
	BadUserNameOrPassword       Code = 0x86
	NotAuthorized               Code = 0x87
	ServerUnavailable           Code = 0x88
	ServerBusy                  Code = 0x89
	Banned                      Code = 0x8A
	ServerShuttingDown          Code = 0x8B
	BadAuthenticationMethod     Code = 0x8C
	KeepAliveTimeout            Code = 0x8D
	SessionTakenOver            Code = 0x8E
	TopicFilterInvalid          Code = 0x8F
	TopicNameInvalid            Code = 0x90
	PacketIdentifierInUse       Code = 0x91
	PacketIdentifierNotFound    Code = 0x92
	ReceiveMaximumExceeded      Code = 0x93
	TopicAliasInvalid           Code = 0x94
	PacketTooLarge              Code = 0x95
	MessageRateTooHigh          Code = 0x96
	QuotaExceeded               Code = 0x97
	AdministrativeAction        Code = 0x98
	PayloadFormatInvalid        Code = 0x99
	RetainNotSupported          Code = 0x9A
	QoSNotSupported             Code = 0x9B
	UseAnotherServer            Code = 0x9C
	ServerMoved                 Code = 0x9D
	SharedSubsNotSupported      Code = 0x9E
	ConnectionRateExceeded      Code = 0x9F
	MaximumConnectTime          Code = 0xA0
	SubscriptionIDsNotSupported Code = 0xA1
	WildcardSubsNotSupported    Code = 0xA2
)

var codeNames = map[Code]string{
	Success: "success", GrantedQoS1: "granted QoS 1", GrantedQoS2: "granted QoS 2",
	DisconnectWithWill: "disconnect with will", NoMatchingSubscribers: "no matching subscribers",
	NoSubscriptionExisted: "no subscription existed", UnspecifiedError: "unspecified error",
	MalformedPacket: "malformed packet", ProtocolError: "protocol error",
	ImplementationSpecificError: "implementation specific error",
	UnsupportedProtocolVersion:  "unsupported protocol version",
	ClientIdentifierNotValid:    "client identifier not valid",
	BadUserNameOrPassword:       "bad user name or password", NotAuthorized: "not authorized",
	ServerUnavailable: "server unavailable", ServerBusy: "server busy", Banned: "banned",
	ServerShuttingDown: "server shutting down", BadAuthenticationMethod: "bad authentication method",
	KeepAliveTimeout: "keep alive timeout", SessionTakenOver: "session taken over",
	TopicFilterInvalid: "topic filter invalid", TopicNameInvalid: "topic name invalid",
	PacketIdentifierInUse:    "packet identifier in use",
	PacketIdentifierNotFound: "packet identifier not found",
	ReceiveMaximumExceeded:   "receive maximum exceeded", TopicAliasInvalid: "topic alias invalid",
	PacketTooLarge: "packet too large", MessageRateTooHigh: "message rate too high",
	QuotaExceeded: "quota exceeded", AdministrativeAction: "administrative action",
	PayloadFormatInvalid: "payload format invalid", RetainNotSupported: "retain not supported",
	QoSNotSupported: "QoS not supported", UseAnotherServer: "use another server",
	ServerMoved: "server moved", SharedSubsNotSupported: "shared subscriptions not supported",
	ConnectionRateExceeded: "connection rate exceeded", MaximumConnectTime: "maximum connect time",
	SubscriptionIDsNotSupported: "subscription identifiers not supported",
	WildcardSubsNotSupported:    "wildcard subscriptions not supported",
}

// String returns the code in words with its number, as "not authorized (0x87)".
func (c Code) String() string {
	if n, ok := codeNames[c]; ok {
		return fmt.Sprintf("%s (0x%02X)", n, byte(c))
	}
	return fmt.Sprintf("reason code 0x%02X", byte(c))
}

// IsError reports whether the code refuses something: 0x80 and above
// [MQTT5-2.4].
func (c Code) IsError() bool { return c >= 0x80 }

// ConnackV3 maps a reason code to the return code of a 3.1.1 CONNACK
// [MQTT-3.2.2.3]. Codes below 0x80 are taken as return codes already. A refusal
// of authority is 7, not 5, as AWS IoT Core answers MQTT 3 clients (developer
// guide, mqtt.html).
func (c Code) ConnackV3() byte {
	switch {
	case !c.IsError():
		return byte(c)
	case c == UnsupportedProtocolVersion:
		return 1
	case c == ClientIdentifierNotValid:
		return 2
	case c == BadUserNameOrPassword || c == BadAuthenticationMethod:
		return 4
	case c == NotAuthorized || c == Banned:
		return 7
	}
	return 3
}

// LegalIn reports whether the specification lists the code for an
// acknowledgement of type t [MQTT5-2.4 table 2-6]. Types without a reason code,
// and those this server never sends, have none.
func (c Code) LegalIn(t PacketType) bool {
	var legal []Code
	switch t {
	case PUBACK:
		legal = []Code{Success, NoMatchingSubscribers, UnspecifiedError, ImplementationSpecificError,
			NotAuthorized, TopicNameInvalid, PacketIdentifierInUse, QuotaExceeded, PayloadFormatInvalid}
	case SUBACK:
		legal = []Code{Success, GrantedQoS1, GrantedQoS2, UnspecifiedError, ImplementationSpecificError,
			NotAuthorized, TopicFilterInvalid, PacketIdentifierInUse, QuotaExceeded,
			SharedSubsNotSupported, SubscriptionIDsNotSupported, WildcardSubsNotSupported}
	case UNSUBACK:
		legal = []Code{Success, NoSubscriptionExisted, UnspecifiedError, ImplementationSpecificError,
			NotAuthorized, TopicFilterInvalid, PacketIdentifierInUse}
	}
	for _, l := range legal {
		if l == c {
			return true
		}
	}
	return false
}
