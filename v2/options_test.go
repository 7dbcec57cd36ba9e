package awsiot

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestOptionsAreCopied fills every field of ClientOptions that holds a slice, a map or a
// pointer, by reflection, so that new fields are covered; then changes all that can be reached
// from them, and compares what NewClient kept.
func TestOptionsAreCopied(t *testing.T) {
	var o ClientOptions
	var paths []string
	fill(t, reflect.ValueOf(&o).Elem(), "", &paths)
	c := NewClient(o)
	checkCopied(t, "NewClient", c, o, paths)
	if err := c.Update(func(given *ClientOptions) { o = *given; given.ClientID = "other" }); err == nil {
		t.Error("Update took another ClientID")
	}
	checkCopied(t, "what Update gives to its function", c, o, paths)
	if err := c.Update(func(given *ClientOptions) { o = *given }); err != nil {
		t.Error(err)
	}
	checkCopied(t, "what Update takes over", c, o, paths)
	for _, want := range []string{"CAPEM", "Password", "UserProperties", "Will.Payload", "Will.Delay", "Will.MessageExpiry", "Will.PayloadFormat",
		"Will.CorrelationData", "Will.UserProperties", "RequestResponseInformation", "RequestProblemInformation",
		"TLSConfig.NextProtos", "TLSConfig.Certificates", "TLSConfig.CipherSuites", "TLSConfig.CurvePreferences"} {
		if !strings.Contains(strings.Join(paths, "\n")+"\n", want+"\n") {
			t.Errorf("%s was not visited", want)
		}
	}
}

// checkCopied changes all that can be reached from o, the caller's, and compares what c has of it.
func checkCopied(t *testing.T, how string, c *Client, o ClientOptions, paths []string) {
	t.Helper()
	both := []ClientOptions{c.options().ClientOptions, c.options().given()}
	seen := func(i int, p string) string { return show(lookup(reflect.ValueOf(both[i]), p)) }
	before := map[string][2]string{}
	for _, p := range paths {
		before[p] = [2]string{seen(0, p), seen(1, p)}
	}
	for _, p := range paths {
		spoil(lookup(reflect.ValueOf(o), p))
	}
	for _, p := range paths {
		if now := [2]string{seen(0, p), seen(1, p)}; now != before[p] {
			t.Errorf("%s: %s: was %s, is %s: shared with the caller", how, p, before[p], now)
		}
		if now := show(lookup(reflect.ValueOf(o), p)); now == before[p][0] {
			t.Errorf("%s: %s: the test did not change it", how, p)
		}
	}
}

// shared are the types and fields that a client shares with the program by their nature; RootCAs has a test of its own.
var shared = map[string]bool{"*slog.Logger": true, "*awsiot.Trace": true, "*x509.CertPool": true, "*x509.Certificate": true,
	"TLSConfig.EncryptedClientHelloKeys": true, "TLSConfig.NameToCertificate": true} // of servers

func fill(t *testing.T, v reflect.Value, path string, paths *[]string) {
	join := func(name string) string { return strings.TrimPrefix(path+"."+name, ".") }
	if shared[v.Type().String()] || shared[path] || !v.CanSet() {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), join(v.Type().Field(i).Name), paths)
		}
	case reflect.Slice:
		grow(v)
		*paths = append(*paths, path)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		if v.Type().Elem().Kind() == reflect.Struct {
			fill(t, v.Elem(), path, paths)
		} else {
			*paths = append(*paths, path)
		}
	case reflect.Map:
		t.Errorf("%s: a map: extend this test", path)
	}
}

// grow makes a slice of two, with slices of two in it.
func grow(v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			grow(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			grow(v.Field(i))
		}
	}
}

func lookup(v reflect.Value, path string) reflect.Value {
	for name := range strings.SplitSeq(path, ".") {
		for v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		v = v.FieldByName(name)
	}
	return v
}

func show(v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	return fmt.Sprintf("%v", v)
}

// spoil changes what a slice or a pointer refers to, in place.
func spoil(v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		change(v.Elem())
		return
	}
	for i := range v.Len() {
		change(v.Index(i))
	}
}

func change(v reflect.Value) {
	switch {
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			change(v.Field(i))
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			change(v.Index(i))
		}
	case v.Kind() == reflect.String:
		v.SetString(v.String() + "changed")
	case v.Kind() == reflect.Bool:
		v.SetBool(!v.Bool())
	case v.CanInt():
		v.SetInt(v.Int() + 1)
	case v.CanUint():
		v.SetUint(v.Uint() + 1)
	}
}

// What the caller changes in TLSConfig and in a certificate afterwards does not reach the connections; TestOptionsAreCopied has
// the slices of TLSConfig.
func TestTLSConfigIsCopied(t *testing.T) {
	cfg := &tls.Config{ServerName: "before", MinVersion: tls.VersionTLS13, RootCAs: x509.NewCertPool()}
	var cert tls.Certificate
	grow(reflect.ValueOf(&cert).Elem())
	cert.PrivateKey = "of the caller"
	before := fmt.Sprintf("%v", cert)
	c := NewClient(ClientOptions{Endpoint: "e", Auth: MTLSFromCertificate(cert), TLSConfig: cfg})
	cfg.ServerName, cfg.MinVersion = "after", tls.VersionTLS10
	cfg.RootCAs.AddCert(&x509.Certificate{Raw: []byte{1}})
	spoilt := reflect.ValueOf(&cert).Elem()
	for i := range spoilt.NumField() {
		if f := spoilt.Field(i); f.Kind() == reflect.Slice {
			change(f)
		}
	}
	got := c.options().TLSConfig
	if got == cfg || got.ServerName != "before" || got.MinVersion != tls.VersionTLS13 || !got.RootCAs.Equal(x509.NewCertPool()) {
		t.Errorf("%q %x %v", got.ServerName, got.MinVersion, got.RootCAs)
	}
	kept, err := c.options().Auth.(mutualTLS).get(t.Context()) // route would look into the certificate, which is none
	if err != nil {
		t.Fatal(err)
	}
	if after := fmt.Sprintf("%v", kept); after != before || fmt.Sprintf("%v", cert) == before {
		t.Errorf("certificate: was %s, is %s, the caller's %v", before, after, cert)
	}
}

// Cases of aws-c-mqtt's tests: client_options_defaults_set. The documented default of every field.
func TestDefaults(t *testing.T) {
	o := NewClient(ClientOptions{Endpoint: "e", Auth: TLS()}).options()
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"Port", o.Port, 443}, {"KeepAlive", o.KeepAlive, 1200 * time.Second},
		{"MaximumPacketSize", o.MaximumPacketSize, uint32(1 << 20)}, {"InboundMaximum", o.TopicAliasing.InboundMaximum, uint16(25)},
		{"SessionBehavior", o.SessionBehavior, CleanSession}, {"SessionExpiry", o.SessionExpiry, time.Duration(0)},
		{"OfflineQueue", o.OfflineQueue, OfflineQueue{Behavior: FailQoS0, WhenFull: RejectNew}},
		{"Resubscribe", o.Resubscribe, Resubscribe{When: ResubscribeIfNoSession, BatchSize: 8}},
		{"Inbound", o.Inbound, Inbound{MaxBytes: 16 << 20, WhenFull: RejectNew}},
		{"RetryJitterMode", o.RetryJitterMode, JitterFull},
		{"MinReconnectDelay", o.MinReconnectDelay, time.Second}, {"MaxReconnectDelay", o.MaxReconnectDelay, 120 * time.Second},
		{"MinConnectedTimeToResetReconnectDelay", o.MinConnectedTimeToResetReconnectDelay, 30 * time.Second},
		{"ConnectTimeout", o.ConnectTimeout, 10 * time.Second}, {"ConnackTimeout", o.ConnackTimeout, 20 * time.Second},
		{"PingTimeout", o.PingTimeout, 30 * time.Second}, {"AckTimeout", o.AckTimeout, 60 * time.Second},
		{"Endpoint in brackets", NewClient(ClientOptions{Endpoint: "[::1]"}).options().Endpoint, "::1"},
		{"Port of PlainTCP", NewClient(ClientOptions{Auth: PlainTCP()}).options().Port, 1883},
		{"Port given", NewClient(ClientOptions{Auth: PlainTCP(), Port: 8883}).options().Port, 8883},
		{"KeepAlive negative", NewClient(ClientOptions{KeepAlive: -1}).options().KeepAlive, time.Duration(0)},
		{"AckTimeout negative", NewClient(ClientOptions{AckTimeout: -1}).options().AckTimeout, time.Duration(0)},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}

// The checks of a publish allocate nothing when all is well, with the payload of PayloadUTF8 among them.
func TestValidateDoesNotAllocate(t *testing.T) {
	for name, p := range map[string]*PublishPacket{
		"plain": {Topic: "a/b", Payload: []byte("x\n")},
		"properties": {Topic: "a/b", Payload: []byte(strings.Repeat("text é 好 😀; ", 500)), PayloadFormat: new(PayloadUTF8), MessageExpiry: new(time.Second),
			ResponseTopic: "c", CorrelationData: []byte("d"), ContentType: "e", UserProperties: []UserProperty{{"a", "b"}}},
	} {
		var err *ValidationError
		if n := testing.AllocsPerRun(100, func() { err = p.validate() }); n != 0 || err != nil {
			t.Errorf("%s: %v allocations, %v", name, n, err)
		}
	}
}

// AWS IoT Core replaces a keep-alive outside of 30 s to 1200 s by its own: Start logs that. Row 41 of DESIGN.md.
func TestKeepAliveOutsideAWS(t *testing.T) {
	for _, tt := range []struct {
		name, endpoint string
		keepAlive      time.Duration
		logged         bool
	}{
		{"too short", "x-ats.iot.eu-west-1.amazonaws.com", 10 * time.Second, true},
		{"too long", "x-ats.iot.eu-west-1.amazonaws.com", 1201 * time.Second, true},
		{"none", "x-ats.iot.eu-west-1.amazonaws.com", -1, true},
		{"shortest", "x-ats.iot.eu-west-1.amazonaws.com", 30 * time.Second, false},
		{"default", "x-ats.iot.eu-west-1.amazonaws.com", 0, false},
		{"another broker", "broker", 10 * time.Second, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var logged bytes.Buffer
			c := NewClient(ClientOptions{Endpoint: tt.endpoint, ClientID: "c", Auth: PlainTCP(), KeepAlive: tt.keepAlive,
				Logger: slog.New(slog.NewTextHandler(&logged, nil)),
				Dialer: func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }})
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			c.Close()
			<-c.Done()
			got := strings.Contains(logged.String(), "level=WARN msg=\"KeepAlive is outside what AWS IoT Core takes; it will use its own\" keep_alive="+c.options().KeepAlive.String()+" min=30s max=20m0s")
			if got != tt.logged {
				t.Errorf("logged: %v, want %v:\n%s", got, tt.logged, logged.String())
			}
		})
	}
}

// What a client was given comes back as it was, though it keeps the defaults in its place.
func TestGivenOptionsComeBack(t *testing.T) {
	for _, o := range []ClientOptions{{}, {Endpoint: "[::1]", KeepAlive: 1500 * time.Millisecond, SessionExpiry: 1500 * time.Millisecond, AckTimeout: -1,
		Port: 1, Inbound: Inbound{MaxBytes: 2}, Resubscribe: Resubscribe{BatchSize: 3}, MaximumPacketSize: 4, ReceiveMaximum: 5,
		TopicAliasing: TopicAliasing{InboundMaximum: 6}, MinReconnectDelay: 7, MaxReconnectDelay: 8, MinConnectedTimeToResetReconnectDelay: 9,
		ConnectTimeout: 10, ConnackTimeout: 11, PingTimeout: 12}, {KeepAlive: -1}} {
		if got := NewClient(o).options().given(); !reflect.DeepEqual(got, o) {
			t.Errorf("got\n%#v\nwant\n%#v", got, o)
		}
	}
}
