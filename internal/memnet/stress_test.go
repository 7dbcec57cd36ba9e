package memnet

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	crand "crypto/rand"
)

// Whatever the buffer, the sizes of reads and writes and the link's delay and
// speed: what arrives is what was sent, in order; a cut leaves a prefix.
func TestStreamIsKept(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 0))
				data := make([]byte, r.IntN(20_000))
				for i := range data {
					data[i] = byte(r.Uint32())
				}
				l := Link{}
				if r.IntN(2) == 0 {
					l.Delay = time.Duration(r.IntN(1e9))
				}
				if r.IntN(2) == 0 {
					l.Rate = 1 + r.IntN(1_000_000)
				}
				if r.IntN(3) == 0 {
					l.CutAfter = 1 + r.IntN(20_000)
				}
				c, s := link(t, &Network{Buffer: 1 + r.IntN(5000)}, Faults{ToServer: l})
				begin := time.Now()
				var wg sync.WaitGroup
				sent := 0
				var sendErr error
				writes := rand.New(rand.NewPCG(seed, 1))
				wg.Go(func() {
					for sent < len(data) && sendErr == nil {
						var n int
						n, sendErr = c.Write(data[sent:min(len(data), sent+1+writes.IntN(6000))])
						sent += n
					}
					if sendErr == nil {
						sendErr = c.Close()
					}
				})
				var got []byte
				var err error
				for err == nil {
					b := make([]byte, 1+r.IntN(4000))
					var n int
					n, err = s.Read(b)
					got = append(got, b[:n]...)
				}
				wg.Wait()
				if !bytes.Equal(got, data[:min(len(data), sent)]) {
					t.Fatalf("received %d bytes, sent %d, not the same", len(got), sent)
				}
				wantErr, wantLen := io.EOF, len(data)
				if l.CutAfter > 0 && l.CutAfter <= len(data) {
					wantErr, wantLen = errReset, l.CutAfter
				}
				if !errors.Is(err, wantErr) || len(got) != wantLen {
					t.Fatalf("%d bytes, %v; want %d, %v (sender: %v)", len(got), err, wantLen, wantErr, sendErr)
				}
				least := l.Delay
				if l.Rate > 0 {
					least += time.Duration(len(got)) * time.Second / time.Duration(l.Rate)
				}
				if took := time.Since(begin); len(got) > 0 && took < least {
					t.Fatalf("took %v, at least %v is due", took, least)
				}
			})
		})
	}
}

// Many goroutines on both ends while deadlines move and the connection ends:
// every call returns, for the race detector to watch.
func TestConcurrentCalls(t *testing.T) {
	for _, end := range []string{"close", "cut", "blackhole and close"} {
		t.Run(end, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var nw Network
				nw.Buffer = 100
				nw.Observe(func(Chunk) {})
				c, s := link(t, &nw, Both(Link{Delay: time.Millisecond, Rate: 10_000}))
				var wg sync.WaitGroup
				for _, conn := range []*Conn{c, s} {
					for range 3 {
						wg.Go(func() {
							for b := make([]byte, 37); ; {
								if _, err := conn.Read(b); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
									return
								} else if err != nil {
									<-time.After(time.Millisecond) // a loop that never blocks stops the fake clock
								}
							}
						})
						wg.Go(func() {
							for b := make([]byte, 53); ; {
								if _, err := conn.Write(b); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
									return
								}
								<-time.After(time.Millisecond)
							}
						})
					}
					wg.Go(func() {
						for i := range 25 {
							conn.SetReadDeadline(time.Now().Add(time.Duration(i%7-1) * time.Millisecond))
							conn.SetWriteDeadline(time.Now().Add(time.Duration(i%5-1) * time.Millisecond))
							conn.SetLink(conn.Outbound(), Link{Delay: time.Duration(i) * time.Microsecond, Rate: 1000 * i})
							if got := conn.Link(conn.Outbound()).Rate; got != 1000*i {
								t.Errorf("Link = %d", got)
							}
							<-time.After(time.Millisecond)
							conn.SetDeadline(time.Time{})
							<-time.After(time.Millisecond)
						}
					})
				}
				<-time.After(150 * time.Millisecond)
				switch end {
				case "cut":
					c.Cut()
				case "blackhole and close":
					s.Blackhole()
					c.Close()
					s.Close()
				default:
					c.Close()
					s.Close()
				}
				wg.Wait()
			})
		})
	}
}

// TLS works over it, throttled to a slow-loris handshake, and times out on a
// black hole in fake time.
func TestTLS(t *testing.T) {
	cert, pool := selfSigned(t)
	for _, c := range []struct {
		name   string
		faults Faults
		ok     bool
		after  time.Duration // at least
	}{
		{"good", Faults{}, true, 0},
		{"slow", Both(Link{Rate: 100}), true, 5 * time.Second},
		{"black hole", Faults{ToClient: Link{Blackhole: true}}, false, time.Minute},
		{"cut in the handshake", Faults{ToClient: Link{CutAfter: 100}}, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := link(t, new(Network), c.faults)
				begin := time.Now()
				var wg sync.WaitGroup
				wg.Go(func() {
					tc := tls.Server(server, &tls.Config{Certificates: []tls.Certificate{cert}, Time: func() time.Time { return begin }})
					tc.SetDeadline(begin.Add(time.Minute))
					if _, err := io.Copy(tc, tc); c.ok && err != nil {
						t.Errorf("server: %v", err)
					}
				})
				tc := tls.Client(client, &tls.Config{RootCAs: pool, ServerName: "broker.example", Time: func() time.Time { return begin }})
				tc.SetDeadline(begin.Add(time.Minute))
				_, err := tc.Write([]byte("echo"))
				if err == nil {
					_, err = io.ReadFull(tc, make([]byte, 4))
				}
				if (err == nil) != c.ok || time.Since(begin) < c.after {
					t.Errorf("%v after %v", err, time.Since(begin))
				}
				if ne, ok := errors.AsType[net.Error](err); c.after == time.Minute && (!ok || !ne.Timeout()) {
					t.Errorf("%v is no timeout", err)
				}
				client.Close()
				wg.Wait()
			})
		})
	}
}

// selfSigned makes a certificate for broker.example around the bubble's epoch.
func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	epoch := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // where a bubble's clock starts
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"broker.example"}, NotBefore: epoch.AddDate(-1, 0, 0), NotAfter: epoch.AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(crand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}
