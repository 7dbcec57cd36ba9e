package iotlocal

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// authority is the throwaway certificate authority of a server. Its methods
// are not safe for concurrent use; Server.mu guards them.
type authority struct {
	dir    string
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	pem    []byte
	serial int64
}

const (
	certExt, keyExt = ".pem", ".key"

	caName    = "ca"
	caFile    = caName + certExt
	caKeyFile = caName + keyExt
	// organization in the subject marks certificates as made here.
	organization = "iotlocal"
	certLife     = 10 * 365 * 24 * time.Hour
	// backdate lets certificates be good for clients whose clock is behind.
	backdate = time.Hour
)

// openAuthority takes the CA that is in dir, or makes one. A CA that is damaged
// or about to expire is an error rather than replaced in silence: certificates
// that somebody has given out depend on it.
func openAuthority(dir string) (*authority, error) {
	a := &authority{dir: dir, serial: time.Now().UnixNano()}
	certPath, keyPath := filepath.Join(dir, caFile), filepath.Join(dir, caKeyFile)
	certPEM, errCert := readFile(certPath, public)
	keyPEM, errKey := readFile(keyPath, secret)
	if errors.Is(errCert, fs.ErrNotExist) && errors.Is(errKey, fs.ErrNotExist) {
		return a, a.create(certPath, keyPath)
	}
	if errors.Is(errCert, fs.ErrNotExist) || errors.Is(errKey, fs.ErrNotExist) {
		err := cmp.Or(errCert, errKey)
		return nil, fmt.Errorf("iotlocal: %s holds half a CA (remove %s and %s for a new one): %w", dir, caFile, caKeyFile, err)
	}
	if err := errors.Join(errCert, errKey); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("iotlocal: CA in %s: %w", dir, err)
	}
	// Somebody's own CA is not used, which would issue certificates of it that
	// nobody has asked for.
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA || !slices.Equal(pair.Leaf.Subject.Organization, []string{organization}) {
		return nil, fmt.Errorf("iotlocal: %s is not a CA made by iotlocal", certPath)
	}
	if now := time.Now(); now.Before(pair.Leaf.NotBefore) || now.Add(24*time.Hour).After(pair.Leaf.NotAfter) {
		return nil, fmt.Errorf("iotlocal: %s is good from %s to %s, not now: remove it for a new one", certPath,
			pair.Leaf.NotBefore.Format(time.DateOnly), pair.Leaf.NotAfter.Format(time.DateOnly))
	}
	a.cert, a.key, a.pem = pair.Leaf, key, certPEM
	return a, nil
}

func (a *authority) create(certPath, keyPath string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("iotlocal: CA key: %w", err)
	}
	tmpl := a.template("iotlocal throwaway CA")
	tmpl.IsCA, tmpl.BasicConstraintsValid = true, true
	tmpl.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return fmt.Errorf("iotlocal: CA certificate: %w", err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return fmt.Errorf("iotlocal: CA certificate: %w", err)
	}
	a.key, a.pem = key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM, err := marshalKey(key)
	if err != nil {
		return err
	}
	return errors.Join(writeFile(certPath, a.pem, public), writeFile(keyPath, keyPEM, secret))
}

func (a *authority) template(name string) *x509.Certificate {
	a.serial++
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: name, Organization: []string{organization}},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(certLife),
	}
}

// sign issues a client certificate for somebody's key and subject, in DER both.
func (a *authority) sign(key crypto.PublicKey, subject []byte) ([]byte, error) {
	tmpl := a.template("")
	tmpl.RawSubject, tmpl.KeyUsage = subject, x509.KeyUsageDigitalSignature
	tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, key, a.key)
	if err != nil {
		return nil, fmt.Errorf("iotlocal: sign a certificate: %w", err)
	}
	return der, nil
}

// issue signs a certificate with a new key.
func (a *authority) issue(tmpl *x509.Certificate) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("iotlocal: key for %s: %w", tmpl.Subject.CommonName, err)
	}
	tmpl.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("iotlocal: certificate for %s: %w", tmpl.Subject.CommonName, err)
	}
	keyPEM, err = marshalKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), keyPEM, err
}

func marshalKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("iotlocal: private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// serverConfig makes the server certificate and the TLS configuration: TLS 1.2
// or newer, a client certificate of this CA demanded, ALPN x-amzn-mqtt-ca
// accepted as on port 443 of AWS (developer guide, protocols.html).
func (a *authority) serverConfig(sans []string) (*tls.Config, error) {
	tmpl := a.template("iotlocal")
	tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, s := range slices.Concat([]string{"localhost", "127.0.0.1", "::1"}, sans) {
		if ip := net.ParseIP(s); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
			continue
		}
		if s == "" || strings.ContainsAny(s, " /:") {
			return nil, fmt.Errorf("iotlocal: SAN %q is neither a host name nor an IP address", s)
		}
		tmpl.DNSNames = append(tmpl.DNSNames, s)
	}
	certPEM, keyPEM, err := a.issue(tmpl)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("iotlocal: server certificate: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
		MinVersion: tls.VersionTLS12, NextProtos: []string{"x-amzn-mqtt-ca"},
	}, nil
}

// Thing is a device identity: a certificate of the server's CA and its key.
type Thing struct {
	// Name is the thing name, which is the certificate's common name.
	Name string
	// CertFile and KeyFile are the paths of the PEM files.
	CertFile, KeyFile string
	// CertPEM and KeyPEM are their contents.
	CertPEM, KeyPEM []byte
}

// Certificate returns the pair for a tls.Config.
func (t Thing) Certificate() (tls.Certificate, error) { return tls.X509KeyPair(t.CertPEM, t.KeyPEM) }

// thing returns the identity that is in the directory, if this CA has issued
// it and it is good, or writes a new one.
func (a *authority) thing(name string) (Thing, error) {
	t := Thing{Name: name, CertFile: filepath.Join(a.dir, name+certExt), KeyFile: filepath.Join(a.dir, name+keyExt)}
	var errCert, errKey error
	t.CertPEM, errCert = readFile(t.CertFile, public)
	t.KeyPEM, errKey = readFile(t.KeyFile, secret)
	for _, err := range []error{errCert, errKey} {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Thing{}, err
		}
	}
	if pair, err := t.Certificate(); err == nil && a.issued(pair.Leaf) {
		if owner := pair.Leaf.Subject.CommonName; owner != name {
			return Thing{}, fmt.Errorf("iotlocal: %s holds the certificate of thing %q: this disk does not tell it from thing %q", t.CertFile, owner, name)
		}
		return t, nil
	}
	tmpl := a.template(name)
	tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	var err error
	if t.CertPEM, t.KeyPEM, err = a.issue(tmpl); err != nil {
		return Thing{}, err
	}
	if err := errors.Join(writeFile(t.CertFile, t.CertPEM, public), writeFile(t.KeyFile, t.KeyPEM, secret)); err != nil {
		return Thing{}, err
	}
	return t, nil
}

func (a *authority) issued(c *x509.Certificate) bool {
	now := time.Now()
	return c.CheckSignatureFrom(a.cert) == nil && now.After(c.NotBefore) && now.Before(c.NotAfter) &&
		slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
}

// signedByCA reports whether the server's CA has signed a certificate.
func (s *Server) signedByCA(c *x509.Certificate) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.CheckSignatureFrom(s.ca.cert) == nil
}

// trustOthers returns a function for the CAs of client certificates: nil as long as no certificate is registered that somebody
// else's CA has signed (RegisterCertificateWithoutCA). Such a certificate is trusted itself, not who has signed it.
func (s *Server) trustOthers() func() *x509.CertPool {
	var mu sync.Mutex
	var version uint64
	var pool *x509.CertPool
	return func() *x509.CertPool {
		mu.Lock()
		defer mu.Unlock()
		v := s.registry.ForeignVersion()
		if v == version {
			return pool
		}
		version, pool = v, nil
		for _, known := range s.registry.Foreign() {
			c := parseCertificate(known.PEM)
			if c == nil {
				continue
			}
			if pool == nil {
				pool = x509.NewCertPool()
				s.mu.Lock()
				pool.AddCert(s.ca.cert)
				s.mu.Unlock()
			}
			pool.AddCert(c)
			// Clients give a certificate when the server names its issuer. This one has no key: it vouches for nobody.
			pool.AddCert(&x509.Certificate{Raw: append([]byte("issuer of "), c.Raw...), RawSubject: c.RawIssuer})
		}
		return pool
	}
}
