package greengrass

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
)

// ALPN is the protocol name that the service wants on port 443; it is accepted on every port, as is none.
const ALPN = "x-amzn-http-ca"

const pathPrefix = "/greengrass/discover/thing/"

// Options configure a Server. The zero value listens on a free port of 127.0.0.1.
type Options struct {
	// Port: 0 is a free one.
	Port int
	// ClientCAPEM are the authorities of the devices' certificates, such as iotlocal's Server.CAPEM. Empty: any
	// certificate will do, but there must be one.
	ClientCAPEM []byte
	// SANs are the names and addresses in the server's certificate. Empty: localhost, 127.0.0.1 and ::1.
	SANs []string
	// Listen opens the listener; nil is net.Listen.
	Listen func(network, address string) (net.Listener, error)
}

// Group is an entry of GGGroups in the document of the discovery API.
type Group struct {
	ID    string   `json:"GGGroupId"`
	Cores []Core   `json:"Cores"`
	CAs   []string `json:"CAs"` // PEM
}

// Core is a core of a group.
type Core struct {
	ThingARN     string         `json:"thingArn"`
	Connectivity []Connectivity `json:"Connectivity"`
}

// Connectivity is an address of a core.
type Connectivity struct {
	ID          string `json:"Id"`
	HostAddress string `json:"HostAddress"`
	PortNumber  int    `json:"PortNumber"`
	Metadata    string `json:"Metadata"`
}

// Request is one that came.
type Request struct {
	Method, Path string
	Host         string // of the Host header
	Header       http.Header
	ALPN         string // negotiated
	ClientCert   string // the common name of the client's certificate
}

// Server is a running stand-in. All methods are safe for concurrent use.
type Server struct {
	http    *http.Server
	ca      []byte
	caFile  string
	dir     string
	port    int
	closing chan struct{}
	done    sync.WaitGroup // the accept loop and the answers

	mu       sync.Mutex
	closed   bool
	groups   map[string][]Group
	answers  []Answer
	requests []Request
}

// TB is what StartT needs of a test.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// StartT is Start for tests: a failure ends the test, and the end of the test closes the server.
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

// Start starts a server with a certificate authority of its own, whose file Close removes. Errors: a port that is
// taken, ClientCAPEM without a certificate, a bad SAN.
func Start(o Options) (*Server, error) {
	if o.Port < 0 || o.Port > 65535 {
		return nil, fmt.Errorf("greengrass stand-in: port %d is not in 0..65535", o.Port)
	}
	pair, ca, err := selfMade(o.SANs)
	if err != nil {
		return nil, fmt.Errorf("greengrass stand-in: %w", err)
	}
	conf := &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert,
		MinVersion: tls.VersionTLS12, NextProtos: []string{ALPN, "http/1.1"}}
	if len(o.ClientCAPEM) > 0 {
		conf.ClientAuth, conf.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		if !conf.ClientCAs.AppendCertsFromPEM(o.ClientCAPEM) {
			return nil, errors.New("greengrass stand-in: ClientCAPEM: no PEM certificate in it")
		}
	}
	listen := o.Listen
	if listen == nil {
		listen = net.Listen
	}
	l, err := listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(o.Port)))
	if err != nil {
		return nil, fmt.Errorf("greengrass stand-in: %w", err)
	}
	s := &Server{ca: ca, port: o.Port, closing: make(chan struct{}), groups: map[string][]Group{}}
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		s.port = a.Port
	}
	if s.dir, err = os.MkdirTemp("", "greengrass"); err == nil {
		s.caFile = filepath.Join(s.dir, "ca.pem")
		err = os.WriteFile(s.caFile, ca, 0o644)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("greengrass stand-in: %w", err), l.Close(), os.RemoveAll(s.dir))
	}
	s.http = &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:    log.New(io.Discard, "", 0), // failed handshakes: the client's error says why
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) }}
	s.done.Go(func() { _ = s.http.Serve(listener{l, conf}) }) // ErrServerClosed
	return s, nil
}

// listener puts TLS on connections in a way that net/http does not see: it hangs up on ALPN names it does not know.
type listener struct {
	net.Listener
	conf *tls.Config
}

type (
	tlsConn struct{ *tls.Conn }
	connKey struct{}
)

// Accept returns the next connection. Its handshake is made by the first Read.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return tlsConn{tls.Server(c, l.conf)}, nil
}

// Close ends the server and every connection.
func (s *Server) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	if !first {
		return nil
	}
	close(s.closing)
	err := s.http.Close()
	s.done.Wait()
	return errors.Join(err, os.RemoveAll(s.dir))
}

// Host returns localhost, which the certificate has by default.
func (s *Server) Host() string { return "localhost" }

// Port returns the port.
func (s *Server) Port() int { return s.port }

// CAFile returns the file of the authority that signed the server's certificate, which CAPEM has too.
func (s *Server) CAFile() string { return s.caFile }

// CAPEM returns the authority that signed the server's certificate.
func (s *Server) CAPEM() []byte { return slices.Clone(s.ca) }

// SetGroups says what the service knows about a thing. Without groups it knows nothing: 404.
func (s *Server) SetGroups(thing string, groups ...Group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups[thing] = groups
}

// Next appends answers for the requests to come, one each, before the ordinary ones.
func (s *Server) Next(answers ...Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = append(s.answers, answers...)
}

// Requests returns those that came, in their order.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// serve answers a request. The connection is taken over, so that faults are bytes and not what net/http makes of them.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	a, ok := s.accept(r)
	if !ok {
		return
	}
	defer s.done.Done()
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return // HTTP/2 is not offered
	}
	defer conn.Close()
	gone, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.done.Go(func() { // notices that the client goes, or the server
		select {
		case <-s.closing:
			conn.Close()
		case <-gone.Done():
		}
	})
	a.write(conn)
}

// accept notes the request and picks its answer.
func (s *Server) accept(r *http.Request) (Answer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return Answer{}, false
	}
	s.done.Add(1)
	req := Request{Method: r.Method, Path: r.URL.EscapedPath(), Host: r.Host, Header: r.Header.Clone()}
	if c, ok := r.Context().Value(connKey{}).(tlsConn); ok {
		state := c.ConnectionState()
		req.ALPN = state.NegotiatedProtocol
		if len(state.PeerCertificates) > 0 {
			req.ClientCert = state.PeerCertificates[0].Subject.CommonName
		}
	}
	s.requests = append(s.requests, req)
	ordinary := s.ordinary(req)
	if len(s.answers) == 0 {
		return ordinary, true
	}
	a := s.answers[0]
	s.answers = s.answers[1:]
	if a.Status == 0 && a.Body == "" {
		a.Status, a.Body = ordinary.Status, ordinary.Body
	}
	return a, true
}

// ordinary is what the service answers. The caller holds s.mu.
func (s *Server) ordinary(r Request) Answer {
	thing, ok := strings.CutPrefix(r.Path, pathPrefix)
	switch {
	case r.Method != http.MethodGet || !ok:
		return Answer{Status: http.StatusForbidden, Body: `{"message":"Missing Authentication Token"}`}
	case topic.CheckThingName(thing) != nil:
		return Answer{Status: http.StatusBadRequest, Body: `{"message":"invalid thing name"}`}
	case len(s.groups[thing]) == 0:
		return Answer{Status: http.StatusNotFound, Body: `{"message":"The discovery information for the thing could not be found"}`}
	}
	body, err := json.Marshal(map[string]any{"GGGroups": s.groups[thing]})
	if err != nil {
		return Answer{Status: http.StatusInternalServerError, Body: err.Error()}
	}
	return Answer{Status: http.StatusOK, Body: string(body)}
}
