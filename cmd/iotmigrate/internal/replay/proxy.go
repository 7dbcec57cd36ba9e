package replay

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
)

// proxy is an HTTP proxy that leads the names of a server's certificate to that server: a program that must connect to a name
// of AWS, as those on websockets do since the region stands in it, gets there with nothing changed but its environment.
type proxy struct {
	listener net.Listener
	server   *iotlocal.Server
	names    []string
	tunnels  sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool // nil once it is closed
}

func newProxy(server *iotlocal.Server, names []string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: l, server: server, names: append([]string{server.Host(), "localhost"}, names...), conns: map[net.Conn]bool{}}
	p.tunnels.Go(p.accept)
	return p, nil
}

func (p *proxy) url() string { return "http://" + p.listener.Addr().String() }

// target is the port of the server for a host and port that a client asks for, 0 for none. The ports of AWS IoT Core stand
// for those of the server: 8883 for TLS and 443 for websockets.
func (p *proxy) target(address string) int {
	host, port, err := net.SplitHostPort(address)
	if err != nil || !slices.Contains(p.names, host) {
		return 0
	}
	n, _ := strconv.Atoi(port)
	switch n {
	case 8883:
		return p.server.TLSPort()
	case 443:
		return p.server.WSSPort()
	case p.server.TLSPort(), p.server.WSSPort(), p.server.TCPPort():
		return n
	}
	return 0
}

func (p *proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		if !p.keep(c) {
			return
		}
		p.tunnels.Go(func() {
			defer p.drop(c)
			p.serve(c)
		})
	}
}

// keep takes a connection into those that close ends.
func (p *proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns == nil {
		c.Close()
		return false
	}
	p.conns[c] = true
	return true
}

func (p *proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	c.Close()
}

// serve answers one CONNECT and carries bytes both ways until one end closes.
func (p *proxy) serve(c net.Conn) {
	r := bufio.NewReader(c)
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	port := 0
	if req.Method == http.MethodConnect {
		port = p.target(req.Host)
	}
	if port == 0 {
		io.WriteString(c, "HTTP/1.1 502 "+req.Host+" is no name of -name, or the port none of the endpoint\r\n\r\n")
		return
	}
	up, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), 10*time.Second)
	if err != nil || !p.keep(up) {
		return
	}
	defer p.drop(up)
	if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		io.Copy(c, up)
		c.Close()
	})
	io.Copy(up, r)
	up.Close()
	back.Wait()
}

func (p *proxy) close() error {
	err := p.listener.Close()
	p.mu.Lock()
	conns := p.conns
	p.conns = nil
	p.mu.Unlock()
	for c := range conns {
		err = errors.Join(err, ignoreClosed(c.Close()))
	}
	p.tunnels.Wait()
	return err
}

// ignoreClosed is nil for the error of a connection that was closed before.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
