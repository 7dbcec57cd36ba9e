package examples_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The import lines between which a program moves.
const (
	pahoImport = `mqtt "github.com/eclipse/paho.mqtt.golang"`
	ourImport  = `mqtt "github.com/portage-iot/awsiot/pahocompat"`
)

// pahoStyle are the programs on paho's API, as they stand here.
var pahoStyle = map[string]*example{
	"pubsub": program("paho-style/pubsub"), "shadow": program("paho-style/shadow"), "gateway": program("paho-style/gateway"),
}

// onPaho makes the same program with the other import line. Nothing but that line is changed.
func onPaho(t *testing.T, name string) *example {
	t.Helper()
	dir := filepath.Join("paho-style", name)
	main, err := filepath.Abs(filepath.Join(dir, "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(main)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), ourImport); n != 1 {
		t.Fatalf("%s has %d import lines to change", main, n)
	}
	other := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(other, []byte(strings.Replace(string(text), ourImport, pahoImport, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {main: other}})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(t.TempDir(), "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(binaries, name+"-on-paho.exe")
	return &example{dir: dir + " on paho", bin: func() string { return bin },
		build: sync.OnceValue(func() error { return goBuild(bin, "-overlay", list, "./"+filepath.ToSlash(dir)) })}
}

// TestPahoPrograms runs each program unchanged with both import lines, and on pahocompat with every engine. They print the same.
func TestPahoPrograms(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		args []string
		want []string
	}{
		{"pubsub", []string{"-n", "2", "-interval", "1ms", "-t", "a/b"}, []string{
			"subscribed to a/b",
			`received {"message": "Hello World!", "sequence": 0} from a/b`,
			`received {"message": "Hello World!", "sequence": 1} from a/b`,
		}},
		{"shadow", []string{"-n", "2", "-interval", "1ms"}, []string{
			"desired temperature 20", "reported temperature 20", "desired temperature 21", "reported temperature 21",
		}},
		{"gateway", []string{"-n", "40", "-interval", "1ms"}, []string{"40 readings, sum of the results 1560"}},
	} {
		for _, run := range []struct {
			name string
			e    *example
			env  []string
		}{
			{"paho.mqtt.golang", onPaho(t, tt.name), nil},
			{"pahocompat", pahoStyle[tt.name], nil},
			{"pahocompat, v2", pahoStyle[tt.name], []string{"PORTAGE_PAHO_ENGINE=v2"}},
			{"pahocompat, paho", pahoStyle[tt.name], []string{"PORTAGE_PAHO_ENGINE=paho"}},
		} {
			t.Run(tt.name+"/"+run.name, func(t *testing.T) {
				p := run.e.start(t, run.env, tt.args...)
				if status := p.wait(t); status != 0 || p.stderr.Len() > 0 {
					t.Errorf("status %d, stderr:\n%s", status, &p.stderr)
				}
				if got := p.said(); !slices.Equal(got, tt.want) {
					t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
				}
			})
		}
	}
}
