package sample

import (
	"fmt"
	"slices"
	"strings"
)

// Topic is the topic of the pub/sub samples when -t is not given.
const Topic = "sdk/test/Python"

// Mode is what a sample with the flag -m does.
type Mode string

// The modes.
const (
	Both      Mode = "both"
	Publish   Mode = "publish"
	Subscribe Mode = "subscribe"
)

// String is the word that the flag takes.
func (m Mode) String() string { return string(m) }

// Subscribes reports whether the mode has the sample subscribe.
func (m Mode) Subscribes() bool { return m != Publish }

// Publishes reports whether the mode has the sample publish.
func (m Mode) Publishes() bool { return m != Subscribe }

// ModeFlag adds -m/--mode, both by default, with the rule about its value.
func (p *Program) ModeFlag() *Mode {
	all := []Mode{Both, Publish, Subscribe}
	mode := Both
	p.text((*string)(&mode), "both, publish or subscribe", "m", "mode")
	p.Rule(func() error {
		if !slices.Contains(all, mode) {
			return fmt.Errorf("unknown mode %q: it is one of %s", mode, strings.Trim(fmt.Sprint(all), "[]"))
		}
		return nil
	})
	return &mode
}

// TopicFlag adds -t/--topic.
func (p *Program) TopicFlag() *string { return p.TextFlag(Topic, "topic", "t", "topic") }

// MessageFlag adds -M/--message.
func (p *Program) MessageFlag() *string {
	return p.TextFlag("Hello World!", "text to publish", "M", "message")
}

// ThingFlag adds -n/--thingName, Bot by default.
func (p *Program) ThingFlag() *string {
	return p.TextFlag("Bot", "name of the thing", "n", "thingName")
}
