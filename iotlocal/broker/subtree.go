package broker

import (
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/iotlocal/record"
)

// subscription is one filter of one session. A shared one has its group.
type subscription struct {
	sess   *session
	filter record.Filter // as the client sent it, QoS as granted
	group  string        // of $share/GROUP/..., else ""
	levels string        // the filter without the share part
}

// group is the members of a shared subscription on one filter.
type group struct {
	name    string
	members []*subscription
	next    int // round robin
}

// node is one level of the subscription tree. The names of children are
// levels; "+" and "#" are kept as such, which is what wildcards in filters are.
type node struct {
	children map[string]*node
	subs     []*subscription
	groups   []*group
}

func (n *node) empty() bool {
	return len(n.children) == 0 && len(n.subs) == 0 && len(n.groups) == 0
}

// tree finds the subscriptions that match a topic. Not safe for concurrent use.
type tree struct {
	root        node
	parentMatch bool // "a/#" matches "a"
}

func (t *tree) add(s *subscription) {
	n := &t.root
	for level := range strings.SplitSeq(s.levels, "/") {
		c := n.children[level]
		if c == nil {
			c = &node{}
			if n.children == nil {
				n.children = map[string]*node{}
			}
			n.children[level] = c
		}
		n = c
	}
	if s.group == "" {
		n.subs = append(n.subs, s)
		return
	}
	i := slices.IndexFunc(n.groups, func(g *group) bool { return g.name == s.group })
	if i < 0 {
		n.groups = append(n.groups, &group{name: s.group})
		i = len(n.groups) - 1
	}
	n.groups[i].members = append(n.groups[i].members, s)
}

func (t *tree) remove(s *subscription) { t.root.remove(s, strings.Split(s.levels, "/")) }

func (n *node) remove(s *subscription, levels []string) {
	if len(levels) > 0 {
		c := n.children[levels[0]]
		if c == nil {
			return
		}
		c.remove(s, levels[1:])
		if c.empty() {
			delete(n.children, levels[0])
		}
		return
	}
	if i := slices.Index(n.subs, s); i >= 0 {
		n.subs = slices.Delete(n.subs, i, i+1)
	}
	for i, g := range n.groups {
		if j := slices.Index(g.members, s); j >= 0 {
			g.members = slices.Delete(g.members, j, j+1)
			if len(g.members) == 0 {
				n.groups = slices.Delete(n.groups, i, i+1)
			}
			return
		}
	}
}

// match calls one for every plain subscription and share for every group whose
// filter matches the topic.
func (t *tree) match(topic string, one func(*subscription), share func(*group)) {
	// Wildcards on the first level do not match topics that begin with $
	// [MQTT5-4.7.2-1].
	t.walk(&t.root, topic, strings.HasPrefix(topic, "$"), one, share)
}

func (t *tree) walk(n *node, rest string, dollar bool, one func(*subscription), share func(*group)) {
	level, tail, more := strings.Cut(rest, "/")
	if c := n.children["#"]; c != nil && !dollar {
		c.emit(one, share)
	}
	next := [2]*node{n.children[level], n.children["+"]}
	if dollar {
		next[1] = nil
	}
	for _, c := range next {
		switch {
		case c == nil:
		case more:
			t.walk(c, tail, false, one, share)
		default:
			c.emit(one, share)
			if h := c.children["#"]; h != nil && t.parentMatch {
				h.emit(one, share)
			}
		}
	}
}

func (n *node) emit(one func(*subscription), share func(*group)) {
	for _, s := range n.subs {
		one(s)
	}
	for _, g := range n.groups {
		share(g)
	}
}
