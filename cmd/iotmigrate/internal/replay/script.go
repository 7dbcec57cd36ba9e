package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/iotlocal/fault"
	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// ScriptHelp says what a script is.
const ScriptHelp = `A script is what the endpoint does by itself, the same for both programs: one event per line, done one after the other. #
begins a comment.

	[after PACKET [TOPIC] [xN]:] ACTION

The event waits until the program has sent N (default 1) packets of that type, connect, subscribe, unsubscribe, publish,
puback or disconnect, on a matching topic or with that very filter; subscribe, unsubscribe and a publish of QoS 1 count
once they have been answered (an answer that gets lost is one), and all from the start. Events without a condition at the head of
a script, up to the first cut, disconnect or wait, are done before the program starts. Actions:

	publish TOPIC QOS PAYLOAD    a message of another device; PAYLOAD is the rest of the line
	shadow THING[/NAME] JSON     an update of a shadow
	job THING:ID:JSON            a new job
	cancel THING:ID              the end of one that is queued, or in progress
	cut                          every connection ends without a word, once nothing was said for 100 ms, at the latest after 2 s: else
	                             what is on its way would arrive in one run and not in the other
	disconnect CODE              every client gets DISCONNECT with the reason code, as 0x8b, once nothing was said, as with cut
	refuse N CODE                the next N CONNECT are refused with the reason code
	drop PACKET N                the next N packets of that type to the program, as puback or suback, get lost
	wait DURATION                time passes, as 200ms

`

// Script is a list of events, in order.
type Script []event

// event is a line of a script.
type event struct {
	line  int
	text  string
	after *condition // nil: at once
	do    action
	ready bool // it needs no program: at the head of a script it is done before one starts
}

// condition is what the program must have sent.
type condition struct {
	packet wire.PacketType
	topic  string // "": any
	times  int
}

// action is what the endpoint does.
type action func(context.Context, *iotlocal.Server) error

// packets are the names of packet types in scripts.
var packets = map[string]wire.PacketType{"connect": wire.CONNECT, "connack": wire.CONNACK, "subscribe": wire.SUBSCRIBE, "suback": wire.SUBACK,
	"unsubscribe": wire.UNSUBSCRIBE, "unsuback": wire.UNSUBACK, "publish": wire.PUBLISH, "puback": wire.PUBACK, "disconnect": wire.DISCONNECT}

// actions make an action of the words behind its name.
var actions = map[string]func(rest string) (action, error){
	"publish": publishAction, "shadow": shadowAction, "job": jobAction, "cancel": cancelAction, "cut": cutAction,
	"disconnect": disconnectAction, "refuse": refuseAction, "drop": dropAction, "wait": waitAction,
}

// ParseScript reads a script; an error names the line.
func ParseScript(text string) (Script, error) {
	var out Script
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		e := event{line: number, text: line}
		rest := line
		if when, ok := strings.CutPrefix(line, "after "); ok {
			words, then, ok := strings.Cut(when, ": ")
			if !ok {
				return nil, fmt.Errorf("line %d: %q: want a colon and an action after the condition", number, line)
			}
			c, err := parseCondition(strings.Fields(words))
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", number, err)
			}
			e.after, rest = c, strings.TrimSpace(then)
		}
		name, rest, _ := strings.Cut(rest, " ")
		parse := actions[name]
		if parse == nil {
			return nil, fmt.Errorf("line %d: no action %q", number, name)
		}
		do, err := parse(strings.TrimSpace(rest))
		if err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", number, name, err)
		}
		e.do, e.ready = do, e.after == nil && name != "cut" && name != "disconnect" && name != "wait"
		out = append(out, e)
	}
	return out, nil
}

func parseCondition(words []string) (*condition, error) {
	if len(words) == 0 || len(words) > 3 || packets[words[0]] == 0 {
		return nil, fmt.Errorf("after %s: want a packet type, perhaps a topic, perhaps x and a number", strings.Join(words, " "))
	}
	c := &condition{packet: packets[words[0]], times: 1}
	for _, w := range words[1:] {
		if n, err := strconv.Atoi(strings.TrimPrefix(w, "x")); err == nil && strings.HasPrefix(w, "x") && n > 0 {
			c.times = n
			continue
		}
		if c.topic != "" {
			return nil, fmt.Errorf("after %s: %q is no number of packets, as x2", strings.Join(words, " "), w)
		}
		c.topic = w
	}
	return c, nil
}

// met reports whether the program has sent what the condition asks for.
func (c *condition) met(ps []record.Packet) bool {
	n := 0
	for i, p := range ps {
		if p.Dir != wire.ClientToServer || p.Type != c.packet {
			continue
		}
		named := func(f record.Filter) bool { return f.Filter == c.topic }
		if c.topic != "" && (p.Topic == "" || !topic.Match(c.topic, p.Topic)) && !slices.ContainsFunc(p.Filters, named) {
			continue
		}
		if done(p, ps[i+1:]) {
			n++
		}
	}
	return n >= c.times
}

// done reports whether the endpoint has done with a packet, by what came after it. One that wants an answer has got it, or
// a fault has lost it: what the script does next would else come before the answer in one run, and behind it in the other.
// A publish that ends its connection is done with too.
func done(p record.Packet, after []record.Packet) bool {
	publish := p.Type == wire.PUBLISH && p.QoS > 0
	if len(p.Filters) == 0 && !publish {
		return true
	}
	return slices.ContainsFunc(after, func(a record.Packet) bool {
		return a.Conn == p.Conn && (a.Dir == wire.ServerToClient && a.Ref == p.Ref ||
			publish && (a.Type == wire.ClientClosed || a.Type == wire.ServerClosed))
	})
}

// head returns the events that are done before the program starts, and the others. Whether a refusal comes before the first
// CONNECT must not depend on which of the two is faster.
func (s Script) head() (before, then Script) {
	n := slices.IndexFunc(s, func(e event) bool { return !e.ready })
	if n < 0 {
		n = len(s)
	}
	return s[:n], s[n:]
}

// run plays the events. It returns how many were done when it is over or the context has ended: the program is then gone.
func (s Script) run(ctx context.Context, server *iotlocal.Server) (done int, err error) {
	for i, e := range s {
		if e.after != nil {
			if err := server.Recorder().Wait(ctx, e.after.met); err != nil {
				return i, nil
			}
		}
		if err := e.do(ctx, server); err != nil {
			if ctx.Err() != nil {
				return i, nil
			}
			return i, fmt.Errorf("script, line %d, %s: %w", e.line, e.text, err)
		}
	}
	return len(s), nil
}

func publishAction(rest string) (action, error) {
	words := strings.SplitN(rest, " ", 3)
	if len(words) < 2 || words[1] != "0" && words[1] != "1" {
		return nil, errors.New("want a topic, a QoS of 0 or 1 and a payload")
	}
	m := iotlocal.Message{Topic: words[0], QoS: words[1][0] - '0'}
	if len(words) == 3 {
		m.Payload = []byte(words[2])
	}
	return func(_ context.Context, s *iotlocal.Server) error {
		_, err := s.Publish(m)
		return err
	}, nil
}

func shadowAction(rest string) (action, error) {
	shadow, err := ParseShadow(strings.Replace(rest, " ", "=", 1))
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, s *iotlocal.Server) error {
		_, err := s.Shadow(shadow.Thing, shadow.Name).Update(shadow.Document)
		return err
	}, nil
}

func jobAction(rest string) (action, error) {
	job, err := ParseJob(rest)
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, s *iotlocal.Server) error {
		return s.Jobs(job.Thing).Create(job.ID, job.Document, iotlocal.JobOptions{})
	}, nil
}

func cancelAction(rest string) (action, error) {
	thing, id, ok := strings.Cut(rest, ":")
	if !ok || thing == "" || id == "" {
		return nil, errors.New("want THING:ID")
	}
	return func(_ context.Context, s *iotlocal.Server) error {
		return s.Jobs(thing).Cancel(id, iotlocal.CancelJobOptions{Force: true})
	}, nil
}

const (
	pause   = 100 * time.Millisecond // without a packet: nothing is on its way any more
	patient = 2 * time.Second        // with a program that never pauses
)

// silence waits until nothing is on its way. What was recorded may not have reached the program yet, an acknowledgement for instance,
// and what the program answers may not have come: a connection that ends then loses more in one run than in the other.
func silence(ctx context.Context, s *iotlocal.Server) error {
	for seen, end := -1, time.Now().Add(patient); time.Now().Before(end); {
		n := 0
		for _, p := range s.Recorder().Packets() {
			if p.Type != wire.PINGREQ && p.Type != wire.PINGRESP {
				n++
			}
		}
		if n == seen {
			return nil
		}
		seen = n
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
	return nil
}

func cutAction(rest string) (action, error) {
	if rest != "" {
		return nil, fmt.Errorf("unexpected %q", rest)
	}
	return func(ctx context.Context, s *iotlocal.Server) error {
		if err := silence(ctx, s); err != nil {
			return err
		}
		s.Faults().Cut("")
		return nil
	}, nil
}

func disconnectAction(rest string) (action, error) {
	code, err := parseCode(rest)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, s *iotlocal.Server) error {
		if err := silence(ctx, s); err != nil {
			return err
		}
		for _, id := range s.Clients() {
			s.Faults().Disconnect(id, code, "")
		}
		return nil
	}, nil
}

func refuseAction(rest string) (action, error) {
	words := strings.Fields(rest)
	if len(words) != 2 {
		return nil, errors.New("want a number and a reason code")
	}
	n, err := strconv.Atoi(words[0])
	if err != nil || n < 1 {
		return nil, fmt.Errorf("%q: want a number from 1", words[0])
	}
	code, err := parseCode(words[1])
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, s *iotlocal.Server) error {
		_, err := s.Faults().RefuseConnects(n, code)
		return err
	}, nil
}

func dropAction(rest string) (action, error) {
	words := strings.Fields(rest)
	if len(words) != 2 || packets[words[0]] == 0 {
		return nil, errors.New("want a packet type and a number")
	}
	n, err := strconv.Atoi(words[1])
	if err != nil || n < 1 {
		return nil, fmt.Errorf("%q: want a number from 1", words[1])
	}
	rule := fault.Rule{Dir: wire.ServerToClient, Type: packets[words[0]], Times: n, Action: fault.Drop}
	if err := rule.Validate(); err != nil {
		return nil, err
	}
	return func(_ context.Context, s *iotlocal.Server) error {
		_, err := s.Faults().Add(rule)
		return err
	}, nil
}

func waitAction(rest string) (action, error) {
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 {
		return nil, fmt.Errorf("%q: want a duration, as 200ms", rest)
	}
	return func(ctx context.Context, _ *iotlocal.Server) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(d):
			return nil
		}
	}, nil
}

func parseCode(text string) (wire.Code, error) {
	n, err := strconv.ParseUint(text, 0, 8)
	if err != nil || n < 0x80 {
		return 0, fmt.Errorf("%q: want a reason code from 0x80 to 0xff", text)
	}
	return wire.Code(n), nil
}

// ParseJob reads THING:ID:JSON.
func ParseJob(text string) (Job, error) {
	parts := strings.SplitN(text, ":", 3)
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return Job{}, fmt.Errorf("%q: want THING:ID:JSON", text)
	}
	return Job{parts[0], parts[1], parts[2]}, nil
}

// ParseShadow reads THING=JSON or THING/NAME=JSON.
func ParseShadow(text string) (Shadow, error) {
	which, document, ok := strings.Cut(text, "=")
	thing, name, _ := strings.Cut(which, "/")
	if !ok || thing == "" || document == "" {
		return Shadow{}, fmt.Errorf("%q: want a thing, perhaps a slash and a name, and a JSON document", text)
	}
	return Shadow{thing, name, document}, nil
}
