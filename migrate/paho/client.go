package paho

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"golang.org/x/tools/go/ast/inspector"
)

// examineClient records what keeps a class of clients from being rewritten.
func (p *pkg) examineClient(c *class) {
	if !c.isMade() && !c.fromLibrary() {
		p.stays(c, c.flow.First(), "class", "no-constructor", "no NewClient of this client is in the package")
	}
	for _, m := range c.flow.Ctors {
		if len(m.Call.Args) != 1 {
			p.stays(c, m.Call.Pos(), "constructor", "result-use", "the arguments of NewClient are not written out")
		}
	}
	if pos, name := p.typeOfToken(); name != "" {
		p.stays(c, pos, "token", "tokens", "the package uses paho's own "+name+", which v2's calls do not return")
	}
	if pos, name := p.errorOfPaho(); name != "" {
		p.stays(c, pos, "token", "tokens", "the package asks for paho's own "+name+", which no error of v2's calls is")
	}
	for _, m := range c.flow.Ctors {
		if len(m.Call.Args) == 1 {
			p.examineOptionsOf(c, m)
		}
	}
	p.examineTwo(c)
}

// examineTwo lets a client stay that a call asks for QoS 2: of a client of v2 such a call is refused always, also through
// FromV2, while it works on paho. A handler's client may be any that is made in the package.
func (p *pkg) examineTwo(c *class) {
	var all []*class
	for _, o := range p.mod.pkgs {
		all = append(all, o.classes[client]...)
	}
	for _, o := range all {
		if o != c && (!o.fromLibrary() || c.fromLibrary()) {
			continue
		}
		for _, u := range o.flow.Uses {
			if u.Kind == flow.Call && o.in.asksTwo(u) {
				p.stays(c, u.Sel.Sel.Pos(), ruleOf(u.Sel.Sel.Name), twoIsRefused.Anchor, twoIsRefused.Text)
			}
		}
	}
}

// asksTwo reports whether a call on a client names the constant QoS 2.
func (p *pkg) asksTwo(u *flow.Use) bool {
	args := u.Call.Args
	switch u.Sel.Sel.Name {
	case "Publish", "Subscribe":
		return len(args) > 1 && p.two(args[1])
	case "SubscribeMultiple":
		return len(args) > 1 && p.anyTwo(args[0])
	}
	return false
}

// examineOptionsOf looks at what neither the rules nor NewV2 can do with the options of a client.
func (p *pkg) examineOptionsOf(c *class, m *flow.Ctor) {
	o := p.classOf(options, m.Call.Args[0])
	if o == nil || o.set.elsewhere {
		p.examinePackage(c)
	}
	if o == nil {
		return
	}
	for _, u := range o.flow.Uses {
		s := p.settingOf(u)
		if s == nil {
			continue
		}
		switch s.name {
		case "ConnectionNotificationHandler", "OnConnectionNotification":
			p.stays(c, u.Sel.Sel.Pos(), "options", "options", "OnConnectionNotification has no form of v2")
		case "Store":
			if why := inMemory(s); why.Text != "" && !s.p.storeOf(s.args[0], "NewFileStore", "NewMemoryStore", "NewOrderedMemoryStore") {
				p.stays(c, u.Sel.Sel.Pos(), "options", why.Anchor, why.Text)
			}
		case "OrderMatters", "Order":
			if s.value() == nil || o.set.sometimes {
				p.stays(c, u.Sel.Sel.Pos(), "options", "computed-options", "whether messages keep their order is not constant")
			}
		case "ProtocolVersion":
			if v := s.value(); v == nil || v.ExactString() != "4" {
				p.stays(c, u.Sel.Sel.Pos(), "options", "options", versionText(v))
			}
		case "Will", "BinaryWill":
			if why := willQoS(s); why.Text != "" {
				p.stays(c, u.Sel.Sel.Pos(), "options", why.Anchor, why.Text)
			}
		}
	}
}

// versionText is the reason of a protocol version that is not 4.
func versionText(v constant.Value) string {
	if v == nil {
		return "v2 speaks MQTT 5, and the version that is asked for is not constant"
	}
	return "v2 speaks MQTT 5, and another version is asked for"
}

// examinePackage looks at what the package does with any options, for a client whose options are not all followed.
func (p *pkg) examinePackage(c *class) {
	for _, bad := range []struct{ name, anchor, text string }{
		{"OnConnectionNotification", "options", "OnConnectionNotification has no form of v2"},
		{"ConnectionNotificationHandler", "options", "OnConnectionNotification has no form of v2"},
		{"OrderMatters", "computed-options", "whether messages keep their order is not followed here"},
		{"Order", "computed-options", "whether messages keep their order is not followed here"},
	} {
		for o, uses := range p.Uses {
			if o.Pkg() != nil && o.Pkg().Path() == paths.Paho && (o.Name() == bad.name || o.Name() == "Set"+bad.name) {
				p.stays(c, uses[0].Node().Pos(), "options", bad.anchor, bad.text)
			}
		}
	}
}

// acks reports whether the program acknowledges messages itself: its handlers keep paho's shape then, whose messages have Ack.
func (p *pkg) acks() bool {
	return slices.ContainsFunc(p.mod.pkgs, func(p *pkg) bool {
		for o, uses := range p.Uses {
			if o.Pkg() == nil || o.Pkg().Path() != paths.Paho || o.Name() != "AutoAckDisabled" && o.Name() != "SetAutoAckDisabled" {
				continue
			}
			if slices.ContainsFunc(uses, func(use inspector.Cursor) bool {
				call, ok := use.Parent().Parent().Node().(*ast.CallExpr)
				if !ok || len(call.Args) != 1 {
					return true
				}
				v := p.Info.Types[call.Args[0]].Value
				return v == nil || constant.BoolVal(v)
			}) {
				return true
			}
		}
		return false
	})
}

// typeOfToken finds the first use of paho's concrete tokens, which v2's calls do not return. A literal does not count: it is no token
// of a call, but a value that the program makes itself, for a client of its own as tests have it.
func (p *pkg) typeOfToken() (token.Pos, string) {
	return p.firstUse(func(o types.Object, use inspector.Cursor) bool {
		_, is := o.(*types.TypeName)
		return is && slices.Contains([]string{"ConnectToken", "PublishToken", "SubscribeToken", "UnsubscribeToken", "DisconnectToken"}, o.Name()) && !literalOf(use)
	}, paths.Paho, paths.PahoCompat)
}

// literalOf reports whether a use of a type's name is that of a literal, T{} or new(T).
func literalOf(use inspector.Cursor) bool {
	named := use
	if sel, ok := use.Parent().Node().(*ast.SelectorExpr); ok && sel.Sel == use.Node() {
		named = use.Parent()
	}
	switch up := named.Parent().Node().(type) {
	case *ast.CompositeLit:
		return up.Type == named.Node()
	case *ast.CallExpr:
		fn, ok := up.Fun.(*ast.Ident)
		return ok && fn.Name == "new" && len(up.Args) == 1 && up.Args[0] == named.Node()
	}
	return false
}

// errorOfPaho finds the first use of an error of paho's: what compares with it would compile, and never be true again.
func (p *pkg) errorOfPaho() (token.Pos, string) {
	return p.firstUse(func(o types.Object, _ inspector.Cursor) bool {
		return o.Name() == "ConnErrors" || types.Identical(o.Type(), types.Universe.Lookup("error").Type()) && o.Parent() == o.Pkg().Scope()
	}, paths.Paho, paths.PahoCompat, paths.Paho+"/packets")
}

// firstUse finds the first use, of those that count, of an object of the packages in from, and its name.
func (p *pkg) firstUse(counts func(types.Object, inspector.Cursor) bool, from ...string) (pos token.Pos, name string) {
	for o, uses := range p.Uses {
		if o.Pkg() == nil || !slices.Contains(from, o.Pkg().Path()) {
			continue
		}
		for _, use := range uses {
			if at := use.Node().Pos(); counts(o, use) && (name == "" || at < pos) {
				pos, name = at, o.Name()
			}
		}
	}
	return pos, name
}
