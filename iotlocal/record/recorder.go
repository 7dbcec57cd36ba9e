package record

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// DefaultCap is how many packets a Recorder keeps when Options says nothing.
const DefaultCap = 100_000

// DefaultCapBytes is how many bytes of packets a Recorder keeps by default.
const DefaultCapBytes = 64 << 20

// Recorder keeps the newest packets in the order the server saw them. It is
// safe for concurrent use. Make one with New.
type Recorder struct {
	cap, capBytes int
	followers     atomic.Int32

	mu               sync.Mutex
	chunks           []*chunk // packets in order
	spare            *chunk   // to be used again; nil: none
	head             int      // packets at the start of the first chunk that are dropped
	n                int      // packets kept
	bytes            int      // of them, by Packet.size
	seq              int
	latest           time.Time // of the last packet
	dropped          int
	resets           int
	refs             map[string]*refs // by client id
	adding, dropping *refs            // the last ones
	wakers           map[chan struct{}]struct{}
	err              error // set by Close: Wait returns it
}

// refs numbers the packet identifiers of one client. It lasts as long as the
// record has packets of the client that bear one.
type refs struct {
	nextC, nextS int
	id           string          // of the client
	client       map[uint16]*ref // ids the client chose -> c1, c2, ...
	server       map[uint16]*ref // ids the server chose -> s1, s2, ...
	kept         int             // packets in the record that bear a reference
}

// ref is one reference, and in how many packets of the record it stands.
type ref struct{ number, kept int }

// side says who chose a packet identifier: true is the server.
type side bool

// prefix is what the references of a side begin with.
func (s side) prefix() string {
	if s {
		return "s"
	}
	return "c"
}

// New returns an empty Recorder that keeps at most n packets and capBytes bytes
// of what was in them, dropping the oldest; 0 means the default, negative n keeps
// nothing.
func New(n, capBytes int) *Recorder {
	if n == 0 {
		n = DefaultCap
	}
	if capBytes == 0 {
		capBytes = DefaultCapBytes
	}
	return &Recorder{cap: n, capBytes: capBytes, refs: map[string]*refs{}, wakers: map[chan struct{}]struct{}{}}
}

// Add appends a packet, filling in Seq, Time (if zero) and Ref. The server
// calls it. Topic and Payload are copied; what else the packet points to must not be
// changed afterwards.
func (r *Recorder) Add(p Packet) { r.add(&p) }

func (r *Recorder) add(p *Packet) {
	if r == nil || r.cap < 0 {
		return
	}
	if p.Time.IsZero() {
		p.Time = time.Now()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.Time.Before(r.latest) { // whoever was first to look at the clock
		p.Time = r.latest
	}
	r.latest = p.Time
	r.seq++
	number, of := 0, side(false)
	if p.PacketID != 0 {
		number, of = r.ref(p)
	}
	c := r.last(p)
	c.add(p, number, bool(of))
	r.n++
	r.bytes += int(c.entries[len(c.entries)-1].size)
	if r.n > r.cap || r.bytes > r.capBytes {
		r.trim()
	}
	for w := range r.wakers {
		select {
		case w <- struct{}{}:
		default: // a wake-up is pending already
		}
	}
}

// last returns the chunk that takes the packet with number r.seq.
func (r *Recorder) last(p *Packet) *chunk {
	if n := len(r.chunks); n > 0 && r.chunks[n-1].room(p) {
		return r.chunks[n-1]
	}
	c := r.spare
	r.spare = nil
	switch {
	case c != nil:
	case len(r.chunks) == 0: // of a server that may see little
		c = &chunk{}
	default:
		c = &chunk{entries: make([]entry, 0, chunkSize)}
	}
	c.reset(r.seq)
	r.chunks = append(r.chunks, c)
	return c
}

// ids returns the identifiers of the client, or of the server, that packets of
// this kind belong to, and whether they open an operation.
func (c *refs) ids(dir wire.Direction, t wire.PacketType) (ids map[uint16]*ref, next *int, of side, opens bool) {
	opens = t == wire.PUBLISH || t == wire.SUBSCRIBE || t == wire.UNSUBSCRIBE
	if fromClient := dir == wire.ClientToServer; fromClient != opens {
		// An opening packet of the server, or the client's answer to one.
		if c.server == nil {
			c.server = map[uint16]*ref{}
		}
		return c.server, &c.nextS, true, opens
	}
	if c.client == nil {
		c.client = map[uint16]*ref{}
	}
	return c.client, &c.nextC, false, opens
}

// ref pairs a packet identifier with the operation it belongs to.
func (r *Recorder) ref(p *Packet) (number int, of side) {
	c := r.find(p.ClientID, &r.adding)
	if c == nil {
		c = &refs{id: p.ClientID}
		r.refs[p.ClientID], r.adding = c, c
	}
	ids, next, of, opens := c.ids(p.Dir, p.Type)
	known := ids[p.PacketID]
	if known == nil {
		known = &ref{}
		ids[p.PacketID] = known
	}
	// A DUP is the same operation; anything else that opens one takes a new number.
	if known.number == 0 || opens && !p.Dup && p.Fault != "duplicated" && p.Fault != "released" {
		*next++
		*known = ref{number: *next}
	}
	known.kept++
	c.kept++
	return known.number, of
}

// find returns the references of a client; near is where it is remembered, since the
// next packet is likely to be of the same.
func (r *Recorder) find(client string, near **refs) *refs {
	if c := *near; c != nil && c.id == client {
		return c
	}
	c := r.refs[client]
	*near = c
	return c
}

// unref forgets a reference with the last packet that bears it, and a client
// with its last reference.
func (r *Recorder) unref(e *entry, client string) {
	if e.ref == 0 {
		return
	}
	c := r.find(client, &r.dropping)
	if c == nil {
		return
	}
	ids, _, _, _ := c.ids(e.dir, e.typ)
	if known := ids[e.id]; known != nil && known.number == int(e.ref) { // else the identifier is in use again
		if known.kept--; known.kept == 0 {
			delete(ids, e.id)
		}
	}
	if c.kept--; c.kept == 0 {
		delete(r.refs, client)
		r.adding, r.dropping = nil, nil
	}
}

// trim drops the oldest packets beyond the caps.
func (r *Recorder) trim() {
	for r.n > r.cap || r.bytes > r.capBytes && r.n > 0 {
		first := r.chunks[0]
		e := &first.entries[r.head]
		r.bytes -= int(e.size)
		r.unref(e, first.clients[e.client])
		if e.rest > 0 {
			first.rest[e.rest-1] = rest{} // let go what it points to
		}
		r.head++
		r.n--
		r.dropped++
		if r.head == len(first.entries) {
			r.chunks[0] = nil
			r.chunks, r.head, r.spare = r.chunks[1:], 0, first
		}
	}
}

// Packets returns a copy of what is recorded, oldest first. What the packets
// point to is shared: do not change it.
func (r *Recorder) Packets() []Packet {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.since(nil)
}

// since appends to got the packets that follow it. got must be what an earlier
// call returned since the last Reset; packets dropped meanwhile stay in it.
func (r *Recorder) since(got []Packet) []Packet {
	after := 0
	if len(got) > 0 {
		after = got[len(got)-1].Seq
	}
	fresh := min(r.seq-after, r.n)
	skip := r.head + r.n - fresh
	got = slices.Grow(got, fresh)
	for _, c := range r.chunks {
		if skip >= len(c.entries) {
			skip -= len(c.entries)
			continue
		}
		for i := skip; i < len(c.entries); i++ {
			got = append(got, c.packet(i))
		}
		skip = 0
	}
	return got
}

// Dropped returns how many packets were let go because of the cap.
func (r *Recorder) Dropped() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dropped
}

// Reset forgets every packet and starts the numbering of references anew.
func (r *Recorder) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.chunks, r.head, r.n, r.bytes, r.dropped, r.seq = nil, 0, 0, 0, 0, 0
	r.resets++
	clear(r.refs)
	r.adding, r.dropping = nil, nil
}

// Wait returns nil as soon as cond is true of the packets recorded, and the
// context's cause when it ends first, or an error when the server is closed.
// cond runs without a lock held, at least once and again after new packets.
func (r *Recorder) Wait(ctx context.Context, cond func([]Packet) bool) error {
	wake := make(chan struct{}, 1)
	r.mu.Lock()
	r.wakers[wake] = struct{}{}
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.wakers, wake)
		r.mu.Unlock()
	}()
	var got []Packet
	resets := 0
	for {
		r.mu.Lock()
		if resets != r.resets {
			got, resets = nil, r.resets
		}
		got = r.since(got)
		closed := r.err
		r.mu.Unlock()
		if cond(got) {
			return nil
		}
		if closed != nil {
			return closed
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return fmt.Errorf("iotlocal: recorder: condition not met by %d packets: %w", len(got), context.Cause(ctx))
		}
	}
}

// WaitClosed is Wait until every connection whose beginning is recorded has ended. A program may be gone before the server has
// read its last packets: this is what to wait for before one compares what it said.
func (r *Recorder) WaitClosed(ctx context.Context) error {
	return r.Wait(ctx, func(packets []Packet) bool {
		open := map[int]bool{}
		for _, p := range packets {
			switch p.Type {
			case wire.TransportOpen:
				open[p.Conn] = true
			case wire.ClientClosed, wire.ServerClosed, wire.HandshakeFailed:
				delete(open, p.Conn)
			}
		}
		return len(open) == 0
	})
}

// Close ends every Wait with an error; packets stay readable.
func (r *Recorder) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = fmt.Errorf("iotlocal: recorder: the server is closed")
	}
	for w := range r.wakers {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

// WriteJSONLines writes every packet as one line of JSON.
func (r *Recorder) WriteJSONLines(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, p := range r.Packets() {
		if err := enc.Encode(p); err != nil {
			return fmt.Errorf("iotlocal: recorder: %w", err)
		}
	}
	return nil
}

// Select returns the packets for which keep is true, in order: a helper for
// comparing one direction or one client.
func Select(ps []Packet, keep func(Packet) bool) []Packet {
	var out []Packet
	for _, p := range ps {
		if keep(p) {
			out = append(out, p)
		}
	}
	return out
}
