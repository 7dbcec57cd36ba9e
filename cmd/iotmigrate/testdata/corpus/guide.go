// Command guide is AWS's guide for moving from the Python SDK v1 to v2, row by row: what stands on the left of each of its
// rows, in v1's shape. The rows about what only v2 has are not here; those about jobs are in jobs.go, about other ways to
// connect in renew.go.
//
// verify: -thing corpus
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/shadowcompat"
	"github.com/portage-iot/awsiot/v1compat"
)

func main() {
	port, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}

	// Client builder; connection with X.509.
	client := v1compat.NewAWSIoTMQTTClient("guide", v1compat.WithCleanSession(true))
	client.ConfigureEndpoint(os.Args[1], port)
	client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])

	// Last will, user name.
	client.ConfigureLastWill("guide/will", "gone", 1, false)
	client.ConfigureUsernamePassword("user", "secret")

	// Client configuration; reconnect.
	client.ConfigureAutoReconnectBackoffTime(1, 32, 20)

	// Offline operations queue.
	client.ConfigureOfflinePublishQueueing(10, v1compat.DropOldest)
	client.ConfigureDrainingFrequency(2)

	// Operation timeouts.
	client.ConfigureConnectDisconnectTimeout(10)
	client.ConfigureMQTTOperationTimeout(65)

	// Connection events.
	client.OnOnline = func() { fmt.Println("online") }
	client.OnOffline = func() { fmt.Println("offline") }
	all := make(chan string, 8)
	client.OnMessage = func(message *v1compat.Message) { all <- "any: " + string(message.Payload) }

	// Offline: a publish before the connection goes to the queue.
	done, err := client.Publish("early", "queued", 1)
	fmt.Println(done, err)

	// Connect with v1's keep-alive.
	if err := client.Connect(600); err != nil {
		fmt.Println("connect:", err)
		return
	}

	// Subscribe, with a callback for the filter.
	messages := make(chan string, 8)
	if _, err := client.Subscribe("guide/+", 1, func(_ *v1compat.AWSIoTMQTTClient, _ any, message *v1compat.Message) {
		messages <- message.Topic + ": " + string(message.Payload)
	}); err != nil {
		fmt.Println("subscribe:", err)
		return
	}

	// Publish, waiting for its acknowledgement and not.
	if _, err := client.Publish("guide/sync", "one", 1); err != nil {
		fmt.Println("publish:", err)
		return
	}
	fmt.Println(<-messages)
	fmt.Println(<-all)
	acknowledged := make(chan string, 1)
	if _, err := client.PublishAsync("guide/async", []byte("two"), 1, func(v1compat.Mid) { acknowledged <- "acknowledged" }); err != nil {
		fmt.Println("publish:", err)
		return
	}
	fmt.Println(<-messages)
	fmt.Println(<-all)
	fmt.Println(<-acknowledged)

	// Subscribe and unsubscribe without waiting.
	granted := make(chan []byte, 1)
	if _, err := client.SubscribeAsync("guide/more", 0, func(_ v1compat.Mid, data []byte) { granted <- data }, nil); err != nil {
		fmt.Println("subscribe:", err)
		return
	}
	fmt.Println(<-granted)
	left := make(chan string, 1)
	if _, err := client.UnsubscribeAsync("guide/more", func(v1compat.Mid) { left <- "unsubscribed" }); err != nil {
		fmt.Println("unsubscribe:", err)
		return
	}
	fmt.Println(<-left)

	// Unsubscribe.
	if _, err := client.Unsubscribe("guide/+"); err != nil {
		fmt.Println("unsubscribe:", err)
		return
	}

	// Shadow: a client on the connection, a handler with callbacks.
	shadows := shadowcompat.NewAWSIoTMQTTShadowClientWith(client)
	shadow := shadows.CreateShadowHandlerWithName("corpus", true)
	answers := make(chan string, 4)
	answer := func(_, status, _ string) { answers <- status }
	if _, err := shadow.ShadowUpdate(`{"state": {"reported": {"on": true}}}`, answer, 60); err != nil {
		fmt.Println("update:", err)
		return
	}
	fmt.Println(<-answers)
	if _, err := shadow.ShadowGet(answer, 60); err != nil {
		fmt.Println("get:", err)
		return
	}
	fmt.Println(<-answers)
	if err := shadow.ShadowRegisterDeltaCallback(answer); err != nil {
		fmt.Println("delta:", err)
		return
	}
	if err := shadow.ShadowUnregisterDeltaCallback(); err != nil {
		fmt.Println("delta:", err)
		return
	}
	if _, err := shadow.ShadowDelete(answer, 60); err != nil {
		fmt.Println("delete:", err)
		return
	}
	fmt.Println(<-answers)

	// Client stop.
	fmt.Println(client.Disconnect())
}
