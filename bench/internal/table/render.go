package table

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/portage-iot/awsiot/bench/internal/measure"
)

// Report is the table with all it needs to be read on its own.
type Report struct {
	Stage   Stage
	Rows    []Row
	Data    *Data
	Rounds  int
	Dur     time.Duration
	Machine string
	Notes   []string // what is not in the table, and why
}

// How says how the figures were taken from the rounds, and whether to trust
// them.
func (p Report) How() string {
	s := fmt.Sprintf("medians of %d rounds, the cells in turn", p.Rounds)
	if p.Data.Best {
		s = fmt.Sprintf("best of %d rounds, the cells in turn", p.Rounds)
	}
	if busy := p.Data.Busy(); busy > 0.5 {
		s += fmt.Sprintf("; the machine was busy (median spread of a cell %.0f %%): run again when it is not", 100*busy)
	}
	return s
}

// Missed lists the floors that are not reached even with the slack, or could
// not be judged, in words. Slack 1 is the floors as they are.
func (p Report) Missed(slack float64) []string {
	var out []string
	for _, r := range p.Rows {
		for _, f := range floors(r, p.Stage) {
			met, known := p.Data.Met(r, p.Stage, f, slack)
			switch {
			case !known:
				out = append(out, fmt.Sprintf("%s, %s: %s was not measured", r.Name, r.Call, f))
			case !met:
				v, _ := p.Data.ratio(r, p.Stage, f.Than, f.Metric)
				out = append(out, fmt.Sprintf("%s, %s: %s, is %s", r.Name, r.Call, f, f.format(v)))
			}
		}
	}
	return out
}

// String is the floor in words.
func (f Floor) String() string {
	if f.Only {
		name := f.Metric.subject(f.Than)
		switch f.Metric {
		case Rate:
			name = "rate"
		case Goroutines:
			name = "goroutines"
		}
		if f.Than != "" {
			name += " vs"
		}
		return strings.TrimSpace(name+" "+f.compared()) + " (reported)"
	}
	sign := "≤"
	if f.Metric.more() {
		sign = "≥"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", strings.TrimSpace(f.Metric.subject(f.Than)+" "+sign), f.format(f.Value), f.compared()))
}

// subject names the figure, where the comparison does not make it plain.
func (m Metric) subject(than string) string {
	switch m {
	case P50:
		if than == oneFilter {
			return "time"
		}
		return "p50"
	case Mean:
		return "mean time"
	case CPU:
		return "CPU per message"
	case Engine:
		return "CPU per publish"
	case RSS:
		return "RSS"
	case Heap:
		return "Go heap"
	}
	return ""
}

func (f Floor) compared() string {
	switch {
	case f.Metric == Engine && f.Than == CRT:
		return "the event-loop thread of " + CRT
	case f.Than != "":
		return f.Than
	case f.Metric == Allocs:
		return "per message"
	case f.Metric == RSS || f.Metric == Heap || f.Metric == Goroutines:
		return "per client"
	}
	return ""
}

// format writes a value the way the floor's subject is written in the table.
func (f Floor) format(v float64) string {
	switch {
	case f.Metric == Allocs:
		return allocs(v) + " allocs"
	case f.Metric == Goroutines && f.Than == "":
		return fmt.Sprintf("%.3g goroutines", v)
	case (f.Metric == RSS || f.Metric == Heap) && f.Than == "":
		return fmt.Sprintf("%.3g KiB", v)
	case (f.Metric == Rate || f.Metric == Ceiling) && f.Than == "":
		return fmt.Sprintf("%.4g/s", v)
	case (f.Metric == P50 || f.Metric == Mean) && f.Than == "":
		return fmt.Sprintf("%.3g us", v)
	case f.Metric == CPU && cores[f.Than] != "": // near 1, above or below
		return fmt.Sprintf("%.3fx", v)
	case f.Metric == Engine || f.Metric == CPU:
		return fmt.Sprintf("1/%.3g", 1/v)
	case f.Metric == Rate && f.Than == theLimit:
		return percent(v)
	}
	return times(v)
}

// distance says how far a value is from what to aim for.
func (f Floor) distance(v float64) string {
	switch {
	case f.Aim == 0:
		return "-"
	case f.Metric.more() && v >= f.Aim, !f.Metric.more() && v <= f.Aim:
		return "reached"
	case f.Metric.more():
		return fmt.Sprintf("%.0f %% short of it", 100*(1-v/f.Aim))
	}
	return fmt.Sprintf("%.0f %% above it", 100*(v/f.Aim-1))
}

func percent(v float64) string { return fmt.Sprintf("%.3g %%", 100*v) }

func times(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0fx", v)
	}
	return fmt.Sprintf("%.3gx", v)
}

func allocs(v float64) string {
	if v < none {
		return "0"
	}
	return fmt.Sprintf("%.3g", v)
}

// Table writes the ratios: a row per workload and call, a column per thing
// that v2 is compared with.
func (p Report) Table(w io.Writer) error {
	var peers []string
	for _, r := range p.Rows {
		for _, x := range r.vs(p.Stage) {
			if !slices.Contains(peers, x) {
				peers = append(peers, x)
			}
		}
	}
	head := []string{"workload (256 B)", "call of v2", "of the raw limit"}
	for _, x := range peers {
		head = append(head, "vs "+x)
	}
	head = append(head, "CPU vs "+pahoGo, "allocs/msg", "floors met")
	lines := [][]string{head}
	for _, r := range p.Rows {
		if r.V2.Peer == router { // among the floors: it has nothing to do with these columns
			continue
		}
		line := []string{r.Name, r.Call, p.compare(r, theLimit)}
		for _, x := range peers {
			line = append(line, p.compare(r, x))
		}
		line = append(line, p.cpu(r))
		if v, ok := p.Data.ratio(r, p.Stage, "", Allocs); ok {
			line = append(line, allocs(v))
		} else {
			line = append(line, "failed")
		}
		lines = append(lines, append(line, p.met(r)))
	}
	return writeTable(w, lines)
}

// Floors writes a line per floor: what it asks for, what it is, and how far it
// is to what to aim for.
func (p Report) Floors(w io.Writer) error {
	lines := [][]string{{"workload", "call of v2", "floor", "is", "met", "aim for", "distance"}}
	for _, r := range p.Rows {
		for _, f := range floors(r, p.Stage) {
			line := []string{r.Name, r.Call, f.String()}
			v, ok := p.Data.ratio(r, p.Stage, f.Than, f.Metric)
			if !ok {
				lines = append(lines, append(line, "failed", "unknown", "-", "-"))
				continue
			}
			met := "yes"
			if good, _ := p.Data.Met(r, p.Stage, f, 1); f.Only {
				met = "-"
			} else if !good {
				met = "NO"
			}
			aim := "-"
			if f.Aim > 0 {
				aim = f.format(f.Aim)
			}
			lines = append(lines, append(line, f.format(v), met, aim, f.distance(v)))
		}
	}
	if len(lines) == 1 {
		return nil
	}
	return writeTable(w, lines)
}

func (p Report) compare(r Row, than string) string {
	if than == theLimit && r.Limit == (Cell{}) || than != theLimit && !slices.Contains(r.vs(p.Stage), than) {
		return "-"
	}
	v, ok := p.Data.ratio(r, p.Stage, than, r.Metric)
	switch {
	case !ok:
		return "failed"
	case r.Metric == P50:
		return "p50 " + times(v)
	case r.Metric == Mean:
		return "mean " + times(v)
	case than == theLimit:
		return percent(v)
	}
	return times(v)
}

// cpu is the CPU time per message of paho.golang divided by that of v2.
func (p Report) cpu(r Row) string {
	if !slices.Contains(r.vs(p.Stage), pahoGo) {
		return "-"
	}
	v, ok := p.Data.ratio(r, p.Stage, pahoGo, CPU)
	if !ok || v == 0 {
		return "-"
	}
	return fmt.Sprintf("1/%.3g", 1/v)
}

// met sums the floors of a row up.
func (p Report) met(r Row) string {
	out := "-"
	for _, f := range floors(r, p.Stage) {
		ok, known := p.Data.Met(r, p.Stage, f, 1) // slack is for -check, not for the eye
		switch {
		case !known:
			return "unknown"
		case !ok:
			out = "NO"
		case out == "-" && !f.Only:
			out = "yes"
		}
	}
	return out
}

// writeTable writes Markdown with padded columns, which a terminal shows as
// well as a browser.
func writeTable(w io.Writer, lines [][]string) error {
	width := make([]int, len(lines[0]))
	for _, l := range lines {
		for i, s := range l {
			width[i] = max(width[i], utf8.RuneCountInString(s))
		}
	}
	var b strings.Builder
	for n, l := range lines {
		for i, s := range l {
			fmt.Fprintf(&b, "| %s%s ", s, strings.Repeat(" ", width[i]-utf8.RuneCountInString(s)))
		}
		b.WriteString("|\n")
		if n == 0 {
			for i := range l {
				b.WriteString("|" + strings.Repeat("-", width[i]+2))
			}
			b.WriteString("|\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Markdown writes the whole report: what was measured and how, the table, the
// floors and their distances, what falls short, and the figures behind it all.
func (p Report) Markdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Measured\n\n")
	fmt.Fprintf(&b, "%s  \n", p.Machine)
	fmt.Fprintf(&b, "%s, about %v measured per cell, one process each, against the null broker on loopback of the same machine (stage %s). ", p.How(), p.Dur, p.Stage)
	b.WriteString("Written by `cd bench && go run ./cmd/table -stage " + p.Stage.String() + " -o RESULTS.md`. Only ratios of one run mean anything.\n\n")
	if err := p.Table(&b); err != nil {
		return err
	}
	b.WriteString("\n`p50` and `mean` compare the time of one message or connection (less is better), the others messages per second (more is better). ")
	b.WriteString("QoS 0 counts a message when its bytes have been written to the socket. CPU is user and system time of the client process alone.\n")
	for _, s := range p.Notes {
		b.WriteString("\n" + s + ".\n")
	}
	b.WriteString("\n## Falls short\n\n")
	missed := p.Missed(1)
	for _, s := range missed {
		b.WriteString("- " + s + "\n")
	}
	if len(missed) == 0 {
		b.WriteString("No floor of this stage.\n")
	}
	b.WriteString("\n## Floors, and what to aim for\n\n")
	if err := p.Floors(&b); err != nil {
		return err
	}
	if err := p.idle(&b); err != nil {
		return err
	}
	b.WriteString("\n## Every cell\n\n")
	if err := p.cells(&b); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// idle writes what idle clients weigh, if there are any.
func (p Report) idle(w io.Writer) error {
	lines := [][]string{{"workload", "peer", "RSS KiB", "Go heap KiB", "goroutines", "connect and subscribe: mean us", "p50 us"}}
	for _, c := range Cells(p.Rows, p.Stage) {
		if c.Spec.Work != measure.Idle {
			continue
		}
		line := []string{c.Spec.String(), c.Peer}
		for _, m := range []Metric{RSS, Heap, Goroutines, Mean, P50} {
			s := "failed"
			if v, ok := p.Data.metric(c, m); ok {
				s = fmt.Sprintf("%.3g", v)
			}
			line = append(line, s)
		}
		lines = append(lines, line)
	}
	if len(lines) == 1 {
		return nil
	}
	if _, err := io.WriteString(w, "\n## One idle client\n\n"); err != nil {
		return err
	}
	return writeTable(w, lines)
}

// cells writes the figures behind the ratios.
func (p Report) cells(w io.Writer) error {
	lines := [][]string{{"workload", "peer", "msg/s", "spread", "CPU us/msg", "allocs/msg", "bytes/msg", "p50 us", "p99 us"}}
	num := func(c Cell, more bool, f func(measure.Result) float64) string {
		v, ok := p.Data.figure(c, f, more)
		switch {
		case !ok || v == 0:
			return "-"
		case v >= 1e6:
			return fmt.Sprintf("%.2fM", v/1e6)
		case v >= 1e4:
			return fmt.Sprintf("%.0fk", v/1e3)
		}
		return fmt.Sprintf("%.3g", v)
	}
	for _, c := range Cells(p.Rows, p.Stage) {
		if len(p.Data.results[c]) == 0 {
			lines = append(lines, []string{c.Spec.String(), c.Peer, "failed", "", "", "", "", "", ""})
			continue
		}
		al, _ := p.Data.metric(c, Allocs)
		cpu, objects := num(c, false, CPU.of), allocs(al)
		if c.Peer == CRT {
			cpu += " (its event loop " + num(c, false, Engine.of) + ")"
			objects = "-"
		}
		lines = append(lines, []string{c.Spec.String(), c.Peer,
			num(c, true, Rate.of), fmt.Sprintf("%.0f %%", 100*p.Data.spread(c)),
			cpu, objects,
			num(c, false, func(r measure.Result) float64 { return r.Bytes }),
			num(c, false, P50.of), num(c, false, func(r measure.Result) float64 { return r.P99 })})
	}
	return writeTable(w, lines)
}
