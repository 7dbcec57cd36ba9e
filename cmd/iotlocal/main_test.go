package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// build makes the program, once for all tests; TestMain removes it.
var build = sync.OnceValues(func() (exe string, err error) {
	if buildDir, err = os.MkdirTemp("", "iotlocal-"); err != nil {
		return "", err
	}
	exe = filepath.Join(buildDir, "iotlocal.exe")
	if out, err := exec.Command("go", "build", "-ldflags=-s", "-o", exe, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return exe, nil
})

var buildDir string

func TestMain(m *testing.M) {
	code := m.Run()
	if buildDir != "" {
		os.RemoveAll(buildDir)
	}
	os.Exit(code)
}

// built returns the path of the program.
func built(t *testing.T) string {
	t.Helper()
	exe, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

func TestUsage(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	_, taken, _ := net.SplitHostPort(other.Addr().String())
	for _, tt := range []struct {
		name string
		args []string
		exit int
		want string
	}{
		{"no command", nil, exitUsage, "no command given"},
		{"unknown command", []string{"run"}, exitUsage, `unknown command "run"`},
		{"unknown flag", []string{"serve", "-nosuch-port", "0"}, exitUsage, "not defined: -nosuch-port\niotlocal serve -h lists the flags\n"},
		{"port is no number", []string{"serve", "-tls-port", "x"}, exitUsage, "-tls-port"},
		{"port out of range", []string{"serve", "-tls-port", "65536"}, exitUsage, "-tls-port 65536 is not in -1..65535"},
		{"websocket port out of range", []string{"serve", "-wss-port", "-2"}, exitUsage, "-wss-port -2 is not in -1..65535"},
		{"nothing to serve", []string{"serve", "-tls-port", "-1", "-tcp-port", "-1", "-ws-port", "-1", "-wss-port", "-1", "-api-port", "-1"}, exitUsage, "nothing to serve"},
		{"websockets only", []string{"serve", "-tls-port", "-1", "-tcp-port", "-1", "-ws-port", "-1"}, exitOK, "(no snippet for mosquitto's programs, in a shell: it would use the TLS or the TCP port, and both are off)"},
		{"no snippet", []string{"serve", "-snippet", "none"}, exitOK, "ca.pem\n\nready\n"},
		{"unknown snippet", []string{"serve", "-snippet", "perl"}, exitUsage, "want one of none, go, mosquitto, python, node"},
		{"quiet and JSON", []string{"serve", "-q", "-json"}, exitUsage, "-q and -json exclude each other"},
		{"bad origin", []string{"serve", "-origin", "app.example"}, exitError, `origin "app.example": want SCHEME://HOST`},
		{"port in use", []string{"serve", "-wss-port", taken}, exitError, "iotlocal: -wss-port " + taken + ": listen tcp 127.0.0.1:" + taken + ": bind: address already in use; -wss-port 0 takes a free port, -1 none"},
		{"address of another machine", []string{"serve", "-listen", "192.0.2.1"}, exitError, "iotlocal: -tls-port, -listen: listen tcp 192.0.2.1:0"},
		{"open to others", []string{"serve", "-listen", "0.0.0.0"}, exitOK, "which neither encrypts nor asks who connects; -tcp-port -1 closes it"},
		{"websockets open to others", []string{"serve", "-listen", "::", "-tcp-port", "-1"}, exitOK, "which neither encrypts nor asks who connects; -ws-port -1 closes it"},
		{"secure websockets open to others", []string{"serve", "-listen", "0.0.0.0"}, exitOK, "which asks for no credentials; -wss-port -1 closes it"},
		{"API for the CLI", []string{"serve", "-region", "eu-west-1"}, exitOK, "api        AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_DEFAULT_REGION=eu-west-1 aws --endpoint-url http://localhost:"},
		{"API with credentials", []string{"serve", "-credentials", "testdata/credentials"}, exitOK, "api        aws --endpoint-url http://localhost:"},
		{"API open to others", []string{"serve", "-listen", "0.0.0.0", "-api-port", "0"}, exitError, "iotlocal: -api-port: with -listen 0.0.0.0 other machines reach it: give -credentials"},
		{"API on a port open to others", []string{"serve", "-listen", "0.0.0.0", "-api-port", "1"}, exitError, "APIPort 1: other machines reach 0.0.0.0"},
		{"no API for others", []string{"serve", "-listen", "0.0.0.0"}, exitOK, "api-port   off\n"},
		{"API for others with credentials", []string{"serve", "-listen", "0.0.0.0", "-credentials", "testdata/credentials", "-api-port", "0"}, exitOK, "api        aws --endpoint-url http://localhost:"},
		{"no API", []string{"serve", "-api-port", "-1"}, exitOK, "api-port   off\n"},
		{"no file with credentials", []string{"serve", "-credentials", "/no/such"}, exitError, "-credentials: open /no/such"},
		{"file without credentials", []string{"serve", "-credentials", "main.go"}, exitError, "-credentials: main.go: line 1 is neither [PROFILE] nor NAME = VALUE in a profile"},
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
		{"template without name", []string{"serve", "-template", "=x"}, exitUsage, "want NAME or NAME=FILE"},
		{"template without file", []string{"serve", "-template", "x="}, exitUsage, "want NAME or NAME=FILE"},
		{"template's file is not there", []string{"serve", "-template", "x=/no/such/file"}, exitError, "-template x: open /no/such/file"},
		{"bad template name", []string{"serve", "-template", "a/b"}, exitError, `template name "a/b" is not 1 to 36`},
		{"bad template", []string{"serve", "-template", "x=live.go"}, exitError, "template x: the template is not a JSON object"},
		{"templates", []string{"serve", "-template", "one", "-template", "two"}, exitOK, "template   two\nclaim-cert "},
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
	exe := built(t)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			dir := t.TempDir()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, exe, "serve", "-dir", dir, "-thing", "one", "-thing", "two", "-san", "box.example", "-snippet", "go",
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
			if log := readTo(t, out, "$next/get/accepted"); !regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d\.\d{3} one → CONNECT MQTT 3.1.1 client "one" clean start true keep alive 60 s$`).MatchString(log) {
				t.Errorf("log\n%s", log)
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
	nc.SetDeadline(time.Now().Add(time.Minute))
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
