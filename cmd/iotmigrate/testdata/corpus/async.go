// Command async chains its calls through their acknowledgements: connected, subscribed, published, received, disconnected.
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
	client := v1compat.NewAWSIoTMQTTClient("async")
	client.ConfigureEndpoint(os.Args[1], port)
	client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	client.OnOnline = func() { fmt.Println("online") }
	client.OnOffline = func() { fmt.Println("offline") }
	received, acknowledged, last, gone := make(chan string, 1), make(chan bool), make(chan bool), make(chan bool)
	if mid, err := client.PublishAsync("async/queued", "first", 1, nil); err != nil || mid != v1compat.MidQueued {
		panic(err)
	}
	_, err = client.ConnectAsync(45, func(mid v1compat.Mid, data int) {
		fmt.Println(mid, data == 0)
		_, err := client.SubscribeAsync("async/in", 1, func(_ v1compat.Mid, data []byte) {
			fmt.Println("granted", data)
			client.PublishAsync("async/in", "hello", 1, func(v1compat.Mid) { fmt.Println("acknowledged"); close(acknowledged) })
		}, func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { received <- string(m.Payload) })
		if err != nil {
			panic(err)
		}
	})
	if err != nil {
		panic(err)
	}
	<-acknowledged
	fmt.Println(<-received)
	client.PublishAsync("async/last", "bye", 1, func(v1compat.Mid) { close(last) })
	<-last // the queue is still being drained: a Publish would not wait for it
	client.DisconnectAsync(func(mid v1compat.Mid, data int) {
		fmt.Println(mid, data)
		close(gone)
	})
	<-gone
}
