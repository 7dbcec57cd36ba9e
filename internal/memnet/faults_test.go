package memnet

import (
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestCut(t *testing.T) {
	for _, from := range []string{"client", "server", "network"} {
		t.Run(from, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var nw Network
				c, s := link(t, &nw, Faults{})
				send(t, c, "never read")
				_, join := blocked(time.Second, func() { readErr(t, c, syscall.ECONNRESET) })
				switch from {
				case "client":
					c.Cut()
				case "server":
					s.Cut()
				default:
					nw.CutAll()
				}
				join()
				readErr(t, s, syscall.ECONNRESET)
				for _, end := range []*Conn{c, s} {
					if _, err := end.Write([]byte("x")); !IsReset(err) {
						t.Fatalf("write: %v", err)
					}
					if err := end.Close(); err != nil {
						t.Fatalf("close: %v", err)
					}
				}
			})
		})
	}
}

func TestCutAfter(t *testing.T) {
	for _, c := range []struct {
		name   string
		writes []string
		n      []int // bytes each write reports
		failed []bool
		read   string
	}{
		{"in mid-packet", []string{"1234567890", "x"}, []int{4, 0}, []bool{true, true}, "1234"},
		{"between packets", []string{"1234", "x"}, []int{4, 0}, []bool{false, true}, "1234"},
		{"in the second packet", []string{"12", "34567"}, []int{2, 2}, []bool{false, true}, "1234"},
	} {
		for _, dir := range []Direction{ToServer, ToClient} {
			t.Run(c.name+" "+dir.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := Faults{ToServer: Link{CutAfter: 4}}
					if dir == ToClient {
						f = Faults{ToClient: Link{CutAfter: 4}}
					}
					from, to := link(t, new(Network), f)
					if dir == ToClient {
						from, to = to, from
					}
					send(t, to, "other direction is not counted")
					receive(t, from, "other direction is not counted")
					for i, w := range c.writes {
						n, err := from.Write([]byte(w))
						if n != c.n[i] || IsReset(err) != c.failed[i] {
							t.Fatalf("Write(%q) = %d, %v", w, n, err)
						}
					}
					receive(t, to, c.read)
					readErr(t, to, syscall.ECONNRESET)
					readErr(t, from, syscall.ECONNRESET)
				})
			})
		}
	}
}

func TestCutAfterOnLiveConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := link(t, new(Network), Faults{})
		send(t, c, "before")
		s.SetLink(ToServer, Link{CutAfter: 3}) // from the other end, counts from now
		send(t, c, "abc")
		receive(t, s, "beforeabc")
		readErr(t, s, syscall.ECONNRESET)
	})
}

func TestBlackhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := link(t, &Network{Buffer: 16}, Faults{})
		send(t, c, "arrived")
		c.Blackhole()
		for range 100 { // far beyond the buffer
			send(t, c, "vanishes")
			send(t, s, "vanishes")
		}
		receive(t, s, "arrived")
		for _, end := range []*Conn{c, s} {
			end.SetReadDeadline(time.Now().Add(time.Hour))
			readErr(t, end, os.ErrDeadlineExceeded)
		}
		c.SetLink(ToServer, Link{}) // lost bytes do not come back
		send(t, c, "still lost")
		s.SetReadDeadline(time.Now().Add(time.Hour))
		readErr(t, s, os.ErrDeadlineExceeded)

		still, join := blocked(time.Hour, func() { s.SetReadDeadline(time.Time{}); readErr(t, s, net.ErrClosed) })
		if !still {
			t.Fatal("read returned")
		}
		c.Close() // the other end does not hear of it
		still, join2 := blocked(time.Hour, join)
		if !still {
			t.Fatal("close got through a black hole")
		}
		send(t, s, "to nobody")
		s.Close()
		join2()
	})
}

// A black hole takes what is on the way with it and frees a writer that waits.
func TestBlackholeInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := link(t, &Network{Buffer: 8}, Faults{ToServer: Link{Delay: time.Second}})
		send(t, c, "early")
		<-time.After(2 * time.Second) // fake time
		send(t, c, "new")
		still, join := blocked(time.Millisecond, func() { send(t, c, "waits for room") })
		if !still {
			t.Fatal("write into a full buffer returned")
		}
		c.Blackhole()
		join()
		receive(t, s, "early")
		s.SetReadDeadline(time.Now().Add(time.Hour))
		readErr(t, s, os.ErrDeadlineExceeded)
	})
}

func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := link(t, new(Network), Faults{})
		c.SetLink(ToServer, Link{Hold: true})
		send(t, c, "later")
		c.Close()
		still, join := blocked(time.Hour, func() { receive(t, s, "later"); readErr(t, s, io.EOF) })
		if !still {
			t.Fatal("held data was read")
		}
		s.SetLink(ToServer, Link{})
		join()
	})
}

// What is held when the link turns black is lost, and so is the end.
func TestBlackholeWhileHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := link(t, new(Network), Faults{ToServer: Link{Hold: true}})
		send(t, c, "held")
		c.Close()
		s.Blackhole()
		s.SetReadDeadline(time.Now().Add(time.Hour))
		readErr(t, s, os.ErrDeadlineExceeded)
	})
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := link(t, new(Network), Faults{ToServer: Link{Delay: 100 * time.Millisecond}})
		begin := time.Now()
		at := func(want time.Duration) {
			t.Helper()
			if got := time.Since(begin); got != want {
				t.Fatalf("at %v, want %v", got, want)
			}
		}
		send(t, c, "one")
		at(0) // the writer does not wait
		<-time.After(30 * time.Millisecond)
		send(t, c, "two")
		receive(t, s, "one")
		at(100 * time.Millisecond)
		receive(t, s, "two") // both were on the way at once
		at(130 * time.Millisecond)
		send(t, s, "back")
		receive(t, c, "back")
		at(130 * time.Millisecond) // the other direction has no delay
		c.Close()
		readErr(t, s, io.EOF) // the end travels as slowly
		at(230 * time.Millisecond)
	})
}

func TestRate(t *testing.T) {
	for _, c := range []struct {
		name   string
		rate   int
		delay  time.Duration
		writes []string
		at     []time.Duration // when each byte is read
	}{
		{"one byte a second", 1, 0, []string{"abc"}, []time.Duration{1e9, 2e9, 3e9}},
		{"two writes share the line", 2, 0, []string{"ab", "c"}, []time.Duration{5e8, 1e9, 15e8}},
		{"with latency", 10, time.Second, []string{"ab"}, []time.Duration{11e8, 12e8}},
		{"not a divisor of a second", 3, 0, []string{"ab"}, []time.Duration{333333334, 666666667}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl, s := link(t, new(Network), Faults{ToClient: Link{Rate: c.rate, Delay: c.delay}})
				begin := time.Now()
				all := ""
				for _, w := range c.writes {
					send(t, s, w)
					all += w
				}
				b := make([]byte, 10)
				for i := range all {
					n, err := cl.Read(b)
					if n != 1 || err != nil || b[0] != all[i] || time.Since(begin) != c.at[i] {
						t.Fatalf("byte %d: %q, %v at %v, want %q at %v", i, b[:n], err, time.Since(begin), all[i], c.at[i])
					}
				}
			})
		})
	}
}

// At a high rate the reader is not woken for every byte, and the total is exact.
func TestRateTotal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := link(t, &Network{Buffer: 1000}, Both(Link{Rate: 100_000}))
		begin := time.Now()
		go func() { c.Write(make([]byte, 50_000)); c.Close() }()
		reads, total, b := 0, 0, make([]byte, 4096)
		for {
			n, err := s.Read(b)
			total += n
			reads++
			if err != nil {
				break
			}
		}
		if got := time.Since(begin); total != 50_000 || got != 500*time.Millisecond || reads > 600 {
			t.Fatalf("%d bytes in %v with %d reads", total, got, reads)
		}
	})
}

func TestObserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var nw Network
		type seen struct {
			dir  Direction
			data string
			lost bool
		}
		var log []seen
		nw.Observe(func(k Chunk) { log = append(log, seen{k.Dir, string(k.Data), k.Lost}) })
		c, s := link(t, &nw, Faults{})
		send(t, c, "ping")
		receive(t, s, "ping")
		send(t, s, "pong")
		receive(t, c, "pong")
		c.Blackhole()
		send(t, c, "gone")
		want := []seen{{ToServer, "ping", false}, {ToClient, "pong", false}, {ToServer, "gone", true}}
		if !slices.Equal(log, want) {
			t.Fatalf("observed %v", log)
		}
		c.Observe(nil)
		send(t, c, "unseen")
		if len(log) != 3 {
			t.Fatalf("observed after Observe(nil): %v", log[3:])
		}
	})
}

// An observer may break the connection on the very write it sees.
func TestObserverCuts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := link(t, new(Network), Faults{})
		s.Observe(func(k Chunk) { k.Conn.Cut() })
		if n, err := c.Write([]byte("x")); n != 0 || !IsReset(err) {
			t.Fatalf("Write = %d, %v", n, err)
		}
		readErr(t, s, syscall.ECONNRESET)
	})
}
