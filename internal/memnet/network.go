package memnet

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	defaultBuffer = 64 << 10 // bytes per direction
	backlogSize   = 128      // connections made and not yet accepted, per listener
	firstPort     = 49152    // of the ports given to clients and to ":0" listeners
)

// Network is a set of listeners that can be dialled. The zero value is ready. In
// a test with testing/synctest use it inside one bubble only.
type Network struct {
	// Buffer is the size of a connection's buffer in bytes, for each direction:
	// what a writer can send before somebody reads. 0 is 64 KiB. Set it before
	// the first Dial.
	Buffer int

	mu        sync.Mutex
	listeners map[string]*listener
	port      int // given out last
	faults    Faults
	next      []Faults
	observe   func(Chunk)
	conns     []*pair // open, in order of dialling
	dials     int
}

// Addr is the address of a listener whose host is a name.
type Addr string

// Network returns "tcp".
func (Addr) Network() string { return "tcp" }

// String returns host:port.
func (a Addr) String() string { return string(a) }

// Listen opens a listener on "host:port". The host is an IP address, a name (no
// resolver is involved: Dial must use the same one), or empty for every host.
// Port 0 takes a free one; the address "" is "127.0.0.1:0". A port that is in
// use is EADDRINUSE.
func (n *Network) Listen(addr string) (net.Listener, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	host, port, err := split(addr)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: err}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if port == 0 {
		port = n.freePort()
	}
	l := &listener{nw: n, key: net.JoinHostPort(host, strconv.Itoa(port)), addr: address(host, port)}
	if _, taken := n.listeners[l.key]; taken {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: l.addr, Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
	}
	if n.listeners == nil {
		n.listeners = map[string]*listener{}
	}
	n.listeners[l.key] = l
	return l, nil
}

// Dial connects to a listener; its signature is that of net.Dialer.DialContext.
// It succeeds without Accept, as TCP does, while the backlog of 128 has room.
// Nobody listening is ECONNREFUSED. Errors are *net.OpError; when ctx ends it
// wraps ctx.Err.
func (n *Network) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return nil, &net.OpError{Op: "dial", Net: network, Err: net.UnknownNetworkError(network)}
	}
	host, port, err := split(addr)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: address(host, port), Err: err}
	}
	if err := ctx.Err(); err != nil {
		return fail(err)
	}
	f := n.takeFaults()
	if f.DialDelay > 0 {
		t := time.NewTimer(f.DialDelay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return fail(ctx.Err())
		}
	}
	if f.Hang {
		<-ctx.Done()
		return fail(ctx.Err())
	}
	if f.Refuse {
		return fail(os.NewSyscallError("connect", syscall.ECONNREFUSED))
	}
	for {
		c, full, err := n.connect(host, port, f)
		switch {
		case err != nil:
			return fail(err)
		case full == nil:
			return c, nil
		}
		select {
		case <-full:
		case <-ctx.Done():
			return fail(ctx.Err())
		}
	}
}

// connect makes the connection, or returns a channel that closes when the
// listener's full backlog has changed.
func (n *Network) connect(host string, port int, f Faults) (net.Conn, <-chan struct{}, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.listeners[net.JoinHostPort(host, strconv.Itoa(port))]
	if l == nil {
		l = n.listeners[net.JoinHostPort("", strconv.Itoa(port))]
	}
	if l == nil {
		return nil, nil, os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	if len(l.backlog) >= backlogSize {
		return nil, waiter(&l.roomWait), nil
	}
	p := &pair{nw: n, observe: n.observe}
	now := time.Now()
	for i, link := range [...]Link{ToServer: f.ToServer, ToClient: f.ToClient} {
		p.pipes[i].size = n.Buffer
		if n.Buffer <= 0 {
			p.pipes[i].size = defaultBuffer
		}
		p.pipes[i].setLink(link, now)
	}
	local, remote := address("127.0.0.1", n.freePort()), address(host, port)
	p.ends[0] = &Conn{p: p, local: local, remote: remote}
	p.ends[1] = &Conn{p: p, server: true, local: remote, remote: local}
	n.conns = append(n.conns, p)
	l.backlog = append(l.backlog, p.ends[1])
	wake(&l.acceptWait)
	return p.ends[0], nil, nil
}

// takeFaults counts a dial and returns its faults.
func (n *Network) takeFaults() Faults {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dials++
	if len(n.next) == 0 {
		return n.faults
	}
	f := n.next[0]
	n.next = n.next[1:]
	return f
}

// SetFaults sets the faults of all dials from now on, but for those NextFaults
// has set. Live connections stay as they are.
func (n *Network) SetFaults(f Faults) {
	n.mu.Lock()
	n.faults = f
	n.mu.Unlock()
}

// NextFaults queues faults for the next dials, one each, before SetFaults's
// apply again. A zero Faults is a good connection.
func (n *Network) NextFaults(f ...Faults) {
	n.mu.Lock()
	n.next = append(n.next, f...)
	n.mu.Unlock()
}

// Observe sets a function that sees what is written on connections dialled from
// now on; see Conn.Observe.
func (n *Network) Observe(f func(Chunk)) {
	n.mu.Lock()
	n.observe = f
	n.mu.Unlock()
}

// Conns returns the dialling ends of the connections that at least one end has
// not closed, in the order in which they were dialled.
func (n *Network) Conns() []*Conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	cs := make([]*Conn, len(n.conns))
	for i, p := range n.conns {
		cs[i] = p.ends[0]
	}
	return cs
}

// Dials returns how many times Dial was called with a valid address and a live
// context, whatever became of it.
func (n *Network) Dials() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials
}

// CutAll breaks every open connection; see Conn.Cut.
func (n *Network) CutAll() {
	for _, c := range n.Conns() {
		c.Cut()
	}
}

func (n *Network) forget(p *pair) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if i := slices.Index(n.conns, p); i >= 0 {
		n.conns = slices.Delete(n.conns, i, i+1)
	}
}

// freePort returns a port nobody listens on. It goes round: a test that uses
// more than 16,384 at once shares client ports, which harms nothing here.
func (n *Network) freePort() int {
	for range 65536 - firstPort {
		n.port++
		if n.port < firstPort || n.port > 65535 {
			n.port = firstPort
		}
		if !n.listening(n.port) {
			break
		}
	}
	return n.port
}

func (n *Network) listening(port int) bool {
	suffix := strconv.Itoa(port)
	for key := range n.listeners {
		if _, p, _ := net.SplitHostPort(key); p == suffix {
			return true
		}
	}
	return false
}

// listener is an open port.
type listener struct {
	nw   *Network
	key  string
	addr net.Addr

	// under the network's mutex
	backlog    []*Conn
	acceptWait chan struct{}
	roomWait   chan struct{}
	closed     bool
}

// Accept returns the next connection; net.ErrClosed in a *net.OpError after Close.
func (l *listener) Accept() (net.Conn, error) {
	l.nw.mu.Lock()
	for {
		if l.closed {
			l.nw.mu.Unlock()
			return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.addr, Err: net.ErrClosed}
		}
		if len(l.backlog) > 0 {
			c := l.backlog[0]
			l.backlog = l.backlog[1:]
			wake(&l.roomWait)
			l.nw.mu.Unlock()
			return c, nil
		}
		ch := waiter(&l.acceptWait)
		l.nw.mu.Unlock()
		<-ch
		l.nw.mu.Lock()
	}
}

// Close frees the address and resets the connections nobody has accepted.
func (l *listener) Close() error {
	l.nw.mu.Lock()
	if l.closed {
		l.nw.mu.Unlock()
		return &net.OpError{Op: "close", Net: "tcp", Addr: l.addr, Err: net.ErrClosed}
	}
	l.closed = true
	delete(l.nw.listeners, l.key)
	pending := l.backlog
	l.backlog = nil
	wake(&l.acceptWait)
	wake(&l.roomWait)
	l.nw.mu.Unlock()
	for _, c := range pending {
		c.Cut()
		c.Close()
	}
	return nil
}

// Addr returns the address that was listened on, with its port.
func (l *listener) Addr() net.Addr { return l.addr }

// split takes a "host:port" apart; the port is a number.
func split(addr string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, err
	}
	port, err = strconv.Atoi(p)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, &net.AddrError{Err: "invalid port", Addr: addr}
	}
	return host, port, nil
}

// address returns a *net.TCPAddr for an IP address, for callers that look for
// one, else an Addr.
func address(host string, port int) net.Addr {
	if host == "" {
		host = "::"
	}
	if ip := net.ParseIP(host); ip != nil {
		return &net.TCPAddr{IP: ip, Port: port}
	}
	return Addr(net.JoinHostPort(host, strconv.Itoa(port)))
}

// IsReset reports whether err is the reset of a cut connection.
func IsReset(err error) bool { return errors.Is(err, syscall.ECONNRESET) }
