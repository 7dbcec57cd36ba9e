package iotlocal_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	p5 "github.com/eclipse/paho.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal"
)

// signer is an RSA key that signs tokens.
var signer = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func publicPEM(key any) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func signed(token string) string {
	sum := sha256.Sum256([]byte(token))
	sig, err := rsa.SignPKCS1v15(rand.Reader, signer(), crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(sig)
}

// everything is a policy that allows all.
const everything = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}`

// yes is an authorizer that lets everybody in.
func yes(iotlocal.AuthorizerRequest) (iotlocal.AuthorizerAnswer, error) {
	return iotlocal.AuthorizerAnswer{IsAuthenticated: true, PrincipalID: "them", PolicyDocuments: []json.RawMessage{json.RawMessage(everything)}}, nil
}

func putAuthorizer(t *testing.T, s *iotlocal.Server, a iotlocal.Authorizer) {
	t.Helper()
	if err := s.Authorizers().Put(a); err != nil {
		t.Fatal(err)
	}
}

// connectAs sends CONNECT and returns the reason code of CONNACK.
func (e *env) connectAs(id, username, password string) (*raw, byte) {
	e.t.Helper()
	c, a := e.connect5(id, func(p *p5.Connect) {
		p.KeepAlive = 1200
		p.UsernameFlag, p.Username, p.PasswordFlag, p.Password = username != "", username, password != "", []byte(password)
	})
	return c, a.ReasonCode
}

// What the authorizer gets, and what its policies allow.
func TestAuthorizer(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		var got []iotlocal.AuthorizerRequest
		putAuthorizer(t, e.srv, iotlocal.Authorizer{Name: "mine", TokenKeyName: "tok", PublicKeys: map[string]string{"k": publicPEM(&signer().PublicKey)},
			Function: func(r iotlocal.AuthorizerRequest) (iotlocal.AuthorizerAnswer, error) {
				got = append(got, r)
				doc, _ := json.Marshal(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iot:Connect","iot:Subscribe","iot:Receive"],"Resource":"*"},{"Effect":"Allow","Action":"iot:Publish","Resource":"arn:aws:iot:*:*:topic/mine"}]}`)
				return iotlocal.AuthorizerAnswer{IsAuthenticated: string(r.ProtocolData.MQTT.Password) == "sesame", PrincipalID: "bob", PolicyDocuments: []json.RawMessage{doc}}, nil
			}})
		name := "bob?x-amz-customauthorizer-name=mine&x-amz-customauthorizer-signature=" + url.QueryEscape(signed("t+1")) + "&tok=t%2B1&SDK=Go"
		c, code := e.connectAs("lamp", name, "sesame")
		if code != 0 || len(got) != 1 {
			t.Fatalf("%x %v", code, got)
		}
		if r := got[0]; r.Token != "t+1" || !r.SignatureVerified || !slices.Equal(r.Protocols, []string{"mqtt"}) || r.ProtocolData.HTTP != nil || r.ProtocolData.TLS != nil ||
			!strings.HasPrefix(r.ProtocolData.MQTT.Username, "bob?x-amz-customauthorizer-name=mine&") || r.ProtocolData.MQTT.ClientID != "lamp" || len(r.ConnectionMetadata.ID) != 36 {
			t.Errorf("%+v", r)
		}
		if code := c.pub("mine", "", 1); code != 0x10 {
			t.Errorf("what is allowed: %x", code)
		}
		if code := c.pub("other", "", 2); code != 0x87 { // without any stored policy
			t.Errorf("what is not: %x", code)
		}
		for what, user := range map[string]string{
			"another signature": strings.Replace(name, "t%2B1", "t%2B2", 1), "no token": "bob?x-amz-customauthorizer-name=mine",
			"no base64": "bob?x-amz-customauthorizer-name=mine&x-amz-customauthorizer-signature=?&tok=t", "another name": "bob?x-amz-customauthorizer-name=yours"} {
			if _, code := e.connectAs("other", user, "sesame"); code != 0x87 {
				t.Errorf("%s: %x", what, code)
			}
		}
		if _, code := e.connectAs("other", name, "wrong"); code != 0x87 {
			t.Errorf("a wrong password: %x", code)
		}
		if _, code := e.connectAs("nobody", "bob", "x"); code != 0 { // who names none, on the plain port
			t.Errorf("no authorizer: %x", code)
		}
	})
}

// A connection ends after its time, and its permissions are asked for anew.
func TestAuthorizerTimes(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		var mu sync.Mutex
		asked, refuse := 0, false
		times := func() int { mu.Lock(); defer mu.Unlock(); return asked }
		putAuthorizer(t, e.srv, iotlocal.Authorizer{Name: "a", SigningDisabled: true, Function: func(r iotlocal.AuthorizerRequest) (iotlocal.AuthorizerAnswer, error) {
			mu.Lock()
			defer mu.Unlock()
			asked++
			if refuse {
				return iotlocal.AuthorizerAnswer{}, nil
			}
			a, err := yes(r)
			if asked == 2 {
				a.PolicyDocuments = a.PolicyDocuments[:0]
			}
			a.DisconnectAfterInSeconds, a.RefreshAfterInSeconds = 1000, 300
			return a, err
		}})
		const name = "x?x-amz-customauthorizer-name=a"
		c, _ := e.connectAs("lamp", name, "")
		time.Sleep(299 * time.Second)
		if code := c.pub("t", "", 1); code != 0x10 || times() != 1 {
			t.Errorf("%x, asked %d times", code, times())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if code := c.pub("t", "", 2); code != 0x87 || times() != 2 { // nothing is allowed any more
			t.Errorf("%x, asked %d times", code, times())
		}
		time.Sleep(300 * time.Second)
		synctest.Wait()
		if code := c.pub("t", "", 3); code != 0x10 || times() != 3 {
			t.Errorf("%x, asked %d times", code, times())
		}
		e.srv.Clock().Advance(400 * time.Second)
		c.disconnected(0xA0)
		c, _ = e.connectAs("lamp", name, "")
		mu.Lock()
		refuse = true
		mu.Unlock()
		e.srv.Clock().Advance(300 * time.Second)
		c.disconnected(0x87)
		e.srv.Clock().Advance(24 * time.Hour) // nothing is left to do
	})
}

// Websockets and requests name an authorizer in headers or the query; who names none gets the default one.
func TestAuthorizerHTTP(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{Credentials: map[string]iotlocal.Credential{"AK": {SecretAccessKey: "s"}}})
	var mu sync.Mutex
	var got []iotlocal.AuthorizerRequest
	ask2 := func(r iotlocal.AuthorizerRequest) (iotlocal.AuthorizerAnswer, error) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r)
		a, _ := yes(r)
		a.IsAuthenticated = r.Token != "bad"
		return a, nil
	}
	last := func() iotlocal.AuthorizerRequest {
		mu.Lock()
		defer mu.Unlock()
		return got[len(got)-1]
	}
	putAuthorizer(t, srv, iotlocal.Authorizer{Name: "a", SigningDisabled: true, TokenKeyName: "tok", Function: ask2})
	c := https(t, srv, "http/1.1", nil)
	if code, body := ask(t, c, srv, "POST", "/topics/t", ""); code != 403 || !strings.Contains(body, "Missing Authentication Token") {
		t.Errorf("nobody: %d %s", code, body)
	}
	if _, code := dialAuthorized(t, srv, "websocket"); code != 0x87 { // neither signed nor with a name
		t.Errorf("nobody over a websocket: %x", code)
	}
	if code, body := ask(t, c, srv, "POST", "/topics/t", "", "x-amz-customauthorizer-name", "a", "tok", "good"); code != 200 {
		t.Errorf("by header: %d %s", code, body)
	}
	if r := last(); r.Token != "good" || r.SignatureVerified || !slices.Equal(r.Protocols, []string{"tls", "http"}) || r.ProtocolData.HTTP.Headers["tok"] != "good" || r.ProtocolData.TLS.ServerName != "localhost" || r.ProtocolData.MQTT != nil {
		t.Errorf("%+v", r)
	}
	if code, _ := ask(t, c, srv, "POST", "/topics/t?x-amz-customauthorizer-name=a&tok=bad", ""); code != 401 {
		t.Errorf("refused: %d", code)
	}
	if r := last(); r.ProtocolData.HTTP.QueryString != "?x-amz-customauthorizer-name=a&tok=bad" {
		t.Errorf("%+v", r)
	}
	if err := srv.Authorizers().SetDefault("a"); err != nil {
		t.Fatal(err)
	}
	if code, _ := ask(t, c, srv, "POST", "/topics/t", ""); code != 200 {
		t.Errorf("the default one: %d", code)
	}
	before := len(got)
	if _, err := srv.NewThing("lamp"); err != nil {
		t.Fatal(err)
	}
	// A websocket, and MQTT over ALPN name mqtt, which name none.
	for _, dial := range []string{"websocket", "mqtt"} {
		_, code := dialAuthorized(t, srv, dial)
		if code != 0 {
			t.Errorf("%s: %x", dial, code)
		}
	}
	if len(got) != before+2 || !slices.Equal(got[before].Protocols, []string{"tls", "http", "mqtt"}) || !slices.Equal(got[before+1].Protocols, []string{"tls", "mqtt"}) {
		t.Errorf("%+v", got[before:])
	}
	if !srv.Authorizers().Delete("a") || srv.Authorizers().Delete("a") || srv.Authorizers().Default() != "" {
		t.Error("Delete")
	}
	putAuthorizer(t, srv, iotlocal.Authorizer{Name: "off", SigningDisabled: true, Function: yes, Inactive: true})
	if _, code := dialAuthorized(t, srv, "mqtt"); code != 0x87 {
		t.Errorf("no default: %x", code)
	}
	if err := srv.Authorizers().SetDefault("off"); err != nil {
		t.Fatal(err)
	}
	if _, code := dialAuthorized(t, srv, "mqtt"); code != 0x87 {
		t.Errorf("inactive: %x", code)
	}
}

// dialAuthorized connects without a certificate, and returns the reason code of CONNACK.
func dialAuthorized(t *testing.T, srv *iotlocal.Server, how string) (r *raw, code byte) {
	t.Helper()
	var nc net.Conn
	if how == "websocket" {
		ws, _, err := websocket.Dial(t.Context(), fmt.Sprintf("wss://localhost:%d/mqtt", srv.WSSPort()), &websocket.DialOptions{HTTPClient: https(t, srv, "http/1.1", nil), Subprotocols: []string{"mqtt"}})
		if err != nil {
			t.Fatal(err)
		}
		nc = websocket.NetConn(t.Context(), ws, websocket.MessageBinary)
	} else {
		tc, err := tls.Dial("tcp", fmt.Sprintf("localhost:%d", srv.TLSPort()), &tls.Config{RootCAs: rootCAs(srv), NextProtos: []string{"mqtt"}})
		if err != nil {
			t.Fatal(err)
		}
		nc = tc
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	r = &raw{t: t, nc: nc, id: how}
	r.send(connect5(how))
	return r, want[*p5.Connack](r).ReasonCode
}

// An authorizer behind a URL, in the shape of AWS's event.
func TestAuthorizerURL(t *testing.T) {
	event := make(chan string, 10)
	answer := `{"isAuthenticated":true,"principalId":"p","policyDocuments":[` + everything + `]}`
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var v map[string]any
		_ = json.NewDecoder(r.Body).Decode(&v)
		delete(v["connectionMetadata"].(map[string]any), "id")
		b, _ := json.Marshal(v)
		event <- string(b)
		fmt.Fprint(w, answer)
	}))
	defer target.Close()
	srv := iotlocal.StartT(t, iotlocal.Options{})
	putAuthorizer(t, srv, iotlocal.Authorizer{Name: "a", SigningDisabled: true, URL: target.URL})
	if err := srv.Authorizers().SetDefault("a"); err != nil {
		t.Fatal(err)
	}
	if _, code := dialAuthorized(t, srv, "mqtt"); code != 0 {
		t.Errorf("%x", code)
	}
	if e := <-event; e != `{"connectionMetadata":{},"protocolData":{"mqtt":{"clientId":"mqtt","password":null,"username":""},"tls":{"serverName":"localhost"}},"protocols":["tls","mqtt"],"signatureVerified":false}` {
		t.Error(e)
	}
	for _, answer = range []string{"", "[]", `{"isAuthenticated":true}`} {
		if _, code := dialAuthorized(t, srv, "mqtt"); code != 0x87 {
			t.Errorf("%s: %x", answer, code)
		}
	}
	target.Close()
	if _, code := dialAuthorized(t, srv, "mqtt"); code != 0x87 {
		t.Errorf("nobody there: %x", code)
	}
}

// A function that does not answer refuses after five seconds, as a URL does, and does not hold up Close.
func TestAuthorizerBlocks(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		release := make(chan struct{})
		defer close(release)
		putAuthorizer(t, e.srv, iotlocal.Authorizer{Name: "a", SigningDisabled: true, Function: func(r iotlocal.AuthorizerRequest) (iotlocal.AuthorizerAnswer, error) {
			<-release
			return yes(r)
		}})
		const name = "x?x-amz-customauthorizer-name=a"
		start := time.Now()
		if _, code := e.connectAs("lamp", name, ""); code != 0x87 || time.Since(start) != 5*time.Second {
			t.Errorf("%x after %v", code, time.Since(start))
		}
		c := e.dial()
		asks := connect5("lamp")
		asks.UsernameFlag, asks.Username = true, name
		c.send(asks)
		synctest.Wait()
		start = time.Now()
		if err := e.srv.Close(); err != nil || time.Since(start) >= 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		c.nc.Close()
	})
}

// Answers that no authorizer may give refuse, and say why.
func TestAuthorizerAnswers(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		var answer func() (iotlocal.AuthorizerAnswer, error)
		putAuthorizer(t, e.srv, iotlocal.Authorizer{Name: "a", SigningDisabled: true, Function: func(iotlocal.AuthorizerRequest) (iotlocal.AuthorizerAnswer, error) { return answer() }})
		good, _ := yes(iotlocal.AuthorizerRequest{})
		with := func(change func(*iotlocal.AuthorizerAnswer)) func() (iotlocal.AuthorizerAnswer, error) {
			return func() (iotlocal.AuthorizerAnswer, error) {
				a := good
				change(&a)
				return a, nil
			}
		}
		for want, f := range map[string]func() (iotlocal.AuthorizerAnswer, error){
			"not authenticated":                 with(func(a *iotlocal.AuthorizerAnswer) { a.IsAuthenticated = false }),
			"principalId \"a b\"":               with(func(a *iotlocal.AuthorizerAnswer) { a.PrincipalID = "a b" }),
			"disconnectAfterInSeconds 299":      with(func(a *iotlocal.AuthorizerAnswer) { a.DisconnectAfterInSeconds = 299 }),
			"refreshAfterInSeconds 86401":       with(func(a *iotlocal.AuthorizerAnswer) { a.RefreshAfterInSeconds = 86401 }),
			"11 policy documents":               with(func(a *iotlocal.AuthorizerAnswer) { a.PolicyDocuments = make([]json.RawMessage, 11) }),
			"policy document 1: ":               with(func(a *iotlocal.AuthorizerAnswer) { a.PolicyDocuments = []json.RawMessage{[]byte(`{}`)} }),
			"implicit deny":                     with(func(a *iotlocal.AuthorizerAnswer) { a.PolicyDocuments = nil }),
			"custom authorizer a: out of order": func() (iotlocal.AuthorizerAnswer, error) { return good, errors.New("out of order") },
			"the function panicked: on purpose": func() (iotlocal.AuthorizerAnswer, error) { panic("on purpose") },
		} {
			answer = f
			e.srv.Recorder().Reset()
			if _, code := e.connectAs("lamp", "x?x-amz-customauthorizer-name=a", ""); code != 0x87 {
				t.Errorf("%s: %x", want, code)
			}
			synctest.Wait()
			if !slices.ContainsFunc(e.srv.Recorder().Packets(), func(p iotlocal.Packet) bool { return strings.Contains(p.Refusal+p.Reason+p.String(), want) }) {
				t.Errorf("the record does not say %s", want)
			}
		}
	})
}

func TestBadAuthorizers(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for want, a := range map[string]iotlocal.Authorizer{
		"a name is":                     {Name: "a/b", SigningDisabled: true, Function: yes},
		"one of Function, URL and":      {Name: "a", SigningDisabled: true},
		"Function, URL and FunctionARN": {Name: "a", SigningDisabled: true, Function: yes, URL: "http://x"},
		"no http or https URL":          {Name: "a", SigningDisabled: true, URL: "x"},
		"signing needs":                 {Name: "a", Function: yes, TokenKeyName: "t"},
		"key k is not PEM":              {Name: "a", Function: yes, TokenKeyName: "t", PublicKeys: map[string]string{"k": "x"}},
		"public key k: ":                {Name: "a", Function: yes, TokenKeyName: "t", PublicKeys: map[string]string{"k": "-----BEGIN X-----\nAAAA\n-----END X-----\n"}},
		"key k is not RSA":              {Name: "a", Function: yes, TokenKeyName: "t", PublicKeys: map[string]string{"k": publicPEM(&ec.PublicKey)}},
	} {
		if err := srv.Authorizers().Put(a); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err := srv.Authorizers().SetDefault("a"); err == nil || len(srv.Authorizers().Names()) > 0 {
		t.Error(err)
	}
	putAuthorizer(t, srv, iotlocal.Authorizer{Name: "a", SigningDisabled: true, Function: yes})
	if a, ok := srv.Authorizers().Get("a"); !ok || a.Name != "a" || !slices.Equal(srv.Authorizers().Names(), []string{"a"}) {
		t.Errorf("%+v", a)
	}
	if _, ok := srv.Authorizers().Get("b"); ok {
		t.Error("Get")
	}
}
