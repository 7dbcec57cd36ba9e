package router

import "strings"

// node is one level of the trie of wildcard filters.
type node[T any] struct {
	parent *node[T] // nil at the root
	level  string   // this node's name in its parent; "+" or "#" for the wildcards

	// Most nodes have a single child (`$aws/things/NAME/shadow/+/accepted`), and
	// a map for one entry costs 250 bytes: the map comes with the second child.
	only *node[T]
	kids map[string]*node[T]
	plus *node[T] // child of a + level
	hash *node[T] // child of a # that ends the filter; it has no children

	routes []*Route[T] // filters that end here, in order of Add
}

// child returns the child of a literal level, nil when there is none.
func (n *node[T]) child(level string) *node[T] {
	if n.kids != nil {
		return n.kids[level]
	}
	if n.only != nil && n.only.level == level {
		return n.only
	}
	return nil
}

// add walks f, making the nodes that are missing, and puts rt at its end.
func (n *node[T]) add(f string, rt *Route[T]) *node[T] {
	for more := true; more; {
		var level string
		level, f, more = strings.Cut(f, "/")
		n = n.sure(level, !more)
	}
	n.routes = append(n.routes, rt)
	return n
}

// sure returns the child for one level of a filter, made if missing.
func (n *node[T]) sure(level string, last bool) *node[T] {
	fresh := func() *node[T] { return &node[T]{parent: n, level: strings.Clone(level)} }
	switch {
	case level == "+":
		if n.plus == nil {
			n.plus = fresh()
		}
		return n.plus
	case level == "#" && last:
		if n.hash == nil {
			n.hash = fresh()
		}
		return n.hash
	}
	if c := n.child(level); c != nil {
		return c
	}
	c := fresh()
	switch {
	case n.kids != nil:
		n.kids[c.level] = c
	case n.only != nil:
		n.kids = map[string]*node[T]{n.only.level: n.only, c.level: c}
		n.only = nil
	default:
		n.only = c
	}
	return c
}

// remove takes rt out of n and prunes the branch that became empty.
func (n *node[T]) remove(rt *Route[T]) {
	n.routes = without(n.routes, rt)
	for n.parent != nil && n.empty() {
		p := n.parent
		switch n {
		case p.plus:
			p.plus = nil
		case p.hash:
			p.hash = nil
		case p.only:
			p.only = nil
		default:
			delete(p.kids, n.level)
			if len(p.kids) == 0 {
				p.kids = nil
			}
		}
		n = p
	}
}

func (n *node[T]) empty() bool {
	return len(n.routes) == 0 && n.plus == nil && n.hash == nil && n.only == nil && n.kids == nil
}

// match appends the routes below n that match the rest of a topic. sys is true
// for the first level of a topic that begins with $: no wildcard matches it
// [MQTT5-4.7.2-1]. A node is visited at most once, so the work is bounded by the
// size of the trie whatever the topic.
func (n *node[T]) match(topic string, dst []*Route[T], sys bool) []*Route[T] {
	if n.hash != nil && !sys {
		dst = append(dst, n.hash.routes...)
	}
	level, rest, more := strings.Cut(topic, "/")
	if c := n.child(level); c != nil {
		dst = c.step(rest, more, dst)
	}
	if n.plus != nil && !sys {
		dst = n.plus.step(rest, more, dst)
	}
	return dst
}

// step goes on below n, or ends there: then also `n/#` matches.
func (n *node[T]) step(rest string, more bool, dst []*Route[T]) []*Route[T] {
	if more {
		return n.match(rest, dst, false)
	}
	dst = append(dst, n.routes...)
	if n.hash != nil {
		dst = append(dst, n.hash.routes...)
	}
	return dst
}
