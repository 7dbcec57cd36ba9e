package wirediff

import (
	"testing"

	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// TestClose: the endpoint may notice the end of a refused connection when the client has connected again.
func TestClose(t *testing.T) {
	record := func(late bool) log {
		var l log
		refused := func() { l.add(wire.Event, wire.ClientClosed, record.Packet{Conn: 1}) }
		l.open(1, "dev", five)
		if !late {
			refused()
		}
		l.open(2, "dev", five)
		if late {
			refused()
		}
		l.close(2, "dev")
		return l
	}
	for _, late := range []bool{false, true} {
		if res := Compare(record(false), record(late), Options{}); !res.Equal() {
			t.Errorf("late %v: %v", late, res.Differences)
		}
	}
	other := record(false)
	other[other.find(wire.Event, wire.ClientClosed, 0)].Type = wire.ServerClosed
	if res := Compare(record(false), other, Options{}); res.Equal() {
		t.Error("another end counts as equal")
	}
}
