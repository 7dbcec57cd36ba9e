//go:build interop

package interop

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/iotlocal"
)

// said is what one step put on the wire, in a form that two programs which say the same have in common.
type said struct {
	// filters are all that have been subscribed to up to the end of the step, with their QoS: when a client gives a
	// filter up and takes it again is its own business.
	filters []string
	// sent and heard are the messages in both directions: topic, QoS, body.
	sent, heard []string
}

// sayings cuts the record at the fences: in the direction to the server at their messages, in the other at their
// acknowledgements.
func sayings(t *testing.T, srv *iotlocal.Server, steps int) []said {
	t.Helper()
	out := make([]said, steps)
	filters := map[string]bool{}
	in, back := 0, 0 // the steps that the two directions have come to
	fences := map[string]bool{}
	for _, p := range srv.Recorder().Packets() {
		if p.ClientID != deviceID {
			continue
		}
		switch {
		case p.Dir == iotlocal.ClientToServer && p.Type == iotlocal.SUBSCRIBE:
			for _, f := range p.Filters {
				filters[fmt.Sprintf("%s QoS %d", f.Filter, f.QoS)] = true
			}
		case p.Dir == iotlocal.ClientToServer && p.Type == iotlocal.PUBLISH && strings.HasPrefix(p.Topic, "fence/"):
			out[in].filters = slices.Sorted(maps.Keys(filters))
			fences[p.Ref] = true
			in++
		case p.Dir == iotlocal.ServerToClient && p.Type == iotlocal.PUBACK && fences[p.Ref]:
			slices.Sort(out[back].heard) // answers and events overtake each other
			back++
		case p.Type == iotlocal.PUBLISH:
			line := fmt.Sprintf("%s QoS %d retain %v %s", p.Topic, p.QoS, p.Retain, normalBody(t, p.Payload))
			if p.Dir == iotlocal.ClientToServer {
				out[in].sent = append(out[in].sent, line)
			} else {
				out[back].heard = append(out[back].heard, line)
			}
		}
		if in == steps && back == steps {
			return out
		}
	}
	t.Fatalf("the record has %d and %d of %d steps", in, back, steps)
	return nil
}

// normalBody is a body as a JSON value, without what every run has of its own. An empty one stays empty.
func normalBody(t *testing.T, body []byte) string {
	t.Helper()
	if len(body) == 0 {
		return ""
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%q is not JSON: %v", body, err)
	}
	b, err := json.Marshal(normal(v))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// ofTheRun are members whose values differ from run to run.
var ofTheRun = []string{"clientToken", "timestamp", "queuedAt", "startedAt", "lastUpdatedAt", "approximateSecondsBeforeTimedOut",
	"certificateId", "certificatePem", "privateKey", "certificateOwnershipToken"}

// normal puts the name of a member that differs from run to run in the place of its value.
func normal(v any) any {
	switch v := v.(type) {
	case object:
		out := object{}
		for name, e := range v {
			if out[name] = normal(e); slices.Contains(ofTheRun, name) {
				out[name] = name
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = normal(e)
		}
		return out
	}
	return v
}

// inTopics are members of requests that belong into the topic. The first generation of the SDK for JavaScript writes the
// request as the program gave it, with these members, into the body; that of other languages does not, nor does ours. The
// services do not look at them.
var inTopics = []string{"thingName", "shadowName", "jobId", "templateName"}

// withoutTopicMembers takes these members from the bodies that were sent, and fails the test if there were none: a
// difference that is no more is to be struck from the list.
func withoutTopicMembers(t *testing.T, steps []said) []said {
	t.Helper()
	found := map[string]bool{}
	for i := range steps {
		for j, line := range steps[i].sent {
			head, body, _ := strings.Cut(line, "{")
			var o object
			if json.Unmarshal([]byte("{"+body), &o) != nil {
				continue
			}
			for _, name := range inTopics {
				if _, ok := o[name]; ok {
					found[name] = true
					delete(o, name)
				}
			}
			b, err := json.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			steps[i].sent[j] = head + string(b)
		}
	}
	for _, name := range inTopics {
		if !found[name] {
			t.Errorf("no request of the first generation for JavaScript has %s in its body", name)
		}
	}
	return steps
}

// compare says where two programs differ, step by step.
func compare(t *testing.T, steps []step, ours, theirs []said) {
	t.Helper()
	for i, st := range steps {
		for _, c := range []struct {
			what         string
			ours, theirs []string
		}{{"subscriptions", ours[i].filters, theirs[i].filters}, {"sent", ours[i].sent, theirs[i].sent}, {"heard", ours[i].heard, theirs[i].heard}} {
			if !reflect.DeepEqual(c.ours, c.theirs) {
				t.Errorf("%s: %s\n ours   %s\n theirs %s", st.name, c.what, strings.Join(c.ours, "\n        "), strings.Join(c.theirs, "\n        "))
			}
		}
	}
}
