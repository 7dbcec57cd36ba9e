// Command branch calls ConfigureCredentials in a branch only, and goes both ways.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/v1compat"
)

func port(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

func talk(secure bool) {
	client := v1compat.NewAWSIoTMQTTClient("branch" + strconv.FormatBool(secure))
	if secure {
		client.ConfigureEndpoint(os.Args[1], port(os.Args[2]))
		client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	} else {
		client.ConfigureEndpoint(os.Args[1], port(os.Args[6]))
	}
	fmt.Println(client.Connect())
	acked, err := client.Publish("corpus/branch", []byte("x"), 1)
	fmt.Println(acked, err)
	fmt.Println(client.Disconnect())
}

func main() {
	talk(true)
	talk(false)
}
