package migrate

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// systemPrograms are packages that look different on Windows.
var systemPrograms = map[string]string{
	"field/main.go": `package main

import "github.com/portage-iot/awsiot/v1compat"

type app struct{ conn *v1compat.AWSIoTMQTTClient }

func main() {
	a := app{conn: v1compat.NewAWSIoTMQTTClient("a")}
	a.conn.Connect()
	a.system()
}
`,
	"field/main_windows.go": `package main

func (a app) system() { a.conn.Publish("windows", nil, 0) }
`,
	"field/main_other.go": `//go:build !windows

package main

func (a app) system() { a.conn.Disconnect() }
`,
	"field/tool.go": `//go:build ignore

package main

var conn = 1
`,
	"holder/main.go": `package main

import "github.com/portage-iot/awsiot/v1compat"

type holder interface {
	Publish(topic string, payload any, qos byte) (bool, error)
}

type impl struct{ *v1compat.AWSIoTMQTTClient }

func main() {
	i := impl{v1compat.NewAWSIoTMQTTClient("i")}
	i.Connect()
}
`,
	"holder/main_windows.go": "package main\n\nvar _ holder = impl{}\n",
}

// TestSystems: a file that only Windows compiles uses a field. With its system named it is rewritten along; without,
// the unit is left, and `//go:build ignore` does not count. A rewrite that compiles for the first system and not for the
// second is taken back.
func TestSystems(t *testing.T) {
	dir := newModule(t, maps.Clone(systemPrograms))
	tests := []struct {
		goos          []string
		field, holder string // the reason that leaves the unit; "": it is rewritten
		files         []string
	}{
		{[]string{"linux"}, "build constraints exclude this file, and it mentions conn", "", []string{"holder/main.go"}},
		{[]string{"linux", "windows"}, "", "(GOOS=windows)", []string{"field/main.go", "field/main_other.go", "field/main_windows.go"}},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.goos, ","), func(t *testing.T) {
			res, err := Run(t.Context(), Config{Dir: dir, Patterns: []string{"./..."}, GOOS: tt.goos})
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for name := range res.Files {
				names = append(names, relative(res.Dir, name))
			}
			slices.Sort(names)
			if len(res.Units) != 2 || !slices.Equal(names, tt.files) {
				t.Fatalf("%d units, files %v, want %v", len(res.Units), names, tt.files)
			}
			for _, u := range res.Units {
				want := map[string]string{"field": tt.field, "holder": tt.holder}[filepath.Base(filepath.Dir(u.Pos.Filename))]
				if u.Rewritten != (want == "") || want != "" && !strings.Contains(u.Reasons[0].Text, want) {
					t.Errorf("%s: rewritten %v, %+v, want %q", u.Pos, u.Rewritten, u.Reasons, want)
				}
			}
		})
	}
}
