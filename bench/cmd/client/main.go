// Command client runs one workload with one MQTT client library in this
// process and prints one line of JSON (measure.Result).
//
//	client -client v2 -addr 127.0.0.1:PORT [-ca FILE] -work pub -qos 1 -size 256 -window 100
//
// Profiles are taken of the measured part only.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/driver"
	"github.com/portage-iot/awsiot/bench/internal/measure"
	"github.com/portage-iot/awsiot/bench/internal/work"
)

func main() {
	var o work.Options
	var s measure.Spec
	flag.StringVar(&o.Client, "client", "v2", strings.Join(driver.Names(), ", "))
	flag.StringVar(&o.Target.Addr, "addr", "", "address of the null broker")
	flag.StringVar(&o.Target.CA, "ca", "", "certificate to trust: use TLS")
	flag.StringVar((*string)(&s.Work), "work", "pub", "pub, recv, echo, idle, shadow, reconnect or resend")
	flag.IntVar(&s.QoS, "qos", 1, "quality of service, 0 or 1")
	flag.IntVar(&s.Size, "size", 256, "payload, bytes")
	flag.IntVar(&s.Window, "window", 100, "publishes in flight")
	flag.IntVar(&s.Topics, "topics", 1, "recv: topics, each with a subscription and a handler")
	flag.IntVar(&s.Clients, "clients", 0, "idle: how many; 0 means 1000")
	flag.DurationVar(&s.Delay, "delay", 0, "reconnect, resend: how long to wait before a reconnection; 0 means 1ms")
	flag.IntVar(&o.Count, "n", 0, "messages, or losses of the connection; 0: what -dur takes")
	flag.DurationVar(&o.Duration, "dur", 300*time.Millisecond, "aimed length of the measured part")
	limit := flag.Duration("timeout", 25*time.Second, "give up after")
	flag.StringVar(&o.Profiles.CPU, "cpuprofile", "", "file for a CPU profile")
	flag.StringVar(&o.Profiles.Mutex, "mutexprofile", "", "file for a mutex profile")
	flag.StringVar(&o.Profiles.Block, "blockprofile", "", "file for a blocking profile")
	flag.StringVar(&o.Profiles.Allocs, "allocprofile", "", "file for an allocation profile")
	flag.Parse()
	s.TLS = o.Target.CA != ""
	if s.Work == measure.Reconnect || s.Work == measure.Resend {
		s.Delay = cmp.Or(s.Delay, time.Millisecond)
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, *limit, errors.New("not finished in time"))
	defer cancel()
	r, err := work.Run(ctx, o, s)
	if err == nil {
		err = r.Write(os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}
