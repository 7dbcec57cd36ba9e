//go:build interop && cgo

package pkcs11_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/pkcs11"
)

const (
	library = "/usr/lib/softhsm/libsofthsm2.so"
	userPIN = "4711-secret"
)

// A library is initialised once in a process and keeps its configuration, so all tests share one SoftHSM, and each has
// tokens of its own: a login holds for the whole process too.
var tokenDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "portage-softhsm")
	if err != nil {
		panic(err)
	}
	tokenDir = filepath.Join(dir, "tokens")
	conf := filepath.Join(dir, "softhsm2.conf")
	err = errors.Join(os.Mkdir(tokenDir, 0o700), os.Setenv("SOFTHSM2_CONF", conf),
		os.WriteFile(conf, []byte("directories.tokendir = "+tokenDir+"\nobjectstore.backend = file\nlog.level = ERROR\n"), 0o600))
	for _, label := range []string{"ec", "rsa", "wrong PIN", "no PIN", "moved"} {
		err = errors.Join(err, util("--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", userPIN))
	}
	if err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func util(args ...string) error {
	if out, err := exec.Command("softhsm2-util", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("softhsm2-util %q: %w\n%s", args, err, out)
	}
	return nil
}

// hold puts a PEM key onto a token.
func hold(t *testing.T, token, file string) {
	t.Helper()
	if err := util("--import", file, "--token", token, "--label", "pump", "--id", "01", "--pin", userPIN); err != nil {
		t.Fatal(err)
	}
}

func connect(t *testing.T, server *iotlocal.Server, port int, ca string, auth awsiot.Auth) error {
	t.Helper()
	client := awsiot.NewClient(awsiot.ClientOptions{
		Endpoint: server.Host(), Port: port, CAFile: ca, ClientID: "pump", Auth: auth,
	})
	defer client.Close()
	return client.StartAndWait(t.Context())
}

// pkcs8 writes a key as SoftHSM wants it.
func pkcs8(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestECKey(t *testing.T) {
	server := iotlocal.StartT(t, iotlocal.Options{})
	thing, err := server.NewThing("pump")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(thing.CertFile, thing.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, label := range []string{"ec", "wrong PIN", "no PIN"} {
		hold(t, label, pkcs8(t, pair.PrivateKey))
	}
	for _, tt := range []struct {
		name string
		o    pkcs11.Options
		want string // "": it connects
	}{
		{"by label", pkcs11.Options{TokenLabel: "ec", PIN: userPIN, KeyLabel: "pump", CertFile: thing.CertFile}, ""},
		{"the only key", pkcs11.Options{TokenLabel: "ec", PIN: userPIN, CertFile: thing.CertFile}, ""},
		{"wrong PIN", pkcs11.Options{TokenLabel: "wrong PIN", PIN: "1234-secret", CertFile: thing.CertFile}, "the token does not take the PIN"},
		{"no PIN", pkcs11.Options{TokenLabel: "no PIN", CertFile: thing.CertFile}, "shows no private key"},
		{"missing token", pkcs11.Options{TokenLabel: "other", PIN: userPIN, CertFile: thing.CertFile}, `token "other"`},
		{"missing slot", pkcs11.Options{Slot: new(77), PIN: userPIN, CertFile: thing.CertFile}, "token in slot 77"},
		{"missing key", pkcs11.Options{TokenLabel: "ec", PIN: userPIN, KeyLabel: "fan", CertFile: thing.CertFile}, `label "fan"`},
		{"no certificate", pkcs11.Options{TokenLabel: "ec", PIN: userPIN}, "holds no certificate"},
		{"another one's certificate", pkcs11.Options{TokenLabel: "ec", PIN: userPIN, CertFile: server.CAFile()}, "the private key is not that of the certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Library = library
			err := connect(t, server, server.TLSPort(), server.CAFile(), pkcs11.MTLS(tt.o))
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "-secret") {
				t.Errorf("got %v, want %q in it and no PIN", err, tt.want)
			}
			if strings.Contains(tt.want, "PIN") && !errors.Is(err, pkcs11.ErrPIN) {
				t.Errorf("%v is not ErrPIN", err)
			}
		})
	}
}

// RSA signs TLS 1.3 by RSA-PSS and TLS 1.2 by PKCS #1. The local endpoint gives out EC keys, so a TLS listener with an
// authority of its own stands before its plain port.
func TestRSAKey(t *testing.T) {
	server := iotlocal.StartT(t, iotlocal.Options{})
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	certFile := filepath.Join(t.TempDir(), "pump.pem")
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "pump"}, DNSNames: []string{"localhost"}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(cert)
	hold(t, "rsa", pkcs8(t, key))
	auth := pkcs11.MTLS(pkcs11.Options{Library: library, TokenLabel: "rsa", PIN: userPIN, KeyLabel: "pump", CertFile: certFile})
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			port := front(t, server, &tls.Config{
				Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, ClientCAs: pool,
				ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: version, MaxVersion: version,
			})
			if err := connect(t, server, port, certFile, auth); err != nil {
				t.Error(err)
			}
		})
	}
}

// front passes what comes over TLS on to the server's plain port.
func front(t *testing.T, server *iotlocal.Server, config *tls.Config) (port int) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if conn.(*tls.Conn).HandshakeContext(t.Context()) != nil {
					return
				}
				back, err := net.Dial("tcp", net.JoinHostPort(server.Host(), strconv.Itoa(server.TCPPort())))
				if err != nil {
					return
				}
				go func() {
					io.Copy(back, conn)
					back.Close()
				}()
				io.Copy(conn, back)
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

// A token that is taken out fails the attempts, and the first one after it is back works, with the same Auth.
//
// SoftHSM sees that a token is back only when it is initialised anew, and so only when nobody else in the process uses the
// library: the test runs in a process of its own.
func TestTokenTakenOutAndBack(t *testing.T) {
	const alone = "PORTAGE_TEST_ALONE"
	if os.Getenv(alone) == "" {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTokenTakenOutAndBack$", "-test.v")
		child.Env = append(os.Environ(), alone+"=1")
		if out, err := child.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestTokenTakenOutAndBack") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	server := iotlocal.StartT(t, iotlocal.Options{})
	thing, err := server.NewThing("pump")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(thing.CertFile, thing.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	hold(t, "moved", pkcs8(t, pair.PrivateKey))
	auth := pkcs11.MTLS(pkcs11.Options{Library: library, TokenLabel: "moved", PIN: userPIN, CertFile: thing.CertFile})
	attempt := func() error { return connect(t, server, server.TLSPort(), server.CAFile(), auth) }
	if err := attempt(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tokenDir, tokenDir+"-away"); err != nil {
		t.Fatal(err)
	}
	if err := attempt(); err == nil || !strings.Contains(err.Error(), "PKCS #11") {
		t.Errorf("without the token: %v", err)
	}
	if err := os.RemoveAll(tokenDir); err != nil { // SoftHSM may have made an empty one
		t.Fatal(err)
	}
	if err := os.Rename(tokenDir+"-away", tokenDir); err != nil {
		t.Fatal(err)
	}
	if err := attempt(); err != nil {
		t.Errorf("with the token again: %v", err)
	}
}
