package sample_test

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/examples/v1-style/internal/sample"
)

// program has all flags there are.
func program() (*sample.Program, *string) {
	p := sample.New("prog")
	p.ConnectionFlags()
	p.LoopFlags("n", "count")
	return p, p.TextFlag("a/b", "topic to use", "t", "topic")
}

func TestParse(t *testing.T) {
	for _, tt := range []struct{ name, args, want string }{
		{"short", "-e host -r ca -c cert -k key -p 1 -id me -t x -n 3 -interval 1ms", "host ca cert key 1 false me 3 1ms x"},
		{"long", "--endpoint host --rootCA ca --cert cert --key key --port 1 --clientId me --topic x --count 3 --interval 1ms", "host ca cert key 1 false me 3 1ms x"},
		{"with =", "-e=host --rootCA=ca -w", "host ca   443 true prog 0 1s a/b"},
		{"defaults", "-e host -r ca -c cert -k key", "host ca cert key 8883 false prog 0 1s a/b"},
		{"websocket", "-e host -r ca --websocket", "host ca   443 true prog 0 1s a/b"},
		{"websocket on a port", "-e host -r ca -w -p 8443", "host ca   8443 true prog 0 1s a/b"},
		{"websocket and half a device", "-e host -r ca -w -c cert", "host ca cert  443 true prog 0 1s a/b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, topic := program()
			if err := p.Parse(strings.Fields(tt.args)); err != nil {
				t.Fatal(err)
			}
			got := strings.Join([]string{p.Endpoint, p.RootCA, p.Cert, p.Key, fmt.Sprint(p.Port), fmt.Sprint(p.Websocket), p.ClientID,
				fmt.Sprint(p.Count), p.Interval.String(), *topic}, " ")
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestUsageErrors(t *testing.T) {
	device := "-e host -r ca -c cert -k key "
	for _, tt := range []struct{ name, args, want string }{
		{"nothing", "", "missing -e/--endpoint, -r/--rootCA"},
		{"no endpoint", "-r ca -w", "missing -e/--endpoint"},
		{"no root CA", "-e host -w", "missing -r/--rootCA"},
		{"neither", "-e host -r ca", "missing credentials"},
		{"half", "-e host -r ca -c cert", "missing credentials"},
		{"both", device + "-w", "mutual exclusive"},
		{"port below", device + "-p -1", "port -1 is not between"},
		{"port above", device + "-p 65536", "port 65536 is not between"},
		{"port of letters", device + "-p x", "invalid value"},
		{"count", device + "-n -1", "count -1 is negative"},
		{"interval", device + "-interval -1s", "interval -1s is negative"},
		{"unknown", device + "-x", "not defined"},
		{"no value", device + "-t", "needs an argument"},
		{"argument", device + "extra", `unexpected argument "extra"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, _ := program()
			err := p.Parse(strings.Fields(tt.args))
			var usage *sample.UsageError
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want a usage error with %q", err, tt.want)
			}
		})
	}
	p, _ := program()
	if err := p.Parse([]string{"-h"}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}

func TestRules(t *testing.T) {
	p := sample.New("prog")
	id, n, only := p.RequiredFlag("pool", "C", "poolId"), p.NumberFlag(7, "a number", "N"), p.BoolFlag("only print", "p", "print")
	var failure error
	p.Rule(func() error { return failure })
	if err := p.Parse(strings.Fields("-e host -r ca")); err == nil || err.Error() != "missing -C/--poolId" {
		t.Errorf("without a required flag: %v", err)
	}
	if err := p.Parse(strings.Fields("-e host -r ca -C pool -p")); err != nil || *id != "pool" || *n != 7 || !*only {
		t.Errorf("%v, pool %q, number %d, only %v", err, *id, *n, *only)
	}
	failure = &sample.StatusError{Status: 3, Err: errors.New("no such file")}
	var status *sample.StatusError
	var usage *sample.UsageError
	if err := p.Parse(strings.Fields("-e host -r ca -C pool")); !errors.As(err, &status) || status.Status != 3 || errors.As(err, &usage) {
		t.Errorf("a rule with a status: %v", err)
	}
}

func TestUsage(t *testing.T) {
	p, _ := program()
	got := p.Usage()
	for _, want := range []string{
		"usage: prog -e TEXT -r TEXT [flags]\n",
		"  -e, --endpoint TEXT\n    \thost name of the endpoint (required)\n",
		"  -w, --websocket\n",
		"  -id, --clientId TEXT\n    \tclient id (default prog)\n",
		"  -n, --count NUMBER\n",
		"  --interval DURATION\n    \tpause between messages (default 1s)\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := sample.New("prog")
		p.LoopFlags("count")
		start, times := time.Now(), []time.Duration{}
		for _, count := range []int{3, 0} {
			p.Count = count
			ctx, cancel := context.WithCancel(t.Context())
			var got []int
			for i := range p.Messages(ctx) {
				got = append(got, i)
				times = append(times, time.Since(start))
				if count == 0 && i == 4 {
					cancel() // Ctrl-C
				}
			}
			cancel()
			if want := []int{0, 1, 2, 3, 4}; !slices.Equal(got, want[:len(got)]) || len(got) != cmp.Or(count, 5) {
				t.Errorf("count %d: %v", count, got)
			}
		}
		if want := []time.Duration{0, 1, 2, 2, 3, 4, 5, 6}; !slices.EqualFunc(times, want, func(a, b time.Duration) bool { return a == b*time.Second }) {
			t.Errorf("at %v, want the seconds %v", times, want)
		}
	})
}

func TestTally(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tally := sample.NewTally()
		for i := range 3 {
			time.AfterFunc(time.Duration(i+1)*time.Second, tally.Add)
		}
		start := time.Now()
		if err := tally.Await(t.Context(), 0, "things"); err != nil || time.Since(start) != 0 {
			t.Errorf("for none: %v after %v", err, time.Since(start))
		}
		if err := tally.Await(t.Context(), 3, "things"); err != nil || time.Since(start) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if err := tally.Await(t.Context(), 4, "things"); err == nil || !strings.Contains(err.Error(), "3 of 4 things") {
			t.Errorf("one too many: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if !tally.Reach(ctx, 3) || tally.Reach(ctx, 0) || ctx.Err() == nil {
			t.Error("Reach of 0 ends before ctx does")
		}
		if err := tally.Await(ctx, 4, "things"); err != nil {
			t.Errorf("after Ctrl-C: %v", err)
		}
	})
}

func TestMessage(t *testing.T) {
	got, err := sample.Message("grüße <\"x\">", 3)
	if want := `{"message":"grüße <\"x\">","sequence":3}`; err != nil || got != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
}
