// Package sample is what the ports of the samples of the AWS IoT Device SDK v1
// share: their flags with both spellings, the rules about them, the set-up of
// the client that all of them had, an end by count or by Ctrl-C. The programs
// stay what a user of v1 would write.
//
// Unlike the examples that use package local, the ports start no server: the
// endpoint and the root CA are required, as they were.
package sample

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/portage-iot/awsiot/v1compat"
)

// Program is a sample: its name and the values of its flags.
type Program struct {
	Name     string
	Endpoint string // -e, --endpoint
	RootCA   string // -r, --rootCA
	// The flags of ConnectionFlags.
	Cert      string // -c, --cert
	Key       string // -k, --key
	Port      int    // -p, --port
	Websocket bool   // -w, --websocket
	ClientID  string // -id, --clientId, also of ClientIDFlag; the program's name
	// The flags of LoopFlags.
	Count    int           // --count; 0: until Ctrl-C
	Interval time.Duration // --interval

	options []*option
	rules   []func() error
}

// New returns a program with the flags that every sample has: -e/--endpoint and
// -r/--rootCA, both required. The methods that end in Flag or Flags add more.
func New(name string) *Program {
	p := &Program{Name: name, ClientID: name}
	p.text(&p.Endpoint, "host name of the endpoint", "e", "endpoint").required = true
	p.text(&p.RootCA, "file of the root CA", "r", "rootCA").required = true
	return p
}

// ConnectionFlags adds -c/--cert, -k/--key, -p/--port, -w/--websocket and
// -id/--clientId with v1's rules: websocket excludes the files of a device, one
// of the two must be there, and the port follows from the choice.
func (p *Program) ConnectionFlags() {
	p.text(&p.Cert, "file of the device certificate", "c", "cert")
	p.text(&p.Key, "file of the private key", "k", "key")
	p.number(&p.Port, "port; 8883 by default, 443 with websocket", "p", "port")
	p.truth(&p.Websocket, "MQTT over websocket, signed with AWS credentials", "w", "websocket")
	p.ClientIDFlag()
	p.Rule(func() error {
		switch {
		case p.Websocket && p.Cert != "" && p.Key != "":
			return errors.New("websocket and a certificate with its key are mutual exclusive: give one of the two")
		case !p.Websocket && (p.Cert == "" || p.Key == ""):
			return errors.New("missing credentials: give a certificate and its key, or websocket")
		case p.Port < 0 || p.Port > 65535:
			return fmt.Errorf("port %d is not between 1 and 65535", p.Port)
		case p.Port == 0 && p.Websocket:
			p.Port = 443
		case p.Port == 0:
			p.Port = 8883
		}
		return nil
	})
}

// ClientIDFlag adds -id/--clientId.
func (p *Program) ClientIDFlag() { p.text(&p.ClientID, "client id", "id", "clientId") }

// LoopFlags adds a flag for Count with the given names, --count where -n means
// something else, and --interval: v1's samples never ended and had one message a
// second.
func (p *Program) LoopFlags(count ...string) {
	p.number(&p.Count, "how many messages, then the program ends; 0: until Ctrl-C", count...)
	p.Interval = time.Second
	p.duration(&p.Interval, "pause between messages", "interval")
	p.Rule(func() error {
		switch {
		case p.Count < 0:
			return fmt.Errorf("count %d is negative", p.Count)
		case p.Interval < 0:
			return fmt.Errorf("interval %v is negative", p.Interval)
		}
		return nil
	})
}

// TextFlag adds a flag of the sample's own, all of whose names mean the same.
func (p *Program) TextFlag(value, usage string, names ...string) *string {
	p.text(&value, usage, names...)
	return &value
}

// RequiredFlag is TextFlag of a flag that must be given.
func (p *Program) RequiredFlag(usage string, names ...string) *string {
	value := new(string)
	p.text(value, usage, names...).required = true
	return value
}

// NumberFlag adds an int flag of the sample's own.
func (p *Program) NumberFlag(value int, usage string, names ...string) *int {
	p.number(&value, usage, names...)
	return &value
}

// BoolFlag adds a flag without a value.
func (p *Program) BoolFlag(usage string, names ...string) *bool {
	value := new(bool)
	p.truth(value, usage, names...)
	return value
}

// Rule adds a check of the values, made after parsing in the order of the calls.
// Its error is a usage error, which ends the program with status 2, or whatever a
// *StatusError says.
func (p *Program) Rule(check func() error) { p.rules = append(p.rules, check) }

// StatusError is an error with the status with which the program ends.
type StatusError struct {
	Status int
	Err    error
}

// Error is what Err says.
func (e *StatusError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *StatusError) Unwrap() error { return e.Err }

// Main reads the command line, runs the sample and ends the process: with status
// 2 and the usage for a usage error, 1 for an error of run, or as a *StatusError
// says. ctx ends at Ctrl-C (SIGINT or SIGTERM); run then cleans up and returns
// nil. A second Ctrl-C ends the process at once.
func (p *Program) Main(run func(ctx context.Context) error) {
	err := p.Parse(os.Args[1:])
	if errors.Is(err, errHelp) {
		fmt.Print(p.Usage())
		os.Exit(0)
	}
	var usage *UsageError
	if errors.As(err, &usage) {
		fmt.Fprint(os.Stderr, p.Usage())
	}
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		context.AfterFunc(ctx, stop)
		logger := logrus.New() // v1's samples logged at debug to the terminal
		logger.SetLevel(logrus.DebugLevel)
		v1compat.SetLogger(logger)
		err = run(ctx)
	}
	if err == nil {
		os.Exit(0)
	}
	fmt.Fprintf(os.Stderr, "%s: error: %v\n", p.Name, err)
	status := 1
	var with *StatusError
	switch {
	case usage != nil:
		status = 2
	case errors.As(err, &with):
		status = with.Status
	}
	os.Exit(status)
}

// Messages yields 0, 1, 2 and so on, with the interval between them, until Count
// of them or the end of ctx.
func (p *Program) Messages(ctx context.Context) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := 0; (p.Count == 0 || i < p.Count) && ctx.Err() == nil; i++ {
			if i > 0 && !p.Pause(ctx, 1) {
				return
			}
			if !yield(i) {
				return
			}
		}
	}
}

// Pause waits for a number of intervals. It returns false at once when ctx ends.
func (p *Program) Pause(ctx context.Context, intervals int) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Duration(intervals) * p.Interval):
		return true
	}
}
