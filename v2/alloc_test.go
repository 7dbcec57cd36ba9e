//go:build !race

package awsiot_test

import (
	"bytes"
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// ackPeer is a broker on loopback that acknowledges, and allocates nothing doing so. Its
// connection is for the test to send on.
func ackPeer(t *testing.T) (*awsiot.Client, net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	n, _ := strconv.Atoi(port)
	c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "127.0.0.1", Port: n, ClientID: "c", Auth: awsiot.PlainTCP(), DisableMetrics: true})
	conns := make(chan net.Conn, 1)
	ended := make(chan bool)
	go func() {
		defer close(ended)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		in, out := make([]byte, 1<<20), make([]byte, 0, 1<<18)
		if n, err := conn.Read(in); err != nil || n < 2 || in[0] != 0x10 {
			return
		}
		_, _ = conn.Write([]byte{0x20, 3, 0, 0, 0})
		conns <- conn
		have := 0
		for {
			n, err := conn.Read(in[have:])
			if err != nil {
				return
			}
			have += n
			b := in[:have]
			out = out[:0]
			for len(b) >= 2 {
				size, head := int(b[1]&0x7F), 2
				if b[1] >= 0x80 {
					if len(b) < 3 {
						break
					}
					size, head = size|int(b[2])<<7, 3
				}
				if len(b) < head+size {
					break
				}
				if b[0] == 0x32 { // PUBLISH of QoS 1: the id stands behind the topic
					at := head + 2 + int(b[head])<<8 + int(b[head+1])
					out = append(out, 0x40, 2, b[at], b[at+1])
				}
				b = b[head+size:]
			}
			have = copy(in, b)
			if len(out) > 0 {
				if _, err := conn.Write(out); err != nil {
					return
				}
			}
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := c.StartAndWait(ctx); err != nil {
		t.Fatal(err)
	}
	conn := <-conns
	t.Cleanup(func() {
		c.Abort()
		_ = c.Close()
		_ = conn.Close()
		_ = ln.Close()
		<-ended
	})
	return c, conn
}

// allocations measures run, which does n operations, and reports allocations per operation.
func allocations(n int, run func()) float64 {
	for range 20 { // pools, buffers and tables grow to their size
		run()
	}
	return testing.AllocsPerRun(50, run) / float64(n)
}

// The promise of the package: a publish on a connection allocates nothing, blocking or with a
// callback, at both QoS; with a future exactly that. Statistics and timeouts are on.
func TestPublishAllocations(t *testing.T) {
	const n = 100
	ctx := context.Background()
	for _, qos := range []awsiot.QoS{0, 1} {
		c, _ := ackPeer(t)
		p := packet("sensors/device-0001/temperature", string(bytes.Repeat([]byte("x"), 256)), qos)
		left, done := 0, make(chan bool, 1)
		end := func(_ awsiot.PublishResult, err error) {
			if err != nil {
				t.Error(err)
			}
			if left--; left == 0 {
				done <- true
			}
		}
		futures := make([]*awsiot.Future[awsiot.PublishResult], n)
		for _, tt := range []struct {
			name string
			max  float64
			run  func()
		}{
			{"Publish", 0.05, func() {
				for range n {
					if _, err := c.Publish(ctx, p); err != nil {
						t.Error(err)
					}
				}
			}},
			{"PublishFunc", 0.05, func() {
				left = n
				for range n {
					c.PublishFunc(p, end)
				}
				<-done
			}},
			{"PublishFunc without a callback", 0.05, func() {
				for range n {
					c.PublishFunc(p, nil)
				}
				left = 1
				c.PublishFunc(p, end)
				<-done
			}},
			{"PublishAsync", 1.1, func() {
				for i := range n {
					futures[i] = c.PublishAsync(p)
				}
				for _, f := range futures {
					for f.Err() == nil { // Wait would make a channel
						if _, err := f.Result(); err == nil {
							break
						}
						left = 1
						c.PublishFunc(p, end)
						<-done
					}
				}
			}},
		} {
			if got := allocations(n, tt.run); got > tt.max {
				t.Errorf("%s at QoS %d: %.2f allocations, want at most %v", tt.name, qos, got, tt.max)
			}
		}
	}
}

// A received message is one allocation: the message and its payload together.
func TestReceiveAllocations(t *testing.T) {
	const n = 100
	c, conn := ackPeer(t)
	done := make(chan bool, 1)
	got := 0
	c.Handle("sensors/#", func(m *awsiot.Message) {
		if len(m.Payload) != 256 {
			t.Errorf("%d bytes", len(m.Payload))
		}
		if got++; got%n == 0 {
			done <- true
		}
	})
	for _, qos := range []uint16{0, 1} {
		b := encode(t, publish("sensors/device-0001/temperature", string(bytes.Repeat([]byte("x"), 256)), qos))
		burst := bytes.Repeat(b, n)
		allocs := allocations(n, func() {
			if _, err := conn.Write(burst); err != nil {
				t.Error(err)
			}
			<-done
		})
		if allocs > 1.1 {
			t.Errorf("QoS %d: %.2f allocations per message", qos, allocs)
		}
	}
}
