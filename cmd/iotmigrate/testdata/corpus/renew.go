// Command renew connects over a websocket with temporary credentials and gets newer ones whenever it is offline.
//
// verify: -name corpus-ats.iot.eu-west-1.amazonaws.com -args '{host} {port} {ca} {cert} {key} {tcp-port} {name} {wss-port}'
package main

import (
	"fmt"
	"net"
	"os"
	"sync"

	"github.com/portage-iot/awsiot/v1compat"
)

type credentials struct{ id, secret, token string }

// app is what is connected; its credentials are counted.
type app struct {
	client  *v1compat.AWSIoTMQTTClient
	renewed int
	offline chan int
	online  chan bool
	busy    sync.Mutex // held while another client has the id: a connection would end that one
}

func (a *app) fetch() credentials {
	a.renewed++
	return credentials{fmt.Sprint("AKIDEXAMPLE", a.renewed), "secret", fmt.Sprint("token", a.renewed)}
}

func (a *app) onOffline() {
	c := a.fetch()
	a.client.ConfigureIAMCredentials(c.id, c.secret, c.token)
	a.offline <- a.renewed
}

func dial(port string) (net.Conn, error) { return net.Dial("tcp", net.JoinHostPort(os.Args[1], port)) }

func (a *app) connect() error {
	a.client = v1compat.NewAWSIoTMQTTClient("renew", v1compat.WithWebsocket(true))
	a.client.ConfigureEndpoint(os.Args[7], 443)
	a.client.ConfigureCredentials(os.Args[3], "", "")
	c := a.fetch()
	a.client.ConfigureIAMCredentials(c.id, c.secret, c.token)
	a.client.ConfigureSocketFactory(func() (net.Conn, error) {
		a.busy.Lock()
		defer a.busy.Unlock()
		return dial(os.Args[8])
	})
	a.client.ConfigureAutoReconnectBackoffTime(1, 32, 20)
	a.client.OnOffline = a.onOffline
	a.client.OnOnline = func() { a.online <- true }
	return a.client.Connect(60)
}

func (a *app) publish(text string) {
	acked, err := a.client.Publish("corpus/renew", text, 1)
	fmt.Println(text, acked, err)
}

// other makes a client of the same id, for which the endpoint ends the first one's connection: over a websocket too, or
// with a certificate.
func other(websocket bool) *v1compat.AWSIoTMQTTClient {
	client := v1compat.NewAWSIoTMQTTClient("renew", v1compat.WithWebsocket(websocket))
	client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	if websocket {
		client.ConfigureEndpoint(os.Args[7], 443)
		client.ConfigureIAMCredentials("AKIDOTHER", "secret", "")
		client.ConfigureSocketFactory(func() (net.Conn, error) { return dial(os.Args[8]) })
	} else {
		client.ConfigureEndpoint(os.Args[7], 8883)
		client.ConfigureSocketFactory(func() (net.Conn, error) { return dial(os.Args[2]) })
	}
	return client
}

func main() {
	a := &app{offline: make(chan int, 1), online: make(chan bool, 1)}
	fmt.Println(a.connect())
	<-a.online
	a.publish("one")
	for _, websocket := range []bool{true, false} {
		o := other(websocket)
		a.busy.Lock()
		fmt.Println(o.Connect(60))
		fmt.Println("renewed", <-a.offline)
		fmt.Println(o.Disconnect())
		a.busy.Unlock()
		<-a.online
		a.publish("more")
	}
	fmt.Println(a.client.Disconnect())
}
