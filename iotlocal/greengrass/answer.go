package greengrass

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Answer is one answer, for Server.Next. The zero value is what the service would say.
type Answer struct {
	// Status and Body; both zero: those of the service. A Status of 0 with a Body is 200.
	Status int
	Body   string
	// NoLength leaves Content-Length out: the answer ends with the connection.
	NoLength bool
	// LowerCase writes header names in lower case.
	LowerCase bool
	// Drip is a pause before every byte.
	Drip time.Duration
	// Cut ends the connection after so many bytes; negative: before the first one.
	Cut int
	// Silent sends nothing and keeps the connection until the client closes it.
	Silent bool
}

// write sends the answer. Errors mean that the client or the server has gone, and end it.
func (a Answer) write(conn net.Conn) {
	if a.Silent {
		_, _ = io.Copy(io.Discard, conn) // until the client goes
		return
	}
	b := a.bytes()
	switch {
	case a.Cut < 0:
		return
	case a.Cut > 0:
		b = b[:min(a.Cut, len(b))]
	}
	if a.Drip == 0 {
		_, _ = conn.Write(b)
		return
	}
	for i := range b {
		// A read with a deadline is the pause: it ends at once when the client goes.
		if err := conn.SetReadDeadline(time.Now().Add(a.Drip)); err != nil {
			return
		}
		if _, err := conn.Read(make([]byte, 1)); err != nil && !timedOut(err) {
			return
		}
		if _, err := conn.Write(b[i : i+1]); err != nil {
			return
		}
	}
}

func timedOut(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}

// bytes is the answer on the wire.
func (a Answer) bytes() []byte {
	status := cmp.Or(a.Status, http.StatusOK)
	kind, length := "Content-Type", "Content-Length"
	if a.LowerCase {
		kind, length = "content-type", "content-length"
	}
	text := fmt.Sprintf("HTTP/1.1 %d %s\r\n%s: application/json\r\n", status, cmp.Or(http.StatusText(status), "Status"), kind)
	if !a.NoLength {
		text += fmt.Sprintf("%s: %d\r\n", length, len(a.Body))
	}
	return []byte(text + "Connection: close\r\n\r\n" + a.Body)
}
