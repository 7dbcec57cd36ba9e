package edit

import (
	"bytes"
	"fmt"
	"strings"
)

// contextLines is how many unchanged lines stand around a change in a diff, as in diff -u.
const contextLines = 3

// op is one line of an edit script: ' ' kept, '-' removed, '+' added.
type op struct {
	kind byte
	line string
}

// Line is one line of a hunk: ' ' kept, '-' removed, '+' added. Text has its line feed, if the file has it.
type Line struct {
	Kind byte
	Text string
}

// Hunk is a stretch of changed lines with what stands around them.
type Hunk struct {
	OldLine, NewLine int // number of its first line, from 1, in the old and the new text
	Lines            []Line
}

// Hunks returns the changes from old to new, none when they are equal.
func Hunks(old, new []byte) []Hunk {
	if bytes.Equal(old, new) {
		return nil
	}
	var out []Hunk
	ops := script(split(old), split(new))
	oldLine, newLine := 1, 1
	for i := 0; i < len(ops); {
		if ops[i].kind == ' ' {
			i, oldLine, newLine = i+1, oldLine+1, newLine+1
			continue
		}
		// A hunk: back up over the context, go on until the unchanged lines are more than two contexts.
		start := i
		for start > 0 && i-start < contextLines && ops[start-1].kind == ' ' {
			start--
		}
		end, same := i, 0
		for j := i; j < len(ops); j++ {
			if ops[j].kind == ' ' {
				same++
				if same > 2*contextLines {
					break
				}
				continue
			}
			same, end = 0, j+1
		}
		stop := end
		for stop < len(ops) && stop-end < contextLines && ops[stop].kind == ' ' {
			stop++
		}
		h := Hunk{OldLine: oldLine - (i - start), NewLine: newLine - (i - start)}
		for _, o := range ops[start:stop] {
			h.Lines = append(h.Lines, Line{o.kind, o.line})
		}
		out = append(out, h)
		for ; i < stop; i++ {
			if ops[i].kind != '+' {
				oldLine++
			}
			if ops[i].kind != '-' {
				newLine++
			}
		}
	}
	return out
}

// Diff returns the unified diff from old to new, "" when they are equal.
func Diff(oldName, newName string, old, new []byte) string {
	hunks := Hunks(old, new)
	if len(hunks) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", oldName, newName)
	for _, h := range hunks {
		h.write(&b)
	}
	return b.String()
}

// Counts are the numbers of lines in the old and the new text.
func (h Hunk) Counts() (olds, news int) {
	for _, l := range h.Lines {
		if l.Kind != '+' {
			olds++
		}
		if l.Kind != '-' {
			news++
		}
	}
	return olds, news
}

func (h Hunk) write(b *strings.Builder) {
	olds, news := h.Counts()
	oldLine, newLine := h.OldLine, h.NewLine
	if olds == 0 {
		oldLine--
	}
	if news == 0 {
		newLine--
	}
	fmt.Fprintf(b, "@@ -%s +%s @@\n", span(oldLine, olds), span(newLine, news))
	for _, l := range h.Lines {
		b.WriteByte(l.Kind)
		b.WriteString(l.Text)
		if !strings.HasSuffix(l.Text, "\n") {
			b.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

func span(line, n int) string {
	if n == 1 {
		return fmt.Sprint(line)
	}
	return fmt.Sprintf("%d,%d", line, n)
}

func split(b []byte) []string {
	lines := strings.SplitAfter(string(b), "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// script is a shortest edit script by Myers' greedy algorithm, after the common head and tail are set aside.
func script(a, b []string) []op {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	var out []op
	for _, l := range a[:head] {
		out = append(out, op{' ', l})
	}
	out = append(out, myers(a[head:len(a)-tail], b[head:len(b)-tail])...)
	for _, l := range a[len(a)-tail:] {
		out = append(out, op{' ', l})
	}
	return out
}

func myers(a, b []string) []op {
	n, m := len(a), len(b)
	off := n + m + 1
	v := make([]int, 2*off+1)
	var trace [][]int
	for d := 0; d <= n+m; d++ {
		trace = append(trace, append([]int(nil), v[off-d-1:off+d+2]...))
		for k := -d; k <= d; k += 2 {
			x := v[off+k-1] + 1
			if k == -d || k != d && v[off+k-1] < v[off+k+1] {
				x = v[off+k+1]
			}
			y := x - k
			for x < n && y < m && a[x] == b[y] {
				x, y = x+1, y+1
			}
			v[off+k] = x
			if x >= n && y >= m {
				return backtrack(a, b, trace)
			}
		}
	}
	return nil
}

// backtrack walks the recorded frontiers from the end; frontier d starts at diagonal -d-1.
func backtrack(a, b []string, trace [][]int) []op {
	x, y := len(a), len(b)
	var rev []op
	for d := len(trace) - 1; d >= 0; d-- {
		at := func(k int) int { return trace[d][k+d+1] }
		k := x - y
		prev := k - 1
		if k == -d || k != d && at(k-1) < at(k+1) {
			prev = k + 1
		}
		px := at(prev)
		py := px - prev
		if d == 0 {
			px, py = 0, 0
		}
		for x > px && y > py {
			x, y = x-1, y-1
			rev = append(rev, op{' ', a[x]})
		}
		if d == 0 {
			break
		}
		if prev == k+1 {
			y--
			rev = append(rev, op{'+', b[y]})
		} else {
			x--
			rev = append(rev, op{'-', a[x]})
		}
	}
	out := make([]op, len(rev))
	for i := range rev {
		out[i] = rev[len(rev)-1-i]
	}
	return out
}

// Colour adds terminal colours to a unified diff.
func Colour(diff string) string {
	var b strings.Builder
	for line := range strings.Lines(diff) {
		text := strings.TrimSuffix(line, "\n")
		code := ""
		switch {
		case strings.HasPrefix(text, "--- "), strings.HasPrefix(text, "+++ "):
			code = "1"
		case strings.HasPrefix(text, "@@"):
			code = "36"
		case strings.HasPrefix(text, "-"):
			code = "31"
		case strings.HasPrefix(text, "+"):
			code = "32"
		}
		if code == "" {
			b.WriteString(line)
			continue
		}
		b.WriteString("\x1b[" + code + "m" + text + "\x1b[0m\n")
	}
	return b.String()
}
