package awsiot_test

// Clients on connections other than memnet's: one without a buffer, and a real socket.

import (
	"context"
	"io"
	"net"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// newPipeWorld is newWorld with a client that is connected over a net.Pipe, which has no buffer, and cannot connect
// again. change may alter the options.
func newPipeWorld(t *testing.T, change func(*awsiot.ClientOptions)) (*world, *peer) {
	t.Helper()
	near, far := net.Pipe()
	once := make(chan net.Conn, 1)
	once <- near
	w := newWorld(t, func(o *awsiot.ClientOptions) {
		o.Dialer = func(context.Context, string, string) (net.Conn, error) {
			select {
			case conn := <-once:
				return conn, nil
			default:
				return nil, io.EOF
			}
		}
		if change != nil {
			change(o)
		}
	})
	if err := w.client.Start(); err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, conn: far}
	p.welcome(nil)
	synctest.Wait()
	return w, p
}

// newSocketClient returns a client that is connected over a real socket. change may alter the options.
func newSocketClient(t *testing.T, change func(*awsiot.ClientOptions)) (*awsiot.Client, *peer) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	n, _ := strconv.Atoi(port)
	o := awsiot.ClientOptions{Endpoint: "127.0.0.1", Port: n, ClientID: "c", Auth: awsiot.PlainTCP()}
	if change != nil {
		change(&o)
	}
	c := awsiot.NewClient(o)
	t.Cleanup(func() { _ = c.Close(); <-c.Done() })
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	p := &peer{t: t, conn: conn}
	p.welcome(nil)
	if _, err := c.AwaitConnected(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c, p
}

// welcome answers the CONNECT; answer may alter the CONNACK.
func (p *peer) welcome(answer func(*packets.Connack)) *packets.Connect {
	p.t.Helper()
	c := expect[*packets.Connect](p)
	ack := &packets.Connack{Properties: &packets.Properties{}}
	if answer != nil {
		answer(ack)
	}
	p.send(ack)
	return c
}
