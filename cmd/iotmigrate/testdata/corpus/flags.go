// Command flags makes its clients by what it is told: sessions that stay or not, options in a list, TLS or not.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/v1compat"
)

type config struct {
	host, ca, cert, key string
	port, plainPort     int
	persistent, secure  bool
}

func newClient(name string, c config) (*v1compat.AWSIoTMQTTClient, error) {
	var client *v1compat.AWSIoTMQTTClient
	switch {
	case c.secure:
		client = v1compat.NewAWSIoTMQTTClient(name, v1compat.WithCleanSession(!c.persistent), v1compat.WithWebsocket(false))
		client.ConfigureEndpoint(c.host, c.port)
		client.ConfigureCredentials(c.ca, c.key, c.cert)
	case c.plainPort != 0:
		client = v1compat.NewAWSIoTMQTTClient(name)
		client.ConfigureEndpoint(c.host, c.plainPort)
	default:
		return nil, fmt.Errorf("no port for %s", name)
	}
	return client, nil
}

func talk(name string, c config) {
	client, err := newClient(name, c)
	if err != nil {
		fmt.Println(err)
		return
	}
	client.ConfigureMQTTOperationTimeout(64)
	if err := client.Connect(30); err != nil {
		panic(err)
	}
	if _, err := client.Subscribe("corpus/flags/"+name, 1, nil); err != nil {
		panic(err)
	}
	acked, err := client.Publish("corpus/flags", name, 1)
	fmt.Println(name, acked, err)
	if err := client.Disconnect(); err != nil {
		panic(err)
	}
}

func listed(c config) {
	for _, clean := range []bool{true, false} {
		opts := []v1compat.ClientOption{v1compat.WithCleanSession(clean), v1compat.WithProtocolType(v1compat.MQTTv311)}
		client := v1compat.NewAWSIoTMQTTClient("listed", opts...)
		client.ConfigureEndpoint(c.host, c.port)
		client.ConfigureCredentials(c.ca, c.key, c.cert)
		if err := client.Connect(); err != nil {
			panic(err)
		}
		if err := client.Disconnect(); err != nil {
			panic(err)
		}
	}
}

func main() {
	port, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	plainPort, err := strconv.Atoi(os.Args[6])
	if err != nil {
		panic(err)
	}
	c := config{host: os.Args[1], ca: os.Args[3], cert: os.Args[4], key: os.Args[5], port: port, secure: true}
	talk("clean", c)
	c.persistent = true
	talk("persistent", c)
	c.secure = false
	talk("none", c)
	c.plainPort = plainPort
	talk("plain", c)
	c.secure = true
	listed(c)
}
