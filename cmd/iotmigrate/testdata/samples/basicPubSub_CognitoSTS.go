// Command basicPubSub_CognitoSTS signs a websocket with temporary credentials.
//
// verify: -name a1-ats.iot.eu-west-1.amazonaws.com -args '{name} {wss-port} {ca} ASIAKEY secret token'
package main

import (
	"fmt"
	"log"
	"net"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/v1compat"
)

func main() {
	port, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	received := make(chan string)
	client := v1compat.NewAWSIoTMQTTClient("basicPubSub_CognitoSTS", v1compat.WithWebsocket(true))
	client.ConfigureEndpoint(os.Args[1], port)
	client.ConfigureCredentials(os.Args[3], "", "")
	client.ConfigureIAMCredentials(os.Args[4], os.Args[5], os.Args[6])
	client.ConfigureConnectDisconnectTimeout(10)
	client.ConfigureMQTTOperationTimeout(65)
	client.ConfigureSocketFactory(func() (net.Conn, error) { return net.Dial("tcp", net.JoinHostPort("127.0.0.1", os.Args[2])) })
	if err := client.Connect(); err != nil {
		log.Fatal(err)
	}
	if _, err := client.Subscribe("sdk/test", 1, func(_ *v1compat.AWSIoTMQTTClient, _ any, message *v1compat.Message) {
		received <- string(message.Payload)
	}); err != nil {
		log.Fatal(err)
	}
	for i := range 2 {
		if _, err := client.Publish("sdk/test", fmt.Sprint("New Message ", i), 1); err != nil {
			log.Fatal(err)
		}
		fmt.Println("received", <-received)
	}
	if err := client.Disconnect(); err != nil {
		log.Fatal(err)
	}
}
