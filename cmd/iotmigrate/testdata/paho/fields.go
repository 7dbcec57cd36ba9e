// Command fields sets the fields of its options, copies them, and makes two clients of them.
package main

import (
	"fmt"
	"net/url"
	"os"
	"sync"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

func main() {
	broker, err := url.Parse("tcp://" + os.Args[1] + ":" + os.Args[6])
	if err != nil {
		panic(err)
	}
	var connected sync.WaitGroup
	base := mqtt.NewClientOptions()
	base.Servers = []*url.URL{broker}
	base.KeepAlive = 45
	base.CleanSession = true
	base.Order = false
	base.OnConnect = func(c mqtt.Client) { connected.Done() }
	var clients []mqtt.Client
	for _, id := range []string{"fields-a", "fields-b"} {
		o := *base
		o.ClientID = id
		o.Username = id
		clients = append(clients, mqtt.NewClient(&o))
	}
	got := make(chan string)
	for i, c := range clients {
		connected.Add(1)
		if t := c.Connect(); t.Wait() && t.Error() != nil {
			panic(t.Error())
		}
		connected.Wait()
		if i == 0 {
			c.Subscribe("fields/x", 1, func(c mqtt.Client, m mqtt.Message) {
				r := c.OptionsReader()
				got <- r.ClientID() + " " + string(m.Payload())
			}).Wait()
		}
	}
	clients[1].Publish("fields/x", 1, false, "over")
	fmt.Println(<-got)
	for _, c := range clients {
		c.Disconnect(100)
	}
}
