// Command mids keeps the ids of its messages until they are acknowledged.
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"

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

type outbox struct {
	client  *v1compat.AWSIoTMQTTClient
	mu      sync.Mutex
	pending map[v1compat.Mid]string
	done    chan bool
}

func (o *outbox) acked(mid v1compat.Mid) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fmt.Println("acknowledged", mid, o.pending[mid])
	delete(o.pending, mid)
	o.done <- true
}

func (o *outbox) send(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	mid, err := o.client.PublishAsync("shapes/mids", text, 1, o.acked)
	if err != nil || mid == v1compat.MidQueued {
		fmt.Println("queued", err)
		return
	}
	o.pending[mid] = text
}

func main() {
	o := &outbox{pending: map[v1compat.Mid]string{}, done: make(chan bool, 4)}
	o.client = v1compat.NewAWSIoTMQTTClient("mids")
	o.client.ConfigureEndpoint(os.Args[1], port())
	o.client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	if err := o.client.Connect(); err != nil {
		panic(err)
	}
	for i := range 3 {
		o.send(strconv.Itoa(i))
		<-o.done
	}
	fmt.Println(o.client.Disconnect())
	o.send("late")
}
