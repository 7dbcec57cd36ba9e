package record

import (
	"strconv"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// chunkSize is how many packets a chunk has at most, chunkBytes how many bytes of
// topics and payloads, unless one packet alone has more.
const (
	chunkSize  = 256
	chunkBytes = 64 << 10
)

// chunk is a run of packets. A server at work makes hundreds of thousands of them in
// a second: what nearly all packets have stands in arrays without pointers, at which
// the garbage collector need not look, and which are used again when the packets in
// them have been dropped.
type chunk struct {
	first   int       // number of the first packet
	base    time.Time // of the first packet: the others count from it
	entries []entry
	data    []byte   // topics and payloads
	clients []string // client ids
	rest    []rest   // of packets that have more than an entry holds
}

// rest is what of a packet is not in an entry.
type rest struct {
	properties             *Properties
	filters                []Filter
	granted                []wire.Code
	reason, refusal, fault string
	sessionExpiry          *uint32
	connect                *Connect
	connack                *Connack
	transport              *Transport
	decision               *Decision
	via                    string
}

// more returns the rest of a packet; ok is false when there is nothing in it.
func (p *Packet) more() (r rest, ok bool) {
	ok = p.Properties != nil || p.Filters != nil || p.Granted != nil || p.Reason != "" || p.Refusal != "" || p.Fault != "" ||
		p.SessionExpiry != nil || p.Connect != nil || p.Connack != nil || p.Transport != nil || p.Decision != nil || p.Via != ""
	if !ok {
		return rest{}, false
	}
	return rest{p.Properties, p.Filters, p.Granted, p.Reason, p.Refusal, p.Fault, p.SessionExpiry, p.Connect, p.Connack, p.Transport, p.Decision, p.Via}, true
}

// into puts it into a packet.
func (r *rest) into(p *Packet) {
	p.Properties, p.Filters, p.Granted, p.Reason, p.Refusal, p.Fault = r.properties, r.filters, r.granted, r.reason, r.refusal, r.fault
	p.SessionExpiry, p.Connect, p.Connack, p.Transport, p.Decision, p.Via = r.sessionExpiry, r.connect, r.connack, r.transport, r.decision, r.via
}

// entry is a packet in a chunk.
type entry struct {
	since   time.Duration // from chunk.base
	at      uint32        // in data: the topic, then the payload
	payload uint32        // bytes
	size    uint32        // Packet.size
	conn    uint32
	ref     uint32 // number of the reference; 0: none
	topic   uint16 // bytes
	client  uint16 // index in chunk.clients
	rest    uint16 // index in chunk.rest, from 1; 0: there is nothing
	id      uint16
	dir     wire.Direction
	typ     wire.PacketType
	code    wire.Code
	flags   entryFlags
}

// entryFlags are the bits of a PUBLISH, and whose identifiers the reference is of.
type entryFlags byte

const (
	flagQoS    entryFlags = 3 // mask
	flagRetain entryFlags = 4
	flagDup    entryFlags = 8
	flagServer entryFlags = 16 // the reference is one of the server
)

// room reports whether the chunk takes a packet.
func (c *chunk) room(p *Packet) bool {
	return len(c.entries) < chunkSize && (len(c.entries) == 0 || len(c.data)+len(p.Topic)+len(p.Payload) <= chunkBytes)
}

// reset empties a chunk for packets from number first on. What is too large for most is let go.
func (c *chunk) reset(first int) {
	clear(c.clients)
	clear(c.rest)
	c.first, c.entries, c.data, c.clients, c.rest = first, c.entries[:0], c.data[:0], c.clients[:0], c.rest[:0]
	if cap(c.data) > 2*chunkBytes {
		c.data = nil
	}
}

// add appends a packet, whose reference is given apart.
func (c *chunk) add(p *Packet, ref int, server bool) {
	if len(c.entries) == 0 {
		c.base = p.Time
	}
	flags := entryFlags(p.QoS) & flagQoS
	if p.Retain {
		flags |= flagRetain
	}
	if p.Dup {
		flags |= flagDup
	}
	if server {
		flags |= flagServer
	}
	e := entry{since: p.Time.Sub(c.base), at: uint32(len(c.data)), payload: uint32(len(p.Payload)), size: uint32(p.size()), conn: uint32(p.Conn),
		ref: uint32(ref), topic: uint16(len(p.Topic)), client: c.client(p.ClientID), id: p.PacketID, dir: p.Dir, typ: p.Type, code: p.Code, flags: flags}
	c.data = append(append(c.data, p.Topic...), p.Payload...)
	if more, ok := p.more(); ok {
		c.rest = append(c.rest, more)
		e.rest = uint16(len(c.rest))
	}
	c.entries = append(c.entries, e)
}

// client returns the index of a client id; usually that of a packet before it.
func (c *chunk) client(id string) uint16 {
	const far = 4
	for i := len(c.clients) - 1; i >= max(0, len(c.clients)-far); i-- {
		if c.clients[i] == id {
			return uint16(i)
		}
	}
	c.clients = append(c.clients, id)
	return uint16(len(c.clients) - 1)
}

// packet returns the packet at i, with copies of what is in the arrays.
func (c *chunk) packet(i int) Packet {
	e := &c.entries[i]
	var p Packet
	if e.rest > 0 {
		c.rest[e.rest-1].into(&p)
	}
	p.Seq, p.Time, p.Conn, p.ClientID = c.first+i, c.base.Add(e.since), int(e.conn), c.clients[e.client]
	p.Dir, p.Type, p.Code, p.PacketID = e.dir, e.typ, e.code, e.id
	p.QoS, p.Retain, p.Dup = byte(e.flags&flagQoS), e.flags&flagRetain != 0, e.flags&flagDup != 0
	end := e.at + uint32(e.topic)
	p.Topic = string(c.data[e.at:end])
	if e.payload > 0 {
		p.Payload = append(Payload(nil), c.data[end:end+e.payload]...)
	}
	if e.ref > 0 {
		p.Ref = side(e.flags&flagServer != 0).prefix() + strconv.Itoa(int(e.ref))
	}
	return p
}
