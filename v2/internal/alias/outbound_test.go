package alias

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// step is one PUBLISH of a sequence: topic, the alias wanted, what is sent.
type step struct {
	topic     string
	want      uint16
	alias     uint16
	sendTopic bool
	refused   bool
}

func run(t *testing.T, o *Outbound, steps []step) {
	t.Helper()
	for i, s := range steps {
		alias, sendTopic, ok := o.Resolve(s.topic, s.want)
		if ok == s.refused {
			t.Fatalf("step %d: Resolve(%q, %d) ok = %v, want %v", i, s.topic, s.want, ok, !s.refused)
		}
		if ok && (alias != s.alias || sendTopic != s.sendTopic) {
			t.Fatalf("step %d: Resolve(%q, %d) = alias %d, topic sent %v, want %d, %v",
				i, s.topic, s.want, alias, sendTopic, s.alias, s.sendTopic)
		}
	}
}

// Cases of aws-c-mqtt's tests: mqtt5_outbound_topic_alias_user_* and the end-to-end
// outbound_alias_manual_success_a_b_ar_br. Empty topics and alias 0 are refused
// when the packet is validated, before any of this: see TestManualAliasNeedsTopic in package awsiot.
func TestManual(t *testing.T) {
	tests := []struct {
		name  string
		max   uint16
		steps []step
	}{
		{"no alias", 5, []step{{"a", 0, 0, true, false}, {"a", 0, 0, true, false}}},
		{"bind, reuse, rebind", 5, []step{
			{"a", 0, 0, true, false}, {"a", 1, 1, true, false}, {"a", 1, 1, false, false},
			{"b", 1, 1, true, false}, {"b", 1, 1, false, false}, {"a", 1, 1, true, false}}},
		{"a b ar br", 2, []step{
			{"a", 1, 1, true, false}, {"b", 2, 2, true, false}, {"a", 1, 1, false, false}, {"b", 2, 2, false, false}}},
		{"two aliases for a topic", 2, []step{
			{"a", 1, 1, true, false}, {"a", 2, 2, true, false}, {"a", 1, 1, false, false}, {"a", 2, 2, false, false}}},
		{"plain use keeps the binding", 2, []step{
			{"a", 1, 1, true, false}, {"a", 0, 0, true, false}, {"a", 1, 1, false, false}}},
		{"too big fails that one only", 5, []step{
			{"a", 6, 0, false, true}, {"a", 5, 5, true, false}, {"a", 65535, 0, false, true}, {"a", 5, 5, false, false}}},
		{"the largest", 65535, []step{{"a", 65535, 65535, true, false}, {"a", 65535, 65535, false, false}, {"b", 1, 1, true, false}}},
		{"broker without aliases", 0, []step{{"a", 1, 0, true, false}, {"a", 1, 0, true, false}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { run(t, NewManual(tt.max), tt.steps) })
	}
}

// Cases of aws-c-mqtt's tests: mqtt5_outbound_topic_alias_lru_{zero_size,a_ar,b_a_br,a_b_ar_br,a_b_c_br_cr_br_cr_a,a_b_c_a_cr_b}; "ar" is a
// reused alias.
func TestLRU(t *testing.T) {
	tests := []struct {
		name  string
		max   uint16
		steps []step
	}{
		{"zero size", 0, []step{{"a", 0, 0, true, false}, {"a", 0, 0, true, false}}},
		{"a ar", 2, []step{{"a", 0, 1, true, false}, {"a", 0, 1, false, false}}},
		{"b a br", 2, []step{{"b", 0, 1, true, false}, {"a", 0, 2, true, false}, {"b", 0, 1, false, false}}},
		{"a b ar br", 2, []step{
			{"a", 0, 1, true, false}, {"b", 0, 2, true, false}, {"a", 0, 1, false, false}, {"b", 0, 2, false, false}}},
		{"a b c br cr br cr a", 2, []step{
			{"a", 0, 1, true, false}, {"b", 0, 2, true, false}, {"c", 0, 1, true, false}, {"b", 0, 2, false, false},
			{"c", 0, 1, false, false}, {"b", 0, 2, false, false}, {"c", 0, 1, false, false}, {"a", 0, 2, true, false}}},
		{"a b c a cr b", 2, []step{
			{"a", 0, 1, true, false}, {"b", 0, 2, true, false}, {"c", 0, 1, true, false},
			{"a", 0, 2, true, false}, {"c", 0, 1, false, false}, {"b", 0, 2, true, false}}},
		{"one slot", 1, []step{
			{"a", 0, 1, true, false}, {"b", 0, 1, true, false}, {"b", 0, 1, false, false}, {"a", 0, 1, true, false}}},
		{"ignores the alias of the packet", 2, []step{{"a", 2, 1, true, false}, {"a", 9, 1, false, false}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { run(t, NewLRU(tt.max), tt.steps) })
	}
}

// Cases of aws-c-mqtt's tests: *_reset, lru_a_b_reset_a_b, outbound_topic_alias_disabled_resolve_*. A
// new connection has a new table and may have another maximum.
func TestNewConnection(t *testing.T) {
	for range 2 {
		run(t, NewLRU(2), []step{{"a", 0, 1, true, false}, {"b", 0, 2, true, false}})
		run(t, NewManual(5), []step{{"a", 2, 2, true, false}, {"a", 2, 2, false, false}})
	}
	var disabled *Outbound
	run(t, disabled, []step{{"a", 0, 0, true, false}, {"a", 3, 0, true, false}})
}

// All 65,535 aliases can be in use, and the first is the first to go.
func TestLRULargest(t *testing.T) {
	o := NewLRU(65535)
	for i := 1; i <= 65535; i++ {
		if a, send, _ := o.Resolve(fmt.Sprint(i), 0); int(a) != i || !send {
			t.Fatalf("topic %d: alias %d, topic sent %v", i, a, send)
		}
	}
	run(t, o, []step{{"1", 0, 1, false, false}, {"new", 0, 2, true, false}, {"2", 0, 3, true, false}, {"65535", 0, 65535, false, false}})
}

// The broker's side of the bargain, written naively: it must be able to restore
// every topic, and LRU must have kept exactly the topics used last.
func TestOutboundProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Uint16Range(0, 6).Draw(t, "max")
		manual := rapid.Bool().Draw(t, "manual")
		o := NewLRU(limit)
		if manual {
			o = NewManual(limit)
		}
		broker := map[uint16]string{}
		var recent []string // most recent last
		for range rapid.IntRange(1, 200).Draw(t, "n") {
			topic := string(rune('a' + rapid.IntRange(0, 9).Draw(t, "topic")))
			want := rapid.Uint16Range(0, 8).Draw(t, "want")
			alias, sendTopic, ok := o.Resolve(topic, want)

			if wantOK := !manual || limit == 0 || want <= limit; ok != wantOK {
				t.Fatalf("ok = %v, want %v", ok, wantOK)
			}
			if !ok {
				continue
			}
			if alias > limit {
				t.Fatalf("alias %d above the maximum %d", alias, limit)
			}
			if manual && limit > 0 && alias != want {
				t.Fatalf("alias %d, the packet says %d", alias, want)
			}
			if alias == 0 {
				if !sendTopic {
					t.Fatal("neither alias nor topic")
				}
				if !manual && limit > 0 {
					t.Fatal("LRU sent no alias")
				}
				continue
			}
			known := broker[alias] == topic
			if sendTopic == known {
				t.Fatalf("topic sent: %v, though the broker has %q for alias %d and it is %q", sendTopic, broker[alias], alias, topic)
			}
			if sendTopic {
				broker[alias] = topic
			}
			if !manual {
				if i := slices.Index(recent, topic); (i >= 0) == sendTopic {
					t.Fatalf("%q: topic sent %v, used last are %v", topic, sendTopic, recent)
				} else if i >= 0 {
					recent = slices.Delete(recent, i, i+1)
				}
				recent = append(recent, topic)
				recent = recent[max(0, len(recent)-int(limit)):]
			}
		}
	})
}

func TestOutboundAllocs(t *testing.T) {
	topics := []string{strings.Repeat("a/", 50), "b", "c"}
	lru, manual := NewLRU(8), NewManual(8)
	i := 0
	step := func() {
		lru.Resolve(topics[i%3], 0)
		manual.Resolve(topics[i%3], uint16(i%3)+1)
		i++
	}
	step()
	step()
	step()
	if n := testing.AllocsPerRun(100, step); n != 0 {
		t.Errorf("%v allocations on a hit", n)
	}
}
