// Command basicShadowUpdater is a port of the v1 sample of that name: it deletes
// the shadow of a thing, then changes its desired state once a second. See it at
// work with basicShadowDeltaListener or ThingShadowEcho as the thing.
//
//	go run ./examples/v1-style/basicShadowUpdater -e ENDPOINT -r CA -c CERT -k KEY -n THING
package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/portage-iot/awsiot/examples/v1-style/internal/sample"
)

func main() {
	p := sample.New("basicShadowUpdater")
	p.ConnectionFlags()
	thing := p.ThingFlag()
	p.LoopFlags("count")
	p.Main(func(ctx context.Context) error { return run(ctx, p, *thing) })
}

func run(ctx context.Context, p *sample.Program, thing string) error {
	deleted, updated := sample.NewTally(), sample.NewTally()
	onDelete := func(_, status, token string) {
		fmt.Printf("delete %s %s\n", token, outcome(status))
		deleted.Add()
	}
	onUpdate := func(payload, status, token string) {
		defer updated.Add()
		if status != "accepted" {
			fmt.Printf("update %s %s\n", token, outcome(status))
			return
		}
		var document struct {
			State struct {
				Desired struct{ Property json.Number }
			}
		}
		if err := json.Unmarshal([]byte(payload), &document); err != nil {
			fmt.Printf("update %s accepted with %q: %v\n", token, payload, err)
			return
		}
		fmt.Printf("update %s accepted: property %s\n", token, document.State.Desired.Property)
	}

	client := p.ShadowClient()
	if err := client.Connect(); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	bot := client.CreateShadowHandlerWithName(thing, true)
	if _, err := bot.ShadowDelete(onDelete, 5); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	sent := 0
	for i := range p.Messages(ctx) {
		payload := fmt.Sprintf(`{"state":{"desired":{"property":%d}}}`, i)
		if _, err := bot.ShadowUpdate(payload, onUpdate, 5); err != nil {
			return fmt.Errorf("update: %w", err)
		}
		sent++
	}
	if err := deleted.Await(ctx, 1, "deletes were answered"); err != nil {
		return err
	}
	if err := updated.Await(ctx, sent, "updates were answered"); err != nil {
		return err
	}
	return client.Disconnect()
}

// outcome is a response status in a sentence.
func outcome(status string) string {
	if status == "timeout" {
		return "timed out"
	}
	return status
}
