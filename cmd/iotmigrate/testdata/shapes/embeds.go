// Command embeds embeds the client and configures it in one go.
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

type easy struct {
	*v1compat.AWSIoTMQTTClient
	online bool
}

func newEasy(id string, clean bool) *easy {
	return &easy{AWSIoTMQTTClient: v1compat.NewAWSIoTMQTTClient(id, v1compat.WithCleanSession(clean))}
}

func (e *easy) setUp(host, ca, key, cert string, timeout float64) {
	e.ConfigureEndpoint(host, port())
	e.ConfigureCredentials(ca, key, cert)
	e.ConfigureConnectDisconnectTimeout(timeout)
	e.ConfigureMQTTOperationTimeout(timeout)
	e.OnOnline = func() { e.online = true }
	e.OnOffline = func() { e.online = false }
}

func (e *easy) leave() {
	if e.online {
		fmt.Println(e.Disconnect())
	}
}

func main() {
	e := newEasy("embeds", len(os.Args) > 1)
	e.setUp(os.Args[1], os.Args[3], os.Args[5], os.Args[4], 65)
	defer e.leave()
	fmt.Println(e.Connect())
	acked, err := e.Publish("shapes/embeds", "x", 1)
	fmt.Println(acked, err)
}
