package awsiot_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/internal/memnet"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// v1 with (2, 8, 10): its first delay is 1 s whatever the base.
func TestBackoffInitial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) {
			o.InitialReconnectDelay, o.MinReconnectDelay, o.MaxReconnectDelay = time.Second, 2*time.Second, 8*time.Second
		})
		w.net.SetFaults(memnet.Faults{Refuse: true})
		_ = w.client.Start()
		synctest.Wait()
		equal(t, "delays", attempts(w, 5), []int{1000, 2000, 4000, 8000, 8000})
	})
}
