// Command pubsub is a first program in v1's shape, after the sample basicPubSub:
// it subscribes to a topic and publishes to it, every second message without
// waiting for its acknowledgement. Without -endpoint it starts an iotlocal server
// of its own.
//
//	go run ./examples/v1-style/pubsub -n 4
//	go run ./examples/v1-style/pubsub -e ENDPOINT -r CA -c CERT -k KEY
package main

import (
	"fmt"
	"os"

	"github.com/portage-iot/awsiot/examples/internal/local"
	"github.com/portage-iot/awsiot/v1compat"
)

func main() {
	target := local.Setup(local.Target{ClientID: "basicPubSub", Topic: "sdk/test/Go"})
	err := run(target)
	target.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(target *local.Target) error {
	offline := make(chan bool, 1)
	received := make(chan bool, 1)
	acknowledged := make(chan bool, 1)

	client := v1compat.NewAWSIoTMQTTClient(target.ClientID)
	client.ConfigureEndpoint(target.Endpoint, target.Port)
	client.ConfigureCredentials(target.CA, target.Key, target.Cert)
	client.ConfigureAutoReconnectBackoffTime(1, 32, 20)
	client.ConfigureConnectDisconnectTimeout(10)
	client.ConfigureMQTTOperationTimeout(5)
	client.OnOnline = func() { fmt.Println("online") }
	client.OnOffline = func() {
		fmt.Println("offline")
		local.Tell(offline, true)
	}

	if err := client.Connect(); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if _, err := client.Subscribe(target.Topic, 1, func(_ *v1compat.AWSIoTMQTTClient, _ any, message *v1compat.Message) {
		fmt.Printf("received %s from %s\n", message.Payload, message.Topic)
		local.Tell(received, true)
	}); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}

	for i := 0; target.More(i); i++ {
		payload := fmt.Sprintf(`{"message": "Hello World!", "sequence": %d}`, i)
		if i%2 == 0 {
			if _, err := client.Publish(target.Topic, payload, 1); err != nil {
				return fmt.Errorf("publish: %w", err)
			}
		} else {
			if _, err := client.PublishAsync(target.Topic, payload, 1, func(v1compat.Mid) {
				local.Tell(acknowledged, true)
			}); err != nil {
				return fmt.Errorf("publish: %w", err)
			}
			if _, ok := local.Await(target, acknowledged); !ok {
				break
			}
		}
		if _, ok := local.Await(target, received); !ok {
			break
		}
		fmt.Println("published", i)
	}

	if _, err := client.Unsubscribe(target.Topic); err != nil {
		return fmt.Errorf("unsubscribe: %w", err)
	}
	if err := client.Disconnect(); err != nil {
		return fmt.Errorf("disconnect: %w", err)
	}
	<-offline
	return nil
}
