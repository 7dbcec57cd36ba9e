package v1compat_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// local starts an endpoint and returns the credentials of a device.
func local() (*iotlocal.Server, iotlocal.Thing) {
	srv, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	thing, err := srv.NewThing("device")
	if err != nil {
		log.Fatal(err)
	}
	return srv, thing
}

// The v1 sample basicPubSub, line by line.
func Example() {
	srv, thing := local()
	defer srv.Close()

	client := v1compat.NewAWSIoTMQTTClient("basicPubSub")
	client.ConfigureEndpoint(srv.Host(), srv.TLSPort())
	client.ConfigureCredentials(srv.CAFile(), thing.KeyFile, thing.CertFile)
	client.ConfigureAutoReconnectBackoffTime(1, 32, 20)
	client.ConfigureOfflinePublishQueueing(-1)
	client.ConfigureDrainingFrequency(2)
	client.ConfigureConnectDisconnectTimeout(10)
	client.ConfigureMQTTOperationTimeout(5)

	if err := client.Connect(); err != nil {
		log.Fatal(err)
	}
	received := make(chan bool, 1)
	client.Subscribe("sdk/test", 1, func(_ *v1compat.AWSIoTMQTTClient, _ any, message *v1compat.Message) {
		fmt.Printf("%s: %s\n", message.Topic, message.Payload)
		received <- true
	})
	acknowledged, err := client.Publish("sdk/test", "Hello World!", 1)
	<-received
	fmt.Println(acknowledged, err)
	fmt.Println(client.Disconnect())
	// Output:
	// sdk/test: Hello World!
	// true <nil>
	// <nil>
}

// What was an exception is an error value: one type for each, under two roots,
// wrapping the error of package awsiot.
func ExampleOperationError() {
	client := v1compat.NewAWSIoTMQTTClient("offline")
	client.ConfigureOfflinePublishQueueing(0)
	_, err := client.Publish("a", "x", 1)

	var operation v1compat.OperationError
	var disabled *v1compat.PublishQueueDisabledError
	fmt.Println(err)
	fmt.Println(errors.As(err, &operation), errors.As(err, &disabled), errors.Is(err, awsiot.ErrOffline))
	// Output:
	// Offline publish request dropped because queueing is disabled
	// true true true
}

// Connect names everything that is wrong with the configuration.
func ExampleAWSIoTMQTTClient_Connect() {
	client := v1compat.NewAWSIoTMQTTClient("wrong")
	client.ConfigureEndpoint("", 8883)
	client.ConfigureLastWill("will/#", "gone", 0)
	client.ConfigureDrainingFrequency(0)
	fmt.Println(client.Connect())
	// Output:
	// v1compat: ConfigureEndpoint: Invalid host. (it is empty)
	// v1compat: ConfigureLastWill: Publish topic cannot contain wildcards. (topic "will/#": contains a wildcard, + or # [MQTT5-4.7.1-1] (byte 5))
	// v1compat: ConfigureDrainingFrequency: Invalid draining frequency. (0 is not a number above 0)
}

// New code beside old, on one connection.
func ExampleAWSIoTMQTTClient_V2() {
	srv, thing := local()
	defer srv.Close()
	client := v1compat.NewAWSIoTMQTTClient("half-migrated")
	client.ConfigureEndpoint(srv.Host(), srv.TLSPort())
	client.ConfigureCredentials(srv.CAFile(), thing.KeyFile, thing.CertFile)
	if err := client.Connect(); err != nil {
		log.Fatal(err)
	}
	received := make(chan string, 1)
	client.Subscribe("a", 1, func(_ *v1compat.AWSIoTMQTTClient, _ any, message *v1compat.Message) {
		received <- string(message.Payload)
	})
	result, err := client.V2().Publish(bg(), &awsiot.PublishPacket{Topic: "a", Payload: []byte("from v2"), QoS: awsiot.AtLeastOnce})
	fmt.Println(result.Code, err)
	fmt.Println(<-received)
	fmt.Println(client.Disconnect())
	// Output:
	// success <nil>
	// from v2
	// <nil>
}
