package awsiot_test

import (
	"bytes"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// A client without a Logger tells of a panic through slog.Default; one with a Logger through that alone. Either way the
// record says what panicked and where, in one line that no handler has to quote to pieces.
func TestPanicIsSeen(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	for _, tt := range []struct {
		name   string
		logger bool
		what   func()
		want   string
	}{
		{"no Logger", false, func() { panic(errors.New("boom")) }, "panic=boom"},
		{"a Logger", true, func() { panic(errors.New("boom")) }, "panic=boom"},
		{"by the runtime", false, func() { var p *awsiot.Message; p.Topic = "x" }, "nil pointer dereference"},
		{"nil", false, func() { panic(nil) }, "panic called with nil argument"},
		{"in a deferred function", false, func() { defer func() { panic("second") }(); panic("first") }, "panic=second"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var fallback, own bytes.Buffer
				slog.SetDefault(slog.New(slog.NewTextHandler(&fallback, nil)))
				w := newWorld(t, func(o *awsiot.ClientOptions) {
					if tt.logger {
						o.Logger = slog.New(slog.NewTextHandler(&own, nil))
					}
				})
				w.client.Handle("#", func(*awsiot.Message) { tt.what() })
				p := w.start()
				p.send(publish("t", "x", 0))
				synctest.Wait()
				text, other := fallback.String(), own.String()
				if tt.logger {
					text, other = other, text
				}
				stack := regexp.MustCompile(`level=ERROR .*stack="([^"]*)"`).FindStringSubmatch(text)
				if stack == nil || !strings.Contains(text, tt.want) || strings.Contains(other, "panic") {
					t.Fatalf("log: %s\nthe other: %s", text, other)
				}
				first, _, _ := strings.Cut(stack[1], " < ")
				if !strings.HasPrefix(first, "v2_test.TestPanicIsSeen") || !strings.Contains(first, "panic_test.go:") || strings.Contains(stack[1], `\n`) {
					t.Errorf("stack: %s", stack[1])
				}
				if n := w.client.Stats().CallbackPanics; n != 1 {
					t.Errorf("%d panics are counted", n)
				}
			})
		})
	}
}
