// Package pkcs12 takes the client certificate and its private key from a PKCS #12 file (.p12, .pfx), as certificate
// authorities and browsers export them [RFC 7292].
//
//	client := awsiot.NewClient(awsiot.ClientOptions{
//		Endpoint: "xxxx-ats.iot.eu-west-1.amazonaws.com",
//		ClientID: "thermostat",
//		Auth:     pkcs12.MTLSFromPath("thermostat.p12", password),
//	})
//
// Files encrypted in the modern way (PBES2: AES and PBKDF2, what OpenSSL 3 writes) and in the legacy ways (triple DES,
// RC2, what older programs and openssl -legacy write) are read, on every system.
package pkcs12

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	p12 "software.sslmate.com/src/go-pkcs12"

	"github.com/portage-iot/awsiot/internal/pempath"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/internal/clientcert"
)

// MaxSize is the size in bytes above which a file is not read: a key with its chain takes a few thousand.
const MaxSize = 1 << 20

// ErrPassword is in the chain of the error when the password does not open the file.
var ErrPassword = errors.New("the password does not open it")

// MTLSFromPath connects with mutual TLS, with the certificate and the private key of a PKCS #12 file. The file is read at
// Start, and again at every attempt to connect, so a rotated certificate is used by the next connection. Certificates in
// the file beside the client's own are sent with it, as its chain. An empty password is one, as in files made without.
//
// What is wrong with the file is an error of Start that names the path and never the password: the file cannot be read,
// is not PKCS #12 (PEM text is recognised), the password is wrong ([ErrPassword]), or it holds no certificate, no private
// key, or more than one key.
func MTLSFromPath(path, password string) awsiot.Auth {
	return awsiot.MTLSFromFunc(func(context.Context) (tls.Certificate, error) {
		data, err := read(path)
		if err != nil {
			return tls.Certificate{}, fmt.Errorf("PKCS #12: %w", err)
		}
		cert, err := decode(data, password)
		if err != nil {
			return tls.Certificate{}, fmt.Errorf("PKCS #12 file %q: %w", path, err)
		}
		return cert, nil
	})
}

// MTLSFromBytes is [MTLSFromPath] for the content of such a file, which it copies. It is decoded once, at Start.
func MTLSFromBytes(data []byte, password string) awsiot.Auth {
	data = bytes.Clone(data)
	// Not here but at Start, where ConnectTimeout holds: a file may ask for any number of rounds to derive its key.
	decoded := sync.OnceValues(func() (tls.Certificate, error) {
		cert, err := decode(data, password)
		if err != nil {
			err = fmt.Errorf("PKCS #12 data: %w", err)
		}
		return cert, err
	})
	return awsiot.MTLSFromFunc(func(context.Context) (tls.Certificate, error) { return decoded() })
}

// read returns what is in the file, which must not be larger than MaxSize: a wrong path may name anything.
func read(path string) ([]byte, error) {
	if path == "" {
		return nil, errors.New("MTLSFromPath needs the path of a file")
	}
	if pempath.Is(path) { // the errors of files show the path, and a private key must not be in one
		return nil, errors.New("what should be a path looks like PEM text; use awsiot.MTLSFromBytes")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err == nil && len(data) > MaxSize {
		err = fmt.Errorf("%s has more than %d bytes: this is no file of one key", path, MaxSize)
	}
	return data, err
}

func decode(data []byte, password string) (tls.Certificate, error) {
	if pempath.IsPEM(data) {
		return tls.Certificate{}, errors.New("it is PEM text, not PKCS #12: use awsiot.MTLSFromPath or MTLSFromBytes")
	}
	if len(data) > MaxSize {
		return tls.Certificate{}, fmt.Errorf("it has more than %d bytes: this is no file of one key", MaxSize)
	}
	key, leaf, chain, err := p12.DecodeChain(data, password)
	switch {
	case errors.Is(err, p12.ErrIncorrectPassword), errors.Is(err, p12.ErrDecryption):
		return tls.Certificate{}, fmt.Errorf("%w (%w)", ErrPassword, err)
	case err != nil:
		return tls.Certificate{}, err
	}
	cert := tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
	for _, c := range chain {
		cert.Certificate = append(cert.Certificate, c.Raw)
	}
	return cert, clientcert.Check(&cert)
}
