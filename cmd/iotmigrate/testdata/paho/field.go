// Command field keeps its client in a field; methods are handlers, and the connection is made and used in others.
package main

import (
	"fmt"
	"os"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// device is a sensor with its connection.
type device struct {
	client mqtt.Client
	name   string
	got    chan string
}

func newDevice(broker, name string) *device {
	d := &device{name: name, got: make(chan string, 4)}
	opts := mqtt.NewClientOptions().AddBroker(broker).SetClientID(name)
	opts.SetDefaultPublishHandler(d.stray)
	d.client = mqtt.NewClient(opts)
	return d
}

func (d *device) start() error {
	if token := d.client.Connect(); token.Wait() && token.Error() != nil {
		return token.Error()
	}
	token := d.client.Subscribe(d.name+"/in", 1, d.command)
	token.Wait()
	return token.Error()
}

func (d *device) command(c mqtt.Client, m mqtt.Message) {
	d.got <- fmt.Sprintf("%s %s %v %d %v", m.Topic(), m.Payload(), m.Retained(), m.Qos(), c.IsConnected())
}

func (d *device) stray(_ mqtt.Client, m mqtt.Message) { d.got <- "stray " + m.Topic() }

func (d *device) report(text string) error {
	token := d.client.Publish(d.name+"/in", 1, false, text)
	token.Wait()
	return token.Error()
}

func main() {
	d := newDevice("tcp://"+os.Args[1]+":"+os.Args[6], "field")
	if err := d.start(); err != nil {
		panic(err)
	}
	for _, text := range []string{"one", "two", "three"} {
		if err := d.report(text); err != nil {
			panic(err)
		}
		fmt.Println(<-d.got)
	}
	d.client.Disconnect(250)
	fmt.Println(d.client.IsConnected(), d.client.IsConnectionOpen())
}
