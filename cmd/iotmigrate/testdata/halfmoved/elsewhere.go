// Command elsewhere configures its clients in other methods than the one that makes them, and has uses without a rule.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/v1compat"
)

// device is a connection of the program.
type device struct {
	line   *line
	topic  string
	client *v1compat.AWSIoTMQTTClient
	events chan string
}

func newDevice(name string) *device {
	return &device{line: &line{}, topic: "elsewhere/" + name, client: v1compat.NewAWSIoTMQTTClient("elsewhere-" + name), events: make(chan string, 10)}
}

// setUp configures the connection.
func (d *device) setUp() {
	d.client.ConfigureEndpoint("endpoint.example", 1883)
	d.client.ConfigureSocketFactory(d.line.dial)
	d.client.ConfigureDrainingFrequency(20)
	d.client.ConfigureMQTTOperationTimeout(64)
	d.client.OnOffline = func() { d.events <- "offline" }
}

func (d *device) publish(text string) {
	ok, err := d.client.Publish(d.topic, text, 1)
	fmt.Println(text, ok, err != nil)
}

func main() {
	silent := newDevice("silent")
	silent.setUp()
	silent.silent()
	queue := newDevice("queue")
	queue.setUp()
	queue.queue()
	newDevice("between").between()
}

// silent gets no PUBACK while two operations wait for it, for a second each.
func (d *device) silent() {
	registry["silent"] = d.client
	if err := d.client.Connect(); err != nil {
		panic(err)
	}
	d.client.ConfigureMQTTOperationTimeout(1)
	d.line.silence()
	d.publish("direct")
	d.client.PublishAsync(d.topic, "async", 1, func(v1compat.Mid) { d.events <- "acknowledged" })
	say("silent", d.topic, "bridged")
	d.client.ConfigureMQTTOperationTimeout(64)
	d.line.speak()
	expect(d.events, 1)
	d.publish("after")
	say("silent", d.topic, "after")
	d.client.Disconnect()
	expect(d.events, 1)
}

// queue loses its connection, queues, disconnects, queues, and connects: everything arrives.
func (d *device) queue() {
	registry["queue"] = d.client
	if err := d.client.Connect(); err != nil {
		panic(err)
	}
	d.client.Subscribe(d.topic, 1, func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
		d.events <- "got " + string(m.Payload)
	})
	say("queue", "elsewhere/other", "online")
	d.line.cut()
	expect(d.events, 1)
	say("queue", d.topic, "cut")
	d.client.PublishAsync(d.topic, "lasting", 1, func(v1compat.Mid) {})
	d.client.Disconnect()
	d.publish("direct")
	say("queue", d.topic, "stopped")
	d.line.mend()
	fmt.Println(d.client.Connect())
	expect(d.events, 4)
	d.client.Disconnect()
	expect(d.events, 1)
}

// between is configured between Disconnect and Connect.
func (d *device) between() {
	port, err := strconv.Atoi(os.Args[6])
	if err != nil {
		panic(err)
	}
	registry["between"] = d.client
	d.client.ConfigureEndpoint(os.Args[1], port)
	d.will("first", 1)
	fmt.Println(d.client.Connect())
	say("between", d.topic, "one")
	d.client.Disconnect()
	d.will("second", 0)
	d.client.ConfigureUsernamePassword("user", "password")
	fmt.Println(d.client.Connect(30))
	say("between", d.topic, "two")
	d.client.Disconnect()
}

func (d *device) will(text string, qos byte) { d.client.ConfigureLastWill("elsewhere/will", text, qos) }
