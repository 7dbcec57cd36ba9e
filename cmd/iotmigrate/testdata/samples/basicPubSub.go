// Command basicPubSub subscribes to a topic and publishes to it, and waits for every acknowledgement.
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
	received := make(chan string)
	client := v1compat.NewAWSIoTMQTTClient("basicPubSub")
	client.ConfigureEndpoint(os.Args[1], port)
	client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	client.ConfigureAutoReconnectBackoffTime(1, 32, 20)
	client.ConfigureOfflinePublishQueueing(-1)
	client.ConfigureDrainingFrequency(2)
	client.ConfigureConnectDisconnectTimeout(10)
	client.ConfigureMQTTOperationTimeout(65)
	if err := client.Connect(); err != nil {
		log.Fatal(err)
	}
	if _, err := client.Subscribe("sdk/test", 1, func(_ *v1compat.AWSIoTMQTTClient, _ any, message *v1compat.Message) {
		received <- fmt.Sprintf("%s %s", message.Topic, message.Payload)
	}); err != nil {
		log.Fatal(err)
	}
	for i := range 3 {
		payload := fmt.Sprintf(`{"message": "Hello World!", "sequence": %d}`, i)
		if _, err := client.Publish("sdk/test", payload, 1); err != nil {
			log.Fatal(err)
		}
		fmt.Println("received", <-received)
	}
	if err := client.Disconnect(); err != nil {
		log.Fatal(err)
	}
}
