package iotlocal

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/broker"
	"github.com/portage-iot/awsiot/iotlocal/internal/sigv4"
	"github.com/portage-iot/awsiot/iotlocal/internal/wsock"
	"github.com/portage-iot/awsiot/iotlocal/record"
)

// Credential is what belongs to an AWS access key id.
type Credential struct {
	SecretAccessKey string
	SessionToken    string // of temporary credentials; "": none
}

// upgradeTimeout is the time for TLS and the upgrade request, as Limits.ConnectTimeout is for what follows.
const upgradeTimeout = 10 * time.Second

// sockets are the websocket listeners of a Server. They bring a connection as far as the end of the
// upgrade and then give it to the broker.
type sockets struct {
	broker   *broker.Broker
	recorder *record.Recorder
	now      func() time.Time // of signatures; deadlines keep to real time
	log      *slog.Logger
	timeout  time.Duration
	custom   func(*http.Request) bool // a custom authorizer is to decide
	origins  []string                 // pages of other hosts that may open websockets, or "*"

	wg      sync.WaitGroup // every goroutine
	closing chan struct{}

	mu        sync.Mutex
	closed    bool
	listeners []net.Listener
	pending   map[net.Conn]struct{} // connections before the end of the upgrade
	policy    sigv4.Policy
}

func newSockets(b *broker.Broker, r *record.Recorder, now func() time.Time, o Options) (*sockets, error) {
	s := &sockets{broker: b, recorder: r, now: now, log: o.Logger, timeout: cmp.Or(o.Limits.ConnectTimeout, upgradeTimeout),
		closing: make(chan struct{}), pending: map[net.Conn]struct{}{}}
	switch {
	case o.RefuseOtherRegions && o.Region == "":
		return nil, errors.New("iotlocal: RefuseOtherRegions needs a Region")
	case o.RefuseOtherRegions:
		s.policy.Region = o.Region
	}
	for _, origin := range o.Origins {
		if origin != anyOrigin {
			if _, err := wsock.ParseOrigin(origin); err != nil {
				return nil, fmt.Errorf("iotlocal: origin %q: %w", origin, err)
			}
		}
	}
	s.origins = slices.Clone(o.Origins)
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s, s.setCredentials(o.Credentials)
}

func (s *sockets) setCredentials(all map[string]Credential) error {
	var secrets map[string]sigv4.Secret
	for id, c := range all {
		if id == "" || c.SecretAccessKey == "" {
			return fmt.Errorf("iotlocal: credentials of access key id %q: access key id and secret access key must not be empty", id)
		}
		if secrets == nil {
			secrets = map[string]sigv4.Secret{}
		}
		secrets[id] = sigv4.Secret{Key: c.SecretAccessKey, Token: c.SessionToken}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policy.Secrets = secrets
	return nil
}

// listen accepts websockets from l, through TLS when conf is not nil, until close.
func (s *sockets) listen(l net.Listener, conf *tls.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners = append(s.listeners, l)
	s.wg.Go(func() { s.accept(l, conf) })
}

func (s *sockets) accept(l net.Listener, conf *tls.Config) {
	for {
		nc, err := l.Accept()
		if err != nil {
			select {
			case <-s.closing:
				return
			default:
			}
			s.log.Warn("iotlocal: accept failed", "addr", l.Addr(), "error", err)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			// Out of file descriptors and the like heal; do not spin meanwhile.
			select {
			case <-time.After(50 * time.Millisecond):
				continue
			case <-s.closing:
				return
			}
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			nc.Close()
			return
		}
		s.pending[nc] = struct{}{}
		s.wg.Go(func() { s.open(nc, conf) })
		s.mu.Unlock()
	}
}

// open makes a websocket of nc and gives it to the broker.
func (s *sockets) open(nc net.Conn, conf *tls.Config) {
	ws, err := s.upgrade(nc, conf)
	s.mu.Lock()
	delete(s.pending, nc)
	s.mu.Unlock()
	if err != nil {
		nc.Close()
		s.failed(record.Transport{RemoteAddr: nc.RemoteAddr().String(), TLS: conf != nil, Websocket: true}, err)
		return
	}
	s.broker.ServeConn(ws, nil)
}

func (s *sockets) upgrade(nc net.Conn, conf *tls.Config) (net.Conn, error) {
	if err := nc.SetDeadline(time.Now().Add(s.timeout)); err != nil {
		return nil, err
	}
	t := record.Transport{RemoteAddr: nc.RemoteAddr().String(), Websocket: true}
	if conf != nil {
		ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
		defer cancel()
		tc := tls.Server(nc, conf)
		if err := tc.HandshakeContext(ctx); err != nil {
			return nil, errors.New(broker.ExplainTLS(err))
		}
		st := tc.ConnectionState()
		t.FromTLS(&st)
		nc = tc
	}
	var request *http.Request
	ws, err := wsock.Upgrade(nc, func(r *http.Request) error {
		request = r
		return s.authorize(r)
	})
	if err != nil {
		return nil, err
	}
	return &socket{Conn: ws, transport: t, request: request}, nc.SetDeadline(time.Time{})
}

// secrets returns what signatures are compared with, and whether there must be one.
func (s *sockets) secrets() (p sigv4.Policy, required bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.policy, s.policy.Secrets != nil
}

// hijack makes a websocket of an HTTP connection and gives it to the broker.
func (s *sockets) hijack(w http.ResponseWriter, r *http.Request) {
	t := record.Transport{RemoteAddr: r.RemoteAddr, Websocket: true}
	if r.TLS != nil {
		t.FromTLS(r.TLS)
	}
	nc, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.log.Debug("iotlocal: no websocket", "addr", r.RemoteAddr, "error", err)
		return
	}
	err = nc.SetDeadline(time.Now().Add(s.timeout))
	var ws *wsock.Conn
	if err == nil {
		ws, err = wsock.Accept(nc, buffered.Reader, r, s.authorize)
	}
	if err == nil {
		err = nc.SetDeadline(time.Time{})
	}
	if err != nil {
		nc.Close()
		s.failed(t, err)
		return
	}
	s.broker.ServeConn(&socket{Conn: ws, transport: t, request: r}, nil)
}

// failed records a connection that did not become a websocket.
func (s *sockets) failed(t record.Transport, err error) {
	s.log.Debug("iotlocal: no websocket", "addr", t.RemoteAddr, "error", err)
	s.recorder.Add(record.Packet{Dir: Event, Type: HandshakeFailed, Reason: err.Error(), Transport: &t})
}

// anyOrigin in Options.Origins lets the pages of every host in.
const anyOrigin = "*"

// authorize lets a request in whose signature is good. Without credentials to compare with, any
// signature is, but its form and its time are checked: AWS would.
//
// A request that a browser sends for the page of another host is refused before. AWS takes those, but
// it has nothing to do with what a page can reach on the machine of who looks at it.
func (s *sockets) authorize(r *http.Request) error {
	if !slices.Contains(s.origins, anyOrigin) {
		if err := wsock.CheckOrigin(r, s.origins); err != nil {
			return fmt.Errorf("%w; Options.Origins, or -origin of the program, allows it", err)
		}
	}
	s.mu.Lock()
	policy := s.policy
	s.mu.Unlock()
	if !sigv4.Signed(r) && (policy.Secrets == nil || s.custom(r)) {
		return nil // in CONNECT it is decided about a custom authorizer
	}
	return sigv4.Verify(r, policy, s.now())
}

// close ends the listeners and what has not come to the end of its upgrade.
func (s *sockets) close() error {
	s.mu.Lock()
	s.closed = true
	close(s.closing)
	listeners, pending := s.listeners, maps.Clone(s.pending)
	s.mu.Unlock()
	var errs []error
	for _, l := range listeners {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	for nc := range pending {
		nc.Close()
	}
	s.wg.Wait()
	return errors.Join(errs...)
}

// socket is a websocket that can say how it came about.
type socket struct {
	*wsock.Conn
	transport record.Transport
	request   *http.Request
}

// Transport is what the broker records.
func (s *socket) Transport() record.Transport { return s.transport }

// Principal is the access key id that the upgrade was signed with.
func (s *socket) Principal() string { return sigv4.KeyID(s.request) }

// Request is that of the upgrade.
func (s *socket) Request() *http.Request { return s.request }

// secureWebsockets is the configuration of the TLS port for clients that prove themselves in the upgrade.
func secureWebsockets(conf *tls.Config, sni bool) *tls.Config {
	conf = conf.Clone()
	conf.ClientAuth, conf.ClientCAs, conf.NextProtos = tls.NoClientCert, nil, []string{"http/1.1"}
	if sni {
		conf.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			if hello.ServerName == "" {
				return nil, errNoSNI
			}
			return nil, nil
		}
	}
	return conf
}

// WSPort returns the port for MQTT over websockets without TLS, or -1.
func (s *Server) WSPort() int { return s.wsPort }

// WSSPort returns the port for MQTT over secure websockets, or -1.
func (s *Server) WSSPort() int { return s.wssPort }

// SetCredentials replaces Options.Credentials for the upgrades to come; connections stay. None at all
// means that any signature is taken. An entry without access key id or secret is an error.
func (s *Server) SetCredentials(all map[string]Credential) error {
	return s.sockets.setCredentials(all)
}
