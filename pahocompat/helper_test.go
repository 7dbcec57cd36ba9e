package mqtt_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/portage-iot/awsiot/internal/testsize"
	"github.com/portage-iot/awsiot/iotlocal"
	mqtt "github.com/portage-iot/awsiot/pahocompat"
)

// patience is how long a test waits for what must come, on whatever machine.
const patience = 5 * time.Minute

// quiesce is patience for Disconnect, which returns when it has ended.
const quiesce = uint(patience / time.Millisecond)

// addr returns the address of the server's plain port.
func addr(srv *iotlocal.Server) string { return fmt.Sprintf("tcp://%s:%d", srv.Host(), srv.TCPPort()) }

// withEngine makes the clients of a test have an engine.
func withEngine(t *testing.T, e mqtt.Engine) {
	t.Helper()
	mqtt.SetEngine(e)
	t.Cleanup(func() { mqtt.SetEngine(mqtt.EngineAuto) })
}

// must waits for a token without an error.
func must(t testing.TB, what string, tok paho.Token) {
	t.Helper()
	if !tok.WaitTimeout(patience) {
		t.Fatalf("%s: the token has not ended", what)
	}
	if err := tok.Error(); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// next takes one value.
func next[T any](t testing.TB, what string, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		t.Fatalf("%s has not come", what)
	}
	return v
}

// connected connects a client, and disconnects it at the end of the test.
func connected(t testing.TB, o *paho.ClientOptions) paho.Client {
	t.Helper()
	c := mqtt.NewClient(o)
	must(t, "Connect", c.Connect())
	t.Cleanup(func() { c.Disconnect(100) })
	return c
}

func TestMain(m *testing.M) {
	os.Unsetenv("PORTAGE_PAHO_ENGINE") // the tests choose
	testsize.Waits()
	os.Exit(m.Run())
}

// sent returns what the clients of srv have sent.
func sent(srv *iotlocal.Server) (list []iotlocal.Packet) {
	for _, p := range srv.Recorder().Packets() {
		if p.Dir == iotlocal.ClientToServer {
			list = append(list, p)
		}
	}
	return list
}

// count returns how many packets of the clients of srv are of a kind.
func count(srv *iotlocal.Server, of func(iotlocal.Packet) bool) (n int) {
	for _, p := range sent(srv) {
		if of(p) {
			n++
		}
	}
	return n
}

// await waits until a client of srv has sent a packet of a kind.
func await(t testing.TB, srv *iotlocal.Server, what string, of func(iotlocal.Packet) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if srv.Recorder().Wait(ctx, func([]iotlocal.Packet) bool { return count(srv, of) > 0 }) != nil {
		t.Fatalf("%s was not sent", what)
	}
}

// tlsOf returns the configuration with which a thing connects.
func tlsOf(t testing.TB, srv *iotlocal.Server, thing iotlocal.Thing) *tls.Config {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(thing.CertFile, thing.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(srv.CAPEM())
	return &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: roots}
}
