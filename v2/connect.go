package awsiot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/portage-iot/awsiot/v2/internal/wire"
)

// connect makes one attempt: the transport within ConnectTimeout, then CONNECT and CONNACK
// within ConnackTimeout. The end of ctx interrupts it.
func (c *Client) connect(ctx context.Context) (*link, *ConnectError) {
	t, o := c.beginTrial(ctx)
	defer c.endTrial(t)
	conn, err := o.dialWithin(t, c.calls)
	if err != nil {
		return nil, &ConnectError{Err: withHint(err, o.connectHint(err, t.own))}
	}
	l := c.newLink(conn, o)
	l.hidden = o.connectSecrets()
	if ws, ok := conn.(*websocketConn); ok {
		l.hidden = l.hidden.and(ws.hidden)
	}
	t.shake(conn, c.options().ConnackTimeout)
	ack, err := l.handshake(t)
	if t.shaken() {
		err = context.Cause(ctx)
	} else if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if c.trace != nil && c.trace.ConnackReceived != nil {
		c.trace.ConnackReceived(ack, err)
	}
	if err != nil {
		conn.Close()
		return nil, &ConnectError{Connack: ack, Err: withHint(err, o.connectHint(err, t.own))}
	}
	l.connack = ack
	return l, nil
}

// handshake sends CONNECT and reads until CONNACK; what follows the CONNACK stays in the buffer.
func (l *link) handshake(t *trial) (*ConnackPacket, error) {
	c := l.c
	packet, err := wire.AppendConnect(nil, c.connectPacket(l))
	if err != nil {
		return nil, &ValidationError{Field: "ClientOptions", Problem: err.Error(), err: err}
	}
	if _, err := l.conn.Write(packet); err != nil {
		return nil, handshakeError(l.refusal(err), t.currentLimit())
	}
	c.tellSent()
	if c.trace != nil && c.trace.ConnectSent != nil {
		c.trace.ConnectSent()
	}
	if c.tracing {
		c.tracePackets("packet sent", packet)
	}
	for {
		f, need, err := wire.Next(l.in[:l.have], l.maxIn)
		if err != nil {
			return nil, protocolError(err)
		}
		if need == 0 {
			return l.accept(f)
		}
		l.reserve(need)
		n, err := l.conn.Read(l.in[l.have:])
		l.have += n
		if n == 0 && err != nil {
			return nil, handshakeError(err, t.currentLimit())
		}
	}
}

// refusalWait is how long a TLS alert is waited for, when the broker has gone already: what it sent is here, or lost.
const refusalWait = time.Second

// refusal returns the TLS alert behind err, that of a write, if there is one: with TLS 1.3 a broker refuses a certificate
// when the client takes the handshake for done, and may be gone before CONNECT is written.
func (l *link) refusal(err error) error {
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() || l.conn.SetReadDeadline(time.Now().Add(refusalWait)) != nil {
		return err
	}
	_, alert := l.conn.Read(make([]byte, 1))
	if remote, ok := errors.AsType[*net.OpError](alert); ok && remote.Op == remoteError {
		return alert
	}
	return err
}

// accept judges the first packet of the broker, which must be a CONNACK [MQTT5-3.2.0-1].
func (l *link) accept(f wire.Frame) (*ConnackPacket, error) {
	if l.c.tracing {
		l.c.tracePacket("packet received", f)
	}
	v, err := wire.Decode(f)
	if err != nil {
		return nil, protocolError(err)
	}
	l.hidden.clearPacket(v)
	w, ok := v.(*wire.Connack)
	if !ok {
		return nil, fmt.Errorf("%w: the first packet of the broker is not a CONNACK", ErrProtocol)
	}
	ack := fromConnack(w)
	switch {
	case ack.Code.IsError():
		return ack, &ReasonError{Op: "connect", Code: ack.Code, Reason: ack.Reason, UserProperties: ack.UserProperties}
	case ack.Code != ReasonSuccess:
		return ack, fmt.Errorf("%w: CONNACK with code 0x%02X", ErrProtocol, byte(ack.Code))
	case ack.SessionPresent && l.cleanStart:
		return ack, ErrUnexpectedSession
	}
	l.have = copy(l.in, l.in[len(f.Raw):l.have])
	return ack, nil
}

// handshakeError says what the end of the transport before the CONNACK means.
func handshakeError(err error, limit time.Duration) error {
	var ne net.Error
	switch {
	case errors.As(err, &ne) && ne.Timeout():
		return fmt.Errorf("%w: waited %v", ErrConnackTimeout, limit)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("the broker closed the connection instead of answering CONNECT: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// protocolError turns an error of the codec into one of this package.
func protocolError(err error) error { return fmt.Errorf("%w: %w", ErrProtocol, err) }

// connectPacket builds the CONNECT of an attempt.
func (c *Client) connectPacket(l *link) *wire.Connect {
	o := l.opts
	c.mu.Lock()
	l.cleanStart = o.SessionBehavior == CleanSession || o.SessionBehavior == RejoinPostSuccess && !c.rejoin
	p := &wire.Connect{ClientID: c.clientID}
	c.mu.Unlock()
	p.CleanStart = l.cleanStart
	p.KeepAlive = uint16(o.KeepAlive / time.Second)
	if name := o.username(); name != "" {
		p.Username = &name
	}
	p.Password = o.password()
	if o.SessionExpiry > 0 {
		p.SessionExpiry = wireSeconds(&o.SessionExpiry)
	}
	p.ReceiveMaximum = &o.ReceiveMaximum
	p.MaximumPacketSize = &o.MaximumPacketSize // the broker drops what is larger [MQTT5-3.1.2-25]
	p.RequestResponseInformation, p.RequestProblemInformation = o.RequestResponseInformation, o.RequestProblemInformation
	if o.TopicAliasing.Inbound == AliasEnabled {
		p.TopicAliasMaximum = &o.TopicAliasing.InboundMaximum
	}
	p.User = toWireProperties(o.UserProperties)
	if w := o.Will; w != nil {
		p.Will = &wire.Will{Topic: w.Topic, Payload: w.Payload, QoS: byte(w.QoS), Retain: w.Retain, Delay: wireSeconds(w.Delay), Props: w.properties()}
	}
	return p
}

// ConnectCredentials returns the user name and the password of CONNECT: Username with what a CustomAuthorizer wants in it
// and the suffix that DisableMetrics leaves out, and Password or the authorizer's. For those who speak MQTT themselves on
// the transport of Dial.
func (o ClientOptions) ConnectCredentials() (username string, password []byte) {
	o.Auth = plainAuth(o.Auth)
	return o.username(), o.password()
}

// username returns the user name with what the authorizer wants in it, and with the metrics, which
// AWS IoT Core reads and takes off. Of these only the keys go in that the query, the text behind the
// last question mark, does not have: what the program says of itself stays.
func (o *ClientOptions) username() string {
	name := o.Username
	if a, ok := o.Auth.(CustomAuthorizer); ok {
		name = a.username(name)
	}
	if o.DisableMetrics {
		return name
	}
	query := name[strings.LastIndexByte(name, '?')+1:]
	if len(query) == len(name) {
		query = "" // there is no question mark
	}
	for _, m := range [...]struct{ key, value string }{{"SDK", "PortageGo"}, {"Version", moduleVersion()}, {"Platform", runtime.GOOS}} {
		if !hasKey(query, m.key) {
			name = appendQuery(name, m.key+"="+m.value)
		}
	}
	return name
}

// hasKey reports whether a query has the key, with or without a value.
func hasKey(query, key string) bool {
	for part := range strings.SplitSeq(query, "&") {
		if k, _, _ := strings.Cut(part, "="); k == key {
			return true
		}
	}
	return false
}

// appendQuery appends a parameter to a user name: behind "?" when it has no query yet, else behind "&".
func appendQuery(name, parameter string) string {
	switch {
	case !strings.Contains(name, "?"):
		name += "?"
	case !strings.HasSuffix(name, "?") && !strings.HasSuffix(name, "&"):
		name += "&"
	}
	return name + parameter
}

// password returns what goes into CONNECT; nil: none.
func (o *ClientOptions) password() []byte {
	if a, ok := o.Auth.(CustomAuthorizer); ok && a.Password != nil {
		return a.Password
	}
	return o.Password
}

// moduleVersion returns the version of this module in the running program.
var moduleVersion = sync.OnceValue(func() string {
	const path = "github.com/portage-iot/awsiot"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range append(info.Deps, &info.Main) {
			if m.Path == path && m.Version != "" && m.Version != "(devel)" {
				return strings.NewReplacer("+", "-", "&", "-", "?", "-").Replace(m.Version)
			}
		}
	}
	return "devel"
})

// establish makes l the connection of the client. It fails when the client was stopped meanwhile.
func (c *Client) establish(s *session, l *link) *ConnectError {
	c.mu.Lock()
	defer c.unlock()
	if s.cause != nil || !c.step(trigAccepted) {
		l.conn.Close()
		return &ConnectError{Err: opError("connect", "", s.cause)}
	}
	s.cancel = nil
	c.epoch++
	c.takeUp(l.connack.SessionPresent)
	l.epoch, l.cutter.from, c.link = c.epoch, c.origin, l
	l.seq = c.seq
	if id := l.connack.AssignedClientIdentifier; id != "" {
		c.clientID = id
	}
	l.settings = negotiate(&l.opts.ClientOptions, l.connack, c.clientID)
	if c.rejoin {
		c.stats.Reconnects++
	}
	if c.epoch == 1 && l.connack.SessionPresent && l.opts.Store == nil {
		c.note(slog.LevelWarn, "the broker goes on with a session of an earlier run: what that had not settled is unknown here, and packet identifiers may meet")
	}
	c.rejoin = true
	c.offline, c.trouble = time.Time{}, nil
	now := c.clock()
	l.since, l.lastRead, l.lastWrite = now, now, now
	if l.opts.rates {
		l.quota = newQuota(now)
	}
	l.startAliases()
	if c.sess != nil {
		c.sess.was = true
	}
	c.last = &ConnectionSuccess{Attempt: c.stats.Attempts, Connack: l.connack, Settings: l.settings, Client: c}
	c.resume(l)
	c.note(slog.LevelInfo, "connected", slog.String("client_id", c.clientID), slog.Bool("session_present", l.connack.SessionPresent))
	c.emitSuccess(c.last)
	l.delivered = c.newDelivery()
	c.tell(attempt{success: c.last, delivered: l.delivered})
	c.startKeepAlive(l)
	c.live.add()
	go l.write()
	return nil
}

// serve reads the connection until it ends, and puts back what was not acknowledged. It
// returns the broker's reason, if it gave one that bids the client wait.
func (c *Client) serve(l *link) ReasonCode {
	err := l.read()
	c.mu.Lock()
	l.fail(err)
	closing, asleep := l.closing, l.asleep
	c.unlock()
	if !closing {
		l.conn.Close() // also ends a write that is stuck
	}
	if closing || !asleep { // else it has nothing to do but to end, and nobody waits for that but Done
		<-l.writerEnd()
		l.conn.Close()
	}
	c.mu.Lock()
	defer c.unlock()
	c.link = nil
	c.limits.Store(c.options().limits)
	if l.timer != nil {
		l.timer.Stop()
	}
	if c.clock()-l.since >= c.options().MinConnectedTimeToResetReconnectDelay {
		c.retry.Reset()
	}
	l.err = withHint(l.err, l.lossHint(l.err))
	c.offline, c.trouble = time.Now(), l.err
	if l.quota != nil && l.quota.timer != nil {
		l.quota.timer.Stop()
	}
	if c.step(trigFailed) { // else Stop has reported the end already
		c.note(slog.LevelWarn, "connection lost", slog.Any("error", l.err))
		c.emitDisconnection(&Disconnection{Attempt: c.stats.Attempts, Err: l.err, Packet: l.disconnect, Client: c})
	}
	c.suspend(l)
	if d := l.disconnect; d != nil && d.Code.keepsAway() {
		return d.Code
	}
	return ReasonSuccess
}
