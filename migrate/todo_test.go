package migrate

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/migrate/unit"
)

// todoProgram has two clients, and places that hold back one or both.
const todoProgram = `package main

import (
	"errors"

	"github.com/portage-iot/awsiot/v1compat"
)

func main() {
	c := v1compat.NewAWSIoTMQTTClient("c")
	f := c.Connect
	f()
	c.Publish("a", "b", 2)
	d := v1compat.NewAWSIoTMQTTClient("d")
	var silent *v1compat.ConnectTimeoutError
	if errors.As(d.Connect(), &silent) {
		d.Disconnect()
	}
}
`

// TestTodo: comments stand above the lines that block, and a second run adds none.
func TestTodo(t *testing.T) {
	c := shared(t, "todo")
	res := c.plan(t, Config{Todo: true})
	name := filepath.Join(c.dir, "todo", "main.go")
	text := string(res.Files[name].New)
	for _, want := range []string{
		"\t// iotmigrate: the method value Connect is used without a call (" + link("method-values") + ")\n\tf := c.Connect\n",
		"\t// iotmigrate: QoS 2 has no v2 form; AWS IoT Core refuses it (" + link("qos2") + ")\n\tc.Publish(",
		"\t// iotmigrate: its error may reach the check for ConnectTimeoutError in main, which has no v2 form that means the same (" + link("v1-errors") + ")\n\tif errors.As",
	} {
		if strings.Count(text, want) != 1 {
			t.Errorf("not once: %q in\n%s", want, text)
		}
	}
	if n := strings.Count(text, todoMark); n != 3 {
		t.Errorf("%d comments, want 3 in\n%s", n, text)
	}
	// The second run, on what the first has made: the same reasons, in the lines where they stand now.
	files := map[string][]byte{name: res.Files[name].New}
	in, err := c.set.recheck(c.set.pkgs[0], files)
	if err != nil {
		t.Fatal(err)
	}
	ck := &checker{sets: []*set{c.set}, src: &source{overlay: files, read: map[string][]byte{}}}
	reasons := 0
	again := &unit.Unit{Edits: map[string]*unit.FileEdits{}}
	for _, u := range v1Rules().analyzeOne(*in) {
		for _, r := range u.Reasons {
			reasons++
			if err := ck.mark(again, r); err != nil {
				t.Fatal(err)
			}
		}
	}
	if reasons != 3 || len(again.Edits) != 0 {
		t.Errorf("the second run has %d reasons and changes %d files", reasons, len(again.Edits))
	}
}
