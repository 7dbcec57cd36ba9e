package table

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/driver"
	"github.com/portage-iot/awsiot/bench/internal/measure"
)

// TestRows checks that every row can run: its drivers exist, its specs are
// valid, every floor has something to compare with, and no two rows say the
// same.
func TestRows(t *testing.T) {
	for _, s := range []Stage{First, Core, Gate} {
		seen := map[string]bool{}
		for _, r := range Rows(s) {
			name := r.Name + ", " + r.Call
			t.Run(s.String()+"/"+name, func(t *testing.T) {
				if seen[name] {
					t.Error("twice")
				}
				seen[name] = true
				if s != Gate && r.Stage > s {
					t.Errorf("row of stage %v in stage %v", r.Stage, s)
				}
				if r.Limit != (Cell{}) && (!strings.HasPrefix(r.Limit.Peer, "limit-") || r.Limit.Spec != r.V2.Spec) {
					t.Errorf("limit %v for %v", r.Limit, r.V2)
				}
				for _, c := range r.cells(s) {
					if err := c.Spec.Validate(); err != nil {
						t.Error(err)
					}
					known := slices.Concat(driver.Names(), []string{router, CRT})
					if !strings.HasPrefix(c.Peer, "limit-") && !slices.Contains(known, c.Peer) {
						t.Errorf("no driver %q", c.Peer)
					}
				}
				if vs := r.vs(s); len(vs) > 0 && vs[0] != pahoGo && r.V2.Spec.Work != measure.Shadow && r.V2.Peer != "pahocompat" { // which have one peer, on another client
					t.Errorf("peers %v do not begin with %s", r.vs(s), pahoGo)
				}
				if len(r.Floors) == 0 && s != First && len(r.vs(s)) == 0 {
					t.Error("says nothing")
				}
				for _, f := range floors(r, s) {
					if (f.Value == 0) != (f.Only || f.Metric == Allocs && f.Value == 0) {
						t.Errorf("floor %v: a value of 0", f)
					}
					if better := f.Aim > f.Value; f.Aim != 0 && better != f.Metric.more() {
						t.Errorf("floor %v: aim %v is no better", f, f.Aim)
					}
					if _, ok := empty(r, s).cellOf(r, s, f.Than, f.Metric); f.Than != "" && !ok {
						t.Errorf("floor %v: nothing to compare with", f)
					}
				}
			})
		}
	}
	if len(Rows(Gate)) < 7 || len(Cells(Rows(Gate), Gate)) > 30 {
		t.Errorf("the gate has %d rows, %d cells", len(Rows(Gate)), len(Cells(Rows(Gate), Gate)))
	}
	if len(Rows(Core)) <= len(Rows(First)) {
		t.Error("the core stage has no more rows than the first")
	}
}

// empty has one equal result for every cell of the row.
func empty(r Row, s Stage) *Data {
	d := &Data{results: map[Cell][]measure.Result{}, failed: map[Cell][]error{}}
	for _, c := range r.cells(s) {
		d.results[c] = []measure.Result{{Rate: 1, P50: 1}}
	}
	return d
}

func TestFloorsOfIssue2(t *testing.T) {
	want := map[string]string{
		"QoS 1, 100 in flight, PublishFunc":          "≥ 45 % raw limit, ≥ 12x paho.golang",
		"QoS 1, 100 goroutines, Publish":             "≥ 8x paho.golang, ≤ 0 allocs per message",
		"QoS 1, 100 in flight, TLS 1.3, PublishFunc": "≥ 8x paho.golang",
	}
	for _, r := range Rows(First) {
		name := r.Name + ", " + r.Call
		var fs []string
		for _, f := range floors(r, First) {
			fs = append(fs, f.String())
		}
		if w, ok := want[name]; ok && strings.Join(fs, ", ") != w {
			t.Errorf("%s: floors %q, want %q", name, fs, w)
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("no row %q", name)
	}
}

func TestFloorsOfALaterStageReplace(t *testing.T) {
	r := Row{Floors: []Floor{floor(First, Rate, theLimit, 0.45), floor(First, Rate, pahoGo, 12), floor(Core, Rate, theLimit, 0.6), reported(Rate, theLimit)}}
	if got := floors(r, First); len(got) != 2 || got[0].Value != 0.45 {
		t.Errorf("first: %v", got)
	}
	if got := floors(r, Core); len(got) != 3 || got[0].Value != 0.6 {
		t.Errorf("core: %v", got)
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(c.in); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.in, got, c.want)
		}
	}
}

func TestCollect(t *testing.T) {
	a, b := Cell{"a", pub(1, 1)}, Cell{"b", pub(1, 1)}
	var order strings.Builder
	rate := map[string]float64{"a": 0}
	run := func(_ context.Context, c Cell, _ time.Duration) (measure.Result, error) {
		order.WriteString(c.Peer)
		if c.Peer == "b" {
			return measure.Result{}, errors.New("boom")
		}
		rate["a"]++
		return measure.Result{Rate: rate["a"]}, nil
	}
	told := 0
	d, err := Collect(t.Context(), run, []Cell{a, b}, 4, time.Second, func(int, Cell, measure.Result, error) { told++ })
	if err != nil {
		t.Fatal(err)
	}
	if got := order.String(); got != "ababaa" { // b is given up after two failures
		t.Errorf("order %s", got)
	}
	if told != 6 {
		t.Errorf("told of %d runs, want 6", told)
	}
	if v, ok := d.metric(a, Rate); !ok || v != 2.5 {
		t.Errorf("median %v, %v", v, ok)
	}
	if _, ok := d.metric(b, Rate); ok {
		t.Error("a failed cell has a median")
	}
	if err := d.Err(); err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("Err() = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Collect(ctx, run, []Cell{a}, 1, time.Second, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
}

// report is one row with known figures.
func report(v2, raw, paho float64) Report {
	r := Row{Name: "w", Call: "Publish", V2: Cell{"v2-block", pub(1, 100)}, Limit: Cell{"limit-batch", pub(1, 100)}, Peers: []string{pahoGo},
		Floors: []Floor{floor(First, Rate, theLimit, 0.45).aim(0.5), floor(First, Rate, pahoGo, 8), floor(First, Allocs, "", 0)}}
	d := &Data{results: map[Cell][]measure.Result{
		r.V2:                {{Rate: v2, CPU: 1, Allocs: 0.001}, {Rate: v2 * 3, CPU: 1, Allocs: 0.001}, {Rate: v2 / 3, CPU: 1, Allocs: 0.001}},
		r.Limit:             {{Rate: raw}},
		{pahoGo, r.V2.Spec}: {{Rate: paho, CPU: 20}},
	}}
	return Report{Stage: First, Rows: []Row{r}, Data: d, Rounds: 3, Machine: "test"}
}

func TestReport(t *testing.T) {
	for _, c := range []struct {
		name          string
		v2, raw, paho float64
		slack         float64
		want          string // the row
		floor         string // the first floor
		missed        int
	}{
		{"all met", 500, 1000, 50, 1,
			"| w | Publish | 50 % | 10x | 1/20 | 0 | yes |", "| w | Publish | ≥ 45 % raw limit | 50 % | yes | 50 % | reached |", 0},
		{"one missed", 400, 1000, 50, 1,
			"| w | Publish | 40 % | 8x | 1/20 | 0 | NO |", "| w | Publish | ≥ 45 % raw limit | 40 % | NO | 50 % | 20 % short of it |", 1},
		{"missed, but within the slack", 400, 1000, 50, 0.8,
			"| w | Publish | 40 % | 8x | 1/20 | 0 | NO |", "| w | Publish | ≥ 45 % raw limit | 40 % | NO | 50 % | 20 % short of it |", 0},
		{"both missed", 100, 1000, 50, 0.8,
			"| w | Publish | 10 % | 2x | 1/20 | 0 | NO |", "| w | Publish | ≥ 45 % raw limit | 10 % | NO | 50 % | 80 % short of it |", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := report(c.v2, c.raw, c.paho)
			var b bytes.Buffer
			if err := p.Table(&b); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(b.String()), "\n")
			if len(lines) != 3 {
				t.Fatalf("%d lines:\n%s", len(lines), &b)
			}
			if got := strings.Join(strings.Fields(lines[2]), " "); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			b.Reset()
			if err := p.Floors(&b); err != nil {
				t.Fatal(err)
			}
			lines = strings.Split(strings.TrimSpace(b.String()), "\n")
			if got := strings.Join(strings.Fields(lines[2]), " "); got != c.floor || len(lines) != 5 {
				t.Errorf("got  %s\nwant %s", got, c.floor)
			}
			if m := p.Missed(c.slack); len(m) != c.missed {
				t.Errorf("missed %q, want %d", m, c.missed)
			}
		})
	}
}

func TestReportOfAFailedCell(t *testing.T) {
	p := report(500, 1000, 50)
	delete(p.Data.results, p.Rows[0].Limit)
	var b bytes.Buffer
	if err := p.Markdown(&b); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"| failed", "| unknown", "was not measured"} {
		if !strings.Contains(b.String(), s) {
			t.Errorf("the report does not say %q:\n%s", s, &b)
		}
	}
}

func TestAllocationsAreAtMost(t *testing.T) {
	p := report(500, 1000, 50)
	for i := range p.Data.results[p.Rows[0].V2] {
		p.Data.results[p.Rows[0].V2][i].Allocs = 1
	}
	if m := p.Missed(1); len(m) != 1 || !strings.Contains(m[0], "allocs") || !strings.HasSuffix(m[0], "is 1 allocs") {
		t.Errorf("missed %q", m)
	}
}

func TestLatencyIsAtMost(t *testing.T) {
	spec := pub(1, 1)
	r := Row{Stage: Core, Name: "w", Call: "Publish", Metric: P50, V2: Cell{"v2-block", spec}, Limit: Cell{"limit-pingpong", spec},
		Peers: []string{pahoGo}, More: []string{atWat, CRT}, Floors: []Floor{floor(Core, P50, bestGoPeer, 1.1), floor(Core, P50, theLimit, 1.6)}}
	d := &Data{results: map[Cell][]measure.Result{
		r.V2: {{P50: 30}}, r.Limit: {{P50: 20}}, {pahoGo, spec}: {{P50: 40}}, {atWat, spec}: {{P50: 25}}, {CRT, spec}: {{P50: 1}}, // no Go peer
	}}
	p := Report{Stage: Core, Rows: []Row{r}, Data: d}
	if m := p.Missed(1); len(m) != 1 || !strings.Contains(m[0], "p50 ≤ 1.1x best Go peer, is 1.2x") {
		t.Errorf("missed %q", m)
	}
}

func TestBestRounds(t *testing.T) {
	c := Cell{"v2", pub(1, 100)}
	d := &Data{results: map[Cell][]measure.Result{c: {{Rate: 10, P50: 5, Allocs: 1}, {Rate: 40, P50: 2, Allocs: 3}, {Rate: 20, P50: 9, Allocs: 2}}}}
	for _, x := range []struct {
		m            Metric
		middle, best float64
	}{{Rate, 20, 40}, {P50, 5, 2}, {Allocs, 2, 1}} {
		d.Best = false
		if v, _ := d.metric(c, x.m); v != x.middle {
			t.Errorf("metric %d: median %v, want %v", x.m, v, x.middle)
		}
		d.Best = true
		if v, _ := d.metric(c, x.m); v != x.best {
			t.Errorf("metric %d: best %v, want %v", x.m, v, x.best)
		}
	}
	if v := d.Busy(); v != 1.5 {
		t.Errorf("Busy() = %v, want 1.5", v)
	}
	p := Report{Rounds: 3, Data: d}
	if s := p.How(); !strings.HasPrefix(s, "best of 3 rounds") || !strings.Contains(s, "busy") {
		t.Errorf("How() = %q", s)
	}
}

func TestMachine(t *testing.T) {
	if m := Machine(); !strings.Contains(m, " cores, ") || !strings.Contains(m, "go1.") || !strings.Contains(m, "UTC") {
		t.Errorf("machine line %q", m)
	}
}
