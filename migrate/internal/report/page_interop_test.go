//go:build interop

package report

import (
	"bytes"
	"encoding/json"
	"html"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// measureScript tells in the title what a browser has made of the page: in frames, since their width is what the style
// sheet asks for, and a window cannot be as narrow as a phone.
const measureScript = `<script>
addEventListener("load", () => {
  const out = {};
  for (const f of document.querySelectorAll("iframe")) {
    const d = f.contentDocument, root = d.documentElement;
    const sides = [...d.querySelectorAll(".sides:not(.one)")].map(s => [...s.children].map(c => c.getBoundingClientRect()));
    const widest = Math.max(...[...d.querySelectorAll("body *")].map(e => e.getBoundingClientRect().right));
    const dead = [...d.querySelectorAll("a[href^='#']")].filter(a => !d.getElementById(a.getAttribute("href").slice(1))).length;
    out[f.id] = {
      width: root.clientWidth, scroll: root.scrollWidth, widest: Math.ceil(widest), height: root.scrollHeight, dead,
      units: d.querySelectorAll("article.unit").length, pairs: sides.length,
      stacked: sides.filter(([a, b]) => b.top >= a.bottom).length, beside: sides.filter(([a, b]) => b.left >= a.right && Math.abs(a.top - b.top) < 1).length,
      font: parseFloat(f.contentWindow.getComputedStyle(d.querySelector(".side code")).fontSize),
    };
  }
  document.title = JSON.stringify(out);
});
</script>`

type measured struct {
	Width, Scroll, Widest, Height, Dead, Units, Pairs, Stacked, Beside int
	Font                                                               float64
}

// browse runs Chromium without a window.
func browse(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "chromium", append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
		"--user-data-dir=" + t.TempDir()}, args...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium: %v\n%s", err, errs.Bytes())
	}
	return out
}

// TestPageInBrowser looks at the page in Chromium: at the width of a phone nothing sticks out and before stands over after,
// on a desk they stand side by side, and on paper everything is there and coloured.
func TestPageInBrowser(t *testing.T) {
	r := sample()
	r.Units[0].Name = strings.Repeat("veryLongName", 12)
	r.Units[0].Package = "example.com/" + strings.Repeat("long/path/", 20)
	f := r.Files["/m/main.go"]
	f.New = bytes.Replace(f.New, []byte("NewClient(opts)"), []byte("NewClient("+strings.Repeat("options", 40)+")"), 1)
	r.Files["/m/main.go"] = f
	var page bytes.Buffer
	if err := r.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "page.html")
	if err := os.WriteFile(file, page.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	frames := "<!DOCTYPE html><title>x</title>"
	for id, width := range map[string]string{"phone": "360", "desk": "1200"} {
		frames += `<iframe id="` + id + `" style="border:0;width:` + width + `px;height:800px" srcdoc="` + html.EscapeString(page.String()) + `"></iframe>`
	}
	both := filepath.Join(dir, "frames.html")
	if err := os.WriteFile(both, []byte(frames+measureScript), 0o644); err != nil {
		t.Fatal(err)
	}
	dom := browse(t, "--window-size=1700,1000", "--virtual-time-budget=5000", "--dump-dom", "file://"+both)
	title := regexp.MustCompile(`<title>(\{.*?)</title>`).FindSubmatch(dom)
	if title == nil {
		t.Fatalf("nothing was measured:\n%.300s", dom)
	}
	var got map[string]measured
	if err := json.Unmarshal([]byte(html.UnescapeString(string(title[1]))), &got); err != nil {
		t.Fatal(err)
	}
	phone, desk := got["phone"], got["desk"]
	for name, m := range got {
		if m.Scroll > m.Width || m.Widest > m.Width || m.Dead > 0 || m.Units != 5 || m.Pairs == 0 || m.Font < 11 {
			t.Errorf("%s: %+v", name, m)
		}
	}
	if phone.Width != 360 || phone.Stacked != phone.Pairs || desk.Beside != desk.Pairs || phone.Height <= desk.Height {
		t.Errorf("phone %+v, desk %+v", phone, desk)
	}

	paper := filepath.Join(dir, "page.pdf")
	browse(t, "--no-pdf-header-footer", "--print-to-pdf="+paper, "file://"+file)
	pdf, err := os.ReadFile(paper)
	if pages := len(regexp.MustCompile(`/Type\s*/Page\b`).FindAll(pdf, -1)); err != nil || !bytes.HasPrefix(pdf, []byte("%PDF-")) || pages < 1 || pages > 5 {
		t.Errorf("%d pages, %d bytes, %v", pages, len(pdf), err)
	}

	shot := filepath.Join(dir, "page.png")
	browse(t, "--window-size=1000,3000", "--screenshot="+shot, "file://"+file)
	b, err := os.ReadFile(shot)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[[3]uint32]int{}
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			r, g, b, _ := img.At(x, y).RGBA()
			seen[[3]uint32{r >> 8, g >> 8, b >> 8}]++
		}
	}
	for name, c := range map[string][3]uint32{"rewritten": {0x2a, 0x7e, 0x3b}, "bridged": {0x9a, 0x67, 0x00}, "left": {0xb3, 0x26, 0x1e}, "removed": {0xfd, 0xea, 0xea}, "added": {0xe6, 0xf6, 0xe8}} {
		if seen[c] < 200 {
			t.Errorf("%d pixels in the colour of what is %s", seen[c], name)
		}
	}
}
