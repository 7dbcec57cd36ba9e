package shadowcompat_test

import (
	"fmt"
	"log"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/shadowcompat"
)

// A device that takes over the desired state: the v1 sample ThingShadowEcho.
func Example() {
	srv, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	thing, err := srv.NewThing("lamp")
	if err != nil {
		log.Fatal(err)
	}

	client := shadowcompat.NewAWSIoTMQTTShadowClient("lamp")
	client.ConfigureEndpoint(srv.Host(), srv.TLSPort())
	client.ConfigureCredentials(srv.CAFile(), thing.KeyFile, thing.CertFile)
	if err := client.Connect(); err != nil {
		log.Fatal(err)
	}
	handler := client.CreateShadowHandlerWithName("lamp", true)
	reported := make(chan string, 1)
	handler.ShadowRegisterDeltaCallback(func(payload, status, _ string) {
		fmt.Println(status)
		handler.ShadowUpdate(`{"state":{"reported":{"on":true}}}`, func(_, status, _ string) { reported <- status }, 5)
	})
	// Without a callback: the answer would hide the delta of the same version.
	other := client.CreateShadowHandlerWithName("lamp", true)
	other.ShadowUpdate(`{"state":{"desired":{"on":true}}}`, nil, 5)
	fmt.Println(<-reported)
	fmt.Println(client.Disconnect())
	// Output:
	// delta/lamp
	// accepted
	// <nil>
}
