package greengrass_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/iotlocal/greengrass"
)

// device is an identity of an iotlocal, whose authority the stand-in trusts.
func device(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	core := iotlocal.StartT(t, iotlocal.Options{TLSPort: iotlocal.Off, TCPPort: iotlocal.Off, WSPort: iotlocal.Off, WSSPort: iotlocal.Off})
	thing, err := core.NewThing("device")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := thing.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	return pair, core.CAPEM()
}

// dial opens a TLS connection; its errors come with the first read at the latest.
func dial(t *testing.T, s *greengrass.Server, alpn string, certs ...tls.Certificate) (*tls.Conn, error) {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(s.CAPEM()) {
		t.Fatal("no authority")
	}
	conf := &tls.Config{RootCAs: pool, Certificates: certs, ServerName: s.Host()}
	if alpn != "" {
		conf.NextProtos = []string{alpn}
	}
	return tls.Dial("tcp", fmt.Sprintf("localhost:%d", s.Port()), conf)
}

// get returns everything the server sends for a request line.
func get(t *testing.T, s *greengrass.Server, alpn, line string, certs ...tls.Certificate) (string, error) {
	t.Helper()
	conn, err := dial(t, s, alpn, certs...)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: h:1\r\n\r\n", line); err != nil {
		return "", err
	}
	b, err := io.ReadAll(conn)
	return string(b), err
}

func TestService(t *testing.T) {
	pair, ca := device(t)
	s := greengrass.StartT(t, greengrass.Options{ClientCAPEM: ca})
	s.SetGroups("bot", greengrass.Group{ID: "g", CAs: []string{"pem"}, Cores: []greengrass.Core{{ThingARN: "arn",
		Connectivity: []greengrass.Connectivity{{ID: "i", HostAddress: "h", PortNumber: 1, Metadata: "m"}}}}})
	for _, tt := range []struct {
		line   string
		status int
	}{
		{"GET /greengrass/discover/thing/bot", 200},
		{"GET /greengrass/discover/thing/other", 404},
		{"GET /greengrass/discover/thing/a%20b", 400},
		{"GET /greengrass/discover/thing/", 400},
		{"POST /greengrass/discover/thing/bot", 403},
		{"GET /elsewhere", 403},
	} {
		t.Run(tt.line, func(t *testing.T) {
			out, err := get(t, s, greengrass.ALPN, tt.line, pair)
			if err != nil || !strings.HasPrefix(out, fmt.Sprintf("HTTP/1.1 %d %s\r\n", tt.status, http.StatusText(tt.status))) {
				t.Fatalf("%q, %v", out, err)
			}
			_, body, _ := strings.Cut(out, "\r\n\r\n")
			want := `{"GGGroups":[{"GGGroupId":"g","Cores":[{"thingArn":"arn","Connectivity":[{"Id":"i","HostAddress":"h","PortNumber":1,"Metadata":"m"}]}],"CAs":["pem"]}]}`
			if tt.status == 200 && body != want || !json.Valid([]byte(body)) {
				t.Errorf("body %s", body)
			}
		})
	}
	r := s.Requests()[0]
	if r.Method != "GET" || r.Path != "/greengrass/discover/thing/bot" || r.Host != "h:1" || r.ALPN != greengrass.ALPN || r.ClientCert != "device" {
		t.Errorf("request %+v", r)
	}
	s.SetGroups("bot")
	if out, err := get(t, s, "", "GET /greengrass/discover/thing/bot", pair); err != nil || !strings.HasPrefix(out, "HTTP/1.1 404 ") {
		t.Errorf("after its groups were taken: %q, %v", out, err)
	}
}

func TestCertificates(t *testing.T) {
	pair, ca := device(t)
	stranger, _ := device(t)
	s := greengrass.StartT(t, greengrass.Options{ClientCAPEM: ca})
	if _, err := get(t, s, "", "GET /", stranger); err == nil {
		t.Error("a certificate of another authority was taken")
	}
	if _, err := get(t, s, "", "GET /"); err == nil {
		t.Error("no certificate was taken")
	}
	anyone := greengrass.StartT(t, greengrass.Options{})
	if out, err := get(t, anyone, "", "GET /", pair); err != nil || !strings.HasPrefix(out, "HTTP/1.1 403") {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := get(t, anyone, "", "GET /"); err == nil {
		t.Error("no certificate was taken")
	}
	if pem, err := os.ReadFile(s.CAFile()); err != nil || string(pem) != string(s.CAPEM()) {
		t.Errorf("the file of the authority: %v", err)
	}
}

// What Next does, in bytes.
func TestAnswers(t *testing.T) {
	pair, ca := device(t)
	s := greengrass.StartT(t, greengrass.Options{ClientCAPEM: ca})
	const line = "GET /greengrass/discover/thing/bot"
	for _, tt := range []struct {
		name   string
		answer greengrass.Answer
		want   string
	}{
		{"status and body", greengrass.Answer{Status: 429, Body: "slow"}, "HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nContent-Length: 4\r\nConnection: close\r\n\r\nslow"},
		{"body", greengrass.Answer{Body: "x"}, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"},
		{"no length", greengrass.Answer{Body: "x", NoLength: true}, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\nx"},
		{"lower case", greengrass.Answer{Body: "x", LowerCase: true}, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1\r\nConnection: close\r\n\r\nx"},
		{"cut", greengrass.Answer{Cut: 8}, "HTTP/1.1"},
		{"closed", greengrass.Answer{Cut: -1}, ""},
		{"drip", greengrass.Answer{Cut: 3, Drip: time.Millisecond}, "HTT"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.Next(tt.answer)
			out, err := get(t, s, "", line, pair)
			if out != tt.want || err != nil && tt.answer.Cut == 0 {
				t.Errorf("%q, %v, want %q", out, err, tt.want)
			}
		})
	}
	if out, err := get(t, s, "", line, pair); err != nil || !strings.HasPrefix(out, "HTTP/1.1 404") {
		t.Errorf("after the last: %q, %v", out, err)
	}
}

// Close ends a connection that is kept silent, and can be called twice.
func TestClose(t *testing.T) {
	pair, ca := device(t)
	s, err := greengrass.Start(greengrass.Options{ClientCAPEM: ca})
	if err != nil {
		t.Fatal(err)
	}
	s.Next(greengrass.Answer{Silent: true})
	conn, err := dial(t, s, "", pair)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("it answered")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.CAFile()); err == nil {
		t.Error("the file of the authority is still there")
	}
}

func TestStartErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    greengrass.Options
		want string
	}{
		{"port", greengrass.Options{Port: 70000}, "port 70000 is not in"},
		{"authorities", greengrass.Options{ClientCAPEM: []byte("x")}, "no PEM certificate"},
		{"name", greengrass.Options{SANs: []string{"a b"}}, `SAN "a b"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := greengrass.Start(tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}
