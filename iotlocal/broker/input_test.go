package broker

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"testing/iotest"
)

// pieces gives what was written to it in pieces of these sizes.
type pieces struct {
	data  []byte
	sizes []int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, io.EOF
	}
	n := min(len(b), len(p.data), p.sizes[0])
	copy(b, p.data[:n])
	p.data = p.data[n:]
	if p.sizes[0] -= n; p.sizes[0] == 0 {
		p.sizes = p.sizes[1:]
	}
	return n, nil
}

// Whatever the pieces that come and those that are asked for: nothing is lost,
// doubled or out of order, with the error that comes beside the last bytes too.
func TestInputReadsAll(t *testing.T) {
	room := make([]byte, 2*largeInput)
	for seed := range uint64(30) {
		r, bytesOf := rand.New(rand.NewPCG(seed, 1)), rand.NewChaCha8([32]byte{byte(seed)})
		var src pieces
		for range 50 {
			n := 1 + r.IntN([]int{3, smallInput, largeInput, 5 * largeInput}[r.IntN(4)])
			src.sizes = append(src.sizes, n)
			piece := make([]byte, n)
			bytesOf.Read(piece)
			src.data = append(src.data, piece...)
		}
		want := src.data
		in := input{src: iotest.DataErrReader(&src)}
		var got []byte
		var err error
		for err == nil {
			switch r.IntN(3) {
			case 0:
				var b byte
				if b, err = in.ReadByte(); err == nil {
					got = append(got, b)
				}
			case 1:
				var start []byte
				if start, err = in.start(4); err == nil && !bytes.HasPrefix(want[len(got):], start) {
					t.Fatalf("seed %d: start at %d is % x", seed, len(got), start)
				}
			default:
				var n int
				n, err = in.Read(room[:1+r.IntN(len(room))])
				got = append(got, room[:n]...)
			}
		}
		if err != io.EOF || !bytes.Equal(got, want) {
			t.Fatalf("seed %d: %d bytes of %d, %v", seed, len(got), len(want), err)
		}
	}
	if _, err := (&input{src: iotest.ErrReader(nil)}).ReadByte(); err != io.ErrNoProgress {
		t.Errorf("a reader that gives nothing: %v", err)
	}
}

// A client has the large buffer while it sends much, and not for long afterwards.
func TestInputLargeBuffer(t *testing.T) {
	sizes := []int{2, smallInput, 2000, 10, 2, 2}
	src := pieces{sizes: sizes}
	for _, n := range sizes {
		src.data = append(src.data, make([]byte, n)...)
	}
	in := input{src: &src}
	for i, want := range []bool{false, false, true, false, false, false} {
		b := make([]byte, []int{2, smallInput, 2000, 10, 2, 2}[i])
		if _, err := io.ReadFull(&in, b); err != nil {
			t.Fatal(err)
		}
		if got := in.large != nil; got != want {
			t.Errorf("read %d: large buffer %v, want %v", i, got, want)
		}
	}
}

// script gives pieces, each with its error.
type script []struct {
	text string
	err  error
}

func (s *script) Read(p []byte) (int, error) {
	if len(*s) == 0 {
		return 0, io.EOF
	}
	next := (*s)[0]
	*s = (*s)[1:]
	return copy(p, next.text), next.err
}

// An error that came beside bytes, as a deadline can, comes after these and before those that follow.
func TestInputErrorBetweenBytes(t *testing.T) {
	in := input{src: &script{{"ab", os.ErrDeadlineExceeded}, {"cd", nil}}}
	got := ""
	for range 6 {
		b, err := in.ReadByte()
		if err != nil {
			got += "(" + err.Error() + ")"
			continue
		}
		got += string(b)
	}
	if want := "ab(" + os.ErrDeadlineExceeded.Error() + ")cd(EOF)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// What goes past the buffer says nothing of what comes next: a short message afterwards needs no large buffer.
func TestInputDirectRead(t *testing.T) {
	src := pieces{data: make([]byte, smallInput+largeInput+1), sizes: []int{smallInput, largeInput, 1}}
	in := input{src: &src}
	for _, n := range []int{smallInput, largeInput, 1} {
		if _, err := io.ReadFull(&in, make([]byte, n)); err != nil {
			t.Fatal(err)
		}
	}
	if in.large != nil {
		t.Error("a large buffer for a byte")
	}
}
