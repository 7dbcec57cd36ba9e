package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/token"
	"os"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/unit"
)

const mainGo = `package main

func start() {
	a := connect("a") // ü and 😀
	a.Publish("<t>", 1)
	a.Publish("t", 2)
}

type box struct{ c client }

func (b *box) stop() {
	b.c.Disconnect()
}
`

// pos is the position of the nth occurrence of a text in mainGo.
func pos(text string, n int) token.Position {
	at := -1
	for range n {
		at += 1 + strings.Index(mainGo[at+1:], text)
	}
	before := mainGo[:at]
	return token.Position{Filename: "/m/main.go", Offset: at, Line: 1 + strings.Count(before, "\n"), Column: at - strings.LastIndex(before, "\n")}
}

// sample is a report with a unit of every kind: whole, in part, left for its own and for a shared reason, bridged before.
func sample() *Report {
	changed := strings.Replace(mainGo, "connect(\"a\")", "awsiot.NewClient(opts)", 1)
	e := edit.Replace(fakeNode{token.Pos(pos("connect", 1).Offset + 1), token.Pos(pos("connect", 1).Offset + 13)}, edit.Text("awsiot.NewClient(opts)"))
	shared := unit.Reason{Pos: pos("type box", 1), Rule: "errors", Text: "an error type is inspected", Anchor: "v1-errors"}
	site := func(what string, n int, o unit.Outcome) unit.Site {
		return unit.Site{Pos: pos(what, n), Rule: strings.ToLower(what), What: what, Outcome: o}
	}
	return &Report{
		Dir: "/m", URL: "https://example.com/M.md", Files: map[string]File{"/m/main.go": {[]byte(mainGo), []byte(changed)}},
		Source: func(name string) ([]byte, error) {
			if name != "/m/main.go" {
				return nil, os.ErrNotExist
			}
			return []byte(mainGo), nil
		},
		Units: []*unit.Unit{
			{Name: "whole", Package: "m", Family: "f", Pos: pos("a :=", 1), Rewritten: true, Sites: []unit.Site{site("connect", 1, unit.Rewritten)},
				Edits: map[string]*unit.FileEdits{"/m/main.go": {Edits: []edit.Edit{e}}}, Notes: []unit.Note{{Pos: pos("a :=", 1), Text: "mind this", Anchor: "acks"}}},
			{Name: "part", Package: "m", Family: "f", Pos: pos("a.Publish", 1), Rewritten: true, Sites: []unit.Site{site("Publish", 1, unit.Rewritten), site("Publish", 2, unit.Bridged)},
				Bridges: []unit.Bridge{{Pos: pos("Publish", 2), Rule: "publish", What: "Publish", Form: "v1compat.FromV2", Text: "its id is used", Next: "count by yourself", Anchor: "message-ids"}}},
			{Name: "own", Package: "m/b", Family: "f", Pos: pos("Disconnect", 1), Sites: []unit.Site{site("Disconnect", 1, unit.Rewritten)},
				Reasons: []unit.Reason{{Pos: pos("b.c", 1), Text: "<no rule>", Anchor: "unknown-use"}, {Pos: pos("stop", 1), Text: "<no rule>", Anchor: "unknown-use"}, shared}},
			{Name: "held", Package: "m/b", Family: "f", Pos: pos("c client", 1), Reasons: []unit.Reason{shared}},
			{Name: "earlier", Package: "m/b", Family: "f", Pos: pos("a.Publish", 2), Bridges: []unit.Bridge{{Pos: pos("a.Publish", 2), Rule: "bridge", What: "helper", Form: "v1compat.FromV2", Text: "it takes v1's client", Next: "give it v2's", Anchor: "bridge"}}},
		},
	}
}

type fakeNode struct{ pos, end token.Pos }

func (n fakeNode) Pos() token.Pos { return n.pos }
func (n fakeNode) End() token.Pos { return n.end }

func TestText(t *testing.T) {
	var b bytes.Buffer
	if err := sample().WriteText(&b); err != nil {
		t.Fatal(err)
	}
	want := `main.go:4:2: whole: would be rewritten: connect 1
	main.go:4:2: note: mind this (https://example.com/M.md#acks)
main.go:5:2: part: would be rewritten: publish 1; 1 bridge
	main.go:6:4: Publish through v1compat.FromV2: its id is used (https://example.com/M.md#message-ids); count by yourself
main.go:12:6: own: left: 1 call site, 3 reasons
	main.go:12:2: <no rule> (https://example.com/M.md#unknown-use)
		and at main.go:11:15
main.go:6:2: earlier: 1 bridge of an earlier run
	main.go:6:2: helper through v1compat.FromV2: it takes v1's client (https://example.com/M.md#bridge); give it v2's
main.go:9:1: an error type is inspected (https://example.com/M.md#v1-errors)
	holds back main.go:12:6: own: 1 call site
	holds back main.go:9:18: held: 0 call sites

         rule  would be rewritten  bridged  left
      connect                   1        0     0
   disconnect                   0        0     1
  handed over                   0        1     0
      publish                   1        1     0
   call sites                   2        2     1
      clients                   1              4
`
	if b.String() != want {
		t.Errorf("%s\nwant\n%s", b.String(), want)
	}
}

func TestTextEmptyAndProblems(t *testing.T) {
	r := &Report{Dir: "/m"}
	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil || b.String() != "no v1-shaped clients found\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
	r.Fix = true
	r.Problems = []Problem{{Package: "p", GOOS: "plan9", Errors: []string{"x.go:1:1: one\ntwo"}}}
	for i := range 12 {
		r.Problems = append(r.Problems, Problem{Package: fmt.Sprint("q", i), Errors: []string{fmt.Sprint("error ", i)}})
	}
	b.Reset()
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"p (GOOS=plan9):\n\tx.go:1:1: one\n\ttwo\n", "error 8\n", "... and 3 more\n", "nothing was written"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "error 9") {
		t.Errorf("more than ten errors:\n%s", b.String())
	}
}

func TestJSON(t *testing.T) {
	r := sample()
	r.Baseline = &Baseline{Version: 1, Uses: map[string]int{"m start Publish": 1}}
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got jsonReport
	d := json.NewDecoder(&b)
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.CallsRewritten != 2 || got.CallsBridged != 2 || got.CallsLeft != 1 || len(got.Units) != 5 || len(got.Packages) != 2 || len(got.Files) != 1 || got.Files[0] != "main.go" {
		t.Errorf("%+v", got)
	}
	var ids []string
	for _, u := range got.Uses {
		ids = append(ids, fmt.Sprintf("%s %s %t", u.ID, u.Outcome, *u.New))
	}
	want := "m/b start helper 1 bridged true; m start Publish 1 bridged false; m/b box held 1 left true; m/b (*box).stop Disconnect 1 left true"
	if strings.Join(ids, "; ") != want {
		t.Errorf("uses\n%s\nwant\n%s", strings.Join(ids, "; "), want)
	}
}

// TestBaseline: a baseline knows what it was made from, wherever the lines are, and nothing else.
func TestBaseline(t *testing.T) {
	var b bytes.Buffer
	if err := sample().WriteBaseline(&b); err != nil {
		t.Fatal(err)
	}
	base, err := ReadBaseline(&b)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*Report)
		fresh  []string
		gone   int
	}{
		{"the same", func(*Report) {}, nil, 0},
		{"moved down and to another file", func(r *Report) {
			moved := "package main\n\n\n\n" + strings.TrimPrefix(mainGo, "package main\n")
			r.Source = func(string) ([]byte, error) { return []byte(moved), nil }
			for _, u := range r.Units {
				for i := range u.Sites {
					u.Sites[i].Pos = down(u.Sites[i].Pos)
				}
				for i := range u.Bridges {
					u.Bridges[i].Pos = down(u.Bridges[i].Pos)
				}
				u.Pos = down(u.Pos)
			}
		}, nil, 0},
		{"one more of a known call", func(r *Report) {
			u := r.Units[2]
			u.Sites = append(u.Sites, u.Sites[0])
		}, []string{"m/b (*box).stop Disconnect 2"}, 0},
		{"the first of two is gone", func(r *Report) { r.Units = r.Units[2:] }, nil, 1},
		{"in another declaration", func(r *Report) { r.Units[2].Sites[0].Pos = pos("connect", 1) }, []string{"m/b start Disconnect 1"}, 1},
		{"in another package", func(r *Report) { r.Units[2].Package = "m/c" }, []string{"m/c (*box).stop Disconnect 1"}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := sample()
			r.Baseline = base
			tt.change(r)
			var fresh []string
			for _, u := range r.Uses() {
				if u.New {
					fresh = append(fresh, u.ID())
				}
			}
			if fmt.Sprint(fresh) != fmt.Sprint(tt.fresh) || base.gone(r.Uses()) != tt.gone {
				t.Errorf("new %v, %d gone; want %v, %d", fresh, base.gone(r.Uses()), tt.fresh, tt.gone)
			}
		})
	}
}

func down(p token.Position) token.Position {
	p.Filename, p.Line, p.Offset = "/m/other.go", p.Line+3, p.Offset+3
	return p
}

func TestReadBaselineErrors(t *testing.T) {
	for _, text := range []string{"", "x", "[]", `{"version":2}`, `{"version":1,"uses":{"a":0}}`, `{"version":1} {}`, `{"version":1,"uses":{"a":"b"}}`} {
		if b, err := ReadBaseline(strings.NewReader(text)); err == nil {
			t.Errorf("%q is read as %+v", text, b)
		}
	}
}

func TestHTML(t *testing.T) {
	r := sample()
	r.Baseline = &Baseline{Version: 1}
	r.Notes = []string{"not in a git work tree"}
	r.Problems = []Problem{{Package: "broken", Errors: []string{"broken.go:1:1: <what>"}}}
	var b bytes.Buffer
	if err := r.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{
		"<h1>From v1&#39;s API to v2: 1 of 5 clients", `aria-label="2 rewritten, 2 bridged, 1 left"`, `style="width:40%"`,
		`<li class="del"><span>4</span><code>	a := connect(&#34;a&#34;) // ü and 😀</code></li>`, `<li class="add"><span>4</span><code>	a := awsiot.NewClient(opts) // ü and 😀</code></li>`,
		`&lt;no rule&gt;: <a href="https://example.com/M.md#unknown-use">`, "count by yourself", "Note: mind this", "broken.go:1:1: &lt;what&gt;",
		`<li class="site"><span>12</span>`, "Disconnect in (*box).stop", "Note: not in a git work tree.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	// One page that needs nothing else: no script, nothing is loaded, and every link inside leads somewhere.
	for _, no := range []string{"<script", "<link", "<img", "src=", "@import", "url("} {
		if strings.Contains(text, no) {
			t.Errorf("the page has %q", no)
		}
	}
	for i, part := range strings.Split(text, `href="#`) {
		if id, _, _ := strings.Cut(part, `"`); i > 0 && !strings.Contains(text, `id="`+id+`"`) {
			t.Errorf("nothing has the id %q", id)
		}
	}
}
