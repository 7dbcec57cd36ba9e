// Command session sets what CONNECT carries: a session that is kept, a will, a user name, no metrics.
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
	client := v1compat.NewAWSIoTMQTTClient("session", v1compat.WithCleanSession(false))
	client.ConfigureEndpoint(os.Args[1], port)
	client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	client.ConfigureLastWill("corpus/gone", "gone", 1, true)
	client.ConfigureUsernamePassword("user", "secret")
	client.DisableMetricsCollection()
	client.ConfigureAutoReconnectBackoffTime(10, 5, 20)
	client.ConfigureMQTTOperationTimeout(62.5)
	client.ConfigureConnectDisconnectTimeout(10)
	for range 2 {
		fmt.Println(client.Connect(45))
		subscribed, err := client.Subscribe("corpus/session", 1, func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
			fmt.Println(m.Topic, string(m.Payload), m.QoS, m.Retain, m.Dup)
		})
		fmt.Println(subscribed, err)
		acked, err := client.Unsubscribe("corpus/session")
		fmt.Println(acked, err)
		fmt.Println(client.Disconnect())
	}
}
