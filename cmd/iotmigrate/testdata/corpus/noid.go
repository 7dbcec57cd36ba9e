// Command noid has no client id: v1 made one up.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/v1compat"
)

func main() {
	port, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	client := v1compat.NewAWSIoTMQTTClient("")
	client.ConfigureEndpoint(os.Args[1], port)
	client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	fmt.Println(client.Connect(30))
	acked, err := client.Publish("corpus/noid", "x", 0)
	fmt.Println(acked, err)
	fmt.Println(client.Disconnect())
}
