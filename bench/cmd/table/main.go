// Command table measures v2 beside its peers and the raw limit of the machine
// and prints one table of ratios:
//
//	cd bench && go run ./cmd/table
//
// It builds the measured programs, starts the null broker on free loopback
// ports, runs every cell (one peer, one workload) in a fresh process, the cells
// in turn, and takes the medians. With -check it exits with 1 when a floor is
// missed; it always does when a run fails.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/measure"
	"github.com/portage-iot/awsiot/bench/internal/table"
)

type options struct {
	rounds    int // 0: the stage's
	dur       time.Duration
	stage     string
	only      string
	out, json string
	check     bool
	best      bool
	slack     float64
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 0, "how often every cell is measured; 0 means 5, or 3 for the gate")
	flag.DurationVar(&o.dur, "dur", 0, "aimed length of one measurement, 0 means 300ms, or 150ms for the gate; the raw limit runs for at least 200ms")
	flag.StringVar(&o.stage, "stage", table.First.String(), "first (v2, paho.golang, raw limit), core (every peer, all rows) or gate (few rows, for CI)")
	flag.StringVar(&o.only, "only", "", "only rows whose workload and call contain this text")
	flag.StringVar(&o.out, "o", "", "write the report as Markdown to this file, for example RESULTS.md")
	flag.StringVar(&o.json, "json", "", "write every single result to this file, one JSON object per line")
	flag.BoolVar(&o.check, "check", false, "exit with 1 when a floor is missed")
	flag.BoolVar(&o.best, "best", false, "compare the best rounds instead of the medians: for machines that are busy with other things")
	flag.Float64Var(&o.slack, "slack", 1, "with 0.5, half of a floor is enough (for machines that are busy with other things)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		stop()
		os.Exit(1)
	}
}

// rows checks the options, fills in the defaults of the stage and selects.
func (o *options) rows() ([]table.Row, table.Stage, error) {
	stage := table.First
	switch o.stage {
	case table.First.String():
	case table.Core.String():
		stage = table.Core
	case table.Gate.String():
		stage = table.Gate
	default:
		return nil, stage, fmt.Errorf("-stage %q: want first, core or gate", o.stage)
	}
	rounds, dur := 5, 300*time.Millisecond
	if stage == table.Gate {
		rounds, dur = 3, 150*time.Millisecond
	}
	o.rounds, o.dur = cmp.Or(o.rounds, rounds), cmp.Or(o.dur, dur)
	rows := slices.DeleteFunc(table.Rows(stage), func(r table.Row) bool {
		return !strings.Contains(strings.ToLower(r.Name+" "+r.Call), strings.ToLower(o.only))
	})
	switch {
	case len(rows) == 0:
		return nil, stage, fmt.Errorf("-only %q: no row has it", o.only)
	case o.rounds < 1:
		return nil, stage, fmt.Errorf("-rounds %d: want at least 1", o.rounds)
	case o.dur < time.Millisecond || o.dur > 10*time.Second:
		return nil, stage, fmt.Errorf("-dur %v: want 1ms to 10s", o.dur)
	case o.slack <= 0 || o.slack > 1:
		return nil, stage, fmt.Errorf("-slack %v: want above 0, up to 1", o.slack)
	}
	return rows, stage, nil
}

func run(ctx context.Context, o options) (err error) {
	rows, stage, err := o.rows()
	if err != nil {
		return err
	}
	var notes []string
	if slices.ContainsFunc(table.Cells(rows, stage), func(c table.Cell) bool { return c.Peer == table.CRT }) {
		dir, how, err := table.FindCRT(ctx)
		if err != nil {
			return err
		}
		if dir == "" {
			rows, notes = table.Without(rows, table.CRT), []string{how}
		}
	}
	cells := table.Cells(rows, stage)
	each, done, err := progress(o.json)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	machine := table.Machine()
	fmt.Fprintln(os.Stderr, "building")
	lab, err := table.Open(ctx, cells)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	fmt.Fprintf(os.Stderr, "%d cells, %d rounds, about %v\n", len(cells), o.rounds,
		(time.Duration(len(cells)*o.rounds) * (o.dur*2 + 100*time.Millisecond)).Round(time.Second))
	data, err := table.Collect(ctx, lab.Run, cells, o.rounds, o.dur, each)
	if err != nil {
		return err
	}
	data.Best = o.best
	report := table.Report{Stage: stage, Rows: rows, Data: data, Rounds: o.rounds, Dur: o.dur, Machine: machine, Notes: notes}
	fmt.Println(machine)
	fmt.Printf("%s\nmore is better but for p50 and allocs\n\n", report.How())
	if err := report.Table(os.Stdout); err != nil {
		return err
	}
	fmt.Println()
	if err := report.Floors(os.Stdout); err != nil {
		return err
	}
	for _, s := range notes {
		fmt.Println("\n" + s)
	}
	if o.out != "" {
		var b strings.Builder
		if err := report.Markdown(&b); err != nil {
			return err
		}
		if err := os.WriteFile(o.out, []byte(b.String()), 0o644); err != nil {
			return err
		}
	}
	if err := data.Err(); err != nil {
		return err
	}
	if missed := report.Missed(o.slack); o.check && len(missed) > 0 {
		return fmt.Errorf("%d floors missed (slack %v):\n  %s", len(missed), o.slack, strings.Join(missed, "\n  "))
	}
	return nil
}

// progress returns what is told of every run: it says on standard error which
// round runs, and writes the results to file, unless that is empty.
func progress(file string) (each func(int, table.Cell, measure.Result, error), done func() error, err error) {
	var enc *json.Encoder
	done = func() error { return nil }
	if file != "" {
		f, err := os.Create(file)
		if err != nil {
			return nil, nil, err
		}
		enc, done = json.NewEncoder(f), f.Close
	}
	last := -1
	var failed error
	each = func(round int, c table.Cell, r measure.Result, err error) {
		if round != last {
			last = round
			fmt.Fprintf(os.Stderr, "round %d\n", round+1)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "failed:", err)
			r = measure.Result{Client: c.Peer, Spec: c.Spec, Err: err.Error()}
		}
		if enc != nil && failed == nil {
			failed = enc.Encode(struct {
				Round int `json:"round"`
				measure.Result
			}{round + 1, r})
		}
	}
	closeFile := done
	return each, func() error { return errors.Join(failed, closeFile()) }, nil
}
