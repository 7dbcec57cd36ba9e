// Command tokens looks into tokens: their types, what they carry, and the errors of calls that cannot be.
package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

func describe(t mqtt.Token) string {
	<-t.Done()
	switch t := t.(type) {
	case *mqtt.ConnectToken:
		return fmt.Sprintf("connect %d %v", t.ReturnCode(), t.SessionPresent())
	case *mqtt.SubscribeToken:
		return fmt.Sprintf("subscribe %v", t.Result())
	case *mqtt.PublishToken:
		return fmt.Sprintf("publish %v", t.MessageID() > 0)
	case *mqtt.UnsubscribeToken:
		return "unsubscribe"
	}
	return fmt.Sprintf("%T", t)
}

func main() {
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + os.Args[1] + ":" + os.Args[6]).SetClientID("tokens"))
	early := c.Publish("tokens/early", 1, false, "x")
	fmt.Println(early.WaitTimeout(time.Second), errors.Is(early.Error(), mqtt.ErrNotConnected))
	fmt.Println(describe(c.Connect()))
	fmt.Println(describe(c.Subscribe("tokens/in/+", 1, func(mqtt.Client, mqtt.Message) {})))
	fmt.Println(describe(c.Publish("tokens/a", 1, false, "x")), describe(c.Publish("tokens/a", 0, false, "x")))
	bad := c.Subscribe("", 0, nil)
	fmt.Println(bad.Wait(), bad.Error() == mqtt.ErrInvalidTopicEmptyString, c.Subscribe("a/#/b", 0, nil).Error() == mqtt.ErrInvalidTopicMultilevel)
	fmt.Println(c.Subscribe("tokens/q", 3, nil).Error() == mqtt.ErrInvalidQos)
	unknown := c.Publish("tokens/a", 0, false, 42)
	fmt.Println(unknown.Wait(), unknown.Error())
	fmt.Println(mqtt.WaitTokenTimeout(c.Unsubscribe("tokens/in/+"), time.Minute))
	c.Disconnect(100)
	fmt.Println(c.Publish("tokens/late", 0, false, "x").Error() == mqtt.ErrNotConnected)
}
