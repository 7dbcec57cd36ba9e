// Command tunnel connects through a proxy that it asks by CONNECT itself: HTTPProxy does that.
//
// verify: -name a1-ats.iot.eu-west-1.amazonaws.com -args '{name} 8883 {ca} {cert} {key} {proxy}'
package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/portage-iot/awsiot/v1compat"
)

func main() {
	host := os.Args[1]
	client := v1compat.NewAWSIoTMQTTClient("tunnel")
	client.ConfigureEndpoint(host, 8883)
	client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	client.ConfigureSocketFactory(func() (net.Conn, error) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(os.Args[6], "http://"))
		if err != nil {
			return nil, err
		}
		if _, err := fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", net.JoinHostPort(host, "8883"), net.JoinHostPort(host, "8883")); err != nil {
			conn.Close()
			return nil, err
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			conn.Close()
			return nil, err
		}
		if res.StatusCode != http.StatusOK {
			conn.Close()
			return nil, fmt.Errorf("proxy: %s", res.Status)
		}
		return conn, nil
	})
	fmt.Println(client.Connect())
	acked, err := client.Publish("corpus/tunnel", "x", 1)
	fmt.Println(acked, err)
	fmt.Println(client.Disconnect())
}
