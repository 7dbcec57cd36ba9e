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

	wg      sync.WaitGroup // every goroutine
	closing chan struct{}

	mu        sync.Mutex
	closed    bool
	listeners []net.Listener
	pending   map[net.Conn]struct{} // connections before the end of the upgrade
	secrets   map[string]sigv4.Secret
}

func newSockets(b *broker.Broker, r *record.Recorder, now func() time.Time, o Options) (*sockets, error) {
	s := &sockets{broker: b, recorder: r, now: now, log: o.Logger, timeout: cmp.Or(o.Limits.ConnectTimeout, upgradeTimeout),
		closing: make(chan struct{}), pending: map[net.Conn]struct{}{}}
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
	s.secrets = secrets
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
		s.log.Debug("iotlocal: no websocket", "addr", nc.RemoteAddr(), "error", err)
		s.recorder.Add(record.Packet{Dir: Event, Type: HandshakeFailed, Reason: err.Error(),
			Transport: &record.Transport{RemoteAddr: nc.RemoteAddr().String(), TLS: conf != nil, Websocket: true}})
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
			return nil, err
		}
		st := tc.ConnectionState()
		t.TLS, t.SNI, t.ALPN = true, st.ServerName, st.NegotiatedProtocol
		nc = tc
	}
	ws, err := wsock.Upgrade(nc, s.authorize)
	if err != nil {
		return nil, err
	}
	return &socket{Conn: ws, transport: t}, nc.SetDeadline(time.Time{})
}

// authorize lets a request in whose signature is good. Without credentials to compare with, any
// signature is, but its form and its time are checked: AWS would.
func (s *sockets) authorize(r *http.Request) error {
	s.mu.Lock()
	secrets := s.secrets
	s.mu.Unlock()
	if secrets == nil && !sigv4.Signed(r) {
		return nil
	}
	return sigv4.Verify(r, secrets, s.now())
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
}

// Transport is what the broker records.
func (s *socket) Transport() record.Transport { return s.transport }

// secureWebsockets is the configuration of the TLS port for clients that prove themselves in the upgrade.
func secureWebsockets(conf *tls.Config) *tls.Config {
	conf = conf.Clone()
	conf.ClientAuth, conf.ClientCAs, conf.NextProtos = tls.NoClientCert, nil, []string{"http/1.1"}
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
