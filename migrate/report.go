package migrate

import (
	"fmt"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/portage-iot/awsiot/migrate/internal/report"
)

// WriteText writes the report for people: every unit with what changes or all reasons, what holds several back, then a
// table by rule.
func (r *Result) WriteText(w io.Writer) error { return r.report().WriteText(w) }

// WriteJSON writes the report for machines; file names are relative to Dir, and fields are only ever added.
func (r *Result) WriteJSON(w io.Writer) error { return r.report().WriteJSON(w) }

// WriteSARIF writes the report for code scanning, as a SARIF 2.1.0 log.
func (r *Result) WriteSARIF(w io.Writer) error { return r.report().WriteSARIF(w) }

// WriteHTML writes the report as one page that needs nothing else, with the code before and after.
func (r *Result) WriteHTML(w io.Writer) error { return r.report().WriteHTML(w) }

// WriteBaseline writes the uses of v1's API that stay, for Config.Baseline of later runs.
func (r *Result) WriteBaseline(w io.Writer) error { return r.report().WriteBaseline(w) }

// API is what is migrated, in words: "v1's API".
func (r *Result) API() string { return r.report().API() }

// report is the result as the writers take it.
func (r *Result) report() *report.Report {
	out := &report.Report{Dir: r.Dir, URL: url, Words: r.words, Fix: r.mode == Fix, Units: r.Units, Files: map[string]report.File{},
		Source: os.ReadFile, Written: r.Written, Notes: r.Notes, Baseline: r.baseline}
	for name, f := range r.Files {
		out.Files[name] = report.File(f)
	}
	for _, p := range r.Problems {
		out.Problems = append(out.Problems, report.Problem(p))
	}
	if r.src != nil {
		out.Source = r.src.file
	}
	return out
}

// readBaseline reads a file that WriteBaseline has written; "" is none.
func readBaseline(name string) (*report.Baseline, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("baseline: %w", err)
	}
	defer f.Close()
	b, err := report.ReadBaseline(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b, nil
}

// fresh reports whether something stays that the baseline does not know.
func (r *Result) fresh() bool {
	return slices.ContainsFunc(r.report().Uses(), func(u report.Use) bool { return u.New })
}

// problemsText lists errors by package, each once.
func problemsText(problems []Problem) string {
	var list []report.Problem
	for _, p := range problems {
		list = append(list, report.Problem(p))
	}
	return report.ProblemsText(list)
}

// link is where a section of MIGRATION.md can be read.
func link(anchor string) string { return url + "#" + anchor }

// short is a position with the base name of its file only.
func short(p token.Position) string {
	p.Filename = filepath.Base(p.Filename)
	return p.String()
}

func count(n int, what string) string { return report.Count(n, what) }

// relative is name relative to dir with slashes, or name itself when it is not below dir.
func relative(dir, name string) string { return report.Relative(dir, name) }
