// Command pubsub is a first program as iotmigrate rewrites it, after the sample basicPubSub:
// it subscribes to a topic and publishes to it, every second message without
// waiting for its acknowledgement. Without -endpoint it starts an iotlocal server
// of its own.
//
//	go run ./examples/v2-style/pubsub -n 4
//	go run ./examples/v2-style/pubsub -e ENDPOINT -r CA -c CERT -k KEY
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/portage-iot/awsiot/examples/internal/local"
	awsiot "github.com/portage-iot/awsiot/v2"
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
	ctx := context.TODO()
	offline := make(chan bool, 1)
	received := make(chan bool, 1)
	acknowledged := make(chan bool, 1)

	opts := awsiot.OptionsV1(target.ClientID)
	opts.Endpoint, opts.Port = target.Endpoint, target.Port
	opts.CAFile, opts.Auth = target.CA, awsiot.MTLSFromPath(target.Cert, target.Key)
	opts.MinReconnectDelay = 1 * time.Second
	opts.MaxReconnectDelay = 32 * time.Second
	opts.MinConnectedTimeToResetReconnectDelay = 20 * time.Second
	opts.ConnackTimeout = 10 * time.Second
	opts.AckTimeout = 5 * time.Second
	opts.OnConnectionSuccess = func(*awsiot.ConnectionSuccess) { fmt.Println("online") }
	opts.OnDisconnection = func(*awsiot.Disconnection) {
		fmt.Println("offline")
		local.Tell(offline, true)
	}
	client := awsiot.NewClient(opts)

	if err := client.StartAndWait(ctx); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if _, err := client.Subscribe(ctx, &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: target.Topic, QoS: 1, Handler: func(message *awsiot.Message) {
		fmt.Printf("received %s from %s\n", message.Payload, message.Topic)
		local.Tell(received, true)
	}}}}); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}

	for i := 0; target.More(i); i++ {
		payload := fmt.Sprintf(`{"message": "Hello World!", "sequence": %d}`, i)
		if i%2 == 0 {
			if _, err := client.Publish(ctx, &awsiot.PublishPacket{Topic: target.Topic, Payload: []byte(payload), QoS: 1}); err != nil {
				return fmt.Errorf("publish: %w", err)
			}
		} else {
			if err := client.PublishAsync(&awsiot.PublishPacket{Topic: target.Topic, Payload: []byte(payload), QoS: 1, Lasting: true}).OnDone(func(_ awsiot.PublishResult, err error) {
				if err == nil {
					local.Tell(acknowledged, true)
				}
			}).Err(); err != nil {
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

	if _, err := client.Unsubscribe(ctx, &awsiot.UnsubscribePacket{TopicFilters: []string{target.Topic}}); err != nil {
		return fmt.Errorf("unsubscribe: %w", err)
	}
	if err := client.Stop(ctx, nil); err != nil {
		return fmt.Errorf("disconnect: %w", err)
	}
	<-offline
	return nil
}
