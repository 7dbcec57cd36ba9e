package driver

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/nullbroker"
)

// targets starts a null broker with both listeners.
func targets(t *testing.T) map[string]Target {
	t.Helper()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg, pem, err := nullbroker.SelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem, 0o600); err != nil {
		t.Fatal(err)
	}
	secure, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	var b nullbroker.Broker
	served := make(chan error, 2)
	for _, l := range []net.Listener{plain, secure} {
		go func() { served <- b.Serve(l) }()
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := <-served; err != nil {
				t.Error(err)
			}
		}
	})
	return map[string]Target{
		"tcp": {Addr: plain.Addr().String()},
		"tls": {Addr: secure.Addr().String(), CA: ca},
	}
}

// TestDrivers takes every library through what is measured: publishes of both
// QoS, latencies, and received messages that reach the handler of their filter
// once each and in order.
func TestDrivers(t *testing.T) {
	for net, target := range targets(t) {
		for _, name := range Names() {
			t.Run(net+"/"+name, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
				defer cancel()
				d, err := New(name, target)
				if err != nil {
					t.Fatal(err)
				}
				if err := d.Connect(ctx, "t"); err != nil {
					t.Fatal("Connect:", err)
				}
				payload := []byte("some payload")
				for _, l := range []Load{
					{Count: 300, Window: 20, QoS: 1}, {Count: 300, Window: 20, QoS: 0}, {Count: 3, Window: 20, QoS: 1},
					{Count: 30, Window: 1, QoS: 1, Lat: make([]time.Duration, 30)},
					{Count: 30, Window: 1, QoS: 0, Lat: make([]time.Duration, 30)},
				} {
					l.Topic, l.Payload = "bench/0", payload
					if name == "v2-aws" && l.Count > 30 {
						l.Count = 30 // a hundred a second
					}
					if err := d.Publish(ctx, l); err != nil {
						t.Fatalf("Publish %+v: %v", l, err)
					}
					if i := slices.IndexFunc(l.Lat, func(d time.Duration) bool { return d <= 0 }); i >= 0 {
						t.Fatalf("no time for message %d of %+v", i, l)
					}
				}
				receives(ctx, t, d)
				if err := d.Close(ctx); err != nil {
					t.Fatal("Close:", err)
				}
			})
		}
	}
}

func receives(ctx context.Context, t *testing.T, d Driver) {
	const topics, each = 11, 20 // more than one SUBSCRIBE packet
	filters := make([]string, topics)
	for i := range filters {
		filters[i] = "bench/" + strconv.Itoa(i)
	}
	counts := make([]int, topics)
	var left atomic.Int64
	left.Store(topics * each)
	done := make(chan struct{})
	err := d.Subscribe(ctx, filters, 1, func(i int, p []byte) {
		if want := uint64(counts[i]*topics + i); len(p) != 16 || uint64(p[6])<<8|uint64(p[7]) != want {
			t.Errorf("filter %d got % x, want number %d", i, p, want)
		}
		counts[i]++
		if left.Add(-1) == 0 {
			close(done)
		}
	})
	if err != nil {
		t.Fatal("Subscribe:", err)
	}
	order := Load{Count: 1, Window: 1, QoS: 1, Topic: "ctl/blast", Payload: []byte("220 1 16 11 5")}
	if err := d.Publish(ctx, order); err != nil {
		t.Fatal(err)
	}
	select {
	case <-done:
	case <-ctx.Done():
		t.Fatalf("%d messages are missing: %v", left.Load(), counts)
	}
}

// TestAWS: the quota of AWS IoT Core is what the driver is for.
func TestAWS(t *testing.T) {
	d, err := New("v2-aws", targets(t)["tcp"])
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Connect(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := d.Publish(t.Context(), Load{Count: 50, Window: 50, QoS: 1, Topic: "bench/0"}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 400*time.Millisecond {
		t.Errorf("50 publishes took %v", took)
	}
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestStore: the folder of the file store goes with the driver.
func TestStore(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	d, err := New("v2-store", targets(t)["tcp"])
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Connect(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
	dir := d.(*v2).dir
	if files, err := os.ReadDir(dir); err != nil || len(files) == 0 {
		t.Errorf("nothing in the store's folder: %v, %v", files, err)
	}
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is left behind: %v", dir, err)
	}
}

func TestNewRefuses(t *testing.T) {
	_, err := New("nobody", Target{})
	if err == nil || !strings.Contains(err.Error(), "paho.golang") {
		t.Fatalf("error %v does not list the clients", err)
	}
}

func TestTargetErrors(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		t    Target
	}{
		{"no such file", Target{Addr: "127.0.0.1:1", CA: filepath.Join(t.TempDir(), "none.pem")}},
		{"no certificate inside", Target{Addr: "127.0.0.1:1", CA: empty}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := c.t.Dial(t.Context()); err == nil {
				t.Fatal("no error")
			}
		})
	}
}
