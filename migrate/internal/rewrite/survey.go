package rewrite

import (
	"maps"
	"slices"
	"sync"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"golang.org/x/tools/go/ast/inspector"
)

// Survey is what the classes of packages that are rewritten together have to do with each other: those that share a
// member are of one client, and a rule that asks what is done with the client must ask all of them.
type Survey struct {
	Inputs  []Input           // the packages
	facts   sync.Map          // by the name of a family that plans by itself: func() any
	parent  map[string]string // union-find over the names of shared members; not used once root is made
	root    map[string]string // of every name of parent; packages that are analyzed at the same time read it
	classes []surveyed
	byRoot  map[string][]surveyed
}

type surveyed struct {
	pkg    *flow.Package
	flow   *flow.Class
	shared string // one of its shared members
}

// NewSurvey looks at the packages. Inputs that are analyzed with it must be linked as these are.
func NewSurvey(inputs []Input, families []*Family) *Survey {
	s := &Survey{Inputs: inputs, parent: map[string]string{}, byRoot: map[string][]surveyed{}}
	for _, in := range inputs {
		ins := inspector.New(in.Files)
		for _, f := range families {
			if f.Joins != nil || f.Plan != nil {
				continue
			}
			t := joined(f, families).target()
			t.Linked = in.Linked
			for _, c := range flow.Analyze(&in.Package, ins, t) {
				names := sharedNames(f, c)
				for _, n := range names {
					s.parent[s.find(n)] = s.find(names[0])
				}
				if len(names) > 0 {
					s.classes = append(s.classes, surveyed{&in.Package, c, names[0]})
				}
			}
		}
	}
	s.root = map[string]string{}
	for _, n := range slices.Collect(maps.Keys(s.parent)) {
		s.root[n] = s.find(n)
	}
	for _, c := range s.classes {
		root := s.root[c.shared]
		s.byRoot[root] = append(s.byRoot[root], c)
	}
	return s
}

// Fact is what find returns for the packages; it is called once, whoever asks by that name.
func (s *Survey) Fact(name string, find func() any) any {
	fact, _ := s.facts.LoadOrStore(name, sync.OnceValue(find))
	return fact.(func() any)()
}

func sharedNames(f *Family, c *flow.Class) []string {
	out := slices.Clone(c.Shared)
	for i := range out {
		out[i] = f.Name + " " + out[i]
	}
	return out
}

func (s *Survey) find(n string) string {
	p, ok := s.parent[n]
	if !ok {
		s.parent[n] = n
		return n
	}
	if p != n {
		p = s.find(p)
		s.parent[n] = p
	}
	return p
}

// elsewhere returns the other classes of the client of c, a class of in.
func (s *Survey) elsewhere(in *Input, c *flow.Class, shared []string) []surveyed {
	if s == nil || len(shared) == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.byRoot[s.root[shared[0]]]), func(o surveyed) bool {
		return o.pkg.Types == in.Types && o.flow.First() == c.First()
	})
}

// CallsElsewhere reports whether another class of the same client, in most cases of another package, calls one of the
// methods.
func (k *Class) CallsElsewhere(names ...string) bool {
	return k.usedElsewhere(func(u *flow.Use) bool { return slices.Contains(names, u.Sel.Sel.Name) })
}

// GivenElsewhere reports whether another class of the same client calls one of the methods with an argument.
func (k *Class) GivenElsewhere(names ...string) bool {
	return k.usedElsewhere(func(u *flow.Use) bool { return slices.Contains(names, u.Sel.Sel.Name) && len(u.Call.Args) > 0 })
}

func (k *Class) usedElsewhere(call func(*flow.Use) bool) bool {
	return slices.ContainsFunc(k.elsewhere, func(c surveyed) bool {
		return slices.ContainsFunc(c.flow.Uses, func(u *flow.Use) bool { return u.Kind == flow.Call && call(u) })
	})
}

// MadeElsewhere returns how many arguments each constructor of the client in another class is given.
func (k *Class) MadeElsewhere() []int {
	var out []int
	for _, c := range k.elsewhere {
		for _, m := range c.flow.Ctors {
			out = append(out, len(m.Call.Args))
		}
	}
	return out
}
