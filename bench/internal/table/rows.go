// Package table runs the comparison a user starts with `go run ./cmd/table`:
// every cell (one peer, one workload) in a process of its own, the cells in
// turn (A B C ... A B C ...), so that a machine that gets slower or faster in
// between does so for all of them, then the medians and what they say about
// the floors of the project. Only ratios within one run mean anything.
package table

import (
	"slices"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/measure"
)

// The peers. CRT is the npm package, which need not be there.
const (
	pahoGo   = "paho.golang"
	autoPaho = "autopaho"
	pahoMQTT = "paho.mqtt.golang"
	atWat    = "at-wat/mqtt-go"
	CRT      = "aws-crt (npm)"
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

func idle(clients int) measure.Spec {
	return measure.Spec{Work: measure.Idle, QoS: 1, Size: 256, Window: 1, Topics: 1, Clients: clients}
}

func dispatch(filters int, wild bool) Cell {
	return Cell{router, measure.Spec{Work: measure.Dispatch, Window: 1, Topics: filters, Wild: wild}}
}

// Rows returns the rows of a stage. Floors, and what to aim for, are those of
// the project's issues 2 (item 9), 3 (item 6) and 4 (item 7: at most 15 % more
// CPU than v2).
func Rows(s Stage) []Row {
	rows := slices.Concat(publishing(), receiving(), living(), services(), facades(), pahoCompat())
	if s == Gate {
		return gate(rows)
	}
	return slices.DeleteFunc(rows, func(r Row) bool { return r.Stage > s })
}

// gate keeps what noise reaches least: times are out, and the limit when
// receiving, and peers but paho.golang, because a gate must be quick. It adds
// CPU time per message, which is steadier than the rate.
func gate(rows []Row) []Row {
	rows = slices.DeleteFunc(rows, func(r Row) bool { return !r.Gate })
	for i := range rows {
		r := &rows[i]
		r.Peers = slices.DeleteFunc(slices.Clone(r.Peers), func(p string) bool { return p != pahoGo })
		r.More = nil
		r.Floors = slices.DeleteFunc(r.Floors, func(f Floor) bool {
			switch f.Than {
			case pahoGo, byFunc, "":
				return f.Only || f.Metric == P50 || f.Metric == Mean || f.Metric == RSS // which 300 clients share with the process
			case theLimit:
				return f.Metric == P50 || r.V2.Spec.Work == measure.Recv
			}
			return f.Than != oneFilter
		})
		switch {
		case r.V2.Spec.Work == measure.Idle: // not 1,000, to be quick
			r.Name, r.V2.Spec.Clients = "300 idle clients, connect and subscribe", 300
		case r.V2.Spec.Work == measure.Recv:
			r.Limit = Cell{}
		}
	}
	return rows
}

func publishing() []Row {
	one := []string{pahoGo}
	others := []string{autoPaho, pahoMQTT, atWat}
	reconnect := measure.Spec{Work: measure.Reconnect, QoS: 1, Size: 256, Window: 1, Topics: 1, Delay: time.Microsecond}
	later := reconnect
	later.Delay = time.Millisecond
	resend := measure.Spec{Work: measure.Resend, QoS: 1, Size: 256, Window: 10_000, Topics: 1, Delay: time.Millisecond}
	return []Row{
		{Stage: First, Name: "QoS 1, one at a time", Call: "Publish", Metric: P50,
			V2: Cell{"v2-block", pub(1, 1)}, Limit: Cell{"limit-pingpong", pub(1, 1)}, Peers: one, More: others,
			Floors: []Floor{floor(Core, P50, bestGoPeer, 1.1), floor(Core, P50, theLimit, 1.6), floor(First, Allocs, "", 0)}},
		{Stage: First, Name: "QoS 1, 100 in flight", Call: "PublishFunc", Gate: true,
			V2: Cell{"v2", pub(1, 100)}, Limit: Cell{"limit-batch", pub(1, 100)}, Peers: one, More: append(slices.Clone(others), CRT),
			Floors: []Floor{floor(First, Rate, theLimit, 0.45), floor(Core, Rate, theLimit, 0.60).aim(0.90), floor(First, Rate, pahoGo, 12),
				floor(Core, Rate, atWat, 10), floor(Core, Rate, CRT, 10), floor(Core, Engine, CRT, 1.0/8), floor(Core, Allocs, "", 0), floor(Gate, CPU, pahoGo, 1.0/40)}},
		{Stage: First, Name: "QoS 1, 100 goroutines", Call: "Publish", Gate: true,
			V2: Cell{"v2-block", pub(1, 100)}, Limit: Cell{"limit-batch", pub(1, 100)}, Peers: one,
			Floors: []Floor{floor(First, Rate, pahoGo, 8), floor(Core, Rate, byFunc, 0.4), floor(First, Allocs, "", 0), floor(Gate, CPU, pahoGo, 1.0/16)}},
		{Stage: First, Name: "QoS 1, 100 in flight", Call: "PublishAsync", Gate: true,
			V2: Cell{"v2-async", pub(1, 100)}, Limit: Cell{"limit-batch", pub(1, 100)}, Peers: one,
			Floors: []Floor{floor(Core, Rate, byFunc, 0.5), floor(Core, Allocs, "", 1), floor(Gate, CPU, pahoGo, 1.0/16)}},
		{Stage: Core, Name: "QoS 1, 1,000 in flight", Call: "PublishFunc",
			V2: Cell{"v2", pub(1, 1000)}, Limit: Cell{"limit-batch", pub(1, 1000)}, Peers: one,
			Floors: []Floor{floor(Core, Rate, theLimit, 0.25).aim(0.50), floor(Core, Rate, pahoGo, 50)}},
		{Stage: First, Name: "QoS 1, 100 in flight, TLS 1.3", Call: "PublishFunc",
			V2: Cell{"v2", overTLS(pub(1, 100))}, Limit: Cell{"limit-batch", overTLS(pub(1, 100))}, Peers: one,
			Floors: []Floor{floor(First, Rate, pahoGo, 8), floor(Core, Rate, theLimit, 0.75).aim(0.90), floor(Core, Rate, pahoGo, 12)}},
		{Stage: First, Name: "QoS 0, done after the write", Call: "PublishFunc", Gate: true,
			V2: Cell{"v2", pub(0, 1000)}, Limit: Cell{"limit-batch", pub(0, 1000)}, Peers: one,
			Floors: []Floor{floor(Core, Rate, theLimit, 0.30).aim(0.50), floor(Core, Rate, pahoGo, 15).aim(40), floor(Gate, CPU, pahoGo, 1.0/20)}},
		{Stage: Core, Name: "QoS 0, one at a time", Call: "Publish", Metric: P50,
			V2: Cell{"v2-block", pub(0, 1)}, Limit: Cell{"limit-syscall", pub(0, 1)}, Peers: one, More: others,
			Floors: []Floor{floor(Core, P50, bestGoPeer, 1.1), floor(Core, Allocs, "", 0)}},
		{Stage: Core, Name: "QoS 1, 100 in flight, Store = NewFileStore", Call: "PublishFunc",
			V2: Cell{"v2-store", pub(1, 100)}, Limit: Cell{"limit-batch", pub(1, 100)}, Peers: one,
			Floors: []Floor{reported(Rate, byFunc)}},
		{Stage: Core, Name: "QoS 1, FlowControlAWS: AWS IoT Core's 100 per second", Call: "PublishFunc",
			V2:     Cell{"v2-aws", pub(1, 100)},
			Floors: []Floor{floor(Core, Rate, "", 95), floor(Core, Ceiling, "", 105)}},
		// With a delay next to none the figure is the client's own: that one has the floor. With 1 ms it
		// has in it by how much a timer is late, so the limit that waits as long is shown, too.
		{Stage: Core, Name: "loss to the next acknowledgement, JitterNone, chosen delay 1 us", Call: "Publish", Metric: P50,
			V2: Cell{"v2-block", reconnect}, Limit: Cell{"limit-redial", reconnect},
			Floors: []Floor{floor(Core, P50, theLimit, 3)}},
		{Stage: Core, Name: "loss to the next acknowledgement, JitterNone, less the chosen delay of 1 ms", Call: "Publish", Metric: P50,
			V2: Cell{"v2-block", later}, Limit: Cell{"limit-redial", later},
			Floors: []Floor{reported(P50, theLimit)}},
		{Stage: Core, Name: "the same, the limit waiting 1 ms too", Call: "Publish", Metric: P50,
			V2: Cell{"v2-block", later}, Limit: Cell{"limit-waitdial", later},
			Floors: []Floor{reported(P50, theLimit)}},
		{Stage: Core, Name: "10,000 unacknowledged sent again on the next connection", Call: "PublishFunc", Metric: P50,
			V2: Cell{"v2", resend}, Limit: Cell{"limit-resend", resend},
			Floors: []Floor{floor(Core, P50, theLimit, 4)}},
	}
}

func receiving() []Row {
	one := []string{pahoGo}
	others := []string{autoPaho, pahoMQTT, atWat}
	rows := []Row{
		{Stage: First, Name: "receive QoS 0, one handler", Call: "Handler", Gate: true,
			V2: Cell{"v2", recv(0, 1)}, Limit: Cell{"limit-recv", recv(0, 1)}, Peers: one, More: others,
			Floors: []Floor{floor(Core, Rate, theLimit, 0.22).aim(0.35), floor(Core, Rate, pahoGo, 12).aim(15), floor(Core, Allocs, "", 1), floor(Gate, CPU, pahoGo, 1.0/20)}},
		{Stage: Core, Name: "receive QoS 1, one handler", Call: "Handler",
			V2: Cell{"v2", recv(1, 1)}, Limit: Cell{"limit-recv", recv(1, 1)}, Peers: one, More: others,
			Floors: []Floor{floor(Core, Rate, theLimit, 0.40), floor(Core, Rate, pahoGo, 12).aim(15), floor(Core, Allocs, "", 1)}},
		{Stage: Core, Name: "receive QoS 0, one handler, TLS 1.3", Call: "Handler",
			V2: Cell{"v2", overTLS(recv(0, 1))}, Limit: Cell{"limit-recv", overTLS(recv(0, 1))}, Peers: one,
			Floors: []Floor{floor(Core, Rate, pahoGo, 7)}},
		{Stage: Core, Name: "receive QoS 0, 1,000 handlers", Call: "Handler", Gate: true,
			V2: Cell{"v2", recv(0, 1000)}, Limit: Cell{"limit-recv", recv(0, 1000)}, Peers: one, More: []string{pahoMQTT, atWat},
			Floors: []Floor{floor(Core, Rate, pahoGo, 100), floor(Core, Rate, pahoMQTT, 100), floor(Core, Rate, atWat, 40), floor(Gate, CPU, pahoGo, 1.0/100)}},
	}
	for _, x := range []struct {
		name string
		n    int
		wild bool
		gate bool
	}{
		{"100 filters", 100, false, false}, {"10,000 filters", 10_000, false, true},
		{"100 filters with +", 100, true, false}, {"10,000 filters with +", 10_000, true, true},
	} {
		rows = append(rows, Row{Stage: Core, Name: "dispatch over " + x.name, Call: "Handler (go test -bench Match ./v2/internal/router)", Metric: P50,
			V2: dispatch(x.n, x.wild), Floors: []Floor{floor(Core, P50, oneFilter, 1.3)}, Gate: x.gate})
	}
	return rows
}

func living() []Row {
	one := []string{pahoGo}
	return []Row{
		{Stage: Core, Name: "1,000 idle clients, connect and subscribe", Call: "StartAndWait, Subscribe", Metric: Mean,
			V2: Cell{"v2", idle(1000)}, Peers: one, Gate: true,
			Floors: []Floor{floor(Core, Mean, pahoGo, 0.7), reported(P50, pahoGo), floor(Core, RSS, "", 20).aim(13), floor(Core, Heap, "", 8).aim(4), floor(Core, Goroutines, "", 2)}},
		{Stage: Core, Name: "300 idle clients, TLS 1.3", Call: "StartAndWait, Subscribe", Metric: Mean,
			V2: Cell{"v2", overTLS(idle(300))}, Peers: one,
			Floors: []Floor{reported(Mean, pahoGo), reported(P50, pahoGo), floor(Core, RSS, pahoGo, 1), floor(Core, Heap, pahoGo, 1), reported(RSS, ""), reported(Heap, ""), reported(Goroutines, "")}},
	}
}

// services are rows of the service clients. The peer is what a careful program writes by itself on paho.mqtt.golang: it
// subscribes once, and relates answers to requests by the token, with encoding/json (issue 10, item 6).
func services() []Row {
	spec := measure.Spec{Work: measure.Shadow, QoS: 1, Window: 100, Topics: 1}
	return []Row{
		{Stage: Core, Name: "shadow updates, 100 goroutines", Call: "iotshadow.UpdateShadow", Metric: Rate,
			V2: Cell{"v2", spec}, Peers: []string{pahoMQTT},
			Floors: []Floor{floor(Core, Rate, pahoMQTT, 3), floor(Core, Allocs, pahoMQTT, 1.0/3), reported(CPU, pahoMQTT)}},
	}
}

// facades are rows of v1compat. The comparison is v2 with the same options, and
// what counts is CPU time: the rate at 20 in flight is the round trip's.
func facades() []Row {
	const most = 1.15
	limit := func(mode string, s measure.Spec) Cell { return Cell{"limit-" + mode, s} }
	return []Row{
		{Stage: Core, Name: "facade: QoS 1, 20 in flight", Call: "v1compat.PublishAsync", Metric: Rate,
			V2: Cell{"v1compat", pub(1, 20)}, Limit: limit("batch", pub(1, 20)),
			Floors: []Floor{floor(Core, CPU, coreFunc, most), reported(CPU, coreAsync), reported(Rate, coreFunc), reported(Allocs, "")}},
		{Stage: Core, Name: "facade: QoS 1, 20 goroutines", Call: "v1compat.Publish", Metric: Rate,
			V2: Cell{"v1compat-block", pub(1, 20)}, Limit: limit("batch", pub(1, 20)),
			Floors: []Floor{floor(Core, CPU, coreBlock, most), reported(CPU, coreFunc), reported(Rate, coreBlock), floor(Core, Allocs, "", 0)}},
		{Stage: Core, Name: "facade: receive QoS 0, one handler", Call: "v1compat.Subscribe", Metric: Rate,
			V2: Cell{"v1compat", recv(0, 1)}, Limit: limit("recv", recv(0, 1)), Floors: []Floor{reported(CPU, coreHandler)}},
		{Stage: Core, Name: "facade: receive QoS 1, one handler", Call: "v1compat.Subscribe", Metric: Rate,
			V2: Cell{"v1compat", recv(1, 1)}, Limit: limit("recv", recv(1, 1)), Floors: []Floor{reported(CPU, coreHandler)}},
	}
}

// pahoCompat are rows of pahocompat beside paho.mqtt.golang: the same API, tokens and clean sessions.
func pahoCompat() []Row {
	limit := func(mode string, s measure.Spec) Cell { return Cell{"limit-" + mode, s} }
	peer := []string{pahoMQTT}
	return []Row{
		{Stage: Core, Name: "pahocompat: QoS 1, 100 in flight", Call: "mqtt.Publish", Metric: Rate,
			V2: Cell{"pahocompat", pub(1, 100)}, Limit: limit("batch", pub(1, 100)), Peers: peer,
			Floors: []Floor{floor(Core, Rate, pahoMQTT, 10), floor(Core, Allocs, "", 4), reported(CPU, pahoMQTT)}},
		{Stage: Core, Name: "pahocompat: QoS 0", Call: "mqtt.Publish", Metric: Rate,
			V2: Cell{"pahocompat", pub(0, 1000)}, Limit: limit("batch", pub(0, 1000)), Peers: peer,
			Floors: []Floor{floor(Core, Rate, pahoMQTT, 10), floor(Core, Allocs, "", 4), reported(CPU, pahoMQTT)}},
		{Stage: Core, Name: "pahocompat: receive QoS 0, 1,000 subscriptions", Call: "mqtt.MessageHandler", Metric: Rate,
			V2: Cell{"pahocompat", recv(0, 1000)}, Limit: limit("recv", recv(0, 1000)), Peers: peer,
			Floors: []Floor{floor(Core, Rate, pahoMQTT, 50), reported(Allocs, "")}},
		{Stage: Core, Name: "pahocompat: 1,000 idle clients, connect and subscribe", Call: "mqtt.Connect", Metric: Heap,
			V2: Cell{"pahocompat", idle(1000)}, Peers: peer,
			Floors: []Floor{floor(Core, Heap, pahoMQTT, 0.5), floor(Core, RSS, pahoMQTT, 0.5), reported(Goroutines, "")}},
	}
}
