package awsiot_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// keyPEM is a private key as it stands in a file, keyBase64 what is between its lines.
var (
	keyBase64 = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg" + strings.Repeat("TOPSECRETKEY", 8)
	keyPEM    = "-----BEGIN PRIVATE KEY-----\n" + keyBase64 + "\n-----END PRIVATE KEY-----\n"
)

// secretive are options, each with the marker or the key in every place that may hold a secret.
func secretive(t *testing.T) map[string]awsiot.ClientOptions {
	cert, key := selfMade(t, "broker", time.Now(), time.Now().Add(time.Hour))
	_ = cert
	base := func(auth awsiot.Auth) awsiot.ClientOptions {
		return awsiot.ClientOptions{Endpoint: "broker", ClientID: "c", Auth: auth, DisableMetrics: true}
	}
	authorizer := awsiot.CustomAuthorizer{Name: "n", Signature: marker, TokenKeyName: "key", TokenValue: marker,
		Username: "me?token=" + marker, Password: []byte(marker)}
	all := map[string]awsiot.ClientOptions{
		"password":           base(awsiot.PlainTCP()),
		"user name":          base(awsiot.PlainTCP()),
		"user properties":    base(awsiot.PlainTCP()),
		"CAPEM":              base(awsiot.TLS()),
		"CAFile":             base(awsiot.TLS()),
		"CAFile, base64":     base(awsiot.TLS()),
		"Endpoint":           base(awsiot.TLS()),
		"authorizer":         base(authorizer),
		"authorizer pointer": base(&authorizer),
		"MTLSFromPath":       base(awsiot.MTLSFromPath(keyPEM, keyBase64)),
		"MTLSFromBytes":      base(awsiot.MTLSFromBytes([]byte(keyPEM), []byte(keyPEM))),
		"MTLSFromCertificate": base(awsiot.MTLSFromCertificate(tls.Certificate{Certificate: [][]byte{[]byte(marker)},
			PrivateKey: key.PrivateKey})),
		"TLSConfig": base(awsiot.TLS()),
		"websocket": base(awsiot.WebsocketHandshake(func(context.Context, *http.Request) error { return errors.New(marker) })),
		"will":      base(awsiot.PlainTCP()),
	}
	change := func(name string, f func(*awsiot.ClientOptions)) {
		o := all[name]
		f(&o)
		all[name] = o
	}
	change("password", func(o *awsiot.ClientOptions) { o.Username, o.Password = "me", []byte(marker) })
	change("user name", func(o *awsiot.ClientOptions) { o.Username = "me?x-amz-customauthorizer-signature=" + marker })
	change("user properties", func(o *awsiot.ClientOptions) { o.UserProperties = []awsiot.UserProperty{{Name: "auth", Value: marker}} })
	change("CAPEM", func(o *awsiot.ClientOptions) { o.CAPEM = []byte(keyPEM) })
	change("CAFile", func(o *awsiot.ClientOptions) { o.CAFile = keyPEM })
	change("CAFile, base64", func(o *awsiot.ClientOptions) { o.CAFile = keyBase64 })
	change("Endpoint", func(o *awsiot.ClientOptions) { o.Endpoint = "wss://u:" + marker + "@h/mqtt?s=" + marker })
	change("TLSConfig", func(o *awsiot.ClientOptions) {
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{[]byte(marker)}, PrivateKey: key.PrivateKey}}}
	})
	change("will", func(o *awsiot.ClientOptions) { o.Will = &awsiot.Will{Topic: "t", Payload: []byte(marker)} })
	return all
}

// shows returns the forms in which text has the marker or the key: also those in which fmt prints bytes.
func shows(text string) []string {
	found := leaks(text)
	low := strings.ToLower(text)
	for _, secret := range []string{marker, keyBase64, "TOPSECRETKEYTOPSECRETKEY"} {
		part := []byte(secret[:12])
		for _, form := range []string{secret[:12], url.QueryEscape(secret)[:12], hex.EncodeToString(part), fmt.Sprint(part)[1:30],
			fmt.Sprintf("%#v", part)[7:40], base64.StdEncoding.EncodeToString([]byte(secret))[:16]} {
			if strings.Contains(low, strings.ToLower(form)) {
				found = append(found, form)
			}
		}
	}
	return found
}

// No verb of fmt, and no handler of slog, prints a secret of the options, of an Auth or of a client.
func TestNoSecretPrinted(t *testing.T) {
	for name, o := range secretive(t) {
		t.Run(name, func(t *testing.T) {
			c := awsiot.NewClient(o)
			defer c.Close()
			type holder struct {
				Options awsiot.ClientOptions
				Auth    awsiot.Auth
			}
			values := map[string]any{"the options": o, "a pointer to them": &o, "Auth": o.Auth, "a slice": []awsiot.ClientOptions{o},
				"a slice of Auth": []awsiot.Auth{o.Auth}, "a map": map[string]awsiot.ClientOptions{"o": o}, "a struct": holder{o, o.Auth},
				"a pointer to a struct": &holder{o, o.Auth}, "the client": c, "a struct with the client": struct{ C *awsiot.Client }{c}}
			for what, v := range values {
				for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10v", "%T"} {
					if text := fmt.Sprintf(verb, v); shows(text) != nil {
						t.Errorf("%s of %s shows %q: %s", verb, what, shows(text), text)
					}
				}
				var logged bytes.Buffer
				slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "v", v)
				if what == "the options" || what == "Auth" || what == "the client" {
					slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "v", v)
				}
				if shows(logged.String()) != nil {
					t.Errorf("slog of %s shows %q: %s", what, shows(logged.String()), logged.String())
				}
			}
		})
	}
}

// What is no secret is printed: who debugs needs it.
func TestOptionsArePrinted(t *testing.T) {
	o := awsiot.ClientOptions{Endpoint: "broker", Port: 8883, ClientID: "c", Auth: awsiot.MTLSFromPath("c.pem", "k.pem"), KeepAlive: time.Minute,
		Username: "me?a=b", Password: []byte("x"), CAFile: "ca.pem", OfflineQueue: awsiot.OfflineQueue{MaxOperations: 7}}
	want := `awsiot.ClientOptions{Endpoint:"broker" Port:8883 ClientID:"c" Auth:awsiot.MTLSFromPath("c.pem", "k.pem") CAFile:"ca.pem" KeepAlive:1m0s Username:"me?[hidden]" Password:[hidden] OfflineQueue:{Behavior:FailQoS0 MaxOperations:7 MaxBytes:0 WhenFull:RejectNew DrainRate:0 ReturnQueued:false}}`
	if got := fmt.Sprint(o); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for auth, want := range map[awsiot.Auth]string{awsiot.PlainTCP(): "awsiot.PlainTCP()", awsiot.TLS(): "awsiot.TLS()"} {
		if got := fmt.Sprintf("%#v", auth); got != want {
			t.Errorf("got %s", got)
		}
	}
	a := awsiot.CustomAuthorizer{Name: "n", TokenKeyName: "k", TokenValue: "v", Signature: "s", Websocket: true}
	if got := fmt.Sprintf("%+v", a); got != `awsiot.CustomAuthorizer{Name:"n" Signature:[hidden] TokenKeyName:"k" TokenValue:[hidden] Websocket:true}` {
		t.Errorf("got %s", got)
	}
	c := awsiot.NewClient(o)
	defer c.Close()
	if got := fmt.Sprint(c); got != `awsiot.Client{ClientID:"c" Endpoint:"broker" State:StateStopped}` {
		t.Errorf("got %s", got)
	}
}

// echoes are the ways in which a server gives a secret back.
var echoes = []struct {
	name string
	echo func(string) string
}{
	{"as it is", func(s string) string { return s }},
	{"lower case", strings.ToLower},
	{"upper case", strings.ToUpper},
	{"URL-encoded", url.QueryEscape},
	{"URL-encoded in lower case", func(s string) string { return strings.ToLower(url.QueryEscape(s)) }},
	{"URL-encoded twice", func(s string) string { return url.QueryEscape(url.QueryEscape(s)) }},
	{"base64", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }},
	{"base64 of more", func(s string) string { return base64.StdEncoding.EncodeToString([]byte("x" + s + "yz")) }},
	{"base64 of still more", func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte("ab" + s)) }},
	{"hex", func(s string) string { return hex.EncodeToString([]byte(s)) }},
	{"JSON", func(s string) string { return strings.ReplaceAll(s, "/", `\/`) }},
	{"the first half", func(s string) string { return s[:len(s)/2] }},
	{"the last half", func(s string) string { return s[len(s)/2:] }},
	{"the middle", func(s string) string { return s[7:20] }},
	{"in the midst of text", func(s string) string { return "signature=" + s + "; denied" }},
}

// signature is what servers are given here, in the form of a SigV4 signature and of a token.
const signature = "3F9A+c0ffee/5b1e8d7a6f4c2b0e9d8c7b6a5f4e3d2c1b0a=9f8e7d6c5b4a3928"

// visible returns a piece of the signature, of twelve characters, that text shows in one of the forms above; "": none.
func visible(text string) string {
	const piece = 12
	low := strings.ToLower(text)
	for _, e := range echoes[:len(echoes)-1] {
		form := strings.ToLower(e.echo(signature))
		for from := range len(form) - piece + 1 {
			if strings.Contains(low, form[from:from+piece]) {
				return form[from : from+piece]
			}
		}
	}
	return ""
}

// Whatever a server, a proxy or a broker gives back of a secret, in whatever form, no error, event or log has more of it
// than eleven characters.
func TestNoSecretOfEchoes(t *testing.T) {
	upgrade := func(t *testing.T, answer func(sent string) string) (string, error) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			buf := make([]byte, 8192)
			n, _ := far.Read(buf)
			_, _ = io.WriteString(far, answer(string(buf[:n])))
		}()
		return failing(t, awsiot.ClientOptions{Endpoint: "broker", ClientID: "c", MinReconnectDelay: time.Minute,
			Auth: awsiot.PlainWebsocket(func(_ context.Context, r *http.Request) error {
				r.URL.RawQuery = url.Values{"X-Amz-Signature": {signature}}.Encode()
				return nil
			}),
			Dialer: func(context.Context, string, string) (net.Conn, error) { return near, nil }})
	}
	for _, e := range echoes {
		echo := e.echo(signature)
		for where, run := range map[string]func(*testing.T) (string, error){
			"body of a refusal": func(t *testing.T) (string, error) {
				return upgrade(t, func(string) string {
					return fmt.Sprintf("HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n%s", len(echo), echo)
				})
			},
			"status line": func(t *testing.T) (string, error) {
				return upgrade(t, func(string) string { return echo + "\r\n\r\n" })
			},
			"CONNACK":                  func(t *testing.T) (string, error) { return refusedBy(t, echo, false) },
			"CONNACK to an authorizer": func(t *testing.T) (string, error) { return refusedBy(t, echo, true) },
		} {
			t.Run(e.name+", "+where, func(t *testing.T) {
				logged, err := run(t)
				if strings.HasPrefix(where, "CONNACK") && !strings.Contains(err.Error(), "not authorized (0x87)") {
					t.Errorf("got %v", err)
				}
				for what, text := range map[string]string{"the error": everything(err), "the log": logged} {
					if piece := visible(text); piece != "" {
						t.Errorf("%s shows %q:\n%s", what, piece, text)
					}
				}
			})
		}
	}
}

// refusedBy connects to a broker that gives the echo back in a CONNACK.
func refusedBy(t *testing.T, echo string, authorizer bool) (logged string, err error) {
	near, far := net.Pipe()
	o := awsiot.ClientOptions{Endpoint: "broker", ClientID: "c", MinReconnectDelay: time.Minute, Auth: awsiot.PlainTCP(), Username: "me",
		Password: []byte(signature), Dialer: func(context.Context, string, string) (net.Conn, error) { return near, nil }}
	broker := far
	if authorizer {
		cert, key := selfMade(t, "broker", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
		broker = tls.Server(far, &tls.Config{Certificates: []tls.Certificate{key}, NextProtos: []string{"mqtt"}})
		o.CAPEM, o.Password = cert, nil
		o.Auth = awsiot.CustomAuthorizer{Name: "n", Signature: signature, TokenKeyName: "k", TokenValue: "k=" + signature}
	}
	go func() {
		defer far.Close()
		if _, err := packets.ReadPacket(broker); err == nil {
			_, _ = (&packets.Connack{ReasonCode: 0x87, Properties: &packets.Properties{ReasonString: echo, User: []packets.User{{Key: "was", Value: echo}}}}).WriteTo(broker)
		}
		_, _ = io.Copy(io.Discard, broker) // TLS gives its farewell five seconds to be read
	}()
	return failing(t, o)
}

// A broker that gives the password back in other packets.
func TestNoSecretOfOtherPackets(t *testing.T) {
	for _, e := range echoes {
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var logged bytes.Buffer
				w := newWorld(t, func(o *awsiot.ClientOptions) {
					o.Username, o.Password = "me", []byte(signature)
					o.Logger = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: awsiot.LevelTrace}))
				})
				echo := packets.Properties{ReasonString: e.echo(signature), User: []packets.User{{Key: "was", Value: e.echo(signature)}}}
				p := w.start()
				var errs []error
				publish := w.client.PublishAsync(packet("t", "x", 1))
				subscribe, unsubscribe := w.client.SubscribeAsync(filters(nil, "f")), w.client.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: []string{"g"}})
				for range 3 {
					switch v := p.next().(type) {
					case *packets.Publish:
						p.send(&packets.Puback{PacketID: v.PacketID, ReasonCode: 0x87, Properties: &echo})
					case *packets.Subscribe:
						p.send(&packets.Suback{PacketID: v.PacketID, Reasons: []byte{0x87}, Properties: &echo})
					case *packets.Unsubscribe:
						p.send(&packets.Unsuback{PacketID: v.PacketID, Reasons: []byte{0x87}, Properties: &echo})
					}
				}
				synctest.Wait()
				errs = append(errs, publish.Err(), subscribe.Err(), unsubscribe.Err())
				p.send(&packets.Disconnect{ReasonCode: 0x87, Properties: &echo})
				synctest.Wait()
				text := strings.Join(w.events.take(), "\n") + logged.String()
				for _, err := range errs {
					if err == nil {
						t.Fatal("not refused")
					}
					text += everything(err)
				}
				if piece := visible(text); piece != "" {
					t.Errorf("%q is shown:\n%s", piece, text)
				}
			})
		})
	}
}

// PEM text, or a key in base64, where a path belongs is not shown by the error, and the error says what to use; a path is.
func TestKeyWhereAPathBelongs(t *testing.T) {
	for _, text := range []string{keyPEM, keyBase64, strings.ReplaceAll(keyPEM, "\n", "\\n"), " " + keyPEM, "x\r\n" + keyBase64} {
		for name, o := range map[string]awsiot.ClientOptions{
			"CAFile":               {Endpoint: "h", Auth: awsiot.TLS(), CAFile: text},
			"MTLSFromPath cert":    {Endpoint: "h", Auth: awsiot.MTLSFromPath(text, "k.pem")},
			"MTLSFromPath key":     {Endpoint: "h", Auth: awsiot.MTLSFromPath("c.pem", text)},
			"Endpoint":             {Endpoint: text, Auth: awsiot.TLS()},
			"MTLSFromBytes, paths": {Endpoint: "h", Auth: awsiot.MTLSFromBytes([]byte(keyBase64), []byte(text))},
		} {
			logged, err := failing(t, o)
			_, err2 := o.Dial(context.Background())
			all := everything(err) + everything(o.Validate()) + everything(err2) + logged
			if found := shows(all); found != nil {
				t.Errorf("%s: shows %q: %s", name, found, all)
			}
		}
	}
	missing := filepath.Join(t.TempDir(), "MI", "no-ca.pem")
	_, err := failing(t, awsiot.ClientOptions{Endpoint: "h", Auth: awsiot.TLS(), CAFile: missing})
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "no-ca.pem") {
		t.Errorf("got %v", err)
	}
}
