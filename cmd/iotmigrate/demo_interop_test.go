//go:build interop

package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestDemoFindsAnotherByte: fed a rewrite with one changed payload byte, the demo fails and names the packet.
func TestDemoFindsAnotherByte(t *testing.T) {
	inEmptyTemp(t)
	var out, errs bytes.Buffer
	if code := demo(t.Context(), []string{"-mutate"}, &out, &errs); code != exitError || errs.Len() > 0 {
		t.Errorf("exit %d, want %d\n%s%s", code, exitError, &out, &errs)
	}
	for _, want := range []string{
		"One byte of a payload is now changed",
		`FAILED: the programs differ on the wire. First difference: packet 5, PUBLISH sent "sdk/test/Go" (client "basicPubSub"): payload from byte 13`,
		`{"message": "hello World!", "sequence": 0}`,
		"packets equal             4 of 12\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}
