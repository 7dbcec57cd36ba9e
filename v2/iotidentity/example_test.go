package iotidentity_test

import (
	"context"
	"fmt"
	"log"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/iotidentity"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// A device with a claim certificate gets one of its own, and is registered.
func Example() {
	server, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	if err := server.Templates().Create("fleet", iotlocal.DefaultTemplate, iotlocal.TemplateOptions{}); err != nil {
		log.Fatal(err)
	}
	claim, err := server.NewThing("claim")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	client := awsiot.NewClient(awsiot.ClientOptions{Endpoint: server.Host(), Port: server.TLSPort(), ClientID: "new-device",
		CAFile: server.CAFile(), Auth: awsiot.MTLSFromPath(claim.CertFile, claim.KeyFile)})
	defer client.Close()
	if err := client.StartAndWait(ctx); err != nil {
		log.Fatal(err)
	}
	identity := iotidentity.NewClient(client, reqresp.Options{})
	defer identity.Close()

	keys, err := identity.CreateKeysAndCertificate(ctx, &iotidentity.CreateKeysAndCertificateRequest{})
	if err != nil {
		log.Fatal(err)
	}
	thing, err := identity.RegisterThing(ctx, &iotidentity.RegisterThingRequest{TemplateName: "fleet",
		CertificateOwnershipToken: keys.CertificateOwnershipToken, Parameters: map[string]string{"SerialNumber": "0042"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(thing.ThingName, len(keys.PrivateKey) > 0)
	// Output: 0042 true
}
