package v1compat_test

// What the v1 SDK does when a connect call meets another one, asked of the SDK for Python (1.5.4) behind a proxy that
// held back the CONNACK of the first call or did not.

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/internal/facadetest"
	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/v1compat"
)

// TestSecondConnect: the second call takes the place of the first, whose ack is not called any more. v1's first connect
// waited out its time; here it ends at once, with the same exception.
func TestSecondConnect(t *testing.T) {
	for _, tt := range []struct {
		first, second string
		held          bool // the CONNACK of the first call
		want          []string
	}{
		{"connect", "connect", true, []string{"first connectTimeoutException", "online", "second True", "offline", "online"}},
		{"connect", "connect", false, []string{"online", "first True", "online", "second True", "offline", "online"}},
		{"connect", "connectAsync", true, []string{"first connectTimeoutException", "second CONNECTED", "online", "ack of second 0", "offline", "online", "ack of second 0"}},
		{"connect", "connectAsync", false, []string{"online", "first True", "second CONNECTED", "online", "ack of second 0", "offline", "online", "ack of second 0"}},
		{"connectAsync", "connect", true, []string{"first CONNECTED", "online", "second True", "offline", "online"}},
		{"connectAsync", "connect", false, []string{"first CONNECTED", "online", "ack of first 0", "online", "second True", "offline", "online"}},
		{"connectAsync", "connectAsync", true, []string{"first CONNECTED", "second CONNECTED", "online", "ack of second 0", "offline", "online", "ack of second 0"}},
		{"connectAsync", "connectAsync", false, []string{"first CONNECTED", "online", "ack of first 0", "second CONNECTED", "online", "ack of second 0", "offline", "online", "ack of second 0"}},
	} {
		t.Run(fmt.Sprintf("%s, %s, held %v", tt.first, tt.second, tt.held), func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				ev := facadetest.NewEvents()
				w.c.OnOnline = func() { ev.Add("online") }
				w.c.OnOffline = func() { ev.Add("offline") }
				call := func(kind, tag string) {
					if kind == "connect" {
						err := w.c.Connect()
						var timeout *v1compat.ConnectTimeoutError
						switch {
						case err == nil:
							ev.Add("%s True", tag)
						case errors.As(err, &timeout):
							ev.Add("%s connectTimeoutException", tag)
						default:
							ev.Add("%s %v", tag, err)
						}
						return
					}
					mid, err := w.c.ConnectAsync(600, func(_ v1compat.Mid, data int) { ev.Add("ack of %s %d", tag, data) })
					require.NoError(t, err)
					ev.Add("%s %v", tag, mid)
				}
				var hold *iotlocal.RuleHandle
				if tt.held {
					hold = fault(t, w.srv, iotlocal.Rule{Type: iotlocal.CONNACK, Action: iotlocal.Drop, Times: 1})
				}
				first := make(chan struct{})
				go func() { defer close(first); call(tt.first, "first") }()
				synctest.Wait()
				if hold != nil {
					hold.Remove()
				}
				begin := time.Now()
				call(tt.second, "second")
				<-first
				assert.Zero(t, time.Since(begin), "somebody waited")
				synctest.Wait()
				w.srv.Faults().Cut("time")
				time.Sleep(3 * time.Second)
				synctest.Wait()
				got := ev.All()
				if tt.first == "connect" && tt.second == "connect" && !tt.held {
					assert.Equal(t, tt.want, got)
					return
				}
				assert.ElementsMatch(t, tt.want, got) // the return of a call and its news come in any order
			})
		})
	}
}
