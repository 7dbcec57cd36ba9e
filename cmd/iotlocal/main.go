// Command iotlocal runs the local AWS-IoT-Core-shaped endpoint of package
// iotlocal as a program.
//
//	iotlocal serve -dir certs -thing lamp -job 'lamp:update-1:{"version":"1.2"}' -template fleet
//
// It writes DIR/ca.pem, for every -thing DIR/NAME.pem and DIR/NAME.key, and for
// every -template the claim certificate of its devices, DIR/NAME.claim.pem and
// DIR/NAME.claim.key, which does not expire. A template is -template NAME, which
// takes the parameter SerialNumber and makes the thing of that name, or -template
// NAME=FILE with a provisioning template of AWS IoT as JSON in a file. AWS's own
// REST APIs are served on -api-port, for the aws CLI and the SDKs. -state DIR keeps
// everything over restarts and crashes, and -config FILE does operations of AWS's
// control API at the start, as iotlocal.Server.Configure does. Then it
// prints where to connect with a client to paste, then one line "ready", and
// serves until SIGINT or SIGTERM. From "ready" on it prints a line for every
// packet in either direction and every connection that comes, fails or goes: time,
// client (or #N, the number of a connection that has not said its name), what the
// recorder says, and why the server refuses; of a connection TLS version, cipher suite,
// names, certificate and thing; once policies are stored, what each of their decisions
// was and which statement made it. On a terminal lines have colours, unless NO_COLOR is
// set. -json prints them as JSON, one object
// a line, in the form of record.Packet, and {"missed":N} where N packets came
// faster than they could be printed. -q prints none. Exit status: 0 after a signal, 1 when the
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

Serves MQTT 5 and 3.1.1 with Device Shadows, Jobs, fleet provisioning and commands,
as AWS IoT Core does, until interrupted, and prints a line for every packet. Port 0
is a free port, -1 none. Websockets are served at /mqtt. The API port is for
aws --endpoint-url http://localhost:PORT iot list-things, and for AWS's SDKs.

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

// fleetTemplate is a provisioning template to create at the start.
type fleetTemplate struct{ name, file string } // file "": iotlocal.DefaultTemplate

// templateList is the flag -template, which may be repeated.
type templateList []fleetTemplate

func (l *templateList) String() string {
	var all []string
	for _, t := range *l {
		all = append(all, t.name)
	}
	return strings.Join(all, ",")
}

// Set takes NAME or NAME=FILE; the name of a template holds no equals sign.
func (l *templateList) Set(s string) error {
	name, file, ok := strings.Cut(s, "=")
	if name == "" || ok && file == "" {
		return errors.New("want NAME or NAME=FILE")
	}
	*l = append(*l, fleetTemplate{name, file})
	return nil
}

// create makes the template and the claim certificate of its devices.
func (t fleetTemplate) create(srv *iotlocal.Server) (claim iotlocal.Thing, err error) {
	body := []byte(iotlocal.DefaultTemplate)
	if t.file != "" {
		if body, err = os.ReadFile(t.file); err != nil {
			return claim, fmt.Errorf("iotlocal: -template %s: %w", t.name, err)
		}
	}
	if err := srv.Templates().Create(t.name, body, iotlocal.TemplateOptions{}); err != nil {
		return claim, err
	}
	return srv.Templates().Claim(t.name, iotlocal.ClaimOptions{Life: -1})
}

// port is a flag for a port.
type port struct {
	name   string // of the flag, without the dash
	option string // of iotlocal.Options
	number *int
	usage  string
	open   string // why it is open to all who can reach it; "": it is not
}

// ports are the ports of o.
func ports(o *iotlocal.Options) []port {
	return []port{
		{"tls-port", "TLSPort", &o.TLSPort, "port for MQTT over mutual TLS", ""},
		{"tcp-port", "TCPPort", &o.TCPPort, "port for MQTT without TLS or credentials", "neither encrypts nor asks who connects"},
		{"ws-port", "WSPort", &o.WSPort, "port for MQTT over websockets without TLS", "neither encrypts nor asks who connects"},
		{"wss-port", "WSSPort", &o.WSSPort, "port for MQTT over secure websockets, without a client certificate; a signature (SigV4) by any credentials is taken if its time is right",
			"asks for no credentials"},
		{"api-port", "APIPort", &o.APIPort, "port for AWS's own REST APIs (iot, iot-data, iot-jobs-data), for the aws CLI and SDKs; beyond this machine only with -credentials", ""},
	}
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
	var things, sans, origins list
	out := output{snippet: kindMosquitto}
	var p setup
	var jobs jobList
	var templates templateList
	fs := flag.NewFlagSet("iotlocal serve", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {} // only when it is asked for: behind forty lines of it nobody sees the error
	fs.StringVar(&o.Dir, "dir", "", "directory for the CA and the certificates, kept over restarts (default: with -state its directory certs, else a temporary one, removed at the end)")
	fs.StringVar(&o.StateDir, "state", "", "directory where everything is kept over restarts and crashes: things, certificates, policies, rules, jobs, shadows, retained messages, sessions (default: it is all in memory)")
	fs.StringVar(&p.config, "config", "", "`FILE` with operations of AWS's control API to do before the start, as a JSON list: [{\"operation\": \"CreateThing\", \"thingName\": \"lamp\"}]")
	for _, door := range ports(&o) {
		fs.IntVar(door.number, door.name, 0, door.usage)
	}
	credentials := fs.String("credentials", "", "file with the credentials that requests of the API and websocket upgrades must be signed with, in the form of ~/.aws/credentials: every profile of it (default: any signature is taken, and none)")
	fs.StringVar(&o.ListenAddr, "listen", "", "address to listen on (default 127.0.0.1: this machine only)")
	fs.Var(&things, "thing", "name of a thing to make a certificate for; may be repeated")
	fs.Var(&jobs, "job", "job to create, as `THING:JOBID:JSON` with the job document; may be repeated")
	fs.Var(&templates, "template", "provisioning template to create, as `NAME[=FILE]` with the template as JSON in the file (default: SerialNumber is the name of the thing), with a claim certificate for its devices; may be repeated")
	fs.Var(&sans, "san", "host name or IP address for the server certificate beside localhost, 127.0.0.1 and ::1; may be repeated")
	fs.Var(&origins, "origin", "origin, as https://app.example, whose pages may open websockets from a browser beside those of the endpoint itself; * is all; may be repeated")
	fs.StringVar(&o.Region, "region", "", "AWS region that the endpoint stands for: signatures for another one are refused (default: any region is taken)")
	fs.TextVar(&out.snippet, "snippet", out.snippet, "client to print: go, mosquitto, python, node or none")
	fs.BoolVar(&out.quiet, "q", false, "print no line for every packet")
	fs.BoolVar(&out.json, "json", false, "print the lines after ready as JSON, one object for every packet, with the fields seq, time, conn, client_id, dir (c2s, s2c, event), type and those that the type has")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(stderr, usage)
			fs.PrintDefaults()
			return exitOK
		}
		fmt.Fprintln(stderr, "iotlocal serve -h lists the flags") // flag has said what is wrong
		return exitUsage
	}
	wrong := func(format string, a ...any) int {
		fmt.Fprintf(stderr, "iotlocal: "+format+"\n", a...)
		return exitUsage
	}
	if fs.NArg() > 0 {
		return wrong("unexpected argument %q", fs.Arg(0))
	}
	on := false
	for _, door := range ports(&o) {
		if *door.number < iotlocal.Off || *door.number > 65535 {
			return wrong("-%s %d is not in -1..65535", door.name, *door.number)
		}
		on = on || *door.number != iotlocal.Off
	}
	if !on {
		return wrong("every port is off: nothing to serve")
	}
	if out.quiet && out.json {
		return wrong("-q and -json exclude each other")
	}
	if *credentials != "" {
		var err error
		if o.Credentials, err = readCredentials(*credentials); err != nil {
			fmt.Fprintln(stderr, "iotlocal: -credentials:", err)
			return exitError
		}
	}
	fs.Visit(func(f *flag.Flag) { out.apiAsked = out.apiAsked || f.Name == "api-port" && o.APIPort != iotlocal.Off })
	o.SANs, o.Origins, o.RefuseOtherRegions = sans, origins, o.Region != ""
	p.names, p.jobs, p.templates, p.restarted = things, jobs, templates, o.StateDir != ""
	if err := listen(ctx, o, &p, out, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, explain(err))
		return exitError
	}
	return exitOK
}
