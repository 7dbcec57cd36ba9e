package archtest

import (
	"strings"
	"testing"
)

const pahoModule = "github.com/eclipse/paho.mqtt.golang"

// TestPahoStaysOut: a program that imports v2, or a package below it, does not compile paho.mqtt.golang, unless it asks for
// MQTT 3.1.1; nor does one on the facades of v1. The packages that do are those of the policy.
func TestPahoStaysOut(t *testing.T) {
	may := map[string]bool{"pahocompat": true, "v2/mqtt311": true, "iotlocal": true, "cmd/iotlocal": true}
	for _, dir := range packageDirs(t) {
		under := may[dir] || strings.HasPrefix(dir, "iotlocal/") || dir == "internal/facadetest" || dir == "internal/servicetest" ||
			strings.HasPrefix(dir, "cmd/iotmigrate") || strings.HasPrefix(dir, "examples/") || inBench(dir)
		if under {
			continue
		}
		out, err := goCommand(root(), nil, "list", "-deps", "./"+dir)
		if err != nil {
			t.Error(err)
			continue
		}
		for line := range strings.Lines(out) {
			if imp := strings.TrimSpace(line); isBelow(pahoModule, imp) {
				t.Errorf("%s compiles %s", dir, imp)
			}
		}
	}
	out, err := goCommand(root(), nil, "list", "-deps", "./pahocompat")
	if err != nil || !strings.Contains(out, pahoModule) {
		t.Errorf("pahocompat does not compile %s: the test sees nothing (%v)", pahoModule, err)
	}
}
