package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/portage-iot/awsiot/cmd/iotmigrate/internal/replay"
	"github.com/portage-iot/awsiot/cmd/iotmigrate/internal/wirediff"
	"github.com/portage-iot/awsiot/migrate"
)

func init() {
	register(command{"verify", "run two programs and compare what they say on the wire", verify})
}

// Exit statuses of verify. Differences are no manual work that is left, so it has its own.
const (
	exitDiffers = 1
)

// errUsage is wrapped by errors of the command line.
var errUsage = errors.New("usage")

// verify is the command.
func verify(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseVerify(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitDone
	case err != nil:
		fmt.Fprintf(stderr, "iotmigrate verify: %v\n", err)
		return exitError
	}
	dir, err := os.MkdirTemp("", "iotmigrate-")
	if err != nil {
		fmt.Fprintf(stderr, "iotmigrate verify: %v\n", err)
		return exitDiffers
	}
	res, err := verifyIn(ctx, dir, o)
	err = errors.Join(err, os.RemoveAll(dir))
	if err == nil {
		err = o.write(stdout, res)
	}
	if err != nil {
		fmt.Fprintf(stderr, "iotmigrate verify: %v\n", err)
		return exitDiffers
	}
	if !res.Equal() {
		return exitDiffers
	}
	return exitDone
}

// verifyIn builds both programs into dir before it runs the first.
func verifyIn(ctx context.Context, dir string, o verifyOptions) (*wirediff.Result, error) {
	var programs [2]replay.Program
	names := [2]string{"old program " + o.old, "new program " + o.new}
	for i, what := range [][]string{o.oldWords, o.newWords} {
		sub := filepath.Join(dir, []string{"old", "new"}[i])
		if err := os.Mkdir(sub, 0o700); err != nil {
			return nil, err
		}
		// One name for both: a program that puts its own name into a client id must not differ by that.
		p, err := replay.Build(ctx, what, sub, "program")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", names[i], err)
		}
		programs[i] = p
	}
	var runs [2]*replay.Run
	for i := range runs {
		run, err := replay.Record(ctx, names[i], programs[i], o.run)
		if errors.Is(err, replay.ErrHangs) {
			return nil, fmt.Errorf("%w\na program that runs until it is stopped needs an argument that ends it, given after -- (as: iotmigrate verify OLD NEW -- -n 2); "+
				"one that only takes longer needs more than -timeout %v", err, o.run.Timeout)
		}
		if err != nil {
			return nil, err
		}
		runs[i] = run
	}
	o.diff.Expected = expected(o.idioms)
	res := wirediff.Compare(runs[0].Packets, runs[1].Packets, o.diff)
	for i, run := range runs {
		for _, event := range run.Unplayed {
			both := slices.Contains(runs[1-i].Unplayed, event)
			if i == 0 || !both {
				res.Unplayed = append(res.Unplayed, wirediff.Unplayed{Event: event, Old: i == 0 || both, New: i == 1 || both})
			}
		}
	}
	return res, nil
}

// expected are the differences that the rules of the rewrite declare, those of -idioms only with idioms.
func expected(idioms bool) []wirediff.Expected {
	declared := migrate.WireDifferences()
	var out []wirediff.Expected
	for _, rule := range slices.Sorted(maps.Keys(declared)) {
		for _, d := range declared[rule] {
			kind, ok := wirediff.KindOf(d.Packet)
			if !ok || d.Idioms && !idioms {
				continue // TestExpected says which the packet is of
			}
			out = append(out, wirediff.Expected{Rule: rule, Kind: kind, Topic: d.Topic, What: d.What, Text: d.Text})
		}
	}
	return out
}

// verifyReport is the machine-readable result; fields are only ever added.
type verifyReport struct {
	Version int    `json:"version"`
	Old     string `json:"old"`
	New     string `json:"new"`
	Equal   bool   `json:"equal"`
	*wirediff.Result
}

func (o verifyOptions) write(w io.Writer, res *wirediff.Result) error {
	if o.json {
		e := json.NewEncoder(w)
		e.SetIndent("", "\t")
		e.SetEscapeHTML(false)
		return e.Encode(verifyReport{1, o.old, o.new, res.Equal(), res})
	}
	if _, err := fmt.Fprintf(w, "old: %s\nnew: %s\n\n", o.old, o.new); err != nil {
		return err
	}
	if err := res.WriteText(w); err != nil {
		return err
	}
	verdict := "\nThe programs say the same on the wire.\n"
	if n := len(res.Expected); n > 0 {
		verdict = fmt.Sprintf("\nThe programs say the same on the wire, but for %d expected %s.\n", n, plural(n, "difference"))
	}
	if n := len(res.Differences); n > 0 {
		verdict = fmt.Sprintf("\nThe programs differ on the wire in %d %s.\n", n, plural(n, "place"))
	} else if n := len(res.Unplayed); n > 0 {
		verdict = fmt.Sprintf("\nNot compared to the end: %d %s of the script never came due. A program must run until it has sent what they wait for, "+
			"and then long enough to see them.\n", n, plural(n, "event"))
	}
	_, err := io.WriteString(w, verdict)
	return err
}

func plural(n int, what string) string {
	if n == 1 {
		return what
	}
	return what + "s"
}
