package examples_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/iotlocal"
)

var provisioning = program("v2-style/provisioning")

// As a new user runs it, and against an endpoint with a claim that was given out.
func TestProvisioning(t *testing.T) {
	t.Parallel()
	srv := iotlocal.StartT(t, iotlocal.Options{})
	if err := srv.Templates().Create("lamps", iotlocal.DefaultTemplate, iotlocal.TemplateOptions{}); err != nil {
		t.Fatal(err)
	}
	claim, err := srv.Templates().Claim("lamps", iotlocal.ClaimOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	for _, tt := range []struct {
		name, thing string
		args        []string
	}{
		{"by itself", "sensor-0042", nil},
		{"with an endpoint", "lamp-7", []string{"-e", srv.Host(), "-p", fmt.Sprint(srv.TLSPort()), "-r", srv.CAFile(), "-c", claim.CertFile, "-k", claim.KeyFile,
			"-template", "lamps", "-thing", "lamp-7", "-out", out}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := provisioning.start(t, nil, tt.args...)
			if status := p.wait(t); status != 0 || p.stderr.Len() > 0 {
				t.Errorf("status %d, stderr:\n%s", status, &p.stderr)
			}
			mode := "-rw-------"
			if runtime.GOOS == "windows" {
				mode = "-rw-rw-rw-"
			}
			want := []string{"provisioned as " + tt.thing, "wrote device.key " + mode, "wrote device.pem " + mode, "published as " + tt.thing}
			if got := p.said(); !slices.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
	if thing, ok := srv.Templates().Thing("lamp-7"); !ok || len(thing.Certificates) != 1 {
		t.Errorf("%+v", thing)
	}
	if _, err := os.Stat(filepath.Join(out, "device.pem")); err != nil {
		t.Error(err)
	}
	// A device that is provisioned is not provisioned again.
	p := provisioning.start(t, nil, "-e", srv.Host(), "-p", fmt.Sprint(srv.TLSPort()), "-r", srv.CAFile(), "-c", claim.CertFile, "-k", claim.KeyFile,
		"-template", "lamps", "-thing", "lamp-7", "-out", out)
	if status := p.wait(t); status != 1 || !strings.Contains(p.stderr.String(), "the device seems to be provisioned") {
		t.Errorf("status %d, stderr:\n%s", status, &p.stderr)
	}
}
