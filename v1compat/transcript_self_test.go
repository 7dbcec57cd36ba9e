package v1compat_test

// The replay itself: it must see a recording that is not what the facade does, and end when a side waits for ever.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTranscriptSees changes one thing in a recording that is equal, and expects the difference.
func TestTranscriptSees(t *testing.T) {
	certs := newTrCerts(t)
	for _, tt := range []struct {
		name, file string
		change     func(*transcript)
		want       string
	}{
		{"payload", "publish_sync", func(tr *transcript) { tr.sentPacket("PUBLISH").Payload = "other" }, "packets of the client"},
		{"QoS", "publish_sync", func(tr *transcript) { tr.sentPacket("PUBLISH").QoS = 2 }, "packets of the client"},
		{"retain", "publish_sync", func(tr *transcript) { tr.sentPacket("PUBLISH").Retain = true }, "packets of the client"},
		{"filter", "subscribe_async", func(tr *transcript) {
			tr.sentPacket("SUBSCRIBE").Filters[0].(map[string]any)["filter"] = "other"
		}, "packets of the client"},
		{"one packet more", "publish_sync", func(tr *transcript) { tr.dropPackets(func(p *trPacket) bool { return p == tr.sentPacket("PUBLISH") }) }, "packets of the client"},
		{"order", "resubscribe_broker_restart", func(tr *transcript) {
			var subs []*trPacket
			for _, p := range tr.Packets {
				if p.Type == "SUBSCRIBE" && p.Conn == 2 {
					subs = append(subs, p)
				}
			}
			subs[0].Filters, subs[1].Filters = subs[1].Filters, subs[0].Filters
		}, "packets of the client"},
		{"pairing", "publish_puback_timeout", func(tr *transcript) {
			for _, p := range tr.Packets {
				if p.MidRef == "c1" && p.Type == "PUBACK" {
					p.Proxy = ""
				}
			}
		}, "publishTimeoutException"},
		{"acknowledgement", "subscribe_message_callback", func(tr *transcript) {
			tr.dropPackets(func(p *trPacket) bool { return p.Dir == "c2s" && p.Type == "PUBACK" })
		}, "acknowledgements of the client"},
		{"keep-alive", "connect_disconnect", func(tr *transcript) { tr.sentPacket("CONNECT").KeepAlive = 30 }, "packets of the client"},
		{"will", "connect_last_will", func(tr *transcript) { tr.sentPacket("CONNECT").Will = nil }, "packets of the client"},
		{"result", "offline_queue_before_connect", func(tr *transcript) {
			for _, c := range tr.Calls {
				if string(c.Returns) == "false" {
					c.becomes("true")
					return
				}
			}
		}, "got returns false"},
		{"queue full", "offline_drop_newest", func(tr *transcript) {
			for _, c := range tr.Calls {
				if c.Raises != nil {
					c.becomes(`"QUEUED"`)
				}
			}
		}, "publishQueueFullException"},
		{"draining interval", "offline_draining_interval", func(tr *transcript) {
			n := 0
			for _, p := range tr.Packets {
				if p.Dir == "c2s" && p.Type == "PUBLISH" {
					if n++; n == 2 {
						tr.shift(p.Seq-0.001, 0.5)
						return
					}
				}
			}
		}, " came 0.50 s after"},
		{"back-off", "connect_last_will", func(tr *transcript) {
			for _, p := range tr.Packets {
				if p.Type == "TRANSPORT_OPEN" && p.Conn == 2 {
					tr.shift(p.Seq-0.001, 2)
					return
				}
			}
		}, "the dial of connection 2"},
		{"callback missing", "subscribe_wildcard_overlap", func(tr *transcript) {
			tr.Callbacks = append(tr.Callbacks, tr.Callbacks[len(tr.Callbacks)-1])
		}, "is missing"},
		{"callback one too many", "subscribe_wildcard_overlap", func(tr *transcript) { tr.Callbacks = tr.Callbacks[:len(tr.Callbacks)-1] }, "one too many"},
		{"callback argument", "subscribe_message_callback", func(tr *transcript) {
			for _, cb := range tr.Callbacks {
				if len(cb.Args) == 3 {
					cb.Args[2].(map[string]any)["retain"] = cb.Args[2].(map[string]any)["retain"] != true
					return
				}
			}
		}, "callback msg"},
		{"blocking", "publish_sync", func(tr *transcript) {
			for _, c := range tr.Calls {
				if c.Method == "publish" {
					c.Blocked += 3
				}
			}
		}, "blocked 0.00 s"},
		{"keep-alive pings", "keepalive_ping", func(tr *transcript) {
			tr.dropPackets(func(p *trPacket) bool { return p.Type == "PINGREQ" && p.Conn == 1 })
		}, "PINGREQ on connection 1"},
		{"TLS", "connect_alpn_443", func(tr *transcript) {
			for _, p := range tr.Packets {
				p.ALPN = ""
			}
		}, "TLS of connection 1"},
		{"wait for ever", "publish_sync", func(tr *transcript) {
			tr.Packets = append(tr.Packets, &trPacket{Seq: 6.5, T: 0.6, Dir: "c2s", Type: "UNSUBSCRIBE", Conn: 1}, &trPacket{Seq: 6.6, T: 0.6, Dir: "s2c", Type: "PUBLISH", Conn: 1, Topic: "x"})
			tr.sort()
		}, "peer waits for ever: \"c2s UNSUBSCRIBE"},
		{"wait of the program for ever", "publish_sync", func(tr *transcript) {
			last := tr.Calls[len(tr.Calls)-1]
			tr.Packets = append(tr.Packets, &trPacket{Seq: last.Seq - 0.5, T: last.T, Dir: "c2s", Type: "UNSUBSCRIBE", Conn: 1})
			tr.sort()
		}, "program waits for ever: \"c2s UNSUBSCRIBE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := recorded(t, tt.file)
			tt.change(rec)
			diffs, _ := replay(t, rec, trQuirks{strict: true}, certs)
			assert.True(t, slices.ContainsFunc(diffs, func(d string) bool { return strings.Contains(d, tt.want) }), "no difference with %q: %q", tt.want, diffs)
		})
	}
}

// Bytes as arguments, in every form of the recorder: the call is made, with these bytes.
func TestTranscriptBytes(t *testing.T) {
	certs := newTrCerts(t)
	invalid := map[string]any{"hex": "fffe00"} // not UTF-8, so the recorder has no text for it
	for _, tt := range []struct {
		name     string
		argument any
		sent     any
	}{
		{"hex", invalid, invalid},
		{"bytes", map[string]any{"bytes": invalid}, invalid},
		{"bytearray", map[string]any{"bytearray": invalid}, invalid},
		{"bytes as text", map[string]any{"bytes": "plain"}, "plain"},
		{"bytearray as text", map[string]any{"bytearray": "plain"}, "plain"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, sent := range []any{tt.sent, "other"} {
				rec := recorded(t, "publish_sync")
				for _, c := range rec.Calls {
					if c.Method == "publish" {
						c.Args[1] = tt.argument
					}
				}
				for _, p := range rec.Packets {
					if p.Dir == "c2s" && p.Type == "PUBLISH" {
						p.Payload = sent
					}
				}
				diffs, unsaid := replay(t, rec, trQuirks{}, certs)
				assert.Empty(t, unsaid)
				assert.Equal(t, fmt.Sprint(sent) == "other", len(diffs) > 0, "%v", diffs)
			}
		})
	}
	password := recorded(t, "connect_username_password_metrics")
	for _, c := range password.Calls {
		if c.Method == "configureUsernamePassword" {
			c.Args[1] = map[string]any{"bytearray": map[string]any{"hex": "733363726574"}}
		}
	}
	diffs, unsaid := replay(t, password, trQuirks{}, certs)
	assert.Empty(t, unsaid)
	assert.Empty(t, diffs)
}

// recorded reads a recording, or one written by hand.
func recorded(t *testing.T, name string) *transcript {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "transcripts", name+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		b, err = os.ReadFile(filepath.Join("testdata", "handwritten", name+".json"))
	}
	require.NoError(t, err)
	rec, err := parseTranscript(b)
	require.NoError(t, err)
	return rec
}

// sentPacket is the client's first packet of a type.
func (tr *transcript) sentPacket(kind string) *trPacket {
	return tr.packet(func(p *trPacket) bool { return p.Dir == "c2s" && p.Type == kind })
}
