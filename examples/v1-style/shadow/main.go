// Command shadow is the v1 samples basicShadowUpdater and
// basicShadowDeltaListener in one, in v1's shape: it deletes the shadow of a
// thing, then changes its desired state and hears of each change as a delta.
// Without -endpoint it starts an iotlocal server of its own.
//
//	go run ./examples/v1-style/shadow -n 4
//	go run ./examples/v1-style/shadow -e ENDPOINT -r CA -c CERT -k KEY -thing THING
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/portage-iot/awsiot/examples/internal/local"
	"github.com/portage-iot/awsiot/shadowcompat"
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
	answered := make(chan string, 1)
	changed := make(chan string, 1)

	client := shadowcompat.NewAWSIoTMQTTShadowClient(target.ClientID)
	client.ConfigureEndpoint(target.Endpoint, target.Port)
	client.ConfigureCredentials(target.CA, target.Key, target.Cert)
	client.ConfigureAutoReconnectBackoffTime(1, 32, 20)
	client.ConfigureConnectDisconnectTimeout(10)
	client.ConfigureMQTTOperationTimeout(5)

	if err := client.Connect(); err != nil {
		return fmt.Errorf("connect: %w", err)
	}

	// Two handlers, as the two samples had: the updater would keep a delta from the
	// listener if it saw the accepted answer of the same version first.
	updater := client.CreateShadowHandlerWithName(target.Thing, true)
	listener := client.CreateShadowHandlerWithName(target.Thing, true)

	if _, err := updater.ShadowDelete(func(_, status, _ string) {
		local.Tell(answered, "delete "+status)
	}, 5); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	answer, ok := local.Await(target, answered)
	if !ok {
		return client.Disconnect()
	}
	fmt.Println(answer)

	if err := listener.ShadowRegisterDeltaCallback(func(payload, _, _ string) {
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
		if _, err := updater.ShadowUpdate(payload, func(payload, status, _ string) {
			var d document
			if status != "accepted" || json.Unmarshal([]byte(payload), &d) != nil {
				local.Tell(answered, "update "+status)
				return
			}
			local.Tell(answered, fmt.Sprintf("update accepted: property %d", d.State.Desired.Property))
		}, 5); err != nil {
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

	if err := listener.ShadowUnregisterDeltaCallback(); err != nil {
		return fmt.Errorf("delta: %w", err)
	}
	if err := client.Disconnect(); err != nil {
		return fmt.Errorf("disconnect: %w", err)
	}
	return nil
}
