// Command inner publishes, subscribes and disconnects in callbacks.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/v1compat"
)

// port is the third word of the command line.
func port() int {
	n, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	return n
}

func main() {
	client := v1compat.NewAWSIoTMQTTClient("inner")
	client.ConfigureEndpoint(os.Args[1], port())
	client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	client.ConfigureMQTTOperationTimeout(65)
	ended, published, answered := make(chan bool), make(chan bool), make(chan bool)
	offline := make(chan bool, 1)
	client.OnOffline = func() { offline <- true }
	fmt.Println(client.Connect())
	last := func(c *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
		fmt.Println("last", string(m.Payload))
		go func() {
			<-published
			<-answered // what comes while the connection ends could reset it
			fmt.Println(c.Disconnect())
			close(ended)
		}()
	}
	first := func(c *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
		subscribed, err := c.Subscribe("shapes/inner/b", 0, last)
		fmt.Println("first", string(m.Payload), subscribed, err)
		if _, err := c.Publish("shapes/inner/b", append(m.Payload, '!'), 1); err != nil {
			fmt.Println(err)
		}
		close(answered)
	}
	fmt.Println(client.Subscribe("shapes/inner/a", 0, first))
	accepted, err := client.Publish("shapes/inner/a", []byte("hello"), 1)
	close(published)
	<-ended
	<-offline
	fmt.Println(accepted, err) // not before: the handlers print meanwhile
}
