package main

import (
	"fmt"
	"go/ast"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

const module = "github.com/portage-iot/awsiot"

// facades are the packages whose uses are counted, with the clients that interfaces may stand for.
var facades = map[string][]string{
	module + "/v1compat":           {"AWSIoTMQTTClient"},
	module + "/v1compat/discovery": {"DiscoveryInfoProvider"},
	module + "/shadowcompat":       {"AWSIoTMQTTShadowClient", "ShadowHandler"},
	module + "/jobscompat":         {"AWSIoTMQTTThingJobsClient"},
}

// uncounted are functions and methods that are no sites: arguments, text, the bridges themselves.
var uncounted = []string{"FromV2", "V2", "Handler", "WithWebsocket", "WithCleanSession", "WithProtocolType", "WithQuirks",
	"WithStrictV1", "Error", "Unwrap", "String", "Is", "As", "Logger"}

// hooks are the fields whose assignment is a site.
var hooks = []string{"OnOnline", "OnOffline", "OnMessage", "OnAsyncError"}

// found are the sites of one state of a module.
type found struct{ bridged, left int }

// count loads the packages of the module in dir, tests apart.
func count(dir string) (found, error) {
	pkgs, err := packages.Load(&packages.Config{Dir: dir, Mode: packages.LoadSyntax}, "./...")
	if err != nil {
		return found{}, fmt.Errorf("%s: %w", dir, err)
	}
	for _, p := range pkgs {
		if len(p.Errors) > 0 {
			return found{}, fmt.Errorf("%s: %s: %v", dir, p.PkgPath, p.Errors[0])
		}
	}
	o := newOrigins(pkgs)
	clients := clientTypes(pkgs)
	var f found
	for _, p := range pkgs {
		for _, file := range p.Syntax {
			hook := assignedHooks(p.TypesInfo, file)
			ast.Inspect(file, func(n ast.Node) bool {
				sel, isSel := n.(*ast.SelectorExpr)
				id, isIdent := n.(*ast.Ident)
				switch {
				case isSel:
					id = sel.Sel
				case !isIdent || o.selected[id]:
					return true
				}
				obj := p.TypesInfo.Uses[id]
				var receiver ast.Expr
				if isSel {
					receiver = sel.X
				}
				switch {
				case site(obj, clients) || hook[id]:
					if o.bridgedUse(receiver, id) || id.Name == "SetLogger" && o.logger {
						f.bridged++
					} else {
						f.left++
					}
				case isSel && method(obj, module+"/v2", "Client") && o.comes(receiver, fromFacade):
					f.bridged++
				}
				return true
			})
		}
	}
	return f, nil
}

// site reports whether a use of obj counts.
func site(obj types.Object, clients []types.Type) bool {
	f, ok := obj.(*types.Func)
	if !ok || f.Pkg() == nil || slices.Contains(uncounted, f.Name()) {
		return false
	}
	if _, ok := facades[f.Pkg().Path()]; ok {
		return true
	}
	recv := f.Signature().Recv()
	if recv == nil || strings.HasPrefix(f.Pkg().Path(), module) {
		return false
	}
	iface, ok := recv.Type().Underlying().(*types.Interface)
	if !ok {
		return false
	}
	return slices.ContainsFunc(clients, func(t types.Type) bool { return types.Implements(t, iface) && declares(t, f.Name()) })
}

// declares reports whether the method of t is of a facade: an interface such as io.Closer says nothing.
func declares(t types.Type, name string) bool {
	m, _, _ := types.LookupFieldOrMethod(t, true, nil, name)
	return m != nil
}

func method(obj types.Object, path, typ string) bool {
	f, ok := obj.(*types.Func)
	if !ok || f.Signature().Recv() == nil {
		return false
	}
	t := f.Signature().Recv().Type()
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	named, ok := t.(*types.Named)
	return ok && named.Obj().Pkg() != nil && named.Obj().Pkg().Path() == path && named.Obj().Name() == typ
}

// clientTypes are the clients of the facades that the packages import, as pointers.
func clientTypes(pkgs []*packages.Package) []types.Type {
	var out []types.Type
	seen := map[string]bool{}
	for _, p := range pkgs {
		for path, imported := range p.Imports {
			if seen[path] || imported.Types == nil {
				continue
			}
			for _, name := range facades[path] {
				if obj := imported.Types.Scope().Lookup(name); obj != nil {
					out = append(out, types.NewPointer(obj.Type()))
					seen[path] = true
				}
			}
		}
	}
	return out
}

// assignedHooks are the names of hook fields on the left of assignments.
func assignedHooks(info *types.Info, file *ast.File) map[*ast.Ident]bool {
	out := map[*ast.Ident]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		a, ok := n.(*ast.AssignStmt)
		if !ok {
			return true
		}
		for _, l := range a.Lhs {
			sel, ok := l.(*ast.SelectorExpr)
			if !ok || !slices.Contains(hooks, sel.Sel.Name) {
				continue
			}
			if v, ok := info.Uses[sel.Sel].(*types.Var); ok && v.Pkg() != nil && facades[v.Pkg().Path()] != nil {
				out[sel.Sel] = true
			}
		}
		return true
	})
	return out
}
