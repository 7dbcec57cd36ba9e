package greengrass_test

import (
	"context"
	"errors"
	"testing"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/greengrass"
)

var noContext context.Context

// nil where something belongs is an error of the call that wraps a *ValidationError.
func TestNilArguments(t *testing.T) {
	client := greengrass.NewClient(greengrass.Options{Endpoint: "h", Auth: awsiot.TLS()})
	for name, call := range map[string]func() error{
		"Connect without a response": func() error {
			_, _, err := greengrass.Connect(context.Background(), nil, awsiot.ClientOptions{})
			return err
		},
		"Connect without a context": func() error {
			_, _, err := greengrass.Connect(noContext, &greengrass.DiscoverResponse{}, awsiot.ClientOptions{})
			return err
		},
		"Discover": func() error { _, err := client.Discover(noContext, "thing"); return err },
		"Fetch":    func() error { _, err := client.Fetch(noContext, "thing"); return err },
	} {
		if _, ok := errors.AsType[*awsiot.ValidationError](call()); !ok {
			t.Errorf("%s: %v", name, call())
		}
	}
}
