// Package brokerload puts a load on an MQTT 5 broker with raw code, so that the
// broker is what is measured and not a client library: publishes at QoS 1 with a
// number of them in flight, alone or to a subscriber, and clients that do nothing.
package brokerload

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/frame"
)

// Client is one connection. It is not safe for concurrent use, but for one
// goroutine that writes and one that reads.
type Client struct {
	nc net.Conn
	in *bufio.Reader
}

// largest bounds the packets that are read, in bytes.
const largest = 256 << 10

// Dial connects to the broker at addr as id, with a clean start and no keep
// alive. buffer is the size of the read buffer, in bytes.
func Dial(addr, id string, buffer int) (*Client, error) {
	nc, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return nil, err
	}
	c := &Client{nc: nc, in: bufio.NewReaderSize(nc, buffer)}
	body := []byte("\x00\x04MQTT\x05\x02\x00\x00\x03\x21\x00\x64") // receive maximum: 100
	body = append(body, byte(len(id)>>8), byte(len(id)))
	body = append(body, id...)
	if err := c.ask(frame.Connect<<4, body, frame.Connack, 1); err != nil {
		return nil, errors.Join(fmt.Errorf("brokerload: connect %s: %w", id, err), nc.Close())
	}
	return c, nil
}

// Close ends the connection without DISCONNECT.
func (c *Client) Close() error { return c.nc.Close() }

// Subscribe subscribes to one filter at QoS 1.
func (c *Client) Subscribe(filter string) error {
	body := append([]byte{0, 1, 0, byte(len(filter) >> 8), byte(len(filter))}, filter...)
	if err := c.ask(frame.Subscribe<<4|2, append(body, 1), frame.Suback, -1); err != nil {
		return fmt.Errorf("brokerload: subscribe %s: %w", filter, err)
	}
	return nil
}

// ask writes a packet and wants its answer, whose reason code is at byte code of
// the body (negative: counted from the end).
func (c *Client) ask(head byte, body []byte, want byte, code int) error {
	b := frame.AppendLength([]byte{head}, len(body))
	if _, err := c.nc.Write(append(b, body...)); err != nil {
		return err
	}
	typ, answer, err := c.next()
	if err != nil {
		return err
	}
	if typ != want {
		return fmt.Errorf("packet type %d instead of %d", typ, want)
	}
	if code < 0 {
		code += len(answer)
	}
	if code >= len(answer) || answer[code] >= 0x80 {
		return fmt.Errorf("refused: % x", answer)
	}
	return nil
}

// next reads one packet. The body is good until the next call.
func (c *Client) next() (typ byte, body []byte, err error) {
	for n := 2; ; {
		b, err := c.in.Peek(n)
		if err != nil {
			return 0, nil, err
		}
		header, total, err := frame.Next(b, largest)
		if err != nil {
			return 0, nil, err
		}
		if total == 0 {
			n++
			continue
		}
		typ := b[0] >> 4
		if total > c.in.Size() { // rare: an answer with long properties
			all := make([]byte, total)
			_, err := io.ReadFull(c.in, all)
			return typ, all[header:], err
		}
		if b, err = c.in.Peek(total); err != nil {
			return 0, nil, err
		}
		_, err = c.in.Discard(total)
		return typ, b[header:total], err
	}
}
