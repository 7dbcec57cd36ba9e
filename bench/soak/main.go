// Command soak runs the v2 client against a broker that misbehaves, for a given
// time, and says what came of it.
//
//	cd bench && go run ./soak -for 30s
//
// Publishers send numbered QoS 1 messages to subscribers with persistent
// sessions, all on the v2 client, while iotlocal's broker cuts connections,
// drops, delays and doubles packets and acknowledgements, refuses, falls
// silent, kicks clients out and forgets every session. Exit status 1: a message
// was lost whose publish had succeeded, a publish failed that no fault explains,
// a goroutine was left, or the heap grew.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	var c config
	flag.DurationVar(&c.duration, "for", 30*time.Second, "how long faults are injected")
	flag.IntVar(&c.publishers, "publishers", 4, "clients that publish")
	flag.IntVar(&c.subscribers, "subscribers", 2, "clients that subscribe, each to some of the publishers")
	flag.IntVar(&c.window, "window", 20, "publishes in flight per publisher")
	flag.IntVar(&c.rate, "rate", 2000, "publishes per second and publisher at most; 0: no limit")
	flag.DurationVar(&c.pause, "pause", 20*time.Millisecond, "mean time between two faults")
	flag.Uint64Var(&c.seed, "seed", 1, "of the choice of faults")
	flag.Parse()
	if err := c.validate(); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	r, err := run(ctx, c)
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
	r.write(os.Stdout)
	if problems := r.problems(); len(problems) > 0 {
		for _, p := range problems {
			fmt.Fprintln(os.Stderr, "soak:", p)
		}
		os.Exit(1)
	}
}

// config is what the flags say.
type config struct {
	duration                        time.Duration
	publishers, subscribers, window int
	rate                            int
	pause                           time.Duration
	seed                            uint64
}

func (c config) validate() error {
	switch {
	case c.duration < time.Second:
		return errors.New("-for: at least 1s")
	case c.publishers < 1 || c.publishers > 1000:
		return errors.New("-publishers: 1 to 1000")
	case c.subscribers < 1 || c.subscribers > c.publishers:
		return errors.New("-subscribers: 1 to the number of publishers")
	case c.window < 1 || c.window > 1000:
		return errors.New("-window: 1 to 1000")
	case c.rate < 0:
		return errors.New("-rate: not negative")
	case c.pause < time.Millisecond:
		return errors.New("-pause: at least 1ms")
	}
	return nil
}
