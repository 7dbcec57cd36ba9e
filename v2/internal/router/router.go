// Package router finds the handlers of a topic: a map for filters without
// wildcards, a trie of levels for the others. The cost of Match does not depend
// on the number of filters but on the levels of the topic and the routes found.
package router

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/portage-iot/awsiot/internal/few"
)

// Route is one registered filter with its value. It belongs to the router that
// made it.
type Route[T any] struct {
	filter string
	value  atomic.Pointer[T] // not under the router's lock: Value is called without it
	seq    uint64            // position in the order of Add

	// under the router's lock
	owner *Router[T] // nil once removed
	node  *node[T]   // where a wildcard filter ends; nil for an exact one
}

// Filter returns the filter as it was given to Add, with its $share prefix.
func (rt *Route[T]) Filter() string { return rt.filter }

// Value returns the present value. It may be called at any time, also while
// Replace runs and after Remove.
func (rt *Route[T]) Value() T { return *rt.value.Load() }

// Router is a set of routes. The zero value is empty and ready. All methods may
// be called concurrently; none calls back.
type Router[T any] struct {
	mu    sync.RWMutex
	exact few.Map[[]*Route[T]] // by filter without $share prefix; each list in order of Add
	root  *node[T]             // wildcard filters; nil before the first one
	wild  int                  // routes in the trie
	n     int
	seq   uint64
}

// strip returns what a filter matches topics with: a shared subscription routes
// on the filter behind `$share/group/` [MQTT5-4.8.2]. The prefix is compared
// exactly. A malformed one (no second slash) is left as it is: it then matches
// only itself, and validating is the caller's business.
func strip(filter string) string {
	if rest, ok := strings.CutPrefix(filter, "$share/"); ok {
		if _, f, ok := strings.Cut(rest, "/"); ok {
			return f
		}
	}
	return filter
}

// Add registers v for filter, behind all routes added before, and returns the
// new route. The same filter may be added many times; each is a route of its
// own. A wildcard character that does not fill its level, or a # before the last
// level, is an ordinary character here and matches no valid topic.
func (r *Router[T]) Add(filter string, v T) *Route[T] {
	rt := &Route[T]{filter: filter, owner: r}
	rt.value.Store(&v)
	f := strip(filter)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seq++
	rt.seq = r.seq
	r.n++
	if !strings.ContainsAny(f, "+#") {
		r.exact.Put(f, append(r.exact.Get(f), rt))
		return rt
	}
	if r.root == nil {
		r.root = &node[T]{}
	}
	rt.node = r.root.add(f, rt)
	r.wild++
	return rt
}

// Replace gives rt a new value in place: the route keeps its position. Matches
// that already hold the route see the new value from then on. It does no harm
// on a removed route.
func (r *Router[T]) Replace(rt *Route[T], v T) { rt.value.Store(&v) }

// Remove takes rt out and reports whether it was in. Nodes of the trie that
// lead nowhere any more go with it, so that subscribing and unsubscribing for
// ever needs no more memory than what is subscribed.
func (r *Router[T]) Remove(rt *Route[T]) bool {
	if rt == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if rt.owner != r {
		return false
	}
	rt.owner = nil
	r.n--
	if rt.node != nil {
		rt.node.remove(rt)
		rt.node = nil
		r.wild--
		return true
	}
	f := strip(rt.filter)
	if list := without(r.exact.Get(f), rt); len(list) > 0 {
		r.exact.Put(f, list)
	} else {
		r.exact.Delete(f)
	}
	return true
}

// Match appends to dst the routes whose filter matches topic, in the order in
// which they were added, and returns it. It allocates only when dst lacks room.
// A filter that begins with a wildcard does not match a topic that begins with $
// [MQTT5-4.7.2-1]; `a/#` matches `a` [MQTT5-4.7.1-2].
func (r *Router[T]) Match(topic string, dst []*Route[T]) []*Route[T] {
	from := len(dst)
	r.mu.RLock()
	dst = append(dst, r.exact.Get(topic)...)
	if r.wild > 0 {
		dst = r.root.match(topic, dst, len(topic) > 0 && topic[0] == '$')
	}
	r.mu.RUnlock()
	if len(dst) > from+1 {
		slices.SortFunc(dst[from:], func(a, b *Route[T]) int { return cmp.Compare(a.seq, b.seq) })
	}
	return dst
}

// Len returns the number of routes.
func (r *Router[T]) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.n
}

// without removes rt from list, keeping the order.
func without[T any](list []*Route[T], rt *Route[T]) []*Route[T] {
	if i := slices.Index(list, rt); i >= 0 {
		return slices.Delete(list, i, i+1)
	}
	return list
}
