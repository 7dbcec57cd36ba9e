package v1compat

import (
	"errors"
	"fmt"
	"net"
	"reflect"
	"runtime"
	"sync"

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
// has no effect until the next one. All of them, and all ack and message
// callbacks, run one after another in the order of the events (not for a client
// made by FromV2 whose awsiot.Client has SerialCallbacks off). A blocking call
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
	// of the filters that match it, also when none does. On a client made by
	// FromV2 it is called among them.
	OnMessage func(*Message)
	// OnAsyncError is new: it is told what v1 swallowed. op is "publish",
	// "subscribe", "unsubscribe" or "connect"; err is what the blocking call would
	// have returned, as the *PublishError of a message that the server refused and
	// whose ack callback is therefore not called. Nil: it is logged.
	OnAsyncError func(op, topic string, err error)

	wrapped bool           // made by FromV2
	waiting sync.WaitGroup // DisconnectAsync goroutines
	limits  limits         // of blocking publishes

	mu       sync.Mutex // not held across I/O or a callback
	settings settings   // clientID and quirks never change
	problems []*ConfigureError
	late     []*ConfigureError // Configure calls on the live client
	core     *awsiot.Client    // nil until it is needed
	renew    bool              // settings changed since core was made
	busy     bool              // a Connect is under way
	life     lifecycle
	requests requestList
	drops    int                // requests that DropOldest has dropped and no call has reported
	records  map[string]*record // by filter
	order    uint64             // of the newest record
	deniable net.Conn           // the connection, with Quirks.CloseWhenDenied
	lastMid  Mid
	inMid    Mid
	lastIn   *awsiot.Message // the message being dispatched, and its v1 form
	lastOut  *Message
}

// NewAWSIoTMQTTClient is v1's AWSIoTMQTTClient(clientID, ...). It opens no
// connection. An empty client id becomes a random one, made locally.
//
// Deprecated: use awsiot.NewClient(awsiot.OptionsV1(clientID)).
func NewAWSIoTMQTTClient(clientID string, opts ...ClientOption) *AWSIoTMQTTClient {
	c := &AWSIoTMQTTClient{settings: defaultSettings(clientID), records: map[string]*record{}}
	for _, o := range opts {
		if o != nil {
			o(&c.settings)
		}
	}
	if clientID == "" {
		if !c.settings.clean {
			c.problems = append(c.problems, &ConfigureError{Call: "NewAWSIoTMQTTClient", Err: &ValueError{Message: "A client id must be provided if clean session is False."}})
		}
		c.settings.clientID = randomClientID()
	}
	return c
}

// FromV2 gives v1's shape to an awsiot.Client, for a program that is half
// migrated: both sides share one connection and one session. Messages of a
// filter subscribed here reach its callback here; handlers of the awsiot.Client
// get theirs as before.
//
// Configure calls are errors that Connect reports: the options are those of the
// awsiot.Client. Connect reads the hooks; on a connected client it returns at
// once, on a stopped one it starts it, and Disconnect stops it for both sides.
// The client is never closed from here: whoever made it closes it.
//
// Deprecated: use the awsiot.Client itself.
func FromV2(client *awsiot.Client) *AWSIoTMQTTClient {
	c := &AWSIoTMQTTClient{settings: defaultSettings("(v2)"), records: map[string]*record{}, wrapped: true, core: client}
	if client == nil {
		c.problems = append(c.problems, &ConfigureError{Call: "FromV2", Err: &TypeError{Message: "the client is nil"}})
		c.wrapped = false // operations go to a core of its own, which is never connected
	}
	return c
}

// V2 returns the awsiot.Client underneath, made if need be, for new code beside
// old: subscribe and publish on it as on any other. Stopping and starting it is
// like Disconnect and Connect here; after its Close the next Connect makes a new
// one. It is also made anew, and the former one closed (awsiot.ErrClosed), by a
// Configure call between Disconnect and Connect. Subscriptions made here move to
// the new one, those made on the awsiot.Client do not. v1 had nothing like it.
//
// Deprecated: it is the way out: keep what it returns and drop this client.
func (c *AWSIoTMQTTClient) V2() *awsiot.Client { return c.current() }

// Quirks returns the quirks the client was made with; v1 had nothing like it.
//
// Deprecated: package awsiot has no quirks of v1.
func (c *AWSIoTMQTTClient) Quirks() Quirks { return c.settings.quirks }

// current returns the core that requests go to. It makes the core when there is
// none yet, and anew when settings have changed and it is not running, or when
// somebody has closed it: v1 let a Configure call take effect at the next
// Connect, an awsiot.Client has its options from its birth.
func (c *AWSIoTMQTTClient) current() *awsiot.Client {
	c.mu.Lock()
	old := c.core
	if c.wrapped || old != nil && !closed(old) && (!c.renew || old.State() != awsiot.StateStopped) {
		c.mu.Unlock()
		if c.wrapped {
			c.attach(old)
		}
		return old
	}
	core := awsiot.NewClient(c.withQuirks(c.settings.options(c.general, c.connectSent, c.iamKeys)))
	c.core, c.renew = core, false
	for _, r := range c.sorted() {
		r.unroute = core.Handle(r.filter, r.receive)
		r.again, r.active = r.again || r.active, false
	}
	c.life.attached = core
	core.Observe(c.observer(core))
	c.mu.Unlock()
	if old != nil {
		old.Close() // what it still held ends with ErrClosed and is sent again
		c.resubscribe(core, false)
		c.requeue(core)
	}
	return core
}

// closed reports whether Close was called on core.
func closed(core *awsiot.Client) bool {
	select {
	case <-core.Done():
		return true
	default:
		return false
	}
}

// parked reports whether an operation ended because its core was stopped or
// closed. v1 kept such requests and sent them after the next connect.
func parked(err error) bool {
	return errors.Is(err, awsiot.ErrStopped) || errors.Is(err, awsiot.ErrClosed)
}

// guard runs a callback of the user: a panic in it is logged and ends nothing
// else.
func (c *AWSIoTMQTTClient) guard(name string, callback func()) {
	defer func() {
		if p := recover(); p != nil {
			c.logger().Error("panic in callback", "callback", name, "panic", p)
		}
	}()
	callback()
}

// inCallback reports whether the calling goroutine is inside a callback: those
// that wait for later callbacks must not do so there. The stack knows; only the
// calls of the connection ask, so no callback pays for it.
func inCallback() bool {
	pcs := make([]uintptr, 512)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		f, more := frames.Next()
		if f.Function == guardName() {
			return true
		}
		if !more {
			return false
		}
	}
}

var guardName = sync.OnceValue(func() string {
	return runtime.FuncForPC(reflect.ValueOf((*AWSIoTMQTTClient).guard).Pointer()).Name()
})

// asyncError tells the hook, or the log, about an error that no call returns.
func (c *AWSIoTMQTTClient) asyncError(op, topic string, err error) {
	c.mu.Lock()
	hook := c.life.hooks.asyncError
	c.mu.Unlock()
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
