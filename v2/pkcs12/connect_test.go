package pkcs12_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
	p12 "software.sslmate.com/src/go-pkcs12"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/pkcs12"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "hunter2-secret"

// world is an endpoint with one thing, and that thing's certificate and key.
type world struct {
	server *iotlocal.Server
	thing  iotlocal.Thing
	key    crypto.PrivateKey
	cert   *x509.Certificate
	ca     *x509.Certificate
}

func newWorld(t *testing.T) *world {
	t.Helper()
	server := iotlocal.StartT(t, iotlocal.Options{})
	thing, err := server.NewThing("pump")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(thing.CertFile, thing.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	caPEM, err := os.ReadFile(server.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(caPEM)
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return &world{server, thing, pair.PrivateKey, pair.Leaf, root}
}

func (w *world) encode(t *testing.T, encoder *p12.Encoder, password string) []byte {
	t.Helper()
	data, err := encoder.Encode(w.key, w.cert, []*x509.Certificate{w.ca}, password)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// connect connects with auth and disconnects, and returns what StartAndWait does.
func (w *world) connect(t *testing.T, auth awsiot.Auth) error {
	t.Helper()
	client := awsiot.NewClient(awsiot.ClientOptions{
		Endpoint: w.server.Host(), Port: w.server.TLSPort(), CAFile: w.server.CAFile(), ClientID: "pump", Auth: auth,
	})
	defer client.Close()
	return client.StartAndWait(t.Context())
}

// Every way in which such files are encrypted connects, from a file and from bytes.
func TestConnects(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name     string
		encoder  *p12.Encoder
		password string
	}{
		{"modern, 2026", p12.Modern2026, password},
		{"modern, 2023", p12.Modern2023, password},
		{"legacy, triple DES", p12.LegacyDES, password},
		{"legacy, RC2", p12.LegacyRC2, password},
		{"modern, empty password", p12.Modern2023, ""},
		{"not encrypted", p12.Passwordless, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data := w.encode(t, tt.encoder, tt.password)
			path := filepath.Join(t.TempDir(), "pump.p12")
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := w.connect(t, pkcs12.MTLSFromPath(path, tt.password)); err != nil {
				t.Errorf("from the file: %v", err)
			}
			if err := w.connect(t, pkcs12.MTLSFromBytes(data, tt.password)); err != nil {
				t.Errorf("from bytes: %v", err)
			}
		})
	}
}

// The certificates beside the client's own go to the server with it, behind it.
func TestSendsChain(t *testing.T) {
	w := newWorld(t)
	pair, err := tls.LoadX509KeyPair(w.thing.CertFile, w.thing.KeyFile) // any will do for the server
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := make(chan []*x509.Certificate, 1)
	go func() {
		defer close(got)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if c := conn.(*tls.Conn); c.Handshake() == nil {
			got <- c.ConnectionState().PeerCertificates
		}
	}()
	client := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, ClientID: "pump",
		TLSConfig: &tls.Config{InsecureSkipVerify: true}, Auth: pkcs12.MTLSFromBytes(w.encode(t, p12.Modern2023, password), password)})
	defer client.Close()
	if err := client.StartAndWait(t.Context()); err == nil {
		t.Error("connected to no broker")
	}
	if certs := <-got; len(certs) != 2 || !certs[0].Equal(w.cert) || !certs[1].Equal(w.ca) {
		t.Errorf("%d certificates came", len(certs))
	}
}

// The file is read at every attempt: a rotated one is used by the next Start.
func TestReadAnew(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "pump.p12")
	auth := pkcs12.MTLSFromPath(path, password)
	if err := w.connect(t, auth); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("without the file: %v, want one that is fs.ErrNotExist", err)
	}
	if err := os.WriteFile(path, w.encode(t, p12.Modern2023, password), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.connect(t, auth); err != nil {
		t.Errorf("with it: %v", err)
	}
}

func TestBadInput(t *testing.T) {
	w := newWorld(t)
	good := w.encode(t, p12.Modern2023, password)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := p12.Modern2023.Encode(other, w.cert, nil, password)
	if err != nil {
		t.Fatal(err)
	}
	trust, err := p12.Modern2023.EncodeTrustStore([]*x509.Certificate{w.ca}, password)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(w.thing.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	for _, tt := range []struct {
		name     string
		data     []byte
		password string
		want     string
	}{
		{"wrong password", good, "hunter3-secret", "the password does not open it"},
		{"no password", good, "", "the password does not open it"},
		{"PEM text", text, password, "it is PEM text, not PKCS #12"},
		{"empty", nil, password, "error reading P12 data"},
		{"cut", good[:len(good)/2], password, "error reading P12 data"},
		{"a bit flipped", flipped, password, ""}, // any error will do: which one depends on the place
		{"too large", make([]byte, pkcs12.MaxSize+1), password, "more than 1048576 bytes"},
		{"another one's key", foreign, password, "the private key is not that of the certificate"},
		{"certificates only", trust, password, "pkcs12"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pump.p12")
			if err := os.WriteFile(path, tt.data, 0o600); err != nil {
				t.Fatal(err)
			}
			for what, auth := range map[string]awsiot.Auth{
				path: pkcs12.MTLSFromPath(path, tt.password), "PKCS #12": pkcs12.MTLSFromBytes(tt.data, tt.password),
			} {
				err := w.connect(t, auth)
				if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), what) {
					t.Errorf("got %v, want %q and %q in it", err, tt.want, what)
				}
				if err != nil && strings.Contains(err.Error(), "-secret") {
					t.Errorf("the password is in the error: %v", err)
				}
				if strings.Contains(tt.want, "password") && !errors.Is(err, pkcs12.ErrPassword) {
					t.Errorf("%v is not ErrPassword", err)
				}
			}
		})
	}
}

// What stands where a path belongs is never shown: it may be the key itself.
func TestBadPath(t *testing.T) {
	w := newWorld(t)
	key, err := os.ReadFile(w.thing.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, path, want string }{
		{"empty", "", "MTLSFromPath needs the path of a file"},
		{"PEM text", string(key), "looks like PEM text; use awsiot.MTLSFromBytes"},
		{"a directory", t.TempDir(), "directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := w.connect(t, pkcs12.MTLSFromPath(tt.path, password))
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "PRIVATE KEY") {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}
