package v1compat_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// trCerts is the throwaway CA of the replays, with the files that the recordings name <certs>/….
type trCerts struct {
	dir  string
	pair tls.Certificate
	pool *x509.CertPool
}

// newTrCerts makes the CA, the server's certificate for localhost and the client's, signed by itself in the way that
// makes it no CA: valid in the clock of a bubble, which begins in 2000, too.
func newTrCerts(t *testing.T) *trCerts {
	t.Helper()
	c := &trCerts{dir: t.TempDir(), pool: x509.NewCertPool()}
	ca, caKey := c.issue(t, "ca", nil, nil)
	c.issue(t, "client", ca, caKey)
	c.issue(t, "localhost", ca, caKey)
	c.pool.AddCert(ca)
	pair, err := tls.LoadX509KeyPair(c.path("<certs>/localhost.pem"), c.path("<certs>/localhost.key"))
	require.NoError(t, err)
	c.pair = pair
	return c
}

// path is the file that the recording names.
func (c *trCerts) path(name string) string {
	if rest, ok := strings.CutPrefix(name, "<certs>/"); ok {
		return filepath.Join(c.dir, rest)
	}
	return name
}

// issue writes NAME.pem and NAME.key; without a parent the certificate is a CA.
func (c *trCerts) issue(t testing.TB, name string, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2199, 1, 1, 0, 0, 0, 0, time.UTC), DNSNames: []string{name}}
	if parent == nil {
		tmpl.IsCA, tmpl.BasicConstraintsValid, tmpl.KeyUsage = true, true, x509.KeyUsageCertSign
		parent, signer = tmpl, key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for file, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: keyDER}} {
		require.NoError(t, os.WriteFile(filepath.Join(c.dir, name+file), pem.EncodeToMemory(block), 0o600))
	}
	return cert, key
}

// server is the listener's side: it demands a client certificate, as the recorded one did.
func (c *trCerts) server() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c.pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: c.pool, NextProtos: []string{"x-amzn-mqtt-ca"}}
}
