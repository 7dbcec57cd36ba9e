package awsiot

import (
	"regexp"
	"testing"
)

// TestOptionsV1ClientID: an empty client id becomes another one each time, in the form that v1 made up.
func TestOptionsV1ClientID(t *testing.T) {
	if got := OptionsV1("sensor").ClientID; got != "sensor" {
		t.Errorf("a given client id became %q", got)
	}
	a, b := OptionsV1("").ClientID, OptionsV1("").ClientID
	form := regexp.MustCompile(`^paho/[0-9A-F]{18}$`)
	if !form.MatchString(a) || !form.MatchString(b) || a == b {
		t.Errorf("made up %q and %q", a, b)
	}
}
