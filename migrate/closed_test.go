package migrate

import (
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/internal/testsize"
)

// closedModule has a package that only the packages under svc can import: its users in cmd move with it.
var closedModule = map[string]string{
	"svc/internal/conn/conn.go": `// Package conn makes the client.
package conn

import "github.com/portage-iot/awsiot/v1compat"

// Device has a client.
type Device struct{ Client *v1compat.AWSIoTMQTTClient }

// New makes a device.
func New(id string) *Device {
	d := &Device{Client: v1compat.NewAWSIoTMQTTClient(id)}
	d.Client.ConfigureEndpoint("localhost", 1883)
	return d
}
`,
	"svc/cmd/one/main.go": `package main

import "golden/svc/internal/conn"

func main() {
	d := conn.New("one")
	if err := d.Client.Connect(); err != nil {
		panic(err)
	}
	d.Client.Publish("t", "x", 1)
}
`,
	"svc/cmd/two/main.go": `package main

import (
	"fmt"

	"golden/svc/internal/conn"
)

func main() {
	c := conn.New("two").Client
	fmt.Println(c.Connect(), c.Disconnect())
}
`,
	"other/other.go": "package other\n",
}

// TestClosed: what a package in an internal directory exports moves when all that can use it is in the run, and keeps its
// type otherwise. Each case loads a module three times; all but the first four run where testsize.Large is set.
func TestClosed(t *testing.T) {
	add := func(name, text string) func(map[string]string) { return func(m map[string]string) { m[name] = text } }
	use := "import \"golden/svc/internal/conn\"\n\nvar D = conn.New(\"d\")\n"
	for i, tt := range []struct {
		name     string
		patterns []string
		change   func(map[string]string)
		want     string // the declaration of the field in the end
		left     bool
	}{
		{name: "all users", patterns: []string{"./svc/..."}, want: "*awsiot.Client"},
		{name: "all of the module", patterns: []string{"./..."}, want: "*awsiot.Client"},
		{name: "a user is not in the run", patterns: []string{"./svc/internal/...", "./svc/cmd/one"}, want: "*v1compat.AWSIoTMQTTClient", left: true},
		{name: "the package is not in the run", patterns: []string{"./svc/cmd/..."}, want: "*v1compat.AWSIoTMQTTClient", left: true},
		{name: "a user in a module below", patterns: []string{"./svc/..."}, want: "*v1compat.AWSIoTMQTTClient", left: true,
			change: func(m map[string]string) {
				m["svc/tool/go.mod"] = "module golden/svc/tool\n"
				m["svc/tool/main.go"] = "package main\n\n" + use
			}},
		{name: "a user for another system", patterns: []string{"./svc/..."}, want: "*v1compat.AWSIoTMQTTClient", left: true,
			change: add("svc/cmd/one/one_windows.go", "package main\n\n"+use+"\nvar E = D.Client\n")},
		{name: "a user that is left", patterns: []string{"./svc/..."}, want: "*v1compat.AWSIoTMQTTClient", left: true,
			change: add("svc/cmd/two/main.go", "package main\n\nimport \"golden/svc/internal/conn\"\n\nfunc main() { d := *conn.New(\"d\").Client; _ = d }\n")},
		{name: "no internal directory", patterns: []string{"./..."}, want: "*v1compat.AWSIoTMQTTClient", left: true,
			change: func(m map[string]string) {
				for name, text := range m {
					delete(m, name)
					m[strings.Replace(name, "internal/", "", 1)] = strings.ReplaceAll(text, "internal/", "")
				}
			}},
	} {
		if i >= 4 && !testsize.Large {
			break
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files := maps.Clone(closedModule)
			if tt.change != nil {
				tt.change(files)
			}
			dir := newModule(t, files)
			conf := Config{Dir: dir, Patterns: tt.patterns, Bridges: true, Mode: Fix, Force: true}
			res, err := Run(t.Context(), conf)
			if err != nil {
				t.Fatal(err)
			}
			if res.Left() != tt.left {
				var text strings.Builder
				t.Errorf("Left is %v, want %v (%v):\n%s", res.Left(), tt.left, res.WriteText(&text), text.String())
			}
			name := filepath.Join(dir, "svc", "internal", "conn", "conn.go")
			if tt.name == "no internal directory" {
				name = filepath.Join(dir, "svc", "conn", "conn.go")
			}
			text, err := (&source{read: map[string][]byte{}}).file(name)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), "Client "+tt.want+" }") {
				t.Errorf("want a field of type %s:\n%s", tt.want, text)
			}
			build := exec.Command("go", "list", "-export", "-f", "{{.Export}}", "./...") // compiles, and links no program
			build.Dir = dir
			if msg, err := build.CombinedOutput(); err != nil {
				t.Errorf("the rewritten module does not build: %v\n%s", err, msg)
			}
			again, err := Run(t.Context(), conf)
			if err != nil {
				t.Fatal("second run:", err)
			}
			if len(again.Files) > 0 {
				t.Errorf("the second run changes files:\n%s", again.Diff())
			}
		})
	}
}
