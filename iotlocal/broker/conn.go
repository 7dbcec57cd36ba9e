package broker

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// linger is how long a connection that the server ends stays readable, so that
// the last packets are not destroyed by a TCP reset, and how long a peer that
// does not read can delay its end.
const linger = 500 * time.Millisecond

// conn is one transport connection.
type conn struct {
	b      *Broker
	raw    net.Conn
	nc     net.Conn // the TLS connection around raw on a TLS port, else raw
	number int

	admission admission
	in        input
	direct    *direct // nil: the transport is written by a goroutine only
	out       *outbox
	turn      *turn  // of the reader, while it handles packets
	topic     string // the last one that was published to

	done      chan struct{} // closed by abort: nothing is to be written any more
	abortOnce sync.Once
	writer    writer
	written   chan struct{} // closed when the writer has ended for good
	finishing atomic.Bool   // the server is about to close in good order
	gone      atomic.Bool   // the end was recorded
	keepAlive atomic.Int64  // read timeout in nanoseconds, 0: none
	unacked   atomic.Int32  // QoS 1 messages received whose PUBACK is not written
	lastWords atomic.Value  // string: why the server ends the connection, for the record, where no packet says it
	id        atomic.Value  // string: the client identifier, as soon as it is known

	// Set by the reader before the writer starts or the session is attached.
	version       wire.Version
	codec         codec
	client        *Client
	aliases       map[uint16]string
	publishes     perSecond
	window        int    // QoS 1 messages the client takes unacknowledged
	maxPacket     uint32 // bytes the client takes, 0: any
	noProblemInfo bool

	// Under Broker.mu.
	sess           *session
	accepted       bool // CONNACK is in the outbox
	will           *will
	cause          Cause
	disconnectCode wire.Code
	touched        bool // it stands in Broker.touched
}

// errEnded stops the reader without further ado; errRefused after a CONNACK
// that refuses has been put into the outbox.
var (
	errEnded   = errors.New("iotlocal: connection ended")
	errRefused = errors.New("iotlocal: connection refused")
	errGiven   = errors.New("iotlocal: connection given away") // see Options.Protocols
)

func (c *conn) clientID() string { return c.id.Load().(string) }

func newConn(b *Broker, nc net.Conn, conf *tls.Config) *conn {
	c := &conn{b: b, raw: nc, nc: nc, number: int(b.connSeq.Add(1)), out: newOutbox(),
		done: make(chan struct{}), written: make(chan struct{})}
	if conf != nil {
		c.nc = tls.Server(nc, conf)
	}
	c.id.Store("")
	c.lastWords.Store("")
	c.direct = newDirect(c.nc, &c.in)
	c.in.src, c.in.direct, c.writer.c = c.nc, c.direct, c
	return c
}

// readWithin sets the time for what is read from now on, unless the connection
// is about to end, which has its own.
func (c *conn) readWithin(d time.Duration) {
	if c.finishing.Load() {
		return
	}
	c.nc.SetReadDeadline(time.Now().Add(d))
	if c.finishing.Load() { // the writer set its own in between
		c.nc.SetReadDeadline(time.Now().Add(linger))
	}
}

// serve is the reader goroutine: the whole life of the connection.
func (c *conn) serve() {
	err := c.run()
	defer c.in.release()
	if errors.Is(err, errGiven) {
		c.b.mu.Lock()
		delete(c.b.conns, c)
		c.b.mu.Unlock()
		return
	}
	c.close(err)
	c.b.mu.Lock()
	delete(c.b.conns, c)
	cause := c.cause
	c.b.mu.Unlock()
	if h := c.b.opts.Hooks.Disconnected; h != nil && c.client != nil && cause != CauseNone {
		h(c.client, cause)
	}
}

func (c *conn) run() error {
	switch c.admission {
	case admitNot:
		c.event(wire.ServerClosed, "refused by a fault")
		return errEnded
	case admitSilent:
		return c.silence()
	}
	if err := c.open(); err != nil {
		return err
	}
	for {
		if err := c.take(c.await()); err != nil {
			return err
		}
	}
}

// take handles the packets that have come whole, unless waiting for them gave an
// error, which is judged.
func (c *conn) take(err error) error {
	c.begin()
	defer c.finish()
	for range maxTurn {
		if err = c.next(err); err != nil || !c.in.whole() {
			return err
		}
	}
	return nil
}

// open takes the client in, from the handshake to CONNACK.
func (c *conn) open() error {
	c.nc.SetReadDeadline(time.Now().Add(c.b.opts.Limits.ConnectTimeout))
	if err := c.handshake(); err != nil {
		return err
	}
	if tc, ok := c.nc.(*tls.Conn); ok {
		if take := c.b.opts.Protocols[tc.ConnectionState().NegotiatedProtocol]; take != nil {
			c.nc.SetReadDeadline(time.Time{})
			take(tc)
			return errGiven
		}
	}
	return c.connect()
}

// silence reads and never answers. It is apart from run, whose stack would have
// room for the record as long as the connection lives.
func (c *conn) silence() error {
	c.b.rec.Add(record.Packet{Dir: wire.Event, Type: wire.TransportOpen, Conn: c.number, Fault: "silenced",
		Transport: &record.Transport{RemoteAddr: c.nc.RemoteAddr().String()}})
	_, err := io.Copy(io.Discard, c.raw)
	return cmpErr(err, io.EOF)
}

func cmpErr(err, def error) error {
	if err != nil {
		return err
	}
	return def
}

// handshake completes TLS, where there is one, and records the connection.
func (c *conn) handshake() error {
	t := &record.Transport{RemoteAddr: c.nc.RemoteAddr().String()}
	if tc, ok := c.nc.(*tls.Conn); ok {
		ctx, cancel := context.WithTimeout(context.Background(), c.b.opts.Limits.ConnectTimeout)
		defer cancel()
		if err := tc.HandshakeContext(ctx); err != nil {
			c.b.log.Debug("iotlocal: TLS handshake failed", "addr", t.RemoteAddr, "error", err)
			c.event(wire.HandshakeFailed, ExplainTLS(err))
			return err
		}
		st := tc.ConnectionState()
		t.FromTLS(&st)
		if h := c.b.opts.Hooks.Owner; h != nil && len(st.PeerCertificates) > 0 {
			t.CertificateID, t.Thing = h(st.PeerCertificates[0])
		}
	}
	if known, ok := c.nc.(interface{ Transport() record.Transport }); ok { // somebody else's handshake
		*t = known.Transport()
	}
	c.b.rec.Add(record.Packet{Dir: wire.Event, Type: wire.TransportOpen, Conn: c.number, Transport: t})
	return nil
}

// await waits for the begin of a packet. Nearly all goroutines of a server with
// many clients stand here: what is above them on the stack is kept small, so that
// the runtime can halve it.
func (c *conn) await() error {
	for c.out.full() {
		select {
		case <-c.out.room:
		case <-c.written:
			return errEnded
		}
	}
	if d := c.keepAlive.Load(); d != 0 {
		// For the whole packet: bytes that dribble in are no packet
		// [MQTT5-3.1.2-22].
		c.readWithin(time.Duration(d))
	}
	_, err := c.in.start(1)
	return err
}

// next reads and handles one packet, unless err is not nil.
func (c *conn) next(err error) error {
	var header byte
	var body []byte
	if err == nil {
		var ok bool
		if header, body, ok = c.in.frame(c.b.opts.Limits.MaximumPacketSize); !ok {
			header, body, err = readFrame(&c.in, c.b.opts.Limits.MaximumPacketSize)
		}
	}
	if c.finishing.Load() {
		return cmpErr(ioError(err), errEnded)
	}
	if timedOut(err) {
		return &protocolError{wire.KeepAliveTimeout, "no whole packet received for 1.5 times the keep alive"}
	}
	if err == nil {
		err = checkFrame(c.version, header, body)
	}
	var p packet
	if err == nil {
		p, err = c.codec.decode(header, body, &c.turn.scratch)
	}
	if pub, ok := p.(*publishPacket); ok && err == nil {
		err = c.resolveAlias(pub)
	}
	if err != nil {
		if ioError(err) == nil {
			c.recordBad(wire.PacketType(header>>4), err)
		}
		return err
	}
	return c.receive(p)
}

func timedOut(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}

// ioError returns err unless it is a violation by the client.
func ioError(err error) error {
	if _, ok := errors.AsType[*protocolError](err); ok {
		return nil
	}
	return err
}

func (c *conn) recordBad(t wire.PacketType, err error) {
	c.b.rec.Add(record.Packet{Dir: wire.ClientToServer, Type: t, Conn: c.number, ClientID: c.clientID(), Reason: err.Error()})
}

// resolveAlias puts the topic in that an alias stands for [MQTT5-3.3.2.3.4].
func (c *conn) resolveAlias(p *publishPacket) error {
	if p.alias == nil {
		if p.msg.Topic == "" {
			return violation("PUBLISH without topic and topic alias")
		}
		return nil
	}
	a := *p.alias
	if a == 0 || int(a) > c.b.opts.Limits.TopicAliasMaximum {
		return &protocolError{wire.TopicAliasInvalid, fmt.Sprintf("topic alias %d, the maximum is %d", a, c.b.opts.Limits.TopicAliasMaximum)}
	}
	if p.msg.Topic != "" {
		if c.aliases == nil {
			c.aliases = map[uint16]string{}
		}
		c.aliases[a] = p.msg.Topic
		return nil
	}
	t, ok := c.aliases[a]
	if !ok {
		return &protocolError{wire.TopicAliasInvalid, fmt.Sprintf("topic alias %d is not set", a)}
	}
	p.msg.Topic = t
	return nil
}

// close ends the connection as err demands, waits for the writer and records
// who ended it.
func (c *conn) close(err error) {
	cause, code, text := c.judge(err)
	c.b.mu.Lock()
	c.b.detach(c, cause)
	c.b.unlock()
	if c.out.opened() && (ioError(err) == nil || errors.Is(err, errRefused)) {
		c.b.log.Debug("iotlocal: connection ended by the server", "client", c.clientID(), "cause", cause, "reason", err)
		c.end(code, text, true)
		// Keep reading until the client has gone or the time is up: see linger. The
		// writer has as long to say the last word.
		c.readWithin(2 * linger)
		if _, err := io.Copy(io.Discard, &c.in); err != nil {
			c.b.log.Debug("iotlocal: connection drained", "client", c.clientID(), "error", err)
		}
	}
	if c.finishing.Load() {
		<-c.written // what was to be said last is being said
	}
	switch {
	case timedOut(err):
		c.event(wire.ServerClosed, "no CONNECT in time")
	case ioError(err) == nil, errors.Is(err, errRefused), errors.Is(err, errEnded) && cause != ClientDisconnected:
		c.event(wire.ServerClosed, text)
	default:
		c.event(wire.ClientClosed, "")
	}
	c.abort("")
	if c.out.opened() {
		<-c.written
	}
}

// judge says what an error of run means.
func (c *conn) judge(err error) (Cause, wire.Code, string) {
	if pe, ok := errors.AsType[*protocolError](err); ok {
		cause := ClientError
		switch pe.code {
		case wire.NotAuthorized:
			cause = NotPermitted
		case wire.KeepAliveTimeout:
			cause = KeepAliveExpired
		}
		return cause, pe.code, pe.text
	}
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	switch {
	case c.cause != CauseNone:
		return c.cause, 0, ""
	case errors.Is(err, errEnded):
		return Kicked, 0, ""
	}
	return ConnectionLost, 0, ""
}

// end sends DISCONNECT (MQTT 5; a 3.1.1 client is closed in silence), then
// closes. keep says whether packets that wait go out before. It does not wait.
func (c *conn) end(code wire.Code, reason string, keep bool) {
	// The version is known, to others than the reader too, when there was a CONNACK.
	if code.IsError() && (!c.out.mayDisconnect() || c.version != wire.MQTT5) { // no DISCONNECT will say it
		c.lastWords.CompareAndSwap("", cmp.Or(reason, code.String()))
	}
	c.out.last(disconnect(code, reason), keep)
	// A peer that does not read must not hold the writer. Without a writer,
	// before CONNECT, there is nobody to say it.
	c.nc.SetWriteDeadline(time.Now().Add(linger))
	if !c.out.opened() {
		c.abort("")
	}
}

// abort closes the transport at once. reason, if any, is for the record.
func (c *conn) abort(reason string) {
	c.abortOnce.Do(func() {
		if reason != "" {
			c.event(wire.ServerClosed, reason)
		}
		close(c.done) // before the writer is told
		c.out.mute()
		c.raw.Close() // past TLS, whose Close would try to say good-bye first
	})
}

// event records the end of the connection, once.
func (c *conn) event(t wire.PacketType, reason string) {
	if c.gone.CompareAndSwap(false, true) {
		c.b.rec.Add(record.Packet{Dir: wire.Event, Type: t, Conn: c.number, ClientID: c.clientID(), Reason: reason})
	}
}

// assignedPrefix makes client ids that the server assigns unique over runs.
func assignedPrefix() string {
	var b [6]byte
	rand.Read(b[:]) // never fails since Go 1.24
	return "auto-" + hex.EncodeToString(b[:])
}
