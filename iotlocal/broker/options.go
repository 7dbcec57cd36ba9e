package broker

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/iotlocal/fault"
	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// Limits are the quotas of the endpoint. A zero field means the value of AWS
// IoT Core (AWS General Reference, "AWS IoT Core endpoints and quotas"), a
// negative one no limit where that makes sense.
type Limits struct {
	// ReceiveMaximum is how many QoS 1 messages an MQTT 5 client may have
	// unacknowledged, announced in CONNACK and enforced with 0x93. 100.
	ReceiveMaximum uint16
	// Outbound bounds the unacknowledged QoS 1 messages towards one client, on
	// top of the client's own receive maximum. 100.
	Outbound int
	// MaximumPacketSize of a packet from a client in bytes, announced in
	// CONNACK. 149,504 (146 KiB).
	MaximumPacketSize uint32
	// Payload of a PUBLISH in bytes. 131,072.
	Payload int
	// TopicAliasMaximum for aliases that clients set. 8; negative: none, 0 is
	// announced.
	TopicAliasMaximum int
	// FiltersPerSubscribe in one SUBSCRIBE or UNSUBSCRIBE. 8.
	FiltersPerSubscribe int
	// Subscriptions of one client; more are refused with 0x97. 50.
	Subscriptions int
	// Slashes in a topic or filter, "$aws/rules/RULE/" and "$share/GROUP/" not
	// counted. 7. The reserved topics of AWS's services, which begin with
	// "$aws/", may have more.
	Slashes int
	// TopicBytes of a topic or filter, counted likewise. 256.
	TopicBytes int
	// ClientIDBytes of a client identifier. 128.
	ClientIDBytes int
	// MaxKeepAlive: a longer keep alive, or none, becomes this one (Server Keep
	// Alive in CONNACK). 1,200 s; negative: as the client says.
	MaxKeepAlive time.Duration
	// MinKeepAlive: a shorter keep alive becomes this one. 0 leaves it as the
	// client says: AWS raises it to 30 s, which would make tests slow.
	MinKeepAlive time.Duration
	// SessionExpiry bounds the session expiry interval of MQTT 5. 604,800 s.
	SessionExpiry time.Duration
	// OfflineReplay is how many of the QoS 1 messages that waited for a client it is
	// sent in a second once it is back. 0 does not pace them; AWS sends 10, which
	// would make tests slow.
	OfflineReplay int
	// PublishesPerSecond is how many PUBLISH packets of one connection are taken in a
	// second; what comes beyond is dropped, not acknowledged, and logged. 0 takes all;
	// AWS takes 100.
	PublishesPerSecond int
	// ConnectsPerSecond is how often one client id may connect in a second; more are
	// refused with 0x9F, in 3.1.1 with 3. 0 is as often as it likes; on AWS it is 1.
	ConnectsPerSecond int
	// PersistentSession is how long a 3.1.1 session with clean session 0 lives
	// after the connection. 1 h.
	PersistentSession time.Duration
	// ConnectTimeout for handshake and CONNECT together. 10 s.
	ConnectTimeout time.Duration
	// Queued QoS 1 messages of one session that wait to be sent; more are
	// dropped, and logged. 100,000.
	Queued int
	// QueuedBytes that a session's QoS 1 messages may take in memory, waiting or
	// unacknowledged, properties included; what goes beyond is dropped, and
	// logged. 64 MiB.
	QueuedBytes int
	// PendingBytes of memory that packets may take, properties included, that
	// wait for a client that reads slowly, before QoS 0 messages to it are
	// dropped, and logged. 16 MiB.
	PendingBytes int
}

// withDefaults fills in what is zero.
func (l Limits) withDefaults() Limits {
	l.ReceiveMaximum = cmp.Or(l.ReceiveMaximum, topic.MaxAWSInflight)
	l.Outbound = cmp.Or(l.Outbound, topic.MaxAWSInflight)
	l.MaximumPacketSize = cmp.Or(l.MaximumPacketSize, 146<<10)
	l.Payload = cmp.Or(l.Payload, topic.MaxAWSPayloadBytes)
	l.TopicAliasMaximum = cmp.Or(l.TopicAliasMaximum, topic.MaxAWSTopicAliases)
	l.FiltersPerSubscribe = cmp.Or(l.FiltersPerSubscribe, topic.MaxAWSFiltersPerSubscribe)
	l.Subscriptions = cmp.Or(l.Subscriptions, topic.MaxAWSSubscriptions)
	l.Slashes = cmp.Or(l.Slashes, topic.MaxAWSSlashes)
	l.TopicBytes = cmp.Or(l.TopicBytes, topic.MaxAWSTopicBytes)
	l.ClientIDBytes = cmp.Or(l.ClientIDBytes, topic.MaxAWSClientIDBytes)
	l.MaxKeepAlive = cmp.Or(l.MaxKeepAlive, topic.MaxAWSKeepAlive)
	l.SessionExpiry = cmp.Or(l.SessionExpiry, 7*24*time.Hour)
	l.PersistentSession = cmp.Or(l.PersistentSession, topic.DefaultAWSSessionExpiry)
	l.ConnectTimeout = cmp.Or(l.ConnectTimeout, 10*time.Second)
	l.Queued = cmp.Or(l.Queued, 100_000)
	l.QueuedBytes = cmp.Or(l.QueuedBytes, 64<<20)
	l.PendingBytes = cmp.Or(l.PendingBytes, 16<<20)
	l.TopicAliasMaximum = max(l.TopicAliasMaximum, 0)
	return l
}

// over reports whether n exceeds a limit; negative limits are none.
func over(n, limit int) bool { return limit >= 0 && n > limit }

// Standard turns single deviations of AWS IoT Core from the MQTT
// specification off. The zero value behaves as AWS does.
type Standard struct {
	// RetainedToWildcards sends retained messages to new subscriptions with
	// wildcards too [MQTT5-3.8.4]. AWS sends them to exact filters only.
	RetainedToWildcards bool
	// HashMatchesParent lets "a/#" match "a" as [MQTT5-4.7.1.2] says. On AWS it
	// does not.
	HashMatchesParent bool
}

// Client is a connected client as hooks see it. It is valid for the life of
// its connection, and its methods may be called afterwards to no effect.
type Client struct {
	// ID is the client identifier, assigned if the client gave none.
	ID string
	// Version is the protocol the client speaks.
	Version wire.Version
	// Username without the metrics suffix, and Password as sent.
	Username string
	Password []byte
	// CleanStart and HasWill as in CONNECT.
	CleanStart, HasWill bool
	// Persistent: the session outlives the connection.
	Persistent bool
	// RemoteAddr is the peer's address.
	RemoteAddr string
	// Secure: the connection came over TLS, also where somebody else did the
	// handshake.
	Secure bool
	// Principal is whom the connection has been authenticated as by who accepted
	// it, where that is not by certificate; "" otherwise. See Broker.ServeConn.
	Principal string
	// SNI and ALPN are what the client named in the TLS handshake.
	SNI, ALPN string
	// Request is that of the websocket upgrade; nil for others.
	Request *http.Request
	// Certificates is the verified chain of the client, leaf first; nil on the
	// plain port.
	Certificates []*x509.Certificate

	// Value is for the hooks: what Connect sets is there for the others.
	Value any
	// Custom is for the hooks as well: what a custom authorizer has decided.
	Custom any
	// Denial is for the hooks too: a hook that refuses may say why. It goes into
	// the record, not to the client.
	Denial string

	conn *conn
}

// Number is that of the connection in the record.
func (c *Client) Number() int { return c.conn.number }

// Send delivers a message to this client alone, whether or not it has a
// subscription that matches: the way AWS answers Jobs and provisioning
// requests.
func (c *Client) Send(m *Message) { c.conn.b.sendTo(c.conn, m) }

// End ends the connection with DISCONNECT and that code; a 3.1.1 client is only
// closed. The will is sent. The cause is Kicked.
func (c *Client) End(code wire.Code, reason string) { c.EndAs(Kicked, code, reason) }

// EndAs is End for another cause.
func (c *Client) EndAs(cause Cause, code wire.Code, reason string) {
	b := c.conn.b
	b.mu.Lock()
	b.detach(c.conn, cause)
	b.unlock()
	c.conn.end(code, reason, false)
}

// Granted returns the highest QoS among the client's own subscriptions that
// match a topic; ok is false when none does. What is sent past subscriptions must
// not exceed it [MQTT5-3.8.4-8].
func (c *Client) Granted(topic string) (qos byte, ok bool) { return c.conn.b.granted(c.conn, topic) }

// Hooks are the places where services and policies take part. Every field may
// be nil. They run on the reader goroutine of the client concerned, without a
// lock: they may publish, and must not block for long. A Message that they are given
// is theirs during the call only, and so is its payload.
type Hooks struct {
	// Owner names a client certificate, and the thing that it is attached to, for the
	// record. It is called with nothing locked.
	Owner func(*x509.Certificate) (certificateID, thing string)
	// Connect decides whether the client may connect; a code of 0x80 or above
	// refuses it.
	Connect func(*Client) wire.Code
	// Will decides, when the client connects, whether its will may be published
	// once its time has come. One that may not is forgotten.
	Will func(*Client, *Message) wire.Code
	// Publish decides whether the client may publish the message.
	Publish func(*Client, *Message) wire.Code
	// Subscribe decides about one filter. A 3.1.1 client that may not is
	// disconnected, as AWS IoT Core does.
	Subscribe func(c *Client, filter string) wire.Code
	// Receive decides whether a message may be sent to the client: it returns "", or
	// why not. Unlike the others it runs with the broker locked, on whatever
	// goroutine: it must be quick, and not call the Broker.
	Receive func(*Client, *Message) (denial string)
	// Routed hears of every message on its way to subscribers, and of whom it is: a
	// client id, or "". As Receive it runs with the broker locked.
	Routed func(clientID string, m *Message)
	// Subscribed and Unsubscribed tell of filters that a client has now, and no longer
	// has, after it has been answered.
	Subscribed, Unsubscribed func(c *Client, filters []string)
	// Connected and Disconnected tell of clients that came and went.
	Connected    func(*Client)
	Disconnected func(*Client, Cause)
}

// Service takes the messages that clients publish under a topic prefix. The
// message has been routed and acknowledged before.
type Service func(c *Client, m *Message)

// Options configure a Broker. The zero value is usable.
type Options struct {
	Limits   Limits
	Standard Standard
	Hooks    Hooks
	// Services by topic prefix, as "$aws/things/".
	Services map[string]Service
	// Protocols take connections over after the TLS handshake that agreed on their
	// ALPN name, with what they are. The Broker is done with them then.
	Protocols map[string]func(*tls.Conn)
	// Keeper is where retained messages and persistent sessions are kept; nil: in
	// memory alone.
	Keeper Keeper
	// Recorder gets every packet; nil records nothing.
	Recorder *record.Recorder
	// Faults is asked about every packet; nil means none.
	Faults *fault.Set
	// Logger gets connection events at debug level and losses at warning
	// level; nil discards.
	Logger *slog.Logger
	// Now is the clock of expiries and delays of sessions, messages and wills;
	// nil is time.Now. When it has jumped ahead, call Wake.
	Now func() time.Time
}

// Cause says why a connection ended.
type Cause int

// The causes.
const (
	CauseNone          Cause = iota // still connected
	ClientDisconnected              // DISCONNECT, normal or with will
	ConnectionLost                  // the stream ended without DISCONNECT
	KeepAliveExpired                // no packet received for 1.5 times the keep alive
	ClientError                     // a protocol violation
	NotPermitted                    // a hook refused
	DuplicateClientID               // taken over by a newer connection
	Kicked                          // by the test or the program around the server
	Shutdown                        // the server closes
	AuthorizerExpired               // the time that a custom authorizer gave is over
)

var causeNames = [...]string{"none", "client disconnected", "connection lost", "keep alive expired",
	"client error", "not permitted", "duplicate client id", "kicked", "shutdown", "time of the custom authorizer is over"}

// String returns the cause in words.
func (c Cause) String() string {
	if c >= 0 && int(c) < len(causeNames) {
		return causeNames[c]
	}
	return "unknown"
}
