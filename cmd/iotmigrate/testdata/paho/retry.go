// Command retry is refused at first and tries again by itself.
package main

import (
	"fmt"
	"os"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

//script refuse 2 0x88

func main() {
	connected := make(chan bool, 1)
	opts := mqtt.NewClientOptions().AddBroker("tcp://" + os.Args[1] + ":" + os.Args[6]).SetClientID("retry")
	opts.SetConnectRetry(true).SetConnectRetryInterval(200 * time.Millisecond)
	opts.SetOnConnectHandler(func(mqtt.Client) { connected <- true })
	c := mqtt.NewClient(opts)
	token := c.Connect()
	<-connected
	fmt.Println(token.Wait(), token.Error(), c.IsConnected())
	c.Publish("retry/late", 1, false, "sent").Wait()
	c.Disconnect(200)
}
