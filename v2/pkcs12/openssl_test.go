//go:build interop

package pkcs12_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/portage-iot/awsiot/v2/pkcs12"
)

// Files that OpenSSL's own program made, with its defaults and in the legacy way, connect. (Their password is shown to
// the machine's process list: it is one for tests.)
func TestOpenSSL(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name string
		args []string
	}{
		{"default", nil},
		{"legacy", []string{"-legacy"}},
		{"descert", []string{"-legacy", "-descert"}},
		{"AES-128 and SHA-1", []string{"-keypbe", "AES-128-CBC", "-certpbe", "AES-128-CBC", "-macalg", "sha1"}},
		{"certificates not encrypted", []string{"-certpbe", "NONE"}},
		{"with the chain", []string{"-certfile", w.server.CAFile()}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pump.p12")
			args := append([]string{
				"pkcs12", "-export", "-in", w.thing.CertFile, "-inkey", w.thing.KeyFile, "-out", path, "-passout", "pass:" + password,
			}, tt.args...)
			if out, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
				t.Fatalf("openssl %q: %v\n%s", args, err, out)
			}
			if err := w.connect(t, pkcs12.MTLSFromPath(path, password)); err != nil {
				t.Error(err)
			}
			if err := w.connect(t, pkcs12.MTLSFromPath(path, "another")); err == nil {
				t.Error("another password opened it")
			}
		})
	}
}
