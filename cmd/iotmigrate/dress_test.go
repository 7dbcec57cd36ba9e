package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// dress is a shape in which the same program may be written.
type dress int

// The dresses.
const (
	mainOnly    dress = iota // as it is: everything in main
	structField              // its clients are fields of a struct
	helpers                  // its calls stand in functions that take the client
	library                  // and those in a package of its own, with exported names
	dresses
)

func (d dress) String() string { return []string{"main", "field", "helpers", "library"}[d] }

// signature is how a helper declares a method: its parameters and results.
type signature struct{ params, results string }

// arguments are the names of the parameters.
func (s signature) arguments() []string {
	var out []string
	depth := 0
	for part := range strings.SplitSeq(s.params, ",") {
		if depth == 0 && part != "" {
			out = append(out, strings.Fields(part)[0])
		}
		depth += strings.Count(part, "(") - strings.Count(part, ")")
	}
	return out
}

// signatures are the methods that helpers carry; a call of another one stays where it is. P is v1compat, S shadowcompat.
var signatures = map[string]signature{
	"ConfigureEndpoint":                 {"host string, port int", ""},
	"ConfigureCredentials":              {"ca, key, cert string", ""},
	"ConfigureConnectDisconnectTimeout": {"seconds float64", ""},
	"ConfigureMQTTOperationTimeout":     {"seconds float64", ""},
	"ConfigureAutoReconnectBackoffTime": {"base, maximum, stable float64", ""},
	"ConfigureOfflinePublishQueueing":   {"size int", ""},
	"ConfigureDrainingFrequency":        {"hz float64", ""},
	"ConfigureIAMCredentials":           {"id, secret, token string", ""},
	"Publish":                           {"topic string, payload any, qos byte", "(bool, error)"},
	"PublishAsync":                      {"topic string, payload any, qos byte, ack func(mid P.Mid)", "(P.Mid, error)"},
	"Subscribe":                         {"topic string, qos byte, cb P.MessageCallback", "(bool, error)"},
	"SubscribeAsync":                    {"topic string, qos byte, ack func(mid P.Mid, data []byte), cb P.MessageCallback", "(P.Mid, error)"},
	"Unsubscribe":                       {"topic string", "(bool, error)"},
	"Connect":                           {"", "error"},
	"Disconnect":                        {"", "error"},
	"CreateShadowHandlerWithName":       {"name string, persistent bool", "*S.ShadowHandler"},
}

// dressed returns the files of a program in a dress, by their paths in its directory; self is the import path of that. A
// program is one file with package main whose clients are variables of main, made by := from a constructor of a facade.
func dressed(src []byte, d dress, self string) (map[string][]byte, error) {
	if d == mainOnly {
		return map[string][]byte{"main.go": src}, nil
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "main.go", src, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	t := &tailor{set: set, file: file, src: src, dress: d, made: map[string]bool{}}
	t.clients()
	if len(t.vars) == 0 {
		return nil, fmt.Errorf("no client made in main")
	}
	t.rename()
	return t.files(self)
}

// wearer is a variable that holds a client.
type wearer struct {
	obj  any // the parser's object of it
	def  *ast.AssignStmt
	typ  string // with its package, as "v1compat.AWSIoTMQTTClient"
	name string
}

// tailor rewrites one program as text.
type tailor struct {
	set   *token.FileSet
	file  *ast.File
	src   []byte
	dress dress
	vars  []*wearer
	edits []change
	made  map[string]bool
	funcs strings.Builder
}

// change replaces the bytes from start to end.
type change struct {
	start, end int
	text       string
}

func (t *tailor) at(p token.Pos) int { return t.set.Position(p).Offset }

func (t *tailor) edit(start, end token.Pos, text string) {
	t.edits = append(t.edits, change{t.at(start), t.at(end), text})
}

// clients finds the variables.
func (t *tailor) clients() {
	ast.Inspect(t.file, func(n ast.Node) bool {
		a, ok := n.(*ast.AssignStmt)
		if !ok || a.Tok != token.DEFINE || len(a.Lhs) != 1 {
			return true
		}
		id := a.Lhs[0].(*ast.Ident)
		call, ok := a.Rhs[0].(*ast.CallExpr)
		if !ok {
			return true
		}
		if pkg, name := selector(call.Fun); strings.HasSuffix(pkg, "compat") && strings.HasPrefix(name, "NewAWSIoT") {
			typ := pkg + "." + strings.TrimSuffix(strings.TrimPrefix(name, "New"), "With")
			t.vars = append(t.vars, &wearer{obj: id.Obj, def: a, typ: typ, name: id.Name})
		}
		return true
	})
}

// selector is the two names of a qualified one.
func selector(e ast.Expr) (x, sel string) {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	id, ok := s.X.(*ast.Ident)
	if !ok {
		return "", s.Sel.Name
	}
	return id.Name, s.Sel.Name
}

// rename edits the uses of the variables.
func (t *tailor) rename() {
	for i, v := range t.vars {
		if t.dress == structField {
			before := ""
			if i == 0 {
				before = "self := &program{}\n\t"
			}
			t.edit(v.def.Pos(), v.def.TokPos+2, before+"self."+v.name+" =")
		}
	}
	ast.Inspect(t.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.KeyValueExpr: // the key may be a field of that name
			if key, ok := n.Key.(*ast.Ident); ok {
				key.Obj = nil
			}
		case *ast.Ident:
			if v := t.variable(n); v != nil && t.dress == structField && n != v.def.Lhs[0] {
				t.edit(n.Pos(), n.End(), "self."+v.name)
			}
		case *ast.CallExpr:
			s, ok := n.Fun.(*ast.SelectorExpr)
			if !ok || t.dress == structField {
				return true
			}
			id, ok := s.X.(*ast.Ident)
			if !ok || t.variable(id) == nil {
				return true
			}
			v := t.variable(id)
			sig, ok := signatures[s.Sel.Name]
			if !ok || len(sig.arguments()) != len(n.Args) {
				return true
			}
			t.helper(v, s.Sel.Name, sig)
			comma := ", "
			if len(n.Args) == 0 {
				comma = ""
			}
			t.edit(n.Pos(), n.Lparen+1, t.function(v, s.Sel.Name)+"("+id.Name+comma)
		}
		return true
	})
}

func (t *tailor) variable(id *ast.Ident) *wearer {
	i := slices.IndexFunc(t.vars, func(v *wearer) bool { return id.Obj != nil && v.obj == id.Obj })
	if i < 0 {
		return nil
	}
	return t.vars[i]
}

// function is the name of a helper, as it is called.
func (t *tailor) function(v *wearer, method string) string {
	pkg, _, _ := strings.Cut(v.typ, ".")
	if t.dress == library {
		return "lib." + method + strings.TrimSuffix(pkg, "compat")
	}
	return strings.ToLower(method[:1]) + method[1:] + strings.TrimSuffix(pkg, "compat")
}

// helper declares the function for a method once.
func (t *tailor) helper(v *wearer, method string, sig signature) {
	name := strings.TrimPrefix(t.function(v, method), "lib.")
	if t.made[name] {
		return
	}
	t.made[name] = true
	params := strings.NewReplacer("P.", "v1compat.", "S.", "shadowcompat.").Replace(sig.params)
	results := strings.NewReplacer("P.", "v1compat.", "S.", "shadowcompat.").Replace(sig.results)
	ret := ""
	if results != "" {
		ret = "return "
	}
	comma := ", "
	if params == "" {
		comma = ""
	}
	fmt.Fprintf(&t.funcs, "\n// %s calls %s.\nfunc %s(c *%s%s%s) %s {\n\t%sc.%s(%s)\n}\n", name, method, name, v.typ, comma, params, results, ret, method, strings.Join(sig.arguments(), ", "))
}

// files puts the program together.
func (t *tailor) files(self string) (map[string][]byte, error) {
	slices.SortFunc(t.edits, func(a, b change) int { return a.start - b.start })
	var b bytes.Buffer
	last := 0
	for _, e := range t.edits {
		b.Write(t.src[last:e.start])
		b.WriteString(e.text)
		last = e.end
	}
	b.Write(t.src[last:])
	out := map[string][]byte{}
	text := b.String()
	switch t.dress {
	case structField:
		fields := ""
		for _, v := range t.vars {
			fields += "\t" + v.name + " *" + v.typ + "\n"
		}
		text += "\n// program holds the clients.\ntype program struct {\n" + fields + "}\n"
	case helpers:
		text += t.funcs.String()
	case library:
		text = strings.Replace(text, "import (\n", "import (\n\t"+strconv.Quote(self+"/lib")+"\n", 1)
		out["lib/lib.go"] = []byte("// Package lib holds what several programs share.\npackage lib\n\nimport (\n" + t.imports() + ")\n" + t.funcs.String())
	}
	out["main.go"] = []byte(text)
	for name, data := range out {
		formatted, err := format.Source(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", name, err, data)
		}
		out[name] = formatted
	}
	return out, nil
}

// imports are those of the library, by what its functions mention.
func (t *tailor) imports() string {
	out := ""
	for _, pkg := range []string{"jobscompat", "shadowcompat", "v1compat"} {
		if strings.Contains(t.funcs.String(), pkg+".") {
			out += "\t" + strconv.Quote(modulePath()+"/"+pkg) + "\n"
		}
	}
	return out
}
