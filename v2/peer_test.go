package awsiot_test

// The scripted peer: a broker that does what the test says and nothing else, over an
// in-memory network, in a synctest bubble. Its codec is paho.golang/packets, the second
// opinion on the client's own.

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/portage-iot/awsiot/internal/memnet"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// world is the world of one test: a network, a listener, and a client with its recorder.
type world struct {
	t      testing.TB
	net    *memnet.Network
	ln     net.Listener
	client *awsiot.Client
	events *recorder
}

// newWorld makes a listener and a client for it; change may alter the options. Use it inside synctest.Test.
func newWorld(t testing.TB, change func(*awsiot.ClientOptions)) *world {
	t.Helper()
	w := &world{t: t, net: &memnet.Network{}, events: &recorder{}}
	ln, err := w.net.Listen("broker:1883")
	if err != nil {
		t.Fatal(err)
	}
	w.ln = ln
	o := awsiot.ClientOptions{Endpoint: "broker", ClientID: "c", Auth: awsiot.PlainTCP(), DisableMetrics: true,
		RetryJitterMode: awsiot.JitterNone, Dialer: w.net.Dial}
	if change != nil {
		change(&o)
	}
	w.client = awsiot.NewClient(o)
	w.client.Observe(w.events.observer())
	t.Cleanup(func() {
		_ = ln.Close()
		_ = w.client.Close()
		<-w.client.Done()
		w.net.CutAll() // a peer behind a black hole has not seen the end
	})
	return w
}

// start starts the client and lets the peer accept the connection.
func (w *world) start() *peer {
	w.t.Helper()
	if err := w.client.Start(); err != nil {
		w.t.Fatal(err)
	}
	p, _ := w.accept(nil)
	return p
}

// accept takes the next connection and answers its CONNECT; answer may alter the CONNACK.
func (w *world) accept(answer func(*packets.Connack)) (*peer, *packets.Connect) {
	w.t.Helper()
	p := w.raw()
	c := p.welcome(answer)
	synctest.Wait()
	return p, c
}

// raw takes the next connection and says nothing.
func (w *world) raw() *peer {
	w.t.Helper()
	conn, err := w.ln.Accept()
	if err != nil {
		w.t.Fatalf("accept: %v", err)
	}
	return &peer{t: w.t, conn: conn}
}

// peer is the broker's end of one connection.
type peer struct {
	t    testing.TB
	conn net.Conn
}

// cut breaks the connection for both ends.
func (p *peer) cut() { p.conn.(*memnet.Conn).Cut() }

// send sends packets of the codec, raw bytes, or a packet identifier (a PUBACK of success).
func (p *peer) send(vs ...any) {
	p.t.Helper()
	if _, err := p.conn.Write(encode(p.t, vs...)); err != nil {
		p.t.Fatalf("peer write: %v", err)
	}
}

// reply is send for peers that do not care whether the client still listens.
func (p *peer) reply(vs ...any) { _, _ = p.conn.Write(encode(p.t, vs...)) }

// encode returns the bytes of what send takes.
func encode(t testing.TB, vs ...any) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, v := range vs {
		switch v := v.(type) {
		case []byte:
			b.Write(v)
		case uint16:
			b.Write([]byte{0x40, 2, byte(v >> 8), byte(v)})
		case packets.Packet:
			if _, err := v.WriteTo(&b); err != nil {
				t.Fatalf("encode %T: %v", v, err)
			}
		default:
			t.Fatalf("send: %T", v)
		}
	}
	return b.Bytes()
}

// next reads one packet; nil at the end of the connection.
func (p *peer) next() packets.Packet {
	p.t.Helper()
	cp, err := packets.ReadPacket(p.conn)
	if err != nil {
		return nil
	}
	return cp.Content
}

// expect reads one packet, which must be a P.
func expect[P packets.Packet](p *peer) P {
	p.t.Helper()
	v := p.next()
	q, ok := v.(P)
	if !ok {
		p.t.Fatalf("peer: got %T %+v, want %v", v, v, reflect.TypeFor[P]())
	}
	return q
}

// expectEnd reads until the client has closed the connection; other packets are an error.
func (p *peer) expectEnd() {
	p.t.Helper()
	if v := p.next(); v != nil {
		p.t.Fatalf("peer: got %T %+v, want the end of the connection", v, v)
	}
	_ = p.conn.Close()
}

// silent checks that the client sends nothing for d.
func (p *peer) silent(d time.Duration) {
	p.t.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(d))
	var b [1]byte
	if n, err := p.conn.Read(b[:]); n > 0 || err == io.EOF {
		p.t.Fatalf("peer: want silence for %v, got byte %x, %v", d, b[:n], err)
	}
	_ = p.conn.SetReadDeadline(time.Time{})
	synctest.Wait()
}

// publish is what a peer sends; id 0 is QoS 0.
func publish(topic, payload string, id uint16) *packets.Publish {
	p := &packets.Publish{Topic: topic, Payload: []byte(payload), PacketID: id, Properties: &packets.Properties{}}
	if id > 0 {
		p.QoS = 1
	}
	return p
}

func suback(id uint16, codes ...byte) *packets.Suback {
	return &packets.Suback{PacketID: id, Reasons: codes, Properties: &packets.Properties{}}
}

func unsuback(id uint16, codes ...byte) *packets.Unsuback {
	return &packets.Unsuback{PacketID: id, Reasons: codes, Properties: &packets.Properties{}}
}

func puback(id uint16, code byte) *packets.Puback {
	return &packets.Puback{PacketID: id, ReasonCode: code, Properties: &packets.Properties{}}
}

// packet builds a PublishPacket.
func packet(topic, payload string, qos awsiot.QoS) *awsiot.PublishPacket {
	return &awsiot.PublishPacket{Topic: topic, Payload: []byte(payload), QoS: qos}
}

// filters builds a SubscribePacket of QoS 1 filters with one handler.
func filters(h awsiot.MessageHandler, fs ...string) *awsiot.SubscribePacket {
	p := &awsiot.SubscribePacket{}
	for _, f := range fs {
		p.Subscriptions = append(p.Subscriptions, awsiot.Subscription{TopicFilter: f, QoS: awsiot.AtLeastOnce, Handler: h})
	}
	return p
}

// recorder keeps what happened, as short texts, in order.
type recorder struct {
	mu   sync.Mutex
	list []string
}

func (r *recorder) add(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, fmt.Sprintf(format, args...))
}

// take returns and forgets what was recorded.
func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.list
	r.list = nil
	return l
}

func (r *recorder) observer() awsiot.Observer {
	return awsiot.Observer{
		OnAttemptingConnect: func(*awsiot.AttemptingConnect) { r.add("attempting") },
		OnConnectionSuccess: func(*awsiot.ConnectionSuccess) { r.add("success") },
		OnConnectionFailure: func(f *awsiot.ConnectionFailure) { r.add("failure: %v", f.Err) },
		OnDisconnection:     func(d *awsiot.Disconnection) { r.add("disconnection: %v", d.Err) },
		OnStopped:           func(*awsiot.Stopped) { r.add("stopped") },
		OnResubscribed: func(e *awsiot.Resubscribed) {
			var fs []string
			for _, s := range e.Subscriptions {
				fs = append(fs, s.TopicFilter)
			}
			r.add("resubscribed %v: %v", fs, e.Err)
		},
	}
}

// done returns a PublishFunc callback that records its end under name.
func (r *recorder) done(name string) func(awsiot.PublishResult, error) {
	return func(_ awsiot.PublishResult, err error) { r.add("%s: %v", name, err) }
}

func equal[T comparable](t testing.TB, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

func within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	_ = cancel // the bubble ends with the test
	return ctx
}

// serve is a peer that accepts every connection and answers every packet, until the listener
// is closed: connect may alter the CONNACK (nil: accept), and handle gets what follows CONNECT
// (nil: answer). It runs beside the test.
func (w *world) serve(connect func(*packets.Connect, *packets.Connack), handle func(*peer, packets.Packet)) {
	if handle == nil {
		handle = (*peer).answer
	}
	go func() {
		for {
			conn, err := w.ln.Accept()
			if err != nil {
				return
			}
			go func() {
				p := &peer{t: w.t, conn: conn}
				defer conn.Close()
				c, ok := p.next().(*packets.Connect)
				if !ok {
					return
				}
				ack := &packets.Connack{Properties: &packets.Properties{}}
				if connect != nil {
					connect(c, ack)
				}
				p.reply(ack)
				for v := p.next(); v != nil && ack.ReasonCode < 0x80; v = p.next() {
					handle(p, v)
				}
			}()
		}
	}()
}

// answer acknowledges v with success.
func (p *peer) answer(v packets.Packet) {
	switch v := v.(type) {
	case *packets.Publish:
		if v.QoS == 1 {
			p.reply(v.PacketID)
		}
	case *packets.Subscribe:
		p.reply(suback(v.PacketID, make([]byte, len(v.Subscriptions))...))
	case *packets.Unsubscribe:
		p.reply(unsuback(v.PacketID, make([]byte, len(v.Topics))...))
	case *packets.Pingreq:
		p.reply(&packets.Pingresp{})
	}
}

// sessionPresent changes the CONNACK of accept: the session is present, and what changes say.
func sessionPresent(changes ...func(*packets.Connack)) func(*packets.Connack) {
	return func(a *packets.Connack) {
		a.SessionPresent = true
		for _, c := range changes {
			c(a)
		}
	}
}

// rejoin makes the client ask for its session at every connection.
func rejoin(o *awsiot.ClientOptions) {
	o.SessionBehavior, o.SessionExpiry = awsiot.RejoinAlways, time.Hour
}

// pass lets d of the bubble's time go by, with everything done that is due until then.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// expectClose reads a DISCONNECT, and the end of the connection.
func (p *peer) expectClose() {
	expect[*packets.Disconnect](p)
	p.expectEnd()
}
