package v1compat_test

// The rows about Configure calls on a client that is in use, and about what is refused at the call. What v1 did was asked of
// the SDK for Python: testdata/oracle.

import (
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

var configureRows = []quirkRow{
	{
		name: "BackoffAtOnce", what: "`configureAutoReconnectBackoffTime(2, 2, 20)` in the middle of a wait of 4 s between two attempts",
		v1: "the wait goes on; 2 s from the next one on", here: "2 s from the beginning of this wait on", v2: "2 s from the beginning of this wait on", threads: "rec",
		run: func(s *stage) string {
			s.online()
			s.breakDials(100, refusedDial)
			s.cut()
			s.pass(4 * time.Second) // attempts after 1 s and 2 s more have failed, and 1 s of 4 s has passed
			n := s.dialled()
			if s.onV2 {
				require.NoError(s.t, s.v2.Update(func(o *awsiot.ClientOptions) {
					o.MinReconnectDelay, o.MaxReconnectDelay = 2*time.Second, 2*time.Second
				}))
			} else {
				s.facade.ConfigureAutoReconnectBackoffTime(2, 2, 20)
			}
			s.pass(1500 * time.Millisecond)
			if s.dialled() == n+1 {
				return "2 s from the beginning of this wait on"
			}
			return "the wait goes on; 2 s from the next one on"
		},
	},
	{
		name: "ReplacedConnect", what: "a `connect` that waits for its CONNACK when another thread calls `connect`",
		v1: "`connectTimeoutException` after the whole time", here: "`*ConnectTimeoutError` at once", v2: none + "a second `StartAndWait` waits for the same attempt", threads: "rec",
		run: func(s *stage) string {
			s.client()
			s.fault(iotlocal.Rule{Type: iotlocal.CONNACK, Action: iotlocal.Drop, Times: 1})
			first := make(chan string)
			begin := time.Now()
			go func() { first <- s.connect() }()
			s.pass(time.Second)
			s.online()
			if r := <-first; time.Since(begin) != time.Second {
				return r + " after the whole time"
			} else {
				return r + " at once"
			}
		},
	},
	{
		name: "StaticLimitsAtTheCall", what: "what AWS IoT Core does not take, on one of its endpoints: a payload above 128 KiB, a topic or filter with eight slashes; offline and online",
		v1: "no check: the service closed the connection", here: "`*ValueError` at the call", v2: "`*ValidationError` at the call", threads: "AWS IoT Core quotas",
		run: func(s *stage) string {
			s.configure = func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureEndpoint(awsHost, 8883) }
			s.options = func(o *awsiot.ClientOptions) { o.Endpoint, o.Port = awsHost, 8883 }
			tries := func() (out []string) {
				return []string{s.publish("a", strings.Repeat("x", 128<<10+1), 0), s.publish("a", strings.Repeat("x", 128<<10+1), 1),
					s.publish("1/2/3/4/5/6/7/8/9", "x", 1), s.publishAsync("1/2/3/4/5/6/7/8/9", "x", 1), s.subscribe("1/2/3/4/5/6/7/8/9", 1), s.unsubscribe("1/2/3/4/5/6/7/8/9")}
			}
			all := tries()
			s.online()
			for _, r := range append(all, tries()...) {
				if r != all[0] {
					return strings.Join(all, ", ")
				}
			}
			return all[0] + " at the call"
		},
	},
}
