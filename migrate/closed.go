package migrate

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/migrate/unit"
	"golang.org/x/tools/go/packages"
)

// close finds the packages whose users are all in the run, though the run is not of a whole module: what they export can
// move with its users. The go command lets nobody but the packages under the parent of a directory named internal import
// what is in it, so the files there tell. Any package's users could be found so in its own module, but who requires that
// module is never known.
func (s *set) close() {
	if s.view == nil || s.whole || len(s.rules.families) == 0 {
		return
	}
	s.joint = map[string]bool{}
	outside := map[string]map[string]bool{} // by the directory, of which many packages have the same; nil: what cannot be read may hold a use
	for _, p := range s.pkgs {
		parent := internalParent(p)
		if parent == "" || s.rules.own(p.PkgPath) {
			continue
		}
		used, ok := outside[parent]
		if !ok {
			var err error
			if used, err = s.outside(parent); err != nil {
				used = nil
			}
			outside[parent] = used
		}
		if used != nil && !used[p.PkgPath] {
			s.joint[p.PkgPath] = true
		}
	}
	if s.linked == nil && len(s.joint) > 0 {
		s.linked = s.joint
	}
}

// internalParent is the directory under which all packages are that can import p; "" when p is in no directory named
// internal, or that directory is above the module.
func internalParent(p *packages.Package) string {
	if p.Module == nil || !p.Module.Main || len(p.GoFiles) == 0 || strings.HasSuffix(p.PkgPath, "_test") {
		return ""
	}
	rest, ok := strings.CutPrefix(p.PkgPath, p.Module.Path+"/")
	if !ok {
		return ""
	}
	elems := strings.Split(rest, "/")
	dir := filepath.Dir(p.GoFiles[0])
	for i := len(elems) - 1; i >= 0; i-- {
		dir = filepath.Dir(dir)
		if elems[i] == "internal" {
			return dir
		}
	}
	return ""
}

// outside returns the import paths in the files under dir that are in no package of the run. Of the packages of the run, the
// files that build constraints leave out are looked at too, when it is known what changes.
func (s *set) outside(dir string) (map[string]bool, error) {
	used := map[string]bool{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch base := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && name != dir && (strings.HasPrefix(base, ".") || base == "vendor"):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(base) != ".go" || s.view.known[filepath.Dir(name)]:
			return nil
		}
		src, err := os.ReadFile(name)
		for _, path := range importsOf(name, src) {
			used[path] = true
		}
		return err
	})
	return used, err
}

// closeAll lets every set link the packages that are closed in all that have them.
func closeAll(sets []*set) {
	for _, s := range sets {
		s.close()
	}
	for _, s := range sets {
		for path := range s.joint {
			if slices.ContainsFunc(sets, func(o *set) bool { return !o.joint[path] && o.hasPackage(path) }) {
				delete(s.joint, path)
			}
		}
	}
}

func (s *set) hasPackage(path string) bool {
	return slices.ContainsFunc(s.pkgs, func(p *packages.Package) bool { return p.PkgPath == path })
}

// reopen takes the packages out of those that are linked that share a client which has to stay in one of them, and reports
// whether there were any: what is inside of them can then move alone, with bridges where their users are.
func reopen(sets []*set, units []*unit.Unit) bool {
	any := false
	for _, c := range clients(units) {
		if !slices.ContainsFunc(c, func(u *unit.Unit) bool { return len(u.Shared) > 0 && len(u.Reasons) > 0 }) {
			continue
		}
		for _, u := range c {
			for _, s := range sets {
				any = any || s.joint[u.Package]
				delete(s.joint, u.Package)
			}
		}
	}
	return any
}
