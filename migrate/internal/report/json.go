package report

import (
	"encoding/json"
	"io"
	"slices"

	"github.com/portage-iot/awsiot/migrate/unit"
)

// jsonReport and its parts are the machine-readable report; fields are only ever added.
type jsonReport struct {
	Version        int        `json:"version"`
	Units          []jsonUnit `json:"units"`
	Files          []string   `json:"files"`
	Written        bool       `json:"written"`
	Notes          []string   `json:"notes,omitempty"`
	CallsRewritten int        `json:"callsRewritten"`
	CallsBridged   int        `json:"callsBridged"`
	CallsLeft      int        `json:"callsLeft"`
	Rules          []jsonRule `json:"rules"`
	Packages       []jsonRule `json:"packages"`
	Uses           []jsonUse  `json:"uses"`
	Problems       []Problem  `json:"problems,omitempty"`
}

type jsonUnit struct {
	Pos       string       `json:"pos"`
	Name      string       `json:"name"`
	Package   string       `json:"package"`
	Rewritten bool         `json:"rewritten"`
	Sites     []jsonSite   `json:"sites"`
	Bridges   []jsonBridge `json:"bridges,omitempty"`
	Reasons   []jsonReason `json:"reasons,omitempty"`
	Notes     []jsonReason `json:"notes,omitempty"`
}

type jsonSite struct {
	Pos     string `json:"pos"`
	Rule    string `json:"rule"`
	Call    string `json:"call"`
	Outcome string `json:"outcome"`
}

type jsonBridge struct {
	Pos  string `json:"pos"`
	Rule string `json:"rule"`
	What string `json:"what"`
	Form string `json:"form"`
	Text string `json:"text"`
	Next string `json:"next"`
	Link string `json:"link"`
}

type jsonReason struct {
	Pos  string `json:"pos"`
	Rule string `json:"rule,omitempty"`
	Text string `json:"text"`
	Link string `json:"link"`
}

type jsonRule struct {
	Rule      string `json:"rule,omitempty"`
	Package   string `json:"package,omitempty"`
	Rewritten int    `json:"rewritten"`
	Bridged   int    `json:"bridged"`
	Left      int    `json:"left"`
}

// jsonUse is a place that stays on v1's shape; new is null without a baseline.
type jsonUse struct {
	ID      string `json:"id"`
	Pos     string `json:"pos"`
	In      string `json:"in"`
	What    string `json:"what"`
	Outcome string `json:"outcome"`
	New     *bool  `json:"new,omitempty"`
}

// WriteJSON writes the report for machines; file names are relative to Dir.
func (r *Report) WriteJSON(w io.Writer) error {
	rules, total := Tally(r.Units, ByRule)
	packages, _ := Tally(r.Units, byPackage)
	out := jsonReport{Version: 1, Written: r.Written, Notes: r.Notes, Problems: r.Problems,
		CallsRewritten: total.Rewritten, CallsBridged: total.Bridged, CallsLeft: total.Left,
		Units: []jsonUnit{}, Files: []string{}, Rules: []jsonRule{}, Packages: []jsonRule{}, Uses: []jsonUse{}}
	for _, u := range r.Units {
		out.Units = append(out.Units, r.jsonUnit(u))
	}
	for name := range r.Files {
		out.Files = append(out.Files, Relative(r.Dir, name))
	}
	slices.Sort(out.Files)
	for _, x := range rules {
		out.Rules = append(out.Rules, jsonRule{x.Name, "", x.Rewritten, x.Bridged, x.Left})
	}
	for _, x := range packages {
		out.Packages = append(out.Packages, jsonRule{"", x.Name, x.Rewritten, x.Bridged, x.Left})
	}
	for _, x := range r.Uses() {
		ju := jsonUse{ID: x.ID(), Pos: r.at(x.Pos), In: x.In, What: x.What, Outcome: x.Outcome.String()}
		if r.Baseline != nil {
			ju.New = &x.New
		}
		out.Uses = append(out.Uses, ju)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "\t")
	return e.Encode(out)
}

func (r *Report) jsonUnit(u *unit.Unit) jsonUnit {
	ju := jsonUnit{Pos: r.at(u.Pos), Name: u.Name, Package: u.Package, Rewritten: u.Rewritten, Sites: []jsonSite{}}
	for _, x := range u.Sites {
		ju.Sites = append(ju.Sites, jsonSite{r.at(x.Pos), x.Rule, x.What, u.Becomes(x).String()})
	}
	for _, x := range u.Bridges {
		ju.Bridges = append(ju.Bridges, jsonBridge{r.at(x.Pos), x.Rule, x.What, x.Form, x.Text, x.Next, r.Link(x.Anchor)})
	}
	for _, x := range u.Reasons {
		ju.Reasons = append(ju.Reasons, jsonReason{r.at(x.Pos), x.Rule, x.Text, r.Link(x.Anchor)})
	}
	for _, x := range u.Notes {
		ju.Notes = append(ju.Notes, jsonReason{Pos: r.at(x.Pos), Text: x.Text, Link: r.Link(x.Anchor)})
	}
	return ju
}
