package mqtt311_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/portage-iot/awsiot/internal/memnet"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/mqtt311"
)

// Every identifier comes back: of what was acknowledged, and of what got another one without a session.
func TestIdentifiers(t *testing.T) {
	script(t, func(c *mqtt311.Connection, accept func(bool) net.Conn) {
		conn := connected(t, c, accept)
		c.PublishAsync(message("t", "stays", 1), nil)
		expect(t, conn, "PUBLISH 1 false")
		_ = conn.Close()
		conn = accept(false)
		expect(t, conn, "PUBLISH 2 false") // which is not acknowledged
		next := func(want uint16) {
			c.PublishAsync(message("t", "", 1), nil)
			p, err := packets.ReadPacket(conn)
			if err != nil || p.Details().MessageID != want {
				t.Fatalf("%v %v, want %d", p, err, want)
			}
			send(t, conn, numbered(packets.Puback, want))
			synctest.Wait()
		}
		for id := 3; id <= 65535; id++ {
			next(uint16(id))
		}
		next(1)
		next(3)
	})
}

// What ends while it waits is none of the operations that go alone because one of them may be what the broker ends
// connections over.
func TestTimeoutBesideSuspects(t *testing.T) {
	script(t, func(c *mqtt311.Connection, accept func(bool) net.Conn) {
		conn := connected(t, c, accept)
		ended := make(chan error, 4)
		for _, f := range []string{"a", "b"} {
			go func() {
				_, err := c.Subscribe(context.Background(), f, 1, nil)
				ended <- err
			}()
			synctest.Wait()
		}
		for id := 1; id <= 4; id += 2 {
			expect(t, conn, fmt.Sprint("SUBSCRIBE ", id))
			expect(t, conn, fmt.Sprint("SUBSCRIBE ", id+1))
			_ = conn.Close()
			conn = accept(true)
		}
		expect(t, conn, "SUBSCRIBE 5")
		c.PublishAsync(message("t", "", 1), func(err error) { ended <- err })
		<-time.After(time.Minute)
		if err := <-ended; !errors.Is(err, awsiot.ErrAckTimeout) {
			t.Errorf("what waited: %v", err)
		}
		c.PublishAsync(message("t", "", 1), func(err error) { ended <- err })
		answer := func(id uint16) {
			p := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
			p.MessageID, p.ReturnCodes = id, []byte{1}
			send(t, conn, p)
		}
		answer(5)
		expect(t, conn, "SUBSCRIBE 6")
		_ = conn.SetReadDeadline(time.Now().Add(time.Second))
		if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes beside a suspect: %v", n, err)
		}
		_ = conn.SetReadDeadline(time.Time{})
		answer(6)
		expect(t, conn, "PUBLISH 7 false")
		send(t, conn, numbered(packets.Puback, 7))
		for range 3 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}, func(o *mqtt311.Options) { o.OperationTimeout = 30 * time.Second })
}

// MQTT 3.1.1 has no password without a user name [MQTT-3.1.2-22].
func TestPasswordAlone(t *testing.T) {
	for name, want := range map[string]bool{"": false, "user": true} {
		synctest.Test(t, func(t *testing.T) {
			n := &memnet.Network{}
			l, err := n.Listen("broker:1883")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			c := mqtt311.NewConnection(mqtt311.Options{Endpoint: "broker", Port: 1883, ClientID: "device", Auth: awsiot.PlainTCP(), Dialer: n.Dial,
				DisableMetrics: true, Username: name, Password: []byte("secret")})
			ended := make(chan error, 1)
			go func() {
				_, err := c.Connect(context.Background())
				ended <- err
			}()
			conn, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			p, ok := expect(t, conn, "CONNECT").(*packets.ConnectPacket)
			if !ok || p.UsernameFlag != want || p.PasswordFlag != want {
				t.Errorf("user name %q: %v", name, p)
			}
			_ = conn.Close()
			if err := <-ended; err == nil {
				t.Error("connected")
			}
		})
	}
}
