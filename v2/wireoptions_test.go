package awsiot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// connectOf returns the CONNECT of a client with the options, as another codec reads it.
func connectOf(t *testing.T, change func(*awsiot.ClientOptions)) *packets.Connect {
	t.Helper()
	o := awsiot.ClientOptions{Endpoint: "broker", ClientID: "c", Auth: awsiot.PlainTCP(), DisableMetrics: true}
	change(&o)
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	b, err := awsiot.ConnectOf(o)
	if err != nil {
		t.Fatal(err)
	}
	cp, err := packets.ReadPacket(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return cp.Content.(*packets.Connect)
}

// MQTT's intervals are whole seconds: every duration goes up to the next one, nowhere down to 0.
func TestPartsOfASecond(t *testing.T) {
	const most = math.MaxUint32 * time.Second
	for _, tt := range []struct {
		d    time.Duration
		want uint32
	}{{0, 0}, {time.Millisecond, 1}, {900 * time.Millisecond, 1}, {time.Second, 1}, {time.Second + 1, 2}, {1900 * time.Millisecond, 2},
		{time.Hour, 3600}, {most - 1, math.MaxUint32}, {most, math.MaxUint32}} {
		t.Run(fmt.Sprint(tt.d), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				will := &awsiot.Will{Topic: "w", Delay: &tt.d, MessageExpiry: &tt.d}
				w := newWorld(t, func(o *awsiot.ClientOptions) {
					o.Will, o.SessionExpiry = will, tt.d
					if tt.d > 0 {
						o.SessionBehavior = awsiot.RejoinAlways // Validate has seen more than 0: so must the broker
					}
				})
				if err := w.client.Start(); err != nil {
					t.Fatal(err)
				}
				p, c := w.accept(nil)
				is := func(name string, got *uint32) {
					if got == nil || *got != tt.want {
						t.Errorf("%s: %v, want %d", name, got, tt.want)
					}
				}
				if tt.d > 0 {
					is("SessionExpiry", c.Properties.SessionExpiryInterval)
				}
				is("Will.Delay", c.WillProperties.WillDelayInterval)
				is("Will.MessageExpiry", c.WillProperties.MessageExpiry)
				s, err := w.client.AwaitConnected(t.Context())
				if err != nil || s.Settings.SessionExpiry != time.Duration(tt.want)*time.Second {
					t.Errorf("negotiated %v, %v", s.Settings.SessionExpiry, err)
				}
				if tt.d > 0 {
					q := packet("t", "x", 0)
					q.MessageExpiry = &tt.d
					w.client.PublishFunc(q, nil)
					is("MessageExpiry", expect[*packets.Publish](p).Properties.MessageExpiry)
				}
				ended := make(chan error, 1)
				go func() { ended <- w.client.Stop(t.Context(), &awsiot.DisconnectPacket{SessionExpiry: &tt.d}) }()
				is("DISCONNECT", expect[*packets.Disconnect](p).Properties.SessionExpiryInterval)
				_ = p.conn.Close()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
	if c := connectOf(t, func(o *awsiot.ClientOptions) { o.KeepAlive = 1500 * time.Millisecond }); c.KeepAlive != 2 {
		t.Errorf("KeepAlive %d", c.KeepAlive)
	}
}

// Cases of aws-c-mqtt's tests, group "metrics": set_metrics_{valid,null,with_null_username}, mqtt_append_sdk_metrics_*, iot_metrics_storage_*.
// Of the metrics only what the query lacks goes into the user name, and nothing is overwritten.
func TestMetricsInUsername(t *testing.T) {
	version := strings.TrimSuffix(strings.TrimPrefix(connectOf(t, func(o *awsiot.ClientOptions) { o.DisableMetrics = false }).Username,
		"?SDK=PortageGo&Version="), "&Platform="+runtime.GOOS)
	if version == "" || strings.ContainsAny(version, "?&=") {
		t.Fatalf("version %q", version)
	}
	authorizer := func(o *awsiot.ClientOptions) {
		o.Auth = awsiot.CustomAuthorizer{Name: "A", Username: o.Username}
	}
	for _, tt := range []struct {
		name, username, want string // S, V and P stand for the parameters
		change               func(*awsiot.ClientOptions)
	}{
		{"none", "", "?S&V&P", nil},
		{"plain", "u", "u?S&V&P", nil},
		{"a query", "u?a=b", "u?a=b&S&V&P", nil},
		{"a question mark", "u?", "u?S&V&P", nil},
		{"an ampersand at the end", "u?a=b&", "u?a=b&S&V&P", nil},
		{"ampersand without a query", "u&SDK=x", "u&SDK=x?S&V&P", nil},
		{"SDK", "u?SDK=Mine", "u?SDK=Mine&V&P", nil},
		{"SDK and Version", "u?SDK=Mine&Version=1", "u?SDK=Mine&Version=1&P", nil},
		{"Platform", "u?Platform=x", "u?Platform=x&S&V", nil},
		{"Version in the middle", "u?a=b&Version=2&c=d", "u?a=b&Version=2&c=d&S&P", nil},
		{"all", "u?Platform=x&SDK=y&Version=z", "u?Platform=x&SDK=y&Version=z", nil},
		{"a key without value", "u?SDK", "u?SDK&V&P", nil},
		{"an empty value", "u?SDK=&Version=", "u?SDK=&Version=&P", nil},
		{"other letters", "u?sdk=x&MySDK=y&SDKs=z", "u?sdk=x&MySDK=y&SDKs=z&S&V&P", nil},
		{"as a value", "u?a=SDK", "u?a=SDK&S&V&P", nil},
		{"only behind the last question mark", "u?SDK=x?a=b", "u?SDK=x?a=b&S&V&P", nil},
		{"behind the last question mark", "u?a?SDK=x", "u?a?SDK=x&V&P", nil},
		{"authorizer", "u", "u?x-amz-customauthorizer-name=A&S&V&P", authorizer},
		{"authorizer, with keys", "u?SDK=x", "u?SDK=x&x-amz-customauthorizer-name=A&V&P", authorizer},
		{"authorizer, question mark", "u?", "u?x-amz-customauthorizer-name=A&S&V&P", authorizer},
		{"authorizer by pointer", "u", "u?x-amz-customauthorizer-name=A&S&V&P", func(o *awsiot.ClientOptions) {
			o.Auth = &awsiot.CustomAuthorizer{Name: "A"}
		}},
		{"off", "u?a", "u?a", func(o *awsiot.ClientOptions) { o.DisableMetrics = true }},
	} {
		want := tt.want
		for short, long := range map[string]string{"S": "SDK=PortageGo", "V": "Version=" + version, "P": "Platform=" + runtime.GOOS} {
			for _, sep := range "?&" {
				want = strings.ReplaceAll(want+"&", string(sep)+short+"&", string(sep)+long+"&")
				want = strings.TrimSuffix(want, "&")
			}
		}
		c := connectOf(t, func(o *awsiot.ClientOptions) {
			o.DisableMetrics, o.Username = false, tt.username
			if tt.change != nil {
				tt.change(o)
			}
		})
		if c.Username != want {
			t.Errorf("%s: %q becomes %q, want %q", tt.name, tt.username, c.Username, want)
		}
	}
}

// The alias of a manual publish is bounded by the broker, and by OutboundMaximum only when that is set.
func TestOutboundAliasLimit(t *testing.T) {
	for _, tt := range []struct {
		server, own, alias uint16
		want               string // alias on the wire, or "refused"
	}{
		{100, 0, 26, "26"}, {100, 0, 100, "100"}, {100, 0, 101, "refused"}, {65535, 0, 65535, "65535"},
		{100, 30, 30, "30"}, {100, 30, 31, "refused"}, {10, 30, 10, "10"}, {10, 30, 11, "refused"},
		{0, 0, 26, "none"}, {0, 30, 26, "none"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(o *awsiot.ClientOptions) {
				o.TopicAliasing = awsiot.TopicAliasing{Outbound: awsiot.AliasManual, OutboundMaximum: tt.own}
			})
			if err := w.client.Start(); err != nil {
				t.Fatal(err)
			}
			p, _ := w.accept(func(a *packets.Connack) { a.Properties.TopicAliasMaximum = &tt.server })
			q := packet("t", "x", 0)
			q.TopicAlias = &tt.alias
			f := w.client.PublishAsync(q)
			synctest.Wait()
			got := "none"
			var ve *awsiot.ValidationError
			if err := f.Err(); errors.As(err, &ve) && ve.Field == "TopicAlias" {
				got = "refused"
			} else if in := expect[*packets.Publish](p); in.Properties.TopicAlias != nil {
				got = fmt.Sprint(*in.Properties.TopicAlias)
			}
			if got != tt.want {
				t.Errorf("%+v: %s, %v", tt, got, f.Err())
			}
		})
	}
}

// AliasLRU keeps to its default of 25 whatever the broker allows.
func TestLRUAliasDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.TopicAliasing.Outbound = awsiot.AliasLRU })
		if err := w.client.Start(); err != nil {
			t.Fatal(err)
		}
		p, _ := w.accept(func(a *packets.Connack) { a.Properties.TopicAliasMaximum = new(uint16(100)) })
		for i := range 27 {
			w.client.PublishFunc(packet(fmt.Sprint("t", i), "x", 0), nil)
			want := uint16(i%25 + 1)
			if got := *expect[*packets.Publish](p).Properties.TopicAlias; got != want {
				t.Errorf("topic %d has alias %d, want %d", i, got, want)
			}
		}
	})
}

// Without MaximumPacketSize the client announces its own limit, so that a broker drops what is larger
// [MQTT5-3.1.2-25] instead of sending it again at every connection.
func TestMaximumPacketSizeIsAnnounced(t *testing.T) {
	for own, want := range map[uint32]uint32{0: 1 << 20, 100: 100, 4 << 20: 4 << 20} {
		if got := connectOf(t, func(o *awsiot.ClientOptions) { o.MaximumPacketSize = own }).Properties.MaximumPacketSize; got == nil || *got != want {
			t.Errorf("MaximumPacketSize %d: CONNECT announces %v, want %d", own, got, want)
		}
	}
	withLocal(t, iotlocal.Options{Limits: iotlocal.Limits{MaximumPacketSize: 4 << 20, Payload: 4 << 20}}, func(t *testing.T, e *onLocal) {
		n := e.client("c", rejoin).up().subscribe("t")
		pub := e.client("pub", nil).up()
		for _, size := range []int{1, 2 << 20, 2} {
			pub.publish("t", strings.Repeat("x", size))
		}
		synctest.Wait()
		equal(t, "messages", n.got.take(), []string{"t=x", "t=xx"})
		if n.State() != awsiot.StateConnected || len(n.sent(iotlocal.CONNECT)) != 1 {
			t.Errorf("%v, %d connections", n.State(), len(n.sent(iotlocal.CONNECT)))
		}
	})
}

// The address that is dialled for what Endpoint may be.
func TestEndpointDialled(t *testing.T) {
	for endpoint, want := range map[string]string{"broker": "broker:1883", "10.0.0.1": "10.0.0.1:1883", "::1": "[::1]:1883", "[::1]": "[::1]:1883",
		"[fe80::1%eth0]": "[fe80::1%eth0]:1883"} {
		errSeen := errors.New("seen")
		_, err := awsiot.ClientOptions{Endpoint: endpoint, Auth: awsiot.PlainTCP(), Dialer: func(_ context.Context, _, addr string) (net.Conn, error) {
			if addr != want {
				t.Errorf("%q dials %q, want %q", endpoint, addr, want)
			}
			return nil, errSeen
		}}.Dial(t.Context())
		if !errors.Is(err, errSeen) {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
}
