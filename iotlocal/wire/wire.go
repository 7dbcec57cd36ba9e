// Package wire is the vocabulary that the parts of iotlocal share: packet
// types, directions and MQTT reason codes, each an own type that prints itself
// in the words of the specification.
package wire

import "fmt"

// PacketType is an MQTT control packet type as it stands in the upper half of
// the first byte [MQTT5-2.1.2], or one of the transport events of the recorder.
type PacketType byte

// The control packet types of MQTT 3.1.1 and 5; AUTH is MQTT 5 only.
const (
	CONNECT     PacketType = 1
	CONNACK     PacketType = 2
	PUBLISH     PacketType = 3
	PUBACK      PacketType = 4
	PUBREC      PacketType = 5
	PUBREL      PacketType = 6
	PUBCOMP     PacketType = 7
	SUBSCRIBE   PacketType = 8
	SUBACK      PacketType = 9
	UNSUBSCRIBE PacketType = 10
	UNSUBACK    PacketType = 11
	PINGREQ     PacketType = 12
	PINGRESP    PacketType = 13
	DISCONNECT  PacketType = 14
	AUTH        PacketType = 15
)

// Events of the transport, recorded in line with the packets. They are never
// on the wire; the numbers lie outside the four bits of a packet type.
const (
	// TransportOpen is recorded when the TCP connection and, on the TLS port,
	// the handshake are complete.
	TransportOpen PacketType = 32
	// ClientClosed: the peer ended the connection, with or without DISCONNECT.
	ClientClosed PacketType = 33
	// ServerClosed: this server ended the connection.
	ServerClosed PacketType = 34
	// HandshakeFailed: the TLS handshake was not completed.
	HandshakeFailed PacketType = 35
	// PolicyDecided: a policy, or that there is none, allows or denies something. It
	// is recorded only while somebody follows the record.
	PolicyDecided PacketType = 36
)

var typeNames = map[PacketType]string{
	CONNECT: "CONNECT", CONNACK: "CONNACK", PUBLISH: "PUBLISH", PUBACK: "PUBACK",
	PUBREC: "PUBREC", PUBREL: "PUBREL", PUBCOMP: "PUBCOMP", SUBSCRIBE: "SUBSCRIBE",
	SUBACK: "SUBACK", UNSUBSCRIBE: "UNSUBSCRIBE", UNSUBACK: "UNSUBACK",
	PINGREQ: "PINGREQ", PINGRESP: "PINGRESP", DISCONNECT: "DISCONNECT", AUTH: "AUTH",
	TransportOpen: "TRANSPORT_OPEN", ClientClosed: "CLIENT_CLOSED",
	ServerClosed: "SERVER_SIDE_CLOSED", HandshakeFailed: "HANDSHAKE_FAILED",
	PolicyDecided: "POLICY_DECISION",
}

// String returns the name the specification uses, as PUBLISH.
func (t PacketType) String() string {
	if n, ok := typeNames[t]; ok {
		return n
	}
	return fmt.Sprintf("TYPE_%d", byte(t))
}

// MarshalText makes JSON carry the name instead of the number.
func (t PacketType) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads a name written by MarshalText.
func (t *PacketType) UnmarshalText(b []byte) error {
	for k, n := range typeNames {
		if n == string(b) {
			*t = k
			return nil
		}
	}
	return fmt.Errorf("iotlocal: unknown packet type %q", b)
}

// Direction says who sent a packet.
type Direction byte

// The directions. AnyDirection is for fault rules only; Event marks a
// transport event in the record.
const (
	AnyDirection   Direction = 0
	ClientToServer Direction = 1
	ServerToClient Direction = 2
	Event          Direction = 3
)

// String returns c2s, s2c, event or any: the words of the transcripts.
func (d Direction) String() string {
	switch d {
	case ClientToServer:
		return "c2s"
	case ServerToClient:
		return "s2c"
	case Event:
		return "event"
	case AnyDirection:
		return "any"
	}
	return fmt.Sprintf("Direction(%d)", byte(d))
}

// MarshalText makes JSON carry the word instead of the number.
func (d Direction) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a word written by MarshalText.
func (d *Direction) UnmarshalText(b []byte) error {
	for _, v := range []Direction{AnyDirection, ClientToServer, ServerToClient, Event} {
		if v.String() == string(b) {
			*d = v
			return nil
		}
	}
	return fmt.Errorf("iotlocal: unknown direction %q", b)
}

// Version is the protocol level of a connection, the byte of the CONNECT
// packet [MQTT5-3.1.2.2].
type Version byte

// The protocol levels this server speaks.
const (
	MQTT31  Version = 3 // MQIsdp
	MQTT311 Version = 4
	MQTT5   Version = 5
)

// String returns "MQTT 5", "MQTT 3.1.1" or "MQTT 3.1".
func (v Version) String() string {
	switch v {
	case MQTT31:
		return "MQTT 3.1"
	case MQTT311:
		return "MQTT 3.1.1"
	case MQTT5:
		return "MQTT 5"
	}
	return fmt.Sprintf("MQTT level %d", byte(v))
}
