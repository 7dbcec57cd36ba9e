// Package testsize tells tests how much to do, so that `go test ./...` stays short while nothing is left untried: the many
// shapes of a corpus whose programs have to be compiled and linked are tried where Large is set; and how many wait at once.
package testsize

import "flag"

// waiting is how many tests of a package wait at the same time.
const waiting = "8"

// Waits lets more tests that call t.Parallel run beside each other than there are processors. It is called in TestMain, for
// packages whose tests wait for delays and for processes, and hardly compute. A -parallel on the command line wins.
func Waits() {
	flag.Parse()
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "test.parallel" })
	if set {
		return
	}
	_ = flag.Set("test.parallel", waiting) // fails outside of tests alone
}
