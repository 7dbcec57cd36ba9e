// Command moved makes and configures its clients where v2 can, and has uses without a rule: each client is known to a
// registry that calls v1's methods.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/v1compat"
)

func main() {
	silent()
	queue()
	between()
}

// silent gets no PUBACK while two operations wait for it, for a second each.
func silent() {
	l := &line{}
	events := make(chan string, 10)
	client := v1compat.NewAWSIoTMQTTClient("moved-silent")
	client.ConfigureEndpoint("endpoint.example", 1883)
	client.ConfigureSocketFactory(l.dial)
	client.ConfigureMQTTOperationTimeout(64)
	registry["silent"] = client
	if err := client.Connect(); err != nil {
		panic(err)
	}
	client.ConfigureMQTTOperationTimeout(1)
	l.silence()
	ok, err := client.Publish("moved/silent", "direct", 1)
	fmt.Println("direct", ok, err != nil)
	client.PublishAsync("moved/silent", "async", 1, func(v1compat.Mid) { events <- "acknowledged" })
	say("silent", "moved/silent", "bridged")
	client.ConfigureMQTTOperationTimeout(64)
	l.speak()
	expect(events, 1)
	ok, err = client.Publish("moved/silent", "after", 1)
	fmt.Println("after", ok, err)
	say("silent", "moved/silent", "after")
	client.Disconnect()
}

// queue loses its connection, queues, disconnects, queues, and connects: everything arrives.
func queue() {
	l := &line{}
	events := make(chan string, 10)
	client := v1compat.NewAWSIoTMQTTClient("moved-queue")
	client.ConfigureEndpoint("endpoint.example", 1883)
	client.ConfigureSocketFactory(l.dial)
	client.ConfigureDrainingFrequency(20)
	offline := make(chan bool, 10)
	client.OnOffline = func() { offline <- true }
	registry["queue"] = client
	if err := client.Connect(); err != nil {
		panic(err)
	}
	client.Subscribe("moved/queue", 1, func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
		events <- "got " + string(m.Payload)
	})
	say("queue", "moved/other", "online")
	l.cut()
	<-offline
	say("queue", "moved/queue", "cut")
	client.PublishAsync("moved/queue", "lasting", 1, func(v1compat.Mid) {})
	client.Disconnect()
	ok, err := client.Publish("moved/queue", "direct", 1)
	fmt.Println("direct", ok, err)
	say("queue", "moved/queue", "stopped")
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
	client := v1compat.NewAWSIoTMQTTClient("moved-between")
	client.ConfigureEndpoint(os.Args[1], port)
	client.ConfigureLastWill("moved/will", "first", 1)
	registry["between"] = client
	fmt.Println(client.Connect())
	say("between", "moved/between", "one")
	client.Disconnect()
	client.ConfigureLastWill("moved/will", "second", 0)
	client.ConfigureUsernamePassword("user", "password")
	fmt.Println(client.Connect(30))
	say("between", "moved/between", "two")
	client.Disconnect()
}
