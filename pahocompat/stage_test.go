package mqtt_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/portage-iot/awsiot/iotlocal"
)

// stage is where a program runs: a broker behind a proxy that does what networks do, clients, and what the program says.
type stage struct {
	t     *testing.T
	lib   library
	srv   *iotlocal.Server // nil: the broker is another one
	proxy *proxy
	loose bool

	resumed atomic.Int32 // times that clients on paho have looked what of their stores is to be sent again

	mu      sync.Mutex
	lines   []string
	clients []paho.Client
}

// resumedStore counts when paho has looked into a store.
type resumedStore struct {
	paho.Store
	looks *atomic.Int32
}

// All implements paho.Store.
func (r resumedStore) All() []string {
	defer r.looks.Add(1)
	return r.Store.All()
}

func newStage(t *testing.T, broker string, srv *iotlocal.Server) *stage {
	return &stage{t: t, srv: srv, proxy: newProxy(t, broker)}
}

// options are those of most programs: a client id that no other program has.
func (s *stage) options() *paho.ClientOptions {
	id := strings.NewReplacer("/", "-", " ", "-").Replace(s.t.Name())
	if len(id) > 100 {
		id = id[len(id)-100:]
	}
	return paho.NewClientOptions().AddBroker("tcp://" + s.proxy.addr).SetClientID(id).SetProtocolVersion(4).SetKeepAlive(10 * time.Minute)
}

// topic is one that no other program uses.
func (s *stage) topic(name string) string {
	return strings.NewReplacer("/", "-", " ", "-").Replace(s.t.Name()) + "/" + name
}

// name takes the program's own part off a topic.
func (s *stage) name(topic string) string { return strings.ReplaceAll(topic, s.topic(""), "") }

func (s *stage) client(o *paho.ClientOptions) paho.Client {
	if s.lib.paho {
		copied := *o
		if o = &copied; o.Store == nil {
			o.Store = paho.NewMemoryStore() // paho's default
		}
		o.Store = resumedStore{o.Store, &s.resumed}
	}
	c := s.lib.make(s.t, o)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients = append(s.clients, c)
	return c
}

// connect makes a client and connects it.
func (s *stage) connect(o *paho.ClientOptions) paho.Client {
	s.t.Helper()
	c := s.client(o)
	must(s.t, "Connect", c.Connect())
	return c
}

// observer is a client of the program's surroundings, always paho's, with its messages.
func (s *stage) observer(filter string) (paho.Client, <-chan paho.Message) {
	s.t.Helper()
	o := s.options()
	o.SetClientID("observer-" + o.ClientID)
	o.Servers = nil
	c := paho.NewClient(o.AddBroker("tcp://" + s.proxy.broker))
	must(s.t, "the observer's Connect", c.Connect())
	s.t.Cleanup(func() { c.Disconnect(quiesce) })
	got := make(chan paho.Message, 10000)
	if filter != "" {
		must(s.t, "the observer's Subscribe", c.Subscribe(s.topic(filter), 1, func(_ paho.Client, m paho.Message) { got <- m }))
	}
	return c, got
}

// say adds a line.
func (s *stage) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, strings.ReplaceAll(fmt.Sprintf(format, args...), s.topic(""), ""))
}

// token waits for a token and says how it ended.
func (s *stage) token(what string, tok paho.Token) {
	s.t.Helper()
	if !tok.WaitTimeout(patience) {
		s.t.Errorf("%s: the token has not ended", what)
	}
	s.say("%s: %v", what, tok.Error())
}

// text describes a message.
func (s *stage) text(m paho.Message) string {
	payload := string(m.Payload())
	if len(payload) > 40 {
		payload = fmt.Sprintf("%d bytes", len(payload))
	}
	return fmt.Sprintf("%s %q qos=%d retained=%v id=%v", s.name(m.Topic()), payload, m.Qos(), m.Retained(), m.MessageID() != 0)
}

// hear returns a handler that says every message, and a channel that gets each after it was said.
func (s *stage) hear(as string) (paho.MessageHandler, <-chan string) {
	heard := make(chan string, 10000)
	return func(_ paho.Client, m paho.Message) {
		s.say("%s: %s", as, s.text(m))
		heard <- string(m.Payload())
	}, heard
}

func (s *stage) next(what string, heard <-chan string) string {
	s.t.Helper()
	return next(s.t, what, heard)
}

// until waits for a condition that nothing tells of.
func (s *stage) until(what string, cond func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); !cond(); {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: not within %v", what, patience)
		}
		<-time.After(time.Millisecond)
	}
}

// again loses the connection of a program's one client, and waits until it has the next one. paho calls that connected before it has
// looked what is to be sent again: what the program publishes in between it sends twice, and touches without a lock.
func (s *stage) again(lose, connected func()) {
	s.t.Helper()
	before := s.resumed.Load()
	lose()
	connected()
	if s.lib.paho {
		s.until("paho's look into its store", func() bool { return s.resumed.Load() > before })
	}
}

// cut is again with the end of the connection, and hooks that note "connect".
func (s *stage) cut(k *calls) {
	s.t.Helper()
	s.again(s.proxy.cut, func() { k.wait(s, "connect") })
}

// end disconnects the clients.
func (s *stage) end() {
	s.mu.Lock()
	clients := s.clients
	s.mu.Unlock()
	var open []string
	for _, c := range clients {
		if r := c.OptionsReader(); c.IsConnectionOpen() {
			open = append(open, r.ClientID())
		}
		c.Disconnect(250)
	}
	if s.srv == nil || s.loose {
		return
	}
	// The broker may not have read yet what they said last.
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.srv.Recorder().Wait(ctx, func(all []iotlocal.Packet) bool {
		last, ended := map[string]int{}, map[int]bool{}
		for _, p := range all {
			switch p.Type {
			case iotlocal.CONNECT:
				last[p.ClientID] = p.Conn
			case iotlocal.ClientClosed, iotlocal.ServerClosed:
				ended[p.Conn] = true
			}
		}
		return !slices.ContainsFunc(open, func(id string) bool { n, ok := last[id]; return ok && !ended[n] })
	}); err != nil {
		s.t.Error(err)
	}
}

// said returns the lines, and on iotlocal the packets of the clients: what of them both protocols have. DUP is left out: paho sets
// it on everything from its store, sent before or not.
func (s *stage) said() []string {
	s.mu.Lock()
	lines := slices.Clone(s.lines)
	s.mu.Unlock()
	if s.srv == nil || s.loose {
		return lines
	}
	for _, p := range sent(s.srv) {
		if strings.HasPrefix(p.ClientID, "observer-") {
			continue
		}
		switch p.Type {
		case iotlocal.PUBLISH:
			payload := string(p.Payload)
			if len(payload) > 40 {
				payload = fmt.Sprintf("%d bytes", len(payload))
			}
			lines = append(lines, fmt.Sprintf("sent PUBLISH %s %q qos=%d retain=%v", s.name(p.Topic), payload, p.QoS, p.Retain))
		case iotlocal.SUBSCRIBE, iotlocal.UNSUBSCRIBE:
			var fs []string
			for _, f := range p.Filters {
				fs = append(fs, fmt.Sprintf("%s:%d", s.name(f.Filter), f.QoS))
			}
			slices.Sort(fs)
			lines = append(lines, fmt.Sprintf("sent %v %v", p.Type, fs))
		}
	}
	return lines
}

// proxy stands between clients and the broker.
type proxy struct {
	addr, broker string

	mu      sync.Mutex
	conns   map[net.Conn]net.Conn
	refuse  bool
	muted   chan struct{} // until it is closed nothing goes through, not even the end of a connection; nil: everything does
	last    chan struct{} // if set, muted becomes this after the next bytes of the broker
	cutNext int           // from the next bytes of the broker, so many go through, and the connection ends; 0: all do
	made    int
	heard   []byte // what clients have said, the beginning
}

func newProxy(t *testing.T, broker string) *proxy {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: ln.Addr().String(), broker: broker, conns: map[net.Conn]net.Conn{}}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		ln.Close()
		p.set(func(p *proxy) { p.refuse = true })
		p.cut()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.serve(in) })
		}
	})
	return p
}

func (p *proxy) serve(in net.Conn) {
	defer in.Close()
	p.mu.Lock()
	refuse := p.refuse
	p.made++
	p.mu.Unlock()
	if refuse {
		return
	}
	out, err := net.Dial("tcp", p.broker)
	if err != nil {
		return
	}
	defer out.Close()
	p.mu.Lock()
	if refuse = p.refuse; !refuse { // it may be so by now
		p.conns[in] = out
	}
	p.mu.Unlock()
	if refuse {
		return
	}
	done := make(chan struct{})
	go func() { // ends with the connections
		defer close(done)
		p.pipe(out, in, false)
	}()
	p.pipe(in, out, true)
	<-done
	p.mu.Lock()
	delete(p.conns, in)
	p.mu.Unlock()
}

// pipe carries one direction. The end of it goes through as well, and the other direction goes on until its end.
func (p *proxy) pipe(to, from net.Conn, fromBroker bool) {
	defer func() {
		if half, ok := to.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite() // it may have ended
		}
	}()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		p.mu.Lock()
		muted, cut := p.muted, 0
		if !fromBroker && len(p.heard) < 4096 {
			p.heard = append(p.heard, b[:n]...)
		}
		if fromBroker && p.cutNext > 0 {
			cut, p.cutNext = min(p.cutNext, n), 0
		}
		p.mu.Unlock()
		if muted != nil {
			if n = 0; err != nil {
				<-muted
			}
		}
		if cut > 0 {
			_, _ = to.Write(b[:cut])
			to.Close()
			from.Close()
			return
		}
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				from.Close()
				return
			}
		}
		if fromBroker && n > 0 {
			p.set(func(p *proxy) {
				if p.last != nil {
					p.muted, p.last = p.last, nil
				}
			})
		}
		if err != nil {
			return
		}
	}
}

// cut ends every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for in, out := range p.conns {
		in.Close()
		out.Close()
	}
}

// set changes what the proxy does.
func (p *proxy) set(change func(*proxy)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

// connections returns how many there have been.
func (p *proxy) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.made
}

// mute makes the network a black hole, until the returned function is called.
func (p *proxy) mute() (end func()) {
	ch := make(chan struct{})
	p.set(func(p *proxy) { p.muted = ch })
	return func() {
		p.set(func(p *proxy) { p.muted = nil })
		close(ch)
	}
}

// muteAfter is mute from behind the next bytes of the broker on.
func (p *proxy) muteAfter() (end func()) {
	ch := make(chan struct{})
	p.set(func(p *proxy) { p.last = ch })
	return func() {
		p.set(func(p *proxy) { p.muted = nil })
		close(ch)
	}
}

// idle reports whether both ends of every connection have ended it.
func (p *proxy) idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns) == 0
}

// said returns the beginning of what clients have said.
func (p *proxy) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.heard)
}
