// Package v1client holds the rules that rewrite code on v1compat's AWSIoTMQTTClient to the v2 client.
//
// The shape of a rewrite: the constructor becomes `opts := awsiot.OptionsV1(id)`, every Configure* call becomes one
// assignment to a field of opts in place, and the client is made from opts after the last of them. So control flow,
// Comments and evaluation order stay, and no argument ever has to be proved free of effects. A class is rewritten
// when every use of every member has a rule; otherwise the unit carries all reasons and nothing changes.
package v1client

import (
	"go/ast"
	"go/types"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
	"github.com/portage-iot/awsiot/migrate/internal/v1errors"
)

// Family is the rules for v1compat.AWSIoTMQTTClient.
var Family = &rewrite.Family{
	Name:     "v1client",
	Packages: []string{paths.V1Compat},
	Types: []rewrite.Type{{Package: paths.V1Compat, Name: paths.V1Client, Constructor: paths.V1Constructor, Arguments: 1,
		To: rewrite.Name{Package: paths.V2, Name: "Client"}}},
	Writes:   []string{"context", "net", "net/http", "net/url", "time", paths.V1Compat, paths.V2Auth, paths.LogrusLog},
	Frees:    []string{"bufio", "encoding/base64", "errors", "fmt", "net", "net/http", "strconv", "golang.org/x/net/proxy"}, // of a dial
	Callback: callbackType,
	Options:  rewrite.Options{Package: paths.V2, Type: "ClientOptions", From: "OptionsV1", Make: "NewClient", Update: "Update", Literal: optionsLiteral},
	Bridge:   rewrite.Bridge{Package: paths.V1Compat, Forward: "FromV2", Back: "V2"},
	Ends:     "Disconnect",
	Members:  members,
	Shapes:   shapes,
	Lone: []rewrite.Lone{
		{Package: paths.V1Compat, Prefix: "SetLogger", Rule: "logging", To: rewrite.Name{Package: paths.LogrusLog, Name: "SetDefault"}},
	},
	Firm:    quirky,
	Foreign: foreign,
	Begin: func(k *rewrite.Class) {
		c := &class{Class: k, handled: map[*ast.FuncDecl]bool{}, litDone: map[*ast.FuncLit]bool{}, msgs: map[*types.Var]bool{}, roots: map[*types.Var]*ast.BlockStmt{}, arrivals: map[*types.Var]string{}, websockets: map[*ast.CallExpr]websocketFlag{}}
		k.State = c
		c.messageRoots()
		c.hooksOfBoth()
		v1errors.Plan(k)
	},
	Regions: func(k *rewrite.Class) {
		of(k).keepAlives()
		of(k).dropOptionLists()
	},
	Constructed: func(k *rewrite.Class, r *rewrite.Region, b *rewrite.Birth, o string) []edit.Piece {
		return of(k).constructed(r, b, o)
	},
	Complete: func(k *rewrite.Class, r *rewrite.Region, c *ast.CallExpr) []edit.Piece {
		return of(k).keepAliveText(r.Opts, c.Pos())
	},
}

// callbackType reports whether s is the type of v1's message callbacks.
func callbackType(s *types.Signature) bool {
	p := s.Params()
	return p.Len() == 3 && s.Results().Len() == 0 && paths.IsPointer(p.At(0).Type(), paths.V1Compat, paths.V1Client) &&
		types.IsInterface(p.At(1).Type()) && paths.IsPointer(p.At(2).Type(), paths.V1Compat, paths.V1Message)
}

// foreign is the reason for a client that a function of another facade takes or makes.
func foreign(f *types.Func) (why rewrite.Why, rule string) {
	switch f.Pkg().Path() {
	case paths.V1Compat:
		return rewrite.Why{Anchor: "bridge", Text: "the client comes from v1compat." + f.Name()}, "class"
	}
	return rewrite.Why{}, ""
}

// class is a flow class with what these rules keep beside.
type class struct {
	*rewrite.Class
	keep       keepAlive
	handled    map[*ast.FuncDecl]bool          // callback declarations already rewritten
	litDone    map[*ast.FuncLit]bool           // callback literals held by a variable, already rewritten
	roots      map[*types.Var]*ast.BlockStmt   // message parameters of callbacks that can change, with the bodies
	msgs       map[*types.Var]bool             // message variables that change their type
	lacks      string                          // the field that v2's messages do not have, of the callback that was looked at last
	websockets map[*ast.CallExpr]websocketFlag // by constructor
	arrivals   map[*types.Var]string           // the variables that hold when a message came, by its parameter
}

// of is the class that Begin has made.
func of(k *rewrite.Class) *class { return k.State.(*class) }
