package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/iotlocal"
)

func TestCredentials(t *testing.T) {
	want := map[string]iotlocal.Credential{"AKIDEXAMPLE": {SecretAccessKey: "not=a=secret"}, "ASIAEXAMPLE": {SecretAccessKey: "neither", SessionToken: "token"}}
	if got, err := readCredentials("testdata/credentials"); err != nil || !maps.Equal(got, want) {
		t.Errorf("%v %v", got, err)
	}
	for name, tt := range map[string]struct{ text, want string }{
		"empty":          {"", "no profile has an aws_access_key_id"},
		"no key":         {"[a]\nregion=x\n", "no profile has an aws_access_key_id"},
		"no secret":      {"[a]\naws_access_key_id=x\n[b]\n", "profile a has no aws_secret_access_key"},
		"no last secret": {"[a]\naws_access_key_id=x", "profile a has no aws_secret_access_key"},
		"twice":          {"[a]\naws_access_key_id=x\naws_secret_access_key=y\n[b]\naws_access_key_id=x\naws_secret_access_key=z\n", "access key id x stands there twice"},
		"no profile":     {"aws_access_key_id=x\n", "line 1 is neither"},
		"endless line":   {"[a]\n" + strings.Repeat("x", 1<<20), "token too long"},
	} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readCredentials(path); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}
