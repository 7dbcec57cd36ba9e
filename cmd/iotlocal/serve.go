package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
)

// output is what the program prints beside the addresses.
type output struct {
	snippet     kind
	quiet, json bool
	apiAsked    bool // -api-port stands on the command line
}

// setup is what the command line asks for before anybody is served.
type setup struct {
	names     []string // of things
	config    string   // file of -config
	jobs      []job
	templates []fleetTemplate
	restarted bool // a job that is there already was made before

	things, claims []iotlocal.Thing // that prepare has made, by the flags and by the file
}

// prepare does it, until ctx ends.
func (p *setup) prepare(ctx context.Context, srv *iotlocal.Server) error {
	for _, n := range p.names {
		t, err := srv.NewThing(n)
		if err != nil {
			return err
		}
		p.things = append(p.things, t)
	}
	made, err := configure(ctx, srv, p.config)
	if err != nil {
		return err
	}
	for _, n := range made {
		if slices.ContainsFunc(p.things, func(t iotlocal.Thing) bool { return t.Name == n }) {
			continue
		}
		t, err := srv.NewThing(n) // which is there
		if err != nil {
			return err
		}
		p.things = append(p.things, t)
	}
	for _, j := range p.jobs {
		err := srv.Jobs(j.thing).Create(j.id, j.document, iotlocal.JobOptions{})
		if there, ok := errors.AsType[*iotlocal.JobError](err); ok && there.Code == iotlocal.JobAlreadyExists && p.restarted {
			err = nil
		}
		if err != nil {
			return fmt.Errorf("iotlocal: -job %s:%s: %w", j.thing, j.id, err)
		}
	}
	for _, t := range p.templates {
		claim, err := t.create(srv)
		if err != nil {
			return err
		}
		p.claims = append(p.claims, claim)
	}
	return nil
}

// listen runs the server until ctx ends.
func listen(ctx context.Context, o iotlocal.Options, p *setup, out output, stdout, stderr io.Writer) (err error) {
	o.Logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	var packets packetSeq
	o.Prepare = func(srv *iotlocal.Server) error {
		if out.apiAsked && srv.APIPort() == iotlocal.Off {
			return fmt.Errorf("iotlocal: -api-port: with -listen %s other machines reach it: give -credentials, which requests are signed with, or leave -listen out", o.ListenAddr)
		}
		packets = srv.Recorder().Follow(context.WithoutCancel(ctx)) // the recorder closes with the server, which ends the log
		return p.prepare(ctx, srv)
	}
	srv, err := iotlocal.Start(o)
	if err != nil && errors.Is(err, errEnded) {
		return nil // as it was told to
	} else if err != nil {
		return err
	}
	var log liveLog
	defer func() { err = errors.Join(err, srv.Close(), log.wait()) }()
	for _, w := range warnings(o, srv) {
		fmt.Fprintln(stderr, "iotlocal: warning:", w)
	}
	if err := announce(stdout, srv, o, p, out.snippet); err != nil {
		return fmt.Errorf("iotlocal: %w", err)
	}
	if !out.quiet {
		log.start(stdout, packets, out.json)
	}
	<-ctx.Done()
	return nil
}

// errEnded is why prepare stops when the program is told to end.
var errEnded = errors.New("iotlocal: told to end")

// maxConfig bounds the file of -config, in bytes.
const maxConfig = 64 << 20

// configure does the operations of a file, and returns the names of the things that NewThing has made. The end of ctx ends
// it, also while it waits for the file, which may be a pipe.
func configure(ctx context.Context, srv *iotlocal.Server, file string) (things []string, err error) {
	if file == "" {
		return nil, nil
	}
	type read struct {
		text []byte
		err  error
	}
	done := make(chan read, 1)
	go func() { // it may outlive this call: the program ends then
		text, err := readConfig(file)
		done <- read{text, err}
	}()
	var r read
	select {
	case r = <-done:
	case <-ctx.Done():
		return nil, errEnded
	}
	if r.err != nil {
		return nil, fmt.Errorf("iotlocal: -config: %w", r.err)
	}
	err = srv.ConfigureContext(ctx, r.text)
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return nil, errEnded
	}
	if wrong, ok := errors.AsType[*iotlocal.ConfigError](err); ok {
		at := fmt.Sprintf("%s:%d", file, wrong.Line)
		if wrong.Operation != "" {
			at += ": " + wrong.Operation
		}
		return nil, fmt.Errorf("iotlocal: -config %s: %w", at, wrong.Err)
	} else if err != nil {
		return nil, err
	}
	var entries []struct{ Operation, ThingName string }
	if err := json.Unmarshal(r.text, &entries); err != nil {
		return nil, fmt.Errorf("iotlocal: -config %s: %w", file, err)
	}
	for _, e := range entries {
		if e.Operation == "NewThing" {
			things = append(things, e.ThingName)
		}
	}
	return things, nil
}

func readConfig(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err == nil && len(text) > maxConfig {
		err = fmt.Errorf("%s has more than %d MiB", file, maxConfig>>20)
	}
	return text, err
}

// explain says which flag an error of Start is about.
func explain(err error) error {
	taken, ok := errors.AsType[*iotlocal.PortError](err)
	if !ok {
		return err
	}
	for _, p := range ports(&iotlocal.Options{}) {
		switch {
		case p.option != taken.Option:
		case taken.Port == 0:
			return fmt.Errorf("iotlocal: -%s, -listen: %w", p.name, taken.Err)
		default:
			return fmt.Errorf("iotlocal: -%s %d: %w; -%s 0 takes a free port, -1 none", p.name, taken.Port, taken.Err, p.name)
		}
	}
	return err
}

// warnings are what is wise to know about a server that more than this machine
// can reach.
func warnings(o iotlocal.Options, srv *iotlocal.Server) (all []string) {
	if o.ListenAddr == "" || o.ListenAddr == "localhost" || net.ParseIP(o.ListenAddr).IsLoopback() {
		return nil
	}
	numbers := map[string]int{"TLSPort": srv.TLSPort(), "TCPPort": srv.TCPPort(), "WSPort": srv.WSPort(), "WSSPort": srv.WSSPort()}
	for _, p := range ports(&o) {
		if p.open != "" && *p.number != iotlocal.Off {
			all = append(all, fmt.Sprintf("with -listen %s other machines reach port %d, which %s; -%s -1 closes it",
				o.ListenAddr, numbers[p.option], p.open, p.name))
		}
	}
	return all
}

// announce prints what a client needs to know and the line that says that it
// may connect.
func announce(w io.Writer, srv *iotlocal.Server, o iotlocal.Options, p *setup, k kind) error {
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
	port("api-port", srv.APIPort())
	if url := srv.APIURL(); url != "" {
		row("api", awsCommand(url, o))
	}
	row("ca", srv.CAFile())
	for _, t := range p.things {
		row("thing", t.Name)
		row("cert", t.CertFile)
		row("key", t.KeyFile)
	}
	for _, j := range p.jobs {
		row("job", j.thing+":"+j.id)
	}
	for _, c := range p.claims {
		row("template", c.Name)
		row("claim-cert", c.CertFile)
		row("claim-key", c.KeyFile)
	}
	a := address{Host: srv.Host(), TLSPort: srv.TLSPort(), TCPPort: srv.TCPPort(), CAFile: srv.CAFile(), ClientID: "client"}
	if len(p.things) > 0 {
		t := p.things[0]
		a.ClientID, a.CertFile, a.KeyFile = t.Name, t.CertFile, t.KeyFile
	}
	for _, s := range k.snippets() {
		code, err := s.text(a)
		if err != nil {
			fmt.Fprintf(&b, "\n(no snippet for %s: %v)\n", s.name, err)
			continue
		}
		fmt.Fprintf(&b, "\n%s ---- client: %s\n%s", s.comment, s.name, code)
	}
	b.WriteString("\nready\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// liveLog prints packets as they come.
type liveLog struct{ done chan error }

// patience is how long the end of the program waits for who does not read what
// it prints.
const patience = 5 * time.Second

func (l *liveLog) start(w io.Writer, packets packetSeq, asJSON bool) {
	l.done = make(chan error, 1)
	write := writeLine
	switch {
	case asJSON:
		write = writeJSON
	case coloured(w, os.Getenv):
		write = writeColours
	}
	go func() { l.done <- printLog(w, packets, write) }()
}

// wait returns when everything is printed, or nobody reads it.
func (l *liveLog) wait() error {
	if l.done == nil {
		return nil
	}
	select {
	case err := <-l.done:
		return err
	case <-time.After(patience):
		return nil
	}
}
