package iotlocal_test

import (
	"context"
	"fmt"
	"log"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/portage-iot/awsiot/iotlocal"
)

func Example() {
	srv, err := iotlocal.Start(iotlocal.Options{TLSPort: iotlocal.Off})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()

	client := mqtt.NewClient(mqtt.NewClientOptions().SetClientID("lamp").
		AddBroker(fmt.Sprintf("tcp://%s:%d", srv.Host(), srv.TCPPort())))
	if tok := client.Connect(); tok.Wait() && tok.Error() != nil {
		log.Fatal(tok.Error())
	}
	if tok := client.Publish("lamp/on", 1, false, "yes"); tok.Wait() && tok.Error() != nil {
		log.Fatal(tok.Error())
	}
	for _, p := range srv.Recorder().Packets() {
		if p.Type == iotlocal.PUBLISH || p.Type == iotlocal.PUBACK {
			fmt.Println(p)
		}
	}
	client.Disconnect(0)
	// Output:
	// → PUBLISH c1 "lamp/on" QoS 1 3 bytes "yes"
	// ← PUBACK c1
}

func ExampleShadow() {
	srv, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()

	lamp := srv.Shadow("lamp", "")
	version, err := lamp.Update(`{"state":{"desired":{"on":true}}}`)
	fmt.Println(version, err)
	_, err = lamp.Update(`{"state":{"reported":{"on":true}},"version":7}`)
	fmt.Println(err)
	// Output:
	// 1 <nil>
	// iotlocal: shadow: 409 Version conflict
}

func ExampleJobs() {
	srv, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()

	lamp := srv.Jobs("lamp")
	err = lamp.Create("update-1", `{"version":"1.2"}`, iotlocal.JobOptions{Retry: iotlocal.JobRetry{Failed: 1}})
	fmt.Println(err)
	fmt.Println(lamp.Create("update-1", `{}`, iotlocal.JobOptions{}))

	client := mqtt.NewClient(mqtt.NewClientOptions().SetClientID("lamp").
		AddBroker(fmt.Sprintf("tcp://%s:%d", srv.Host(), srv.TCPPort())))
	if tok := client.Connect(); tok.Wait() && tok.Error() != nil {
		log.Fatal(tok.Error())
	}
	answered := make(chan struct{})
	client.AddRoute("$aws/things/lamp/jobs/#", func(mqtt.Client, mqtt.Message) { close(answered) })
	client.Publish("$aws/things/lamp/jobs/update-1/update", 1, false, `{"status":"FAILED"}`)
	select {
	case <-answered:
	case <-time.After(time.Minute):
		log.Fatal("no answer")
	}
	client.Disconnect(0)

	for _, e := range lamp.List() {
		fmt.Println(e.JobID, e.ExecutionNumber, e.Status)
	}
	// Output:
	// <nil>
	// iotlocal: jobs: ResourceAlreadyExists: thing lamp has a job update-1 already
	// update-1 1 FAILED
	// update-1 2 QUEUED
}

func ExampleFaults() {
	srv, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()

	// Lose the PUBACK of the third message, once.
	h, err := srv.Faults().Add(iotlocal.Rule{
		Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK, Nth: 3, Action: iotlocal.Drop,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(h.Rule().Action, h.Hits())
	// Output: drop 0
}

func ExampleTemplates() {
	srv, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()

	fleet := srv.Templates()
	err = fleet.Create("fleet", iotlocal.DefaultTemplate, iotlocal.TemplateOptions{
		Hook: func(_ context.Context, r iotlocal.HookRequest) (iotlocal.HookResponse, error) {
			return iotlocal.HookResponse{AllowProvisioning: r.Parameters["SerialNumber"] != "stolen"}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	claim, err := fleet.Claim("fleet", iotlocal.ClaimOptions{}) // what the device is delivered with
	if err != nil {
		log.Fatal(err)
	}
	pair, err := claim.Certificate()
	fmt.Println(pair.Leaf.Subject, err)
	fmt.Println(fleet.Certificates()[0].Status)
	srv.Clock().Advance(5 * time.Minute)
	fmt.Println(len(fleet.Certificates()))
	// Output:
	// CN=AWS IoT Certificate <nil>
	// CLAIM
	// 0
}

func ExampleCommands() {
	srv, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()

	lamp := srv.Commands("lamp")
	id, err := lamp.Start(map[string]string{"op": "restart"}, iotlocal.CommandOptions{ExecutionID: "restart-1"})
	fmt.Println(id, err)
	srv.Clock().Advance(10 * time.Second) // and the lamp says nothing
	e, err := lamp.Describe(id)
	fmt.Println(e.Status, e.StatusReason.Code, err)
	// Output:
	// restart-1 <nil>
	// TIMED_OUT $NO_RESPONSE_FROM_DEVICE <nil>
}
