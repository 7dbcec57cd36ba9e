// Command dotted imports the package with a dot.
package main

import (
	"fmt"
	"os"

	. "github.com/eclipse/paho.mqtt.golang"
)

func main() {
	opts := NewClientOptions().AddBroker("tcp://" + os.Args[1] + ":" + os.Args[6]).SetClientID("dotted")
	var c Client = NewClient(opts)
	done := make(chan Message, 1)
	if token := c.Connect(); token.Wait() && token.Error() != nil {
		panic(token.Error())
	}
	var h MessageHandler = func(_ Client, m Message) { done <- m }
	if token := c.Subscribe("dotted", 0, h); token.Wait() && token.Error() != nil {
		panic(token.Error())
	}
	c.Publish("dotted", 0, false, "in place")
	fmt.Println(string((<-done).Payload()))
	c.Disconnect(100)
}
