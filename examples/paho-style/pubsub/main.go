// Command pubsub is a program on paho.mqtt.golang as most are written: it subscribes in its OnConnect handler, so that
// it does so again after every reconnect, and publishes. It runs with either import line; without -endpoint it starts an
// iotlocal server of its own.
//
//	go run ./examples/paho-style/pubsub -n 4
//	go run ./examples/paho-style/pubsub -e ENDPOINT -r CA -c CERT -k KEY
package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/portage-iot/awsiot/examples/internal/local"
	mqtt "github.com/portage-iot/awsiot/pahocompat"
)

func main() {
	target := local.Setup(local.Target{ClientID: "pahoPubSub", Topic: "sdk/test/Go"})
	err := run(target)
	target.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(target *local.Target) error {
	config, err := tlsConfig(target)
	if err != nil {
		return err
	}
	received := make(chan string, 1)
	subscribed := make(chan error, 1)
	onMessage := func(_ mqtt.Client, m mqtt.Message) {
		local.Tell(received, fmt.Sprintf("received %s from %s", m.Payload(), m.Topic()))
	}

	opts := mqtt.NewClientOptions()
	opts.AddBroker(fmt.Sprintf("ssl://%s:%d", target.Endpoint, target.Port))
	opts.SetClientID(target.ClientID)
	opts.SetTLSConfig(config)
	opts.SetMaxReconnectInterval(10 * time.Second)
	opts.OnConnect = func(c mqtt.Client) {
		token := c.Subscribe(target.Topic, 1, onMessage)
		token.Wait()
		local.Tell(subscribed, token.Error())
	}
	opts.OnConnectionLost = func(_ mqtt.Client, err error) { fmt.Fprintln(os.Stderr, "connection lost:", err) }
	client := mqtt.NewClient(opts)

	if token := client.Connect(); token.Wait() && token.Error() != nil {
		return fmt.Errorf("connect: %w", token.Error())
	}
	defer client.Disconnect(250)
	if err, ok := local.Await(target, subscribed); !ok || err != nil {
		return fmt.Errorf("subscribe: %w", errors.Join(err))
	}
	fmt.Println("subscribed to", target.Topic)

	for i := 0; target.More(i); i++ {
		payload := fmt.Sprintf(`{"message": "Hello World!", "sequence": %d}`, i)
		token := client.Publish(target.Topic, 1, false, payload)
		if !token.WaitTimeout(target.Timeout) || token.Error() != nil {
			return fmt.Errorf("publish: %w", errors.Join(token.Error()))
		}
		text, ok := local.Await(target, received)
		if !ok {
			break
		}
		fmt.Println(text)
	}
	if token := client.Unsubscribe(target.Topic); token.Wait() && token.Error() != nil {
		return fmt.Errorf("unsubscribe: %w", token.Error())
	}
	return nil
}

// tlsConfig is that of a device with a certificate.
func tlsConfig(target *local.Target) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(target.Cert, target.Key)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(target.CA)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: roots}, nil
}
