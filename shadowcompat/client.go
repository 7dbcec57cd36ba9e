package shadowcompat

import (
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"weak"

	"github.com/portage-iot/awsiot/v1compat"
)

// logger returns the logger of v1's shadow handlers.
func logger() *slog.Logger { return v1compat.Logger("AWSIoTPythonSDK.core.shadow.deviceShadow") }

// AWSIoTMQTTShadowClient is v1's AWSIoTMQTTShadowClient: a connection and the
// handlers of shadows on it. Make it with NewAWSIoTMQTTShadowClient or
// NewAWSIoTMQTTShadowClientWith.
//
// Deprecated: use iotshadow.Client on an awsiot.Client.
type AWSIoTMQTTShadowClient struct {
	// OnOnline is v1's onOnline. Connect puts it on the connection, in the place
	// of the hook that is there, also when it is nil: as in v1.
	OnOnline func()
	// OnOffline is v1's onOffline; see OnOnline.
	OnOffline func()

	mqtt *v1compat.AWSIoTMQTTClient
	hub  *hub
}

// NewAWSIoTMQTTShadowClient is v1's AWSIoTMQTTShadowClient(clientID, ...). Its
// connection has no offline queue and drains at 10 Hz, as in v1: a request while
// offline is an error at once. Change that on GetMQTTConnection.
//
// Deprecated: use iotshadow.Client on an awsiot.Client.
func NewAWSIoTMQTTShadowClient(clientID string, opts ...v1compat.ClientOption) *AWSIoTMQTTShadowClient {
	mqtt := v1compat.NewAWSIoTMQTTClient(clientID, opts...)
	mqtt.ConfigureOfflinePublishQueueing(0)
	mqtt.ConfigureDrainingFrequency(10)
	return NewAWSIoTMQTTShadowClientWith(mqtt)
}

// NewAWSIoTMQTTShadowClientWith is v1's constructor with awsIoTMQTTClient: it
// uses a connection that is there, and leaves its configuration alone. Handlers of
// one thing share their subscriptions, also those of several shadow clients on one
// connection (which took each other's answers away in v1).
//
// Deprecated: use iotshadow.Client on an awsiot.Client.
func NewAWSIoTMQTTShadowClientWith(mqtt *v1compat.AWSIoTMQTTClient) *AWSIoTMQTTShadowClient {
	if mqtt == nil {
		mqtt = v1compat.FromV2(nil) // whose Connect says what is wrong
	}
	return &AWSIoTMQTTShadowClient{mqtt: mqtt, hub: hubs.of(mqtt)}
}

// Connect is v1's connect; see v1compat.AWSIoTMQTTClient.Connect.
//
// Deprecated: use awsiot.Client.StartAndWait.
func (c *AWSIoTMQTTShadowClient) Connect(keepAliveSeconds ...int) error {
	c.mqtt.SetHooks(c.OnOnline, c.OnOffline)
	return c.mqtt.Connect(keepAliveSeconds...)
}

// Disconnect is v1's disconnect; see v1compat.AWSIoTMQTTClient.Disconnect.
//
// Deprecated: use awsiot.Client.Stop.
func (c *AWSIoTMQTTShadowClient) Disconnect() error { return c.mqtt.Disconnect() }

// GetMQTTConnection is v1's getMQTTConnection: the connection underneath, for
// what this client does not offer.
//
// Deprecated: use the awsiot.Client.
func (c *AWSIoTMQTTShadowClient) GetMQTTConnection() *v1compat.AWSIoTMQTTClient { return c.mqtt }

// CreateShadowHandlerWithName is v1's createShadowHandlerWithName. shadowName is
// the name of the thing. A persistent handler keeps its subscriptions to the
// answers, which makes further requests quicker; another one subscribes before
// each request and unsubscribes when the last answer is there. A name that cannot
// be one is reported by the handler's methods.
//
// Deprecated: use iotshadow.Client.
func (c *AWSIoTMQTTShadowClient) CreateShadowHandlerWithName(shadowName string, isPersistentSubscribe bool) *ShadowHandler {
	h := &ShadowHandler{
		hub:        c.hub,
		name:       shadowName,
		persistent: isPersistentSubscribe,
		quirks:     c.mqtt.Quirks(),
		version:    noVersion,
		shown:      noVersion,
		pending:    map[string]*request{},
		actions:    map[action]*actionState{},
	}
	if shadowName == "" || strings.ContainsAny(shadowName, "/+#\x00") {
		h.bad = &v1compat.ValueError{Message: "Invalid topic.", Err: badName(shadowName)}
	}
	return h
}

// ConfigureEndpoint is v1's configureEndpoint.
//
// Deprecated: use awsiot.ClientOptions.Endpoint and Port.
func (c *AWSIoTMQTTShadowClient) ConfigureEndpoint(hostName string, portNumber int) {
	c.mqtt.ConfigureEndpoint(hostName, portNumber)
}

// ConfigureCredentials is v1's configureCredentials; mind the order: CA, key,
// certificate.
//
// Deprecated: use awsiot.ClientOptions.CAFile and awsiot.MTLSFromPath.
func (c *AWSIoTMQTTShadowClient) ConfigureCredentials(caFilePath, keyPath, certificatePath string) {
	c.mqtt.ConfigureCredentials(caFilePath, keyPath, certificatePath)
}

// ConfigureIAMCredentials is v1's configureIAMCredentials.
//
// Deprecated: use awsauth.Websocket with awsauth.Static.
func (c *AWSIoTMQTTShadowClient) ConfigureIAMCredentials(accessKeyID, secretAccessKey, sessionToken string) {
	c.mqtt.ConfigureIAMCredentials(accessKeyID, secretAccessKey, sessionToken)
}

// ConfigureLastWill is v1's configureLastWill, without retain as there.
//
// Deprecated: use awsiot.ClientOptions.Will.
func (c *AWSIoTMQTTShadowClient) ConfigureLastWill(topic string, payload any, qos byte) {
	c.mqtt.ConfigureLastWill(topic, payload, qos)
}

// ClearLastWill is v1's clearLastWill.
//
// Deprecated: leave awsiot.ClientOptions.Will nil.
func (c *AWSIoTMQTTShadowClient) ClearLastWill() { c.mqtt.ClearLastWill() }

// ConfigureAutoReconnectBackoffTime is v1's configureAutoReconnectBackoffTime, in
// seconds.
//
// Deprecated: use awsiot.ClientOptions.MinReconnectDelay, MaxReconnectDelay and
// MinConnectedTimeToResetReconnectDelay.
func (c *AWSIoTMQTTShadowClient) ConfigureAutoReconnectBackoffTime(base, maximum, stable float64) {
	c.mqtt.ConfigureAutoReconnectBackoffTime(base, maximum, stable)
}

// ConfigureConnectDisconnectTimeout is v1's configureConnectDisconnectTimeout, in
// seconds.
//
// Deprecated: use awsiot.ClientOptions.ConnackTimeout.
func (c *AWSIoTMQTTShadowClient) ConfigureConnectDisconnectTimeout(timeoutSeconds float64) {
	c.mqtt.ConfigureConnectDisconnectTimeout(timeoutSeconds)
}

// ConfigureMQTTOperationTimeout is v1's configureMQTTOperationTimeout, in seconds.
//
// Deprecated: use awsiot.ClientOptions.AckTimeout or a context.
func (c *AWSIoTMQTTShadowClient) ConfigureMQTTOperationTimeout(timeoutSeconds float64) {
	c.mqtt.ConfigureMQTTOperationTimeout(timeoutSeconds)
}

// ConfigureUsernamePassword is v1's configureUsernamePassword.
//
// Deprecated: use awsiot.ClientOptions.Username and Password.
func (c *AWSIoTMQTTShadowClient) ConfigureUsernamePassword(username string, password ...string) {
	c.mqtt.ConfigureUsernamePassword(username, password...)
}

// ConfigureSocketFactory is v1's configureSocketFactory.
//
// Deprecated: use awsiot.ClientOptions.Dialer.
func (c *AWSIoTMQTTShadowClient) ConfigureSocketFactory(f func() (net.Conn, error)) {
	c.mqtt.ConfigureSocketFactory(f)
}

// EnableMetricsCollection is v1's enableMetricsCollection.
//
// Deprecated: use awsiot.ClientOptions.DisableMetrics.
func (c *AWSIoTMQTTShadowClient) EnableMetricsCollection() { c.mqtt.EnableMetricsCollection() }

// DisableMetricsCollection is v1's disableMetricsCollection.
//
// Deprecated: use awsiot.ClientOptions.DisableMetrics.
func (c *AWSIoTMQTTShadowClient) DisableMetricsCollection() { c.mqtt.DisableMetricsCollection() }

// registry knows the hub of every connection that has one, and keeps neither alive:
// a hub that something is subscribed through is held by the connection.
type registry struct {
	mu sync.Mutex
	by map[weak.Pointer[v1compat.AWSIoTMQTTClient]]weak.Pointer[hub]
}

var hubs = registry{by: map[weak.Pointer[v1compat.AWSIoTMQTTClient]]weak.Pointer[hub]{}}

// of returns the hub of a connection, made if need be.
func (r *registry) of(mqtt *v1compat.AWSIoTMQTTClient) *hub {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := weak.Make(mqtt)
	known, ok := r.by[key]
	if b := known.Value(); b != nil {
		return b
	}
	b := &hub{mqtt: mqtt, topics: map[string][]*ShadowHandler{}, turn: make(chan struct{}, 1)}
	r.by[key] = weak.Make(b)
	if !ok {
		runtime.AddCleanup(mqtt, func(key weak.Pointer[v1compat.AWSIoTMQTTClient]) {
			r.mu.Lock()
			defer r.mu.Unlock()
			delete(r.by, key)
		}, key)
	}
	return b
}

// len is how many connections are known.
func (r *registry) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.by)
}

// hub is the subscriptions of one connection. v1 kept one callback per filter,
// so that two handlers of one thing took each other's messages away; here a
// filter hands them to every handler that holds it.
type hub struct {
	mqtt *v1compat.AWSIoTMQTTClient

	// turn serialises subscribing and unsubscribing, as v1's one lock did: else an
	// UNSUBSCRIBE could overtake the SUBSCRIBE of the next request. Whose token is
	// in it may use the network.
	turn chan struct{}

	mu     sync.Mutex
	topics map[string][]*ShadowHandler // who holds a topic, in the order of subscribing
}

// take waits for the turn; the result gives it back.
func (b *hub) take() (done func()) {
	b.turn <- struct{}{}
	return func() { <-b.turn }
}

// subscribe sends a SUBSCRIBE for topic and lets h hold it. The caller has
// the turn.
func (b *hub) subscribe(topic string, h *ShadowHandler) error {
	b.mu.Lock()
	held := slices.Contains(b.topics[topic], h)
	if !held { // before the SUBACK: an answer may follow it at once
		b.topics[topic] = append(b.topics[topic], h)
	}
	b.mu.Unlock()
	if _, err := b.mqtt.Subscribe(topic, 0, b.deliver); err != nil {
		if !held {
			b.drop(topic, h)
		}
		return err
	}
	return nil
}

// unsubscribe ends h's hold, and the subscription with the last one. The caller
// has the turn.
func (b *hub) unsubscribe(topic string, h *ShadowHandler) error {
	if !b.drop(topic, h) {
		return nil
	}
	_, err := b.mqtt.Unsubscribe(topic)
	return err
}

// drop ends h's hold and reports whether it was the last one.
func (b *hub) drop(topic string, h *ShadowHandler) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.topics[topic], h)
	if i < 0 {
		return false
	}
	b.topics[topic] = slices.Delete(b.topics[topic], i, i+1)
	if len(b.topics[topic]) > 0 {
		return false
	}
	delete(b.topics, topic)
	return true
}

// deliver is the message callback of every filter.
func (b *hub) deliver(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
	b.mu.Lock()
	holders := slices.Clone(b.topics[m.Topic])
	b.mu.Unlock()
	for _, h := range holders {
		h.receive(m.Topic, m.Payload)
	}
}
