package v1compat_test

// The comparison of a replay with its recording, as section 9 of the description of v1 says: the packets in their
// sequence, the outcomes of the calls, the callbacks by name, and the order of what causes each other.

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// compare notes every difference. A long list is a consequence of its first entry, which comes first.
func (w *trWorld) compare() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }

	var sent, acks, wantSent, wantAcks []string
	pings := map[int]int{}
	for _, s := range w.sent {
		sent = append(sent, s.text)
	}
	for _, s := range w.acks {
		acks = append(acks, s.text)
	}
	for _, p := range w.rec.Packets {
		if p.Dir != "c2s" {
			continue
		}
		text := fmt.Sprintf("%d %s %s", p.Conn, p, p.MidRef)
		switch {
		case p.ack(): // the order of acks among other packets differed between runs of v1, too
			wantAcks = append(wantAcks, text)
		case p.Type == "PINGREQ":
			pings[p.Conn]++
		default:
			wantSent = append(wantSent, text)
		}
	}
	for i, diff := range []string{firstDiff(renumber(sent), renumber(wantSent)), firstDiff(acks, wantAcks)} {
		if diff != "" {
			add("%s of the client: %s", []string{"packets", "acknowledgements"}[i], diff)
		}
	}
	for n, want := range pings {
		if got := w.pings[n]; got < want-1 || got > want+1 {
			add("PINGREQ on connection %d: %d, want %d (one more or less is a matter of where the last second ends)", n, got, want)
		}
	}
	for n, got := range w.pings {
		if pings[n] == 0 && got > 1 {
			add("PINGREQ on connection %d: %d, want none", n, got)
		}
	}
	if w.dialled != len(w.dials) {
		add("the client dialled %d times, want %d", w.dialled, len(w.dials))
	}
	out = append(out, w.compareCalls()...)
	out = append(out, w.compareCallbacks()...)
	out = append(out, w.compareTimes()...)
	return append(out, w.diffs...)
}

// compareCalls compares outcomes and how long calls blocked. The caller holds w.mu.
func (w *trWorld) compareCalls() []string {
	var out []string
	for _, c := range w.rec.Calls {
		got, want := w.outcomes[c], c.outcome()
		if strings.HasPrefix(got, unsaidPrefix) && c.raised {
			continue // the compiler raises it
		}
		if i := strings.Index(want, "CERTIFICATE_VERIFY_FAILED]"); i >= 0 {
			want = want[:i+len("CERTIFICATE_VERIFY_FAILED]")] // the rest is OpenSSL's
		}
		if pythonText.MatchString(want) && strings.HasPrefix(got, "raises TypeError: ") {
			want = got // the text is that of the Python interpreter, not of v1
		}
		if got == "" {
			got = "was never made"
		}
		if got != want {
			out = append(out, fmt.Sprintf("%v:\n got %s\nwant %s", c, got, want))
		} else if d := w.took[c].Seconds(); c.EndSeq > 0 && math.Abs(d-c.Blocked) > 0.6 {
			out = append(out, fmt.Sprintf("%v blocked %.2f s, want %.2f s", c, d, c.Blocked))
		}
	}
	return out
}

// compareCallbacks compares the callbacks of each name. The caller holds w.mu.
func (w *trWorld) compareCallbacks() []string {
	var out []string
	got, want := map[string][]string{}, map[string][]string{}
	names := map[string]bool{}
	var wantEach []*trCallback
	for _, h := range w.callbacks {
		got[h.Name] = append(got[h.Name], h.String())
		names[h.Name] = true
	}
	for _, c := range w.rec.Callbacks {
		want[c.Name] = append(want[c.Name], c.String())
		names[c.Name] = true
		wantEach = append(wantEach, c)
	}
	sorted := make([]string, 0, len(names))
	for n := range names {
		sorted = append(sorted, n)
	}
	slices.Sort(sorted)
	for _, n := range sorted {
		if d := firstDiff(got[n], want[n]); d != "" {
			out = append(out, fmt.Sprintf("callback %s: %s", n, d))
		}
	}
	if len(out) > 0 {
		return out
	}
	if d := firstDiff(w.heardInOrder(), w.wantInOrder()); d != "" {
		out = append(out, "order of the callbacks: "+d)
	}
	// What a callback's cause is, is known by its name and place: the nth of a name on both sides.
	for _, h := range w.callbacks {
		i := slices.IndexFunc(wantEach, func(c *trCallback) bool { return c.Name == h.Name })
		c := wantEach[i]
		wantEach = slices.Delete(wantEach, i, i+1)
		if ref, _ := c.Kwargs["mid_ref"].(string); ref != "" {
			if id, ok := w.mids[ref]; ok && id != h.mid {
				out = append(out, fmt.Sprintf("callback %s: id %d, but the call returned %d", h.Name, h.mid, id))
			}
			if h.mid <= 0 {
				out = append(out, fmt.Sprintf("callback %s: no id", h.Name))
			}
		}
		if len(c.Args) > 1 && c.Args[1] == "timeout" {
			n := 0
			for _, p := range w.rec.Packets {
				if p.Type == "UNSUBSCRIBE" && p.Seq < c.Seq {
					n++
				}
			}
			if n != h.unsubs {
				out = append(out, fmt.Sprintf("callback %s: %d UNSUBSCRIBE packets before it, want %d", h.Name, h.unsubs, n))
			}
		}
	}
	return out
}

// ordered reports whether v1 ran a callback in an order that its callers could count on, over all names: messages, one
// after the other and for each the filters in their order, and the hooks of a connection before its ack.
func ordered(c *trCallback) bool {
	if len(c.Args) == 0 {
		return c.Name == "onOnline" || c.Name == "onOffline"
	}
	_, message := c.Args[len(c.Args)-1].(map[string]any)
	return message || c.Args[0] == "CONNECTED" || c.Args[0] == "DISCONNECTED"
}

// heardInOrder and wantInOrder are those callbacks. The caller holds w.mu.
func (w *trWorld) heardInOrder() (out []string) {
	for _, h := range w.callbacks {
		if ordered(&h.trCallback) {
			out = append(out, h.String())
		}
	}
	return out
}

func (w *trWorld) wantInOrder() (out []string) {
	for _, c := range w.rec.Callbacks {
		if ordered(c) {
			out = append(out, c.String())
		}
	}
	return out
}

// compareTimes compares how long after the entry before it the client sent a packet or dialled, where that is long
// enough to be meant: draining, back-off, the 2 s of shadow requests. The caller holds w.mu.
func (w *trWorld) compareTimes() []string {
	var out []string
	least := 0.15 // v1's network thread took up to 0.1 s for no reason
	for _, c := range w.rec.Calls {
		if hz, _ := c.Args0().(float64); c.Method == "configureDrainingFrequency" && hz > 0 {
			least = min(least, 0.8/hz)
		}
	}
	check := func(what string, seq, t float64) {
		a, ok := w.anchorOf(seq)
		at, seen := w.seen[a.seq]
		own, happened := w.seen[seq]
		want := t - a.t
		if !ok || !seen || !happened {
			return
		}
		if want < least {
			// After a pause, the entry before is the cause: an acknowledgement that lets the next message out.
			if b, ok := w.anchorOf(a.seq); ok && a.t-b.t >= least && at.Sub(own).Seconds() > 0.05 {
				out = append(out, fmt.Sprintf("%s came %.2f s before its cause %q", what, at.Sub(own).Seconds(), a.what))
			}
			return
		}
		// v1 turned its loop once a second or at once; CONNACKs took it 0.05 s.
		if got := own.Sub(at).Seconds(); math.Abs(got-want) > 0.06+want/20 {
			out = append(out, fmt.Sprintf("%s came %.2f s after %q, want %.2f s", what, got, a.what, want))
		}
	}
	for _, p := range w.rec.Packets {
		if p.Dir == "c2s" && p.Type != "PINGREQ" && p.Type != "CONNECT" && !p.ack() {
			check(fmt.Sprintf("%v on connection %d", p, p.Conn), p.Seq, p.T)
		}
	}
	for _, d := range w.dials {
		if a, _ := w.anchorOf(d.seq + 0.25); strings.HasPrefix(a.what, "call ") {
			continue // the dial of a connect call is at once
		}
		check(fmt.Sprintf("the dial of connection %d (0: refused)", d.conn), d.seq+0.25, d.t)
	}
	return out
}

// pythonText is an exception of the language itself: the type counts.
var pythonText = regexp.MustCompile(`^raises TypeError: (list indices|must be real number|'<' not supported)`)

var clientRef = regexp.MustCompile(` \d*c\d+[ar]?$`)

// renumber numbers the client's message ids in the order of their first appearance.
func renumber(list []string) []string {
	names := map[string]string{}
	var out []string
	for _, s := range list {
		out = append(out, clientRef.ReplaceAllStringFunc(s, func(ref string) string {
			if names[ref] == "" {
				names[ref] = fmt.Sprintf(" c%d", len(names)+1)
			}
			return names[ref]
		}))
	}
	return out
}

// firstDiff says where two lists part.
func firstDiff(got, want []string) string {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return fmt.Sprintf("number %d is missing, want %s", i+1, want[i])
		case i >= len(want):
			return fmt.Sprintf("number %d is one too many: %s", i+1, got[i])
		case got[i] != want[i]:
			return fmt.Sprintf("number %d:\n got %s\nwant %s", i+1, got[i], want[i])
		}
	}
	return ""
}
