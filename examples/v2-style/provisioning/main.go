// Command provisioning turns a claim certificate into a device's own: it
// connects with the claim, has a certificate signed for a key that stays here,
// registers the device with a provisioning template, writes certificate and key,
// connects as the device and publishes a message. Without -endpoint it starts an
// iotlocal server of its own.
//
//	go run ./examples/v2-style/provisioning -thing lamp-7
//	go run ./examples/v2-style/provisioning -e ENDPOINT -r CA -c CLAIMCERT -k CLAIMKEY -template TEMPLATE -thing SERIAL -out DIR
package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/portage-iot/awsiot/examples/internal/local"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/iotidentity"
)

func main() {
	target := local.Setup(local.Target{ClientID: "claim", Thing: "sensor-0042", Template: "fleet"})
	err := run(target)
	target.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(target *local.Target) error {
	ctx, cancel := context.WithTimeout(context.Background(), target.Timeout)
	defer cancel()

	dir := target.Out
	if dir == "" {
		temporary, err := os.MkdirTemp("", "provisioning-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(temporary)
		dir = temporary
	}
	device, err := iotidentity.Provision(ctx, iotidentity.ProvisionOptions{
		Claim: awsiot.ClientOptions{
			ClientID: target.ClientID,
			Endpoint: target.Endpoint,
			Port:     target.Port,
			CAFile:   target.CA,
			Auth:     awsiot.MTLSFromPath(target.Cert, target.Key),
		},
		TemplateName: target.Template,
		Parameters:   map[string]string{"SerialNumber": target.Thing},
		CertFile:     filepath.Join(dir, "device.pem"),
		KeyFile:      filepath.Join(dir, "device.key"),
	})
	if err != nil {
		return err
	}
	fmt.Println("provisioned as", cmp.Or(device.ThingName, "no thing"))
	files, err := filepath.Glob(filepath.Join(dir, "device.*"))
	if err != nil {
		return err
	}
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		fmt.Println("wrote", filepath.Base(name), info.Mode())
	}

	client := awsiot.NewClient(device.Options)
	defer client.Close()
	if err := client.StartAndWait(ctx); err != nil {
		return fmt.Errorf("connect as the device: %w", err)
	}
	if _, err := client.Publish(ctx, &awsiot.PublishPacket{Topic: "sdk/test/go", Payload: []byte("hello"), QoS: awsiot.AtLeastOnce}); err != nil {
		return err
	}
	fmt.Println("published as", device.Options.ClientID)
	if err := client.Stop(ctx, nil); err != nil {
		return fmt.Errorf("disconnect: %w", err)
	}
	return nil
}
