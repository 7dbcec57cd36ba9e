package awsauth

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// cleanEnvironment hides the credentials of the machine and returns an empty home directory.
func cleanEnvironment(t *testing.T) (home string) {
	t.Helper()
	home = t.TempDir()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	for _, name := range []string{envKeyID, envSecret, envToken} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	// The SDK found its files when the process began; these move them.
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(home, ".aws", "credentials"))
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(home, ".aws", "config"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	return home
}

func writeCredentials(t *testing.T, home, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(home, ".aws"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".aws", "credentials"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const fileOf = "aws_access_key_id = %ID\naws_secret_access_key = %ID-secret\n"

func section(name, id string) string {
	return "[" + name + "]\n" + strings.ReplaceAll(fileOf, "%ID", id)
}

func TestV1Chain(t *testing.T) {
	env := map[string]string{envKeyID: "ENV", envSecret: "ENV-secret"}
	for _, tt := range []struct {
		name   string
		env    map[string]string
		file   string // "": none
		id     string // "": an error
		token  string
		source string
		want   []string // in the error
	}{
		{name: "environment", env: env, id: "ENV", source: "environment"},
		{name: "environment with token", env: map[string]string{envKeyID: "ENV", envSecret: "ENV-secret", envToken: "tok"}, id: "ENV", token: "tok", source: "environment"},
		{name: "environment before file", env: env, file: section("default", "FILE"), id: "ENV", source: "environment"},
		{name: "file when the secret is missing", env: map[string]string{envKeyID: "ENV", envToken: "tok"}, file: section("default", "FILE"), id: "FILE", source: "credentials"},
		{name: "default", file: section("default", "FILE") + "aws_session_token=a=b:c\n", id: "FILE", token: "a=b:c", source: "credentials"},
		{name: "DEFAULT", file: section("DEFAULT", "BIG"), id: "BIG", source: "credentials"},
		{name: "default before DEFAULT", file: section("DEFAULT", "BIG") + section("default", "SMALL"), id: "SMALL", source: "credentials"},
		{name: "DEFAULT when default has half", file: "[default]\naws_access_key_id = HALF\n" + "[DEFAULT]\naws_access_key_id=BIG\naws_secret_access_key=BIG-secret\naws_session_token=T\n", id: "HALF", token: "T", source: "credentials"},
		{name: "as written by hand", file: "\ufeff# mine\r\n; too\r\n\r\n[other]\r\naws_access_key_id=OTHER\r\n\r\n[default]\r\n  AWS_Access_Key_ID:FILE\r\nnonsense\r\naws_secret_access_key =   FILE-secret  \r\n", id: "FILE", source: "credentials"},
		{name: "nothing", want: []string{"environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY not set", "credentials does not exist"}},
		{name: "secret alone", env: map[string]string{envSecret: "ENV-secret"}, want: []string{"environment: AWS_ACCESS_KEY_ID not set", "does not exist"}},
		{name: "another profile only", env: map[string]string{"AWS_PROFILE": "other"}, file: section("other", "OTHER"), want: []string{"in [default] or [DEFAULT]"}},
		{name: "half a section", file: "[default]\naws_secret_access_key=FILE-secret\n", want: []string{"in [default] or [DEFAULT]"}},
		{name: "an unfinished header", file: "[default\naws_access_key_id=X\naws_secret_access_key=FILE-secret\n", want: []string{"in [default] or [DEFAULT]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			home := cleanEnvironment(t)
			for k, v := range tt.env {
				t.Setenv(k, v)
			}
			if tt.file != "" {
				writeCredentials(t, home, tt.file)
			}
			c, err := V1Chain().Retrieve(t.Context())
			if tt.id == "" {
				var none *NoCredentialsError
				if !errors.As(err, &none) || strings.Contains(err.Error(), "-secret") {
					t.Fatalf("error %v", err)
				}
				for _, w := range tt.want {
					if !strings.Contains(err.Error(), w) {
						t.Errorf("error %v, want %q", err, w)
					}
				}
				if tt.file == "" && !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%v does not unwrap to ErrNotExist", err)
				}
				return
			}
			secret := tt.id + "-secret"
			if tt.id == "HALF" {
				secret = "BIG-secret"
			}
			if err != nil || c.AccessKeyID != tt.id || c.SecretAccessKey != secret || c.SessionToken != tt.token || !strings.HasSuffix(c.Source, tt.source) || c.CanExpire {
				t.Errorf("%+v, %v", c, err)
			}
		})
	}
}

// It looks anew every time, and says when it cannot read.
func TestV1ChainLooksAnew(t *testing.T) {
	home := cleanEnvironment(t)
	p := V1Chain()
	for _, id := range []string{"ONE", "TWO"} {
		writeCredentials(t, home, section("default", id))
		if c, err := p.Retrieve(t.Context()); err != nil || c.AccessKeyID != id {
			t.Errorf("%v, %v, want %s", c.AccessKeyID, err, id)
		}
	}
	path := filepath.Join(home, ".aws", "credentials")
	if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
		t.Fatal(err)
	}
	var none *NoCredentialsError
	if _, err := p.Retrieve(t.Context()); !errors.As(err, &none) || !strings.Contains(none.File, path) || none.Unwrap() == nil {
		t.Errorf("a directory instead of a file: %v", err)
	}
	t.Setenv("HOME", "")
	t.Setenv("USERPROFILE", "")
	if _, err := p.Retrieve(t.Context()); !errors.As(err, &none) || !strings.Contains(none.File, "no home directory") {
		t.Errorf("no home: %v", err)
	}
}

// The chain of the tools: it reads nothing before it is asked, and a changed file is seen.
func TestDefaultChain(t *testing.T) {
	home := cleanEnvironment(t)
	p := DefaultChain()
	if _, err := p.Retrieve(t.Context()); err == nil {
		t.Error("credentials out of nothing")
	}
	for _, id := range []string{"ONE", "TWO"} {
		writeCredentials(t, home, section("default", id)+section("work", id+"W"))
		if c, err := p.Retrieve(t.Context()); err != nil || c.AccessKeyID != id {
			t.Errorf("%v, %v, want %s", c.AccessKeyID, err, id)
		}
	}
	t.Setenv("AWS_PROFILE", "work")
	if c, err := p.Retrieve(t.Context()); err != nil || c.AccessKeyID != "TWOW" {
		t.Errorf("AWS_PROFILE: %v, %v", c.AccessKeyID, err)
	}
	t.Setenv("AWS_PROFILE", "nosuch")
	if _, err := p.Retrieve(t.Context()); err == nil || !strings.Contains(err.Error(), "nosuch") || strings.Contains(err.Error(), "-secret") {
		t.Errorf("unknown profile: %v", err)
	}
}

// Credentials that end are kept by their provider, which renews them; after an error the chain is loaded anew.
func TestDefaultChainKeepsWhatEnds(t *testing.T) {
	loads, fail := 0, false
	ends := provider(func(context.Context) (aws.Credentials, error) {
		if fail {
			return aws.Credentials{}, errors.New("role is gone")
		}
		return aws.Credentials{AccessKeyID: "R", SecretAccessKey: "S", CanExpire: true, Expires: time.Now().Add(time.Hour)}, nil
	})
	d := &defaultChain{load: func(context.Context) (aws.Config, error) { loads++; return aws.Config{Credentials: ends}, nil }}
	for _, step := range []struct {
		fail  bool
		loads int
	}{{false, 1}, {false, 1}, {true, 1}, {true, 2}, {false, 3}, {false, 3}} {
		fail = step.fail
		if _, err := d.Retrieve(t.Context()); (err != nil) != step.fail || loads != step.loads {
			t.Errorf("%+v: %d loads, %v", step, loads, err)
		}
	}
	d.load = func(context.Context) (aws.Config, error) { return aws.Config{}, errors.New("bad config file") }
	d.ending = nil
	if _, err := d.Retrieve(t.Context()); err == nil || err.Error() != "bad config file" {
		t.Errorf("load: %v", err)
	}
}

func FuzzParseINI(f *testing.F) {
	for _, s := range []string{"", section("default", "X"), "[DEFAULT]\na=1\n[b]\nc:2\n", "[x\ny=1", "[]\n=\n", "\ufeff[a]\r\nk = v = w\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all := parseINI(text)
		for name, s := range all {
			for k, v := range s {
				if k != strings.ToLower(k) || k != strings.TrimSpace(k) || v != strings.TrimSpace(v) || !strings.Contains(text, v) {
					t.Errorf("[%s] %q = %q of %q", name, k, v, text)
				}
			}
			for k := range all["DEFAULT"] {
				if _, has := s[k]; !has {
					t.Errorf("[%s] lacks %q of DEFAULT: %v", name, k, maps.Clone(s))
				}
			}
		}
	})
}
