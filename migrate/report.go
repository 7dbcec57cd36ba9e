package migrate

import (
	"encoding/json"
	"fmt"
	"go/token"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/portage-iot/awsiot/migrate/internal/paths"
)

// WriteText writes the report for people: every unit with what changes or all reasons, then a table by rule.
func (r *Result) WriteText(w io.Writer) error {
	var b strings.Builder
	for _, u := range r.Units {
		r.unitText(&b, u)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	s := r.Stats()
	if s.Units == 0 {
		b.WriteString("no v1-shaped clients found\n")
	} else {
		b.WriteString("\n")
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintf(t, "rule\trewritten\tleft\t\n")
		for _, rs := range s.Rules {
			fmt.Fprintf(t, "%s\t%d\t%d\t\n", rs.Rule, rs.Rewritten, rs.Left)
		}
		fmt.Fprintf(t, "call sites\t%d\t%d\t\n", s.Rewritten, s.Left)
		fmt.Fprintf(t, "clients\t%d\t%d\t\n", s.UnitsRewritten, s.Units-s.UnitsRewritten)
		if err := t.Flush(); err != nil {
			return err
		}
	}
	if r.Written {
		fmt.Fprintf(&b, "%s written\n", count(len(r.Files), "file"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Result) unitText(b *strings.Builder, u *Unit) {
	if u.Rewritten {
		fmt.Fprintf(b, "%s: %s: rewritten: %s\n", r.at(u.Pos), u.Name, sitesText(u.Sites))
		for _, n := range u.Notes {
			fmt.Fprintf(b, "\t%s: note: %s (%s#%s)\n", r.at(n.Pos), n.Text, paths.Migration, n.Anchor)
		}
		return
	}
	fmt.Fprintf(b, "%s: %s: left: %s, %s\n", r.at(u.Pos), u.Name, count(len(u.Sites), "call site"), count(len(u.Reasons), "reason"))
	for _, x := range u.Reasons {
		fmt.Fprintf(b, "\t%s: %s (%s#%s)\n", r.at(x.Pos), x.Text, paths.Migration, x.Anchor)
	}
}

// sitesText counts sites by rule in the order of their first appearance.
func sitesText(sites []Site) string {
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

func (r *Result) at(p token.Position) string {
	p.Filename = relative(r.Dir, p.Filename)
	return p.String()
}

// short is a position with the base name of its file only.
func short(p token.Position) string {
	p.Filename = filepath.Base(p.Filename)
	return p.String()
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// jsonUnit and its parts are the machine-readable report; fields are only ever added.
type jsonUnit struct {
	Pos       string       `json:"pos"`
	Name      string       `json:"name"`
	Package   string       `json:"package"`
	Rewritten bool         `json:"rewritten"`
	Sites     []jsonSite   `json:"sites"`
	Reasons   []jsonReason `json:"reasons,omitempty"`
	Notes     []jsonReason `json:"notes,omitempty"`
}

type jsonSite struct {
	Pos  string `json:"pos"`
	Rule string `json:"rule"`
	Call string `json:"call"`
}

type jsonReason struct {
	Pos  string `json:"pos"`
	Rule string `json:"rule,omitempty"`
	Text string `json:"text"`
	Link string `json:"link"`
}

type jsonReport struct {
	Version        int        `json:"version"`
	Units          []jsonUnit `json:"units"`
	Files          []string   `json:"files"`
	Written        bool       `json:"written"`
	Notes          []string   `json:"notes,omitempty"`
	CallsRewritten int        `json:"callsRewritten"`
	CallsLeft      int        `json:"callsLeft"`
	Rules          []jsonRule `json:"rules"`
}

type jsonRule struct {
	Rule      string `json:"rule"`
	Rewritten int    `json:"rewritten"`
	Left      int    `json:"left"`
}

// WriteJSON writes the report for machines; file names are relative to Dir.
func (r *Result) WriteJSON(w io.Writer) error {
	s := r.Stats()
	out := jsonReport{Version: 1, Written: r.Written, Notes: r.Notes, CallsRewritten: s.Rewritten, CallsLeft: s.Left,
		Units: []jsonUnit{}, Files: []string{}, Rules: []jsonRule{}}
	for _, u := range r.Units {
		ju := jsonUnit{Pos: r.at(u.Pos), Name: u.Name, Package: u.Package, Rewritten: u.Rewritten, Sites: []jsonSite{}}
		for _, x := range u.Sites {
			ju.Sites = append(ju.Sites, jsonSite{r.at(x.Pos), x.Rule, x.What})
		}
		for _, x := range u.Reasons {
			ju.Reasons = append(ju.Reasons, jsonReason{r.at(x.Pos), x.Rule, x.Text, paths.Migration + "#" + x.Anchor})
		}
		for _, x := range u.Notes {
			ju.Notes = append(ju.Notes, jsonReason{Pos: r.at(x.Pos), Text: x.Text, Link: paths.Migration + "#" + x.Anchor})
		}
		out.Units = append(out.Units, ju)
	}
	for name := range r.Files {
		out.Files = append(out.Files, relative(r.Dir, name))
	}
	slices.Sort(out.Files)
	for _, rs := range s.Rules {
		out.Rules = append(out.Rules, jsonRule(rs))
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "\t")
	return e.Encode(out)
}
