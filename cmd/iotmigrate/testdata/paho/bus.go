// Command bus sees its client through an interface of its own, of which a second implementation is a mock of paho's Client.
package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// bus is what the program needs of a client.
type bus interface {
	Publish(topic string, qos byte, retained bool, payload any) mqtt.Token
	Disconnect(quiesce uint)
}

// recorder is a client that keeps what it is given.
type recorder struct {
	mqtt.Client
	said []string
}

func (r *recorder) Publish(topic string, qos byte, _ bool, payload any) mqtt.Token {
	r.said = append(r.said, fmt.Sprint(topic, " ", qos, " ", payload))
	if topic == "bus/fails" {
		return failed{errors.New("no such topic")}
	}
	return &mqtt.DummyToken{}
}

func (r *recorder) Disconnect(uint) { r.said = append(r.said, "bye") }

// failed is a token that has failed.
type failed struct{ err error }

func (f failed) Wait() bool                       { return true }
func (f failed) WaitTimeout(_ time.Duration) bool { return true }
func (f failed) Error() error                     { return f.err }
func (f failed) Done() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

var _ mqtt.Client = (*recorder)(nil)

func say(b bus, topic, text string) error {
	t := b.Publish(topic, 1, false, text)
	if !t.WaitTimeout(time.Minute) {
		return errors.New("no answer")
	}
	return t.Error()
}

func main() {
	real := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + os.Args[1] + ":" + os.Args[6]).SetClientID("bus"))
	if t := real.Connect(); t.Wait() && t.Error() != nil {
		panic(t.Error())
	}
	mock := &recorder{}
	for _, b := range []bus{mock, real} {
		fmt.Println(say(b, "bus/a", "hello"), say(b, "bus/fails", "hello"))
		b.Disconnect(100)
	}
	fmt.Println(mock.said)
}
