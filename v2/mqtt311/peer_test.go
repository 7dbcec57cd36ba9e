package mqtt311_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/portage-iot/awsiot/internal/memnet"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/mqtt311"
)

// script runs a connection against a broker that is written out in the test.
func script(t *testing.T, f func(c *mqtt311.Connection, accept func(session bool) net.Conn), change ...func(*mqtt311.Options)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := &memnet.Network{}
		l, err := n.Listen("broker:1883")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		o := mqtt311.Options{Endpoint: "broker", Port: 1883, ClientID: "device", Auth: awsiot.PlainTCP(), Dialer: n.Dial, MaximumPacketSize: 1000}
		for _, f := range change {
			f(&o)
		}
		c := mqtt311.NewConnection(o)
		var conns []net.Conn
		defer func() {
			for _, conn := range conns {
				_ = conn.Close()
			}
			if err := c.Disconnect(context.Background()); err != nil {
				t.Error(err)
			}
		}()
		f(c, func(session bool) net.Conn {
			conn, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, conn)
			expect(t, conn, "CONNECT")
			a := packets.NewControlPacket(packets.Connack).(*packets.ConnackPacket)
			a.SessionPresent = session
			send(t, conn, a)
			return conn
		})
	})
}

func send(t *testing.T, conn net.Conn, p packets.ControlPacket) {
	t.Helper()
	if err := p.Write(conn); err != nil {
		t.Fatal(err)
	}
}

// expect reads a packet that is described as want, and returns it.
func expect(t *testing.T, conn net.Conn, want string) packets.ControlPacket {
	t.Helper()
	p, err := packets.ReadPacket(conn)
	if err != nil {
		t.Fatalf("in place of %s: %v", want, err)
	}
	got := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%T", p), "*packets."), "Packet")
	got = strings.ToUpper(got)
	switch p := p.(type) {
	case *packets.ConnectPacket, *packets.DisconnectPacket, *packets.PingreqPacket:
	case *packets.PublishPacket:
		got += fmt.Sprintf(" %d %v", p.MessageID, p.Dup)
	default:
		got += fmt.Sprint(" ", p.Details().MessageID)
	}
	if got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	return p
}

func numbered(kind byte, id uint16) packets.ControlPacket {
	p := packets.NewControlPacket(kind)
	switch p := p.(type) {
	case *packets.PubackPacket:
		p.MessageID = id
	case *packets.PubrecPacket:
		p.MessageID = id
	case *packets.PubrelPacket:
		p.MessageID = id
	case *packets.PubcompPacket:
		p.MessageID = id
	case *packets.PublishPacket:
		p.MessageID, p.Qos, p.TopicName = id, 2, "in"
	}
	return p
}

// connected makes the first connection.
func connected(t *testing.T, c *mqtt311.Connection, accept func(bool) net.Conn) net.Conn {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := c.Connect(context.Background())
		done <- err
	}()
	conn := accept(false)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return conn
}

// QoS 2 out: each step is repeated on the next connection of the session, and not the step before it.
func TestQoS2Out(t *testing.T) {
	script(t, func(c *mqtt311.Connection, accept func(bool) net.Conn) {
		conn := connected(t, c, accept)
		errs := make(chan error, 2)
		c.PublishAsync(message("t", "", 2), func(err error) { errs <- err })
		c.PublishAsync(message("t", "", 1), func(err error) { errs <- err })
		expect(t, conn, "PUBLISH 1 false")
		expect(t, conn, "PUBLISH 2 false")
		_ = conn.Close()
		conn = accept(true)
		expect(t, conn, "PUBLISH 1 true")
		expect(t, conn, "PUBLISH 2 true")
		send(t, conn, numbered(packets.Puback, 1)) // not its acknowledgement
		send(t, conn, numbered(packets.Pubrec, 1))
		expect(t, conn, "PUBREL 1")
		_ = conn.Close()
		conn = accept(true)
		expect(t, conn, "PUBREL 1")
		expect(t, conn, "PUBLISH 2 true")
		send(t, conn, numbered(packets.Puback, 2))
		if err := <-errs; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		select {
		case err := <-errs:
			t.Errorf("ended without PUBCOMP: %v", err)
		default:
		}
		send(t, conn, numbered(packets.Pubcomp, 1))
		if err := <-errs; err != nil {
			t.Error(err)
		}
		c.PublishAsync(message("t", "", 2), func(err error) { errs <- err })
		expect(t, conn, "PUBLISH 3 false")
		_ = conn.Close()
		conn = accept(false) // the session is lost: as new
		expect(t, conn, "PUBLISH 4 false")
		send(t, conn, numbered(packets.Pubrec, 4))
		expect(t, conn, "PUBREL 4")
		_ = conn.Close()
		conn = accept(false) // and what the broker took over has arrived
		if err := <-errs; err != nil {
			t.Error(err)
		}
		_ = conn
	})
}

// What waits to be released again can end there: by its time, and by the loss of the session. It is not sent any more.
func TestReleaseWaits(t *testing.T) {
	for _, session := range []bool{true, false} {
		script(t, func(c *mqtt311.Connection, accept func(bool) net.Conn) {
			conn := connected(t, c, accept)
			errs := make(chan error, 2)
			go func() {
				_, err := c.Subscribe(context.Background(), "f", 1, nil)
				errs <- err
			}()
			expect(t, conn, "SUBSCRIBE 1")
			c.PublishAsync(message("t", "", 2), func(err error) { errs <- err })
			expect(t, conn, "PUBLISH 2 false")
			send(t, conn, numbered(packets.Pubrec, 2))
			expect(t, conn, "PUBREL 2")
			_ = conn.Close()
			conn = accept(true)
			expect(t, conn, "SUBSCRIBE 3")
			expect(t, conn, "PUBREL 2")
			_ = conn.Close()
			conn = accept(true) // from now on one at a time
			last := expect(t, conn, "SUBSCRIBE 4")
			if !session {
				_ = conn.Close()
				conn = accept(false)
				last = expect(t, conn, "SUBSCRIBE 5")
			}
			if err := <-errs; errors.Is(err, awsiot.ErrAckTimeout) != session {
				t.Errorf("session %v: %v", session, err)
			}
			c.PublishAsync(message("t", "", 1), nil)
			answer := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
			answer.MessageID, answer.ReturnCodes = last.Details().MessageID, []byte{1}
			send(t, conn, answer)
			id := answer.MessageID + 1
			expect(t, conn, fmt.Sprintf("PUBLISH %d false", id))
			send(t, conn, numbered(packets.Puback, id))
			if err := <-errs; err != nil {
				t.Errorf("session %v: %v", session, err)
			}
			synctest.Wait()
			if s := c.Stats(); s.Pending != 0 {
				t.Errorf("session %v: %+v", session, s)
			}
		}, func(o *mqtt311.Options) { o.OperationTimeout = 10 * time.Minute })
	}
}

// Only the acknowledgement of its own kind ends an operation, and a refused subscription leaves the one that came after it.
func TestWrongAcknowledgements(t *testing.T) {
	script(t, func(c *mqtt311.Connection, accept func(bool) net.Conn) {
		conn := connected(t, c, accept)
		errs, heard := make(chan error, 2), make(chan string, 2)
		suback := func(id uint16, code byte) packets.ControlPacket {
			p := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
			p.MessageID, p.ReturnCodes = id, []byte{code}
			return p
		}
		subscribe := func() {
			_, err := c.Subscribe(context.Background(), "in", 1, func(m *mqtt311.Message) { heard <- m.Topic })
			errs <- err
		}
		c.PublishAsync(message("t", "", 1), func(err error) { errs <- err })
		expect(t, conn, "PUBLISH 1 false")
		send(t, conn, suback(1, 0))
		synctest.Wait()
		if s := c.Stats(); s.Pending != 1 {
			t.Errorf("ended by SUBACK: %+v", s)
		}
		send(t, conn, numbered(packets.Puback, 1))
		if err := <-errs; err != nil {
			t.Error(err)
		}
		go subscribe()
		expect(t, conn, "SUBSCRIBE 2")
		go subscribe()
		expect(t, conn, "SUBSCRIBE 3")
		send(t, conn, numbered(packets.Puback, 2))
		synctest.Wait()
		if s := c.Stats(); s.Pending != 2 {
			t.Errorf("ended by PUBACK: %+v", s)
		}
		send(t, conn, suback(2, 0x80))
		if err := <-errs; err == nil {
			t.Error("not refused")
		}
		send(t, conn, suback(3, 1))
		if err := <-errs; err != nil {
			t.Error(err)
		}
		largest := numbered(packets.Publish, 7).(*packets.PublishPacket)
		largest.Payload = make([]byte, 1000-2-len(largest.TopicName)-2)
		send(t, conn, largest)
		expect(t, conn, "PUBREC 7")
		if len(heard) != 1 {
			t.Errorf("heard %d times", len(heard))
		}
	})
}

// A Disconnect beside one that the peer holds up ends with its own context.
func TestDisconnectBesideAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, broker := net.Pipe()
		defer broker.Close()
		go func() {
			_, _ = packets.ReadPacket(broker)
			_, _ = broker.Write([]byte{0x20, 0x02, 0x00, 0x00}) // and reads no more
		}()
		c := mqtt311.NewConnection(mqtt311.Options{Endpoint: "broker", ClientID: "device", Auth: awsiot.PlainTCP(), Dialer: pipe(client)})
		if _, err := c.Connect(context.Background()); err != nil {
			t.Fatal(err)
		}
		first := make(chan error, 1)
		go func() { first <- c.Disconnect(context.Background()) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := c.Disconnect(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}

// QoS 2 in: a message that comes twice is handed out once.
func TestQoS2In(t *testing.T) {
	script(t, func(c *mqtt311.Connection, accept func(bool) net.Conn) {
		heard := 0
		c.OnMessage(func(*mqtt311.Message) { heard++ })
		conn := connected(t, c, accept)
		send(t, conn, numbered(packets.Publish, 7))
		expect(t, conn, "PUBREC 7")
		_ = conn.Close()
		conn = accept(true)
		send(t, conn, numbered(packets.Publish, 7))
		expect(t, conn, "PUBREC 7")
		if heard != 1 {
			t.Errorf("heard %d times", heard)
		}
		send(t, conn, numbered(packets.Pubrel, 7))
		expect(t, conn, "PUBCOMP 7")
		send(t, conn, numbered(packets.Publish, 7)) // another one
		expect(t, conn, "PUBREC 7")
		if heard != 2 {
			t.Errorf("heard %d times", heard)
		}
	})
}

// What a broker must not send ends the connection, and the next one works.
func TestHostileBroker(t *testing.T) {
	for name, raw := range map[string][]byte{
		"a type that is none":   {0x00, 0x00},
		"a packet of clients":   {0xC0, 0x00},
		"a second CONNACK":      {0x20, 0x02, 0x00, 0x00},
		"too long":              {0x30, 0xFF, 0xFF, 0xFF, 0x7F},
		"an endless length":     {0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01},
		"a topic with wildcard": {0x30, 0x05, 0x00, 0x03, 'a', '/', '#'},
		"no topic":              {0x30, 0x02, 0x00, 0x00},
		"a topic too long":      {0x30, 0x04, 0xFF, 0xFF, 'a', 'b'},
		"QoS 3":                 {0x36, 0x06, 0x00, 0x01, 'a', 0x00, 0x01, 'x'},
		"half a packet":         {0x30, 0x10, 0x00, 0x01, 'a'},
	} {
		t.Run(name, func(t *testing.T) {
			script(t, func(c *mqtt311.Connection, accept func(bool) net.Conn) {
				conn := connected(t, c, accept)
				if _, err := conn.Write(raw); err != nil {
					t.Fatal(err)
				}
				if name == "half a packet" {
					_ = conn.Close()
				} else if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, net.ErrClosed) {
					t.Fatal(err)
				}
				conn = accept(true)
				done := make(chan error, 1)
				c.PublishAsync(message("t", "", 1), func(err error) { done <- err })
				expect(t, conn, "PUBLISH 1 false")
				send(t, conn, numbered(packets.Puback, 9)) // of nothing
				send(t, conn, numbered(packets.Puback, 1))
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A broker that does not wait for handlers makes the client hold no more than it may: at QoS 0 small messages count what they
// hold, too, and at QoS 1, where none may be dropped, the connection ends and the rest comes on the next one.
func TestFlood(t *testing.T) {
	const limit = 100_000
	var log bytes.Buffer // written by the reader alone, looked at when that is at rest
	script(t, func(c *mqtt311.Connection, accept func(bool) net.Conn) {
		release, heard := make(chan struct{}), 0
		c.OnMessage(func(*mqtt311.Message) { <-release; heard++ })
		conn := connected(t, c, accept)
		const tiny = 10_000
		if _, err := conn.Write(bytes.Repeat([]byte{0x30, 0x03, 0x00, 0x01, 'a'}, tiny)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		dropped := int(c.Stats().InboundDropped)
		if held := tiny - dropped; held > limit/100 || held == 0 {
			t.Errorf("%d messages of a byte are held", held)
		}
		if n := strings.Count(log.String(), "\n"); n == 0 || n > 20 {
			t.Errorf("%d records in the log", n)
		}
		p := numbered(packets.Publish, 1).(*packets.PublishPacket)
		p.Qos, p.Payload = 1, make([]byte, 900)
		sent := 0
		for ; sent < 1000 && p.Write(conn) == nil; sent++ {
			p.MessageID++
			synctest.Wait()
		}
		if sent*900 > 2*limit || sent*900 < limit/2 {
			t.Errorf("%d messages at QoS 1 were taken", sent)
		}
		conn = accept(true)
		close(release)
		synctest.Wait()
		if err := p.Write(conn); err != nil {
			t.Fatal(err)
		}
		expect(t, conn, fmt.Sprint("PUBACK ", p.MessageID))
		if want := tiny - dropped + sent; heard != want { // the last of them ended the connection, and one more came on the next
			t.Errorf("%d messages were heard, not %d", heard, want)
		}
	}, func(o *mqtt311.Options) {
		o.MaxInboundBytes, o.Logger = limit, slog.New(slog.NewTextHandler(&log, nil))
	})
}

// What comes in place of a CONNACK.
func TestNoConnack(t *testing.T) {
	for raw, want := range map[string]string{
		"\x20\x02\x00\x05": "refused: not authorised (5)",
		"\x20\x02\x00\x77": "a code that MQTT 3.1.1 does not have (119)",
		"\xD0\x00":         "PINGRESP in place of CONNACK",
		"HTTP/1.1 400 Bad": "mqtt311: ",
		"":                 "EOF",
	} {
		synctest.Test(t, func(t *testing.T) {
			client, broker := net.Pipe()
			go func() {
				defer broker.Close()
				if _, err := packets.ReadPacket(broker); err == nil {
					_, _ = io.Copy(broker, bytes.NewReader([]byte(raw)))
				}
			}()
			o := mqtt311.Options{Endpoint: "broker", ClientID: "device", Auth: awsiot.PlainTCP()}
			o.Dialer = pipe(client)
			c := mqtt311.NewConnection(o)
			_, err := c.Connect(context.Background())
			if e, ok := errors.AsType[*awsiot.ConnectError](err); !ok || !strings.Contains(e.Error(), want) {
				t.Errorf("%q: %v", raw, err)
			}
			_ = broker.Close()
		})
	}
}

// A broker that does not read any more does not hold up Disconnect, nor a publish that is being written.
func TestDisconnectUnread(t *testing.T) {
	for _, publishing := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			client, broker := net.Pipe()
			go func() {
				if _, err := packets.ReadPacket(broker); err == nil {
					_, _ = broker.Write([]byte{0x20, 0x02, 0x00, 0x00})
				}
			}()
			c := mqtt311.NewConnection(mqtt311.Options{Endpoint: "broker", ClientID: "device", Auth: awsiot.PlainTCP(), Dialer: pipe(client)})
			if _, err := c.Connect(context.Background()); err != nil {
				t.Fatal(err)
			}
			if publishing {
				c.PublishAsync(&mqtt311.PublishPacket{Topic: "a", Payload: []byte("x")}, func(error) {})
				synctest.Wait()
			}
			begin := time.Now()
			if err := c.Disconnect(context.Background()); err != nil || time.Since(begin) > 2*time.Second {
				t.Errorf("publishing %v: %v after %v", publishing, err, time.Since(begin))
			}
			_ = broker.Close()
		})
	}
}

// FuzzBroker feeds the client what a broker could send: it neither panics nor hangs nor makes room for more than it takes.
func FuzzBroker(f *testing.F) {
	for _, p := range []packets.ControlPacket{numbered(packets.Publish, 1), numbered(packets.Pubrec, 1), numbered(packets.Pubrel, 1), packets.NewControlPacket(packets.Suback)} {
		var b bytes.Buffer
		_ = p.Write(&b)
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		synctest.Test(t, func(t *testing.T) {
			client, broker := net.Pipe()
			go func() {
				_, _ = packets.ReadPacket(broker)
				go func() { _, _ = io.Copy(io.Discard, broker) }()
				_, _ = broker.Write(slices.Concat([]byte{0x20, 0x02, 0x00, 0x00}, raw))
				_ = broker.Close()
			}()
			c := mqtt311.NewConnection(mqtt311.Options{Endpoint: "broker", ClientID: "device", Auth: awsiot.PlainTCP(), Dialer: pipe(client)})
			if _, err := c.Connect(context.Background()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			if err := c.Disconnect(context.Background()); err != nil {
				t.Error(err)
			}
		})
	})
}
