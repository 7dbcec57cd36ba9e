package mqtt311_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/mqtt311"
)

// pipe is a dialer that gives a connection out once.
func pipe(conn net.Conn) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		if conn == nil {
			return nil, errors.New("given out")
		}
		c := conn
		conn = nil
		return c, nil
	}
}

func TestValidate(t *testing.T) {
	good := mqtt311.Options{Endpoint: "broker", ClientID: "device", Auth: awsiot.PlainTCP()}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for field, change := range map[string]func(*mqtt311.Options){
		"Endpoint":          func(o *mqtt311.Options) { o.Endpoint = "" },
		"Auth":              func(o *mqtt311.Options) { o.Auth = nil },
		"Port":              func(o *mqtt311.Options) { o.Port = -1 },
		"ClientID":          func(o *mqtt311.Options) { o.ClientID = "" },
		"KeepAlive":         func(o *mqtt311.Options) { o.KeepAlive = 1500 * time.Millisecond },
		"PingTimeout":       func(o *mqtt311.Options) { o.PingTimeout = 1200 * time.Second },
		"ConnackTimeout":    func(o *mqtt311.Options) { o.ConnackTimeout = -1 },
		"OperationTimeout":  func(o *mqtt311.Options) { o.OperationTimeout = -1 },
		"MinReconnectDelay": func(o *mqtt311.Options) { o.MinReconnectDelay = -1 },
		"MaxReconnectDelay": func(o *mqtt311.Options) { o.MaxReconnectDelay = time.Second },
		"MaxPending":        func(o *mqtt311.Options) { o.MaxPending = -1 },
		"MaxInflight":       func(o *mqtt311.Options) { o.MaxInflight = 65536 },
		"MaximumPacketSize": func(o *mqtt311.Options) { o.MaximumPacketSize = 1 << 28 },
		"MaxInboundBytes":   func(o *mqtt311.Options) { o.MaxInboundBytes = -1 },
		"Will":              func(o *mqtt311.Options) { o.Will = &mqtt311.Will{Topic: "a/#"} },
		"Username":          func(o *mqtt311.Options) { o.Username = "\xff" },
	} {
		o := good
		change(&o)
		err := o.Validate()
		if e, ok := errors.AsType[*awsiot.ValidationError](err); !ok || e.Field != field {
			t.Errorf("%s: %v", field, err)
		}
		if _, err := mqtt311.NewConnection(o).Connect(t.Context()); err == nil {
			t.Errorf("%s: Connect works", field)
		}
	}
}

// What cannot be sent is refused at the call, and what AWS IoT Core ends the connection over, towards AWS.
func TestRefusedAtTheCall(t *testing.T) {
	ctx := t.Context()
	const aws = "abc-ats.iot.eu-west-1.amazonaws.com"
	to := func(endpoint string) *mqtt311.Connection {
		return mqtt311.NewConnection(mqtt311.Options{Endpoint: endpoint, ClientID: "device", Auth: awsiot.TLS()})
	}
	publish := func(p *mqtt311.PublishPacket) func(*mqtt311.Connection) error {
		return func(c *mqtt311.Connection) error {
			done := make(chan error, 1)
			c.PublishAsync(p, func(err error) { done <- err })
			if c.Stats().Pending > 0 {
				_ = c.Disconnect(ctx)
				return nil
			}
			return <-done
		}
	}
	subscribe := func(f string, q awsiot.QoS) func(*mqtt311.Connection) error {
		return func(c *mqtt311.Connection) error {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			if _, err := c.Subscribe(ctx, f, q, nil); !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		}
	}
	for name, tt := range map[string]struct {
		do        func(*mqtt311.Connection) error
		field     string
		onlyToAWS bool
	}{
		"nil":             {publish(nil), "Topic", false},
		"wildcard":        {publish(message("a/+", "", 0)), "Topic", false},
		"QoS 3":           {publish(message("a", "", 3)), "QoS", false},
		"QoS 2":           {publish(message("a", "", 2)), "QoS", true},
		"128 KiB":         {publish(message("a", strings.Repeat("x", 128<<10+1), 0)), "Payload", true},
		"eight slashes":   {publish(message("1/2/3/4/5/6/7/8/9", "", 0)), "Topic", true},
		"filter":          {subscribe("a#", 0), "TopicFilter", false},
		"filter QoS 2":    {subscribe("a", 2), "QoS", true},
		"filter's levels": {subscribe("1/2/3/4/5/6/7/8/+", 0), "TopicFilter", true},
		"unsubscribe":     {func(c *mqtt311.Connection) error { return c.Unsubscribe(ctx, "") }, "TopicFilter", false},
	} {
		for _, endpoint := range []string{"broker", aws} {
			err := tt.do(to(endpoint))
			if endpoint != aws && tt.onlyToAWS {
				if err != nil {
					t.Errorf("%s, local: %v", name, err)
				}
			} else if e, ok := errors.AsType[*awsiot.ValidationError](err); !ok || e.Field != tt.field {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	var none context.Context
	local := to("broker")
	for name, err := range map[string]error{"Disconnect": local.Disconnect(none), "Publish": local.Publish(none, nil), "Unsubscribe": local.Unsubscribe(none, "a")} {
		if _, ok := errors.AsType[*awsiot.ValidationError](err); !ok {
			t.Errorf("%s without a context: %v", name, err)
		}
	}
}

func TestNoSecrets(t *testing.T) {
	o := mqtt311.Options{Endpoint: "broker", ClientID: "device", Password: []byte("sesame"), Auth: awsiot.CustomAuthorizer{Password: []byte("sesame"), TokenValue: "sesame"}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(verb, o); strings.Contains(s, "sesame") || strings.Contains(s, fmt.Sprint([]byte("sesame"))) || !strings.Contains(s, "broker") {
			t.Errorf("%s: %s", verb, s)
		}
	}
}

// Every way to the broker that the client for MQTT 5 has.
func TestAuth(t *testing.T) {
	server := iotlocal.StartT(t, iotlocal.Options{})
	thing, err := server.NewThing("pump")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		auth awsiot.Auth
		port int
		user string // in CONNECT, without the metrics
	}{
		"TCP":        {awsiot.PlainTCP(), server.TCPPort(), "me"},
		"mutual TLS": {awsiot.MTLSFromPath(thing.CertFile, thing.KeyFile), server.TLSPort(), "me"},
		"websocket":  {awsiot.CustomAuthorizer{Name: "mine", Websocket: true}, server.WSSPort(), "me?x-amz-customauthorizer-name=mine"},
	} {
		t.Run(name, func(t *testing.T) {
			server.Recorder().Reset()
			c := mqtt311.NewConnection(mqtt311.Options{Endpoint: server.Host(), Port: tt.port, ClientID: "pump", Auth: tt.auth, CAFile: server.CAFile(), Username: "me", CleanSession: true})
			if _, err := c.Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
			heard := make(chan string, 1)
			if _, err := c.Subscribe(t.Context(), "t", 1, func(m *mqtt311.Message) { heard <- string(m.Payload) }); err != nil {
				t.Fatal(err)
			}
			if err := c.Publish(t.Context(), message("t", "hello", 1)); err != nil {
				t.Fatal(err)
			}
			if got := <-heard; got != "hello" {
				t.Errorf("heard %s", got)
			}
			if err := c.Disconnect(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, p := range server.Recorder().Packets() {
				if p.Type == iotlocal.CONNECT {
					name, _, _ := strings.Cut(p.Connect.Username, "SDK=PortageGo")
					if strings.TrimRight(name, "?&") != tt.user {
						t.Errorf("user name %s", p.Connect.Username)
					}
				}
			}
		})
	}
	c := mqtt311.NewConnection(mqtt311.Options{Endpoint: server.Host(), Port: server.TLSPort(), ClientID: "pump", CAFile: server.CAFile(),
		Auth: awsiot.MTLSFromPath(thing.CertFile, filepath.Join(t.TempDir(), "no.key"))})
	if _, err := c.Connect(t.Context()); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "no.key") {
		t.Errorf("%v", err)
	}
}
