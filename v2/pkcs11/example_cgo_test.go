//go:build cgo

package pkcs11_test

import (
	"context"
	"errors"
	"fmt"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/pkcs11"
)

// What is wrong is an error of Start, and says which library, token or key is meant.
func ExampleOptions() {
	client := awsiot.NewClient(awsiot.ClientOptions{
		Endpoint: "localhost",
		ClientID: "thermostat",
		Auth:     pkcs11.MTLS(pkcs11.Options{Library: "/nowhere/libtoken.so", TokenLabel: "device"}),
	})
	defer client.Close()
	err := client.StartAndWait(context.Background())
	fmt.Println(err)
	fmt.Println("without cgo:", errors.Is(err, pkcs11.ErrNoCgo))
	// Output:
	// awsiot: Auth: PKCS #11: the library /nowhere/libtoken.so cannot be loaded: failed to create module context: failed to open module
	// without cgo: false
}
