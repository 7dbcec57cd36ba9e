//go:build unix

package awsiot

import (
	"net"
	"syscall"
)

// tryWriter returns a function that writes to conn as much as goes without waiting, and is not to be
// called beside conn.Write; nil: this conn has none. A TLS connection has none: it encrypts the whole
// of what it is given.
func tryWriter(conn net.Conn) func([]byte) (int, error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	var b []byte
	var n int
	var failed error
	once := func(fd uintptr) bool {
		for n, failed = syscall.Write(int(fd), b); failed == syscall.EINTR; n, failed = syscall.Write(int(fd), b) {
		}
		return true // also when it would have to wait
	}
	return func(p []byte) (int, error) {
		b, n, failed = p, 0, nil
		if err := raw.Write(once); err != nil {
			return 0, err
		}
		b = nil
		if failed == syscall.EAGAIN {
			failed = nil
		}
		return max(n, 0), failed
	}
}
