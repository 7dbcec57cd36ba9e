package wirediff

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// Normalisation is a rule by which things that differ count as equal.
type Normalisation struct{ Name, Text string }

// Normalisations are all there are: what none of them names is compared as it is. The functions of this file carry them
// out, and nothing else in the package makes two things equal that are not.
var Normalisations = []Normalisation{
	{"packet-id", "not compared: acknowledgements are paired with what they acknowledge"},
	{"made-up-id", "client ids of the form that v1 used when it was given none, and those that the endpoint assigns, are numbered"},
	{"user-suffix", "the ?SDK=... part of the user name, which names the SDK, is left out"},
	{"protocol-level", "MQTT 3.1.1's clean session and MQTT 5's clean start with session expiry become new or resumed, kept or not"},
	{"level-codes", "where one program speaks MQTT 3.1.1: reason codes of its acknowledgements become accepted or refused, the seconds of the session expiry and a DISCONNECT of the endpoint, which it does not have, are left out"},
	{"filter-order", "where one program speaks MQTT 3.1.1: the filters of one SUBSCRIBE, which paho.mqtt.golang takes out of a map in another order each time, are compared in the order of their names, with their options and codes"},
	{"client-limits", "receive maximum, maximum packet size, topic alias maximum and topic aliases, which v1 cannot say, are left out"},
	{"ping", "PINGREQ and PINGRESP, which depend on time alone, are left out"},
	{"aws-json", "payloads on $aws/ topics are compared as JSON values: the order of members and white space mean nothing to AWS's services"},
	{"aws-token", "in those, a clientToken becomes <token>, <token again> when the client used it before, <foreign token> in an answer to nobody's question"},
	{"aws-time", "in those, the numbers of timestamp, queuedAt, startedAt and lastUpdatedAt, which the service takes from its clock, become <time>"},
	{"ignored", "members of JSON payloads that -ignore names"},
	{"server-ack", "an acknowledgement of the endpoint that one program did not wait for"},
	{"close", "a connection that ends without DISCONNECT ends directly behind its last packet; the endpoint may notice it later, when the client has connected again"},
	{"leaving", "what reached a program after its last packet but DISCONNECT, and its acknowledgement of the last delivery of a connection; a note says so"},
}

// mixedLevels reports whether rule level-codes holds: a program spoke an MQTT below 5.
func mixedLevels(old, new []record.Packet) bool {
	below5 := func(p record.Packet) bool { return p.Connect != nil && p.Connect.Level < byte(wire.MQTT5) }
	return slices.ContainsFunc(old, below5) || slices.ContainsFunc(new, below5)
}

// byFilter is p, a SUBSCRIBE, with its filters in the order of rule filter-order, and where each has stood.
func (r *reader) byFilter(p record.Packet) (sorted record.Packet, from []int) {
	for i := range p.Filters {
		from = append(from, i)
	}
	if !r.mixed {
		return p, from
	}
	slices.SortStableFunc(from, func(a, b int) int { return cmp.Compare(p.Filters[a].Filter, p.Filters[b].Filter) })
	filters := p.Filters
	p.Filters = nil
	for _, i := range from {
		p.Filters = append(p.Filters, filters[i])
	}
	return p, from
}

// codesBy is p, the answer to a SUBSCRIBE, with its codes in the order of the filters.
func codesBy(p record.Packet, from []int) record.Packet {
	if len(p.Granted) != len(from) {
		return p
	}
	granted := p.Granted
	p.Granted = nil
	for _, i := range from {
		p.Granted = append(p.Granted, granted[i])
	}
	return p
}

// endsAt is where the end of a connection without DISCONNECT stands, by rule close.
func (c *connection) endsAt() int { return c.lastAny }

// ping reports whether rule ping leaves a packet out.
func ping(p record.Packet) bool { return p.Type == wire.PINGREQ || p.Type == wire.PINGRESP }

// answerKey pairs an acknowledgement with what it acknowledges, by rule packet-id.
func answerKey(p record.Packet) string { return fmt.Sprint(p.Conn, p.Ref) }

// madeUpID is the form of the client id that v1 used when it was given none.
var madeUpID = regexp.MustCompile(`^paho/[0-9A-F]{18}$`)

// clientName is the name of a client by rule made-up-id; made are those seen so far.
func clientName(id string, made map[string]string) string {
	if !madeUpID.MatchString(id) {
		return id
	}
	if made[id] == "" {
		made[id] = fmt.Sprintf("(made-up id %d)", len(made)+1)
	}
	return made[id]
}

// ackMayLack reports whether one of two acknowledgements may be missing, by the rules leaving and server-ack.
func ackMayLack(a, b *item) bool {
	if a.kind == Received {
		return a.ack == "" && a.last || b.ack == "" && b.last
	}
	return a.ack == "" || b.ack == ""
}

// connect is a CONNECT by the rules protocol-level, user-suffix and client-limits, which are the limits that are not here.
func (r *reader) connect(p record.Packet, c *connection) []field {
	k := p.Connect
	if k == nil { // a CONNECT the server could not read
		return []field{{"invalid", p.Reason}}
	}
	start, kept := "resumed", "not kept"
	if k.CleanStart {
		start = "new"
	}
	if k.SessionExpiry != nil && *k.SessionExpiry > 0 || k.Level < byte(wire.MQTT5) && !k.CleanStart {
		kept = "kept"
		if !r.mixed && k.SessionExpiry != nil {
			kept = fmt.Sprintf("kept for %d s", *k.SessionExpiry)
		}
	}
	id := p.ClientID
	switch {
	case strings.HasPrefix(c.client, "(assigned"):
		id = ""
	case strings.HasPrefix(c.client, "(made-up"):
		id = "made up" // another one in every run
	}
	fs := []field{
		{"client id", id},
		{"session at the start", start},
		{"session at the end", kept},
		{"keep alive", fmt.Sprint(k.KeepAlive)},
		{"user name", record.NormalUsername(k.Username)},
		{"password", fmt.Sprint(k.HasPassword)},
		{"will", will(k.Will)},
	}
	if t := c.transport; t != nil {
		fs = append(fs, field{"transport", fmt.Sprintf("TLS %v, SNI %q, ALPN %q", t.TLS, t.SNI, t.ALPN)}, field{"client certificate", t.ClientCert})
	}
	return fs
}

// connack is the answer to a CONNECT, by rule level-codes.
func (r *reader) connack(p record.Packet) string {
	switch {
	case p.Code == 0 && p.Connack != nil:
		return fmt.Sprintf("accepted, session present %v", p.Connack.SessionPresent)
	case r.mixed:
		return "refused"
	}
	return fmt.Sprintf("refused: %v", p.Code)
}

// answer is another acknowledgement, by rule level-codes.
func (r *reader) answer(p record.Packet) string {
	codes := p.Granted
	if len(codes) == 0 {
		codes = []wire.Code{p.Code}
	}
	switch {
	case !r.mixed:
		return cmp.Or(strings.Trim(fmt.Sprint(codes), "[]"), "acknowledged")
	case p.Type == wire.UNSUBACK: // without codes in MQTT 3.1.1
		return "acknowledged"
	}
	words := make([]string, len(codes))
	for i, c := range codes {
		switch {
		case c >= 0x80:
			words[i] = "refused"
		case p.Type == wire.SUBACK:
			words[i] = fmt.Sprintf("granted QoS %d", byte(c))
		default:
			words[i] = "acknowledged"
		}
	}
	return strings.Join(words, " ")
}

// disconnect and closed are the ends of a connection, by rule level-codes.
func (r *reader) disconnect(p record.Packet) string {
	switch {
	case p.Dir != wire.ServerToClient:
		return fmt.Sprintf("DISCONNECT of the client: %v", p.Code)
	case r.mixed:
		return r.closed()
	}
	return fmt.Sprintf("DISCONNECT of the server: %v", p.Code)
}

func (r *reader) closed() string {
	if r.mixed {
		return "the server ended the connection"
	}
	return "the server closed the connection without DISCONNECT"
}

// awsTimes are members whose numbers the service takes from its clock (rule aws-time).
var awsTimes = []string{"timestamp", "queuedAt", "startedAt", "lastUpdatedAt"}

// payload is the content of a PUBLISH in normal form: see the rules aws-json, aws-token, aws-time and ignored.
func (r *reader) payload(p record.Packet) string {
	raw := string(p.Payload)
	aws := strings.HasPrefix(p.Topic, "$aws/")
	if !aws && len(r.o.Ignore) == 0 {
		return raw
	}
	v, ok := decode(p.Payload)
	if !ok {
		return raw
	}
	changed := false
	v = r.normal(v, aws, p.Dir == wire.ClientToServer, &changed)
	if !aws && !changed {
		return raw // nothing ignored in it: bytes it is
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return raw
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// decode reads one JSON value that is the whole of b; numbers keep their text.
func decode(b []byte) (any, bool) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil, false
	}
	_, err := d.Token()
	return v, err == io.EOF
}

// normal rewrites a JSON value in place. sent tells whose packet it is.
func (r *reader) normal(v any, aws, sent bool, changed *bool) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = r.normal(v[i], aws, sent, changed)
		}
	case map[string]any:
		for name, member := range v {
			token, isString := member.(string)
			_, isNumber := member.(json.Number)
			switch {
			case slices.Contains(r.o.Ignore, name):
				v[name], *changed = "<ignored>", true
			case aws && name == "clientToken" && isString:
				v[name] = r.token(token, sent)
			case aws && isNumber && slices.Contains(awsTimes, name):
				v[name] = "<time>"
			default:
				v[name] = r.normal(member, aws, sent, changed)
			}
		}
	}
	return v
}

// token is the normal form of a client token: a random text, of which it matters only whether it was used before.
func (r *reader) token(t string, sent bool) string {
	known := r.tokens[t]
	switch {
	case sent && known:
		return "<token again>"
	case sent:
		r.tokens[t] = true
		return "<token>"
	case known:
		return "<token>"
	}
	return "<foreign token>"
}
