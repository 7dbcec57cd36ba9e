// Command basicPubSub_APICallInCallback publishes in the callback of a message.
package main

import (
	"fmt"
	"log"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/v1compat"
)

// container holds the client for callbacks, to which v1 passed None in its place.
type container struct {
	client *v1compat.AWSIoTMQTTClient
	acked  chan bool
	again  chan string
}

func (c *container) forward(_ *v1compat.AWSIoTMQTTClient, _ any, message *v1compat.Message) {
	if _, err := c.client.PublishAsync(message.Topic+"/republish", message.Payload, 1, c.puback); err != nil {
		log.Fatal(err)
	}
}

func (c *container) print(_ *v1compat.AWSIoTMQTTClient, _ any, message *v1compat.Message) {
	c.again <- message.Topic + " " + string(message.Payload)
}

func (c *container) puback(mid v1compat.Mid) { c.acked <- true }

func main() {
	port, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	client := v1compat.NewAWSIoTMQTTClient("basicPubSub_CallInCallback")
	client.ConfigureEndpoint(os.Args[1], port)
	client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	client.ConfigureConnectDisconnectTimeout(10)
	client.ConfigureMQTTOperationTimeout(65)
	box := &container{client: client, acked: make(chan bool, 4), again: make(chan string, 4)}
	if err := client.Connect(); err != nil {
		log.Fatal(err)
	}
	if _, err := client.Subscribe("sdk/test", 1, box.forward); err != nil {
		log.Fatal(err)
	}
	if _, err := client.Subscribe("sdk/test/republish", 1, box.print); err != nil {
		log.Fatal(err)
	}
	for i := range 2 {
		if _, err := client.PublishAsync("sdk/test", fmt.Sprint("New Message ", i), 1, box.puback); err != nil {
			log.Fatal(err)
		}
		fmt.Println(<-box.again)
		<-box.acked
		<-box.acked
	}
	if err := client.Disconnect(); err != nil {
		log.Fatal(err)
	}
}
