package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/portage-iot/awsiot/migrate/unit"
)

// WriteText writes the report for people: every unit with what changes or all reasons, what holds several back, then a
// table by rule.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	shared := r.shared()
	for _, u := range r.Units {
		r.unitText(&b, u, shared)
	}
	for _, c := range shared {
		fmt.Fprintf(&b, "%s: %s (%s)\n", r.at(c.Pos), c.Text, r.Link(c.Anchor))
		for _, u := range c.units {
			fmt.Fprintf(&b, "\tholds back %s: %s: %s\n", r.at(u.Pos), u.Name, Count(len(u.Sites), "call site"))
		}
	}
	r.newText(&b)
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	switch {
	case len(r.Units) > 0:
		b.WriteString("\n")
		if err := r.tables(&b); err != nil {
			return err
		}
	case len(r.Problems) == 0:
		fmt.Fprintf(&b, "no %s found\n", r.words().Found)
	}
	if r.Written {
		fmt.Fprintf(&b, "%s written\n", Count(len(r.Files), "file"))
	}
	if len(r.Problems) > 0 {
		b.WriteString("\n" + ProblemsText(r.Problems) + "\n")
		if r.Fix {
			b.WriteString("nothing was written: what does not compile may use what would change\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// tables writes the counts by rule, and the totals.
func (r *Report) tables(b *strings.Builder) error {
	rows, total := Tally(r.Units, ByRule)
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "rule\t%s\tbridged\tleft\t\n", r.done())
	for _, x := range append(rows, Row{"call sites", total}) {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t\n", x.Name, x.Rewritten, x.Bridged, x.Left)
	}
	done := Done(r.Units)
	fmt.Fprintf(t, "%ss\t%d\t\t%d\t\n", r.words().Unit, done, len(r.Units)-done)
	return t.Flush()
}

// UnitText is what the text says of one unit.
func (r *Report) UnitText(u *unit.Unit) string {
	var b strings.Builder
	r.unitText(&b, u, nil)
	return b.String()
}

// unitText says what becomes of a unit. What stands in shared is said there, with the units that it holds back.
func (r *Report) unitText(b *strings.Builder, u *unit.Unit, shared []*cause) {
	own := slices.DeleteFunc(slices.Clone(u.Reasons), func(x unit.Reason) bool {
		return slices.ContainsFunc(shared, func(c *cause) bool { return c.Pos == x.Pos && c.Text == x.Text })
	})
	if !u.Rewritten && len(own) == 0 && len(u.Bridges) == 0 && len(u.Reasons) > 0 {
		return // nothing but what is said there
	}
	fmt.Fprintf(b, "%s: %s: %s\n", r.at(u.Pos), u.Name, r.verdict(u))
	said := map[string]bool{}
	for i, x := range own {
		if said[x.Text+x.Anchor] {
			continue
		}
		said[x.Text+x.Anchor] = true
		fmt.Fprintf(b, "\t%s: %s (%s)\n", r.at(x.Pos), x.Text, r.Link(x.Anchor))
		var also []string
		for _, y := range own[i+1:] {
			if y.Text == x.Text && y.Anchor == x.Anchor {
				also = append(also, r.at(y.Pos))
			}
		}
		if len(also) > 0 {
			fmt.Fprintf(b, "\t\tand at %s\n", strings.Join(also, ", "))
		}
	}
	for _, x := range u.Bridges {
		fmt.Fprintf(b, "\t%s: %s through %s: %s (%s); %s\n", r.at(x.Pos), x.What, x.Form, x.Text, r.Link(x.Anchor), x.Next)
	}
	if !u.Rewritten {
		return // notes are about what changes
	}
	for _, n := range u.Notes {
		fmt.Fprintf(b, "\t%s: note: %s (%s)\n", r.at(n.Pos), n.Text, r.Link(n.Anchor))
	}
}

// verdict says in a line what becomes of a unit.
func (r *Report) verdict(u *unit.Unit) string {
	by := map[unit.Outcome][]unit.Site{}
	for _, s := range u.Sites {
		by[u.Becomes(s)] = append(by[u.Becomes(s)], s)
	}
	switch {
	case u.Rewritten && len(u.Reasons) > 0:
		text := fmt.Sprintf("stays %s's; through V2 %s: %s", r.words().Owner, r.done(), sitesText(by[unit.Rewritten]))
		if left := by[unit.Left]; len(left) > 0 {
			text += "; left: " + sitesText(left)
		}
		return text
	case u.Rewritten:
		text := r.done() + ": " + sitesText(by[unit.Rewritten])
		if len(u.Bridges) > 0 {
			text += "; " + Count(len(u.Bridges), "bridge")
		}
		return text
	case len(u.Reasons) == 0 && len(u.Bridges) > 0:
		return Count(len(u.Bridges), "bridge") + " of an earlier run"
	}
	return fmt.Sprintf("left: %s, %s", Count(len(u.Sites), "call site"), Count(len(u.Reasons), "reason"))
}

// newText lists what the baseline does not know.
func (r *Report) newText(b *strings.Builder) {
	if r.Baseline == nil {
		return
	}
	uses := r.Uses()
	n := 0
	for _, x := range uses {
		if x.New {
			fmt.Fprintf(b, "%s: %s in %s is not in the baseline\n", r.at(x.Pos), x.What, x.In)
			n++
		}
	}
	fmt.Fprintf(b, "baseline: %d of %s of %s are new", n, Count(len(uses), "use"), r.words().API)
	if gone := r.Baseline.gone(uses); gone > 0 {
		fmt.Fprintf(b, ", %d that it names are gone", gone)
	}
	b.WriteString("\n")
}

// sitesText counts sites by rule in the order of their first appearance.
func sitesText(sites []unit.Site) string {
	n := map[string]int{}
	var order []string
	for _, s := range sites {
		if n[s.Rule] == 0 {
			order = append(order, s.Rule)
		}
		n[s.Rule]++
	}
	var out []string
	for _, rule := range order {
		out = append(out, fmt.Sprintf("%s %d", rule, n[rule]))
	}
	return strings.Join(out, ", ")
}

// shownErrors is how many errors a report shows.
const shownErrors = 10

// ProblemsText lists errors by package, each once, the first ten of them.
func ProblemsText(problems []Problem) string {
	var b strings.Builder
	b.WriteString("these packages do not compile as they are:")
	n, all := 0, 0
	for _, p := range problems {
		all += len(p.Errors)
		if n >= shownErrors {
			continue
		}
		b.WriteString("\n" + p.Package)
		if p.GOOS != "" {
			b.WriteString(" (GOOS=" + p.GOOS + ")")
		}
		b.WriteString(":")
		for _, x := range p.Errors {
			if n == shownErrors {
				break
			}
			n++
			b.WriteString("\n\t" + strings.ReplaceAll(x, "\n", "\n\t"))
		}
	}
	if n < all {
		fmt.Fprintf(&b, "\n... and %d more", all-n)
	}
	return b.String()
}
