// Command basicPubSubAsync takes messages by the general hook, and does not wait for acknowledgements, whose ids it prints.
package main

import (
	"fmt"
	"log"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/v1compat"
)

func main() {
	port, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	received, subscribed, acked := make(chan string, 1), make(chan bool, 1), make(chan bool, 1)
	client := v1compat.NewAWSIoTMQTTClient("basicPubSubAsync")
	client.ConfigureEndpoint(os.Args[1], port)
	client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	client.ConfigureOfflinePublishQueueing(-1)
	client.ConfigureConnectDisconnectTimeout(10)
	client.ConfigureMQTTOperationTimeout(65)
	client.OnMessage = func(message *v1compat.Message) { received <- fmt.Sprintf("%s %s", message.Topic, message.Payload) }
	if err := client.Connect(); err != nil {
		log.Fatal(err)
	}
	if _, err := client.SubscribeAsync("sdk/test", 1, func(mid v1compat.Mid, data []byte) {
		fmt.Println("SUBACK", mid, data)
		subscribed <- true
	}, nil); err != nil {
		log.Fatal(err)
	}
	<-subscribed
	for i := range 3 {
		if _, err := client.PublishAsync("sdk/test", fmt.Sprint("New Message ", i), 1, func(mid v1compat.Mid) {
			fmt.Println("PUBACK", mid)
			acked <- true
		}); err != nil {
			log.Fatal(err)
		}
		<-acked
		fmt.Println("received", <-received)
	}
	if err := client.Disconnect(); err != nil {
		log.Fatal(err)
	}
}
