// Command shadow is the v1 samples basicShadowUpdater and
// basicShadowDeltaListener in one, as iotmigrate rewrites it: it deletes the shadow of a
// thing, then changes its desired state and hears of each change as a delta.
// Without -endpoint it starts an iotlocal server of its own.
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
	"github.com/portage-iot/awsiot/v2/iotshadow"
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
}

func run(target *local.Target) error {
	ctx := context.TODO()
	answered := make(chan string, 1)
	changed := make(chan string, 1)

	opts := awsiot.OptionsV1(target.ClientID)
	opts.OfflineQueue.MaxOperations = -1
	opts.OfflineQueue.DrainRate = 10
	opts.Endpoint, opts.Port = target.Endpoint, target.Port
	opts.CAFile, opts.Auth = target.CA, awsiot.MTLSFromPath(target.Cert, target.Key)
	opts.MinReconnectDelay = 1 * time.Second
	opts.MaxReconnectDelay = 32 * time.Second
	opts.MinConnectedTimeToResetReconnectDelay = 20 * time.Second
	opts.ConnackTimeout = 10 * time.Second
	opts.AckTimeout = 5 * time.Second
	client := awsiot.NewClient(opts)

	if err := client.StartAndWait(ctx); err != nil {
		return fmt.Errorf("connect: %w", err)
	}

	// Two handlers, as the two samples had: the updater would keep a delta from the
	// listener if it saw the accepted answer of the same version first.
	updater := iotshadow.NewHandlerV1(client, target.Thing, true)
	listener := iotshadow.NewHandlerV1(client, target.Thing, true)

	if _, err := updater.Delete(ctx, func(_, status, _ string) {
		local.Tell(answered, "delete "+status)
	}, 5*time.Second); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	answer, ok := local.Await(target, answered)
	if !ok {
		return client.Stop(ctx, nil)
	}
	fmt.Println(answer)

	if err := listener.RegisterDelta(ctx, func(payload, _, _ string) {
		var d document
		if err := json.Unmarshal([]byte(payload), &d); err != nil {
			local.Tell(changed, "delta: "+err.Error())
			return
		}
		local.Tell(changed, fmt.Sprintf("delta: property %d", d.State.Property))
	}); err != nil {
		return fmt.Errorf("delta: %w", err)
	}

	for i := 0; target.More(i); i++ {
		payload := fmt.Sprintf(`{"state":{"desired":{"property":%d}}}`, i)
		if _, err := updater.Update(ctx, payload, func(payload, status, _ string) {
			var d document
			if status != "accepted" || json.Unmarshal([]byte(payload), &d) != nil {
				local.Tell(answered, "update "+status)
				return
			}
			local.Tell(answered, fmt.Sprintf("update accepted: property %d", d.State.Desired.Property))
		}, 5*time.Second); err != nil {
			return fmt.Errorf("update: %w", err)
		}
		answer, ok := local.Await(target, answered)
		if !ok {
			break
		}
		fmt.Println(answer)
		change, ok := local.Await(target, changed)
		if !ok {
			break
		}
		fmt.Println(change)
	}

	if err := listener.UnregisterDelta(ctx); err != nil {
		return fmt.Errorf("delta: %w", err)
	}
	if err := client.Stop(ctx, nil); err != nil {
		return fmt.Errorf("disconnect: %w", err)
	}
	return nil
}
