package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/portage-iot/awsiot/cmd/iotmigrate/internal/replay"
	"github.com/portage-iot/awsiot/cmd/iotmigrate/internal/wirediff"
	"github.com/portage-iot/awsiot/migrate"
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

// TestVerifyTwins: what the tool made of the examples says the same, packet for packet.
func TestVerifyTwins(t *testing.T) {
	for _, program := range []string{"pubsub", "shadow"} {
		t.Run(program, func(t *testing.T) {
			args := append([]string{"../../examples/v1-style/" + program, "../../examples/v2-style/" + program}, few...)
			code, stdout, stderr := call(t, args...)
			if code != exitDone || !strings.Contains(stdout, "The programs say the same on the wire.") || strings.Contains(stdout, "also:") {
				t.Errorf("exit %d, want %d\n%s%s", code, exitDone, stdout, stderr)
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
		path, err := replay.Build(t.Context(), []string{filepath.Join(dir, name)}, dir, name+"-program")
		if err != nil {
			t.Fatal(err)
		}
		paths[i] = path.Path
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

// pubsub is the example, built once for the tests that run it, beside the tool.
var pubsub = sync.OnceValues(func() (string, error) {
	path, err := tool()
	if err != nil {
		return "", err
	}
	built, err := replay.Build(context.Background(), []string{"../../examples/v1-style/pubsub"}, filepath.Dir(path), "pubsub")
	if err != nil {
		return "", err
	}
	return built.Path, nil
})

func TestVerifyFails(t *testing.T) {
	program, err := pubsub()
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
		{"the old program hangs", []string{"-timeout", "5s", program, program}, []string{"old program " + program, "did not end within 5s", "published 0", "after -- (as: iotmigrate verify OLD NEW -- -n 2)", "-timeout 5s"}},
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
			t.Parallel() // one of them waits
			code, stdout, stderr := call(t, tt.args...)
			if code != exitDiffers || stdout != "" {
				t.Errorf("exit %d, want %d; stdout %q", code, exitDiffers, stdout)
			}
			for _, want := range tt.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("no %q in\n%s", want, stderr)
				}
			}
			if strings.Contains(stderr, replay.ErrHangs.Error()) && !strings.HasSuffix(tt.name, "hangs") {
				t.Errorf("waited for the end of a program:\n%s", stderr)
			}
		})
	}
}

// TestVerifyUnplayed: an event of a script that waits for what the programs do not do is named, and is no equality.
func TestVerifyUnplayed(t *testing.T) {
	program, err := pubsub()
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("# a comment\nafter publish x9: cut\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-script", script, program, program}, few...)
	code, stdout, stderr := call(t, args...)
	if code != exitDiffers || !strings.Contains(stdout, "script line 2, after publish x9: cut: never came due with either program\n") ||
		!strings.Contains(stdout, "Not compared to the end: 1 event") || strings.Contains(stdout, "say the same") {
		t.Errorf("exit %d, want %d\n%s%s", code, exitDiffers, stdout, stderr)
	}
	code, stdout, stderr = call(t, append([]string{"-json"}, args...)...)
	var got struct {
		Equal    bool
		Unplayed []wirediff.Unplayed
	}
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	if want := []wirediff.Unplayed{{Event: "line 2, after publish x9: cut", Old: true, New: true}}; code != exitDiffers || got.Equal || !slices.Equal(got.Unplayed, want) {
		t.Errorf("exit %d, %+v", code, got)
	}
}

// TestUnplayed: which of the programs an event did not come due with.
func TestUnplayed(t *testing.T) {
	for _, tt := range []struct {
		u    wirediff.Unplayed
		want string
	}{
		{wirediff.Unplayed{Event: "line 1, cut", Old: true, New: true}, "script line 1, cut: never came due with either program"},
		{wirediff.Unplayed{Event: "line 1, cut", Old: true}, "script line 1, cut: never came due with the old program, and did with the new one"},
		{wirediff.Unplayed{Event: "line 1, cut", New: true}, "script line 1, cut: never came due with the new program, and did with the old one"},
	} {
		if got := tt.u.String(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
		if (&wirediff.Result{Unplayed: []wirediff.Unplayed{tt.u}}).Equal() {
			t.Errorf("%v counts as equal", tt.u)
		}
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
		{"environment", []string{"-env", "A", "a", "b"}, "want NAME=VALUE"},
		{"job", []string{"-job", "a:b", "a", "b"}, "want THING:ID:JSON"},
		{"shadow", []string{"-shadow", "a", "a", "b"}, "want a thing"},
		{"no script", []string{"-script", "none", "a", "b"}, "-script none: open none"},
		{"a command that is no words", []string{"python3 'a", "b"}, "ends inside a quotation"},
		{"empty name to ignore", []string{"-ignore", "a,,b", "a", "b"}, "empty element"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := call(t, tt.args...)
			if code != exitError || stdout != "" || !strings.Contains(stderr, tt.want) {
				t.Errorf("exit %d, want %d and %q\n%s%s", code, exitError, tt.want, stdout, stderr)
			}
		})
	}
	if code, _, stderr := call(t, "-h"); code != exitDone || !strings.Contains(stderr, "usage: iotmigrate verify") || !strings.Contains(stderr, "{ca}") || !strings.Contains(stderr, "aws-token") {
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

// TestExpected: every packet that a rule declares a difference of is one that verify knows.
func TestExpected(t *testing.T) {
	declared := 0
	for rule, ds := range migrate.WireDifferences() {
		declared += len(ds)
		for _, d := range ds {
			if _, ok := wirediff.KindOf(d.Packet); !ok || d.Text == "" || len(d.What) == 0 {
				t.Errorf("rule %s: %+v", rule, d)
			}
		}
	}
	if got := len(expected(true)); got != declared {
		t.Errorf("%d expected differences, %d declared", got, declared)
	}
	if got := len(expected(false)); got == 0 || got >= declared {
		t.Errorf("%d differences are expected without -idioms, %d with it", got, declared)
	}
}
