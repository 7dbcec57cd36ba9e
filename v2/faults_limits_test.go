package awsiot_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"log/slog"
	"maps"
	"math/big"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/portage-iot/awsiot/internal/memnet"
	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// Receive Maximum 1 in both directions with a burst of 1,000: all arrive, in order; the broker,
// which would end the connection with 0x93, never sees 2 unacknowledged, nor does the client.
func TestFaultReceiveMaximumOne(t *testing.T) {
	withLocal(t, iotlocal.Options{Limits: iotlocal.Limits{ReceiveMaximum: 1}}, func(t *testing.T, e *onLocal) {
		n := e.client("c", func(o *awsiot.ClientOptions) { o.ReceiveMaximum = 1 }).up().subscribe("t")
		var want, payload []string
		for i := range 1000 {
			n.PublishFunc(packet("t", fmt.Sprint(i), 1), nil)
			want, payload = append(want, fmt.Sprintf("t=%d", i)), append(payload, fmt.Sprint(i))
		}
		synctest.Wait()
		equal(t, "received", n.got.take(), want)
		equal(t, "sent", payloads(n.sent(iotlocal.PUBLISH)), payload)
		open := map[iotlocal.Direction]int{}
		for _, p := range e.srv.Recorder().Packets() {
			switch other := iotlocal.ClientToServer + iotlocal.ServerToClient - p.Dir; p.Type {
			case iotlocal.PUBLISH:
				if open[p.Dir]++; open[p.Dir] > 1 {
					t.Fatalf("two unacknowledged at %v", p)
				}
			case iotlocal.PUBACK:
				open[other]--
			}
		}
		if conns := n.sent(iotlocal.CONNECT); len(conns) != 1 {
			t.Errorf("%d connections", len(conns))
		}
	})
}

// The broker exceeds our Receive Maximum: DISCONNECT 0x93, nothing of the excess is delivered.
func TestFaultBrokerExceedsReceiveMaximum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { rejoin(o); o.ReceiveMaximum = 2 })
		var held []func() error
		w.client.Handle("#", func(m *awsiot.Message) {
			w.events.add("%s", m.Payload)
			if ack, ok := m.HoldAck(); ok {
				held = append(held, ack)
			}
		})
		p := w.start()
		p.send(publish("t", "1", 1), publish("t", "2", 2), publish("t", "q0", 0))
		p.silent(time.Minute)
		p.send(publish("t", "3", 3))
		if d := expect[*packets.Disconnect](p); d.ReasonCode != 0x93 {
			t.Errorf("DISCONNECT 0x%02X", d.ReasonCode)
		}
		p.expectEnd()
		synctest.Wait()
		equal(t, "events", w.events.take()[2:], []string{"1", "2", "q0",
			"disconnection: awsiot: connection: receive maximum exceeded (0x93): the broker sent more QoS 1 messages than ReceiveMaximum allows: protocol error"})
		for _, ack := range held {
			if err := ack(); !errors.Is(err, awsiot.ErrAckLost) {
				t.Errorf("ack: %v", err)
			}
		}
		w.accept(sessionPresent())
	})
}

// Topic alias 0, above the maximum, unknown: from the broker DISCONNECT 0x94, from the program an
// error of that publish alone. After a reconnect every alias is unknown again, both ways.
func TestFaultTopicAliases(t *testing.T) {
	aliased := func(topic string, alias uint16) *packets.Publish {
		p := publish(topic, "x", 0)
		p.Properties.TopicAlias = &alias
		return p
	}
	for name, bad := range map[string]any{
		"zero": []byte{0x30, 7, 0, 1, 'a', 3, 35, 0, 0}, "above the maximum": aliased("a", 3),
		"unknown": aliased("", 2), "of the former connection": aliased("", 1),
	} {
		t.Run("in, "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) {
					rejoin(o)
					o.TopicAliasing = awsiot.TopicAliasing{Inbound: awsiot.AliasEnabled, InboundMaximum: 2}
				})
				w.client.Handle("#", func(m *awsiot.Message) { w.events.add("got %s", m.Topic) })
				p := w.start()
				p.send(aliased("known", 1), aliased("", 1))
				synctest.Wait()
				p.cut()
				p, _ = w.accept(sessionPresent())
				p.send(bad)
				if d := expect[*packets.Disconnect](p); d.ReasonCode != 0x94 {
					t.Errorf("DISCONNECT 0x%02X", d.ReasonCode)
				}
				p.expectEnd()
				synctest.Wait()
				var got []string
				for _, s := range w.events.take() {
					if strings.HasPrefix(s, "got") || strings.Contains(s, "alias") {
						got = append(got, s[:9])
					}
				}
				equal(t, "events", got, []string{"got known", "got known", "disconnec"})
				w.accept(sessionPresent())
			})
		})
	}
	t.Run("out, LRU", func(t *testing.T) {
		withLocal(t, iotlocal.Options{Limits: iotlocal.Limits{TopicAliasMaximum: 2}}, func(t *testing.T, e *onLocal) {
			n := e.client("c", func(o *awsiot.ClientOptions) { rejoin(o); o.TopicAliasing.Outbound = awsiot.AliasLRU }).up()
			send := func() {
				for _, topic := range []string{"a", "a", "b", "c", "a", "c"} {
					n.publish(topic, "x")
				}
			}
			send()
			e.srv.Faults().Cut("c")
			n.again()
			send()
			var got []string
			for _, p := range n.sent(iotlocal.PUBLISH) {
				got = append(got, fmt.Sprintf("%s%d", p.Topic, *p.Properties.TopicAlias))
			}
			once := []string{"a1", "a1", "b2", "c1", "a2", "c1"} // the record has the topics that the broker made of them
			equal(t, "topics and aliases", got, append(slices.Clone(once), once...))
		})
	})
	t.Run("out, manual", func(t *testing.T) {
		withLocal(t, iotlocal.Options{Limits: iotlocal.Limits{TopicAliasMaximum: 2}}, func(t *testing.T, e *onLocal) {
			n := e.client("c", func(o *awsiot.ClientOptions) { o.TopicAliasing.Outbound = awsiot.AliasManual }).up()
			for alias, want := range map[uint16]bool{0: false, 1: true, 2: true, 3: false} {
				p := packet("t", "x", 1)
				p.TopicAlias = &alias
				_, err := n.Publish(within(time.Minute), p)
				var ve *awsiot.ValidationError
				if want && err != nil || !want && (!errors.As(err, &ve) || ve.Field != "TopicAlias") {
					t.Errorf("alias %d: %v", alias, err)
				}
			}
			if len(n.sent(iotlocal.CONNECT)) != 1 || len(n.sent(iotlocal.PUBLISH)) != 2 {
				t.Errorf("%v", n.sent(iotlocal.PUBLISH))
			}
		})
	})
}

// wallClock are the selectors that strip the monotonic reading from a time, or compute without it.
var wallClock = []string{"UnixMilli", "UnixMicro", "UnixNano", "Unix", "Date", "YearDay", "Local", "UTC", "In", "Round", "Truncate",
	"MarshalBinary", "MarshalJSON", "MarshalText", "GobEncode"}

// notWallClock are the uses of these names that are something else.
var notWallClock = map[string]string{
	"hints.go t.UTC":                                       "the device's clock, for people to read",
	"message.go d.Truncate":                                "of a Duration",
	"internal/journal/replay.go f.Truncate":                "of a file",
	"internal/jsonobj/jsonobj.go time.Unix(sec, nano).UTC": "a time that a service has written, for programs to read",
	"internal/journal/write.go j.active.Truncate":          "of a file",
}

// Wall clock jumps by a day (here by 26 years) and suspend/resume: timers use monotonic time. No
// file of the client computes with the wall clock, but the store, whose records outlive the
// process: a clock that went back expires nothing, one that went forward what it has to.
func TestFaultWallClock(t *testing.T) {
	unused := maps.Clone(notWallClock)
	files := 0
	for _, pattern := range []string{"*.go", "internal/*/*.go"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if name = filepath.ToSlash(name); strings.HasSuffix(name, "_test.go") || name == "store.go" {
				continue
			}
			files++
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(node ast.Node) bool {
				sel, ok := node.(*ast.SelectorExpr)
				if !ok || !slices.Contains(wallClock, sel.Sel.Name) {
					return true
				}
				use := name + " " + types.ExprString(sel)
				if _, ok := notWallClock[use]; !ok && types.ExprString(sel) != "time.Unix" { // a deadline that has passed
					t.Errorf("%s: %s strips the monotonic reading", set.Position(sel.Pos()), types.ExprString(sel))
				}
				delete(unused, use)
				return true
			})
		}
	}
	if files < 40 || len(unused) > 0 {
		t.Errorf("%d files; exceptions that are none: %v", files, unused)
	}

	year2000, today := func(f func(t *testing.T)) { synctest.Test(t, f) }, func(f func(t *testing.T)) { f(t) }
	for _, tt := range []struct {
		name        string
		first, then func(func(*testing.T))
		want        []string
	}{
		{"back", today, year2000, []string{"hour", "for ever"}},
		{"forward", year2000, today, []string{"for ever"}},
	} {
		t.Run("store, "+tt.name, func(t *testing.T) {
			dir := t.TempDir()
			tt.first(func(t *testing.T) {
				nw := &memnet.Network{}
				c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "nobody", Auth: awsiot.PlainTCP(), Dialer: nw.Dial, Store: awsiot.NewFileStore(dir)})
				if err := c.Start(); err != nil {
					t.Fatal(err)
				}
				p := packet("t", "hour", 1)
				p.MessageExpiry = new(time.Hour)
				if f, g := c.PublishAsync(p), c.PublishAsync(packet("t", "for ever", 1)); f.Err() != nil || g.Err() != nil {
					t.Error(f.Err(), g.Err())
				}
				_ = c.Close()
				<-c.Done()
			})
			tt.then(func(t *testing.T) {
				nw := &memnet.Network{}
				srv := iotlocal.StartT(t, iotlocal.Options{TLSPort: iotlocal.Off, Listen: func(_, addr string) (net.Listener, error) { return nw.Listen(addr) }})
				c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: srv.Host(), Port: srv.TCPPort(), ClientID: "c", Auth: awsiot.PlainTCP(),
					Dialer: nw.Dial, Store: awsiot.NewFileStore(dir)})
				defer c.Close()
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				if err := c.StartAndWait(ctx); err != nil {
					t.Fatal(err)
				}
				if _, err := c.Publish(ctx, packet("t", "last", 1)); err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, p := range srv.Recorder().Packets() {
					if p.Type == iotlocal.PUBLISH {
						got = append(got, string(p.Payload))
					}
				}
				equal(t, "sent", got, append(tt.want, "last"))
				_ = c.Close()
				<-c.Done()
			})
		})
	}
}

// authority signs certificates for the tests.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	a := &authority{t: t}
	self := a.issue(name, time.Now().AddDate(-10, 0, 0), time.Now().AddDate(10, 0, 0), nil)
	a.cert, a.key = self.Leaf, self.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

// issue makes a certificate; a CA when there is none to sign it.
func (a *authority) issue(name string, from, to time.Time, usage []x509.ExtKeyUsage) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(from.UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to,
		DNSNames: []string{name}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: usage}
	parent, signer := a.cert, a.key
	if parent == nil {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// Certificate expired, not yet valid, wrong CA, wrong host name, missing client certificate (with
// TLS 1.3 the error comes with the first read): the message names the certificate, the cause can be
// tested for, and the client tries again, as a certificate or a clock may be put right.
func TestFaultCertificates(t *testing.T) {
	server, client := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	day := func(n int) time.Time { return time.Now().AddDate(0, 0, n) }
	reason := func(want x509.InvalidReason) func(error) bool {
		return func(err error) bool {
			var e x509.CertificateInvalidError
			return errors.As(err, &e) && e.Reason == want
		}
	}
	type side struct {
		ca         *authority
		host       tls.Certificate
		device     *tls.Certificate
		maxVersion uint16
	}
	for _, tt := range []struct {
		name   string
		change func(s *side, other *authority)
		is     func(error) bool // of the client; nil: an alert
		want   string
	}{
		{"server's expired", func(s *side, _ *authority) { s.host = s.ca.issue("broker", day(-9), day(-1), server) }, reason(x509.Expired), "certificate has expired"},
		{"server's not yet valid", func(s *side, _ *authority) { s.host = s.ca.issue("broker", day(1), day(9), server) }, reason(x509.Expired), "not yet valid"},
		{"server's for clients only", func(s *side, _ *authority) { s.host = s.ca.issue("broker", day(-1), day(9), client) }, reason(x509.IncompatibleUsage), "certificate"},
		{"server's of another authority", func(s *side, other *authority) { s.host = other.issue("broker", day(-1), day(9), server) },
			func(err error) bool { var e x509.UnknownAuthorityError; return errors.As(err, &e) }, "certificate signed by unknown authority"},
		{"server's for another name", func(s *side, _ *authority) { s.host = s.ca.issue("elsewhere", day(-1), day(9), server) },
			func(err error) bool { var e x509.HostnameError; return errors.As(err, &e) }, "certificate is valid for elsewhere, not broker"},
		{"client's missing", func(s *side, _ *authority) { s.device = nil }, nil, "certificate required"},
		{"client's missing, TLS 1.2", func(s *side, _ *authority) { s.device, s.maxVersion = nil, tls.VersionTLS12 }, nil, "handshake failure; hint: the broker does not take the TLS handshake: the client's certificate may be missing"},
		{"client's expired", func(s *side, _ *authority) { s.device = new(s.ca.issue("device", day(-9), day(-1), client)) }, nil, "expired certificate"},
		{"client's of another authority", func(s *side, other *authority) { s.device = new(other.issue("device", day(-1), day(9), client)) }, nil, "certificate authority"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ca, other := newAuthority(t, "authority"), newAuthority(t, "authority")
				s := &side{ca: ca, host: ca.issue("broker", day(-1), day(9), server), device: new(ca.issue("device", day(-1), day(9), client))}
				good := *s
				tt.change(s, other)
				anonymous, demand := s.device == nil, tls.RequireAndVerifyClientCert
				var mu sync.Mutex // of *s, which is changed for the second attempt
				w := newWorld(t, func(o *awsiot.ClientOptions) {
					o.Port, o.CAPEM = 1883, ca.pem()
					o.Auth = awsiot.MTLSFromFunc(func(context.Context) (tls.Certificate, error) {
						mu.Lock()
						defer mu.Unlock()
						return *s.device, nil
					})
					if anonymous {
						o.Auth = awsiot.TLS()
					}
				})
				failed := failures(w.client)
				_ = w.client.Start()
				accept := func() *tls.Conn {
					conn, err := w.ln.Accept()
					if err != nil {
						t.Fatal(err)
					}
					mu.Lock()
					defer mu.Unlock()
					return tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{s.host}, ClientAuth: demand,
						ClientCAs: ca.pool(), MaxVersion: s.maxVersion, MinVersion: tls.VersionTLS12})
				}
				go func() {
					c := accept()
					if err := c.Handshake(); err == nil {
						t.Error("the server is content")
					}
					_, _ = c.NetConn().Read(make([]byte, 100))
					_ = c.Close()
				}()
				err := (<-failed).Err
				var ce *awsiot.ConnectError
				if !errors.As(err, &ce) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "certificate") || ce.Connack != nil {
					t.Errorf("%v", err)
				}
				if ok := tt.is != nil && tt.is(err); !ok && !strings.Contains(err.Error(), "remote error: tls: ") {
					t.Errorf("%#v", err)
				}
				began := time.Now()
				mu.Lock()
				if *s = good; anonymous { // it was put right
					demand = tls.NoClientCert
				}
				mu.Unlock()
				c := accept()
				p := &peer{t: t, conn: c}
				expect[*packets.Connect](p)
				p.send(&packets.Connack{Properties: &packets.Properties{}})
				if d := time.Since(began); d != time.Second {
					t.Errorf("tried again after %v", d)
				}
				// Revoked in mid-way, and found out: the connection is closed under the client's feet.
				synctest.Wait()
				w.events.take()
				_ = c.NetConn().(*memnet.Conn).CloseWrite()
				p.expectEnd()
				synctest.Wait()
				if got := w.events.take(); len(got) != 1 || !strings.HasPrefix(got[0], "disconnection: awsiot: connection: closed by the broker without a DISCONNECT") {
					t.Errorf("%q", got)
				}
				_ = c.NetConn().Close()
			})
		})
	}
}

// SUBACK with partial failure (0x87 in one of eight): the codes, one error with its filter, and a
// route less; fewer codes than filters: a protocol error for the call and the connection.
func TestFaultSubackPartialFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, rejoin)
		p := w.start()
		var fs []string
		for i := range 8 {
			fs = append(fs, fmt.Sprintf("f/%d", i))
		}
		f := w.client.SubscribeAsync(filters(func(m *awsiot.Message) { w.events.add("got %s", m.Topic) }, fs...))
		p.take(1)
		p.send(suback(1, 1, 1, 1, 0x87, 1, 1, 0, 1))
		ack, err := f.Wait(within(time.Second))
		var re *awsiot.ReasonError
		if ack == nil || len(ack.Codes) != 8 || ack.Codes[3] != awsiot.ReasonNotAuthorized || ack.Codes[6] != awsiot.ReasonGrantedQoS0 ||
			!errors.As(err, &re) || re.Topic != "f/3" || err.Error() != `awsiot: subscribe "f/3": not authorized (0x87); hint: the policy may not allow iot:Subscribe to this filter` {
			t.Errorf("%+v, %v", ack, err)
		}
		w.events.take()
		p.send(publish("f/3", "x", 0), publish("f/4", "x", 0))
		synctest.Wait()
		equal(t, "routes", w.events.take(), []string{"got f/4"})

		g := w.client.SubscribeAsync(filters(nil, "g/1", "g/2"))
		p.take(1)
		p.send(suback(2, 1))
		if d := expect[*packets.Disconnect](p); d.ReasonCode != 0x82 {
			t.Errorf("DISCONNECT 0x%02X", d.ReasonCode)
		}
		p.expectEnd()
		if _, err := g.Wait(within(time.Second)); !errors.Is(err, awsiot.ErrProtocol) || !strings.Contains(err.Error(), "has 1 codes for 2 filters") {
			t.Errorf("%v", err)
		}
		p, _ = w.accept(nil) // the session is lost: the refused one is not asked for again
		equal(t, "subscribed again", p.take(1), []string{"sub[f/0 f/1 f/2 f/4 f/5 f/6 f/7 g/1]"})
	})
}

// 10,000 subscriptions and 100 unacknowledged publishes: split in eights, subscribed again in order
// after the loss of the session, in bounded time; the publishes are not lost. The limit of 50 on a
// connection of AWS is an error with its filter.
func TestFaultManySubscriptions(t *testing.T) {
	const total = 10_000
	withLocal(t, iotlocal.Options{Limits: iotlocal.Limits{Subscriptions: -1}}, func(t *testing.T, e *onLocal) {
		n := e.client("c", rejoin).up()
		var all []string
		for i := 0; i < total; i += 8 {
			p := &awsiot.SubscribePacket{}
			for k := i; k < i+8; k++ {
				f := fmt.Sprintf("d/%d", k)
				all = append(all, f)
				p.Subscriptions = append(p.Subscriptions, awsiot.Subscription{TopicFilter: f, QoS: 1})
			}
			f := n.SubscribeAsync(p)
			if i == total-8 {
				if err := wait(f); err != nil {
					t.Fatal(err)
				}
			}
		}
		lost := n.rule(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK, Action: iotlocal.Drop})
		var ends []*awsiot.Future[awsiot.PublishResult]
		for i := range 100 {
			ends = append(ends, n.PublishAsync(packet("x", fmt.Sprint(i), 1)))
		}
		synctest.Wait()
		lost.Remove()
		e.srv.Recorder().Reset()
		e.srv.Faults().LoseSessions()
		began := time.Now()
		n.again()
		for _, f := range ends {
			if err := wait(f); err != nil {
				t.Fatal(err)
			}
		}
		n.publish("d/9999", "there")
		if d := time.Since(began); d > 2*time.Second {
			t.Errorf("after %v", d)
		}
		var got []string
		for _, p := range n.sent(iotlocal.SUBSCRIBE) {
			if len(p.Filters) > 8 {
				t.Errorf("%d filters in a SUBSCRIBE", len(p.Filters))
			}
			for _, f := range p.Filters {
				got = append(got, f.Filter)
			}
		}
		equal(t, "subscribed again", got, all)
		equal(t, "received", n.got.take(), []string{"d/9999=there"})
	})
	withLocal(t, iotlocal.Options{}, func(t *testing.T, e *onLocal) {
		log := newStateLog(t)
		n := e.client("c", func(o *awsiot.ClientOptions) { o.FlowControl, o.Logger = awsiot.FlowControlAWS, slog.New(log) }).up()
		for i := range 50 {
			n.subscribe(fmt.Sprintf("f/%d", i))
		}
		_, err := n.Subscribe(within(time.Minute), filters(nil, "f/50"))
		if code, _ := awsiot.ReasonOf(err); code != awsiot.ReasonQuotaExceeded || !strings.Contains(err.Error(), `"f/50"`) {
			t.Errorf("the 51st: %v", err)
		}
		synctest.Wait()
		if l := log.matching("more subscriptions than AWS IoT Core allows"); len(l) != 1 {
			t.Errorf("log: %q", l)
		}
	})
}
