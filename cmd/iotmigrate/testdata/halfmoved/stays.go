// Command stays hands the address of its client out, so that it stays v1's; what has a rule goes through V2.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/v1compat"
)

// current is where the program keeps the client that it works with.
var current **v1compat.AWSIoTMQTTClient

// works reports whether there is one.
func works() bool { return current != nil }

func main() {
	silent()
	queue()
	between()
}

// silent gets no PUBACK while two operations wait for it, for a second each.
func silent() {
	l := &line{}
	events := make(chan string, 10)
	client := v1compat.NewAWSIoTMQTTClient("stays-silent")
	current = &client
	client.ConfigureEndpoint("endpoint.example", 1883)
	client.ConfigureSocketFactory(l.dial)
	client.ConfigureMQTTOperationTimeout(64)
	registry["silent"] = client
	if err := client.Connect(); err != nil || !works() {
		panic(err)
	}
	client.ConfigureMQTTOperationTimeout(1)
	l.silence()
	ok, err := client.Publish("stays/silent", "direct", 1)
	fmt.Println("direct", ok, err != nil)
	client.PublishAsync("stays/silent", "async", 1, func(v1compat.Mid) { events <- "acknowledged" })
	say("silent", "stays/silent", "old")
	client.ConfigureMQTTOperationTimeout(64)
	l.speak()
	expect(events, 1)
	ok, err = client.Publish("stays/silent", "after", 1)
	fmt.Println("after", ok, err)
	say("silent", "stays/silent", "after")
	client.Disconnect()
}

// queue loses its connection, queues, disconnects, queues, and connects: everything arrives.
func queue() {
	l := &line{}
	events := make(chan string, 10)
	client := v1compat.NewAWSIoTMQTTClient("stays-queue")
	current = &client
	client.ConfigureEndpoint("endpoint.example", 1883)
	client.ConfigureSocketFactory(l.dial)
	client.ConfigureDrainingFrequency(20)
	offline := make(chan bool, 10)
	client.OnOffline = func() { offline <- true }
	registry["queue"] = client
	if err := client.Connect(); err != nil {
		panic(err)
	}
	client.Subscribe("stays/queue", 1, func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
		events <- "got " + string(m.Payload)
	})
	say("queue", "stays/other", "online")
	l.cut()
	<-offline
	say("queue", "stays/queue", "cut")
	client.PublishAsync("stays/queue", "lasting", 1, func(v1compat.Mid) {})
	client.Disconnect()
	ok, err := client.Publish("stays/queue", "direct", 1)
	fmt.Println("direct", ok, err)
	say("queue", "stays/queue", "stopped")
	l.mend()
	fmt.Println(client.Connect())
	expect(events, 4)
	client.Disconnect()
}

// between is configured between Disconnect and Connect.
func between() {
	port, err := strconv.Atoi(os.Args[6])
	if err != nil {
		panic(err)
	}
	client := v1compat.NewAWSIoTMQTTClient("stays-between")
	current = &client
	client.ConfigureEndpoint(os.Args[1], port)
	client.ConfigureLastWill("stays/will", "first", 1)
	fmt.Println(client.Connect())
	client.Publish("stays/between", "one", 1)
	client.Disconnect()
	client.ConfigureLastWill("stays/will", "second", 0)
	client.ConfigureUsernamePassword("user", "password")
	fmt.Println(client.Connect(30))
	client.Publish("stays/between", "two", 1)
	client.Disconnect()
}
