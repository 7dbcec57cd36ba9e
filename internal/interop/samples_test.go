//go:build interop

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// startProxy starts tinyproxy, which lets CONNECT through to one port. Its log is what it says.
func startProxy(t *testing.T, connect int, extra ...string) (*process, int) {
	t.Helper()
	port := freePort(t)
	conf := filepath.Join(t.TempDir(), "tinyproxy.conf")
	lines := append([]string{fmt.Sprintf("Port %d", port), "Listen 127.0.0.1", "Timeout 60", "LogLevel Info", "Allow 127.0.0.1",
		fmt.Sprintf("ConnectPort %d", connect)}, extra...)
	if err := os.WriteFile(conf, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, tool(t, "tinyproxy"), "-d", "-c", conf)
	p.waitFor(t, 1, "Accepting connections")
	return p, port
}

// TestBasicPubSubProxy: the port of v1's sample, with its flags, through tinyproxy to mosquitto with mutual TLS.
func TestBasicPubSubProxy(t *testing.T) {
	program := filepath.Join(t.TempDir(), "basicPubSubProxy")
	run(t, tool(t, "go"), "build", "-o", program, "../../examples/v1-style/basicPubSubProxy")
	for _, tt := range []struct {
		name  string
		conf  []string
		flags []string
	}{
		{"open", nil, nil},
		{"with a password", []string{"BasicAuth joe s3cret"}, []string{"--proxyUser", "joe:s3cret"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := startBroker(t)
			proxy, port := startProxy(t, b.tlsPort, tt.conf...)
			args := append([]string{"-e", "localhost", "-p", fmt.Sprint(b.tlsPort), "-r", b.file("ca.pem"), "-c", b.file("client.pem"),
				"-k", b.file("client.key"), "--proxyType", "http", "--proxyHost", "127.0.0.1", "--proxyPort", fmt.Sprint(port),
				"-n", "3", "--interval", "10ms"}, tt.flags...)
			p := start(t, program, args...)
			if err := p.wait(t); err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				p.waitFor(t, 1, fmt.Sprintf(`received {"message":"Hello World!","sequence":%d} from sdk/test/Python`, i))
			}
			proxy.waitFor(t, 1, fmt.Sprintf("CONNECT localhost:%d HTTP/1.1", b.tlsPort))
			b.waitFor(t, 1, "Received DISCONNECT from basicPubSubProxy")
		})
	}
	t.Run("refused", func(t *testing.T) {
		b := startBroker(t)
		_, port := startProxy(t, b.tlsPort, "BasicAuth joe s3cret")
		p := start(t, program, "-e", "localhost", "-p", fmt.Sprint(b.tlsPort), "-r", b.file("ca.pem"), "-c", b.file("client.pem"),
			"-k", b.file("client.key"), "--proxyType", "http", "--proxyHost", "127.0.0.1", "--proxyPort", fmt.Sprint(port))
		if err := p.wait(t); err == nil || err.Error() != "exit status 1" {
			t.Errorf("ended with %v, want status 1", err)
		}
		p.waitFor(t, 1, "407 Proxy Authentication Required")
	})
}
