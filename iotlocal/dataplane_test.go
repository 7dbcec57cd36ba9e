package iotlocal_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	p5 "github.com/eclipse/paho.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal"
)

// https is a client of the HTTPS data plane with that ALPN name.
func https(t *testing.T, srv *iotlocal.Server, alpn string, thing *iotlocal.Thing) *http.Client {
	t.Helper()
	conf := &tls.Config{RootCAs: rootCAs(srv), NextProtos: []string{alpn}}
	if thing != nil {
		pair, err := thing.Certificate()
		if err != nil {
			t.Fatal(err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	tr := &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: alpn == "h2"}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute}
}

// https is a client over the network in memory.
func (e *env) https() *http.Client {
	c := https(e.t, e.srv, "http/1.1", nil)
	c.Transport.(*http.Transport).DialContext = e.nw.Dial
	return c
}

// ask makes a request and returns the status and the body.
func ask(t *testing.T, c *http.Client, srv *iotlocal.Server, method, path, body string, header ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, fmt.Sprintf("https://localhost:%d%s", srv.TLSPort(), path), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	a, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, string(b)
}

// One port speaks everything that AWS's 443 and 8443 do: what the client offers decides.
func TestALPN(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	thing, err := srv.NewThing("lamp")
	if err != nil {
		t.Fatal(err)
	}
	for _, alpn := range []string{"x-amzn-http-ca", "http/1.1", "h2"} {
		if code, body := ask(t, https(t, srv, alpn, &thing), srv, "POST", "/things/lamp/shadow", `{"state":{"reported":{"on":true}}}`); code != 200 || !strings.Contains(body, `"reported":{"on":true}`) {
			t.Errorf("%s: %d %s", alpn, code, body)
		}
	}
	if _, err := https(t, srv, "x-amzn-http-ca", nil).Get(fmt.Sprintf("https://localhost:%d/things/lamp/shadow", srv.TLSPort())); err == nil {
		t.Error("x-amzn-http-ca without a certificate")
	}
	if code, _ := ask(t, https(t, srv, "http/1.1", nil), srv, "GET", "/things/lamp/shadow", ""); code != 200 { // without credentials to compare with
		t.Errorf("nobody: %d", code)
	}
	first := https(t, srv, "x-amzn-http-ca", nil) // of several names the one that asks for a certificate
	first.Transport.(*http.Transport).TLSClientConfig.NextProtos = []string{"http/1.1", "x-amzn-http-ca"}
	if _, err := first.Get(fmt.Sprintf("https://localhost:%d/things/lamp/shadow", srv.TLSPort())); err == nil {
		t.Error("x-amzn-http-ca beside http/1.1 without a certificate")
	}
	if code, _ := ask(t, https(t, srv, "http/1.1", nil), srv, "GET", "/things/lamp/shadow", "", "X", strings.Repeat("x", 100<<10)); code != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("100 KiB of headers: %d", code)
	}
	both := https(t, srv, "http/1.1", nil)
	both.Transport.(*http.Transport).TLSClientConfig.NextProtos = []string{"h2", "http/1.1"}
	if code, _ := ask(t, both, srv, "GET", "/things/lamp/shadow", ""); code != 200 {
		t.Errorf("h2 and http/1.1: %d", code)
	}
	// A websocket on the same port.
	upgrade := https(t, srv, "http/1.1", nil)
	upgrade.Transport.(*http.Transport).DialTLSContext = func(ctx context.Context, network, addr string) (net.Conn, error) { // which else offers nothing for an upgrade
		return (&tls.Dialer{Config: upgrade.Transport.(*http.Transport).TLSClientConfig}).DialContext(ctx, network, addr)
	}
	ws, _, err := websocket.Dial(t.Context(), fmt.Sprintf("wss://localhost:%d/mqtt", srv.TLSPort()), &websocket.DialOptions{HTTPClient: upgrade, Subprotocols: []string{"mqtt"}})
	if err != nil {
		t.Fatal(err)
	}
	nc := websocket.NetConn(t.Context(), ws, websocket.MessageBinary)
	var packet bytes.Buffer
	if _, err := connect5("ws").WriteTo(&packet); err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Write(packet.Bytes()); err != nil {
		t.Fatal(err)
	}
	if p, err := p5.ReadPacket(nc); err != nil || p.Type != p5.CONNACK {
		t.Errorf("%v %v", p, err)
	}
	nc.Close()
	// MQTT for a custom authorizer needs no certificate.
	raw, err := tls.Dial("tcp", fmt.Sprintf("localhost:%d", srv.TLSPort()), &tls.Config{RootCAs: rootCAs(srv), NextProtos: []string{"mqtt"}})
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := connect5("authorized").WriteTo(raw); err != nil {
		t.Fatal(err)
	}
	if p, err := p5.ReadPacket(raw); err != nil || p.Type != p5.CONNACK {
		t.Errorf("%v %v", p, err)
	}
}

// Every operation of the data plane, and what it refuses.
func TestDataPlane(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{TCPPort: iotlocal.Off})
	thing, err := srv.NewThing("lamp")
	if err != nil {
		t.Fatal(err)
	}
	c := https(t, srv, "x-amzn-http-ca", &thing)
	if err := srv.Jobs("lamp").Create("j1", `{"do":1}`, iotlocal.JobOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/things/lamp/shadow", "", 404, "No shadow exists with name: 'lamp'"},
		{"POST", "/things/lamp/shadow", `{"state":{"desired":{"on":true}}}`, 200, `"version":1`},
		{"GET", "/things/lamp/shadow", "", 200, `"delta":{"on":true}`},
		{"POST", "/things/lamp/shadow", `{"state":{},"version":7}`, 409, "Version conflict"},
		{"POST", "/things/lamp/shadow", `{`, 400, "Invalid JSON"},
		{"POST", "/things/lamp/shadow?name=night", `{"state":{"reported":{"a":1}}}`, 200, `"a":1`},
		{"POST", "/things/lamp/shadow?name=day", `{"state":{"reported":{"a":1}}}`, 200, `"a":1`},
		{"GET", "/things/l%2Fx/shadow", "", 400, "thing name"},
		{"GET", "/api/things/shadow/ListNamedShadowsForThing/lamp?pageSize=1", "", 200, `"nextToken":"646179","results":["day"]`},
		{"GET", "/api/things/shadow/ListNamedShadowsForThing/lamp?pageSize=1&nextToken=646179", "", 200, `"results":["night"]`},
		{"GET", "/api/things/shadow/ListNamedShadowsForThing/lamp?pageSize=0", "", 400, "pageSize"},
		{"DELETE", "/things/lamp/shadow?name=day", "", 200, `"version":1`},
		{"DELETE", "/things/lamp/shadow?name=day", "", 404, "No shadow exists"},
		{"POST", "/topics/a?contentType=a%00", "", 400, "contentType: "},
		{"POST", "/topics/a?contentType=%ff", "", 400, "contentType: "},
		{"POST", "/topics/a", strings.Repeat("x", 128<<10), 200, `"message":"OK"`},
		{"POST", "/topics/a/b?qos=1&retain=true&contentType=text&messageExpiry=60", "hello", 200, `"message":"OK"`},
		{"POST", "/topics/a%2Fc?retain=true", "hi", 200, `"message":"OK"`},
		{"POST", "/topics/a/b?qos=2", "", 400, "qos"},
		{"POST", "/topics/a/%2B", "", 400, "wildcard"},
		{"POST", "/topics/1/2/3/4/5/6/7/8/9", "", 400, "slashes"},
		{"POST", "/topics/a", strings.Repeat("x", 128<<10+1), 413, "maximum size"},
		{"POST", "/topics/$aws/things/lamp/shadow/update?retain=true", "", 400, "reserved"},
		{"GET", "/retainedMessage?maxResults=1", "", 200, `"nextToken":"612f62","retainedTopics":[{"lastModifiedTime":`},
		{"GET", "/retainedMessage?maxResults=1&nextToken=612f62", "", 200, `"topic":"a/c"`},
		{"GET", "/retainedMessage/a/b", "", 200, `"payload":"aGVsbG8=","qos":1,"topic":"a/b"`},
		{"GET", "/retainedMessage/a", "", 404, "No retained message"},
		{"GET", "/things/lamp/jobs", "", 200, `"queuedJobs":[{"jobId":"j1"`},
		{"GET", "/things/lamp/jobs/j1?includeJobDocument=false", "", 200, `"status":"QUEUED"`},
		{"GET", "/things/lamp/jobs/j1", "", 200, `"jobDocument":{"do":1}`},
		{"PUT", "/things/lamp/jobs/$next", `{"statusDetails":{"step":"1"}}`, 200, `"status":"IN_PROGRESS"`},
		{"GET", "/things/lamp/jobs/%24next", "", 200, `"step":"1"`},
		{"POST", "/things/lamp/jobs/j1", `{"status":"SUCCEEDED","expectedVersion":99}`, 409, "99"},
		{"POST", "/things/lamp/jobs/j1", `{"status":"SUCCEEDED","includeJobExecutionState":true}`, 200, `"executionState":{"status":"SUCCEEDED"`},
		{"POST", "/things/lamp/jobs/j1", `{"status":"FAILED"}`, 409, "SUCCEEDED"},
		{"GET", "/things/lamp/jobs/j2", "", 404, "j2"},
		{"GET", "/things/lamp/jobs/j1?executionNumber=x", "", 400, "executionNumber"},
		{"GET", "/nothing", "", 404, "no operation"},
	} {
		code, body := ask(t, c, srv, tt.method, tt.path, tt.body)
		if code != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s %s: %d %s, want %d %s", tt.method, tt.path, code, body, tt.status, tt.want)
		}
		if !json.Valid([]byte(body)) {
			t.Errorf("%s %s: %s is no JSON", tt.method, tt.path, body)
		}
	}
}

// A message over HTTPS reaches subscribers with its properties, and a request on a reserved topic its service.
func TestHTTPSPublish(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		c, _ := e.connect5("listener")
		c.sub(1, "a/b", "$aws/things/lamp/shadow/update/accepted")
		h := e.https()
		properties := []string{"X-Amz-Mqtt5-User-Properties", "W3sidW5pdCI6IkMifSx7InVuaXQiOiJLIn1d", "X-Amz-Mqtt5-Correlation-Data", "aWQ=", "X-Amz-Mqtt5-Payload-Format-Indicator", "UTF8_DATA"}
		if code, body := ask(e.t, h, e.srv, "POST", "/topics/a/b?qos=1&contentType=text&responseTopic=back&messageExpiry=60", "hello", properties...); code != 200 {
			t.Fatal(code, body)
		}
		p := want[*p5.Publish](c)
		if p.Topic != "a/b" || string(p.Payload) != "hello" || p.QoS != 1 || p.Properties.ContentType != "text" || p.Properties.ResponseTopic != "back" ||
			string(p.Properties.CorrelationData) != "id" || *p.Properties.PayloadFormat != 1 || *p.Properties.MessageExpiry != 60 ||
			!slices.Equal(p.Properties.User, []p5.User{{Key: "unit", Value: "C"}, {Key: "unit", Value: "K"}}) {
			t.Errorf("%+v %+v", p, p.Properties)
		}
		c.ack(p.PacketID)
		for _, bad := range [][]string{{"X-Amz-Mqtt5-User-Properties", "e30="}, {"X-Amz-Mqtt5-User-Properties", "W3siYSI6Ilx1MDAwMCJ9XQ=="}, {"X-Amz-Mqtt5-Correlation-Data", "?"}, {"X-Amz-Mqtt5-Payload-Format-Indicator", "TEXT"}} {
			if code, body := ask(e.t, h, e.srv, "POST", "/topics/a/b", "", bad...); code != 400 {
				t.Errorf("%v: %d %s", bad, code, body)
			}
		}
		if code, _ := ask(e.t, h, e.srv, "POST", "/topics/a/b", "\xff", "X-Amz-Mqtt5-Payload-Format-Indicator", "UTF8_DATA"); code != 400 {
			t.Errorf("not UTF-8: %d", code)
		}
		if code, _ := ask(e.t, h, e.srv, "POST", "/topics/$aws/things/lamp/shadow/update", `{"state":{"reported":{"on":true}}}`); code != 200 {
			t.Error(code)
		}
		if p := want[*p5.Publish](c); p.Topic != "$aws/things/lamp/shadow/update/accepted" || !bytes.Contains(p.Payload, []byte(`"on":true`)) {
			t.Errorf("%+v", p)
		}
		h.CloseIdleConnections()
		synctest.Wait()
	})
}

// Policies hold for HTTPS too, by certificate and by access key.
func TestHTTPSPolicies(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	lamp, err := srv.NewThing("lamp")
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Policy().Put("p", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iot:Publish","iot:GetThingShadow","iot:GetRetainedMessage","iotjobsdata:*"],"Resource":["arn:aws:iot:*:*:topic/a","arn:aws:iot:*:*:thing/lamp"]}]}`); err != nil {
		t.Fatal(err)
	}
	if err := srv.Policy().Attach("p", lamp.CertificateID()); err != nil {
		t.Fatal(err)
	}
	c := https(t, srv, "x-amzn-http-ca", &lamp)
	for path, want := range map[string]int{
		"POST /topics/a": 200, "POST /topics/b": 403, "POST /topics/a?retain=true": 403, "GET /things/lamp/shadow": 404, "GET /things/lamp/shadow?name=x": 403,
		"POST /things/lamp/shadow": 403, "GET /things/lamp/jobs": 200, "GET /things/other/jobs": 403, "GET /retainedMessage": 403, "GET /retainedMessage/a": 404, "GET /retainedMessage/b": 403,
		"GET /api/things/shadow/ListNamedShadowsForThing/lamp": 403,
	} {
		method, url, _ := strings.Cut(path, " ")
		if code, body := ask(t, c, srv, method, url, `{"state":{}}`); code != want || want == 403 && !strings.Contains(body, "implicit deny") {
			t.Errorf("%s: %d %s, want %d", path, code, body, want)
		}
	}
	if code, body := ask(t, https(t, srv, "http/1.1", nil), srv, "POST", "/topics/a", ""); code != 403 || !strings.Contains(body, "anonymous") {
		t.Errorf("nobody: %d %s", code, body)
	}
}

// Close ends a request that does not end by itself.
func TestCloseEndsRequests(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		nc, err := e.nw.Dial(t.Context(), "tcp", fmt.Sprintf("localhost:%d", e.srv.TLSPort()))
		if err != nil {
			t.Fatal(err)
		}
		tc := tls.Client(nc, &tls.Config{RootCAs: rootCAs(e.srv), ServerName: "localhost", NextProtos: []string{"http/1.1"}})
		defer tc.Close()
		if _, err := io.WriteString(tc, "POST /topics/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := e.srv.Close(); err != nil {
			t.Error(err)
		}
		tc.SetReadDeadline(time.Now().Add(patience))
		if b, err := io.ReadAll(tc); errors.Is(err, os.ErrDeadlineExceeded) || len(b) > 0 && !bytes.HasPrefix(b, []byte("HTTP/1.1 400 ")) {
			t.Errorf("%s %v", b, err)
		}
	})
}
