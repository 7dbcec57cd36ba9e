// Command iotmigrate carries Go code from the v1-shaped AWS IoT client (v1compat) to the v2 client, and code on
// paho.mqtt.golang to pahocompat (-from paho -to dropin) or to the v2 client (-from paho).
//
//	iotmigrate check ./...   say what would change and what cannot, with every reason
//	iotmigrate diff ./...    print the change as a unified diff
//	iotmigrate fix ./...     write it
//	iotmigrate baseline ./...  record what stays, so that check -baseline fails only on what is new
//
// Exit status: 0 nothing is left to do, 1 error (also of usage), 3 manual work is left. The same program is a tool for go vet:
//
//	go vet -vettool=$(which iotmigrate) ./...
//	go vet -vettool=$(which iotmigrate) -iotmigrate.from=paho ./...
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/portage-iot/awsiot/migrate"
	"golang.org/x/tools/go/analysis/unitchecker"
)

// Exit statuses.
const (
	exitDone   = 0
	exitError  = 1
	exitManual = 3
)

// command is one sub-command. run gets the arguments after its name and returns the exit status.
type command struct {
	name    string
	summary string
	run     func(ctx context.Context, args []string, stdout, stderr io.Writer) int
}

// commands in the order of the help text; register adds to it.
var commands = []command{
	{"check", "say what would change and what cannot, with every reason", check},
	{"diff", "print the change as a unified diff", diff},
	{"fix", "rewrite the files", fix},
	{"baseline", "record what stays on the old API, so that check fails only on what is new", baseline},
}

// register adds a sub-command; a file that brings one calls it from init.
func register(c command) { commands = append(commands, c) }

func main() {
	if vet(os.Args[1:]) {
		unitchecker.Main(migrate.Analyzer) // does not return
	}
	// What is temporary must not stay, and what is half written must be undone: no signal ends the program at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// vet reports whether the go command calls the program as a vet tool.
func vet(args []string) bool {
	if len(args) == 0 {
		return false
	}
	return strings.HasPrefix(args[0], "-V=") || args[0] == "-flags" || strings.HasSuffix(args[len(args)-1], ".cfg")
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		usage(stderr)
		return exitError
	}
	if isHelp(args[0]) || args[0] == "help" {
		if args = args[1:]; len(args) == 0 {
			usage(stdout)
			return exitDone
		}
		args = []string{args[0], "-h"}
	}
	i := slices.IndexFunc(commands, func(c command) bool { return c.name == args[0] })
	switch {
	case i < 0:
		fmt.Fprintf(stderr, "iotmigrate: unknown command %q; iotmigrate help lists them\n", args[0])
		return exitError
	case len(args) == 2 && isHelp(args[1]):
		stderr = stdout // what was asked for can go through a pipe
	}
	return commands[i].run(ctx, args[1:], stdout, stderr)
}

func isHelp(arg string) bool { return arg == "-h" || arg == "-help" || arg == "--help" }

// parseFlags parses args. The help is for who asks for it: below it, an error would be read by nobody.
func parseFlags(fs *flag.FlagSet, args []string, stderr io.Writer) error {
	help := fs.Usage
	fs.Usage = func() {}
	fs.SetOutput(io.Discard)
	err := fs.Parse(args)
	fs.SetOutput(stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		help()
	case err != nil:
		err = fmt.Errorf("%w; iotmigrate help %s lists the flags", err, strings.TrimPrefix(fs.Name(), "iotmigrate "))
	}
	return err
}

func usage(w io.Writer) {
	fmt.Fprintln(w, `usage: iotmigrate COMMAND [FLAGS] [PACKAGES]

Carries Go programs for AWS IoT devices to the MQTT 5 client: from the shape of AWS's v1 SDK (packages v1compat, shadowcompat,
jobscompat, v1compat/discovery), and with -from paho from paho.mqtt.golang. In the root of your module:

  iotmigrate demo                       see it at work first: nothing of yours is touched
  iotmigrate check ./...                what would change, what cannot, and why
  iotmigrate diff ./... | less          the changes
  iotmigrate fix ./...                  write them
  iotmigrate verify OLD NEW             does the new program say the same on the wire as the old one?

commands:`)
	for _, c := range commands {
		fmt.Fprintf(w, "  %-8s %s\n", c.name, c.summary)
	}
	fmt.Fprintln(w, "\niotmigrate help COMMAND lists the flags. Exit status: 0 done, 1 error, also of usage (verify, demo: or different),\n3 manual work left.\nAlso runs as: go vet -vettool=$(which iotmigrate) ./...")
}
