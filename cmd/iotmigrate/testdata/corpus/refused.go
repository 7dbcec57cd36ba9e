// Command refused tells the errors of its calls apart: a refusal is no error of dialling, and a lost PUBACK is a timeout.
package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/v1compat"
)

//script refuse 1 0x87
//script drop puback 1

func connect(client *v1compat.AWSIoTMQTTClient) error {
	err := client.Connect()
	var refused *v1compat.ConnectError
	switch {
	case errors.As(err, &refused):
		return errors.New("refused")
	case err != nil:
		return errors.New("not reached")
	}
	return nil
}

func send(client *v1compat.AWSIoTMQTTClient, topic string) error {
	_, err := client.Publish(topic, "x", 1)
	return err
}

func main() {
	port, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	nowhere := v1compat.NewAWSIoTMQTTClient("nowhere")
	nowhere.ConfigureEndpoint(os.Args[1], 1)
	nowhere.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	fmt.Println(connect(nowhere))

	client := v1compat.NewAWSIoTMQTTClient("refused")
	client.ConfigureEndpoint(os.Args[1], port)
	client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	client.ConfigureMQTTOperationTimeout(1)
	for range 2 {
		fmt.Println(connect(client))
	}
	for i := range 2 {
		switch err := send(client, fmt.Sprint("refused/", i)); err.(type) {
		case nil:
			fmt.Println("sent")
		case *v1compat.PublishTimeoutError:
			fmt.Println("timeout")
		default:
			fmt.Println("something else:", err)
		}
		client.ConfigureMQTTOperationTimeout(60) // the second PUBACK comes, however busy the machine is
	}
	client.Disconnect()
	nowhere.ConfigureOfflinePublishQueueing(1)
	for i := range 2 {
		if err := send(nowhere, fmt.Sprint("refused/offline/", i)); errors.As(err, new(*v1compat.PublishQueueFullError)) {
			fmt.Println("queue full")
		} else {
			fmt.Println(err)
		}
	}
}
