// Package measure holds what every measured program shares: the description
// of a workload, the line of JSON that comes out, and the reading of the
// process's own clock, CPU time and allocations around the measured part.
package measure

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
)

// Work is the kind of a workload.
type Work string

// The workloads.
const (
	Pub       Work = "pub"       // publish Count messages, at most Window unfinished
	Recv      Work = "recv"      // receive Count messages that the null broker sends
	Echo      Work = "echo"      // one QoS 0 message out and back at a time
	Idle      Work = "idle"      // connect and subscribe Clients clients, then do nothing
	Reconnect Work = "reconnect" // loss of the connection to the next acknowledged publish
	Resend    Work = "resend"    // Window unacknowledged publishes sent again on the next connection
	Shadow    Work = "shadow"    // shadow updates, each waited for by one of Window goroutines
	Dispatch  Work = "dispatch"  // find the handler of a message among Topics filters, no network
)

// Spec is one workload.
type Spec struct {
	Work   Work `json:"work"`
	QoS    int  `json:"qos"`
	Size   int  `json:"size"`             // payload, bytes
	Window int  `json:"window"`           // publishes in flight
	Topics int  `json:"topics,omitempty"` // Recv: topics, each with a subscription and a handler
	TLS    bool `json:"tls,omitempty"`

	Clients int  `json:"clients,omitempty"` // Idle: how many; 0 means 1,000
	Wild    bool `json:"wild,omitempty"`    // Dispatch: the filters have a wildcard

	// Delay is what a client is told to wait before it reconnects.
	Delay time.Duration `json:"delay_ns,omitempty"`
}

// String names the workload in a few characters.
func (s Spec) String() string {
	b := fmt.Sprintf("%s q%d %dB w%d", s.Work, s.QoS, s.Size, s.Window)
	switch s.Work {
	case Idle:
		b = fmt.Sprintf("%s %d clients", s.Work, cmp.Or(s.Clients, 1000))
	case Reconnect:
		b = fmt.Sprintf("%s q%d %dB %v", s.Work, s.QoS, s.Size, s.Delay)
	case Dispatch:
		b = fmt.Sprintf("%s t%d", s.Work, s.Topics)
		if s.Wild {
			b += " with +"
		}
		return b
	}
	if s.Topics > 1 {
		b += fmt.Sprintf(" t%d", s.Topics)
	}
	if s.TLS {
		b += " tls"
	}
	return b
}

// Validate reports the first value that no program could run.
func (s Spec) Validate() error {
	switch {
	case s.QoS < 0 || s.QoS > 1:
		return fmt.Errorf("qos %d: want 0 or 1", s.QoS)
	case s.Size < 0 || s.Size > 128<<10:
		return fmt.Errorf("size %d: want 0 to 131072, the largest payload AWS IoT Core takes", s.Size)
	case s.Window < 1 || s.Window > 65535:
		return fmt.Errorf("window %d: want 1 to 65535", s.Window)
	case (s.Work == Reconnect || s.Work == Resend) && (s.Delay <= 0 || s.Delay > time.Second):
		return fmt.Errorf("delay %v: want more than 0, up to 1s", s.Delay)
	case s.Clients < 0 || s.Clients > 100_000:
		return fmt.Errorf("clients %d: want 0 to 100000", s.Clients)
	case s.Topics < 1 || s.Topics > 1<<16:
		return fmt.Errorf("topics %d: want 1 to 65536", s.Topics)
	}
	return nil
}

// Result is one line: one workload, one library, one process.
type Result struct {
	Client string `json:"client"`
	Spec
	Count  int     `json:"n"`
	Rate   float64 `json:"rate,omitempty"`    // messages per second
	CPU    float64 `json:"cpu_us"`            // user and system time of this process per message, microseconds
	Allocs float64 `json:"allocs"`            // heap objects per message
	Bytes  float64 `json:"bytes"`             // heap bytes per message
	P50    float64 `json:"p50_us,omitempty"`  // median time of one message (window 1), microseconds
	P99    float64 `json:"p99_us,omitempty"`  // 99th percentile of it
	RSS    float64 `json:"rss_kib,omitempty"` // Idle: resident memory per client, KiB
	Heap   float64 `json:"heap_kib,omitempty"`
	Gos    float64 `json:"goroutines,omitempty"` // Idle: goroutines per client
	Engine float64 `json:"engine_us,omitempty"`  // aws-crt: CPU of its AwsEventLoop threads alone per message, microseconds
	Err    string  `json:"error,omitempty"`
}

// Write writes r as one line of JSON.
func (r Result) Write(w io.Writer) error { return json.NewEncoder(w).Encode(r) }

// String is the line without its end.
func (r Result) String() string {
	b, err := json.Marshal(r)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// FromUsage fills what the difference of two readings says about count
// messages, and the percentiles of lat, which it sorts.
func (r *Result) FromUsage(from, to Usage, count int, lat []time.Duration) {
	n := float64(max(count, 1))
	r.Count = count
	r.Rate = round(n / to.at.Sub(from.at).Seconds())
	r.CPU = round(float64((to.cpu - from.cpu).Nanoseconds()) / 1e3 / n)
	r.Allocs = round(float64(to.mallocs-from.mallocs) / n)
	r.Bytes = round(float64(to.bytes-from.bytes) / n)
	if len(lat) > 0 {
		slices.Sort(lat)
		r.P50 = round(micros(lat[len(lat)/2]))
		r.P99 = round(micros(lat[len(lat)*99/100]))
	}
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// round keeps four digits: more would only pretend.
func round(f float64) float64 {
	g, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 4, 64), 64)
	if err != nil {
		return f
	}
	return g
}
