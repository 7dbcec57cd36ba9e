// Command lost loses its connection; its handlers tell, and it subscribes anew whenever it is connected.
package main

import (
	"fmt"
	"os"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// The connection is cut once the first message is there.
//
//script after publish lost/in: wait 200ms
//script cut

func main() {
	connected, lost, reconnecting := make(chan string, 8), make(chan string, 8), make(chan string, 8) // paho calls these handlers in no order
	got := make(chan string, 8)
	opts := mqtt.NewClientOptions().AddBroker("tcp://" + os.Args[1] + ":" + os.Args[6]).SetClientID("lost")
	opts.SetMaxReconnectInterval(time.Second)
	opts.SetOnConnectHandler(func(c mqtt.Client) {
		t := c.Subscribe("lost/in", 1, func(_ mqtt.Client, m mqtt.Message) { got <- string(m.Payload()) })
		go func() {
			t.Wait()
			connected <- fmt.Sprint("connected ", t.Error())
		}()
	})
	opts.SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost <- fmt.Sprint("lost ", err != nil) })
	opts.SetReconnectingHandler(func(mqtt.Client, *mqtt.ClientOptions) { reconnecting <- "reconnecting" })
	c := mqtt.NewClient(opts)
	if t := c.Connect(); t.Wait() && t.Error() != nil {
		panic(t.Error())
	}
	fmt.Println(<-connected)
	c.Publish("lost/in", 1, false, "before").Wait()
	fmt.Println(<-got)
	fmt.Println(<-lost)
	fmt.Println(<-reconnecting)
	fmt.Println(<-connected)
	c.Publish("lost/in", 1, false, "after").Wait()
	fmt.Println(<-got)
	c.Disconnect(200)
}
