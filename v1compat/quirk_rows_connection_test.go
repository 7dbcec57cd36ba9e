package v1compat_test

// The rows about connections.

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/internal/facadetest"

	"github.com/sirupsen/logrus"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

var connectionRows = []quirkRow{
	{
		name: "AcceptRefusedConnect", quirk: "AcceptRefusedConnect", what: "`connect` that the server refuses",
		v1: "true, and tries again", here: "`*ConnectError` 5, not tried again", flipped: "true, and tries again",
		v2: "`*ReasonError` 0x87, not tried again", threads: "rec",
		run: func(s *stage) string {
			_, err := s.srv.Faults().RefuseConnects(3, 0x87)
			require.NoError(s.t, err)
			r := s.connect()
			s.pass(time.Minute)
			if s.dialled() > 1 {
				return r + ", and tries again"
			}
			return r + ", not tried again"
		},
	},
	{
		name: "NoOnlineWhenRefused", what: "the hooks around a connection that the server refuses and the next one, which it accepts (`connectAsync`)",
		v1: "online, ack 5, offline, online, ack 0", here: "ack 5, online, ack 0", v2: "failure 0x87, online", threads: "rec",
		run: func(s *stage) string {
			_, err := s.srv.Faults().RefuseConnects(1, 0x87)
			require.NoError(s.t, err)
			s.options = func(o *awsiot.ClientOptions) {
				o.OnConnectionFailure = func(f *awsiot.ConnectionFailure) { s.log.Add("failure 0x%02X", byte(f.Connack.Code)) }
			}
			s.client()
			if s.v2 != nil {
				require.NoError(s.t, s.v2.Start())
			} else {
				_, err = s.facade.ConnectAsync(600, func(_ v1compat.Mid, data int) { s.log.Add("ack %d", data) })
				require.NoError(s.t, err)
			}
			s.pass(2 * time.Minute)
			return strings.Join(s.log.All(), ", ")
		},
	},
	{
		name: "FailedConnectEnds", what: "`connect` without a CONNACK: its error, and what a late CONNACK does",
		v1: "`*ConnectTimeoutError`, online all the same", here: "`*ConnectTimeoutError`, the connection is closed",
		v2: "`ErrConnackTimeout`, the connection is closed", threads: "rec",
		run: func(s *stage) string {
			late := s.fault(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.CONNACK, Action: iotlocal.Hold})
			r := s.connect()
			late.Release()
			s.pass(10 * time.Second)
			if s.heard("online") > 0 {
				return r + ", online all the same"
			}
			return r + ", the connection is closed"
		},
	},
	{
		name: "DisconnectWhileOffline", what: "`disconnect` while the client is reconnecting, and a `connect` after it",
		v1: "`*DisconnectError` 4, `*ConnectTimeoutError`", here: "true, true", v2: "true, true", threads: "#96, #151, #212, rec",
		run: func(s *stage) string {
			s.online()
			s.breakDials(2, refusedDial)
			s.cut()
			s.pass(2 * time.Second)
			return s.disconnect() + ", " + s.connectOnceMore()
		},
	},
	{
		name: "ReconnectAfterAnyError", what: "an error of a reconnect attempt that is not one of the socket (a websocket upgrade refused, credentials gone)",
		v1: "the network thread ends: offline for good", here: "tried again until it works", v2: "tried again until it works",
		threads: "#39, #124, #142, #215, #240",
		run: func(s *stage) string {
			s.online()
			s.breakDials(3, errors.New("no access key"))
			s.cut()
			s.pass(time.Minute)
			if s.heard("online") != 2 || s.dialled() != 5 {
				return "offline for good"
			}
			return "tried again until it works"
		},
	},
	{
		name: "OfflineOnce", what: "OnOffline when the server does not answer pings",
		v1: "twice", here: "once", v2: "once", threads: "rec",
		run: func(s *stage) string {
			s.online(4)
			hole, err := s.srv.Faults().BlackHole(stageID)
			require.NoError(s.t, err)
			s.pass(8 * time.Second)
			hole.Remove()
			s.pass(30 * time.Second)
			return map[int]string{0: "never", 1: "once", 2: "twice"}[s.heard("offline")]
		},
	},
	{
		name: "PingTimeoutIsHalf", what: "how long the client waits for a PINGRESP with a keep-alive of 4 s",
		v1: "4 s, then it closes the socket", here: "2 s, then DISCONNECT with the reason", v2: "2 s, then DISCONNECT with the reason", threads: "rec",
		run: func(s *stage) string {
			s.online(4)
			s.fault(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PINGRESP, Action: iotlocal.Drop})
			begin := time.Now()
			for s.heard("offline") == 0 && time.Since(begin) < time.Minute {
				s.pass(time.Second / 2)
			}
			waited := time.Since(begin) - 4*time.Second // the PINGREQ
			if s.sent("DISCONNECT") != 1 {
				return fmt.Sprintf("%v, then it closes the socket", waited)
			}
			return fmt.Sprintf("%g s, then DISCONNECT with the reason", waited.Seconds())
		},
	},
	{
		name: "KeepAlive", what: "the default keep-alive, which hides an outage for up to 20 minutes, and one below the 30 s that AWS IoT Core asks for",
		v1: "600 s, said nowhere; accepted", here: "600 s; accepted, with a warning in the log", v2: "600 s with `OptionsV1`; accepted",
		threads: "#132, #142, #144, #262",
		run: func(s *stage) string {
			logged := s.captureLog()
			s.online()
			first := lastKeepAlive(s)
			s.disconnect()
			if s.v2 != nil {
				require.NoError(s.t, s.v2.Close())
				s.v2 = nil
				s.online(10)
				if lastKeepAlive(s) != 10 {
					return "refused"
				}
				return fmt.Sprintf("%d s with `OptionsV1`; accepted", first)
			}
			if strings.Contains(logged(), "keep-alive") {
				return "a warning for the default"
			}
			s.online(10)
			if lastKeepAlive(s) != 10 || !strings.Contains(logged(), "keep-alive below") {
				return fmt.Sprint(lastKeepAlive(s), logged())
			}
			return fmt.Sprintf("%d s; accepted, with a warning in the log", first)
		},
	},
	{
		name: "MetricsAfterQuery", what: "the user name `u?a=b` on the wire, with metrics on",
		v1: "`u?a=b?SDK=…`", here: "`u?a=b&SDK=…`", v2: "`u?a=b&SDK=…`", threads: "java-v2 #229, python-v2 PR 315",
		run: func(s *stage) string {
			s.spy = new(syncBuffer)
			s.configure = func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureUsernamePassword("u?a=b") }
			s.options = func(o *awsiot.ClientOptions) { o.Username = "u?a=b" }
			s.online()
			before, _, _ := strings.Cut(s.spy.String(), "SDK=")
			if i := strings.LastIndex(before, "u?a=b"); i >= 0 {
				return "`" + before[i:] + "SDK=…`"
			}
			return "no CONNECT"
		},
	},
	{
		name: "MQTT5Spoken", what: "`protocolType`",
		v1: "MQTT 3.1 or 3.1.1", here: "accepted; MQTT 5", v2: "MQTT 5", threads: "#90, rec",
		run: func(s *stage) string {
			s.client()
			if s.v2 == nil {
				s.facade = v1compat.NewAWSIoTMQTTClient(stageID, v1compat.WithProtocolType(v1compat.MQTTv31))
				s.facade.ConfigureEndpoint(s.srv.Host(), s.srv.TCPPort())
				s.facade.ConfigureSocketFactory(s.dial)
			}
			s.online()
			level := "MQTT 3"
			for _, p := range s.srv.Recorder().Packets() {
				if p.Connect != nil && p.Connect.Level == 5 {
					level = "MQTT 5"
				}
			}
			if s.v2 == nil {
				return "accepted; " + level
			}
			return level
		},
	},
	{
		name: "NoDowngrade", what: "a server that refuses the protocol version while the client reconnects",
		v1: "at once with MQTT 3.1, for good", here: "again after the longest wait, with MQTT 5", v2: "again after the longest wait, with MQTT 5", threads: "rec",
		run: func(s *stage) string {
			s.online()
			_, err := s.srv.Faults().RefuseConnects(1, 0x84)
			require.NoError(s.t, err)
			s.cut()
			s.pass(time.Second) // the first wait; then it is refused
			if s.dialled() != 2 {
				return "not tried"
			}
			s.pass(31 * time.Second)
			if s.dialled() != 2 {
				return "again sooner"
			}
			s.pass(2 * time.Second)
			if s.heard("online") != 2 {
				return "offline for good"
			}
			return "again after the longest wait, with MQTT 5"
		},
	},
	{
		name: "ConfigureErrorAtConnect", what: "a Configure call with a wrong value",
		v1: "raises ValueError", here: "returns; `Connect` returns `*ValueError`", v2: "`StartAndWait` returns `*ValidationError`", threads: "rec",
		run: func(s *stage) string {
			s.configure = func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureAutoReconnectBackoffTime(-1, 8, 10) }
			s.options = func(o *awsiot.ClientOptions) { o.MinReconnectDelay = -1 }
			r := s.connect()
			if s.v2 != nil {
				return "`StartAndWait` returns " + r
			}
			return "returns; `Connect` returns " + r
		},
	},
	{
		name: "EndpointMissing", what: "`connect` without `configureEndpoint`",
		v1: "AttributeError", here: "`*ValueError`", v2: "`*ValidationError`", threads: "rec",
		run: func(s *stage) string {
			if !s.onV2 {
				s.facade = v1compat.NewAWSIoTMQTTClient(stageID)
			}
			s.options = func(o *awsiot.ClientOptions) { o.Endpoint, o.Port = "", 0 }
			return s.connect()
		},
	},
}

// connectOnceMore is connect after the network works again.
func (s *stage) connectOnceMore() string {
	s.breakDials(0, nil)
	return s.connect()
}

// lastKeepAlive is the keep-alive of the last CONNECT, in seconds.
func lastKeepAlive(s *stage) int {
	n := -1
	for _, p := range s.srv.Recorder().Packets() {
		if p.Connect != nil {
			n = int(p.Connect.KeepAlive)
		}
	}
	return n
}

// captureLog returns what is logged from now on.
func (s *stage) captureLog() (logged func() string) {
	var b syncBuffer
	former := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&b, nil)))
	s.t.Cleanup(func() { slog.SetDefault(former) })
	l := logrus.New()
	l.SetOutput(&b)
	v1compat.SetLogger(l)
	s.t.Cleanup(func() { v1compat.SetLogger(facadetest.Quiet()) })
	return b.String
}
