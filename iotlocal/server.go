package iotlocal

import (
	"cmp"
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/iotlocal/broker"
	"github.com/portage-iot/awsiot/iotlocal/commands"
	"github.com/portage-iot/awsiot/iotlocal/fault"
	"github.com/portage-iot/awsiot/iotlocal/internal/registry"
	"github.com/portage-iot/awsiot/iotlocal/internal/tables"
	"github.com/portage-iot/awsiot/iotlocal/provisioning"
	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/shadow"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// Server is a running endpoint. All methods are safe for concurrent use.
type Server struct {
	log         *slog.Logger
	dir         string
	tempDir     bool
	host        string
	tlsPort     int
	tcpPort     int
	wsPort      int
	wssPort     int
	sockets     *sockets
	broker      *broker.Broker
	recorder    *record.Recorder
	faults      *Faults
	clock       *Clock
	shadows     *shadows
	jobs        *jobService
	commands    *commandService
	registry    *registry.Registry
	policies    *policies
	fleet       *fleet
	rules       *ruleEngine
	presence    *presence
	authorizers *authorizers
	door        *httpDoor // HTTP on the TLS port
	state       *state
	api         *apiDoor // nil: none

	mu     sync.Mutex
	ca     *authority
	made   map[string]string // by NewThing: ids of certificates, by the names of things
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
	s := &Server{dir: stateCerts(o.Dir, o.StateDir), tlsPort: Off, tcpPort: Off, wsPort: Off, wssPort: Off}
	if err := s.start(o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) start(o Options) (err error) {
	for _, p := range []int{o.TLSPort, o.TCPPort, o.WSPort, o.WSSPort, o.APIPort} {
		if p < Off || p > 65535 {
			return fmt.Errorf("iotlocal: port %d is not in -1..65535", p)
		}
	}
	if s.state, err = openState(o.StateDir, o.Logger); err != nil {
		return err
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
	if s.log = o.Logger; s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.recorder = record.New(o.RecorderCap, o.RecorderBytes)
	rules := fault.NewSet(topic.Match)
	s.clock = &Clock{}
	s.shadows = &shadows{service: shadow.NewService(o.ShadowLimits), clock: s.clock}
	s.jobs = newJobService(o.JobLimits, s.clock)
	s.commands = &commandService{service: commands.NewService(o.CommandLimits), clock: s.clock}
	journal := &tables.Journal{}
	s.registry = registry.New(journal)
	s.fleet = newFleet(o.ProvisioningLimits, s.clock, s.sign, s.registry)
	s.policies = newPolicies(o.Region, s.clock, s.fleet, s.registry, s.recorder)
	s.authorizers = newAuthorizers(s.clock, journal)
	s.clock.custom = s.authorizers
	s.rules = newRuleEngine(o.Logger, s.clock, journal)
	s.presence = newPresence(s.clock)
	s.door = newHTTPDoor(newDataPlane(s), o.Logger)
	var keeper broker.Keeper
	if s.state != nil {
		keeper = s.state
	}
	s.broker = broker.New(broker.Options{Keeper: keeper, Limits: o.Limits, Standard: o.Standard, Recorder: s.recorder,
		Faults: rules, Logger: o.Logger, Now: s.clock.Now, Hooks: broker.Hooks{
			Owner: s.policies.owner, Connect: s.admit, Connected: s.arrived, Disconnected: s.left, Subscribed: s.presence.subscribed, Unsubscribed: s.presence.unsubscribed,
			Will: s.policies.will, Publish: s.policies.publish, Subscribe: s.policies.subscribe, Receive: s.policies.receive, Routed: s.rules.routed},
		Protocols: map[string]func(*tls.Conn){alpnHTTPS: s.door.take, alpnHTTP: s.door.take, alpnHTTP2: s.door.take},
		Services: map[string]broker.Service{thingsPrefix: s.thingRequest, commands.Prefix: s.commands.handle,
			provisioning.CertificatesPrefix: s.fleet.handle, provisioning.TemplatesPrefix: s.fleet.handle}})
	s.shadows.publish, s.commands.publish, s.presence.publish = s.broker.Publish, s.broker.Publish, s.broker.Publish
	s.clock.broker, s.clock.jobs = s.broker, s.jobs
	s.authorizers.start()
	s.rules.start(s.broker.Publish, s.shadows.handle)
	s.faults = &Faults{Set: rules, broker: s.broker}
	if err := s.loadState(); err != nil {
		return err
	}
	s.jobs.start(s.broker.Publish)
	s.registry.OnMove(s.jobs.moved(s.registry))
	sockets, err := newSockets(s.broker, s.recorder, s.clock.Now, o)
	if err != nil {
		return err
	}
	sockets.custom = s.authorizers.decidesLater
	s.authorizers.signatures = func() bool { _, required := sockets.secrets(); return required }
	s.sockets = sockets

	listen, addr := o.Listen, cmp.Or(o.ListenAddr, "localhost")
	if listen == nil {
		listen, addr = net.Listen, cmp.Or(o.ListenAddr, "127.0.0.1")
	}
	s.host = hostFor(addr)
	var doors []door
	open := func(option string, number int, port *int, begin func(net.Listener) error) error {
		if number == Off {
			return nil
		}
		l, err := listen("tcp", net.JoinHostPort(addr, strconv.Itoa(number)))
		if err != nil {
			return &PortError{Option: option, Port: number, Err: err}
		}
		*port = portOf(l, number)
		doors = append(doors, door{l, begin})
		return nil
	}
	defer func() { err = errors.Join(err, closeDoors(doors)) }() // those that have not begun
	if err := errors.Join(
		open("TLSPort", o.TLSPort, &s.tlsPort, func(l net.Listener) error {
			return s.broker.Listen(l, routeALPN(conf, o.RequireSNI, s.trustOthers()))
		}),
		open("TCPPort", o.TCPPort, &s.tcpPort, func(l net.Listener) error { return s.broker.Listen(l, nil) }),
		open("WSPort", o.WSPort, &s.wsPort, func(l net.Listener) error { s.sockets.listen(l, nil); return nil }),
		open("WSSPort", o.WSSPort, &s.wssPort, func(l net.Listener) error {
			s.sockets.listen(l, secureWebsockets(conf, o.RequireSNI))
			return nil
		})); err != nil {
		return err
	}
	plane, err := s.newPlane(o, addr)
	if err != nil {
		return err
	}
	if plane != nil {
		s.api = &apiDoor{server: newHTTPServer(plane, o.Logger)}
		if err := open("APIPort", o.APIPort, &s.api.port, s.api.begin); err != nil {
			return err
		}
	}
	if o.Prepare != nil { // who connects already waits
		if err := o.Prepare(s); err != nil {
			return err
		}
	}
	for len(doors) > 0 {
		if err := doors[0].begin(doors[0].Listener); err != nil {
			return err
		}
		doors = doors[1:]
	}
	return nil
}

// door is a port that is open and not served yet.
type door struct {
	net.Listener
	begin func(net.Listener) error
}

func closeDoors(all []door) error {
	var errs []error
	for _, d := range all {
		errs = append(errs, d.Close())
	}
	return errors.Join(errs...)
}

// admit is the hook for CONNECT.
func (s *Server) admit(c *broker.Client) wire.Code {
	code := cmp.Or(s.fleet.admit(c), s.authorizers.connect(c), s.policies.connect(c))
	if code.IsError() {
		s.authorizers.gone(c, broker.NotPermitted)
	}
	return code
}

// arrived and left are the hooks for connections that begin and end.
func (s *Server) arrived(c *broker.Client) {
	s.recheck(c)
	s.presence.connected(c)
}

func (s *Server) left(c *broker.Client, cause broker.Cause) {
	s.authorizers.gone(c, cause)
	s.presence.disconnected(c, cause)
}

// thingRequest hands what a client has published under thingsPrefix to the
// services; each takes its own topics and lets the others pass.
func (s *Server) thingRequest(c *broker.Client, m *broker.Message) {
	s.shadows.handle(c, m)
	s.jobs.handle(c, m)
}

// sign lets the server's CA sign a certificate for a key that is not its own.
func (s *Server) sign(key crypto.PublicKey, subject []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ca.sign(key, subject)
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

// PortError is why Start could not listen on a port: another program does, the
// address is not one of this machine, or the user may not.
type PortError struct {
	Option string // of Options that gives the port, as "TLSPort"
	Port   int    // 0: a free one was asked for
	Err    error
}

// Error names the option, the port and the cause.
func (e *PortError) Error() string {
	return fmt.Sprintf("iotlocal: %s %d: cannot listen: %v", e.Option, e.Port, e.Err)
}

// Unwrap returns the cause.
func (e *PortError) Unwrap() error { return e.Err }

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
		s.faults.Clear()                                 // what is held must not hold the end
		errs = append(errs, s.api.shut(), s.door.shut()) // first: they feed the broker
		if s.sockets != nil {
			errs = append(errs, s.sockets.close()) // as this does
		}
		s.authorizers.close()
		s.rules.close() // before the broker: they publish
		s.jobs.close()  // before the broker: its timers publish
		s.fleet.close() // before the broker: hooks hold up its readers
		errs = append(errs, s.broker.Close())
	}
	if s.recorder != nil {
		s.recorder.Close()
	}
	errs = append(errs, s.state.close())
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
// name is 1 to 128 of a-z A-Z 0-9 : _ - as in AWS. Names that cannot be those of
// files everywhere are refused: ca in any case, those of Windows' devices, and on
// Windows a colon. So is a name that the disk does not tell from that of another
// thing. A key file that others can read is narrowed to mode 0600; symbolic links
// are not followed.
func (s *Server) NewThing(name string) (Thing, error) {
	if err := topic.CheckThingName(name); err != nil {
		return Thing{}, fmt.Errorf("iotlocal: %w", err)
	}
	if err := checkFileName(name); err != nil {
		return Thing{}, err
	}
	return s.identify(name)
}

func (s *Server) identify(name string) (Thing, error) {
	s.mu.Lock()
	t, err := s.ca.thing(name)
	s.mu.Unlock()
	if err == nil { // without the lock, for which connections may wait
		err = s.registry.Identity(name, registry.Certificate{ID: t.CertificateID(), PEM: string(t.CertPEM), Status: registry.Active}, s.clock.Now())
	}
	if err != nil {
		return t, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made == nil {
		s.made = map[string]string{}
	}
	s.made[name] = t.CertificateID()
	return t, nil
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
// Limits.Queued or Limits.QueuedBytes, QoS 0 beyond Limits.PendingBytes. What fault rules drop is not
// counted.
func (s *Server) Lost() int { return s.broker.Lost() }
