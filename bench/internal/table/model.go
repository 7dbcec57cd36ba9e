package table

import (
	"slices"

	"github.com/portage-iot/awsiot/bench/internal/measure"
)

// Stage selects which rows run and which floors count.
type Stage int

// The stages. The first two are named as the issues of the project name their
// figures.
const (
	First Stage = iota // the first numbers: v2, paho.golang and the raw limit
	Core               // the complete core: every peer, and higher floors
	Gate               // the few rows and ratios of Core that a regression cannot hide from and noise does not reach
)

// String returns the value of the -stage flag.
func (s Stage) String() string {
	switch s {
	case First:
		return "first"
	case Core:
		return "core"
	case Gate:
		return "gate"
	}
	return "unknown stage"
}

// Cell is one peer at one workload: what one process measures.
type Cell struct {
	Peer string // a name of package driver, or limit-MODE, router, aws-crt
	Spec measure.Spec
}

// String names the cell; equal cells of several rows are measured once.
func (c Cell) String() string { return c.Peer + " " + c.Spec.String() }

// Metric is the figure of a Result that a row or a floor compares.
type Metric int

// The metrics.
const (
	Rate       Metric = iota // messages per second: more is better
	Ceiling                  // messages per second that a quota must not let through: less is better
	P50                      // median time of one message or connection: less is better
	Mean                     // mean time of one message or connection
	Allocs                   // heap objects per message
	CPU                      // CPU time per message
	Engine                   // CPU time per message; of aws-crt only that of its event-loop thread
	RSS                      // resident memory per idle client, KiB
	Heap                     // Go heap per idle client, KiB
	Goroutines               // goroutines per idle client
)

func (m Metric) of(r measure.Result) float64 {
	switch m {
	case P50:
		return r.P50
	case Mean:
		if r.Rate == 0 {
			return 0
		}
		return 1e6 / r.Rate
	case Allocs:
		return r.Allocs
	case CPU:
		return r.CPU
	case Engine:
		if r.Engine > 0 {
			return r.Engine
		}
		return r.CPU
	case RSS:
		return r.RSS
	case Heap:
		return r.Heap
	case Goroutines:
		return r.Gos
	default:
		return r.Rate
	}
}

// more says that more of it is better.
func (m Metric) more() bool { return m == Rate }

// exact says that the figure is a count or a promise, which no noise excuses.
func (m Metric) exact() bool { return m == Goroutines || m == Ceiling }

// Names of what a row is compared with, besides peers.
const (
	theLimit   = "raw limit"
	bestGoPeer = "best Go peer"
	byFunc     = "PublishFunc"
	oneFilter  = "over one filter"

	coreFunc    = "v2's PublishFunc, OptionsV1"
	coreAsync   = "v2's PublishAsync, OptionsV1"
	coreBlock   = "v2's Publish, OptionsV1"
	coreHandler = "v2's Handler, OptionsV1"
)

// cores are the drivers of v2's own calls that the facade is compared with.
var cores = map[string]string{coreFunc: "v2-v1", coreAsync: "v2-v1-async", coreBlock: "v2-v1-block", coreHandler: "v2-v1"}

// Floor is what a row has to reach.
type Floor struct {
	Stage  Stage
	Metric Metric
	Than   string  // theLimit, a peer, bestGoPeer, byFunc, oneFilter, one of cores; empty for the figure itself
	Value  float64 // at least (where more is better), else at most
	Aim    float64 // what to aim for beyond the floor; 0: nothing
	Only   bool    // no floor: the figure is reported
}

// aim adds what to aim for beyond the floor.
func (f Floor) aim(v float64) Floor {
	f.Aim = v
	return f
}

func floor(s Stage, m Metric, than string, value float64) Floor {
	return Floor{Stage: s, Metric: m, Than: than, Value: value}
}

func reported(m Metric, than string) Floor {
	return Floor{Stage: Core, Metric: m, Than: than, Only: true}
}

// Row is one workload and call.
type Row struct {
	Stage  Stage
	Name   string // the workload in words
	Call   string // the call of v2 that is measured
	Metric Metric
	V2     Cell
	Limit  Cell     // the zero Cell: there is none
	Peers  []string // drivers that run the same workload
	More   []string // drivers that join at Core
	Floors []Floor
	Gate   bool // belongs to the stage Gate
}

// vs returns the peers of the row at a stage.
func (r Row) vs(s Stage) []string {
	if s == Core {
		return slices.Concat(r.Peers, r.More)
	}
	return r.Peers
}

// overOne is the same cell over one filter.
func (r Row) overOne() Cell {
	c := r.V2
	c.Spec.Topics = 1
	return c
}

// cells lists what has to be measured for the row.
func (r Row) cells(s Stage) []Cell {
	cs := []Cell{r.V2}
	if r.Limit != (Cell{}) {
		cs = append(cs, r.Limit)
	}
	for _, p := range r.vs(s) {
		cs = append(cs, Cell{p, r.V2.Spec})
	}
	for _, f := range floors(r, s) {
		switch f.Than {
		case byFunc:
			cs = append(cs, Cell{"v2", r.V2.Spec})
		case oneFilter:
			cs = append(cs, r.overOne())
		case coreFunc, coreAsync, coreBlock, coreHandler:
			cs = append(cs, Cell{cores[f.Than], r.V2.Spec})
		}
	}
	return cs
}

// Without returns rows without a peer that is not there.
func Without(rows []Row, peer string) []Row {
	is := func(s string) bool { return s == peer }
	out := slices.Clone(rows)
	for i := range out {
		r := &out[i]
		r.Peers, r.More = slices.DeleteFunc(slices.Clone(r.Peers), is), slices.DeleteFunc(slices.Clone(r.More), is)
		r.Floors = slices.DeleteFunc(slices.Clone(r.Floors), func(f Floor) bool { return f.Than == peer })
	}
	return out
}

// Cells lists the cells of rows, each once, in the order of the rows.
func Cells(rows []Row, s Stage) []Cell {
	var out []Cell
	seen := map[Cell]bool{}
	for _, r := range rows {
		for _, c := range r.cells(s) {
			if !seen[c] {
				seen[c] = true
				out = append(out, c)
			}
		}
	}
	return out
}
