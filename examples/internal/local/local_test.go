package local_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/examples/internal/local"
)

var defaults = local.Target{ClientID: "id", Topic: "topic", Thing: "thing"}

func TestParse(t *testing.T) {
	target, err := local.Parse(defaults, strings.Fields("-e host -r ca -c cert -k key -p 1 -id me -t a/b -thing lamp -n 3 -interval 1ms"), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	if target.Endpoint != "host" || target.Port != 1 || target.CA != "ca" || target.Cert != "cert" || target.Key != "key" ||
		target.ClientID != "me" || target.Topic != "a/b" || target.Thing != "lamp" || target.Count != 3 || target.Interval != time.Millisecond {
		t.Errorf("%+v", target)
	}
	n := 0
	for target.More(n) {
		n++
	}
	if n != 3 {
		t.Errorf("%d messages", n)
	}
}

// A program that provisions gets a claim, and has flags of its own.
func TestProvisioningTarget(t *testing.T) {
	target, err := local.Parse(local.Target{ClientID: "id", Thing: "thing", Template: "fleet"}, strings.Fields("-template lamps -out dir"), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	if target.Template != "lamps" || target.Out != "dir" || !strings.HasSuffix(target.Cert, "lamps.claim.pem") {
		t.Errorf("%+v", target)
	}
	if _, err := local.Parse(defaults, []string{"-template", "x"}, &bytes.Buffer{}); !errors.Is(err, local.ErrUsage) {
		t.Errorf("-template of another program: %v", err)
	}
}

func TestParseLongNames(t *testing.T) {
	target, err := local.Parse(defaults, strings.Fields("--endpoint host --ca ca --cert cert --key key"), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	if target.Port != 8883 || target.Count != 0 || target.Interval != time.Second {
		t.Errorf("%+v", target)
	}
}

func TestParseErrors(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"-e host", "missing credentials"},
		{"-e host -r ca -c cert", "missing credentials"},
		{"-ca ca", "need -endpoint"},
		{"-p 1", "need -endpoint"},
		{"extra", `unexpected argument "extra"`},
		{"-n x", "invalid value"},
		{"-w", "not defined"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			var out bytes.Buffer
			_, err := local.Parse(defaults, strings.Fields(tt.args), &out)
			if !errors.Is(err, local.ErrUsage) || !strings.Contains(out.String(), tt.want) {
				t.Errorf("%v, %s", err, out.String())
			}
		})
	}
	var help bytes.Buffer
	if _, err := local.Parse(defaults, []string{"-h"}, &help); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
	// Numbers that stand for "not given" are no defaults to show.
	if strings.Contains(help.String(), "default -") || !strings.Contains(help.String(), "(default 5 without -endpoint, else 0)") {
		t.Errorf("-h says\n%s", help.String())
	}
}

func TestServerInProcess(t *testing.T) {
	target, err := local.Parse(defaults, nil, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	if target.Count != 5 || target.Port == 0 {
		t.Errorf("%+v", target)
	}
	for _, f := range []string{target.CA, target.Cert, target.Key} {
		if _, err := os.Stat(f); err != nil {
			t.Error(err)
		}
	}
	target.Close()
	target.Close()
	if _, err := os.Stat(target.CA); err == nil {
		t.Error("the server's files are left")
	}
}

func TestInterrupt(t *testing.T) {
	target, err := local.Parse(defaults, strings.Fields("-n 0 -interval 1h"), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := self.Signal(os.Interrupt); err != nil { // not on Windows
		t.Fatal(err)
	}
	if target.More(1) {
		t.Error("goes on after Ctrl-C")
	}
	if _, ok := local.Await(target, make(chan int)); ok {
		t.Error("waits after Ctrl-C")
	}
}
