package awsiot_test

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/portage-iot/awsiot/internal/memnet"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// calls are those that wait until a context ends.
var calls = []struct {
	name string
	call func(context.Context, *awsiot.Client) error
}{
	{"Publish", func(ctx context.Context, c *awsiot.Client) error {
		_, err := c.Publish(ctx, packet("t", "x", 1))
		return err
	}},
	{"Subscribe", func(ctx context.Context, c *awsiot.Client) error {
		_, err := c.Subscribe(ctx, filters(nil, "f"))
		return err
	}},
	{"Unsubscribe", func(ctx context.Context, c *awsiot.Client) error {
		_, err := c.Unsubscribe(ctx, &awsiot.UnsubscribePacket{TopicFilters: []string{"f"}})
		return err
	}},
	{"Future.Wait", func(ctx context.Context, c *awsiot.Client) error {
		_, err := c.PublishAsync(packet("t", "x", 1)).Wait(ctx)
		return err
	}},
	{"Drain", func(ctx context.Context, c *awsiot.Client) error {
		c.PublishFunc(packet("t", "x", 1), nil)
		return c.Drain(ctx)
	}},
}

// The end of a wait by its context says why there was something to wait for, and ReasonOf finds the broker's reason.
func TestWaitEndedSaysWhy(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before func(*world)
		want   string
		reason awsiot.ReasonCode // 0: none
	}{
		{"not started", func(*world) {}, `context deadline exceeded: the client is not started: Start was not called`, 0},
		{"stopped", func(w *world) {
			p := w.start()
			go p.expectClose()
			_ = w.client.Stop(context.Background(), nil)
		}, `context deadline exceeded: the client is not started: it was stopped, and Start not called again`, 0},
		{"the first attempt goes on", func(w *world) {
			w.net.SetFaults(memnet.Faults{Hang: true})
			_ = w.client.Start()
		}, `context deadline exceeded: offline since [-0-9TZ:+]+ \(5s\)`, 0},
		{"no attempt has succeeded", func(w *world) {
			w.net.SetFaults(memnet.Faults{Refuse: true})
			_ = w.client.Start()
		}, `context deadline exceeded: offline since [-0-9TZ:+]+ \(5s\), last error: awsiot: connect: .*connection refused`, 0},
		{"refused", func(w *world) {
			_ = w.client.Start()
			w.accept(func(a *packets.Connack) { a.ReasonCode = 0x87 })
		}, `context deadline exceeded: offline since [-0-9TZ:+]+ \(5s\), last error: awsiot: connect: not authorized \(0x87\)`, awsiot.ReasonNotAuthorized},
		{"disconnected", func(w *world) {
			p := w.start()
			p.send(&packets.Disconnect{ReasonCode: 0x9D, Properties: &packets.Properties{}})
			p.expectEnd()
			synctest.Wait()
		}, `context deadline exceeded: offline since [-0-9TZ:+]+ \(5s\), last error: awsiot: connection: server moved \(0x9D\)`, awsiot.ReasonServerMoved},
	} {
		for _, c := range calls {
			if strings.HasPrefix(tt.want, "context deadline exceeded: the client is not started") && c.name == "Drain" {
				continue // it does not wait then
			}
			t.Run(tt.name+" "+c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, nil)
					tt.before(w)
					err := c.call(within(5*time.Second), w.client)
					if !errors.Is(err, context.DeadlineExceeded) || !regexp.MustCompile(tt.want).MatchString(err.Error()) {
						t.Errorf("%v\nwant %s", err, tt.want)
					}
					if code, ok := awsiot.ReasonOf(err); ok != (tt.reason != 0) || code != tt.reason {
						t.Errorf("ReasonOf: %v %v", code, ok)
					}
				})
			})
		}
	}
}

// An operation that has lived through the end of a connection names it; one that has not does not name what is long past.
func TestWaitEndedNamesTheLastConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, rejoin)
		p := w.start()
		errs := make(chan error, len(calls))
		for _, c := range calls[:4] {
			go func() { errs <- c.call(within(20*time.Second), w.client) }()
		}
		p.take(4)
		p.send(&packets.Disconnect{ReasonCode: 0x8B, Properties: &packets.Properties{}})
		p.expectEnd()
		p, _ = w.accept(sessionPresent())
		p.take(4)
		for range 4 {
			err := <-errs
			if code, _ := awsiot.ReasonOf(err); code != awsiot.ReasonServerShuttingDown || !strings.Contains(err.Error(), "the last connection ended: ") {
				t.Errorf("%v", err)
			}
		}
		for _, c := range calls[:4] {
			if err := c.call(within(time.Second), w.client); !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "connection") {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) { // the queue waits for the suspects
		w := newWorld(t, rejoin)
		p := w.start()
		w.client.PublishFunc(packet("t", "a", 1), nil)
		p.take(1)
		p.send(&packets.Disconnect{ReasonCode: 0x95, Properties: &packets.Properties{}})
		p.expectEnd()
		p, _ = w.accept(sessionPresent())
		p.take(1)
		_, err := w.client.Publish(within(time.Second), packet("t", "x", 1))
		if code, _ := awsiot.ReasonOf(err); code != awsiot.ReasonPacketTooLarge || !strings.Contains(err.Error(), "waits while 1 operations are sent one by one") {
			t.Errorf("%v", err)
		}
	})
}

// StartAndWait and AwaitConnected say it too.
func TestAwaitConnectedSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.net.SetFaults(memnet.Faults{Hang: true})
		if err := w.client.StartAndWait(within(time.Second)); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "offline since ") {
			t.Errorf("%v", err)
		}
		w.net.SetFaults(memnet.Faults{Refuse: true})
		_ = w.client.Start()
		if _, err := w.client.AwaitConnected(within(time.Second)); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%v", err)
		}
	})
}

// Where no attempt follows, the log does not say that the client waits for one.
func TestLogOfTheOnlyAttempt(t *testing.T) {
	for name, start := range map[string]func(*awsiot.Client, context.Context) error{
		"StartAndWait": (*awsiot.Client).StartAndWait, "StartAndSend": (*awsiot.Client).StartAndSend,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &lineLog{}
				w := newWorld(t, func(o *awsiot.ClientOptions) { o.Logger = slog.New(log) })
				_ = w.ln.Close()
				if err := start(w.client, context.Background()); err == nil {
					t.Error("connected")
				}
				if !log.has("connecting failed") || log.has("waiting before") {
					t.Errorf("%q", log.lines)
				}
			})
		})
	}
}

// The log says why the client waits, and warns when it waits long.
func TestLogSaysWhyItWaits(t *testing.T) {
	for _, tt := range []struct {
		name string
		code byte
		want string
	}{
		{"short", 0x89, "INFO waiting before the next attempt to connect delay=1s error=awsiot: connection: server busy (0x89)"},
		{"long", 0x9D, "WARN waiting before the next attempt to connect delay=2m0s error=awsiot: connection: server moved (0x9D)"},
		{"blamed", 0x95, "WARN the broker ended connections over what was sent: this is sent first, one by one, and everything else waits operations=1 error=awsiot: connection: packet too large (0x95)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &lineLog{}
				w := newWorld(t, func(o *awsiot.ClientOptions) { o.Logger = slog.New(log) })
				p := w.start()
				w.client.PublishFunc(packet("t", "a", 1), nil)
				p.take(1)
				p.send(&packets.Disconnect{ReasonCode: tt.code, Properties: &packets.Properties{}})
				p.expectEnd()
				w.accept(nil)
				synctest.Wait()
				if !log.has(tt.want) {
					t.Errorf("%s\nwant %s", strings.Join(log.lines, "\n"), tt.want)
				}
				if tt.name == "long" && !log.has("why=the broker's reason does not heal by itself") {
					t.Error("no reason for the long wait")
				}
			})
		})
	}
}

// lineLog keeps log records as lines.
type lineLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *lineLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (l *lineLog) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l *lineLog) WithGroup(string) slog.Handler                    { return l }

func (l *lineLog) Handle(_ context.Context, r slog.Record) error {
	line := r.Level.String() + " " + r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.Key + "=" + a.Value.String(); return true })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	return nil
}

func (l *lineLog) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}

// Who gave up waiting for a connection is forgotten at once: a program may ask again and again while it is offline.
func TestWaitersAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "nobody", Auth: awsiot.PlainTCP(), Dialer: (&memnet.Network{}).Dial})
		defer c.Close()
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 10 {
			if _, err := c.AwaitConnected(ctx); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		if n := awsiot.Waiters(c); n != 0 {
			t.Errorf("%d wait", n)
		}
	})
}
