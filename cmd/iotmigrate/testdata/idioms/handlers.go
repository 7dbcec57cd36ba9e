// Command handlers keeps shadow handlers in a field, a package variable and a local variable, makes them in functions and
// hands them to others: under -idioms they are clients of package iotshadow with typed requests.
//
// verify: -thing corpus -idioms
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/shadowcompat"
)

const thing = "corpus"

// reports tells what the lamp does, and does not wait for answers.
var reports *shadowcompat.ShadowHandler

type lamp struct {
	updates *shadowcompat.ShadowHandler
	answers chan string
	deltas  chan string
}

func newLamp(client *shadowcompat.AWSIoTMQTTShadowClient) (*lamp, error) {
	l := &lamp{answers: make(chan string, 4), deltas: make(chan string, 4)}
	l.updates = client.CreateShadowHandlerWithName(thing, true)
	err := l.updates.ShadowRegisterDeltaCallback(l.changed)
	return l, err
}

func (l *lamp) changed(payload, status, _ string) { l.deltas <- status }

func (l *lamp) answered(_, status, _ string) { l.answers <- status }

func (l *lamp) update(document string) string {
	if _, err := l.updates.ShadowUpdate(document, l.answered, 60); err != nil {
		return err.Error()
	}
	return <-l.answers
}

func reader(client *shadowcompat.AWSIoTMQTTShadowClient) *shadowcompat.ShadowHandler {
	return client.CreateShadowHandlerWithName(thing, false)
}

func read(h *shadowcompat.ShadowHandler) string {
	answers := make(chan string, 1)
	h.ShadowGet(func(payload, status, token string) { answers <- status }, 60)
	return <-answers
}

func main() {
	port, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	client := shadowcompat.NewAWSIoTMQTTShadowClient("handlers")
	client.ConfigureEndpoint(os.Args[1], port)
	client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	if err := client.Connect(); err != nil {
		fmt.Println(err)
		return
	}
	gets := reader(client)
	fmt.Println(read(gets))
	l, err := newLamp(client)
	fmt.Println(err)
	fmt.Println(l.update(`{"state":{"desired":{"on":true}}}`), <-l.deltas)
	reports = client.CreateShadowHandlerWithName(thing, true)
	reports.ShadowUpdate(`{"state":{"reported":{"on":true}}}`, nil, 60)
	fmt.Println(read(gets))
	fmt.Println(l.update(`{"state":[]}`))
	fmt.Println(client.Disconnect())
}
