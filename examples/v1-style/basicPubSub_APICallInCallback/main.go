// Command basicPubSub_APICallInCallback is a port of the v1 sample of that name:
// a message callback publishes what it gets to another topic, to which the same
// client listens. In v1 only the asynchronous calls worked in a callback.
//
//	go run ./examples/v1-style/basicPubSub_APICallInCallback -e ENDPOINT -r CA -c CERT -k KEY
package main

import (
	"context"
	"fmt"

	"github.com/portage-iot/awsiot/examples/v1-style/internal/sample"
	"github.com/portage-iot/awsiot/v1compat"
)

func main() {
	p := sample.New("basicPubSub_APICallInCallback")
	p.ConnectionFlags()
	topic := p.TopicFlag()
	p.LoopFlags("n", "count")
	p.Main(func(ctx context.Context) error { return run(ctx, p, *topic) })
}

// container holds the client for callbacks, to which v1 passed None in its place.
type container struct {
	client                 *v1compat.AWSIoTMQTTClient
	republished, published *sample.Tally
	failed                 chan error
}

// print is the callback of the second topic.
func (c *container) print(_ *v1compat.AWSIoTMQTTClient, _ any, message *v1compat.Message) {
	fmt.Printf("received %s from %s\n", message.Payload, message.Topic)
	c.republished.Add()
}

// forward is the callback of the first one.
func (c *container) forward(_ *v1compat.AWSIoTMQTTClient, _ any, message *v1compat.Message) {
	target := message.Topic + "/republish"
	fmt.Printf("forwarding %s from %s to %s\n", message.Payload, message.Topic, target)
	if _, err := c.client.PublishAsync(target, message.Payload, 1, func(v1compat.Mid) { c.onPuback(target) }); err != nil {
		select {
		case c.failed <- fmt.Errorf("republish: %w", err):
		default: // the first one is told
		}
	}
}

func (c *container) onPuback(topic string) {
	fmt.Printf("PUBACK of a message to %s\n", topic)
	c.published.Add()
}

func run(ctx context.Context, p *sample.Program, topic string) error {
	c := &container{client: p.PubSubClient(), republished: sample.NewTally(), published: sample.NewTally(), failed: make(chan error, 1)}
	if err := c.client.Connect(); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if _, err := c.client.Subscribe(topic, 1, c.forward); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if _, err := c.client.Subscribe(topic+"/republish", 1, c.print); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	p.Pause(ctx, 2)

	sent := 0
	for i := range p.Messages(ctx) {
		if _, err := c.client.PublishAsync(topic, fmt.Sprint("New Message ", i), 1, func(v1compat.Mid) { c.onPuback(topic) }); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		sent++
	}
	if err := c.published.Await(ctx, 2*sent, "messages were acknowledged"); err != nil {
		return c.reason(err)
	}
	if err := c.republished.Await(ctx, sent, "messages came back"); err != nil {
		return c.reason(err)
	}
	return c.reason(c.client.Disconnect())
}

// reason is why a callback failed, if one did, or err.
func (c *container) reason(err error) error {
	select {
	case failed := <-c.failed:
		return failed
	default:
		return err
	}
}
