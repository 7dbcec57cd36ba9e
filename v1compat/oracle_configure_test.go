package v1compat_test

// What the v1 SDK does for each Configure call before connect, while connected, while offline and after disconnect:
// testdata/oracle/configure.json was recorded from the SDK for Python (1.5.4) against cmd/iotlocal, behind a proxy that
// cut and refused connections. "new" is the value that was configured last, "old" the one before.

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/v1compat"
)

// configureCase is one Configure call whose effect a CONNECT shows.
type configureCase struct {
	call string
	init func(*v1compat.AWSIoTMQTTClient)
	new  func(*v1compat.AWSIoTMQTTClient)
	see  func(*iotlocal.Packet) string // of the last CONNECT
}

func oldOrNew(is bool) string {
	if is {
		return "new"
	}
	return "old"
}

// TestConfigureAsV1 makes every recorded call in every phase, and compares what later connections show.
func TestConfigureAsV1(t *testing.T) {
	b, err := os.ReadFile("testdata/oracle/configure.json")
	require.NoError(t, err)
	var oracle map[string]map[string]string
	require.NoError(t, json.Unmarshal(b, &oracle))
	none := func(*v1compat.AWSIoTMQTTClient) {}
	for _, tt := range []configureCase{
		{"configureLastWill", func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureLastWill("w", "old", 0) }, func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureLastWill("w", "new", 0) },
			func(p *iotlocal.Packet) string { return string(p.Connect.Will.Payload) }},
		{"clearLastWill", func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureLastWill("w", "old", 0) }, func(c *v1compat.AWSIoTMQTTClient) { c.ClearLastWill() },
			func(p *iotlocal.Packet) string { return oldOrNew(p.Connect.Will == nil) }},
		{"configureUsernamePassword", func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureUsernamePassword("old", "old") }, func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureUsernamePassword("new", "new") },
			func(p *iotlocal.Packet) string { u, _, _ := strings.Cut(p.Connect.Username, "?"); return u + " " + u }}, // the record has no password
		{"connect(keepAlive)", none, nil, func(p *iotlocal.Packet) string { return oldOrNew(p.Connect.KeepAlive == 77) }},
		{"configureSocketFactory", none, nil, nil},
	} {
		for _, phase := range []string{"before", "connected", "offline", "after disconnect"} {
			t.Run(tt.call+" "+phase, func(t *testing.T) {
				inBubble(t, func(t *testing.T, w *world) {
					assert.Equal(t, oracle[tt.call][phase], configureRun(t, w, tt, phase))
				})
			})
		}
	}
}

// configureRun is the recorded program, and returns what the recording says.
func configureRun(t *testing.T, w *world, tt configureCase, phase string) string {
	t.Helper()
	c, made := w.c, "old"
	dial := func(name string) func() (net.Conn, error) {
		return func() (net.Conn, error) { made = name; return w.net.Dial(context.Background(), "tcp", w.addr) }
	}
	var keepAlive []int
	configure := tt.new
	switch tt.call {
	case "connect(keepAlive)":
		configure = func(*v1compat.AWSIoTMQTTClient) { keepAlive = []int{77} }
	case "configureSocketFactory":
		c.ConfigureSocketFactory(dial("old"))
		configure = func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureSocketFactory(dial("new")) }
	}
	tt.init(c)
	var out []string
	see := func(word string) {
		synctest.Wait()
		if tt.see == nil {
			out = append(out, word+": "+made)
			return
		}
		var last *iotlocal.Packet
		for _, p := range w.srv.Recorder().Packets() {
			if p.Connect != nil {
				last = &p
			}
		}
		out = append(out, word+": "+tt.see(last))
	}
	connect := func() { require.NoError(t, c.Connect(keepAlive...)); see("connect") }
	if phase == "before" {
		configure(c)
		connect()
		return strings.Join(out, "; ")
	}
	require.NoError(t, c.Connect())
	switch phase {
	case "after disconnect":
		require.NoError(t, c.Disconnect())
		configure(c)
	case "connected":
		configure(c)
		w.srv.Faults().Cut("time")
		time.Sleep(3 * time.Second)
		see("reconnect")
	case "offline":
		w.srv.Faults().RefuseConnections(1)
		w.srv.Faults().Cut("time")
		time.Sleep(1500 * time.Millisecond) // one attempt has failed
		configure(c)
		time.Sleep(5 * time.Second)
		see("reconnect")
	}
	connect()
	return strings.Join(out, "; ")
}
