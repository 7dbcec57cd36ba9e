package wire

// Pingreq is an encoded PINGREQ. It must not be modified.
var Pingreq = []byte{TypePingreq << 4, 0}

// Pingresp is a received PINGRESP, which holds nothing.
type Pingresp struct{}

// Will is the message the server publishes for a client that is lost (MQTT 5, 3.1.2.5).
type Will struct {
	Topic   string
	Payload []byte // at most 65,535 bytes
	QoS     byte
	Retain  bool
	Delay   *uint32 // seconds; nil = 0
	Props   Properties
}

// Connect is a CONNECT of MQTT 5. A nil pointer leaves the property out, and the default of the specification holds.
type Connect struct {
	ClientID                                              string // "" = the server assigns one
	CleanStart                                            bool
	KeepAlive                                             uint16 // seconds; 0 = off
	Username                                              *string
	Password                                              []byte // nil = no password; empty is one
	Will                                                  *Will
	SessionExpiry                                         *uint32 // seconds; 0xFFFFFFFF = never
	ReceiveMaximum                                        *uint16 // not 0
	MaximumPacketSize                                     *uint32 // bytes, not 0
	TopicAliasMaximum                                     *uint16
	RequestResponseInformation, RequestProblemInformation *bool
	User                                                  []UserProperty
}

// Connack is the answer to a CONNECT. A nil pointer and an empty string are a property the server left out.
type Connack struct {
	SessionPresent                 bool
	Code                           byte    // below 0x80 is success
	SessionExpiry                  *uint32 // seconds
	ReceiveMaximum                 *uint16 // not 0
	MaximumQoS                     *byte   // 0 or 1
	RetainAvailable                *bool
	MaximumPacketSize              *uint32 // bytes, not 0
	AssignedClientID               string
	TopicAliasMaximum              *uint16
	Reason                         string
	User                           []UserProperty
	WildcardSubscriptionsAvailable *bool
	SubscriptionIDsAvailable       *bool
	SharedSubscriptionsAvailable   *bool
	ServerKeepAlive                *uint16 // seconds
	ResponseInformation            string
	ServerReference                string
}

// SubOption is one topic filter of a SUBSCRIBE with its options (MQTT 5, 3.8.3.1).
type SubOption struct {
	Filter                     string
	QoS                        byte
	NoLocal, RetainAsPublished bool
	RetainHandling             byte // 0 send, 1 send if new, 2 do not send
}

// Subscribe is a SUBSCRIBE.
type Subscribe struct {
	ID             uint16
	Subs           []SubOption
	SubscriptionID *uint32 // 1 to 268,435,455
	User           []UserProperty
}

// Unsubscribe is an UNSUBSCRIBE.
type Unsubscribe struct {
	ID      uint16
	Filters []string
	User    []UserProperty
}

// Suback answers a SUBSCRIBE with one code for each filter, in their order; there is at least one.
type Suback struct {
	ID     uint16
	Codes  []byte // below 0x80: the granted QoS
	Reason string
	User   []UserProperty
}

// Unsuback answers an UNSUBSCRIBE with one code for each filter, in their order; there is at least one.
type Unsuback struct {
	ID     uint16
	Codes  []byte // below 0x80 is success
	Reason string
	User   []UserProperty
}

// Disconnect is a DISCONNECT, sent or received.
type Disconnect struct {
	Code            byte
	SessionExpiry   *uint32 // seconds; only sent
	Reason          string
	ServerReference string // only received
	User            []UserProperty
}
