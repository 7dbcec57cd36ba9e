// Command stored keeps a session and its messages in a Store of its own, disconnects, and goes on.
package main

import (
	"fmt"
	"os"
	"sync/atomic"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// counting is a Store that counts what is kept.
type counting struct {
	*mqtt.MemoryStore
	puts atomic.Int32
}

func (c *counting) Open() { c.MemoryStore.Open() }

func start(broker string, store mqtt.Store, h mqtt.MessageHandler) mqtt.Client {
	opts := mqtt.NewClientOptions().AddBroker(broker).SetClientID("stored")
	opts.SetCleanSession(false).SetStore(store).SetResumeSubs(true).SetDefaultPublishHandler(h)
	c := mqtt.NewClient(opts)
	if t := c.Connect(); t.Wait() && t.Error() != nil {
		panic(t.Error())
	}
	return c
}

func main() {
	broker := "tcp://" + os.Args[1] + ":" + os.Args[6]
	dir, err := os.MkdirTemp("", "stored")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	got := make(chan string, 4)
	handler := func(_ mqtt.Client, m mqtt.Message) { got <- m.Topic() + " " + string(m.Payload()) }

	first := start(broker, mqtt.NewFileStore(dir), handler)
	t := first.Subscribe("stored/in", 1, nil)
	t.Wait()
	first.Publish("stored/in", 0, false, "at home").Wait() // which nobody has to acknowledge before the end
	fmt.Println(t.Error(), <-got)
	first.Disconnect(100)

	other := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(broker).SetClientID("stored-other"))
	other.Connect().Wait()
	other.Publish("stored/in", 1, false, "while away").Wait()
	other.Disconnect(100)

	own := &counting{MemoryStore: mqtt.NewMemoryStore()}
	second := start(broker, own, handler)
	fmt.Println(<-got)
	second.Publish("stored/in", 0, false, "back").Wait()
	fmt.Println(<-got)
	second.Unsubscribe("stored/in").Wait()
	second.Disconnect(100)
}
