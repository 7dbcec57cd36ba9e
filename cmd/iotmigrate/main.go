// Command iotmigrate carries Go code from the v1-shaped AWS IoT client (v1compat) to the v2 client.
//
//	iotmigrate check ./...   say what would change and what cannot, with every reason
//	iotmigrate diff ./...    print the change as a unified diff
//	iotmigrate fix ./...     write it
//
// Exit status: 0 nothing is left to do, 1 error, 3 manual work is left. The same program is a tool for go vet:
//
//	go vet -vettool=$(which iotmigrate) ./...
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"

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
}

// register adds a sub-command; a file that brings one calls it from init.
func register(c command) { commands = append(commands, c) }

func main() {
	if vet(os.Args[1:]) {
		unitchecker.Main(migrate.Analyzer) // does not return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
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
	switch args[0] {
	case "help", "-h", "-help", "--help":
		usage(stdout)
		return exitDone
	}
	i := slices.IndexFunc(commands, func(c command) bool { return c.name == args[0] })
	if i < 0 {
		fmt.Fprintf(stderr, "iotmigrate: unknown command %q; iotmigrate help lists them\n", args[0])
		return exitError
	}
	return commands[i].run(ctx, args[1:], stdout, stderr)
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "usage: iotmigrate COMMAND [FLAGS] [PACKAGES]\n\ncommands:")
	for _, c := range commands {
		fmt.Fprintf(w, "  %-8s %s\n", c.name, c.summary)
	}
	fmt.Fprintln(w, "\niotmigrate COMMAND -h lists the flags. Exit status: 0 done, 1 error (verify, demo: or different), 2 usage\n(verify, demo), 3 manual work left.\nAlso runs as: go vet -vettool=$(which iotmigrate) ./...")
}
