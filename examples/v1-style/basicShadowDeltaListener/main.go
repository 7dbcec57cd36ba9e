// Command basicShadowDeltaListener is a port of the v1 sample of that name: it
// prints the changes that basicShadowUpdater asks a thing to make.
//
//	go run ./examples/v1-style/basicShadowDeltaListener -e ENDPOINT -r CA -c CERT -k KEY -n THING
package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/portage-iot/awsiot/examples/v1-style/internal/sample"
)

func main() {
	p := sample.New("basicShadowDeltaListener")
	p.ConnectionFlags()
	thing := p.ThingFlag()
	p.LoopFlags("count")
	p.Main(func(ctx context.Context) error { return run(ctx, p, *thing) })
}

func run(ctx context.Context, p *sample.Program, thing string) error {
	deltas := sample.NewTally()
	onDelta := func(payload, status, _ string) {
		defer deltas.Add()
		var delta struct {
			State   struct{ Property json.Number }
			Version int64
		}
		if err := json.Unmarshal([]byte(payload), &delta); err != nil {
			fmt.Printf("%s with %q: %v\n", status, payload, err)
			return
		}
		fmt.Printf("%s: property %s, version %d\n", status, delta.State.Property, delta.Version)
	}

	client := p.ShadowClient()
	if err := client.Connect(); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	bot := client.CreateShadowHandlerWithName(thing, true)
	if err := bot.ShadowRegisterDeltaCallback(onDelta); err != nil {
		return fmt.Errorf("delta: %w", err)
	}
	fmt.Println("listening to", thing)
	deltas.Reach(ctx, p.Count)
	return client.Disconnect()
}
