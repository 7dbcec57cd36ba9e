package table

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/measure"
)

// Data is what was measured: per cell, one Result per round that succeeded.
type Data struct {
	// Best takes the best round of a cell instead of the median. What else runs
	// on a machine only ever slows a program down, so on a busy one the best
	// rounds are closer to the truth than the middle ones.
	Best bool

	results map[Cell][]measure.Result
	failed  map[Cell][]error
}

// Collect runs every cell once per round, the cells in turn. each, which may be
// nil, is told of every run. A failed run is kept as such and the others go
// on; only the end of ctx ends all. A cell that has failed twice is left out of
// the remaining rounds.
func Collect(ctx context.Context, run func(context.Context, Cell, time.Duration) (measure.Result, error),
	cells []Cell, rounds int, d time.Duration, each func(round int, c Cell, r measure.Result, err error)) (*Data, error) {
	data := &Data{results: map[Cell][]measure.Result{}, failed: map[Cell][]error{}}
	for round := range rounds {
		for _, c := range cells {
			if len(data.failed[c]) >= 2 {
				continue
			}
			r, err := run(ctx, c, d)
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			if err != nil {
				data.failed[c] = append(data.failed[c], err)
			} else {
				data.results[c] = append(data.results[c], r)
			}
			if each != nil {
				each(round, c, r, err)
			}
		}
	}
	return data, nil
}

// Err joins the first failure of every cell that had one.
func (d *Data) Err() error {
	var errs []error
	for _, c := range slices.SortedFunc(maps.Keys(d.failed), func(a, b Cell) int { return cmp.Compare(a.String(), b.String()) }) {
		es := d.failed[c]
		errs = append(errs, fmt.Errorf("%d failed, first: %w", len(es), es[0]))
	}
	return errors.Join(errs...)
}

// figure returns the median over the rounds of c, or the best round. more says
// which is better, more or less.
func (d *Data) figure(c Cell, m func(measure.Result) float64, more bool) (float64, bool) {
	rs := d.results[c]
	if len(rs) == 0 {
		return 0, false
	}
	v := make([]float64, len(rs))
	for i, r := range rs {
		v[i] = m(r)
	}
	switch {
	case !d.Best:
		return median(v), true
	case more:
		return slices.Max(v), true
	}
	return slices.Min(v), true
}

// metric is the figure of a Metric.
func (d *Data) metric(c Cell, m Metric) (float64, bool) { return d.figure(c, m.of, m.more()) }

// Busy is the median of the spreads of all cells: above a half, other programs
// have had more to say than the ones that were measured.
func (d *Data) Busy() float64 {
	var v []float64
	for c := range d.results {
		v = append(v, d.spread(c))
	}
	if len(v) == 0 {
		return 0
	}
	return median(v)
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	if n%2 == 1 {
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}

// spread is (largest - smallest) / median of the rate of c.
func (d *Data) spread(c Cell) float64 {
	rs := d.results[c]
	if len(rs) == 0 {
		return 0
	}
	v := make([]float64, len(rs))
	for i, r := range rs {
		v[i] = r.Rate
	}
	return (slices.Max(v) - slices.Min(v)) / median(v)
}

// cellOf finds what a row at a stage is compared with under a name: the raw
// limit, a peer, the best of the peers, v2's PublishFunc, one filter, or for a
// facade v2's own call.
func (d *Data) cellOf(r Row, s Stage, than string, m Metric) (Cell, bool) {
	switch than {
	case theLimit:
		return r.Limit, r.Limit != Cell{}
	case byFunc:
		return Cell{"v2", r.V2.Spec}, true
	case oneFilter:
		return r.overOne(), true
	case coreFunc, coreAsync, coreBlock, coreHandler:
		return Cell{cores[than], r.V2.Spec}, true
	case bestGoPeer:
		var best Cell
		var at float64
		for _, p := range r.vs(s) {
			if p == CRT {
				continue
			}
			c := Cell{p, r.V2.Spec}
			v, ok := d.metric(c, m)
			if ok && (best.Peer == "" || m.more() == (v > at)) {
				best, at = c, v
			}
		}
		return best, best.Peer != ""
	}
	return Cell{than, r.V2.Spec}, slices.Contains(r.vs(s), than)
}

// ratio is the figure of v2 divided by that of what it is compared with;
// with than empty it is the figure of v2 itself.
func (d *Data) ratio(r Row, s Stage, than string, m Metric) (float64, bool) {
	v, ok := d.metric(r.V2, m)
	if !ok || than == "" {
		return v, ok
	}
	c, ok := d.cellOf(r, s, than, m)
	if !ok {
		return 0, false
	}
	w, ok := d.metric(c, m)
	if !ok || w == 0 {
		return 0, false
	}
	return v / w, true
}

// none is what still counts as no allocation per message: the process itself,
// its collector and its goroutines allocate a little during a run.
const none = 0.02

// Met says whether a floor is reached; slack below 1 lowers it by that factor
// (a limit from above is raised). known is false when a figure is missing.
func (d *Data) Met(r Row, s Stage, f Floor, slack float64) (met, known bool) {
	v, ok := d.ratio(r, s, f.Than, f.Metric)
	if f.Metric.exact() {
		slack = 1
	}
	switch {
	case !ok:
		return false, false
	case f.Only:
		return true, true
	case f.Metric.more():
		return v >= f.Value*slack, true
	case f.Metric == Allocs || f.Metric == Goroutines:
		return v <= f.Value/slack+none, true
	default:
		return v <= f.Value/slack, true
	}
}

// floors are the floors of a row that count at a stage: of two about the same
// figure the later one.
func floors(r Row, s Stage) []Floor {
	var out []Floor
	for _, f := range r.Floors {
		if f.Stage > s {
			continue
		}
		if f.Only {
			out = append(out, f)
			continue
		}
		if i := slices.IndexFunc(out, func(g Floor) bool { return !g.Only && g.Metric == f.Metric && g.Than == f.Than }); i >= 0 {
			out[i] = f
			continue
		}
		out = append(out, f)
	}
	return out
}
