// Command acks acknowledges the messages that it gets itself, one of them after its handler.
package main

import (
	"fmt"
	"os"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

func main() {
	opts := mqtt.NewClientOptions().AddBroker("tcp://" + os.Args[1] + ":" + os.Args[6]).SetClientID("acks")
	opts.SetAutoAckDisabled(true).SetAutoReconnect(false)
	c := mqtt.NewClient(opts)
	if t := c.Connect(); t.Wait() && t.Error() != nil {
		panic(t.Error())
	}
	later := make(chan mqtt.Message, 1)
	done := make(chan string, 1)
	c.Subscribe("acks/later", 1, func(_ mqtt.Client, m mqtt.Message) { later <- m }).Wait()
	c.Subscribe("acks/now", 1, func(_ mqtt.Client, m mqtt.Message) {
		m.Ack()
		done <- m.Topic()
	}).Wait()
	c.Publish("acks/later", 1, false, "x").Wait()
	m := <-later
	fmt.Println(m.Topic())
	m.Ack()
	c.Publish("acks/now", 1, false, "y").Wait()
	fmt.Println(<-done)
	c.Disconnect(250)
}
