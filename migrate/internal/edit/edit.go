// Package edit turns planned changes into new file contents: nested text edits, import clean-up, a unified diff.
//
// An edit replaces a range of the source by pieces, and a piece may be another range of the same file. Edits that
// lie inside such a range are applied to it wherever it ends up. So a rule can move an argument (a callback that
// comes before the packet in v1 and after it in v2) without knowing what other rules do inside that argument, and
// every byte that no rule names, comments and layout included, stays as its author wrote it.
package edit

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// Piece is literal text, or, when Pos is valid, a range of the original source that is rendered with its own edits.
type Piece struct {
	Text     string
	Pos, End token.Pos
}

// Text is a piece of new text.
func Text(s string) Piece { return Piece{Text: s} }

// Src is the source of n.
func Src(n ast.Node) Piece { return Piece{Pos: n.Pos(), End: n.End()} }

// Range is the source between two positions.
func Range(pos, end token.Pos) Piece { return Piece{Pos: pos, End: end} }

// Edit replaces [Pos, End) by Pieces. With Pos == End it is an insertion, which belongs to the text around a range
// that starts or ends there, never to the inside of it.
type Edit struct {
	Pos, End token.Pos
	Pieces   []Piece
	// Once marks an edit that several rewrites need and that is made once: equal ones count as one.
	Once bool
}

// Replace is an Edit of n.
func Replace(n ast.Node, pieces ...Piece) Edit {
	return Edit{Pos: n.Pos(), End: n.End(), Pieces: pieces}
}

// Insert is an Edit that adds text at pos.
func Insert(pos token.Pos, text string) Edit {
	return Edit{Pos: pos, End: pos, Pieces: []Piece{Text(text)}}
}

// ConflictError reports two edits of one file that overlap without one containing the other, or that are equal.
type ConflictError struct{ A, B token.Position }

// Error names both places.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("edits at %s and %s overlap", e.A, e.B)
}

// Apply returns src, the content of tf, with the edits applied. The order of edits matters only for insertions at
// one position, which keep it.
func Apply(tf *token.File, src []byte, edits []Edit) ([]byte, error) {
	es := slices.Clone(edits)
	slices.SortStableFunc(es, func(a, b Edit) int {
		if a.Pos != b.Pos {
			return int(a.Pos - b.Pos)
		}
		if az, bz := a.Pos == a.End, b.Pos == b.End; az != bz { // insertions stand before a range that starts there
			if az {
				return -1
			}
			return 1
		}
		return int(b.End - a.End) // the outer range first
	})
	es = slices.CompactFunc(es, func(a, b Edit) bool {
		return a.Once && b.Once && a.Pos == b.Pos && a.End == b.End && slices.Equal(a.Pieces, b.Pieces)
	})
	r := &renderer{tf: tf, src: src, edits: es}
	r.parent = make([]int, len(es))
	var stack []int
	for i, e := range es {
		if int(e.Pos) < tf.Base() || int(e.End) > tf.Base()+tf.Size() || e.Pos > e.End {
			return nil, fmt.Errorf("edit outside of file %s", tf.Name())
		}
		for len(stack) > 0 {
			top := es[stack[len(stack)-1]]
			if e.Pos >= top.End || (e.Pos == e.End && e.Pos == top.Pos) {
				stack = stack[:len(stack)-1]
				continue
			}
			break
		}
		r.parent[i] = -1
		if len(stack) > 0 {
			top := es[stack[len(stack)-1]]
			if e.End > top.End || (e.Pos == top.Pos && e.End == top.End) {
				return nil, &ConflictError{tf.Position(top.Pos), tf.Position(e.Pos)}
			}
			r.parent[i] = stack[len(stack)-1]
		}
		if e.Pos != e.End {
			stack = append(stack, i)
		}
	}
	var b strings.Builder
	end := token.Pos(tf.Base() + tf.Size())
	r.render(&b, -1, token.Pos(tf.Base()), end)
	return []byte(b.String()), nil
}

type renderer struct {
	tf     *token.File
	src    []byte
	edits  []Edit
	parent []int
}

// render writes [pos, end), applying the edits whose parent is owner and that lie inside.
func (r *renderer) render(b *strings.Builder, owner int, pos, end token.Pos) {
	at := pos
	for i, e := range r.edits {
		if r.parent[i] != owner || e.Pos < pos || e.End > end {
			continue
		}
		if owner >= 0 && e.Pos == e.End && (e.Pos == pos || e.Pos == end) {
			continue // an insertion at the edge of a moved range belongs to what stood around it
		}
		b.Write(r.src[r.tf.Offset(at):r.tf.Offset(e.Pos)])
		for _, p := range e.Pieces {
			if p.Pos.IsValid() {
				r.render(b, i, p.Pos, p.End)
			} else {
				b.WriteString(p.Text)
			}
		}
		at = e.End
	}
	b.Write(r.src[r.tf.Offset(at):r.tf.Offset(end)])
}

// Lost returns the comments of file that e removes: those in its range and in none of its source pieces.
func Lost(file *ast.File, e Edit) []*ast.Comment {
	var out []*ast.Comment
	for _, g := range file.Comments {
		if g.End() <= e.Pos || g.Pos() >= e.End {
			continue
		}
		for _, c := range g.List {
			if c.Pos() < e.Pos || c.End() > e.End {
				continue
			}
			kept := slices.ContainsFunc(e.Pieces, func(p Piece) bool {
				return p.Pos.IsValid() && p.Pos <= c.Pos() && c.End() <= p.End
			})
			if !kept {
				out = append(out, c)
			}
		}
	}
	return out
}
