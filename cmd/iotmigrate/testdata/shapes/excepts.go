// Command excepts tells v1's errors apart, by types and by their roots.
package main

import (
	"errors"
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

func tell(err error) string {
	var full *v1compat.PublishQueueFullError
	var off *v1compat.PublishQueueDisabledError
	var timeout v1compat.OperationTimeoutError
	switch {
	case errors.As(err, &full):
		return "full"
	case errors.As(err, &off):
		return "off"
	case errors.As(err, &timeout):
		return "timeout"
	}
	switch err.(type) {
	case nil:
		return "fine"
	case *v1compat.DisconnectError, *v1compat.DisconnectTimeoutError:
		return "not connected"
	case *v1compat.ConnectError, *v1compat.ConnectTimeoutError:
		return "no connection"
	}
	return fmt.Sprintf("%T", err)
}

func main() {
	client := v1compat.NewAWSIoTMQTTClient("excepts")
	client.ConfigureEndpoint(os.Args[1], port())
	client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	client.ConfigureOfflinePublishQueueing(1, v1compat.DropNewest)
	client.ConfigureDrainingFrequency(0.001) // the queue is being drained as long as the program runs
	client.ConfigureMQTTOperationTimeout(65)
	fmt.Println(tell(client.Disconnect()))
	for range 2 {
		queued, err := client.Publish("shapes/excepts", "x", 1)
		fmt.Println(queued, tell(err))
	}
	fmt.Println(tell(client.Connect()))
	acked, err := client.Publish("shapes/excepts", "y", 1)
	fmt.Println(acked, tell(err))
	fmt.Println(tell(client.Disconnect()))
}
