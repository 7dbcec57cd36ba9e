// Command renews signs a websocket with keys that it renews when the connection ends.
//
// verify: -name a1-ats.iot.eu-west-1.amazonaws.com -args '{name} {wss-port} {ca}'
package main

import (
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/v1compat"
)

//script after publish shapes/renews: wait 100ms
//script cut

// port is the third word of the command line.
func port() int {
	n, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	return n
}

type session struct {
	client *v1compat.AWSIoTMQTTClient
	keys   int
	online chan bool
}

func (s *session) renew() {
	s.keys++
	s.client.ConfigureIAMCredentials(fmt.Sprint("ASIA", s.keys), "secret", "token")
}

func main() {
	s := &session{online: make(chan bool, 4)}
	s.client = v1compat.NewAWSIoTMQTTClient("renews", v1compat.WithWebsocket(true))
	s.client.ConfigureEndpoint(os.Args[1], port())
	s.client.ConfigureCredentials(os.Args[3], "", "")
	s.client.ConfigureAutoReconnectBackoffTime(1, 4, 20)
	s.client.ConfigureSocketFactory(func() (net.Conn, error) { return net.Dial("tcp", net.JoinHostPort("127.0.0.1", os.Args[2])) })
	s.client.OnOnline = func() { s.online <- true }
	s.client.OnOffline = s.renew
	s.renew()
	fmt.Println(s.client.Connect())
	<-s.online
	acked, err := s.client.Publish("shapes/renews", "first", 1)
	fmt.Println(acked, err)
	<-s.online
	acked, err = s.client.Publish("shapes/renews", "second", 1)
	fmt.Println(acked, err)
	fmt.Println(s.client.Disconnect())
	fmt.Println(s.keys)
}
