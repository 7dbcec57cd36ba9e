package broker

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/iotlocal/record"
)

func totalAlloc() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// found returns the filters in the tree that match.
func found(t *tree, name string) []string {
	var out []string
	t.match(name, func(s *subscription) { out = append(out, s.filter.Filter) }, func(g *group) {
		for _, s := range g.members {
			out = append(out, s.filter.Filter)
		}
	})
	slices.Sort(out)
	return out
}

func sub(filter string) *subscription {
	s := &subscription{filter: record.Filter{Filter: filter}}
	s.group, s.levels, _ = topic.SplitShare(filter)
	return s
}

// The tree and the matcher of package topic are written apart from each other:
// they must agree on any filter and topic.
func FuzzTree(f *testing.F) {
	for _, s := range []string{"a/#", "#", "+/b", "a/+/c", "$aws/#", "+", "/", "a//b", "$share/g/a/#", "a/+/#"} {
		for _, n := range []string{"a", "a/b", "a/b/c", "$aws/x", "/", "", "a//b", "//"} {
			f.Add(s, n)
		}
	}
	f.Fuzz(func(t *testing.T, filter, name string) {
		if topic.ValidateFilter(filter) != nil || topic.ValidateTopic(name) != nil {
			return
		}
		for parent, match := range map[bool]func(string, string) bool{true: topic.Match, false: topic.MatchAWS} {
			tr := &tree{parentMatch: parent}
			s := sub(filter)
			tr.add(s)
			if got, want := len(found(tr, name)) == 1, match(s.levels, name); got != want {
				t.Errorf("%q on %q: tree %v, topic %v (parent match %v)", filter, name, got, want, parent)
			}
			tr.remove(s)
			if !tr.root.empty() {
				t.Errorf("%q leaves nodes behind", filter)
			}
		}
	})
}

func TestTreeManyFilters(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	levels := []string{"a", "b", "c", "+", "", "$x"}
	random := func(wild bool) string {
		var parts []string
		for range 1 + rng.IntN(4) {
			l := levels[rng.IntN(len(levels))]
			if !wild && l == "+" {
				l = "d"
			}
			parts = append(parts, l)
		}
		if wild && rng.IntN(4) == 0 {
			parts = append(parts, "#")
		}
		s := strings.Join(parts, "/")
		if wild && rng.IntN(5) == 0 {
			s = fmt.Sprintf("$share/g%d/%s", rng.IntN(2), cmpText(s, "x"))
		}
		return cmpText(s, "x")
	}
	tr := &tree{}
	var subs []*subscription
	for range 300 {
		s := sub(random(true))
		tr.add(s)
		subs = append(subs, s)
	}
	check := func() {
		t.Helper()
		for range 200 {
			name := random(false)
			var want []string
			for _, s := range subs {
				if topic.MatchAWS(s.levels, name) {
					want = append(want, s.filter.Filter)
				}
			}
			slices.Sort(want)
			if got := found(tr, name); !slices.Equal(got, want) {
				t.Fatalf("%q: tree %q, want %q", name, got, want)
			}
		}
	}
	check()
	rng.Shuffle(len(subs), func(i, j int) { subs[i], subs[j] = subs[j], subs[i] })
	for _, s := range subs[150:] {
		tr.remove(s)
	}
	subs = subs[:150]
	check()
	for _, s := range subs {
		tr.remove(s)
	}
	if !tr.root.empty() {
		t.Error("nodes left behind")
	}
}
