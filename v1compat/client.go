package v1compat

import (
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// ProtocolType is v1's protocolType. It is accepted and has no effect: the
// client speaks MQTT 5.
//
// Deprecated: package awsiot speaks MQTT 5.
type ProtocolType int

// The values of v1's protocolType.
//
// Deprecated: package awsiot speaks MQTT 5.
const (
	// MQTTv31 is v1's MQTTv3_1.
	MQTTv31 ProtocolType = 3
	// MQTTv311 is v1's MQTTv3_1_1, the default.
	MQTTv311 ProtocolType = 4
)

// String returns the name of the constant.
func (p ProtocolType) String() string {
	switch p {
	case MQTTv31:
		return "MQTTv31"
	case MQTTv311:
		return "MQTTv311"
	}
	return fmt.Sprintf("ProtocolType(%d)", int(p))
}

// ClientOption stands for an optional argument of v1's constructor.
//
// Deprecated: use awsiot.ClientOptions.
type ClientOption func(*settings)

// WithProtocolType is v1's protocolType; see ProtocolType. v1 did not check it
// either.
//
// Deprecated: package awsiot speaks MQTT 5.
func WithProtocolType(ProtocolType) ClientOption { return func(*settings) {} }

// WithWebsocket is v1's useWebsocket: MQTT over secure websocket with a handshake
// signed by AWS credentials, those of ConfigureIAMCredentials or, without, those
// that v1 looked for: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
// AWS_SESSION_TOKEN in the environment, then section [default] or [DEFAULT] of
// ~/.aws/credentials. They are looked up anew at every handshake, also when
// reconnecting. The region is that in the endpoint's name; other endpoints, such
// as custom domains, are refused, as in v1 (awsauth.Websocket takes a region).
//
// Differences from v1: the handshake keeps to RFC 6455, the subprotocol is mqtt
// and the service that the signature names iotdevicegateway; the server's name is
// sent in TLS; a handshake that fails while reconnecting is tried again, where v1
// gave up for good; without ConfigureCredentials the server is verified with the
// CAs of the system, where v1 spoke plain MQTT.
//
// Deprecated: use awsauth.Websocket.
func WithWebsocket(use bool) ClientOption { return func(s *settings) { s.websocket = use } }

// WithCleanSession is v1's cleanSession, true by default. With false the session
// is rejoined at every connect and lives for an hour without a connection, as
// AWS IoT Core keeps it for MQTT 3.1.1 clients by default.
//
// Deprecated: use awsiot.ClientOptions.SessionBehavior and SessionExpiry.
func WithCleanSession(clean bool) ClientOption { return func(s *settings) { s.clean = clean } }

// WithQuirks switches single behaviours between v1's and this package's; v1 had
// nothing like it.
//
// Deprecated: package awsiot has no quirks of v1.
func WithQuirks(q Quirks) ClientOption { return func(s *settings) { s.quirks = q } }

// WithStrictV1 brings back what v1 did where that is sane: the first part of
// Quirks.
//
// Deprecated: package awsiot has no quirks of v1.
func WithStrictV1() ClientOption { return WithQuirks(strictV1()) }

// AWSIoTMQTTClient is v1's AWSIoTMQTTClient. The zero value is not usable; make
// it with NewAWSIoTMQTTClient or FromV2. Its methods may be called concurrently.
//
// The hooks are read at Connect and ConnectAsync, as in v1: an assignment later
// has no effect until the next one. On a client made by FromV2, which may connect
// without either, they are read when the event happens. All of them, and all ack and
// message callbacks, run one after another in the order of the events (not for a
// client made by FromV2 whose awsiot.Client has SerialCallbacks off). A blocking call
// inside a callback works, which it did not in v1.
//
// Differences from v1 beside those that Quirks names: the client speaks MQTT 5;
// callbacks get the client itself, where v1 passed None, and userdata nil.
//
// Deprecated: use awsiot.Client.
type AWSIoTMQTTClient struct {
	// OnOnline is v1's onOnline: called at every successful CONNACK.
	OnOnline func()
	// OnOffline is v1's onOffline: called once at the end of every connection,
	// whoever ended it.
	OnOffline func()
	// OnMessage is v1's onMessage: called for every message, after the callbacks
	// of the filters that match it, also when none does.
	OnMessage func(*Message)
	// OnAsyncError is new: it is told what v1 swallowed. op is "publish",
	// "subscribe", "unsubscribe" or "connect"; err is what the blocking call would
	// have returned, as the *PublishError of a message that the server refused and
	// whose ack callback is therefore not called. Nil: it is logged.
	OnAsyncError func(op, topic string, err error)

	core    *awsiot.Client // one for life
	wrapped bool           // made by FromV2
	limits  limits         // of blocking publishes
	turn    chan struct{}  // has a token while a connect call starts the core

	mu       sync.Mutex // not held across I/O or a callback
	settings settings   // clientID never changes
	problems []*ConfigureError
	later    []change // Configure calls that count from the next Connect on
	life     lifecycle
	requests requestList
	drops    int                // requests that DropOldest has dropped and no call has reported
	records  map[string]*record // by filter
	order    uint64             // of the newest record
	ended    map[string]int     // UNSUBSCRIBEs made here whose event has not come, by filter
	deniable net.Conn           // the connection, with Quirks.CloseWhenDenied
	lastMid  Mid
	inMid    Mid
	lastIn   *awsiot.Message // the message being dispatched, and its v1 form
	lastOut  *Message
}

// newClient is what the constructors have in common. core is nil for a client that gets its own.
func newClient(s settings, core *awsiot.Client) *AWSIoTMQTTClient {
	c := &AWSIoTMQTTClient{settings: s, wrapped: core != nil, core: core, turn: make(chan struct{}, 1),
		records: map[string]*record{}, ended: map[string]int{}}
	if core == nil {
		c.core = awsiot.NewClient(c.birthOptions())
	}
	return c
}

// NewAWSIoTMQTTClient is v1's AWSIoTMQTTClient(clientID, ...). It opens no
// connection. An empty client id becomes a random one, made locally.
//
// Deprecated: use awsiot.NewClient(awsiot.OptionsV1(clientID)).
func NewAWSIoTMQTTClient(clientID string, opts ...ClientOption) *AWSIoTMQTTClient {
	s := defaultSettings(clientID)
	s.apply(opts)
	if clientID == "" {
		s.clientID = awsiot.OptionsV1("").ClientID // made up, as v1 did
	}
	c := newClient(s, nil)
	if clientID == "" && !s.clean {
		c.problems = append(c.problems, &ConfigureError{Call: "NewAWSIoTMQTTClient", Err: &ValueError{Message: "A client id must be provided if clean session is False."}})
	}
	facades.add(c)
	return c
}

// V2 returns the awsiot.Client underneath, for new code beside old: subscribe and
// publish on it as on any other. It is one for the life of this client: what is
// subscribed on it stays over Disconnect, Configure calls and Connect. Stopping and
// starting it is like Disconnect and Connect here; after its Close this client is at
// its end, too. Its operations end with ErrAckTimeout after the time of
// ConfigureMQTTOperationTimeout, and with ErrStopped at Disconnect; what must survive
// that stays on this client. v1 had nothing like it.
//
// Deprecated: it is the way out: keep what it returns and drop this client.
func (c *AWSIoTMQTTClient) V2() *awsiot.Client { return c.core }

// Quirks returns the quirks the client has; v1 had nothing like it.
//
// Deprecated: package awsiot has no quirks of v1.
func (c *AWSIoTMQTTClient) Quirks() Quirks {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.settings.quirks
}

// SetHooks assigns OnOnline and OnOffline, as Connect of the shadow and the jobs
// client did in v1; unlike a plain assignment it may run beside a Connect.
//
// Deprecated: use awsiot.Client.Observe.
func (c *AWSIoTMQTTClient) SetHooks(onOnline, onOffline func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.OnOnline, c.OnOffline = onOnline, onOffline
}

// guard runs a callback of the user: a panic in it is logged and ends nothing
// else.
func (c *AWSIoTMQTTClient) guard(name string, callback func()) {
	defer func() {
		if p := recover(); p != nil {
			c.logger().Error("panic in callback", "callback", name, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	callback()
}

// asyncError tells the hook, or the log, about an error that no call returns.
func (c *AWSIoTMQTTClient) asyncError(op, topic string, err error) {
	hook := c.hooks().asyncError
	if hook == nil {
		c.logger().Error("operation failed", "op", op, "topic", topic, "error", err)
		return
	}
	c.guard("OnAsyncError", func() { hook(op, topic, err) })
}

// mid returns the next message id.
func (c *AWSIoTMQTTClient) mid() Mid {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastMid = c.lastMid.next()
	return c.lastMid
}

// connectTimeout and operationTimeout are those of the options, which V2 may have
// changed too.
func (c *AWSIoTMQTTClient) connectTimeout() time.Duration { return c.core.Options().ConnackTimeout }

func (c *AWSIoTMQTTClient) operationTimeout() time.Duration {
	if d := c.core.Options().AckTimeout; d > 0 {
		return d
	}
	return 1<<63 - 1 // none
}
