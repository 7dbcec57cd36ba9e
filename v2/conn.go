package awsiot

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"time"

	"github.com/portage-iot/awsiot/v2/internal/alias"
	"github.com/portage-iot/awsiot/v2/internal/router"
	"github.com/portage-iot/awsiot/v2/internal/wire"
)

const (
	minBuffer = 256       // of an idle connection
	maxBuffer = 64 << 10  // under load; a larger packet gets a larger one for as long as it takes
	maxOut    = 256 << 10 // encoded and not yet taken by the writer; beyond it operations wait in the queue

	maxGathered = 4096 // messages of one read that are made before the first of them goes to its lane

	// closeTimeout bounds the last writes of a connection, and the wait for the broker to end it
	// after a DISCONNECT: closing with unread data in the socket would reset the connection, and
	// the DISCONNECT could be lost with it.
	closeTimeout = 2 * time.Second
	// ackDelay is how long a PUBACK may wait for those of the messages behind it.
	ackDelay = time.Millisecond
)

// link is one connection: a reader (the session loop) and a writer.
type link struct {
	c        *Client
	opts     *config // of the attempt that made it
	conn     net.Conn
	connack  *ConnackPacket
	settings NegotiatedSettings
	epoch    uint64
	seq      uint64        // Client.seq at its beginning
	hidden   secrets       // what no text of the broker may show
	wake     chan struct{} // to the writer, when it sleeps

	// the reader's own
	in        []byte // received: in[:have]
	have      int
	maxIn     int
	quiet     int            // reads in a row that a small buffer could have held
	inAliases *alias.Inbound // nil: the broker may use none
	acks      []ackEntry
	msgs      []*Message
	found     []*router.Route[MessageHandler] // see early
	cutter    cutter
	patience  *time.Timer // see breathe
	moves     uint64      // the count of blocks that the handlers had taken when it waited last
	signals   []signal    // for unlockReusing
	waits     int32       // in vain, since moves changed
	full      bool        // the last read filled it

	cleanStart bool

	piece int // of the writer: the most that it writes at once

	// guarded by Client.mu
	out, spare   []byte        // encoded, not yet taken by the writer; the writer's other buffer
	pend, spareP []*operation  // QoS 0 publishes in out whose end somebody waits for
	told, spareT []told        // callbacks of QoS 0 publishes in out that have no operation
	loose        looseCount    // QoS 0 publishes in out that have no operation
	delivered    delivery      // of OnConnectionSuccess
	done         chan struct{} // made by writerEnd
	asleep       bool          // the writer waits for wake
	gone         bool          // the writer has ended
	closing      bool          // write what is in out, then close
	dead         bool          // the broker does not answer: close without waiting for it
	broken       bool          // with err: a write failed because the peer had closed; what it had sent before is still read
	pinging      bool          // a PINGREQ is due, or not answered
	pingDue      bool          // it is still to be written: the writer puts it between two packets
	ackSoon      bool          // a timer is running that wakes the writer for PUBACKs
	err          error         // why the connection ends
	ended        time.Duration // with err: when
	disconnect   *DisconnectPacket
	last0        lastSent      // the last QoS 0 publish, for lossHint
	end, written uint64        // bytes appended to out, bytes that the socket took
	batchStart   time.Duration // when the first packet of out was appended
	since        time.Duration // of the connection
	lastRead     time.Duration
	lastWrite    time.Duration
	inbound      int32           // QoS 1 messages received and not acknowledged
	held         int32           // of these: a handler has taken the acknowledgement over
	quota        *quota          // the rates of AWS IoT Core; nil: none
	aliases      *alias.Outbound // nil: none
	timer        *time.Timer
	pingAt       time.Duration // when the PINGREQ became due, or was written
	probe        probe

	// of the call that writes in the writer's place, see writeInline
	tryWrite func([]byte) (int, error) // nil: not made yet
	noTry    bool                      // the transport cannot write without waiting
	alone    int                       // writes in a row with one operation under way
	quick    int                       // see gauge
	lead     *lead                     // nil: not needed yet
}

// ackEntry is a received PUBACK. full is nil when it has no properties.
type ackEntry struct {
	id   uint16
	code byte
	full *wire.Ack
}

func (c *Client) newLink(conn net.Conn, o *config) *link {
	l := &link{c: c, opts: o, conn: conn, maxIn: int(o.MaximumPacketSize), piece: largePiece, wake: make(chan struct{}, 1), in: make([]byte, minBuffer)}
	if a := &o.TopicAliasing; a.Inbound == AliasEnabled {
		l.inAliases = alias.NewInbound(a.InboundMaximum)
	}
	return l
}

// reserve makes the read buffer hold at least n bytes.
func (l *link) reserve(n int) {
	if n > len(l.in) {
		in := make([]byte, n)
		copy(in, l.in[:l.have])
		l.in = in
	}
}

// fail records why the connection ends, and makes the reader and the writer end. mu is held.
func (l *link) fail(err error) {
	if l.err == nil {
		l.err, l.ended, l.pingDue = err, l.c.clock(), false
		_ = l.conn.SetDeadline(time.Unix(1, 0))
	}
}

// failWrite is fail for the error of a write. A broker that closes while a packet is on its way has mostly said why, in
// a DISCONNECT that is still to be read. mu is held.
func (l *link) failWrite(err error) {
	if l.err != nil || !peerClosed(err) {
		l.fail(err)
		return
	}
	l.err, l.ended, l.broken, l.pingDue = err, l.c.clock(), true, false
	_ = l.conn.SetWriteDeadline(time.Unix(1, 0))
	_ = l.conn.SetReadDeadline(time.Now().Add(closeTimeout)) // nothing more will come: the read ends at once
}

// hangUp is fail with a DISCONNECT before the end. mu is held.
func (l *link) hangUp(p *wire.Disconnect, err error) {
	if l.err != nil {
		return
	}
	l.err, l.ended, l.closing, l.pingDue = err, l.c.clock(), true, false
	_ = l.conn.SetWriteDeadline(time.Now().Add(closeTimeout))
	out, e := wire.AppendDisconnect(l.out, p)
	if size := len(out) - len(l.out); e == nil && size > int(l.settings.MaximumPacketSizeToServer) {
		l.c.note(slog.LevelWarn, "DISCONNECT goes without its reason string and user properties: the broker takes no packet of this size", slog.Int("size", size))
		short := &wire.Disconnect{Code: p.Code, SessionExpiry: p.SessionExpiry} // [MQTT5-3.14.2-3], [MQTT5-3.14.2-4]
		out, e = wire.AppendDisconnect(l.out, short)
	}
	if e == nil {
		l.out = out
	}
}

// violation ends the connection because of what the broker sent. mu is not held.
func (l *link) violation(err error) error {
	code := byte(ReasonProtocolError)
	var we *wire.Error
	if errors.As(err, &we) {
		code = we.Code
	}
	var re *ReasonError
	if errors.As(err, &re) {
		code = byte(re.Code)
		err = fmt.Errorf("%w: %w", err, ErrProtocol)
	} else {
		err = opError("connection", "", protocolError(err))
	}
	l.c.mu.Lock()
	l.hangUp(&wire.Disconnect{Code: code}, err)
	l.c.unlock()
	return err
}

// read parses what the broker sends until the connection ends, and returns why. Everything
// that one read brought is gathered, so that the lock is taken once for it.
func (l *link) read() error {
	for {
		need, err := l.parse()
		if err != nil {
			err = l.violation(err)
			<-l.writerEnd()
			return err
		}
		if l.aside() {
			err = l.follow()
		} else {
			l.resize(need)
			err = l.fill()
		}
		if err != nil {
			return err
		}
	}
}

// fill reads once, into the free part of the buffer.
func (l *link) fill() error {
	n, err := l.conn.Read(l.in[l.have:])
	l.have += n
	switch {
	case n > 0 || err == nil:
		return nil
	case errors.Is(err, io.EOF):
		return fmt.Errorf("awsiot: connection: closed by the broker without a DISCONNECT: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// resize makes room for the next read: for the packet that needs it, more under load, and
// less again after a while of small reads.
func (l *link) resize(need int) {
	switch {
	case need > len(l.in):
		l.reserve(max(need, min(maxBuffer, 4*len(l.in))))
	case l.full && len(l.in) < maxBuffer:
		l.reserve(min(maxBuffer, 4*len(l.in)))
	case l.quiet > 64 && l.have == 0 && len(l.in) > minBuffer:
		l.in, l.quiet = make([]byte, max(minBuffer, len(l.in)/8)), 0
		l.c.messages.dropSpare()
	}
}

// parse handles the packets in the buffer, and returns how many bytes the one that is cut off needs.
func (l *link) parse() (need int, err error) {
	l.full = l.have == len(l.in)
	if l.have < len(l.in)/8 {
		l.quiet++
	} else {
		l.quiet = 0
	}
	p := l.handOver()
	for len(p) > 0 {
		var f wire.Frame
		if f, need, err = wire.Next(p, l.maxIn); err != nil || need > 0 {
			break
		}
		if err = l.packet(f); err != nil {
			break
		}
		p = p[len(f.Raw):]
	}
	if l.cutter.burst = len(l.msgs) >= burstMessages; !l.cutter.burst {
		l.cutter.drop()
	}
	l.have = copy(l.in, p) // before settle, after which the reader may have changed
	if e := l.settle(true); err == nil {
		err = e
	}
	return need, err
}

// packet handles one packet. PUBACKs and messages are gathered for settle.
func (l *link) packet(f wire.Frame) error {
	serial := l.c.serial
	if l.c.tracing {
		l.c.tracePacket("packet received", f)
	}
	switch f.Type() {
	case wire.TypePuback:
		if serial && len(l.msgs) > 0 {
			if err := l.settle(false); err != nil {
				return err
			}
		}
		var a wire.Ack
		if err := wire.ParseAck(f, &a); err != nil {
			return err
		}
		e := ackEntry{id: a.ID, code: a.Code}
		if a.Reason != "" || a.User != nil {
			if ReasonCode(a.Code).IsError() {
				l.hidden.clear(&a.Reason, a.User)
			}
			e.full = &wire.Ack{ID: a.ID, Code: a.Code, Reason: a.Reason, User: a.User}
		}
		l.acks = append(l.acks, e)
		return nil
	case wire.TypePublish:
		if serial && len(l.acks) > 0 {
			if err := l.settle(false); err != nil {
				return err
			}
		}
		var p wire.InPublish
		if err := wire.ParsePublish(f, &p); err != nil {
			return err
		}
		if p.QoS > 1 {
			return &ReasonError{Op: "connection", Code: ReasonQosNotSupported, Reason: "the broker sent a message of QoS 2"}
		}
		m := l.cutter.message(&p)
		if p.Props != nil && p.Props.TopicAlias != 0 {
			var err error
			if m.Topic, err = l.resolve(&p); err != nil {
				return err
			}
		}
		if l.msgs = append(l.msgs, m); len(l.msgs) >= maxGathered { // small ones in a large buffer
			return l.settle(false)
		}
		return nil
	}
	if err := l.settle(false); err != nil {
		return err
	}
	v, err := wire.Decode(f)
	if err != nil {
		return err
	}
	l.hidden.clearPacket(v)
	return l.control(v)
}

// control handles a packet that is neither PUBLISH nor PUBACK.
func (l *link) control(v any) error {
	c := l.c
	c.mu.Lock()
	defer c.unlock()
	switch p := v.(type) {
	case wire.Pingresp:
		l.pingAnswered()
		return nil
	case *wire.Suback:
		return c.suback(p)
	case *wire.Unsuback:
		return c.unsuback(p)
	case *wire.Disconnect:
		d := &DisconnectPacket{Code: ReasonCode(p.Code), SessionExpiry: seconds(p.SessionExpiry), Reason: p.Reason,
			ServerReference: p.ServerReference, UserProperties: fromWireProperties(p.User)}
		l.disconnect = d
		if l.broken { // this is the reason
			l.err = nil
		}
		if d.Code.IsError() {
			l.fail(&ReasonError{Op: "connection", Code: d.Code, Reason: d.Reason, UserProperties: d.UserProperties})
		} else {
			l.fail(fmt.Errorf("awsiot: connection: ended by the broker: %s (0x%02X): %w", d.Code, byte(d.Code), io.EOF))
		}
		return nil
	}
	return &wire.Error{Code: wire.CodeProtocolError, Packet: "packet", Problem: "not expected from a broker"}
}

// settle completes what the gathered PUBACKs acknowledge, and hands the gathered messages to their lane.
func (l *link) settle(last bool) error {
	c := l.c
	if len(l.acks) == 0 && len(l.msgs) == 0 && !last {
		return nil
	}
	var err error
	c.mu.Lock()
	l.lastRead = c.clock()
	for i := range l.acks {
		if err = c.puback(&l.acks[i]); err != nil {
			break
		}
	}
	if len(l.acks) > 0 && l.err == nil {
		c.pump(l)
	}
	deliver := c.state == StateConnected && l.err == nil
	for _, m := range l.msgs {
		if m.QoS == AtLeastOnce {
			l.inbound++
		}
	}
	if len(l.msgs) > 0 {
		l.quick = 0
	} else if last && len(l.acks) == 1 {
		l.standAside()
	}
	if int(l.inbound) > int(l.opts.ReceiveMaximum) && err == nil {
		err = &ReasonError{Op: "connection", Code: ReasonReceiveMaximumExceeded, Reason: "the broker sent more QoS 1 messages than ReceiveMaximum allows"}
		deliver = false
	}
	c.unlockReusing(&l.signals)
	handed := len(l.acks)+len(l.msgs) > 0
	l.acks = l.acks[:0]
	if len(l.msgs) > 0 {
		if deliver {
			l.early()
			c.messages.pushMessages(l.msgs)
		}
		clear(l.msgs)
		l.msgs = l.msgs[:0]
	}
	if handed && last {
		runtime.Gosched() // the callbacks get the processor before the next read, which may block
	}
	return err
}

// close ends the transport. After a DISCONNECT it waits for the broker to do so, see closeTimeout.
func (l *link) close(wait bool) {
	if half, ok := l.conn.(interface{ CloseWrite() error }); ok && wait && half.CloseWrite() == nil {
		_ = l.conn.SetReadDeadline(time.Now().Add(closeTimeout))
		return // the reader sees the end and closes
	}
	l.conn.Close()
}

// inboundDropped counts and logs messages for which there was no room.
func (c *Client) inboundDropped(n int) {
	c.mu.Lock()
	c.stats.InboundDropped += uint64(n)
	c.noteOften(&c.floods.dropped, slog.LevelWarn, "QoS 0 messages dropped: the handlers are too slow", slog.Int("messages", n))
	c.unlock()
}
