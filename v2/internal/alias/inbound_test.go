package alias

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// Cases of aws-c-mqtt's tests: mqtt5_inbound_topic_alias_{register_failure,resolve_success,
// resolve_failure,reset}, inbound_alias_failure_{disabled,zero_id,too_large_id,
// unbound_id}.
func TestInbound(t *testing.T) {
	type packet struct {
		topic string
		alias uint16
		want  string
		err   *Error
	}
	tests := []struct {
		name    string
		max     uint16
		packets []packet
	}{
		{"register and resolve", 10, []packet{
			{"a", 1, "a", nil}, {"b", 10, "b", nil}, {"", 1, "a", nil}, {"", 10, "b", nil},
			{"a", 10, "a", nil}, {"", 10, "a", nil}, {"", 1, "a", nil}, {"a", 1, "a", nil}}},
		{"zero", 10, []packet{{"a", 0, "", &Error{Zero, 0, 10}}, {"", 0, "", &Error{Zero, 0, 10}}}},
		{"too large", 10, []packet{{"a", 11, "", &Error{AboveMaximum, 11, 10}}, {"", 11, "", &Error{AboveMaximum, 11, 10}}, {"", 10, "", &Error{Unbound, 10, 10}}}},
		{"unbound", 10, []packet{{"", 10, "", &Error{Unbound, 10, 10}}, {"a", 10, "a", nil}, {"", 9, "", &Error{Unbound, 9, 10}}, {"", 10, "a", nil}}},
		{"disabled", 0, []packet{{"a", 1, "", &Error{AboveMaximum, 1, 0}}, {"", 1, "", &Error{AboveMaximum, 1, 0}}}},
		{"the largest", 65535, []packet{{"a", 65535, "a", nil}, {"", 65535, "a", nil}, {"", 65534, "", &Error{Unbound, 65534, 65535}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := NewInbound(tt.max)
			for i, p := range tt.packets {
				got, err := in.Resolve([]byte(p.topic), p.alias)
				e, _ := errors.AsType[*Error](err)
				if got != p.want || (p.err == nil) != (err == nil) || p.err != nil && *e != *p.err {
					t.Errorf("packet %d: Resolve(%q, %d) = %q, %v, want %q, %v", i, p.topic, p.alias, got, err, p.want, p.err)
				}
			}
		})
	}
}

func TestErrorText(t *testing.T) {
	tests := []struct {
		err  Error
		want string
	}{
		{Error{Zero, 0, 5}, "awsiot: PUBLISH from the broker: topic alias 0 is not allowed"},
		{Error{AboveMaximum, 6, 5}, "awsiot: PUBLISH from the broker: topic alias 6 is above the maximum of 5"},
		{Error{AboveMaximum, 6, 0}, "awsiot: PUBLISH from the broker: topic alias 6, but CONNECT allowed none"},
		{Error{Unbound, 3, 5}, "awsiot: PUBLISH from the broker: topic alias 3 comes without a topic and was never given one on this connection"},
		{Error{0, 3, 5}, "awsiot: PUBLISH from the broker: topic alias 3: Problem(0)"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got  %q\nwant %q", got, tt.want)
		}
	}
	for p, want := range map[Problem]string{Zero: "Zero", AboveMaximum: "AboveMaximum", Unbound: "Unbound", 9: "Problem(9)"} {
		if p.String() != want {
			t.Errorf("%d: %q, want %q", int(p), p.String(), want)
		}
	}
}

// Against a map, with the caller's buffer overwritten after each call: the client
// reads packets into a buffer it uses again.
func TestInboundProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Uint16Range(0, 6).Draw(t, "max")
		in, model := NewInbound(limit), map[uint16]string{}
		buf := make([]byte, 0, 8)
		for range rapid.IntRange(1, 100).Draw(t, "n") {
			buf = append(buf[:0], rapid.StringMatching("[a-c]{0,2}").Draw(t, "topic")...)
			alias := rapid.Uint16Range(0, 8).Draw(t, "alias")
			var want string
			bad := alias == 0 || alias > limit
			if !bad {
				if len(buf) > 0 {
					model[alias] = string(buf)
				}
				want = model[alias]
				bad = want == ""
			}
			got, err := in.Resolve(buf, alias)
			for i := range buf {
				buf[i] = 'X'
			}
			if got != want || (err != nil) != bad {
				t.Fatalf("got %q, %v, want %q, error %v", got, err, want, bad)
			}
		}
	})
}

// Outbound and Inbound are each other's mirror.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Uint16Range(1, 5).Draw(t, "max")
		out, in := NewLRU(limit), NewInbound(limit)
		for range 100 {
			topic := fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "topic"))
			alias, sendTopic, _ := out.Resolve(topic, 0)
			name := ""
			if sendTopic {
				name = topic
			}
			if got, err := in.Resolve([]byte(name), alias); got != topic || err != nil {
				t.Fatalf("topic %q arrives as %q, %v", topic, got, err)
			}
		}
	})
}

func TestInboundAllocs(t *testing.T) {
	in, topic := NewInbound(25), []byte("things/device-0001/telemetry/temperature")
	step := func() {
		in.Resolve(topic, 25)
		in.Resolve(nil, 25)
	}
	step()
	if n := testing.AllocsPerRun(100, step); n != 0 {
		t.Errorf("%v allocations on a hit", n)
	}
}
