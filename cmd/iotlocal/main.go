// Command iotlocal runs the local AWS-IoT-Core-shaped endpoint of package
// iotlocal as a program.
//
//	iotlocal serve -dir certs -thing lamp -job 'lamp:update-1:{"version":"1.2"}'
//
// It writes DIR/ca.pem and, for every -thing, DIR/NAME.pem and DIR/NAME.key,
// prints where to connect with a client to paste, then one line "ready", and
// serves until SIGINT or SIGTERM. Exit status: 0 after a signal, 1 when the
// server cannot run, 2 for wrong usage.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/portage-iot/awsiot/iotlocal"
)

const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

const usage = `usage: iotlocal serve [flags]

Serves MQTT 5 and 3.1.1 with Device Shadows and Jobs, as AWS IoT Core does, until
interrupted. Port 0 is a free port, -1 none. Websockets are served at /mqtt.

`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// list is a flag that may be repeated.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// job is a job to create at the start.
type job struct{ thing, id, document string }

// jobList is the flag -job, which may be repeated.
type jobList []job

func (l *jobList) String() string {
	var all []string
	for _, j := range *l {
		all = append(all, j.thing+":"+j.id+":"+j.document)
	}
	return strings.Join(all, ",")
}

// Set takes THING:JOBID:JSON apart. A thing name may hold colons, a job id may
// not, and neither holds the brace that the document begins with.
func (l *jobList) Set(s string) error {
	at := strings.IndexByte(s, '{')
	if at < 0 {
		return errors.New("want THING:JOBID:JSON, where JSON is an object")
	}
	names, ok := strings.CutSuffix(strings.TrimRight(s[:at], " \t\r\n"), ":")
	colon := strings.LastIndexByte(names, ':')
	if !ok || colon <= 0 || colon == len(names)-1 {
		return errors.New("want THING:JOBID:JSON, with a thing and a job id before the JSON object")
	}
	if document := s[at:]; !json.Valid([]byte(document)) {
		return fmt.Errorf("the document %s is not JSON", document)
	}
	*l = append(*l, job{names[:colon], names[colon+1:], s[at:]})
	return nil
}

// run is main without the process around it; it ends when ctx does.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage, "iotlocal: no command given; the command is serve\n")
		return exitUsage
	}
	switch args[0] {
	case "serve":
		return serve(ctx, args[1:], stdout, stderr)
	case "help", "-h", "-help", "--help":
		return serve(ctx, []string{"-h"}, stdout, stdout)
	}
	fmt.Fprintf(stderr, "%siotlocal: unknown command %q; the command is serve\n", usage, args[0])
	return exitUsage
}

func serve(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o iotlocal.Options
	var things, sans list
	var jobs jobList
	fs := flag.NewFlagSet("iotlocal serve", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprint(stderr, usage)
		fs.PrintDefaults()
	}
	fs.StringVar(&o.Dir, "dir", "", "directory for the CA and the certificates, kept over restarts (default: a temporary one, removed at the end)")
	fs.IntVar(&o.TLSPort, "tls-port", 0, "port for MQTT over mutual TLS")
	fs.IntVar(&o.TCPPort, "tcp-port", 0, "port for MQTT without TLS or credentials")
	fs.IntVar(&o.WSPort, "ws-port", 0, "port for MQTT over websockets without TLS")
	fs.IntVar(&o.WSSPort, "wss-port", 0, "port for MQTT over secure websockets, without a client certificate; a signature (SigV4) by any credentials is taken if its time is right")
	fs.StringVar(&o.ListenAddr, "listen", "", "address to listen on (default 127.0.0.1: this machine only)")
	fs.Var(&things, "thing", "name of a thing to make a certificate for; may be repeated")
	fs.Var(&jobs, "job", "job to create, as `THING:JOBID:JSON` with the job document; may be repeated")
	fs.Var(&sans, "san", "host name or IP address for the server certificate beside localhost, 127.0.0.1 and ::1; may be repeated")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitOK
		}
		return exitUsage // flag has said what is wrong
	}
	wrong := func(format string, a ...any) int {
		fmt.Fprintf(stderr, "iotlocal: "+format+"\n", a...)
		return exitUsage
	}
	if fs.NArg() > 0 {
		return wrong("unexpected argument %q", fs.Arg(0))
	}
	on := false
	for _, p := range []struct {
		flag string
		port int
	}{{"-tls-port", o.TLSPort}, {"-tcp-port", o.TCPPort}, {"-ws-port", o.WSPort}, {"-wss-port", o.WSSPort}} {
		if p.port < iotlocal.Off || p.port > 65535 {
			return wrong("%s %d is not in -1..65535", p.flag, p.port)
		}
		on = on || p.port != iotlocal.Off
	}
	if !on {
		return wrong("every port is off: nothing to serve")
	}
	o.SANs = sans
	if err := listen(ctx, o, things, jobs, stdout); err != nil {
		fmt.Fprintln(stderr, err)
		return exitError
	}
	return exitOK
}

// listen runs the server until ctx ends.
func listen(ctx context.Context, o iotlocal.Options, names []string, jobs []job, stdout io.Writer) (err error) {
	srv, err := iotlocal.Start(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.Close()) }()
	var things []iotlocal.Thing
	for _, n := range names {
		t, err := srv.NewThing(n)
		if err != nil {
			return err
		}
		things = append(things, t)
	}
	for _, j := range jobs {
		if err := srv.Jobs(j.thing).Create(j.id, j.document, iotlocal.JobOptions{}); err != nil {
			return fmt.Errorf("iotlocal: -job %s:%s: %w", j.thing, j.id, err)
		}
	}
	if err := announce(stdout, srv, things, jobs); err != nil {
		return fmt.Errorf("iotlocal: %w", err)
	}
	<-ctx.Done()
	return nil
}

// announce prints what a client needs to know and the line that says that it
// may connect.
func announce(w io.Writer, srv *iotlocal.Server, things []iotlocal.Thing, jobs []job) error {
	var b strings.Builder
	row := func(name string, value any) { fmt.Fprintf(&b, "%-10s %v\n", name, value) }
	port := func(name string, n int) {
		if n == iotlocal.Off {
			row(name, "off")
			return
		}
		row(name, n)
	}
	row("endpoint", srv.Host())
	port("tls-port", srv.TLSPort())
	port("tcp-port", srv.TCPPort())
	port("ws-port", srv.WSPort())
	port("wss-port", srv.WSSPort())
	row("ca", srv.CAFile())
	for _, t := range things {
		row("thing", t.Name)
		row("cert", t.CertFile)
		row("key", t.KeyFile)
	}
	for _, j := range jobs {
		row("job", j.thing+":"+j.id)
	}
	a := address{Host: srv.Host(), TLSPort: srv.TLSPort(), TCPPort: srv.TCPPort(), CAFile: srv.CAFile(), ClientID: "client"}
	if len(things) > 0 {
		a.ClientID, a.CertFile, a.KeyFile = things[0].Name, things[0].CertFile, things[0].KeyFile
	}
	for _, style := range []style{styleV1, styleV2} {
		code, err := snippet(style, a)
		if err != nil {
			fmt.Fprintf(&b, "\n(no %v snippet: %v)\n", style, err)
			continue
		}
		fmt.Fprintf(&b, "\n// ---- %v client ----\n%s", style, code)
	}
	b.WriteString("\nready\n")
	_, err := io.WriteString(w, b.String())
	return err
}
