package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

const (
	magic     = "awsiotJL"
	version   = 1
	segHead   = 28 // bytes of a segment before its first frame
	frameHead = 21 // bytes of a frame before its data

	// MaxRecord is the largest record, in bytes: about the largest MQTT packet.
	MaxRecord = 256 << 20
)

type kind byte

const (
	put    kind = 1
	remove kind = 2 // no data
)

// String names the kind of frame.
func (k kind) String() string {
	switch k {
	case put:
		return "put"
	case remove:
		return "remove"
	}
	return fmt.Sprintf("kind(%d)", byte(k))
}

var (
	le         = binary.LittleEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli) // computed in hardware on amd64 and arm64
)

func sum(data []byte) uint32 { return crc32.Checksum(data, castagnoli) }

// appendSegHead appends the head of segment number seq.
func appendSegHead(b []byte, salt uint32, seq uint64) []byte {
	start := len(b)
	b = append(b, magic...)
	b = le.AppendUint32(b, version)
	b = le.AppendUint32(b, salt)
	b = le.AppendUint64(b, seq)
	return le.AppendUint32(b, sum(b[start:]))
}

// parseSegHead returns the salt; ok is false unless b is the intact head of
// segment seq. A head that is intact but of another version is ErrVersion.
func parseSegHead(b []byte, seq uint64) (salt uint32, ok bool, err error) {
	if len(b) < segHead || string(b[:8]) != magic || le.Uint32(b[24:]) != sum(b[:24]) {
		return 0, false, nil
	}
	if v := le.Uint32(b[8:]); v != version {
		return 0, false, fmt.Errorf("format version %d, this is %d: %w", v, version, ErrVersion)
	}
	return le.Uint32(b[12:]), le.Uint64(b[16:]) == seq, nil
}

// appendHead appends the head of a frame.
func appendHead(b []byte, salt uint32, k kind, id uint64, data []byte) []byte {
	start := len(b)
	b = le.AppendUint32(b, uint32(len(data)))
	b = append(b, 0, 0, 0, 0)
	b = le.AppendUint32(b, sum(data))
	b = append(b, byte(k))
	b = le.AppendUint64(b, id)
	le.PutUint32(b[start+4:], headSum(b[start:], salt))
	return b
}

// headSum is the sum of the head at the beginning of b, without the sum itself.
func headSum(b []byte, salt uint32) uint32 {
	s := crc32.Update(salt, castagnoli, b[:4])
	return crc32.Update(s, castagnoli, b[8:frameHead])
}

// head is a decoded frame head.
type head struct {
	length  uint32
	dataSum uint32
	kind    kind
	id      uint64
}

// parseHead decodes the head at the beginning of b, which has frameHead bytes; ok
// is false unless its sum is right and its fields make sense.
func parseHead(b []byte, salt uint32) (h head, ok bool) {
	h = head{length: le.Uint32(b), dataSum: le.Uint32(b[8:]), kind: kind(b[12]), id: le.Uint64(b[13:])}
	switch {
	case h.id >= 1<<63: // so that there is always a next id
		return head{}, false
	case h.kind == put && h.length <= MaxRecord:
	case h.kind == remove && h.length == 0:
	default:
		return head{}, false
	}
	return h, le.Uint32(b[4:]) == headSum(b, salt)
}

// scanner reads the frames of one segment. It never allocates more than the file
// holds, whatever the file says.
type scanner struct {
	r    io.ReaderAt
	size int64 // of the file
	off  int64 // of the next frame
	salt uint32

	win    []byte // the part of the file at winOff
	winOff int64
	buf    []byte
}

// found is what the scanner came upon: a frame, or bytes that are none.
type found struct {
	head
	data      []byte // of a put
	off, size int64
	lost      bool // no frame. If the length could be trusted, kind is set
	torn      bool // lost, because the file ends too early
}

// next returns what is at the current offset and moves behind it; io.EOF at the
// end, any other error if the file could not be read.
func (s *scanner) next() (found, error) {
	left := s.size - s.off
	if left == 0 {
		return found{}, io.EOF
	}
	if left < frameHead {
		return s.lose(found{size: left, torn: true}), nil
	}
	b, err := s.peek(s.off, frameHead)
	if err != nil {
		return found{}, err
	}
	h, ok := parseHead(b, s.salt)
	if !ok {
		n, err := s.resync()
		return s.lose(found{size: n}), err
	}
	f := found{head: h, off: s.off, size: frameHead + int64(h.length)}
	if f.size > left {
		// The head is right and the data ends early: cut off, or the head is by
		// chance a piece of data. Look behind the head either way.
		n, err := s.resync()
		return s.lose(found{head: h, size: n, torn: n == left}), err
	}
	if h.kind == put {
		if f.data, err = s.read(s.off+frameHead, int(h.length)); err != nil {
			return found{}, err
		}
		if sum(f.data) != h.dataSum {
			f.data = nil
			return s.lose(f), nil
		}
	}
	s.off += f.size
	return f, nil
}

func (s *scanner) lose(f found) found {
	f.off, f.lost = s.off, true
	s.off += f.size
	return f
}

// resync returns the distance to the next frame head after the current offset, or
// to the end of the file. The loop is linear: it looks at heads only.
func (s *scanner) resync() (int64, error) {
	for p := s.off + 1; p+frameHead <= s.size; p++ {
		b, err := s.peek(p, frameHead)
		if err != nil {
			return 0, err
		}
		if h, ok := parseHead(b, s.salt); ok && p+frameHead+int64(h.length) <= s.size {
			return p - s.off, nil
		}
	}
	return s.size - s.off, nil
}

const window = 64 << 10

// peek returns n bytes at off, which are in the file; valid until the next call.
func (s *scanner) peek(off int64, n int) ([]byte, error) {
	if i := off - s.winOff; i >= 0 && i+int64(n) <= int64(len(s.win)) {
		return s.win[i : i+int64(n)], nil
	}
	if s.buf == nil {
		s.buf = make([]byte, window)
	}
	s.win, s.winOff = s.buf[:min(window, s.size-off)], off
	if err := readFull(s.r, s.win, off); err != nil {
		s.win = nil
		return nil, err
	}
	return s.win[:n], nil
}

// read returns a copy of n bytes at off, which are in the file.
func (s *scanner) read(off int64, n int) ([]byte, error) {
	data := make([]byte, n)
	if n <= window/4 {
		b, err := s.peek(off, n)
		copy(data, b)
		return data, err
	}
	return data, readFull(s.r, data, off)
}

// readFull fills p from off. io.ReaderAt may report io.EOF with the last byte.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || err == io.EOF:
		return io.ErrUnexpectedEOF
	}
	return err
}
