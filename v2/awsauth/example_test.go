package awsauth_test

import (
	"context"
	"fmt"
	"log"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/awsauth"
)

// A client that has AWS credentials instead of a certificate. With AWS, Endpoint is that of the account,
// Port and CAFile are not needed, and the region is read from the endpoint name.
func ExampleWebsocket() {
	server, err := iotlocal.Start(iotlocal.Options{Credentials: map[string]iotlocal.Credential{
		"AKIDEXAMPLE": {SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"},
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	client := awsiot.NewClient(awsiot.ClientOptions{
		Endpoint: server.Host(),
		Port:     server.WSSPort(),
		CAFile:   server.CAFile(),
		ClientID: "dashboard",
		Auth:     awsauth.Websocket("eu-west-1", awsauth.Static("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "")),
	})
	defer client.Close()
	if err := client.StartAndWait(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("connected as", server.Clients())
	// Output: connected as [dashboard]
}
