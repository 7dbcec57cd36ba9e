package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestProgress: nothing is said of a short run, and a long one has a line that is renewed and taken away.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var short, long bytes.Buffer
		p := newProgress(&short)
		p.stage("analyzing")
		time.Sleep(progressDelay / 2)
		p.stop()
		if short.Len() > 0 {
			t.Errorf("%q", short.String())
		}
		p = newProgress(&long)
		p.stage("compiling")
		time.Sleep(progressDelay * 3 / 2)
		p.stage("analyzing")
		time.Sleep(progressDelay)
		p.stop()
		want := "\r\x1b[Kiotmigrate: compiling ... 1 s\r\x1b[Kiotmigrate: analyzing ... 2 s\r\x1b[K"
		if long.String() != want || strings.Contains(long.String(), "\n") {
			t.Errorf("%q, want %q", long.String(), want)
		}
	})
}
