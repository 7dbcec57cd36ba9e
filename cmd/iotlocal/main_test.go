package main

import (
	"bytes"
	"context"
	"go/parser"
	"go/token"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		exit int
		want string
	}{
		{"no command", nil, exitUsage, "no command given"},
		{"unknown command", []string{"run"}, exitUsage, `unknown command "run"`},
		{"unknown flag", []string{"serve", "-nosuch-port", "0"}, exitUsage, "flag provided but not defined: -nosuch-port"},
		{"port is no number", []string{"serve", "-tls-port", "x"}, exitUsage, "-tls-port"},
		{"port out of range", []string{"serve", "-tls-port", "65536"}, exitUsage, "-tls-port 65536 is not in -1..65535"},
		{"websocket port out of range", []string{"serve", "-wss-port", "-2"}, exitUsage, "-wss-port -2 is not in -1..65535"},
		{"nothing to serve", []string{"serve", "-tls-port", "-1", "-tcp-port", "-1", "-ws-port", "-1", "-wss-port", "-1"}, exitUsage, "nothing to serve"},
		{"websockets only", []string{"serve", "-tls-port", "-1", "-tcp-port", "-1", "-ws-port", "-1"}, exitOK, "(no v2 snippet: it would use the TLS or the TCP port, and both are off)"},
		{"argument", []string{"serve", "now"}, exitUsage, `unexpected argument "now"`},
		{"bad thing", []string{"serve", "-thing", "a/b"}, exitError, "thing"},
		{"job without document", []string{"serve", "-job", "lamp:j"}, exitUsage, "want THING:JOBID:JSON, where JSON is an object"},
		{"job without id", []string{"serve", "-job", `lamp:{"a":1}`}, exitUsage, "want THING:JOBID:JSON, with a thing and a job id"},
		{"job with an empty id", []string{"serve", "-job", `lamp::{"a":1}`}, exitUsage, "want THING:JOBID:JSON, with a thing and a job id"},
		{"job without thing", []string{"serve", "-job", `:j:{"a":1}`}, exitUsage, "want THING:JOBID:JSON, with a thing and a job id"},
		{"job without colon", []string{"serve", "-job", `lamp:j{"a":1}`}, exitUsage, "want THING:JOBID:JSON, with a thing and a job id"},
		{"job document is no JSON", []string{"serve", "-job", `lamp:j:{"a":}`}, exitUsage, `the document {"a":} is not JSON`},
		{"bad job id", []string{"serve", "-job", `lamp:j 1:{}`}, exitError, "-job lamp:j 1: iotlocal: jobs: InvalidRequest"},
		{"bad thing of a job", []string{"serve", "-job", `a/b:j:{}`}, exitError, "-job a/b:j: iotlocal: jobs: InvalidRequest"},
		{"job twice", []string{"serve", "-job", `lamp:j:{}`, "-job", `lamp:j:{"a":1}`}, exitError, "-job lamp:j: iotlocal: jobs: ResourceAlreadyExists"},
		{"jobs", []string{"serve", "-job", `a:b:c-1: {"x":"{:}"}`, "-job", `lamp:j:{}`}, exitOK, "job        a:b:c-1\njob        lamp:j\n"},
		{"bad SAN", []string{"serve", "-san", "a b"}, exitError, `SAN "a b"`},
		{"bad address", []string{"serve", "-listen", "nowhere at all"}, exitError, "listen"},
		{"help", []string{"serve", "-h"}, exitOK, "-tls-port"},
		{"help command", []string{"help"}, exitOK, "usage: iotlocal serve"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // whatever starts by mistake ends at once
			var out, errOut bytes.Buffer
			if got := run(ctx, tt.args, &out, &errOut); got != tt.exit {
				t.Errorf("exit %d, want %d", got, tt.exit)
			}
			if all := out.String() + errOut.String(); !strings.Contains(all, tt.want) {
				t.Errorf("output %q, want %q", all, tt.want)
			}
		})
	}
}

// The program itself: built, started, announced, ended by each signal.
func TestServeProgram(t *testing.T) {
	exe := filepath.Join(t.TempDir(), "iotlocal")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", exe, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			dir := t.TempDir()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, exe, "serve", "-dir", dir, "-thing", "one", "-thing", "two", "-san", "box.example",
				"-job", `one:update:{"version":"1.2"}`)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			var errOut bytes.Buffer
			cmd.Stderr = &errOut
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			said := readTo(t, out, "\nready\n")
			for _, want := range []string{`endpoint +localhost`, `tls-port +\d+`, `tcp-port +\d+`, `ws-port +\d+`, `wss-port +\d+`, `ca +` + dir + `/ca.pem`,
				`job +one:update`, `cert +` + dir + `/two.pem`, `key +` + dir + `/one.key`, `v1compat.NewAWSIoTMQTTClient\("one"\)`, `awsiot.MTLSFromPath`} {
				if !regexp.MustCompile(want).MatchString(said) {
					t.Errorf("no %q in\n%s", want, said)
				}
			}
			for _, f := range []string{"ca.pem", "one.pem", "one.key", "two.pem", "two.key"} {
				if _, err := os.Stat(filepath.Join(dir, f)); err != nil {
					t.Error(err)
				}
			}
			if got := nextJob(t, regexp.MustCompile(`tcp-port +(\d+)`).FindStringSubmatch(said)[1]); !strings.Contains(got, `"jobId":"update"`) || !strings.Contains(got, `"jobDocument":{"version":"1.2"}`) {
				t.Errorf("next job %s", got)
			}
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v: %s", err, errOut.String())
			}
		})
	}
}

// nextJob asks the program for the next job of thing one, over MQTT 3.1.1
// written by hand, and returns what comes after the CONNACK.
func nextJob(t *testing.T, port string) string {
	t.Helper()
	nc, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	const topic = "$aws/things/one/jobs/$next/get"
	connect := "\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03one" // clean session, keep alive 60 s
	publish := "\x30" + string(rune(2+len(topic)+2)) + "\x00" + string(rune(len(topic))) + topic + "{}"
	if _, err := nc.Write([]byte(connect + publish)); err != nil {
		t.Fatal(err)
	}
	return readTo(t, nc, "}}}")
}

// readTo reads until the text has appeared.
func readTo(t *testing.T, r io.Reader, text string) string {
	t.Helper()
	var all []byte
	b := make([]byte, 4096)
	for !strings.Contains(string(all), text) {
		n, err := r.Read(b)
		all = append(all, b[:n]...)
		if err != nil {
			t.Fatalf("%v after\n%s", err, all)
		}
	}
	return string(all)
}

func TestSnippets(t *testing.T) {
	tls := address{Host: "localhost", TLSPort: 8883, TCPPort: -1, CAFile: "/d/ca.pem", CertFile: "/d/x.pem", KeyFile: "/d/x.key", ClientID: "x"}
	tcp := address{Host: "localhost", TLSPort: 8883, TCPPort: 1883, CAFile: "/d/ca.pem", ClientID: "x"}
	for _, s := range []style{styleV1, styleV2} {
		for name, a := range map[string]address{"tls": tls, "tcp": tcp} {
			t.Run(s.String()+" "+name, func(t *testing.T) {
				code, err := snippet(s, a)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := parser.ParseFile(token.NewFileSet(), "main.go", code, parser.SkipObjectResolution); err != nil {
					t.Fatal(err)
				}
				if strings.Contains(code, "1883") != (name == "tcp") || strings.Contains(code, "x.key") != (name == "tls") {
					t.Errorf("wrong transport:\n%s", code)
				}
			})
		}
	}
	none := tls
	none.CertFile = ""
	if _, err := snippet(styleV2, none); err == nil || !strings.Contains(err.Error(), "-thing") {
		t.Errorf("error %v, want advice to give -thing", err)
	}
}
