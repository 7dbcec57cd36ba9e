package awsiot_test

import (
	"context"
	"fmt"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// What a program on paho.mqtt.golang becomes.
func ExampleOptionsPaho() {
	broker, stop := local("paho")
	defer stop()
	opts := awsiot.OptionsPaho()
	awsiot.BrokerPaho(opts, fmt.Sprintf("tcp://%s:%d", broker.Endpoint, broker.Port))
	opts.ClientID = "paho"
	opts.Auth, opts.CAFile = broker.Auth, broker.CAFile // of this example's broker
	opts.KeepAlive = awsiot.KeepAlivePaho(time.Minute)
	opts.OnDisconnection = func(e *awsiot.Disconnection) {
		fmt.Println("asked for:", e.Requested(), e.Client != nil)
	}
	opts.OnPublishReceived = awsiot.Unhandled(awsiot.Unordered(func(*awsiot.Message) {}))
	client := awsiot.NewClient(*opts)
	if err := client.StartAndRetry(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(awsiot.ConnectedPaho(client))

	got := make(chan string, 1)
	_, err := client.Subscribe(context.Background(), &awsiot.SubscribePacket{
		Subscriptions: awsiot.SubscriptionsPaho(map[string]byte{"a": 1}, func(m *awsiot.Message) { got <- string(m.Payload) })})
	fmt.Println(err)
	var payload any = "text"
	fmt.Println(awsiot.PublishPaho(client, "a", 1, false, payload).WaitTimeout(10*time.Second), <-got)
	var pending awsiot.Pending = client.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: []string{"a"}})
	fmt.Println(awsiot.WaitPaho(pending), pending.Err())
	fmt.Println(client.DrainFor(10 * time.Second))
	again, _ := client.StartAsync().Wait(context.Background())
	fmt.Println(again.Client == client)
	client.Close()
	// Output:
	// true
	// <nil>
	// true text
	// true <nil>
	// asked for: true true
	// <nil>
	// true
	// asked for: true true
}

// Handlers of connections, and a Connect that is called again, as programs on paho.mqtt.golang do.
func ExampleConnectPaho() {
	broker, stop := local("paho-again")
	defer stop()
	online := make(chan bool, 1)
	opts := awsiot.OptionsPaho()
	opts.Endpoint, opts.Port, opts.Auth, opts.CAFile = broker.Endpoint, broker.Port, broker.Auth, broker.CAFile
	opts.ClientID = "paho-again"
	opts.OnConnectionSuccess = awsiot.OnConnectPaho(func(c *awsiot.Client) { online <- awsiot.ConnectedPaho(c) })
	opts.OnDisconnection = awsiot.OnConnectionLostPaho(func(_ *awsiot.Client, err error) { fmt.Println("lost:", err) }) // not by Close
	client := awsiot.NewClient(*opts)
	_, err := client.StartRetryAsync().Wait(context.Background())
	fmt.Println(err, <-online, awsiot.StartedPaho(client))
	_, err = awsiot.ConnectPaho(client).Wait(context.Background()) // there already
	fmt.Println(err)
	client.Close()
	fmt.Println(awsiot.StartedPaho(client))
	// Output:
	// <nil> true true
	// <nil>
	// false
}
