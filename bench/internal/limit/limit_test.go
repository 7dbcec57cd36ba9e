package limit

import (
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/measure"
	"github.com/portage-iot/awsiot/bench/internal/nullbroker"
)

func TestRun(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var b nullbroker.Broker
	served := make(chan error, 1)
	go func() { served <- b.Serve(l) }()
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	pub := measure.Spec{Work: measure.Pub, QoS: 1, Size: 256, Window: 10, Topics: 1}
	pub0 := pub
	pub0.QoS = 0
	recv := measure.Spec{Work: measure.Recv, QoS: 1, Size: 256, Window: 10, Topics: 3}
	recv0 := recv
	recv0.QoS = 0
	for _, c := range []struct {
		name string
		mode Mode
		spec measure.Spec
	}{
		{"batch QoS 1", Batch, pub}, {"batch QoS 0", Batch, pub0}, {"syscall QoS 1", Syscall, pub}, {"syscall QoS 0", Syscall, pub0},
		{"pingpong", PingPong, pub}, {"recv QoS 0", Receive, recv0}, {"recv QoS 1", Receive, recv},
	} {
		t.Run(c.name, func(t *testing.T) {
			nc, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			counted := &counter{Conn: nc}
			if err := nc.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
				t.Fatal(err)
			}
			k, err := Open(counted, c.mode, c.spec)
			if err != nil {
				t.Fatal(err)
			}
			defer k.Close()
			const n = 777
			var lat []time.Duration
			if c.mode == PingPong || c.mode == Syscall && c.spec.QoS == 0 {
				lat = make([]time.Duration, n)
			}
			in, out := counted.in, counted.out
			for range 2 { // a second run must not find leftovers of the first
				if err := k.Run(n, lat); err != nil {
					t.Fatal(err)
				}
			}
			in, out = counted.in-in, counted.out-out
			bytes, back := out, in
			if c.mode == Receive {
				bytes, back = in, out
			}
			if least := 2 * n * (c.spec.Size + 10); bytes < least {
				t.Errorf("%d bytes of messages, want at least %d", bytes, least)
			}
			if c.spec.QoS == 1 && back < 2*n*4 {
				t.Errorf("%d bytes of acknowledgements, want at least %d", back, 2*n*4)
			}
			for i, d := range lat {
				if d <= 0 {
					t.Fatalf("message %d took %v", i, d)
				}
			}
		})
	}
}

// counter counts what goes over a connection; Run has one reader and one
// writer and joins them.
type counter struct {
	net.Conn
	in, out int
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.in += n
	return n, err
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.out += n
	return n, err
}

func TestOpenRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		mode Mode
		spec measure.Spec
	}{
		{"receive for publishing", Receive, measure.Spec{Work: measure.Pub}},
		{"batch for receiving", Batch, measure.Spec{Work: measure.Recv}},
		{"pingpong at QoS 0", PingPong, measure.Spec{Work: measure.Pub}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Open(nil, c.mode, c.spec); err == nil {
				t.Fatal("no error")
			}
		})
	}
}

// TestLosses runs the two modes that lose their connection.
func TestLosses(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var b nullbroker.Broker
	served := make(chan error, 1)
	go func() { served <- b.Serve(l) }()
	defer func() {
		if err := errors.Join(b.Close(), <-served); err != nil {
			t.Error(err)
		}
	}()
	dials := 0
	dial := func() (net.Conn, error) {
		dials++
		c, err := net.Dial("tcp", l.Addr().String())
		if err == nil {
			err = c.SetDeadline(time.Now().Add(5 * time.Minute))
		}
		return c, err
	}
	spec := measure.Spec{Work: measure.Reconnect, QoS: 1, Size: 256, Window: 1, Topics: 1, Delay: time.Millisecond}
	many := measure.Spec{Work: measure.Resend, QoS: 1, Size: 256, Window: 2000, Topics: 1, Delay: time.Millisecond}
	for _, c := range []struct {
		name  string
		f     func(func() (net.Conn, error), measure.Spec, []time.Duration) error
		spec  measure.Spec
		dials int
	}{{"redial", Redial, spec, 3}, {"waitdial", WaitRedial, spec, 3}, {"resend", Resend, many, 6}} {
		t.Run(c.name, func(t *testing.T) {
			dials = 0
			lat := make([]time.Duration, 3)
			began := time.Now()
			if err := c.f(dial, c.spec, lat); err != nil {
				t.Fatal(err)
			}
			if dials != c.dials || slices.Min(lat) <= 0 || slices.Max(lat) > time.Since(began) {
				t.Errorf("%d connections, want %d; %v", dials, c.dials, lat)
			}
			wrong := c.spec
			wrong.QoS = 0
			if err := c.f(dial, wrong, lat); err == nil {
				t.Error("no error at QoS 0")
			}
			if err := c.f(func() (net.Conn, error) { return nil, net.ErrClosed }, c.spec, lat); !errors.Is(err, net.ErrClosed) {
				t.Errorf("error %v when nobody listens", err)
			}
		})
	}
}
