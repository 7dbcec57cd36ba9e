// Command basicPubSubProxy is a port of the v1 sample of that name: basicPubSub
// through a proxy. The client gets its connections from a socket factory, which
// opens them through a SOCKS5 proxy or by HTTP CONNECT; TLS goes on top, so the
// proxy sees nothing of it.
//
//	go run ./examples/v1-style/basicPubSubProxy -e ENDPOINT -r CA -c CERT -k KEY --proxyHost HOST --proxyPort 1080
//	go run ./examples/v1-style/basicPubSubProxy -e ENDPOINT -r CA -c CERT -k KEY --proxyType http --proxyHost HOST --proxyPort 3128
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portage-iot/awsiot/examples/v1-style/internal/sample"
	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

func main() {
	p := sample.New("basicPubSubProxy")
	p.ConnectionFlags()
	topic, mode, message := p.TopicFlag(), p.ModeFlag(), p.MessageFlag()
	proxy := proxyFlags(p)
	p.LoopFlags("n", "count")
	p.Main(func(ctx context.Context) error { return run(ctx, p, proxy(), *topic, *mode, *message) })
}

// proxyFlags adds the flags about the proxy; the function gives its URL.
func proxyFlags(p *sample.Program) func() *url.URL {
	kinds := []string{"socks5", "http", "https"}
	kind := p.TextFlag("socks5", "kind of the proxy: "+strings.Join(kinds, ", "), "proxyType")
	host := p.RequiredFlag("host name of the proxy", "proxyHost")
	port := p.NumberFlag(1080, "port of the proxy", "proxyPort")
	user := p.TextFlag("", "user name and password for the proxy, with a colon between them", "proxyUser")
	p.Rule(func() error {
		switch {
		case !slices.Contains(kinds, *kind):
			return fmt.Errorf("unknown proxy type %q: it is one of %s", *kind, strings.Join(kinds, " "))
		case *port < 1 || *port > 65535:
			return fmt.Errorf("proxy port %d is not between 1 and 65535", *port)
		}
		return nil
	})
	return func() *url.URL {
		u := &url.URL{Scheme: *kind, Host: net.JoinHostPort(*host, strconv.Itoa(*port))}
		if name, password, ok := strings.Cut(*user, ":"); ok {
			u.User = url.UserPassword(name, password)
		} else if name != "" {
			u.User = url.User(name)
		}
		return u
	}
}

// through returns a socket factory: every call opens a connection to the endpoint
// through the proxy, without TLS, which the client adds.
func through(proxy *url.URL, endpoint string, port int) func() (net.Conn, error) {
	raw := awsiot.ClientOptions{Endpoint: endpoint, Port: port, Auth: awsiot.PlainTCP(),
		HTTPProxy: func(*http.Request) (*url.URL, error) { return proxy, nil }}
	return func() (net.Conn, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return raw.Dial(ctx)
	}
}

func run(ctx context.Context, p *sample.Program, proxy *url.URL, topic string, mode sample.Mode, text string) error {
	received := sample.NewTally()
	client := p.PubSubClient()
	client.ConfigureSocketFactory(through(proxy, p.Endpoint, p.Port))
	if err := client.Connect(); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if mode.Subscribes() {
		if _, err := client.Subscribe(topic, 1, func(_ *v1compat.AWSIoTMQTTClient, _ any, message *v1compat.Message) {
			fmt.Printf("received %s from %s\n", message.Payload, message.Topic)
			received.Add()
		}); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
	}
	p.Pause(ctx, 2)

	sent := 0
	if mode.Publishes() {
		for i := range p.Messages(ctx) {
			payload, err := sample.Message(text, i)
			if err != nil {
				return err
			}
			if _, err := client.Publish(topic, payload, 1); err != nil {
				return fmt.Errorf("publish: %w", err)
			}
			sent++
			if mode == sample.Publish {
				fmt.Printf("published %s to %s\n", payload, topic)
			}
		}
	}
	switch mode {
	case sample.Subscribe:
		received.Reach(ctx, p.Count)
	case sample.Both:
		if err := received.Await(ctx, sent, "messages came back"); err != nil {
			return err
		}
	}
	return client.Disconnect()
}
