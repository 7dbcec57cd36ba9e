package awsiot_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/internal/memnet"
	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// Offline queue full: the oldest or the newest is dropped, as configured, and each dropped one is
// reported; the rest drains at its interval after the reconnect, also when the connection is lost
// again while it drains.
func TestFaultOfflineQueueFull(t *testing.T) {
	for _, tt := range []struct {
		full awsiot.FullBehavior
		want error
		lost []int
		sent []string
	}{
		{awsiot.RejectNew, awsiot.ErrQueueFull, []int{6, 7, 8}, []string{"0", "1", "2", "3", "4", "5"}},
		{awsiot.DropOldest, awsiot.ErrDropped, []int{0, 1, 2}, []string{"3", "4", "5", "6", "7", "8"}},
	} {
		t.Run(tt.full.String(), func(t *testing.T) {
			withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
				n := e.client("c", func(o *awsiot.ClientOptions) {
					rejoin(o)
					o.OfflineQueue = awsiot.OfflineQueue{Behavior: awsiot.KeepAll, MaxOperations: 6, WhenFull: tt.full, DrainRate: 2}
				})
				for i := range 9 {
					n.PublishFunc(packet("t", fmt.Sprint(i), awsiot.QoS(i%2)), n.events.done(fmt.Sprint(i)))
				}
				synctest.Wait()
				var want []string
				for _, i := range tt.lost {
					want = append(want, fmt.Sprintf(`%d: awsiot: publish "t": %v`, i, tt.want))
				}
				equal(t, "dropped", n.events.take(), want)
				n.up()
				pass(1250 * time.Millisecond) // three are sent: at 0, 0.5 and 1 s
				e.srv.Faults().Cut("c")
				n.again()
				pass(10 * time.Second)
				pubs := n.sent(iotlocal.PUBLISH)
				equal(t, "sent", payloads(pubs), tt.sent)
				for i, p := range pubs[1:] {
					gap := p.Time.Sub(pubs[i].Time)
					if lost := i == 2; !lost && gap != 500*time.Millisecond || lost && gap != 1250*time.Millisecond { // 1 s of backoff in it
						t.Errorf("%v after %v: %v", p, pubs[i], gap)
					}
				}
				ends := 0
				for _, s := range n.events.take() {
					if strings.HasSuffix(s, ": <nil>") {
						ends++
					}
				}
				if ends != 6 {
					t.Errorf("%d publishes succeeded", ends)
				}
			})
		})
	}
}

// Reconnect storm, the broker refuses 10,000 times: the delays have jitter, they start anew only
// after the stable time, and memory does not grow. (A network that refuses: TestManyRefusals.)
func TestFaultReconnectStorm(t *testing.T) {
	withLocal(t, iotlocal.Options{TLSPort: iotlocal.Off, RecorderCap: -1}, func(t *testing.T, e *onLocal) {
		n := e.client("c", func(o *awsiot.ClientOptions) { o.RetryJitterMode = awsiot.JitterFull; rejoin(o) })
		refused, err := e.srv.Faults().RefuseConnects(10_000, 0x89)
		if err != nil {
			t.Fatal(err)
		}
		var gaps []time.Duration
		last := time.Now()
		n.Observe(awsiot.Observer{OnAttemptingConnect: func(*awsiot.AttemptingConnect) {
			gaps, last = append(gaps, time.Since(last)), time.Now()
		}})
		n.PublishFunc(packet("t", "kept", 1), n.events.done("kept"))
		_ = n.Start()
		heap := func(hits int) uint64 {
			for refused.Hits() < hits {
				pass(time.Minute)
				if hits < 10_000 {
					n.events.take()
				}
			}
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		before := heap(1000)
		heap(9900)
		if after := heap(10_000); after > before+512<<10 {
			t.Errorf("the heap grew from %d to %d bytes", before, after)
		}
		n.again()
		pass(time.Second)
		only(t, n.events.take(), "kept: <nil>")
		late := gaps[100:9000]
		slices.Sort(late)
		if lo, mid, hi := late[len(late)/20], late[len(late)/2], late[len(late)-1]; lo > 10*time.Second || mid < 50*time.Second || mid > 70*time.Second || hi > 120*time.Second {
			t.Errorf("delays: 5%% below %v, half below %v, longest %v", lo, mid, hi)
		}
	})
	withLocal(t, iotlocal.Options{TLSPort: iotlocal.Off}, func(t *testing.T, e *onLocal) {
		n := e.client("c", nil)
		w := &world{t: t, client: n.Client}
		e.srv.Faults().RefuseConnections(5)
		_ = n.Start()
		n.again()
		for _, tt := range []struct {
			alive time.Duration
			delay int
		}{{29 * time.Second, 32}, {29 * time.Second, 64}, {31 * time.Second, 1}, {time.Second, 2}} {
			pass(tt.alive)
			e.srv.Faults().Cut("c")
			synctest.Wait()
			equal(t, fmt.Sprintf("delay after %v", tt.alive), attempts(w, 1), []int{1000 * tt.delay})
			n.again()
		}
	})
}

// nameServer answers for one name, spoken to over pipes: the rest is the resolver and the
// dialer of package net, which are the client's own.
type nameServer struct {
	mu    sync.Mutex
	rcode byte
	addrs []net.IP
	tried []string // the addresses that were dialled
	hole  string   // dialling an address that begins so hangs
	wg    sync.WaitGroup
}

func (d *nameServer) set(rcode byte, hole string, addrs ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rcode, d.hole, d.addrs, d.tried = rcode, hole, nil, nil
	for _, a := range addrs {
		d.addrs = append(d.addrs, net.ParseIP(a))
	}
}

// dialer is the standard dialer with this name server.
func (d *nameServer) dialer() func(context.Context, string, string) (net.Conn, error) {
	resolver := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		d.wg.Go(func() { d.serve(far) })
		return near, nil
	}}
	return (&net.Dialer{Resolver: resolver, ControlContext: func(ctx context.Context, _, addr string, _ syscall.RawConn) error {
		d.mu.Lock()
		d.tried = append(d.tried, addr)
		hang := d.hole != "" && strings.HasPrefix(addr, d.hole)
		d.mu.Unlock()
		if hang {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}}).DialContext
}

// serve answers queries, framed as over TCP [RFC 1035, 4.2.2].
func (d *nameServer) serve(conn net.Conn) {
	defer conn.Close()
	for {
		head := make([]byte, 2)
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		q := make([]byte, binary.BigEndian.Uint16(head))
		if _, err := io.ReadFull(conn, q); err != nil {
			return
		}
		end := 12
		for q[end] != 0 {
			end += 1 + int(q[end])
		}
		typ := binary.BigEndian.Uint16(q[end+1:])
		end += 5
		d.mu.Lock()
		var answers []byte
		count := byte(0)
		for _, ip := range d.addrs {
			raw := []byte(ip.To4())
			want := uint16(1)
			if raw == nil {
				raw, want = ip.To16(), 28
			}
			if want == typ {
				answers = append(answers, 0xC0, 12, 0, byte(want), 0, 1, 0, 0, 0, 1, 0, byte(len(raw)))
				answers = append(answers, raw...)
				count++
			}
		}
		r := slices.Concat(q[:2], []byte{0x81, 0x80 | d.rcode, 0, 1, 0, count, 0, 0, 0, 0}, q[12:end], answers)
		d.mu.Unlock()
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(r))), r...)); err != nil {
			return
		}
	}
}

// DNS failure: an error that says so and is tried again until the name is there; several A records
// with the first dead, refused or silent: the next is taken; an IPv6 black hole: IPv4 is taken after a moment.
func TestFaultDNS(t *testing.T) {
	t.Parallel()
	srv := iotlocal.StartT(t, iotlocal.Options{TLSPort: iotlocal.Off})
	dns := &nameServer{}
	defer dns.wg.Wait()
	client := func(timeout time.Duration) *awsiot.Client {
		return awsiot.NewClient(awsiot.ClientOptions{Endpoint: "broker.example", Port: srv.TCPPort(), ClientID: "c", Auth: awsiot.PlainTCP(),
			Dialer: dns.dialer(), ConnectTimeout: timeout, RetryJitterMode: awsiot.JitterNone, MinReconnectDelay: 10 * time.Millisecond})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for _, tt := range []struct {
		rcode byte
		want  string
	}{{3, "no such host; hint: a host of that name does not exist"}, {2, "server misbehaving"}} {
		dns.set(tt.rcode, "")
		c := client(time.Minute)
		failed := make(chan error, 1)
		c.Observe(awsiot.Observer{OnConnectionFailure: func(f *awsiot.ConnectionFailure) {
			select {
			case failed <- f.Err:
			default:
			}
		}})
		_ = c.Start()
		err := <-failed
		var dnsErr *net.DNSError
		if !errors.As(err, &dnsErr) || !strings.Contains(err.Error(), "broker.example") || !strings.Contains(err.Error(), tt.want) || !awsiot.Retryable(err) {
			t.Errorf("rcode %d: %v", tt.rcode, err)
		}
		dns.set(0, "", "127.0.0.1")
		if _, err := c.AwaitConnected(ctx); err != nil {
			t.Errorf("once the name is there: %v", err)
		}
		_ = c.Close()
	}
	for _, tt := range []struct {
		name, hole string
		addrs      []string
		timeout    time.Duration // of one attempt; a silent address may take half of it, and only that
		waits      bool
	}{
		{"first refuses", "", []string{"127.0.0.9", "127.0.0.1"}, time.Minute, false},
		{"first is silent", "127.0.0.9", []string{"127.0.0.9", "127.0.0.1"}, 6 * time.Second, true},
		{"IPv6 is a black hole", "[::1]", []string{"::1", "127.0.0.1"}, time.Minute, false},
	} {
		dns.set(0, tt.hole, tt.addrs...)
		c := client(tt.timeout)
		began := time.Now()
		if err := c.StartAndWait(ctx); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		d, attempts := time.Since(began), c.Stats().Attempts
		_ = c.Close()
		dns.mu.Lock()
		if attempts != 1 || !tt.waits && d > tt.timeout/2 || len(dns.tried) == 0 || !strings.HasPrefix(dns.tried[len(dns.tried)-1], "127.0.0.1:") || tt.hole != "[::1]" && len(dns.tried) != 2 {
			t.Errorf("%s: connected after %v and %d attempts, tried %v", tt.name, d, attempts, dns.tried)
		}
		dns.mu.Unlock()
	}
}

// The server's keep-alive, smaller than ours, is used. Keep-alive 0: no pings.
func TestFaultServerKeepAlive(t *testing.T) {
	for _, tt := range []struct {
		name   string
		ours   time.Duration
		server time.Duration
		pings  int // in an hour
	}{
		{"smaller than ours", 10 * time.Minute, 30 * time.Second, 120},
		{"none of ours, the server has one", -1, 10 * time.Minute, 6},
		{"0", -1, -1, 0},
		{"ours", 10 * time.Minute, -1, 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withLocal(t, iotlocal.Options{Limits: iotlocal.Limits{MaxKeepAlive: tt.server}}, func(t *testing.T, e *onLocal) {
				n := e.client("c", func(o *awsiot.ClientOptions) { o.KeepAlive = tt.ours }).up()
				pass(time.Hour + time.Second)
				if pings := len(n.sent(iotlocal.PINGREQ)); pings != tt.pings || n.State() != awsiot.StateConnected || len(n.sent(iotlocal.CONNECT)) != 1 {
					t.Errorf("%d pings, want %d; %v", pings, tt.pings, n.State())
				}
			})
		})
	}
}

// The will is published on a cut and on Abort, not on a clean Stop, on one with code 0x04 again; a
// reconnect before its delay is over cancels it.
func TestFaultWill(t *testing.T) {
	for _, tt := range []struct {
		name  string
		delay time.Duration
		end   func(e *onLocal, n *node)
		after time.Duration // 0: never
	}{
		{"cut", 0, func(e *onLocal, n *node) { e.srv.Faults().Cut("c") }, time.Nanosecond},
		{"network gone", 0, func(_ *onLocal, n *node) { n.conn.Load().Cut() }, time.Nanosecond},
		{"Abort", 0, func(_ *onLocal, n *node) { n.Abort() }, time.Nanosecond},
		{"Stop", 0, func(_ *onLocal, n *node) { _ = n.Stop(context.Background(), nil) }, 0},
		{"Close", 0, func(_ *onLocal, n *node) { _ = n.Close() }, 0},
		{"Stop with the will", 0, func(_ *onLocal, n *node) {
			_ = n.Stop(context.Background(), &awsiot.DisconnectPacket{Code: awsiot.ReasonDisconnectWithWillMessage})
		}, time.Nanosecond},
		{"cut, quick reconnect", 10 * time.Second, func(e *onLocal, n *node) { e.srv.Faults().Cut("c") }, 0},
		{"cut, slow reconnect", 10 * time.Second, func(e *onLocal, n *node) {
			e.net.NextFaults(slices.Repeat([]memnet.Faults{{Refuse: true}}, 6)...)
			e.srv.Faults().Cut("c")
		}, 10 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
				watch := e.client("watch", nil).up().subscribe("will")
				n := e.client("c", func(o *awsiot.ClientOptions) {
					rejoin(o)
					o.Will = &awsiot.Will{Topic: "will", Payload: []byte("gone"), QoS: 1}
					if tt.delay > 0 {
						o.Will.Delay = &tt.delay
					}
				}).up()
				began := time.Now()
				tt.end(e, n)
				pass(time.Minute)
				var at []time.Duration
				for _, p := range watch.recorded(iotlocal.ServerToClient, iotlocal.PUBLISH) {
					at = append(at, p.Time.Sub(began))
				}
				if tt.after == 0 && len(at) != 0 || tt.after != 0 && (len(at) != 1 || at[0] > tt.after || tt.delay > 0 && at[0] != tt.after) {
					t.Errorf("the will came at %v, want %v", at, tt.after)
				}
			})
		})
	}
}
