// Command shadow-named keeps a device like a named shadow of its thing: an app
// changes what is desired, the device applies it and reports it back. Without
// -endpoint it starts an iotlocal server of its own.
//
//	go run ./examples/v2-style/shadow-named -n 4
//	go run ./examples/v2-style/shadow-named -e ENDPOINT -r CA -c CERT -k KEY -thing THING
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/portage-iot/awsiot/examples/internal/local"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/iotshadow"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// shadowName is the shadow's name: a thing may have several, for what has nothing to do with each other.
const shadowName = "light"

func main() {
	target := local.Setup(local.Target{ClientID: "namedShadow", Thing: "Bot"})
	err := run(target)
	target.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// light is the state of the device. The pointers tell a key that is absent from one that is zero.
type light struct {
	On    *bool `json:"on,omitempty"`
	Level *int  `json:"level,omitempty"`
}

var errDone = errors.New("done")

func run(target *local.Target) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	client := awsiot.NewClient(awsiot.ClientOptions{
		ClientID: target.ClientID, Endpoint: target.Endpoint, Port: target.Port,
		CAFile: target.CA, Auth: awsiot.MTLSFromPath(target.Cert, target.Key),
	})
	defer client.Close()
	shadows := iotshadow.NewClient(client, reqresp.Options{})
	defer shadows.Close()
	if err := client.StartAndWait(ctx); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	reported, err := shadows.SubscribeToNamedShadowUpdatedEvents(ctx, &iotshadow.NamedShadowUpdatedSubscriptionRequest{ThingName: target.Thing, ShadowName: shadowName},
		awsiot.AtLeastOnce, func(e *iotshadow.ShadowUpdatedEvent) {
			if e.Current.State.Reported != nil && string(e.Current.State.Reported) == string(e.Current.State.Desired) {
				fmt.Printf("in sync: %s\n", e.Current.State.Reported)
				go ask(ctx, cancel, target, shadows)
			}
		})
	if err != nil {
		return err
	}
	defer reported.Close()

	go ask(ctx, cancel, target, shadows)
	err = iotshadow.Sync(ctx, shadows, iotshadow.SyncOptions[light]{ThingName: target.Thing, ShadowName: shadowName,
		Apply: func(_ context.Context, delta light) (any, error) {
			if delta.Level != nil {
				fmt.Println("dimming to", *delta.Level)
			}
			return delta, nil // the device can do all of it
		}})
	if !errors.Is(err, errDone) {
		return err
	}
	if _, err := shadows.DeleteNamedShadow(context.WithoutCancel(ctx), &iotshadow.DeleteNamedShadowRequest{ThingName: target.Thing, ShadowName: shadowName}); err != nil {
		return err
	}
	fmt.Println("deleted")
	return client.Stop(context.WithoutCancel(ctx), nil)
}

// asked counts what the app has asked for.
var asked atomic.Int64

// ask is what an app does: it desires the next level, or ends the program.
func ask(ctx context.Context, end context.CancelCauseFunc, target *local.Target, shadows *iotshadow.Client) {
	n := int(asked.Add(1))
	if !target.More(n - 1) {
		end(errDone)
		return
	}
	_, err := shadows.UpdateNamedShadow(ctx, &iotshadow.UpdateNamedShadowRequest{ThingName: target.Thing, ShadowName: shadowName,
		State: &iotshadow.ShadowState{Desired: light{Level: new(10 * n)}}})
	if err != nil {
		end(err)
	}
}
