package migrate

import (
	"go/types"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"github.com/portage-iot/awsiot/migrate/paho"
	"golang.org/x/tools/go/packages"
)

// TestRuleTable: the tables of calls in MIGRATION.md are those of the rules.
func TestRuleTable(t *testing.T) {
	const name = "../MIGRATION.md"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []struct {
		from, begin, end string
		families         []*rewrite.Family
	}{
		{"v1compat", "TestRuleTable -update -->\n\n", "\n<!-- end of the rules -->", v1Rules().families},
		{"paho", "TestRuleTable -update (paho) -->\n\n", "\n<!-- end of the rules for paho -->", []*rewrite.Family{paho.Family}},
	} {
		head, rest, ok := strings.Cut(string(text), of.begin)
		table, tail, ok2 := strings.Cut(rest, of.end)
		if !ok || !ok2 {
			t.Fatalf("MIGRATION.md has no marks around the table of rules for %s", of.from)
		}
		want := rewrite.Table(of.from, of.families)
		text = []byte(head + of.begin + want + of.end + tail)
		if !*update && table != want {
			t.Errorf("the table of rules for %s in MIGRATION.md is\n%s\nand the rules say\n%s", of.from, table, want)
		}
	}
	if *update {
		if err := os.WriteFile(name, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMembers: every row can be used: it has a rule to be counted under, a writer or a reason, and a line in the table.
func TestMembers(t *testing.T) {
	for _, f := range allFamilies() {
		table := rewrite.Table("", []*rewrite.Family{f})
		seen := map[string]bool{}
		for _, m := range f.Members {
			switch {
			case seen[m.Name]:
				t.Errorf("%s: %s has two rows", f.Name, m.Name)
			case m.Rule == "":
				t.Errorf("%s: %s is counted under no rule", f.Name, m.Name)
			case m.Role == rewrite.Configure && m.Option == nil, m.Role == rewrite.Operate && f.Plan == nil && m.Operation == nil && m.Missing.Text == "":
				t.Errorf("%s: %s has neither a writer nor a reason", f.Name, m.Name)
			case m.Name != "V2" && m.Name != "OnAsyncError" && !strings.Contains(table, "`"+m.Name):
				t.Errorf("%s: %s is not in the table", f.Name, m.Name)
			}
			seen[m.Name] = true
		}
	}
}

// allFamilies are the families of all routes.
func allFamilies() (out []*rewrite.Family) {
	for _, r := range routes {
		out = append(out, r.families...)
	}
	return out
}

// TestParts: the parts of the arguments and results of every row are those of the member that it is about, in number and in
// type, on every client of the API that has it.
func TestParts(t *testing.T) {
	families := v1Rules().families
	var paths []string
	for _, f := range families {
		paths = append(paths, f.Packages...)
	}
	loaded, err := packages.Load(&packages.Config{Mode: packages.NeedName | packages.NeedTypes | packages.NeedImports}, paths...)
	if err != nil {
		t.Fatal(err)
	}
	scopes := map[string]*types.Package{}
	for _, p := range loaded {
		if len(p.Errors) > 0 {
			t.Fatal(p.Errors)
		}
		scopes[p.PkgPath] = p.Types
	}
	for _, f := range families {
		for _, m := range f.Members {
			if m.Role == rewrite.Hook {
				if m.Takes+m.Gives != "" {
					t.Errorf("%s: the hook %s has parts", f.Name, m.Name)
				}
				continue
			}
			found := signatures(scopes, families, f, m.Name)
			if len(found) == 0 {
				t.Errorf("%s: nothing in the API is called %s", f.Name, m.Name)
			}
			for _, s := range found {
				if why := agrees(m, s); why != "" {
					t.Errorf("%s: %s takes %q and gives %q, and the API has %s: %s", f.Name, m.Name, m.Takes, m.Gives, s, why)
				}
			}
		}
	}
}

// signatures are those of a member on the types of a family and of those of one unit with it, and of a function of its package.
func signatures(scopes map[string]*types.Package, families []*rewrite.Family, f *rewrite.Family, name string) (out []*types.Signature) {
	for _, g := range families {
		if g != f && g.Joins != f {
			continue
		}
		if fn, ok := scopes[g.Packages[0]].Scope().Lookup(name).(*types.Func); ok {
			out = append(out, fn.Signature())
		}
		for _, x := range g.Types {
			ptr := types.NewPointer(scopes[x.Package].Scope().Lookup(x.Name).Type())
			if sel := types.NewMethodSet(ptr).Lookup(nil, name); sel != nil {
				out = append(out, sel.Obj().(*types.Func).Signature())
			}
		}
	}
	return out
}

// agrees says how a signature differs from the parts of a row; "" when it does not.
func agrees(m rewrite.Member, s *types.Signature) string {
	takes := m.Arguments()
	for len(takes) > s.Params().Len() && strings.HasSuffix(takes[len(takes)-1], "?") {
		takes = takes[:len(takes)-1] // one client of several need not have it
	}
	if len(takes) != s.Params().Len() || len(m.Results()) != s.Results().Len() {
		return "another number"
	}
	is := func(part string, x types.Type) bool {
		return slices.Contains(rewrite.Parts[part], types.TypeString(x, func(p *types.Package) string { return p.Name() }))
	}
	for i, part := range takes {
		x := s.Params().At(i).Type()
		name, optional := strings.CutSuffix(part, "?")
		if optional != (s.Variadic() && i == len(takes)-1) {
			return part + " is optional in one of them"
		}
		if optional {
			x = x.(*types.Slice).Elem()
		}
		if !is(name, x) {
			return part + " is no " + x.String()
		}
	}
	for i, part := range m.Results() {
		if x := s.Results().At(i).Type(); !is(part, x) {
			return part + " is no " + x.String()
		}
	}
	return ""
}
