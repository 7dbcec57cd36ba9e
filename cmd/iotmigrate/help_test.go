package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestHelp: each command can be used by who reads its help alone: it begins with the form of the call, has examples and the
// exit statuses, goes to standard output when it is asked for, and no line of its own is wider than a page.
func TestHelp(t *testing.T) {
	for _, c := range commands {
		t.Run(c.name, func(t *testing.T) {
			var out, again, errs bytes.Buffer
			if code := run(t.Context(), []string{c.name, "-h"}, &out, &errs); code != exitDone || errs.Len() > 0 {
				t.Errorf("status %d, stderr %q", code, errs.String())
			}
			if code := run(t.Context(), []string{"help", c.name}, &again, &errs); code != exitDone || again.String() != out.String() {
				t.Errorf("help %s: status %d, and not the same text", c.name, code)
			}
			text, flags, ok := strings.Cut(out.String(), "\nflags:\n")
			if !ok || len(flags) == 0 {
				t.Error("no flags")
			}
			for _, want := range []string{"usage: iotmigrate " + c.name, "\nExit status: 0 ", " iotmigrate " + c.name} {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
			if strings.Count(text, "iotmigrate "+c.name) < 2 {
				t.Error("no example")
			}
			for line := range strings.Lines(text) {
				if len(line) > 130 && !strings.HasPrefix(line, "\t") { // the list of what is not compared
					t.Errorf("%d columns: %s", len(line), line)
				}
			}
		})
	}
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"help"}, &out, &errs); code != exitDone || !strings.Contains(out.String(), "iotmigrate check ./...") {
		t.Errorf("help: status %d\n%s", code, &out)
	}
	if code := run(t.Context(), []string{"help", "nothing"}, &out, &errs); code != exitError || !strings.Contains(errs.String(), "nothing") {
		t.Errorf("help of nothing: status %d, %s", code, &errs)
	}
}
