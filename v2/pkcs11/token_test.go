package pkcs11

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// fakeToken is a token as the tests want it, behind the same interface as a real library.
type fakeToken struct {
	pin    string
	held   map[string][]crypto.Signer // by label
	cert   []byte
	out    bool // taken out
	failed error
	wait   chan struct{} // open waits for it, where it is not nil

	opened, closed, tried int
	onClose               func()
}

func (f *fakeToken) open(o Options) (session, error) {
	if f.wait != nil {
		<-f.wait
	}
	f.tried++
	if f.out {
		return nil, errors.New("no such token")
	}
	if o.PIN != f.pin {
		return nil, fmt.Errorf("%w: CKR_PIN_INCORRECT", ErrPIN)
	}
	f.opened++
	return &fakeSession{f, f.opened}, nil
}

type fakeSession struct {
	token *fakeToken
	nr    int
}

func (s *fakeSession) gone() error {
	if s.token.out || s.nr != s.token.opened {
		return errors.New("CKR_SESSION_HANDLE_INVALID")
	}
	return s.token.failed
}

func (s *fakeSession) keys(label string) ([]crypto.Signer, error) {
	var list []crypto.Signer
	for l, keys := range s.token.held {
		if label == "" || l == label {
			list = append(list, keys...)
		}
	}
	return list, s.gone()
}

func (s *fakeSession) certificate(crypto.Signer) ([]byte, error) { return s.token.cert, s.gone() }

func (s *fakeSession) close() {
	s.token.closed++
	if s.token.onClose != nil {
		s.token.onClose()
	}
}

// brokenKey is a key whose token does not sign any more.
type brokenKey struct{ crypto.Signer }

func (brokenKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("CKR_DEVICE_REMOVED")
}

func newKey(t *testing.T) (*ecdsa.PrivateKey, []byte) {
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
	return key, der
}

func newToken(f *fakeToken, o Options) *token {
	o.Library = "/lib/fake.so"
	tok := newTokenFor(o)
	tok.open = f.open
	return tok
}

func asPEM(der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}) }

// fails wants an error with text in it and without the PIN.
func fails(t *testing.T, what string, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: got %v, want %q in it", what, err, text)
	}
	if err != nil && strings.Contains(err.Error(), "4711") {
		t.Errorf("%s: the PIN is in the error: %v", what, err)
	}
}

// The certificate comes from the file, from the bytes or from the token; the key by its label or as the only one.
func TestWhereThingsAre(t *testing.T) {
	key, der := newKey(t)
	file := filepath.Join(t.TempDir(), "pump.pem")
	_, intermediate := newKey(t)
	if err := os.WriteFile(file, append(asPEM(der), asPEM(intermediate)...), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		o     Options
		onIt  []byte
		chain int
	}{
		{"certificate on the token", Options{TokenLabel: "device", PIN: "4711", KeyLabel: "pump"}, der, 1},
		{"certificate in bytes", Options{TokenSerial: "00ff", PIN: "4711", CertPEM: asPEM(der)}, nil, 1},
		{"certificate and chain in a file", Options{Slot: new(0), PIN: "4711", CertFile: file}, nil, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fakeToken{pin: "4711", held: map[string][]crypto.Signer{"pump": {key}}, cert: tt.onIt}
			cert, err := newToken(f, tt.o).certificate(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(cert.Certificate) != tt.chain || !key.PublicKey.Equal(cert.PrivateKey.(crypto.Signer).Public()) {
				t.Errorf("%d certificates, key %v", len(cert.Certificate), cert.PrivateKey)
			}
		})
	}
}

func TestBadOptions(t *testing.T) {
	key, der := newKey(t)
	other, _ := newKey(t)
	one := map[string][]crypto.Signer{"pump": {key}}
	for _, tt := range []struct {
		name string
		o    Options
		held map[string][]crypto.Signer
		cert []byte
		want string
	}{
		{"no token named", Options{}, one, der, "0 of Options.TokenLabel, TokenSerial and Slot are given"},
		{"two tokens named", Options{TokenLabel: "a", Slot: new(1)}, one, der, "2 of Options.TokenLabel"},
		{"two certificates", Options{TokenLabel: "a", CertFile: "x", CertPEM: []byte("y")}, one, der, "CertFile and CertPEM are both given"},
		{"PEM as path", Options{TokenLabel: "a", CertFile: string(asPEM(der))}, one, der, "looks like PEM text; use CertPEM"},
		{"no such file", Options{TokenLabel: "a", CertFile: "/nowhere/pump.pem"}, one, nil, "/nowhere/pump.pem"},
		{"no PEM", Options{TokenLabel: "a", CertPEM: []byte("y")}, one, nil, "Options.CertPEM: no PEM certificate in it"},
		{"no key", Options{TokenLabel: "a"}, nil, der, `token "a" shows no private key`},
		{"no key of that label", Options{TokenLabel: "a", KeyLabel: "fan"}, one, der, `no private key with the label "fan"`},
		{"two keys", Options{TokenLabel: "a"}, map[string][]crypto.Signer{"pump": {key}, "fan": {other}}, der, "holds 2 keys: name one by Options.KeyLabel"},
		{"two keys of that label", Options{TokenLabel: "a", KeyLabel: "pump"}, map[string][]crypto.Signer{"pump": {key, other}}, der, `holds 2 keys with the label "pump"`},
		{"no certificate", Options{TokenLabel: "a", KeyLabel: "pump"}, one, nil, `holds no certificate for key "pump"`},
		{"another one's certificate", Options{TokenLabel: "a"}, map[string][]crypto.Signer{"pump": {other}}, der, `the private key is not that of the certificate of "CN=pump"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fakeToken{held: tt.held, cert: tt.cert}
			_, err := newToken(f, tt.o).certificate(t.Context())
			fails(t, tt.name, err, tt.want)
		})
	}
	if err := (&Options{TokenLabel: "a"}).problem(); err == nil || !strings.Contains(err.Error(), "Options.Library is empty") {
		t.Errorf("no library: %v", err)
	}
}

// A refused PIN is not tried again, however often the client tries to connect: a token would lock itself.
func TestWrongPINOnce(t *testing.T) {
	key, der := newKey(t)
	f := &fakeToken{pin: "1234", held: map[string][]crypto.Signer{"pump": {key}}, cert: der}
	tok := newToken(f, Options{TokenLabel: "device", PIN: "4711"})
	for range 5 {
		_, err := tok.certificate(t.Context())
		fails(t, "wrong PIN", err, `token "device": the token does not take the PIN`)
		if !errors.Is(err, ErrPIN) {
			t.Errorf("%v is not ErrPIN", err)
		}
	}
	if f.tried != 1 {
		t.Errorf("the PIN was tried %d times", f.tried)
	}
}

// A token that is taken out fails the attempts until it is back; then a new session is opened, once.
func TestTakenOutAndBack(t *testing.T) {
	key, der := newKey(t)
	f := &fakeToken{held: map[string][]crypto.Signer{"pump": {key}}, cert: der}
	tok := newToken(f, Options{TokenLabel: "device"})
	attempt := func() error {
		_, err := tok.certificate(t.Context())
		return err
	}
	for range 3 {
		if err := attempt(); err != nil {
			t.Fatal(err)
		}
	}
	if f.opened != 1 {
		t.Errorf("opened %d times for three attempts", f.opened)
	}
	f.out = true
	fails(t, "taken out", attempt(), "no such token")
	fails(t, "still out", attempt(), "no such token")
	f.out = false
	if err := attempt(); err != nil {
		t.Errorf("back: %v", err)
	}
	if f.opened != 2 || f.closed != 1 {
		t.Errorf("opened %d times, closed %d times, want 2 and 1", f.opened, f.closed)
	}
}

// A signature that fails makes the next attempt open a new session, although the key was still to be found in the old one.
func TestSignatureFails(t *testing.T) {
	key, der := newKey(t)
	f := &fakeToken{held: map[string][]crypto.Signer{"pump": {brokenKey{key}}}, cert: der}
	tok := newToken(f, Options{TokenLabel: "device"})
	cert, err := tok.certificate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = cert.PrivateKey.(crypto.Signer).Sign(rand.Reader, make([]byte, 32), crypto.SHA256)
	fails(t, "signature", err, "PKCS #11: signing on the token: CKR_DEVICE_REMOVED")
	f.held["pump"] = []crypto.Signer{key}
	if cert, err = tok.certificate(t.Context()); err != nil || f.opened != 2 || f.closed != 1 {
		t.Fatalf("%v, opened %d times, closed %d times", err, f.opened, f.closed)
	}
	if _, err = cert.PrivateKey.(crypto.Signer).Sign(rand.Reader, make([]byte, 32), crypto.SHA256); err != nil {
		t.Errorf("in the new session: %v", err)
	}
}

// An attempt whose context ends while another one is at the token does not wait for that.
func TestContextWhileBusy(t *testing.T) {
	key, der := newKey(t)
	synctest.Test(t, func(t *testing.T) {
		f := &fakeToken{held: map[string][]crypto.Signer{"pump": {key}}, cert: der, wait: make(chan struct{})}
		tok := newToken(f, Options{TokenLabel: "device"})
		first := make(chan error)
		go func() {
			_, err := tok.certificate(t.Context())
			first <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := tok.certificate(ctx)
		fails(t, "busy", err, `another attempt is at the token "device"`)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v is not DeadlineExceeded", err)
		}
		close(f.wait)
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}

// What MTLS was given can be changed afterwards.
func TestOptionsAreCopied(t *testing.T) {
	slot, cert := 3, []byte("x")
	tok := newTokenFor(Options{Library: "/lib/fake.so", Slot: &slot, CertPEM: cert})
	slot, cert[0] = 4, 'y'
	if *tok.options.Slot != 3 || string(tok.options.CertPEM) != "x" {
		t.Errorf("slot %d, certificate %q", *tok.options.Slot, tok.options.CertPEM)
	}
}

// A session is closed when nothing uses its token any more, and not while a connection may still sign with it.
func TestClosedWhenUnused(t *testing.T) {
	key, der := newKey(t)
	closed := make(chan struct{})
	f := &fakeToken{held: map[string][]crypto.Signer{"pump": {key}}, cert: der, onClose: func() { close(closed) }}
	tok := newToken(f, Options{TokenLabel: "device"})
	cert, err := tok.certificate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		runtime.GC()
	}
	select {
	case <-closed:
		t.Fatal("closed while the certificate is in use")
	default:
	}
	runtime.KeepAlive(cert)
	cert, tok = tls.Certificate{}, nil
	for {
		runtime.GC() // the test's own time limit ends this
		select {
		case <-closed:
			return
		default:
			runtime.Gosched()
		}
	}
}

// However the options are printed, the PIN is not.
func TestPINIsNotPrinted(t *testing.T) {
	o := Options{Library: "/lib/fake.so", Slot: new(3), PIN: "4711"}
	asJSON, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	printed := []string{string(asJSON)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%q", "%x"} {
		printed = append(printed, fmt.Sprintf(verb, o), fmt.Sprintf(verb, &o), fmt.Sprintf(verb, []Options{o}))
	}
	for _, p := range printed {
		if strings.Contains(p, "4711") || strings.Contains(p, fmt.Sprintf("%x", "4711")) || !strings.Contains(p, "/lib/fake.so") {
			t.Errorf("printed as %s", p)
		}
	}
}
