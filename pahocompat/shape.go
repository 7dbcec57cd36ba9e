package mqtt

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"
	"weak"

	paho "github.com/eclipse/paho.mqtt.golang"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// FromV2 gives paho's shape to an awsiot.Client, for a program that is half migrated: both sides share one connection and one
// session. It is the same Client for the same awsiot.Client, as long as that lives. The options of the awsiot.Client count:
// whether an operation waits for a connection is up to its OfflineQueue. Connect is its StartAndWait, or StartAndRetry where
// NewV2 was given ConnectRetry, and Disconnect its Drain and Stop. Subscribing here and there to one filter replaces one
// handler by the other, and Unsubscribe removes it. nil for nil.
func FromV2(core *awsiot.Client) Client {
	if core == nil {
		return nil
	}
	return shapes.of(core, nil)
}

// NewV2 makes an awsiot.Client with paho's options, for a program of which the options still have paho's shape: servers, which
// are tried in order, TLS, websockets, dialers and credentials, keep-alive and timeouts, the will, the session, the delays between attempts (ConnectRetryInterval is the first, and doubles up to MaxReconnectInterval), and
// the handlers OnConnect, OnConnectionLost, OnReconnecting, OnConnectAttempt and DefaultPublishHandler, which get FromV2 of the client.
// It does no I/O and never fails: what is wrong with o is an error of Start. With CleanSession messages are
// kept in memory, whatever the Store; without, a FileStore becomes awsiot.NewFileStore in the same directory, and what paho has left
// there is taken over when the first attempt is made; other Stores than paho's are an error. With AutoAckDisabled, messages are
// acknowledged by their Ack alone, where HandlerV2 made the handlers. It has no OnConnectionNotification, and hands out messages in order: handlers that Order = false lets overtake each other are
// for awsiot.Unordered. Its engine is always MQTT 5.
func NewV2(o *ClientOptions) *awsiot.Client {
	p := &plain{}
	if o == nil {
		p.problem = errNilOptions
		o = &paho.ClientOptions{}
	}
	p.options = *o
	p.files, p.dir = fileStore(o)
	if p.problem == nil {
		p.problem = check(&p.options)
	}
	if p.problem == nil && len(o.Servers) == 0 {
		p.problem = errNoServers
	}
	if p.problem == nil && p.files == nil && !o.CleanSession && !inMemory(o.Store) {
		p.problem = optionError("Store", "%T has no form on awsiot.Client, which has awsiot.NewFileStore", o.Store)
	}
	if p.problem == nil && o.OnConnectionNotification != nil {
		p.problem = optionError("OnConnectionNotification", "it has no form on awsiot.Client; use Observe")
	}
	s := &shape{plain: p}
	co := p.coreOptions(s)
	core := awsiot.NewClient(co)
	shapes.of(core, s)
	core.Observe(p.observer(core))
	return core
}

// MessageFromV2 gives paho's shape to a message. Its Ack acknowledges it where it is called inside the handler, or HoldAck was.
// nil for nil.
func MessageFromV2(m *awsiot.Message) Message {
	if m == nil {
		return nil
	}
	return &message{m: m}
}

// OnConnectFromV2 is a function on an awsiot.Client as a handler of paho's options for NewV2, or for a client with an
// awsiot.Client beneath. nil for nil.
func OnConnectFromV2(h func(*awsiot.Client)) OnConnectHandler {
	if h == nil {
		return nil
	}
	return func(c Client) { h(coreOf(c)) }
}

// ConnectionLostFromV2 is OnConnectFromV2 for OnConnectionLost.
func ConnectionLostFromV2(h func(*awsiot.Client, error)) ConnectionLostHandler {
	if h == nil {
		return nil
	}
	return func(c Client, err error) { h(coreOf(c), err) }
}

// HandlerFromV2 is a handler of awsiot.Client as one of paho's options for NewV2, or for a client with an awsiot.Client beneath.
// A message that is not of such a client comes without its acknowledgement. nil for nil.
func HandlerFromV2(h awsiot.MessageHandler) MessageHandler {
	if h == nil {
		return nil
	}
	return func(_ Client, m Message) {
		if own, ok := m.(*message); ok {
			h(own.m)
			return
		}
		h(&awsiot.Message{Topic: m.Topic(), Payload: m.Payload(), QoS: awsiot.QoS(m.Qos()), Retain: m.Retained(), Duplicate: m.Duplicate()})
	}
}

// coreOf is V2 of a client that has one; nil for others.
func coreOf(c Client) *awsiot.Client {
	core, _ := V2(c)
	return core
}

// HandlerV2 is a handler of paho's shape for a Subscription of awsiot.Client: it gets FromV2 of the client that received the
// message. Where that client was made by NewV2 with AutoAckDisabled, the message is acknowledged by its Ack, inside the handler or
// later, and not else. nil for nil.
func HandlerV2(h MessageHandler) awsiot.MessageHandler {
	if h == nil {
		return nil
	}
	return func(m *awsiot.Message) {
		msg := &message{m: m}
		c := FromV2(m.Client())
		if s, ok := c.(*shape); ok && s.options.AutoAckDisabled {
			msg.hold()
			if !s.options.Order {
				go h(c, msg) // the program's, as SetOrderMatters(false) asks for
				return
			}
		}
		h(c, msg)
	}
}

// TokenFromV2 is a token of paho's shape for an operation of awsiot.Client.
func TokenFromV2[T any](f *awsiot.Future[T]) Token { return &futureToken[T]{f} }

type futureToken[T any] struct{ f *awsiot.Future[T] }

// Wait implements Token.
func (t *futureToken[T]) Wait() bool { <-t.f.Done(); return true }

// WaitTimeout implements Token.
func (t *futureToken[T]) WaitTimeout(d time.Duration) bool { return t.f.WaitTimeout(d) }

// Done implements Token.
func (t *futureToken[T]) Done() <-chan struct{} { return t.f.Done() }

// Error implements Token.
func (t *futureToken[T]) Error() error { return t.f.Err() }

// shape is paho's shape of an awsiot.Client.
type shape struct {
	core *awsiot.Client // it holds the shape as one of its observers: both go together
	*plain

	mu      sync.Mutex
	removes map[string]func() // of routes, by filter
}

// registry knows the shape of every awsiot.Client that has one, and keeps neither alive.
type registry struct {
	mu sync.Mutex
	by map[weak.Pointer[awsiot.Client]]weak.Pointer[shape]
}

var shapes = registry{by: map[weak.Pointer[awsiot.Client]]weak.Pointer[shape]{}}

// of returns the shape of core, which is s when there is none yet; nil: one is made.
func (r *registry) of(core *awsiot.Client, s *shape) *shape {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := weak.Make(core)
	if known := r.by[key].Value(); known != nil {
		return known
	}
	if s == nil {
		s = &shape{plain: &plain{options: optionsFromV2(core.Options())}}
	}
	s.core, s.removes = core, map[string]func(){}
	r.by[key] = weak.Make(s)
	runtime.AddCleanup(core, func(key weak.Pointer[awsiot.Client]) {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.by, key)
	}, key)
	core.Observe(awsiot.Observer{OnStopped: s.stopped})
	return s
}

// stopped keeps s alive as long as its client; there is nothing to do.
func (s *shape) stopped(*awsiot.Stopped) {}

// optionsFromV2 is what OptionsReader can say of a client that paho's options did not make.
func optionsFromV2(o awsiot.ClientOptions) paho.ClientOptions {
	p := *paho.NewClientOptions()
	p.ClientID, p.Username, p.Password = o.ClientID, o.Username, string(o.Password)
	p.CleanSession = o.SessionBehavior == awsiot.CleanSession
	p.KeepAlive = int64(max(o.KeepAlive, 0) / time.Second)
	p.PingTimeout, p.ConnectTimeout, p.MaxReconnectInterval = o.PingTimeout, o.ConnectTimeout, o.MaxReconnectDelay
	p.TLSConfig = o.TLSConfig
	if o.Will != nil {
		p.WillEnabled, p.WillTopic, p.WillPayload = true, o.Will.Topic, o.Will.Payload
		p.WillQos, p.WillRetained = byte(o.Will.QoS), o.Will.Retain
	}
	return p
}

// IsConnected implements Client: it is true also while the client connects again by itself.
func (s *shape) IsConnected() bool {
	switch s.core.State() {
	case awsiot.StateStopped, awsiot.StateDisconnecting:
		return false
	}
	return s.options.ConnectRetry || awsiot.ConnectedPaho(s.core)
}

// IsConnectionOpen implements Client.
func (s *shape) IsConnectionOpen() bool { return s.core.State() == awsiot.StateConnected }

// Connect implements Client.
func (s *shape) Connect() Token {
	t := &ConnectToken{}
	if s.options.AutoReconnect && awsiot.ConnectedPaho(s.core) {
		WARN.Println(CLI, "Connect() called but not disconnected")
		t.end(nil, nil)
		return t
	}
	start := s.core.StartAndWait
	if s.options.ConnectRetry {
		start = s.core.StartAndRetry
	}
	go func() { // ends with the attempt, or with Disconnect
		err := start(context.Background())
		t.end(err, func() {
			t.returnCode = codeOf(err)
			if last, known := s.core.AwaitConnected(ended); known == nil {
				t.sessionPresent = last.Connack.SessionPresent
			}
		})
	}()
	return t
}

// ended is a context that has ended: what is not known at once is not waited for.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// codeOf returns the return code of MQTT 3.1.1 for the error of a connect.
func codeOf(err error) byte {
	if err == nil {
		return 0
	}
	if ce, ok := errors.AsType[*awsiot.ConnectError](err); ok && ce.Connack != nil {
		return returnCode(ce.Connack.Code)
	}
	rc, _ := returned(outcome{err: err})
	return rc
}

// Disconnect implements Client.
func (s *shape) Disconnect(quiesce uint) {
	ctx, cancel := context.WithTimeout(context.Background(), max(time.Duration(quiesce)*time.Millisecond, leastQuiesce))
	defer cancel()
	_ = s.core.Drain(ctx) // what has not ended by then ends with an error of its own
	_ = s.core.Stop(ctx, nil)
}

// Publish implements Client.
func (s *shape) Publish(topic string, qos byte, retained bool, payload any) Token {
	data, ok := bytesOf(payload)
	switch {
	case !ok:
		return failed(errPayload)
	case qos == 2:
		return failed(&errQoS2{"Publish"})
	case qos > 2:
		return failed(ErrInvalidQos)
	}
	return TokenFromV2(s.core.PublishAsync(&awsiot.PublishPacket{Topic: topic, Payload: data, QoS: awsiot.QoS(qos), Retain: retained}))
}

// failed is the token of an operation that has not begun.
func failed(err error) Token {
	t := &baseToken{}
	t.fail(err)
	return t
}

// Subscribe implements Client.
func (s *shape) Subscribe(topic string, qos byte, callback MessageHandler) Token {
	return s.SubscribeMultiple(map[string]byte{topic: qos}, callback)
}

// SubscribeMultiple implements Client.
func (s *shape) SubscribeMultiple(filters map[string]byte, callback MessageHandler) Token {
	t := &SubscribeToken{}
	if len(filters) == 0 {
		t.fail(errNoFilters)
		return t
	}
	var subs []awsiot.Subscription
	for _, f := range slices.Sorted(maps.Keys(filters)) {
		if err := checkFilter(f, filters[f], "Subscribe"); err != nil {
			t.fail(err)
			return t
		}
		subs = append(subs, awsiot.Subscription{TopicFilter: f, QoS: awsiot.QoS(filters[f]), Handler: s.handler(callback)})
	}
	s.core.SubscribeAsync(&awsiot.SubscribePacket{Subscriptions: subs}).OnDone(func(ack *awsiot.SubackPacket, err error) {
		t.end(operationError("Subscribe", err), func() {
			t.result = map[string]byte{}
			for i, sub := range subs {
				if ack != nil && i < len(ack.Codes) {
					t.result[sub.TopicFilter] = min(byte(ack.Codes[i]), refused)
				}
			}
		})
	})
	return t
}

// handler is h for core, as the options say.
func (s *shape) handler(h MessageHandler) awsiot.MessageHandler {
	if !s.options.Order && !s.options.AutoAckDisabled {
		return awsiot.Unordered(HandlerV2(h))
	}
	return HandlerV2(h)
}

// Unsubscribe implements Client.
func (s *shape) Unsubscribe(topics ...string) Token {
	s.mu.Lock()
	for _, f := range topics {
		if remove := s.removes[f]; remove != nil {
			remove()
			delete(s.removes, f)
		}
	}
	s.mu.Unlock()
	return TokenFromV2(s.core.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: topics}))
}

// AddRoute implements Client.
func (s *shape) AddRoute(topic string, callback MessageHandler) {
	if callback == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if remove := s.removes[topic]; remove != nil {
		remove()
	}
	s.removes[topic] = s.core.Handle(routedTopic(topic), s.handler(callback))
}

// OptionsReader implements Client.
func (s *shape) OptionsReader() ClientOptionsReader { return paho.NewOptionsReader(&s.options) }
