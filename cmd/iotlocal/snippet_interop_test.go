//go:build interop

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
)

// program writes a snippet into a file of its own.
func program(t *testing.T, name, code string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func run1(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// The shell commands do what they say, over TLS and over TCP, with mosquitto's own programs.
func TestMosquittoSnippet(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "it's \"a\" $dir")
	srv, err := iotlocal.Start(iotlocal.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	thing, err := srv.NewThing("lamp:1")
	if err != nil {
		t.Fatal(err)
	}
	a := address{Host: srv.Host(), TLSPort: srv.TLSPort(), TCPPort: srv.TCPPort(), CAFile: srv.CAFile(), ClientID: "lamp:1"}
	for _, name := range []string{"tcp", "tls"} {
		t.Run(name, func(t *testing.T) {
			if name == "tls" {
				a.CertFile, a.KeyFile = thing.CertFile, thing.KeyFile
			}
			code, err := kindMosquitto.snippets()[0].text(a)
			if err != nil {
				t.Fatal(err)
			}
			if out := run1(t, "sh", program(t, "snippet.sh", code)); out != "hello\n" {
				t.Errorf("%q", out)
			}
		})
	}
}

// The programs in other languages are at least programs of theirs. Their SDKs are not installed here.
func TestSnippetsOfOtherLanguages(t *testing.T) {
	for name, a := range map[string]address{"tls": withTLS, "tcp": withTCP, "odd": odd} {
		for k, check := range map[kind][]string{
			kindPython: {"python3", "-c", "import ast, sys; ast.parse(open(sys.argv[1]).read())"}, kindNode: {"node", "--check"},
		} {
			t.Run(k.String()+" "+name, func(t *testing.T) {
				code, err := k.snippets()[0].text(a)
				if err != nil {
					t.Fatal(err)
				}
				run1(t, check[0], append(check[1:], program(t, map[kind]string{kindPython: "a.py", kindNode: "a.js"}[k], code))...)
			})
		}
	}
}

// What a client that OpenSSL stands behind does when it does not trust the server, in TLS 1.3, is explained.
func TestDistrustIsExplained(t *testing.T) {
	srv, other := iotlocal.StartT(t, iotlocal.Options{}), iotlocal.StartT(t, iotlocal.Options{})
	thing, err := srv.NewThing("lamp")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "mosquitto_pub", "-h", "localhost", "-p", strconv.Itoa(srv.TLSPort()), "--cafile", other.CAFile(), "--cert", thing.CertFile, "--key", thing.KeyFile, "-t", "t", "-m", "x")
	if out, err := cmd.CombinedOutput(); err == nil {
		t.Fatalf("it trusted a foreign CA: %s", out)
	}
	if err := srv.Recorder().Wait(ctx, func(ps []iotlocal.Packet) bool {
		for _, p := range ps {
			if p.Type == iotlocal.HandshakeFailed {
				return strings.Contains(p.Reason, "does not trust this server's certificate") && strings.Contains(p.Reason, "ca.pem")
			}
		}
		return false
	}); err != nil {
		t.Errorf("record %v: %v", srv.Recorder().Packets(), err)
	}
}
