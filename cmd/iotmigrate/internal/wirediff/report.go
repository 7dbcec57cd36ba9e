package wirediff

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// maxListed bounds the differences that WriteText lists after the first.
const maxListed = 9

// WriteText writes the table, the notes, the events that did not happen, and the differences: the first with both packets, more by name.
func (r *Result) WriteText(w io.Writer) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	fmt.Fprintf(t, "packets\told\tnew\tequal\n")
	for _, row := range r.Rows {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\n", row.Kind, row.Old, row.New, row.Equal)
	}
	sum := r.Total()
	fmt.Fprintf(t, "all\t%d\t%d\t%d\n", sum.Old, sum.New, sum.Equal)
	if err := t.Flush(); err != nil {
		return err
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	for _, u := range r.Unplayed {
		fmt.Fprintf(&b, "%s\n", u)
	}
	for i, d := range r.Differences {
		if i == 0 {
			fmt.Fprintf(&b, "\nfirst difference: %s\n", d)
			for _, s := range []struct {
				name string
				side *Side
			}{{"old", d.Old}, {"new", d.New}} {
				fmt.Fprintf(&b, "  %s: %s\n", s.name, s.side.text())
			}
			continue
		}
		if i > maxListed {
			fmt.Fprintf(&b, "and %d more\n", len(r.Differences)-i)
			break
		}
		fmt.Fprintf(&b, "also: %s\n", d)
	}
	for i, m := range r.Expected {
		if i == 0 {
			b.WriteString("\n")
		}
		if i == maxListed {
			fmt.Fprintf(&b, "and %d more that are expected\n", len(r.Expected)-i)
			break
		}
		fmt.Fprintf(&b, "expected by rule %s: %s: %s\n", m.Rule, m.Difference, m.Text)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s *Side) text() string {
	if s == nil {
		return "nothing"
	}
	return strings.ReplaceAll(s.Line, "\n", "\n       ")
}

// String names the packet: numbers, kind, topic, client, and what differs.
func (d Difference) String() string {
	var b strings.Builder
	switch {
	case d.Old != nil && d.New != nil && d.Old.N == d.New.N:
		b.WriteString(number(d.Old.N))
	case d.Old != nil && d.New != nil:
		fmt.Fprintf(&b, "%s of the old, %s of the new", number(d.Old.N), number(d.New.N))
	case d.Old != nil:
		b.WriteString(number(d.Old.N) + " of the old")
	case d.New != nil:
		b.WriteString(number(d.New.N) + " of the new")
	}
	fmt.Fprintf(&b, ", %s", d.Kind)
	if d.Topic != "" {
		fmt.Fprintf(&b, " %q", d.Topic)
	}
	fmt.Fprintf(&b, " (client %q): %s", d.Client, strings.Join(d.What, ", "))
	return b.String()
}

func number(n int) string {
	if n == 0 {
		return "end of the connection"
	}
	return fmt.Sprintf("packet %d", n)
}
