// Command basicDiscovery finds a Greengrass core and publishes to it.
//
// verify: -args 'localhost {discovery-port} {discovery-ca} {cert} {key}'
package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"

	"github.com/portage-iot/awsiot/v1compat"
	"github.com/portage-iot/awsiot/v1compat/discovery"
)

func main() {
	port, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	provider := discovery.NewDiscoveryInfoProvider()
	provider.ConfigureEndpoint(os.Args[1], port)
	provider.ConfigureCredentials(os.Args[3], os.Args[4], os.Args[5])
	provider.ConfigureTimeout(10)
	backOff := discovery.NewProgressiveBackOffCore()
	var core *discovery.CoreConnectivityInfo
	var ca string
	for range 3 {
		info, err := provider.Discover("device")
		var invalid *discovery.DiscoveryInvalidRequestError
		if errors.As(err, &invalid) {
			log.Fatal("invalid request: ", err)
		}
		if err != nil {
			backOff.BackOff()
			continue
		}
		cores, err := info.GetAllCores()
		if err != nil {
			log.Fatal(err)
		}
		cas, err := info.GetAllCas()
		if err != nil {
			log.Fatal(err)
		}
		core, ca = cores[0], cas[0].Ca
		fmt.Println("core", core.CoreThingArn, "of", cas[0].GroupID)
		break
	}
	dir, err := os.MkdirTemp("", "groupCA")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "group.crt")
	if err := os.WriteFile(file, []byte(ca), 0o600); err != nil {
		log.Fatal(err)
	}
	client := v1compat.NewAWSIoTMQTTClient("device")
	client.ConfigureCredentials(file, os.Args[5], os.Args[4])
	for _, c := range core.ConnectivityInfoList {
		client.ConfigureEndpoint(c.Host, c.Port)
		if err := client.Connect(); err != nil {
			fmt.Println("cannot connect to", c.ID)
			continue
		}
		fmt.Println("connected to", c.ID)
		break
	}
	for i := range 2 {
		if _, err := client.Publish("sdk/test", strconv.Itoa(i), 0); err != nil {
			log.Fatal(err)
		}
	}
	if err := client.Disconnect(); err != nil {
		log.Fatal(err)
	}
}
