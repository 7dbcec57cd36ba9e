// Command lazy makes its client when it is first needed, in an accessor.
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

type cloud struct {
	id     string
	client *v1compat.AWSIoTMQTTClient
}

func (c *cloud) mqtt() *v1compat.AWSIoTMQTTClient {
	if c.client == nil {
		c.client = v1compat.NewAWSIoTMQTTClient(c.id)
		c.client.ConfigureEndpoint(os.Args[1], port())
		c.client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
		c.client.ConfigureMQTTOperationTimeout(65)
	}
	return c.client
}

func (c *cloud) send(topic, text string) {
	acked, err := c.mqtt().Publish(topic, text, 1)
	fmt.Println(acked, err)
}

func main() {
	c := &cloud{id: "lazy"}
	fmt.Println(c.mqtt().Connect())
	c.send("shapes/lazy", "one")
	c.send("shapes/lazy", "two")
	fmt.Println(c.mqtt().Disconnect())
}
