package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progressDelay is how long a run may take in silence, and how often its line is renewed after that.
const progressDelay = time.Second

// progress is a line on a terminal that says what a run is doing and for how long, once it takes longer than a person likes
// to wait without a word. It is gone when the run has ended.
type progress struct {
	out   io.Writer
	begin time.Time
	quit  chan struct{}
	ended sync.WaitGroup
	mu    sync.Mutex
	what  string
}

// newProgress begins to watch a run.
func newProgress(out io.Writer) *progress {
	p := &progress{out: out, begin: time.Now(), quit: make(chan struct{})}
	p.ended.Go(p.show)
	return p
}

// show draws the line until stop.
func (p *progress) show() {
	tick := time.NewTicker(progressDelay)
	defer tick.Stop()
	shown := false
	for {
		select {
		case <-tick.C:
			p.mu.Lock()
			fmt.Fprintf(p.out, "\r\x1b[Kiotmigrate: %s ... %.0f s", p.what, time.Since(p.begin).Seconds())
			p.mu.Unlock()
			shown = true
		case <-p.quit:
			if shown {
				fmt.Fprint(p.out, "\r\x1b[K")
			}
			return
		}
	}
}

// stage says what the run does from now on.
func (p *progress) stage(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.what = what
}

// stop takes the line away.
func (p *progress) stop() {
	close(p.quit)
	p.ended.Wait()
}
