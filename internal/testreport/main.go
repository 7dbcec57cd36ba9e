// Command testreport reads the output of `go test -json` and writes what a person reads: a line for each package as it ends,
// and behind them, at the very end, the tests that failed, each with what it printed itself, and their names once more.
// One test that prints much does not hide the others: of each, a bounded number of lines is shown, of a line a bounded part.
//
//	go test -json ./... 2>&1 | testreport [-noskip]
//
// It ends with status 1 when a test or a package failed, and with -noskip when a test was skipped.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	noskip := flag.Bool("noskip", false, "a test that is skipped is a failure")
	flag.Parse()
	// Who ends a hanging run asks the whole process group for its stacks: they are to be reported.
	signal.Ignore(syscall.SIGQUIT)
	r := newReport(os.Stdout)
	if err := r.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testreport: reading the output of go test -json:", err)
		os.Exit(1)
	}
	if !r.end(*noskip) {
		os.Exit(1)
	}
}
