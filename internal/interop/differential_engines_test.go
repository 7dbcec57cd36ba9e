//go:build interop

package interop

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/portage-iot/awsiot/v1compat"
)

// setup is what an engine is told before it connects.
type setup struct {
	addr   string
	id     string
	will   *message
	stay   bool // keep the session
	failed func(error)
}

// engine is a client library as the pieces use it. Calls but send block until the answer is there.
type engine interface {
	connect(t *testing.T)
	subscribe(t *testing.T, filter string, qos byte, got func(message))
	unsubscribe(t *testing.T, filter string)
	publish(t *testing.T, m message)
	// send publishes at QoS 1, offline too, without waiting; the channel is closed by the PUBACK.
	send(topic, payload string) <-chan struct{}
	offline(t *testing.T) // waits until the library has noticed the loss of the connection
	disconnect(t *testing.T)
}

var engines = map[string]func(setup) engine{
	"paho.mqtt.golang": newPaho,
	"v1compat":         newFacade,
}

// paho is a program on paho.mqtt.golang as its documentation wants it: subscriptions are made again in OnConnect, and
// the store is the one that keeps the order.
type paho struct {
	setup
	c    mqtt.Client
	lost chan struct{}

	mu   sync.Mutex
	subs []pahoSub
}

type pahoSub struct {
	filter string
	qos    byte
	got    func(message)
}

func newPaho(s setup) engine {
	p := &paho{setup: s, lost: make(chan struct{}, 10)}
	o := mqtt.NewClientOptions().AddBroker("tcp://" + s.addr).SetClientID(s.id).SetProtocolVersion(4).SetCleanSession(!s.stay).
		SetStore(mqtt.NewOrderedMemoryStore()).SetKeepAlive(10 * time.Minute).SetMaxReconnectInterval(time.Second).
		SetConnectionLostHandler(func(mqtt.Client, error) { p.lost <- struct{}{} }).
		SetOnConnectHandler(func(c mqtt.Client) { p.again(c) })
	if s.will != nil {
		o.SetWill(s.will.topic, s.will.payload, s.will.qos, s.will.retain)
	}
	p.c = mqtt.NewClient(o)
	return p
}

func (p *paho) again(c mqtt.Client) {
	p.mu.Lock()
	subs := p.subs
	p.mu.Unlock()
	for _, s := range subs {
		if tok := c.Subscribe(s.filter, s.qos, s.handle); tok.Wait() && tok.Error() != nil {
			p.failed(fmt.Errorf("subscribing again: %w", tok.Error()))
		}
	}
}

func (s pahoSub) handle(_ mqtt.Client, m mqtt.Message) {
	s.got(message{topic: m.Topic(), payload: string(m.Payload()), qos: m.Qos(), retain: m.Retained()})
}

func wait(t *testing.T, what string, tok mqtt.Token) {
	t.Helper()
	if !tok.WaitTimeout(patience) {
		t.Fatalf("%s: no answer within %v", what, patience)
	}
	if tok.Error() != nil {
		t.Fatalf("%s: %v", what, tok.Error())
	}
}

func (p *paho) connect(t *testing.T) { t.Helper(); wait(t, "connect", p.c.Connect()) }

func (p *paho) subscribe(t *testing.T, filter string, qos byte, got func(message)) {
	t.Helper()
	s := pahoSub{filter, qos, got}
	wait(t, "subscribe", p.c.Subscribe(filter, qos, s.handle))
	p.mu.Lock()
	p.subs = append(p.subs[:len(p.subs):len(p.subs)], s)
	p.mu.Unlock()
}

func (p *paho) unsubscribe(t *testing.T, filter string) {
	t.Helper()
	wait(t, "unsubscribe", p.c.Unsubscribe(filter))
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := []pahoSub{}
	for _, s := range p.subs {
		if s.filter != filter {
			kept = append(kept, s)
		}
	}
	p.subs = kept
}

func (p *paho) publish(t *testing.T, m message) {
	t.Helper()
	wait(t, "publish", p.c.Publish(m.topic, m.qos, m.retain, m.payload))
}

func (p *paho) send(topic, payload string) <-chan struct{} {
	return p.c.Publish(topic, 1, false, payload).Done()
}

func (p *paho) offline(t *testing.T)    { t.Helper(); next(t, p.lost) }
func (p *paho) disconnect(t *testing.T) { p.c.Disconnect(250) } // milliseconds for what is on its way

// facade is the same program on v1compat, which subscribes again by itself.
type facade struct {
	setup
	c    *v1compat.AWSIoTMQTTClient
	lost chan struct{}
}

func newFacade(s setup) engine {
	f := &facade{setup: s, lost: make(chan struct{}, 10)}
	f.c = v1compat.NewAWSIoTMQTTClient(s.id, v1compat.WithCleanSession(!s.stay))
	host, port, err := net.SplitHostPort(s.addr)
	n, err2 := strconv.Atoi(port)
	if err := errors.Join(err, err2); err != nil {
		s.failed(err)
	}
	f.c.ConfigureEndpoint(host, n)
	f.c.ConfigureAutoReconnectBackoffTime(0.1, 1, 20)
	f.c.ConfigureDrainingFrequency(100)
	f.c.ConfigureMQTTOperationTimeout(patience.Seconds())
	f.c.OnOffline = func() { f.lost <- struct{}{} }
	f.c.OnAsyncError = func(op, topic string, err error) { s.failed(fmt.Errorf("%s %s: %w", op, topic, err)) }
	if w := s.will; w != nil {
		f.c.ConfigureLastWill(w.topic, w.payload, w.qos, w.retain)
	}
	return f
}

func (f *facade) connect(t *testing.T) {
	t.Helper()
	if err := f.c.Connect(600); err != nil {
		t.Fatalf("connect: %v", err)
	}
}

// done is what a blocking call on a connected client returns.
func done(t *testing.T, what string, ok bool, err error) {
	t.Helper()
	if !ok || err != nil {
		t.Fatalf("%s: %v, %v", what, ok, err)
	}
}

func (f *facade) subscribe(t *testing.T, filter string, qos byte, got func(message)) {
	t.Helper()
	ok, err := f.c.Subscribe(filter, qos, func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
		got(message{topic: m.Topic, payload: string(m.Payload), qos: m.QoS, retain: m.Retain})
	})
	done(t, "subscribe", ok, err)
}

func (f *facade) unsubscribe(t *testing.T, filter string) {
	t.Helper()
	ok, err := f.c.Unsubscribe(filter)
	done(t, "unsubscribe", ok, err)
}

func (f *facade) publish(t *testing.T, m message) {
	t.Helper()
	ok, err := f.c.Publish(m.topic, m.payload, m.qos)
	done(t, "publish", ok, err)
}

func (f *facade) send(topic, payload string) <-chan struct{} {
	acked := make(chan struct{})
	if _, err := f.c.PublishAsync(topic, payload, 1, func(v1compat.Mid) { close(acked) }); err != nil {
		f.failed(fmt.Errorf("publish: %w", err))
	}
	return acked
}

func (f *facade) offline(t *testing.T) { t.Helper(); next(t, f.lost) }

func (f *facade) disconnect(t *testing.T) {
	t.Helper()
	if err := f.c.Disconnect(); err != nil {
		t.Errorf("disconnect: %v", err)
	}
}

// relay stands between an engine and the broker, so that the engine alone can lose its connection.
type relay struct {
	l      net.Listener
	target string

	mu    sync.Mutex
	shut  bool
	conns map[net.Conn]bool

	serving sync.WaitGroup
}

func startRelay(t *testing.T, port int) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{l: l, target: fmt.Sprintf("127.0.0.1:%d", port), conns: map[net.Conn]bool{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.serving.Add(1)
			running.Go(func() {
				defer r.serving.Done()
				r.serve(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		r.cut()
		running.Wait()
	})
	return r
}

func (r *relay) addr() string { return r.l.Addr().String() }

func (r *relay) serve(c net.Conn) {
	defer c.Close()
	b, err := net.Dial("tcp", r.target)
	if err != nil {
		return
	}
	defer b.Close()
	r.mu.Lock()
	shut := r.shut
	r.conns[c], r.conns[b] = true, true
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.conns, c)
		delete(r.conns, b)
	}()
	if shut {
		return
	}
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(b, c)
		_ = b.(*net.TCPConn).CloseWrite() // the broker ends the connection when it has read what came before
	})
	both.Go(func() {
		_, _ = io.Copy(c, b)
		c.Close()
		b.Close()
	})
	both.Wait()
}

// cut ends all connections and lets none through.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shut = true
	for c := range r.conns {
		c.Close()
	}
	clear(r.conns)
}

// drain waits until the broker has ended every connection. Without that, what an engine says last on one connection may reach
// the broker behind what it says first on the next one, and a CONNECT before a DISCONNECT means the last will.
func (r *relay) drain(t *testing.T) {
	t.Helper()
	ended := make(chan struct{})
	go func() { // ends with the connections, which the end of the test cuts
		r.serving.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("the broker has not ended the connection")
	}
}

// resume lets connections through again.
func (r *relay) resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shut = false
}
