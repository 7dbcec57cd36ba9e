package iotshadow_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"slices"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/iotshadow"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

func connect(clientID string) (client *awsiot.Client, stop func()) {
	client, _, stop = connectTo(clientID)
	return client, stop
}

// connectTo connects to an AWS-IoT-Core-shaped endpoint in this process.
func connectTo(clientID string) (client *awsiot.Client, server *iotlocal.Server, stop func()) {
	server, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	thing, err := server.NewThing(clientID)
	if err != nil {
		log.Fatal(err)
	}
	client = awsiot.NewClient(awsiot.ClientOptions{Endpoint: server.Host(), Port: server.TLSPort(), ClientID: clientID,
		CAFile: server.CAFile(), Auth: awsiot.MTLSFromPath(thing.CertFile, thing.KeyFile)})
	if err := client.StartAndWait(context.Background()); err != nil {
		log.Fatal(err)
	}
	return client, server, func() { _ = client.Close(); _ = server.Close() }
}

// lamp is the state of a device.
type lamp struct {
	On    bool   `json:"on"`
	Color string `json:"color,omitempty"`
}

// A device asks for its shadow, reports its state, and follows what it is asked to become.
func Example() {
	client, stop := connect("lamp")
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	shadows := iotshadow.NewClient(client, reqresp.Options{})
	defer shadows.Close()

	_, err := shadows.GetShadow(ctx, &iotshadow.GetShadowRequest{ThingName: "lamp"})
	if refused, ok := errors.AsType[*iotshadow.RejectedError](err); ok && refused.Code == iotshadow.CodeNotFound {
		fmt.Println("no shadow yet")
	}
	answer, err := shadows.UpdateShadow(ctx, &iotshadow.UpdateShadowRequest{ThingName: "lamp",
		State: &iotshadow.ShadowState{Reported: lamp{On: false}, Desired: lamp{On: true, Color: "red"}}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("version", answer.Version)

	answer, err = shadows.GetShadow(ctx, &iotshadow.GetShadowRequest{ThingName: "lamp"})
	if err != nil {
		log.Fatal(err)
	}
	wanted, err := iotshadow.Decode[lamp](answer.State.Delta)
	fmt.Printf("to be changed: %+v %v\n", wanted, err)
	// Output:
	// no shadow yet
	// version 1
	// to be changed: {On:true Color:red} <nil>
}

// The events as an iterator; requests may be made in its loop.
func ExampleClient_ShadowDeltaUpdated() {
	client, server, stop := connectTo("lamp")
	defer stop()
	ctx := context.Background()
	shadows := iotshadow.NewClient(client, reqresp.Options{})
	defer shadows.Close()
	go func() { // an app asks for a colour, once the device listens
		_ = server.Recorder().Wait(ctx, func(packets []iotlocal.Packet) bool {
			return slices.ContainsFunc(packets, func(p iotlocal.Packet) bool { return p.Type == iotlocal.SUBACK })
		})
		_, _ = server.Shadow("lamp", "").Update(`{"state":{"desired":{"on":true,"color":"green"}}}`)
	}()
	for event, err := range shadows.ShadowDeltaUpdated(ctx, &iotshadow.ShadowDeltaUpdatedSubscriptionRequest{ThingName: "lamp"}) {
		if err != nil {
			log.Fatal(err)
		}
		wanted, err := iotshadow.Decode[lamp](event.State)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("becoming", wanted.Color)
		_, err = shadows.UpdateShadow(ctx, &iotshadow.UpdateShadowRequest{ThingName: "lamp", State: &iotshadow.ShadowState{Reported: wanted, Desired: iotshadow.Null}})
		if err != nil {
			log.Fatal(err)
		}
		break
	}
	// Output:
	// becoming green
}

// The same events as a handle, which hears of its subscription too.
func ExampleClient_CreateShadowDeltaUpdatedStream() {
	client, server, stop := connectTo("lamp")
	defer stop()
	shadows := iotshadow.NewClient(client, reqresp.Options{})
	defer shadows.Close()
	established, changed := make(chan bool, 1), make(chan string, 1)
	stream, err := shadows.CreateShadowDeltaUpdatedStream(&iotshadow.ShadowDeltaUpdatedSubscriptionRequest{ThingName: "lamp"},
		iotshadow.StreamOptions[iotshadow.ShadowDeltaUpdatedEvent]{
			OnEvent: func(e *iotshadow.ShadowDeltaUpdatedEvent) { changed <- string(e.State) },
			OnStatus: func(s reqresp.StreamStatus, err error) {
				if s == reqresp.StreamEstablished {
					established <- true
				}
			},
		})
	if err != nil {
		log.Fatal(err)
	}
	if err := stream.Open(); err != nil {
		log.Fatal(err)
	}
	<-established
	_, _ = server.Shadow("lamp", "").Update(`{"state":{"desired":{"on":true}}}`)
	fmt.Println(<-changed)
	_ = stream.Close()
	// Output:
	// {"on":true}
}

// The first generation: subscribe to the answers, then publish the request.
func ExampleClient_PublishGetNamedShadow() {
	client, stop := connect("lamp")
	defer stop()
	ctx := context.Background()
	shadows := iotshadow.NewClient(client, reqresp.Options{})
	defer shadows.Close()
	refused := make(chan *iotshadow.RejectedError, 1)
	subscription, err := shadows.SubscribeToGetNamedShadowRejected(ctx, &iotshadow.GetNamedShadowSubscriptionRequest{ThingName: "lamp", ShadowName: "night"},
		awsiot.AtLeastOnce, func(e *iotshadow.RejectedError) { refused <- e })
	if err != nil {
		log.Fatal(err)
	}
	defer subscription.Close()
	if err := shadows.PublishGetNamedShadow(ctx, &iotshadow.GetNamedShadowRequest{ThingName: "lamp", ShadowName: "night", ClientToken: "t-1"}, awsiot.AtLeastOnce); err != nil {
		log.Fatal(err)
	}
	e := <-refused
	fmt.Println(e, e.ClientToken)
	// Output:
	// rejected (404): No shadow exists with name: 'lamp~night' t-1
}

// What a shadow callback of the v1 SDK gets, from a request with a raw document.
func ExampleAnswerV1() {
	client, stop := connect("lamp")
	defer stop()
	shadows := iotshadow.NewClient(client, reqresp.Options{})
	defer shadows.Close()
	done := make(chan bool)
	callback := func(payload, responseStatus, token string) {
		fmt.Println(responseStatus, token != "")
		close(done)
	}
	shadows.UpdateShadowAsync(&iotshadow.UpdateShadowRequest{ThingName: "lamp", Document: []byte(`{"state": {"reported": {"on": true}}}`), Timeout: 5 * time.Second}).
		OnDone(func(r *iotshadow.UpdateShadowResponse, err error) { callback(iotshadow.AnswerV1(r, err)) })
	<-done
	// Output:
	// accepted true
}

// A device that follows its shadow: Sync calls Apply with what is desired and not yet so, and reports what became of it.
func ExampleSync() {
	client, server, stop := connectTo("lamp")
	defer stop()
	shadows := iotshadow.NewClient(client, reqresp.Options{})
	defer shadows.Close()
	if _, err := server.Shadow("lamp", "").Update(`{"state":{"desired":{"on":true,"color":"red"}}}`); err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	enough := errors.New("enough")
	err := iotshadow.Sync(ctx, shadows, iotshadow.SyncOptions[lamp]{
		ThingName: "lamp",
		Apply: func(ctx context.Context, delta lamp) (any, error) {
			fmt.Printf("becoming %+v\n", delta)
			time.AfterFunc(0, func() { // once it is reported, this example ends
				for {
					d, err := shadows.GetShadow(ctx, &iotshadow.GetShadowRequest{ThingName: "lamp"})
					if err != nil || d.State.Delta == nil {
						cancel(enough)
						return
					}
				}
			})
			return delta, nil
		},
	})
	fmt.Println(err)
	// Output:
	// becoming {On:true Color:red}
	// enough
}
