package awsiot

import (
	"strings"
	"testing"
)

// TestTransitions walks the table, every state with every trigger, against a second writing of
// What is not in this list must not exist, and must leave the state alone.
func TestTransitions(t *testing.T) {
	legal := map[string]string{
		"StateStopped start":       "StateConnecting",
		"StateConnecting accepted": "StateConnected",
		"StateConnecting failed":   "StateBackoff",
		"StateConnecting stop":     "StateDisconnecting",
		"StateConnected failed":    "StateBackoff",
		"StateConnected stop":      "StateDisconnecting",
		"StateDisconnecting gone":  "StateStopped",
		"StateBackoff retry":       "StateConnecting",
		"StateBackoff stop":        "StateDisconnecting",
	}
	seen := 0
	for from := range ConnectionState(len(transitions)) {
		for trig := range trigger(numTriggers) {
			c := NewClient(ClientOptions{})
			c.state = from
			c.mu.Lock()
			took := c.step(trig)
			c.mu.Unlock()
			want, ok := legal[from.String()+" "+trig.String()]
			if took != ok {
				t.Errorf("%v, %v: taken %v, want %v", from, trig, took, ok)
			}
			if !ok {
				want = from.String()
			} else {
				seen++
			}
			if now := c.State(); now.String() != want {
				t.Errorf("%v, %v: now %v, want %v", from, trig, now, want)
			}
			if ok != Transition(from.String(), want, trig.String()) {
				t.Errorf("%v, %v: Transition does not agree", from, trig)
			}
		}
	}
	if seen != len(legal) {
		t.Errorf("walked %d of %d transitions: a name is wrong", seen, len(legal))
	}
	if len(transitions) != 5 || numTriggers != 6 {
		t.Errorf("%d states and %d triggers: extend this test", len(transitions), numTriggers)
	}
}

// Every state can be left, and StateStopped can be reached from all of them: no dead ends.
func TestTransitionsReachStopped(t *testing.T) {
	for from := range ConnectionState(len(transitions)) {
		path := []string{from.String()}
		for s := from; s != StateStopped; {
			next := transitions[s][trigStop]
			if next == illegal {
				next = transitions[s][trigGone]
			}
			if next == illegal || len(path) > 3 {
				t.Errorf("no way to StateStopped: %s", strings.Join(path, " > "))
				break
			}
			s = next
			path = append(path, s.String())
		}
	}
}
