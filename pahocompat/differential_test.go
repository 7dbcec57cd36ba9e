package mqtt_test

// The differential run: small programs on paho's API, each through paho.mqtt.golang itself and through this package with both
// engines, on the same broker: what they say, and on iotlocal what they send, must be the same.

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/portage-iot/awsiot/internal/testsize"
	"github.com/portage-iot/awsiot/iotlocal"
	mqtt "github.com/portage-iot/awsiot/pahocompat"
)

// program is one row of the table.
type program struct {
	name  string
	run   func(*stage)
	local bool // it needs a fault of iotlocal, or its limits
	races bool // paho.mqtt.golang itself has a data race there: with the race detector only the v2 engine runs
	loose bool // what was sent depends on where a cut came: only what the program says is compared
}

// library is what a program runs on.
type library struct {
	name string
	make func(t *testing.T, o *paho.ClientOptions) paho.Client
	paho bool // beneath it all is paho.mqtt.golang
}

// libraries: the first is what the others are held against.
var libraries = []library{
	{"paho.mqtt.golang", func(_ *testing.T, o *paho.ClientOptions) paho.Client { return paho.NewClient(o) }, true},
	{"pahocompat on v2", compat(mqtt.EngineV2), false},
	{"pahocompat on paho", compat(mqtt.EnginePaho), true},
}

// choosing is held from SetEngine to NewClient: programs run beside each other.
var choosing sync.Mutex

func compat(e mqtt.Engine) func(*testing.T, *paho.ClientOptions) paho.Client {
	return func(_ *testing.T, o *paho.ClientOptions) paho.Client {
		choosing.Lock()
		defer choosing.Unlock()
		mqtt.SetEngine(e)
		defer mqtt.SetEngine(mqtt.EngineAuto)
		return mqtt.NewClient(o)
	}
}

// programs is the table.
func programs() (all []program) {
	for _, group := range [][]program{tokenPrograms, messagePrograms, sessionPrograms, connectionPrograms, faultPrograms} {
		all = append(all, group...)
	}
	return all
}

// TestDifferential runs the table on iotlocal.
func TestDifferential(t *testing.T) {
	if n := len(programs()); n < 40 {
		t.Errorf("only %d programs", n)
	}
	for _, p := range programs() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			compare(t, p, func(t *testing.T) *stage {
				srv := iotlocal.StartT(t, iotlocal.Options{})
				return newStage(t, fmt.Sprintf("%s:%d", srv.Host(), srv.TCPPort()), srv)
			})
		})
	}
}

// compare runs p on every library, each with a stage of its own.
func compare(t *testing.T, p program, build func(*testing.T) *stage) {
	t.Helper()
	var want []string
	for i, lib := range libraries {
		if testsize.Race && p.races && i != 1 {
			t.Logf("not run on %s, which has a data race of its own there", lib.name)
			continue
		}
		t.Run(lib.name, func(t *testing.T) {
			s := build(t)
			s.lib = lib
			s.loose = p.loose
			p.run(s)
			s.end()
			got := s.said()
			if want == nil {
				want = got
				if len(want) == 0 {
					t.Error("the program says nothing")
				}
				return
			}
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("says\n  %s\nand %s\n  %s", strings.Join(got, "\n  "), libraries[0].name, strings.Join(want, "\n  "))
			}
		})
	}
}
