// Command offline publishes before it connects: the queue keeps four, gives up the oldest, and drains in order.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/v1compat"
)

func main() {
	port, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	got := make(chan string, 10)
	client := v1compat.NewAWSIoTMQTTClient("offline")
	client.ConfigureEndpoint(os.Args[1], port)
	client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	client.ConfigureOfflinePublishQueueing(4, v1compat.DropOldest)
	client.ConfigureDrainingFrequency(20)
	for i := range 4 {
		acked, _ := client.Publish("corpus/offline", strconv.Itoa(i), 1) // v1 calls the queue full when it gives up another
		fmt.Println(acked)
	}
	subscribed, _ := client.Subscribe("corpus/offline", 1, func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
		got <- string(m.Payload)
	})
	fmt.Println(subscribed)
	queued, _ := client.Publish("corpus/offline", "last", 1)
	fmt.Println(queued)
	fmt.Println(client.Connect())
	for m := range got {
		fmt.Println("got", m)
		if m == "last" {
			break
		}
	}
	fmt.Println(client.Disconnect())
}
