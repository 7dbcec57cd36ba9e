package mqtt_test

import (
	"fmt"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	mqtt "github.com/portage-iot/awsiot/pahocompat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// A program on paho.mqtt.golang, with another import line.
func Example() {
	srv, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()

	opts := mqtt.NewClientOptions().AddBroker(fmt.Sprintf("tcp://%s:%d", srv.Host(), srv.TCPPort())).SetClientID("sensor")
	client := mqtt.NewClient(opts)
	if token := client.Connect(); token.Wait() && token.Error() != nil {
		fmt.Println(token.Error())
		return
	}
	got := make(chan struct{})
	token := client.Subscribe("room/+/temperature", 1, func(_ mqtt.Client, m mqtt.Message) {
		fmt.Println(m.Topic(), string(m.Payload()))
		close(got)
	})
	if token.Wait(); token.Error() != nil {
		fmt.Println(token.Error())
	}
	if err := mqtt.WaitTokenTimeout(client.Publish("room/1/temperature", 1, false, "21.5"), 10*time.Second); err != nil {
		fmt.Println(err)
	}
	<-got
	client.Disconnect(250)
	// Output: room/1/temperature 21.5
}

// New code works on the MQTT 5 client of the same connection.
func ExampleV2() {
	srv, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(fmt.Sprintf("tcp://%s:%d", srv.Host(), srv.TCPPort())).SetClientID("sensor"))
	client.Connect().Wait()
	defer client.Disconnect(250)

	core, ok := mqtt.V2(client)
	fmt.Println(ok)
	got := make(chan struct{})
	client.Subscribe("a", 0, func(_ mqtt.Client, m mqtt.Message) { close(got) }).Wait()
	core.PublishFunc(&awsiot.PublishPacket{Topic: "a", ContentType: "text/plain"}, nil)
	<-got
	// Output: true
}

// QoS 2 needs the engine that speaks MQTT 3.1.1.
func ExampleSetEngine() {
	mqtt.SetEngine(mqtt.EngineV2)
	defer mqtt.SetEngine(mqtt.EngineAuto)
	client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("localhost").SetWill("gone", "", 2, false))
	fmt.Println(mqtt.WaitTokenTimeout(client.Connect(), time.Second))
	fmt.Println(mqtt.EngineV2)
	// Output:
	// pahocompat: WillQos: MQTT 5 on awsiot.Client has no QoS 2; PORTAGE_PAHO_ENGINE=paho keeps this client on paho.mqtt.golang, which has
	// EngineV2
}
