// Command factory has NewClient as a value, and sets its options in loops and branches.
package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

var newClient = mqtt.NewClient

// makers make clients by kind.
var makers = map[string]func(*mqtt.ClientOptions) mqtt.Client{"plain": mqtt.NewClient, "again": func(o *mqtt.ClientOptions) mqtt.Client { return newClient(o) }}

type setter func(*mqtt.ClientOptions)

func options(id string, brokers []string, more ...setter) *mqtt.ClientOptions {
	o := mqtt.NewClientOptions()
	for _, b := range brokers {
		o.AddBroker(b)
	}
	o.SetClientID(id)
	switch {
	case strings.HasSuffix(id, "again"):
		o.SetKeepAlive(75 * time.Second)
	default:
		o.SetKeepAlive(15 * time.Second).SetPingTimeout(5 * time.Second)
	}
	if user := strings.TrimPrefix(id, "factory-"); user != "" {
		o.SetUsername(user)
		o.SetPassword("secret")
	}
	for _, set := range more {
		set(o)
	}
	return o
}

func main() {
	brokers := []string{"tcp://" + os.Args[1] + ":1", "tcp://" + os.Args[1] + ":" + os.Args[6]}
	for _, kind := range []string{"plain", "again"} {
		c := makers[kind](options("factory-"+kind, brokers, func(o *mqtt.ClientOptions) { o.SetConnectTimeout(20 * time.Second) },
			func(o *mqtt.ClientOptions) { o.AutoReconnect = false }))
		token := c.Connect()
		if !token.WaitTimeout(30*time.Second) || token.Error() != nil {
			panic(token.Error())
		}
		r := c.OptionsReader()
		fmt.Println(r.ClientID(), r.KeepAlive(), len(r.Servers()), r.Username(), r.AutoReconnect())
		token = c.Publish("factory/"+kind, 1, false, kind)
		token.Wait()
		fmt.Println(token.Error())
		c.Disconnect(100)
	}
}
