package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/measure"
	"github.com/portage-iot/awsiot/bench/internal/table"
)

func TestOptions(t *testing.T) {
	good := options{rounds: 1, dur: time.Second, stage: "first", slack: 1}
	for _, c := range []struct {
		name string
		edit func(*options)
		rows int // at least
		text string
	}{
		{"defaults", func(*options) {}, 7, ""},
		{"core", func(o *options) { o.stage = "core" }, 20, ""},
		{"gate", func(o *options) { o.stage = "gate" }, 7, ""},
		{"only TLS", func(o *options) { o.only = "tls" }, 1, ""},
		{"only a call", func(o *options) { o.only = "PublishAsync" }, 1, ""},
		{"no such stage", func(o *options) { o.stage = "last" }, 0, "-stage"},
		{"no such row", func(o *options) { o.only = "websocket" }, 0, "-only"},
		{"no rounds", func(o *options) { o.rounds = -1 }, 0, "-rounds"},
		{"too short", func(o *options) { o.dur = time.Microsecond }, 0, "-dur"},
		{"too long", func(o *options) { o.dur = time.Hour }, 0, "-dur"},
		{"no slack", func(o *options) { o.slack = 0 }, 0, "-slack"},
		{"raised floors", func(o *options) { o.slack = 1.5 }, 0, "-slack"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := good
			c.edit(&o)
			rows, _, err := o.rows()
			switch {
			case c.text == "" && (err != nil || len(rows) < c.rows):
				t.Fatalf("%d rows, %v; want at least %d", len(rows), err, c.rows)
			case c.text != "" && (err == nil || !strings.Contains(err.Error(), c.text)):
				t.Fatalf("error %v does not name %s", err, c.text)
			}
		})
	}
}

func TestDefaultsOfTheStage(t *testing.T) {
	for stage, want := range map[string]options{
		"first": {rounds: 5, dur: 300 * time.Millisecond}, "core": {rounds: 5, dur: 300 * time.Millisecond},
		"gate": {rounds: 3, dur: 150 * time.Millisecond},
	} {
		o := options{stage: stage, slack: 1}
		if _, _, err := o.rows(); err != nil || o.rounds != want.rounds || o.dur != want.dur {
			t.Errorf("%s: %d rounds of %v, %v; want %d of %v", stage, o.rounds, o.dur, err, want.rounds, want.dur)
		}
	}
}

func TestProgressWritesEveryResult(t *testing.T) {
	file := filepath.Join(t.TempDir(), "raw.json")
	each, done, err := progress(file)
	if err != nil {
		t.Fatal(err)
	}
	c := table.Cell{Peer: "v2", Spec: measure.Spec{Work: measure.Pub, QoS: 1, Size: 256, Window: 100, Topics: 1}}
	each(0, c, measure.Result{Client: "v2", Spec: c.Spec, Count: 1, Rate: 5}, nil)
	each(1, c, measure.Result{}, errors.New("boom"))
	if err := done(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `"round":1`) || !strings.Contains(lines[0], `"rate":5`) ||
		!strings.Contains(lines[1], `"round":2`) || !strings.Contains(lines[1], `"error":"boom"`) || !strings.Contains(lines[1], `"window":100`) {
		t.Fatalf("%s", b)
	}
	if _, _, err := progress(filepath.Join(t.TempDir(), "no", "folder", "x")); err == nil {
		t.Fatal("no error for a folder that does not exist")
	}
}
