package iotshadow_test

import (
	"testing"

	"github.com/portage-iot/awsiot/internal/servicetest"
	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/iotshadow"
	"github.com/portage-iot/awsiot/v2/reqresp"
	"go.uber.org/goleak"
)

// TestMain fails the package when its tests leave a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is the local endpoint over a network in memory, and a connected client with the client under test. Use it in a bubble.
type world struct {
	t       testing.TB
	server  *iotlocal.Server
	client  *awsiot.Client
	shadows *iotshadow.Client
}

func newWorld(t testing.TB, o reqresp.Options) *world {
	t.Helper()
	w := &world{t: t}
	w.server, w.client, w.shadows = servicetest.Start(t, func(c *awsiot.Client) *iotshadow.Client { return iotshadow.NewClient(c, o) })
	return w
}

// said returns what the client has sent since the last call.
func (w *world) said() string { return servicetest.Said(w.server) }

var equal = servicetest.Equal
