package work

import (
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/driver"
	"github.com/portage-iot/awsiot/bench/internal/measure"
	"github.com/portage-iot/awsiot/bench/internal/nullbroker"
)

func target(t *testing.T) driver.Target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var b nullbroker.Broker
	served := make(chan error, 1)
	go func() { served <- b.Serve(l) }()
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return driver.Target{Addr: l.Addr().String()}
}

func TestRun(t *testing.T) {
	at := target(t)
	for _, c := range []struct {
		name  string
		spec  measure.Spec
		count int
		p50   bool
	}{
		{"publish", measure.Spec{Work: measure.Pub, QoS: 1, Size: 20, Window: 10, Topics: 1}, 200, false},
		{"publish one at a time", measure.Spec{Work: measure.Pub, QoS: 1, Size: 20, Window: 1, Topics: 1}, 50, true},
		{"publish QoS 0", measure.Spec{Work: measure.Pub, QoS: 0, Size: 20, Window: 10, Topics: 1}, 200, false},
		{"receive", measure.Spec{Work: measure.Recv, QoS: 0, Size: 20, Window: 10, Topics: 1}, 200, false},
		{"receive many topics", measure.Spec{Work: measure.Recv, QoS: 1, Size: 20, Window: 10, Topics: 20}, 200, false},
		{"echo", measure.Spec{Work: measure.Echo, QoS: 0, Size: 20, Window: 1, Topics: 1}, 50, true},
		{"idle", measure.Spec{Work: measure.Idle, QoS: 1, Size: 20, Window: 1, Topics: 1, Clients: 5}, 5, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := Run(t.Context(), Options{Client: "paho.golang", Target: at, Count: c.count}, c.spec)
			if err != nil {
				t.Fatal(err)
			}
			if r.Count != c.count || r.Rate <= 0 || r.Allocs <= 0 || (r.P50 > 0) != c.p50 {
				t.Error(r)
			}
			// paho.golang has 3 goroutines and a channel of 65,535 pointers per client; the broker,
			// which is in this process here, adds one goroutine
			if c.spec.Work == measure.Idle && (r.Gos != 4 || r.Heap < 500 || r.Heap > 600) {
				t.Errorf("idle: %v", r)
			}
		})
	}
}

// Both ways to update a shadow, and a client that has none.
func TestRunShadow(t *testing.T) {
	at := target(t)
	s := measure.Spec{Work: measure.Shadow, QoS: 1, Window: 10, Topics: 1}
	for _, client := range []string{"v2", "paho.mqtt.golang"} {
		r, err := Run(t.Context(), Options{Client: client, Target: at, Count: 200}, s)
		if err != nil || r.Count != 200 || r.Rate <= 0 || r.Allocs <= 0 {
			t.Errorf("%s: %v, %v", client, r, err)
		}
	}
	if _, err := Run(t.Context(), Options{Client: "paho.golang", Target: at, Count: 1}, s); err == nil || !strings.Contains(err.Error(), "updates no shadows") {
		t.Errorf("paho.golang: %v", err)
	}
}

func TestRunFindsTheCount(t *testing.T) {
	s := measure.Spec{Work: measure.Pub, QoS: 1, Size: 20, Window: 10, Topics: 1}
	r, err := Run(t.Context(), Options{Client: "paho.golang", Target: target(t), Duration: 20 * time.Millisecond}, s)
	if err != nil || r.Count < 100 {
		t.Fatalf("%+v, %v", r, err)
	}
}

func TestRunErrors(t *testing.T) {
	good := measure.Spec{Work: measure.Pub, QoS: 1, Size: 20, Window: 10, Topics: 1}
	for _, c := range []struct {
		name   string
		client string
		edit   func(*measure.Spec)
		text   string
	}{
		{"no such client", "nobody", func(*measure.Spec) {}, `no client "nobody"`},
		{"no such workload", "paho.golang", func(s *measure.Spec) { s.Work = "sleep" }, `no workload "sleep"`},
		{"bad workload", "paho.golang", func(s *measure.Spec) { s.QoS = 2 }, "qos 2"},
		{"no room for the number", "paho.golang", func(s *measure.Spec) { s.Work, s.Size = measure.Recv, 7 }, "sequence number"},
		{"nobody listens", "paho.golang", func(*measure.Spec) {}, "refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := good
			c.edit(&s)
			_, err := Run(t.Context(), Options{Client: c.client, Target: driver.Target{Addr: "127.0.0.1:1"}, Count: 10}, s)
			if err == nil || !strings.Contains(err.Error(), c.text) {
				t.Fatalf("error %v, want one about %q", err, c.text)
			}
		})
	}
}

func TestWaitGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got atomic.Int64
		start := time.Now()
		err := wait(t.Context(), make(chan struct{}), &got)
		if err == nil || time.Since(start) > 2*patience {
			t.Fatalf("%v after %v", err, time.Since(start))
		}
		done := make(chan struct{}, 1)
		done <- struct{}{}
		if err := wait(t.Context(), done, &got); err != nil {
			t.Fatal(err)
		}
	})
}

// TestLosses: v2 gets over lost connections, and what it sends again is what
// it has sent before; clients that cannot say so instead of measuring nonsense.
func TestLosses(t *testing.T) {
	at := target(t)
	for _, c := range []struct {
		client string
		spec   measure.Spec
		n      int
	}{
		{"v2-block", measure.Spec{Work: measure.Reconnect, QoS: 1, Size: 20, Window: 1, Topics: 1, Delay: time.Millisecond}, 7},
		{"v2", measure.Spec{Work: measure.Resend, QoS: 1, Size: 20, Window: 300, Topics: 1, Delay: time.Millisecond}, 7 * 300},
	} {
		t.Run(string(c.spec.Work), func(t *testing.T) {
			r, err := Run(t.Context(), Options{Client: c.client, Target: at, Count: 7}, c.spec)
			if err != nil {
				t.Fatal(err)
			}
			if r.Count != c.n || r.P50 <= 0 || r.P99 < r.P50 || r.Rate <= 0 {
				t.Error(r)
			}
			for _, name := range []string{"paho.golang", "autopaho", "paho.mqtt.golang", "at-wat/mqtt-go"} {
				if _, err := Run(t.Context(), Options{Client: name, Target: at, Count: 7}, c.spec); err == nil || !strings.Contains(err.Error(), "reconnect") {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}
