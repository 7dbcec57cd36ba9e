package iotlocal_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	p5 "github.com/eclipse/paho.golang/packets"
	p3 "github.com/eclipse/paho.mqtt.golang/packets"
	"go.uber.org/goleak"

	"github.com/portage-iot/awsiot/internal/memnet"
	"github.com/portage-iot/awsiot/iotlocal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what should come at once. In a bubble it costs nothing.
const patience = 5 * time.Minute

// env is a server on an in-memory network, inside a synctest bubble.
type env struct {
	t   *testing.T
	nw  *memnet.Network
	srv *iotlocal.Server
}

// bubble runs a test against a server in its own bubble: time is fake, every
// goroutine is joined.
func bubble(t *testing.T, o iotlocal.Options, f func(e *env)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		nw := &memnet.Network{}
		o.Listen = func(_, addr string) (net.Listener, error) { return nw.Listen(addr) }
		o.Dir = dir
		srv, err := iotlocal.Start(o)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := srv.Close(); err != nil {
				t.Error(err)
			}
		}()
		f(&env{t, nw, srv})
	})
}

// raw is a client that speaks packets and knows nothing.
type raw struct {
	t  *testing.T
	nc net.Conn
	id string
}

func (e *env) dial() *raw {
	e.t.Helper()
	nc, err := e.nw.Dial(context.Background(), "tcp", net.JoinHostPort(e.srv.Host(), strconv.Itoa(e.srv.TCPPort())))
	if err != nil {
		e.t.Fatal(err)
	}
	return &raw{t: e.t, nc: nc}
}

func dialTLS(t *testing.T, srv *iotlocal.Server, thing iotlocal.Thing, conf *tls.Config) (*tls.Conn, error) {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(srv.CAPEM())
	conf.RootCAs = pool
	if thing.CertPEM != nil {
		pair, err := thing.Certificate()
		if err != nil {
			t.Fatal(err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return tls.Dial("tcp", net.JoinHostPort(srv.Host(), strconv.Itoa(srv.TLSPort())), conf)
}

func (r *raw) write(b []byte) {
	r.t.Helper()
	if _, err := r.nc.Write(b); err != nil {
		r.t.Fatalf("%s: write: %v", r.id, err)
	}
}

type writerTo interface {
	WriteTo(io.Writer) (int64, error)
}

// send writes an MQTT 5 packet.
func (r *raw) send(p writerTo) {
	r.t.Helper()
	var b bytes.Buffer
	if _, err := p.WriteTo(&b); err != nil {
		r.t.Fatal(err)
	}
	r.write(b.Bytes())
}

// read returns the next MQTT 5 packet.
func (r *raw) read() p5.Packet {
	r.t.Helper()
	p, err := r.tryRead()
	if err != nil {
		r.t.Fatalf("%s: read: %v", r.id, err)
	}
	return p
}

func (r *raw) tryRead() (p5.Packet, error) {
	r.nc.SetReadDeadline(time.Now().Add(patience))
	cp, err := p5.ReadPacket(r.nc)
	if err != nil {
		return nil, err
	}
	return cp.Content, nil
}

// want reads the next packet, which must be a T.
func want[T p5.Packet](r *raw) T {
	r.t.Helper()
	p := r.read()
	v, ok := p.(T)
	if !ok {
		r.t.Fatalf("%s: got %T %v, want %T", r.id, p, p, v)
	}
	return v
}

// quiet asserts that nothing arrives for a second of (fake) time.
func (r *raw) quiet() {
	r.t.Helper()
	r.nc.SetReadDeadline(time.Now().Add(time.Second))
	var b [64]byte
	if n, err := r.nc.Read(b[:]); n > 0 || err == io.EOF {
		r.t.Fatalf("%s: got %x, %v; want silence", r.id, b[:n], err)
	}
}

// closed asserts that the server ends the stream with nothing more to read.
func (r *raw) closed() {
	r.t.Helper()
	r.nc.SetReadDeadline(time.Now().Add(patience))
	b, err := io.ReadAll(r.nc)
	if len(b) > 0 || err != nil && !memnet.IsReset(err) {
		r.t.Fatalf("%s: got %x, %v; want the end of the stream", r.id, b, err)
	}
	r.nc.Close()
}

// disconnected asserts a DISCONNECT with code, then the end.
func (r *raw) disconnected(code byte) {
	r.t.Helper()
	if d := want[*p5.Disconnect](r); d.ReasonCode != code {
		r.t.Fatalf("%s: DISCONNECT 0x%02X %q, want 0x%02X", r.id, d.ReasonCode, d.Properties.ReasonString, code)
	}
	r.closed()
}

func connect5(id string) *p5.Connect {
	return &p5.Connect{ProtocolName: "MQTT", ProtocolVersion: 5, ClientID: id, CleanStart: true, KeepAlive: 60,
		Properties: &p5.Properties{}}
}

// connect5 dials and connects with MQTT 5; change edits the CONNECT.
func (e *env) connect5(id string, change ...func(*p5.Connect)) (*raw, *p5.Connack) {
	e.t.Helper()
	r := e.dial()
	r.id = id
	c := connect5(id)
	for _, f := range change {
		f(c)
	}
	r.send(c)
	return r, want[*p5.Connack](r)
}

func persistent(c *p5.Connect) {
	c.CleanStart = false
	c.Properties.SessionExpiryInterval = new(uint32(3600))
}

func receiveMax(n uint16) func(*p5.Connect) {
	return func(c *p5.Connect) { c.Properties.ReceiveMaximum = &n }
}

// sub subscribes with MQTT 5 and returns the codes.
func (r *raw) sub(qos byte, filters ...string) []byte {
	r.t.Helper()
	s := &p5.Subscribe{PacketID: 999, Properties: &p5.Properties{}}
	for _, f := range filters {
		s.Subscriptions = append(s.Subscriptions, p5.SubOptions{Topic: f, QoS: qos})
	}
	r.send(s)
	return want[*p5.Suback](r).Reasons
}

func pub5(topic, payload string, qos byte, id uint16) *p5.Publish {
	return &p5.Publish{Topic: topic, Payload: []byte(payload), QoS: qos, PacketID: id, Properties: &p5.Properties{}}
}

// pub publishes QoS 1 and returns the PUBACK code.
func (r *raw) pub(topic, payload string, id uint16) byte {
	r.t.Helper()
	r.send(pub5(topic, payload, 1, id))
	a := want[*p5.Puback](r)
	if a.PacketID != id {
		r.t.Fatalf("%s: PUBACK for %d, want %d", r.id, a.PacketID, id)
	}
	return a.ReasonCode
}

func (r *raw) ack(id uint16) {
	r.t.Helper()
	r.send(&p5.Puback{PacketID: id, Properties: &p5.Properties{}})
}

// drop closes the connection without DISCONNECT.
func (r *raw) drop() {
	r.nc.Close()
	synctest.Wait()
}

func (r *raw) bye() {
	r.t.Helper()
	r.send(&p5.Disconnect{Properties: &p5.Properties{}})
	r.closed()
	synctest.Wait()
}

// 3.1.1

func (r *raw) send3(p p3.ControlPacket) {
	r.t.Helper()
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		r.t.Fatal(err)
	}
	r.write(b.Bytes())
}

func (r *raw) read3() p3.ControlPacket {
	r.t.Helper()
	r.nc.SetReadDeadline(time.Now().Add(patience))
	p, err := p3.ReadPacket(r.nc)
	if err != nil {
		r.t.Fatalf("%s: read: %v", r.id, err)
	}
	return p
}

func connect3(id string) *p3.ConnectPacket {
	c := p3.NewControlPacket(p3.Connect).(*p3.ConnectPacket)
	c.ProtocolName, c.ProtocolVersion, c.ClientIdentifier, c.CleanSession, c.Keepalive = "MQTT", 4, id, true, 60
	return c
}

func (e *env) connect3(id string, change ...func(*p3.ConnectPacket)) (*raw, *p3.ConnackPacket) {
	e.t.Helper()
	r := e.dial()
	r.id = id
	c := connect3(id)
	for _, f := range change {
		f(c)
	}
	r.send3(c)
	a, ok := r.read3().(*p3.ConnackPacket)
	if !ok {
		e.t.Fatalf("%s: no CONNACK", id)
	}
	return r, a
}

func (r *raw) sub3(qos byte, filters ...string) []byte {
	r.t.Helper()
	s := p3.NewControlPacket(p3.Subscribe).(*p3.SubscribePacket)
	s.MessageID = 999
	for _, f := range filters {
		s.Topics, s.Qoss = append(s.Topics, f), append(s.Qoss, qos)
	}
	r.send3(s)
	a, ok := r.read3().(*p3.SubackPacket)
	if !ok {
		r.t.Fatalf("%s: no SUBACK", r.id)
	}
	return a.ReturnCodes
}

// lines renders the record for comparison: one short line per packet.
func lines(ps []iotlocal.Packet) []string {
	var out []string
	for _, p := range ps {
		out = append(out, fmt.Sprintf("%s %s", p.ClientID, p))
	}
	return out
}

func rootCAs(srv *iotlocal.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(srv.CAPEM())
	return pool
}
