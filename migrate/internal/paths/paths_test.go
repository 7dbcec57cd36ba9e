package paths

import "testing"

// TestNameOf: the packages whose name is not the end of their path, and one of the others.
func TestNameOf(t *testing.T) {
	for path, want := range map[string]string{V2: "awsiot", Paho: "mqtt", PahoCompat: "mqtt", IOTShadow: "iotshadow", "fmt": "fmt"} {
		if got := NameOf(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}
