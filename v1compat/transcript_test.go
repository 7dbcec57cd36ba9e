package v1compat_test

// The golden transcripts: recordings of the real v1 SDK, replayed against the facades.

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/shadowcompat"
)

var transcriptDir = flag.String("transcripts", "testdata/transcripts", "directory of the recordings to replay")

// TestTranscript replays every recording: through the default facades, and again with StrictV1 where a rule that fired
// has a switch there.
func TestTranscript(t *testing.T) { replayAll(t, *transcriptDir) }

// TestTranscriptHandwritten replays scenarios in the format of the recordings that were not recorded: they are written
// from the description of v1, where it has no recording.
func TestTranscriptHandwritten(t *testing.T) { replayAll(t, "testdata/handwritten") }

func replayAll(t *testing.T, dir string) {
	t.Helper()
	files, err := loadTranscripts(dir)
	require.NoError(t, err)
	certs := newTrCerts(t)
	var summary []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		b := files[name]
		rec, err := parseTranscript(b)
		if err != nil {
			assert.Fail(t, fmt.Sprintf("%s: %v", name, err))
			continue
		}
		if what := rec.foreign(); what != "" {
			summary = append(summary, fmt.Sprintf("%-45s not yet: %s", name, what))
			continue
		}
		t.Run(name, func(t *testing.T) {
			line := "equal"
			var strictToo bool
			var inexpressible []string
			for _, strict := range []bool{false, true} {
				if strict && !strictToo {
					break
				}
				rec, err := parseTranscript(b)
				require.NoError(t, err)
				fired := applyRules(rec, strict)
				var names []string
				for _, r := range fired {
					names = append(names, r.name)
					strictToo = strictToo || r.quirk
				}
				diffs, unsaid := replay(t, rec, trQuirks{strict: strict}, certs)
				assert.Empty(t, diffs, "strict=%v, rules %v:\n%s", strict, names, strings.Join(diffs, "\n"))
				if !strict {
					inexpressible = unsaid
				}
				if strict {
					line += "; StrictV1: "
					if len(names) == 0 {
						line += "equal"
					}
				} else if len(names) > 0 {
					line = ""
				}
				line += strings.Join(names, ", ")
			}
			summary = append(summary, fmt.Sprintf("%-45s %s", name, line))
			for _, what := range inexpressible {
				summary = append(summary, fmt.Sprintf("%-45s not in Go: %s", "", what))
			}
		})
	}
	t.Logf("%d recordings\n%s", len(files), strings.Join(summary, "\n"))
}

// replay runs one recording and returns the differences, and the calls that Go's types cannot express, which were not
// made.
func replay(t *testing.T, rec *transcript, quirks trQuirks, certs *trCerts) (diffs, unsaid []string) {
	t.Helper()
	var world atomic.Pointer[trWorld]
	stuck := time.AfterFunc(2*time.Minute, func() { // a lock, say: the clock of the bubble stands still
		w := world.Load()
		if w == nil || !w.mu.TryLock() {
			panic("transcript " + rec.Scenario + " is stuck")
		}
		panic(fmt.Sprintf("transcript %s is stuck: %v", rec.Scenario, w.where))
	})
	defer stuck.Stop()
	synctest.Test(t, func(t *testing.T) {
		w := newTrWorld(t, rec, quirks)
		world.Store(w)
		w.certs = certs
		d := &trDriver{w: w, handlers: map[string]*shadowcompat.ShadowHandler{}, heard: map[string]int{}}
		finished := make(chan struct{}, 3)
		for _, side := range []func(){d.run, w.script, w.serve} {
			go func() { side(); finished <- struct{}{} }()
		}
		hung := time.AfterFunc(time.Hour, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			panic(fmt.Sprintf("transcript %s waits for ever: %v", rec.Scenario, w.where))
		})
		<-finished
		<-finished // serve ends with the listener
		w.rest()
		w.mu.Lock()
		w.over = true
		w.mu.Unlock()
		diffs, unsaid = w.compare(), w.unsaid()
		for _, c := range d.all {
			c.Disconnect() // an error says that it is not connected
			core := c.V2()
			core.Close()
			<-core.Done()
		}
		w.ln.Close()
		w.net.CutAll()
		<-finished
		time.Sleep(time.Minute) // timers of shadow requests and delayed answers
		hung.Stop()
		w.mu.Lock()
		defer w.mu.Unlock()
		for c := range w.inside { // the bubble would end with a message that names nothing
			panic(fmt.Sprintf("transcript %s: %v never returned, not even when the client was closed", rec.Scenario, c))
		}
	})
	return diffs, unsaid
}

// unsaid lists the calls that Go's types cannot express, with the reason.
func (w *trWorld) unsaid() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, c := range w.rec.Calls {
		if why, ok := strings.CutPrefix(w.outcomes[c], unsaidPrefix); ok {
			out = append(out, c.String()+": "+why)
		}
	}
	return out
}

// rest waits as long as the recording went on after its last stimulus.
func (w *trWorld) rest() {
	last := 0.0
	for _, p := range w.rec.Packets {
		last = max(last, p.T)
	}
	for _, c := range w.rec.Callbacks {
		last = max(last, c.T)
	}
	if a, ok := w.anchorOf(1e9); ok && last > a.t {
		time.Sleep(seconds(last - a.t))
	}
	time.Sleep(20 * time.Millisecond)
}
