// Command commands is a device that carries out commands of AWS IoT Device
// Management: it hears of each, reports that it works on it, does what the JSON
// payload says, and reports the end with a result. Without -endpoint it starts an
// iotlocal server of its own, which then sends the commands too.
//
//	go run ./examples/v2-style/commands -n 3
//	go run ./examples/v2-style/commands -e ENDPOINT -r CA -c CERT -k KEY -thing THING
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/portage-iot/awsiot/examples/internal/local"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/iotcommands"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

func main() {
	target := local.Setup(local.Target{ClientID: "lamp", Thing: "lamp"})
	err := run(target)
	target.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(target *local.Target) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	client := awsiot.NewClient(awsiot.ClientOptions{
		ClientID: target.ClientID,
		Endpoint: target.Endpoint,
		Port:     target.Port,
		CAFile:   target.CA,
		Auth:     awsiot.MTLSFromPath(target.Cert, target.Key),
	})
	defer client.Close()
	if err := client.StartAndWait(ctx); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	commands := iotcommands.NewClient(client, reqresp.Options{})
	defer commands.Close()

	// The functions of a stream run on the client's callback lanes: a command may take long, so it is only handed on.
	todo, status := make(chan *iotcommands.CommandExecutionEvent, 10), make(chan error, 10)
	stream, err := commands.CreateCommandExecutionsJSONPayloadStream(
		&iotcommands.CommandExecutionsSubscriptionRequest{DeviceType: iotcommands.Things, DeviceID: target.Thing},
		iotcommands.StreamOptions[iotcommands.CommandExecutionEvent]{
			OnEvent: func(e *iotcommands.CommandExecutionEvent) { local.Tell(todo, e) },
			OnStatus: func(s reqresp.StreamStatus, err error) {
				if s != reqresp.StreamLost { // it comes back by itself
					local.Tell(status, err)
				}
			},
		})
	if err != nil {
		return err
	}
	defer stream.Close()
	if err := stream.Open(); err != nil {
		return err
	}
	switch err, ok := local.Await(target, status); {
	case !ok:
		return fmt.Errorf("the subscription to commands was not established")
	case err != nil:
		return err
	}

	for i := 0; target.More(i); i++ {
		if err := target.SendCommand(fmt.Sprintf(`{"brightness": %d}`, 40*i)); err != nil {
			return err
		}
		command, ok := next(target, todo)
		if !ok {
			break
		}
		fmt.Printf("command: %s\n", command.Payload)
		if err := carryOut(ctx, commands, command); err != nil {
			return err
		}
	}
	if err := client.Stop(ctx, nil); err != nil {
		return fmt.Errorf("disconnect: %w", err)
	}
	return nil
}

// next waits for a command for as long as that takes.
func next(target *local.Target, todo <-chan *iotcommands.CommandExecutionEvent) (*iotcommands.CommandExecutionEvent, bool) {
	select {
	case e := <-todo:
		return e, true
	case <-target.Interrupted:
		return nil, false
	}
}

// carryOut does what a command says and reports how it fares.
func carryOut(ctx context.Context, commands *iotcommands.Client, e *iotcommands.CommandExecutionEvent) error {
	report := func(r iotcommands.UpdateCommandExecutionRequest) error {
		r.DeviceType, r.DeviceID, r.ExecutionID = e.DeviceType, e.DeviceID, e.ExecutionID
		_, err := commands.UpdateCommandExecution(ctx, &r)
		return err
	}
	if err := report(iotcommands.UpdateCommandExecutionRequest{Status: iotcommands.StatusInProgress}); err != nil {
		return err
	}
	var order struct{ Brightness *int }
	if err := json.Unmarshal(e.Payload, &order); err != nil || order.Brightness == nil {
		fmt.Println("rejected: no brightness")
		return report(iotcommands.UpdateCommandExecutionRequest{Status: iotcommands.StatusRejected,
			StatusReason: &iotcommands.StatusReason{ReasonCode: "BAD_COMMAND", ReasonDescription: "a command needs a brightness"}})
	}
	if *order.Brightness > 100 {
		fmt.Println("failed: too bright")
		return report(iotcommands.UpdateCommandExecutionRequest{Status: iotcommands.StatusFailed,
			StatusReason: &iotcommands.StatusReason{ReasonCode: "OUT_OF_RANGE", ReasonDescription: "the brightness is more than 100"}})
	}
	fmt.Println("succeeded: brightness", *order.Brightness)
	return report(iotcommands.UpdateCommandExecutionRequest{Status: iotcommands.StatusSucceeded,
		Result: map[string]iotcommands.CommandResult{"brightness": {S: new(fmt.Sprint(*order.Brightness))}}})
}
