package wsock

import (
	"net/http"
	"strings"
	"testing"
)

func TestCheckOrigin(t *testing.T) {
	for _, tt := range []struct {
		name    string
		host    string
		origins []string // headers
		allowed []string
		want    string // in the error; "": let in
	}{
		{name: "no browser", host: "localhost:8080"},
		{name: "the same host and port", host: "localhost:8080", origins: []string{"http://localhost:8080"}},
		{name: "in another case", host: "LOCALHOST:8080", origins: []string{"HTTP://localHost:8080"}},
		{name: "https from a client without TLS", host: "localhost:8080", origins: []string{"https://localhost:8080"}},
		{name: "the usual port is not written", host: "box.example:443", origins: []string{"https://box.example"}},
		{name: "the usual port is written by one side", host: "box.example", origins: []string{"http://box.example:80"}},
		{name: "IPv6", host: "[::1]:8080", origins: []string{"http://[::1]:8080"}},
		{name: "another port", host: "localhost:8080", origins: []string{"http://localhost:3000"}, want: "pages of http://localhost:3000 may not open websockets here"},
		{name: "another host", host: "localhost:8080", origins: []string{"https://evil.example"}, want: "pages of https://evil.example"},
		{name: "a host that begins alike", host: "localhost", origins: []string{"http://localhost.evil.example"}, want: "evil.example"},
		{name: "a host that ends alike", host: "localhost", origins: []string{"http://evil-localhost"}, want: "evil-localhost"},
		{name: "another port that is the usual one elsewhere", host: "localhost:8080", origins: []string{"http://localhost"}, want: "http://localhost"},
		{name: "allowed", host: "localhost:8080", origins: []string{"https://app.example"}, allowed: []string{"https://other.example", "https://app.example"}},
		{name: "allowed with the usual port", host: "localhost:8080", origins: []string{"https://app.example"}, allowed: []string{"https://APP.example:443"}},
		{name: "allowed for another scheme", host: "localhost:8080", origins: []string{"http://app.example"}, allowed: []string{"https://app.example"}, want: "http://app.example"},
		{name: "none", host: "localhost:8080", origins: []string{"null"}, want: `Origin ["null"] is not one SCHEME://HOST`},
		{name: "empty", host: "localhost:8080", origins: []string{""}, want: "is not one"},
		{name: "two", host: "localhost:8080", origins: []string{"http://localhost:8080", "http://localhost:8080"}, want: "is not one"},
		{name: "a user", host: "localhost", origins: []string{"http://localhost@evil.example"}, want: "is not one"},
		{name: "a path", host: "localhost", origins: []string{"http://localhost/"}, want: "is not one"},
		{name: "no URL", host: "localhost", origins: []string{"http://[::1"}, want: "is not one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := CheckOrigin(&http.Request{Host: tt.host, Header: http.Header{"Origin": tt.origins}}, tt.allowed)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// What is let in without being allowed names the host that was asked.
func FuzzCheckOrigin(f *testing.F) {
	for _, s := range []string{"http://h", "https://h:443", "null", "", "http://h.evil", "://h", "http://h/", "http://u@h", "HTTP://H:80"} {
		f.Add(s, "h")
		f.Add(s, "h:80")
	}
	f.Fuzz(func(t *testing.T, origin, host string) {
		if CheckOrigin(&http.Request{Host: host, Header: http.Header{"Origin": {origin}}}, nil) != nil {
			return
		}
		_, rest, _ := strings.Cut(strings.ToLower(origin), "://")
		usual := strings.NewReplacer(":443", "", ":80", "")
		if usual.Replace(rest) != usual.Replace(strings.ToLower(host)) {
			t.Errorf("a page of %q may open %q", origin, host)
		}
	})
}
