// Package local is what the example programs share: their flags, which are those
// of the samples of the AWS IoT Device SDK v1, and the endpoint they use when
// none is given: an iotlocal server in the process. The programs stay what a
// user would write.
package local

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
)

// Target is where an example connects and what it is asked to do.
type Target struct {
	Endpoint      string // host name or address
	Port          int
	CA, Cert, Key string        // paths of PEM files
	ClientID      string        // -id
	Topic         string        // -t, of the pub/sub examples
	Thing         string        // -thing, of the shadow examples
	Template      string        // -template, of the provisioning example, whose Cert and Key are a claim
	Out           string        // -out, of the provisioning example: where it writes
	Count         int           // -n: how many messages; 0: until Interrupted
	Interval      time.Duration // between them
	Timeout       time.Duration // how long to wait for a message that must come

	// Interrupted is closed by Ctrl-C (SIGINT or SIGTERM): the program then stops
	// publishing, disconnects and ends.
	Interrupted <-chan struct{}

	server *iotlocal.Server // nil with -endpoint
	close  func()
}

// Tell puts v into c unless that is full: it never blocks, which a callback
// should not.
func Tell[T any](c chan<- T, v T) {
	select {
	case c <- v:
	default:
	}
}

// ErrUsage is wrapped by the errors of Parse about the command line.
var ErrUsage = errors.New("usage")

// Setup is Parse of the command line of the process. On an error it prints it
// and ends the process, with status 2 for a usage error as v1's samples did.
// defaults gives ClientID, Topic and Thing.
func Setup(defaults Target) *Target {
	t, err := Parse(defaults, os.Args[1:], os.Stderr)
	switch {
	case err == nil:
		return t
	case errors.Is(err, flag.ErrHelp):
		os.Exit(0)
	case errors.Is(err, ErrUsage):
		os.Exit(2)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
	return nil
}

// Parse reads the flags and, without -endpoint, starts an iotlocal server and
// makes the identity of a thing on it. Usage errors are also printed to out.
// Close must follow.
func Parse(defaults Target, args []string, out io.Writer) (*Target, error) {
	t := &defaults
	f := flag.NewFlagSet(filepath.Base(os.Args[0]), flag.ContinueOnError)
	f.SetOutput(out)
	text := func(p *string, usage string, names ...string) {
		for _, n := range names {
			f.StringVar(p, n, *p, usage)
		}
	}
	number := func(p *int, usage string, names ...string) {
		for _, n := range names {
			f.IntVar(p, n, *p, usage)
		}
	}
	text(&t.Endpoint, "host name of the endpoint; none: an iotlocal server in this process", "endpoint", "e")
	text(&t.CA, "file of the root CA", "ca", "rootCA", "r")
	text(&t.Cert, "file of the device certificate", "cert", "c")
	text(&t.Key, "file of the private key", "key", "k")
	number(&t.Port, "port, 8883 by default", "port", "p")
	text(&t.ClientID, "client id", "id", "clientId")
	if t.Topic != "" {
		text(&t.Topic, "topic", "t", "topic")
	}
	if t.Thing != "" {
		text(&t.Thing, "name of the thing", "thing")
	}
	if t.Template != "" {
		text(&t.Template, "provisioning template; it must take the parameter SerialNumber", "template")
		text(&t.Out, "directory for the device's certificate and key; none: a temporary one, removed at the end", "out")
	}
	number(&t.Count, "number of messages; 0: until Ctrl-C (default 5 without -endpoint, else 0)", "n", "count")
	f.DurationVar(&t.Interval, "interval", 0, "pause between messages (default 100ms without -endpoint, else 1s)")
	f.DurationVar(&t.Timeout, "timeout", 30*time.Second, "how long to wait for a message that must come")
	if err := f.Parse(args); err != nil {
		return nil, errors.Join(ErrUsage, err)
	}
	usage := func(format string, a ...any) (*Target, error) {
		err := fmt.Errorf("%w: %s", ErrUsage, fmt.Sprintf(format, a...))
		fmt.Fprintln(out, err)
		f.Usage()
		return nil, err
	}
	set := map[string]bool{}
	f.Visit(func(g *flag.Flag) { set[g.Name] = true })
	if f.NArg() > 0 {
		return usage("unexpected argument %q", f.Arg(0))
	}
	given := t.CA != "" || t.Cert != "" || t.Key != "" || t.Port != 0
	switch {
	case t.Endpoint == "" && given:
		return usage("-ca, -cert, -key and -port need -endpoint")
	case t.Endpoint != "" && (t.CA == "" || t.Cert == "" || t.Key == ""):
		return usage("missing credentials: -endpoint needs -ca, -cert and -key")
	}
	if t.Port == 0 {
		t.Port = 8883
	}
	if !set["interval"] {
		t.Interval = time.Second
	}
	if t.Endpoint == "" {
		if !set["n"] && !set["count"] {
			t.Count = 5
		}
		if !set["interval"] {
			t.Interval = 100 * time.Millisecond
		}
		var err error
		if t.server, err = t.start(); err != nil {
			return nil, err
		}
	}
	t.Count = max(t.Count, 0)
	undo := t.watch()
	t.close = sync.OnceFunc(func() {
		undo()
		if t.server != nil {
			if err := t.server.Close(); err != nil {
				fmt.Fprintln(out, err)
			}
		}
	})
	return t, nil
}

// start starts the server in the process.
func (t *Target) start() (*iotlocal.Server, error) {
	s, err := iotlocal.Start(iotlocal.Options{TCPPort: iotlocal.Off})
	if err != nil {
		return nil, err
	}
	var thing iotlocal.Thing
	if t.Template == "" {
		thing, err = s.NewThing(t.ClientID)
	} else if err = s.Templates().Create(t.Template, iotlocal.DefaultTemplate, iotlocal.TemplateOptions{}); err == nil {
		thing, err = s.Templates().Claim(t.Template, iotlocal.ClaimOptions{})
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	t.Endpoint, t.Port, t.CA, t.Cert, t.Key = s.Host(), s.TLSPort(), s.CAFile(), thing.CertFile, thing.KeyFile
	return s, nil
}

// watch turns signals into the end of Interrupted; undo ends that.
func (t *Target) watch() (undo func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	interrupted, closed := make(chan struct{}), make(chan struct{})
	t.Interrupted = interrupted
	var done sync.WaitGroup
	done.Go(func() {
		select {
		case <-signals:
			close(interrupted)
		case <-closed:
		}
	})
	return func() {
		signal.Stop(signals)
		close(closed)
		done.Wait()
	}
}

// Close ends the server in the process, if there is one, and the handling of
// signals. It may be called twice.
func (t *Target) Close() { t.close() }

// SendCommand lets the server in the process send a command to the thing, as an
// application in the cloud would. With -endpoint it does nothing: the commands
// come from there.
func (t *Target) SendCommand(payload string) error {
	if t.server == nil {
		return nil
	}
	_, err := t.server.Commands(t.Thing).Start(payload, iotlocal.CommandOptions{})
	return err
}

// More reports whether message i (from 0) is to be sent. Before every one but the
// first it waits for the interval.
func (t *Target) More(i int) bool {
	if t.Count > 0 && i >= t.Count {
		return false
	}
	if i == 0 {
		select {
		case <-t.Interrupted:
			return false
		default:
			return true
		}
	}
	select {
	case <-t.Interrupted:
		return false
	case <-time.After(t.Interval):
		return true
	}
}

// Await waits for a value that must come. ok is false after Timeout, or when the
// program is interrupted.
func Await[T any](t *Target, c <-chan T) (v T, ok bool) {
	select {
	case v = <-c:
		return v, true
	case <-t.Interrupted:
	case <-time.After(t.Timeout):
	}
	return v, false
}

// CreateJob lets the server in the process give the thing a job, as an operator
// would. Without that server it does nothing: the operator is somebody else.
func (t *Target) CreateJob(id, document string) error {
	if t.server == nil {
		return nil
	}
	return t.server.Jobs(t.Thing).Create(id, document, iotlocal.JobOptions{})
}
