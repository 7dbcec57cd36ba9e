package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/tools/go/analysis/unitchecker"
)

// tool is the program, built once for the tests that hand it to the go command or to another driver. TestMain removes it.
var tool = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "iotmigrate-tool-")
	if err != nil {
		return "", err
	}
	toolDir = dir
	path := filepath.Join(dir, "iotmigrate")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
})

var toolDir string

// vetPackage is what a driver knows of a package.
type vetPackage struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
	ImportMap               map[string]string
	DepOnly                 bool
}

// vetFiles are a module with two packages, and a stand-in of v1compat that imports nothing: a driver has to hand over every
// dependency, and the analyzer knows the API by its path and names.
var vetFiles = map[string]string{
	"go.mod":      "module example.com/device\n\ngo 1.26\n\nrequire github.com/portage-iot/awsiot v0.0.0\n\nreplace github.com/portage-iot/awsiot => ./stub\n",
	"stub/go.mod": "module github.com/portage-iot/awsiot\n\ngo 1.26\n",
	"stub/v1compat/v1compat.go": `package v1compat

type AWSIoTMQTTClient struct{}

type ClientOption func()

func NewAWSIoTMQTTClient(id string, opts ...ClientOption) *AWSIoTMQTTClient { return nil }

func (*AWSIoTMQTTClient) ConfigureEndpoint(host string, port int) {}

func (*AWSIoTMQTTClient) Connect(keepAlive ...int) error { return nil }
`,
	"lib/lib.go": `package lib

import "github.com/portage-iot/awsiot/v1compat"

// New is used by another package.
func New() *v1compat.AWSIoTMQTTClient { return v1compat.NewAWSIoTMQTTClient("lib") }
`,
	"main.go": `package main

import (
	"example.com/device/lib"
	"github.com/portage-iot/awsiot/v1compat"
)

func main() {
	lib.New().Connect()
	c := v1compat.NewAWSIoTMQTTClient("main")
	c.ConfigureEndpoint("localhost", 8883)
	c.Connect()
}
`,
}

// TestUnitChecker drives the program as go vet and Bazel's nogo do: a .cfg file for each package, with the export data and
// the facts of what it imports, in an environment without the go command. Dependencies come first, and only for their facts.
func TestUnitChecker(t *testing.T) {
	path, err := tool()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range vetFiles {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	packages := vetList(t, dir)
	exports := map[string]string{}
	for _, p := range packages {
		exports[p.ImportPath] = p.Export
	}
	facts := map[string]string{}
	said := map[string]string{}
	for _, p := range packages {
		imports := maps.Clone(p.ImportMap)
		if imports == nil {
			imports = map[string]string{}
		}
		for dep := range exports {
			if imports[dep] == "" {
				imports[dep] = dep
			}
		}
		out := filepath.Join(dir, strings.ReplaceAll(p.ImportPath, "/", "_")+".vetx")
		var files []string
		for _, f := range p.GoFiles {
			files = append(files, filepath.Join(p.Dir, f))
		}
		cfg, err := json.Marshal(unitchecker.Config{ID: p.ImportPath, Compiler: "gc", Dir: p.Dir, ImportPath: p.ImportPath, GoFiles: files, GoVersion: "go1.26",
			ImportMap: imports, PackageFile: exports, PackageVetx: maps.Clone(facts), VetxOnly: p.DepOnly, VetxOutput: out})
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, "unit.cfg")
		if err := os.WriteFile(name, cfg, 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), path, name)
		cmd.Dir, cmd.Env = dir, []string{"PATH=/nowhere", "HOME=/nowhere"}
		var errs bytes.Buffer
		cmd.Stderr = &errs
		err = cmd.Run()
		if e, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || e.ExitCode() != 1 || errs.Len() == 0) {
			t.Fatalf("%s: %v\n%s", p.ImportPath, err, errs.Bytes())
		}
		if _, err := os.Stat(out); err != nil {
			t.Errorf("%s: no facts: %v", p.ImportPath, err)
		}
		facts[p.ImportPath] = out
		said[p.ImportPath] = errs.String()
	}
	for _, want := range []struct{ pkg, text string }{
		{"example.com/device/lib", "the client can be reached from other packages through New"},
		{"example.com/device", "main.go:10:7: v1 client c: iotmigrate fix can rewrite it"},
	} {
		if !strings.Contains(said[want.pkg], want.text) {
			t.Errorf("%s: no %q in\n%s", want.pkg, want.text, said[want.pkg])
		}
	}
	if text, ok := said["github.com/portage-iot/awsiot/v1compat"]; !ok || text != "" {
		t.Errorf("the dependency is reported: %t, %q", ok, text)
	}
}

// TestVetHandshake: what the go command asks of a vet tool before it uses it.
func TestVetHandshake(t *testing.T) {
	path, err := tool()
	if err != nil {
		t.Fatal(err)
	}
	version, err := exec.CommandContext(t.Context(), path, "-V=full").Output()
	if f := strings.Fields(string(version)); err != nil || len(f) < 3 || f[1] != "version" || !strings.Contains(string(version), "buildID=") {
		t.Errorf("-V=full: %q, %v", version, err)
	}
	flags, err := exec.CommandContext(t.Context(), path, "-flags").Output()
	var list []struct{ Name string }
	if e := json.Unmarshal(flags, &list); err != nil || e != nil || len(list) == 0 {
		t.Errorf("-flags: %v, %v\n%s", err, e, flags)
	}
}

// vetList asks the go command for all packages, dependencies first.
func vetList(t *testing.T, dir string) []vetPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,ImportMap,DepOnly", "./...")
	cmd.Dir = dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, errs.Bytes())
	}
	var list []vetPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p vetPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

// TestVetFrom: the flag of the analyzer, under the name that go vet gives it, chooses code on paho.
func TestVetFrom(t *testing.T) {
	path, err := tool()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":       "module example.com/device\n\ngo 1.26\n\nrequire github.com/eclipse/paho.mqtt.golang v1.5.1\n\nreplace github.com/eclipse/paho.mqtt.golang => ./stub\n",
		"stub/go.mod":  "module github.com/eclipse/paho.mqtt.golang\n\ngo 1.26\n",
		"stub/mqtt.go": "package mqtt\n\ntype Client interface{ Disconnect(quiesce uint) }\n\ntype ClientOptions struct{}\n\nfunc NewClientOptions() *ClientOptions { return nil }\n\nfunc NewClient(*ClientOptions) Client { return nil }\n",
		"main.go":      "package main\n\nimport mqtt \"github.com/eclipse/paho.mqtt.golang\"\n\nfunc main() {\n\tc := mqtt.NewClient(mqtt.NewClientOptions())\n\tc.Disconnect(250)\n}\n",
	} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for flag, want := range map[string]string{"": "", "-iotmigrate.from=paho": "paho client c: iotmigrate fix can rewrite it", "-iotmigrate.from=nobody": "want v1 or paho"} {
		args := []string{"vet", "-vettool=" + path}
		if flag != "" {
			args = append(args, flag)
		}
		cmd := exec.CommandContext(t.Context(), "go", append(args, "./...")...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if (err == nil) != (want == "") || !strings.Contains(string(out), want) {
			t.Errorf("%q: %v\n%s", flag, err, out)
		}
	}
}
