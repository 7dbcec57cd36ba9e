// Command reconnector makes its client anew whenever it connects, and forgets it when it disconnects.
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

type link struct{ client *v1compat.AWSIoTMQTTClient }

func (l *link) open(id string) error {
	l.client = v1compat.NewAWSIoTMQTTClient(id)
	l.client.ConfigureEndpoint(os.Args[1], port())
	l.client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	return l.client.Connect(1200)
}

func (l *link) close() {
	if l.client == nil {
		return
	}
	if err := l.client.Disconnect(); err != nil {
		fmt.Println(err)
	}
	l.client = nil
}

func (l *link) publish(text string) (bool, error) {
	if l.client == nil {
		return false, os.ErrClosed
	}
	return l.client.Publish("shapes/reconnector", text, 1)
}

func main() {
	l := &link{}
	for i := range 2 {
		fmt.Println(l.open("reconnector"))
		fmt.Println(l.publish(strconv.Itoa(i)))
		l.close()
	}
	fmt.Println(l.publish("late"))
}
