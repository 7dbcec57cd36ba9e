// Command lasting counts on what v1 kept: the ack of a message whose first PUBACK is lost comes after the reconnect, however
// long that takes, and the ack of ConnectAsync at every CONNACK.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/portage-iot/awsiot/v1compat"
)

//script drop puback 1
//script after publish lasting/a: wait 2s
//script cut

func main() {
	port, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	client := v1compat.NewAWSIoTMQTTClient("lasting")
	client.ConfigureEndpoint(os.Args[1], port)
	client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	client.ConfigureMQTTOperationTimeout(1)
	client.ConfigureAutoReconnectBackoffTime(1, 2, 3)
	connected, acknowledged := make(chan bool), make(chan bool)
	client.OnOnline = func() { fmt.Println("online") }
	if _, err := client.ConnectAsync(600, func(v1compat.Mid, int) {
		fmt.Println("CONNACK")
		connected <- true
	}); err != nil {
		panic(err)
	}
	<-connected
	client.PublishAsync("lasting/a", "kept", 1, func(v1compat.Mid) { close(acknowledged) })
	<-connected
	<-acknowledged
	fmt.Println("acknowledged")
	received := make(chan time.Duration)
	client.Subscribe("lasting/time", 1, func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { received <- time.Since(m.Timestamp) })
	client.Publish("lasting/time", "now", 1)
	fmt.Println(<-received < time.Minute)
	client.Disconnect()
}
