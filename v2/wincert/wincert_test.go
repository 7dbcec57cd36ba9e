package wincert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const thumbprint = "A11F8A9B5DF5B98BA3508FBCA575D09570E0D2C6"

func TestParse(t *testing.T) {
	for _, tt := range []struct{ path, want string }{
		{`CurrentUser\MY\` + thumbprint, `CurrentUser\MY\` + thumbprint},
		{`currentuser\my\` + strings.ToLower(thumbprint), `CurrentUser\my\` + thumbprint},
		{`LocalMachine\Device Keys\` + thumbprint, `LocalMachine\Device Keys\` + thumbprint},
		{`Cert:\LocalMachine\MY\` + thumbprint, `LocalMachine\MY\` + thumbprint},
		{"CurrentUser\\MY\\\u200ea1 1f 8a 9b 5d f5 b9 8b a3 50 8f bc a5 75 d0 95 70 e0 d2 c6", `CurrentUser\MY\` + thumbprint},
		{`CurrentUser\MY\A1:1F:8A:9B:5D:F5:B9:8B:A3:50:8F:BC:A5:75:D0:95:70:E0:D2:C6`, `CurrentUser\MY\` + thumbprint},
	} {
		if got, err := parse(tt.path); err != nil || got.String() != tt.want {
			t.Errorf("%q: got %v, %v, want %s", tt.path, got, err, tt.want)
		}
	}
}

func TestBadPath(t *testing.T) {
	for path, want := range map[string]string{
		``:                                   "it has 1 parts",
		`MY\` + thumbprint:                   "it has 2 parts",
		`CurrentUser/MY/` + thumbprint:       "it has 1 parts",
		`Users\MY\` + thumbprint:             `"Users" is neither CurrentUser nor LocalMachine`,
		`CurrentUser\\` + thumbprint:         "the name of the store is empty",
		`CurrentUser\MY\` + thumbprint[1:]:   "is no SHA-1 hash of 40 hexadecimal digits",
		`CurrentUser\MY\x` + thumbprint:      "is no SHA-1 hash",
		"CurrentUser\\M\x00Y\\" + thumbprint: "holds a zero byte",
		"-----BEGIN PRIVATE KEY-----\nMIG":   "looks like PEM text",
	} {
		_, err := load(path, func(location) (tls.Certificate, error) {
			t.Errorf("%q: the store was asked", path)
			return tls.Certificate{}, nil
		})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "PRIVATE KEY") {
			t.Errorf("%q: got %v, want %q in it", path, err, want)
		}
	}
}

// memory is a store in memory, by location.
type memory map[string]tls.Certificate

func (m memory) get(l location) (tls.Certificate, error) {
	cert, ok := m[l.String()]
	if !ok {
		return cert, ErrNotFound
	}
	return cert, nil
}

func TestLoad(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "pump"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	path := fmt.Sprintf(`LocalMachine\MY\%X`, sha1.Sum(der))
	for _, tt := range []struct {
		name  string
		store memory
		want  string // "": it is loaded
	}{
		{"found", memory{path: {Certificate: [][]byte{der}, PrivateKey: key}}, ""},
		{"not found", memory{}, ErrNotFound.Error()},
		{"no key", memory{path: {Certificate: [][]byte{der}}}, "no private key for the certificate"},
		{"another one's key", memory{path: {Certificate: [][]byte{der}, PrivateKey: other}}, "the private key is not that of the certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cert, err := load(strings.ToLower(path), func(l location) (tls.Certificate, error) {
				l.store = strings.ToUpper(l.store) // Windows does not tell the cases apart
				return tt.store.get(l)
			})
			if tt.want == "" {
				if err != nil || !key.PublicKey.Equal(cert.PrivateKey.(crypto.Signer).Public()) {
					t.Errorf("got %v, %v", cert.PrivateKey, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "LocalMachine") {
				t.Errorf("got %v, want %q and the path in it", err, tt.want)
			}
			if tt.name == "not found" && !errors.Is(err, ErrNotFound) {
				t.Errorf("%v is not ErrNotFound", err)
			}
		})
	}
}

// FuzzParse: what parse takes, it takes again from its own text, as the same.
func FuzzParse(f *testing.F) {
	f.Add(`CurrentUser\MY\` + thumbprint)
	f.Add("cert:\\LocalMachine\\x\\\u200ea1 1f")
	f.Fuzz(func(t *testing.T, path string) {
		l, err := parse(path)
		if err != nil {
			return
		}
		if again, err := parse(l.String()); err != nil || again != l {
			t.Errorf("%q: %v, again %v, %v", path, l, again, err)
		}
	})
}
