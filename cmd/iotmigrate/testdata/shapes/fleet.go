// Command fleet has one client for each vehicle, in a map.
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

type fleet struct {
	vehicles map[string]*v1compat.AWSIoTMQTTClient
}

func (f *fleet) add(id string) {
	c := v1compat.NewAWSIoTMQTTClient(id)
	c.ConfigureEndpoint(os.Args[1], port())
	c.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	f.vehicles[id] = c
}

func (f *fleet) each(do func(id string, c *v1compat.AWSIoTMQTTClient)) {
	for i := range len(f.vehicles) {
		id := fmt.Sprint("vehicle-", i)
		if c, ok := f.vehicles[id]; ok {
			do(id, c)
		}
	}
}

func main() {
	f := &fleet{vehicles: map[string]*v1compat.AWSIoTMQTTClient{}}
	for i := range 3 {
		f.add(fmt.Sprint("vehicle-", i))
	}
	f.each(func(id string, c *v1compat.AWSIoTMQTTClient) { fmt.Println(id, c.Connect()) })
	f.each(func(id string, c *v1compat.AWSIoTMQTTClient) {
		acked, err := c.Publish("shapes/fleet/"+id, "moving", 1)
		fmt.Println(id, acked, err)
	})
	f.each(func(id string, c *v1compat.AWSIoTMQTTClient) { fmt.Println(id, c.Disconnect()) })
}
