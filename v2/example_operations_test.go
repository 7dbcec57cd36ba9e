package awsiot_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// The limits of AWS IoT Core are checked, and its rates kept, for its endpoints, and for others on demand.
func ExampleFlowControl() {
	for _, flow := range []awsiot.FlowControl{awsiot.FlowControlAuto, awsiot.FlowControlAWS, awsiot.FlowControlLimits, awsiot.FlowControlNone} {
		client := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "localhost", Auth: awsiot.PlainTCP(), FlowControl: flow})
		_, err := client.PublishAsync(&awsiot.PublishPacket{Topic: "1/2/3/4/5/6/7/8/9", QoS: awsiot.AtLeastOnce}).Result()
		_, invalid := errors.AsType[*awsiot.ValidationError](err)
		fmt.Println(flow, "refused:", invalid, "queued:", errors.Is(err, awsiot.ErrPending))
		_ = client.Close()
	}
	// Output:
	// FlowControlAuto refused: false queued: true
	// FlowControlAWS refused: true queued: false
	// FlowControlLimits refused: true queued: false
	// FlowControlNone refused: false queued: true
}

// A broker that has forgotten the session: the subscriptions are made again, and the program is told.
func ExampleResubscribe() {
	server, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	made := make(chan *awsiot.Resubscribed)
	client := awsiot.NewClient(awsiot.ClientOptions{
		Endpoint: server.Host(), Port: server.TCPPort(), ClientID: "faithful", Auth: awsiot.PlainTCP(),
		RetryJitterMode: awsiot.JitterNone, MinReconnectDelay: 10 * time.Millisecond, InitialReconnectDelay: 10 * time.Millisecond,
		Resubscribe:    awsiot.Resubscribe{When: awsiot.ResubscribeIfNoSession, BatchSize: 8},
		OnResubscribed: func(r *awsiot.Resubscribed) { made <- r },
	})
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := client.StartAndWait(ctx); err != nil {
		log.Fatal(err)
	}
	filters := &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{
		TopicFilter: "news/#", QoS: awsiot.AtLeastOnce, RetainHandling: awsiot.RetainDontSend,
	}}}
	if _, err := client.Subscribe(ctx, filters); err != nil {
		log.Fatal(err)
	}
	server.Faults().Cut("faithful")
	r := <-made
	fmt.Println(r.Subscriptions[0].TopicFilter, r.Suback.Codes[0], r.Err)
	// Output: news/# granted QoS 1 <nil>
}

// The end of a subscription, with an answer per filter.
func ExampleClient_Unsubscribe() {
	options, stop := local("leaver")
	defer stop()
	client := awsiot.NewClient(options)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := client.StartAndWait(ctx); err != nil {
		log.Fatal(err)
	}
	var made *awsiot.SubackPacket
	made, err := client.SubscribeAsync(&awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "a/#", QoS: awsiot.AtLeastOnce}}}).Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(made.Codes)
	var ended *awsiot.UnsubackPacket
	ended, err = client.Unsubscribe(ctx, &awsiot.UnsubscribePacket{TopicFilters: []string{"a/#", "b"}})
	fmt.Println(ended.Codes, err)
	_, err = client.UnsubscribeAsync(&awsiot.UnsubscribePacket{}).Result()
	fmt.Println(err)
	// Output:
	// [granted QoS 1]
	// [success no subscription existed] <nil>
	// awsiot: TopicFilters: 0 filters; an UNSUBSCRIBE has 1 to 1024
}

// Every property of a message on its way: user properties, format, expiry and where the answer goes.
func ExampleUserProperty() {
	options, stop := local("writer")
	defer stop()
	client := awsiot.NewClient(options)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := client.StartAndWait(ctx); err != nil {
		log.Fatal(err)
	}
	received := make(chan *awsiot.Message, 1)
	// Handle needs no SUBSCRIBE: its routes are there for what other subscriptions, or a session, bring.
	var show awsiot.MessageHandler = func(m *awsiot.Message) { received <- m }
	remove := client.Handle("requests/+", show)
	defer remove()
	_, err := client.Subscribe(ctx, &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "requests/#", QoS: awsiot.AtLeastOnce}}})
	if err != nil {
		log.Fatal(err)
	}
	result, err := client.Publish(ctx, &awsiot.PublishPacket{
		Topic: "requests/1", Payload: []byte(`{"a":1}`), QoS: awsiot.AtLeastOnce,
		PayloadFormat: new(awsiot.PayloadUTF8), ContentType: "application/json", MessageExpiry: new(time.Minute),
		ResponseTopic: "answers/1", CorrelationData: []byte("42"),
		UserProperties: []awsiot.UserProperty{{Name: "trace", Value: "abc"}, {Name: "trace", Value: "def"}},
	})
	var sent awsiot.PublishResult = result
	fmt.Println(sent.Code, err)
	m := <-received
	fmt.Println(m.UserProperties, m.ContentType, m.ResponseTopic, string(m.CorrelationData))
	// Output:
	// success <nil>
	// [{trace abc} {trace def}] application/json answers/1 42
}

// An orderly end: what was accepted is sent and acknowledged before the client stops.
func ExampleClient_Drain() {
	options, stop := local("orderly")
	defer stop()
	options.OfflineQueue = awsiot.OfflineQueue{Behavior: awsiot.KeepAll, MaxBytes: 1 << 20}
	options.Inbound = awsiot.Inbound{MaxBytes: 1 << 20, WhenFull: awsiot.DropOldest}
	client := awsiot.NewClient(options)
	defer client.Close()
	for range 3 { // not connected yet: they wait in the queue
		client.PublishAsync(&awsiot.PublishPacket{Topic: "t", QoS: awsiot.AtLeastOnce})
	}
	var stats awsiot.OperationStatistics = client.Stats()
	fmt.Println(stats.IncompleteOperationCount)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := client.StartAndWait(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(client.Drain(ctx), client.Stats().IncompleteOperationCount)
	// Output:
	// 3
	// <nil> 0
}

// Code that comes from the v1 SDK, with its defaults and its ways to say things.
func ExampleOptionsV1() {
	options := awsiot.OptionsV1("thing")
	options.Endpoint, options.Auth = "localhost", awsiot.PlainTCP()
	options.OfflineQueue.MaxOperations = awsiot.QueueSizeV1(-1) // configureOfflinePublishQueueing(-1): no limit
	options.KeepAlive = awsiot.KeepAliveV1(0)                   // connect(0): none
	fmt.Println(options.AckTimeout, options.OfflineQueue.MaxOperations, options.KeepAlive < 0, options.Validate())
	for _, payload := range []any{"text", 20.5, true, nil} {
		b, err := awsiot.PayloadV1(payload)
		fmt.Printf("%q %v\n", b, err)
	}
	_, err := awsiot.PayloadV1([]int{1})
	fmt.Println(err)
	// Output:
	// 5s 0 true <nil>
	// "text" <nil>
	// "20.5" <nil>
	// "True" <nil>
	// "" <nil>
	// awsiot: Payload: []int is neither string, []byte, integer, float, bool nor nil
}

// Two parts of a program use one filter without knowing of each other; the last one to go unsubscribes.
func ExampleClient_Attach() {
	options, stop := local("shared")
	defer stop()
	client := awsiot.NewClient(options)
	defer client.Close()
	received := make(chan string, 2)
	attach := func(name string) *awsiot.Attachment {
		established := make(chan bool, 1)
		a, err := client.Attach(awsiot.AttachOptions{
			TopicFilter: "rooms/+", QoS: awsiot.AtLeastOnce,
			Handler: func(m *awsiot.Message) { received <- name + ": " + string(m.Payload) },
			OnStatus: func(s awsiot.AttachmentStatus, err error) {
				if s == awsiot.AttachmentEstablished {
					established <- true
				}
			},
		})
		if err != nil {
			log.Fatal(err)
		}
		if client.State() == awsiot.StateStopped { // it is subscribed when the client connects
			if err := client.StartAndWait(context.Background()); err != nil {
				log.Fatal(err)
			}
			<-established
		}
		return a
	}
	first, second := attach("first"), attach("second")
	publish := func(text string) {
		_, err := client.Publish(context.Background(), &awsiot.PublishPacket{Topic: "rooms/1", Payload: []byte(text), QoS: awsiot.AtLeastOnce})
		if err != nil {
			log.Fatal(err)
		}
	}
	publish("21.5")
	fmt.Println(<-received)
	fmt.Println(<-received)
	first.Detach()
	publish("22.0")
	fmt.Println(<-received)
	second.Detach()
	// Output:
	// first: 21.5
	// second: 21.5
	// second: 22.0
}

// A future for a call of one's own: the temperature of a room, when it arrives.
func ExampleNewFuture() {
	options, stop := local("thermometer")
	defer stop()
	client := awsiot.NewClient(options)
	defer client.Close()
	if err := client.StartAndWait(context.Background()); err != nil {
		log.Fatal(err)
	}
	temperature := func(room string) *awsiot.Future[string] {
		future, complete := awsiot.NewFuture[string](client)
		client.SubscribeAsync(&awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: room,
			Handler: func(m *awsiot.Message) { complete(string(m.Payload), nil) }}}}).
			OnDone(func(_ *awsiot.SubackPacket, err error) {
				if err != nil {
					complete("", err)
					return
				}
				client.PublishFunc(&awsiot.PublishPacket{Topic: room, Payload: []byte("21.5")}, nil)
			})
		return future
	}
	fmt.Println(temperature("rooms/1").Wait(context.Background()))
	// Output: 21.5 <nil>
}
