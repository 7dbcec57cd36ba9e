// Command will has a will, retained messages, and payloads of every type that Publish takes.
package main

import (
	"bytes"
	"fmt"
	"os"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

func main() {
	broker := "tcp://" + os.Args[1] + ":" + os.Args[6]
	opts := mqtt.NewClientOptions().AddBroker(broker).SetClientID("will")
	if len(os.Args) > 99 {
		opts.SetWill("will/gone", "text", 0, false)
	} else {
		opts.SetBinaryWill("will/gone", []byte{0, 1, 2, 255}, 1, true)
	}
	c := mqtt.NewClient(opts)
	if t := c.Connect(); t.Wait() && t.Error() != nil {
		panic(t.Error())
	}
	payloads := []any{"text", []byte("bytes"), *bytes.NewBufferString("buffer"), ""}
	for i, p := range payloads {
		t := c.Publish(fmt.Sprintf("will/%d", i), 1, i == 0, p)
		t.Wait()
		fmt.Println(t.Error())
	}
	done := make(chan bool)
	c.Subscribe("will/0", 1, func(_ mqtt.Client, m mqtt.Message) {
		fmt.Println(m.Topic(), string(m.Payload()), m.Retained(), m.Duplicate())
		close(done)
	})
	<-done
	c.Unsubscribe("will/0").Wait()
	c.Publish("will/0", 1, true, []byte(nil)).Wait()
	c.Disconnect(100)
}
