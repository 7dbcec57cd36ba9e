package iotidentity_test

import (
	"testing"

	"github.com/portage-iot/awsiot/internal/servicetest"
	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/iotidentity"
	"github.com/portage-iot/awsiot/v2/reqresp"
	"go.uber.org/goleak"
)

// TestMain fails the package when its tests leave a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is the local endpoint over a network in memory, and a connected client with the client under test. Use it in a bubble.
type world struct {
	server   *iotlocal.Server
	client   *awsiot.Client
	identity *iotidentity.Client
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{}
	w.server, w.client, w.identity = servicetest.Start(t, func(c *awsiot.Client) *iotidentity.Client { return iotidentity.NewClient(c, reqresp.Options{}) })
	return w
}

// said returns what the client has sent since the last call.
func (w *world) said() string { return servicetest.Said(w.server) }

var equal = servicetest.Equal
