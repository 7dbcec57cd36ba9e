package awsiot

import "time"

// UserProperty is a name and a value that MQTT 5 carries along; names may repeat and order is kept.
// At most 1024 per packet, each string at most 65535 bytes.
type UserProperty struct{ Name, Value string }

// PublishPacket is a message to send. It is read-only for the client: one packet may be
// shared by concurrent calls, and it and its payload belong to the caller again when the
// call returns. Pointers are optional properties: nil means not sent.
type PublishPacket struct {
	Topic           string // required, no wildcards, at most 65535 bytes
	Payload         []byte // may be empty
	QoS             QoS    // AtMostOnce or AtLeastOnce
	Retain          bool
	TopicAlias      *uint16        // with AliasManual: 1 to what the broker and TopicAliasing.OutboundMaximum allow; else, where the broker allows none, and where a publish from before this connection is above what it allows, ignored
	PayloadFormat   *PayloadFormat // PayloadUTF8 is checked, see there
	MessageExpiry   *time.Duration // 0 to 2^32-1 s, rounded up to whole seconds
	ResponseTopic   string
	CorrelationData []byte
	ContentType     string
	UserProperties  []UserProperty
	// Lasting makes an operation outlive AckTimeout and Stop: it ends with its acknowledgement, with an error about it,
	// or with Close. What is queued or unacknowledged when the client stops, and may be queued as OfflineQueue says, waits
	// for the next Start as for a new connection, also when the call was made while the client was stopping; but a
	// publish that the Store has ends with ErrStopped, and is sent after the next Start all the same.
	Lasting bool
	// PacketID is a packet identifier from ReservePacketID, for a QoS 1 publish that the program keeps until its end, across
	// runs. 0: the client takes one itself.
	PacketID uint16
	// Duplicate, with PacketID: an earlier run of the program may have sent it under this identifier. It goes with DUP when the
	// broker goes on with that run's session, and as a new message when there is none.
	Duplicate bool
}

// Will is the message that the broker publishes when the connection ends without a
// DISCONNECT. Payload: at most 65535 bytes.
type Will struct {
	Topic           string
	Payload         []byte
	QoS             QoS
	Retain          bool
	Delay           *time.Duration // 0 to 2^32-1 s, rounded up to whole seconds; nil: at once
	PayloadFormat   *PayloadFormat // as in PublishPacket
	MessageExpiry   *time.Duration // as in PublishPacket
	ResponseTopic   string
	CorrelationData []byte
	ContentType     string
	UserProperties  []UserProperty
}

// Subscription is one filter of a SUBSCRIBE, and the handler for what it brings.
type Subscription struct {
	TopicFilter       string // wildcards + and #, or $share/group/filter
	QoS               QoS    // the highest QoS wanted: AtMostOnce or AtLeastOnce
	NoLocal           bool   // not with $share [MQTT5-3.8.3-4]
	RetainAsPublished bool
	RetainHandling    RetainHandling
	Handler           MessageHandler // nil: messages go to OnPublishReceived and other routes only
}

// SubscribePacket is a SUBSCRIBE: 1 to 1024 filters (AWS IoT Core: 8).
type SubscribePacket struct {
	Subscriptions          []Subscription
	SubscriptionIdentifier *uint32 // 1 to 268435455; AWS IoT Core has none
	UserProperties         []UserProperty
	Lasting                bool // see PublishPacket.Lasting
}

// UnsubscribePacket is an UNSUBSCRIBE: 1 to 1024 filters (AWS IoT Core: 8).
type UnsubscribePacket struct {
	TopicFilters   []string
	UserProperties []UserProperty
	Lasting        bool // see PublishPacket.Lasting
}

// PublishResult is the end of a publish: the PUBACK at QoS 1; Code 0 at QoS 0, where it
// says that the bytes were written. Queued: see OfflineQueue.ReturnQueued. Pending is the future
// of a message that goes on without the call: with Queued, and with ErrUnknownOutcome; else it is nil.
type PublishResult struct {
	Code           ReasonCode // ReasonSuccess or ReasonNoMatchingSubscribers; >= 0x80 comes with a *ReasonError
	Reason         string
	UserProperties []UserProperty
	Queued         bool
	Pending        *Future[PublishResult]
}

// SubackPacket is the answer to a SUBSCRIBE: one code per filter, in order.
type SubackPacket struct {
	Codes          []ReasonCode
	Reason         string
	UserProperties []UserProperty
	Queued         bool // see OfflineQueue.ReturnQueued; there are no codes then
}

// UnsubackPacket is the answer to an UNSUBSCRIBE: one code per filter, in order.
type UnsubackPacket struct {
	Codes          []ReasonCode
	Reason         string
	UserProperties []UserProperty
	Queued         bool // see OfflineQueue.ReturnQueued; there are no codes then
}

// DisconnectPacket is a DISCONNECT, sent by Stop or received from the broker.
type DisconnectPacket struct {
	Code            ReasonCode     // to send: 0x00, 0x04, 0x80 to 0x83, 0x90, 0x93 to 0x99 [MQTT5-3.14.2.1]
	SessionExpiry   *time.Duration // 0 to 2^32-1 s, rounded up to whole seconds; to send one above 0, CONNECT must have announced one above 0 [MQTT5-3.14.2.2.2]
	Reason          string
	ServerReference string // received only
	UserProperties  []UserProperty
}

// ConnackPacket is the broker's answer to CONNECT [MQTT5-3.2]. Pointers are nil when the
// broker did not send the property.
type ConnackPacket struct {
	SessionPresent                   bool
	Code                             ReasonCode
	Reason                           string
	SessionExpiry                    *time.Duration
	ReceiveMaximum                   *uint16
	MaximumQoS                       *QoS
	RetainAvailable                  *bool
	MaximumPacketSize                *uint32
	AssignedClientIdentifier         string
	TopicAliasMaximum                *uint16
	UserProperties                   []UserProperty
	WildcardSubscriptionsAvailable   *bool
	SubscriptionIdentifiersAvailable *bool
	SharedSubscriptionsAvailable     *bool
	ServerKeepAlive                  *time.Duration
	ResponseInformation              string
	ServerReference                  string
}

// NegotiatedSettings is what holds on a connection: the broker's CONNACK over what CONNECT asked for.
type NegotiatedSettings struct {
	MaximumQoS                       QoS           // AtLeastOnce at most
	SessionExpiry                    time.Duration // how long the broker keeps the session after the connection
	ReceiveMaximumFromServer         uint16        // unacknowledged QoS 1 publishes the broker allows; 65535 when it says nothing
	MaximumPacketSizeToServer        uint32        // bytes; 268435460 when it says nothing
	TopicAliasMaximumToServer        uint16
	TopicAliasMaximumToClient        uint16
	ServerKeepAlive                  time.Duration // the keep-alive in force; 0: off
	RetainAvailable                  bool
	WildcardSubscriptionsAvailable   bool
	SubscriptionIdentifiersAvailable bool
	SharedSubscriptionsAvailable     bool
	RejoinedSession                  bool
	ClientID                         string // as configured, or as the broker assigned it
}
