// Command names has the package under two names, and names of its own for its types.
package main

import (
	"fmt"
	"os"

	"github.com/eclipse/paho.mqtt.golang"
	paho "github.com/eclipse/paho.mqtt.golang"
)

type (
	conn    = paho.Client
	handler = mqtt.MessageHandler
	onMsg   func(conn, paho.Message)
)

func serve(c conn, topic string, h handler) error {
	t := c.Subscribe(topic, 1, h)
	t.Wait()
	return t.Error()
}

func main() {
	got := make(chan string, 1)
	var echo onMsg = func(_ conn, m mqtt.Message) { got <- string(m.Payload()) }
	c := mqtt.NewClient(paho.NewClientOptions().AddBroker("tcp://" + os.Args[1] + ":" + os.Args[6]).SetClientID("names"))
	for _, step := range []func() error{
		func() error { t := c.Connect(); t.Wait(); return t.Error() },
		func() error { return serve(c, "names/+", handler(echo)) },
		func() error { t := c.Publish("names/a", 1, false, "called"); t.Wait(); return t.Error() },
	} {
		if err := step(); err != nil {
			panic(err)
		}
	}
	fmt.Println(<-got)
	c.Disconnect(100)
}
