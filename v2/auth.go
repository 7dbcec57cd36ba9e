package awsiot

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"

	"github.com/portage-iot/awsiot/internal/pempath"
	"github.com/portage-iot/awsiot/v2/internal/clientcert"
)

// Auth says how a connection is made and proves who the client is. The values come from this
// package (PlainTCP, TLS, MTLSFromPath, MTLSFromBytes, MTLSFromCertificate, MTLSFromFunc,
// CustomAuthorizer, WebsocketHandshake) and from others that build theirs from these kinds.
type Auth interface {
	// problem returns what is wrong with the value itself, or "".
	problem() string
	// route returns what an attempt needs; it may read files and ask services.
	// The program's functions are called through c.
	route(ctx context.Context, c *calls) (route, error)
}

// route is how an attempt reaches the broker.
type route struct {
	plain     bool                                       // no TLS
	cert      *tls.Certificate                           // of the client; nil: none
	alpn      string                                     // the protocol name; "": what the port asks for
	websocket func(context.Context, *http.Request) error // non-nil: MQTT in a websocket
}

type plainTCP struct{}

// PlainTCP connects without TLS, to port 1883 by default. For tests and local brokers; AWS IoT Core does not take it.
func PlainTCP() Auth { return plainTCP{} }

func (plainTCP) problem() string                              { return "" }
func (plainTCP) route(context.Context, *calls) (route, error) { return route{plain: true}, nil }

type serverTLS struct{}

// TLS connects with TLS and without a client certificate: the broker is verified, the client
// proves itself by user name and password, if at all.
func TLS() Auth { return serverTLS{} }

func (serverTLS) problem() string                              { return "" }
func (serverTLS) route(context.Context, *calls) (route, error) { return route{}, nil }

// mutualTLS asks get for the certificate at Start and again at every attempt.
type mutualTLS struct {
	get     func(context.Context) (tls.Certificate, error)
	missing string
	made    string // the call, for Format
}

func (m mutualTLS) problem() string { return m.missing }

func (m mutualTLS) route(ctx context.Context, c *calls) (route, error) {
	cert, err := heed(ctx, c, "the source of the client certificate", func(ctx context.Context) (tls.Certificate, error) {
		ctx, cancel := early(ctx)
		defer cancel()
		return m.get(ctx)
	}, nil)
	if err != nil {
		return route{}, err
	}
	if err := clientcert.Check(&cert); err != nil {
		return route{}, fmt.Errorf("client certificate: %w", err)
	}
	return route{cert: &cert}, nil
}

// MTLSFromPath connects with mutual TLS, with the certificate and the private key in two PEM
// files. They are read at Start, and again at every attempt, so a rotated certificate is used by the next connection.
// The private key must not be encrypted: for one with a password there is v2/pkcs12.
func MTLSFromPath(cert, key string) Auth {
	m := mutualTLS{made: fmt.Sprintf("MTLSFromPath(%s, %s)", shownPath(cert), shownPath(key)), get: func(context.Context) (tls.Certificate, error) {
		c, err := loadKeyPair(cert, key)
		if err != nil {
			err = fmt.Errorf("client certificate %q, key %q: %w", cert, key, err)
		}
		return c, err
	}}
	switch {
	case cert == "" || key == "":
		m.missing = "MTLSFromPath needs the path of a certificate and of a private key"
	case pempath.Is(cert) || pempath.Is(key): // the errors of files show the path, and a private key must not be in one
		m.missing = "MTLSFromPath: what should be a path looks like PEM text; use MTLSFromBytes"
	}
	return m
}

// loadKeyPair is tls.LoadX509KeyPair, but tells of both files when neither can be read.
func loadKeyPair(cert, key string) (tls.Certificate, error) {
	c, certErr := os.ReadFile(cert)
	k, keyErr := os.ReadFile(key)
	switch {
	case certErr != nil && keyErr != nil:
		return tls.Certificate{}, fmt.Errorf("%w; %w", certErr, keyErr)
	case certErr != nil:
		return tls.Certificate{}, certErr
	case keyErr != nil:
		return tls.Certificate{}, keyErr
	}
	return clientcert.FromPEM(c, k)
}

// MTLSFromBytes is MTLSFromPath for PEM data in memory, which it copies.
func MTLSFromBytes(cert, key []byte) Auth {
	c, err := clientcert.FromPEM(cert, key)
	m := mutualTLS{made: "MTLSFromBytes(...)", get: func(context.Context) (tls.Certificate, error) { return c, nil }}
	if err != nil {
		m.missing = "MTLSFromBytes: " + err.Error()
	}
	return m
}

// MTLSFromCertificate connects with mutual TLS with a certificate whose PrivateKey may be any
// crypto.Signer, such as a key in hardware. The certificate is copied, the key is not.
func MTLSFromCertificate(cert tls.Certificate) Auth {
	cert = cloneCertificate(cert)
	m := mutualTLS{made: "MTLSFromCertificate(...)", get: func(context.Context) (tls.Certificate, error) { return cert, nil }}
	if len(cert.Certificate) == 0 || cert.PrivateKey == nil {
		m.missing = "MTLSFromCertificate needs a certificate with a private key"
	}
	return m
}

// MTLSFromFunc connects with mutual TLS with the certificate that get returns, at Start and
// again at every attempt. Its ctx ends with the attempt, which does not wait for it any longer then.
func MTLSFromFunc(get func(context.Context) (tls.Certificate, error)) Auth {
	m := mutualTLS{made: "MTLSFromFunc(...)", get: get}
	if get == nil {
		m.missing = "MTLSFromFunc needs a function"
	}
	return m
}
