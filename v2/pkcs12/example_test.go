package pkcs12_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"os"
	"path/filepath"

	p12 "software.sslmate.com/src/go-pkcs12"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/pkcs12"
)

// A device whose certificate and key came as one file. The example makes that file from those of the local endpoint.
func ExampleMTLSFromPath() {
	server, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	path := filepath.Join(filepath.Dir(server.CAFile()), "thermostat.p12")
	if err := export(server, "thermostat", path, "a password"); err != nil {
		log.Fatal(err)
	}

	client := awsiot.NewClient(awsiot.ClientOptions{
		Endpoint: server.Host(),
		Port:     server.TLSPort(),
		CAFile:   server.CAFile(),
		ClientID: "thermostat",
		Auth:     pkcs12.MTLSFromPath(path, "a password"),
	})
	defer client.Close()
	if err := client.StartAndWait(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("connected as", server.Clients())
	// Output: connected as [thermostat]
}

// export writes the certificate and key of a thing into a PKCS #12 file.
func export(server *iotlocal.Server, name, path, password string) error {
	thing, err := server.NewThing(name)
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(thing.CertFile, thing.KeyFile)
	if err != nil {
		return err
	}
	data, err := p12.Modern2023.Encode(pair.PrivateKey, pair.Leaf, nil, password)
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}
