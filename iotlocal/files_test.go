package iotlocal_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
)

// in runs f with a server whose directory is dir.
func in(t *testing.T, dir string, f func(*iotlocal.Server)) {
	t.Helper()
	srv, err := iotlocal.Start(iotlocal.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	f(srv)
}

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	st, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Mode()
}

// Private keys are for their owner only, also those that were there with a wider mode.
func TestModesOfKeys(t *testing.T) {
	dir := t.TempDir()
	keys := []string{dir + "/ca.key", dir + "/lamp.key"}
	check := func(when string) {
		t.Helper()
		for _, k := range keys {
			if m := mode(t, k); m != 0o600 {
				t.Errorf("%s: %s has mode %v", when, k, m)
			}
		}
		for _, c := range []string{dir + "/ca.pem", dir + "/lamp.pem"} {
			if m := mode(t, c); m != 0o644 {
				t.Errorf("%s: %s has mode %v", when, c, m)
			}
		}
	}
	var first iotlocal.Thing
	in(t, dir, func(srv *iotlocal.Server) { first = newThing(t, srv, "lamp") })
	check("made")
	for _, k := range keys {
		if err := os.Chmod(k, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	in(t, dir, func(srv *iotlocal.Server) {
		if again := newThing(t, srv, "lamp"); string(again.KeyPEM) != string(first.KeyPEM) {
			t.Error("another key")
		}
	})
	check("found with mode 0644")
	// A bad key file with a wide mode is replaced by one with the right one.
	if err := os.WriteFile(dir+"/lamp.key", []byte("x"), 0o666); err != nil {
		t.Fatal(err)
	}
	in(t, dir, func(srv *iotlocal.Server) { newThing(t, srv, "lamp") })
	check("replaced")
	if left, _ := filepath.Glob(dir + "/.iotlocal-*"); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
}

// Who can put a symbolic link into the directory must not have the server read or write what is behind it.
func TestSymbolicLinksAreNotFollowed(t *testing.T) {
	other := t.TempDir()
	in(t, other, func(srv *iotlocal.Server) { newThing(t, srv, "lamp") })
	for _, name := range []string{"ca.pem", "ca.key", "lamp.pem", "lamp.key"} {
		for target, path := range map[string]string{"a good file": other + "/" + name, "nothing": other + "/new-" + name} {
			t.Run(name+" to "+target, func(t *testing.T) {
				dir := t.TempDir()
				in(t, dir, func(srv *iotlocal.Server) { newThing(t, srv, "lamp") })
				before, _ := os.ReadFile(path)
				if err := os.Remove(dir + "/" + name); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(path, dir+"/"+name); err != nil {
					t.Fatal(err)
				}
				srv, err := iotlocal.Start(iotlocal.Options{Dir: dir})
				if err == nil {
					_, err = srv.NewThing("lamp")
					srv.Close()
				}
				if err == nil || !strings.Contains(err.Error(), name+" is a symbolic link, which is not followed") {
					t.Errorf("error %v", err)
				}
				if after, _ := os.ReadFile(path); string(after) != string(before) {
					t.Errorf("%s was written through the link", path)
				}
			})
		}
	}
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/lamp.key", 0o755); err != nil {
		t.Fatal(err)
	}
	in(t, dir, func(srv *iotlocal.Server) {
		if _, err := srv.NewThing("lamp"); err == nil || !strings.Contains(err.Error(), "lamp.key is no regular file") {
			t.Errorf("a directory: %v", err)
		}
	})
}

// Names that are good in AWS and bad as names of files, on this system or on another.
func TestThingNamesAsFiles(t *testing.T) {
	dir := t.TempDir()
	in(t, dir, func(srv *iotlocal.Server) {
		for name, want := range map[string]string{
			"ca": "overwrite the CA's files", "CA": "overwrite the CA's files", "Ca": "overwrite the CA's files",
			"con": "on Windows it is a device", "NUL": "on Windows it is a device", "Aux": "on Windows it is a device",
			"prn": "on Windows it is a device", "COM1": "on Windows it is a device", "lpt9": "on Windows it is a device",
			"lamp.": "thing", "lamp ": "thing", ".": "thing", "..": "thing",
		} {
			if _, err := srv.NewThing(name); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want %q", name, err, want)
			}
		}
		for _, name := range []string{"cab", "_ca", "console", "com10", "nul-1", "a:b", "com"} {
			newThing(t, srv, name)
		}
		// A disk that does not tell upper from lower case shows the files of one under the name of the other.
		lamp := newThing(t, srv, "lamp")
		for _, ext := range []string{".pem", ".key"} {
			b, err := os.ReadFile(dir + "/lamp" + ext)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(dir+"/Lamp"+ext, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := srv.NewThing("Lamp"); err == nil || !strings.Contains(err.Error(), `Lamp.pem holds the certificate of thing "lamp": this disk does not tell it from thing "Lamp"`) {
			t.Errorf("Lamp: %v", err)
		}
		if b, _ := os.ReadFile(dir + "/Lamp.key"); string(b) != string(lamp.KeyPEM) {
			t.Error("the key of the other thing was replaced")
		}
	})
}

// A CA that iotlocal has not made is somebody's: nothing is issued with it, and it is not replaced.
func TestForeignCA(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, tt := range []struct {
		name string
		key  crypto.Signer
		cert x509.Certificate
		want string
	}{
		{"another organization", ec, x509.Certificate{IsCA: true, Subject: pkix.Name{Organization: []string{"Example"}}}, "is not a CA made by iotlocal"},
		{"RSA", rsaKey, x509.Certificate{IsCA: true, Subject: pkix.Name{Organization: []string{"iotlocal"}}}, "is not a CA made by iotlocal"},
		{"no CA", ec, x509.Certificate{Subject: pkix.Name{Organization: []string{"iotlocal"}}}, "is not a CA made by iotlocal"},
		{"about to expire", ec, x509.Certificate{IsCA: true, NotAfter: now.Add(time.Hour), Subject: pkix.Name{Organization: []string{"iotlocal"}}}, "not now: remove it for a new one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.cert
			c.SerialNumber, c.BasicConstraintsValid, c.NotBefore = big.NewInt(1), true, now.Add(-time.Hour)
			if c.NotAfter.IsZero() {
				c.NotAfter = now.Add(1000 * time.Hour)
			}
			der, err := x509.CreateCertificate(rand.Reader, &c, &c, tt.key.Public(), tt.key)
			if err != nil {
				t.Fatal(err)
			}
			keyDER, err := x509.MarshalPKCS8PrivateKey(tt.key)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
			for name, b := range map[string][]byte{"ca.pem": certPEM, "ca.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})} {
				if err := os.WriteFile(dir+"/"+name, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			srv, err := iotlocal.Start(iotlocal.Options{Dir: dir})
			if err == nil {
				srv.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if b, _ := os.ReadFile(dir + "/ca.pem"); string(b) != string(certPEM) {
				t.Error("the CA was replaced")
			}
		})
	}
	// An identity of another iotlocal's CA is none here.
	dir, other := t.TempDir(), t.TempDir()
	var foreign iotlocal.Thing
	in(t, other, func(srv *iotlocal.Server) { foreign = newThing(t, srv, "lamp") })
	for name, b := range map[string][]byte{"lamp.pem": foreign.CertPEM, "lamp.key": foreign.KeyPEM} {
		if err := os.WriteFile(dir+"/"+name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in(t, dir, func(srv *iotlocal.Server) {
		if own := newThing(t, srv, "lamp"); string(own.CertPEM) == string(foreign.CertPEM) {
			t.Error("the certificate of a foreign CA is given out")
		}
	})
}
