package paho

import (
	"go/ast"
	"go/types"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
)

// kind is one of the things that flow through a program on paho.
type kind int

const (
	client    kind = iota // mqtt.Client
	message               // mqtt.Message
	handler               // mqtt.MessageHandler and functions like it
	connected             // mqtt.OnConnectHandler
	lost                  // mqtt.ConnectionLostHandler
	options               // *mqtt.ClientOptions
	promise               // mqtt.Token
	kinds
)

// String is what a report calls a thing of the kind.
func (k kind) String() string {
	return [...]string{"client", "message", "message handler", "OnConnect handler", "OnConnectionLost handler", "options", "token"}[k]
}

// handlerNames are the names of the function types, by kind.
var handlerNames = map[kind]string{handler: "MessageHandler", connected: "OnConnectHandler", lost: "ConnectionLostHandler"}

// isHandler reports whether values of the kind are functions.
func (k kind) isHandler() bool { return handlerNames[k] != "" }

// is reports whether t is of the kind. pahocompat's names are aliases of paho's.
func (k kind) is(t types.Type) bool {
	if t == nil {
		return false
	}
	switch k {
	case client:
		return paths.Is(t, paths.Paho, "Client")
	case message:
		return paths.Is(t, paths.Paho, "Message")
	case promise:
		return isToken(t)
	case options:
		return paths.IsPointer(t, paths.Paho, "ClientOptions")
	}
	if paths.Is(t, paths.Paho, handlerNames[k]) {
		return true
	}
	s, ok := types.Unalias(t).(*types.Signature)
	return ok && k.takes(s)
}

// takes reports whether s is the signature of functions of the kind.
func (k kind) takes(s *types.Signature) bool {
	p := s.Params()
	if s.Recv() != nil {
		s = types.NewSignatureType(nil, nil, nil, p, s.Results(), s.Variadic())
	}
	if s.Results().Len() > 0 || s.Variadic() || s.TypeParams().Len() > 0 || p.Len() == 0 || !client.is(p.At(0).Type()) {
		return false
	}
	switch k {
	case handler:
		return p.Len() == 2 && message.is(p.At(1).Type())
	case connected:
		return p.Len() == 1
	case lost:
		return p.Len() == 2 && types.Identical(p.At(1).Type(), types.Universe.Lookup("error").Type())
	}
	return false
}

// callback reports whether paho calls functions of the signature.
func callback(s *types.Signature) bool {
	return handler.takes(s) || connected.takes(s) || lost.takes(s)
}

// isToken reports whether t is mqtt.Token.
func isToken(t types.Type) bool { return t != nil && paths.Is(t, paths.Paho, "Token") }

// made reports whether f is the function name of paho or of pahocompat.
func made(f *types.Func, name string) bool {
	return paths.Func(f, paths.Paho, name) || paths.Func(f, paths.PahoCompat, name)
}

// method reports whether f is a method of paho's type typ, and returns its name.
func method(f *types.Func, typ string) (string, bool) {
	if f == nil || f.Pkg() == nil || f.Pkg().Path() != paths.Paho || f.Signature().Recv() == nil {
		return "", false
	}
	t := f.Signature().Recv().Type()
	if p, ok := types.Unalias(t).(*types.Pointer); ok {
		t = p.Elem()
	}
	return f.Name(), paths.Is(t, paths.Paho, typ)
}

// target is what the flow analysis follows for the kind.
func (k kind) target(in *rewrite.Input) flow.Target {
	t := flow.Target{Is: k.is, Named: k != options, Keep: in.Bridges && !in.Closed(), Linked: in.Linked, Ctor: func(*types.Func) bool { return false }}
	switch k {
	case client:
		t.Ctor = func(f *types.Func) bool { return made(f, "NewClient") }
		t.Callback = callback
	case message:
		t.Callback = callback
	case promise:
		t.Ctor = func(f *types.Func) bool {
			name, ok := method(f, "Client")
			return ok && tokenCalls[name].wait != ""
		}
	case options:
		t.Ctor = func(f *types.Func) bool { return made(f, "NewClientOptions") }
		t.Links = func(f *types.Func) (int, bool) {
			_, ok := method(f, "ClientOptions")
			return -1, ok && f.Signature().Results().Len() == 1 && options.is(f.Signature().Results().At(0).Type())
		}
	}
	return t
}

// sinks are the calls that take a handler: the index of the argument, by method.
var sinks = map[string]int{"Subscribe": 2, "SubscribeMultiple": 1, "AddRoute": 1,
	"SetDefaultPublishHandler": 0, "SetOnConnectHandler": 0, "SetConnectionLostHandler": 0}

// hooks are the fields of the options that take a handler.
var hooks = []string{"DefaultPublishHandler", "OnConnect", "OnConnectionLost"}

// sinkOf is the method of paho, of a client or of options, to which c gives a handler in argument e; "" for none.
func sinkOf(info *types.Info, c *ast.CallExpr, e ast.Expr) (name string, onClient bool) {
	f := flow.StaticCallee(info, c)
	name, onClient = method(f, "Client")
	if !onClient {
		var ok bool
		if name, ok = method(f, "ClientOptions"); !ok {
			return "", false
		}
	}
	i, ok := sinks[name]
	if !ok || i >= len(c.Args) || ast.Unparen(c.Args[i]) != ast.Unparen(e) {
		return "", false
	}
	return name, onClient
}

// isHook reports whether s is a field of options that takes a handler.
func isHook(info *types.Info, s *ast.SelectorExpr) bool {
	v, ok := info.Uses[s.Sel].(*types.Var)
	if !ok || !v.IsField() || !slices.Contains(hooks, s.Sel.Name) {
		return false
	}
	t := info.TypeOf(s.X)
	return options.is(t) || paths.Is(t, paths.Paho, "ClientOptions")
}
