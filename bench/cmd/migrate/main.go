// Command migrate measures iotmigrate on a made-up module of 100,000 lines:
//
//	cd bench && go run ./cmd/migrate
//
// It makes the module, builds iotmigrate and a vet tool with one empty analyzer, lets both see all of it once, and then
// in turn touches the package that nothing imports and runs them. It prints the medians as Markdown, and exits with 1
// when a run fails or, with -check, when a bound is missed: 1.5 times the time of go vet, and -memory at the peak.
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/codebase"
)

// maxRatio is the bound of the time, against go vet with an empty analyzer over the same packages.
const maxRatio = 1.5

type options struct {
	module codebase.Options
	rounds int
	memory int // MiB
	check  bool
	keep   string
}

func main() {
	var o options
	flag.IntVar(&o.module.Lines, "lines", 100_000, "size of the module, in lines")
	flag.IntVar(&o.module.Packages, "packages", 200, "its packages")
	flag.IntVar(&o.module.Clients, "clients", 40, "how many of them have v1-shaped clients")
	flag.IntVar(&o.rounds, "rounds", 7, "how often each is measured")
	flag.IntVar(&o.memory, "memory", 400, "bound of the memory at the peak, in MiB")
	flag.BoolVar(&o.check, "check", false, "exit with 1 when a bound is missed")
	flag.StringVar(&o.keep, "keep", "", "make the module in this directory and leave it there")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "migrate:", err)
		stop()
		os.Exit(1)
	}
}

// cell is one program that is measured.
type cell struct {
	name   string
	args   []string
	status int // that it ends with
	took   []time.Duration
	cpu    []time.Duration
	peak   int64 // KiB
}

func run(ctx context.Context, o options) (err error) {
	root, err := filepath.Abs("..")
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(root, "cmd", "iotmigrate")); err != nil {
		return fmt.Errorf("run it in the directory bench: %w", err)
	}
	o.module.Module = root
	tmp, err := os.MkdirTemp("", "bench-migrate-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	dir := cmp.Or(o.keep, filepath.Join(tmp, "module"))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	lines, err := codebase.Write(dir, o.module)
	if err != nil {
		return err
	}
	tool, vet := filepath.Join(tmp, "iotmigrate"), filepath.Join(tmp, "emptyvet")
	for _, b := range [][]string{{root, tool, "./cmd/iotmigrate"}, {".", vet, "./cmd/emptyvet"}} {
		build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", b[1], b[2])
		build.Dir = b[0]
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", b[2], err, out)
		}
	}
	cells := []*cell{
		{name: "`go vet -vettool` with one empty analyzer", args: []string{"go", "vet", "-vettool=" + vet, "./..."}},
		{name: "`iotmigrate check`", args: []string{tool, "check", "./..."}, status: 3},
		{name: "`go vet -vettool` with iotmigrate", args: []string{"go", "vet", "-vettool=" + tool, "./..."}, status: 1},
	}
	if err := measure(ctx, dir, cells, 0); err != nil {
		return fmt.Errorf("the first run: %w", err)
	}
	for i := range o.rounds {
		if err := measure(ctx, dir, cells, i+1); err != nil {
			return err
		}
	}
	fmt.Printf("%d lines in %d packages, clients in %d of them; %d cores, %s/%s, %s; medians of %d rounds, the package that nothing imports touched before each run.\n\n",
		lines, o.module.Packages, o.module.Clients, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), o.rounds)
	fmt.Println("| program | time | CPU | memory at the peak | time, of the first |\n|---|---|---|---|---|")
	first := median(cells[0].took)
	for _, c := range cells {
		fmt.Printf("| %s | %.2f s | %.2f s | %d MiB | %.2f |\n", c.name, median(c.took).Seconds(), median(c.cpu).Seconds(), c.peak>>10, float64(median(c.took))/float64(first))
	}
	check := cells[1]
	if ratio := float64(median(check.took)) / float64(first); o.check && ratio > maxRatio {
		err = fmt.Errorf("iotmigrate check takes %.2f times as long as go vet, the bound is %g", ratio, maxRatio)
	}
	if o.check && check.peak>>10 > int64(o.memory) {
		err = errors.Join(err, fmt.Errorf("iotmigrate check takes %d MiB, the bound is %d", check.peak>>10, o.memory))
	}
	return err
}

// measure runs every cell once, after the leaf was touched; round 0 is not counted.
func measure(ctx context.Context, dir string, cells []*cell, round int) error {
	for i, c := range cells {
		if err := touch(dir, fmt.Sprintf("%d.%d", round, i)); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
		cmd.Dir = dir
		var errs bytes.Buffer
		cmd.Stderr = &errs
		start := time.Now()
		if err := cmd.Run(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != c.status {
			return fmt.Errorf("%v: %w: %.500s", c.args, err, errs.Bytes())
		}
		if round == 0 {
			continue
		}
		c.took = append(c.took, time.Since(start))
		c.cpu = append(c.cpu, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
		c.peak = max(c.peak, peak(cmd.ProcessState))
	}
	return nil
}

// touch changes the package that nothing imports, so that it has to be compiled and looked at again.
func touch(dir, mark string) error {
	text := fmt.Sprintf("package leaf\n\n// Mark changes.\nconst Mark = %q\n", mark)
	return os.WriteFile(filepath.Join(dir, "leaf", "mark.go"), []byte(text), 0o644)
}

func median(all []time.Duration) time.Duration {
	s := slices.Sorted(slices.Values(all))
	return s[len(s)/2]
}
