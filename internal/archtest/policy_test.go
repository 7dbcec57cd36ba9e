package archtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// policy is the import policy, in the manner of go/build/deps_test.go. The form of its lines:
//
//	a, b < c, d       c and d may import a and b, and whatever those may import
//	use M: a, b       besides these, nothing but tests may import module or package M (and what is below it)
//	test M: a, b      tests of these may import M, nothing else may
//	test no M: a, b   not even tests of these may import M
//	external M: a, b  of the tests of these, only external ones (package x_test) may import M
//	modules p: m, n   everything that p needs, to the last package, is of this module, the standard library or m, n
//
// Names are directories from the root. A name that ends in /* stands for every directory below, the longest match counts;
// ./... stands for every package. NONE is the standard library alone. Tests of a package may import any package of the
// repository that the other lines do not forbid to them.
const policy = `
	NONE < internal/topic, internal/few, internal/memnet, internal/pempath, internal/filelock, internal/*;

	# The core: small parts, then the client, then what stands on it.
	internal/topic, internal/few, internal/memnet, internal/pempath, internal/filelock < v2/internal/* < v2 < v2/awsauth, v2/pkcs11, v2/pkcs12, v2/wincert, v2/mqtt311, v2/reqresp, v2/greengrass;
	v2/reqresp < v2/internal/service < v2/iotshadow, v2/iotjobs, v2/iotidentity, v2/iotcommands;

	# The facades.
	v2 < logruslog;
	v2, v2/awsauth, logruslog < v1compat;
	v1compat < shadowcompat, jobscompat;
	v2/greengrass, v1compat < v1compat/discovery;
	v2 < pahocompat;

	# The local endpoint is the second opinion on the wire: it never imports v2.
	internal/topic, internal/memnet, internal/filelock < iotlocal/wire, iotlocal/internal/tables < iotlocal/record, iotlocal/fault, iotlocal/internal/payload, iotlocal/internal/rest, iotlocal/internal/sigv4, iotlocal/internal/wsock, iotlocal/internal/registry < iotlocal/broker, iotlocal/* < iotlocal;

	# The migration tool matches by import path and name: it never imports what it rewrites.
	NONE < migrate/internal/paths, migrate/internal/edit < migrate/internal/flow, migrate/unit < migrate/internal/rewrite < migrate/internal/v1errors < migrate/*, migrate/v1client < migrate/v1shadow, migrate/v1jobs, migrate/v1discovery;
	migrate/*, migrate/v1client, migrate/v1shadow, migrate/v1jobs, migrate/v1discovery < migrate;

	# What the tests of the facades have in common; nothing but tests imports it.
	iotlocal < internal/facadetest;
	# The same of the service clients.
	internal/memnet, iotlocal, v2 < internal/servicetest;

	# Programs.
	iotlocal < cmd/iotlocal;
	iotlocal/record, iotlocal < cmd/iotmigrate/internal/wirediff, cmd/iotmigrate/internal/* < cmd/iotmigrate;
	migrate < cmd/iotmigrate;
	iotlocal < examples/internal/*;
	v1compat, shadowcompat < examples/v1-style/internal/sample;
	examples/internal/*, examples/v1-style/internal/sample, v1compat, shadowcompat, jobscompat, v1compat/discovery < examples/v1-style/*;
	examples/internal/*, v1compat, v2/iotshadow, v2/iotjobs, v2/iotidentity, v2/iotcommands, v2/greengrass, v2/awsauth, v2/pkcs12 < examples/v2-style/*;
	examples/internal/*, pahocompat < examples/paho-style/*;

	use github.com/eclipse/paho.golang/packets: v2/internal/wire, iotlocal/broker;
	use github.com/eclipse/paho.golang: bench;
	use github.com/eclipse/paho.mqtt.golang: pahocompat, v2/mqtt311, iotlocal, iotlocal/*;
	use github.com/coder/websocket: v2, iotlocal, iotlocal/*;
	use golang.org/x/net: v2, pahocompat, iotlocal, iotlocal/*;
	use github.com/fxamacker/cbor: iotlocal/internal/payload;
	use github.com/sirupsen/logrus: logruslog, v1compat, examples/v1-style/internal/sample, internal/facadetest;
	use github.com/stretchr/testify: internal/facadetest;
	use go.uber.org/goleak: internal/facadetest;
	use golang.org/x/tools: migrate, migrate/*, cmd/iotmigrate;
	use github.com/aws/aws-sdk-go-v2: v2/awsauth;
	use github.com/aws/smithy-go: v2/awsauth;

	# Where a key is kept: each place alone with its dependencies.
	use software.sslmate.com/src/go-pkcs12: v2/pkcs12;
	use github.com/ThalesGroup/crypto11: v2/pkcs11;
	use github.com/miekg/pkcs11: v2/pkcs11;
	use github.com/google/certtostore: v2/wincert;
	use golang.org/x/sys: v2/wincert;

	# Scripted peers speak to the code under test through a codec that is not its own.
	test github.com/eclipse/paho.golang/packets: v2, iotlocal, iotlocal/*, internal/conformance;
	# The differential run holds v1compat against the usual Go client; conformance speaks 3.1.1 through its codec.
	test github.com/eclipse/paho.mqtt.golang: internal/interop, internal/conformance;
	test github.com/stretchr/testify: v1compat, v1compat/*, shadowcompat, jobscompat, pahocompat;
	test go.uber.org/goleak: ./...;
	test pgregory.net/rapid: ./...;
	test github.com/google/go-cmp: ./...;
	test github.com/rogpeppe/go-internal: ./...;
	test software.sslmate.com/src/go-pkcs12: examples;
	test golang.org/x/tools: migrate, migrate/*, cmd/iotmigrate, internal/archtest, pahocompat;

	test no v1compat: v2, v2/*;
	test no shadowcompat: v2, v2/*;
	test no jobscompat: v2, v2/*;
	test no pahocompat: v2, v2/*;
	test no github.com/sirupsen/logrus: v2, v2/*;
	test no v2: iotlocal, iotlocal/*;
	external iotlocal: v2, v2/*;

	modules v2: github.com/eclipse/paho.golang, github.com/coder/websocket, golang.org/x;
	modules iotlocal: github.com/eclipse/paho.golang, github.com/eclipse/paho.mqtt.golang, github.com/gorilla/websocket, github.com/coder/websocket, golang.org/x, github.com/fxamacker/cbor, github.com/x448/float16;
	modules migrate: golang.org/x;
`

// rules is the parsed policy.
type rules struct {
	names    []string                   // every name that stands on a side of <
	below    map[string]map[string]bool // name -> names it may import, all the way down
	use      map[string][]string        // module or package -> names that may import it
	test     map[string][]string        // the same for tests only
	testNo   map[string][]string
	external map[string][]string
	modules  map[string][]string // package -> modules it may need
}

// parsePolicy reads the table. It refuses what it does not understand and a name used before it is introduced, which is
// also what keeps the order free of circles.
func parsePolicy(text string) (*rules, error) {
	r := &rules{
		below: map[string]map[string]bool{}, use: map[string][]string{}, test: map[string][]string{},
		testNo: map[string][]string{}, external: map[string][]string{}, modules: map[string][]string{},
	}
	var clean []string
	for line := range strings.Lines(text) {
		before, _, _ := strings.Cut(line, "#")
		clean = append(clean, before)
	}
	for statement := range strings.SplitSeq(strings.Join(clean, " "), ";") {
		statement = strings.TrimSpace(statement)
		if statement == "" {
			continue
		}
		if err := r.statement(statement); err != nil {
			return nil, fmt.Errorf("policy: %q: %w", statement, err)
		}
	}
	for _, table := range []map[string][]string{r.use, r.test, r.testNo, r.external} {
		for what, names := range table {
			if len(names) == 0 {
				return nil, fmt.Errorf("policy: %s: no package named", what)
			}
		}
	}
	return r, nil
}

func (r *rules) statement(s string) error {
	for _, form := range []struct {
		prefix string
		table  map[string][]string
	}{{"use ", r.use}, {"test no ", r.testNo}, {"test ", r.test}, {"external ", r.external}, {"modules ", r.modules}} {
		rest, ok := strings.CutPrefix(s, form.prefix)
		if !ok {
			continue
		}
		what, names, ok := strings.Cut(rest, ":")
		if !ok {
			return fmt.Errorf("no colon")
		}
		what = strings.TrimSpace(what)
		if _, twice := form.table[what]; twice {
			return fmt.Errorf("%s stands twice", what)
		}
		form.table[what] = fields(names)
		return nil
	}
	sides := strings.Split(s, "<")
	if len(sides) < 2 {
		return fmt.Errorf("neither an order nor a rule")
	}
	for i := 1; i < len(sides); i++ {
		lower, upper := fields(sides[i-1]), fields(sides[i])
		for _, name := range lower {
			if name != "NONE" && r.below[name] == nil {
				return fmt.Errorf("%s has not been introduced", name)
			}
		}
		for _, name := range upper {
			if r.below[name] == nil {
				r.below[name] = map[string]bool{}
				r.names = append(r.names, name)
			}
			for _, l := range lower {
				if l == name {
					return fmt.Errorf("%s stands below itself", name)
				}
				if l != "NONE" {
					r.below[name][l] = true
					maps.Copy(r.below[name], r.below[l])
				}
			}
		}
	}
	return nil
}

// fields splits a list by commas.
func fields(s string) []string {
	var list []string
	for f := range strings.SplitSeq(s, ",") {
		if f = strings.TrimSpace(f); f != "" {
			list = append(list, f)
		}
	}
	return list
}

// matches reports whether directory dir is meant by name.
func matches(name, dir string) bool {
	if name == "./..." {
		return true
	}
	if prefix, ok := strings.CutSuffix(name, "/*"); ok {
		return strings.HasPrefix(dir, prefix+"/")
	}
	return name == dir
}

// node returns the name of the order that stands for dir: the exact one, else the longest pattern, else "".
func (r *rules) node(dir string) string {
	best := ""
	for _, name := range r.names {
		if name == dir {
			return name
		}
		if matches(name, dir) && len(name) > len(best) {
			best = name
		}
	}
	return best
}

// anyMatch reports whether one of names means dir.
func anyMatch(names []string, dir string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return matches(name, dir) })
}

// isBelow reports whether imp is what, or a package below it.
func isBelow(what, imp string) bool { return imp == what || strings.HasPrefix(imp, what+"/") }

// longest returns the longest key of table that imp is at or below.
func longest(table map[string][]string, imp string) (string, bool) {
	best, found := "", false
	for what := range table {
		if isBelow(what, imp) && len(what) >= len(best) {
			best, found = what, true
		}
	}
	return best, found
}

// check says what is wrong with file f of directory dir importing imp, "" when nothing is.
func (r *rules) check(dir string, isTest, external bool, imp string) string {
	ours, inModule := strings.CutPrefix(imp, module+"/")
	std := !strings.Contains(strings.SplitN(imp, "/", 2)[0], ".")
	switch {
	case std:
		return ""
	case !isTest && inModule:
		from, to := r.node(dir), r.node(ours)
		if from == "" {
			return fmt.Sprintf("%s stands nowhere in the policy", dir)
		}
		if to == "" {
			return fmt.Sprintf("%s stands nowhere in the policy", ours)
		}
		if !r.below[from][to] {
			return fmt.Sprintf("%s may not import %s (allowed: %s)", dir, ours, strings.Join(slices.Sorted(maps.Keys(r.below[from])), ", "))
		}
		return ""
	case !isTest:
		what, ok := longest(r.use, imp)
		if !ok {
			return fmt.Sprintf("%s is not in the policy: no package may import it", imp)
		}
		if !anyMatch(r.use[what], dir) {
			return fmt.Sprintf("%s may not import %s (allowed in: %s)", dir, imp, strings.Join(r.use[what], ", "))
		}
		return ""
	}
	name := imp
	if inModule {
		name = ours
	}
	// What a test may never import. A facade's folder stands for what is below it, v2 as an import for v2 and below.
	if what, ok := longest(r.testNo, name); ok && anyMatch(r.testNo[what], dir) {
		return fmt.Sprintf("tests of %s may not import %s", dir, name)
	}
	if what, ok := longest(r.external, name); ok && anyMatch(r.external[what], dir) && !external {
		return fmt.Sprintf("only external tests (package x_test) of %s may import %s", dir, name)
	}
	if inModule {
		return ""
	}
	// Code under test may be handed what it uses, so a package's own modules are open to its tests.
	if what, ok := longest(r.use, imp); ok && anyMatch(r.use[what], dir) {
		return ""
	}
	if what, ok := longest(r.test, imp); ok && anyMatch(r.test[what], dir) {
		return ""
	}
	return fmt.Sprintf("tests of %s may not import %s", dir, imp)
}

func TestImportPolicy(t *testing.T) {
	r, err := parsePolicy(policy)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files(t) {
		if inBench(f.dir) {
			continue // another module: it compares peers and may import them
		}
		if !f.isTest && r.node(f.dir) == "" {
			t.Errorf("%s: directory %s stands nowhere in the policy of internal/archtest/policy_test.go", f.name, f.dir)
			continue
		}
		for _, imp := range f.imports() {
			if problem := r.check(f.dir, f.isTest, f.external(), imp); problem != "" {
				t.Errorf("%s: %s", f.name, problem)
			}
		}
	}
}

// TestModulesNeeded asks the go command for everything a package needs, to the last dependency of a dependency.
func TestModulesNeeded(t *testing.T) {
	r, err := parsePolicy(policy)
	if err != nil {
		t.Fatal(err)
	}
	dirs := packageDirs(t) // also ties go test's cache to the files of the tree
	for pkg, allowed := range r.modules {
		if !slices.Contains(dirs, pkg) {
			t.Errorf("policy names modules for %s, which has no Go files", pkg)
			continue
		}
		out, err := goCommand(root(), nil, "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./"+pkg)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, mod := range slices.Compact(slices.Sorted(strings.Lines(out))) {
			mod = strings.TrimSpace(mod)
			if mod == "" || mod == module || slices.ContainsFunc(allowed, func(a string) bool { return isBelow(a, mod) }) {
				continue
			}
			t.Errorf("%s needs module %s; the policy allows %s", pkg, mod, strings.Join(allowed, ", "))
		}
	}
}

// TestPolicyCatches shows that the policy refuses what ARCHITECTURE forbids: a checker that lets everything pass would
// pass the other tests too.
func TestPolicyCatches(t *testing.T) {
	r, err := parsePolicy(policy)
	if err != nil {
		t.Fatal(err)
	}
	m := module + "/"
	tests := []struct {
		name, dir, imp string
		test, external bool
		refused        bool
	}{
		{name: "std everywhere", dir: "internal/topic", imp: "net/http"},
		{name: "core imports its parts", dir: "v2", imp: m + "v2/internal/wire"},
		{name: "core imports a facade", dir: "v2", imp: m + "v1compat", refused: true},
		{name: "core imports logrus", dir: "v2", imp: "github.com/sirupsen/logrus", refused: true},
		{name: "a part imports the core", dir: "v2/internal/router", imp: m + "v2", refused: true},
		{name: "parts stand alone", dir: "v2/internal/router", imp: m + "v2/internal/wire", refused: true},
		{name: "wire imports the codec", dir: "v2/internal/wire", imp: "github.com/eclipse/paho.golang/packets"},
		{name: "core imports the codec", dir: "v2", imp: "github.com/eclipse/paho.golang/packets", refused: true},
		{name: "wire imports paho's client", dir: "v2/internal/wire", imp: "github.com/eclipse/paho.golang/paho", refused: true},
		{name: "iotlocal imports the core", dir: "iotlocal", imp: m + "v2", refused: true},
		{name: "iotlocal's test imports the core", dir: "iotlocal", imp: m + "v2", test: true, refused: true},
		{name: "the broker imports the codec", dir: "iotlocal/broker", imp: "github.com/eclipse/paho.golang/packets"},
		{name: "facade imports the core", dir: "v1compat", imp: m + "v2"},
		{name: "facade on facade", dir: "shadowcompat", imp: m + "v1compat"},
		{name: "facade imports iotlocal", dir: "v1compat", imp: m + "iotlocal", refused: true},
		{name: "facade imports its sibling", dir: "jobscompat", imp: m + "shadowcompat", refused: true},
		{name: "facade's test imports testify", dir: "v1compat", imp: "github.com/stretchr/testify/assert", test: true},
		{name: "core's test imports testify", dir: "v2", imp: "github.com/stretchr/testify/assert", test: true, external: true, refused: true},
		{name: "core's inner test imports iotlocal", dir: "v2", imp: m + "iotlocal", test: true, refused: true},
		{name: "core's outer test imports iotlocal", dir: "v2", imp: m + "iotlocal", test: true, external: true},
		{name: "core's outer test imports a facade", dir: "v2", imp: m + "v1compat", test: true, external: true, refused: true},
		{name: "the tool imports what it rewrites", dir: "migrate", imp: m + "v1compat", refused: true},
		{name: "the tool imports x/tools", dir: "migrate/collapse", imp: "golang.org/x/tools/go/analysis"},
		{name: "an unknown module", dir: "v2", imp: "example.com/x", refused: true},
		{name: "an unknown folder", dir: "newthing", imp: m + "v2", refused: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			problem := r.check(tt.dir, tt.test, tt.external, tt.imp)
			if (problem != "") != tt.refused {
				t.Errorf("%s importing %s: %q, want refused %v", tt.dir, tt.imp, problem, tt.refused)
			}
		})
	}
}

func TestParsePolicyErrors(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"not introduced", "a < b;", "a has not been introduced"},
		{"circle", "NONE < a; a < a;", "stands below itself"},
		{"no colon", "use x;", "no colon"},
		{"nonsense", "hello;", "neither"},
		{"twice", "use x: a; use x: b;", "twice"},
		{"nobody", "use x: ;", "no package named"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := parsePolicy(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("parsePolicy(%q) = %v, want an error with %q", tt.text, err, tt.want)
			}
		})
	}
}
