//go:build !cgo

package pkcs11_test

import (
	"context"
	"errors"
	"fmt"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/pkcs11"
)

// A program that was built without cgo is told so at Start.
func ExampleOptions() {
	client := awsiot.NewClient(awsiot.ClientOptions{
		Endpoint: "localhost",
		ClientID: "thermostat",
		Auth:     pkcs11.MTLS(pkcs11.Options{Library: "/nowhere/libtoken.so", TokenLabel: "device"}),
	})
	defer client.Close()
	err := client.StartAndWait(context.Background())
	fmt.Println("without cgo:", errors.Is(err, pkcs11.ErrNoCgo))
	// Output: without cgo: true
}
