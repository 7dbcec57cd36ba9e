package v1compat_test

// The golden transcripts: recordings of the real v1 SDK, replayed against the facades.

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/shadowcompat"
)

var transcriptDir = flag.String("transcripts", "testdata/transcripts", "directory of the recordings to replay")

// trKnown are differences that are faults: no rule allows them. By the hash of the recording, so that neither a change
// of the recording nor one of the difference goes unseen.
var trKnown = map[string]string{
	// v1 waited 1, 2, 4 … s whatever the base, which counted only after a stable connection; the core has one minimum.
	"0ed47ac0792914b7413dc003751b32f897fb531b806291aea493674f2fc0e4f3": `the dial of connection 0 (0: refused) came 2.00 s after "event CLIENT_CLOSED", want 1.00 s
the dial of connection 0 (0: refused) came 4.00 s after "dial 0", want 2.00 s
the dial of connection 0 (0: refused) came 8.00 s after "dial 0", want 4.00 s`,
}

// TestTranscript replays every recording: through the default facades, and again with StrictV1 where a rule that fired
// has a switch there.
func TestTranscript(t *testing.T) {
	files, err := loadTranscripts(*transcriptDir)
	must(t, err)
	certs := newTrCerts(t)
	var summary []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		b := files[name]
		rec, err := parseTranscript(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if what := rec.foreign(); what != "" {
			summary = append(summary, fmt.Sprintf("%-45s not yet: %s", name, what))
			continue
		}
		t.Run(name, func(t *testing.T) {
			line := "equal"
			var strictToo bool
			for _, strict := range []bool{false, true} {
				if strict && !strictToo {
					break
				}
				rec, err := parseTranscript(b)
				must(t, err)
				fired := applyRules(rec, strict)
				var names []string
				for _, r := range fired {
					names = append(names, r.name)
					strictToo = strictToo || r.quirk
				}
				got := strings.Join(replay(t, rec, trQuirks{strict}, certs), "\n")
				known := trKnown[fmt.Sprintf("%x", sha256.Sum256(b))]
				switch {
				case got != known:
					t.Errorf("strict=%v, rules %v:\n%s", strict, names, got)
					if known != "" {
						t.Errorf("the known difference of this recording is another one; if it is gone, take it out of trKnown:\n%s", known)
					}
				case known != "":
					names = append(names, "KNOWN DIFFERENCE: "+strings.ReplaceAll(known, "\n", "; "))
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
		})
	}
	t.Logf("%d recordings\n%s", len(files), strings.Join(summary, "\n"))
}

// replay runs one recording and returns the differences.
func replay(t *testing.T, rec *transcript, quirks trQuirks, certs *trCerts) (diffs []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newTrWorld(t, rec, quirks)
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
		diffs = w.compare()
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
	return diffs
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
