package awsiot_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// marker stands for every secret of this file. It has what escaping changes.
const marker = "TOP+SECRET/TOKEN=0123456789"

// leaks returns the forms of the marker in which text has it.
func leaks(text string) []string {
	var found []string
	for _, form := range []string{"SECRET", "TOP+", "TOP%2BSEC", base64.StdEncoding.EncodeToString([]byte("user:" + marker))} {
		if strings.Contains(text, form) {
			found = append(found, form)
		}
	}
	return found
}

// everything returns all texts of an error: its own, and every field of every error in its chain.
func everything(err error) string {
	text := fmt.Sprintf("%v\n%+v\n%#v\n", err, err, err)
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			text += everything(inner)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			text += everything(inner)
		}
	}
	return text
}

// failing starts a client, whose attempt must fail, and returns what was logged and the error.
func failing(t *testing.T, o awsiot.ClientOptions) (string, error) {
	t.Helper()
	var logged bytes.Buffer
	o.Logger = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: awsiot.LevelTrace}))
	c := awsiot.NewClient(o)
	err := c.StartAndWait(within(time.Minute))
	_ = c.Close()
	<-c.Done()
	if err == nil {
		t.Fatal("connected")
	}
	return logged.String(), err
}

func check(t *testing.T, err error, logged, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q in it", err, want)
	}
	for where, text := range map[string]string{"the error": everything(err), "the log": logged} {
		if found := leaks(text); found != nil {
			t.Errorf("%s shows %q:\n%s", where, found, text)
		}
	}
}

// No answer to an upgrade brings the query, a header or the password of the request into an error.
func TestNoSecretOfTheUpgrade(t *testing.T) {
	answer := func(status, headers, body string) string {
		return fmt.Sprintf("HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s", status, headers, len(body), body)
	}
	query := func(r *http.Request) string { return r.URL.RawQuery }
	for _, tt := range []struct {
		name   string
		path   string // that the program sets; "": as it is
		answer func(r *http.Request) string
		want   string
	}{
		{"closed", "", func(*http.Request) string { return "" }, "EOF"},
		{"closed, another path", "/other", func(*http.Request) string { return "" }, "EOF"},
		{"redirect to another host", "", func(r *http.Request) string {
			return answer("302 Found", "Location: http://elsewhere:81/login?"+query(r)+"\r\n", "")
		}, "302 Found, a redirect to elsewhere:81 that is not followed"},
		{"redirect to another path", "", func(r *http.Request) string {
			return answer("301 Moved", "Location: /mqtt/?"+query(r)+"\r\n", "")
		}, "301 Moved Permanently, a redirect to broker that is not followed"},
		{"redirect 307", "", func(r *http.Request) string {
			return answer("307 X", "Location: //user:"+marker+"@h/"+url.QueryEscape(r.RequestURI)+"\r\n", "")
		}, "307 Temporary Redirect"},
		{"redirect to nowhere", "", func(r *http.Request) string {
			return answer("302 Found", "Location: http://a b/%zz?"+query(r)+"\r\n", "")
		}, "302 Found"},
		{"redirect to the secret", "", func(r *http.Request) string {
			return answer("302 Found", "Location: http://"+url.QueryEscape(r.URL.Query().Get("X-Amz-Signature"))+"/\r\n", "")
		}, "302 Found"},
		{"403 with the request URI", "", func(r *http.Request) string {
			return answer("403 Forbidden", "", "bad request "+r.RequestURI)
		}, "403 Forbidden: bad request /mqtt?[hidden]"},
		{"403 with what is not secret", "", func(r *http.Request) string {
			return answer("403 Forbidden", "", "Signature expired: "+r.URL.Query().Get("X-Amz-Date"))
		}, "403 Forbidden: Signature expired: 20260101T000000Z"},
		{"403 in HTML", "", func(r *http.Request) string {
			return answer("403 Forbidden", "", "<p>"+html.EscapeString(r.RequestURI)+"</p>")
		}, "403 Forbidden: <p>/mqtt?"},
		{"403 unescaped", "", func(r *http.Request) string {
			return answer("403 Forbidden", "", "token: "+r.URL.Query().Get("X-Amz-Signature"))
		}, "403 Forbidden: token: [hidden]"},
		{"403 with escaped once more", "", func(r *http.Request) string {
			return answer("403 Forbidden", "", "next="+url.QueryEscape(r.RequestURI))
		}, "403 Forbidden: next="},
		{"403 with the headers", "", func(r *http.Request) string {
			return answer("403 Forbidden", "", r.Header.Get("Authorization")+" and "+r.Header.Get("X-Token"))
		}, "403 Forbidden: [hidden] and [hidden]"},
		{"403 with a part of a header", "", func(r *http.Request) string {
			return answer("403 Forbidden", "", "bearer "+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		}, "403 Forbidden: bearer [hidden]"},
		{"403 cut off within the secret", "", func(r *http.Request) string {
			return answer("403 Forbidden", "", strings.Repeat(".", 1024-17)+r.URL.Query().Get("X-Amz-Signature"))
		}, "...[hidden]"},
		{"the request comes back", "", func(r *http.Request) string {
			return "GET " + r.RequestURI + " HTTP/1.1\r\n\r\n"
		}, "upgrade failed: "},
		{"the URI where the version should be", "", func(r *http.Request) string {
			return r.RequestURI + " 200 OK\r\n\r\n"
		}, "upgrade failed: "},
		{"101 with the query in a header", "", func(r *http.Request) string {
			return "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + query(r) + "\r\n\r\n"
		}, "upgrade failed: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			near, far := net.Pipe()
			served := make(chan struct{})
			go func() {
				defer close(served)
				defer far.Close()
				if req, err := http.ReadRequest(bufio.NewReader(far)); err == nil {
					_, _ = io.WriteString(far, tt.answer(req))
				}
			}()
			logged, err := failing(t, awsiot.ClientOptions{Endpoint: "broker", ClientID: "c", MinReconnectDelay: time.Minute,
				Auth: awsiot.PlainWebsocket(func(_ context.Context, r *http.Request) error {
					if tt.path != "" {
						r.URL.Path = tt.path
					}
					r.URL.RawQuery = url.Values{"X-Amz-Signature": {marker}, "X-Amz-Date": {"20260101T000000Z"}}.Encode()
					r.Header.Set("Authorization", "Bearer "+marker)
					r.Header.Set("X-Token", marker)
					return nil
				}),
				Dialer: func(context.Context, string, string) (net.Conn, error) { return near, nil }})
			<-served
			check(t, err, logged, tt.want)
			if ue, ok := errors.AsType[*awsiot.UpgradeError](err); ok && leaks(ue.Body+ue.Location) != nil {
				t.Errorf("fields: %+v", ue)
			}
		})
	}
}

// What the upgrade's own function says of its request is cleaned, too; its error stays visible for errors.Is.
func TestNoSecretOfCompleting(t *testing.T) {
	boom := errors.New("no clock")
	logged, err := failing(t, awsiot.ClientOptions{Endpoint: "broker", ClientID: "c", MinReconnectDelay: time.Minute,
		Auth: awsiot.PlainWebsocket(func(_ context.Context, r *http.Request) error {
			r.URL.RawQuery = "X-Amz-Security-Token=" + marker
			return fmt.Errorf("signing %v: %w", r.URL, boom)
		}),
		Dialer: func(context.Context, string, string) (net.Conn, error) { c, _ := net.Pipe(); return c, nil }})
	check(t, err, logged, "completing the upgrade request: no clock")
	if !errors.Is(err, boom) {
		t.Errorf("%v does not wrap the cause", err)
	}
}

// The credentials of a proxy are in no error, also when its URL is wrong.
func TestNoSecretOfTheProxy(t *testing.T) {
	parse := func(s string) func(*http.Request) (*url.URL, error) {
		return func(*http.Request) (*url.URL, error) { return url.Parse(s) }
	}
	echo := func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			if req, err := http.ReadRequest(bufio.NewReader(far)); err == nil {
				_, _ = io.WriteString(far, "HTTP/1.1 200 OK\r\n"+req.Header.Get("Proxy-Authorization")+"\r\n\r\n")
			}
		}()
		return near, nil
	}
	plain := errors.New("no proxy today")
	for _, tt := range []struct {
		name  string
		proxy func(*http.Request) (*url.URL, error)
		dial  func(context.Context, string, string) (net.Conn, error)
		want  string
		is    error
	}{
		{"a blank in the host", parse("http://user:" + marker + "@ho st:80"), nil, "HTTPProxy: the URL of the proxy: invalid", nil},
		{"a wrong port", parse("http://user:SECRET@h:80x"), nil, "invalid port [hidden] after host", nil},
		{"a slash in the password", parse("http://user:SECRET/TOKEN@h:80"), nil, "invalid port [hidden] after host", nil},
		{"a wrong escape", parse("http://user:SECRET%zz@h:80"), nil, "HTTPProxy: the URL of the proxy: invalid URL escape", nil},
		{"quoted by the program", func(*http.Request) (*url.URL, error) {
			return nil, fmt.Errorf("bad proxy %q", "http://user:"+marker+"@h")
		}, nil, "HTTPProxy: bad proxy [hidden]", nil},
		{"shown by the program", func(*http.Request) (*url.URL, error) {
			return nil, fmt.Errorf("bad proxy http://user:%s@h", marker)
		}, nil, "HTTPProxy: its error shows a URL", nil},
		{"an error without a URL", func(*http.Request) (*url.URL, error) { return nil, plain }, nil, "HTTPProxy: no proxy today", plain},
		{"userinfo in the host", http.ProxyURL(&url.URL{Scheme: "http", Host: "user:" + marker + "@h:80"}), nil, "an @ in the host", nil},
		{"the proxy sends the credentials back", http.ProxyURL(&url.URL{Scheme: "http", Host: "h:80", User: url.UserPassword("user", marker)}),
			echo, "proxy http://h:80: malformed MIME header", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			logged, err := failing(t, awsiot.ClientOptions{Endpoint: "broker", ClientID: "c", Auth: awsiot.PlainTCP(),
				MinReconnectDelay: time.Minute, HTTPProxy: tt.proxy, Dialer: tt.dial})
			check(t, err, logged, tt.want)
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v does not wrap %v", err, tt.is)
			}
		})
	}
}

// Options that hold a secret in the wrong place are refused without showing it.
func TestNoSecretOfOptions(t *testing.T) {
	pem := "-----BEGIN PRIVATE KEY-----\n" + marker + "\n"
	with := func(change func(*awsiot.ClientOptions)) awsiot.ClientOptions {
		o := awsiot.ClientOptions{Endpoint: "h", ClientID: "c", Auth: awsiot.TLS()}
		change(&o)
		return o
	}
	endpoint := func(s string) awsiot.ClientOptions {
		return with(func(o *awsiot.ClientOptions) { o.Endpoint = s })
	}
	for _, tt := range []struct {
		name string
		o    awsiot.ClientOptions
		want string
	}{
		{"a signed URL", endpoint("wss://h/mqtt?X-Amz-Signature=" + marker), `Endpoint: "wss://h/mqtt..." is not a host`},
		{"an @ in the query", endpoint("wss://h/mqtt?a@" + marker), `Endpoint: "wss://..." is not a host`},
		{"a fragment", endpoint("wss://h/mqtt#" + marker), `Endpoint: "wss://h/mqtt..." is not a host`},
		{"userinfo", endpoint("mqtts://user:" + marker + "@h"), `Endpoint: "mqtts://..." is not a host`},
		{"userinfo with a question mark", endpoint("mqtts://user:TOP?" + marker + "@h"), `Endpoint: "mqtts://..." is not a host`},
		{"userinfo without a scheme", endpoint("user:" + marker + "@h"), `Endpoint: "..." is not a host`},
		{"PEM text", endpoint(pem), `Endpoint: "..." is not a host`},
		{"too long", endpoint(strings.Repeat("a/", 200) + marker), `/..." is not a host`},
		{"a port", endpoint("h:8883"), `Endpoint: "h:8883" is not a host`},
		{"a key as path", with(func(o *awsiot.ClientOptions) { o.Auth = awsiot.MTLSFromPath("cert.pem", pem) }), "looks like PEM text; use MTLSFromBytes"},
		{"a certificate as path", with(func(o *awsiot.ClientOptions) { o.Auth = awsiot.MTLSFromPath("-----BEGIN "+marker, "key.pem") }), "looks like PEM text; use MTLSFromBytes"},
		{"base64 as path", with(func(o *awsiot.ClientOptions) { o.Auth = awsiot.MTLSFromPath("cert.pem", marker+"\n"+marker) }), "looks like PEM text; use MTLSFromBytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			check(t, tt.o.Validate(), "", tt.want)
			logged, err := failing(t, tt.o)
			check(t, err, logged, tt.want)
		})
	}
	// A path that is one is shown: without it nobody finds the file.
	missing := filepath.Join(t.TempDir(), "no cert.pem")
	_, err := failing(t, with(func(o *awsiot.ClientOptions) { o.Auth = awsiot.MTLSFromPath(missing, missing) }))
	if !strings.Contains(err.Error(), "no cert.pem") {
		t.Errorf("got %v", err)
	}
}
