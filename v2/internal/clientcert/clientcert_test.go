package clientcert_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/v2/internal/clientcert"
)

func issue(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "pump"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestCheck(t *testing.T) {
	good, other := issue(t), issue(t)
	for _, tt := range []struct {
		name string
		cert tls.Certificate
		want string // "": it is good
	}{
		{"good", good, ""},
		{"nothing", tls.Certificate{}, "there is no certificate in it"},
		{"not X.509", tls.Certificate{Certificate: [][]byte{{1, 2, 3}}, PrivateKey: good.PrivateKey}, "x509: malformed"},
		{"no key", tls.Certificate{Certificate: good.Certificate}, `no private key for the certificate of "CN=pump"`},
		{"a key that cannot sign", tls.Certificate{Certificate: good.Certificate, PrivateKey: 7}, "type int cannot sign"},
		{"another key", tls.Certificate{Certificate: good.Certificate, PrivateKey: other.PrivateKey}, `not that of the certificate of "CN=pump"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := clientcert.Check(&tt.cert)
			if tt.want == "" {
				if err != nil || tt.cert.Leaf == nil {
					t.Errorf("got %v, leaf %v", err, tt.cert.Leaf)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestFromPEM(t *testing.T) {
	good, other := issue(t), issue(t)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: good.Certificate[0]})
	key := func(c tls.Certificate) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	old := &pem.Block{Type: "EC PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: []byte{1}}
	for _, tt := range []struct {
		name string
		key  []byte
		want string // "": it is good
	}{
		{"good", key(good), ""},
		{"another key", key(other), `the private key is not that of the certificate of "CN=pump"`},
		{"another kind of key", key(tls.Certificate{PrivateKey: ed}), `the private key is not that of the certificate of "CN=pump"`},
		{"a certificate", cert, "there is a certificate in the place of the private key"},
		{"encrypted, PKCS #8", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}}), "the private key is encrypted: take the password off"},
		{"encrypted, as OpenSSL did before", pem.EncodeToMemory(old), "the private key is encrypted"},
		{"encrypted, behind its parameters", append(pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{1}}), pem.EncodeToMemory(old)...), "the private key is encrypted"},
		{"no PEM", []byte("x"), "failed to find any PEM data"},
		{"no PEM, with DER's first byte", []byte("0.pem"), "failed to find any PEM data"},
		{"DER", good.Certificate[0], "it is binary (DER), not PEM text: for a PKCS #12 file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := clientcert.FromPEM(cert, tt.key)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

// Whoever comes from v1, where the key came first, swaps the two.
func TestSwapped(t *testing.T) {
	good := issue(t)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: good.Certificate[0]})
	der, err := x509.MarshalPKCS8PrivateKey(good.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	for _, tt := range []struct {
		name      string
		cert, key []byte
		want      string // "": it is good
	}{
		{"swapped", key, cert, "the two are swapped"},
		{"the key twice", key, key, "there is a private key in the place of the certificate"},
		{"the certificate twice", cert, cert, "there is a certificate in the place of the private key"},
		{"both in one file", append(key, cert...), append(key, cert...), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := clientcert.FromPEM(tt.cert, tt.key)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}
