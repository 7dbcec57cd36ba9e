// Command routes subscribes to several filters at once, has routes of its own and a default handler, and unsubscribes.
package main

import (
	"fmt"
	"os"
	"slices"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

func main() {
	got := make(chan string, 8)
	to := func(name string) mqtt.MessageHandler {
		return func(_ mqtt.Client, m mqtt.Message) { got <- name + " " + m.Topic() }
	}
	opts := mqtt.NewClientOptions().AddBroker("tcp://" + os.Args[1] + ":" + os.Args[6]).SetClientID("routes").SetDefaultPublishHandler(to("default"))
	c := mqtt.NewClient(opts)
	c.AddRoute("routes/own/#", to("own"))
	must(c.Connect())
	filters := map[string]byte{"routes/b/+": 1, "routes/a/+": 0, "routes/c": 1}
	must(c.SubscribeMultiple(filters, to("many")))
	must(c.Subscribe("routes/own/x", 1, nil))
	must(c.Subscribe("routes/nobody", 0, nil))
	for _, topic := range []string{"routes/a/1", "routes/b/1", "routes/c", "routes/own/x", "routes/nobody"} {
		must(c.Publish(topic, 1, false, "m"))
		fmt.Println(<-got)
	}
	names := []string{}
	for f := range filters {
		names = append(names, f)
	}
	slices.Sort(names)
	must(c.Unsubscribe(names...))
	must(c.Publish("routes/a/2", 1, false, "nobody hears"))
	must(c.Publish("routes/own/x", 1, false, "m"))
	fmt.Println(<-got)
	c.Disconnect(200)
}

func must(t mqtt.Token) {
	if t.Wait() && t.Error() != nil {
		panic(t.Error())
	}
}
