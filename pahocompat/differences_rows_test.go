package mqtt_test

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/iotlocal/record"
)

// awsName makes a program's broker bear the name of an AWS IoT endpoint.
func (s *stage) awsName(o *paho.ClientOptions) *paho.ClientOptions {
	o.Servers = nil
	return o.AddBroker("tcp://abc-ats.iot.eu-west-1.amazonaws.com:1883").SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) {
		return net.Dial("tcp", s.proxy.addr)
	})
}

// fault adds a rule for the program's client.
func (s *stage) fault(r iotlocal.Rule) *iotlocal.RuleHandle {
	s.t.Helper()
	r.ClientID = s.options().ClientID
	h, err := s.srv.Faults().Add(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return h
}

// connectPacket returns the first CONNECT of the clients.
func (s *stage) connectPacket() *record.Connect {
	s.t.Helper()
	for _, p := range sent(s.srv) {
		if p.Connect != nil {
			return p.Connect
		}
	}
	s.t.Fatal("no CONNECT")
	return nil
}

// ending describes the end of a token, or that it has none within d.
func ending(tok paho.Token, d time.Duration) string {
	if !tok.WaitTimeout(d) {
		return "does not end"
	}
	return fmt.Sprint(tok.Error())
}

// lossOrWord runs a publish on a client that does not reconnect, and returns "connection lost", or that the token names word.
func (s *stage) lossOrWord(o *paho.ClientOptions, topic string, payload any, word string) string {
	s.t.Helper()
	lost := make(chan string, 10)
	c := s.connect(o.SetAutoReconnect(false).SetConnectionLostHandler(func(paho.Client, error) { lost <- "connection lost" }))
	tok := c.Publish(topic, 1, false, payload)
	loss := func() string { return s.next("the loss", lost) }
	if !tok.WaitTimeout(patience) || tok.Error() == nil {
		return loss()
	}
	err := tok.Error().Error()
	switch {
	case strings.HasPrefix(err, "connection lost"):
		return loss()
	case strings.Contains(err, word):
		return "the token says so: " + word
	}
	return err
}

// protocolDifferences are where MQTT 5 shows.
var protocolDifferences = []difference{
	{"The protocol, with ProtocolVersion 0 or 4, and what CleanSession false asks for",
		"MQTT 3.1.1; clean session false", "MQTT 5; clean start false, session expiry 4294967295 s: never, as in 3.1.1; the broker may shorten it", func(s *stage) string {
			s.connect(s.options().SetCleanSession(false))
			c := s.connectPacket()
			if c.Level == 4 {
				return fmt.Sprintf("MQTT 3.1.1; clean session %v", c.CleanStart)
			}
			return fmt.Sprintf("MQTT %d; clean start %v, session expiry %d s: never, as in 3.1.1; the broker may shorten it", c.Level, c.CleanStart, *c.SessionExpiry)
		}},
	{"ProtocolVersion 3 (MQTT 3.1)",
		"Connect: <nil>", "Connect: pahocompat: ProtocolVersion: 3 is not spoken by MQTT 5 on awsiot.Client, which 0 and 4 may become; PORTAGE_PAHO_ENGINE=paho speaks it", func(s *stage) string {
			return "Connect: " + ending(s.client(s.options().SetProtocolVersion(3)).Connect(), patience)
		}},
	{"QoS 2 in Publish; Subscribe, SubscribeMultiple and a will the same",
		"accepted", "pahocompat: Publish: MQTT 5 on awsiot.Client has no QoS 2; PORTAGE_PAHO_ENGINE=paho keeps this client on paho.mqtt.golang, which has", func(s *stage) string {
			tok := s.connect(s.options()).Publish(s.topic("a"), 2, false, "x")
			if tok.Error() != nil {
				return tok.Error().Error()
			}
			return "accepted"
		}},
	{"An empty client id with CleanSession false",
		"Connect: identifier rejected", "Connect: <nil>: the broker assigns one", func(s *stage) string {
			got := "Connect: " + ending(s.client(s.options().SetClientID("").SetCleanSession(false)).Connect(), patience)
			if got == "Connect: <nil>" {
				got += ": the broker assigns one"
			}
			return got
		}},
	{"The error of ConnectionLost when the broker ends the connection with a reason",
		"EOF", "awsiot: connection: administrative action (0x98): maintenance", func(s *stage) string {
			lost := make(chan string, 1)
			s.connect(s.options().SetAutoReconnect(false).SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err.Error() }))
			s.srv.Faults().Disconnect(s.options().ClientID, 0x98, "maintenance")
			return s.next("the loss", lost)
		}},
	{"A publish that the broker refuses: MQTT 3.1.1 has no answer for it but the end of the connection, MQTT 5 has",
		"Publish does not end; connection lost", `Publish awsiot: publish "a": not authorized (0x87); connected`, func(s *stage) string {
			lost := make(chan string, 10)
			s.fault(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Action: iotlocal.Reject, Code: 0x87})
			c := s.connect(s.options().SetAutoReconnect(false).SetCleanSession(false).SetConnectionLostHandler(func(paho.Client, error) { lost <- "connection lost" }))
			tok := c.Publish(s.topic("a"), 1, false, "x")
			select {
			case l := <-lost:
				return "Publish " + ending(tok, 10*time.Millisecond) + "; " + l
			case <-tok.Done():
				text, _, _ := strings.Cut(s.name(tok.Error().Error()), "; hint")
				return "Publish " + text + "; connected"
			}
		}},
	{"An unsubscribe that the broker refuses",
		"Unsubscribe: <nil>", `Unsubscribe: awsiot: unsubscribe "a": not authorized (0x87)`, func(s *stage) string {
			s.fault(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.UNSUBACK, Action: iotlocal.Reject, Code: 0x87})
			c := s.connect(s.options())
			must(s.t, "Subscribe", c.Subscribe(s.topic("a"), 1, nil))
			text, _, _ := strings.Cut(s.name(ending(c.Unsubscribe(s.topic("a")), patience)), "; hint")
			return "Unsubscribe: " + text
		}},
	{"A packet that is larger than the broker takes",
		"connection lost", "the token says so: Payload", func(s *stage) string {
			return s.lossOrWord(s.options(), s.topic("a"), make([]byte, 200<<10), "Payload")
		}},
	{"A topic with a wildcard in Publish",
		"connection lost", "the token says so: Topic", func(s *stage) string {
			return s.lossOrWord(s.options(), s.topic("+"), "x", "Topic")
		}},
	{"The user name at AWS IoT Core's endpoints, and nowhere else",
		"me", "me?SDK=PortageGo&Version=...", func(s *stage) string {
			s.connect(s.awsName(s.options().SetUsername("me")))
			if strings.Contains(s.proxy.said(), "me?SDK=PortageGo&Version=") {
				return "me?SDK=PortageGo&Version=..."
			}
			return "me"
		}},
	{"AWS IoT Core's static limits at its endpoints: more than 8 filters in one call, topics of more than 7 slashes, payloads of more than 128 KiB",
		"connection lost", "the token says so: Topic", func(s *stage) string {
			return s.lossOrWord(s.awsName(s.options()), "1/2/3/4/5/6/7/8/9", "x", "Topic")
		}},
	{"DUP on a message that was published while there was no connection, and is sent for the first time",
		"set", "not set", func(s *stage) string {
			s.proxy.set(func(p *proxy) { p.refuse = true })
			_, got := s.observer("a")
			c := s.client(s.options().SetConnectRetry(true).SetConnectRetryInterval(10 * time.Millisecond).SetCleanSession(false))
			c.Connect()
			c.Publish(s.topic("a"), 1, false, "x")
			s.proxy.set(func(p *proxy) { p.refuse = false })
			next(s.t, "the message", got)
			for _, p := range sent(s.srv) {
				if p.Type == iotlocal.PUBLISH && p.Dup {
					return "set"
				}
			}
			return "not set"
		}},
	{"What the Store holds of received messages",
		"put i.1", "nothing", func(s *stage) string {
			st := &spyStore{OrderedMemoryStore: paho.NewOrderedMemoryStore()}
			heard := make(chan string, 1)
			c := s.connect(s.options().SetStore(st).SetCleanSession(false))
			must(s.t, "Subscribe", c.Subscribe(s.topic("a"), 1, func(paho.Client, paho.Message) { heard <- "" }))
			other, _ := s.observer("")
			must(s.t, "Publish", other.Publish(s.topic("a"), 1, false, "x"))
			s.next("the message", heard)
			st.mu.Lock()
			defer st.mu.Unlock()
			for _, l := range st.lines {
				if strings.HasPrefix(l, "put i.1") {
					return "put i.1"
				}
			}
			return "nothing"
		}},
}

// mendedDifferences are what paho.mqtt.golang gets wrong.
var mendedDifferences = []difference{
	{"Connect where AWS IoT Core does not allow it: its return code for MQTT 3.1.1 is 7, which is none",
		"Connect: <nil>; IsConnected true", "Connect: not Authorized; IsConnected false", func(s *stage) string {
			if _, err := s.srv.Faults().RefuseConnects(100, 0x87); err != nil {
				s.t.Fatal(err)
			}
			c := s.client(s.options().SetAutoReconnect(false))
			tok := c.Connect()
			got := "Connect: " + ending(tok, patience)
			return fmt.Sprintf("%s; IsConnected %v", got, c.IsConnected())
		}},
	{"The token of a publish whose connection is lost before the acknowledgement",
		"ends when the message is sent again", "ends at the acknowledgement", func(s *stage) string {
			k := newCalls()
			c := s.connect(k.hooked(s.options().SetCleanSession(false)))
			k.wait(s, "connect")
			held := s.fault(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK, Action: iotlocal.Drop})
			tok := c.Publish(s.topic("a"), 1, false, "x")
			s.until("the lost PUBACK", func() bool { return held.Hits() > 0 })
			s.proxy.cut()
			k.wait(s, "connect")
			s.until("the second lost PUBACK", func() bool { return held.Hits() > 1 })
			if tok.WaitTimeout(50 * time.Millisecond) {
				return "ends when the message is sent again"
			}
			held.Remove()
			s.proxy.cut()
			must(s.t, "Publish", tok)
			return "ends at the acknowledgement"
		}},
	{"Publish at QoS 0 while Connect is trying (ConnectRetry)",
		"its token does not end", "its token says: not Connected", func(s *stage) string {
			s.proxy.set(func(p *proxy) { p.refuse = true })
			c := s.client(s.options().SetConnectRetry(true).SetConnectRetryInterval(time.Hour))
			c.Connect()
			end := ending(c.Publish(s.topic("a"), 0, false, "x"), 50*time.Millisecond)
			if end == "does not end" {
				return "its token does not end"
			}
			return "its token says: " + end
		}},
	{"A handler that publishes and waits for the token (SetOrderMatters true)",
		"the token does not end while it waits", "the token ends", func(s *stage) string {
			c := s.connect(s.options())
			done := make(chan string, 10)
			must(s.t, "Subscribe", c.Subscribe(s.topic("a"), 1, func(c paho.Client, _ paho.Message) {
				s.until("more messages behind this one", func() bool {
					n := 0
					for _, p := range s.srv.Recorder().Packets() {
						if p.Dir == iotlocal.ServerToClient && p.Type == iotlocal.PUBLISH {
							n++
						}
					}
					return n >= 5
				})
				limit := patience
				if s.lib.paho { // it never ends
					limit = 300 * time.Millisecond
				}
				if ending(c.Publish(s.topic("b"), 1, false, "x"), limit) == "<nil>" {
					done <- "the token ends"
				} else {
					done <- "the token does not end while it waits"
				}
			}))
			other, _ := s.observer("")
			for range 5 {
				other.Publish(s.topic("a"), 1, false, "x")
			}
			return s.next("the handler", done)
		}},
	{"NewClient(nil)", "panic", "Connect: pahocompat: NewClient: the ClientOptions are nil", func(s *stage) (got string) {
		defer func() {
			if recover() != nil {
				got = "panic"
			}
		}()
		return "Connect: " + ending(s.lib.make(s.t, nil).Connect(), patience)
	}},
}
