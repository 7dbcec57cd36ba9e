package limit

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/frame"
	"github.com/portage-iot/awsiot/bench/internal/measure"
)

// hello is a CONNECT of MQTT 5 without clean start, client identifier "l".
const hello = "\x10\x0e\x00\x04MQTT\x05\x00\x00\x00\x00\x00\x01l"

// WaitRedial is Redial after a wait of spec.Delay, which is not counted: what a
// timer is late by, is.
func WaitRedial(dial func() (net.Conn, error), spec measure.Spec, lat []time.Duration) error {
	return redial(dial, spec, spec.Delay, lat)
}

// Redial dials, connects, publishes one message, waits for its acknowledgement
// and closes, once per element of lat, which gets the time from the dial to the
// acknowledgement.
func Redial(dial func() (net.Conn, error), spec measure.Spec, lat []time.Duration) error {
	return redial(dial, spec, 0, lat)
}

func redial(dial func() (net.Conn, error), spec measure.Spec, wait time.Duration, lat []time.Duration) error {
	if spec.Work != measure.Reconnect || spec.QoS != 1 {
		return fmt.Errorf("limit: redial does not fit workload %s", spec)
	}
	pkt := frame.AppendPublish(nil, true, 1, topic, 1, make([]byte, spec.Size))
	for i := range lat {
		t := time.Now()
		if wait > 0 {
			<-time.After(wait)
		}
		c, err := greet(dial, 0)
		if err != nil {
			return err
		}
		if _, err = c.Write(pkt); err == nil {
			err = answer(c, 4, frame.Puback)
		}
		lat[i] = time.Since(t) - wait
		if err = errors.Join(err, c.Close()); err != nil {
			return err
		}
	}
	return nil
}

// Resend publishes Window messages whose acknowledgements the null broker
// withholds, is dropped by it, connects again and sends the same bytes again,
// 64 KiB per write, once per element of lat, which gets the time that the
// broker took: from CONNECT to the last message.
func Resend(dial func() (net.Conn, error), spec measure.Spec, lat []time.Duration) error {
	if spec.Work != measure.Resend || spec.QoS != 1 {
		return fmt.Errorf("limit: resend does not fit workload %s", spec)
	}
	var first, again []byte
	for i := range spec.Window {
		first = frame.AppendPublish(first, true, 1, topic, uint16(i+1), make([]byte, spec.Size))
		at := len(again)
		again = frame.AppendPublish(again, true, 1, topic, uint16(i+1), make([]byte, spec.Size))
		again[at] |= 8 // DUP
	}
	order := frame.AppendPublish(nil, true, 1, "ctl/hold", 65535, strconv.AppendInt(nil, int64(spec.Window), 10))
	for i := range lat {
		d, err := resendOnce(dial, spec.Window, order, first, again)
		if err != nil {
			return err
		}
		lat[i] = d
	}
	return nil
}

func resendOnce(dial func() (net.Conn, error), window int, order, first, again []byte) (d time.Duration, err error) {
	c, err := greet(dial, 0)
	if err != nil {
		return 0, err
	}
	if _, err = c.Write(order); err == nil {
		err = answer(c, 4, frame.Puback)
	}
	if err == nil {
		err = inPieces(c, first)
	}
	if err == nil {
		if n, err2 := io.Copy(io.Discard, c); n > 0 || err2 != nil { // until it is dropped
			err = fmt.Errorf("limit: %d bytes while the acknowledgements were withheld: %w", n, err2)
		}
	}
	if err = errors.Join(err, c.Close()); err != nil {
		return 0, err
	}
	if c, err = greet(dial, 1); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := inPieces(c, again); err != nil {
		return 0, err
	}
	if _, err := io.CopyN(io.Discard, c, int64(4*window)); err != nil { // the PUBACKs
		return 0, err
	}
	// the report, a PUBLISH to bench/held: two bytes of header, the topic, no properties
	head := make([]byte, 2)
	if _, err := io.ReadFull(c, head); err != nil {
		return 0, err
	}
	body := make([]byte, head[1])
	if _, err := io.ReadFull(c, body); err != nil {
		return 0, err
	}
	const skip = len("\x00\x0abench/held\x00")
	ns, err := strconv.ParseInt(string(body[min(skip, len(body)):]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("limit: the null broker says %q", body)
	}
	return time.Duration(ns), nil
}

func inPieces(c net.Conn, b []byte) error {
	for len(b) > 0 {
		n := min(len(b), perWrite)
		if _, err := c.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// greet dials and connects; present is the session present flag it wants.
func greet(dial func() (net.Conn, error), present byte) (net.Conn, error) {
	c, err := dial()
	if err != nil {
		return nil, err
	}
	b := make([]byte, 5)
	if _, err = c.Write([]byte(hello)); err == nil {
		_, err = io.ReadFull(c, b)
	}
	if err == nil && (b[0]>>4 != frame.Connack || b[2] != present) {
		err = fmt.Errorf("limit: % x instead of a CONNACK with session present %d", b, present)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func answer(c net.Conn, n int, typ byte) error {
	b := make([]byte, n)
	if _, err := io.ReadFull(c, b); err != nil {
		return err
	}
	if b[0]>>4 != typ {
		return fmt.Errorf("limit: packet type %d instead of %d", b[0]>>4, typ)
	}
	return nil
}
