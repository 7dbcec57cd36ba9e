// Command connect connects in every way that AWS IoT Core has, sends itself a
// message and ends. -auth chooses the way, the other flags say with what:
//
//	go run ./examples/v2-style/connect -auth mtls -e ENDPOINT -r CA -c CERT -k KEY
//	go run ./examples/v2-style/connect -auth pkcs12 -e ENDPOINT -r CA -p12 FILE -password PASSWORD
//	go run ./examples/v2-style/connect -auth custom-authorizer -e ENDPOINT -r CA -authorizer NAME -user USER -password PASSWORD
//	go run ./examples/v2-style/connect -auth websocket -e ENDPOINT -r CA -region REGION
//	go run ./examples/v2-style/connect -auth cognito -e ENDPOINT -r CA -region REGION -pool REGION:POOL
//	go run ./examples/v2-style/connect -auth role-alias -e ENDPOINT -r CA -c CERT -k KEY -role-endpoint HOST -role-alias ALIAS
//
// -proxy goes with each of them. The variables of the AWS SDKs give websocket its credentials (AWS_ACCESS_KEY_ID, ...), and
// AWS_ENDPOINT_URL_COGNITO_IDENTITY points cognito elsewhere. Keys on a PKCS #11 token and in the Windows certificate store are
// connected the same way: v2/pkcs11 and v2/wincert have an Auth each.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/awsauth"
	"github.com/portage-iot/awsiot/v2/pkcs12"
)

// settings are the flags.
type settings struct {
	auth, endpoint, ca, cert, key, id, topic                    string
	port                                                        int
	p12, password, authorizer, user, tokenKey, token, signature string
	region, pool, roleEndpoint, roleAlias, proxy                string
	overWebsocket                                               bool
}

func main() {
	s, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil: // which parse has printed
		os.Exit(2)
	}
	if err := run(s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func parse(args []string, out io.Writer) (settings, error) {
	var s settings
	f := flag.NewFlagSet("connect", flag.ContinueOnError)
	f.SetOutput(out)
	for _, t := range []struct {
		p           *string
		name, usage string
	}{
		{&s.auth, "auth", "mtls, the default, pkcs12, custom-authorizer, websocket, cognito or role-alias"},
		{&s.endpoint, "e endpoint", "host name of the endpoint"}, {&s.ca, "r ca rootCA", "file of the root CA; none: the system's"},
		{&s.cert, "c cert", "file of the device certificate"}, {&s.key, "k key", "file of the private key"},
		{&s.id, "id clientId", "client id; connect by default"}, {&s.topic, "t topic", "topic; sdk/test/Go by default"},
		{&s.p12, "p12", "PKCS #12 file"}, {&s.password, "password", "of the PKCS #12 file, or for the custom authorizer"},
		{&s.authorizer, "authorizer", "name of the custom authorizer; none: the default one"}, {&s.user, "user", "user name for the custom authorizer"},
		{&s.tokenKey, "token-key", "name of the token"}, {&s.token, "token", "token"}, {&s.signature, "signature", "of the token, in base64"},
		{&s.region, "region", "AWS region; none: that in the endpoint's name"}, {&s.pool, "pool", "id of the Cognito identity pool"},
		{&s.roleEndpoint, "role-endpoint", "host, or host:port, of the credential provider"}, {&s.roleAlias, "role-alias", "role alias"},
		{&s.proxy, "proxy", "URL of an HTTP or SOCKS proxy"},
	} {
		for name := range strings.FieldsSeq(t.name) {
			f.StringVar(t.p, name, "", t.usage)
		}
	}
	f.IntVar(&s.port, "p", 443, "port")
	f.IntVar(&s.port, "port", 443, "port")
	f.BoolVar(&s.overWebsocket, "over-websocket", false, "custom authorizer over a websocket")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	var problem error
	switch {
	case f.NArg() > 0:
		problem = fmt.Errorf("connect: unexpected argument %q", f.Arg(0))
	case s.endpoint == "":
		problem = errors.New("connect: -e is missing, the host name of the endpoint; iotlocal serve is one on this machine")
	}
	if problem != nil {
		fmt.Fprintln(out, problem)
		return s, problem
	}
	if s.auth == "" {
		s.auth = "mtls"
	}
	if s.id == "" {
		s.id = "connect"
	}
	if s.topic == "" {
		s.topic = "sdk/test/Go"
	}
	return s, nil
}

// options are the client's for the chosen way.
func options(s settings) (awsiot.ClientOptions, error) {
	o := awsiot.ClientOptions{Endpoint: s.endpoint, Port: s.port, CAFile: s.ca, ClientID: s.id}
	if s.proxy != "" {
		u, err := url.Parse(s.proxy)
		if err != nil {
			return o, fmt.Errorf("-proxy: %w", err)
		}
		o.HTTPProxy = http.ProxyURL(u)
	}
	switch s.auth {
	case "mtls":
		o.Auth = awsiot.MTLSFromPath(s.cert, s.key)
	case "pkcs12":
		o.Auth = pkcs12.MTLSFromPath(s.p12, s.password)
	case "custom-authorizer":
		o.Auth = awsiot.CustomAuthorizer{Name: s.authorizer, Username: s.user, Password: []byte(s.password),
			TokenKeyName: s.tokenKey, TokenValue: s.token, Signature: s.signature, Websocket: s.overWebsocket}
	case "websocket":
		o.Auth = awsauth.Websocket(s.region, awsauth.DefaultChain())
	case "cognito":
		o.Auth = awsauth.Websocket(s.region, awsauth.Cognito(awsauth.CognitoOptions{IdentityPoolID: s.pool, Region: s.region}))
	case "role-alias":
		host, port := s.roleEndpoint, 0
		if h, p, err := net.SplitHostPort(s.roleEndpoint); err == nil {
			host = h
			if port, err = strconv.Atoi(p); err != nil {
				return o, fmt.Errorf("-role-endpoint: %w", err)
			}
		}
		o.Auth = awsauth.Websocket(s.region, awsauth.RoleAlias(awsauth.RoleAliasOptions{Endpoint: host, Port: port, RoleAlias: s.roleAlias,
			ThingName: s.id, Auth: awsiot.MTLSFromPath(s.cert, s.key), CAFile: s.ca}))
	default:
		return o, fmt.Errorf("-auth %q is none of mtls, pkcs12, custom-authorizer, websocket, cognito, role-alias", s.auth)
	}
	return o, nil
}

func run(s settings) error {
	o, err := options(s)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client := awsiot.NewClient(o)
	if err := client.StartAndWait(ctx); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	fmt.Println("connected by", s.auth)
	received := make(chan string, 1)
	if _, err := client.Subscribe(ctx, &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: s.topic, QoS: 1, Handler: func(m *awsiot.Message) {
		select {
		case received <- string(m.Payload):
		default:
		}
	}}}}); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if _, err := client.Publish(ctx, &awsiot.PublishPacket{Topic: s.topic, Payload: []byte("by " + s.auth), QoS: 1}); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	select {
	case m := <-received:
		fmt.Println("received", strings.TrimSpace(m))
	case <-ctx.Done():
		return ctx.Err()
	}
	return client.Stop(ctx, nil)
}
