package conformance

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/portage-iot/awsiot/iotlocal"
)

// shadow speaks to the Device Shadow service about one shadow of the thing.
type shadow struct {
	p      *probe
	c      *conn
	prefix string // of the topics, without the last slash
	base   int64  // version before the first update of the probe
}

// shadow subscribes to the answers and events of a shadow, and empties it.
func (p *probe) shadow(name ...string) *shadow {
	s := &shadow{p: p, c: p.connect(), prefix: "$aws/things/" + p.thing + "/shadow"}
	if len(name) > 0 {
		s.prefix += "/name/" + name[0]
	}
	s.c.sub(1, s.prefix+"/+/accepted", s.prefix+"/+/rejected", s.prefix+"/update/delta", s.prefix+"/update/documents")
	s.ask("update", `{"state":{}}`)
	if accepted, gone := s.ask("delete", ""); !accepted {
		p.fail("delete: %v", gone)
	}
	v, _ := at(s.ok(`{"state":{}}`), "version").(float64)
	s.base = int64(v)
	p.undo = append(p.undo, func() { s.ask("delete", "") })
	s.c.none("$nothing") // until all that these have published besides is here
	s.c.inbox = nil
	return s
}

// ask makes a request and returns whether it was accepted, and the answer.
func (s *shadow) ask(op, payload string) (accepted bool, answer object) {
	s.c.pub(s.prefix+"/"+op, payload)
	m := s.c.next("answer to "+op, func(m message) bool {
		t := topicOf(m)
		return t == s.prefix+"/"+op+"/accepted" || t == s.prefix+"/"+op+"/rejected"
	})
	return strings.HasSuffix(topicOf(m), "/accepted"), s.relative(s.p.parse(payloadOf(m)))
}

// event returns the next message of update/delta or update/documents.
func (s *shadow) event(what string) object {
	return s.relative(s.p.parse(s.c.message(s.prefix + "/update/" + what).Payload))
}

// relative counts versions from the first update of the probe, which is then 1.
func (s *shadow) relative(o object) object {
	for k, v := range o {
		switch v := v.(type) {
		case object:
			o[k] = s.relative(v)
		case float64:
			if k == "version" {
				o[k] = v - float64(s.base)
			}
		}
	}
	return o
}

// ok updates, and returns update/accepted.
func (s *shadow) ok(payload string) object {
	accepted, answer := s.ask("update", payload)
	if !accepted {
		s.p.fail("update %s: %v", payload, answer)
	}
	return answer
}

// state compares the state that get returns, without its delta.
func (s *shadow) state(want string) object {
	accepted, answer := s.ask("get", "")
	if !accepted {
		s.p.fail("get: %v", answer)
	}
	state, _ := at(answer, "state").(object)
	plain := object{}
	for k, v := range state {
		if k != "delta" {
			plain[k] = v
		}
	}
	s.p.same("state", plain, want)
	return answer
}

// refused updates with something bad and compares the answer; an empty text is any.
func (s *shadow) refused(op, payload string, code int, text string) object {
	accepted, answer := s.ask(op, payload)
	if accepted {
		s.p.fail("%s %.60s was accepted", op, payload)
	}
	s.p.equal("code", at(answer, "code"), float64(code))
	if text != "" {
		s.p.contains("message", fmt.Sprint(at(answer, "message")), text)
	}
	return answer
}

// text makes a JSON string of n bytes.
func text(n int) string { return `"` + strings.Repeat("x", n) + `"` }

// nested makes an object of so many levels around 1.
func nested(levels int) string {
	return strings.Repeat(`{"a":`, levels) + "1" + strings.Repeat("}", levels)
}

var shadowFacts = []fact{
	{id: "shadow.topics", says: "get, update and delete of the classic shadow are answered under /accepted", source: guideShadowMQTT, probe: func(p *probe) {
		s := p.shadow()
		s.ok(`{"state":{"reported":{"a":1}}}`)
		s.state(`{"reported":{"a":1}}`)
		if accepted, answer := s.ask("delete", ""); !accepted {
			p.differ("delete: %v", answer)
		}
	}},
	{id: "shadow.named", says: "named shadows have the same topics below shadow/name/NAME", source: guideShadowMQTT, probe: func(p *probe) {
		s, classic := p.shadow("conformance"), "$aws/things/"+p.thing+"/shadow"
		s.ok(`{"state":{"reported":{"n":1}}}`)
		s.state(`{"reported":{"n":1}}`)
		other := p.connect()
		other.sub(1, classic+"/get/+")
		other.pub(classic+"/get", "")
		m := other.next("answer", func(m message) bool { return strings.HasPrefix(topicOf(m), classic+"/get/") })
		if strings.Contains(string(payloadOf(m)), `"n":1`) {
			p.differ("the classic shadow has the state of the named one")
		}
	}},
	{id: "shadow.body-ignored", says: "The bodies of get and delete are ignored but for clientToken", source: guideShadowMQTT, probe: func(p *probe) {
		s := p.shadow()
		s.ok(`{"state":{"reported":{"a":1}}}`)
		for _, op := range []string{"get", "delete"} {
			accepted, answer := s.ask(op, `{"clientToken":"t","version":99,"state":{"reported":{"a":2}}}`)
			p.equal(op+" accepted", accepted, true)
			p.equal("clientToken", at(answer, "clientToken"), any("t"))
		}
		s.ok(`{"state":{}}`)
		if accepted, answer := s.ask("get", "no JSON"); !accepted {
			p.differ("get with a body that is no JSON: %v", answer)
		}
	}},
	{id: "shadow.merge", says: "An update merges only the members that it names", source: guideShadowDoc, probe: func(p *probe) {
		s := p.shadow()
		s.ok(`{"state":{"reported":{"a":1,"b":{"c":1,"d":2}}}}`)
		s.ok(`{"state":{"reported":{"b":{"c":3}}}}`)
		s.state(`{"reported":{"a":1,"b":{"c":3,"d":2}}}`)
	}},
	{id: "shadow.null-removes", says: "null removes a member", source: guideShadowDoc, probe: func(p *probe) {
		s := p.shadow()
		s.ok(`{"state":{"reported":{"a":1,"b":{"c":1,"d":2}}}}`)
		s.ok(`{"state":{"reported":{"a":null,"b":{"d":null}}}}`)
		s.state(`{"reported":{"b":{"c":1}}}`)
	}},
	{id: "shadow.null-section", says: "desired: null and reported: null remove the section", source: guideShadowDoc, probe: func(p *probe) {
		s := p.shadow()
		s.ok(`{"state":{"desired":{"a":1},"reported":{"a":1}}}`)
		s.ok(`{"state":{"desired":null}}`)
		s.state(`{"reported":{"a":1}}`)
		s.ok(`{"state":{"reported":null}}`)
		s.state(`{}`)
	}},
	{id: "shadow.null-state", says: "state: null is accepted and clears the state", source: "issues of aws-greengrass/aws-greengrass-shadow-manager", sure: reported, probe: func(p *probe) {
		s := p.shadow()
		s.ok(`{"state":{"desired":{"a":1},"reported":{"b":1}}}`)
		s.ok(`{"state":null}`)
		s.state(`{}`)
	}},
	{id: "shadow.arrays", says: "Arrays are values: an update replaces the whole of one", source: guideShadowDoc, probe: func(p *probe) {
		s := p.shadow()
		s.ok(`{"state":{"reported":{"a":[1,2,3]}}}`)
		s.ok(`{"state":{"reported":{"a":[4]}}}`)
		s.state(`{"reported":{"a":[4]}}`)
	}},
	{id: "shadow.empty", says: "Both sections may be absent: the shadow exists and is empty", source: guideShadowDoc, probe: func(p *probe) {
		s := p.shadow()
		s.ok(`{"state":{}}`)
		s.state(`{}`)
	}},
	{id: "shadow.beside-state", says: "Members beside state, version and clientToken are not stored", source: guideShadowDoc, probe: func(p *probe) {
		s := p.shadow()
		s.ok(`{"state":{"reported":{"a":1}},"extra":{"b":2}}`)
		answer := s.state(`{"reported":{"a":1}}`)
		p.equal("extra", at(answer, "extra"), nil)
	}},
	{id: "shadow.accepted", says: "update/accepted has what the request had, with metadata for it, version, timestamp and clientToken", source: guideShadowMQTT, probe: func(p *probe) {
		s := p.shadow()
		s.ok(`{"state":{"desired":{"a":1},"reported":{"z":0}}}`)
		p.same("update/accepted", s.ok(`{"state":{"reported":{"b":{"c":[1,2]}}},"clientToken":"t1"}`),
			`{"state":{"reported":{"b":{"c":[1,2]}}},"metadata":{"reported":{"b":{"c":[{"timestamp":0},{"timestamp":0}]}}},"version":2,"timestamp":0,"clientToken":"t1"}`)
	}},
	{id: "shadow.get", says: "get/accepted has state and metadata with their delta, where desired and reported differ", source: guideShadowDoc, probe: func(p *probe) {
		s := p.shadow()
		s.ok(`{"state":{"desired":{"a":1,"b":2},"reported":{"a":1,"b":3}}}`)
		_, answer := s.ask("get", `{"clientToken":"g"}`)
		p.same("get/accepted", answer, `{"state":{"desired":{"a":1,"b":2},"reported":{"a":1,"b":3},"delta":{"b":2}},
			"metadata":{"desired":{"a":{"timestamp":0},"b":{"timestamp":0}},"reported":{"a":{"timestamp":0},"b":{"timestamp":0}},"delta":{"b":{"timestamp":0}}},
			"version":1,"timestamp":0,"clientToken":"g"}`)
		s.ok(`{"state":{"reported":{"b":2}}}`)
		_, answer = s.ask("get", "")
		p.equal("delta without a difference", at(answer, "state.delta"), nil)
	}},
	{id: "shadow.delta", says: "The delta keeps the path to what differs, has arrays whole, and the metadata of desired", source: guideShadowDoc, probe: func(p *probe) {
		s := p.shadow()
		s.ok(`{"state":{"reported":{"x":{"same":1,"differs":1},"list":[1,2]}}}`)
		s.ok(`{"state":{"desired":{"x":{"same":1,"differs":2},"list":[1,3],"missing":true}},"clientToken":"d"}`)
		p.same("delta", s.event("delta"), `{"state":{"x":{"differs":2},"list":[1,3],"missing":true},
			"metadata":{"x":{"differs":{"timestamp":0}},"list":[{"timestamp":0},{"timestamp":0}],"missing":{"timestamp":0}},"version":2,"timestamp":0,"clientToken":"d"}`)
	}},
	{id: "shadow.delta-all", says: "A delta has everything that differs, not only what the update has changed", source: guideShadowDoc, probe: func(p *probe) {
		s := p.shadow()
		s.ok(`{"state":{"desired":{"a":1}}}`)
		s.event("delta")
		s.ok(`{"state":{"desired":{"b":2}}}`)
		p.same("second delta", at(s.event("delta"), "state"), `{"a":1,"b":2}`)
	}},
	{id: "shadow.delta-not-reported", says: "What is only reported is never in a delta", source: guideShadowDoc, probe: func(p *probe) {
		s := p.shadow()
		s.ok(`{"state":{"reported":{"only":1},"desired":{"a":1}}}`)
		p.same("delta", at(s.event("delta"), "state"), `{"a":1}`)
	}},
	{id: "shadow.delta-on-report", says: "A delta is published after an update of reported too, while there is a difference", source: guideShadowMQTT, probe: func(p *probe) {
		s := p.shadow()
		s.ok(`{"state":{"desired":{"a":1,"b":2}}}`)
		s.event("delta")
		s.ok(`{"state":{"reported":{"a":1}}}`)
		p.same("delta after a report", at(s.event("delta"), "state"), `{"b":2}`)
		s.ok(`{"state":{"reported":{"b":2}}}`)
		s.c.none(s.prefix + "/update/delta")
	}},
	{id: "shadow.documents", says: "update/documents has the state before and after, with metadata and version, and no delta", source: guideShadowMQTT, probe: func(p *probe) {
		s := p.shadow()
		s.ok(`{"state":{"desired":{"a":1}}}`)
		s.event("documents")
		s.ok(`{"state":{"reported":{"a":2}},"clientToken":"doc"}`)
		p.same("documents", s.event("documents"), `{"previous":{"state":{"desired":{"a":1}},"metadata":{"desired":{"a":{"timestamp":0}}},"version":1},
			"current":{"state":{"desired":{"a":1},"reported":{"a":2}},"metadata":{"desired":{"a":{"timestamp":0}},"reported":{"a":{"timestamp":0}}},"version":2},
			"timestamp":0,"clientToken":"doc"}`)
	}},
	{id: "shadow.version", says: "Every update raises the version by one", source: guideShadowDoc, probe: func(p *probe) {
		s := p.shadow()
		for i := range 3 {
			p.equal("version", at(s.ok(`{"state":{"reported":{"a":1}}}`), "version"), any(float64(i+1)))
		}
	}},
	{id: "shadow.version-request", says: "A version in a request must be the current one, else 409 Version conflict", source: guideShadowErrors, probe: func(p *probe) {
		s := p.shadow()
		s.ok(`{"state":{"reported":{"a":1}}}`)
		s.ok(fmt.Sprintf(`{"state":{"reported":{"a":2}},"version":%d}`, s.base+1))
		s.refused("update", fmt.Sprintf(`{"state":{"reported":{"a":3}},"version":%d}`, s.base+1), 409, "Version conflict")
	}},
	{id: "shadow.delete-version", says: "A deletion takes a version number, and does not set it back: after 19, deletion 20, the next update is 21", source: guideShadowDoc + "; issues of aws-greengrass/aws-greengrass-shadow-manager", sure: reported, probe: func(p *probe) {
		s := p.shadow()
		s.ok(`{"state":{"reported":{"a":1}}}`)
		_, gone := s.ask("delete", "")
		if _, ok := at(gone, "version").(float64); !ok {
			p.differ("delete/accepted without a version: %v", gone)
		}
		p.equal("next version", at(s.ok(`{"state":{"reported":{"a":1}}}`), "version"), any(3.0))
	}},
	{id: "shadow.delete-accepted", says: "delete/accepted has version and timestamp, and clientToken if it was given", source: guideShadowMQTT, probe: func(p *probe) {
		s := p.shadow()
		s.ok(`{"state":{}}`)
		_, gone := s.ask("delete", `{"clientToken":"x"}`)
		delete(gone, "version") // shadow.delete-version
		p.same("delete/accepted", gone, `{"timestamp":0,"clientToken":"x"}`)
	}},
	{id: "shadow.size", says: "desired and reported together are at most 8 KB after the update; metadata does not count; a small update can be one too many: 413", source: quotas, probe: func(p *probe) {
		s := p.shadow()
		s.ok(`{"state":{"reported":{"a":` + text(7000) + `}}}`)
		s.ok(`{"state":{"desired":{"b":` + text(1100) + `}}}`)
		s.refused("update", `{"state":{"reported":{"c":`+text(200)+`}}}`, 413, "The payload exceeds the maximum size allowed")
	}},
	{id: "shadow.accepted-size", says: "Answers may be larger than 8 KB", source: quotas, sure: reported, probe: func(p *probe) {
		s := p.shadow()
		var members []string
		for i := range 300 {
			members = append(members, fmt.Sprintf(`"m%03d":"0123456789"`, i))
		}
		s.ok(`{"state":{"reported":{` + strings.Join(members, ",") + `}}}`)
		_, answer := s.ask("get", "")
		if b, err := json.Marshal(answer); err != nil || len(b) <= 8<<10 {
			p.differ("get/accepted of %d bytes, %v", len(b), err)
		}
	}},
	{id: "shadow.names", says: "A shadow's name is 1 to 64 of $ a-z A-Z 0-9 : _ -", source: "AWS IoT Data Plane API reference, UpdateThingShadow", probe: func(p *probe) {
		s := p.shadow("conformance")
		prefix := "$aws/things/" + p.thing + "/shadow/name/"
		s.c.sub(1, prefix+strings.Repeat("n", 64)+"/+/accepted", prefix+strings.Repeat("n", 65)+"/+/+", prefix+"a.b/+/+")
		s.c.pub(prefix+strings.Repeat("n", 64)+"/update", `{"state":{}}`)
		s.c.message(prefix + strings.Repeat("n", 64) + "/update/accepted")
		s.c.pub(prefix+strings.Repeat("n", 64)+"/delete", "")
		s.c.message(prefix + strings.Repeat("n", 64) + "/delete/accepted")
		s.c.pub(prefix+strings.Repeat("n", 65)+"/update", `{"state":{}}`)
		s.c.pub(prefix+"a.b/update", `{"state":{}}`)
		s.c.none(prefix + strings.Repeat("n", 65) + "/update/accepted")
		s.c.none(prefix + "a.b/update/accepted")
	}},
	{id: "shadow.order", says: "The delta of an update comes before its accepted: the v1 SDK for Python drops a delta whose version it has seen in an accepted", source: "v1 SDK for Python, shadow manager", sure: measured, probe: func(p *probe) {
		s := p.shadow()
		s.c.pub(s.prefix+"/update", `{"state":{"desired":{"a":1}}}`)
		first := s.c.next("event", func(m message) bool { return strings.HasPrefix(topicOf(m), s.prefix+"/update/") })
		p.equal("first", topicOf(first), s.prefix+"/update/delta")
	}},
}

func shadowErrorFacts() (all []fact) {
	for _, f := range []struct {
		id, payload string
		code        int
		text        string
		sure        certainty
	}{
		{"json", `{"state":`, 400, "Invalid JSON", documented},
		{"no-state", `{"version":1}`, 400, "Missing required node: state", documented},
		{"state", `{"state":1}`, 400, "State node must be an object", documented},
		{"desired", `{"state":{"desired":1}}`, 400, "Desired node must be an object", documented},
		{"reported", `{"state":{"reported":[]}}`, 400, "Reported node must be an object", documented},
		{"version", `{"state":{},"version":"x"}`, 400, "Invalid version", documented},
		{"token", `{"state":{},"clientToken":` + text(65) + `}`, 400, "Invalid clientToken", documented},
		{"node", `{"state":{"delta":{"a":1}}}`, 400, "State contains an invalid node: 'delta'", reported},
		{"null-in-array", `{"state":{"reported":{"a":[1,null]}}}`, 400, "", documented},
		{"encoding", "{\"state\":{\"reported\":{\"a\":\"\xff\"}}}", 415, "UTF-8", documented},
	} {
		all = append(all, fact{id: "shadow.error." + f.id, says: fmt.Sprintf("An update with %.40q is refused: %d %s", f.payload, f.code, f.text), source: guideShadowErrors, sure: f.sure,
			probe: func(p *probe) {
				answer := p.shadow().refused("update", f.payload, f.code, f.text)
				if f.id == "node" {
					p.equal("clientToken", at(answer, "clientToken"), nil)
				}
			}})
	}
	return append(all,
		fact{id: "shadow.error.body", says: "A rejected answer has code, message, timestamp, and clientToken if it was given", source: guideShadowMQTT, probe: func(p *probe) {
			s := p.shadow()
			answer := s.refused("update", `{"state":{"desired":1},"clientToken":"e"}`, 400, "")
			p.same("members", object{"timestamp": answer["timestamp"], "clientToken": answer["clientToken"]}, `{"timestamp":0,"clientToken":"e"}`)
		}},
		fact{id: "shadow.error.none", says: "get and delete of a shadow that does not exist: 404 No shadow exists with name", source: guideShadowErrors, probe: func(p *probe) {
			s := p.shadow()
			s.ask("delete", "")
			s.refused("get", "", 404, "No shadow exists with name: '"+p.thing+"'")
			s.refused("delete", "", 404, "No shadow exists with name: '"+p.thing+"'")
			s.ok(`{"state":{}}`) // for the end of the probe
		}},
		fact{id: "shadow.nesting", says: "desired and reported nest at most 6 levels (the page of errors; Espressif's table of limits says 8 for the whole document): ShadowLimits.Nesting", source: guideShadowErrors, sure: unconfirmed, probe: func(p *probe) {
			s := p.shadow()
			s.ok(`{"state":{"reported":` + nested(6) + `}}`)
			s.refused("update", `{"state":{"reported":`+nested(7)+`}}`, 400, "JSON contains too many levels of nesting; maximum is 6")
		}},
		fact{id: "shadow.nesting-option", says: "The same with 8 levels, for who believes the other number", source: "Espressif, RainMaker limits", sure: unconfirmed, needs: operator,
			options: iotlocal.Options{ShadowLimits: iotlocal.ShadowLimits{Nesting: 8}}, probe: func(p *probe) {
				s := p.shadow()
				s.ok(`{"state":{"reported":` + nested(8) + `}}`)
				s.refused("update", `{"state":{"reported":`+nested(9)+`}}`, 400, "maximum is 8")
			}},
	)
}
