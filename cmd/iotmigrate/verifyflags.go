package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/portage-iot/awsiot/cmd/iotmigrate/internal/replay"
	"github.com/portage-iot/awsiot/cmd/iotmigrate/internal/wirediff"
)

const verifyHelp = `usage: iotmigrate verify [FLAGS] OLD NEW [-- ARGUMENTS]

Runs OLD, then NEW, each against a local endpoint of its own (iotlocal: TLS, websockets, the behaviour of AWS IoT Core, its
shadows and jobs), and compares what they said on the wire in both directions. OLD and NEW are directories or packages of Go
programs, which are built, or executables, or commands with their arguments in one word, in any language:

	iotmigrate verify 'python3 old.py -e {host} -p {port} -r {ca} -c {cert} -k {key}' ./new

	iotmigrate verify ./old ./new -- -n 2

Each must end by itself with status 0: give it what makes it end, as -- -n 2, or more time with -timeout. Arguments after
-- are added for both; those of -args, in place of the default, for all but commands. In arguments, commands and -env these
are replaced:

	%s

{host} and {port} are the endpoint with TLS, {wss-port} is that with websockets, {tcp-port} without TLS; {ca} is the file
of its certificate authority, {cert} and {key} are those of the first -thing, whose name is {thing}, and {cert:THING} and
{key:THING} of another one.

{name} is the first name of -name, and {proxy} an HTTP proxy that leads the names to the endpoint, port 8883 to TLS and 443
to websockets: a program on websockets needs a name of AWS, which tells the region. The programs go through the proxy by
themselves, as by ConfigureSocketFactory or HTTPProxy: no client reads HTTPS_PROXY by default, OLD and NEW of the example do.
{discovery-port} and {discovery-ca} are those of a Greengrass discovery service at {host}, whose only core is the endpoint.

	iotmigrate verify -name a1b2-ats.iot.eu-west-1.amazonaws.com -env HTTPS_PROXY={proxy} -env AWS_ACCESS_KEY_ID=a
		-env AWS_SECRET_ACCESS_KEY=s -args '-e {name} -p 443 -w -r {ca}' OLD NEW

%sNot compared, by name; nothing else is left out:

%s
The order of packets counts within a topic, not across topics: see -strict. Differences that a rule of iotmigrate declares
(the table of MIGRATION.md says which) are printed as expected and do not count; give -idioms where NEW was written with it.

Exit status: 0 equal, 1 different, an event of the script that never came due, failed, or wrong usage.

flags:
`

// verifyOptions are the flags and arguments of verify.
type verifyOptions struct {
	old, new           string
	oldWords, newWords []string
	run                replay.Options
	diff               wirediff.Options
	json               bool
	idioms             bool // NEW was made with -idioms
}

// normalisations is the list for -help.
func normalisations() string {
	var b strings.Builder
	for _, n := range wirediff.Normalisations {
		fmt.Fprintf(&b, "\t%-14s %s\n", n.Name, n.Text)
	}
	return b.String()
}

// placeholders is the list for -help, in two lines.
func placeholders() string {
	half := len(replay.Placeholders) / 2
	return strings.Join(replay.Placeholders[:half], " ") + "\n\t" + strings.Join(replay.Placeholders[half:], " ")
}

// repeated is a flag that may be given several times.
func repeated(fs *flag.FlagSet, name, usage string, take func(string) error) {
	fs.Func(name, usage+"; may be repeated", take)
}

// parseVerify reads the command line.
func parseVerify(args []string, stderr io.Writer) (verifyOptions, error) {
	var o verifyOptions
	fs := flag.NewFlagSet("iotmigrate verify", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprintf(stderr, verifyHelp, placeholders(), replay.ScriptHelp, normalisations())
		fs.PrintDefaults()
	}
	var arguments, ignore, script string
	var things []string
	fs.StringVar(&arguments, "args", replay.DefaultArgs, "arguments of both programs, in `words` as a shell splits them")
	fs.DurationVar(&o.run.Timeout, "timeout", time.Minute, "how long each program may take")
	repeated(fs, "thing", "`name` of a thing with a certificate; the programs get that of the first as {cert} and {key} (default device)", func(s string) error {
		things = append(things, s)
		return nil
	})
	repeated(fs, "name", "host `name` for the endpoint's certificate", func(s string) error {
		o.run.Names = append(o.run.Names, s)
		return nil
	})
	repeated(fs, "env", "environment variable of both programs, as `NAME=VALUE`", func(s string) error {
		if name, _, ok := strings.Cut(s, "="); !ok || name == "" {
			return fmt.Errorf("want NAME=VALUE")
		}
		o.run.Env = append(o.run.Env, s)
		return nil
	})
	repeated(fs, "job", "job that is queued when the programs start, as `THING:ID:JSON` with its document", func(s string) error {
		job, err := replay.ParseJob(s)
		o.run.Jobs = append(o.run.Jobs, job)
		return err
	})
	repeated(fs, "shadow", "shadow that is there when the programs start, as `THING=JSON` or THING/NAME=JSON", func(s string) error {
		shadow, err := replay.ParseShadow(s)
		o.run.Shadows = append(o.run.Shadows, shadow)
		return err
	})
	fs.StringVar(&script, "script", "", "`file` with what the endpoint does by itself, see above")
	fs.StringVar(&ignore, "ignore", "", "`names` of members of JSON payloads that are not compared, by commas, such as a device's own clock")
	fs.BoolVar(&o.diff.Strict, "strict", false, "the order of packets counts across topics too")
	fs.BoolVar(&o.idioms, "idioms", false, "NEW was written by fix -idioms: what that changes on the wire on purpose is expected too")
	fs.BoolVar(&o.json, "json", false, "write the result as JSON")
	if err := parseFlags(fs, args, stderr); errors.Is(err, flag.ErrHelp) {
		return o, err
	} else if err != nil {
		return o, fmt.Errorf("%w: %w", errUsage, err)
	}
	rest := fs.Args()
	if len(rest) < 2 {
		return o, fmt.Errorf("%w: want OLD and NEW, got %d arguments", errUsage, len(rest))
	}
	o.old, o.new, rest = rest[0], rest[1], rest[2:]
	if len(rest) > 0 {
		if rest[0] != "--" {
			return o, fmt.Errorf("%w: unexpected argument %q: flags come before OLD and NEW, arguments of the programs after --", errUsage, rest[0])
		}
		rest = rest[1:]
	}
	for _, what := range []string{o.old, o.new} {
		if strings.TrimSpace(what) == "" || strings.HasPrefix(what, "-") {
			return o, fmt.Errorf("%w: %q is neither a package nor an executable", errUsage, what)
		}
	}
	var err error
	if o.oldWords, err = programWords(o.old); err == nil {
		o.newWords, err = programWords(o.new)
	}
	if err != nil {
		return o, fmt.Errorf("%w: %w", errUsage, err)
	}
	if o.run.Timeout <= 0 {
		return o, fmt.Errorf("%w: -timeout %v: want more than 0", errUsage, o.run.Timeout)
	}
	if len(things) == 0 {
		things = []string{"device"}
	}
	o.run.Thing, o.run.Things = things[0], things[1:]
	if script != "" {
		text, err := os.ReadFile(script)
		if err == nil {
			o.run.Script, err = replay.ParseScript(string(text))
		}
		if err != nil {
			return o, fmt.Errorf("%w: -script %s: %w", errUsage, script, err)
		}
	}
	words, err := splitWords(arguments)
	if err != nil {
		return o, fmt.Errorf("%w: -args: %w", errUsage, err)
	}
	o.run.Args, o.run.More = words, rest
	if ignore != "" {
		if o.diff.Ignore, err = list("-ignore", ignore); err != nil {
			return o, fmt.Errorf("%w: %w", errUsage, err)
		}
	}
	return o, nil
}

// programWords are the words of a program: one, unless it is a command with arguments. A file of that name is no command.
func programWords(what string) ([]string, error) {
	if _, err := os.Stat(what); err == nil {
		return []string{what}, nil
	}
	return splitWords(what)
}

// splitWords splits a text at white space; quotes of both kinds and a backslash work as in a shell.
func splitWords(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	started := false
	var quote rune
	escaped := false
	for _, c := range s {
		switch {
		case escaped:
			word.WriteRune(c)
			escaped = false
		case c == '\\' && quote != '\'':
			escaped, started = true, true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, started = c, true
		case c == ' ' || c == '\t' || c == '\n':
			if started {
				words = append(words, word.String())
			}
			word.Reset()
			started = false
		default:
			word.WriteRune(c)
			started = true
		}
	}
	if quote != 0 || escaped {
		return nil, fmt.Errorf("%q ends inside a quotation", s)
	}
	if started {
		words = append(words, word.String())
	}
	return words, nil
}
