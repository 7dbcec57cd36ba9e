package examples_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
)

var commands = program("v2-style/commands")

// As a new user runs it: the server in the process sends the commands.
func TestCommandsByItself(t *testing.T) {
	t.Parallel()
	p := commands.start(t, nil, "-n", "4", "-interval", "1ms")
	if status := p.wait(t); status != 0 || p.stderr.Len() > 0 {
		t.Errorf("status %d, stderr:\n%s", status, &p.stderr)
	}
	want := []string{`command: {"brightness": 0}`, "succeeded: brightness 0", `command: {"brightness": 40}`, "succeeded: brightness 40",
		`command: {"brightness": 80}`, "succeeded: brightness 80", `command: {"brightness": 120}`, "failed: too bright"}
	if got := p.said(); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Against an endpoint: the commands come from there, and the operator sees what became of them.
func TestCommandsOfTheOperator(t *testing.T) {
	t.Parallel()
	srv := iotlocal.StartT(t, iotlocal.Options{})
	thing, err := srv.NewThing("bulb")
	if err != nil {
		t.Fatal(err)
	}
	p := commands.start(t, nil, "-e", srv.Host(), "-p", fmt.Sprint(srv.TLSPort()), "-r", srv.CAFile(), "-c", thing.CertFile, "-k", thing.KeyFile,
		"-id", "bulb", "-thing", "bulb", "-n", "2", "-interval", "1ms")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	subscribed := func(packets []iotlocal.Packet) bool {
		return slices.ContainsFunc(packets, func(p iotlocal.Packet) bool { return p.Type == iotlocal.SUBACK })
	}
	if err := srv.Recorder().Wait(ctx, subscribed); err != nil {
		t.Fatal(err)
	}
	for id, payload := range map[string]string{"good": `{"brightness": 7}`, "bad": `{"colour": "red"}`} {
		if _, err := srv.Commands("bulb").Start(payload, iotlocal.CommandOptions{ExecutionID: id, Timeout: time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	if status := p.wait(t); status != 0 || p.stderr.Len() > 0 {
		t.Errorf("status %d, stderr:\n%s", status, &p.stderr)
	}
	good, err := srv.Commands("bulb").Describe("good")
	if err != nil || good.Status != iotlocal.CommandSucceeded || *good.Result["brightness"].S != "7" || good.StartedAt.IsZero() {
		t.Errorf("%+v, %v", good, err)
	}
	bad, err := srv.Commands("bulb").Describe("bad")
	if err != nil || bad.Status != iotlocal.CommandRejected || bad.StatusReason.Code != "BAD_COMMAND" {
		t.Errorf("%+v, %v", bad, err)
	}
}
