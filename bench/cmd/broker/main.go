// Command broker compares iotlocal with mosquitto, each in a process of its own:
// publishes at QoS 1 with 100 in flight, to their PUBACK and end to end, and what a
// client that does nothing costs in memory. iotlocal records packets, as it does by
// default, and enforces policies: one of a few statements, then the same request
// among thousands of filters and statements.
//
//	broker [-rounds 3] [-d 2s] [-clients 5000] [-mosquitto FILE]
//
// It prints a table for people, a line for each broker: messages per second, how many
// times those of the first line, and the processor time of the broker for each message,
// which says more when the machine has other work. Where mosquitto is not installed its
// line is left out, and iotlocal without policies is the first; a FILE that is not there
// is an error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/brokerload"
)

func main() {
	serving := flag.String("serve", "", "be the broker instead: none, few or many policies")
	rounds := flag.Int("rounds", 3, "rounds; the median counts")
	d := flag.Duration("d", 2*time.Second, "length of one measurement")
	clients := flag.Int("clients", 5000, "idle clients")
	mosquitto := flag.String("mosquitto", "", "the mosquitto program (default: the one of PATH or /usr/sbin)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	path, err := find(*mosquitto)
	switch {
	case err != nil:
	case *serving != "":
		err = serve(policies(*serving))
	default:
		err = compare(ctx, *rounds, *d, *clients, path)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "broker:", err)
		os.Exit(1)
	}
}

// find returns the path of mosquitto: the given one, which must be there, else the
// one that is installed, or "".
func find(given string) (string, error) {
	if given != "" {
		return exec.LookPath(given)
	}
	for _, name := range []string{"mosquitto", "/usr/sbin/mosquitto"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", nil
}

// subject is one broker that is measured, and what was.
type subject struct {
	name  string
	start func(ctx context.Context) (*process, error)
	rates [2][]float64 // of loads, messages per second
	cpu   [2][]float64 // of loads, microseconds of the broker for each message
	kib   []float64    // for each idle client
}

// loads are what is measured.
var loads = [2]struct {
	name string
	load brokerload.Load
}{
	{"publish to PUBACK", brokerload.Load{Size: 256, Window: 100}},
	{"publish to subscriber", brokerload.Load{Size: 256, Window: 100, EndToEnd: true}},
}

func compare(ctx context.Context, rounds int, d time.Duration, clients int, mosquitto string) error {
	var all []*subject
	if mosquitto != "" {
		all = append(all, &subject{name: "mosquitto", start: func(ctx context.Context) (*process, error) { return startMosquitto(ctx, mosquitto) }})
	}
	for _, p := range []policies{none, few, many} {
		all = append(all, &subject{name: "iotlocal, policies: " + string(p), start: func(ctx context.Context) (*process, error) { return startSelf(ctx, p) }})
	}
	for range rounds {
		for _, s := range all {
			if err := s.measure(ctx, d, clients); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "broker\t%s\t%s\tKiB of RSS per idle client, of %d\n", loads[0].name, loads[1].name, clients)
	for _, s := range all {
		cells := []string{s.name}
		for i := range loads {
			rate := median(s.rates[i])
			cells = append(cells, fmt.Sprintf("%.0f k/s, %.2fx, %.1f us", rate/1000, rate/median(all[0].rates[i]), median(s.cpu[i])))
		}
		fmt.Fprintf(w, "%s\t%.1f\n", strings.Join(cells, "\t"), median(s.kib))
	}
	return w.Flush()
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// measure runs every load against a fresh process, and the idle clients against
// another.
func (s *subject) measure(ctx context.Context, d time.Duration, clients int) (err error) {
	p, err := s.start(ctx)
	if err != nil {
		return err
	}
	for i, l := range loads {
		before, err := p.cpu()
		if err != nil {
			return errors.Join(err, p.stop())
		}
		rate, n, err := l.load.Run(p.addr, d)
		if err != nil {
			return errors.Join(err, p.stop())
		}
		after, err := p.cpu()
		if err != nil {
			return errors.Join(err, p.stop())
		}
		s.rates[i] = append(s.rates[i], rate)
		s.cpu[i] = append(s.cpu[i], float64((after-before).Microseconds())/float64(n))
	}
	if err := p.stop(); err != nil {
		return err
	}
	if p, err = s.start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	before, err := p.rss()
	if err != nil {
		return err
	}
	closeAll, err := brokerload.Idle(p.addr, clients)
	if err != nil {
		return err
	}
	defer closeAll()
	time.Sleep(time.Second) // the last answers have been written, the garbage of the handshakes remains
	after, err := p.rss()
	s.kib = append(s.kib, (after-before)/float64(clients))
	return err
}
