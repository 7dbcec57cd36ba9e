package mqtt311

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// link is one connection, from its CONNACK on.
type link struct {
	conn           net.Conn
	in             *bufio.Reader
	sessionPresent bool
	work           chan struct{} // capacity 1: there may be something to send
	gone           chan struct{} // closed by close
	once           sync.Once

	writing chan struct{} // whose token is in it writes, a packet whole; has room for one
	ping    *time.Timer
	pong    *time.Timer // closes the connection when no PINGRESP comes
	timers  sync.Mutex
	silence bool // no PINGRESP came
}

func (l *link) wake() {
	select {
	case l.work <- struct{}{}:
	default:
	}
}

// close ends the connection without DISCONNECT.
func (l *link) close() {
	l.once.Do(func() {
		close(l.gone)
		_ = l.conn.Close()
	})
}

// goodbyeTimeout is how long DISCONNECT, and what is being written before it, may take: the broker may have stopped reading.
const goodbyeTimeout = 2 * time.Second

// goodbye ends the connection with DISCONNECT.
func (l *link) goodbye() {
	_ = l.conn.SetWriteDeadline(time.Now().Add(goodbyeTimeout))
	_ = l.write(packets.NewControlPacket(packets.Disconnect))
	l.close()
}

// write writes a packet.
func (l *link) write(p packets.ControlPacket) error {
	l.writing <- struct{}{}
	defer func() { <-l.writing }()
	return p.Write(l.conn)
}

// attempt makes a connection: the transport, CONNECT, CONNACK.
func (c *Connection) attempt(ctx context.Context) (*link, error) {
	conn, err := c.o.transport().Dial(ctx) // within ConnectTimeout
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	l := &link{conn: conn, in: bufio.NewReader(conn), work: make(chan struct{}, 1), gone: make(chan struct{}), writing: make(chan struct{}, 1)}
	_ = conn.SetDeadline(time.Now().Add(c.o.ConnackTimeout))
	err = c.shake(l)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	return l, nil
}

// shake exchanges CONNECT and CONNACK.
func (c *Connection) shake(l *link) error {
	if err := l.write(c.connectPacket()); err != nil {
		return fmt.Errorf("mqtt311: sending CONNECT: %w", err)
	}
	p, err := l.read(c.o.MaximumPacketSize)
	switch p := p.(type) {
	case nil:
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = fmt.Errorf("nothing came within %v (ConnackTimeout)", c.o.ConnackTimeout)
		}
		return fmt.Errorf("mqtt311: no CONNACK: %w", err)
	case *packets.ConnackPacket:
		if p.ReturnCode != packets.Accepted {
			text := "a code that MQTT 3.1.1 does not have"
			if known, ok := packets.ConnackReturnCodes[p.ReturnCode]; ok {
				text = strings.ToLower(strings.TrimPrefix(known, "Connection Refused: "))
			}
			return fmt.Errorf("mqtt311: the broker refused: %s (%d)", text, p.ReturnCode)
		}
		l.sessionPresent = p.SessionPresent
		return nil
	default:
		return fmt.Errorf("mqtt311: %s in place of CONNACK", named(p))
	}
}

// named is the name of a packet's type, with which its text begins.
func named(p packets.ControlPacket) string {
	name, _, _ := strings.Cut(p.String(), ":")
	return name
}

func (c *Connection) connectPacket() *packets.ConnectPacket {
	p := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	p.ProtocolName, p.ProtocolVersion, p.CleanSession = "MQTT", 4, c.o.CleanSession
	p.ClientIdentifier, p.Keepalive = c.o.ClientID, uint16(c.o.KeepAlive/time.Second)
	name, password := c.o.transport().ConnectCredentials()
	p.UsernameFlag, p.Username = name != "", name
	p.PasswordFlag, p.Password = name != "" && password != nil, password // not without a user name [MQTT-3.1.2-22]
	if w := c.o.Will; w != nil {
		p.WillFlag, p.WillTopic, p.WillMessage, p.WillQos, p.WillRetain = true, w.Topic, w.Payload, byte(w.QoS), w.Retain
	}
	return p
}

// read reads a packet of at most limit bytes. It looks at the length before the codec makes room for it.
func (l *link) read(limit int) (packets.ControlPacket, error) {
	length := 0
	for i := 1; ; i++ {
		head, err := l.in.Peek(i + 1)
		if err != nil {
			if errors.Is(err, io.EOF) && len(head) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		length |= int(head[i]&0x7f) << (7 * (i - 1))
		if head[i] < 0x80 {
			break
		}
		if i == 4 {
			return nil, errors.New("mqtt311: a length of more than four bytes")
		}
	}
	if length > limit {
		return nil, fmt.Errorf("mqtt311: a packet of %d bytes, more than MaximumPacketSize", length)
	}
	p, err := packets.ReadPacket(l.in)
	if err != nil {
		return nil, fmt.Errorf("mqtt311: %w", err)
	}
	return p, nil
}

// serve works a connection until it is gone, and returns why.
func (c *Connection) serve(l *link) error {
	sent := make(chan error, 1)
	go func() { sent <- c.sendAll(l) }()
	if k := c.o.KeepAlive; k > 0 {
		l.timers.Lock()
		l.ping = time.AfterFunc(k, func() { l.pingAfter(c.o.PingTimeout, k) })
		l.timers.Unlock()
	}
	var err error
	for err == nil {
		var p packets.ControlPacket
		if p, err = l.read(c.o.MaximumPacketSize); err == nil {
			err = c.receive(l, p)
		}
	}
	l.close()
	if e := <-sent; e != nil && errors.Is(err, net.ErrClosed) {
		err = e
	}
	l.timers.Lock()
	defer l.timers.Unlock()
	if l.ping != nil {
		l.ping.Stop()
	}
	if l.pong != nil {
		l.pong.Stop()
	}
	if l.silence {
		err = fmt.Errorf("mqtt311: no PINGRESP within %v (PingTimeout)", c.o.PingTimeout)
	}
	return err
}

// pingAfter sends a PINGREQ and comes back after the keep-alive.
func (l *link) pingAfter(patience, keepAlive time.Duration) {
	l.timers.Lock()
	select {
	case <-l.gone:
		l.timers.Unlock()
		return
	default:
	}
	l.pong = time.AfterFunc(patience, func() {
		l.timers.Lock()
		l.silence = true
		l.timers.Unlock()
		l.close()
	})
	l.ping.Reset(keepAlive)
	l.timers.Unlock()
	_ = l.write(packets.NewControlPacket(packets.Pingreq))
}

// pinged takes a PINGRESP.
func (l *link) pinged() {
	l.timers.Lock()
	defer l.timers.Unlock()
	if l.pong != nil {
		l.pong.Stop()
		l.pong = nil
	}
}
