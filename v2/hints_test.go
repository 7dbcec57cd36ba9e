package awsiot_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/portage-iot/awsiot/internal/memnet"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// A complaint about the AWS SDKs: an end of the connection says what probably happened.
func TestHintsOfLoss(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(w *world, p *peer)
		want string
	}{
		{"closed right after a publish", func(w *world, p *peer) {
			w.client.PublishFunc(packet("secret/topic", "x", awsiot.AtLeastOnce), nil)
			expect[*packets.Publish](p)
			_ = p.conn.Close()
		}, `hint: closed right after publish "secret/topic" was sent, the last packet that went out: the policy may not allow iot:Publish on this topic, or`},
		{"closed right after a QoS 0 publish", func(w *world, p *peer) {
			w.client.PublishFunc(packet("good/q1", "x", awsiot.AtLeastOnce), nil)
			w.client.PublishFunc(packet("bad/q0", "x", awsiot.AtMostOnce), nil)
			expect[*packets.Publish](p)
			expect[*packets.Publish](p)
			_ = p.conn.Close()
		}, `hint: closed right after publish "bad/q0" was sent`},
		{"closed right after a blocking QoS 0 publish", func(w *world, p *peer) {
			go func() { _, _ = w.client.Publish(context.Background(), packet("bad/q0", "x", awsiot.AtMostOnce)) }()
			expect[*packets.Publish](p)
			synctest.Wait()
			_ = p.conn.Close()
		}, `hint: closed right after publish "bad/q0" was sent`},
		{"closed right after a QoS 1 publish behind one of QoS 0", func(w *world, p *peer) {
			w.client.PublishFunc(packet("good/q0", "x", awsiot.AtMostOnce), nil)
			w.client.PublishFunc(packet("bad/q1", "x", awsiot.AtLeastOnce), nil)
			expect[*packets.Publish](p)
			expect[*packets.Publish](p)
			_ = p.conn.Close()
		}, `hint: closed right after publish "bad/q1" was sent`},
		{"closed right after an unsubscribe", func(w *world, p *peer) {
			w.client.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: []string{"u/x"}})
			expect[*packets.Unsubscribe](p)
			_ = p.conn.Close()
		}, `hint: closed right after unsubscribe "u/x" was sent, the last packet that went out: the packet may break a limit of the broker`},
		{"closed right after a subscribe", func(w *world, p *peer) {
			w.client.SubscribeAsync(filters(nil, "secret/#"))
			expect[*packets.Subscribe](p)
			_ = p.conn.Close()
		}, `hint: closed right after subscribe "secret/#" was sent, the last packet that went out: the policy may not allow iot:Subscribe to this filter, or`},
		{"taken over", func(_ *world, p *peer) {
			p.send(&packets.Disconnect{ReasonCode: 0x8E, Properties: &packets.Properties{}})
		}, "session taken over (0x8E); hint: another connection uses the same client id"},
		{"throttled", func(_ *world, p *peer) {
			p.send(&packets.Disconnect{ReasonCode: 0x97, Properties: &packets.Properties{}})
		}, "quota exceeded (0x97); hint: throttled"},
		{"cut right after a publish", func(w *world, p *peer) {
			w.client.PublishFunc(packet("t", "x", awsiot.AtLeastOnce), nil)
			expect[*packets.Publish](p)
			p.cut()
		}, `connection reset by peer; hint: the network, or the broker, which may have closed because of publish "t", the last packet that went out: the policy may not allow iot:Publish`},
		{"cut long after a publish", func(w *world, p *peer) {
			w.client.PublishFunc(packet("t", "x", awsiot.AtLeastOnce), nil)
			expect[*packets.Publish](p)
			time.Sleep(time.Minute)
			p.cut()
		}, "connection reset by peer"},
		{"long after a publish", func(w *world, p *peer) {
			w.client.PublishFunc(packet("t", "x", awsiot.AtLeastOnce), nil)
			expect[*packets.Publish](p)
			time.Sleep(time.Minute)
			_ = p.conn.Close()
		}, "closed by the broker without a DISCONNECT: unexpected EOF"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(o *awsiot.ClientOptions) { o.AckTimeout = -1 })
			lost := make(chan error, 1)
			w.client.Observe(awsiot.Observer{OnDisconnection: func(d *awsiot.Disconnection) { lost <- d.Err }})
			p := w.start()
			tt.do(w, p)
			err := <-lost
			if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hint") != strings.Contains(tt.want, "hint") {
				t.Errorf("%s: got %v", tt.name, err)
			}
			go func() { _, _ = w.ln.Accept() }()
		})
	}
}

// A refusal says what to try, in the error of the operation as well: throttling, and the one action of the policy.
func TestHintsOfRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		p := w.start()
		for _, tt := range []struct {
			code byte
			want string
		}{{0x97, "; hint: throttled: "}, {0x96, "; hint: throttled: "}, {0x87, "; hint: the policy may not allow iot:Publish on this topic"}, {0x83, ""}} {
			f := w.client.PublishAsync(packet("t", "", 1))
			p.send(puback(expect[*packets.Publish](p).PacketID, tt.code))
			_, err := f.Wait(context.Background())
			re, ok := errors.AsType[*awsiot.ReasonError](err)
			if !ok || re.Topic != "t" || byte(re.Code) != tt.code || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hint") != (tt.want != "") {
				t.Errorf("PUBACK 0x%02X: %v", tt.code, err)
			}
		}
		f := w.client.SubscribeAsync(filters(nil, "a", "b", "c", "d"))
		p.send(suback(expect[*packets.Subscribe](p).PacketID, 0x97, 0x87, 1, 0x87))
		_, err := f.Wait(context.Background())
		list, ok := err.(interface{ Unwrap() []error })
		if !ok || len(list.Unwrap()) != 3 {
			t.Fatalf("SUBACK: %v is not a list of three", err)
		}
		for i, topic := range []string{"a", "b", "d"} {
			if re, ok := list.Unwrap()[i].(*awsiot.ReasonError); !ok || re.Topic != topic {
				t.Errorf("SUBACK: %v, want the one of %s", list.Unwrap()[i], topic)
			}
		}
		for _, want := range []string{"throttled: send less", "the policy may not allow iot:Subscribe to this filter"} {
			if strings.Count(err.Error(), want) != 1 {
				t.Errorf("SUBACK: %v, want %q once", err, want)
			}
		}
	})
}

// Port 443 of an AWS endpoint wants an ALPN name, and a hint says so whatever the failure looks like.
func TestHintOfMissingALPN(t *testing.T) {
	for _, protos := range [][]string{{"h2"}, {}} {
		synctest.Test(t, func(t *testing.T) {
			const name = "x-ats.iot.eu-west-1.amazonaws.com"
			ca, cert := selfMade(t, name, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
			nw := &memnet.Network{}
			ln, err := nw.Listen(name + ":443")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			go func() {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				s := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"x-amzn-mqtt-ca"}})
				_ = s.Handshake()
				_ = conn.Close() // as the service does without the name
			}()
			c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: name, ClientID: "c", Auth: awsiot.TLS(), CAPEM: ca,
				TLSConfig: &tls.Config{NextProtos: protos}, Dialer: nw.Dial})
			defer c.Close()
			if err := c.StartAndWait(context.Background()); err == nil || !strings.Contains(err.Error(), "wants the ALPN name x-amzn-mqtt-ca: leave TLSConfig.NextProtos nil") {
				t.Errorf("%q: %v", protos, err)
			}
		})
	}
}

// TLS failures are typed, and name what to do.
func TestHintsOfConnecting(t *testing.T) {
	// A bubble's clock begins with the year 2000.
	caPEM, serverCert := selfMade(t, "broker", time.Date(1998, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC))
	goodCA, goodCert := selfMade(t, "broker", time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC))
	for _, tt := range []struct {
		name   string
		change func(*awsiot.ClientOptions)
		cert   tls.Certificate
		want   string
		as     func(error) bool
	}{
		{"certificate has run out", func(o *awsiot.ClientOptions) { o.CAPEM = caPEM }, serverCert, "hint: the device's clock says",
			func(err error) bool { var e x509.CertificateInvalidError; return errors.As(err, &e) }},
		{"another name", func(o *awsiot.ClientOptions) { o.CAPEM, o.TLSConfig = goodCA, &tls.Config{ServerName: "other"} }, goodCert, "hint: the broker's certificate is for another name than that of the endpoint",
			func(err error) bool { var e x509.HostnameError; return errors.As(err, &e) }},
		{"wrong authority", func(o *awsiot.ClientOptions) { o.CAPEM = caPEM }, goodCert, "hint: CAFile (or RootCAs of a tls.Config) must hold the authority",
			func(err error) bool { var e x509.UnknownAuthorityError; return errors.As(err, &e) }},
		{"closed before CONNACK", func(o *awsiot.ClientOptions) { o.CAPEM = goodCA }, goodCert, "port 443 needs the ALPN name x-amzn-mqtt-ca",
			func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(o *awsiot.ClientOptions) {
				o.Auth, o.Port = awsiot.TLS(), 443
				o.Dialer = nil
				tt.change(o)
			})
			_ = w.client.Close()
			o := awsiot.ClientOptions{Endpoint: "broker", Port: 443, ClientID: "c", Auth: awsiot.TLS(),
				Dialer: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.net.Dial(ctx, "tcp", "broker:1883") }}
			tt.change(&o)
			c := awsiot.NewClient(o)
			defer c.Close()
			go func() {
				conn, err := w.ln.Accept()
				if err != nil {
					return
				}
				s := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{tt.cert}})
				if s.Handshake() == nil {
					_, _ = s.Read(make([]byte, 1000))
				}
				_ = s.Close()
				_ = conn.Close()
			}()
			err := c.StartAndWait(context.Background())
			var ce *awsiot.ConnectError
			if !errors.As(err, &ce) || !tt.as(err) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v", tt.name, err)
			}
		})
	}
	// What needs no peer.
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"unknown host", &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}, "aws iot describe-endpoint"},
		{"port closed", &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}, "nothing listens on that port"},
	} {
		c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "x.iot.eu-west-1.amazonaws.com", Auth: awsiot.PlainTCP(),
			Dialer: func(context.Context, string, string) (net.Conn, error) { return nil, tt.err }})
		err := c.StartAndWait(context.Background())
		if !errors.Is(err, tt.err) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
		_ = c.Close()
	}
}

// The wrong kind of port: the hint speaks of TLS, not of certificates that nobody showed.
func TestHintsOfTheWrongPort(t *testing.T) {
	for _, tt := range []struct {
		name   string
		auth   awsiot.Auth
		answer string // what the broker sends before it closes
		want   string
	}{
		{"without TLS to a port that wants it", awsiot.PlainTCP(), "", "closed the connection instead of answering CONNECT: unexpected EOF; hint: the connection is without TLS"},
		{"TLS to a port without", awsiot.TLS(), "", "TLS with broker:1883: EOF; hint: the port may be one without TLS"},
		{"TLS to a port with another protocol", awsiot.TLS(), "HTTP/1.1 400 Bad Request", "does not look like a TLS handshake; hint: the port may be one without TLS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(o *awsiot.ClientOptions) { o.Auth, o.Port = tt.auth, 1883 })
				go func() {
					conn, err := w.ln.Accept()
					if err != nil {
						return
					}
					_, _ = conn.Read(make([]byte, 4096))
					_, _ = conn.Write([]byte(tt.answer))
					_ = conn.Close()
				}()
				if err := w.client.StartAndWait(context.Background()); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Count(err.Error(), "hint: ") != 1 {
					t.Error(err)
				}
			})
		})
	}
}

// A broker says little when it refuses a certificate; the client knows its dates, and says so where they are the reason.
func TestHintsOfOwnCertificate(t *testing.T) {
	year := func(n int) time.Time { return time.Date(n, 1, 1, 0, 0, 0, 0, time.UTC) } // a bubble's clock begins with 2000
	ca, server := selfMade(t, "broker", year(1999), year(2002))
	for _, tt := range []struct {
		name     string
		from, to time.Time
		version  uint16 // with TLS 1.3 the refusal comes after the handshake
		clock    time.Time
		want     string
	}{
		{"has run out, TLS 1.2", year(1998), year(1999), tls.VersionTLS12, time.Time{}, "the client's certificate was valid until 1999-01-01T00:00:00Z, and the device's clock says 2000-01-01T00:00:00Z"},
		{"has run out, TLS 1.3", year(1998), year(1999), tls.VersionTLS13, time.Time{}, "the client's certificate was valid until 1999-01-01T00:00:00Z"},
		{"not yet", year(2001), year(2002), tls.VersionTLS13, time.Time{}, "the client's certificate is valid from 2001-01-01T00:00:00Z on"},
		{"the clock of TLSConfig", year(1999), year(2001), tls.VersionTLS13, year(2001).Add(time.Hour), "and the device's clock says 2001-01-01T01:00:00Z"},
		{"in its time", year(1999), year(2001), tls.VersionTLS13, time.Time{}, "the client's certificate may be missing, expired"},
	} {
		for _, silent := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.name, ", without a word ", silent), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					_, own := selfMade(t, "device", tt.from, tt.to)
					w := newWorld(t, func(o *awsiot.ClientOptions) {
						o.Auth, o.CAPEM, o.Port = awsiot.MTLSFromCertificate(own), ca, 1883
						o.TLSConfig = &tls.Config{MaxVersion: tt.version}
						if !tt.clock.IsZero() {
							o.TLSConfig.Time = func() time.Time { return tt.clock }
						}
					})
					go func() {
						conn, err := w.ln.Accept()
						if err != nil {
							return
						}
						s := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAnyClientCert,
							VerifyPeerCertificate: func([][]byte, [][]*x509.Certificate) error {
								if silent { // as AWS IoT Core, which closes the connection
									return nil
								}
								return errors.New("refused")
							}})
						if s.Handshake() == nil {
							_, _ = s.Read(make([]byte, 1000))
						}
						_ = conn.Close()
					}()
					want := tt.want
					if silent && tt.name == "in its time" {
						want = "the certificate may not be registered or active"
					}
					if err := w.client.StartAndWait(context.Background()); err == nil || !strings.Contains(err.Error(), "; hint: ") || !strings.Contains(err.Error(), want) {
						t.Errorf("%v, want %q in it", err, want)
					}
				})
			})
		}
	}
}

// selfMade returns an authority in PEM and a certificate that it signed for name.
func selfMade(t *testing.T, name string, from, to time.Time) ([]byte, tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial := big.NewInt(from.UnixNano())
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: serial, NotBefore: from, NotAfter: to, DNSNames: []string{name},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature},
		&x509.Certificate{SerialNumber: serial}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// Trace is told of every phase, in order; LevelTrace logs every packet and no secret.
func TestTraceAndLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		var text bytes.Buffer
		w := newWorld(t, func(o *awsiot.ClientOptions) {
			o.Username, o.Password = "user", []byte("pa55word")
			o.Logger = slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: awsiot.LevelTrace}))
			o.Trace = &awsiot.Trace{
				DialStart:       func(addr string) { rec.add("dial %s", addr) },
				DialDone:        func(_ string, err error) { rec.add("dialled %v", err) },
				ConnectSent:     func() { rec.add("connect sent") },
				ConnackReceived: func(p *awsiot.ConnackPacket, err error) { rec.add("connack %v %v", p.Code, err) },
				OperationDone: func(i awsiot.OperationInfo) {
					rec.add("%s %s %v %d %v %v %v", i.Kind, i.Topic, i.QoS, i.Bytes, i.Duration, i.Code, i.Err)
				},
			}
		})
		p := w.start()
		w.client.PublishFunc(packet("a/b", "payl0ad", awsiot.AtLeastOnce), nil)
		id := expect[*packets.Publish](p).PacketID
		time.Sleep(3 * time.Second)
		p.send(puback(id, 0x10))
		w.client.SubscribeAsync(filters(nil, "x", "y"))
		p.send(suback(expect[*packets.Subscribe](p).PacketID, 0, 0))
		synctest.Wait()
		equal(t, "trace", rec.take(), []string{"dial broker:1883", "dialled <nil>", "connect sent", "connack success <nil>",
			"publish a/b AtLeastOnce 17 3s no matching subscribers <nil>", "subscribe x, y AtMostOnce 13 0s success <nil>"})
		go p.expectClose()
		_ = w.client.Close()
		log := text.String()
		for _, want := range []string{"packet=CONNECT ", "packet=CONNACK ", `packet=PUBLISH bytes=17 topic=a/b qos=1 dup=false retain=false packet_id=1 payload_bytes=7`,
			"packet=PUBACK ", "packet=SUBSCRIBE ", "packet=DISCONNECT ", "msg=state from=StateConnecting to=StateConnected trigger=accepted"} {
			if !strings.Contains(log, want) {
				t.Errorf("the log lacks %q:\n%s", want, log)
			}
		}
		for _, secret := range []string{"pa55word", "payl0ad"} {
			if strings.Contains(log, secret) {
				t.Errorf("the log holds %q", secret)
			}
		}
	})
}

// The user name of a custom authorizer, and the metrics suffix (aws-c-mqtt's tests, group "metrics": mqtt_append_sdk_metrics_*).
func TestUsername(t *testing.T) {
	const suffix = "SDK=PortageGo&Version="
	for _, tt := range []struct {
		name    string
		change  func(*awsiot.ClientOptions)
		want    string // before the suffix; "-" at its end: no suffix
		invalid bool
	}{
		{"empty", func(o *awsiot.ClientOptions) {}, "?", false},
		{"plain", func(o *awsiot.ClientOptions) { o.Username = "bob" }, "bob?", false},
		{"with a query", func(o *awsiot.ClientOptions) { o.Username = "bob?a=b" }, "bob?a=b&", false},
		{"off", func(o *awsiot.ClientOptions) { o.Username, o.DisableMetrics = "bob", true }, "bob-", false},
		{"authorizer, signed", func(o *awsiot.ClientOptions) {
			o.Username = "ignored"
			o.Auth = awsiot.CustomAuthorizer{Name: "MyAuth", Username: "bob", Signature: "aa+b/=", TokenKeyName: "token", TokenValue: "123"}
		}, "bob?x-amz-customauthorizer-name=MyAuth&x-amz-customauthorizer-signature=aa%2Bb/%3D&token=123&", false},
		{"authorizer, encoded signature and a query", func(o *awsiot.ClientOptions) {
			o.Username = "bob?x=1"
			o.Auth = awsiot.CustomAuthorizer{Signature: "aa%2B", TokenKeyName: "k", TokenValue: "v"}
		}, "bob?x=1&x-amz-customauthorizer-signature=aa%2B&k=v&", false},
		{"authorizer, unsigned default", func(o *awsiot.ClientOptions) { o.Auth = awsiot.CustomAuthorizer{Username: "bob"} }, "bob?", false},
		{"authorizer, half signed", func(o *awsiot.ClientOptions) { o.Auth = awsiot.CustomAuthorizer{Signature: "aa"} }, "", true},
	} {
		synctest.Test(t, func(t *testing.T) {
			seen := make(chan *packets.Connect, 1)
			o := awsiot.ClientOptions{Endpoint: "broker", ClientID: "c", Auth: awsiot.PlainTCP(), Password: []byte("p")}
			tt.change(&o)
			if err := o.Validate(); (err != nil) != tt.invalid {
				t.Errorf("%s: %v", tt.name, err)
			}
			if tt.invalid {
				return
			}
			near, far := net.Pipe()
			ca, cert := selfMade(t, "broker", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
			o.CAPEM = ca
			o.Dialer = func(context.Context, string, string) (net.Conn, error) { return near, nil }
			c := awsiot.NewClient(o)
			defer c.Close()
			go func() {
				defer far.Close()
				var conn net.Conn = far
				if _, custom := o.Auth.(awsiot.CustomAuthorizer); custom {
					s := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"mqtt"}})
					if err := s.Handshake(); err != nil || s.ConnectionState().NegotiatedProtocol != "mqtt" {
						t.Errorf("%s: %v, ALPN %q", tt.name, err, s.ConnectionState().NegotiatedProtocol)
					}
					conn = s
				}
				if cp, err := packets.ReadPacket(conn); err == nil {
					seen <- cp.Content.(*packets.Connect)
				}
			}()
			_ = c.StartAndWait(context.Background())
			want, off := strings.CutSuffix(tt.want, "-")
			if got := (<-seen).Username; off && got != want || !off && !strings.HasPrefix(got, want+suffix) {
				t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
			}
		})
	}
}
