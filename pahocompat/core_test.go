package mqtt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/portage-iot/awsiot/iotlocal"
	mqtt "github.com/portage-iot/awsiot/pahocompat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// Both sides share the connection: messages reach the handlers of both, and one that a handler of V2 takes is not the default
// handler's.
func TestV2SharesTheConnection(t *testing.T) {
	withEngine(t, mqtt.EngineV2)
	srv := iotlocal.StartT(t, iotlocal.Options{})
	old, def, new := make(chan string, 10), make(chan string, 10), make(chan string, 10)
	c := connected(t, mqtt.NewClientOptions().AddBroker(addr(srv)).SetClientID("c").
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { def <- m.Topic() }))
	core, ok := mqtt.V2(c)
	if !ok {
		t.Fatal("no client")
	}
	if again, _ := mqtt.V2(c); again != core {
		t.Error("another client at the second call")
	}
	must(t, "Subscribe", c.Subscribe("old/#", 1, func(_ mqtt.Client, m mqtt.Message) { old <- m.Topic() }))
	ctx := context.Background()
	if _, err := core.Subscribe(ctx, &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "+/x", QoS: 1,
		Handler: func(m *awsiot.Message) { new <- m.Topic }}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := core.Publish(ctx, &awsiot.PublishPacket{Topic: "old/x", QoS: 1}); err != nil {
		t.Fatal(err)
	}
	if next(t, "the old side's message", old) != "old/x" || next(t, "the new side's message", new) != "old/x" {
		t.Error("another message")
	}
	must(t, "Publish", c.Publish("new/x", 1, false, "x"))
	next(t, "the new side's message", new)
	must(t, "Subscribe", c.Subscribe("nobody", 1, nil))
	must(t, "Publish", c.Publish("nobody", 1, false, "x"))
	if got := next(t, "the default's message", def); got != "nobody" {
		t.Errorf("the default handler got %s", got)
	}
	if n := len(srv.Clients()); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// Stopping the client of V2 is a Disconnect; after its Close there is no Connect any more.
func TestV2Ends(t *testing.T) {
	withEngine(t, mqtt.EngineV2)
	srv := iotlocal.StartT(t, iotlocal.Options{})
	lost := make(chan error, 1)
	c := connected(t, mqtt.NewClientOptions().AddBroker(addr(srv)).SetClientID("c").
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost <- err }))
	core, _ := mqtt.V2(c)
	if err := core.Stop(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t}
	s.until("the end", func() bool { return !c.IsConnected() })
	s.until("a new Connect", func() bool { return mqtt.WaitTokenTimeout(c.Connect(), patience) == nil })
	must(t, "Publish", c.Publish("a", 1, false, "x"))
	core.Close()
	s.until("the end", func() bool { return !c.IsConnected() })
	s.until("the refusal of Connect", func() bool {
		return errors.Is(mqtt.WaitTokenTimeout(c.Connect(), patience), awsiot.ErrClosed)
	})
	if len(lost) > 0 {
		t.Errorf("ConnectionLost: %v", <-lost)
	}
}

// Foreign clients have no V2, and the values of both packages are the same types.
func TestMixedPackages(t *testing.T) {
	if _, ok := mqtt.V2(paho.NewClient(paho.NewClientOptions())); ok {
		t.Error("V2 of paho's own client")
	}
	if _, ok := mqtt.V2(nil); ok {
		t.Error("V2 of nothing")
	}
	withEngine(t, mqtt.EngineV2)
	srv := iotlocal.StartT(t, iotlocal.Options{})
	var theirs *paho.ClientOptions = mqtt.NewClientOptions().AddBroker(addr(srv)).SetClientID("c")
	var c paho.Client = mqtt.NewClient(theirs)
	if err := paho.WaitTokenTimeout(c.Connect(), patience); err != nil {
		t.Fatal(err)
	}
	c.Disconnect(100)
	if c.Publish("a", 0, false, "").Error() != paho.ErrNotConnected {
		t.Error("another error value")
	}
}

// lines is a Logger that keeps what it gets, if it is told to.
type lines struct {
	mu   sync.Mutex
	kept bool
	b    bytes.Buffer
	own  bytes.Buffer // what this module said: paho's goroutines may outlive the test that made their client
}

// logged are the loggers of the tests: they are set once, before the first client.
var logged struct{ warn, debug, err lines }

func init() { mqtt.WARN, mqtt.DEBUG, mqtt.ERROR = &logged.warn, &logged.debug, &logged.err }

func (l *lines) keep(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = on
	l.b.Reset()
	l.own.Reset()
}

func (l *lines) Println(v ...any) { l.add(v...) }

func (l *lines) Printf(format string, v ...any) { l.add(fmt.Sprintf(format, v...)) }

// add is called by the two above only, which the library calls.
func (l *lines) add(v ...any) {
	pc, _, _, _ := runtime.Caller(2)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.kept {
		return
	}
	fmt.Fprintln(&l.b, v...)
	if !strings.Contains(runtime.FuncForPC(pc).Name(), "handOn") { // which hands on what paho says
		fmt.Fprintln(&l.own, v...)
	}
}

// said is what this module said.
func (l *lines) said() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.own.String()
}

func (l *lines) has(text string) bool { return strings.Contains(l.text(), text) }

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Both engines write to this package's loggers.
func TestLoggers(t *testing.T) {
	warn, debug, failed := &logged.warn, &logged.debug, &logged.err
	for _, l := range []*lines{warn, debug, failed} {
		l.keep(true)
		defer l.keep(false)
	}
	for _, e := range []mqtt.Engine{mqtt.EngineV2, mqtt.EnginePaho} {
		withEngine(t, e)
		srv := iotlocal.StartT(t, iotlocal.Options{})
		c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(addr(srv)).SetClientID("c"))
		must(t, "Connect", c.Connect())
		must(t, "Connect again", c.Connect())
		must(t, "Subscribe", c.Subscribe("a", 0, func(mqtt.Client, mqtt.Message) { panic("boom") }))
		if e == mqtt.EngineV2 {
			must(t, "Publish", c.Publish("a", 0, false, "x"))
			(&stage{t: t}).until("the panic", func() bool { return failed.has("boom") })
		}
		c.Disconnect(100)
	}
	for logger, text := range map[*lines]string{warn: "Connect() called but not disconnected", debug: "session_present=false", failed: "panic in a callback panic=boom"} {
		if !logger.has(text) {
			t.Errorf("not logged: %s", text)
		}
	}
	if !debug.has("startComms") {
		t.Error("nothing of paho.mqtt.golang's in DEBUG")
	}
	tok := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("carrier-pigeon://x").SetClientID("c")).Connect()
	tok.Wait()
	if !failed.has("unknown protocol") {
		t.Error("no ERROR of an unknown protocol")
	}
}

// What paho says comes from its own goroutines, and is told from what this module says.
func TestLinesSaid(t *testing.T) {
	logged.warn.keep(true)
	defer logged.warn.keep(false)
	paho.WARN.Println("theirs")
	paho.WARN.Printf("theirs %d", 2)
	mqtt.WARN.Println("ours")
	mqtt.WARN.Printf("ours %d", 2)
	if said, all := logged.warn.said(), logged.warn.text(); !strings.Contains(said, "ours\n") || !strings.Contains(said, "ours 2\n") || strings.Contains(said, "theirs") || !strings.Contains(all, "theirs 2") {
		t.Errorf("said %q of %q", said, all)
	}
}
