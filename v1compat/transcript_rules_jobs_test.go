package v1compat_test

// The rules about the jobs client.

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/portage-iot/awsiot/internal/topic"
)

// ruleJobsStatus: a status that stands for none is an error of its call, and nothing is sent. v1 published an empty
// message, which came back where the program had subscribed to it.
func ruleJobsStatus(tr *transcript, _ bool) bool {
	fired := false
	for _, c := range tr.Calls {
		status, _ := (&trArgs{c: c}).at(1, "status").([]any)
		if c.Object != jobsObject || c.Method != "sendJobsUpdate" || len(status) < 2 || status[1] != nil || c.Raises != nil {
			continue
		}
		c.fails("ValueError", "Invalid job execution status.")
		fired = true
		gone := map[*trPacket]bool{}
		for _, dir := range []string{"c2s", "s2c"} {
			p := tr.packet(func(p *trPacket) bool {
				return p.Dir == dir && p.Type == "PUBLISH" && p.Payload == "" && p.Seq > c.Seq && strings.HasSuffix(p.Topic, jobsTail(c))
			})
			if p == nil {
				break
			}
			gone[p] = true
			for _, q := range tr.Packets {
				gone[q] = gone[q] || p.MidRef != "" && q.Type == "PUBACK" && q.MidRef == p.MidRef && q.Conn == p.Conn
			}
			if dir == "s2c" {
				tr.dropMessage(p)
			}
		}
		tr.dropPackets(func(p *trPacket) bool { return gone[p] })
	}
	return fired
}

// dropMessage drops the callbacks that got message p.
func (tr *transcript) dropMessage(p *trPacket) {
	names := map[string]bool{} // a callback that follows from another copy of the message stays
	tr.dropCallbacks(func(cb *trCallback) bool {
		if cb.Seq < p.Seq || names[cb.Name] || !cb.got(p) {
			return false
		}
		names[cb.Name] = true
		return true
	})
}

// got reports whether the callback is one of message p.
func (c *trCallback) got(p *trPacket) bool {
	if len(c.Args) == 0 {
		return false
	}
	m, ok := c.Args[len(c.Args)-1].(map[string]any)
	return ok && m["topic"] == p.Topic && canonical(m["payload"]) == canonical(p.Payload)
}

// noJobTopic is what v1 raised for a subscription without a topic, which it had stored by then.
const noJobTopic = "No topic specified, or incorrect topic type."

// ruleJobsTopic: a subscription without a topic is an error of its call and nothing else. In v1 it stayed, and the next
// message ended the callbacks: it, those after it and all acknowledgements were lost, and disconnect ran into its
// timeout.
func ruleJobsTopic(tr *transcript, _ bool) bool {
	bad := slices.IndexFunc(tr.Calls, func(c *trCall) bool {
		return c.Object == jobsObject && strings.HasPrefix(c.Method, "createJobSubscription") && c.Raises != nil && c.Raises.Message == noJobTopic
	})
	if bad < 0 {
		return false
	}
	first := tr.packet(func(p *trPacket) bool { return p.Dir == "s2c" && p.Type == "PUBLISH" && p.Seq > tr.Calls[bad].Seq })
	if first == nil {
		return false
	}
	for _, c := range tr.Calls {
		if c.main() && c.Seq > first.Seq && c.Raises != nil && strings.HasSuffix(c.Raises.Type, "TimeoutException") {
			c.becomes("true")
			tr.shift(c.EndSeq-0.001, -c.Blocked)
			c.Blocked = 0
		}
	}
	tr.jobsMessages(first.Seq)
	return true
}

// jobsMessages adds the callbacks of messages from seq on that are missing.
func (tr *transcript) jobsMessages(seq float64) {
	heard := map[*trCallback]bool{}
	for _, p := range slices.Clone(tr.Packets) {
		if p.Dir != "s2c" || p.Type != "PUBLISH" || p.Seq < seq {
			continue
		}
		for i, s := range tr.jobsSubscriptions(p.Seq) {
			if !topic.Match(s.filter, p.Topic) {
				continue
			}
			if i := slices.IndexFunc(tr.Callbacks, func(cb *trCallback) bool { return cb.Seq > p.Seq && cb.Name == s.callback && !heard[cb] && cb.got(p) }); i >= 0 {
				heard[tr.Callbacks[i]] = true
				continue
			}
			m := map[string]any{"topic": p.Topic, "payload": p.Payload, "qos": float64(p.QoS), "retain": p.Retain, "dup": p.Dup, "mid": 0.0}
			if p.QoS > 0 {
				m["mid"] = p.MidRef
			}
			cb := &trCallback{Seq: p.Seq + 0.01*float64(i+1), T: p.T, Name: s.callback, Args: []any{nil, nil, m}, Thread: "event-dispatch"}
			tr.Callbacks = append(tr.Callbacks, cb)
			heard[cb] = true
		}
	}
	tr.sort()
}

// trSubscribed is a filter with its callback.
type trSubscribed struct{ filter, callback string }

// jobsSubscriptions are those that jobs clients had made before seq, in their order.
func (tr *transcript) jobsSubscriptions(seq float64) (all []trSubscribed) {
	for _, c := range tr.Calls {
		at := slices.Index([]string{"createJobSubscription", "createJobSubscriptionAsync"}, c.Method)
		if c.Object != jobsObject || at < 0 || c.Seq > seq {
			continue
		}
		p := tr.packet(func(p *trPacket) bool {
			return p.Dir == "c2s" && p.Type == "SUBSCRIBE" && p.Seq > c.Seq && p.Seq < seq && strings.HasSuffix(p.Topic, jobsTail(c))
		})
		if p == nil {
			continue
		}
		s := trSubscribed{p.Topic, callbackName((&trArgs{c: c}).at(at, "callback"))}
		if i := slices.IndexFunc(all, func(o trSubscribed) bool { return o.filter == s.filter }); i >= 0 {
			all[i] = s // replaced, in its place
		} else if s.callback != "" {
			all = append(all, s)
		}
	}
	return all
}

// TestTranscriptSeesJobs: a recording of the jobs client that says another thing in one place must not pass.
func TestTranscriptSeesJobs(t *testing.T) {
	certs := newTrCerts(t)
	for _, tt := range []struct {
		name, file string
		change     func(*transcript)
		want       string
	}{
		{"payload", "jobs_requests", func(tr *transcript) {
			p := tr.packet(func(p *trPacket) bool {
				text, _ := p.Payload.(string)
				return strings.Contains(text, `"expectedVersion": "1"`)
			})
			p.Payload = strings.Replace(p.Payload.(string), `"1"`, `1`, 1)
		}, "packets of the client"},
		{"one request less", "jobs_requests", func(tr *transcript) { tr.drop("PUBLISH", 5) }, "packets of the client"},
		{"filter", "jobs_subscribe_all", func(tr *transcript) {
			tr.sentPacket("SUBSCRIBE").Filters[0].(map[string]any)["filter"] = "$aws/things/Thing1/jobs/+"
		}, "packets of the client"},
		{"result", "jobs_offline_queue", func(tr *transcript) { tr.Calls[0].becomes("true") }, "got returns false"},
		{"refused status", "jobs_illegal_combinations", func(tr *transcript) {
			for _, c := range tr.Calls {
				if status, _ := (&trArgs{c: c}).at(1, "status").([]any); c.Method == "sendJobsUpdate" && status[1] == nil {
					c.becomes("true")
				}
			}
		}, "raises ValueError: Invalid job execution status."},
		{"message after a subscription without a topic", "jobs_illegal_combinations", without("jobCb"), "callback jobCb"},
		{"call in a callback", "jobs_round_trip", func(tr *transcript) { tr.drop("PUBLISH", 2) }, "packets of the client"},
		{"end", "jobs_client_token_variants", func(tr *transcript) {
			tr.Calls[len(tr.Calls)-1].fails("disconnectError", "Disconnect Error: 4")
		}, "got returns true"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := recorded(t, tt.file)
			applyRules(rec, false)
			tt.change(rec)
			diffs, _ := replay(t, rec, trQuirks{}, certs)
			assert.True(t, slices.ContainsFunc(diffs, func(d string) bool { return strings.Contains(d, tt.want) }), "no difference with %q: %q", tt.want, diffs)
		})
	}
}
