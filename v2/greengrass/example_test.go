package greengrass_test

import (
	"context"
	"fmt"
	"log"

	"github.com/portage-iot/awsiot/iotlocal"
	standin "github.com/portage-iot/awsiot/iotlocal/greengrass"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/greengrass"
)

// A device that looks for its core and connects to the first address that works. With AWS, Options has the
// Region in place of endpoint, port and authority.
func ExampleConnect() {
	core, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer core.Close()
	thing, err := core.NewThing("thermostat")
	if err != nil {
		log.Fatal(err)
	}
	service, err := standin.Start(standin.Options{ClientCAPEM: core.CAPEM()})
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	service.SetGroups("thermostat", standin.Group{ID: "home", CAs: []string{string(core.CAPEM())}, Cores: []standin.Core{{ThingARN: "arn:core",
		Connectivity: []standin.Connectivity{{ID: "old", HostAddress: "127.0.0.1", PortNumber: 1}, {ID: "lan", HostAddress: core.Host(), PortNumber: core.TLSPort()}}}}})

	ctx := context.Background()
	auth := awsiot.MTLSFromPath(thing.CertFile, thing.KeyFile)
	found, err := greengrass.NewClient(greengrass.Options{Endpoint: service.Host(), Port: service.Port(), CAFile: service.CAFile(), Auth: auth}).Discover(ctx, "thermostat")
	if err != nil {
		log.Fatal(err)
	}
	client, where, err := greengrass.Connect(ctx, found, awsiot.ClientOptions{ClientID: "thermostat", Auth: auth})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	fmt.Println("connected by address", where.ID)
	// Output: connected by address lan
}
