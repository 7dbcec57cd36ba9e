package fault

import (
	"fmt"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/iotlocal/wire"
)

func prefix(filter, topic string) bool {
	return strings.HasPrefix(topic, strings.TrimSuffix(filter, "#"))
}

func TestMatch(t *testing.T) {
	pub := func(topic string) Packet {
		return Packet{Dir: wire.ClientToServer, Type: wire.PUBLISH, ClientID: "c", Topic: topic}
	}
	sub := Packet{Dir: wire.ClientToServer, Type: wire.SUBSCRIBE, ClientID: "c", Filters: []string{"a", "b/#"}}
	ping := Packet{Dir: wire.ServerToClient, Type: wire.PINGRESP, ClientID: "d"}
	packets := []Packet{pub("a/1"), sub, ping, pub("b/1"), pub("a/2"), pub("a/3")}
	for _, tt := range []struct {
		name string
		rule Rule
		want string // one letter per packet: x acted upon
	}{
		{"everything", Rule{}, "xxxxxx"},
		{"direction", Rule{Dir: wire.ServerToClient}, "--x---"},
		{"type", Rule{Type: wire.PUBLISH}, "x--xxx"},
		{"topic", Rule{Topic: "a/#"}, "x---xx"},
		{"filter, literally", Rule{Topic: "b/#"}, "-x-x--"},
		{"client", Rule{ClientID: "d"}, "--x---"},
		{"second", Rule{Type: wire.PUBLISH, Nth: 2}, "---x--"},
		{"from the second, twice", Rule{Type: wire.PUBLISH, Nth: 2, Times: 2}, "---xx-"},
		{"twice", Rule{Topic: "a/#", Times: 2}, "x---x-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := NewSet(prefix)
			h, err := s.Add(tt.rule)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, p := range packets {
				if s.Match(p) != nil {
					got += "x"
				} else {
					got += "-"
				}
			}
			if got != tt.want || h.Hits() != strings.Count(tt.want, "x") {
				t.Errorf("%s (%d hits), want %s", got, h.Hits(), tt.want)
			}
		})
	}
}

func TestFirstRuleThatActsWins(t *testing.T) {
	s := NewSet(prefix)
	first, err := s.Add(Rule{Action: Drop, Times: 1})
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Add(Rule{Action: Pass})
	if err != nil {
		t.Fatal(err)
	}
	p := Packet{Type: wire.PUBLISH}
	if a, b := s.Match(p), s.Match(p); a != first || b != second {
		t.Error("order of rules")
	}
	second.Remove()
	if s.Match(p) != nil {
		t.Error("removed rule acts")
	}
}

func TestReleaseWakes(t *testing.T) {
	s := NewSet(prefix)
	h, err := s.Add(Rule{Action: Hold})
	if err != nil {
		t.Fatal(err)
	}
	before, after := make(chan struct{}, 1), make(chan struct{}, 1)
	h.WakeOnRelease(before)
	s.Clear() // releases too
	h.WakeOnRelease(after)
	h.Release()
	for _, c := range []<-chan struct{}{before, after, h.Released()} {
		select {
		case <-c:
		default:
			t.Error("not woken")
		}
	}
	if s.Match(Packet{}) != nil {
		t.Error("Clear left a rule")
	}
}

func TestActionNames(t *testing.T) {
	seen := map[string]bool{}
	for a := Pass; a <= CutAfter; a++ {
		if n := a.String(); seen[n] || n == fmt.Sprintf("Action(%d)", int(a)) {
			t.Errorf("action %d is %q", int(a), n)
		} else {
			seen[n] = true
		}
	}
	if Action(99).String() != "Action(99)" {
		t.Error("unknown action")
	}
}
