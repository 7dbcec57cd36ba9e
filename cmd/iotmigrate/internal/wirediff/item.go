package wirediff

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// Kind is a row of the comparison.
type Kind int

// The kinds.
const (
	Connect Kind = iota
	Subscribe
	Unsubscribe
	Sent     // PUBLISH of the client
	Received // PUBLISH of the server
	End      // DISCONNECT, or the end of a connection without one
	kinds
)

// String returns the packet type, with an arrow where both sides send it.
func (k Kind) String() string {
	switch k {
	case Connect:
		return "CONNECT"
	case Subscribe:
		return "SUBSCRIBE"
	case Unsubscribe:
		return "UNSUBSCRIBE"
	case Sent:
		return "PUBLISH sent"
	case Received:
		return "PUBLISH received"
	case End:
		return "DISCONNECT"
	}
	return fmt.Sprintf("Kind(%d)", int(k))
}

// KindOf is the kind with a name, as String returns it.
func KindOf(name string) (Kind, bool) {
	for k := range kinds {
		if k.String() == name {
			return k, true
		}
	}
	return 0, false
}

// MarshalText makes JSON carry the words instead of the number.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Line is one MQTT packet of a record with its number, which reports use.
type Line struct {
	N      int // from 1
	Packet record.Packet
}

// String is the packet for people, without the number. JSON payloads stand in back quotes: escapes make them hard to read.
func (l Line) String() string {
	s, payload := l.Packet.String(), string(l.Packet.Payload)
	if strings.Contains(payload, `"`) && strconv.CanBackquote(payload) {
		s = strings.Replace(s, strconv.Quote(payload), "`"+payload+"`", 1)
	}
	return s
}

// Lines numbers the packets of a record that take part: all but transport events and pings.
func Lines(ps []record.Packet) []Line {
	var out []Line
	for _, p := range ps {
		if p.Dir == wire.Event || ping(p) {
			continue
		}
		out = append(out, Line{len(out) + 1, p})
	}
	return out
}

// field is one compared property of an item, in normal form.
type field struct{ name, value string }

// item is one packet, or the end of a connection, that is compared with its counterpart.
type item struct {
	kind   Kind
	line   Line // N is 0 for the end of a connection without DISCONNECT
	order  int  // position in the record, for sorting
	lane   string
	fields []field
	// ack is the answer in normal form, "" when the record has none.
	ack string
	// leaving: delivered after the client's last packet but DISCONNECT. last: no delivery on the connection followed.
	leaving, last bool
	from          []int // of a SUBSCRIBE: where its filters have stood in the packet
}

// differs names what is not equal in a and b.
func (a *item) differs(b *item) []string {
	var out []string
	for i, f := range a.fields {
		if i >= len(b.fields) || b.fields[i].name != f.name {
			return append(out, "kind of packet")
		}
		if f.value == b.fields[i].value {
			continue
		}
		name := f.name
		if name == "payload" {
			name = payloadsDiffer(f.value, b.fields[i].value)
		}
		out = append(out, name)
	}
	if a.kind != b.kind {
		out = append(out, "kind of packet")
	}
	if a.ack != b.ack && !ackMayLack(a, b) {
		out = append(out, "acknowledgement")
	}
	return out
}

// token is the member of requests to AWS IoT's services that their answers repeat, and that may be left out.
const token = "clientToken"

// payloadsDiffer names the difference of two payloads.
func payloadsDiffer(a, b string) string {
	old, ok := decode([]byte(a))
	object, isObject := old.(map[string]any)
	if new, ok2 := decode([]byte(b)); ok && ok2 && isObject && object[token] != nil {
		if delete(object, token); reflect.DeepEqual(old, new) {
			return token + " missing in the new program"
		}
	}
	return fmt.Sprintf("payload from byte %d", firstByte(a, b))
}

// firstByte is the offset of the first byte in which a and b differ.
func firstByte(a, b string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// connection is what one transport connection said.
type connection struct {
	client    string // name of the client it belongs to
	number    int    // among those of the client, from 1
	transport *record.Transport
	lastSent  int // position of the client's last packet but DISCONNECT
	lastDeliv int // position of the last delivery
	lastAny   int // position of the last packet
	ended     bool
}

// reader turns a record into items by client.
type reader struct {
	o       Options
	mixed   bool // the other record, or this one, has a client below MQTT 5
	conns   map[int]*connection
	tokens  map[string]bool // client tokens sent so far
	items   map[string][]*item
	clients []string // in order of appearance
}

// read returns the items of a record by client, and the clients in order of appearance.
func read(ps []record.Packet, mixed bool, o Options) *reader {
	r := &reader{o: o, mixed: mixed, conns: map[int]*connection{}, tokens: map[string]bool{}, items: map[string][]*item{}}
	r.survey(ps)
	open := map[string]*item{} // by connection and packet-id reference, what waits for its answer
	n := 0
	for i, p := range ps {
		l := Line{Packet: p}
		if p.Dir != wire.Event && !ping(p) {
			n++
			l.N = n
		}
		c := r.conns[p.Conn]
		key := answerKey(p)
		switch {
		case p.Type == wire.CONNECT:
			open[fmt.Sprint(p.Conn)] = r.add(c, i, l, Connect, "", r.connect(p, c))
		case p.Type == wire.CONNACK:
			if it := open[fmt.Sprint(p.Conn)]; it != nil {
				it.ack = r.connack(p)
			}
		case p.Type == wire.SUBSCRIBE:
			sorted, from := r.byFilter(p)
			it := r.add(c, i, l, Subscribe, firstFilter(sorted), subscribe(sorted))
			it.from, open[key] = from, it
		case p.Type == wire.UNSUBSCRIBE:
			open[key] = r.add(c, i, l, Unsubscribe, firstFilter(p), subscribe(p))
		case p.Type == wire.PUBLISH:
			kind := Sent
			if p.Dir == wire.ServerToClient {
				kind = Received
			}
			it := r.add(c, i, l, kind, p.Topic, r.publish(p))
			it.leaving, it.last = kind == Received && i > c.lastSent, i == c.lastDeliv
			if p.QoS > 0 {
				open[key] = it
			}
		case p.Type == wire.PUBACK, p.Type == wire.SUBACK, p.Type == wire.UNSUBACK:
			if it := open[key]; it != nil {
				it.ack = r.answer(codesBy(p, it.from))
				delete(open, key)
			}
		case p.Type == wire.DISCONNECT:
			c.end(r, i, l, r.disconnect(p))
		case p.Type == wire.ClientClosed:
			c.end(r, c.endsAt(), l, "the client closed the connection without DISCONNECT")
		case p.Type == wire.ServerClosed:
			c.end(r, c.endsAt(), l, r.closed())
		case p.Type == wire.HandshakeFailed:
			c.end(r, i, l, "the TLS handshake failed")
		}
	}
	for _, items := range r.items {
		slices.SortStableFunc(items, func(a, b *item) int { return cmp.Compare(a.order, b.order) })
	}
	return r
}

// survey finds out whose connection each is and where its last packets stand.
func (r *reader) survey(ps []record.Packet) {
	number := map[string]int{}
	assigned := 0
	made := map[string]string{}
	for i, p := range ps {
		c := r.conns[p.Conn]
		if c == nil {
			c = &connection{lastSent: -1, lastDeliv: -1, lastAny: i}
			r.conns[p.Conn] = c
		}
		switch {
		case p.Type == wire.TransportOpen:
			c.transport = p.Transport
		case p.Type == wire.CONNECT:
			c.client = clientName(p.ClientID, made)
		case p.Type == wire.CONNACK && p.Connack != nil && p.Connack.AssignedClientID != "":
			assigned++
			c.client = fmt.Sprintf("(assigned id %d)", assigned)
		}
		if p.Dir != wire.Event {
			c.lastAny = i
		}
		if p.Dir == wire.ClientToServer && p.Type != wire.DISCONNECT {
			c.lastSent = i
		}
		if p.Dir == wire.ServerToClient && p.Type == wire.PUBLISH {
			c.lastDeliv = i
		}
	}
	seen := map[int]bool{}
	for _, p := range ps {
		if c := r.conns[p.Conn]; !seen[p.Conn] {
			seen[p.Conn] = true
			number[c.client]++
			c.number = number[c.client]
		}
	}
}

// add appends an item. part is what separates its lane from others of its kind.
func (r *reader) add(c *connection, order int, l Line, k Kind, part string, fs []field) *item {
	lane := "session"
	switch {
	case k == Connect || k == End:
	case r.o.Strict && k == Received:
		lane = "received"
	case r.o.Strict:
		lane = "sent"
	case k == Subscribe || k == Unsubscribe:
		lane = "filter " + part
	default:
		lane = k.String() + " " + part
	}
	it := &item{kind: k, line: l, order: order, lane: lane, fields: append(fs, field{"connection", fmt.Sprint(c.number)})}
	if _, ok := r.items[c.client]; !ok {
		r.clients = append(r.clients, c.client)
	}
	r.items[c.client] = append(r.items[c.client], it)
	return it
}

// end adds the end of a connection, once: what follows a DISCONNECT on the transport is not the program's.
func (c *connection) end(r *reader, order int, l Line, how string) {
	if c.ended {
		return
	}
	c.ended = true
	r.add(c, order, l, End, "", []field{{"end of the connection", how}})
}

func will(w *record.Will) string {
	if w == nil {
		return "none"
	}
	return fmt.Sprintf("%q %q QoS %d retain %v delay %d%s", w.Topic, string(w.Payload), w.QoS, w.Retain, w.Delay, properties(w.Properties))
}

// properties is the normal form of what a message carries besides its payload, "" for nothing.
func properties(p *record.Properties) string {
	if p == nil {
		return ""
	}
	var b strings.Builder
	if p.PayloadFormat != nil && *p.PayloadFormat != 0 {
		fmt.Fprintf(&b, " payload format %d", *p.PayloadFormat)
	}
	if p.MessageExpiry != nil {
		fmt.Fprintf(&b, " expiry %d s", *p.MessageExpiry)
	}
	if p.ContentType != "" {
		fmt.Fprintf(&b, " content type %q", p.ContentType)
	}
	if p.ResponseTopic != "" {
		fmt.Fprintf(&b, " response topic %q", p.ResponseTopic)
	}
	if len(p.CorrelationData) > 0 {
		fmt.Fprintf(&b, " correlation data %q", string(p.CorrelationData))
	}
	for _, u := range p.UserProperties {
		fmt.Fprintf(&b, " %q=%q", u.Name, u.Value)
	}
	return b.String()
}

func firstFilter(p record.Packet) string {
	if len(p.Filters) == 0 {
		return ""
	}
	return p.Filters[0].Filter
}

func subscribe(p record.Packet) []field {
	var names []string
	var options []string
	for _, f := range p.Filters {
		names = append(names, fmt.Sprintf("%q", f.Filter))
		options = append(options, fmt.Sprintf("QoS %d no local %v retain as published %v retain handling %d", f.QoS, f.NoLocal, f.RetainAsPublished, f.RetainHandling))
	}
	return []field{{"filters", strings.Join(names, ", ")}, {"QoS", strings.Join(options, ", ")}, {"invalid", p.Reason}}
}

func (r *reader) publish(p record.Packet) []field {
	return []field{
		{"topic", p.Topic},
		{"payload", r.payload(p)},
		{"QoS", fmt.Sprint(p.QoS)},
		{"retain", fmt.Sprint(p.Retain)},
		{"dup", fmt.Sprint(p.Dup)},
		{"properties", properties(p.Properties)},
		{"invalid", p.Reason},
	}
}
