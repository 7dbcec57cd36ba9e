package report

import (
	"bytes"
	"strings"
	"testing"
)

// TestWords: no report of another API speaks of v1's.
func TestWords(t *testing.T) {
	words := Words{Unit: "file", Found: "imports of paho", Owner: "paho", Shape: "paho's shape", API: "paho's API", Target: "pahocompat"}
	full := sample()
	full.Words, full.Baseline = words, &Baseline{Version: 1}
	for _, u := range full.Units {
		for i := range u.Bridges {
			u.Bridges[i].Text, u.Bridges[i].Next = "it is so", "do it"
		}
	}
	for _, r := range []*Report{full, {Words: words}} {
		var text, sarif, page bytes.Buffer
		if err := r.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		if err := r.WriteSARIF(&sarif); err != nil {
			t.Fatal(err)
		}
		if err := r.WriteHTML(&page); err != nil {
			t.Fatal(err)
		}
		for name, got := range map[string]string{"text": text.String(), "SARIF": sarif.String(), "page": page.String()} {
			for _, old := range []string{"v1's", "v1&#39;s", "v1-shaped", "v1 client"} {
				if strings.Contains(got, old) {
					at := strings.Index(got, old)
					t.Errorf("the %s says %q: %q", name, old, got[max(0, at-80):at+20])
				}
			}
		}
		want := map[bool]string{true: "files", false: "no imports of paho found"}[len(r.Units) > 0]
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, &text)
		}
	}
}
