package iotlocal_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	p5 "github.com/eclipse/paho.golang/packets"
	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/portage-iot/awsiot/iotlocal"
)

func newThing(t *testing.T, srv *iotlocal.Server, name string) iotlocal.Thing {
	t.Helper()
	thing, err := srv.NewThing(name)
	if err != nil {
		t.Fatal(err)
	}
	return thing
}

func TestTLS(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{SANs: []string{"broker.example", "192.0.2.7"}})
	other := iotlocal.StartT(t, iotlocal.Options{})
	good := newThing(t, srv, "good")
	foreign := newThing(t, other, "foreign")

	for _, tt := range []struct {
		name  string
		thing iotlocal.Thing
		conf  *tls.Config
		alpn  string
		bad   string // part of the error
	}{
		{name: "TLS 1.3", thing: good, conf: &tls.Config{MinVersion: tls.VersionTLS13}},
		{name: "TLS 1.2", thing: good, conf: &tls.Config{MaxVersion: tls.VersionTLS12}},
		{name: "TLS 1.1 is too old", thing: good, conf: &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, bad: "protocol version"},
		{name: "ALPN of port 443", thing: good, conf: &tls.Config{NextProtos: []string{"x-amzn-mqtt-ca"}}, alpn: "x-amzn-mqtt-ca"},
		{name: "unknown ALPN", thing: good, conf: &tls.Config{NextProtos: []string{"ftp"}}, bad: "no application protocol"},
		{name: "extra host name", thing: good, conf: &tls.Config{ServerName: "broker.example"}},
		{name: "extra address", thing: good, conf: &tls.Config{ServerName: "192.0.2.7"}},
		{name: "::1", thing: good, conf: &tls.Config{ServerName: "::1"}},
		{name: "wrong host name", thing: good, conf: &tls.Config{ServerName: "elsewhere.example"}, bad: "elsewhere.example"},
		{name: "no certificate", conf: &tls.Config{}, bad: "certificate required"},
		{name: "foreign certificate", thing: foreign, conf: &tls.Config{}, bad: "certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			nc, err := dialTLS(t, srv, tt.thing, tt.conf)
			if err == nil {
				defer nc.Close()
				r := &raw{t: t, nc: nc, id: "c"}
				nc.SetDeadline(time.Now().Add(patience))
				// With TLS 1.3 a client learns at the first read that it was refused.
				r.send(connect5("c"))
				_, err = r.tryRead()
			}
			if tt.bad == "" {
				if err != nil {
					t.Fatal(err)
				}
				if got := nc.ConnectionState().NegotiatedProtocol; got != tt.alpn {
					t.Fatalf("ALPN %q, want %q", got, tt.alpn)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.bad) {
				t.Fatalf("error %v, want %q", err, tt.bad)
			}
		})
	}
	// A refusal by the client is recorded when the server hears of it.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	open, failed := 0, 0
	if err := srv.Recorder().Wait(ctx, func(ps []iotlocal.Packet) bool {
		open, failed = 0, 0
		for _, p := range ps {
			switch p.Type {
			case iotlocal.TransportOpen:
				open++
				if !p.Transport.TLS || p.Transport.ClientCert != "good" {
					t.Errorf("%+v", p.Transport)
				}
			case iotlocal.HandshakeFailed:
				failed++
			}
		}
		return open == 6 && failed == 5
	}); err != nil {
		t.Errorf("%d open, %d failed handshakes in the record, want 6 and 5: %v", open, failed, err)
	}
}

// A complete client of the 3.1.1 world, over TLS and over TCP.
func TestPahoClient(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	thing := newThing(t, srv, "paho")
	pair, err := thing.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	conf := &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: rootCAs(srv)}
	for scheme, port := range map[string]int{"ssl": srv.TLSPort(), "tcp": srv.TCPPort()} {
		t.Run(scheme, func(t *testing.T) {
			c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(fmt.Sprintf("%s://%s:%d", scheme, srv.Host(), port)).
				SetClientID("paho-" + scheme).SetTLSConfig(conf).SetAutoReconnect(false))
			done := func(tok mqtt.Token) {
				t.Helper()
				if !tok.WaitTimeout(patience) || tok.Error() != nil {
					t.Fatalf("%T: %v", tok, tok.Error())
				}
			}
			done(c.Connect())
			got := make(chan mqtt.Message, 10)
			done(c.Subscribe("p/"+scheme, 1, func(_ mqtt.Client, m mqtt.Message) { got <- m }))
			for i := range 10 {
				done(c.Publish("p/"+scheme, byte(i%2), false, fmt.Sprint(i)))
			}
			for range 10 {
				select {
				case <-got:
				case <-time.After(patience):
					t.Fatal("message lost")
				}
			}
			done(c.Unsubscribe("p/" + scheme))
			c.Disconnect(100)
		})
	}
}

func TestThingsAndDirectory(t *testing.T) {
	dir := t.TempDir()
	start := func() *iotlocal.Server {
		t.Helper()
		srv, err := iotlocal.Start(iotlocal.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		return srv
	}
	first := start()
	thing := newThing(t, first, "lamp-1")
	if again := newThing(t, first, "lamp-1"); string(again.CertPEM) != string(thing.CertPEM) {
		t.Error("asked again, NewThing made another identity")
	}
	for _, bad := range []string{"", "../x", "a b", "ca", strings.Repeat("x", 129)} {
		if _, err := first.NewThing(bad); err == nil || !strings.HasPrefix(err.Error(), "iotlocal: ") {
			t.Errorf("NewThing(%q): %v, want an error", bad, err)
		}
	}
	if st, err := os.Stat(thing.KeyFile); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("key file %v %v, want mode 0600", st, err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	// A later server on the same directory honours what the first gave out.
	second := start()
	defer second.Close()
	if again := newThing(t, second, "lamp-1"); string(again.CertPEM) != string(thing.CertPEM) {
		t.Error("a restarted server does not know its things")
	}
	nc, err := dialTLS(t, second, thing, &tls.Config{})
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
}

func TestStartErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	half := t.TempDir()
	if err := os.WriteFile(half+"/ca.pem", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	garbage := t.TempDir()
	for _, n := range []string{"/ca.pem", "/ca.key"} {
		if err := os.WriteFile(garbage+n, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name string
		o    iotlocal.Options
		want string
	}{
		{"port taken", iotlocal.Options{TLSPort: taken.Addr().(*net.TCPAddr).Port}, "address already in use"},
		{"port out of range", iotlocal.Options{TCPPort: 70000}, "port 70000 is not in -1..65535"},
		{"directory is a file", iotlocal.Options{Dir: file}, "not a directory"},
		{"half a CA", iotlocal.Options{Dir: half}, "holds half a CA"},
		{"CA is garbage", iotlocal.Options{Dir: garbage}, "CA in "},
		{"bad SAN", iotlocal.Options{SANs: []string{"https://x"}}, `SAN "https://x"`},
		{"bad address", iotlocal.Options{ListenAddr: "not an address"}, "listen"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv, err := iotlocal.Start(tt.o)
			if err == nil {
				srv.Close()
				t.Fatal("no error")
			}
			if !strings.HasPrefix(err.Error(), "iotlocal: ") || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %q, want %q", err, tt.want)
			}
		})
	}
}

func TestPortsOff(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{TLSPort: iotlocal.Off})
	if srv.TLSPort() != -1 || srv.TCPPort() <= 0 {
		t.Errorf("ports %d %d", srv.TLSPort(), srv.TCPPort())
	}
}

// A server that closes with unread data makes TCP reset the connection, which
// destroys what it has just said. The reason must arrive all the same.
func TestDisconnectSurvivesUnreadData(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	thing := newThing(t, srv, "c")
	dial := map[string]func() (net.Conn, error){
		"tcp": func() (net.Conn, error) {
			return net.Dial("tcp", net.JoinHostPort(srv.Host(), strconv.Itoa(srv.TCPPort())))
		},
		"tls": func() (net.Conn, error) { return dialTLS(t, srv, thing, &tls.Config{}) },
	}
	for name, dial := range dial {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				nc, err := dial()
				if err != nil {
					t.Fatal(err)
				}
				r := &raw{t: t, nc: nc, id: "c"}
				r.send(connect5("c"))
				want[*p5.Connack](r)
				r.write(append([]byte{0xF0, 0}, make([]byte, 200<<10)...))
				if d := want[*p5.Disconnect](r); d.ReasonCode != 0x82 {
					t.Errorf("%v", d)
				}
				nc.Close()
			}
		})
	}
}
