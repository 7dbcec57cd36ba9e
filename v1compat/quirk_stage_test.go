package v1compat_test

// The stage of the table of differences: one small program runs through the facade or through awsiot.Client, in a
// bubble, against iotlocal.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/internal/facadetest"

	"github.com/portage-iot/awsiot/internal/memnet"
	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// stageID is the client id of every program.
const stageID = "ledger"

// stage is what a row's program runs on. Exactly one of facade and v2 is there, once the first call has made it.
type stage struct {
	t      *testing.T
	srv    *iotlocal.Server
	log    *facadetest.Events // what callbacks and hooks saw
	quirks v1compat.Quirks

	net    memnet.Network
	mu     sync.Mutex
	dials  int
	broken []error     // how the next dials end
	spy    *syncBuffer // what the client writes, if it is there: the server's record leaves the SDK's name out

	onV2      bool
	half      bool // the facade is FromV2 of a client with the options of one that was configured
	facade    *v1compat.AWSIoTMQTTClient
	v2        *awsiot.Client
	configure func(*v1compat.AWSIoTMQTTClient) // before the facade is used
	options   func(*awsiot.ClientOptions)      // before the v2 client is made
}

// onStage runs a row's program and returns what it saw.
func onStage(t *testing.T, on *stage, run func(*stage) string) (saw string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{t: t, log: facadetest.NewEvents(), quirks: on.quirks, onV2: on.onV2, half: on.half}
		var err error
		s.srv, err = iotlocal.Start(iotlocal.Options{
			Dir: t.TempDir(), TLSPort: iotlocal.Off, WSPort: iotlocal.Off, WSSPort: iotlocal.Off,
			Listen: func(_, address string) (net.Listener, error) { return s.net.Listen(address) },
		})
		require.NoError(t, err)
		saw = run(s)
		if s.facade != nil {
			_ = s.facade.Disconnect() // an error says that it is not connected
			require.NoError(t, s.facade.V2().Close())
		}
		if s.v2 != nil {
			require.NoError(t, s.v2.Close())
		}
		require.NoError(t, s.srv.Close())
		time.Sleep(time.Minute) // timers of requests
		synctest.Wait()
	})
	return saw
}

// dial is the client's network.
func (s *stage) dial() (net.Conn, error) {
	s.mu.Lock()
	s.dials++
	if len(s.broken) > 0 {
		err := s.broken[0]
		s.broken = s.broken[1:]
		s.mu.Unlock()
		return nil, err
	}
	s.mu.Unlock()
	conn, err := s.net.Dial(context.Background(), "tcp", net.JoinHostPort(s.srv.Host(), strconv.Itoa(s.srv.TCPPort())))
	if s.spy != nil && err == nil {
		conn = spied{conn, s.spy}
	}
	return conn, err
}

// spied is a connection whose written bytes are kept.
type spied struct {
	net.Conn
	spy *syncBuffer
}

// Write keeps b and writes it.
func (s spied) Write(b []byte) (int, error) {
	_, _ = s.spy.Write(b) // never fails
	return s.Conn.Write(b)
}

// syncBuffer is a buffer that several goroutines may write.
type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

// Write appends p.
func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String is what was written.
func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// breakDials lets the next n dials fail with err.
func (s *stage) breakDials(n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = slices.Repeat([]error{err}, n)
}

// dialled is how often the client has dialled.
func (s *stage) dialled() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dials
}

// client makes the facade's client, or v2's with v1's defaults.
func (s *stage) client() {
	if s.facade != nil || s.v2 != nil {
		return
	}
	if s.onV2 {
		o := awsiot.OptionsV1(stageID)
		o.Endpoint, o.Port, o.Auth = s.srv.Host(), s.srv.TCPPort(), awsiot.PlainTCP()
		o.Dialer = func(context.Context, string, string) (net.Conn, error) { return s.dial() }
		o.OnConnectionSuccess = func(*awsiot.ConnectionSuccess) { s.log.Add("online") }
		o.OnDisconnection = func(*awsiot.Disconnection) { s.log.Add("offline") }
		if s.options != nil {
			s.options(&o)
		}
		s.v2 = awsiot.NewClient(o)
		return
	}
	s.facade = v1compat.NewAWSIoTMQTTClient(stageID, v1compat.WithQuirks(s.quirks))
	s.facade.ConfigureEndpoint(s.srv.Host(), s.srv.TCPPort())
	s.facade.ConfigureSocketFactory(s.dial)
	s.facade.OnOnline = func() { s.log.Add("online") }
	s.facade.OnOffline = func() { s.log.Add("offline") }
	if s.configure != nil {
		s.configure(s.facade)
	}
	if s.half {
		former := s.facade
		s.facade = v1compat.FromV2(awsiot.NewClient(former.V2().Options()), v1compat.WithQuirks(s.quirks))
		s.facade.OnOnline, s.facade.OnOffline, s.facade.OnMessage, s.facade.OnAsyncError = former.OnOnline, former.OnOffline, former.OnMessage, former.OnAsyncError
		if s.configure != nil && v1compat.Refused(former) { // the options do not show that
			s.configure(s.facade)
		}
	}
}

func (s *stage) connect(keepAlive ...int) string {
	if s.onV2 && len(keepAlive) == 1 {
		former := s.options
		s.options = func(o *awsiot.ClientOptions) {
			o.KeepAlive = awsiot.KeepAliveV1(keepAlive[0])
			if former != nil {
				former(o)
			}
		}
	}
	s.client()
	if s.v2 != nil {
		return result(false, s.v2.StartAndWait(bg()))
	}
	return result(false, s.facade.Connect(keepAlive...))
}

// online is connect that must work.
func (s *stage) online(keepAlive ...int) {
	s.t.Helper()
	if r := s.connect(keepAlive...); r != "true" {
		require.Fail(s.t, "connect: "+r)
	}
	synctest.Wait()
}

func (s *stage) disconnect() string {
	if s.v2 != nil {
		return result(false, s.v2.Stop(bg(), nil))
	}
	return result(false, s.facade.Disconnect())
}

func (s *stage) publish(topic, payload string, qos byte) string {
	s.client()
	if s.v2 != nil {
		res, err := s.v2.Publish(bg(), &awsiot.PublishPacket{Topic: topic, Payload: []byte(payload), QoS: awsiot.QoS(qos)})
		return result(res.Queued, err)
	}
	ok, err := s.facade.Publish(topic, payload, qos)
	return result(!ok, err)
}

// publishAsync logs "ack PAYLOAD", or the error that comes later.
func (s *stage) publishAsync(topic, payload string, qos byte) string {
	s.client()
	if s.v2 != nil {
		f := s.v2.PublishAsync(&awsiot.PublishPacket{Topic: topic, Payload: []byte(payload), QoS: awsiot.QoS(qos)})
		f.OnDone(func(_ awsiot.PublishResult, err error) {
			if err == nil && qos > 0 {
				s.log.Add("ack %s", payload)
			} else if err != nil {
				s.log.Add("%s for %s", errorText(err), payload)
			}
		})
		return result(f.Queued(), f.Err())
	}
	mid, err := s.facade.PublishAsync(topic, payload, qos, func(v1compat.Mid) { s.log.Add("ack %s", payload) })
	return result(mid == v1compat.MidQueued, err)
}

// subscribe logs "FILTER PAYLOAD" for every message, and then does what on says.
func (s *stage) subscribe(filter string, qos byte, on ...func(payload string)) string {
	s.client()
	got := func(payload []byte) {
		s.log.Add("%s %s", filter, payload)
		for _, f := range on {
			f(string(payload))
		}
	}
	if s.v2 != nil {
		f := s.v2.SubscribeAsync(&awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: filter, QoS: awsiot.QoS(qos), Handler: func(m *awsiot.Message) { got(m.Payload) }}}})
		return future(f)
	}
	ok, err := s.facade.Subscribe(filter, qos, func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { got(m.Payload) })
	return result(!ok, err)
}

func (s *stage) unsubscribe(filter string) string {
	s.client()
	if s.v2 != nil {
		return future(s.v2.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: []string{filter}}))
	}
	ok, err := s.facade.Unsubscribe(filter)
	return result(!ok, err)
}

// future is how a blocking call of v1 would end: at once when the operation is queued.
func future[T any](f *awsiot.Future[T]) string {
	if f.Queued() {
		return result(true, f.Err())
	}
	<-f.Done()
	return result(false, f.Err())
}

// deliver sends the client a message.
func (s *stage) deliver(topic, payload string) {
	_, err := s.srv.Publish(iotlocal.Message{Topic: topic, Payload: []byte(payload)})
	require.NoError(s.t, err)
	synctest.Wait()
}

// fault adds a fault rule.
func (s *stage) fault(r iotlocal.Rule) *iotlocal.RuleHandle { return fault(s.t, s.srv, r) }

// deny lets the server refuse packets of a type with 0x87, not authorized.
func (s *stage) deny(kind iotlocal.PacketType) {
	s.fault(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: kind, Action: iotlocal.Reject, Code: 0x87})
}

// cut drops the connection.
func (s *stage) cut() { s.srv.Faults().Cut(stageID); synctest.Wait() }

// pass lets time go by.
func (s *stage) pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

// packets are those of the client, without acknowledgements and pings, as short texts.
func (s *stage) packets() []string {
	synctest.Wait()
	var out []string
	for _, p := range s.srv.Recorder().Packets() {
		if p.Dir == iotlocal.ClientToServer && p.ClientID == stageID {
			if text := facadetest.Text(p); text != "" {
				out = append(out, text)
			}
		}
	}
	return out
}

// sent counts the client's packets that begin with prefix.
func (s *stage) sent(prefix string) int {
	n := 0
	for _, p := range s.packets() {
		if strings.HasPrefix(p, prefix) {
			n++
		}
	}
	return n
}

// heard counts the entries of the log that are text.
func (s *stage) heard(text string) int {
	n := 0
	for _, e := range s.log.All() {
		if e == text {
			n++
		}
	}
	return n
}

// result is how a call ended: v1's True and False, or the error.
func result(queued bool, err error) string {
	switch {
	case err != nil:
		return errorText(err)
	case queued:
		return "queued"
	}
	return "true"
}

// sentinels are the errors of package awsiot that are values.
var sentinels = []struct {
	err  error
	name string
}{
	{awsiot.ErrQueueFull, "ErrQueueFull"}, {awsiot.ErrOffline, "ErrOffline"}, {awsiot.ErrAckTimeout, "ErrAckTimeout"},
	{awsiot.ErrConnackTimeout, "ErrConnackTimeout"}, {awsiot.ErrStopped, "ErrStopped"}, {awsiot.ErrDropped, "ErrDropped"},
}

// errorText names an error as a reader of the table knows it: the type in v1's shape, else that of package awsiot.
func errorText(err error) string {
	code := func(name string, n int) string { return fmt.Sprintf("`*%s` %d", name, n) }
	var ce *v1compat.ConnectError
	var pe *v1compat.PublishError
	var de *v1compat.DisconnectError
	switch inner := v1Error(err); {
	case errors.As(err, &ce):
		return code("ConnectError", ce.Code)
	case errors.As(err, &pe):
		return code("PublishError", pe.Code)
	case errors.As(err, &de):
		return code("DisconnectError", de.Code)
	case inner != nil:
		return "`*" + strings.TrimPrefix(fmt.Sprintf("%T", inner), "*v1compat.") + "`"
	}
	var re *awsiot.ReasonError
	var ve *awsiot.ValidationError
	var refused *awsiot.ConnectError
	switch {
	case errors.As(err, &re):
		return fmt.Sprintf("`*ReasonError` 0x%02X", byte(re.Code))
	case errors.As(err, &ve):
		return "`*ValidationError`"
	case errors.As(err, &refused) && refused.Connack != nil:
		return fmt.Sprintf("`*awsiot.ConnectError` 0x%02X", byte(refused.Connack.Code))
	}
	for _, known := range sentinels {
		if errors.Is(err, known.err) {
			return "`" + known.name + "`"
		}
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return "`*net.OpError`"
	}
	return "an error: " + err.Error()
}
