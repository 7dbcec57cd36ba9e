package memnet

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// link dials one connection in a fresh network; both ends close at the end.
func link(t *testing.T, nw *Network, f Faults) (client, server *Conn) {
	t.Helper()
	ln, err := nw.Listen("broker.example:1883")
	if err != nil {
		t.Fatal(err)
	}
	nw.NextFaults(f)
	c, err := nw.Dial(t.Context(), "tcp", "broker.example:1883")
	if err != nil {
		t.Fatal(err)
	}
	s, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close(); ln.Close() })
	return c.(*Conn), s.(*Conn)
}

func send(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if n, err := c.Write([]byte(s)); n != len(s) || err != nil {
		t.Fatalf("Write(%q) = %d, %v", s, n, err)
	}
}

func receive(t *testing.T, c net.Conn, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != want {
		t.Fatalf("read %q, %v; want %q", b, err, want)
	}
}

// readErr expects Read to end with target and no data.
func readErr(t *testing.T, c net.Conn, target error) {
	t.Helper()
	n, err := c.Read(make([]byte, 10))
	if n != 0 || !errors.Is(err, target) {
		t.Fatalf("Read = %d, %v; want %v", n, err, target)
	}
	if _, ok := errors.AsType[*net.OpError](err); !ok && target != io.EOF {
		t.Fatalf("Read error is %T, want *net.OpError", err)
	}
}

// blocked reports whether f is still blocked d later, and returns a function
// that waits for it.
func blocked(d time.Duration, f func()) (still bool, join func()) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	t := time.NewTimer(d)
	select {
	case <-done:
		return false, func() {}
	case <-t.C:
		return true, func() { <-done }
	}
}

func TestExchangeAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var nw Network
		c, s := link(t, &nw, Faults{})
		send(t, c, "hello")
		receive(t, s, "hello")
		send(t, s, "back")
		send(t, s, " again")
		receive(t, c, "back again")
		if n, err := c.Write(nil); n != 0 || err != nil {
			t.Fatalf("empty write = %d, %v", n, err)
		}

		send(t, c, "last words")
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		receive(t, s, "last words") // buffered data survives the close
		readErr(t, s, io.EOF)
		readErr(t, s, io.EOF)
		readErr(t, c, net.ErrClosed)
		if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("write on a closed conn: %v", err)
		}
		if _, err := s.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Fatalf("write to a closed peer: %v", err)
		}
		if err := c.Close(); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("second close: %v", err)
		}
		if err := c.SetDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("SetDeadline on a closed conn: %v", err)
		}
		if n := len(nw.Conns()); n != 1 {
			t.Fatalf("%d connections with one end open, want 1", n)
		}
		s.Close()
		if n := len(nw.Conns()); n != 0 {
			t.Fatalf("%d connections after both closed, want 0", n)
		}
	})
}

func TestCloseWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := link(t, new(Network), Faults{})
		send(t, c, "request")
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		receive(t, s, "request")
		readErr(t, s, io.EOF)
		send(t, s, "answer")
		receive(t, c, "answer")
		if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("write after CloseWrite: %v", err)
		}
	})
}

func TestCloseUnblocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nw := &Network{Buffer: 4}
		c, s := link(t, nw, Faults{})
		send(t, c, "full")
		still, join := blocked(time.Hour, func() {
			if n, err := c.Write([]byte("more")); n != 0 || !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write = %d, %v", n, err)
			}
		})
		if !still {
			t.Fatal("a write into a full buffer did not block")
		}
		still, join2 := blocked(time.Hour, func() { readErr(t, c, net.ErrClosed) })
		if !still {
			t.Fatal("a read without data did not block")
		}
		still, join3 := blocked(time.Hour, func() { // waits its turn behind the first
			if _, err := c.Write([]byte("third")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write = %v", err)
			}
		})
		if !still {
			t.Fatal("a second write did not wait")
		}
		c.Close()
		join()
		join2()
		join3()
		receive(t, s, "full")
		readErr(t, s, io.EOF)
	})
}

func TestBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, size := range []int{0, 1, 7, 100} {
			nw := &Network{Buffer: size}
			c, s := link(t, nw, Faults{})
			data := bytes.Repeat([]byte("0123456789"), 20000)
			got := make([]byte, 0, len(data))
			var wg sync.WaitGroup
			wg.Go(func() {
				if n, err := c.Write(data); n != len(data) || err != nil {
					t.Errorf("Write = %d, %v", n, err)
				}
				c.Close()
			})
			b := make([]byte, 333)
			for {
				n, err := s.Read(b)
				got = append(got, b[:n]...)
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				limit := size
				if limit == 0 {
					limit = defaultBuffer
				}
				s.p.mu.Lock()
				held := s.in().buffered
				s.p.mu.Unlock()
				if held > limit {
					t.Fatalf("%d bytes in a buffer of %d", held, limit)
				}
			}
			wg.Wait()
			if !bytes.Equal(got, data) {
				t.Fatalf("buffer %d: received %d bytes that differ from those sent", size, len(got))
			}
			s.Close()
			for _, l := range nw.listeners {
				l.Close()
			}
		}
	})
}

// Concurrent writes keep together, though the buffer is smaller than each.
func TestWritesDoNotInterleave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := link(t, &Network{Buffer: 3}, Faults{})
		var wg sync.WaitGroup
		for _, ch := range "abcdefgh" {
			wg.Go(func() { send(t, c, string(bytes.Repeat([]byte{byte(ch)}, 50))) })
		}
		for range 8 {
			b := make([]byte, 50)
			if _, err := io.ReadFull(s, b); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(b, bytes.Repeat(b[:1], 50)) {
				t.Fatalf("mixed: %q", b)
			}
		}
		wg.Wait()
	})
}

// A write waits while another one is under way, even with room for both.
func TestWriteWaitsItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := link(t, new(Network), Faults{})
		proceed := make(chan struct{})
		var seen []string
		c.Observe(func(k Chunk) {
			if seen = append(seen, string(k.Data)); len(seen) == 1 {
				<-proceed
			}
		})
		var wg sync.WaitGroup
		wg.Go(func() { send(t, c, "first") })
		synctest.Wait()
		wg.Go(func() { send(t, c, "second") })
		synctest.Wait()
		if len(seen) != 1 {
			t.Errorf("seen %q while the first write is under way", seen)
		}
		close(proceed)
		wg.Wait()
		receive(t, s, "firstsecond")
	})
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := link(t, &Network{Buffer: 4}, Faults{})
		begin := time.Now()
		timeout := func(n int, err error, wantN int) {
			t.Helper()
			ne, ok := errors.AsType[net.Error](err)
			if n != wantN || !ok || !ne.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("= %d, %v; want %d and a timeout", n, err, wantN)
			}
		}
		at := func(want time.Duration) {
			t.Helper()
			if got := time.Since(begin); got != want {
				t.Fatalf("at %v, want %v", got, want)
			}
		}
		b := make([]byte, 10)

		c.SetReadDeadline(begin.Add(time.Second))
		n, err := c.Read(b)
		timeout(n, err, 0)
		at(time.Second)
		n, err = c.Read(b) // stays expired
		timeout(n, err, 0)
		send(t, s, "data")
		n, err = c.Read(b) // also with data waiting
		timeout(n, err, 0)
		c.SetReadDeadline(time.Time{})
		receive(t, c, "data")

		c.SetWriteDeadline(begin.Add(2 * time.Second))
		n, err = c.Write([]byte("123456")) // four fit
		timeout(n, err, 4)
		at(2 * time.Second)
		receive(t, s, "1234")
		c.SetDeadline(begin.Add(time.Hour))
		send(t, c, "56")
		receive(t, s, "56")

		// a deadline moved while a call blocks
		for _, moved := range []time.Duration{time.Minute, 3 * time.Hour} {
			begin = time.Now()
			c.SetReadDeadline(begin.Add(time.Hour))
			still, join := blocked(time.Second, func() { n, err = c.Read(b) })
			if !still {
				t.Fatal("read did not block")
			}
			c.SetReadDeadline(begin.Add(moved))
			join()
			timeout(n, err, 0)
			at(moved)
		}
		// in the past: wakes a blocked call at once
		begin = time.Now()
		c.SetReadDeadline(time.Time{})
		_, join := blocked(time.Second, func() { n, err = c.Read(b) })
		c.SetReadDeadline(time.Unix(1, 0))
		join()
		timeout(n, err, 0)
		at(time.Second)
	})
}
