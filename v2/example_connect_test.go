package awsiot_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// Why a connection could not be made: a proxy that refuses.
func ExampleProxyError() {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusProxyAuthRequired)
	}))
	defer proxy.Close()
	address, _ := url.Parse(proxy.URL)
	client := awsiot.NewClient(awsiot.ClientOptions{
		Endpoint: "broker.invalid", ClientID: "c", Auth: awsiot.TLS(), HTTPProxy: http.ProxyURL(address),
	})
	defer client.Close()
	err := client.StartAndWait(context.Background())
	if refused, ok := errors.AsType[*awsiot.ProxyError](err); ok {
		fmt.Println(refused.Status, refused.Proxy == proxy.URL)
	}
	// Output: 407 true
}

// A websocket upgrade that is refused, here since nobody signed it. Package awsauth has an Auth that does.
func ExampleUpgradeError() {
	server, err := iotlocal.Start(iotlocal.Options{Credentials: map[string]iotlocal.Credential{"AKIDEXAMPLE": {SecretAccessKey: "secret"}}})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	client := awsiot.NewClient(awsiot.ClientOptions{
		Endpoint: server.Host(), Port: server.WSPort(), ClientID: "c", Auth: awsiot.PlainWebsocket(nil),
	})
	defer client.Close()
	err = client.StartAndWait(context.Background())
	if refused, ok := errors.AsType[*awsiot.UpgradeError](err); ok {
		fmt.Println(refused.Status, http.StatusText(refused.Status))
	}
	// Output: 403 Forbidden
}

// A broker that answers CONNECT with a refusal: the reason is in the chain, the packet beside it.
func ExampleConnectError() {
	server, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	if _, err := server.Faults().RefuseConnects(1, iotlocal.Code(awsiot.ReasonServerBusy)); err != nil {
		log.Fatal(err)
	}
	client := awsiot.NewClient(awsiot.ClientOptions{Endpoint: server.Host(), Port: server.TCPPort(), ClientID: "c", Auth: awsiot.PlainTCP()})
	defer client.Close()
	err = client.StartAndWait(context.Background())
	failed, ok := errors.AsType[*awsiot.ConnectError](err)
	var connack *awsiot.ConnackPacket
	if ok {
		connack = failed.Connack // nil when the broker did not answer
	}
	var code awsiot.ReasonCode = connack.Code
	fmt.Println(code, code.IsError(), awsiot.Retryable(err))
	// Output: server busy true true
}

// MQTT over websockets, with a header of the program's own in the upgrade.
func ExampleWebsocketHandshake() {
	server, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	client := awsiot.NewClient(awsiot.ClientOptions{
		Endpoint: server.Host(), Port: server.WSSPort(), CAPEM: server.CAPEM(), ClientID: "browser",
		Auth: awsiot.WebsocketHandshake(func(_ context.Context, r *http.Request) error {
			fmt.Println(r.Method, r.URL.Path)
			r.Header.Set("X-Tenant", "7")
			return nil
		}),
	})
	defer client.Close()
	fmt.Println(client.StartAndWait(context.Background()))
	// Output:
	// GET /mqtt
	// <nil>
}

// A certificate that is fetched anew for every connection, here from two files.
func ExampleMTLSFromFunc() {
	server, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	thing, err := server.NewThing("rotating")
	if err != nil {
		log.Fatal(err)
	}
	client := awsiot.NewClient(awsiot.ClientOptions{
		Endpoint: server.Host(), Port: server.TLSPort(), CAPEM: server.CAPEM(), ClientID: "rotating",
		Auth: awsiot.MTLSFromFunc(func(context.Context) (tls.Certificate, error) {
			return tls.LoadX509KeyPair(thing.CertFile, thing.KeyFile)
		}),
	})
	defer client.Close()
	fmt.Println(client.StartAndWait(context.Background()))
	// Output: <nil>
}

// A certificate in memory, and one with a key that need not be in memory at all.
func ExampleMTLSFromBytes() {
	client := awsiot.ClientOptions{Endpoint: "localhost", Auth: awsiot.MTLSFromBytes([]byte("no PEM"), []byte("no PEM"))}
	fmt.Println(client.Validate())
	client.Auth = awsiot.MTLSFromCertificate(tls.Certificate{})
	fmt.Println(client.Validate())
	// Output:
	// awsiot: Auth: MTLSFromBytes: tls: failed to find any PEM data in certificate input
	// awsiot: Auth: MTLSFromCertificate needs a certificate with a private key
}

// What the broker has granted, and waiting for it elsewhere than where Start is called.
func ExampleClient_AwaitConnected() {
	options, stop := local("waiting")
	defer stop()
	client := awsiot.NewClient(options)
	var state awsiot.ConnectionState = client.State()
	fmt.Println(state)
	if err := client.Start(); err != nil {
		log.Fatal(err)
	}
	success, err := client.AwaitConnected(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	var granted awsiot.NegotiatedSettings = success.Settings
	fmt.Println(client.State(), granted.MaximumQoS == awsiot.AtLeastOnce, granted.ServerKeepAlive)
	client.Abort() // stops, and does not wait for what is in flight
	_ = client.Close()
	<-client.Done()
	// Output:
	// StateStopped
	// StateConnected true 20m0s
}

// How the client comes back, and how long the parts of a connection may take.
func ExampleRetryJitterMode() {
	options := awsiot.ClientOptions{
		Endpoint: "localhost", Auth: awsiot.PlainTCP(),
		RetryJitterMode:   awsiot.JitterDecorrelated,
		MinReconnectDelay: time.Second, MaxReconnectDelay: time.Minute,
		ConnectTimeout: 5 * time.Second, ConnackTimeout: 5 * time.Second, PingTimeout: 10 * time.Second, AckTimeout: time.Minute,
	}
	fmt.Println(options.RetryJitterMode, options.Validate())
	// Output: JitterDecorrelated <nil>
}
