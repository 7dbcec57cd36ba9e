//go:build interop

package interop

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
)

// The differential run: the same small programs through paho.mqtt.golang (MQTT 3.1.1) and through v1compat (MQTT 5),
// against mosquitto and against iotlocal. What the peers see of them, and what their callbacks get, must be the same.
// mosquitto_sub is the observer: it shares no code with either engine, nor with iotlocal.
//
// Left out is what the libraries promise differently: while offline paho.mqtt.golang drops QoS 0 and refuses to
// subscribe, v1 queued both; and v1 had no retained messages but the will.

// piece is one such program.
type piece struct {
	name     string
	will     *message
	stay     bool // no clean session
	run      func(s *stage)
	seen     []string // by the observer, in order
	received []string // by the callbacks, in order
	// Which of several callbacks for one message runs first is nobody's promise, and a broker may send a message once
	// for every matching filter or once for all.
	unordered bool
}

// message is an application message.
type message struct {
	topic   string
	payload string
	qos     byte
	retain  bool
}

// String is "topic QoS retain payload"; a long payload is named by its hash.
func (m message) String() string {
	retain, payload := "-", m.payload
	if m.retain {
		retain = "retained"
	}
	if len(payload) > 100 {
		payload = fmt.Sprintf("%d bytes %x", len(payload), sha256.Sum256([]byte(payload)))
	}
	return fmt.Sprintf("%s %d %s %q", m.topic, m.qos, retain, payload)
}

// place is where a run happens.
type place interface {
	port() int // without TLS
	// subacks waits until the broker has sent n SUBACKs to a client.
	subacks(t *testing.T, client string, n int)
}

type mosquittoPlace struct{ *broker }

func (p mosquittoPlace) port() int { return p.tcpPort }
func (p mosquittoPlace) subacks(t *testing.T, client string, n int) {
	t.Helper()
	p.waitFor(t, n, "Sending SUBACK to "+client)
}

type localPlace struct{ *iotlocal.Server }

func (p localPlace) port() int { return p.TCPPort() }
func (p localPlace) subacks(t *testing.T, client string, n int) {
	t.Helper()
	if err := p.Recorder().Wait(bounded(t), func(all []iotlocal.Packet) bool {
		count := 0
		for _, k := range all {
			if k.Type == iotlocal.SUBACK && k.ClientID == client {
				count++
			}
		}
		return count >= n
	}); err != nil {
		t.Fatalf("%d SUBACKs to %s: %v", n, client, err)
	}
}

var places = map[string]func(t *testing.T) place{
	"mosquitto": func(t *testing.T) place { return mosquittoPlace{startBroker(t)} },
	// Where AWS differs from the specification, it does so for every client.
	"iotlocal": func(t *testing.T) place {
		return localPlace{iotlocal.StartT(t, iotlocal.Options{Standard: iotlocal.Standard{RetainedToWildcards: true, HashMatchesParent: true}})}
	},
}

// stage is one run of a piece.
type stage struct {
	*testing.T
	engine engine
	place  place
	relay  *relay

	mu       sync.Mutex
	received []string
	news     chan struct{} // buffered: something was received
}

// disconnect lets the engine disconnect, and waits until the broker knows.
func (s *stage) disconnect() {
	s.Helper()
	s.engine.disconnect(s.T)
	s.relay.drain(s.T)
}

// hear is a callback that records.
func (s *stage) hear(label string) func(message) {
	return func(m message) {
		s.mu.Lock()
		s.received = append(s.received, label+": "+m.String())
		s.mu.Unlock()
		select {
		case s.news <- struct{}{}:
		default:
		}
	}
}

func (s *stage) heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.received)
}

// await waits until a callback has got a payload.
func (s *stage) await(label, payload string) {
	s.Helper()
	limit := time.After(patience)
	for {
		for _, line := range s.heard() {
			if strings.HasPrefix(line, label+": ") && strings.HasSuffix(line, " "+strconv.Quote(payload)) {
				return
			}
		}
		select {
		case <-s.news:
		case <-limit:
			s.Fatalf("%s did not get %q", label, payload)
		}
	}
}

// ack waits for acknowledgements.
func (s *stage) ack(acks ...<-chan struct{}) {
	s.Helper()
	for _, c := range acks {
		next(s.T, c)
	}
}

// peer has mosquitto_pub publish.
func (s *stage) peer(m message) {
	s.Helper()
	args := []string{"-h", "127.0.0.1", "-p", fmt.Sprint(s.place.port()), "-t", m.topic, "-q", fmt.Sprint(m.qos)}
	if m.payload == "" {
		args = append(args, "-n")
	} else {
		args = append(args, "-m", m.payload)
	}
	if m.retain {
		args = append(args, "-r")
	}
	run(s.T, tool(s.T, "mosquitto_pub"), args...)
}

// observe starts an observer of everything.
func observe(t *testing.T, p place, id string) *process {
	t.Helper()
	o := start(t, tool(t, "mosquitto_sub"), "-h", "127.0.0.1", "-p", fmt.Sprint(p.port()), "-V", "mqttv5", "-i", id,
		"-t", "#", "-q", "1", "--retain-as-published", "-F", "%t %q %r %x")
	p.subacks(t, id, 1)
	return o
}

// end is what the last message of a run looks like to an observer.
var end = message{topic: "end", payload: "end", qos: 1}

// saw is what an observer has seen until the end.
func saw(t *testing.T, o *process) []string {
	t.Helper()
	o.waitFor(t, 1, "end 1 0 "+hex.EncodeToString([]byte(end.payload)))
	var lines []string
	for _, line := range o.said() {
		f := strings.Split(line, " ")
		if len(f) != 4 {
			t.Fatalf("the observer says %q", line)
		}
		payload, err := hex.DecodeString(f[3])
		if err != nil {
			t.Fatalf("the observer says %q: %v", line, err)
		}
		qos, err := strconv.ParseUint(f[1], 10, 2)
		if err != nil {
			t.Fatalf("the observer says %q: %v", line, err)
		}
		m := message{topic: f[0], payload: string(payload), qos: byte(qos), retain: f[2] == "1"}
		if m != end {
			lines = append(lines, m.String())
		}
	}
	return lines
}

// play runs a piece and returns what was seen and received.
func play(t *testing.T, p piece, at place, open func(setup) engine) (seen, received []string) {
	r := startRelay(t, at.port())
	s := &stage{T: t, place: at, relay: r, news: make(chan struct{}, 1)}
	s.engine = open(setup{addr: r.addr(), id: "player", will: p.will, stay: p.stay, failed: func(err error) { t.Error(err) }})
	watcher := observe(t, at, "observer")
	p.run(s)
	s.disconnect()
	s.peer(end)
	seen, received = saw(t, watcher), s.heard()
	if p.unordered {
		slices.Sort(received)
		received = slices.Compact(received)
	}
	return seen, received
}

// TestDifferential compares the engines at every place with each other and with what is expected.
func TestDifferential(t *testing.T) {
	for where, open := range places {
		for _, p := range pieces {
			t.Run(where+"/"+p.name, func(t *testing.T) {
				type outcome struct{ seen, received []string }
				got := map[string]outcome{}
				for name, engine := range engines {
					t.Run(name, func(t *testing.T) {
						seen, received := play(t, p, open(t), engine)
						got[name] = outcome{seen, received}
						same(t, "the peers saw", seen, p.seen)
						same(t, "the callbacks got", received, p.received)
					})
				}
				if len(got) < len(engines) {
					return // one has failed on the way, or -run selects one
				}
				a, b := got["paho.mqtt.golang"], got["v1compat"]
				same(t, "the peers of v1compat, held against those of paho.mqtt.golang, saw", b.seen, a.seen)
				same(t, "the callbacks of v1compat, held against those of paho.mqtt.golang, got", b.received, a.received)
			})
		}
	}
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	t.Errorf("%s\n  %s\nwant\n  %s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
}
