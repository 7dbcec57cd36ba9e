// Command callsites counts what iotmigrate did with the uses of the v1-shaped packages in a module: it reads the module as
// it was and as it is after `iotmigrate fix`, and does not ask the tool.
//
//	go run ./cmd/callsites BEFORE AFTER [BEFORE AFTER ...]
//
// A call site is a use of a function or method of v1compat, v1compat/discovery, shadowcompat or jobscompat, or of an
// interface method that their clients implement, and an assignment to one of their hooks. What only makes an argument
// (WithWebsocket), reads an error or connects the two sides (FromV2, V2, Handler) is none. Of the sites of BEFORE those that
// remain in AFTER are bridged when their receiver comes from FromV2, else left; a call of awsiot's client that comes from V2
// is bridged too, and so is SetLogger where a client of awsiot's logs through v1compat.Logger; the rest is rewritten.
package main

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "callsites:", err)
		os.Exit(1)
	}
}

func run(args []string, w io.Writer) error {
	if len(args) == 0 || len(args)%2 != 0 {
		return fmt.Errorf("usage: callsites BEFORE AFTER [BEFORE AFTER ...]: want pairs of directories, got %d arguments", len(args))
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "module\tsites\trewritten\tbridged\tleft\t")
	var all result
	for i := 0; i < len(args); i += 2 {
		r, err := compare(args[i], args[i+1])
		if err != nil {
			return err
		}
		r.row(t, args[i])
		all.add(r)
	}
	all.row(t, "all")
	if n := all.sites; n > 0 {
		fmt.Fprintf(t, "%%\t\t%.1f\t%.1f\t%.1f\t\n", percent(all.rewritten, n), percent(all.bridged, n), percent(all.left, n))
	}
	return t.Flush()
}

func percent(a, b int) float64 { return 100 * float64(a) / float64(b) }

// result is what became of the sites of one module, or of several.
type result struct{ sites, rewritten, bridged, left int }

func (r *result) add(o result) {
	r.sites += o.sites
	r.rewritten += o.rewritten
	r.bridged += o.bridged
	r.left += o.left
}

func (r result) row(w io.Writer, name string) {
	fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t\n", name, r.sites, r.rewritten, r.bridged, r.left)
}

// compare reads both states of a module.
func compare(before, after string) (result, error) {
	b, err := count(before)
	if err != nil {
		return result{}, err
	}
	a, err := count(after)
	if err != nil {
		return result{}, err
	}
	r := result{sites: b.bridged + b.left, bridged: a.bridged, left: a.left}
	if r.bridged+r.left > r.sites {
		return r, fmt.Errorf("%s: %d sites, %s: %d: more than before", before, r.sites, after, a.bridged+a.left)
	}
	r.rewritten = r.sites - r.bridged - r.left
	return r, nil
}
