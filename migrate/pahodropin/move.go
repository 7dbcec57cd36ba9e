// Package pahodropin moves code on paho.mqtt.golang to the package that has the same API on awsiot.Client, by its import lines.
//
// The types of the two are the same, but for those of the tokens, so that values flow between files that have moved and files
// that have not, and each file can move by itself.
package pahodropin

import (
	"go/ast"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"github.com/portage-iot/awsiot/migrate/unit"
)

// Move is the change of one import path into another.
type Move struct {
	Name        string   // family of its units
	From, To    string   // import paths; the package name is the same
	Constructor string   // the function that makes a client of the one package or of the other
	Tokens      []string // types of To that are not those of From, which clients of the one and of the other make
	Loggers     []string // variables of To that are not those of From
	More        []string // names that only To has; with a dot import they can hide those of the program, which the type-check finds
	Limits      []Limit  // what To does not hold
}

// Paho is the move from paho.mqtt.golang to pahocompat.
var Paho = &Move{
	Name: "paho-dropin", From: paths.Paho, To: paths.PahoCompat, Constructor: "NewClient",
	Tokens:  []string{"ConnectToken", "PublishToken", "SubscribeToken", "UnsubscribeToken", "DisconnectToken"},
	Loggers: []string{"ERROR", "CRITICAL", "WARN", "DEBUG"},
	More: []string{"ConnectionLostFromV2", "Engine", "EngineAuto", "EnginePaho", "EngineV2", "Fallbacks", "FromV2", "HandlerFromV2", "HandlerV2",
		"MessageFromV2", "NewV2", "OnConnectFromV2", "SetEngine", "TokenFromV2", "V2"},
	Limits: limits,
}

// The names of rules, under which reports count.
const (
	ruleImport      = "import"
	ruleConstructor = "constructor"
	ruleToken       = "token type"
	ruleLogger      = "logger"
)

// Analyze returns the units of every package: one for each file that imports From. All packages that may move together must be
// given at once.
func (m *Move) Analyze(all []rewrite.Input) [][]*unit.Unit {
	asserted := slices.ContainsFunc(all, func(in rewrite.Input) bool { return len(m.tokens(in)) > 0 })
	out := make([][]*unit.Unit, len(all))
	for i, in := range all {
		exposed, foreign := m.exposed(in), m.foreign(in, all)
		for _, f := range in.Files {
			if specs := m.imports(f); len(specs) > 0 {
				u := m.unit(in, f, specs)
				if asserted {
					m.together(u)
				}
				m.hold(in, u, exposed, foreign)
				u.SortReasons()
				out[i] = append(out[i], u)
			}
		}
	}
	return out
}

// imports are the import lines of f that move.
func (m *Move) imports(f *ast.File) (out []*ast.ImportSpec) {
	for _, s := range f.Imports {
		if p, err := strconv.Unquote(s.Path.Value); err == nil && p == m.From {
			out = append(out, s)
		}
	}
	return out
}

// unit is the unit of a file.
func (m *Move) unit(in rewrite.Input, f *ast.File, specs []*ast.ImportSpec) *unit.Unit {
	name := in.Fset.File(f.FileStart).Name()
	u := &unit.Unit{Pos: in.Fset.Position(specs[0].Pos()), Name: filepath.Base(name), Package: in.Types.Path(), Family: m.Name,
		Start: specs[0].Pos(), End: specs[0].End(), Edits: map[string]*unit.FileEdits{name: {}}}
	site := func(at token.Pos, rule, what string) {
		u.Sites = append(u.Sites, unit.Site{Pos: in.Fset.Position(at), Rule: rule, What: what})
	}
	for _, s := range specs {
		site(s.Pos(), ruleImport, m.From)
		u.Edits[name].Edits = append(u.Edits[name].Edits, edit.Replace(s.Path, edit.Text(strconv.Quote(m.To))))
	}
	ast.Inspect(f, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		if !ok {
			return true
		}
		switch o := in.Info.Uses[id].(type) {
		case *types.Func:
			if paths.Func(o, m.From, m.Constructor) {
				site(id.Pos(), ruleConstructor, m.Constructor)
			}
		case *types.TypeName:
			if m.isToken(o) {
				site(id.Pos(), ruleToken, o.Name())
			}
		case *types.Var:
			if !o.IsField() && m.has(o, m.Loggers) {
				site(id.Pos(), ruleLogger, o.Name())
			}
		}
		return true
	})
	m.notes(in, f, u)
	if why := in.Untouchable(name); why != "" {
		u.Refuse(unit.Reason{Pos: token.Position{Filename: name, Line: 1, Column: 1}, Rule: ruleImport, Anchor: "generated-files", Text: "the file " + why})
	}
	return u
}

// has reports whether o is one of the names of From.
func (m *Move) has(o types.Object, names []string) bool {
	return o.Pkg() != nil && o.Pkg().Path() == m.From && slices.Contains(names, o.Name())
}
