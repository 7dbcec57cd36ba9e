package v1client

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"path"
	"strconv"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/unit"
	"golang.org/x/tools/go/ast/inspector"
)

// q returns the name under which the package importPath can be written at pos, and sees to it that the file
// imports it. A name that a local variable, a package-level object or another import hides at pos is not used.
func (k *class) q(pos token.Pos, importPath string) string {
	name := path.Base(importPath)
	if importPath == paths.V2 {
		name = paths.V2Name
	}
	f := k.p.fileAt(pos)
	scope := k.p.Types.Scope().Innermost(pos)
	for _, s := range f.Imports {
		if p, _ := strconv.Unquote(s.Path.Value); p != importPath {
			continue
		}
		have := name
		if s.Name != nil {
			have = s.Name.Name
		}
		if have == "." || have == "_" || scope == nil {
			continue
		}
		if _, o := scope.LookupParent(have, pos); o != nil {
			if pn, ok := o.(*types.PkgName); ok && pn.Imported().Path() == importPath {
				return have
			}
		}
	}
	fe := k.fileEdits(pos)
	try := name
	for i := 2; !k.p.nameFree(f, try); i++ {
		try = name + strconv.Itoa(i)
	}
	for _, im := range fe.Imports {
		if im.Path == importPath && im.Name == try {
			return try
		}
	}
	fe.Imports = append(fe.Imports, unit.Import{Path: importPath, Name: try})
	return try
}

// nameFree reports whether nothing in f, at any depth, and nothing in the package is called name, so that an import
// of that name hides nothing and nothing hides it.
func (p *pkg) nameFree(f *ast.File, name string) bool {
	if p.Types.Scope().Lookup(name) != nil {
		return false
	}
	for id, o := range p.Info.Defs {
		if id.Name == name && o != nil && f.FileStart <= id.Pos() && id.Pos() <= f.FileEnd {
			if v, ok := o.(*types.Var); ok && v.IsField() {
				continue
			}
			if fn, ok := o.(*types.Func); ok && fn.Signature().Recv() != nil {
				continue
			}
			return false
		}
	}
	for _, s := range f.Imports {
		if pn := p.Info.PkgNameOf(s); pn != nil && pn.Name() == name {
			return false
		}
	}
	return true
}

// newName is a name that a rewrite gave out, with the block it is visible in.
type newName struct {
	name  string
	scope *types.Scope
}

// fresh returns a name for a variable to be declared at pos that no identifier in fn, no import of its file and no
// name given out for the same, an outer or an inner block has.
func (k *class) fresh(fn ast.Node, pos token.Pos, base string) string {
	taken := map[string]bool{}
	ast.Inspect(fn, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			taken[id.Name] = true
		}
		return true
	})
	if f := k.p.fileAt(fn.Pos()); f != nil {
		for _, s := range f.Imports {
			if pn := k.p.Info.PkgNameOf(s); pn != nil {
				taken[pn.Name()] = true
			}
		}
	}
	scope := k.p.Types.Scope().Innermost(pos)
	for _, n := range k.p.named[fn] {
		if encloses(n.scope, scope) || encloses(scope, n.scope) {
			taken[n.name] = true
		}
	}
	name := base
	for i := 2; taken[name]; i++ {
		name = base + strconv.Itoa(i)
	}
	k.p.named[fn] = append(k.p.named[fn], newName{name, scope})
	return name
}

func encloses(outer, inner *types.Scope) bool {
	for ; inner != nil; inner = inner.Parent() {
		if inner == outer {
			return true
		}
	}
	return false
}

// ctx is the context to pass at pos: a variable of type context.Context in scope, else context.TODO().
func (k *class) ctx(pos token.Pos) string {
	if v := k.ctxVar(pos); v != nil {
		return v.Name()
	}
	return k.q(pos, "context") + ".TODO()"
}

// stopCtx is the context for a call that v1 made whatever had been cancelled: Disconnect usually runs because a
// context has ended, and with that context the DISCONNECT packet would not be sent.
func (k *class) stopCtx(pos token.Pos) string {
	v := k.ctxVar(pos)
	if v == nil {
		return k.q(pos, "context") + ".TODO()"
	}
	if c, ok := k.p.defs[v].(*ast.CallExpr); ok && k.p.constant(v) {
		if s, ok := c.Fun.(*ast.SelectorExpr); ok {
			if f, ok := k.p.Info.Uses[s.Sel].(*types.Func); ok && (f.FullName() == "context.Background" || f.FullName() == "context.TODO") {
				return v.Name()
			}
		}
	}
	return k.q(pos, "context") + ".WithoutCancel(" + v.Name() + ")"
}

func (k *class) ctxVar(pos token.Pos) *types.Var {
	var best *types.Var
	for s := k.p.Types.Scope().Innermost(pos); s != nil && s != k.p.Types.Scope(); s = s.Parent() {
		for _, name := range s.Names() {
			_, o := s.LookupParent(name, pos)
			v, ok := o.(*types.Var)
			if !ok || name == "_" || !paths.Is(v.Type(), "context", "Context") {
				continue
			}
			if _, seen := k.p.Types.Scope().Innermost(pos).LookupParent(name, pos); seen != v {
				continue // hidden at pos
			}
			if best == nil || name == "ctx" && best.Name() != "ctx" {
				best = v
			}
		}
	}
	return best
}

// value returns the constant value of e, or nil.
func (k *class) value(e ast.Expr) constant.Value { return k.p.Info.Types[e].Value }

// qos is the QoS of a packet, checked when it is constant: AWS IoT Core refuses QoS 2, and so does v2.
func (k *class) qos(e ast.Expr, rule string) []edit.Piece {
	if v := k.value(e); v != nil {
		if n, ok := constant.Int64Val(constant.ToInt(v)); ok && n > 1 {
			k.block(e.Pos(), rule, "qos2", "QoS 2 has no v2 form; AWS IoT Core refuses it")
		}
		if k.untyped(e) {
			return []edit.Piece{edit.Src(e)}
		}
	}
	e = ast.Unparen(e)
	if c, ok := e.(*ast.CallExpr); ok && len(c.Args) == 1 && k.p.Info.Types[c.Fun].IsType() && k.value(e) == nil {
		if b, ok := k.p.Info.TypeOf(c.Args[0]).Underlying().(*types.Basic); ok && b.Info()&types.IsInteger != 0 {
			e = c.Args[0] // byte(n): one conversion is enough
		}
	}
	return []edit.Piece{edit.Text(k.q(e.Pos(), paths.V2) + ".QoS("), edit.Src(e), edit.Text(")")}
}

// untyped reports whether e can be written where another numeric type is wanted: literals, untyped constants and
// arithmetic on them.
func (k *class) untyped(e ast.Expr) bool {
	switch e := ast.Unparen(e).(type) {
	case *ast.BasicLit:
		return true
	case *ast.Ident, *ast.SelectorExpr:
		id, ok := e.(*ast.Ident)
		if !ok {
			id = e.(*ast.SelectorExpr).Sel
		}
		c, ok := k.p.Info.Uses[id].(*types.Const)
		if !ok {
			return false
		}
		b, ok := c.Type().(*types.Basic)
		return ok && b.Info()&types.IsUntyped != 0
	case *ast.UnaryExpr:
		return k.untyped(e.X)
	case *ast.BinaryExpr:
		return k.untyped(e.X) && k.untyped(e.Y)
	}
	return false
}

// payload converts a v1 payload to []byte by its static type; ok is false when only awsiot.PayloadV1 can do it.
func (k *class) payload(e ast.Expr) ([]edit.Piece, bool) {
	tv := k.p.Info.Types[e]
	if tv.IsNil() {
		return []edit.Piece{edit.Text("nil")}, true
	}
	if v := tv.Value; v != nil && v.Kind() == constant.Int {
		if b, ok := tv.Type.Underlying().(*types.Basic); ok && b.Kind() == types.Int && types.Unalias(tv.Type) == tv.Type {
			return []edit.Piece{edit.Text(fmt.Sprintf("[]byte(%q)", v.ExactString()))}, true
		}
	}
	if c, ok := ast.Unparen(e).(*ast.CallExpr); ok && len(c.Args) == 1 && k.p.Info.Types[c.Fun].IsType() {
		// string(b): the bytes themselves
		if bytes := types.NewSlice(types.Typ[types.Byte]); tv.Type == types.Typ[types.String] && types.Identical(k.p.Info.TypeOf(c.Args[0]), bytes) {
			return []edit.Piece{edit.Src(c.Args[0])}, true
		}
	}
	switch t := tv.Type.Underlying().(type) {
	case *types.Basic:
		if t.Info()&types.IsString != 0 && types.Identical(tv.Type, t) || t.Kind() == types.UntypedString {
			return []edit.Piece{edit.Text("[]byte("), edit.Src(ast.Unparen(e)), edit.Text(")")}, true
		}
	case *types.Slice:
		if types.Identical(tv.Type, types.NewSlice(types.Typ[types.Byte])) {
			return []edit.Piece{edit.Src(e)}, true
		}
	}
	return nil, false
}

// receiver is the source of the client expression of a use.
func receiver(s *ast.SelectorExpr) edit.Piece { return edit.Src(s.X) }

// parentSkippingParens returns the parent of cur and the node that is its direct child.
func parentSkippingParens(cur inspector.Cursor) (inspector.Cursor, ast.Node) {
	n, p := cur.Node(), cur.Parent()
	for {
		pe, ok := p.Node().(*ast.ParenExpr)
		if !ok {
			return p, n
		}
		n, p = pe, p.Parent()
	}
}
