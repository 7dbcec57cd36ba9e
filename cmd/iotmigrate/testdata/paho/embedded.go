// Command embedded embeds the client in a type that adds to it.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// session is a client that speaks JSON.
type session struct {
	mqtt.Client
	prefix string
}

// Connect connects and says so.
func (s *session) Connect() error {
	t := s.Client.Connect()
	t.Wait()
	return t.Error()
}

func (s *session) send(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	t := s.Publish(s.prefix+"/json", 0, true, data)
	t.Wait()
	return t.Error()
}

func main() {
	options := mqtt.NewClientOptions()
	options.AddBroker("tcp://" + os.Args[1] + ":" + os.Args[6])
	options.SetClientID("embedded").SetCleanSession(true)
	s := &session{Client: mqtt.NewClient(options), prefix: "embedded"}
	if err := s.Connect(); err != nil {
		panic(err)
	}
	defer s.Disconnect(200)
	if err := s.send(map[string]int{"a": 1}); err != nil {
		panic(err)
	}
	got := make(chan mqtt.Message, 1)
	s.Subscribe("embedded/json", 0, func(_ mqtt.Client, m mqtt.Message) { got <- m }).Wait()
	m := <-got
	fmt.Println(m.Retained(), string(m.Payload()), s.IsConnectionOpen())
}
