package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// said runs the events through a report, and returns what it writes and whether all is well.
func said(t *testing.T, noskip bool, lines ...any) (string, bool) {
	t.Helper()
	var in, out strings.Builder
	for _, l := range lines {
		if e, ok := l.(event); ok {
			data, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			l = string(data)
		}
		fmt.Fprintln(&in, l)
	}
	r := newReport(&out)
	if err := r.read(strings.NewReader(in.String())); err != nil {
		t.Fatal(err)
	}
	ok := r.end(noskip)
	return out.String(), ok
}

func prints(test string, lines ...string) (out []any) {
	for _, l := range lines {
		out = append(out, event{Action: "output", Package: "p", Test: test, Output: l + "\n"})
	}
	return out
}

func ends(action, test string) event { return event{Action: action, Package: "p", Test: test} }

func TestReport(t *testing.T) {
	var many []string
	for i := range 200 {
		many = append(many, fmt.Sprint("line ", i))
	}
	for _, tt := range []struct {
		name   string
		noskip bool
		lines  []any
		want   string
		ok     bool
	}{
		{"all is well", false, append(append([]any{"go: downloading x", ends("run", "TestA")}, prints("TestA", "=== RUN   TestA", "noise")...),
			ends("pass", "TestA"), prints("", "PASS", "ok  \tp\t0.1s")[0], prints("", "ok  \tp\t0.1s")[0], ends("pass", "")),
			"go: downloading x\nok  \tp\t0.1s\n\n== 1 tests passed, 0 failed, 0 skipped; 0 packages failed\n", true},
		{"a failure comes last, without what others print", false, append(append(append(prints("TestA", "=== RUN   TestA", "    a_test.go:1: why", "--- FAIL: TestA (0.00s)"),
			prints("TestB", strings.Repeat("x", 1000))...), ends("fail", "TestA"), ends("pass", "TestB")),
			append(prints("", "-test.shuffle 7", "FAIL", "FAIL\tp\t0.1s"), ends("fail", ""))...),
			"FAIL\tp\t0.1s\n\n----- p TestA\n    a_test.go:1: why\n--- FAIL: TestA (0.00s)\n\n----- p\n-test.shuffle 7\nFAIL\n\nFailed:\n  p TestA\n  p\n\n== 1 tests passed, 1 failed, 0 skipped; 1 packages failed\n", false},
		{"a long line is cut between two characters", false, append(prints("TestA", "x"+strings.Repeat("ä", 1000)), ends("fail", "TestA")),
			"\n----- p TestA\nx" + strings.Repeat("ä", 149) + "...\n\nFailed:\n  p TestA\n\n== 0 tests passed, 1 failed, 0 skipped; 0 packages failed\n", false},
		{"a line in parts", false, []any{event{Action: "output", Package: "p", Test: "TestA", Output: "one "}, event{Action: "output", Package: "p", Test: "TestA", Output: "line\n"}, ends("fail", "TestA")},
			"\n----- p TestA\none line\n\nFailed:\n  p TestA\n\n== 0 tests passed, 1 failed, 0 skipped; 0 packages failed\n", false},
		{"many lines", false, append(prints("TestA", many...), ends("fail", "TestA")),
			"\n----- p TestA\n" + strings.Join(many[:20], "\n") + "\n... (140 more lines)\n" + strings.Join(many[160:], "\n") + "\n\nFailed:\n  p TestA\n\n== 0 tests passed, 1 failed, 0 skipped; 0 packages failed\n", false},
		{"many lines, of stacks", false, append(append(prints("TestA", "SIGQUIT: quit"), prints("TestA", many...)...), ends("fail", "TestA")),
			"\n----- p TestA\nSIGQUIT: quit\n" + strings.Join(many, "\n") + "\n\nFailed:\n  p TestA\n\n== 0 tests passed, 1 failed, 0 skipped; 0 packages failed\n", false},
		{"the process ended in a test", false, append(append([]any{ends("run", "TestA")}, prints("TestA", "panic: test timed out")...), ends("fail", "")),
			"\n----- p TestA\npanic: test timed out\n\nFailed:\n  p TestA\n  p\n\n== 0 tests passed, 1 failed, 0 skipped; 1 packages failed\n", false},
		{"it does not build", false, []any{event{Action: "build-output", ImportPath: "p [p.test]", Output: "a.go:1: undefined\n"}, event{Action: "build-fail", ImportPath: "p [p.test]"},
			event{Action: "fail", Package: "p", FailedBuild: "p [p.test]"}},
			"\n----- p\na.go:1: undefined\n\nFailed:\n  p\n\n== 0 tests passed, 0 failed, 0 skipped; 1 packages failed\n", false},
		{"a skipped test", false, []any{ends("skip", "TestA")}, "\n== 0 tests passed, 0 failed, 1 skipped; 0 packages failed\n", true},
		{"a skipped test where none may be", true, []any{ends("skip", "TestA"), ends("skip", "")},
			"\nSkipped, which no test may be here:\n  p TestA\n\n== 0 tests passed, 0 failed, 1 skipped; 0 packages failed\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := said(t, tt.noskip, tt.lines...)
			if got != tt.want || ok != tt.ok {
				t.Errorf("%v, says\n%s\nwant %v\n%s", ok, got, tt.ok, tt.want)
			}
		})
	}
}

// TestManyFailures: of all failed tests the names are there, of the first ones what they printed.
func TestManyFailures(t *testing.T) {
	var lines []any
	for i := range 3 * shownTests {
		name := fmt.Sprint("Test", i, "_")
		lines = append(append(lines, prints(name, "why "+name)...), ends("fail", name))
	}
	got, _ := said(t, false, lines...)
	if n := strings.Count(got, "why Test"); n != shownTests {
		t.Errorf("the output of %d tests, want %d", n, shownTests)
	}
	if n := strings.Count(got, "\n  p Test"); n != 3*shownTests {
		t.Errorf("the names of %d tests, want %d", n, 3*shownTests)
	}
}
