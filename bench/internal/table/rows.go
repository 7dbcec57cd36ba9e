// Package table runs the comparison a user starts with `go run ./cmd/table`:
// every cell (one peer, one workload) in a process of its own, the cells in
// turn (A B C ... A B C ...), so that a machine that gets slower or faster in
// between does so for all of them, then the medians and what they say about
// the floors of the project. Only ratios within one run mean anything.
package table

import (
	"slices"

	"github.com/portage-iot/awsiot/bench/internal/measure"
)

// Stage selects which rows run and which floors count.
type Stage int

// The stages, as the issues of the project name their figures.
const (
	First Stage = iota // the first numbers: v2, paho.golang and the raw limit
	Core               // the complete core: every Go peer, and higher floors
)

// String returns the value of the -stage flag.
func (s Stage) String() string {
	switch s {
	case First:
		return "first"
	case Core:
		return "core"
	}
	return "unknown stage"
}

// Cell is one peer at one workload: what one process measures.
type Cell struct {
	Peer string // a name of package driver, or limit-MODE
	Spec measure.Spec
}

// String names the cell; equal cells of several rows are measured once.
func (c Cell) String() string { return c.Peer + " " + c.Spec.String() }

// Metric is the figure of a Result that a row or a floor compares.
type Metric int

// The metrics.
const (
	Rate   Metric = iota // messages per second: more is better
	P50                  // median time of one message: less is better
	Allocs               // heap objects per message: less is better
)

func (m Metric) of(r measure.Result) float64 {
	switch m {
	case P50:
		return r.P50
	case Allocs:
		return r.Allocs
	default:
		return r.Rate
	}
}

// Names of what a row is compared with, besides peers.
const (
	theLimit   = "raw limit"
	bestGoPeer = "best Go peer"
	byFunc     = "PublishFunc"
)

// Floor is what a row has to reach.
type Floor struct {
	Stage  Stage
	Metric Metric
	Than   string  // theLimit, a peer, bestGoPeer, byFunc; empty for the figure itself
	Value  float64 // at least (Rate), at most (P50, Allocs)
}

// Row is one line of the table.
type Row struct {
	Stage  Stage
	Name   string // the workload in words
	Call   string // the call of v2 that is measured
	Metric Metric
	V2     Cell
	Limit  Cell
	Peers  []string // drivers that run the same workload
	More   []string // drivers that join at Core
	Floors []Floor
}

// vs returns the peers of the row at a stage.
func (r Row) vs(s Stage) []string {
	if s >= Core {
		return slices.Concat(r.Peers, r.More)
	}
	return r.Peers
}

// cells lists what has to be measured for the row.
func (r Row) cells(s Stage) []Cell {
	cs := []Cell{r.V2, r.Limit}
	for _, p := range r.vs(s) {
		cs = append(cs, Cell{p, r.V2.Spec})
	}
	for _, f := range r.Floors {
		if f.Than == byFunc && f.Stage <= s {
			cs = append(cs, Cell{"v2", r.V2.Spec})
		}
	}
	return cs
}

const (
	pahoGo   = "paho.golang"
	autoPaho = "autopaho"
	pahoMQTT = "paho.mqtt.golang"
	atWat    = "at-wat/mqtt-go"
)

func pub(qos, window int) measure.Spec {
	return measure.Spec{Work: measure.Pub, QoS: qos, Size: 256, Window: window, Topics: 1}
}

func recv(qos, topics int) measure.Spec {
	return measure.Spec{Work: measure.Recv, QoS: qos, Size: 256, Window: 100, Topics: topics}
}

func overTLS(s measure.Spec) measure.Spec {
	s.TLS = true
	return s
}

// Rows returns the rows of a stage. Floors are those of the project's issues
// 2 (item 9) and 3 (item 6).
func Rows(s Stage) []Row {
	one := []string{pahoGo}
	others := []string{autoPaho, pahoMQTT, atWat}
	rows := []Row{
		{First, "QoS 1, one at a time", "Publish", P50,
			Cell{"v2-block", pub(1, 1)}, Cell{"limit-pingpong", pub(1, 1)}, one, others,
			[]Floor{{Core, P50, bestGoPeer, 1.1}, {Core, P50, theLimit, 1.6}, {First, Allocs, "", 0}}},
		{First, "QoS 1, 100 in flight", "PublishFunc", Rate,
			Cell{"v2", pub(1, 100)}, Cell{"limit-batch", pub(1, 100)}, one, others,
			[]Floor{{First, Rate, theLimit, 0.45}, {First, Rate, pahoGo, 12}, {Core, Rate, theLimit, 0.60}, {Core, Rate, atWat, 10}}},
		{First, "QoS 1, 100 goroutines", "Publish", Rate,
			Cell{"v2-block", pub(1, 100)}, Cell{"limit-batch", pub(1, 100)}, one, nil,
			[]Floor{{First, Rate, pahoGo, 8}, {First, Allocs, "", 0}, {Core, Rate, byFunc, 0.4}}},
		{First, "QoS 1, 100 in flight", "PublishAsync", Rate,
			Cell{"v2-async", pub(1, 100)}, Cell{"limit-batch", pub(1, 100)}, one, nil,
			[]Floor{{Core, Rate, byFunc, 0.5}, {Core, Allocs, "", 1}}},
		{Core, "QoS 1, 1,000 in flight", "PublishFunc", Rate,
			Cell{"v2", pub(1, 1000)}, Cell{"limit-batch", pub(1, 1000)}, one, nil,
			[]Floor{{Core, Rate, theLimit, 0.25}, {Core, Rate, pahoGo, 50}}},
		{First, "QoS 0, done after the write", "PublishFunc", Rate,
			Cell{"v2", pub(0, 1000)}, Cell{"limit-batch", pub(0, 1000)}, one, nil,
			[]Floor{{Core, Rate, pahoGo, 15}, {Core, Rate, theLimit, 0.30}}},
		{Core, "QoS 0, one at a time", "Publish", P50,
			Cell{"v2-block", pub(0, 1)}, Cell{"limit-syscall", pub(0, 1)}, one, others,
			[]Floor{{Core, P50, bestGoPeer, 1.1}, {Core, Allocs, "", 0}}},
		{First, "receive QoS 0, one handler", "Handler", Rate,
			Cell{"v2", recv(0, 1)}, Cell{"limit-recv", recv(0, 1)}, one, others,
			[]Floor{{Core, Rate, pahoGo, 12}, {Core, Rate, theLimit, 0.22}, {Core, Allocs, "", 1}}},
		{Core, "receive QoS 1, one handler", "Handler", Rate,
			Cell{"v2", recv(1, 1)}, Cell{"limit-recv", recv(1, 1)}, one, others,
			[]Floor{{Core, Rate, pahoGo, 12}, {Core, Rate, theLimit, 0.40}}},
		{Core, "receive QoS 0, 1,000 handlers", "Handler", Rate,
			Cell{"v2", recv(0, 1000)}, Cell{"limit-recv", recv(0, 1000)}, one, []string{pahoMQTT, atWat},
			[]Floor{{Core, Rate, pahoGo, 100}, {Core, Rate, pahoMQTT, 100}, {Core, Rate, atWat, 40}}},
		{First, "QoS 1, 100 in flight, TLS 1.3", "PublishFunc", Rate,
			Cell{"v2", overTLS(pub(1, 100))}, Cell{"limit-batch", overTLS(pub(1, 100))}, one, nil,
			[]Floor{{First, Rate, pahoGo, 8}, {Core, Rate, pahoGo, 12}, {Core, Rate, theLimit, 0.75}}},
		{Core, "receive QoS 0, TLS 1.3", "Handler", Rate,
			Cell{"v2", overTLS(recv(0, 1))}, Cell{"limit-recv", overTLS(recv(0, 1))}, one, nil,
			[]Floor{{Core, Rate, pahoGo, 7}}},
	}
	return slices.DeleteFunc(rows, func(r Row) bool { return r.Stage > s })
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
