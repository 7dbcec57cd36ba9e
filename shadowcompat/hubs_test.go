package shadowcompat

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/v1compat"
)

// A connection has one hub, which goes with it.
func TestHubs(t *testing.T) {
	before := hubs.len()
	func() {
		mqtt := v1compat.NewAWSIoTMQTTClient("hubs")
		one, two := NewAWSIoTMQTTShadowClientWith(mqtt), NewAWSIoTMQTTShadowClientWith(mqtt)
		require.Same(t, one.hub, two.hub)
		require.NotSame(t, one.hub, NewAWSIoTMQTTShadowClient("other").hub)
		runtime.KeepAlive(mqtt)
	}()
	for range 6000 {
		if runtime.GC(); hubs.len() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond) // cleanups run on a goroutine of the runtime
	}
	t.Errorf("%d hubs, %d before", hubs.len(), before)
}
