//go:build interop

package interop

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// broker is a running mosquitto with a listener for mutual TLS and a plain one.
type broker struct {
	*process
	dir              string
	tlsPort, tcpPort int
}

// startBroker starts mosquitto. Its log, with every packet, is what it says. extra are lines of its configuration.
func startBroker(t *testing.T, extra ...string) *broker {
	t.Helper()
	b := &broker{dir: t.TempDir()}
	b.certificates(t)
	b.restart(t, extra...)
	return b
}

// restart starts a new process on ports of its own, or on those of the process before.
func (b *broker) restart(t *testing.T, extra ...string) {
	t.Helper()
	path := tool(t, "mosquitto")
	if b.process != nil {
		b.kill()
	}
	if b.tlsPort == 0 {
		b.tlsPort, b.tcpPort = freePort(t), freePort(t)
	}
	user := ""
	if os.Geteuid() == 0 {
		user = "user root" // else it becomes a user who cannot read the certificates
	}
	anonymous := "allow_anonymous true"
	for _, line := range extra {
		if strings.HasPrefix(line, "allow_anonymous") {
			anonymous = ""
		}
	}
	conf := strings.Join(append([]string{user, anonymous, "persistence false", "log_dest stderr", "log_type all",
		"max_queued_messages 0",
		fmt.Sprintf("listener %d 127.0.0.1", b.tcpPort),
		fmt.Sprintf("listener %d 127.0.0.1", b.tlsPort),
		"cafile " + b.file("ca.pem"), "certfile " + b.file("server.pem"), "keyfile " + b.file("server.key"), "require_certificate true"},
		extra...), "\n") + "\n"
	if err := os.WriteFile(b.file("mosquitto.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	b.process = start(t, path, "-c", b.file("mosquitto.conf"))
	b.waitFor(t, 1, " running")
}

// file is the path of a file in the broker's directory: ca.pem; server, client and stranger with .pem and .key, the
// last signed by a CA of its own; stranger-ca.pem.
func (b *broker) file(name string) string { return filepath.Join(b.dir, name) }

// certificates writes the files.
func (b *broker) certificates(t *testing.T) {
	t.Helper()
	ca, caKey := b.issue(t, "ca", nil, nil)
	b.issue(t, "server", ca, caKey)
	b.issue(t, "client", ca, caKey)
	other, otherKey := b.issue(t, "stranger-ca", nil, nil)
	b.issue(t, "stranger", other, otherKey)
}

// issue makes a key and a certificate that parent signs; without one it is a CA that signs itself.
func (b *broker) issue(t *testing.T, name string, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		KeyUsage:    x509.KeyUsageDigitalSignature}
	if parent == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
		template.ExtKeyUsage = nil
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(b.file(name+file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// freePort is a port that was free a moment ago.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// plain are the options of a client on the plain listener.
func (b *broker) plain(id string) awsiot.ClientOptions {
	return awsiot.ClientOptions{Endpoint: "127.0.0.1", Port: b.tcpPort, ClientID: id, Auth: awsiot.PlainTCP(),
		MinReconnectDelay: 10 * time.Millisecond, MaxReconnectDelay: 100 * time.Millisecond}
}

// mutual are those on the TLS listener.
func (b *broker) mutual(id string) awsiot.ClientOptions {
	o := b.plain(id)
	o.Endpoint, o.Port, o.CAFile, o.Auth = "localhost", b.tlsPort, b.file("ca.pem"), awsiot.MTLSFromPath(b.file("client.pem"), b.file("client.key"))
	return o
}

// tools are the arguments with which the programs of mosquitto-clients reach the TLS listener.
func (b *broker) tools(args ...string) []string {
	return append([]string{"-h", "localhost", "-p", fmt.Sprint(b.tlsPort), "--cafile", b.file("ca.pem"),
		"--cert", b.file("client.pem"), "--key", b.file("client.key")}, args...)
}

// bounded is a context that ends with the test or with its patience.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// client connects a client, which the end of the test closes.
func client(t *testing.T, o awsiot.ClientOptions) *awsiot.Client {
	t.Helper()
	c := awsiot.NewClient(o)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := c.StartAndWait(bounded(t)); err != nil {
		t.Fatal(err)
	}
	return c
}

// inbox is a handler that keeps messages.
func inbox() (awsiot.MessageHandler, <-chan *awsiot.Message) {
	c := make(chan *awsiot.Message, 2000)
	return func(m *awsiot.Message) { c <- m }, c
}

// subscribe subscribes at QoS 1 and returns what comes.
func subscribe(t *testing.T, c *awsiot.Client, filter string) <-chan *awsiot.Message {
	t.Helper()
	h, messages := inbox()
	ack, err := c.Subscribe(bounded(t), &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: filter, QoS: awsiot.AtLeastOnce, Handler: h}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(ack.Codes) != 1 || ack.Codes[0] != awsiot.ReasonGrantedQoS1 {
		t.Fatalf("subscribe %q: codes %v, want QoS 1 granted", filter, ack.Codes)
	}
	return messages
}

// publish publishes at QoS 1.
func publish(t *testing.T, c *awsiot.Client, topic, payload string) {
	t.Helper()
	if _, err := c.Publish(bounded(t), &awsiot.PublishPacket{Topic: topic, Payload: []byte(payload), QoS: awsiot.AtLeastOnce}); err != nil {
		t.Fatal(err)
	}
}

// next is the next value of a channel.
func next[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// want checks the next message.
func want(t *testing.T, c <-chan *awsiot.Message, topic, payload string) *awsiot.Message {
	t.Helper()
	m := next(t, c)
	if m.Topic != topic || string(m.Payload) != payload {
		t.Fatalf("received %q %q, want %q %q", m.Topic, m.Payload, topic, payload)
	}
	return m
}
