// Command shadow is examples/v1-style/shadow written for package awsiot, on
// Subscribe and Publish: it deletes the shadow of a thing, then changes its
// desired state and hears of each change as a delta. Without -endpoint it starts
// an iotlocal server of its own.
//
//	go run ./examples/v2-style/shadow -n 4
//	go run ./examples/v2-style/shadow -e ENDPOINT -r CA -c CERT -k KEY -thing THING
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/portage-iot/awsiot/examples/internal/local"
	awsiot "github.com/portage-iot/awsiot/v2"
)

func main() {
	target := local.Setup(local.Target{ClientID: "basicShadow", Thing: "Bot"})
	err := run(target)
	target.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// document is what the program reads of a shadow's messages.
type document struct {
	State struct {
		Property int
		Desired  struct{ Property int }
	}
	ClientToken string
}

func run(target *local.Target) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	client := awsiot.NewClient(awsiot.ClientOptions{
		KeepAlive: 600 * time.Second, // v1's default
		ClientID:  target.ClientID,
		Endpoint:  target.Endpoint,
		Port:      target.Port,
		CAFile:    target.CA,
		Auth:      awsiot.MTLSFromPath(target.Cert, target.Key),
	})
	defer client.Close()
	if err := client.StartAndWait(ctx); err != nil {
		return fmt.Errorf("connect: %w", err)
	}

	s := shadow{client: client, prefix: "$aws/things/" + target.Thing + "/shadow/", answers: make(chan answer, 1), ready: map[string]bool{}}
	status, _, err := s.request(ctx, "delete", "{%s}")
	if err != nil {
		return err
	}
	fmt.Println("delete", status)

	changed := make(chan string, 1)
	if err := s.subscribe(ctx, "update/delta", func(m *awsiot.Message) {
		var d document
		if err := json.Unmarshal(m.Payload, &d); err != nil {
			local.Tell(changed, "delta: "+err.Error())
			return
		}
		local.Tell(changed, fmt.Sprintf("delta: property %d", d.State.Property))
	}); err != nil {
		return err
	}

	for i := 0; target.More(i); i++ {
		status, d, err := s.request(ctx, "update", fmt.Sprintf(`{"state":{"desired":{"property":%d}},%%s}`, i))
		if err != nil {
			return err
		}
		if status == "accepted" {
			status = fmt.Sprintf("accepted: property %d", d.State.Desired.Property)
		}
		fmt.Println("update", status)
		change, ok := local.Await(target, changed)
		if !ok {
			break
		}
		fmt.Println(change)
	}
	if _, err := client.Unsubscribe(ctx, &awsiot.UnsubscribePacket{TopicFilters: []string{s.prefix + "update/delta"}}); err != nil {
		return err
	}
	if err := client.Stop(ctx, nil); err != nil {
		return fmt.Errorf("disconnect: %w", err)
	}
	return nil
}

// shadow makes requests to the classic shadow of one thing, one at a time.
type shadow struct {
	client  *awsiot.Client
	prefix  string
	answers chan answer
	ready   map[string]bool // actions whose answers are subscribed
	count   int
}

// answer is an accepted or rejected message.
type answer struct {
	status string
	document
}

func (s *shadow) subscribe(ctx context.Context, filter string, h awsiot.MessageHandler) error {
	_, err := s.client.Subscribe(ctx, &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{
		{TopicFilter: s.prefix + filter, Handler: h},
	}})
	return err
}

// subscribeAnswers subscribes to the answers of an action, once.
func (s *shadow) subscribeAnswers(ctx context.Context, action string) error {
	if s.ready[action] {
		return nil
	}
	for _, status := range []string{"accepted", "rejected"} {
		if err := s.subscribe(ctx, action+"/"+status, func(m *awsiot.Message) {
			a := answer{status: status}
			if json.Unmarshal(m.Payload, &a.document) == nil {
				local.Tell(s.answers, a)
			}
		}); err != nil {
			return err
		}
	}
	s.ready[action] = true
	return nil
}

// request publishes a request, whose member clientToken takes the place of %s in
// payload, and waits for the answer that carries it; after 5 seconds the status
// is "timeout".
func (s *shadow) request(ctx context.Context, action, payload string) (string, document, error) {
	if err := s.subscribeAnswers(ctx, action); err != nil {
		return "", document{}, err
	}
	s.count++
	token := fmt.Sprintf("%s-%d", action, s.count)
	payload = fmt.Sprintf(payload, fmt.Sprintf(`"clientToken":%q`, token))
	if _, err := s.client.Publish(ctx, &awsiot.PublishPacket{Topic: s.prefix + action, Payload: []byte(payload)}); err != nil {
		return "", document{}, err
	}
	timeout := time.After(5 * time.Second)
	for {
		select {
		case a := <-s.answers:
			if a.ClientToken == token {
				return a.status, a.document, nil
			}
		case <-timeout:
			return "timeout", document{}, nil
		}
	}
}
