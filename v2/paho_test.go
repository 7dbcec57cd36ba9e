package awsiot_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"

	awsiot "github.com/portage-iot/awsiot/v2"
)

func TestBrokerPaho(t *testing.T) {
	for _, tt := range []struct {
		url, endpoint string
		port          int
		auth          awsiot.Auth
		user, word    string
	}{
		{url: "tcp://host:1883", endpoint: "host", port: 1883, auth: awsiot.PlainTCP()},
		{url: "host:1883", endpoint: "host", port: 1883, auth: awsiot.PlainTCP()},
		{url: ":1883", endpoint: "127.0.0.1", port: 1883, auth: awsiot.PlainTCP()},
		{url: "mqtt://[::1]:1883", endpoint: "::1", port: 1883, auth: awsiot.PlainTCP()},
		{url: "ssl://host:8883", endpoint: "host", port: 8883, auth: awsiot.TLS()},
		{url: "mqtts://u:p%20w@host:8883", endpoint: "host", port: 8883, auth: awsiot.TLS(), user: "u", word: "p w"},
		{url: "tls://u@host", endpoint: "host", auth: awsiot.TLS(), user: "u"},
	} {
		o := awsiot.OptionsPaho()
		awsiot.BrokerPaho(o, tt.url)
		if o.Endpoint != tt.endpoint || o.Port != tt.port || o.Auth != tt.auth || o.Username != tt.user || string(o.Password) != tt.word {
			t.Errorf("%s: %s %d %v %q %q", tt.url, o.Endpoint, o.Port, o.Auth, o.Username, o.Password)
		}
		if err := o.Validate(); err != nil {
			t.Errorf("%s: %v", tt.url, err)
		}
	}
	for _, url := range []string{"ws://host:80/mqtt", "wss://host/path?x=1"} {
		o := awsiot.OptionsPaho()
		awsiot.BrokerPaho(o, url)
		if err := o.Validate(); err != nil || o.Endpoint != "host" {
			t.Errorf("%s: %v, endpoint %q", url, err, o.Endpoint)
		}
	}
	for _, url := range []string{"tcp://%zz", "unix:///tmp/x", "tcp://", "amqp://host:1"} {
		o := awsiot.OptionsPaho()
		awsiot.BrokerPaho(o, url)
		if _, ok := errors.AsType[*awsiot.ValidationError](awsiot.NewClient(*o).Start()); !ok {
			t.Errorf("%s: Start takes it", url)
		}
	}
}

func TestOptionsPaho(t *testing.T) {
	o := awsiot.OptionsPaho()
	if o.KeepAlive != 30*time.Second || o.AckTimeout >= 0 || o.Resubscribe.When != awsiot.ResubscribeNever || o.OfflineQueue.Behavior != awsiot.FailNonQoS1 {
		t.Errorf("%+v", o)
	}
	if awsiot.OptionsPaho() == o {
		t.Error("two programs share their options")
	}
	for d, want := range map[time.Duration]time.Duration{0: -1, time.Millisecond: -1, 90 * time.Second: 90 * time.Second, 1500 * time.Millisecond: time.Second} {
		if got := awsiot.KeepAlivePaho(d); got != want {
			t.Errorf("KeepAlivePaho(%v) = %v", d, got)
		}
	}
	subs := awsiot.SubscriptionsPaho(map[string]byte{"b": 1, "a": 0}, nil)
	if len(subs) != 2 || subs[0].TopicFilter != "a" || subs[1].TopicFilter != "b" || subs[1].QoS != 1 {
		t.Errorf("%+v", subs)
	}
}

// The client of a message and of an event is the one that has received it.
func TestClientOfMessagesAndEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []*awsiot.Client
		var requested []bool
		w := newWorld(t, func(o *awsiot.ClientOptions) {
			o.OnConnectionSuccess = func(e *awsiot.ConnectionSuccess) { got = append(got, e.Client) }
			o.OnDisconnection = func(e *awsiot.Disconnection) {
				got = append(got, e.Client)
				requested = append(requested, e.Requested())
			}
			o.OnPublishReceived = func(m *awsiot.Message) { got = append(got, m.Client()) }
		})
		p := w.start()
		p.send(publish("a", "x", 0), publish("a", "y", 7))
		synctest.Wait()
		p.cut()
		synctest.Wait()
		_ = w.client.Close()
		synctest.Wait()
		if len(got) != 4 || slices.ContainsFunc(got, func(c *awsiot.Client) bool { return c != w.client }) {
			t.Errorf("clients: %v, not four times %v", got, w.client)
		}
		if !slices.Equal(requested, []bool{false}) {
			t.Errorf("requested: %v", requested)
		}
		if new(awsiot.Message).Client() != nil {
			t.Error("a message that the program has made has a client")
		}
	})
}

func TestDisconnectionIsRequested(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requested []bool
		w := newWorld(t, func(o *awsiot.ClientOptions) {
			o.OnDisconnection = func(e *awsiot.Disconnection) { requested = append(requested, e.Requested()) }
		})
		p := w.start()
		if !awsiot.ConnectedPaho(w.client) {
			t.Error("not connected")
		}
		go func() { expect[*packets.Disconnect](p); p.expectEnd() }()
		if err := w.client.DrainFor(time.Second); err != nil {
			t.Error(err)
		}
		if !slices.Equal(requested, []bool{true}) || awsiot.ConnectedPaho(w.client) {
			t.Errorf("requested: %v, connected %v", requested, awsiot.ConnectedPaho(w.client))
		}
	})
}

// What has not ended in time ends with ErrStopped, and DISCONNECT goes out all the same.
func TestDrainForEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		p := w.start()
		f := w.client.PublishAsync(packet("a", "x", awsiot.AtLeastOnce))
		expect[*packets.Publish](p)
		if f.WaitTimeout(time.Second) {
			t.Error("ended without a PUBACK")
		}
		sent := make(chan struct{})
		go func() { expect[*packets.Disconnect](p); close(sent); p.expectEnd() }()
		if err := w.client.DrainFor(time.Second); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("DrainFor: %v", err)
		}
		<-sent
		if !f.WaitTimeout(0) || !errors.Is(f.Err(), awsiot.ErrStopped) {
			t.Errorf("the publish: %v", f.Err())
		}
	})
}

func TestStartAsync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		f := w.client.StartAsync()
		w.accept(nil)
		if e, err := f.Wait(context.Background()); err != nil || e.Client != w.client {
			t.Errorf("%+v, %v", e, err)
		}
		again := w.client.StartAsync() // is connected
		if e, err := again.Wait(context.Background()); err != nil || e == nil {
			t.Errorf("again: %+v, %v", e, err)
		}
	})
}

// StartAndRetry goes on after an attempt that fails; StartAsync stops the client.
func TestStartAndRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		f := w.client.StartAsync()
		w.raw().cut()
		if _, err := f.Wait(context.Background()); err == nil || w.client.State() != awsiot.StateStopped {
			t.Errorf("%v, %v", err, w.client.State())
		}
		done := make(chan error)
		go func() { done <- w.client.StartAndRetry(context.Background()) }()
		w.raw().cut()
		w.accept(nil)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := awsiot.NewClient(awsiot.ClientOptions{}).StartAndRetry(context.Background()); err == nil {
			t.Error("no error for empty options")
		}
	})
}

// StartRetryAsync goes on after an attempt that fails, and ends with the client.
func TestStartRetryAsync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		if awsiot.StartedPaho(w.client) {
			t.Error("started before Start")
		}
		f := w.client.StartRetryAsync()
		w.raw().cut()
		synctest.Wait()
		if f.WaitTimeout(0) || !awsiot.StartedPaho(w.client) || awsiot.ConnectedPaho(w.client) {
			t.Errorf("after an attempt that failed: %v, %v", f.Err(), w.client.State())
		}
		w.accept(nil)
		if e, err := f.Wait(context.Background()); err != nil || e.Client != w.client {
			t.Errorf("%+v, %v", e, err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		f := w.client.StartRetryAsync()
		w.raw().cut()
		if err := w.client.Stop(context.Background(), nil); err != nil {
			t.Error(err)
		}
		if _, err := f.Wait(context.Background()); !errors.Is(err, awsiot.ErrStopped) || awsiot.StartedPaho(w.client) {
			t.Errorf("stopped: %v", err)
		}
	})
	if _, err := awsiot.NewClient(awsiot.ClientOptions{}).StartRetryAsync().Wait(t.Context()); err == nil {
		t.Error("no error for empty options")
	}
}

// ConnectPaho starts a client, and leaves one alone that connects again: the attempt that fails afterwards does not stop it.
func TestConnectPaho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		first := awsiot.ConnectPaho(w.client)
		p, _ := w.accept(nil)
		if e, err := first.Wait(context.Background()); err != nil || e.Client != w.client {
			t.Errorf("%+v, %v", e, err)
		}
		p.cut()
		synctest.Wait()
		again := awsiot.ConnectPaho(w.client)
		if !again.WaitTimeout(0) || again.Err() != nil || w.client.State() == awsiot.StateConnected {
			t.Errorf("while it connects again: %v, %v", again.Err(), w.client.State())
		}
		w.raw().cut()
		w.accept(nil)
		synctest.Wait()
		if w.client.State() != awsiot.StateConnected {
			t.Errorf("at the end: %v", w.client.State())
		}
	})
}

// The handlers of paho's options run on goroutines of their own, and nil stays nil.
func TestConnectionHandlersPaho(t *testing.T) {
	if awsiot.OnConnectPaho(nil) != nil || awsiot.OnConnectionLostPaho(nil) != nil {
		t.Error("a handler for nil")
	}
	synctest.Test(t, func(t *testing.T) {
		up, down := make(chan *awsiot.Client), make(chan error)
		w := newWorld(t, func(o *awsiot.ClientOptions) {
			o.OnConnectionSuccess = awsiot.OnConnectPaho(func(c *awsiot.Client) { up <- c })
			o.OnDisconnection = awsiot.OnConnectionLostPaho(func(_ *awsiot.Client, err error) { down <- err })
		})
		p := w.start() // which waits for callbacks: they would block in the client's own
		if c := <-up; c != w.client {
			t.Errorf("OnConnect got %p, not %p", c, w.client)
		}
		p.cut()
		if err := <-down; err == nil {
			t.Error("lost without an error")
		}
		p, _ = w.accept(nil)
		<-up
		go func() { expect[*packets.Disconnect](p); p.expectEnd() }()
		if err := w.client.DrainFor(time.Second); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		select {
		case err := <-down:
			t.Errorf("what the program has asked for was lost: %v", err)
		default:
		}
	})
}

func TestPublishPaho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		p := w.start()
		for _, payload := range []any{"x", []byte("x"), *bytes.NewBufferString("x")} {
			f := awsiot.PublishPaho(w.client, "a", 0, true, payload)
			if got := expect[*packets.Publish](p); string(got.Payload) != "x" || !got.Retain {
				t.Errorf("%T: %v", payload, got)
			}
			if _, err := f.Wait(context.Background()); err != nil {
				t.Error(err)
			}
		}
		if _, ok := errors.AsType[*awsiot.ValidationError](awsiot.PublishPaho(w.client, "a", 0, false, 5).Err()); !ok {
			t.Error("an int was published")
		}
	})
}

// Handlers of Unordered overtake each other, and each message is acknowledged when its own has returned; Unhandled leaves
// out what another handler has had.
func TestUnordered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := make(chan struct{})
		var order []string
		h := awsiot.Unordered(func(m *awsiot.Message) {
			if m.PacketID() == 7 {
				<-first
			}
			order = append(order, string(m.Payload))
		})
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.OnPublishReceived = awsiot.Unhandled(h) })
		p := w.start()
		w.client.Handle("taken", func(*awsiot.Message) {})
		p.send(publish("a", "slow", 7), publish("a", "fast", 8), publish("taken", "z", 9))
		var acks []uint16
		for range 2 {
			acks = append(acks, expect[*packets.Puback](p).PacketID)
		}
		close(first)
		acks = append(acks, expect[*packets.Puback](p).PacketID)
		slices.Sort(acks[:2])
		if !slices.Equal(acks, []uint16{8, 9, 7}) || !slices.Equal(order, []string{"fast", "slow"}) {
			t.Errorf("acknowledged %v, handled %v", acks, order)
		}
		if awsiot.Unordered(nil) != nil || awsiot.Unhandled(nil) != nil {
			t.Error("nil is no handler")
		}
	})
}
