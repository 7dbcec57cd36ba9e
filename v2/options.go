package awsiot

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
)

// The defaults of ClientOptions.
const (
	defaultKeepAlive        = 1200 * time.Second
	defaultMinReconnect     = time.Second
	defaultMaxReconnect     = 120 * time.Second
	defaultStable           = 30 * time.Second
	defaultConnectTimeout   = 10 * time.Second
	defaultConnackTimeout   = 20 * time.Second
	defaultPingTimeout      = 30 * time.Second
	defaultAckTimeout       = 60 * time.Second
	defaultInboundMaxBytes  = 16 << 20
	defaultResubscribeBatch = 8
	defaultAliases          = 25
	defaultReceiveMaximum   = 1000

	// defaultMaximumPacketSize bounds what a broker can make the client buffer: AWS IoT Core's largest payload
	// is 128 KiB.
	defaultMaximumPacketSize = 1 << 20
)

// ClientOptions configures a client. NewClient copies it deeply. The zero value of a field
// means the documented default; Endpoint, ClientID and Auth are what most programs set.
type ClientOptions struct {
	// Endpoint is the broker's host name, IPv4 or IPv6 address (with or without brackets), without a scheme and a
	// port. Required.
	Endpoint string
	// Port: 0 means 443 with the ALPN name that AWS IoT Core wants there, 1883 for
	// PlainTCP and 80 for PlainWebsocket.
	Port int
	// ClientID: at most 65535 bytes (AWS IoT Core: 128). Empty: the broker assigns one, which
	// is kept for the reconnections.
	ClientID string
	// Auth says how the connection is made and proves who the client is. Required; see
	// PlainTCP, TLS, MTLSFromPath and the others.
	Auth Auth
	// CAFile and CAPEM name the certificate authorities that may sign the broker's
	// certificate, in PEM. Neither: the system's. The file is read at Start and at every attempt.
	CAFile string
	CAPEM  []byte
	// TLSConfig is the base for TLS connections (cipher suites, versions, ...); certificates,
	// authorities, server name and ALPN are filled in where they are not set. It is cloned, with its
	// slices and RootCAs; private keys, functions and the session cache are shared.
	TLSConfig *tls.Config

	// KeepAlive: 0 means 1200 s, negative none at all. From 1 s to 65535 s, rounded up to whole seconds. A ping is
	// sent only when nothing was sent, or nothing was received, for that long.
	KeepAlive time.Duration
	// SessionBehavior: see CleanSession, RejoinPostSuccess, RejoinAlways. To rejoin needs SessionExpiry > 0.
	SessionBehavior SessionBehavior
	// SessionExpiry is how long the broker keeps the session after the connection ends, rounded up to
	// whole seconds, up to 2^32-1. 0: it ends with the connection.
	SessionExpiry time.Duration
	// Username and Password of CONNECT. The name gets a suffix, see DisableMetrics.
	Username string
	Password []byte
	// Will is published by the broker when the connection ends without DISCONNECT.
	Will *Will
	// UserProperties of CONNECT.
	UserProperties []UserProperty
	// ReceiveMaximum is how many QoS 1 messages the broker may send without having an
	// acknowledgement. It is announced, and a broker that sends more is disconnected with 0x93. 0: 100 for AWS IoT
	// Core (see FlowControl), which has that limit itself, and 1,000 for others.
	ReceiveMaximum uint16
	// MaximumPacketSize is the largest packet, in bytes, that the broker may send. 0: 1 MiB. It is announced, and
	// the broker drops messages for this client that are larger [MQTT5-3.1.2-25]. A packet that comes
	// nevertheless ends the connection.
	MaximumPacketSize uint32
	// RequestResponseInformation and RequestProblemInformation of CONNECT [MQTT5-3.1.2.11.6]; nil: not sent.
	RequestResponseInformation, RequestProblemInformation *bool

	// OfflineQueue says what waits while there is no connection, and how much.
	OfflineQueue OfflineQueue
	// MaxInflight is how many QoS 1 publishes may be unacknowledged; 0: what the broker's Receive Maximum allows.
	MaxInflight int
	// Resubscribe says when subscriptions are made again after a reconnect.
	Resubscribe Resubscribe
	// Store keeps queued and unacknowledged publishes across the end of the process; nil: memory only. See NewFileStore.
	Store Store
	// Inbound bounds the received QoS 0 messages that wait for a handler.
	Inbound Inbound

	// TopicAliasing replaces repeated topics by numbers, in one direction or both.
	TopicAliasing TopicAliasing
	// FlowControl: which quotas of AWS IoT Core to keep to.
	FlowControl FlowControl

	// RetryJitterMode, MinReconnectDelay (1 s), MaxReconnectDelay (120 s): the delay before
	// attempt n to reconnect is drawn from MinReconnectDelay * 2^n, at most MaxReconnectDelay.
	// With JitterFull, the default, it may be as short as 0. The first attempt after Start is made at once.
	RetryJitterMode   RetryJitterMode
	MinReconnectDelay time.Duration
	MaxReconnectDelay time.Duration
	// InitialReconnectDelay (0: MinReconnectDelay) stands for MinReconnectDelay until a connection has lived
	// for MinConnectedTimeToResetReconnectDelay: v1 began at 1 s, whatever the base.
	InitialReconnectDelay time.Duration
	// MinConnectedTimeToResetReconnectDelay (30 s): a connection that lived as long starts the delays anew.
	MinConnectedTimeToResetReconnectDelay time.Duration
	// ConnectTimeout (10 s) bounds DNS, TCP, proxy, TLS and websocket upgrade together.
	ConnectTimeout time.Duration
	// ConnackTimeout (20 s) bounds CONNECT and CONNACK together, however slowly they come.
	ConnackTimeout time.Duration
	// PingTimeout (30 s, at most half the keep-alive) is how long PINGRESP may take.
	PingTimeout time.Duration
	// AckTimeout (60 s; negative: none) is how long an acknowledgement may take: from the write of the last byte to the
	// acknowledgement or the loss of the connection, summed over connections. Time in a queue, without a connection and
	// before the write does not count; a new process begins at 0. A timeout ends the operation, not the connection.
	AckTimeout time.Duration

	// HTTPProxy returns the proxy for a request to the endpoint; nil, or a nil URL: none.
	// http.ProxyFromEnvironment fits, and http.ProxyURL. Schemes: http and https (CONNECT, with
	// the user name and password of the URL), socks5.
	HTTPProxy func(*http.Request) (*url.URL, error)
	// Dialer replaces the built-in TCP dialer; TLS is put on top of what it returns.
	Dialer func(ctx context.Context, network, addr string) (net.Conn, error)
	// SerialCallbacks runs messages and events in one lane, as the v1 SDK did: a slow message handler then delays events.
	SerialCallbacks bool
	// Trace is told of the phases of connecting and of operations; nil: nobody.
	Trace *Trace
	// DisableMetrics leaves out the suffix ?SDK=PortageGo&Version=...&Platform=... that
	// AWS IoT Core takes off the user name. Keys that the query of the user name has already are not added.
	DisableMetrics bool
	// Logger: nil logs nothing but panics in callbacks, which go to slog.Default then. Packets are logged at LevelTrace,
	// payloads and secrets never.
	Logger *slog.Logger

	// The callbacks of the events; see Observer.
	OnAttemptingConnect func(*AttemptingConnect)
	OnConnectionSuccess func(*ConnectionSuccess)
	OnConnectionFailure func(*ConnectionFailure)
	OnDisconnection     func(*Disconnection)
	OnStopped           func(*Stopped)
	OnResubscribed      func(*Resubscribed)
	// OnPublishReceived gets every message, after the handlers of the filters that match it.
	OnPublishReceived MessageHandler
}

// OfflineQueue says which operations wait while there is no connection, and what bounds the
// operations that wait, also those that wait on a connection for the Receive Maximum.
type OfflineQueue struct {
	// Behavior: FailQoS0 by default.
	Behavior OfflineQueueBehavior
	// MaxOperations: 0 means no limit; negative: nothing waits for a connection, the call ends with ErrOffline.
	MaxOperations int
	// MaxBytes of the encoded packets that wait; 0 means no limit.
	MaxBytes int
	// WhenFull: RejectNew by default.
	WhenFull FullBehavior
	// DrainRate is how many of the waiting operations are sent per second after a reconnect;
	// new calls go behind them. 0: all at once.
	DrainRate float64
	// ReturnQueued makes a blocking call return at once, without an error and with Queued set
	// in its result, when it is made while the client is not connected, resubscribing or draining. A publish
	// that waits on a connection (MaxInflight) when its ctx ends stays in the queue, too: Queued is set beside
	// the error. PublishResult.Pending is the future of what was queued.
	ReturnQueued bool
}

// Resubscribe says when, and in what portions, subscriptions are made again after a reconnect.
type Resubscribe struct {
	// When: ResubscribeIfNoSession by default.
	When ResubscribeWhen
	// BatchSize is the number of filters per SUBSCRIBE, up to 1024; 0 means 8, AWS IoT Core's limit. Where that
	// holds (see FlowControl) more are refused.
	BatchSize int
}

// Inbound bounds the received QoS 0 messages that wait for a handler. QoS 1 messages are
// bounded by ReceiveMaximum. A message counts 256 bytes, its topic, its payload and its properties, a user property 40
// bytes beside its texts.
type Inbound struct {
	// MaxBytes: 0 means 16 MiB.
	MaxBytes int
	// WhenFull: RejectNew drops the new message (default), DropOldest the oldest. Drops are counted and logged. Block is refused.
	WhenFull FullBehavior
}

// TopicAliasing replaces topics by numbers after their first use on a connection.
type TopicAliasing struct {
	// Outbound: AliasDisabled, AliasManual or AliasLRU.
	Outbound AliasBehavior
	// OutboundMaximum bounds the aliases that AliasLRU and AliasManual use, below what the broker
	// allows (Topic Alias Maximum of CONNACK). 0 means 25 for AliasLRU, and no bound of its own for AliasManual.
	OutboundMaximum uint16
	// Inbound: AliasDisabled or AliasEnabled.
	Inbound AliasBehavior
	// InboundMaximum is how many aliases the broker may use; 0 means 25.
	InboundMaximum uint16
}

// aws reports whether the broker is AWS IoT Core: by its name, or because FlowControl says so.
func (o *ClientOptions) aws() bool {
	return topic.IsAWSEndpoint(o.Endpoint) || o.FlowControl == FlowControlAWS || o.FlowControl == FlowControlLimits
}

// limits reports whether AWS's static limits hold.
func (o *ClientOptions) limits() bool { return o.FlowControl.limits(topic.IsAWSEndpoint(o.Endpoint)) }

// withDefaults returns o with the documented default in every field that is 0.
func (o ClientOptions) withDefaults() ClientOptions {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&o.KeepAlive, defaultKeepAlive)
	def(&o.MinReconnectDelay, defaultMinReconnect)
	def(&o.MaxReconnectDelay, defaultMaxReconnect)
	def(&o.MinConnectedTimeToResetReconnectDelay, defaultStable)
	def(&o.ConnectTimeout, defaultConnectTimeout)
	def(&o.ConnackTimeout, defaultConnackTimeout)
	def(&o.PingTimeout, defaultPingTimeout)
	def(&o.AckTimeout, defaultAckTimeout)
	o.KeepAlive = wholeSeconds(max(0, o.KeepAlive)) // as it goes on the wire
	o.SessionExpiry = wholeSeconds(o.SessionExpiry)
	o.Endpoint = bareHost(o.Endpoint)
	if o.ReceiveMaximum == 0 {
		o.ReceiveMaximum = defaultReceiveMaximum
		if o.aws() {
			o.ReceiveMaximum = topic.MaxAWSInflight
		}
	}
	if o.MaximumPacketSize == 0 {
		o.MaximumPacketSize = defaultMaximumPacketSize
	}
	if o.AckTimeout < 0 {
		o.AckTimeout = 0 // none
	}
	if o.Inbound.MaxBytes == 0 {
		o.Inbound.MaxBytes = defaultInboundMaxBytes
	}
	if o.TopicAliasing.InboundMaximum == 0 {
		o.TopicAliasing.InboundMaximum = defaultAliases
	}
	if o.Resubscribe.BatchSize == 0 {
		o.Resubscribe.BatchSize = defaultResubscribeBatch
	}
	if o.Port == 0 {
		o.Port = 443
		switch a := o.Auth.(type) {
		case plainTCP:
			o.Port = 1883
		case websocketAuth:
			if a.plain {
				o.Port = 80
			}
		}
	}
	return o
}

// clone copies everything that the caller could still change.
func (o ClientOptions) clone() ClientOptions {
	o.CAPEM = slices.Clone(o.CAPEM)
	o.Password = slices.Clone(o.Password)
	o.UserProperties = slices.Clone(o.UserProperties)
	o.RequestResponseInformation = clonePtr(o.RequestResponseInformation)
	o.RequestProblemInformation = clonePtr(o.RequestProblemInformation)
	o.TLSConfig = cloneTLS(o.TLSConfig)
	o.Auth = plainAuth(o.Auth)
	if a, ok := o.Auth.(CustomAuthorizer); ok {
		a.Password = slices.Clone(a.Password)
		o.Auth = a
	}
	o.Trace = clonePtr(o.Trace)
	if o.Will != nil {
		w := *o.Will
		w.Payload, w.CorrelationData = slices.Clone(w.Payload), slices.Clone(w.CorrelationData)
		w.UserProperties = slices.Clone(w.UserProperties)
		w.Delay, w.MessageExpiry, w.PayloadFormat = clonePtr(w.Delay), clonePtr(w.MessageExpiry), clonePtr(w.PayloadFormat)
		o.Will = &w
	}
	return o
}

// cloneTLS is tls.Config.Clone, which shares the slices, without that. What belongs to servers stays shared.
func cloneTLS(c *tls.Config) *tls.Config {
	if c == nil {
		return nil
	}
	c = c.Clone()
	c.Certificates = slices.Clone(c.Certificates)
	for i, cert := range c.Certificates {
		c.Certificates[i] = cloneCertificate(cert)
	}
	c.NextProtos = slices.Clone(c.NextProtos)
	c.CipherSuites = slices.Clone(c.CipherSuites)
	c.CurvePreferences = slices.Clone(c.CurvePreferences)
	c.EncryptedClientHelloConfigList = slices.Clone(c.EncryptedClientHelloConfigList)
	if c.RootCAs != nil {
		c.RootCAs = c.RootCAs.Clone()
	}
	return c
}

// cloneCertificate copies what a certificate refers to, but its key and the parsed leaf, which nobody changes.
func cloneCertificate(c tls.Certificate) tls.Certificate {
	c.Certificate = cloneEach(c.Certificate)
	c.SupportedSignatureAlgorithms = slices.Clone(c.SupportedSignatureAlgorithms)
	c.OCSPStaple = slices.Clone(c.OCSPStaple)
	c.SignedCertificateTimestamps = cloneEach(c.SignedCertificateTimestamps)
	return c
}

func cloneEach(list [][]byte) [][]byte {
	list = slices.Clone(list)
	for i, b := range list {
		list[i] = slices.Clone(b)
	}
	return list
}

func clonePtr[T any](p *T) *T {
	if p == nil {
		return nil
	}
	return new(*p)
}
