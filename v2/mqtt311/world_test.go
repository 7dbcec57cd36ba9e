package mqtt311_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/portage-iot/awsiot/internal/memnet"
	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/mqtt311"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a connection, the local endpoint that it reaches over a network in memory, and what its callbacks said.
type world struct {
	*mqtt311.Connection
	t      *testing.T
	ctx    context.Context
	net    *memnet.Network
	server *iotlocal.Server

	mu    sync.Mutex
	notes []string
}

// bubble runs f with a world in a synctest bubble.
func bubble(t *testing.T, change func(*mqtt311.Options), f func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, ctx: context.Background(), net: &memnet.Network{}}
		w.server = iotlocal.StartT(t, iotlocal.Options{TLSPort: iotlocal.Off, WSPort: iotlocal.Off, WSSPort: iotlocal.Off,
			Listen: func(_, addr string) (net.Listener, error) { return w.net.Listen(addr) }})
		o := mqtt311.Options{Endpoint: w.server.Host(), Port: w.server.TCPPort(), ClientID: "device", Auth: awsiot.PlainTCP(), Dialer: w.net.Dial, DisableMetrics: true}
		o.OnConnected = func(c mqtt311.Connected) { w.note("connected, session %v", c.SessionPresent) }
		o.OnResumed = func(c mqtt311.Connected) { w.note("resumed, session %v", c.SessionPresent) }
		o.OnInterrupted = func(error) { w.note("interrupted") }
		o.OnConnectFailed = func(err error) { w.note("failed") }
		o.OnClosed = func() { w.note("closed") }
		if change != nil {
			change(&o)
		}
		w.Connection = mqtt311.NewConnection(o)
		f(w)
		if err := w.Disconnect(w.ctx); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute) // timers of paho's
	})
}

func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notes = append(w.notes, fmt.Sprintf(format, args...))
}

// heard compares the notes since the last call.
func (w *world) heard(want ...string) {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.notes, want) {
		w.t.Errorf("notes:\n got %q\nwant %q", w.notes, want)
	}
	w.notes = nil
}

func (w *world) connect() mqtt311.Connected {
	w.t.Helper()
	c, err := w.Connect(w.ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// said compares what the client has sent since the last call, without pings and acknowledgements.
func (w *world) said(want ...string) {
	w.t.Helper()
	synctest.Wait()
	var got []string
	for _, p := range w.server.Recorder().Packets() {
		if p.Dir != iotlocal.ClientToServer {
			continue
		}
		switch p.Type {
		case iotlocal.CONNECT:
			got = append(got, "CONNECT")
		case iotlocal.DISCONNECT:
			got = append(got, "DISCONNECT")
		case iotlocal.PUBLISH:
			dup := ""
			if p.Dup {
				dup = " again"
			}
			got = append(got, fmt.Sprintf("PUBLISH %s %d %s%s", p.Topic, p.QoS, p.Payload, dup))
		case iotlocal.SUBSCRIBE, iotlocal.UNSUBSCRIBE:
			line := p.Type.String()
			for _, f := range p.Filters {
				line += " " + f.Filter
			}
			got = append(got, line)
		}
	}
	w.server.Recorder().Reset()
	if !slices.Equal(got, want) {
		w.t.Errorf("wire:\n got %q\nwant %q", got, want)
	}
}

// fault adds a rule to the endpoint.
func (w *world) fault(r iotlocal.Rule) *iotlocal.RuleHandle {
	w.t.Helper()
	h, err := w.server.Faults().Add(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

// message is a publish packet.
func message(topic, payload string, qos awsiot.QoS) *mqtt311.PublishPacket {
	return &mqtt311.PublishPacket{Topic: topic, Payload: []byte(payload), QoS: qos}
}
