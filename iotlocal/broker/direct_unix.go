//go:build unix

package broker

import (
	"io"
	"net"
	"os"
	"syscall"
)

// direct reads and writes a TCP connection past package net, but with its poller and
// its deadlines: it needs no buffer while there is nothing to read, and writes what
// the connection takes at once, so that any goroutine may do that.
type direct struct {
	rc syscall.RawConn
	in *input

	n   int // of the last read
	err error
	try func(fd uintptr) bool // read
}

// newDirect returns nil for what is no TCP connection.
func newDirect(nc net.Conn, in *input) *direct {
	tc, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	rc, err := tc.SyscallConn()
	if err != nil {
		return nil
	}
	d := &direct{rc: rc, in: in}
	d.try = d.tryRead
	return d
}

// read waits for bytes and reads them into the large buffer of the input.
func (d *direct) read() (int, error) {
	if err := d.rc.Read(d.try); err != nil {
		return 0, err
	}
	return d.n, d.err
}

// tryRead reads unless there is nothing yet, which it reports as false.
func (d *direct) tryRead(fd uintptr) bool {
	d.in.take()
	n, err := again(func() (int, error) { return syscall.Read(int(fd), d.in.large[:]) })
	d.n, d.err = max(n, 0), nil
	switch {
	case err == syscall.EAGAIN:
		d.in.release()
		return false
	case err != nil:
		d.err = os.NewSyscallError("read", err)
	case n == 0:
		d.err = io.EOF
	}
	return true
}

// write writes as much as the connection takes without waiting.
func (d *direct) write(b []byte) (n int, err error) {
	var failed error
	err = d.rc.Write(func(fd uintptr) bool {
		for n < len(b) && failed == nil {
			var k int
			k, failed = again(func() (int, error) { return syscall.Write(int(fd), b[n:]) })
			n += max(k, 0)
		}
		return true
	})
	switch {
	case err != nil:
		return n, err
	case failed == nil || failed == syscall.EAGAIN:
		return n, nil
	}
	return n, os.NewSyscallError("write", failed)
}

// again calls f until no signal interrupts it.
func again(f func() (int, error)) (int, error) {
	for {
		n, err := f()
		if err != syscall.EINTR {
			return n, err
		}
	}
}
