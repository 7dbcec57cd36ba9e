package iotcommands_test

import (
	"context"
	"fmt"
	"log"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/iotcommands"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// A device hears of a command, works on it beside the callbacks, and reports its end.
func Example() {
	server, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	thing, err := server.NewThing("lamp")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	client := awsiot.NewClient(awsiot.ClientOptions{Endpoint: server.Host(), Port: server.TLSPort(), ClientID: "lamp",
		CAFile: server.CAFile(), Auth: awsiot.MTLSFromPath(thing.CertFile, thing.KeyFile)})
	defer client.Close()
	commands := iotcommands.NewClient(client, reqresp.Options{})
	defer commands.Close()

	todo, established := make(chan *iotcommands.CommandExecutionEvent, 10), make(chan bool, 10)
	stream, err := commands.CreateCommandExecutionsJSONPayloadStream(&iotcommands.CommandExecutionsSubscriptionRequest{DeviceType: iotcommands.Things, DeviceID: "lamp"},
		iotcommands.StreamOptions[iotcommands.CommandExecutionEvent]{
			OnEvent:  func(e *iotcommands.CommandExecutionEvent) { todo <- e },
			OnStatus: func(s reqresp.StreamStatus, _ error) { established <- s == reqresp.StreamEstablished },
		})
	if err != nil {
		log.Fatal(err)
	}
	if err := stream.Open(); err != nil {
		log.Fatal(err)
	}
	if err := client.StartAndWait(ctx); err != nil {
		log.Fatal(err)
	}
	<-established
	if _, err := server.Commands("lamp").Start(`{"on":true}`, iotlocal.CommandOptions{ExecutionID: "c-1"}); err != nil {
		log.Fatal(err)
	}

	command := <-todo
	fmt.Println(command.ExecutionID, string(command.Payload))
	answer, err := commands.UpdateCommandExecution(ctx, &iotcommands.UpdateCommandExecutionRequest{
		DeviceType: command.DeviceType, DeviceID: command.DeviceID, ExecutionID: command.ExecutionID,
		Status: iotcommands.StatusSucceeded, Result: map[string]iotcommands.CommandResult{"level": {S: new("7")}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("reported", answer.ExecutionID)
	// Output:
	// c-1 {"on":true}
	// reported c-1
}
