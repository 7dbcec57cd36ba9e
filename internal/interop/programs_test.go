//go:build interop

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestPrograms: the v1-style program and the one that iotmigrate makes of it run against mosquitto with mutual TLS,
// mosquitto_sub sees what they send and they receive what mosquitto_pub sends, until Ctrl-C.
func TestPrograms(t *testing.T) {
	for _, style := range []string{"v1-style", "v2-style"} {
		t.Run(style, func(t *testing.T) {
			b := startBroker(t)
			program := filepath.Join(t.TempDir(), "pubsub")
			run(t, tool(t, "go"), "build", "-o", program, "../../examples/"+style+"/pubsub")

			sub := start(t, tool(t, "mosquitto_sub"), b.tools("-i", "watcher", "-t", "sdk/test/Go", "-q", "1", "-F", "%q %r %t %p")...)
			b.waitFor(t, 1, "Sending SUBACK to watcher")
			p := start(t, program, "-endpoint", "localhost", "-port", fmt.Sprint(b.tlsPort), "-ca", b.file("ca.pem"),
				"-cert", b.file("client.pem"), "-key", b.file("client.key"), "-n", "0", "-interval", "20ms")
			p.waitFor(t, 1, "online")
			b.waitFor(t, 1, "Sending SUBACK to basicPubSub")
			run(t, tool(t, "mosquitto_pub"), b.tools("-t", "sdk/test/Go", "-q", "1", "-m", "from mosquitto_pub")...)

			p.waitFor(t, 1, "received from mosquitto_pub from sdk/test/Go")
			sub.waitFor(t, 1, "1 0 sdk/test/Go from mosquitto_pub")
			for i := range 4 { // both ways of publishing, twice
				message := fmt.Sprintf(`{"message": "Hello World!", "sequence": %d}`, i)
				sub.waitFor(t, 1, "1 0 sdk/test/Go "+message)
				p.waitFor(t, 1, "received "+message+" from sdk/test/Go")
				p.waitFor(t, 1, fmt.Sprint("published ", i))
			}
			if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			if err := p.wait(t); err != nil {
				t.Errorf("after Ctrl-C: %v", err)
			}
			p.waitFor(t, 1, "offline")
			b.waitFor(t, 1, "Received UNSUBSCRIBE from basicPubSub")
			b.waitFor(t, 1, "Received DISCONNECT from basicPubSub")
			b.waitFor(t, 1, "as basicPubSub (p5, c1, k600") // MQTT 5, clean start, v1's keep alive
		})
	}
}
