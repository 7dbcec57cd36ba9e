// Package paths holds the import paths and type names that the migration tool matches and writes.
//
// It is the only place outside import declarations where the module path is a string, so that a move of the
// module is a change of one line. The tool matches by path and name and never imports what it rewrites.
package paths

import (
	"go/types"
	"path"
)

// Module is the path of the module whose packages are matched and written.
const Module = "github.com/portage-iot/awsiot"

// Import paths of the packages that v1-shaped code uses, and of those that replace them.
const (
	V1Compat     = Module + "/v1compat"
	Discovery    = Module + "/v1compat/discovery"
	ShadowCompat = Module + "/shadowcompat"
	JobsCompat   = Module + "/jobscompat"
	LogrusLog    = Module + "/logruslog"
	V2           = Module + "/v2"
	V2Auth       = Module + "/v2/awsauth"
	IOTShadow    = Module + "/v2/iotshadow"
	IOTJobs      = Module + "/v2/iotjobs"
	Greengrass   = Module + "/v2/greengrass"
	ReqResp      = Module + "/v2/reqresp"
)

// Import paths of the packages that code on paho.mqtt.golang uses, and of the one with the same API.
const (
	Paho       = "github.com/eclipse/paho.mqtt.golang"
	PahoCompat = Module + "/pahocompat"
)

// names are the package names that are not the last element of the import path. They are always written explicitly in an
// import: of V2, that element is not safe from tools that take it for a major version either.
var names = map[string]string{V2: "awsiot", Paho: "mqtt", PahoCompat: "mqtt"}

// NameOf is the name of the package at an import path that is matched or written.
func NameOf(importPath string) string {
	if name, ok := names[importPath]; ok {
		return name
	}
	return path.Base(importPath)
}

// Names in V1Compat.
const (
	V1Client      = "AWSIoTMQTTClient"
	V1Constructor = "NewAWSIoTMQTTClient"
	V1Message     = "Message"
)

// Migration is the file that explains what the tool cannot do; a reason links to a section of it.
const Migration = "MIGRATION.md"

// Is reports whether t is the named type path.name (aliases are seen through).
func Is(t types.Type, path, name string) bool {
	n, ok := types.Unalias(t).(*types.Named)
	return ok && n.Obj().Name() == name && n.Obj().Pkg() != nil && n.Obj().Pkg().Path() == path
}

// IsPointer reports whether t is a pointer to the named type path.name.
func IsPointer(t types.Type, path, name string) bool {
	p, ok := types.Unalias(t).(*types.Pointer)
	return ok && Is(p.Elem(), path, name)
}

// Func reports whether f is the package-level function path.name.
func Func(f *types.Func, path, name string) bool {
	return f != nil && f.Pkg() != nil && f.Pkg().Path() == path && f.Name() == name && f.Signature().Recv() == nil
}
