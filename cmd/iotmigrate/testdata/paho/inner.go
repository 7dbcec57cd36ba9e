// Command inner publishes, subscribes and acknowledges inside its handlers.
package main

import (
	"fmt"
	"os"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

func main() {
	answers := make(chan string, 2)
	opts := mqtt.NewClientOptions().AddBroker("tcp://" + os.Args[1] + ":" + os.Args[6]).SetClientID("inner")
	opts.SetOrderMatters(false).SetAutoAckDisabled(true)
	c := mqtt.NewClient(opts)
	if t := c.Connect(); t.Wait() && t.Error() != nil {
		panic(t.Error())
	}
	asked := make(chan bool)
	ask := func(c mqtt.Client, m mqtt.Message) {
		defer close(asked)
		reply := string(m.Payload())
		t := c.Subscribe(reply, 1, func(_ mqtt.Client, m mqtt.Message) {
			answers <- m.Topic() + " " + string(m.Payload())
			m.Ack()
		})
		t.Wait()
		c.Publish(reply, 1, false, "answer").Wait()
		m.Ack()
	}
	c.Subscribe("inner/ask", 1, ask).Wait()
	c.Publish("inner/ask", 1, false, "inner/reply").Wait()
	fmt.Println(<-answers)
	<-asked
	c.Unsubscribe("inner/ask", "inner/reply").Wait()
	c.Disconnect(200)
}
