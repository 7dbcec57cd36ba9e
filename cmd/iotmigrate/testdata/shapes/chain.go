// Command chain connects without waiting; each callback begins the next step.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/v1compat"
)

// port is the third word of the command line.
func port() int {
	n, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	return n
}

type steps struct {
	client *v1compat.AWSIoTMQTTClient
	done   chan bool
}

func (s *steps) connected(mid v1compat.Mid, data int) {
	fmt.Println("connected", mid, data)
	s.client.SubscribeAsync("shapes/chain", 1, s.subscribed, s.message)
}

func (s *steps) subscribed(mid v1compat.Mid, data []byte) {
	fmt.Println("subscribed", mid, data)
	s.client.PublishAsync("shapes/chain", "hello", 1, s.published)
}

func (s *steps) published(mid v1compat.Mid) { s.done <- true }

func (s *steps) message(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { s.done <- true }

func main() {
	s := &steps{client: v1compat.NewAWSIoTMQTTClient("chain"), done: make(chan bool, 2)}
	s.client.ConfigureEndpoint(os.Args[1], port())
	s.client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	mid, err := s.client.ConnectAsync(600, s.connected)
	<-s.done
	<-s.done
	fmt.Println(mid, err)
	mid, err = s.client.UnsubscribeAsync("shapes/chain", func(v1compat.Mid) { s.done <- true })
	fmt.Println(mid > 0, err)
	<-s.done
	fmt.Println(s.client.Disconnect())
}
