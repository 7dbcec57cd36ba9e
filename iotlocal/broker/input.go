package broker

import (
	"io"
	"sync"
)

const (
	// smallInput is the buffer of a client that sends little: it holds PINGREQ, an
	// acknowledgement or a short message.
	smallInput = 256
	// largeInput is the buffer of a client that sends more than that at once: a
	// hundred short messages.
	largeInput = 32 << 10
)

// largeInputs are the large buffers that no client needs at the moment.
var largeInputs = sync.Pool{New: func() any { return new([largeInput]byte) }}

// input is the buffered stream of one client. A server has thousands of clients
// that send next to nothing, so that a client has a large buffer only while it sends
// more than the small one holds; one that is read directly has none while it sends
// nothing.
type input struct {
	src    io.Reader
	direct *direct // reads instead of src; nil: it cannot
	small  []byte
	large  *[largeInput]byte // nil: small is used
	full   bool              // the last read from src filled its buffer
	rest   []byte            // of small or large, not consumed
	err    error             // came with the bytes of rest
}

// fill reads from the connection, when everything before is consumed.
func (in *input) fill() error {
	if err := in.err; err != nil {
		in.err = nil
		return err
	}
	for range 100 { // as bufio does: a reader that gives nothing for so long is broken
		n, err := in.read()
		if n > 0 {
			in.err = err
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// read reads once, into the buffer that is best.
func (in *input) read() (n int, err error) {
	in.release()
	if in.direct != nil {
		if n, err = in.direct.read(); n > 0 {
			in.rest = in.large[:n]
		}
		return n, err
	}
	if in.small == nil {
		in.small = make([]byte, smallInput)
	}
	buf := in.small
	if in.full {
		in.take()
		buf = in.large[:]
	}
	n, err = in.src.Read(buf)
	in.full, in.rest = n == len(buf), buf[:n]
	return n, err
}

// take gets a large buffer.
func (in *input) take() {
	if in.large == nil {
		in.large = largeInputs.Get().(*[largeInput]byte)
	}
}

// release gives the large buffer back. What is not consumed is lost.
func (in *input) release() {
	if in.large == nil {
		return
	}
	in.rest = nil
	largeInputs.Put(in.large)
	in.large = nil
}

// frame consumes a packet that has come whole; ok is false when none has, or one that
// is larger than limit. body is good until the next call of a method.
func (in *input) frame(limit uint32) (header byte, body []byte, ok bool) {
	size := frameSize(in.rest)
	if size == 0 || size > len(in.rest) || size > int(limit) {
		return 0, nil, false
	}
	head := 2
	for in.rest[head-1] >= 0x80 {
		head++
	}
	header, body = in.rest[0], in.rest[head:size:size]
	in.rest = in.rest[size:]
	return header, body, true
}

// whole reports whether a packet has come whole.
func (in *input) whole() bool {
	size := frameSize(in.rest)
	return size > 0 && size <= len(in.rest)
}

// frameSize returns the bytes of the packet at the begin of b, 0 when that is not
// known yet, or wrong.
func frameSize(b []byte) int {
	length := 0
	for i := 1; i < min(len(b), 5); i++ {
		length |= int(b[i]&0x7F) << (7 * (i - 1))
		if b[i] < 0x80 {
			return 1 + i + length
		}
	}
	return 0
}

// start returns what has come, at most n bytes and at least one, and does not
// consume it.
func (in *input) start(n int) ([]byte, error) {
	if len(in.rest) == 0 {
		if err := in.fill(); err != nil {
			return nil, err
		}
	}
	return in.rest[:min(n, len(in.rest))], nil
}

// ReadByte implements io.ByteReader.
func (in *input) ReadByte() (byte, error) {
	if len(in.rest) == 0 {
		if err := in.fill(); err != nil {
			return 0, err
		}
	}
	b := in.rest[0]
	in.rest = in.rest[1:]
	return b, nil
}

// Read implements io.Reader. What is larger than the buffers is not copied through
// them.
func (in *input) Read(p []byte) (int, error) {
	if len(in.rest) == 0 {
		if len(p) >= largeInput && in.err == nil {
			in.full = false // says nothing of what comes next
			return in.src.Read(p)
		}
		if err := in.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.rest)
	in.rest = in.rest[n:]
	return n, nil
}
