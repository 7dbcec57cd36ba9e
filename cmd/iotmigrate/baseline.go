package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/portage-iot/awsiot/migrate"
)

// baseline writes the uses of v1's API that stay to a file, for check, diff and fix to compare with.
func baseline(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse("baseline", args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitDone
	}
	if err == nil {
		err = o.writeBaseline(ctx, stdout, stderr)
	}
	if err != nil {
		fmt.Fprintf(stderr, "iotmigrate baseline: %v\n", err)
		return exitError
	}
	return exitDone
}

func (o options) writeBaseline(ctx context.Context, stdout, stderr io.Writer) error {
	name, verb := o.config.Baseline, "updated"
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		o.config.Baseline, verb = "", "written"
	} // else what stands there must be a baseline: nothing else is written over
	res, err := o.run(ctx, stderr)
	if err != nil {
		return err
	}
	if len(res.Problems) > 0 {
		return fmt.Errorf("a baseline without them would be wrong: %w", &migrate.LoadError{Problems: res.Problems})
	}
	if err := writeFile(name, res.WriteBaseline); err != nil {
		return err
	}
	s := res.Stats()
	text := fmt.Sprintf("%s %s: uses of %s that stay: %d", name, verb, res.API(), s.Uses)
	if verb == "updated" {
		text += fmt.Sprintf(", new: %d", s.NewUses)
	}
	_, err = fmt.Fprintln(stdout, text)
	return err
}
