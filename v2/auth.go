package awsiot

import (
	"context"
	"crypto/tls"
	"fmt"
)

// Auth says how a connection is made and proves who the client is. The values come from this
// package: PlainTCP, TLS, MTLSFromPath, MTLSFromBytes, MTLSFromCertificate, MTLSFromFunc.
type Auth interface {
	// problem returns what is wrong with the value itself, or "".
	problem() string
	// load returns the client certificate for an attempt; nil: none. secure is false for plain TCP.
	load(ctx context.Context) (cert *tls.Certificate, secure bool, err error)
}

type plainTCP struct{}

// PlainTCP connects without TLS, to port 1883 by default. For tests and local brokers; AWS IoT Core does not take it.
func PlainTCP() Auth { return plainTCP{} }

func (plainTCP) problem() string                                       { return "" }
func (plainTCP) load(context.Context) (*tls.Certificate, bool, error)  { return nil, false, nil }
func (serverTLS) problem() string                                      { return "" }
func (serverTLS) load(context.Context) (*tls.Certificate, bool, error) { return nil, true, nil }

type serverTLS struct{}

// TLS connects with TLS and without a client certificate: the broker is verified, the client
// proves itself by user name and password, if at all.
func TLS() Auth { return serverTLS{} }

// mutualTLS asks get for the certificate at Start and again at every attempt.
type mutualTLS struct {
	get     func(context.Context) (tls.Certificate, error)
	missing string
}

func (m mutualTLS) problem() string { return m.missing }

func (m mutualTLS) load(ctx context.Context) (*tls.Certificate, bool, error) {
	cert, err := m.get(ctx)
	if err != nil {
		return nil, true, err
	}
	if len(cert.Certificate) == 0 || cert.PrivateKey == nil {
		return nil, true, fmt.Errorf("client certificate: no certificate or no private key in it")
	}
	return &cert, true, nil
}

// MTLSFromPath connects with mutual TLS, with the certificate and the private key in two PEM
// files. They are read at Start, and again at every attempt, so a rotated certificate is used by the next connection.
func MTLSFromPath(cert, key string) Auth {
	m := mutualTLS{get: func(context.Context) (tls.Certificate, error) {
		c, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			err = fmt.Errorf("client certificate %q, key %q: %w", cert, key, err)
		}
		return c, err
	}}
	if cert == "" || key == "" {
		m.missing = "MTLSFromPath needs the path of a certificate and of a private key"
	}
	return m
}

// MTLSFromBytes is MTLSFromPath for PEM data in memory, which it copies.
func MTLSFromBytes(cert, key []byte) Auth {
	c, err := tls.X509KeyPair(cert, key)
	m := mutualTLS{get: func(context.Context) (tls.Certificate, error) { return c, nil }}
	if err != nil {
		m.missing = "MTLSFromBytes: " + err.Error()
	}
	return m
}

// MTLSFromCertificate connects with mutual TLS with a certificate whose PrivateKey may be any
// crypto.Signer, such as a key in hardware.
func MTLSFromCertificate(cert tls.Certificate) Auth {
	m := mutualTLS{get: func(context.Context) (tls.Certificate, error) { return cert, nil }}
	if len(cert.Certificate) == 0 || cert.PrivateKey == nil {
		m.missing = "MTLSFromCertificate needs a certificate with a private key"
	}
	return m
}

// MTLSFromFunc connects with mutual TLS with the certificate that get returns, at Start and
// again at every attempt. Its ctx ends with the attempt.
func MTLSFromFunc(get func(context.Context) (tls.Certificate, error)) Auth {
	m := mutualTLS{get: get}
	if get == nil {
		m.missing = "MTLSFromFunc needs a function"
	}
	return m
}
