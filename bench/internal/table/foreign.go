package table

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/measure"
)

// product is the module that is measured, routerPackage what dispatches in it.
const (
	product       = "github.com/portage-iot/awsiot"
	routerPackage = "./v2/internal/router"
	router        = "router" // the peer of a Dispatch cell
)

// moduleDir is the folder of a module as this one sees it.
func moduleDir(ctx context.Context, path string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", path)
	out, err := cmd.Output()
	dir := strings.TrimSpace(string(out))
	if err == nil && dir == "" {
		err = errors.New("it has no folder")
	}
	if err != nil {
		return "", fmt.Errorf("module %s (run this inside the bench folder): %w", path, err)
	}
	return dir, nil
}

// FindCRT says where the driver of aws-crt is: in bench/node, when Node.js and
// the package are installed there. If not, dir is empty and how says in one
// line how to get it.
func FindCRT(ctx context.Context) (dir, how string, err error) {
	root, err := moduleDir(ctx, module)
	if err != nil {
		return "", "", err
	}
	dir = filepath.Join(root, "node")
	if _, err := exec.LookPath("node"); err != nil {
		return "", CRT + ": not compared, there is no Node.js; install it (20 or later) and run `npm ci` in bench/node", nil
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "aws-crt")); err != nil {
		return "", CRT + ": not compared, it is not installed; run `npm ci` in bench/node", nil
	}
	return dir, "", nil
}

// buildRouter compiles the benchmark of the router, which is internal to the
// product and can be started but not imported from here.
func (l *Lab) buildRouter(ctx context.Context) error {
	dir, err := moduleDir(ctx, product)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-o", l.program("router"), routerPackage)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go test -c %s: %w\n%s", routerPackage, err, out)
	}
	return nil
}

// routerArgs select BenchmarkMatch/exact/N or BenchmarkMatch/wildcard/N, three
// times.
func routerArgs(s measure.Spec, d time.Duration) []string {
	kind := "exact"
	if s.Wild {
		kind = "wildcard"
	}
	return []string{"-test.run", "^$", "-test.bench", fmt.Sprintf("^BenchmarkMatch$/^%s$/^%d$", kind, s.Topics),
		"-test.benchtime", d.String(), "-test.count", "3", "-test.benchmem", "-test.cpu", "1"}
}

// parseBenchmark reads the lines of a benchmark and keeps the fastest: it only
// computes, so whatever else is in a time is another program's.
//
//	BenchmarkMatch/exact/100   6200000   19.4 ns/op   0 B/op   0 allocs/op
func parseBenchmark(out []byte, s measure.Spec) (measure.Result, error) {
	best := measure.Result{Spec: s}
	name := ""
	for line := range bytes.Lines(out) {
		f := strings.Fields(string(line))
		if len(f) < 4 || !strings.HasPrefix(f[0], "BenchmarkMatch/") {
			continue
		}
		if name != "" && f[0] != name {
			return best, fmt.Errorf("more than one benchmark: %q", out)
		}
		name = f[0]
		r := measure.Result{Spec: s}
		n, err := strconv.Atoi(f[1])
		if err != nil {
			return r, fmt.Errorf("%q: %w", line, err)
		}
		r.Count = n
		for i := 2; i+1 < len(f); i += 2 {
			v, err := strconv.ParseFloat(f[i], 64)
			if err != nil {
				return r, fmt.Errorf("%q: %w", line, err)
			}
			switch f[i+1] {
			case "ns/op":
				r.P50, r.CPU, r.Rate = v/1e3, v/1e3, 1e9/v
			case "B/op":
				r.Bytes = v
			case "allocs/op":
				r.Allocs = v
			}
		}
		if r.P50 > 0 && (best.Count == 0 || r.P50 < best.P50) {
			best = r
		}
	}
	if best.Count == 0 {
		return best, fmt.Errorf("no benchmark in %q", out)
	}
	return best, nil
}
