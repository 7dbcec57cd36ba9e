package paho

import (
	"go/ast"
	"go/constant"
	"go/types"
	"slices"
	"strconv"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
)

// shadowTopics are iotshadow's functions for topics, by the levels behind "shadow", or behind the name of a named shadow.
var shadowTopics = map[string]string{
	"get":              "TopicGet",
	"get/accepted":     "TopicGetAccepted",
	"get/rejected":     "TopicGetRejected",
	"update":           "TopicUpdate",
	"update/accepted":  "TopicUpdateAccepted",
	"update/rejected":  "TopicUpdateRejected",
	"update/delta":     "TopicDelta",
	"update/documents": "TopicDocuments",
	"delete":           "TopicDelete",
	"delete/accepted":  "TopicDeleteAccepted",
	"delete/rejected":  "TopicDeleteRejected",
}

// atom is a part of a string: constant text, or an expression of type string.
type atom struct {
	text string
	src  ast.Expr // as it is written; nil: text, as a literal
	open bool     // only the run of the program tells what it is
}

// level is a level of a topic.
type level []atom

// text is a level that is constant.
func (l level) text() (string, bool) {
	var b strings.Builder
	for _, a := range l {
		if a.open {
			return "", false
		}
		b.WriteString(a.text)
	}
	return b.String(), true
}

// isName reports whether l can be the name of a thing or a shadow: no wildcard, and not empty.
func (l level) isName() bool {
	s, known := l.text()
	return !known || s != "" && !strings.ContainsAny(s, "+#")
}

// pieces are the source of a level, as one expression.
func (l level) pieces() []edit.Piece {
	var out []edit.Piece
	for _, a := range l {
		if !a.open && a.text == "" {
			continue
		}
		if len(out) > 0 {
			out = append(out, edit.Text(" + "))
		}
		if a.src != nil {
			out = append(out, edit.Src(a.src))
		} else {
			out = append(out, edit.Text(strconv.Quote(a.text)))
		}
	}
	return out
}

// isString reports whether e is of type string, and of no type that is made of it, which can have a String of its own.
func (p *pkg) isString(e ast.Expr) bool {
	t := p.Info.TypeOf(e)
	return t != nil && (types.Identical(t, types.Typ[types.String]) || types.Identical(t, types.Typ[types.UntypedString]))
}

// atoms are the parts of a string that is put together by + or by Sprintf with verbs that write strings as they are.
func (p *pkg) atoms(e ast.Expr) ([]atom, bool) {
	if !p.isString(e) {
		return nil, false
	}
	switch x := ast.Unparen(e).(type) {
	case *ast.BinaryExpr:
		left, ok := p.atoms(x.X)
		right, ok2 := p.atoms(x.Y)
		return append(left, right...), ok && ok2
	case *ast.BasicLit:
		return []atom{{text: constant.StringVal(p.Info.Types[x].Value)}}, true
	case *ast.CallExpr:
		if paths.Func(flow.StaticCallee(p.Info, x), "fmt", "Sprintf") {
			return p.formatted(x)
		}
	}
	if v := p.Info.Types[e].Value; v != nil {
		return []atom{{text: constant.StringVal(v), src: e}}, true
	}
	return []atom{{src: e, open: true}}, true
}

// formatted are the parts of what a call of Sprintf makes.
func (p *pkg) formatted(c *ast.CallExpr) ([]atom, bool) {
	format := p.Info.Types[c.Args[0]].Value
	if format == nil || c.Ellipsis.IsValid() {
		return nil, false
	}
	args := c.Args[1:]
	var out []atom
	rest := constant.StringVal(format)
	for {
		text, verb, more := strings.Cut(rest, "%")
		if text != "" {
			out = append(out, atom{text: text})
		}
		if !more {
			return out, len(args) == 0
		}
		if verb == "" {
			return nil, false
		}
		rest = verb[1:]
		switch verb[0] {
		case '%':
			out = append(out, atom{text: "%"})
		case 's', 'v':
			if len(args) == 0 {
				return nil, false
			}
			part, ok := p.atoms(args[0])
			if !ok {
				return nil, false
			}
			out, args = append(out, part...), args[1:]
		default:
			return nil, false
		}
	}
}

// levels cuts a string into the levels of a topic.
func levels(atoms []atom) []level {
	out := []level{nil}
	for _, a := range atoms {
		texts := strings.Split(a.text, "/")
		if len(texts) > 1 {
			a.src = nil // a constant that is more than a name
		}
		for i, s := range texts {
			if i > 0 {
				out = append(out, nil)
			}
			a.text = s
			out[len(out)-1] = append(out[len(out)-1], a)
		}
	}
	return out
}

// shadowTopic is a topic of the Device Shadow service.
type shadowTopic struct {
	op            string // a key of shadowTopics
	thing, shadow level  // shadow is nil for the classic one
}

// shadowTopic reads e as a topic.
func (p *pkg) shadowTopic(e ast.Expr) (t shadowTopic, ok bool) {
	atoms, ok := p.atoms(e)
	if !ok {
		return t, false
	}
	l := levels(atoms)
	if len(l) < 5 || !is(l[0], "$aws") || !is(l[1], "things") || !is(l[3], "shadow") {
		return t, false
	}
	t.thing, l = l[2], l[4:]
	if is(l[0], "name") && len(l) > 2 {
		t.shadow, l = l[1], l[2:]
		if !t.shadow.isName() {
			return t, false
		}
	}
	op := make([]string, len(l))
	for i, one := range l {
		var known bool
		if op[i], known = one.text(); !known {
			return t, false
		}
	}
	t.op = strings.Join(op, "/")
	return t, shadowTopics[t.op] != "" && t.thing.isName()
}

func is(l level, want string) bool {
	s, known := l.text()
	return known && s == want
}

// shadowTopics writes the topics of the Device Shadow service by iotshadow's functions: those that the package puts together,
// wherever it does, and those that stand as literals in the calls of its clients. The strings are the same.
func (w *writer) shadowTopics() {
	if !w.Idioms {
		return
	}
	if !w.topicsDone {
		w.topicsDone = true
		var last ast.Expr // that is a topic: what is in it is moved, and not looked at
		for cur := range w.Ins.Root().Preorder((*ast.CallExpr)(nil), (*ast.BinaryExpr)(nil)) {
			e := cur.Node().(ast.Expr)
			up, _ := rewrite.ParentSkippingParens(cur)
			if _, part := up.Node().(*ast.BinaryExpr); last != nil && last.Pos() <= e.Pos() && e.Pos() < last.End() || part && isSum(e) || w.Info.Types[e].Value != nil {
				continue
			}
			if slices.Contains(w.requested, e) || w.shadowTopicAt(e) {
				last = e
			}
		}
	}
	for _, c := range w.of(client) {
		for _, u := range c.flow.Uses {
			if u.Kind != flow.Call {
				continue
			}
			for _, e := range topicArgs(u) {
				if w.Info.Types[e].Value != nil && isWrittenOut(e) && !slices.Contains(w.requested, e) {
					w.shadowTopicAt(e)
				}
			}
		}
	}
}

func isSum(e ast.Expr) bool {
	_, ok := e.(*ast.BinaryExpr)
	return ok
}

// isWrittenOut reports whether a constant has no name of its own.
func isWrittenOut(e ast.Expr) bool {
	switch ast.Unparen(e).(type) {
	case *ast.BasicLit, *ast.BinaryExpr:
		return true
	}
	return false
}

// shadowTopicAt rewrites e, if it is a topic of a shadow.
func (w *writer) shadowTopicAt(e ast.Expr) bool {
	t, ok := w.shadowTopic(e)
	if !ok || w.Untouchable(w.Pos(e.Pos()).Filename) != "" {
		return false
	}
	shadow := []edit.Piece{edit.Text(`""`)}
	if t.shadow != nil {
		shadow = t.shadow.pieces()
		if _, known := t.shadow.text(); !known {
			w.k.Note(e.Pos(), "shadow", "an empty name of a shadow made a topic that AWS IoT refuses, and now means the classic shadow")
		}
	}
	q := w.k.Q(e.Pos(), paths.IOTShadow)
	w.k.Edit(edit.Replace(e, slices.Concat([]edit.Piece{edit.Text(q + "." + shadowTopics[t.op] + "(")}, t.thing.pieces(),
		[]edit.Piece{edit.Text(", ")}, shadow, []edit.Piece{edit.Text(")")})...))
	return true
}

// topicArgs are the topics and filters that stand in a call on a client.
func topicArgs(u *flow.Use) []ast.Expr {
	args := u.Call.Args
	switch u.Sel.Sel.Name {
	case "Publish", "Subscribe", "AddRoute":
		return args[:1]
	case "Unsubscribe":
		return args
	case "SubscribeMultiple":
		var out []ast.Expr
		if lit, ok := ast.Unparen(args[0]).(*ast.CompositeLit); ok {
			for _, e := range lit.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok {
					out = append(out, kv.Key)
				}
			}
		}
		return out
	}
	return nil
}
