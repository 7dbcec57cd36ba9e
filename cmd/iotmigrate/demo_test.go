package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/cmd/iotmigrate/internal/wirediff"
	"github.com/portage-iot/awsiot/migrate"
)

// offline keeps the go command of the demo from the network: all it needs is in the module cache.
var offline = []string{"GOPROXY=off"}

// inEmptyTemp gives the test a directory for temporary files and checks that none are left.
func inEmptyTemp(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("TMP", dir)
	t.Cleanup(func() {
		left, err := os.ReadDir(dir)
		if err != nil {
			t.Error(err)
		}
		for _, e := range left {
			t.Errorf("left behind: %s", e.Name())
		}
	})
}

// TestDemo runs it outside of the checkout.
func TestDemo(t *testing.T) {
	inEmptyTemp(t)
	t.Chdir(t.TempDir())
	var out bytes.Buffer
	d := demonstration{out: &out, env: offline}
	ok, err := d.run(t.Context())
	if err != nil || !ok {
		t.Fatalf("ok %v, %v\n%s", ok, err, &out)
	}
	for _, want := range []string{
		"   1 → CONNECT MQTT 5 client \"basicPubSub\"",
		"-\tclient := v1compat.NewAWSIoTMQTTClient(target.ClientID)\n",
		"+\tclient := awsiot.NewClient(opts)\n",
		"PUBLISH sent       4     4     4\n",
		"call sites rewritten     14\ncall sites left           0\npackets equal            12 of 12\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "\x1b[") {
		t.Error("colours, but not on a terminal")
	}
}

// TestVerdict: each half of the demo's claim can fail alone.
func TestVerdict(t *testing.T) {
	unit := func(rewritten bool) *migrate.Result {
		return &migrate.Result{Units: []*migrate.Unit{{Rewritten: rewritten, Sites: make([]migrate.Site, 3)}}}
	}
	equal := &wirediff.Result{}
	differs := &wirediff.Result{Differences: []wirediff.Difference{{Kind: wirediff.Sent, Topic: "a/b"}}}
	tests := []struct {
		name       string
		res        *migrate.Result
		cmp        *wirediff.Result
		sameOutput bool
		ok         bool
		want       string
	}{
		{"all well", unit(true), equal, true, true, "Every call site was rewritten"},
		{"call sites left", unit(false), equal, true, false, "FAILED: not every call site was rewritten"},
		{"nothing rewritten", &migrate.Result{}, equal, true, false, "FAILED: not every call site was rewritten"},
		{"packets", unit(true), differs, true, false, `PUBLISH sent "a/b"`},
		{"lines", unit(true), equal, false, false, "print different lines"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			d := demonstration{out: &out}
			if ok := d.verdict(tt.res, tt.cmp, tt.sameOutput); ok != tt.ok || !strings.Contains(out.String(), tt.want) {
				t.Errorf("%v, want %v and %q in\n%s", ok, tt.ok, tt.want, &out)
			}
		})
	}
}

func TestDemoErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"argument", []string{"x"}, exitError, `unexpected argument "x"`},
		{"flag", []string{"-x"}, exitError, "not defined: -x"},
		{"help", []string{"-h"}, exitDone, "usage: iotmigrate demo"},
	} {
		var out, errs bytes.Buffer
		if code := demo(t.Context(), tt.args, &out, &errs); code != tt.code || !strings.Contains(errs.String(), tt.want) || out.Len() > 0 {
			t.Errorf("%s: exit %d, want %d and %q\n%s%s", tt.name, code, tt.code, tt.want, &out, &errs)
		}
	}
	t.Run("interrupted", func(t *testing.T) {
		inEmptyTemp(t)
		ctx, cancel := context.WithCancel(t.Context())
		// The first line of the demo is out: now Ctrl-C.
		d := demonstration{out: writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil }), env: offline}
		if ok, err := d.run(ctx); ok || !errors.Is(err, context.Canceled) {
			t.Errorf("ok %v, %v", ok, err)
		}
	})
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestMutate(t *testing.T) {
	src := "package main\n\nvar a, b = \"Hello\", `{\"Hello\": 1}`\n"
	got, err := mutate([]byte(src))
	if want := "package main\n\nvar a, b = \"Hello\", `{\"hello\": 1}`\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if _, err := mutate([]byte("package main\n")); !errors.Is(err, errNothingToMutate) {
		t.Errorf("nothing to mutate: %v", err)
	}
	if _, err := mutate([]byte("package")); err == nil {
		t.Error("no error for what is not Go")
	}
}

func TestSourceDir(t *testing.T) {
	dir, err := sourceDir(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if here, err := filepath.Abs("../.."); err != nil || dir != here {
		t.Errorf("sourceDir() = %s, want %s (%v)", dir, here, err)
	}
	for _, no := range []string{"", ".", t.TempDir(), filepath.Join(dir, "bench")} {
		if isSource(no) {
			t.Errorf("isSource(%q)", no)
		}
	}
}
