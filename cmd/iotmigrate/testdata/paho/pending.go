// Command pending keeps tokens in variables, fields and lists, hands them to functions, and acknowledges messages itself.
package main

import (
	"fmt"
	"os"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// batch sends, and waits for all of it later.
type batch struct {
	client mqtt.Client
	open   []mqtt.Token
	last   mqtt.Token
}

func (b *batch) send(topic, text string) mqtt.Token {
	b.last = b.client.Publish(topic, 1, false, text)
	b.open = append(b.open, b.last)
	return b.last
}

func (b *batch) flush() error {
	for _, t := range b.open {
		if err := within(t, time.Minute); err != nil {
			return err
		}
	}
	b.open = nil
	return nil
}

func within(t mqtt.Token, d time.Duration) error {
	if t == nil {
		return nil
	}
	if !t.WaitTimeout(d) {
		return fmt.Errorf("not within %v", d)
	}
	return t.Error()
}

func main() {
	b := &batch{client: mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + os.Args[1] + ":" + os.Args[6]).SetClientID("pending"))}
	fmt.Println(within(b.last, 0), within(b.client.Connect(), time.Minute))
	got := make(chan string, 8)
	t := b.client.Subscribe("pending/in/+", 1, func(_ mqtt.Client, m mqtt.Message) { got <- string(m.Payload()) })
	fmt.Println(within(t, time.Minute))
	for i := range 3 {
		b.send("pending/in/a", fmt.Sprint("message ", i))
	}
	fmt.Println(b.flush(), <-got, <-got, <-got)
	if t := b.send("pending/in/b", "waited for"); t.Wait() && t.Error() == nil {
		fmt.Println(<-got)
	}
	t = b.client.Unsubscribe("pending/in/+")
	fmt.Println(within(t, time.Minute))
	b.client.Disconnect(250)
}
