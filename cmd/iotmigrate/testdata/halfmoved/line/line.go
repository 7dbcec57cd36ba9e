package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// line makes connections to the endpoint that can be held back or cut.
type line struct {
	mu   sync.Mutex
	down bool
	last net.Conn
	hold chan struct{} // not nil: what is read arrives when it is closed
}

// dial is a socket factory.
func (l *line) dial() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return nil, errors.New("the line is down")
	}
	c, err := net.Dial("tcp", net.JoinHostPort(os.Args[1], os.Args[6]))
	if err != nil {
		return nil, err
	}
	l.last = c
	return conn{c, l}, nil
}

// silence holds back what the endpoint says, until speak.
func (l *line) silence() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hold = make(chan struct{})
}

func (l *line) speak() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.hold)
	l.hold = nil
}

// cut ends the connection, and keeps it from being made again until mend. The client hears of it when the endpoint has
// closed its side too.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
	l.last.(*net.TCPConn).CloseWrite()
}

func (l *line) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = false
}

type conn struct {
	net.Conn
	line *line
}

func (c conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.line.mu.Lock()
	hold := c.line.hold
	c.line.mu.Unlock()
	if hold != nil {
		<-hold
	}
	return n, err
}

// sender is what a registry of the program knows of its clients.
type sender interface {
	Publish(topic string, payload any, qos byte) (bool, error)
}

// registry keeps clients of several makes.
var registry = map[string]any{}

// say publishes on a client of the registry.
func say(client, topic, text string) {
	ok, err := registry[client].(sender).Publish(topic, text, 1)
	fmt.Println(topic, text, ok, err != nil)
}

// expect prints n events, whatever order they come in between.
func expect(events <-chan string, n int) {
	for range n {
		select {
		case e := <-events:
			fmt.Println(e)
		case <-time.After(30 * time.Second):
			fmt.Println("nothing")
			return
		}
	}
}
