package v1compat_test

// The recordings of the real v1 SDK: what is in a file, and the text forms in which the recording and the replay are
// compared.

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// transcript is one recording. Seq is the position of an entry among all of its lists; it is a float so that a rule can
// put an entry between two others.
type transcript struct {
	Scenario  string        `json:"scenario"`
	Calls     []*trCall     `json:"api_calls"`
	Packets   []*trPacket   `json:"packets"`
	Callbacks []*trCallback `json:"callbacks"`
	Notes     []any         `json:"notes"`

	signed map[*trCall]trUpgrade // the upgrade request of each connect call
}

// trCall is a call, a constructor, or the assignment of a hook.
type trCall struct {
	Seq        float64         `json:"seq"`
	T          float64         `json:"t"`
	Object     string          `json:"object"`
	Method     string          `json:"method"`
	Args       []any           `json:"args"`
	Kwargs     map[string]any  `json:"kwargs"`
	Assign     string          `json:"assign"`
	Value      any             `json:"value"`
	Thread     string          `json:"thread"`
	Returns    json.RawMessage `json:"returns"`
	Raises     *trRaise        `json:"raises"`
	Blocked    float64         `json:"blocked_s"`
	EndSeq     float64         `json:"end_seq"`
	EndT       float64         `json:"end_t"`
	ReturnsRef string          `json:"returns_ref"`

	raised bool        // it did in the recording, whatever rules make of it
	after  *trCallback // the callback it is made in, nil for the main thread
}

// trRaise is a Python exception.
type trRaise struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

// main reports whether the call is one of the recorded program itself, not of one of its callbacks.
func (c *trCall) main() bool { return c.Thread == "" || c.Thread == "main" }

// String names the call as a program writes it.
func (c *trCall) String() string {
	if c.Assign != "" {
		return fmt.Sprintf("%g %s.%s =", c.Seq, c.Object, c.Assign)
	}
	return fmt.Sprintf("%g %s.%s%s", c.Seq, c.Object, c.Method, quote(c.Args))
}

// outcome is what the call came to, as text.
func (c *trCall) outcome() string {
	if c.Raises != nil {
		return "raises " + c.Raises.Type + ": " + c.Raises.Message
	}
	if r := string(c.Returns); r != "" && c.EndSeq > 0 {
		return "returns " + r
	}
	if c.Thread == "" {
		return "returns null" // constructors and assignments are logged without an outcome
	}
	return "never returns"
}

// trPacket is a packet, or an event of the recording proxy.
type trPacket struct {
	Seq            float64 `json:"seq"`
	T              float64 `json:"t"`
	Dir            string  `json:"dir"`
	Type           string  `json:"type"`
	Conn           int     `json:"conn"`
	Topic          string  `json:"topic"`
	QoS            int     `json:"qos"`
	Retain         bool    `json:"retain"`
	Dup            bool    `json:"dup"`
	Payload        any     `json:"payload"`
	Filters        []any   `json:"filters"`
	Granted        []int   `json:"granted"`
	MidRef         string  `json:"mid_ref"`
	Proxy          string  `json:"proxy"`
	TLS            bool    `json:"tls"`
	SNI            string  `json:"sni"`
	ALPN           string  `json:"alpn"`
	ClientCert     bool    `json:"client_cert"`
	Level          int     `json:"protocol_level"`
	Clean          bool    `json:"clean_session"`
	KeepAlive      int     `json:"keepalive"`
	ClientID       string  `json:"client_id"`
	Will           any     `json:"will"`
	Username       *string `json:"username"`
	Password       *string `json:"password"`
	SessionPresent bool    `json:"session_present"`
	ReturnCode     int     `json:"return_code"`
	Raw            string  `json:"raw"`
	StatusLine     string  `json:"status_line"`

	http *trHTTP // the answer to an HTTP_REQUEST
	trUpgrade
}

// ack reports whether the packet answers one of the other side.
func (p *trPacket) ack() bool {
	switch p.Type {
	case "CONNACK", "PUBACK", "SUBACK", "UNSUBACK", "PUBREC", "PUBCOMP", "PINGRESP", "WS_UPGRADE_RESPONSE":
		return true
	}
	return false
}

// metricsName is the user name of v1 and of this module: the form is compared, not the name of the SDK in it.
var metricsName = regexp.MustCompile(`([?&])SDK=[^&]*&Version=[^&]*(&Platform=[^&]*)?`)

// randomID is the client id that both made up for an empty one.
var randomID = regexp.MustCompile(`^paho/(<18 random chars>|[0-9A-F]{18})$`)

// String is what of a packet of the client is compared.
func (p *trPacket) String() string {
	switch p.Type {
	case "CONNECT":
		if m, ok := p.Will.(map[string]any); ok && m["payload"] == nil {
			m["payload"] = "" // both are no bytes
		}
		will, _ := json.Marshal(p.Will)
		user, password := "none", "none"
		if p.Username != nil {
			user = metricsName.ReplaceAllString(*p.Username, "${1}SDK")
		}
		if p.Password != nil {
			password = *p.Password
		}
		return fmt.Sprintf("CONNECT %s clean=%v keep-alive=%d will=%s user=%s password=%s", randomID.ReplaceAllString(p.ClientID, "paho/random"), p.Clean, p.KeepAlive, will, user, password)
	case "PUBLISH":
		body := canonical(p.Payload)
		if text, ok := p.Payload.(string); ok && strings.Contains(p.Topic, "/jobs/") {
			body = fmt.Sprintf("%q", text) // byte for byte
		}
		return fmt.Sprintf("PUBLISH %s qos=%d retain=%v dup=%v %s", p.Topic, p.QoS, p.Retain, p.Dup, body)
	case "SUBSCRIBE":
		var fs []string
		for _, f := range p.Filters {
			m, _ := f.(map[string]any)
			fs = append(fs, fmt.Sprintf("%v qos=%v", m["filter"], m["qos"]))
		}
		return "SUBSCRIBE " + strings.Join(fs, ", ")
	case "UNSUBSCRIBE":
		return fmt.Sprintf("UNSUBSCRIBE %v", p.Filters)
	case "WS_UPGRADE_REQUEST":
		return p.text()
	case "HTTP_REQUEST":
		return fmt.Sprintf("%s %q", p.Type, p.Raw)
	}
	return p.Type
}

// canonical is a payload in a form in which equal JSON values are equal texts. Tokens are text the recorder made up:
// the replay puts its own names in their place.
func canonical(payload any) string {
	s, ok := payload.(string)
	if !ok {
		b, _ := json.Marshal(payload)
		return string(b)
	}
	var v any
	if (strings.HasPrefix(s, "{") || strings.HasPrefix(s, "[")) && json.Unmarshal([]byte(s), &v) == nil {
		return quote(v)
	}
	return fmt.Sprintf("%q", s)
}

// trCallback is one call of a user's function.
type trCallback struct {
	Seq    float64        `json:"seq"`
	T      float64        `json:"t"`
	Name   string         `json:"name"`
	Args   []any          `json:"args"`
	Kwargs map[string]any `json:"kwargs"`
	Thread string         `json:"thread"`

	panics bool          // it raised an exception
	sleeps time.Duration // how long it kept its thread
}

// String is what of a callback is compared; message ids are compared apart, as pairs.
func (c *trCallback) String() string {
	var out []string
	for _, a := range c.Args {
		switch a := a.(type) {
		case map[string]any:
			mid := "0"
			if fmt.Sprint(a["mid"]) != "0" {
				mid = "id"
			}
			out = append(out, fmt.Sprintf("%v %s qos=%v retain=%v dup=%v mid=%s", a["topic"], canonical(a["payload"]), a["qos"], a["retain"], a["dup"], mid))
		default:
			out = append(out, canonical(a))
		}
	}
	if data, ok := c.Kwargs["data"]; ok {
		b, _ := json.Marshal(data)
		out = append(out, "data="+string(b))
	}
	return c.Name + "(" + strings.Join(out, "; ") + ")"
}

// loadTranscripts reads all recordings of a directory.
func loadTranscripts(dir string) (map[string][]byte, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no transcripts in %s", dir)
	}
	all := map[string][]byte{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		all[strings.TrimSuffix(filepath.Base(name), ".json")] = b
	}
	return all, nil
}

// parseTranscript reads one recording and finds the callback in which each call of another thread was made: the last
// one of that thread before it; see startedBy.
func parseTranscript(b []byte) (*transcript, error) {
	tr := &transcript{}
	if err := json.Unmarshal(b, tr); err != nil {
		return nil, err
	}
	for _, c := range tr.Calls {
		c.raised = c.Raises != nil
		if c.main() {
			continue
		}
		for _, cb := range tr.Callbacks {
			if cb.Thread == c.Thread && cb.Seq < c.Seq && (c.after == nil || cb.Seq > c.after.Seq) {
				c.after = cb
			}
		}
		if c.after == nil {
			tr.startedBy(c)
		}
	}
	tr.complete()
	return tr, nil
}

// startedBy takes a call on a thread of the program's own, as v1's jobs sample has them, for one of whatever happened
// last before it, a callback or something in the main thread: that started the thread.
func (tr *transcript) startedBy(c *trCall) {
	last := 0.0
	for _, o := range tr.Calls {
		for _, seq := range []float64{o.Seq, o.EndSeq} {
			if o.main() && seq < c.Seq {
				last = max(last, seq)
			}
		}
	}
	for _, cb := range tr.Callbacks {
		if cb.Seq < c.Seq && cb.Seq > last {
			c.after, last = cb, cb.Seq
		}
	}
	if c.after == nil {
		c.Thread = "main"
	}
}

// complete adds what the recorder could not see but what follows from what it saw.
func (tr *transcript) complete() {
	for _, p := range tr.Packets {
		if (p.Proxy == "released" || p.Proxy == "late") && p.Conn == 0 {
			for _, q := range tr.Packets {
				if q.MidRef == p.MidRef && (q.Proxy == "held" || q.Proxy == "delayed") {
					p.Conn = q.Conn
				}
			}
		}
	}
	tr.connOfUpgrades()
	tr.discoveryAnswers()
	tr.refusedUnseen()
	tr.slowCallbacks()
	tr.raisingCallbacks()
}

// refusedUnseen adds the dials that were refused while nobody listened: disconnect raised "no connection", which it
// did only after a reconnect attempt had failed (section 1.4), and none is recorded.
func (tr *transcript) refusedUnseen() {
	for _, c := range tr.Calls {
		if c.Method != "disconnect" || c.Raises == nil || c.Raises.Type != "disconnectError" {
			continue
		}
		var lost *trPacket
		said := 0 // the connection that the client ended
		for _, p := range tr.Packets {
			switch {
			case p.Seq > c.Seq, p.Conn != 0 && p.Conn == said:
			case p.Type == "SERVER_SIDE_CLOSED" || p.Type == "CLIENT_CLOSED":
				if lost == nil {
					lost = p
				}
			case p.Type == "DISCONNECT":
				lost, said = nil, p.Conn
			case p.Type == "CONNECT_ATTEMPT" || p.Type == "TRANSPORT_OPEN":
				lost = nil
			}
		}
		if lost == nil {
			continue
		}
		wait, seq := 1.0, c.Seq-0.5
		for t := lost.T + wait; t < c.T; t += wait {
			tr.Packets = append(tr.Packets, &trPacket{Seq: seq, T: t, Dir: "event", Type: "CONNECT_ATTEMPT"})
			wait, seq = wait*2, seq+0.01
		}
		tr.sort()
	}
}

// slowCallbacks finds how long message callbacks kept their thread: a message that had arrived waited for them.
func (tr *transcript) slowCallbacks() {
	var arrived []*trPacket
	for _, p := range tr.Packets {
		if p.Dir == "s2c" && p.Type == "PUBLISH" {
			arrived = append(arrived, p)
		}
	}
	var former *trCallback
	for _, cb := range tr.Callbacks {
		if len(cb.Args) != 3 || cb.Thread != "event-dispatch" {
			continue
		}
		m, ok := cb.Args[2].(map[string]any)
		if !ok {
			continue
		}
		i := slices.IndexFunc(arrived, func(p *trPacket) bool {
			return p.Topic == m["topic"] && canonical(p.Payload) == canonical(m["payload"])
		})
		if i < 0 {
			continue
		}
		if former != nil && cb.T-arrived[i].T > 0.5 && arrived[i].T > former.T && !tr.calls(former) {
			former.sleeps = seconds(cb.T - former.T)
		}
		former = cb
	}
}

// raisingCallbacks finds callbacks that raised: v1 delivered nothing after them, so that a call timed out although its
// acknowledgement had come.
func (tr *transcript) raisingCallbacks() {
	for _, c := range tr.Calls {
		if c.Method != "publish" || !c.main() || c.Raises == nil || c.Raises.Type != "publishTimeoutException" {
			continue
		}
		acked := slices.ContainsFunc(tr.Packets, func(p *trPacket) bool {
			return p.Type == "PUBACK" && p.Dir == "s2c" && p.Proxy == "" && p.Seq > c.Seq && p.Seq < c.EndSeq
		})
		if !acked {
			continue
		}
		for _, cb := range slices.Backward(tr.Callbacks) {
			if cb.Seq < c.Seq && cb.Thread == "event-dispatch" {
				cb.panics = true
				break
			}
		}
	}
}

// calls reports whether calls were made in a callback.
func (tr *transcript) calls(cb *trCallback) bool {
	return slices.ContainsFunc(tr.Calls, func(c *trCall) bool { return c.after == cb })
}

// sort puts the lists in their order again.
func (tr *transcript) sort() {
	slices.SortStableFunc(tr.Packets, func(a, b *trPacket) int { return cmpFloat(a.Seq, b.Seq) })
	slices.SortStableFunc(tr.Callbacks, func(a, b *trCallback) int { return cmpFloat(a.Seq, b.Seq) })
}

// foreign names the object of a recording that has no counterpart here yet, or "".
func (tr *transcript) foreign() string {
	for _, c := range tr.Calls {
		switch c.Object {
		case "AWSIoTMQTTClient", "AWSIoTMQTTShadowClient", "deviceShadow", jobsObject, discoveryObject, discoveryInfoObject:
		default:
			return c.Object
		}
	}
	return ""
}
