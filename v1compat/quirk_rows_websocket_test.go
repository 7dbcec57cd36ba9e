package v1compat_test

// The rows about websockets, and the server of their stage: it accepts every signature, or refuses by access key.

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/awsauth"
)

var websocketRows = []quirkRow{
	{
		name: "WebsocketTLS", what: "the TLS handshake of a websocket",
		v1: "no server name, no protocol name", here: "server name and protocol name http/1.1", v2: "server name and protocol name http/1.1", threads: "rec",
		run: func(s *stage) string {
			p := s.websocket(awsHost)
			s.online()
			says := func(text string) string {
				if text == "" {
					return "no "
				}
				return ""
			}
			state := p.tls[0]
			if state.ServerName == awsHost && state.NegotiatedProtocol == "http/1.1" {
				return "server name and protocol name http/1.1"
			}
			return says(state.ServerName) + "server name, " + says(state.NegotiatedProtocol) + "protocol name"
		},
	},
	{
		name: "WebsocketRFC6455", what: "the request that opens a websocket",
		v1:   "key of 128 bytes, subprotocol mqttv3.1, extension permessage-deflate, service iotdata, X-Amz-Expires=86400",
		here: "key of 16 bytes, subprotocol mqtt, service iotdevicegateway", v2: "key of 16 bytes, subprotocol mqtt, service iotdevicegateway", threads: "rec",
		run: func(s *stage) string {
			p := s.websocket(awsHost)
			s.online()
			r := p.requests[0]
			key, err := base64.StdEncoding.DecodeString(r.Header.Get("Sec-WebSocket-Key"))
			require.NoError(s.t, err)
			q := r.URL.Query()
			text := fmt.Sprintf("key of %d bytes, subprotocol %s", len(key), r.Header.Get("Sec-WebSocket-Protocol"))
			if e := r.Header.Get("Sec-WebSocket-Extensions"); e != "" {
				text += ", extension " + e
			}
			text += ", service " + strings.Split(q.Get("X-Amz-Credential"), "/")[3]
			if e := q.Get("X-Amz-Expires"); e != "" {
				text += ", X-Amz-Expires=" + e
			}
			return text
		},
	},
	{
		name: "WebsocketHeaderAnyCase", what: "an answer to that with the header Sec-WebSocket-Accept in capitals",
		v1: "`*ValueError`", here: "true", v2: "true", threads: "#159, rec",
		run: func(s *stage) string {
			s.websocket(awsHost).acceptName = "SEC-WEBSOCKET-ACCEPT"
			return s.connect()
		},
	},
	{
		name: "WebsocketRegion", what: "a websocket to a host whose name is none that AWS gives out",
		v1: "`*ValueError`", here: asV1, v2: "true", threads: "rec",
		run: func(s *stage) string {
			s.websocket("iot.example.com") // v2 is given the region
			return s.connect()
		},
	},
	{
		name: "WebsocketRenewedCredentials", what: "credentials that are no longer good at a reconnect, and other ones a minute later",
		v1: "offline for good", here: "connected with the new ones", v2: "connected with the new ones", threads: "#137, #215",
		run: func(s *stage) string {
			p := s.websocket(awsHost)
			s.online()
			p.goOn("NEW")
			s.pass(time.Minute)
			if s.heard("online") != 1 {
				return "connected with the old ones"
			}
			p.renew("NEW")
			s.pass(time.Minute)
			if s.heard("online") != 2 || len(p.requests) < 4 {
				return "offline for good"
			}
			return "connected with the new ones"
		},
	},
}

// wsStage is the server of a websocket row.
type wsStage struct {
	s          *stage
	renew      func(id string) // gives the client another access key
	acceptName string

	mu       sync.Mutex
	good     string // the access key that is accepted
	conn     net.Conn
	tls      []tls.ConnectionState
	requests []*http.Request
}

// websocket starts the server and prepares the client, facade or v2, to connect to it as host.
func (s *stage) websocket(host string) *wsStage {
	p := &wsStage{s: s, acceptName: "Sec-WebSocket-Accept", good: "OLD"}
	certs := newTrCerts(s.t)
	ln, err := s.net.Listen("websocket:443")
	require.NoError(s.t, err)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() { p.serve(tls.Server(conn, certs.websocket(s.t))) })
		}
	})
	s.t.Cleanup(func() { ln.Close(); p.goOn(""); all.Wait() })
	dial := func() (net.Conn, error) { return s.net.Dial(context.Background(), "tcp", "websocket:443") }
	if s.onV2 {
		p.renew = func(id string) { // V1Chain looks anew at every attempt
			for i, v := range []string{id, "secret", ""} {
				s.t.Setenv(awsVariables[i], v)
			}
		}
		p.renew("OLD")
		s.options = func(o *awsiot.ClientOptions) {
			o.Endpoint, o.Port, o.CAFile, o.Auth = host, 443, certs.path("<certs>/ca.pem"), awsauth.Websocket("us-east-1", awsauth.V1Chain())
			o.Dialer = func(context.Context, string, string) (net.Conn, error) { return dial() }
		}
		return p
	}
	s.facade = v1compat.NewAWSIoTMQTTClient(stageID, v1compat.WithQuirks(s.quirks), v1compat.WithWebsocket(true))
	s.facade.ConfigureEndpoint(host, 443)
	s.facade.ConfigureCredentials(certs.path("<certs>/ca.pem"), "", "")
	s.facade.ConfigureSocketFactory(dial)
	s.facade.OnOnline = func() { s.log.Add("online") }
	p.renew = func(id string) { s.facade.ConfigureIAMCredentials(id, "secret", "") }
	p.renew("OLD")
	return p
}

// goOn drops the connection, and from now on accepts another access key only.
func (p *wsStage) goOn(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.good = id
	if p.conn != nil {
		p.conn.Close()
	}
}

// serve is one connection: the upgrade, and then CONNECT is all that is answered.
func (p *wsStage) serve(conn *tls.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	req, err := http.ReadRequest(r)
	if err != nil {
		return // there was no handshake, or nothing to ask
	}
	p.mu.Lock()
	p.conn, p.tls, p.requests = conn, append(p.tls, conn.ConnectionState()), append(p.requests, req)
	good := strings.HasPrefix(req.URL.Query().Get("X-Amz-Credential"), p.good+"/")
	p.mu.Unlock()
	if !good {
		fmt.Fprintf(conn, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
		return
	}
	ws := switchProtocols(conn, r, req.Header.Get("Sec-WebSocket-Key"), p.acceptName)
	for {
		wp, err := readWire(ws)
		if err != nil || wireNames[wp.kind] == "DISCONNECT" {
			return
		}
		if wireNames[wp.kind] == "CONNECT" {
			if _, err := ws.Write(frame(0x20, []byte{0, 0, 0})); err != nil {
				return
			}
		}
	}
}
