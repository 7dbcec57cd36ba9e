package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/iotlocal/record"
)

// session runs serve and a client of MQTT 3.1.1, written by hand, that is refused a filter and a topic, and returns
// what the program printed after "ready".
func session(t *testing.T, flags ...string) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	exit := make(chan int, 1)
	var errOut bytes.Buffer
	go func() {
		exit <- run(ctx, append([]string{"serve", "-tls-port", "-1", "-ws-port", "-1", "-wss-port", "-1", "-snippet", "none"}, flags...), w, &errOut)
		w.Close()
	}()
	said := readTo(t, r, "\nready\n")
	lines := make(chan []string, 1)
	go func() {
		var all []string
		for in := bufio.NewScanner(r); in.Scan(); {
			all = append(all, in.Text())
		}
		lines <- all
	}()
	nc, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", regexp.MustCompile(`tcp-port +(\d+)`).FindStringSubmatch(said)[1]))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(time.Minute))
	for _, p := range []string{
		"\x10\x11\x00\x04MQTT\x04\x02\x00\x3c\x00\x05a\nb\u00fc", "\x82\x0a\x00\x01\x00\x05a/#/b\x01", // SUBACK 0x80
		"\x30\x05\x00\x01th<", "\x32\x07\x00\x03$/+\x00\x02", // a wildcard in a topic: the connection ends
	} {
		if _, err := io.WriteString(nc, p); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.ReadAll(nc); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Fatal(err)
	}
	cancel()
	if code := <-exit; code != exitOK || errOut.Len() > 0 {
		t.Errorf("exit %d, %s", code, errOut.String())
	}
	return <-lines
}

func TestLiveLog(t *testing.T) {
	got := session(t)
	want := []string{
		`#1 · TRANSPORT_OPEN TCP from 127\.0\.0\.1:\d+`,
		`"a\\nbü" → CONNECT MQTT 3\.1\.1 client "a\\nbü" clean start true keep alive 60 s`,
		`"a\\nbü" ← CONNACK accepted, session present false`,
		`"a\\nbü" → SUBSCRIBE c1 "a/#/b" QoS 1`,
		`"a\\nbü" ← SUBACK c1 unspecified error \(0x80\) \(refused: topic filter "a/#/b": has a # .*\)`,
		`"a\\nbü" → PUBLISH "t" QoS 0 2 bytes "h<"`,
		`"a\\nbü" → PUBLISH c2 "\$/\+" QoS 1 0 bytes`,
		`"a\\nbü" · SERVER_SIDE_CLOSED \(topic "\$/\+": .*\)`,
	}
	// SUBACK and what the client sends after its SUBSCRIBE may stand in either order.
	for _, w := range want {
		line := regexp.MustCompile(`^\d\d:\d\d:\d\d\.\d{3} ` + w + `$`)
		found := 0
		for _, g := range got {
			if line.MatchString(g) {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%d lines are %s", found, line)
		}
	}
	if len(got) != len(want) || t.Failed() {
		t.Errorf("%d lines, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
}

func TestLiveLogQuiet(t *testing.T) {
	if got := session(t, "-q"); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

func TestLiveLogJSON(t *testing.T) {
	got := session(t, "-json")
	if len(got) != 8 {
		t.Fatalf("%d lines, want 8:\n%s", len(got), strings.Join(got, "\n"))
	}
	for i, line := range got {
		var p iotlocal.Packet
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&p); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if p.Seq != i+1 || p.Time.IsZero() || p.Conn != 1 {
			t.Errorf("line %d: %s", i, line)
		}
		switch p.Type {
		case iotlocal.SUBACK:
			if p.Granted[0] != 0x80 || !strings.HasPrefix(p.Refusal, `topic filter "a/#/b"`) || p.Reason != "" {
				t.Errorf("%s", line)
			}
		case iotlocal.PUBLISH:
			if p.Topic == "t" && string(p.Payload) != "h<" || strings.Contains(line, "\\u003c") {
				t.Errorf("%s", line)
			}
		}
	}
}

// What could not be printed in time is said.
func TestMissedLines(t *testing.T) {
	packets := func(yield func(iotlocal.Packet, int) bool) {
		_ = yield(iotlocal.Packet{Conn: 3}, 0) && yield(iotlocal.Packet{Conn: 4, ClientID: "c"}, 12)
	}
	var text, lines bytes.Buffer
	if err := errors.Join(printLog(&text, packets, writeLine), printLog(&lines, packets, writeJSON)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "#3 · ") || !strings.Contains(text.String(), "\n(12 lines are missing: packets came faster than they could be printed)\n") {
		t.Errorf("%s", text.String())
	}
	if all := strings.Split(lines.String(), "\n"); len(all) != 4 || all[1] != `{"missed":12}` {
		t.Errorf("%q", all)
	}
	if err := printLog(broken{}, packets, writeJSON); err == nil || !strings.HasPrefix(err.Error(), "iotlocal: log: ") {
		t.Errorf("error %v", err)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// Colours are for terminals alone, and say what a line is about; without them it is the same line.
func TestColours(t *testing.T) {
	denied := iotlocal.Packet{Dir: iotlocal.Event, Type: iotlocal.PolicyDecided, ClientID: "c", Decision: &record.Decision{Action: "iot:Publish", Resource: "topic/a", Principal: "anonymous"}}
	allowed := denied
	allowed.Decision = &record.Decision{Action: "iot:Publish", Resource: "topic/a", Principal: "anonymous", Allowed: true, Policy: "p", Sid: "S"}
	for _, tt := range []struct {
		packet iotlocal.Packet
		colour string
	}{
		{denied, red}, {allowed, grey}, {iotlocal.Packet{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH}, green},
		{iotlocal.Packet{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK}, blue}, {iotlocal.Packet{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK, Code: 0x87}, red},
		{iotlocal.Packet{Dir: iotlocal.ServerToClient, Type: iotlocal.SUBACK, Granted: []iotlocal.Code{1, 0x87}}, red},
		{iotlocal.Packet{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Fault: "dropped"}, yellow}, {iotlocal.Packet{Dir: iotlocal.Event, Type: iotlocal.TransportOpen}, grey},
	} {
		var with, without bytes.Buffer
		if err := errors.Join(writeColours(&with, tt.packet, 2), writeLine(&without, tt.packet, 2)); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(with.String(), "\n")
		if len(lines) != 3 || !strings.HasPrefix(lines[1], tt.colour) || !strings.HasSuffix(lines[1], plain) {
			t.Errorf("%q, want it in %q", with.String(), tt.colour)
		}
		bare := with.String()
		for _, c := range []string{red, green, yellow, blue, grey, plain} {
			bare = strings.ReplaceAll(bare, c, "")
		}
		if bare != without.String() {
			t.Errorf("%q, without colours %q", bare, without.String())
		}
	}
	var text bytes.Buffer
	if err := writeJSON(&text, allowed, 0); err != nil || !strings.Contains(text.String(), `"type":"POLICY_DECISION","decision":{"action":"iot:Publish","resource":"topic/a","principal":"anonymous","allowed":true,"policy":"p","statement":0,"sid":"S"}`) {
		t.Errorf("%s %v", text.String(), err)
	}
	allowed.ClientID, allowed.Via = "", record.ViaHTTPS
	if !strings.Contains(line(allowed), " https · POLICY_DECISION") {
		t.Errorf("a request of the data plane is %s", line(allowed))
	}
	if s := line(iotlocal.Packet{Via: record.ViaAPI, Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Topic: "a", Payload: []byte("x")}); !strings.HasSuffix(s, ` api → PUBLISH "a" QoS 0 1 bytes "x"`) {
		t.Errorf("a publish of the API is %s", s)
	}
}

func TestColoursOnTerminals(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // as a terminal it is a character device
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	for _, tt := range []struct {
		name string
		w    io.Writer
		env  map[string]string
		want bool
	}{
		{"buffer", &bytes.Buffer{}, nil, false}, {"file", file, nil, false}, {"terminal", device, map[string]string{"TERM": "xterm"}, true},
		{"NO_COLOR", device, map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, false}, {"dumb", device, map[string]string{"TERM": "dumb"}, false},
	} {
		if got := coloured(tt.w, func(k string) string { return tt.env[k] }); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
