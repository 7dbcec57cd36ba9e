package mqtt311_test

import (
	"context"
	"fmt"
	"log"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/mqtt311"
)

func ExampleConnection() {
	server, err := iotlocal.Start(iotlocal.Options{}) // in place of AWS IoT Core
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	thing, err := server.NewThing("pump")
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	c := mqtt311.NewConnection(mqtt311.Options{
		Endpoint: server.Host(),
		Port:     server.TLSPort(),
		ClientID: "pump",
		Auth:     awsiot.MTLSFromPath(thing.CertFile, thing.KeyFile),
		CAFile:   server.CAFile(),
		OnResumed: func(now mqtt311.Connected) {
			if !now.SessionPresent {
				fmt.Println("the broker has forgotten the subscriptions") // c.ResubscribeExistingTopics
			}
		},
	})
	if _, err := c.Connect(ctx); err != nil {
		log.Fatal(err)
	}
	done := make(chan struct{})
	granted, err := c.Subscribe(ctx, "pump/commands", awsiot.AtLeastOnce, func(m *mqtt311.Message) {
		fmt.Printf("%s: %s\n", m.Topic, m.Payload)
		close(done)
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("granted", granted)
	if err := c.Publish(ctx, &mqtt311.PublishPacket{Topic: "pump/commands", Payload: []byte("start"), QoS: awsiot.AtLeastOnce}); err != nil {
		log.Fatal(err)
	}
	<-done
	if err := c.Disconnect(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// granted AtLeastOnce
	// pump/commands: start
}
