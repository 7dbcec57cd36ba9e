package mqtt

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
)

// Engine is what stands beneath a client.
type Engine int32

const (
	// EngineAuto is EngineV2, until a broker turns out to know MQTT 3.1.1 only, or the Store to have messages of QoS 2 that are not
	// finished: from then on that client is one of EnginePaho, which is logged once per client and counted, see Fallbacks. The default.
	EngineAuto Engine = iota
	// EngineV2 is awsiot.Client, with MQTT 5.
	EngineV2
	// EnginePaho is paho.mqtt.golang, with MQTT 3.1.1.
	EnginePaho
)

// String returns the constant's name.
func (e Engine) String() string {
	switch e {
	case EngineAuto:
		return "EngineAuto"
	case EngineV2:
		return "EngineV2"
	case EnginePaho:
		return "EnginePaho"
	}
	return fmt.Sprintf("Engine(%d)", int32(e))
}

// engineVariable chooses the engine from outside.
const engineVariable = "PORTAGE_PAHO_ENGINE"

var (
	chosen    atomic.Int32 // of SetEngine
	fallbacks atomic.Uint64
)

// SetEngine chooses the engine of the clients that are made from now on. PORTAGE_PAHO_ENGINE in the environment goes before
// it. A value that is none of the three constants becomes an error of Connect.
func SetEngine(e Engine) { chosen.Store(int32(e)) }

// Fallbacks returns how many clients of EngineAuto in this process went over to EnginePaho, because their broker knows
// MQTT 3.1.1 only, or their Store has messages of QoS 2 that are not finished.
func Fallbacks() uint64 { return fallbacks.Load() }

// engineNow returns the engine for a new client.
func engineNow() (Engine, error) {
	name, set := os.LookupEnv(engineVariable)
	if !set || name == "" {
		e := Engine(chosen.Load())
		if e < EngineAuto || e > EnginePaho {
			return EngineV2, fmt.Errorf("pahocompat: SetEngine: %v is unknown", e)
		}
		return e, nil
	}
	for e, n := range map[Engine]string{EngineAuto: "auto", EngineV2: "v2", EnginePaho: "paho"} {
		if n == name {
			return e, nil
		}
	}
	return EngineV2, fmt.Errorf("pahocompat: %s: %q is none of v2, paho and auto", engineVariable, name)
}

// errQoS2 is the error of every use of QoS 2 under the v2 engine.
type errQoS2 struct{ what string }

// Error returns what asked for QoS 2, and the way out.
func (e *errQoS2) Error() string {
	return fmt.Sprintf("pahocompat: %s: MQTT 5 on awsiot.Client has no QoS 2; %s=paho keeps this client on paho.mqtt.golang, which has", e.what, engineVariable)
}

// optionError is an option that the v2 engine cannot hold.
func optionError(option, format string, args ...any) error {
	return fmt.Errorf("pahocompat: %s: %s", option, fmt.Sprintf(format, args...))
}

var errNilOptions = errors.New("pahocompat: NewClient: the ClientOptions are nil")
