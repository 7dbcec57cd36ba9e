package awsiot_test

import (
	"context"
	"errors"
	"expvar"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// local starts an AWS-IoT-Core-shaped endpoint in this process, and returns options that connect to it.
func local(clientID string) (awsiot.ClientOptions, func()) {
	server, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	thing, err := server.NewThing(clientID)
	if err != nil {
		log.Fatal(err)
	}
	return awsiot.ClientOptions{
		Endpoint: server.Host(), Port: server.TLSPort(), ClientID: clientID,
		CAFile: server.CAFile(), Auth: awsiot.MTLSFromPath(thing.CertFile, thing.KeyFile),
	}, func() { _ = server.Close() }
}

// A device that subscribes, publishes and stops.
func Example() {
	options, stop := local("sensor-1")
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	client := awsiot.NewClient(options)
	defer client.Close()
	if err := client.StartAndWait(ctx); err != nil {
		log.Fatal(err)
	}
	received := make(chan string)
	_, err := client.Subscribe(ctx, &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{
		TopicFilter: "commands/#", QoS: awsiot.AtLeastOnce,
		Handler: func(m *awsiot.Message) { received <- m.Topic + ": " + string(m.Payload) },
	}}})
	if err != nil {
		log.Fatal(err)
	}
	result, err := client.Publish(ctx, &awsiot.PublishPacket{Topic: "commands/sensor-1", Payload: []byte("reboot"), QoS: awsiot.AtLeastOnce})
	fmt.Println(result.Code, err)
	fmt.Println(<-received)
	fmt.Println(client.Stop(ctx, nil), client.State())
	// Output:
	// success <nil>
	// commands/sensor-1: reboot
	// <nil> StateStopped
}

// A callback, a future and a blocking call, in the order of the calls.
func ExampleClient_PublishFunc() {
	options, stop := local("publisher")
	defer stop()
	client := awsiot.NewClient(options)
	if err := client.StartAndWait(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	packet := &awsiot.PublishPacket{Topic: "a/b", Payload: []byte("x"), QoS: awsiot.AtLeastOnce}
	done := make(chan error)
	client.PublishFunc(packet, func(_ awsiot.PublishResult, err error) { done <- err })
	fmt.Println("callback:", <-done)
	future := client.PublishAsync(packet)
	result, err := future.Wait(context.Background())
	fmt.Println("future:", result.Code, err)
	// Output:
	// callback: <nil>
	// future: no matching subscribers <nil>
}

// OnDone chains a callback to a future; Result never waits.
func ExampleFuture() {
	client := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "localhost", Auth: awsiot.PlainTCP()})
	future := client.PublishAsync(&awsiot.PublishPacket{Topic: "wild/+/card"})
	_, err := future.Result()
	var invalid *awsiot.ValidationError
	fmt.Println(errors.As(err, &invalid), invalid.Field)
	// Output: true Topic
}

// Every message of a subscription, in a loop.
func ExampleClient_Messages() {
	options, stop := local("reader")
	defer stop()
	client := awsiot.NewClient(options)
	if err := client.StartAndWait(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	retained := &awsiot.PublishPacket{Topic: "jobs/next", Payload: []byte("work"), QoS: awsiot.AtLeastOnce, Retain: true}
	if _, err := client.Publish(ctx, retained); err != nil {
		log.Fatal(err)
	}
	filters := &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "jobs/next", QoS: awsiot.AtLeastOnce}}}
	for m, err := range client.Messages(ctx, filters) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(m.Topic, string(m.Payload))
		break // unsubscribes
	}
	// Output: jobs/next work
}

// Events, for any number of observers, at any time.
func ExampleClient_Observe() {
	options, stop := local("observed")
	defer stop()
	client := awsiot.NewClient(options)
	stopped := make(chan struct{})
	client.Observe(awsiot.Observer{
		OnAttemptingConnect: func(*awsiot.AttemptingConnect) { fmt.Println("attempting") },
		OnConnectionSuccess: func(s *awsiot.ConnectionSuccess) { fmt.Println("connected as", s.Settings.ClientID) },
		OnConnectionFailure: func(f *awsiot.ConnectionFailure) { fmt.Println("failed:", f.Err) },
		OnDisconnection:     func(d *awsiot.Disconnection) { fmt.Println("disconnected:", errors.Is(d.Err, awsiot.ErrStopped)) },
		OnStopped:           func(*awsiot.Stopped) { close(stopped) },
	})
	if err := client.StartAndWait(context.Background()); err != nil {
		log.Fatal(err)
	}
	_ = client.Stop(context.Background(), &awsiot.DisconnectPacket{Reason: "maintenance"})
	<-stopped
	_ = client.Close()
	// Output:
	// attempting
	// connected as observed
	// disconnected: true
}

// A bounded offline queue: the oldest message makes room, and its end is reported.
func ExampleOfflineQueue() {
	client := awsiot.NewClient(awsiot.ClientOptions{
		Endpoint: "localhost", Auth: awsiot.PlainTCP(),
		OfflineQueue: awsiot.OfflineQueue{MaxOperations: 1, WhenFull: awsiot.DropOldest},
	})
	defer client.Close()
	first := client.PublishAsync(&awsiot.PublishPacket{Topic: "t", Payload: []byte("1"), QoS: awsiot.AtLeastOnce})
	client.PublishAsync(&awsiot.PublishPacket{Topic: "t", Payload: []byte("2"), QoS: awsiot.AtLeastOnce})
	_, err := first.Result()
	fmt.Println(errors.Is(err, awsiot.ErrDropped), client.Stats().IncompleteOperationCount)
	// Output: true 1
}

// Messages that survive the process.
func ExampleNewFileStore() {
	options, stop := local("keeper")
	defer stop()
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	options.Store = awsiot.NewFileStore(filepath.Join(dir, "queue"))
	client := awsiot.NewClient(options)
	if err := client.StartAndWait(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	_, err = client.Publish(context.Background(), &awsiot.PublishPacket{Topic: "t", QoS: awsiot.AtLeastOnce})
	fmt.Println(err)
	// Output: <nil>
}

// The acknowledgement of a message after the work it asks for.
func ExampleMessage_HoldAck() {
	options, stop := local("worker")
	defer stop()
	client := awsiot.NewClient(options)
	if err := client.StartAndWait(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	done := make(chan error)
	handler := func(m *awsiot.Message) {
		ack, ok := m.HoldAck()
		if !ok { // QoS 0
			return
		}
		go func() {
			fmt.Println("stored safely:", string(m.Payload))
			done <- ack() // awsiot.ErrAckLost: the broker sends the message again
		}()
	}
	_, err := client.Subscribe(context.Background(), &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{
		{TopicFilter: "work/#", QoS: awsiot.AtLeastOnce, Handler: handler}}})
	if err != nil {
		log.Fatal(err)
	}
	client.PublishAsync(&awsiot.PublishPacket{Topic: "work/1", Payload: []byte("order 7"), QoS: awsiot.AtLeastOnce})
	err = <-done
	fmt.Println(err, errors.Is(err, awsiot.ErrAckLost))
	// Output:
	// stored safely: order 7
	// <nil> false
}

// What a refusal looks like.
func ExampleReasonError() {
	var err error = &awsiot.ReasonError{Op: "publish", Topic: "a/b", Code: awsiot.ReasonNotAuthorized, Reason: "policy"}
	fmt.Println(err)
	code, _ := awsiot.ReasonOf(err)
	fmt.Println(code == awsiot.ReasonNotAuthorized, awsiot.Retryable(err))
	// Output:
	// awsiot: publish "a/b": not authorized (0x87): policy
	// true true
}

// Every problem of the options at once.
func ExampleClientOptions_Validate() {
	err := awsiot.ClientOptions{Port: 70000, SessionBehavior: awsiot.RejoinAlways, Auth: awsiot.TLS()}.Validate()
	fmt.Println(err)
	// Output:
	// awsiot: Endpoint: is required
	// awsiot: Port: 70000 is outside 0..65535
	// awsiot: SessionBehavior: RejoinAlways needs SessionExpiry > 0: the broker forgets the session otherwise
}

// A session that outlives the connection, a will, aliases and a proxy.
func ExampleClientOptions() {
	options := awsiot.ClientOptions{
		Endpoint:        "xxxx-ats.iot.eu-west-1.amazonaws.com",
		ClientID:        "gateway",
		Auth:            awsiot.MTLSFromPath("cert.pem", "key.pem"),
		CAFile:          "AmazonRootCA1.pem",
		KeepAlive:       60 * time.Second,
		SessionBehavior: awsiot.RejoinPostSuccess,
		SessionExpiry:   time.Hour,
		Will:            &awsiot.Will{Topic: "status/gateway", Payload: []byte("lost"), Retain: true, Delay: new(10 * time.Second)},
		TopicAliasing:   awsiot.TopicAliasing{Outbound: awsiot.AliasLRU, Inbound: awsiot.AliasEnabled},
		HTTPProxy:       http.ProxyFromEnvironment,
	}
	fmt.Println(options.Validate()) // Start does that, and reads the files
	// Output: <nil>
}

// A custom authorizer with a signed token.
func ExampleCustomAuthorizer() {
	options := awsiot.ClientOptions{
		Endpoint: "xxxx-ats.iot.eu-west-1.amazonaws.com",
		ClientID: "app",
		Auth:     awsiot.CustomAuthorizer{Name: "MyAuthorizer", TokenKeyName: "token", TokenValue: "123", Signature: "c2lnbmVk"},
	}
	fmt.Println(options.Validate())
	options.Auth = awsiot.CustomAuthorizer{Name: "MyAuthorizer", TokenKeyName: "token"}
	fmt.Println(options.Validate())
	// Output:
	// <nil>
	// awsiot: Auth: CustomAuthorizer: Signature, TokenKeyName and TokenValue belong together: all or none
}

// Logging to standard error or to a file; at LevelTrace every packet. AWS's SDKs have io.init_logging for it.
func ExampleLevelTrace() {
	logTo := func(w *os.File, level slog.Level) *slog.Logger {
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
	}
	_ = logTo(os.Stderr, slog.LevelWarn)

	name := filepath.Join(os.TempDir(), fmt.Sprintf("awsiot-%d.log", os.Getpid()))
	file, err := os.Create(name)
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(name)
	options, stop := local("logged")
	defer stop()
	options.Logger = logTo(file, awsiot.LevelTrace)
	client := awsiot.NewClient(options)
	if err := client.StartAndWait(context.Background()); err != nil {
		log.Fatal(err)
	}
	_ = client.Close()
	file.Close()
	text, _ := os.ReadFile(name)
	fmt.Println(strings.Contains(string(text), "packet=CONNECT "), strings.Contains(string(text), "msg=connected"))
	// Output: true true
}

// Counters for a monitoring system, without the client importing one: here expvar.
func ExampleTrace() {
	operations := expvar.NewMap("mqtt_operations")
	options, stop := local("measured")
	defer stop()
	finished := make(chan struct{})
	options.Trace = &awsiot.Trace{
		ConnackReceived: func(*awsiot.ConnackPacket, error) { operations.Add("connack", 1) },
		OperationDone: func(i awsiot.OperationInfo) {
			operations.Add(i.Kind, 1)
			operations.Add("bytes", int64(i.Bytes))
			close(finished)
		},
	}
	client := awsiot.NewClient(options)
	if err := client.StartAndWait(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	_, _ = client.Publish(context.Background(), &awsiot.PublishPacket{Topic: "a/b", Payload: []byte("x"), QoS: awsiot.AtLeastOnce})
	<-finished
	fmt.Println(operations)
	// Output: {"bytes": 11, "connack": 1, "publish": 1}
}
