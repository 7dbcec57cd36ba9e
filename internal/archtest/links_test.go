package archtest

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// anchors lists the headings' anchors of a document, made as GitHub makes them: lower case, letters, digits, hyphens and
// underscores kept, spaces to hyphens, a number behind one that stands already.
func anchors(text string) []string {
	var list []string
	fenced := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		title := strings.TrimLeft(line, "#")
		level := len(line) - len(title)
		if fenced || level == 0 || level > 6 || !strings.HasPrefix(title, " ") {
			continue
		}
		anchor := strings.Map(func(r rune) rune {
			switch {
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			case r == ' ':
				return '-'
			}
			return -1
		}, strings.TrimSpace(title))
		unique := anchor
		for n := 1; slices.Contains(list, unique); n++ {
			unique = anchor + "-" + string(rune('0'+n))
		}
		list = append(list, unique)
	}
	return list
}

var linkPattern = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// prose blanks what is code in a document, where brackets and parentheses are no links.
func prose(text string) string {
	fence := regexp.MustCompile("(?ms)^```.*?^```")
	text = fence.ReplaceAllStringFunc(text, func(s string) string { return strings.Repeat("\n", strings.Count(s, "\n")) })
	return regexp.MustCompile("`[^`\n]*`").ReplaceAllString(text, "")
}

// brokenLinks names the links of a document that lead nowhere inside the repository; others are not followed.
func brokenLinks(docs map[string]string, doc string) []string {
	var broken []string
	for _, match := range linkPattern.FindAllStringSubmatch(prose(docs[doc]), -1) {
		link := match[1]
		if strings.Contains(link, "://") || strings.HasPrefix(link, "mailto:") {
			continue
		}
		file, anchor, _ := strings.Cut(link, "#")
		target := doc
		if file != "" {
			target = path.Join(path.Dir(doc), file)
			if _, err := os.Stat(filepath.Join(root(), filepath.FromSlash(target))); err != nil {
				broken = append(broken, link)
				continue
			}
		}
		if anchor != "" && !slices.Contains(anchors(docs[target]), anchor) {
			broken = append(broken, link)
		}
	}
	return broken
}

func TestLinks(t *testing.T) {
	docs, err := documents()
	if err != nil {
		t.Fatal(err)
	}
	for doc := range docs {
		for _, link := range brokenLinks(docs, doc) {
			t.Errorf("%s: the link %s leads nowhere", doc, link)
		}
	}
}

func TestBrokenLinks(t *testing.T) {
	docs := map[string]string{
		"a.md": "# Connect, then: publish!\n## Twice\n## Twice\n```\n# no heading\n[x](nowhere.md)\n```\n`[y](nowhere.md)`\n",
		"b.md": "[a](#b) [b](go.mod) [c](nowhere.md) [d](https://example.com/x) [e](#no-such-heading)\n# B\n",
	}
	if got, want := anchors(docs["a.md"]), []string{"connect-then-publish", "twice", "twice-1"}; !slices.Equal(got, want) {
		t.Errorf("anchors %q, want %q", got, want)
	}
	if got := brokenLinks(docs, "a.md"); got != nil {
		t.Errorf("links in code were followed: %q", got)
	}
	if got, want := brokenLinks(docs, "b.md"), []string{"nowhere.md", "#no-such-heading"}; !slices.Equal(got, want) {
		t.Errorf("broken %q, want %q", got, want)
	}
}

// tableRows returns the cells of the table below a heading, without its head.
func tableRows(text, heading string) [][]string {
	_, part, _ := strings.Cut(text, "\n"+heading+"\n")
	part, _, _ = strings.Cut(part, "\n## ")
	var rows [][]string
	for line := range strings.Lines(part) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	if len(rows) > 0 {
		rows = rows[1:]
	}
	return rows
}

var codeSpan = regexp.MustCompile("`([^`]+)`")

// TestReadmeTable: what the README's table says is here has a folder with Go files, and what it says is not yet here has
// none, so that the table cannot lag behind.
func TestReadmeTable(t *testing.T) {
	docs, err := documents()
	if err != nil {
		t.Fatal(err)
	}
	dirs := packageDirs(t)
	rows := tableRows(docs["README.md"], "## What exists and what does not")
	if len(rows) < 5 {
		t.Fatalf("the table has %d rows", len(rows))
	}
	exists := func(name string) bool { return slices.Contains(dirs, name) || slices.Contains(dirs, "cmd/"+name) }
	for _, row := range rows {
		if len(row) != 3 {
			t.Errorf("the row %q has %d cells, want 3", row[0], len(row))
			continue
		}
		for _, match := range codeSpan.FindAllStringSubmatch(row[0], -1) {
			if !exists(match[1]) {
				t.Errorf("README.md has a row for %s, which does not exist", match[1])
			}
		}
		for _, match := range codeSpan.FindAllStringSubmatch(row[2], -1) {
			if exists(match[1]) {
				t.Errorf("README.md says that %s does not exist yet; it does", match[1])
			}
		}
	}
}
