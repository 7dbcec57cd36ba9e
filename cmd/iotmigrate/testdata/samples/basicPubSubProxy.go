// Command basicPubSubProxy connects through a proxy, by a socket factory.
//
// verify: -name a1-ats.iot.eu-west-1.amazonaws.com -args '{name} 8883 {ca} {cert} {key} {proxy}'
package main

import (
	"bufio"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/portage-iot/awsiot/v1compat"
)

func main() {
	port, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	client := v1compat.NewAWSIoTMQTTClient("basicPubSubProxy")
	client.ConfigureEndpoint(os.Args[1], port)
	client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	client.ConfigureConnectDisconnectTimeout(10)
	client.ConfigureMQTTOperationTimeout(65)
	client.ConfigureSocketFactory(func() (net.Conn, error) {
		return tunnel(strings.TrimPrefix(os.Args[6], "http://"), net.JoinHostPort(os.Args[1], os.Args[2]))
	})
	if err := client.Connect(); err != nil {
		log.Fatal(err)
	}
	for i := range 2 {
		if _, err := client.Publish("sdk/test", strconv.Itoa(i), 1); err != nil {
			log.Fatal(err)
		}
	}
	if err := client.Disconnect(); err != nil {
		log.Fatal(err)
	}
}

// tunnel asks a proxy for a connection.
func tunnel(proxy, address string) (net.Conn, error) {
	c, err := net.Dial("tcp", proxy)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", address, address); err != nil {
		return nil, err
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("proxy: %s", res.Status)
	}
	return c, nil
}
