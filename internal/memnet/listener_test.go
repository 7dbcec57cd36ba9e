package memnet

import (
	"context"
	"errors"
	"net"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var nw Network
		ln, err := nw.Listen("")
		if err != nil {
			t.Fatal(err)
		}
		if a, ok := ln.Addr().(*net.TCPAddr); !ok || a.Port < firstPort || !a.IP.IsLoopback() {
			t.Fatalf("address %v", ln.Addr())
		}
		if _, err := nw.Listen(ln.Addr().String()); !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatalf("second listener: %v", err)
		}
		for _, bad := range []string{"nohost", "a:b:c", "host:-1", "host:http"} {
			if _, err := nw.Listen(bad); err == nil {
				t.Errorf("Listen(%q) succeeded", bad)
			}
		}
		c, err := nw.Dial(t.Context(), "tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, join := blocked(time.Second, func() { readErr(t, c, syscall.ECONNRESET) })
		ln.Close() // what was not accepted is reset
		join()
		c.Close()
		if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("Accept after Close: %v", err)
		}
		if err := ln.Close(); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("second Close: %v", err)
		}
		if _, err := nw.Dial(t.Context(), "tcp", ln.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("dial after Close: %v", err)
		}
		again, err := nw.Listen(ln.Addr().String())
		if err != nil {
			t.Fatalf("address was not freed: %v", err)
		}
		_, join = blocked(time.Second, func() {
			if _, err := again.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("blocked Accept: %v", err)
			}
		})
		again.Close()
		join()
	})
}

func TestListenOnEveryHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var nw Network
		ln, err := nw.Listen(":8883")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		for _, host := range []string{"a.example:8883", "10.0.0.1:8883", "[::1]:8883"} {
			c, err := nw.Dial(t.Context(), "tcp", host)
			if err != nil {
				t.Fatal(err)
			}
			s, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if c.RemoteAddr().String() != host || s.LocalAddr().String() != host || c.LocalAddr().String() != s.RemoteAddr().String() || c.LocalAddr().Network() != "tcp" {
				t.Errorf("%s: client %v-%v, server %v-%v", host, c.LocalAddr(), c.RemoteAddr(), s.LocalAddr(), s.RemoteAddr())
			}
			if p := c.(*Conn).Peer(); p != s || p.Peer() != c {
				t.Errorf("%s: Peer is not the other end", host)
			}
			c.Close()
			s.Close()
		}
	})
}

func TestBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var nw Network
		ln, err := nw.Listen("broker:1")
		if err != nil {
			t.Fatal(err)
		}
		dial := func(ctx context.Context) error {
			c, err := nw.Dial(ctx, "tcp", "broker:1")
			if err == nil {
				t.Cleanup(func() { c.Close() })
			}
			return err
		}
		for range backlogSize {
			if err := dial(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := dial(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("dial with a full backlog: %v", err)
		}
		still, join := blocked(time.Second, func() {
			if err := dial(t.Context()); err != nil {
				t.Error(err)
			}
		})
		if !still {
			t.Fatal("dial did not wait for the backlog")
		}
		s, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		join()
		s.Close()
		ln.Close()
	})
}

func TestDialErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for _, c := range []struct {
			name, network, addr string
			ctx                 context.Context
			faults              Faults
			want                error
			after               time.Duration
			timeout             bool
		}{
			{name: "nobody listens", addr: "other:1", want: syscall.ECONNREFUSED},
			{name: "wrong port", addr: "broker:1", want: syscall.ECONNREFUSED},
			{name: "refused", addr: "broker:1883", faults: Faults{Refuse: true}, want: syscall.ECONNREFUSED},
			{name: "refused late", addr: "broker:1883", faults: Faults{Refuse: true, DialDelay: time.Second}, want: syscall.ECONNREFUSED, after: time.Second},
			{name: "hangs", addr: "broker:1883", faults: Faults{Hang: true}, want: context.DeadlineExceeded, after: 10 * time.Second, timeout: true},
			{name: "delay beyond the context", addr: "broker:1883", faults: Faults{DialDelay: time.Hour}, want: context.DeadlineExceeded, after: 10 * time.Second, timeout: true},
			{name: "context ended", addr: "broker:1883", ctx: ended, want: context.Canceled},
			{name: "unknown network", network: "udp", addr: "broker:1883", want: net.UnknownNetworkError("udp")},
			{name: "no port", addr: "broker", want: &net.AddrError{Err: "missing port in address", Addr: "broker"}},
			{name: "port out of range", addr: "broker:65536", want: &net.AddrError{Err: "invalid port", Addr: "broker:65536"}},
		} {
			var nw Network
			if _, err := nw.Listen("broker:1883"); err != nil {
				t.Fatal(err)
			}
			nw.SetFaults(c.faults)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			if c.ctx != nil {
				ctx = c.ctx
			}
			if c.network == "" {
				c.network = "tcp"
			}
			begin := time.Now()
			conn, err := nw.Dial(ctx, c.network, c.addr)
			cancel()
			op, ok := errors.AsType[*net.OpError](err)
			var ae *net.AddrError
			match := errors.Is(err, c.want) || errors.As(err, &ae) && errors.As(c.want, new(*net.AddrError)) && ae.Error() == c.want.Error()
			if conn != nil || !ok || !match {
				t.Errorf("%s: %v, %v", c.name, conn, err)
				continue
			}
			if op.Op != "dial" || op.Timeout() != c.timeout || time.Since(begin) != c.after {
				t.Errorf("%s: op %q timeout %v after %v", c.name, op.Op, op.Timeout(), time.Since(begin))
			}
		}
	})
}

func TestNextFaultsThenSetFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var nw Network
		ln, err := nw.Listen("broker:1883")
		if err != nil {
			t.Fatal(err)
		}
		nw.SetFaults(Faults{Refuse: true})
		nw.NextFaults(Faults{}, Faults{DialDelay: time.Minute})
		begin := time.Now()
		var got []bool
		for range 4 {
			c, err := nw.Dial(t.Context(), "tcp", "broker:1883")
			got = append(got, err == nil)
			if err == nil {
				defer c.Close()
			}
		}
		if want := []bool{true, true, false, false}; !slices.Equal(got, want) || time.Since(begin) != time.Minute {
			t.Fatalf("dials succeeded: %v after %v", got, time.Since(begin))
		}
		if nw.Dials() != 4 {
			t.Fatalf("Dials = %d", nw.Dials())
		}
		ln.Close()
	})
}
