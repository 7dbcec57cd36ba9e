// Command handed keeps three kinds of clients behind one interface, which configures, connects and asks them.
//
// verify: -thing device -job 'device:j1:{"op":"x"}'
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/jobscompat"
	"github.com/portage-iot/awsiot/shadowcompat"
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

// connection is what all kinds have.
type connection interface {
	Connect(keepAliveSeconds ...int) error
	Disconnect() error
	ConfigureEndpoint(hostName string, portNumber int)
}

// block is one of them.
type block struct {
	client connection
	heard  chan string
}

func (b *block) start() {
	b.client.ConfigureEndpoint(os.Args[1], port())
	switch c := b.client.(type) {
	case *v1compat.AWSIoTMQTTClient:
		c.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	case *shadowcompat.AWSIoTMQTTShadowClient:
		c.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	}
	fmt.Println(b.client.Connect(60))
}

// plain gets its client at once.
func plain() {
	b := &block{client: v1compat.NewAWSIoTMQTTClient("handed-plain"), heard: make(chan string, 1)}
	b.start()
	c := b.client.(*v1compat.AWSIoTMQTTClient)
	fmt.Println(c.Subscribe("handed/plain", 1, func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { b.heard <- string(m.Payload) }))
	fmt.Println(c.Publish("handed/plain", "hello", 1))
	fmt.Println(<-b.heard)
	fmt.Println(b.client.Disconnect())
}

// shadows gets it later.
func shadows() {
	b := &block{heard: make(chan string, 1)}
	b.client = shadowcompat.NewAWSIoTMQTTShadowClient("handed-shadows")
	b.start()
	if c, ok := b.client.(*shadowcompat.AWSIoTMQTTShadowClient); ok {
		h := c.CreateShadowHandlerWithName("device", true)
		_, err := h.ShadowUpdate(`{"state":{"reported":{"handed":1}}}`, func(_, status, _ string) { b.heard <- status }, 60)
		fmt.Println(err, <-b.heard)
	}
	fmt.Println(b.client.Disconnect())
}

// jobs configures and uses its client before it hands it over.
func jobs() {
	c := jobscompat.NewAWSIoTMQTTThingJobsClient("handed-jobs", "device", 1)
	c.ConfigureEndpoint(os.Args[1], port())
	c.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	fmt.Println(c.Connect(60))
	again(c) // before there is a subscription: while one is made again, messages are queued
	heard := make(chan string, 1)
	_, err := c.CreateJobSubscription(func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
		heard <- fmt.Sprint(len(m.Payload) > 0)
	},
		jobscompat.JobStartNextTopic, jobscompat.JobAcceptedReplyType, "")
	fmt.Println(err)
	fmt.Println(c.SendJobsStartNext(jobscompat.StartNextOptions{}))
	fmt.Println(<-heard)
	fmt.Println(c.Disconnect())
}

// again connects a client anew.
func again(c connection) {
	fmt.Println(c.Disconnect())
	fmt.Println(c.Connect(60))
}

func main() {
	plain()
	shadows()
	jobs()
}
