package iotlocal

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// The ALPN names of AWS IoT Core (AWS IoT developer guide, "Device communication protocols").
const (
	alpnMQTT       = "x-amzn-mqtt-ca" // MQTT with a client certificate; what clients without ALPN get too
	alpnAuthorizer = "mqtt"           // MQTT with a custom authorizer
	alpnHTTPS      = "x-amzn-http-ca" // the HTTPS data plane with a client certificate
	alpnHTTP       = "http/1.1"       // the same with a certificate or a signature, and websockets
	alpnHTTP2      = "h2"             // the same, for clients that know nothing else
)

// routeALPN makes conf serve every protocol of AWS IoT Core's port 443 and 8443: what the client offers decides what is
// spoken, and whether a certificate is asked for. trusted returns the CAs of client certificates, when they are not those of conf.
func routeALPN(conf *tls.Config, sni bool, trusted func() *x509.CertPool) *tls.Config {
	kinds := map[string]tls.ClientAuthType{alpnHTTPS: tls.RequireAndVerifyClientCert, alpnAuthorizer: tls.NoClientCert, alpnHTTP: tls.VerifyClientCertIfGiven, alpnHTTP2: tls.VerifyClientCertIfGiven}
	confs := map[string]*tls.Config{}
	for name, auth := range kinds {
		c := conf.Clone()
		c.NextProtos, c.ClientAuth = []string{name}, auth
		confs[name] = c
	}
	plain := conf.Clone()
	choose := func(offered []string) *tls.Config {
		for _, name := range []string{alpnMQTT, alpnHTTPS, alpnAuthorizer, alpnHTTP, alpnHTTP2} {
			if slices.Contains(offered, name) {
				return confs[name] // nil for alpnMQTT
			}
		}
		return nil
	}
	conf = conf.Clone()
	conf.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if sni && hello.ServerName == "" {
			return nil, errNoSNI
		}
		chosen := choose(hello.SupportedProtos)
		pool := trusted()
		if pool == nil {
			return chosen, nil
		}
		if chosen == nil {
			chosen = plain
		}
		chosen = chosen.Clone()
		chosen.ClientCAs = pool
		return chosen, nil
	}
	return conf
}

// errNoSNI is why a client is refused that names no host.
var errNoSNI = errors.New("iotlocal: the client names no host (SNI), and Options.RequireSNI asks for one: let it connect by name, not by IP address")

// httpDoor serves HTTP on connections that others have accepted.
type httpDoor struct {
	server *http.Server
	conns  chan net.Conn
	done   chan struct{}
	once   sync.Once
	ended  sync.WaitGroup
}

// requestTimeout is the time for a request to come, and for an idle connection.
const requestTimeout = 30 * time.Second

func newHTTPDoor(handler http.Handler, log *slog.Logger) *httpDoor {
	d := &httpDoor{conns: make(chan net.Conn), done: make(chan struct{})}
	withTLS := func(w http.ResponseWriter, r *http.Request) {
		if state, ok := r.Context().Value(tlsState{}).(*tls.ConnectionState); ok {
			r.TLS = state
		}
		handler.ServeHTTP(w, r)
	}
	d.server = newHTTPServer(http.HandlerFunc(withTLS), log)
	d.server.ConnContext = noteTLS
	d.ended.Go(func() { _ = d.server.Serve(d) })
	return d
}

// newHTTPServer returns a server with the bounds that every door has.
func newHTTPServer(handler http.Handler, log *slog.Logger) *http.Server {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &http.Server{Handler: handler, ReadTimeout: requestTimeout, IdleTimeout: requestTimeout, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
}

// shutHTTP ends a server; requests under way have a second.
func shutHTTP(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	return err
}

// secured is a TLS connection that the server of package http takes for a plain one: it would close it over an ALPN name that it
// does not know.
type secured struct {
	net.Conn
	state tls.ConnectionState
}

// tlsState is the key of the context for what noteTLS notes.
type tlsState struct{}

func noteTLS(ctx context.Context, nc net.Conn) context.Context {
	if s, ok := nc.(*secured); ok {
		return context.WithValue(ctx, tlsState{}, &s.state)
	}
	return ctx
}

// take gives the door a connection.
func (d *httpDoor) take(tc *tls.Conn) {
	var nc net.Conn = tc
	if state := tc.ConnectionState(); state.NegotiatedProtocol != alpnHTTP2 {
		nc = &secured{tc, state}
	}
	select {
	case d.conns <- nc:
	case <-d.done:
		nc.Close()
	}
}

// Accept is the listener's of the server.
func (d *httpDoor) Accept() (net.Conn, error) {
	select {
	case nc := <-d.conns:
		return nc, nil
	case <-d.done:
		return nil, net.ErrClosed
	}
}

// Close is the listener's of the server.
func (d *httpDoor) Close() error {
	d.once.Do(func() { close(d.done) })
	return nil
}

// Addr is the listener's of the server.
func (d *httpDoor) Addr() net.Addr { return &net.TCPAddr{} }

// shut ends the server; requests under way have a second.
func (d *httpDoor) shut() error {
	err := shutHTTP(d.server)
	d.Close()
	d.ended.Wait()
	return err
}
