package main

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/cmd/iotmigrate/internal/replay"
	"github.com/portage-iot/awsiot/migrate"
)

// pahoPath is the import path of paho.mqtt.golang.
const pahoPath = "github.com/eclipse/paho.mqtt.golang"

// addPaho takes the programs of testdata/paho, and those of examples/paho-style with paho's import line, on the way to a target.
func (c *corpus) addPaho(t *testing.T, to migrate.Target, whole bool) {
	t.Helper()
	own, err := filepath.Glob("testdata/paho/*.go")
	if err != nil || len(own) < 12 {
		t.Fatalf("%d programs, %v", len(own), err)
	}
	for _, name := range own {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		c.addProgram(t, strings.TrimSuffix(filepath.Base(name), ".go"), src, to, whole)
	}
	examples, err := filepath.Glob("../../examples/paho-style/*/main.go")
	if err != nil || len(examples) == 0 {
		t.Fatal("no examples", err)
	}
	for _, name := range examples {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		flags := "// verify: -thing pahoExample -args '" + replay.DefaultArgs + " -n 3 -interval 1ms'\n"
		src = bytes.ReplaceAll(src, []byte(modulePath()+"/pahocompat"), []byte(pahoPath))
		c.addProgram(t, "example_"+path.Base(path.Dir(filepath.ToSlash(name))), append([]byte(flags), src...), to, whole)
	}
}

// addProgram takes one program.
func (c *corpus) addProgram(t *testing.T, name string, src []byte, to migrate.Target, whole bool) {
	t.Helper()
	o, err := programOptions(src)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if !bytes.Contains(src, []byte(`"`+pahoPath+`"`)) {
		t.Fatalf("%s does not import paho.mqtt.golang", name)
	}
	c.programs = append(c.programs, &corpusProgram{name: "paho_" + to.String() + "_" + name, o: o, whole: whole, from: migrate.FromPaho, to: to,
		files: func(string) (map[string][]byte, error) { return map[string][]byte{"main.go": src}, nil }})
}

// verifyPaho holds a program on paho.mqtt.golang against the same on pahocompat, as a user does: MQTT 3.1.1 and 5 say the same by
// the rules that verify names.
func (c *corpus) verifyPaho(t *testing.T) {
	t.Helper()
	bin := filepath.Join(c.m.dir, "bin")
	for _, tt := range []struct {
		name, program string
		status        int
		say           string
	}{
		{"thing over TLS", "PROGRAM=paho_dropin_thing", exitDone, "The programs say the same on the wire."},
		{"filters of a map", "PROGRAM=paho_dropin_routes", exitDone, "The programs say the same on the wire."},
	} {
		var out, errs bytes.Buffer
		status := verify(t.Context(), []string{"-env", tt.program, "-args", corpusArgs, filepath.Join(bin, "before"), filepath.Join(bin, "after")}, &out, &errs)
		if status != tt.status || !strings.Contains(out.String(), tt.say) {
			t.Errorf("%s: status %d\n%s%s", tt.name, status, &out, &errs)
		}
	}
}
