package awsiot

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// OptionsPaho returns the defaults of paho.mqtt.golang v1.5.1 as options of this client, so that rewritten code behaves as it
// did: keep-alive 30 s, 10 s for PINGRESP, 30 s to connect and as much for CONNACK, no limit for acknowledgements, delays between
// attempts to reconnect from 1 s to 10 min without jitter, a clean session, no automatic resubscription, QoS 1 publishes kept
// while the connection is away and all else refused, no limit to the size of received packets but MQTT's own, and none of AWS
// IoT Core's rates. Set Endpoint and Auth, for example with BrokerPaho. It is a pointer, as paho's NewClientOptions
// returns one: NewClient(*opts) makes a copy, too.
//
// What paho has no word for shows: a first connection that fails after a Start is tried again, and a QoS 0 publish without a
// connection ends with ErrOffline.
func OptionsPaho() *ClientOptions {
	return &ClientOptions{
		KeepAlive:         30 * time.Second,
		PingTimeout:       10 * time.Second,
		ConnectTimeout:    30 * time.Second,
		ConnackTimeout:    30 * time.Second,
		AckTimeout:        -1,
		RetryJitterMode:   JitterNone,
		MinReconnectDelay: time.Second,
		MaxReconnectDelay: 10 * time.Minute,
		Resubscribe:       Resubscribe{When: ResubscribeNever},
		OfflineQueue:      OfflineQueue{Behavior: FailNonQoS1},
		Inbound:           Inbound{MaxBytes: 64 << 20},
		FlowControl:       FlowControlNone,
		MaximumPacketSize: 268435460, // that of MQTT [MQTT5-1.5.5]
	}
}

// SessionExpiryPaho is a session that does not expire, which is what paho's CleanSession(false) asks for [MQTT5-3.1.2.11.2].
const SessionExpiryPaho = math.MaxUint32 * time.Second

// KeepAlivePaho returns KeepAlive for paho's: 0, which is no keep-alive there, is -1 here, and fractions of a second are cut off.
func KeepAlivePaho(d time.Duration) time.Duration {
	if d < time.Second {
		return -1
	}
	return d - d%time.Second
}

// BrokerPaho sets Endpoint, Port and Auth to what paho's AddBroker takes, and Username and Password where the URL has them:
// SCHEME://[USER[:PASSWORD]@]HOST:PORT[/PATH] with the schemes tcp and mqtt, ssl, tls, tcps, mqtts and mqtt+ssl, ws and wss.
// A URL without a scheme is tcp. What it cannot take leaves Endpoint empty, and is an error of Start: Auth says what it was.
func BrokerPaho(opts *ClientOptions, server string) {
	if strings.HasPrefix(server, ":") {
		server = "127.0.0.1" + server
	}
	if !strings.Contains(server, "://") {
		server = "tcp://" + server
	}
	opts.Endpoint, opts.Port = "", 0
	u, err := url.Parse(server)
	if err != nil {
		opts.Auth = wrongBroker("the broker's URL cannot be read") // not err: it has the password
		return
	}
	port := 0
	if p := u.Port(); p != "" {
		if port, err = strconv.Atoi(p); err != nil {
			opts.Auth = wrongBroker(fmt.Sprintf("the port %q of the broker is no number", p))
			return
		}
	}
	switch u.Scheme {
	case "tcp", "mqtt":
		opts.Auth = PlainTCP()
	case "ssl", "tls", "tcps", "mqtts", "mqtt+ssl":
		opts.Auth = TLS()
	case "ws":
		opts.Auth = PlainWebsocket(pathOf(u))
	case "wss":
		opts.Auth = WebsocketHandshake(pathOf(u))
	default:
		opts.Auth = wrongBroker(fmt.Sprintf("the scheme %q of the broker's URL is none of tcp, mqtt, ssl, tls, tcps, mqtts, mqtt+ssl, ws and wss", u.Scheme))
		return
	}
	opts.Endpoint, opts.Port = u.Hostname(), port
	if u.User != nil {
		opts.Username = u.User.Username()
		if word, ok := u.User.Password(); ok {
			opts.Password = []byte(word)
		}
	}
}

// ConnectedPaho reports what paho's IsConnected does: the client is connected, or connects again after it has lost a
// connection since it was started. State tells the two apart.
func ConnectedPaho(c *Client) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == StateConnected || c.sess != nil && c.sess.cause == nil && c.sess.was
}

// StartedPaho reports what paho's IsConnected does of a client with ConnectRetry: it was started and is not stopped, so that it is
// connected, or tries to be.
func StartedPaho(c *Client) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sess != nil && c.sess.cause == nil
}

// ConnectPaho is StartAsync for a program that calls it as it did paho's Connect, also while the client connects again after it
// has lost a connection: its future has ended then, without an error, and the client goes on. StartAsync would stop it when the
// next attempt fails.
func ConnectPaho(c *Client) *Future[*ConnectionSuccess] {
	c.mu.Lock()
	last := c.last
	c.mu.Unlock()
	if !ConnectedPaho(c) {
		return c.StartAsync()
	}
	f, end := NewFuture[*ConnectionSuccess](c)
	end(last, nil)
	return f
}

// SubscriptionsPaho returns the subscriptions of paho's SubscribeMultiple: the filters with their QoS, in the order of their
// names, all with one handler, which may be nil.
func SubscriptionsPaho(filters map[string]byte, h MessageHandler) []Subscription {
	out := make([]Subscription, 0, len(filters))
	for _, f := range slices.Sorted(maps.Keys(filters)) {
		out = append(out, Subscription{TopicFilter: f, QoS: QoS(filters[f]), Handler: h})
	}
	return out
}

// PublishPaho is PublishAsync for a payload of which only its type at run time is known, as paho's Publish takes it: a string, a
// []byte or a bytes.Buffer. Any other ends with a *ValidationError.
func PublishPaho(c *Client, topic string, qos QoS, retain bool, payload any) *Future[PublishResult] {
	p := PublishPacket{Topic: topic, QoS: qos, Retain: retain}
	switch x := payload.(type) {
	case string:
		p.Payload = []byte(x)
	case []byte:
		p.Payload = x
	case bytes.Buffer:
		p.Payload = x.Bytes()
	default:
		f, end := NewFuture[PublishResult](c)
		end(PublishResult{}, invalid("Payload", "%T is neither string, []byte nor bytes.Buffer", payload))
		return f
	}
	return c.PublishAsync(&p)
}

// Pending is a Future of any result: what of paho's Token code needs that keeps those of several calls in one place.
type Pending interface {
	Done() <-chan struct{}
	Err() error // nil while pending
	WaitTimeout(d time.Duration) bool
}

// WaitPaho waits until p has ended, as paho's Token.Wait does, and returns true.
func WaitPaho(p Pending) bool {
	<-p.Done()
	return true
}

// pathOf completes the upgrade request of a websocket with the path and query of a URL, as they are.
func pathOf(u *url.URL) func(context.Context, *http.Request) error {
	path, raw, query := u.Path, u.RawPath, u.RawQuery
	return func(_ context.Context, r *http.Request) error {
		r.URL.Path, r.URL.RawPath, r.URL.RawQuery = path, raw, query
		return nil
	}
}

// wrongBroker is an Auth that Start refuses, with the reason.
type wrongBroker string

func (w wrongBroker) problem() string { return "BrokerPaho: " + string(w) }

func (w wrongBroker) route(context.Context, *calls) (route, error) {
	return route{}, invalid("Auth", "%s", w.problem())
}

// Unhandled returns a handler for OnPublishReceived that hands h the messages that no handler of a filter has had, as paho's
// SetDefaultPublishHandler. nil for nil.
func Unhandled(h MessageHandler) MessageHandler {
	if h == nil {
		return nil
	}
	return func(m *Message) {
		if !m.Handled {
			h(m)
		}
	}
}

// OnConnectPaho returns a handler for OnConnectionSuccess that runs h on a goroutine of its own, as paho's OnConnectHandler. nil for
// nil.
func OnConnectPaho(h func(*Client)) func(*ConnectionSuccess) {
	if h == nil {
		return nil
	}
	return func(e *ConnectionSuccess) { go h(e.Client) } // the program's: it ends when h returns
}

// OnConnectionLostPaho returns a handler for OnDisconnection that runs h on a goroutine of its own for every connection that the
// program did not end, as paho's ConnectionLostHandler. nil for nil.
func OnConnectionLostPaho(h func(*Client, error)) func(*Disconnection) {
	if h == nil {
		return nil
	}
	return func(e *Disconnection) {
		if !e.Requested() {
			go h(e.Client, e.Err) // the program's: it ends when h returns
		}
	}
}

// Unordered returns a handler that runs h for every message on a goroutine of its own, so that a slow one keeps no other
// waiting and messages may overtake each other, as with paho's SetOrderMatters(false). A QoS 1 message is acknowledged when h
// has returned for it. nil for nil.
func Unordered(h MessageHandler) MessageHandler {
	if h == nil {
		return nil
	}
	return func(m *Message) {
		ack, held := m.HoldAck()
		go func() { // the program's: it ends when h returns
			h(m)
			if held {
				_ = ack() // ErrAckLost: the message comes again
			}
		}()
	}
}
