package wsock

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync/atomic"
)

// The opcodes of frames (RFC 6455, section 5.2).
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// The status codes of closing that a server sends (RFC 6455, section 7.4.1).
const (
	closeNormal      = 1000
	closeProtocol    = 1002
	closeUnsupported = 1003
)

const (
	finBit, rsvBits, opBits = 0x80, 0x70, 0x0F
	maskBit, lenBits        = 0x80, 0x7F
	maxControl              = 125 // bytes in a control frame
)

// FrameError is a violation of RFC 6455 by the peer; it has been answered with a close frame.
type FrameError struct{ Problem string }

// Error returns the problem.
func (e *FrameError) Error() string { return "websocket: " + e.Problem }

// Conn is the stream of MQTT bytes in a websocket. As with any net.Conn one goroutine may read while
// others write. A client's frames need not hold whole packets [MQTT5-6.0.0-2]; every Write is one frame
// and one message of its own, so that who writes one packet at a time sends one packet in each message, as
// AWS IoT Core does. The v1 SDK for Python relies on it: of two packets in a message it sees the second
// only when more bytes arrive.
type Conn struct {
	net.Conn // below the websocket

	in     *bufio.Reader
	closed atomic.Bool // a close frame was sent
	within bool        // WritePart has begun a message; for the writer alone

	// Of the frame that is being read, for Read alone.
	left      uint64 // bytes to come
	mask      [4]byte
	pos       int  // in mask
	continues bool // the message goes on in the next frame
	err       error
}

// Read returns bytes of binary messages. A close frame is io.EOF; what no client may send is a *FrameError.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for c.left == 0 && c.err == nil {
		c.err = c.next()
		// A deadline may be set again: the reader still stands before the frame.
		if ne, ok := errors.AsType[net.Error](c.err); ok && ne.Timeout() {
			err := c.err
			c.err = nil
			return 0, err
		}
	}
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.in.Read(p[:min(uint64(len(p)), c.left)])
	for i := range p[:n] {
		p[i] ^= c.mask[c.pos&3]
		c.pos++
	}
	c.left -= uint64(n)
	if errors.Is(err, io.EOF) && c.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// next reads the head of the next data frame; it answers and passes control frames.
func (c *Conn) next() error {
	h, err := c.in.Peek(2)
	if err != nil {
		if len(h) == 1 && errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	fin, op, n := h[0]&finBit != 0, h[0]&opBits, int(h[1]&lenBits)
	switch {
	case h[0]&rsvBits != 0:
		return c.fail(closeProtocol, "reserved bits are set, but no extension was agreed on")
	case h[1]&maskBit == 0:
		return c.fail(closeProtocol, "a frame of a client is not masked")
	case op >= opClose && (!fin || n > maxControl):
		return c.fail(closeProtocol, "a control frame is in parts or has more than 125 bytes")
	}
	size := 0 // of the extended length
	switch n {
	case 126:
		size = 2
	case 127:
		size = 8
	}
	h, err = c.in.Peek(2 + size + 4)
	if err != nil {
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	h = slices.Clone(h)
	_, _ = c.in.Discard(len(h)) // Peek has them
	length := uint64(n)
	switch n {
	case 126:
		length = uint64(binary.BigEndian.Uint16(h[2:]))
	case 127:
		if length = binary.BigEndian.Uint64(h[2:]); length>>63 != 0 {
			return c.fail(closeProtocol, "the length of a frame has its highest bit set")
		}
	}
	mask := [4]byte(h[2+size:])
	switch op {
	case opBinary, opContinuation:
		if (op == opContinuation) != c.continues {
			return c.fail(closeProtocol, "a message is continued that did not begin, or begins within another")
		}
		c.left, c.mask, c.pos, c.continues = length, mask, 0, !fin
		return nil
	case opText:
		return c.fail(closeUnsupported, "a text frame; MQTT is sent in binary ones [MQTT5-6.0.0-1]")
	case opClose, opPing, opPong:
		return c.control(op, mask, int(length))
	}
	return c.fail(closeProtocol, fmt.Sprintf("opcode 0x%X is reserved", op))
}

// control handles a close, ping or pong frame. Their few bytes are waited for with the deadline of Read.
func (c *Conn) control(op byte, mask [4]byte, n int) error {
	body := make([]byte, n)
	if _, err := io.ReadFull(c.in, body); err != nil {
		return io.ErrUnexpectedEOF // even after a deadline: the place in the stream is lost
	}
	for i := range body {
		body[i] ^= mask[i&3]
	}
	switch op {
	case opPing:
		return c.writeFrame(finBit|opPong, body)
	case opClose:
		c.sendClose(closeNormal)
		return io.EOF
	}
	return nil
}

// fail closes in the manner of the protocol; the caller of Read closes the connection.
func (c *Conn) fail(code uint16, problem string) error {
	c.sendClose(code)
	return &FrameError{problem}
}

func (c *Conn) sendClose(code uint16) {
	if !c.closed.Swap(true) {
		_ = c.writeFrame(finBit|opClose, binary.BigEndian.AppendUint16(nil, code)) // a courtesy: the connection ends anyway
	}
}

// Write sends p as one message in one frame.
func (c *Conn) Write(p []byte) (int, error) { return c.WritePart(p, true) }

// WritePart sends p as the next frame of a message, which ends with it when last is set.
func (c *Conn) WritePart(p []byte, last bool) (int, error) {
	if c.closed.Load() {
		return 0, net.ErrClosed
	}
	first := byte(opBinary)
	if c.within {
		first = opContinuation
	}
	if last {
		first |= finBit
	}
	if err := c.writeFrame(first, p); err != nil {
		return 0, err
	}
	c.within = !last
	return len(p), nil
}

// writeFrame sends a frame, whose first byte is opcode and finBit, in a single write of the connection
// below, which keeps frames of the reader (pongs) and of the writer apart without a lock.
func (c *Conn) writeFrame(first byte, body []byte) error {
	b := make([]byte, 0, 10+len(body))
	b = append(b, first)
	switch n := len(body); {
	case n <= maxControl:
		b = append(b, byte(n))
	case n <= 0xFFFF:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	_, err := c.Conn.Write(append(b, body...))
	return err
}

// CloseWrite says that nothing more comes, with a close frame.
func (c *Conn) CloseWrite() error {
	c.sendClose(closeNormal)
	return nil
}
