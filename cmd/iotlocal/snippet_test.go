package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var (
	withTLS = address{Host: "localhost", TLSPort: 8883, TCPPort: -1, CAFile: "/d/ca.pem", CertFile: "/d/x.pem", KeyFile: "/d/x.key", ClientID: "x"}
	withTCP = address{Host: "localhost", TLSPort: 8883, TCPPort: 1883, CAFile: "/d/ca.pem", ClientID: "x"}
	// odd is what a path and a shell may make of names.
	odd = address{Host: "localhost", TLSPort: 8883, TCPPort: -1, CAFile: "/it's \"$HOME\" <&>/ca.pem", CertFile: `/back\slash/x.pem`, KeyFile: "/ünï/x.key", ClientID: "a:b"}
)

func TestSnippets(t *testing.T) {
	for k := kindGo; k <= kindNode; k++ {
		for name, a := range map[string]address{"tls": withTLS, "tcp": withTCP} {
			for _, s := range k.snippets() {
				t.Run(s.name+" "+name, func(t *testing.T) {
					code, err := s.text(a)
					if err != nil {
						t.Fatal(err)
					}
					if strings.Contains(code, "1883") != (name == "tcp") || strings.Contains(code, "8883") != (name == "tls") || strings.Contains(code, "x.key") != (name == "tls") {
						t.Errorf("wrong transport:\n%s", code)
					}
				})
			}
		}
		if len(k.snippets()) == 0 {
			t.Errorf("no snippet of kind %v", k)
		}
		for _, s := range k.snippets() {
			none, off := withTLS, withTLS
			none.CertFile, off.TLSPort = "", -1
			if _, err := s.text(none); err == nil || !strings.Contains(err.Error(), "-thing") {
				t.Errorf("%s: error %v, want advice to give -thing", s.name, err)
			}
			if _, err := s.text(off); err == nil || !strings.Contains(err.Error(), "both are off") {
				t.Errorf("%s: error %v", s.name, err)
			}
		}
	}
	if n := len(kindNone.snippets()); n != 0 {
		t.Errorf("%d snippets of no kind", n)
	}
}

// The Go programs compile against this module: in one run of the go command, as packages that are nowhere but in an overlay.
func TestGoSnippetsCompile(t *testing.T) {
	dir, args := t.TempDir(), []string{"list", "-export", "-f", "{{.Export}}"} // compiles, and links nothing
	replace := map[string]string{}
	for i, s := range kindGo.snippets() {
		for name, a := range map[string]address{"tls": withTLS, "tcp": withTCP, "odd": odd} {
			code, err := s.text(a)
			if err != nil {
				t.Fatal(err)
			}
			pkg := fmt.Sprint("snippet", i, name)
			file := filepath.Join(dir, pkg+".go")
			if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
				t.Fatal(err)
			}
			at, err := filepath.Abs(filepath.Join(pkg, "main.go"))
			if err != nil {
				t.Fatal(err)
			}
			replace[at] = file
			args = append(args, "./"+pkg)
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		t.Fatal(err)
	}
	args = slices.Insert(args, 2, "-overlay="+overlay)
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestQuotes(t *testing.T) {
	for in, want := range map[string][2]string{
		"plain":        {`'plain'`, `"plain"`},
		`it's "$x"`:    {`'it'\''s "$x"'`, `"it's \"$x\""`},
		"a\nb\\<&>":    {"'a\nb\\<&>'", `"a\nb\\<&>"`},
		"\u2028\u00fc": {"'\u2028\u00fc'", "\"\\u2028\u00fc\""},
	} {
		js, err := scriptQuote(in)
		if got := [2]string{shellQuote(in), js}; got != want || err != nil {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
}
