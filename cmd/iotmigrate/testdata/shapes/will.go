// Command will has a last will and a session that lasts.
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

func main() {
	client := v1compat.NewAWSIoTMQTTClient("will", v1compat.WithCleanSession(false))
	client.ConfigureEndpoint(os.Args[1], port())
	client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	client.ConfigureLastWill("shapes/will", fmt.Sprintf(`{"id": %q}`, "will"), 1, true)
	client.ConfigureUsernamePassword("user")
	got := make(chan string, 4)
	take := func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { got <- string(m.Payload) }
	for i := range 2 {
		fmt.Println(client.Connect(60))
		if i == 0 {
			fmt.Println(client.Subscribe("shapes/will/in", 1, take))
		}
		fmt.Println(client.Publish("shapes/will/in", strconv.Itoa(i), 1))
		fmt.Println(<-got)
		fmt.Println(client.Publish("shapes/will/in", "end", 0))
		fmt.Println(<-got) // the message before is acknowledged then: the session would bring it again
		fmt.Println(client.Disconnect())
		client.ClearLastWill()
	}
}
