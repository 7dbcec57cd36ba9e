package iotlocal

import (
	"log/slog"
	"net"

	"github.com/portage-iot/awsiot/iotlocal/broker"
	"github.com/portage-iot/awsiot/iotlocal/fault"
	"github.com/portage-iot/awsiot/iotlocal/jobs"
	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/shadow"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// Off as a port number means that the server does not listen there.
const Off = -1

// Options configure a Server. The zero value listens for TLS and plain TCP, and
// for websockets on both, on free ports of the loopback interface, with the
// limits of AWS IoT Core.
type Options struct {
	// Dir is where the CA and the things' certificates are written. A CA found
	// there is used again, so that files given out earlier stay good. "": a
	// temporary directory that Close removes.
	Dir string
	// TLSPort and TCPPort: 0 is a free one, Off (-1) none.
	TLSPort, TCPPort int
	// WSPort and WSSPort are those of MQTT over websockets, at /mqtt, without
	// TLS and with it: 0 is a free one, Off (-1) none. Clients of WSSPort need no
	// certificate, and have no identity.
	WSPort, WSSPort int
	// Credentials are the AWS credentials, by access key id, that a websocket
	// upgrade must be signed with (Signature Version 4); 403 is the answer to
	// others. Empty: any signature will do if its time is right, and none too.
	// See Server.SetCredentials.
	Credentials map[string]Credential
	// ListenAddr is the address without port. "": 127.0.0.1, with Listen set
	// localhost, which is then what Host returns.
	ListenAddr string
	// SANs are more names or IP addresses for the server certificate, beside
	// localhost, 127.0.0.1 and ::1.
	SANs []string
	// Listen opens a listener; nil is net.Listen. With an in-memory network the
	// server runs inside testing/synctest: it starts no goroutine but its own
	// and takes the time from package time.
	Listen func(network, address string) (net.Listener, error)

	// Limits are the quotas; zero fields are those of AWS IoT Core.
	Limits Limits
	// Standard turns deviations of AWS from the MQTT specification off.
	Standard Standard
	// ShadowLimits are those of the Device Shadow service.
	ShadowLimits ShadowLimits
	// JobLimits are those of the Jobs service.
	JobLimits JobLimits
	// RecorderCap is how many packets the Recorder keeps; 0 is 100,000,
	// negative none. RecorderBytes bounds their payloads; 0 is 64 MiB.
	RecorderCap, RecorderBytes int
	// Logger gets connection events at debug and losses at warning level; nil
	// discards.
	Logger *slog.Logger
}

// The parts of iotlocal that users name, from their packages.
type (
	// Limits are the quotas of the endpoint.
	Limits = broker.Limits
	// Standard turns deviations of AWS from the MQTT specification off.
	Standard = broker.Standard
	// ShadowLimits are the quotas of the Device Shadow service.
	ShadowLimits = shadow.Limits
	// JobLimits are the quotas of the Jobs service.
	JobLimits = jobs.Limits
	// Message is an application message.
	Message = broker.Message
	// Session describes what the server keeps for a client id.
	Session = broker.Session
	// Recorder keeps the packets of both directions.
	Recorder = record.Recorder
	// Packet is one recorded packet or transport event.
	Packet = record.Packet
	// Filter is one entry of a recorded SUBSCRIBE.
	Filter = record.Filter
	// UserProperty is one user property of MQTT 5.
	UserProperty = record.UserProperty
	// Rule is one fault rule.
	Rule = fault.Rule
	// Action is what a fault rule does.
	Action = fault.Action
	// RuleHandle controls a fault rule that was added.
	RuleHandle = fault.Handle
	// PacketType is an MQTT control packet type.
	PacketType = wire.PacketType
	// Direction says who sent a packet.
	Direction = wire.Direction
	// Code is an MQTT reason code.
	Code = wire.Code
)

// The directions, for rules and for reading the record.
const (
	AnyDirection   = wire.AnyDirection
	ClientToServer = wire.ClientToServer
	ServerToClient = wire.ServerToClient
	Event          = wire.Event
)

// The packet types and transport events, for rules and for reading the record.
const (
	CONNECT         = wire.CONNECT
	CONNACK         = wire.CONNACK
	PUBLISH         = wire.PUBLISH
	PUBACK          = wire.PUBACK
	SUBSCRIBE       = wire.SUBSCRIBE
	SUBACK          = wire.SUBACK
	UNSUBSCRIBE     = wire.UNSUBSCRIBE
	UNSUBACK        = wire.UNSUBACK
	PINGREQ         = wire.PINGREQ
	PINGRESP        = wire.PINGRESP
	DISCONNECT      = wire.DISCONNECT
	TransportOpen   = wire.TransportOpen
	ClientClosed    = wire.ClientClosed
	ServerClosed    = wire.ServerClosed
	HandshakeFailed = wire.HandshakeFailed
)

// The actions of fault rules; see package fault for what they do.
const (
	Pass      = fault.Pass
	Drop      = fault.Drop
	Delay     = fault.Delay
	Hold      = fault.Hold
	Duplicate = fault.Duplicate
	Reject    = fault.Reject
	Replace   = fault.Replace
	CutBefore = fault.CutBefore
	CutMiddle = fault.CutMiddle
	CutAfter  = fault.CutAfter
)
