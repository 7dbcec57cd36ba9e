//go:build interop

package interop

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// allowance is one rule of mosquitto's dynamic security plugin.
type allowance struct {
	Type  string `json:"acltype"`
	Topic string `json:"topic"`
	Allow bool   `json:"allow"`
}

const control = "$CONTROL/dynamic-security/v1"

// startGuarded starts a mosquitto that knows the users admin and device, whose passwords are their names, and that
// refuses device all that has to do with closed/#. Its ACL file could not: mosquitto 2.0 asks it about no SUBSCRIBE.
func startGuarded(t *testing.T) *broker {
	t.Helper()
	plugin := ""
	for _, pattern := range []string{"/usr/lib/*/mosquitto_dynamic_security.so", "/usr/lib/mosquitto_dynamic_security.so", "/usr/local/lib/mosquitto_dynamic_security.so"} {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			plugin = found[0]
		}
	}
	if plugin == "" {
		t.Fatal("the plugin mosquitto_dynamic_security.so, a part of the Debian package mosquitto, is missing")
	}
	user := func(name string) map[string]any {
		salt, iterations := fmt.Appendf(nil, "%-12s", name), 101 // the plugin wants 12 bytes
		hash, err := pbkdf2.Key(sha512.New, name, salt, iterations, sha512.Size)
		if err != nil {
			t.Fatal(err)
		}
		return map[string]any{"username": name, "password": hash, "salt": salt, "iterations": iterations, // []byte: base64
			"roles": []map[string]string{{"rolename": name}}}
	}
	open := map[string]bool{"publishClientSend": true, "publishClientReceive": true, "subscribe": true, "unsubscribe": true}
	conf, err := json.Marshal(map[string]any{"defaultACLAccess": open, "clients": []any{user("admin"), user("device")}, "roles": []any{
		map[string]any{"rolename": "admin", "acls": []allowance{{"publishClientSend", control, true}}},
		map[string]any{"rolename": "device", "acls": []allowance{{"publishClientSend", "closed/#", false},
			{"subscribePattern", "closed/#", false}, {"unsubscribePattern", "kept/#", false}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "security.json")
	if err := os.WriteFile(file, conf, 0o600); err != nil {
		t.Fatal(err)
	}
	// With max_queued_messages 0 mosquitto 2.0.11 ends the connection after a refused PUBLISH: it takes 0 packets for too many.
	return startBroker(t, "allow_anonymous false", "max_queued_messages 1000", "plugin "+plugin, "plugin_opt_config_file "+file)
}

// as are the options of a client that logs in.
func (b *broker) as(user, id string) awsiot.ClientOptions {
	o := b.plain(id)
	o.Username, o.Password, o.DisableMetrics = user, []byte(user), true // the plugin looks for the whole name
	return o
}

// command has the administrator give the plugin a command about the user device.
func (b *broker) command(t *testing.T, command string) {
	t.Helper()
	run(t, tool(t, "mosquitto_pub"), "-V", "mqttv5", "-h", "127.0.0.1", "-p", fmt.Sprint(b.tcpPort), "-u", "admin", "-P", "admin", "-q", "1",
		"-t", control, "-m", fmt.Sprintf(`{"commands": [{"command": %q, "username": "device"}]}`, command))
}

// refusal checks that err says that a call was refused, and on what topic.
func refusal(t *testing.T, err error, op, topic string) {
	t.Helper()
	var r *awsiot.ReasonError
	if !errors.As(err, &r) || r.Op != op || r.Topic != topic || r.Code != awsiot.ReasonNotAuthorized {
		t.Errorf("%v, want %s %q: %v", err, op, topic, awsiot.ReasonNotAuthorized)
	}
}

// TestReasonCodes: what the broker refuses is an error that says so, and has not happened; the rest of the same packet
// has. The connection lives on. (CONNACK: TestConnectErrors.)
func TestReasonCodes(t *testing.T) {
	b := startGuarded(t)
	admin, c := client(t, b.as("admin", "admin")), client(t, b.as("device", "device"))
	ctx := bounded(t)
	h, messages := inbox()
	filters := []awsiot.Subscription{}
	for _, f := range []string{"open/1", "closed/1", "kept/1"} {
		filters = append(filters, awsiot.Subscription{TopicFilter: f, QoS: awsiot.AtLeastOnce, Handler: h})
	}
	ack, err := c.Subscribe(ctx, &awsiot.SubscribePacket{Subscriptions: filters})
	refusal(t, err, "subscribe", "closed/1")
	if codes := []awsiot.ReasonCode{awsiot.ReasonGrantedQoS1, awsiot.ReasonNotAuthorized, awsiot.ReasonGrantedQoS1}; ack == nil || !slices.Equal(ack.Codes, codes) {
		t.Fatalf("SUBACK %+v, want %v", ack, codes)
	}
	for _, topic := range []string{"closed/1", "open/1", "kept/1"} {
		publish(t, admin, topic, "x")
	}
	want(t, messages, "open/1", "x") // and not closed/1
	want(t, messages, "kept/1", "x")

	all := subscribe(t, admin, "#")
	res, err := c.Publish(ctx, &awsiot.PublishPacket{Topic: "closed/2", Payload: []byte("x"), QoS: awsiot.AtLeastOnce})
	refusal(t, err, "publish", "closed/2")
	if res.Code != awsiot.ReasonNotAuthorized {
		t.Errorf("PUBACK %v", res.Code)
	}
	publish(t, c, "open/2", "y")
	want(t, all, "open/2", "y")

	unsubscribed, err := c.Unsubscribe(ctx, &awsiot.UnsubscribePacket{TopicFilters: []string{"open/1", "kept/1", "open/never"}})
	refusal(t, err, "unsubscribe", "kept/1")
	if codes := []awsiot.ReasonCode{awsiot.ReasonSuccess, awsiot.ReasonNotAuthorized, awsiot.ReasonNoSubscriptionExisted}; unsubscribed == nil || !slices.Equal(unsubscribed.Codes, codes) {
		t.Fatalf("UNSUBACK %+v, want %v", unsubscribed, codes)
	}
	if _, err := admin.Unsubscribe(ctx, &awsiot.UnsubscribePacket{TopicFilters: []string{"#"}}); err != nil {
		t.Fatal(err)
	}
	for topic, code := range map[string]awsiot.ReasonCode{"open/1": awsiot.ReasonNoMatchingSubscribers, "kept/1": awsiot.ReasonSuccess} {
		if res, err := admin.Publish(ctx, &awsiot.PublishPacket{Topic: topic, QoS: awsiot.AtLeastOnce}); err != nil || res.Code != code {
			t.Errorf("publish %s: %v, %v, want %v", topic, res.Code, err, code)
		}
	}
	if n := b.count("New client connected from"); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

// TestServerDisconnect: an administrator disables the device. mosquitto sends DISCONNECT with administrative action, the
// client says so and tries again, is refused until the device is enabled, and goes on with its subscription and what waited.
//
// For these mosquitto 2.0.11 sends no DISCONNECT though MQTT 5 has codes for them, it only closes: a taken-over session
// (TestTakeover), a client that misses its keep alive, SIGTERM, and SIGHUP with rules that no longer admit the client.
func TestServerDisconnect(t *testing.T) {
	b := startGuarded(t)
	o := b.as("device", "device")
	ended, refused, connected := make(chan *awsiot.Disconnection, 10), make(chan *awsiot.ConnectionFailure, 1000), make(chan *awsiot.ConnectionSuccess, 10)
	o.OnDisconnection = func(d *awsiot.Disconnection) { ended <- d }
	o.OnConnectionFailure = func(f *awsiot.ConnectionFailure) { refused <- f }
	o.OnConnectionSuccess = func(s *awsiot.ConnectionSuccess) { connected <- s }
	c := client(t, o)
	next(t, connected)
	messages := subscribe(t, c, "open/#")

	b.command(t, "disableClient")
	d := next(t, ended)
	disconnected(t, d, awsiot.ReasonAdministrativeAction)
	if code, ok := awsiot.ReasonOf(next(t, refused).Err); !ok || code != awsiot.ReasonNotAuthorized {
		t.Errorf("the connection after it: %v, want %v", code, awsiot.ReasonNotAuthorized)
	}
	queued := c.PublishAsync(&awsiot.PublishPacket{Topic: "open/1", Payload: []byte("waited"), QoS: awsiot.AtLeastOnce})
	b.command(t, "enableClient")
	next(t, connected)
	if _, err := queued.Wait(bounded(t)); err != nil {
		t.Error(err)
	}
	want(t, messages, "open/1", "waited")
}

// disconnected checks that a connection ended with a DISCONNECT of the broker.
func disconnected(t *testing.T, d *awsiot.Disconnection, code awsiot.ReasonCode) {
	t.Helper()
	var r *awsiot.ReasonError
	if d.Packet == nil || d.Packet.Code != code || !errors.As(d.Err, &r) || r.Op != "connection" || r.Code != code {
		t.Errorf("the connection ended with %v and the packet %+v, want a DISCONNECT with %v", d.Err, d.Packet, code)
	}
}

// tapped is a dialer that gives the test the connections, so that it can write what the client never would.
type tapped struct {
	mu   sync.Mutex
	last net.Conn
}

func (d *tapped) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, addr)
	d.mu.Lock()
	d.last = c
	d.mu.Unlock()
	return c, err
}

// TestServerDisconnectForErrors: mosquitto sends a DISCONNECT for packets that are wrong. The client writes none, so the
// test does, on its connection. The client reports the broker's code, connects anew and carries on.
func TestServerDisconnectForErrors(t *testing.T) {
	b := startBroker(t, "max_packet_size 2000", "retain_available false")
	for _, tt := range []struct {
		name   string
		packet string
		code   awsiot.ReasonCode
	}{
		{"an alias beyond the maximum", "\x30\x07\x00\x01a\x03\x23\xff\x00", awsiot.ReasonTopicAliasInvalid},
		{"more than the maximum packet size", "\x30\xd8\x0f\x00\x01a\x00" + strings.Repeat("x", 0x7d8-4), awsiot.ReasonPacketTooLarge},
		{"retained without leave", "\x31\x04\x00\x01a\x00", awsiot.ReasonRetainNotSupported},
		{"a wildcard in a topic", "\x30\x04\x00\x01#\x00", awsiot.ReasonProtocolError},
		{"QoS 3", "\x36\x06\x00\x01a\x00\x01\x00", awsiot.ReasonMalformedPacket},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ended, connected := make(chan *awsiot.Disconnection, 1), make(chan *awsiot.ConnectionSuccess, 2)
			var wire tapped
			o := b.plain("wrong")
			o.Dialer = wire.dial
			o.MaxReconnectDelay = o.MinReconnectDelay // after some of these the client waits for the longest delay
			o.OnDisconnection = func(d *awsiot.Disconnection) { ended <- d }
			o.OnConnectionSuccess = func(s *awsiot.ConnectionSuccess) { connected <- s }
			c := client(t, o)
			next(t, connected)
			messages := subscribe(t, c, "x")
			wire.mu.Lock()
			_, err := wire.last.Write([]byte(tt.packet)) // the client has nothing to write now
			wire.mu.Unlock()
			if err != nil {
				t.Fatal(err)
			}
			disconnected(t, next(t, ended), tt.code)
			next(t, connected)
			publish(t, c, "x", "goes on")
			want(t, messages, "x", "goes on")
		})
	}
}
