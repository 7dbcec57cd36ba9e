package iotlocal

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/iotlocal/broker"
	"github.com/portage-iot/awsiot/iotlocal/fault"
	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/shadow"
)

// Server is a running endpoint. All methods are safe for concurrent use.
type Server struct {
	dir      string
	tempDir  bool
	host     string
	tlsPort  int
	tcpPort  int
	wsPort   int
	wssPort  int
	sockets  *sockets
	broker   *broker.Broker
	recorder *record.Recorder
	faults   *Faults
	clock    *Clock
	shadows  *shadows
	jobs     *jobService

	mu     sync.Mutex
	ca     *authority
	closed bool
}

// TB is what StartT needs of a test; *testing.T and *testing.B have it. That it
// is an interface keeps package testing out of programs.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// StartT is Start for tests: a failure ends the test, and the end of the test
// closes the server.
func StartT(t TB, o Options) *Server {
	t.Helper()
	s, err := Start(o)
	if err != nil {
		t.Fatalf("%v", err)
		return nil
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Fatalf("%v", err)
		}
	})
	return s
}

// Start starts a server. Errors name what could not be done: an unusable
// directory, a port that is taken, a bad SAN.
func Start(o Options) (*Server, error) {
	s := &Server{dir: o.Dir, tlsPort: Off, tcpPort: Off, wsPort: Off, wssPort: Off}
	if err := s.start(o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) start(o Options) (err error) {
	for _, p := range []int{o.TLSPort, o.TCPPort, o.WSPort, o.WSSPort} {
		if p < Off || p > 65535 {
			return fmt.Errorf("iotlocal: port %d is not in -1..65535", p)
		}
	}
	if err := s.openDir(); err != nil {
		return err
	}
	if s.ca, err = openAuthority(s.dir); err != nil {
		return err
	}
	conf, err := s.ca.serverConfig(o.SANs)
	if err != nil {
		return err
	}
	s.recorder = record.New(o.RecorderCap, o.RecorderBytes)
	rules := fault.NewSet(topic.Match)
	s.clock = &Clock{}
	s.shadows = &shadows{service: shadow.NewService(o.ShadowLimits), clock: s.clock}
	s.jobs = newJobService(o.JobLimits, s.clock)
	s.broker = broker.New(broker.Options{Limits: o.Limits, Standard: o.Standard, Recorder: s.recorder,
		Faults: rules, Logger: o.Logger, Now: s.clock.Now, Services: map[string]broker.Service{thingsPrefix: s.thingRequest}})
	s.shadows.publish = s.broker.Publish
	s.clock.broker, s.clock.jobs = s.broker, s.jobs
	s.jobs.start(s.broker.Publish)
	s.faults = &Faults{Set: rules, broker: s.broker}
	sockets, err := newSockets(s.broker, s.recorder, s.clock.Now, o)
	if err != nil {
		return err
	}
	s.sockets = sockets

	listen, addr := o.Listen, cmp.Or(o.ListenAddr, "localhost")
	if listen == nil {
		listen, addr = net.Listen, cmp.Or(o.ListenAddr, "127.0.0.1")
	}
	s.host = hostFor(addr)
	open := func(port int) (net.Listener, int, error) {
		l, err := listen("tcp", net.JoinHostPort(addr, strconv.Itoa(port)))
		if err != nil {
			return nil, Off, fmt.Errorf("iotlocal: listen: %w", err)
		}
		return l, portOf(l, port), nil
	}
	if o.TLSPort != Off {
		l, port, err := open(o.TLSPort)
		if err != nil {
			return err
		}
		s.tlsPort = port
		if err := s.broker.Listen(l, conf); err != nil {
			return errors.Join(err, l.Close())
		}
	}
	if o.TCPPort != Off {
		l, port, err := open(o.TCPPort)
		if err != nil {
			return err
		}
		s.tcpPort = port
		if err := s.broker.Listen(l, nil); err != nil {
			return errors.Join(err, l.Close())
		}
	}
	if o.WSPort != Off {
		l, port, err := open(o.WSPort)
		if err != nil {
			return err
		}
		s.wsPort = port
		s.sockets.listen(l, nil)
	}
	if o.WSSPort != Off {
		l, port, err := open(o.WSSPort)
		if err != nil {
			return err
		}
		s.wssPort = port
		s.sockets.listen(l, secureWebsockets(conf))
	}
	return nil
}

// thingRequest hands what a client has published under thingsPrefix to the
// services; each takes its own topics and lets the others pass.
func (s *Server) thingRequest(c *broker.Client, m *broker.Message) {
	s.shadows.handle(c, m)
	s.jobs.handle(c, m)
}

func (s *Server) openDir() (err error) {
	if s.dir == "" {
		s.tempDir = true
		if s.dir, err = os.MkdirTemp("", "iotlocal-"); err != nil {
			return fmt.Errorf("iotlocal: %w", err)
		}
		return nil
	}
	if s.dir, err = filepath.Abs(s.dir); err != nil {
		return fmt.Errorf("iotlocal: %w", err)
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return fmt.Errorf("iotlocal: %w", err)
	}
	return nil
}

// hostFor returns the name clients use: localhost, which the certificate bears
// and which makes them send SNI, unless the server listens on one other address.
func hostFor(addr string) string {
	ip := net.ParseIP(addr)
	if ip == nil {
		return addr
	}
	if ip.IsUnspecified() || ip.Equal(net.IPv4(127, 0, 0, 1)) {
		return "localhost"
	}
	return ip.String()
}

// portOf reads the port of a listener; an in-memory one may have none.
func portOf(l net.Listener, asked int) int {
	if _, p, err := net.SplitHostPort(l.Addr().String()); err == nil {
		if n, err := strconv.Atoi(p); err == nil {
			return n
		}
	}
	return asked
}

// Close disconnects every client, ends every goroutine and removes the
// temporary directory, if there is one. It may be called more than once.
func (s *Server) Close() error {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.mu.Unlock()
	if again {
		return nil
	}
	var errs []error
	if s.broker != nil {
		s.faults.Clear() // what is held must not hold the end
		if s.sockets != nil {
			errs = append(errs, s.sockets.close()) // first: it feeds the broker
		}
		s.jobs.close() // before the broker: its timers publish
		errs = append(errs, s.broker.Close())
	}
	if s.recorder != nil {
		s.recorder.Close()
	}
	if s.tempDir {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// Host returns the host name for clients: localhost, or the address the server
// was told to listen on.
func (s *Server) Host() string { return s.host }

// TLSPort returns the port for MQTT over mutual TLS, or -1.
func (s *Server) TLSPort() int { return s.tlsPort }

// TCPPort returns the port for MQTT without TLS, or -1.
func (s *Server) TCPPort() int { return s.tcpPort }

// Dir returns the directory of the certificates.
func (s *Server) Dir() string { return s.dir }

// CAFile returns the path of the CA certificate that clients verify the server
// with.
func (s *Server) CAFile() string { return filepath.Join(s.dir, caFile) }

// CAPEM returns the CA certificate.
func (s *Server) CAPEM() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]byte(nil), s.ca.pem...)
}

// NewThing makes a device identity: NAME.pem and NAME.key in the directory,
// signed by the server's CA. Asked again for a name it returns the same one. The
// name is 1 to 128 of a-z A-Z 0-9 : _ - as in AWS.
func (s *Server) NewThing(name string) (Thing, error) {
	if err := topic.CheckThingName(name); err != nil {
		return Thing{}, fmt.Errorf("iotlocal: %w", err)
	}
	if name == "ca" {
		return Thing{}, fmt.Errorf("iotlocal: thing name %q would overwrite the CA's files", name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ca.thing(name)
}

// Recorder returns the record of what went over the wire.
func (s *Server) Recorder() *Recorder { return s.recorder }

// Faults returns the handle with which a test makes the server misbehave.
func (s *Server) Faults() *Faults { return s.faults }

// Publish sends a message from nobody to every subscriber, and stores it when
// it is retained. It returns how many clients it was queued for.
func (s *Server) Publish(m Message) (int, error) {
	if err := topic.ValidateTopic(m.Topic); err != nil {
		return 0, fmt.Errorf("iotlocal: %w", err)
	}
	if m.QoS > 1 {
		return 0, fmt.Errorf("iotlocal: publish %q: QoS %d is not supported", m.Topic, m.QoS)
	}
	return s.broker.Publish(&m), nil
}

// Session returns what the server keeps for a client id, if anything.
func (s *Server) Session(clientID string) (Session, bool) { return s.broker.Session(clientID) }

// Clients returns the ids of the connected clients, in no order.
func (s *Server) Clients() []string { return s.broker.Clients() }

// Lost returns how many messages were dropped for want of room: QoS 1 beyond
// Limits.Queued, QoS 0 beyond Limits.PendingBytes. What fault rules drop is not
// counted.
func (s *Server) Lost() int { return s.broker.Lost() }
