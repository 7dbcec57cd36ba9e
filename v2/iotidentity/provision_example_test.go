package iotidentity_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/iotidentity"
)

// One call takes a device from the claim certificate it was delivered with to a connection of its own. The key is made
// here and never leaves the device.
func ExampleProvision() {
	server, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	if err := server.Templates().Create("fleet", iotlocal.DefaultTemplate, iotlocal.TemplateOptions{}); err != nil {
		log.Fatal(err)
	}
	claim, err := server.Templates().Claim("fleet", iotlocal.ClaimOptions{})
	if err != nil {
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "device-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	ctx := context.Background()
	device, err := iotidentity.Provision(ctx, iotidentity.ProvisionOptions{
		Claim: awsiot.ClientOptions{Endpoint: server.Host(), Port: server.TLSPort(), CAFile: server.CAFile(), ClientID: "new-device",
			Auth: awsiot.MTLSFromPath(claim.CertFile, claim.KeyFile)},
		TemplateName: "fleet",
		Parameters:   map[string]string{"SerialNumber": "0042"},
		CertFile:     filepath.Join(dir, "device.pem"),
		KeyFile:      filepath.Join(dir, "device.key"),
	})
	var failure *iotidentity.ProvisionError
	switch {
	case errors.As(err, &failure) && failure.Step == iotidentity.StepRegisterThing:
		log.Fatal("the template or its hook does not want this device: ", err)
	case err != nil:
		log.Fatal(err)
	}
	client := awsiot.NewClient(device.Options)
	defer client.Close()
	if err := client.StartAndWait(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(device.ThingName, server.Clients())
	// Output: 0042 [0042]
}
