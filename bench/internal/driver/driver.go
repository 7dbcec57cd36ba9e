// Package driver puts one interface in front of the client libraries that are
// measured. Each driver uses its library the way its documentation shows, with
// the defaults a user gets; what a driver changes, its comment says.
package driver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	pahocompat "github.com/portage-iot/awsiot/pahocompat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// Target is the broker to connect to.
type Target struct {
	Addr string // host:port
	CA   string // file with the certificate to trust; empty for plain TCP

	// Reconnect, if above 0, makes the client take up its session again after
	// it lost the connection, that long after each loss, without jitter.
	// Drivers that cannot refuse to connect.
	Reconnect time.Duration
}

// never is the error of a driver whose library has no way to reconnect.
func (t Target) never() error {
	if t.Reconnect > 0 {
		return errors.New("driver: does not reconnect with a chosen delay")
	}
	return nil
}

// TLSConfig trusts the certificate of t.CA only.
func (t Target) TLSConfig() (*tls.Config, error) {
	pem, err := os.ReadFile(t.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s", t.CA)
	}
	host, _, err := net.SplitHostPort(t.Addr)
	if err != nil {
		return nil, err
	}
	return &tls.Config{RootCAs: pool, ServerName: host, MinVersion: tls.VersionTLS13}, nil
}

// Dial opens the bare connection, for programs without a library of their own.
func (t Target) Dial(ctx context.Context) (net.Conn, error) {
	if t.CA == "" {
		return (&net.Dialer{}).DialContext(ctx, "tcp", t.Addr)
	}
	cfg, err := t.TLSConfig()
	if err != nil {
		return nil, err
	}
	return (&tls.Dialer{Config: cfg}).DialContext(ctx, "tcp", t.Addr)
}

// Load is a number of publishes.
type Load struct {
	Count   int // messages
	Window  int // at most so many unfinished
	QoS     byte
	Topic   string
	Payload []byte
	Lat     []time.Duration // if not nil: gets the time of each message (Window 1)
}

// Handler gets a message for the filter with that index in the call of
// Subscribe. It runs in order of arrival for each filter, perhaps at the same
// time for different ones, and does not keep the payload.
type Handler func(filter int, payload []byte)

// Driver is one library, connected at most once.
type Driver interface {
	Connect(ctx context.Context, clientID string) error
	// Publish returns when all of l is finished: acknowledged at QoS 1,
	// written to the socket at QoS 0.
	Publish(ctx context.Context, l Load) error
	// Subscribe makes one subscription with its own handler per filter.
	Subscribe(ctx context.Context, filters []string, qos byte, h Handler) error
	Close(ctx context.Context) error
}

// Shadower is a driver that updates the shadow of a thing: Update returns when the answer with its token has come.
type Shadower interface {
	Update(ctx context.Context, thing string, state map[string]any) error
}

// Dropper is a driver that may drop received QoS 0 messages and counts them.
type Dropper interface{ Dropped() uint64 }

// drivers are the libraries and the calls of them, by the name that the -client
// flag and the table use.
var drivers = map[string]func(Target) Driver{
	"v2":       func(t Target) Driver { return &v2{target: t, call: callFunc, flow: awsiot.FlowControlNone} },
	"v2-block": func(t Target) Driver { return &v2{target: t, call: callBlocking, flow: awsiot.FlowControlNone} },
	"v2-aws":   func(t Target) Driver { return &v2{target: t, call: callFunc, flow: awsiot.FlowControlAWS} },
	"v2-store": func(t Target) Driver {
		return &v2{target: t, call: callFunc, flow: awsiot.FlowControlNone, store: true}
	},
	"v2-async": func(t Target) Driver { return &v2{target: t, call: callAsync, flow: awsiot.FlowControlNone} },
	// The facade, and v2 with the options that the facade has.
	"v2-v1":            func(t Target) Driver { return &v2{target: t, call: callFunc, v1: true} },
	"v2-v1-block":      func(t Target) Driver { return &v2{target: t, call: callBlocking, v1: true} },
	"v2-v1-async":      func(t Target) Driver { return &v2{target: t, call: callAsync, v1: true} },
	"v1compat":         func(t Target) Driver { return &facade{target: t, call: callAsync} },
	"v1compat-block":   func(t Target) Driver { return &facade{target: t, call: callBlocking} },
	"paho.golang":      func(t Target) Driver { return &paho5{target: t} },
	"autopaho":         func(t Target) Driver { return &autoPaho{target: t} },
	"paho.mqtt.golang": func(t Target) Driver { return &paho3{target: t, make: mqtt.NewClient} },
	"pahocompat":       func(t Target) Driver { return &paho3{target: t, make: pahocompat.NewClient} },
	"at-wat/mqtt-go":   func(t Target) Driver { return &atwat{target: t} },
}

// New returns the driver with that name.
func New(name string, t Target) (Driver, error) {
	mk, ok := drivers[name]
	if !ok {
		return nil, fmt.Errorf("no client %q; there are %v", name, Names())
	}
	return mk(t), nil
}

// Names lists the drivers in alphabetical order.
func Names() []string { return slices.Sorted(maps.Keys(drivers)) }
