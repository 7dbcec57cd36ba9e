// Command basicPubSub is a port of the v1 sample of that name: it subscribes to
// a topic and publishes to it once a second, and waits for every acknowledgement.
//
//	go run ./examples/v1-style/basicPubSub -e ENDPOINT -r CA -c CERT -k KEY
//	go run ./examples/v1-style/basicPubSub -e ENDPOINT -r CA -w -m subscribe
package main

import (
	"context"
	"fmt"

	"github.com/portage-iot/awsiot/examples/v1-style/internal/sample"
	"github.com/portage-iot/awsiot/v1compat"
)

func main() {
	p := sample.New("basicPubSub")
	p.ConnectionFlags()
	topic, mode, message := p.TopicFlag(), p.ModeFlag(), p.MessageFlag()
	p.LoopFlags("n", "count")
	p.Main(func(ctx context.Context) error { return run(ctx, p, *topic, *mode, *message) })
}

func run(ctx context.Context, p *sample.Program, topic string, mode sample.Mode, text string) error {
	received := sample.NewTally()
	client := p.PubSubClient()
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
