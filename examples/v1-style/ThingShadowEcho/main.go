// Command ThingShadowEcho is a port of the v1 sample of that name: it is the
// thing that does what it is asked to, and reports every desired state as its own.
//
//	go run ./examples/v1-style/ThingShadowEcho -e ENDPOINT -r CA -c CERT -k KEY -n THING
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/portage-iot/awsiot/examples/v1-style/internal/sample"
	"github.com/portage-iot/awsiot/shadowcompat"
)

func main() {
	p := sample.New("ThingShadowEcho")
	p.ConnectionFlags()
	thing := p.ThingFlag()
	p.LoopFlags("count")
	p.Main(func(ctx context.Context) error { return run(ctx, p, *thing) })
}

// container holds the shadow handler for its own callback.
type container struct {
	shadow *shadowcompat.ShadowHandler
	echoed *sample.Tally
}

// onDelta reports the state of the delta.
func (c *container) onDelta(payload, status, _ string) {
	defer c.echoed.Add()
	var delta struct{ State json.RawMessage }
	if err := json.Unmarshal([]byte(payload), &delta); err != nil {
		fmt.Fprintf(os.Stderr, "%s with %q: %v\n", status, payload, err)
		return
	}
	fmt.Printf("%s: %s\n", status, delta.State)
	if _, err := c.shadow.ShadowUpdate(`{"state":{"reported":`+string(delta.State)+`}}`, nil, 5); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		return
	}
	fmt.Printf("reported %s\n", delta.State)
}

func run(ctx context.Context, p *sample.Program, thing string) error {
	client := p.ShadowClient()
	if err := client.Connect(); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	c := &container{shadow: client.CreateShadowHandlerWithName(thing, true), echoed: sample.NewTally()}
	if err := c.shadow.ShadowRegisterDeltaCallback(c.onDelta); err != nil {
		return fmt.Errorf("delta: %w", err)
	}
	fmt.Println("listening to", thing)
	c.echoed.Reach(ctx, p.Count)
	return client.Disconnect()
}
