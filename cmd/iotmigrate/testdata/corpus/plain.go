// Command plain has no ConfigureCredentials: v1 spoke plain MQTT then.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/v1compat"
)

func main() {
	port, err := strconv.Atoi(os.Args[6])
	if err != nil {
		panic(err)
	}
	client := v1compat.NewAWSIoTMQTTClient("plain")
	client.ConfigureEndpoint(os.Args[1], port)
	fmt.Println(client.Connect())
	acked, err := client.Publish("corpus/plain", "x", 1)
	fmt.Println(acked, err)
	fmt.Println(client.Disconnect())
}
