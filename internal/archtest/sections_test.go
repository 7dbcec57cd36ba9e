package archtest

import (
	"slices"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/migrate/unit"
)

// reportSections cuts the part of MIGRATION.md that reports link to into its sections, by heading.
func reportSections(text string) map[string]string {
	_, part, _ := strings.Cut(text, "\n## What the reports mean\n")
	part, _, _ = strings.Cut(part, "\n## ")
	sections := map[string]string{}
	for _, section := range strings.Split(part, "\n### ")[1:] {
		title, body, _ := strings.Cut(section, "\n")
		sections[title] = strings.TrimSpace(body)
	}
	return sections
}

// TestReportSections: every section that a report of the migration tool can link to is there, under the heading from
// which the link's anchor is made, with something in it; and there is none that no report links to.
func TestReportSections(t *testing.T) {
	docs, err := documents()
	if err != nil {
		t.Fatal(err)
	}
	if len(unit.Anchors) == 0 {
		t.Fatal("the tool's table of anchors is empty")
	}
	text := docs["MIGRATION.md"]
	sections := reportSections(text)
	all := anchors(text)
	linked := map[string]bool{}
	for _, a := range unit.Anchors {
		linked[a.Title] = true
		body, ok := sections[a.Title]
		switch {
		case !ok:
			t.Errorf("MIGRATION.md has no section %q below \"What the reports mean\"", a.Title)
		case len(body) < 40:
			t.Errorf("MIGRATION.md: the section %q says nothing", a.Title)
		case anchors("### " + a.Title + "\n")[0] != a.ID || !slices.Contains(all, a.ID):
			t.Errorf("MIGRATION.md: the heading %q makes the anchor %q, reports link to %q", a.Title, anchors("### " + a.Title + "\n")[0], a.ID)
		}
	}
	for title := range sections {
		if !linked[title] {
			t.Errorf("MIGRATION.md: no report links to the section %q", title)
		}
	}
}

func TestReportSectionsCut(t *testing.T) {
	got := reportSections("# A\n\n## What the reports mean\n\nIntro.\n\n### One\n\nText.\n\n### Two\n\nMore.\n\n## Next\n\n### Other\n")
	if len(got) != 2 || got["One"] != "Text." || got["Two"] != "More." {
		t.Errorf("sections %q", got)
	}
}
