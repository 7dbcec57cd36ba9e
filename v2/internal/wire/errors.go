package wire

import "fmt"

// Reason codes an [Error] carries: what belongs into the DISCONNECT that answers the offending packet (MQTT 5, 4.13.1).
const (
	CodeMalformed         byte = 0x81 // the bytes cannot be parsed as the packet they claim to be
	CodeProtocolError     byte = 0x82 // parsed, but the protocol forbids it
	CodeTopicAliasInvalid byte = 0x94 // topic alias 0
	CodePacketTooLarge    byte = 0x95 // more than the announced maximum packet size
)

// Error is a packet that breaks MQTT 5: received from the server, or about to be encoded.
type Error struct {
	Code    byte   // reason code for the DISCONNECT that answers it
	Packet  string // name of the control packet, like "PUBLISH"
	Problem string // what is wrong, in words
}

// Error returns text like "mqtt: PUBLISH: packet identifier 0 (0x82)".
func (e *Error) Error() string {
	return fmt.Sprintf("mqtt: %s: %s (0x%02X)", e.Packet, e.Problem, e.Code)
}

// Is makes errors.Is(err, ErrTooLarge) true for every Error with the code of ErrTooLarge:
// the one that is returned names the packet and both sizes.
func (e *Error) Is(target error) bool {
	return target == error(ErrTooLarge) && e.Code == CodePacketTooLarge
}

// ErrTooLarge is what a packet above the maximum packet size compares to with errors.Is [MQTT5-3.1.2-24].
var ErrTooLarge = &Error{Code: CodePacketTooLarge, Packet: "packet", Problem: "larger than the maximum packet size"}

func malformed(packet byte, format string, args ...any) *Error {
	return &Error{Code: CodeMalformed, Packet: TypeName(packet), Problem: fmt.Sprintf(format, args...)}
}

func protocolError(packet byte, format string, args ...any) *Error {
	return &Error{Code: CodeProtocolError, Packet: TypeName(packet), Problem: fmt.Sprintf(format, args...)}
}
