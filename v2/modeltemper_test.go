package awsiot_test

// The tempers of the broker of TestModel: one that ends connections over some packets, so that who sends them must be
// told in the end, and one that restarts, resets at random and throttles, so that nobody may be blamed for it.

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
	"pgregory.net/rapid"
)

const (
	temperPlain   = iota // it kills for nothing
	temperTopic          // it kills for a topic
	temperSize           // for a payload that is too long
	temperFilters        // for a SUBSCRIBE of more than killFilters filters
	temperMoody          // it restarts, resets at random, and throttles
	numTempers
)

const (
	killTopic   = "poison"
	killSize    = 20 // a longer payload
	killFilters = 1
	moodyRate   = 6 // packets in a second of one connection
	moodyRow    = 2 // resets without an answer in between: three in a row against one packet are more than chance
	moodyDelay  = 30 * time.Millisecond
)

// modelTemper is what a model knows of these brokers.
type modelTemper struct {
	temper       int
	code         byte         // of the DISCONNECT with which it kills; 0: none
	losses       int          // connections that have ended
	lossesBefore int          // the last connection
	since        map[int]int  // losses at the call of an operation
	poisoned     map[int]bool // operations that the broker kills for
	row          int          // of moodyRow
}

func (m *model) drawTemper(t *rapid.T) {
	m.temper = max(0, rapid.IntRange(-2, numTempers-1).Draw(t, "temper"))
	if m.kind1() {
		m.code = rapid.SampledFrom([]byte{0, 0x81, 0x82, 0x90, 0x95, 0x97, 0xA2}).Draw(t, "code")
	}
}

// kind1 reports whether the broker kills for some packets.
func (m *model) kind1() bool { return m.temper > temperPlain && m.temper < temperMoody }

// scene returns what draws the steps for this temper.
func (m *model) scene() func(*rapid.T) []action {
	one := func(t *rapid.T, kinds ...int) action {
		return action{rapid.SampledFrom(kinds).Draw(t, "kind"), rapid.IntRange(0, 11).Draw(t, "a"), rapid.IntRange(0, 1<<16).Draw(t, "b")}
	}
	switch {
	case m.kind1():
		return func(t *rapid.T) []action {
			if rapid.IntRange(0, 5).Draw(t, "poison") == 0 {
				return []action{one(t, actPoison)}
			}
			return drawScene(t)
		}
	case m.temper == temperMoody:
		return func(t *rapid.T) []action {
			return []action{one(t, actPublish0, actPublish1, actPublish1, actPublishBlocking, actSeries, actSubscribe, actUnsubscribe,
				actCancel, actPass, actPass, actRestart, actStop, actStart, actStart)}
		}
	}
	return drawScene
}

// poison is an operation that the broker kills for; now and then a publish of QoS 0, which does not know of it.
func (m *model) poison(a action) {
	c := m.w.client
	if m.temper == temperFilters {
		n := m.begin(actSubscribe)
		m.mu.Lock()
		m.poisoned[n] = true
		m.mu.Unlock()
		p := filters(nil, "pa", "pb", fmt.Sprint("p", n))
		p.UserProperties = []awsiot.UserProperty{{Name: "n", Value: strconv.Itoa(n)}}
		c.SubscribeAsync(p).OnDone(func(_ *awsiot.SubackPacket, err error) { m.end(n, err) })
		return
	}
	topic, payload, qos := killTopic, "%d", awsiot.QoS(1)
	if m.temper == temperSize {
		topic, payload = "t", "%0"+strconv.Itoa(killSize+1)+"d"
	}
	kind := actPublish1
	if a.A%4 == 0 {
		kind, qos = actPublish0, 0
	}
	n := m.begin(kind)
	m.mu.Lock()
	m.poisoned[n] = true
	m.mu.Unlock()
	c.PublishFunc(packet(topic, fmt.Sprintf(payload, n), qos), func(_ awsiot.PublishResult, err error) { m.end(n, err) })
}

// restart makes a moody broker end the connection, perhaps with its session.
func (m *model) restart(a action) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if mc := m.cur; mc != nil && m.moodyMay() {
		m.counts.restarts++
		m.session = m.session && a.B%3 > 0
		_ = mc.p.conn.Close()
	}
}

// moodyMay reports whether a moody broker may end the connection without an answer to what is under way. mu is held.
func (m *model) moodyMay() bool {
	m.row++
	return m.temper == temperMoody && m.row <= moodyRow
}

// kills reports whether the broker ends the connection over v.
func (m *model) kills(v packets.Packet) bool {
	switch v := v.(type) {
	case *packets.Publish:
		return m.temper == temperTopic && v.Topic == killTopic || m.temper == temperSize && len(v.Payload) > killSize
	case *packets.Subscribe:
		return m.temper == temperFilters && len(v.Subscriptions) > killFilters
	}
	return false
}

// endsConnection ends the connection if v, or the temper of the broker, wants it. mu is held.
func (m *model) endsConnection(p *peer, v packets.Packet) bool {
	code := m.code
	mc := m.conns[p]
	switch {
	case m.kills(v):
		m.counts.kills++
	case m.temper == temperMoody && m.tooMany(mc):
		m.counts.throttled++
		code = []byte{0x96, 0x97, 0x97}[m.packets%3]
	case m.temper == temperMoody && rand.New(rand.NewPCG(m.seed, m.packets)).Uint32()%8 == 0 && m.moodyMay():
		m.counts.restarts++
	default:
		return false
	}
	mc.dead = true
	if code != 0 {
		p.reply(&packets.Disconnect{ReasonCode: code, Properties: &packets.Properties{}})
	}
	_ = p.conn.Close()
	return true
}

// tooMany counts a packet of a connection against moodyRate.
func (m *model) tooMany(mc *modelConn) bool {
	m.packets++
	now := time.Now()
	mc.recent = slices.DeleteFunc(mc.recent, func(t time.Time) bool { return now.Sub(t) >= time.Second })
	mc.recent = append(mc.recent, now)
	return len(mc.recent) > moodyRate
}

// answers notes that operation n is answered. mu is held.
func (m *model) answers(n int) {
	a := m.received[n]
	a.answered = true
	m.received[n] = a
}

// lost is OnDisconnection: what was under way was so until now.
func (m *model) lost(*awsiot.Disconnection) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.losses++
	if m.cur != nil {
		m.cur.dead = true
	}
	for n, a := range m.received {
		if a.live {
			a.spent, a.live = a.waited(), false
			m.received[n] = a
		}
	}
}

// judgeConviction checks that the broker has ended connections over operation n, or that as many have ended as it takes. mu is held.
func (m *model) judgeConviction(n int, err error) {
	m.counts.convictions++
	code, byCode := awsiot.ReasonOf(err)
	losses := m.losses - m.since[n] + 1 // a blocking call may return before the callback has told of the last one
	switch {
	case m.poisoned[n] && byCode && byte(code) == m.code && losses >= 2:
	case m.poisoned[n] && !byCode && losses >= 3 && !strings.Contains(err.Error(), "0x"): // the DISCONNECT may be lost with a cut
	case m.temper != temperMoody && !byCode && losses >= 5 && errors.Is(err, awsiot.ErrEndsConnection): // the cuts of the test
	default:
		m.problem("operation %d, poison %v, after %d losses: %v", n, m.poisoned[n], losses, err)
	}
}

// poisonFilters is how many filters of poisonous operations the client may subscribe to again by itself: of those that have
// ended for another reason.
func (m *model) poisonFilters() int {
	if m.temper != temperFilters || len(m.poisoned) == 0 {
		return 0
	}
	return 2 + len(m.poisoned)
}

// patience is how long it may take until everything has ended: each poisonous operation costs a few connections.
func (m *model) patience() time.Duration {
	if m.kind1() {
		return time.Hour
	}
	return 5 * time.Minute
}
