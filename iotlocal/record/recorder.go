package record

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// DefaultCap is how many packets a Recorder keeps when Options says nothing.
const DefaultCap = 100_000

// DefaultCapBytes is how many payload bytes a Recorder keeps by default.
const DefaultCapBytes = 64 << 20

// Recorder keeps the newest packets in the order the server saw them. It is
// safe for concurrent use. Make one with New.
type Recorder struct {
	cap, capBytes int

	mu      sync.Mutex
	chunks  [][]Packet // packets in order; all chunks but the last are full
	head    int        // packets at the start of the first chunk that are dropped
	n       int        // packets kept
	bytes   int        // payload bytes in them
	seq     int
	dropped int
	resets  int
	refs    map[string]*refs // by client id
	wakers  map[chan struct{}]struct{}
	err     error // set by Close: Wait returns it
}

// chunkSize is how many packets are allocated at once: a growing slice of all
// would be copied again and again.
const chunkSize = 256

// refs numbers the packet identifiers of one client.
type refs struct {
	nextC, nextS int
	client       map[uint16]string // ids the client chose -> c1, c2, ...
	server       map[uint16]string // ids the server chose -> s1, s2, ...
}

// New returns an empty Recorder that keeps at most n packets and capBytes
// payload bytes, dropping the oldest; 0 means the default, negative n keeps
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
// calls it; the packet must not be changed afterwards.
func (r *Recorder) Add(p Packet) {
	if r == nil || r.cap < 0 {
		return
	}
	if p.Time.IsZero() {
		p.Time = time.Now()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seq++
	p.Seq = r.seq
	if p.PacketID != 0 {
		p.Ref = r.ref(&p)
	}
	last := len(r.chunks) - 1
	if last < 0 || len(r.chunks[last]) == chunkSize {
		r.chunks = append(r.chunks, make([]Packet, 0, chunkSize))
		last++
	}
	r.chunks[last] = append(r.chunks[last], p)
	r.n++
	r.bytes += len(p.Payload)
	r.trim()
	for w := range r.wakers {
		select {
		case w <- struct{}{}:
		default: // a wake-up is pending already
		}
	}
}

// ref pairs a packet identifier with the operation it belongs to.
func (r *Recorder) ref(p *Packet) string {
	c := r.refs[p.ClientID]
	if c == nil {
		c = &refs{client: map[uint16]string{}, server: map[uint16]string{}}
		r.refs[p.ClientID] = c
	}
	side, next, prefix := c.client, &c.nextC, "c"
	fromClient := p.Dir == wire.ClientToServer
	opens := p.Type == wire.PUBLISH || p.Type == wire.SUBSCRIBE || p.Type == wire.UNSUBSCRIBE
	if fromClient != opens {
		// An opening packet of the server, or the client's answer to one.
		side, next, prefix = c.server, &c.nextS, "s"
	}
	known := side[p.PacketID]
	// A DUP is the same operation; anything else that opens one takes a new number.
	if known != "" && (!opens || p.Dup || p.Fault == "duplicated" || p.Fault == "released") {
		return known
	}
	*next++
	known = prefix + strconv.Itoa(*next)
	side[p.PacketID] = known
	return known
}

// trim drops the oldest packets beyond the caps.
func (r *Recorder) trim() {
	for r.n > r.cap || r.bytes > r.capBytes && r.n > 0 {
		first := r.chunks[0]
		r.bytes -= len(first[r.head].Payload)
		first[r.head] = Packet{} // let its payload go
		r.head++
		r.n--
		r.dropped++
		if r.head == len(first) {
			r.chunks, r.head = r.chunks[1:], 0
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
		if skip >= len(c) {
			skip -= len(c)
			continue
		}
		got = append(got, c[skip:]...)
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
