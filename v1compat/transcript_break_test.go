package v1compat_test

// One deliberate break for each behaviour of v1's engine that callers can see: a recording that says the opposite in
// one place must not pass.

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// drop takes the nth packet (from 1) of the client of a type with its answer out of the recording.
func (tr *transcript) drop(kind string, nth int) {
	n := 0
	p := tr.packet(func(p *trPacket) bool {
		if p.Dir == "c2s" && p.Type == kind {
			n++
		}
		return n == nth && p.Dir == "c2s" && p.Type == kind
	})
	tr.dropPackets(func(q *trPacket) bool { return q == p || p.MidRef != "" && q.MidRef == p.MidRef && q.Conn == p.Conn })
}

// swap exchanges the places of the nth and the following callback.
func (tr *transcript) swap(nth int) {
	a, b := tr.Callbacks[nth], tr.Callbacks[nth+1]
	a.Seq, b.Seq = b.Seq, a.Seq
	tr.sort()
}

// lastOf is the last callback of a name.
func (tr *transcript) lastOf(name string) int {
	last := -1
	for i, cb := range tr.Callbacks {
		if cb.Name == name {
			last = i
		}
	}
	return last
}

// without takes the last callback of a name out.
func without(name string) func(*transcript) {
	return func(tr *transcript) {
		i := tr.lastOf(name)
		tr.Callbacks = slices.Delete(tr.Callbacks, i, i+1)
	}
}

func TestTranscriptSeesEngine(t *testing.T) {
	certs := newTrCerts(t)
	for _, tt := range []struct {
		behaviour, file string
		change          func(*transcript)
		want            string
	}{
		{"offline queue of publish", "offline_queue_before_connect", func(tr *transcript) { tr.drop("PUBLISH", 3) }, "packets of the client"},
		{"offline queue of subscribe", "offline_queue_before_connect", func(tr *transcript) { tr.drop("SUBSCRIBE", 1) }, "packets of the client"},
		{"offline queue of unsubscribe", "offline_queue_before_connect", func(tr *transcript) { tr.drop("UNSUBSCRIBE", 2) }, "packets of the client"},
		{"ack of a queued subscribe", "offline_queue_before_connect", without("ackSub"), "callback ackSub"},
		{"drop newest", "offline_drop_newest", func(tr *transcript) { tr.sentPacket("PUBLISH").Payload = "m3" }, "packets of the client"},
		{"drop oldest", "offline_drop_oldest", func(tr *transcript) { tr.sentPacket("PUBLISH").Payload = "m0" }, "packets of the client"},
		{"error of a full queue that queues", "offline_drop_oldest", func(tr *transcript) {
			for _, c := range tr.Calls {
				if c.Raises != nil {
					c.becomes(`"QUEUED"`)
				}
			}
		}, "publishQueueFullException"},
		{"error of a disabled queue", "offline_queue_disabled", func(tr *transcript) {
			for _, c := range tr.Calls {
				if c.Raises != nil && strings.HasSuffix(c.Raises.Type, "QueueDisabledException") {
					c.becomes("false")
					return
				}
			}
		}, "QueueDisabledException"},
		{"subscribe before drain", "resubscribe_broker_restart", func(tr *transcript) {
			var sub, pub *trPacket
			for _, p := range tr.Packets {
				switch {
				case p.Dir == "c2s" && p.Type == "SUBSCRIBE" && p.Conn == 2:
					sub = p
				case p.Dir == "c2s" && p.Type == "PUBLISH" && p.Conn == 2 && pub == nil:
					pub = p
				}
			}
			sub.Seq, pub.Seq = pub.Seq, sub.Seq
			tr.sort()
		}, "packets of the client"},
		{"ack callback of a resubscribe", "resubscribe_broker_restart", without("ackSub3"), "callback ackSub3"},
		{"requests during draining", "offline_draining_interval", func(tr *transcript) {
			for _, c := range slices.Backward(tr.Calls) {
				if string(c.Returns) == "false" {
					c.becomes("true")
					return
				}
			}
		}, "got returns false"},
		{"in-flight cap", "publish_inflight_cap", func(tr *transcript) {
			n := 0
			for _, p := range tr.Packets {
				if p.Dir == "c2s" && p.Type == "PUBLISH" {
					if n++; n == 21 {
						first := tr.sentPacket("PUBLISH")
						p.Seq, p.T = first.Seq+0.5, first.T
					}
				}
			}
			tr.sort()
		}, "packets of the client"},
		{"stable connection", "backoff_stable_reset", func(tr *transcript) {
			for _, p := range tr.Packets {
				if p.Type == "TRANSPORT_OPEN" && p.Conn == 4 {
					tr.shift(p.Seq-0.001, 3)
					return
				}
			}
		}, "the dial of connection 4"},
		{"back-off", "backoff_sequence", func(tr *transcript) {
			for _, p := range tr.Packets {
				if p.Type == "CONNECT_ATTEMPT" {
					tr.shift(p.Seq-0.001, 1)
					return
				}
			}
		}, "the dial of connection 0"},
		{"late ack after a reconnect", "publish_inflight_resend_on_reconnect", without("ackPub"), "callback ackPub"},
		{"late PUBACK of a call that is over", "publish_late_puback", func(tr *transcript) {
			tr.Callbacks = append(tr.Callbacks, &trCallback{Seq: 90, T: 3.5, Name: "ackPub", Thread: "event-dispatch"})
		}, "callback ackPub: number 1 is missing"},
		{"subscriptions survive disconnect", "reuse_after_disconnect", func(tr *transcript) { tr.drop("SUBSCRIBE", 4) }, "packets of the client"},
		{"queue survives disconnect", "reuse_after_disconnect", func(tr *transcript) { tr.drop("PUBLISH", 1) }, "packets of the client"},
		{"callback replacement", "subscribe_replace_callback", func(tr *transcript) { tr.Callbacks[tr.lastOf("second")].Name = "first" }, "callback"},
		{"replaced QoS", "subscribe_replace_callback", func(tr *transcript) {
			for _, p := range tr.Packets {
				if p.Type == "SUBSCRIBE" && p.Conn == 2 {
					p.Filters[0].(map[string]any)["qos"] = 0.0
				}
			}
		}, "packets of the client"},
		{"order of the callbacks of a message", "subscribe_wildcard_overlap_single_copy", func(tr *transcript) { tr.swap(0) }, "order of the callbacks"},
		{"onMessage last", "subscribe_wildcard_overlap_single_copy", func(tr *transcript) { tr.swap(len(tr.Callbacks) - 2) }, "order of the callbacks"},
		{"onOnline before the connect ack", "connect_async_callbacks", func(tr *transcript) { tr.swap(0) }, "order of the callbacks"},
		{"keep-alive", "connect_async_callbacks", func(tr *transcript) { tr.sentPacket("CONNECT").KeepAlive = 600 }, "packets of the client"},
		{"records after a timeout", "subscribe_timeout", func(tr *transcript) { tr.drop("SUBSCRIBE", 2) }, "packets of the client"},
		{"password without a user name", "connect_username_variants", func(tr *transcript) {
			for _, p := range tr.Packets {
				if p.Type == "CONNECT" && p.Conn == 3 {
					p.Password = new("p")
				}
			}
		}, "packets of the client"},
		{"shadow token", "shadow_concurrent_updates", func(tr *transcript) {
			for _, p := range tr.Packets {
				if s, ok := p.Payload.(string); ok && p.Dir == "s2c" && p.Type == "PUBLISH" {
					p.Payload = strings.ReplaceAll(s, "<token:1>", "foreign")
				}
			}
		}, "callback cbB"},
		{"shadow: one callback per action", "shadow_concurrent_updates", func(tr *transcript) { tr.Callbacks[tr.lastOf("cbB")].Name = "cbA" }, "callback cb"},
		{"shadow version", "shadow_delta", without("delta"), "callback delta"},
		{"shadow subscription order", "shadow_persistent_accepted", func(tr *transcript) {
			a, b := tr.Packets[3], tr.Packets[5] // the SUBSCRIBEs of the first request
			a.Filters, b.Filters, a.Topic, b.Topic = b.Filters, a.Filters, b.Topic, a.Topic
		}, "packets of the client"},
		{"persistent shadow subscription", "shadow_persistent_accepted", func(tr *transcript) { tr.drop("SUBSCRIBE", 2) }, "packets of the client"},
		{"shadow unsubscribes", "shadow_nonpersistent_rejected", func(tr *transcript) { tr.drop("UNSUBSCRIBE", 2) }, "packets of the client"},
		{"shadow sleep", "shadow_persistent_timeout", func(tr *transcript) { tr.shift(tr.sentPacket("PUBLISH").Seq-0.001, 2) }, "PUBLISH"},
		{"unsubscribing before a timeout callback", "shadow_nonpersistent_timeout", func(tr *transcript) {
			for _, cb := range tr.Callbacks {
				if len(cb.Args) == 3 && cb.Args[1] == "timeout" {
					cb.Seq = tr.sentPacket("PUBLISH").Seq + 0.5
				}
			}
			tr.sort()
		}, "UNSUBSCRIBE packets before it"},
		{"IAM credentials given by call", "connect_websocket_sigv4", signedBy("AKIDEXAMPLE"), "packets of the client"},
		{"IAM credentials of a call before those of the environment", "connect_websocket_errors", signedBy("CFGKEY"), "packets of the client"},
		{"jobs topic", "jobs_requests", func(tr *transcript) { tr.sentPacket("PUBLISH").Topic = "$aws/things/Thing1/jobs/$next/get" }, "packets of the client"},
		{"jobs filter", "jobs_subscribe_all", func(tr *transcript) {
			tr.sentPacket("SUBSCRIBE").Filters[0].(map[string]any)["filter"] = "$aws/things/Thing1/jobs/get"
		}, "packets of the client"},
		{"jobs payload: order of the members", "jobs_requests", jobPayload(`, "clientToken": "jobsclient"}`, `}`, `{`, `{"clientToken": "jobsclient", `), "packets of the client"},
		{"jobs payload: white space", "jobs_requests", jobPayload(": ", ":"), "packets of the client"},
		{"jobs payload: numbers as text", "jobs_requests", jobPayload(`"expectedVersion": "1"`, `"expectedVersion": 1`), "packets of the client"},
	} {
		t.Run(tt.behaviour, func(t *testing.T) {
			diffs, _ := replay(t, changed(t, tt.file, func(*transcript) {}), trQuirks{strict: true}, certs)
			require.Empty(t, diffs, "not equal before the break")
			diffs, _ = replay(t, changed(t, tt.file, tt.change), trQuirks{strict: true}, certs)
			assert.True(t, slices.ContainsFunc(diffs, func(d string) bool { return strings.Contains(d, tt.want) }), "no difference with %q: %q", tt.want, diffs)
		})
	}
}

// changed is a recording with the rules that hold with StrictV1 applied, and then a change.
func changed(t *testing.T, file string, change func(*transcript)) *transcript {
	t.Helper()
	rec := recorded(t, file)
	applyRules(rec, true)
	change(rec)
	return rec
}

// signedBy gives the upgrade request that was signed with an access key another one.
func signedBy(key string) func(*transcript) {
	return func(tr *transcript) {
		p := tr.packet(func(p *trPacket) bool { return strings.Contains(p.RequestLine, "X-Amz-Credential="+key+"%2F") })
		if p != nil { // else there is nothing to see, and the test says so
			p.RequestLine = strings.Replace(p.RequestLine, "X-Amz-Credential="+key, "X-Amz-Credential=OTHER", 1)
		}
	}
}

// jobPayload replaces text in the first job update that has it.
func jobPayload(oldNew ...string) func(*transcript) {
	return func(tr *transcript) {
		for _, p := range tr.Packets {
			if s, _ := p.Payload.(string); p.Dir == "c2s" && strings.HasSuffix(p.Topic, "/update") && strings.Contains(s, oldNew[0]) {
				for i := 0; i < len(oldNew); i += 2 {
					s = strings.Replace(s, oldNew[i], oldNew[i+1], 1)
				}
				p.Payload = s
				return
			}
		}
	}
}
