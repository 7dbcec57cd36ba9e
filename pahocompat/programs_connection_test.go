package mqtt_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// connectionPrograms show how connections are made and told of.
var connectionPrograms = []program{
	{name: "handlers of one connection and its loss", run: func(s *stage) {
		k := newCalls()
		c := s.connect(k.hooked(s.options()).SetConnectionAttemptHandler(func(u *url.URL, c *tls.Config) *tls.Config {
			k.add("attempt")
			return c
		}))
		k.wait(s, "connect")
		s.say("%v", k.distinct())
		s.proxy.cut()
		k.wait(s, "connect")
		s.until("the loss", func() bool { return len(k.distinct()) == 4 })
		s.say("%v", k.distinct())
		k.mu.Lock()
		order := slices.DeleteFunc(slices.Clone(k.list), func(n string) bool { return n == "lost" }) // it runs beside the others
		k.mu.Unlock()
		s.say("%v", order)
		c.Disconnect(quiesce)
	}},
	{name: "without AutoReconnect", run: func(s *stage) {
		k := newCalls()
		c := s.connect(k.hooked(s.options().SetAutoReconnect(false)))
		k.wait(s, "connect")
		s.proxy.cut()
		k.wait(s, "lost")
		s.say("%v %v %v", c.IsConnected(), c.IsConnectionOpen(), k.distinct())
		s.token("Publish", c.Publish(s.topic("a"), 1, false, "x"))
		s.token("Connect", c.Connect())
		s.say("%v", c.IsConnected())
	}},
	{name: "Connect in the handler of the loss", run: func(s *stage) {
		ups := make(chan string, 10)
		o := s.options().SetAutoReconnect(false).SetOnConnectHandler(func(paho.Client) { ups <- "up" })
		o.SetConnectionLostHandler(func(c paho.Client, err error) {
			s.token("Connect in the handler", c.Connect())
			ups <- "handled"
		})
		c := s.connect(o)
		s.next("the first", ups)
		s.proxy.cut()
		s.next("the second", ups)
		s.next("the handler", ups)
		must(s.t, "Publish", c.Publish(s.topic("a"), 1, false, "x"))
	}},
	{name: "several servers", run: func(s *stage) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			s.t.Fatal(err)
		}
		ln.Close() // nobody is there
		o := s.options()
		good := o.Servers[0]
		o.Servers = nil
		o.AddBroker("tcp://" + ln.Addr().String()).AddBroker(good.String())
		tried := 0
		o.SetConnectionAttemptHandler(func(u *url.URL, c *tls.Config) *tls.Config { tried++; return c })
		c := s.client(o)
		s.token("Connect", c.Connect())
		s.say("%d tried", tried)
	}},
	{name: "ConnectRetry", run: func(s *stage) {
		s.proxy.set(func(p *proxy) { p.refuse = true })
		_, got := s.observer("a")
		c := s.client(s.options().SetConnectRetry(true).SetConnectRetryInterval(20 * time.Millisecond).SetCleanSession(false))
		tok := c.Connect()
		s.say("%v %v %v", tok.WaitTimeout(time.Millisecond), c.IsConnected(), c.IsConnectionOpen())
		pub := c.Publish(s.topic("a"), 1, false, "early")
		s.token("Subscribe", c.Subscribe(s.topic("a"), 1, nil))
		s.until("a second attempt", func() bool { return s.proxy.connections() > 1 })
		s.proxy.set(func(p *proxy) { p.refuse = false })
		s.token("Connect", tok)
		s.token("Publish", pub)
		s.say("observer: %s", s.text(next(s.t, "the early message", got)))
	}},
	{name: "Disconnect while Connect tries", run: func(s *stage) {
		s.proxy.set(func(p *proxy) { p.refuse = true })
		c := s.client(s.options().SetConnectRetry(true).SetConnectRetryInterval(20 * time.Millisecond))
		tok := c.Connect()
		s.until("a second attempt", func() bool { return s.proxy.connections() > 1 })
		c.Disconnect(1000)
		if !tok.WaitTimeout(patience) {
			s.t.Error("the token of Connect has not ended")
		}
		s.say("%v %v", tok.Error() != nil, c.IsConnected())
	}},
	{name: "a custom open function", run: func(s *stage) {
		o := s.options()
		o.Servers = nil
		o.AddBroker("carrier-pigeon://loft")
		o.SetCustomOpenConnectionFn(func(u *url.URL, o paho.ClientOptions) (net.Conn, error) {
			s.say("opens %v for %d servers", u, len(o.Servers))
			return net.Dial("tcp", s.proxy.addr)
		})
		c := s.connect(o)
		must(s.t, "Publish", c.Publish(s.topic("a"), 1, false, "x"))
	}},
	{name: "a custom open function that fails", run: func(s *stage) {
		n := 0
		o := s.options().SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) {
			n++
			return nil, fmt.Errorf("the pigeon is ill")
		})
		s.token("Connect", s.client(o).Connect())
		s.say("%d calls", n)
	}},
	{name: "a dialer", run: func(s *stage) {
		var dialled atomic.Int32
		d := &net.Dialer{Control: func(string, string, syscall.RawConn) error { dialled.Add(1); return nil }}
		s.connect(s.options().SetDialer(d))
		s.say("%d", dialled.Load())
	}},
	{name: "user names and passwords", local: true, run: func(s *stage) {
		for _, change := range []func(*paho.ClientOptions){
			func(o *paho.ClientOptions) {},
			func(o *paho.ClientOptions) { o.SetUsername("u").SetPassword("p") },
			func(o *paho.ClientOptions) { o.SetUsername("u") },
			func(o *paho.ClientOptions) { o.SetPassword("p") },
			func(o *paho.ClientOptions) { o.Servers[0].User = url.UserPassword("of-url", "p") },
			func(o *paho.ClientOptions) { o.SetUsername("u").Servers[0].User = url.User("of-url") },
			func(o *paho.ClientOptions) {
				o.SetCredentialsProvider(func() (string, string) { return "of-provider", "p" })
			},
		} {
			o := s.options()
			change(o)
			s.srv.Recorder().Reset()
			s.connect(o).Disconnect(quiesce)
			for _, p := range sent(s.srv) {
				if p.Connect != nil {
					s.say("%q %v keepalive=%d clean=%v", p.Connect.Username, p.Connect.HasPassword, p.Connect.KeepAlive, p.Connect.CleanStart)
				}
			}
		}
	}},
	{name: "the will", run: func(s *stage) {
		_, got := s.observer("will")
		c := s.connect(s.options().SetBinaryWill(s.topic("will"), []byte("gone"), 1, false))
		c.Disconnect(quiesce) // it takes the will along
		s.until("the broker's end of the connection", s.proxy.idle)
		s.connect(s.options().SetWill(s.topic("will"), "gone", 1, false).SetAutoReconnect(false))
		s.proxy.cut()
		s.say("observer: %s", s.text(next(s.t, "the will", got)))
		s.say("%d more", len(got))
	}},
	{name: "notifications", run: func(s *stage) {
		k := newCalls()
		o := s.options().SetMaxReconnectInterval(50 * time.Millisecond).SetConnectionNotificationHandler(func(_ paho.Client, n paho.ConnectionNotification) {
			switch n := n.(type) {
			case paho.ConnectionNotificationConnecting:
				k.add(fmt.Sprintf("connecting %v %d", n.IsReconnect, n.Attempt))
			case paho.ConnectionNotificationBroker:
				k.add(fmt.Sprintf("broker %v", n.Broker.Scheme))
			case paho.ConnectionNotificationBrokerFailed:
				k.add(fmt.Sprintf("broker failed %v", n.Broker.Scheme))
			case paho.ConnectionNotificationFailed:
				k.add("failed")
			case paho.ConnectionNotificationConnected:
				k.add("connected")
			case paho.ConnectionNotificationLost:
				k.add(fmt.Sprintf("lost %v", n.Reason != nil))
			}
		})
		var dead atomic.Bool
		o.SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) {
			if dead.Swap(false) {
				return nil, fmt.Errorf("not now")
			}
			return net.Dial("tcp", s.proxy.addr)
		})
		s.connect(o)
		k.wait(s, "connected")
		dead.Store(true)
		s.proxy.cut()
		k.wait(s, "connected")
		s.until("the loss", func() bool { return len(k.distinct()) >= 8 })
		s.say("%q", k.distinct())
	}},
	{name: "a unix socket", run: func(s *stage) {
		dir, err := os.MkdirTemp("", "u") // short: the path of a socket may have 100 bytes
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { os.RemoveAll(dir) })
		path := filepath.Join(dir, "s")
		ln, err := net.Listen("unix", path)
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { ln.Close() })
		go func() { // ends with the listener
			for {
				in, err := ln.Accept()
				if err != nil {
					return
				}
				s.proxy.serve(in)
			}
		}()
		o := s.options()
		o.Servers = nil
		c := s.connect(o.AddBroker("unix://" + path))
		s.token("Publish", c.Publish(s.topic("a"), 1, false, "x"))
	}},
	{name: "websockets and their headers", local: true, run: func(s *stage) {
		o := s.options()
		o.Servers = nil
		o.AddBroker(fmt.Sprintf("ws://user:word@%s:%d/mqtt", s.srv.Host(), s.srv.WSPort()))
		headers := make(chan string, 10)
		o.SetHTTPHeaders(http.Header{"X-Fleet": {"blue"}}).SetWebsocketOptions(&paho.WebsocketOptions{ReadBufferSize: 1 << 10,
			Proxy: func(r *http.Request) (*url.URL, error) { headers <- r.Header.Get("X-Fleet"); return nil, nil }})
		c := s.connect(o)
		s.say("header %q", s.next("the request", headers))
		h, heard := s.hear("got")
		must(s.t, "Subscribe", c.Subscribe(s.topic("a"), 1, h))
		must(s.t, "Publish", c.Publish(s.topic("a"), 1, false, "1"))
		s.next("the message", heard)
	}},
	{name: "TLS with a client certificate", local: true, run: func(s *stage) {
		thing, err := s.srv.NewThing("thing")
		if err != nil {
			s.t.Fatal(err)
		}
		config := tlsOf(s.t, s.srv, thing)
		o := s.options().SetTLSConfig(config)
		for _, scheme := range []string{"ssl", "tls", "mqtts", "tcps", "mqtt+ssl"} {
			o.Servers = nil
			o.AddBroker(fmt.Sprintf("%s://localhost:%d", scheme, s.srv.TLSPort()))
			c := s.connect(o)
			must(s.t, "Publish", c.Publish(s.topic("a"), 1, false, "1"))
			c.Disconnect(quiesce)
		}
		o.SetTLSConfig(nil).SetConnectionAttemptHandler(func(*url.URL, *tls.Config) *tls.Config { return config })
		must(s.t, "Publish", s.connect(o).Publish(s.topic("handler"), 1, false, "1"))
	}},
}

// faultPrograms show what becomes of a program when the network or the broker fails.
var faultPrograms = []program{
	{name: "a cut in the middle of a packet", run: func(s *stage) {
		k := newCalls()
		h, heard := s.hear("got")
		c := s.connect(k.hooked(s.options().SetCleanSession(false)))
		k.wait(s, "connect")
		must(s.t, "Subscribe", c.Subscribe(s.topic("a"), 1, h))
		other, _ := s.observer("")
		s.proxy.set(func(p *proxy) { p.cutNext = 5 })
		must(s.t, "Publish", other.Publish(s.topic("a"), 1, false, "torn"))
		k.wait(s, "connect")
		s.next("the message, whole", heard)
	}},
	{name: "a half-open connection", run: func(s *stage) {
		k := newCalls()
		lost := make(chan string, 10)
		o := k.hooked(s.options().SetKeepAlive(time.Second).SetPingTimeout(500 * time.Millisecond).SetConnectTimeout(time.Second))
		o.SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err.Error() })
		end := s.proxy.muteAfter() // from CONNACK on: the keep-alive is short
		s.connect(o)
		k.wait(s, "connect")
		s.say("%s", s.next("the loss", lost))
		end()
		k.wait(s, "connect")
	}},
	{name: "a broker that restarts and has forgotten", local: true, run: func(s *stage) {
		k := newCalls()
		c := s.connect(k.hooked(s.options().SetCleanSession(false)))
		k.wait(s, "connect")
		must(s.t, "Subscribe", c.Subscribe(s.topic("a"), 1, nil))
		s.again(s.srv.Faults().LoseSessions, func() { k.wait(s, "connect") })
		tok := c.Publish(s.topic("a"), 1, false, "x")
		s.token("Publish", tok)
		s.say("%v", c.IsConnectionOpen())
	}},
	{name: "the same client id on another connection", run: func(s *stage) {
		k := newCalls()
		c := s.connect(k.hooked(s.options().SetAutoReconnect(false)))
		k.wait(s, "connect")
		second := s.connect(s.options())
		k.wait(s, "lost")
		s.say("%v %v", c.IsConnected(), second.IsConnected())
	}},
	{name: "the broker refuses connections for a while", run: func(s *stage) {
		k := newCalls()
		c := s.connect(k.hooked(s.options().SetMaxReconnectInterval(50 * time.Millisecond)))
		k.wait(s, "connect")
		s.again(func() {
			s.proxy.set(func(p *proxy) { p.refuse = true })
			s.proxy.cut()
			before := s.proxy.connections()
			s.until("three attempts", func() bool { return s.proxy.connections() > before+3 })
			s.say("%v %v", c.IsConnected(), c.IsConnectionOpen())
			s.proxy.set(func(p *proxy) { p.refuse = false })
		}, func() { k.wait(s, "connect") })
		must(s.t, "Publish", c.Publish(s.topic("a"), 1, false, "x"))
	}},
	{name: "cuts, one after another", loose: true, run: func(s *stage) {
		k := newCalls()
		_, got := s.observer("a")
		c := s.connect(k.hooked(s.options().SetCleanSession(false).SetMaxReconnectInterval(50 * time.Millisecond)))
		k.wait(s, "connect")
		seen := map[string]bool{}
		for i := range 10 {
			tok := c.Publish(s.topic("a"), 1, false, fmt.Sprint(i))
			if i%3 == 1 {
				s.cut(k)
			}
			if !tok.WaitTimeout(patience) { // with an error, where paho's write met the cut
				s.t.Errorf("token %d has not ended", i)
			}
		}
		for len(seen) < 10 {
			seen[string(next(s.t, "a message", got).Payload())] = true
		}
		s.say("%d arrived", len(seen))
	}},
	{name: "a silent broker", run: func(s *stage) {
		defer s.proxy.mute()()
		c := s.client(s.options().SetConnectTimeout(100 * time.Millisecond))
		tok := c.Connect()
		if !tok.WaitTimeout(patience) {
			s.t.Error("the token of Connect has not ended")
		}
		s.say("%v %d %v", tok.Error() != nil, tok.(connectToken).ReturnCode(), c.IsConnected())
	}},
	{name: "Disconnect in a handler", run: func(s *stage) {
		k := newCalls()
		c := s.connect(k.hooked(s.options()))
		k.wait(s, "connect")
		done := make(chan struct{})
		must(s.t, "Subscribe", c.Subscribe(s.topic("a"), 1, func(c paho.Client, _ paho.Message) {
			go func() { c.Disconnect(quiesce); close(done) }()
		}))
		c.Publish(s.topic("a"), 1, false, "x")
		next(s.t, "the end", done)
		s.until("the end", func() bool { return !c.IsConnected() })
		s.say("%v", k.distinct())
	}},
}
