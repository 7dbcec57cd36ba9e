package paho

import (
	"go/ast"
	"go/types"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
)

// module is packages that are rewritten together and have to do with each other, or one that is alone.
type module struct {
	pkgs []*pkg
	lost map[ast.Node]bool // afterLoss; the packages are written at the same time, so it is found before
}

// memo is the name under which the packages stand in a survey. Their classes do not change any more when they do.
const memo = "paho"

// analyzed is the package of in, when it is known which of its classes move.
func analyzed(in rewrite.Input) *pkg {
	if in.Linked == nil || in.Survey == nil {
		p := newPkg(in)
		modules([]*pkg{p})[0].analyze()
		return p
	}
	pkgs := in.Survey.Fact(memo, func() any {
		var pkgs []*pkg
		for _, one := range in.Survey.Inputs {
			one.Survey = in.Survey
			pkgs = append(pkgs, newPkg(one))
		}
		for _, m := range modules(pkgs) {
			m.analyze()
		}
		return pkgs
	}).([]*pkg)
	return pkgs[slices.IndexFunc(pkgs, func(p *pkg) bool { return p.Types == in.Types })]
}

// analyze finds what keeps classes, and lets those stay that depend on them.
func (m *module) analyze() {
	m.meet()
	m.lost = m.afterLoss()
	for _, p := range m.pkgs {
		for _, c := range p.classes[options] {
			p.count(c)
		}
	}
	for _, p := range m.pkgs { // facts are one for all peers
		for _, c := range p.classes[options] {
			for _, o := range c.peers {
				if o.set != c.set {
					c.set.merge(o.set)
				}
			}
			for _, o := range c.peers {
				o.set = c.set
			}
		}
	}
	for _, p := range m.pkgs {
		for _, c := range p.classes[options] {
			p.decide(c)
		}
	}
	for k := kinds - 1; k >= 0; k-- { // clients ask what their options say
		for _, p := range m.pkgs {
			for _, c := range p.classes[k] {
				p.examine(c)
			}
		}
	}
	for m.settle() {
	}
}

// modules puts the packages together that have to do with each other, through imports: a program, and whatever shares a package
// with it. A package between two that is not among them can get hold of no client.
func modules(pkgs []*pkg) (out []*module) {
	near := map[*pkg][]*pkg{}
	for _, p := range pkgs {
		for _, q := range pkgs {
			if slices.ContainsFunc(p.Types.Imports(), func(i *types.Package) bool { return i.Path() == q.Types.Path() }) {
				near[p], near[q] = append(near[p], q), append(near[q], p)
			}
		}
	}
	for _, first := range pkgs {
		if first.mod != nil {
			continue
		}
		m := &module{pkgs: []*pkg{first}}
		first.mod = m
		for i := 0; i < len(m.pkgs); i++ {
			for _, q := range near[m.pkgs[i]] {
				if q.mod == nil {
					q.mod = m
					m.pkgs = append(m.pkgs, q)
				}
			}
		}
		out = append(out, m)
	}
	return out
}

// meet finds the peers of classes.
func (m *module) meet() {
	owners := map[string][]*class{}
	for _, p := range m.pkgs {
		for _, c := range p.all() {
			for _, n := range c.shared() {
				owners[n] = append(owners[n], c)
			}
		}
	}
	for _, p := range m.pkgs {
		for _, c := range p.all() {
			seen := []*class{c}
			for i := 0; i < len(seen); i++ {
				for _, n := range seen[i].shared() {
					for _, o := range owners[n] {
						if !slices.Contains(seen, o) {
							seen = append(seen, o)
						}
					}
				}
			}
			c.peers = seen[1:]
		}
	}
}

// all are the classes of a package.
func (p *pkg) all() []*class { return slices.Concat(p.classes[:]...) }

// shared are the names of what the class shares with those of other packages.
func (c *class) shared() []string {
	out := slices.Clone(c.flow.Shared)
	for i := range out {
		out[i] = memo + " " + c.kind.String() + " " + out[i]
	}
	return out
}

// holder is a peer that stays, the one that says why of itself where there is one; nil: there is none.
func (c *class) holder() (out *class) {
	for _, o := range c.peers {
		if !o.moves() && (out == nil || out.held) {
			out = o
		}
	}
	return out
}

// anyOf reports whether f holds for c or one of its peers.
func (c *class) anyOf(f func(*class) bool) bool { return f(c) || slices.ContainsFunc(c.peers, f) }

// isMade reports whether a value of the class is made where it is seen.
func (c *class) isMade() bool {
	return c.anyOf(func(o *class) bool { return len(o.flow.Ctors) > 0 })
}

// fromLibrary reports whether paho gives values of the class to a callback.
func (c *class) fromLibrary() bool {
	return c.anyOf(func(o *class) bool { return o.flow.Callback != nil })
}

// optionsOf are the classes of the options that clients of the class are made of; nil for those of which nothing is known.
func (c *class) optionsOf() []*class {
	var out []*class
	for _, o := range append([]*class{c}, c.peers...) {
		for _, m := range o.flow.Ctors {
			out = append(out, o.in.classOf(options, m.Call.Args[0]))
		}
	}
	return out
}

// settle lets classes stay that depend on one that does, until nothing changes, and joins those that depend on each other.
// What is joined with no client that is made here stays, too: there is nothing that it would move with. It reports whether there
// was such a class.
func (m *module) settle() (again bool) {
	for _, p := range m.pkgs {
		for _, c := range p.all() {
			c.group = c
		}
	}
	for changed := true; changed; {
		changed = false
		for _, p := range m.pkgs {
			for _, c := range p.all() {
				if !c.moves() {
					continue
				}
				p.depends(c)
				if o := c.holder(); o != nil {
					p.stays(c, c.flow.First(), "class", "exported-api", "it is shared with package "+o.in.Types.Path()+", where it has to stay: "+o.why[0].Text)
					c.held = len(c.why) == 1
				}
				changed = changed || !c.moves()
			}
		}
	}
	alive := map[*class]bool{}
	for _, p := range m.pkgs {
		for _, c := range p.all() {
			if c.moves() {
				p.joinAll(c)
			}
		}
	}
	for _, p := range m.pkgs {
		for _, c := range p.classes[client] {
			if c.moves() && len(c.flow.Ctors) > 0 {
				alive[c.root()] = true
			}
		}
	}
	for spread := true; spread; {
		spread = false
		for _, p := range m.pkgs {
			for _, c := range p.all() {
				if c.moves() && !alive[c.root()] && slices.ContainsFunc(c.peers, func(o *class) bool { return alive[o.root()] }) {
					alive[c.root()], spread = true, true
				}
			}
		}
	}
	for _, p := range m.pkgs {
		why := rewrite.Why{Anchor: "no-constructor", Text: "no client that moves has to do with it"}
		if slices.ContainsFunc(p.classes[client], func(c *class) bool { return !c.moves() && c.isMade() }) {
			why = rewrite.Why{Anchor: "bridge", Text: "the client that it would move with keeps paho's shape, for the reasons reported there"}
		}
		for _, c := range p.all() {
			if c.moves() && !alive[c.root()] {
				p.stays(c, c.flow.First(), "class", why.Anchor, why.Text)
				again = true
			}
		}
	}
	return again
}
