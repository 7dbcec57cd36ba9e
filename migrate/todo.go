package migrate

import (
	"go/token"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/unit"
)

// todoMark starts the comments of -todo; a line that follows one is not given the same comment again.
const todoMark = "// iotmigrate: "

// todo adds a comment above every line that stands in the way of a unit. The lines are found in the original files,
// so the comments are edits like any other and go through the same rendering and type-check.
func (c *checker) todo(units []*unit.Unit, files map[string][]byte) (map[string][]byte, error) {
	all := slices.Clone(units)
	for _, u := range units {
		if u.Done() {
			continue
		}
		mark := &unit.Unit{Package: u.Package, Edits: map[string]*unit.FileEdits{}}
		for _, r := range u.Reasons {
			if err := c.mark(mark, r); err != nil {
				return nil, err
			}
		}
		for _, b := range u.Bridges {
			if err := c.mark(mark, unit.Reason{Pos: b.Pos, Text: b.Text, Anchor: b.Anchor}); err != nil {
				return nil, err
			}
		}
		all = append(all, mark)
	}
	all = slices.DeleteFunc(all, func(u *unit.Unit) bool { return u.Edits == nil })
	return c.try(all)
}

func (c *checker) mark(u *unit.Unit, r unit.Reason) error {
	src, err := c.src.file(r.Pos.Filename)
	if err != nil {
		return err
	}
	if !r.Pos.IsValid() || r.Pos.Offset >= len(src) || generatedOrForeign(c, r.Pos.Filename) {
		return nil
	}
	start := strings.LastIndexByte(string(src[:r.Pos.Offset]), '\n') + 1
	mark := todoMark + strings.ReplaceAll(r.Text, "\n", " ") + " ("
	line := mark + link(r.Anchor) + ")\n"
	before := string(src[:start])
	for { // comments of an earlier run stand right above
		i := strings.LastIndexByte(strings.TrimSuffix(before, "\n"), '\n') + 1
		if above := strings.TrimSpace(before[i:]); !strings.HasPrefix(above, todoMark) {
			break
		} else if strings.HasPrefix(above, mark) {
			return nil
		}
		before = before[:i]
	}
	fe := u.Edits[r.Pos.Filename]
	if fe == nil {
		fe = &unit.FileEdits{}
		u.Edits[r.Pos.Filename] = fe
	}
	e := edit.Insert(token.Pos(start+1), line)
	e.Once = true // a line can hold several units back
	fe.Edits = append(fe.Edits, e)
	return nil
}

// generatedOrForeign reports whether a file must not be edited.
func generatedOrForeign(c *checker, name string) bool {
	for _, s := range c.sets {
		for _, p := range s.pkgs {
			if slices.Contains(p.CompiledGoFiles, name) || slices.Contains(p.GoFiles, name) {
				return untouchable(p, name) != ""
			}
		}
	}
	return true
}
