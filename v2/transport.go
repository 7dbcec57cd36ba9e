package awsiot

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// The ALPN names of AWS IoT Core (https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html).
const (
	alpnMQTT       = "x-amzn-mqtt-ca" // MQTT with a client certificate, on port 443
	alpnAuthorizer = "mqtt"           // MQTT with a custom authorizer
	alpnHTTP       = "http/1.1"       // websockets
)

// errCAEmpty: the file or bytes given as certificate authorities hold none.
var errCAEmpty = errors.New("no PEM certificate in it")

// route returns how the next attempt reaches the broker, and its TLS configuration; nil: no TLS.
// Files are read here, and what is wrong with them is reported together.
func (o *ClientOptions) route(ctx context.Context, c *calls) (route, *tls.Config, error) {
	var ps problems
	r, err := o.Auth.route(ctx, c)
	if err != nil {
		ps.because("Auth", err)
	} else if r.plain {
		return r, nil, nil
	}
	roots := o.authorities(&ps)
	if err := ps.join(); err != nil {
		return r, nil, err
	}
	return r, o.tlsConfig(r, roots), nil
}

// authorities returns the pool of CAFile and CAPEM, nil when both are empty, and adds what is wrong with them to ps.
func (o *ClientOptions) authorities(ps *problems) *x509.CertPool {
	if o.CAFile == "" && o.CAPEM == nil {
		return nil
	}
	pool := x509.NewCertPool()
	if o.CAFile != "" {
		if pem, err := os.ReadFile(o.CAFile); err != nil {
			ps.because("CAFile", err)
		} else if !pool.AppendCertsFromPEM(pem) {
			ps.because("CAFile", fmt.Errorf("%s: %w", o.CAFile, errCAEmpty))
		}
	}
	if o.CAPEM != nil && !pool.AppendCertsFromPEM(o.CAPEM) {
		ps.because("CAPEM", errCAEmpty)
	}
	return pool
}

func (o *ClientOptions) tlsConfig(r route, roots *x509.CertPool) *tls.Config {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.TLSConfig != nil {
		cfg = o.TLSConfig.Clone()
	}
	if r.cert != nil {
		cfg.Certificates = []tls.Certificate{*r.cert}
	}
	if roots != nil {
		cfg.RootCAs = roots
	}
	if cfg.ServerName == "" {
		cfg.ServerName = o.Endpoint
	}
	switch {
	case cfg.NextProtos != nil:
	case r.alpn != "":
		cfg.NextProtos = []string{r.alpn}
	case r.websocket != nil:
		cfg.NextProtos = []string{alpnHTTP}
	case o.Port == 443 && r.cert != nil:
		cfg.NextProtos = []string{alpnMQTT}
	}
	return cfg
}

// Dial makes the authenticated transport of the options, without MQTT on it: DNS, TCP and TLS
// within ConnectTimeout and ctx. The caller closes it.
func (o ClientOptions) Dial(ctx context.Context) (net.Conn, error) {
	if ctx == nil {
		return nil, errNoContext
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	return o.dial(ctx, newCalls(nil, func(what string, p any) { reportPanic(o.Logger, what, p) }))
}

// dial is Dial for options that are valid and have their defaults.
func (o *ClientOptions) dial(ctx context.Context, c *calls) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, o.ConnectTimeout)
	defer cancel()
	return o.dialWithin(ctx, c)
}

// dialWithin is dial with ConnectTimeout in ctx already.
func (o *ClientOptions) dialWithin(ctx context.Context, c *calls) (net.Conn, error) {
	r, cfg, err := o.route(ctx, c)
	if err != nil {
		return nil, err
	}
	if t, ok := ctx.(*trial); ok && r.cert != nil {
		t.own = r.cert.Leaf
	}
	addr := net.JoinHostPort(o.Endpoint, strconv.Itoa(o.Port))
	conn, err := o.connect(ctx, c, addr)
	if err != nil {
		return nil, timeoutCause(ctx, err, "connecting to "+addr, o.ConnectTimeout)
	}
	if cfg != nil {
		if conn, err = o.handshake(ctx, c, conn, cfg); err != nil {
			return nil, timeoutCause(ctx, withHint(fmt.Errorf("TLS with %s: %w", addr, err), o.tlsHint(err)), "TLS with "+addr, o.ConnectTimeout)
		}
	}
	if r.websocket != nil {
		if conn, err = o.upgrade(ctx, c, conn, r); err != nil {
			return nil, timeoutCause(ctx, fmt.Errorf("websocket with %s: %w", addr, err), "websocket with "+addr, o.ConnectTimeout)
		}
	}
	return conn, nil
}

// connect makes the TCP connection, through a proxy if there is one.
func (o *ClientOptions) connect(ctx context.Context, c *calls, addr string) (net.Conn, error) {
	dial := (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext
	if o.Dialer != nil {
		dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			return heed(ctx, c, "Dialer", func(ctx context.Context) (net.Conn, error) { return o.Dialer(ctx, network, addr) }, closeLate)
		}
	}
	t := o.tracer()
	if t.DialStart != nil {
		t.DialStart(addr)
	}
	conn, err := o.throughProxy(ctx, c, dial, addr)
	if err == nil && conn == nil {
		err = errors.New("the Dialer returned neither a connection nor an error")
	}
	if t.DialDone != nil {
		t.DialDone(addr, err)
	}
	return conn, err
}

// closeLate closes the connection that a Dialer made too late.
func closeLate(conn net.Conn) {
	if conn != nil {
		conn.Close()
	}
}

// tlsHandshake is what calls is told of it: functions of TLSConfig and private keys are the program's.
const tlsHandshake = "the TLS handshake"

// handshake puts TLS on conn, which it closes when that fails.
func (o *ClientOptions) handshake(ctx context.Context, c *calls, conn net.Conn, cfg *tls.Config) (net.Conn, error) {
	t := o.tracer()
	if t.TLSStart != nil {
		t.TLSStart()
	}
	tc := tls.Client(conn, cfg)
	state, err := heed(ctx, c, tlsHandshake,
		func(ctx context.Context) (tls.ConnectionState, error) {
			err := tc.HandshakeContext(ctx)
			return tc.ConnectionState(), err
		}, nil)
	if t.TLSDone != nil {
		t.TLSDone(state, err)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return tc, nil
}

// tracer returns Trace, never nil.
func (o *ClientOptions) tracer() *Trace {
	if o.Trace == nil {
		return &Trace{}
	}
	return o.Trace
}

// timeoutCause says which limit ended the attempt when the context did. What the server has done wrong until then stays.
func timeoutCause(ctx context.Context, err error, doing string, limit time.Duration) error {
	if _, refused := errors.AsType[*UpgradeError](err); refused || errors.Is(err, ErrProtocol) {
		return err
	}
	if u, ok := errors.AsType[*unreturned](err); ok && (u.earlier || u.what != tlsHandshake) {
		doing += ": " + u.text()
	}
	if pe, ok := errors.AsType[*ProxyError](err); ok {
		doing += " through proxy " + pe.Proxy
	}
	if t, ok := ctx.(*trial); ok {
		limit = t.currentLimit()
	}
	cause := context.Cause(ctx)
	if ne, ok := errors.AsType[net.Error](err); cause == nil && ok && ne.Timeout() {
		if d, ok := ctx.Deadline(); ok && !time.Now().Before(d) { // who has given the deadline to the connection, as for SOCKS, may notice it first
			cause = context.DeadlineExceeded
		}
	}
	if errors.Is(cause, context.DeadlineExceeded) {
		return fmt.Errorf("%s: not done within ConnectTimeout %v: %w", doing, limit, cause)
	} else if cause != nil {
		return cause
	}
	return err
}
