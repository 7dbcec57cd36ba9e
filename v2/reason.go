package awsiot

import "fmt"

// ReasonCode is the result byte of an MQTT 5 packet [MQTT5-2.4]. Codes below 0x80 are
// successes. A byte that has no constant here is kept as it came.
type ReasonCode byte

// The reason codes of MQTT 5. Which packet may carry which: [MQTT5-2.4], table 2-6.
const (
	ReasonSuccess                             ReasonCode = 0x00
	ReasonNormalDisconnection                 ReasonCode = 0x00
	ReasonGrantedQoS0                         ReasonCode = 0x00
	ReasonGrantedQoS1                         ReasonCode = 0x01
	ReasonGrantedQoS2                         ReasonCode = 0x02
	ReasonDisconnectWithWillMessage           ReasonCode = 0x04
	ReasonNoMatchingSubscribers               ReasonCode = 0x10
	ReasonNoSubscriptionExisted               ReasonCode = 0x11
	ReasonUnspecifiedError                    ReasonCode = 0x80
	ReasonMalformedPacket                     ReasonCode = 0x81
	ReasonProtocolError                       ReasonCode = 0x82
	ReasonImplementationSpecificError         ReasonCode = 0x83
	ReasonUnsupportedProtocolVersion          ReasonCode = 0x84
	ReasonClientIdentifierNotValid            ReasonCode = 0x85
	ReasonBadUsernameOrPassword               ReasonCode = 0x86
	ReasonNotAuthorized                       ReasonCode = 0x87
	ReasonServerUnavailable                   ReasonCode = 0x88
	ReasonServerBusy                          ReasonCode = 0x89
	ReasonBanned                              ReasonCode = 0x8A
	ReasonServerShuttingDown                  ReasonCode = 0x8B
	ReasonBadAuthenticationMethod             ReasonCode = 0x8C
	ReasonKeepAliveTimeout                    ReasonCode = 0x8D
	ReasonSessionTakenOver                    ReasonCode = 0x8E
	ReasonTopicFilterInvalid                  ReasonCode = 0x8F
	ReasonTopicNameInvalid                    ReasonCode = 0x90
	ReasonPacketIdentifierInUse               ReasonCode = 0x91
	ReasonPacketIdentifierNotFound            ReasonCode = 0x92
	ReasonReceiveMaximumExceeded              ReasonCode = 0x93
	ReasonTopicAliasInvalid                   ReasonCode = 0x94
	ReasonPacketTooLarge                      ReasonCode = 0x95
	ReasonMessageRateTooHigh                  ReasonCode = 0x96
	ReasonQuotaExceeded                       ReasonCode = 0x97
	ReasonAdministrativeAction                ReasonCode = 0x98
	ReasonPayloadFormatInvalid                ReasonCode = 0x99
	ReasonRetainNotSupported                  ReasonCode = 0x9A
	ReasonQosNotSupported                     ReasonCode = 0x9B
	ReasonUseAnotherServer                    ReasonCode = 0x9C
	ReasonServerMoved                         ReasonCode = 0x9D
	ReasonSharedSubscriptionsNotSupported     ReasonCode = 0x9E
	ReasonConnectionRateExceeded              ReasonCode = 0x9F
	ReasonMaximumConnectTime                  ReasonCode = 0xA0
	ReasonSubscriptionIdentifiersNotSupported ReasonCode = 0xA1
	ReasonWildcardSubscriptionsNotSupported   ReasonCode = 0xA2
)

var reasonText = map[ReasonCode]string{
	ReasonSuccess: "success", ReasonGrantedQoS1: "granted QoS 1", ReasonGrantedQoS2: "granted QoS 2",
	ReasonDisconnectWithWillMessage: "disconnect with will message",
	ReasonNoMatchingSubscribers:     "no matching subscribers", ReasonNoSubscriptionExisted: "no subscription existed",
	ReasonUnspecifiedError: "unspecified error", ReasonMalformedPacket: "malformed packet", ReasonProtocolError: "protocol error",
	ReasonImplementationSpecificError: "implementation specific error", ReasonUnsupportedProtocolVersion: "unsupported protocol version",
	ReasonClientIdentifierNotValid: "client identifier not valid", ReasonBadUsernameOrPassword: "bad user name or password",
	ReasonNotAuthorized: "not authorized", ReasonServerUnavailable: "server unavailable", ReasonServerBusy: "server busy", ReasonBanned: "banned",
	ReasonServerShuttingDown: "server shutting down", ReasonBadAuthenticationMethod: "bad authentication method",
	ReasonKeepAliveTimeout: "keep alive timeout", ReasonSessionTakenOver: "session taken over", ReasonTopicFilterInvalid: "topic filter invalid",
	ReasonTopicNameInvalid: "topic name invalid", ReasonPacketIdentifierInUse: "packet identifier in use",
	ReasonPacketIdentifierNotFound: "packet identifier not found", ReasonReceiveMaximumExceeded: "receive maximum exceeded",
	ReasonTopicAliasInvalid: "topic alias invalid", ReasonPacketTooLarge: "packet too large", ReasonMessageRateTooHigh: "message rate too high",
	ReasonQuotaExceeded: "quota exceeded", ReasonAdministrativeAction: "administrative action", ReasonPayloadFormatInvalid: "payload format invalid",
	ReasonRetainNotSupported: "retain not supported", ReasonQosNotSupported: "QoS not supported", ReasonUseAnotherServer: "use another server",
	ReasonServerMoved: "server moved", ReasonSharedSubscriptionsNotSupported: "shared subscriptions not supported",
	ReasonConnectionRateExceeded: "connection rate exceeded", ReasonMaximumConnectTime: "maximum connect time",
	ReasonSubscriptionIdentifiersNotSupported: "subscription identifiers not supported",
	ReasonWildcardSubscriptionsNotSupported:   "wildcard subscriptions not supported",
}

// String returns the code's text in words, or the number of a code that has none.
func (r ReasonCode) String() string {
	if s, ok := reasonText[r]; ok {
		return s
	}
	return fmt.Sprintf("unknown reason 0x%02X", byte(r))
}

// IsError reports whether the code says that the request failed (0x80 and above).
func (r ReasonCode) IsError() bool { return r >= 0x80 }

// keepsAway reports whether a client waits MaxReconnectDelay after a DISCONNECT with this code: coming back soon will
// not help. A code that blames a packet is not among them: that is found out, see suspect.go.
func (r ReasonCode) keepsAway() bool {
	return r == ReasonBanned || r == ReasonUseAnotherServer || r == ReasonServerMoved
}

// heals reports whether trying again soon may help. After a CONNACK with one of the others a client waits MaxReconnectDelay:
// a wrong credential or a refused client id is not put right by asking again at once.
func (r ReasonCode) heals() bool {
	switch {
	case r >= 0x80 && r <= 0x86, r == 0x8A, r == 0x8C, r == 0x90, r == 0x95, r >= 0x99 && r <= 0x9D:
		return false
	}
	return true
}
