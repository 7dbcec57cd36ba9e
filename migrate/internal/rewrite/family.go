// Package rewrite carries code from one API to another by rules that are data: a Family. It knows what all of them share:
// how a client is found, configured through a variable of options, born, and used, and what stands in the way of each.
package rewrite

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strconv"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/unit"
)

// Family is the rules for one API that is rewritten, as data: what is followed, what its options are called, and a row
// for every member.
type Family struct {
	// Plan returns the units of a package, of a family that is not about one type and its options; nil: they are the flow
	// classes of Types.
	Plan        func(Input) []*unit.Unit
	Name        string                      // category of its reports; with the position the identity of a unit
	Packages    []string                    // import paths of the API, first the one that the client comes from; code that imports none has nothing to rewrite
	Writes      []string                    // import paths beside those of Types and Options that its writers write
	Frees       []string                    // packages whose last use its writers can take away, and that have nothing to do with what they write
	Types       []Type                      // what is followed
	Joins       *Family                     // the family whose units its values are part of, and whose rows, options and writers hold for them too; nil: it has units of its own
	Callback    func(*types.Signature) bool // signatures through which the library hands values to the program
	Options     Options
	Bridge      Bridge
	Ends        string // the member that ends the connection, whatever else is done with it; "": none
	Members     []Member
	Shapes      []Doc                                                      // what MIGRATION.md's table says of constructors, and of several members together
	Lone        []Lone                                                     // functions of the API without a rule
	Foreign     func(*types.Func) (why Why, rule string)                   // the reason for a client that another package's function takes or makes; "" the usual one
	Firm        func(*Class) bool                                          // whether calls must not go through the old client to the new one either
	Begin       func(*Class)                                               // after the helpers are found: what else can hold the class back
	Regions     func(*Class)                                               // after the regions are found
	Constructed func(k *Class, r *Region, b *Birth, o string) []edit.Piece // what a constructor's options mean, after the statement that makes o
	Complete    func(k *Class, r *Region, c *ast.CallExpr) []edit.Piece    // the last options before the client is born; nil for none
}

// Type is a type of the API, to which pointers are followed, and what becomes of it.
type Type struct {
	Package, Name string
	To            Name
	Constructor   string   // the function of Package that makes one together with a client; "": none does
	Arguments     int      // how many arguments of the constructor are no options
	Defaults      []string // assignments to fields of the options that the constructor stands for, as "KeepAlive = 5"
	Make          string   // the function of To's package that takes the constructor's place and no options; "": Family.Options.Make does
	// Birth writes what the value is made as, once the client that text makes is there; nil: it is the client.
	Birth func(k *Class, b *Birth, text string) []edit.Piece
	Old   *Old   // how a use without a rule gets the old shape, where Family.Bridge is not enough; nil: not at all, but for the first type
	Whole *Whole // how a value gets the old shape for code that keeps it; nil: not at all, but for the first type
	Inner string // what leads from it to the client, as ".Client"; "": it is the client
	// About tells what a value is about that c makes of a client, a constant as go/constant writes it or "" for anything. With
	// it values that have a use without a rule stay on the old API together with those that are about the same, made on the
	// client in its old shape; nil: they hold their client back.
	About func(k *Class, c *ast.CallExpr) string
	// Instead is what the values become whose declarations mention the type at e, in place of To; nil, also as a result: To.
	Instead func(k *Class, e ast.Expr) *Name
}

// Old is how a value that has been rewritten gets its old shape back, for one use.
type Old struct {
	Form  string                                   // how code reads it
	Write func(k *Class, u *flow.Use) []edit.Piece // in place of u's value, which is evaluated more than once
}

// Whole is how a value that has been rewritten gets its old shape back where it goes to code that is not followed.
type Whole struct {
	Form  string                                  // how code reads it
	Write func(k *Class, e ast.Expr) []edit.Piece // in place of e, which is evaluated once for each mention
}

// Name is a name that a package exports.
type Name struct{ Package, Name string }

// Options names what a constructor becomes: From makes the options ("": a literal does), Make the client from them, and
// Update changes them on a client.
type Options struct {
	Package, Type, From, Make, Update string
	// Literal writes what From returns as a literal, for Idioms; nil where it cannot: then From stays.
	Literal func(k *Class, c *ast.CallExpr) []edit.Piece
}

// Role tells what a member is for.
type Role int

// The roles.
const (
	Operate   Role = iota // a call on a client that is complete
	Configure             // a call that sets options
	Hook                  // a field that takes a function
)

// Option writes the assignment to options o that replaces a configuring call, or records a reason and returns nil.
type Option func(k *Class, c *ast.CallExpr, o string) []edit.Piece

// Member is the row of one method or field.
type Member struct {
	Name      string
	Role      Role
	Takes     string // the parts of its arguments, in order; with a question mark it is optional, as "topic qos callback?"; "": none, and a hook
	Gives     string // the parts of its results
	Links     bool   // it makes another followed value out of its receiver or, as a function, of its first argument
	Rule      string // the rule under which reports count it
	Option    Option // Configure
	Operation func(*Class, *flow.Use)
	Missing   Why                            // the reason, where there is no Operation
	Request   bool                           // it can go through an old client to the new one under it: an operation that needs no options of its own
	Group     func(*Class, *flow.Use) string // uses of the same group stay on the old shape together; nil or "": none
	Kept      func(*Class, *flow.Use)        // writes what a use needs besides its bridge; nil: nothing
	Blocks    bool                           // its new form takes a context
	Variadic  bool                           // its arguments may come as a slice
	Docs      []Doc
	Wire      []unit.WireDifference // what its new form says differently on the wire
}

// Doc is a row of MIGRATION.md's table of rules.
type Doc struct {
	Number  int    // rows are in this order
	Call    string // "": the member's own call, with its parts
	Becomes string
	When    string // whether it is always rewritten, or under which condition
}

// Line is a row of the table of rules.
func Line(number int, call, becomes, when string) Doc {
	return Doc{Number: number, Call: call, Becomes: becomes, When: when}
}

// Table is the table of rules of the families, in Markdown; from is what the API that is rewritten is called.
func Table(from string, families []*Family) string {
	var rows []Doc
	for _, f := range families {
		rows = append(rows, f.Shapes...)
		number := 0
		for _, m := range f.Members {
			for _, d := range m.Docs {
				if number = d.Number; d.Call == "" {
					d.Call = m.Call()
				}
				rows = append(rows, d)
			}
			rows = append(rows, onWire(number, m)...)
		}
	}
	slices.SortStableFunc(rows, func(a, b Doc) int { return a.Number - b.Number })
	var b strings.Builder
	b.WriteString("| # | " + from + " | v2 | |\n|---|---|---|---|\n")
	last := 0
	for _, r := range rows {
		number := ""
		if r.Number != last {
			number, last = strconv.Itoa(r.Number)+" ", r.Number
		}
		fmt.Fprintf(&b, "| %s| %s | %s | %s |\n", number, r.Call, r.Becomes, r.When)
	}
	return b.String()
}

// onWire are the rows of the table about what a member's new form says differently on the wire, one for each text.
func onWire(number int, m Member) (out []Doc) {
	var texts []string
	packets := map[string][]string{}
	for _, d := range m.Wire {
		if !slices.Contains(texts, d.Text) {
			texts = append(texts, d.Text)
		}
		if p := d.Packet + " `" + d.Topic + "`"; !slices.Contains(packets[d.Text], p) {
			packets[d.Text] = append(packets[d.Text], p)
		}
	}
	for _, text := range texts {
		when := "on the wire"
		if m.Wire[slices.IndexFunc(m.Wire, func(d unit.WireDifference) bool { return d.Text == text })].Idioms {
			when += ", with `-idioms`"
		}
		out = append(out, Line(number, m.Call(), text+": "+strings.Join(packets[text], ", "), when))
	}
	return out
}

// OnWire notes at pos what a use that has been written says differently on the wire, once for each text in a unit.
func (k *Class) OnWire(pos token.Pos, anchor string, what []unit.WireDifference) {
	for _, d := range what {
		text := "on the wire: " + d.Text
		if !slices.ContainsFunc(k.Unit.Notes, func(n unit.Note) bool { return n.Text == text }) {
			k.Note(pos, anchor, text)
		}
	}
}

// Why is a reason: a section of MIGRATION.md and a sentence.
type Why struct{ Anchor, Text string }

// Lone is a function of the API whose use is a unit by itself.
type Lone struct {
	Package, Prefix string // the functions whose names begin so
	Rule            string
	Why             Why  // why it has no rule
	To              Name // the function that takes its place and does the same, also for what stays on the old API; "": it has no rule
}

// Analyze returns the units of a package in source order, for every family.
func Analyze(in Input, families []*Family) []*unit.Unit {
	var p *Package
	var out []*unit.Unit
	for _, f := range families {
		if f.Joins != nil {
			continue
		}
		if f.Plan != nil {
			if f.mentioned(in.Info) {
				out = append(out, f.Plan(in)...)
			}
			continue
		}
		g := joined(f, families)
		if in.Linked == nil && !slices.ContainsFunc(g, func(f *Family) bool { return f.mentioned(in.Info) }) {
			continue
		}
		if p == nil {
			tables := in
			tables.Bridges = in.Bridges && !in.Whole
			p = newPackage(tables)
			p.given = in.Bridges
			p.bridge = func(fn *types.Func) bool {
				return slices.ContainsFunc(families, func(f *Family) bool { return f.isBridge(fn) })
			}
		}
		classes, old := g.classes(p)
		for _, c := range classes {
			k := &Class{Family: f, group: g, Pkg: p, Flow: c, uses: c.Uses, Unit: &unit.Unit{Package: in.Types.Path(), Family: f.Name, Shared: sharedNames(f, c)}}
			k.elsewhere = in.Survey.elsewhere(&in, c, k.Unit.Shared)
			k.plan()
			out = append(out, k.Unit)
		}
		for _, c := range old {
			k := &Class{Family: f, group: g, Pkg: p, Flow: c, uses: c.Uses, Unit: &unit.Unit{Package: in.Types.Path(), Family: f.Name, Shared: sharedNames(f, c)}}
			k.elsewhere = in.Survey.elsewhere(&in, c, k.Unit.Shared)
			k.planForward()
			out = append(out, k.Unit)
		}
		out = append(out, f.lone(p)...)
	}
	return out
}

// mentioned reports whether code names something of the family's packages, or a member of it, which need no import: nothing
// else can hold code for it.
func (f *Family) mentioned(info *types.Info) bool {
	for _, o := range info.Uses {
		if o.Pkg() != nil && slices.Contains(f.Packages, o.Pkg().Path()) {
			return true
		}
	}
	return false
}

// lone returns units for the uses of functions that no client takes part in.
func (f *Family) lone(p *Package) []*unit.Unit {
	var out []*unit.Unit
	for cur := range p.Ins.Root().Preorder((*ast.CallExpr)(nil)) {
		c := cur.Node().(*ast.CallExpr)
		fn := flow.StaticCallee(p.Info, c)
		if fn == nil || fn.Pkg() == nil || fn.Signature().Recv() != nil {
			continue
		}
		for _, l := range f.Lone {
			if l.Package != fn.Pkg().Path() || !strings.HasPrefix(fn.Name(), l.Prefix) {
				continue
			}
			at := p.Pos(c.Pos())
			u := &unit.Unit{Pos: at, Name: fn.Name(), Package: p.Types.Path(), Family: f.Name, Start: c.Pos(), End: c.End(),
				Sites: []unit.Site{{Pos: at, Rule: l.Rule, What: fn.Name()}}}
			if l.To.Name == "" {
				u.AddReason(unit.Reason{Pos: at, Rule: l.Rule, Anchor: l.Why.Anchor, Text: l.Why.Text})
			} else {
				k := &Class{Family: f, Pkg: p, Unit: u}
				u.Edits = map[string]*unit.FileEdits{}
				k.Edit(edit.Replace(c.Fun, edit.Text(k.Q(c.Pos(), l.To.Package)+"."+l.To.Name)))
				k.finish()
			}
			out = append(out, u)
		}
	}
	slices.SortStableFunc(out, func(a, b *unit.Unit) int { return unit.ComparePos(a.Pos, b.Pos) })
	return out
}
