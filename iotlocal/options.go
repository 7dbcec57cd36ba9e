package iotlocal

import (
	"log/slog"
	"net"

	"github.com/portage-iot/awsiot/iotlocal/broker"
	"github.com/portage-iot/awsiot/iotlocal/commands"
	"github.com/portage-iot/awsiot/iotlocal/fault"
	"github.com/portage-iot/awsiot/iotlocal/jobs"
	"github.com/portage-iot/awsiot/iotlocal/provisioning"
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
	// StateDir is where everything is kept that is to survive a restart: see the
	// documentation of the package. It is made if it is not there. With it Dir is by
	// default its directory certs. "": nothing but the files of Dir.
	StateDir string
	// TLSPort and TCPPort: 0 is a free one, Off (-1) none. TLSPort does what AWS's
	// 443, 8443 and 8883 do, by the ALPN name that the client offers: MQTT with a
	// client certificate (x-amzn-mqtt-ca, or none), MQTT with a custom authorizer
	// (mqtt), the HTTPS data plane with a client certificate (x-amzn-http-ca), and
	// that with a certificate or a signature, and websockets (http/1.1; h2 is for
	// clients that know nothing else, and has no websockets).
	TLSPort, TCPPort int
	// WSPort and WSSPort are those of MQTT over websockets, at /mqtt, without
	// TLS and with it: 0 is a free one, Off (-1) none. Clients of WSSPort need no
	// certificate, and have no identity.
	WSPort, WSSPort int
	// APIPort is that of AWS's own REST APIs, for the aws CLI and the SDKs
	// (Server.APIURL), without TLS: 0 is a free one, Off none. When other machines
	// reach it there must be Credentials: without them 0 is none, and a port an
	// error.
	APIPort int
	// Credentials are the AWS credentials, by access key id, that a websocket
	// upgrade and a request of the API must be signed with (Signature Version 4);
	// 403 is the answer to others. Empty: any signature will do if its time is right, and none too.
	// See Server.SetCredentials.
	Credentials map[string]Credential
	// Origins are the origins, as https://app.example, whose pages may open
	// websockets, or ask the API, from a browser, beside those of the endpoint's own host and
	// port; "*" is all. Clients that are no browsers send no origin.
	Origins []string
	// Region is the AWS region that the endpoint stands for, in policies too: it is
	// that of the resources, and "" is whatever a document says. And
	// RefuseOtherRegions whether a websocket upgrade that was signed for another
	// one is refused, as AWS does. By default it is taken.
	Region             string
	RefuseOtherRegions bool
	// ListenAddr is the address without port. "": 127.0.0.1, with Listen set
	// localhost, which is then what Host returns.
	ListenAddr string
	// SANs are more names or IP addresses for the server certificate, beside
	// localhost, 127.0.0.1 and ::1.
	SANs []string
	// RequireSNI refuses TLS clients that name no host (RFC 6066, server name indication). AWS has asked for it of every
	// client, and does so still where it matters: with several accounts, custom domains and VPC endpoints. Clients that
	// connect by IP address send none.
	RequireSNI bool
	// Listen opens a listener; nil is net.Listen. With an in-memory network the
	// server runs inside testing/synctest: it starts no goroutine but its own
	// and takes the time from package time.
	Listen func(network, address string) (net.Listener, error)

	// Prepare, unless it is nil, is called by Start before anybody is served: the place for things, policies, rules
	// (Server.Configure), so that nobody meets a half of them. Who connects meanwhile waits. Its error is that of
	// Start.
	Prepare func(*Server) error

	// Limits are the quotas; zero fields are those of AWS IoT Core.
	Limits Limits
	// Standard turns deviations of AWS from the MQTT specification off.
	Standard Standard
	// ShadowLimits are those of the Device Shadow service.
	ShadowLimits ShadowLimits
	// JobLimits are those of the Jobs service.
	JobLimits JobLimits
	// ProvisioningLimits are those of fleet provisioning.
	ProvisioningLimits ProvisioningLimits
	// CommandLimits are those of the commands feature.
	CommandLimits CommandLimits
	// RecorderCap is how many packets the Recorder keeps; 0 is 100,000,
	// negative none. RecorderBytes bounds what was in them on the wire, topics and
	// properties included, and costs more in memory; 0 is 64 MiB.
	RecorderCap, RecorderBytes int
	// Logger gets connection events at debug and losses at warning level; nil
	// discards.
	Logger *slog.Logger
}

// The parts of iotlocal that users name, from their packages.
type (
	// Limits are the quotas of the endpoint. Its fields, with their defaults, stand in [broker.Limits].
	Limits = broker.Limits
	// Standard turns deviations of AWS from the MQTT specification off: see the fields of [broker.Standard].
	Standard = broker.Standard
	// ShadowLimits are the quotas of the Device Shadow service: see the fields of [shadow.Limits].
	ShadowLimits = shadow.Limits
	// JobLimits are the quotas of the Jobs service: see the fields of [jobs.Limits].
	JobLimits = jobs.Limits
	// ProvisioningLimits are the quotas of fleet provisioning: see the fields of [provisioning.Limits].
	ProvisioningLimits = provisioning.Limits
	// CommandLimits are the quotas of the commands feature: see the fields of [commands.Limits].
	CommandLimits = commands.Limits
	// Message is an application message: see the fields of [broker.Message].
	Message = broker.Message
	// Session describes what the server keeps for a client id: see the fields of [broker.Session].
	Session = broker.Session
	// Recorder keeps the packets of both directions: see the methods of [record.Recorder].
	Recorder = record.Recorder
	// Packet is one recorded packet or transport event: see the fields of [record.Packet].
	Packet = record.Packet
	// Filter is one entry of a recorded SUBSCRIBE: see the fields of [record.Filter].
	Filter = record.Filter
	// UserProperty is one user property of MQTT 5, Name and Value: [record.UserProperty].
	UserProperty = record.UserProperty
	// Rule is one fault rule: see the fields of [fault.Rule].
	Rule = fault.Rule
	// Action is what a fault rule does: see the constants of [fault.Action].
	Action = fault.Action
	// RuleHandle controls a fault rule that was added: see the methods of [fault.Handle].
	RuleHandle = fault.Handle
	// PacketType is an MQTT control packet type: see the constants of [wire.PacketType].
	PacketType = wire.PacketType
	// Direction says who sent a packet: see the constants of [wire.Direction].
	Direction = wire.Direction
	// Code is an MQTT reason code: see the constants of [wire.Code].
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
	PolicyDecided   = wire.PolicyDecided
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
