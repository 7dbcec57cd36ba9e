package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/unit"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{"count": Count}).Parse(pageText))

// page is what the template shows.
type page struct {
	Dir, Done       string
	Words           Words
	Clients, Whole  int // clients, and those of which nothing stays on v1's shape
	Total           bar
	Packages, Rules []bar
	Causes          []pageCause // of what is left or bridged
	Units           []pageUnit
	New             []pagePlace // with a baseline: what it does not know
	Baseline        bool
	Notes           []string
	Problems        []Problem
	Written         int // files
}

// bar is counts with their shares in percent, for drawing.
type bar struct{ Row }

// Share is a part of all sites in percent.
func (b bar) Share(n int) string {
	if b.All() == 0 {
		return "0"
	}
	return fmt.Sprintf("%.4g", 100*float64(n)/float64(b.All()))
}

// pageCause is one reason with all places where it stands, in all units.
type pageCause struct {
	Text, Link string
	Places     []pagePlace
}

// pagePlace is a place with the clients that it is about.
type pagePlace struct {
	Pos     string
	Clients []pageClient
	Text    string
}

type pageClient struct{ Name, ID string }

type pageUnit struct {
	ID, Name, Pos, Package string
	Class, Verdict         string // of the style sheet; in words
	Sites                  string
	Reasons, Notes         []pageCause
	Bridges                []pageBridge
	Changes                []change
}

type pageBridge struct{ Pos, What, Form, Text, Next, Link string }

// change is a stretch of a file before and after; After is nil where nothing changes.
type change struct {
	File          string
	Before, After []pageLine
}

type pageLine struct {
	N     int
	Text  string
	Class string // "del", "add", "site" or nothing
}

// WriteHTML writes the report as one page that needs nothing else.
func (r *Report) WriteHTML(w io.Writer) error {
	p := page{Dir: r.Dir, Words: r.words(), Done: r.done(), Clients: len(r.Units), Whole: Done(r.Units), Notes: r.Notes, Problems: r.Problems, Baseline: r.Baseline != nil}
	if r.Written {
		p.Written = len(r.Files)
	}
	rules, total := Tally(r.Units, ByRule)
	packages, _ := Tally(r.Units, byPackage)
	p.Total = bar{Row{"call sites", total}}
	for _, x := range rules {
		p.Rules = append(p.Rules, bar{x})
	}
	for _, x := range packages {
		p.Packages = append(p.Packages, bar{x})
	}
	ids := map[*unit.Unit]string{}
	for i, u := range r.Units {
		ids[u] = fmt.Sprintf("client-%d", i+1)
	}
	p.Causes = r.pageCauses(ids)
	owners := r.hunkOwners()
	for _, u := range r.Units {
		p.Units = append(p.Units, r.pageUnit(u, ids[u], owners))
	}
	for _, u := range r.Uses() {
		if u.New {
			p.New = append(p.New, pagePlace{r.at(u.Pos), []pageClient{{u.Unit.Name, ids[u.Unit]}}, u.What + " in " + u.In})
		}
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, p); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// pageCauses groups the reasons of all units by what they say, the most frequent first.
func (r *Report) pageCauses(ids map[*unit.Unit]string) []pageCause {
	var out []pageCause
	for _, u := range r.Units {
		for _, x := range u.Reasons {
			r.addCause(&out, x.Text, x.Anchor, pagePlace{r.at(x.Pos), []pageClient{{u.Name, ids[u]}}, ""})
		}
		for _, x := range u.Bridges {
			r.addCause(&out, x.Text, x.Anchor, pagePlace{r.at(x.Pos), []pageClient{{u.Name, ids[u]}}, "bridge"})
		}
	}
	clients := func(c pageCause) (n int) {
		for _, p := range c.Places {
			n += len(p.Clients)
		}
		return n
	}
	slices.SortStableFunc(out, func(a, b pageCause) int { return clients(b) - clients(a) })
	return out
}

// addCause adds a place to the cause of a text; one that is there already gets another client.
func (r *Report) addCause(list *[]pageCause, text, anchor string, at pagePlace) {
	i := slices.IndexFunc(*list, func(c pageCause) bool { return c.Text == text && c.Link == r.Link(anchor) })
	if i < 0 {
		i = len(*list)
		*list = append(*list, pageCause{Text: text, Link: r.Link(anchor)})
	}
	c := &(*list)[i]
	if j := slices.IndexFunc(c.Places, func(p pagePlace) bool { return p.Pos == at.Pos && p.Text == at.Text }); j >= 0 {
		c.Places[j].Clients = append(c.Places[j].Clients, at.Clients...)
		return
	}
	c.Places = append(c.Places, at)
}

func (r *Report) pageUnit(u *unit.Unit, id string, owners map[string][]*unit.Unit) pageUnit {
	p := pageUnit{ID: id, Name: u.Name, Pos: r.at(u.Pos), Package: u.Package, Sites: sitesText(u.Sites)}
	switch {
	case u.Done():
		p.Class, p.Verdict = "rewritten", r.done()
	case u.Rewritten && len(u.Reasons) > 0:
		p.Class, p.Verdict = "bridged", "stays "+r.words().Owner+"'s; calls that have a rule "+r.done()+" through V2"
	case u.Rewritten:
		p.Class, p.Verdict = "bridged", r.done()+", with "+Count(len(u.Bridges), "bridge")
	case len(u.Reasons) == 0 && len(u.Bridges) > 0:
		p.Class, p.Verdict = "bridged", r.verdict(u)
	default:
		p.Class, p.Verdict = "left", "left"
	}
	for _, x := range u.Reasons {
		r.addCause(&p.Reasons, x.Text, x.Anchor, pagePlace{Pos: r.at(x.Pos)})
	}
	for _, x := range u.Notes {
		if u.Rewritten { // they are about what changes
			r.addCause(&p.Notes, x.Text, x.Anchor, pagePlace{Pos: r.at(x.Pos)})
		}
	}
	for _, x := range u.Bridges {
		p.Bridges = append(p.Bridges, pageBridge{r.at(x.Pos), x.What, x.Form, x.Text, x.Next, r.Link(x.Anchor)})
	}
	if u.Rewritten {
		p.Changes = r.changes(u, owners)
	}
	if len(p.Changes) == 0 {
		p.Changes = r.excerpts(u)
	}
	return p
}

// hunkOwners are, for every hunk of every file that changes, the units whose edits are in it.
func (r *Report) hunkOwners() map[string][]*unit.Unit {
	out := map[string][]*unit.Unit{}
	for name, f := range r.Files {
		for i, h := range edit.Hunks(f.Old, f.New) {
			olds, _ := h.Counts()
			key := hunkKey(name, i)
			for _, u := range r.Units {
				if !u.Rewritten || u.Edits[name] == nil {
					continue
				}
				for _, e := range u.Edits[name].Edits {
					if line := 1 + bytes.Count(f.Old[:min(int(e.Pos)-1, len(f.Old))], []byte("\n")); line >= h.OldLine && line < h.OldLine+olds {
						out[key] = append(out[key], u)
						break
					}
				}
			}
			if len(out[key]) == 0 { // imports: they belong to all that edit the file, and the first shows them
				if i := slices.IndexFunc(r.Units, func(u *unit.Unit) bool { return u.Rewritten && u.Edits[name] != nil }); i >= 0 {
					out[key] = []*unit.Unit{r.Units[i]}
				}
			}
		}
	}
	return out
}

func hunkKey(file string, i int) string { return fmt.Sprintf("%s %d", file, i) }

// changes are the hunks that a unit has a part in.
func (r *Report) changes(u *unit.Unit, owners map[string][]*unit.Unit) []change {
	var names []string
	for name := range u.Edits {
		names = append(names, name)
	}
	slices.Sort(names)
	var out []change
	for _, name := range names {
		f, ok := r.Files[name]
		if !ok {
			continue
		}
		for i, h := range edit.Hunks(f.Old, f.New) {
			if !slices.Contains(owners[hunkKey(name, i)], u) {
				continue
			}
			c := change{File: Relative(r.Dir, name)}
			oldLine, newLine := h.OldLine, h.NewLine
			for _, l := range h.Lines {
				text := strings.TrimRight(l.Text, "\r\n")
				if l.Kind != '+' {
					c.Before = append(c.Before, pageLine{oldLine, text, class(l.Kind)})
					oldLine++
				}
				if l.Kind != '-' {
					c.After = append(c.After, pageLine{newLine, text, class(l.Kind)})
					newLine++
				}
			}
			out = append(out, c)
		}
	}
	return out
}

func class(kind byte) string {
	return map[byte]string{'-': "del", '+': "add"}[kind]
}

// excerptContext is how many lines stand around a call site that is shown.
const excerptContext = 1

// excerpts are the lines of a unit's call sites and reasons, with those around them, where nothing changes.
func (r *Report) excerpts(u *unit.Unit) []change {
	marked := map[string]map[int]bool{}
	mark := func(name string, line int) {
		if marked[name] == nil {
			marked[name] = map[int]bool{}
		}
		marked[name][line] = true
	}
	for _, s := range u.Sites {
		mark(s.Pos.Filename, s.Pos.Line)
	}
	for _, x := range u.Reasons {
		mark(x.Pos.Filename, x.Pos.Line)
	}
	for _, x := range u.Bridges {
		mark(x.Pos.Filename, x.Pos.Line)
	}
	var names []string
	for name := range marked {
		names = append(names, name)
	}
	slices.Sort(names)
	var out []change
	for _, name := range names {
		src, err := r.Source(name)
		if err != nil {
			continue
		}
		last := -1
		for i, line := range strings.Split(strings.TrimSuffix(string(src), "\n"), "\n") {
			n := i + 1
			near := false
			for d := -excerptContext; d <= excerptContext; d++ {
				near = near || marked[name][n+d]
			}
			if !near {
				continue
			}
			if last != n-1 || len(out) == 0 {
				out = append(out, change{File: Relative(r.Dir, name)})
			}
			last = n
			l := pageLine{N: n, Text: strings.TrimRight(line, "\r")}
			if marked[name][n] {
				l.Class = "site"
			}
			out[len(out)-1].Before = append(out[len(out)-1].Before, l)
		}
	}
	return out
}
