package awsiot_test

import (
	"context"
	"fmt"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// A message that lasts is not ended by Stop: it is sent when the client is started again.
func ExampleClient_StartAndSend() {
	options, stop := local("lasts")
	defer stop()
	options.OfflineQueue.Behavior = awsiot.KeepAll
	client := awsiot.NewClient(options)
	defer client.Close()
	fmt.Println("waits for an acknowledgement:", client.Options().AckTimeout)
	client.Observe(awsiot.Observer{OnUnsubscribed: func(u *awsiot.Unsubscribed) { fmt.Println("unsubscribed:", u.TopicFilters) }})

	lasts := client.PublishAsync(&awsiot.PublishPacket{Topic: "a", QoS: awsiot.AtLeastOnce, Lasting: true})
	ends := client.PublishAsync(&awsiot.PublishPacket{Topic: "b", QoS: awsiot.AtLeastOnce})
	_ = client.Stop(context.Background(), nil)
	fmt.Println(ends.Err())
	fmt.Println(client.StartAndSend(context.Background())) // the CONNECT is on its way
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, err := lasts.Wait(ctx)
	fmt.Println(err)
	_, _ = client.Unsubscribe(ctx, &awsiot.UnsubscribePacket{TopicFilters: []string{"c"}})
	// Output:
	// waits for an acknowledgement: 1m0s
	// awsiot: publish "b": client stopped
	// <nil>
	// <nil>
	// unsubscribed: [c]
}

// A program that keeps unacknowledged messages itself, under their packet identifiers, sends them again under the same ones.
func ExampleClient_ReservePacketID() {
	options, stop := local("keeps")
	defer stop()
	client := awsiot.NewClient(options)
	defer client.Close()

	id, ok := client.ReservePacketID(7) // of the last run
	fmt.Println(id, ok)
	ended := make(chan error)
	client.PublishFunc(&awsiot.PublishPacket{Topic: "a", QoS: awsiot.AtLeastOnce, PacketID: id, Duplicate: true},
		func(_ awsiot.PublishResult, err error) {
			client.ReleasePacketID(id)
			ended <- err
		})
	fmt.Println(client.Start())
	fmt.Println(<-ended)
	next, _ := client.ReservePacketID(0)
	fmt.Println(next)
	// Output:
	// 7 true
	// <nil>
	// <nil>
	// 8
}
