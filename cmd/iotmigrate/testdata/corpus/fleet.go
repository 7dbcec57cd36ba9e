// Command fleet has one client for each of its vehicles, configured where it is made and again before it connects.
package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/portage-iot/awsiot/v1compat"
)

var fleet = map[string]*v1compat.AWSIoTMQTTClient{}

func add(name, host string, port int) {
	fleet[name] = v1compat.NewAWSIoTMQTTClient(name)
	fleet[name].ConfigureEndpoint(host, port)
	fleet[name].ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	fleet[name].ConfigureLastWill("corpus/fleet/"+name+"/will", "lost", 1)
}

func main() {
	port, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	var names []string
	for i := range 3 {
		names = append(names, fmt.Sprintf("vehicle-%d", i))
		add(names[i], os.Args[1], port)
	}
	var list []*v1compat.AWSIoTMQTTClient
	for _, name := range names {
		client := fleet[name]
		client.ConfigureMQTTOperationTimeout(63)
		client.ConfigureUsernamePassword(name)
		if err := client.Connect(60); err != nil {
			panic(err)
		}
		list = append(list, client)
	}
	for i, client := range slices.Backward(list) {
		acked, err := client.Publish("corpus/fleet/"+names[i], strconv.Itoa(i), 1)
		fmt.Println(names[i], acked, err)
		if err := client.Disconnect(); err != nil {
			panic(err)
		}
	}
}
