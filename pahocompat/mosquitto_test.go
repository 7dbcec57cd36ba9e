//go:build interop

package mqtt_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	paho "github.com/eclipse/paho.mqtt.golang"

	mqtt "github.com/portage-iot/awsiot/pahocompat"
)

// mosquitto starts the broker and returns its address. A missing program fails the test: install it.
func mosquitto(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	conf := filepath.Join(t.TempDir(), "mosquitto.conf")
	_, port, _ := net.SplitHostPort(addr)
	text := fmt.Sprintf("allow_anonymous true\npersistence false\nmax_queued_messages 0\nlistener %s 127.0.0.1\n", port)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("mosquitto", "-c", conf)
	if err := cmd.Start(); err != nil {
		t.Fatalf("mosquitto (Debian package mosquitto): %v", err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	s := &stage{t: t}
	s.until("mosquitto", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return addr
}

// TestDifferentialMosquitto runs the table on mosquitto, but for what needs iotlocal's faults. What the programs say is compared.
func TestDifferentialMosquitto(t *testing.T) {
	broker := mosquitto(t)
	for _, p := range programs() {
		if p.local {
			continue
		}
		t.Run(p.name, func(t *testing.T) { compare(t, p, func(t *testing.T) *stage { return newStage(t, broker, nil) }) })
	}
}

// TestSwitchOnMosquitto: every unacknowledged message of one engine arrives by the other, on a kept session.
func TestSwitchOnMosquitto(t *testing.T) {
	broker := mosquitto(t)
	engines := []mqtt.Engine{mqtt.EngineV2, mqtt.EnginePaho}
	for _, from := range engines {
		for _, to := range engines {
			t.Run(fmt.Sprintf("%v to %v", from, to), func(t *testing.T) {
				s := newStage(t, broker, nil)
				_, got := s.observer("#")
				d := t.TempDir()
				client := func(e mqtt.Engine) paho.Client {
					s.lib = library{make: compat(e)}
					return s.client(s.options().SetCleanSession(false).SetStore(paho.NewFileStore(d)).SetAutoReconnect(false))
				}
				c := client(from)
				must(t, "Connect", c.Connect())
				end := s.proxy.mute()
				for i := range 5 {
					c.Publish(s.topic("a"), 1, false, fmt.Sprint(i))
				}
				c.Disconnect(20)
				end()
				s.proxy.cut()
				s.until("the end", func() bool { return !c.IsConnected() })
				c = client(to)
				must(t, "Connect", c.Connect())
				for seen := map[string]bool{}; len(seen) < 5; {
					seen[string(next(t, "a message", got).Payload())] = true
				}
				c.Disconnect(quiesce)
			})
		}
	}
}

// TestQoS2OnPaho: under the paho engine QoS 2 is what it was.
func TestQoS2OnPaho(t *testing.T) {
	s := newStage(t, mosquitto(t), nil)
	s.lib = libraries[2]
	c := s.connect(s.options().SetBinaryWill(s.topic("will"), nil, 2, false))
	got := make(chan paho.Message, 10)
	must(t, "Subscribe", c.Subscribe(s.topic("a"), 2, func(_ paho.Client, m paho.Message) { got <- m }))
	must(t, "Publish", c.Publish(s.topic("a"), 2, false, "x"))
	if m := next(t, "the message", got); m.Qos() != 2 {
		t.Errorf("QoS %d", m.Qos())
	}
	c.Disconnect(quiesce)
}
