package router

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/portage-iot/awsiot/internal/topic"
	"pgregory.net/rapid"
)

// matched returns the values of the routes that match, in order.
func matched[T any](r *Router[T], topic string) []T {
	var vs []T
	for _, rt := range r.Match(topic, nil) {
		vs = append(vs, rt.Value())
	}
	return vs
}

// nodes counts the nodes of the trie.
func (n *node[T]) nodes() int {
	if n == nil {
		return 1 // the root to be
	}
	k := 1
	for _, c := range []*node[T]{n.plus, n.hash, n.only} {
		if c != nil {
			k += c.nodes()
		}
	}
	for _, c := range n.kids {
		k += c.nodes()
	}
	return k
}

// The cases of aws-c-mqtt's mqtt_subscription_set_* tests, and of MQTT5-4.7.
func TestMatch(t *testing.T) {
	for _, c := range []struct {
		name    string
		filters []string
		topic   string
		want    []string
	}{
		{"add_empty_not_subbed", nil, "/", nil},
		{"add_single_path", []string{"a/b/c"}, "a/b/c", []string{"a/b/c"}},
		{"add_single_path, a prefix", []string{"a/b/c"}, "a/b", nil},
		{"add_single_path, longer", []string{"a/b/c"}, "a/b/c/d", nil},
		{"add_overlapped_branching_paths", []string{"a/+/c", "a/b/c", "a/b", "a/#"}, "a/b/c", []string{"a/+/c", "a/b/c", "a/#"}},
		{"empty_segments", []string{"///", "//", "/"}, "//", []string{"//"}},
		{"empty_segments, wildcards", []string{"+/+/+", "/+/", "#", "+//"}, "//", []string{"+/+/+", "/+/", "#", "+//"}},
		{"publish_multi_path", []string{"a/b", "a/c", "a/b"}, "a/b", []string{"a/b", "a/b"}},
		{"single_level_wildcards", []string{"a/+/c", "a/+/+", "+/b/c", "a/b/+", "+", "+/+"}, "a/b/c", []string{"a/+/c", "a/+/+", "+/b/c", "a/b/+"}},
		{"multi_level_wildcards", []string{"#", "a/#", "a/b/#", "a/b/c/#", "b/#", "a/b/c/d/#"}, "a/b/c", []string{"#", "a/#", "a/b/#", "a/b/c/#"}},
		{"# matches the parent", []string{"a/#", "a/+/#", "+/#"}, "a", []string{"a/#", "+/#"}},
		{"order of adding, wildcard first", []string{"+/b", "a/b", "a/+", "a/b"}, "a/b", []string{"+/b", "a/b", "a/+", "a/b"}},
		{"$ topics and leading wildcards", []string{"#", "+/x", "+", "$aws/#", "$aws/+", "$aws/x"}, "$aws/x", []string{"$aws/#", "$aws/+", "$aws/x"}},
		{"$ alone", []string{"#", "+", "$"}, "$", []string{"$"}},
		{"$ in a later level", []string{"#", "a/+"}, "a/$x", []string{"#", "a/+"}},
		{"shared", []string{"$share/g/a/+", "$share/g/a/b", "$share/h/#", "$share/g/c"}, "a/b", []string{"$share/g/a/+", "$share/g/a/b", "$share/h/#"}},
		{"shared $ topic", []string{"$share/g/#", "$share/g/$aws/#"}, "$aws/x", []string{"$share/g/$aws/#"}},
		{"$share in another case is a name", []string{"$Share/g/a", "$SHARE/g/+"}, "a", nil},
		{"malformed share", []string{"$share/g"}, "g", nil},
		{"malformed wildcards are names", []string{"a+", "#/a", "a/#b"}, "a", nil},
		{"case", []string{"A", "+"}, "a", []string{"+"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r Router[string]
			var rts []*Route[string]
			for _, f := range c.filters {
				rts = append(rts, r.Add(f, f))
			}
			if got := matched(&r, c.topic); !slices.Equal(got, c.want) {
				t.Errorf("%q matches %q, want %q", c.topic, got, c.want)
			}
			if r.Len() != len(c.filters) {
				t.Errorf("Len = %d, want %d", r.Len(), len(c.filters))
			}
			for i, rt := range rts {
				if rt.Filter() != c.filters[i] {
					t.Errorf("Filter = %q, want %q", rt.Filter(), c.filters[i])
				}
				if !r.Remove(rt) || r.Remove(rt) {
					t.Errorf("Remove(%q) is not true once", c.filters[i])
				}
			}
			if got := matched(&r, c.topic); got != nil || r.Len() != 0 || r.exact.Len() != 0 || r.root.nodes() != 1 {
				t.Errorf("after removing all: %q, Len %d, %d exact, %d nodes", got, r.Len(), r.exact.Len(), r.root.nodes())
			}
		})
	}
}

// remove_overlapping_path, remove_branching_path, add_remove_repeated.
func TestRemoveKeepsTheOthers(t *testing.T) {
	var r Router[string]
	filters := []string{"a/+", "a/+/c", "a/+/#", "a/b/+", "a/x/+", "a/y/+", "a/b", "a/b", "#", "+"}
	topics := []string{"a", "a/b", "a/b/c", "a/x/c", "a/y/c", "b"}
	live := map[string][]*Route[string]{}
	want := func(topicName string) (ws []string) {
		for _, f := range filters {
			if topic.Match(f, topicName) && len(live[f]) > 0 {
				ws = append(ws, f)
			}
		}
		return ws
	}
	for round := range 3 {
		for _, f := range filters {
			live[f] = append(live[f], r.Add(f, f))
		}
		full := r.root.nodes()
		if full != 13 {
			t.Fatalf("round %d: %d nodes, want 13", round, full)
		}
		for _, f := range filters {
			rt := live[f][0]
			live[f] = live[f][1:]
			if !r.Remove(rt) {
				t.Fatalf("Remove(%q) = false", f)
			}
			for _, tp := range topics {
				got := slices.Compact(matched(&r, tp))
				if w := slices.Compact(want(tp)); !slices.Equal(got, w) {
					t.Errorf("without %q: %q matches %q, want %q", f, tp, got, w)
				}
			}
		}
	}
	if r.root.nodes() != 1 {
		t.Errorf("%d nodes left", r.root.nodes())
	}
}

// remove_invalid: a foreign route, nil, and one that is gone.
func TestRemoveInvalid(t *testing.T) {
	var a, b Router[int]
	ra, rb := a.Add("x/+", 1), b.Add("x/+", 2)
	if a.Remove(rb) || a.Remove(nil) {
		t.Error("removed a foreign route")
	}
	if got := matched(&a, "x/y"); !slices.Equal(got, []int{1}) {
		t.Errorf("matches %v", got)
	}
	if !a.Remove(ra) || a.Remove(ra) || a.Len() != 0 {
		t.Error("second Remove")
	}
	a.Replace(ra, 9)
	if ra.Value() != 9 || len(matched(&a, "x/y")) != 0 {
		t.Error("Replace brought a removed route back")
	}
}

func TestReplaceKeepsThePlace(t *testing.T) {
	var r Router[int]
	first := r.Add("a/+", 1)
	r.Add("a/b", 2)
	held := r.Match("a/b", nil)
	r.Replace(first, 3)
	if got := matched(&r, "a/b"); !slices.Equal(got, []int{3, 2}) {
		t.Errorf("matches %v", got)
	}
	if held[0].Value() != 3 {
		t.Error("a route held from before does not show the new value")
	}
}

func TestMatchAppends(t *testing.T) {
	var r Router[int]
	z := r.Add("z", 0)
	r.Add("#", 1)
	r.Add("a", 2)
	got := r.Match("a", []*Route[int]{z})
	if len(got) != 3 || got[0] != z || got[1].Value() != 1 || got[2].Value() != 2 {
		t.Errorf("got %v", got)
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	var r Router[int]
	for i := range 100 {
		r.Add(fmt.Sprintf("$aws/things/t%d/shadow/+/accepted", i), i)
		r.Add(fmt.Sprintf("$aws/things/t%d/shadow/get/accepted", i), i)
		r.Add("$aws/things/t7/shadow/get/#", i)
	}
	dst := make([]*Route[int], 0, 128)
	if n := testing.AllocsPerRun(1000, func() { dst = r.Match("$aws/things/t7/shadow/get/accepted", dst[:0]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if len(dst) != 102 {
		t.Errorf("%d routes, want 102", len(dst))
	}
}

// Random filters over a small alphabet, added and removed: Match is what
// topic.Match says of each, in the order of Add.
func TestAgainstTopicMatch(t *testing.T) {
	level := rapid.SampledFrom([]string{"a", "b", "", "$x", "+", "+", "#", "a+"})
	filter := rapid.Custom(func(t *rapid.T) string {
		prefix := rapid.SampledFrom([]string{"", "", "$share/g/", "$aws/"}).Draw(t, "prefix")
		return prefix + strings.Join(rapid.SliceOfN(level, 1, 4).Draw(t, "levels"), "/")
	})
	name := rapid.Custom(func(t *rapid.T) string {
		l := rapid.SampledFrom([]string{"a", "b", "", "$x", "$aws", "c"})
		return strings.Join(rapid.SliceOfN(l, 1, 4).Draw(t, "levels"), "/")
	})
	rapid.Check(t, func(t *rapid.T) {
		var r Router[int]
		var live []*Route[int]
		t.Repeat(map[string]func(*rapid.T){
			"Add": func(t *rapid.T) { live = append(live, r.Add(filter.Draw(t, "filter"), len(live))) },
			"Remove": func(t *rapid.T) {
				if len(live) > 0 {
					i := rapid.IntRange(0, len(live)-1).Draw(t, "i")
					if !r.Remove(live[i]) {
						t.Fatal("Remove = false")
					}
					live = slices.Delete(live, i, i+1)
				}
			},
			"": func(t *rapid.T) {
				tp := name.Draw(t, "topic")
				var want []*Route[int]
				for _, rt := range live {
					if topic.Match(rt.Filter(), tp) {
						want = append(want, rt)
					}
				}
				if got := r.Match(tp, nil); !slices.Equal(got, want) {
					t.Fatalf("%q: got %v, want %v", tp, filtersOf(got), filtersOf(want))
				}
				if r.Len() != len(live) {
					t.Fatalf("Len %d, want %d", r.Len(), len(live))
				}
			},
		})
		for _, rt := range live {
			r.Remove(rt)
		}
		if r.root.nodes() != 1 || r.exact.Len() != 0 {
			t.Fatal("nodes left")
		}
	})
}

func filtersOf[T any](rts []*Route[T]) (fs []string) {
	for _, rt := range rts {
		fs = append(fs, rt.Filter())
	}
	return fs
}

func FuzzMatch(f *testing.F) {
	for _, s := range [][3]string{
		{"a/b", "a/+", "a/b"}, {"#", "+/#", "$aws/x"}, {"$share/g/a/#", "a//+", "a"}, {"", "/", "/"}, {"a/#/b", "a+", "a/#/b"}, {"$share/g", "$share//", "$share/g"},
	} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, f1, f2, name string) {
		var r Router[string]
		a, b := r.Add(f1, f1), r.Add(f2, f2)
		var want []*Route[string]
		for _, rt := range []*Route[string]{a, b} {
			if topic.Match(rt.Filter(), name) {
				want = append(want, rt)
			}
		}
		if got := r.Match(name, nil); !slices.Equal(got, want) {
			t.Errorf("filters %q %q, topic %q: got %q, topic.Match says %q", f1, f2, name, filtersOf(got), filtersOf(want))
		}
		r.Remove(a)
		r.Remove(b)
		if r.root.nodes() != 1 || r.exact.Len() != 0 {
			t.Error("nodes left")
		}
	})
}

func TestConcurrentUse(t *testing.T) {
	var r Router[int]
	stay := r.Add("a/+", 0)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			var dst []*Route[int]
			for i := range 500 {
				rt := r.Add([]string{"a/b", "a/#", "+/b", "x/+/y"}[g], i)
				r.Replace(stay, i)
				dst = r.Match("a/b", dst[:0])
				if len(dst) == 0 || dst[0] != stay {
					t.Error("the oldest route is not the first match")
				}
				for _, m := range dst {
					_ = m.Value()
				}
				r.Remove(rt)
			}
		})
	}
	wg.Wait()
	if r.Len() != 1 {
		t.Errorf("Len = %d", r.Len())
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, kind := range []string{"get", "+"} {
		for _, n := range []int{1, 100, 10000} {
			b.Run(fmt.Sprintf("%s/%d", map[string]string{"get": "exact", "+": "wildcard"}[kind], n), func(b *testing.B) {
				var r Router[int]
				for i := range n {
					r.Add(fmt.Sprintf("$aws/things/thing-%d/shadow/%s/accepted", i, kind), i)
				}
				topic := fmt.Sprintf("$aws/things/thing-%d/shadow/get/accepted", n/2)
				var dst []*Route[int]
				b.ReportAllocs()
				for b.Loop() {
					dst = r.Match(topic, dst[:0])
				}
				if len(dst) != 1 {
					b.Fatal(len(dst))
				}
			})
		}
	}
}
