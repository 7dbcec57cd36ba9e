package wirediff

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// Options of a comparison. The zero value is what iotmigrate verify does without flags.
type Options struct {
	Strict bool     // the order of a client's packets counts across topics and filters too
	Ignore []string // names of members of JSON payloads whose values are not compared, at any depth
	// Expected are differences that are meant. Those that one of them describes do not count.
	Expected []Expected
}

// Side is a packet of one of the records.
type Side struct {
	N    int    `json:"n,omitempty"` // its number, see Lines; 0: an event of the transport
	Line string `json:"line"`
}

// Difference is one packet that has no equal counterpart.
type Difference struct {
	Kind   Kind     `json:"kind"`
	Client string   `json:"client"`
	Topic  string   `json:"topic,omitempty"` // topic, or first filter
	What   []string `json:"what"`            // the properties that differ
	Old    *Side    `json:"old,omitempty"`   // nil: only the new record has it
	New    *Side    `json:"new,omitempty"`   // nil: only the old record has it

	order int // where it stands in its record
}

// Row counts packets of one kind.
type Row struct {
	Kind  Kind `json:"kind"`
	Old   int  `json:"old"`
	New   int  `json:"new"`
	Equal int  `json:"equal"`
}

// Expected describes differences that a rewrite makes on purpose.
type Expected struct {
	Rule  string   // the rule that makes them
	Kind  Kind     // of the packet
	Topic string   // a filter for its topic or first filter; "": any
	What  []string // the properties that may differ; a payload is "payload"
	Text  string   // what it means, in one sentence without a full stop
}

// covers reports whether d is nothing but what e describes.
func (e Expected) covers(d Difference) bool {
	if e.Kind != d.Kind || e.Topic != "" && e.Topic != d.Topic && !topic.Match(e.Topic, d.Topic) {
		return false
	}
	return !slices.ContainsFunc(d.What, func(what string) bool {
		what, _, _ = strings.Cut(what, " from byte ")
		return !slices.Contains(e.What, what)
	})
}

// Meant is a difference that an Expected describes.
type Meant struct {
	Difference
	Rule string `json:"rule"`
	Text string `json:"text"`
}

// Result is the outcome of Compare.
type Result struct {
	Rows        []Row        `json:"rows"`
	Differences []Difference `json:"differences"` // in order of the records, without those that are meant
	Expected    []Meant      `json:"expected,omitempty"`
	Notes       []string     `json:"notes,omitempty"`
	// Unplayed are events of a script that did not happen in both records, so that what was to follow is compared nowhere.
	Unplayed []Unplayed `json:"unplayed,omitempty"`
}

// Unplayed is an event of a script that never came due.
type Unplayed struct {
	Event string `json:"event"` // its line, with the number
	Old   bool   `json:"old"`   // with the old program
	New   bool   `json:"new"`   // with the new program
}

// String says which program it is about.
func (u Unplayed) String() string {
	who := "with either program"
	switch {
	case !u.New:
		who = "with the old program, and did with the new one"
	case !u.Old:
		who = "with the new program, and did with the old one"
	}
	return fmt.Sprintf("script %s: never came due %s", u.Event, who)
}

// Equal reports whether there is no difference, and everything that was to happen has happened.
func (r *Result) Equal() bool { return len(r.Differences)+len(r.Unplayed) == 0 }

// Total is the sum of the rows.
func (r *Result) Total() Row {
	var sum Row
	for _, row := range r.Rows {
		sum.Old, sum.New, sum.Equal = sum.Old+row.Old, sum.New+row.New, sum.Equal+row.Equal
	}
	return sum
}

// Compare compares two records, see the package comment.
func Compare(old, new []record.Packet, o Options) *Result {
	mixed := mixedLevels(old, new)
	c := &comparison{res: &Result{Differences: []Difference{}}, a: read(old, mixed, o), b: read(new, mixed, o)}
	for k := range kinds {
		c.res.Rows = append(c.res.Rows, Row{Kind: k})
	}
	for _, pair := range c.pairs() {
		c.client(pair[0], pair[1])
	}
	slices.SortStableFunc(c.res.Differences, func(x, y Difference) int { return cmp.Compare(x.order, y.order) })
	c.res.Differences = slices.DeleteFunc(c.res.Differences, func(d Difference) bool {
		i := slices.IndexFunc(o.Expected, func(e Expected) bool { return e.covers(d) })
		if i >= 0 {
			c.res.Expected = append(c.res.Expected, Meant{d, o.Expected[i].Rule, o.Expected[i].Text})
		}
		return i >= 0
	})
	c.res.Rows = slices.DeleteFunc(c.res.Rows, func(r Row) bool { return r.Old == 0 && r.New == 0 })
	return c.res
}

type comparison struct {
	res  *Result
	a, b *reader // old and new
}

// pairs matches the clients of the records by id, then what is left in order of appearance: a changed client id is
// then one difference of CONNECT and not a client more and a client less. "" stands for no counterpart.
func (c *comparison) pairs() [][2]*string {
	var out [][2]*string
	var left []*string
	for _, id := range c.a.clients {
		if _, ok := c.b.items[id]; ok {
			out = append(out, [2]*string{&id, &id})
		} else {
			left = append(left, &id)
		}
	}
	for _, id := range c.b.clients {
		if _, ok := c.a.items[id]; ok {
			continue
		}
		if len(left) > 0 {
			out = append(out, [2]*string{left[0], &id})
			left = left[1:]
		} else {
			out = append(out, [2]*string{nil, &id})
		}
	}
	for _, id := range left {
		out = append(out, [2]*string{id, nil})
	}
	return out
}

// client compares the packets of one client.
func (c *comparison) client(oldID, newID *string) {
	var old, new []*item
	var name string
	if newID != nil {
		new, name = c.b.items[*newID], *newID
	}
	if oldID != nil {
		old, name = c.a.items[*oldID], *oldID
	}
	before := len(c.res.Differences)
	oldLanes, newLanes, names := map[string][]*item{}, map[string][]*item{}, []string(nil)
	for _, it := range old {
		c.res.Rows[it.kind].Old++
		if oldLanes[it.lane] == nil {
			names = append(names, it.lane)
		}
		oldLanes[it.lane] = append(oldLanes[it.lane], it)
	}
	for _, it := range new {
		c.res.Rows[it.kind].New++
		if oldLanes[it.lane] == nil && newLanes[it.lane] == nil {
			names = append(names, it.lane)
		}
		newLanes[it.lane] = append(newLanes[it.lane], it)
	}
	for _, lane := range names {
		c.lane(name, oldLanes[lane], newLanes[lane])
	}
	if len(c.res.Differences) == before {
		c.order(name, old, new)
	}
}

// lane compares two sequences. Where they differ and one is longer it looks one packet ahead, so that one packet more or
// less does not make all that follow it different.
func (c *comparison) lane(client string, old, new []*item) {
	same := func(i, j int) bool { return i < len(old) && j < len(new) && len(old[i].differs(new[j])) == 0 }
	i, j := 0, 0
	for i < len(old) || j < len(new) {
		switch {
		case same(i, j):
			c.res.Rows[old[i].kind].Equal++
			c.tolerated(client, old[i], new[j])
			i, j = i+1, j+1
		case j == len(new) || len(old)-i > len(new)-j && same(i+1, j):
			c.only(client, old[i], true)
			i++
		case i == len(old) || len(new)-j > len(old)-i && same(i, j+1):
			c.only(client, new[j], false)
			j++
		default:
			d := difference(client, old[i])
			d.What, d.Old, d.New = old[i].differs(new[j]), side(old[i]), side(new[j])
			d.order = min(old[i].order, new[j].order)
			c.res.Differences = append(c.res.Differences, d)
			i, j = i+1, j+1
		}
	}
}

// only reports a packet that one record has and the other has not.
func (c *comparison) only(client string, it *item, isOld bool) {
	which, other := "new", "old"
	if isOld {
		which, other = other, which
	}
	if it.leaving {
		c.note("client %q: only the %s program was still there for packet %d, %s (rule leaving)", client, which, it.line.N, it.line)
		return
	}
	d := difference(client, it)
	d.What = []string{"missing in the " + other + " program"}
	if isOld {
		d.Old = side(it)
	} else {
		d.New = side(it)
	}
	c.res.Differences = append(c.res.Differences, d)
}

// tolerated notes what the rule leaving let pass in two packets that count as equal.
func (c *comparison) tolerated(client string, old, new *item) {
	if old.kind != Received || old.ack == new.ack {
		return
	}
	which, n := "old", old.line.N
	if new.ack == "" {
		which, n = "new", new.line.N
	}
	c.note("client %q: the %s program left before it acknowledged packet %d, the last it got (rule leaving)", client, which, n)
}

// order notes that the operations of a client stood in another order, lane by lane equal though they are.
func (c *comparison) order(client string, old, new []*item) {
	sent := func(its []*item) []*item {
		return slices.DeleteFunc(slices.Clone(its), func(it *item) bool { return it.kind == Received })
	}
	old, new = sent(old), sent(new)
	for i := range min(len(old), len(new)) {
		if old[i].lane != new[i].lane {
			c.note("client %q: equal per topic, in another order across topics from old packet %d (%s) and new packet %d (%s) on; -strict makes this a difference",
				client, old[i].line.N, old[i].line, new[i].line.N, new[i].line)
			return
		}
	}
}

func (c *comparison) note(format string, a ...any) {
	c.res.Notes = append(c.res.Notes, fmt.Sprintf(format, a...))
}

func difference(client string, it *item) Difference {
	d := Difference{Kind: it.kind, Client: client, Topic: it.line.Packet.Topic, order: it.order}
	if d.Topic == "" {
		d.Topic = firstFilter(it.line.Packet)
	}
	return d
}

// side shows a packet whole: what differs may stand behind the point where Packet.String cuts a payload.
func side(it *item) *Side {
	s := &Side{N: it.line.N, Line: it.line.String()}
	if p := it.line.Packet; p.Type == wire.PUBLISH && strings.HasSuffix(s.Line, "...") {
		s.Line = fmt.Sprintf("%s\n%q", s.Line, string(p.Payload))
	}
	if it.ack != "" {
		s.Line += ", answered: " + it.ack
	}
	return s
}
