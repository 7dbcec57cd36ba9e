package awsiot_test

// The broker of TestModel: it draws what becomes of acknowledgements, and checks the rules of the wire.

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/eclipse/paho.golang/packets"
)

// modelConn is what the broker knows of one connection.
type modelConn struct {
	last    map[int]int     // number of the last publish, by the goroutine that called
	open    map[uint16]bool // identifiers without an acknowledgement; true: of a publish
	window  int             // publishes among them
	most    int             // that may be
	present bool            // the connection goes on with a session
	p       *peer
	losses  int         // of the client, before this connection
	dead    bool        // it has ended
	recent  []time.Time // of the last packets, see moodyRate
}

// arrival is the last time that an operation reached the broker.
type arrival struct {
	at       time.Time
	live     bool          // that connection has not ended
	spent    time.Duration // on the connections before, from the arrival to their end
	answered bool          // it was answered, this time or before
}

// waited is how long an operation was under way on all connections together.
func (a arrival) waited() time.Duration {
	if a.live {
		return a.spent + time.Since(a.at)
	}
	return a.spent
}

// cancellation ends the context of one operation, or of all that a goroutine calls.
type cancellation struct {
	end   context.CancelFunc
	n, by int
}

// modelCounts is how often the broker did what the model is about.
type modelCounts struct {
	lost, doubled, late, stale, dup, timeouts, unknown int
	kills, convictions, restarts, throttled            int
}

func (c *modelCounts) add(d modelCounts) {
	c.lost, c.doubled, c.late, c.stale, c.dup = c.lost+d.lost, c.doubled+d.doubled, c.late+d.late, c.stale+d.stale, c.dup+d.dup
	c.timeouts, c.unknown = c.timeouts+d.timeouts, c.unknown+d.unknown
	c.kills, c.convictions, c.restarts, c.throttled = c.kills+d.kills, c.convictions+d.convictions, c.restarts+d.restarts, c.throttled+d.throttled
}

const (
	modelWindow  = 3 // the largest receive maximum of the broker
	modelFilters = 4
	modelTimeout = 5 * time.Second
)

// What becomes of an acknowledgement.
const (
	fateGood = iota
	fateLost
	fateDoubled
	fateLate
	fateMixed // a mode: any of them
	numModes
)

// fate draws what becomes of the next acknowledgement: more often than not what the mode says.
func (m *model) fate() (fate int, late time.Duration) {
	m.packets++
	if m.temper == temperMoody {
		return fateLate, moodyDelay
	}
	draw := rand.New(rand.NewPCG(m.seed, m.packets)).Uint32()
	late = []time.Duration{2 * time.Second, modelTimeout + 2*time.Second}[draw>>16%2]
	switch {
	case m.acks == fateMixed:
		return int(draw % fateMixed), late
	case draw%5 < 3:
		return m.acks, late
	}
	return fateGood, late
}

func (m *model) problem(format string, args ...any) {
	m.problems = append(m.problems, fmt.Sprintf(format, args...))
}

func (m *model) connect(c *packets.Connect, a *packets.Connack) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.CleanStart {
		m.session = false
	}
	a.SessionPresent, m.present = m.session, m.session
	m.packets++
	m.lossesBefore = m.losses
	m.window = 1 + int(rand.New(rand.NewPCG(m.seed, m.packets)).Uint32()%modelWindow)
	a.Properties.ReceiveMaximum = new(uint16(m.window))
	if m.cur != nil {
		m.before = m.cur
	}
	m.cur = nil
	if !m.session {
		m.subs = map[string]bool{}
		m.sessions++
	}
	m.session = true
}

// handle is the broker: it checks the rules of the wire, and answers as the mode says.
func (m *model) handle(p *peer, v packets.Packet) {
	m.mu.Lock()
	defer m.mu.Unlock()
	mc := m.conns[p]
	if mc == nil {
		mc = &modelConn{last: map[int]int{}, open: map[uint16]bool{}, most: m.window, present: m.present, p: p, losses: m.lossesBefore}
		m.conns[p], m.cur = mc, mc
	}
	var id uint16
	var n int
	switch v := v.(type) {
	case *packets.Publish:
		n = m.published(mc, v)
		if id = v.PacketID; v.QoS == 0 {
			m.received[n] = arrival{at: time.Now()}
			m.endsConnection(p, v)
			return
		}
	case *packets.Subscribe:
		id, n = v.PacketID, m.number(v.Properties)
		if m.kills(v) {
			break
		}
		for _, s := range v.Subscriptions {
			m.subs[s.Topic] = true
		}
	case *packets.Unsubscribe:
		id, n = v.PacketID, m.number(v.Properties)
		for _, f := range v.Topics {
			delete(m.subs, f)
		}
	default:
		p.answer(v)
		return
	}
	if _, ok := mc.open[id]; ok {
		m.problem("identifier %d was used while it was open", id)
	}
	_, isPublish := v.(*packets.Publish)
	mc.open[id] = isPublish
	if isPublish && mc.present && mc.most == 1 && m.before != nil && !m.wrapped {
		m.stale(p, mc)
	}
	m.received[n] = arrival{time.Now(), m.losses == mc.losses, m.received[n].waited(), m.received[n].answered} // or the end overtook it
	if m.endsConnection(p, v) {
		return
	}
	fate, late := m.fate()
	if fate != fateLost {
		m.answers(n)
	}
	switch fate {
	case fateLost:
		m.counts.lost++
		return
	case fateDoubled:
		p.answer(v)
		if isPublish {
			m.counts.doubled++
			p.answer(v)
		}
	case fateLate:
		m.counts.late++
		go func() {
			<-time.After(late)
			m.mu.Lock()
			mc.acknowledged(id)
			if !mc.dead {
				m.row = 0
			}
			m.mu.Unlock()
			p.answer(v)
		}()
		return
	default:
		p.answer(v)
	}
	mc.acknowledged(id)
}

// published checks a PUBLISH, and returns its number.
func (m *model) published(mc *modelConn, v *packets.Publish) int {
	n, err := strconv.Atoi(string(v.Payload))
	if err != nil {
		m.problem("payload %q", v.Payload)
	}
	by := m.by[n]
	if n <= mc.last[by] {
		m.problem("publish %d came after %d on one connection", n, mc.last[by])
	}
	mc.last[by] = max(n, mc.last[by])
	if _, ok := m.received[n]; !ok {
		if n < m.first[by] {
			m.problem("publish %d came for the first time after %d had", n, m.first[by])
		}
		m.first[by] = max(n, m.first[by])
	}
	if v.QoS == 0 {
		return n
	}
	if mc.window++; mc.window > mc.most {
		m.problem("%d publishes are unacknowledged, %d may be", mc.window, mc.most)
	}
	if v.Duplicate {
		m.counts.dup++
		if !mc.present {
			m.problem("publish %d has DUP in a new session", n)
		}
	} else if m.in[n] == m.sessions {
		m.problem("publish %d came again in its session, without DUP", n)
	}
	m.in[n] = m.sessions
	return n
}

// stale acknowledges what the connection before has left open and this one, whose window is full,
// cannot have sent yet: nothing may come of it.
func (m *model) stale(p *peer, mc *modelConn) {
	for other, isPublish := range m.before.open {
		if _, used := mc.open[other]; isPublish && !used {
			m.counts.stale++
			p.reply(other)
		}
	}
	m.before = nil
}

// number returns the number of a SUBSCRIBE or UNSUBSCRIBE; 0: the client made it by itself.
func (m *model) number(p *packets.Properties) int {
	for _, u := range p.User {
		if n, err := strconv.Atoi(u.Value); u.Key == "n" && err == nil {
			return n
		}
	}
	return 0
}

func (mc *modelConn) acknowledged(id uint16) {
	if mc.open[id] {
		mc.window--
	}
	delete(mc.open, id)
}
