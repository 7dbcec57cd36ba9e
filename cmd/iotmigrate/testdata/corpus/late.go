// Command late configures its client in other methods than the one that makes it, and again between two connections.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/v1compat"
)

type device struct {
	name   string
	client *v1compat.AWSIoTMQTTClient
}

func newDevice(name string) *device {
	return &device{name: name, client: v1compat.NewAWSIoTMQTTClient(name)}
}

// credentials come first: no order of the calls is the wrong one.
func (d *device) credentials(ca, cert, key string) {
	d.client.ConfigureCredentials(ca, key, cert)
}

func (d *device) endpoint(host string, port int) {
	d.client.ConfigureEndpoint(host, port)
	d.client.ConfigureLastWill("corpus/late/will", d.name, 1)
}

func (d *device) user(name, password string) {
	d.client.ConfigureUsernamePassword(name, password)
	limits(d.client, 3)
}

func limits(c *v1compat.AWSIoTMQTTClient, n int) {
	c.ConfigureOfflinePublishQueueing(n, v1compat.DropNewest)
	c.ConfigureDrainingFrequency(50)
}

func (d *device) talk() {
	fmt.Println(d.client.Connect())
	acked, err := d.client.Publish("corpus/late", d.name, 1)
	fmt.Println(acked, err)
	fmt.Println(d.client.Disconnect())
}

func main() {
	port, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	d := newDevice("late")
	d.credentials(os.Args[3], os.Args[4], os.Args[5])
	d.endpoint(os.Args[1], port)
	d.talk()
	d.user("somebody", "secret")
	d.client.ClearLastWill()
	d.talk()
	for range 4 {
		_, err := d.client.Publish("corpus/late/offline", "x", 0)
		fmt.Println(err != nil)
	}
}
