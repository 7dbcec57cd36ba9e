package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/cmd/iotmigrate/internal/replay"
)

// call runs verify and returns its exit status and what it wrote.
func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = verify(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

// few are the arguments after OLD and NEW that let the examples send two messages.
var few = []string{"--", "-n", "2", "-interval", "1ms"}

func TestVerifyTwins(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		code       int
	}{
		{"pubsub", "The programs say the same on the wire.", exitDone},
		{"shadow", "The programs say the same on the wire.", exitDone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"../../examples/v1-style/" + tt.name, "../../examples/v2-style/" + tt.name}, few...)
			code, stdout, stderr := call(t, args...)
			if code != tt.code || !strings.Contains(stdout, tt.want) || strings.Contains(stdout, "also:") {
				t.Errorf("exit %d, want %d and %q\n%s%s", code, tt.code, tt.want, stdout, stderr)
			}
		})
	}
}

// TestVerifyDiffers compares a program with one that has another payload byte, in a module of its own.
func TestVerifyDiffers(t *testing.T) {
	dir := demoCopy(t)
	if err := edit(filepath.Join(dir, "after", "main.go"), mutate); err != nil {
		t.Fatal(err)
	}
	var paths [2]string
	for i, name := range []string{"before", "after"} {
		path, err := replay.Build(t.Context(), filepath.Join(dir, name), dir, name+"-program")
		if err != nil {
			t.Fatal(err)
		}
		paths[i] = path
	}
	args := append(paths[:], few...)
	code, stdout, stderr := call(t, args...)
	if code != exitDiffers {
		t.Fatalf("exit %d, want %d\n%s%s", code, exitDiffers, stdout, stderr)
	}
	for _, want := range []string{
		"PUBLISH sent       2     2     0\n",
		`first difference: packet 5, PUBLISH sent "sdk/test/Go" (client "basicPubSub"): payload from byte 13`,
		`  old: → PUBLISH c2 "sdk/test/Go" QoS 1 42 bytes ` + "`" + `{"message": "Hello World!", "sequence": 0}` + "`",
		`  new: → PUBLISH c2 "sdk/test/Go" QoS 1 42 bytes ` + "`" + `{"message": "hello World!", "sequence": 0}` + "`",
		"differ on the wire in 4 places",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}

	t.Run("json", func(t *testing.T) {
		code, stdout, stderr := call(t, slices.Concat([]string{"-json"}, args)...)
		var got struct {
			Equal       bool
			Differences []struct {
				Kind, Topic string
				Old, New    struct{ N int }
			}
			Rows []struct {
				Kind            string
				Old, New, Equal int
			}
		}
		if err := json.Unmarshal([]byte(stdout), &got); err != nil {
			t.Fatalf("%v\n%s%s", err, stdout, stderr)
		}
		if code != exitDiffers || got.Equal || len(got.Differences) != 4 || got.Differences[0].Kind != "PUBLISH sent" || got.Differences[0].Old.N != 5 || len(got.Rows) != 6 {
			t.Errorf("exit %d, %+v", code, got)
		}
	})
	t.Run("ignored member", func(t *testing.T) {
		if code, stdout, stderr := call(t, slices.Concat([]string{"-ignore", "message"}, args)...); code != exitDone {
			t.Errorf("exit %d\n%s%s", code, stdout, stderr)
		}
	})
}

// demoCopy makes the demo's module: two equal copies of the example, before and after. The go command may complete its
// go.mod, without a network.
func demoCopy(t *testing.T) string {
	t.Helper()
	source, err := sourceDir(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m, err := newDemoModule(t.TempDir(), source, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOFLAGS", "-mod=mod")
	t.Setenv("GOPROXY", "off")
	return m.dir
}

func TestVerifyFails(t *testing.T) {
	program, err := replay.Build(t.Context(), "../../examples/v1-style/pubsub", t.TempDir(), "pubsub")
	if err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		want []string // in stderr
	}{
		{"the old program fails", []string{"-args", "-nonsense", program, program}, []string{"old program " + program, "exit status 2", "flag provided but not defined: -nonsense"}},
		// Without -n the example runs until Ctrl-C.
		{"the old program hangs", []string{"-timeout", "2s", program, program}, []string{"old program " + program, "did not end within 2s", "published 0"}},
		{"the new program never connects", append([]string{program, goTool, "--"}, "-n", "1", "-h"), []string{"old program " + program}},
		{"no connection", []string{"-args", "version", goTool, program}, []string{"old program " + goTool, "never sent a CONNECT", "go version"}},
		{"no such directory", []string{"./nowhere", program}, []string{"old program ./nowhere", "no such directory or executable"}},
		{"no such package", []string{program, "example.com/none"}, []string{"new program example.com/none", "go list"}},
		{"not a program", []string{"../../internal/topic", program}, []string{"no program (package main)", "internal/topic"}},
		{"several programs", []string{"../../examples/v1-style/...", program}, []string{" programs, want one"}},
		{"a file", []string{"main.go", program}, []string{"name the directory of the program"}},
		{"no executable", []string{text, program}, []string{"neither a Go package nor an executable"}},
		{"a thing name that AWS refuses", append([]string{"-thing", "a b", program, program}, few...), []string{"thing name"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			code, stdout, stderr := call(t, tt.args...)
			if code != exitDiffers || stdout != "" {
				t.Errorf("exit %d, want %d; stdout %q", code, exitDiffers, stdout)
			}
			for _, want := range tt.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("no %q in\n%s", want, stderr)
				}
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestVerifyUsage(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"nothing", nil, "want OLD and NEW, got 0 arguments"},
		{"one", []string{"a"}, "want OLD and NEW, got 1 arguments"},
		{"three", []string{"a", "b", "c"}, `unexpected argument "c"`},
		{"a flag last", []string{"a", "b", "-json"}, `unexpected argument "-json"`},
		{"a flag between", []string{"a", "-json"}, `"-json" is neither`},
		{"empty", []string{"", "b"}, `"" is neither`},
		{"unknown flag", []string{"-x", "a", "b"}, "not defined: -x"},
		{"timeout", []string{"-timeout", "-1s", "a", "b"}, "want more than 0"},
		{"no duration", []string{"-timeout", "5", "a", "b"}, "invalid value"},
		{"open quotation", []string{"-args", `"a`, "a", "b"}, "ends inside a quotation"},
		{"empty name to ignore", []string{"-ignore", "a,,b", "a", "b"}, "empty element"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := call(t, tt.args...)
			if code != exitUsage || stdout != "" || !strings.Contains(stderr, tt.want) {
				t.Errorf("exit %d, want %d and %q\n%s%s", code, exitUsage, tt.want, stdout, stderr)
			}
		})
	}
	if code, _, stderr := call(t, "-h"); code != exitDone || !strings.Contains(stderr, "usage: iotmigrate verify") || !strings.Contains(stderr, "{ca}") {
		t.Errorf("-h: exit %d\n%s", code, stderr)
	}
}

func TestSplitWords(t *testing.T) {
	tests := []struct {
		in   string
		want []string
		bad  bool
	}{
		{in: "", want: nil},
		{in: "  a\tb\nc ", want: []string{"a", "b", "c"}},
		{in: `'a b' "c d"`, want: []string{"a b", "c d"}},
		{in: `a'b c'd`, want: []string{"ab cd"}},
		{in: `'' ""`, want: []string{"", ""}},
		{in: `a\ b "\"" '\'`, want: []string{"a b", `"`, `\`}},
		{in: `"a'b"`, want: []string{"a'b"}},
		{in: `'a`, bad: true},
		{in: `a\`, bad: true},
	}
	for _, tt := range tests {
		got, err := splitWords(tt.in)
		if (err != nil) != tt.bad || !slices.Equal(got, tt.want) {
			t.Errorf("splitWords(%q) = %q, %v, want %q", tt.in, got, err, tt.want)
		}
	}
}

func FuzzSplitWords(f *testing.F) {
	for _, s := range []string{"", "a b", `'a b' "c\" d"`, `\`, "'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		words, err := splitWords(s)
		if err != nil {
			return
		}
		// What comes out, each word quoted, must come out again.
		var quoted []string
		for _, w := range words {
			quoted = append(quoted, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
		}
		again, err := splitWords(strings.Join(quoted, " "))
		if err != nil || !slices.Equal(again, words) {
			t.Errorf("%q gives %q, those quoted %q, %v", s, words, again, err)
		}
	})
}
