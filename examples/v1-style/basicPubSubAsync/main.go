// Command basicPubSubAsync is a port of the v1 sample of that name: it subscribes
// and publishes without waiting, and hears of the acknowledgements by callbacks.
// Messages reach the hook for all of them.
//
//	go run ./examples/v1-style/basicPubSubAsync -e ENDPOINT -r CA -c CERT -k KEY
package main

import (
	"context"
	"fmt"

	"github.com/portage-iot/awsiot/examples/v1-style/internal/sample"
	"github.com/portage-iot/awsiot/v1compat"
)

func main() {
	p := sample.New("basicPubSubAsync")
	p.ConnectionFlags()
	topic := p.TopicFlag()
	p.LoopFlags("n", "count")
	p.Main(func(ctx context.Context) error { return run(ctx, p, *topic) })
}

func run(ctx context.Context, p *sample.Program, topic string) error {
	received, acknowledged := sample.NewTally(), sample.NewTally()
	onSuback := func(_ v1compat.Mid, data []byte) {
		fmt.Printf("SUBACK of %s: granted QoS %v\n", topic, data)
	}

	client := p.PubSubClient()
	client.OnMessage = func(message *v1compat.Message) {
		fmt.Printf("received %s from %s\n", message.Payload, message.Topic)
		received.Add()
	}
	if err := client.Connect(); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if _, err := client.SubscribeAsync(topic, 1, onSuback, nil); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	p.Pause(ctx, 2)

	sent := 0
	for i := range p.Messages(ctx) {
		text := fmt.Sprint("New Message ", i)
		if _, err := client.PublishAsync(topic, text, 1, func(v1compat.Mid) {
			fmt.Printf("PUBACK of %s\n", text)
			acknowledged.Add()
		}); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		sent++
	}
	if err := acknowledged.Await(ctx, sent, "messages were acknowledged"); err != nil {
		return err
	}
	if err := received.Await(ctx, sent, "messages came back"); err != nil {
		return err
	}
	return client.Disconnect()
}
