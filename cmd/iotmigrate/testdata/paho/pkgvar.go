// Command pkgvar has one client for the whole package, subscribes in its OnConnect handler, and drops tokens.
package main

import (
	"fmt"
	"os"
	"sync"

	MQTT "github.com/eclipse/paho.mqtt.golang"
)

var (
	client MQTT.Client
	ready  = make(chan bool, 1)
	wait   sync.WaitGroup
)

var onConnect MQTT.OnConnectHandler = func(c MQTT.Client) {
	token := c.Subscribe("pkgvar/#", 1, func(_ MQTT.Client, m MQTT.Message) {
		fmt.Println(m.Topic(), string(m.Payload()))
		wait.Done()
	})
	go func() {
		token.Wait()
		ready <- token.Error() == nil
	}()
}

func setup(broker string) {
	o := MQTT.NewClientOptions()
	o.AddBroker(broker)
	o.SetClientID("pkgvar")
	o.OnConnect = onConnect
	client = MQTT.NewClient(o)
}

func main() {
	setup("tcp://" + os.Args[1] + ":" + os.Args[6])
	if t := client.Connect(); t.Wait() && t.Error() != nil {
		panic(t.Error())
	}
	fmt.Println("subscribed", <-ready)
	for i := range 5 {
		wait.Add(1)
		client.Publish("pkgvar/n", 1, false, fmt.Sprint(i))
	}
	wait.Wait()
	client.Unsubscribe("pkgvar/#").Wait()
	client.Disconnect(500)
}
