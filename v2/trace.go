package awsiot

import (
	"context"
	"crypto/tls"
	"log/slog"
	"time"

	"github.com/portage-iot/awsiot/v2/internal/wire"
)

// LevelTrace is the level at which the Logger gets every packet: its type, size, identifier,
// topic and QoS; never payloads, passwords or properties.
const LevelTrace = slog.LevelDebug - 4

// Trace is a set of functions for metrics and tracing; nil ones are skipped. Those of the
// connect phases run in the order of events on the goroutine that connects, and must return
// soon. Those of operations run as callbacks, in the event lane.
type Trace struct {
	// DialStart and DialDone enclose DNS and TCP, or the Dialer.
	DialStart func(addr string)
	DialDone  func(addr string, err error)
	// TLSStart and TLSDone enclose the TLS handshake.
	TLSStart func()
	TLSDone  func(tls.ConnectionState, error)
	// ConnectSent: CONNECT was written. ConnackReceived: what came of it.
	ConnectSent     func()
	ConnackReceived func(*ConnackPacket, error)
	// OperationDone: an accepted publish, subscribe or unsubscribe has ended.
	OperationDone func(OperationInfo)
}

// OperationInfo is what Trace is told of an operation that has ended.
type OperationInfo struct {
	Kind     string // "publish", "subscribe" or "unsubscribe"
	Topic    string // topic, or filters separated by ", "
	QoS      QoS    // of a publish
	Bytes    int    // of the encoded packet
	Duration time.Duration
	Code     ReasonCode // of a PUBACK
	Err      error
}

// traceDone reports the end of o. mu is held.
func (c *Client) traceDone(o *operation, code ReasonCode, err error) {
	t := c.trace
	if t == nil || t.OperationDone == nil {
		return
	}
	info := OperationInfo{Kind: o.kind.String(), Topic: o.topic(), Bytes: o.size, Duration: c.clock() - o.accepted, Code: code, Err: err}
	if o.kind == opPublish1 {
		info.QoS = AtLeastOnce
	}
	c.batch = append(c.batch, item{fn: func() { t.OperationDone(info) }})
}

// tracePackets logs the packets in b, whole ones, at LevelTrace.
func (c *Client) tracePackets(msg string, b []byte) {
	for len(b) > 0 {
		f, need, err := wire.Next(b, 0)
		if err != nil || need > 0 {
			return
		}
		c.tracePacket(msg, f)
		b = b[len(f.Raw):]
	}
}

func (c *Client) tracePacket(msg string, f wire.Frame) {
	attrs := []slog.Attr{slog.String("packet", wire.TypeName(f.Type())), slog.Int("bytes", len(f.Raw))}
	switch f.Type() {
	case wire.TypePublish:
		var p wire.InPublish
		if wire.ParsePublish(f, &p) == nil {
			attrs = append(attrs, slog.String("topic", string(p.Topic)), slog.Int("qos", int(p.QoS)), slog.Bool("dup", p.Dup),
				slog.Bool("retain", p.Retain), slog.Int("packet_id", int(p.ID)), slog.Int("payload_bytes", len(p.Payload)))
		}
	case wire.TypePuback, wire.TypeSubscribe, wire.TypeSuback, wire.TypeUnsubscribe, wire.TypeUnsuback:
		if len(f.Body) >= 2 {
			attrs = append(attrs, slog.Int("packet_id", int(f.Body[0])<<8|int(f.Body[1])))
		}
	}
	c.log.LogAttrs(context.Background(), LevelTrace, msg, attrs...)
}
