// Command hooks counts on what v1 promised: OnOnline has run when Connect returns, OnOffline when Disconnect returns.
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
	client := v1compat.NewAWSIoTMQTTClient("hooks")
	client.ConfigureEndpoint(os.Args[1], port)
	client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	client.OnOnline = func() { fmt.Println("online") }
	client.OnOffline = func() { fmt.Println("offline") }
	for range 20 {
		if err := client.Connect(); err != nil {
			panic(err)
		}
		fmt.Println("connected")
		if err := client.Disconnect(); err != nil {
			panic(err)
		}
		fmt.Println("disconnected")
	}
}
