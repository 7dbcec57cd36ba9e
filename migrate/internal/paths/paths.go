// Package paths holds the import paths and type names that the migration tool matches and writes.
//
// It is the only place outside import declarations where the module path is a string, so that a move of the
// module is a change of one line. The tool matches by path and name and never imports what it rewrites.
package paths

import "go/types"

// Module is the path of the module whose packages are matched and written.
const Module = "github.com/portage-iot/awsiot"

// Import paths of the packages that v1-shaped code uses, and of those that replace them.
const (
	V1Compat     = Module + "/v1compat"
	Discovery    = Module + "/v1compat/discovery"
	ShadowCompat = Module + "/shadowcompat"
	JobsCompat   = Module + "/jobscompat"
	V2           = Module + "/v2"
	V2Auth       = Module + "/v2/awsauth"
)

// V2Name is the package name of V2. It is always written explicitly in an import, because the last element of
// the path ("v2") is neither the name nor safe from tools that take it for a major version.
const V2Name = "awsiot"

// Names in V1Compat.
const (
	V1Client      = "AWSIoTMQTTClient"
	V1Constructor = "NewAWSIoTMQTTClient"
	V1Message     = "Message"
)

// Migration is the file that explains what the tool cannot do; a reason links to a section of it.
const Migration = "MIGRATION.md"

// Facade reports whether path is one of the packages that give v1's API.
func Facade(path string) bool {
	switch path {
	case V1Compat, Discovery, ShadowCompat, JobsCompat:
		return true
	}
	return false
}

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
