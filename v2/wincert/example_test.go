//go:build !windows

package wincert_test

import (
	"context"
	"errors"
	"fmt"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/wincert"
)

// On Windows this connects. Elsewhere Start says that there is no such store.
func ExampleMTLS() {
	client := awsiot.NewClient(awsiot.ClientOptions{
		Endpoint: "xxxx-ats.iot.eu-west-1.amazonaws.com",
		ClientID: "thermostat",
		Auth:     wincert.MTLS(`CurrentUser\MY\A11F8A9B5DF5B98BA3508FBCA575D09570E0D2C6`),
	})
	defer client.Close()
	err := client.StartAndWait(context.Background())
	fmt.Println(errors.Is(err, wincert.ErrNotWindows))
	// Output: true
}
