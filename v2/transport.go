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

// alpnMQTT is what AWS IoT Core wants on port 443 for MQTT with a client certificate.
const alpnMQTT = "x-amzn-mqtt-ca"

// errCAEmpty: the file or bytes given as certificate authorities hold none.
var errCAEmpty = errors.New("no PEM certificate in it")

// tlsConfig returns the configuration for an attempt; nil: no TLS. Files are read here.
func (o *ClientOptions) tlsConfig(ctx context.Context) (*tls.Config, error) {
	cert, secure, err := o.Auth.load(ctx)
	if err != nil {
		return nil, &ValidationError{Field: "Auth", Problem: err.Error(), err: err}
	}
	if !secure {
		return nil, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.TLSConfig != nil {
		cfg = o.TLSConfig.Clone()
	}
	if cert != nil {
		cfg.Certificates = []tls.Certificate{*cert}
	}
	if o.CAFile != "" || o.CAPEM != nil {
		pool := x509.NewCertPool()
		if o.CAFile != "" {
			pem, err := os.ReadFile(o.CAFile)
			if err != nil {
				return nil, &ValidationError{Field: "CAFile", Problem: err.Error(), err: err}
			}
			if !pool.AppendCertsFromPEM(pem) {
				return nil, &ValidationError{Field: "CAFile", Problem: fmt.Sprintf("%s: %v", o.CAFile, errCAEmpty), err: errCAEmpty}
			}
		}
		if o.CAPEM != nil && !pool.AppendCertsFromPEM(o.CAPEM) {
			return nil, &ValidationError{Field: "CAPEM", Problem: errCAEmpty.Error(), err: errCAEmpty}
		}
		cfg.RootCAs = pool
	}
	if cfg.ServerName == "" {
		cfg.ServerName = o.Endpoint
	}
	if cfg.NextProtos == nil && o.Port == 443 && cert != nil {
		cfg.NextProtos = []string{alpnMQTT}
	}
	return cfg, nil
}

// Dial makes the authenticated transport of the options, without MQTT on it: DNS, TCP and TLS
// within ConnectTimeout and ctx. The caller closes it.
func (o ClientOptions) Dial(ctx context.Context) (net.Conn, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	return o.dial(ctx)
}

// dial is Dial for options that are valid and have their defaults.
func (o *ClientOptions) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, o.ConnectTimeout)
	defer cancel()
	cfg, err := o.tlsConfig(ctx)
	if err != nil {
		return nil, err
	}
	dial := o.Dialer
	if dial == nil {
		dial = (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext
	}
	addr := net.JoinHostPort(o.Endpoint, strconv.Itoa(o.Port))
	trace := o.Trace
	if trace == nil {
		trace = &Trace{}
	}
	if trace.DialStart != nil {
		trace.DialStart(addr)
	}
	conn, err := dial(ctx, "tcp", addr)
	if trace.DialDone != nil {
		trace.DialDone(addr, err)
	}
	if err != nil {
		return nil, timeoutCause(ctx, err, "connecting to "+addr, o.ConnectTimeout)
	}
	if conn == nil {
		return nil, fmt.Errorf("the Dialer returned neither a connection nor an error")
	}
	if cfg == nil {
		return conn, nil
	}
	tc := tls.Client(conn, cfg)
	if trace.TLSStart != nil {
		trace.TLSStart()
	}
	err = tc.HandshakeContext(ctx)
	if trace.TLSDone != nil {
		trace.TLSDone(tc.ConnectionState(), err)
	}
	if err != nil {
		conn.Close()
		return nil, timeoutCause(ctx, fmt.Errorf("TLS with %s: %w", addr, err), "TLS with "+addr, o.ConnectTimeout)
	}
	return tc, nil
}

// timeoutCause says which limit ended the attempt when the context did.
func timeoutCause(ctx context.Context, err error, doing string, limit time.Duration) error {
	if cause := context.Cause(ctx); errors.Is(cause, context.DeadlineExceeded) {
		return fmt.Errorf("%s: not done within ConnectTimeout %v: %w", doing, limit, cause)
	} else if cause != nil {
		return cause
	}
	return err
}
