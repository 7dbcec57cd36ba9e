package reqresp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/internal/memnet"
	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/reqresp"
	"go.uber.org/goleak"
)

// TestMain fails the package when its tests leave a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a broker over a network in memory, a client of it, and a service whose answers the test decides. Use it in a bubble.
type world struct {
	t       testing.TB
	net     *memnet.Network
	server  *iotlocal.Server
	client  *awsiot.Client
	service *awsiot.Client

	mu     sync.Mutex
	answer func(topic, token string) []reply
	asked  []string // topics
	tokens []string // of the requests
}

// reply is what the service publishes.
type reply struct {
	topic, payload string
	after          time.Duration
}

func newWorld(t testing.TB, change func(*awsiot.ClientOptions)) *world {
	t.Helper()
	w := &world{t: t, net: &memnet.Network{}, answer: accept}
	w.server = iotlocal.StartT(t, iotlocal.Options{TLSPort: iotlocal.Off, WSPort: iotlocal.Off, WSSPort: iotlocal.Off,
		Listen: func(_, addr string) (net.Listener, error) { return w.net.Listen(addr) }})
	o := awsiot.ClientOptions{Endpoint: w.server.Host(), Port: w.server.TCPPort(), ClientID: "device", Auth: awsiot.PlainTCP(), Dialer: w.net.Dial,
		RetryJitterMode: awsiot.JitterNone}
	serviceOptions := o
	serviceOptions.ClientID = "service"
	w.service = awsiot.NewClient(serviceOptions)
	if change != nil {
		change(&o)
	}
	w.client = awsiot.NewClient(o)
	t.Cleanup(func() { _ = w.client.Close(); _ = w.service.Close() })
	if err := w.service.StartAndWait(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.service.Subscribe(context.Background(), &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "svc/+", QoS: 1, Handler: w.serve}}}); err != nil {
		t.Fatal(err)
	}
	return w
}

// rejoin keeps the session.
func rejoin(o *awsiot.ClientOptions) {
	o.SessionBehavior, o.SessionExpiry = awsiot.RejoinAlways, time.Hour
}

func (w *world) start() {
	w.t.Helper()
	if err := w.client.StartAndWait(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

// cut breaks the device's connection, and the client has noticed.
func (w *world) cut() {
	w.server.Faults().Cut("device")
	synctest.Wait()
}

// offline keeps the device off the network until the returned function is called.
func (w *world) offline() (back func()) {
	w.server.Faults().RefuseConnections(-1)
	w.cut()
	return func() { w.server.Faults().RefuseConnections(0) }
}

// serve answers a request, as the test has said.
func (w *world) serve(m *awsiot.Message) {
	var body struct{ ClientToken string }
	_ = json.Unmarshal(m.Payload, &body)
	w.mu.Lock()
	w.asked = append(w.asked, m.Topic)
	if body.ClientToken != "" {
		w.tokens = append(w.tokens, body.ClientToken)
	}
	replies := w.answer(m.Topic, body.ClientToken)
	w.mu.Unlock()
	for _, r := range replies {
		p := &awsiot.PublishPacket{Topic: r.topic, Payload: []byte(r.payload), QoS: 1}
		if r.after == 0 {
			w.service.PublishFunc(p, nil)
		} else {
			time.AfterFunc(r.after, func() { w.service.PublishFunc(p, nil) })
		}
	}
}

func (w *world) answers(f func(topic, token string) []reply) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = f
}

func (w *world) requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.asked)
}

// accept is an answer at once.
func accept(topic, token string) []reply {
	return []reply{{topic: topic + "/accepted", payload: fmt.Sprintf(`{"clientToken":%q,"of":%q}`, token, topic)}}
}

func silence(string, string) []reply { return nil }

// request is one for the operation name, whose answers share a filter.
func request(c *reqresp.Client, name string) *reqresp.Request {
	return requestWith("svc/"+name, c.Token(), "svc/"+name+"/+")
}

func requestWith(topic, token string, filters ...string) *reqresp.Request {
	path := "clientToken"
	if token == "" {
		path = ""
	}
	return &reqresp.Request{Operation: "test", Topic: topic, Payload: fmt.Appendf(nil, `{"clientToken":%q}`, token), Token: token, Filters: filters,
		Replies: []reqresp.Reply{{Topic: topic + "/accepted", TokenPath: path}, {Topic: topic + "/rejected", TokenPath: path}}}
}

// fault adds a rule.
func (w *world) fault(r iotlocal.Rule) *iotlocal.RuleHandle {
	w.t.Helper()
	r.ClientID = "device"
	h, err := w.server.Faults().Add(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

// subscribing returns what the device asked the broker for, such as "+a/b" and "-a/b".
func (w *world) subscribing() (list []string) {
	for _, p := range w.server.Recorder().Packets() {
		if p.ClientID != "device" || p.Dir != iotlocal.ClientToServer {
			continue
		}
		sign := map[iotlocal.PacketType]string{iotlocal.SUBSCRIBE: "+", iotlocal.UNSUBSCRIBE: "-"}[p.Type]
		for _, f := range p.Filters {
			list = append(list, sign+f.Filter)
		}
	}
	return list
}

// subscribed returns the filters of the device's session.
func (w *world) subscribed() []string {
	s, _ := w.server.Session("device")
	return slices.Sorted(slices.Values(s.Subscriptions))
}

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}

// text is an error without what changes from run to run.
func text(err error, tokens ...string) string {
	if err == nil {
		return "<nil>"
	}
	s := err.Error()
	for _, t := range tokens {
		s = strings.ReplaceAll(s, t, "TOKEN")
	}
	return s
}

// pass lets time go by, with everything done that is due until then.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
