package v1compat_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// configured is one wrong configuration and what Connect says about it.
type configured struct {
	name string
	do   func(c *v1compat.AWSIoTMQTTClient)
	opts []v1compat.ClientOption
	want string // in the text
	is   error
}

func TestConfigureErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file.pem")
	must(t, os.WriteFile(file, []byte("x"), 0o600))
	socket := func() (net.Conn, error) { return nil, errors.New("dialled") }
	for _, tt := range []configured{
		{name: "endpoint never", do: func(c *v1compat.AWSIoTMQTTClient) {}, want: "ConfigureEndpoint: Invalid host. (it was never called)"},
		{name: "host empty", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureEndpoint("", 8883) }, want: "ConfigureEndpoint: Invalid host."},
		{name: "port 0", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureEndpoint("h", 0) }, want: "ConfigureEndpoint: Invalid port number. (0"},
		{name: "port negative", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureEndpoint("h", -1) }, want: "Invalid port number."},
		{name: "port big", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureEndpoint("h", 65536) }, want: "Invalid port number."},
		{name: "scheme", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureEndpoint("ssl://h", 1) }, want: "without a scheme"},
		{name: "CA missing", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureCredentials(filepath.Join(dir, "no"), file, file) },
			want: "ConfigureCredentials: root CA: open ", is: fs.ErrNotExist},
		{name: "CA none", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureCredentials("", file, file) }, want: "root CA: open : no such file", is: fs.ErrNotExist},
		{name: "key missing", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureCredentials(file, "no", file) }, want: "private key: open no", is: fs.ErrNotExist},
		{name: "certificate missing", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureCredentials(file, file, "no") }, want: "certificate: open no", is: fs.ErrNotExist},
		{name: "certificate is a directory", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureCredentials(file, file, dir) }, want: "is a directory"},
		{name: "not PEM", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureCredentials(file, file, file) }, want: "failed to find any PEM data"},
		{name: "ciphers", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureCredentials(file, file, file, "HIGH") }, want: `"HIGH" is not the OpenSSL name`},
		{name: "ciphers twice", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureCredentials(file, file, file, "a", "b") }, is: v1compat.ErrTooManyArguments},
		{name: "will topic empty", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureLastWill("", "x", 0) }, want: "ConfigureLastWill: Invalid topic."},
		{name: "will topic wildcard", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureLastWill("a/#", "x", 0) }, want: "cannot contain wildcards"},
		{name: "will QoS", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureLastWill("a", "x", 3) }, want: "Invalid QoS level."},
		{name: "will QoS 2", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureLastWill("a", "x", 2) }, want: "AWS IoT has no QoS 2"},
		{name: "will payload", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureLastWill("a", []int{1}, 0) }, want: "payload must be a string"},
		{name: "will retain twice", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureLastWill("a", "x", 0, true, true) }, is: v1compat.ErrTooManyArguments},
		{name: "backoff negative", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureAutoReconnectBackoffTime(-1, 2, 3) }, want: "Negative time configuration detected."},
		{name: "backoff stable", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureAutoReconnectBackoffTime(5, 32, 5) }, want: "Min connect time should be bigger than base reconnect time."},
		{name: "drop behavior", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureOfflinePublishQueueing(1, v1compat.DropBehavior(7)) }, want: "Drop behavior not supported. (DropBehavior(7))"},
		{name: "drop behavior twice", do: func(c *v1compat.AWSIoTMQTTClient) {
			c.ConfigureOfflinePublishQueueing(1, v1compat.DropOldest, v1compat.DropOldest)
		}, is: v1compat.ErrTooManyArguments},
		{name: "draining 0", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureDrainingFrequency(0) }, want: "ConfigureDrainingFrequency: Invalid draining frequency."},
		{name: "draining negative", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureDrainingFrequency(-2) }, want: "draining frequency"},
		{name: "connect timeout", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureConnectDisconnectTimeout(-1) }, want: "ConfigureConnectDisconnectTimeout: Invalid timeout."},
		{name: "operation timeout", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureMQTTOperationTimeout(0) }, want: "nothing could ever be in time"},
		{name: "password twice", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureUsernamePassword("u", "p", "q") }, is: v1compat.ErrTooManyArguments},
		{name: "websocket: CA missing", opts: []v1compat.ClientOption{v1compat.WithWebsocket(true)}, do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureCredentials("no", "", "") },
			want: "ConfigureCredentials: root CA: open no", is: fs.ErrNotExist},
		{name: "websocket: CA not PEM", opts: []v1compat.ClientOption{v1compat.WithWebsocket(true)}, do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureCredentials(file, "", "") },
			want: "CAFile"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := v1compat.NewAWSIoTMQTTClient("id", tt.opts...)
			if !strings.HasPrefix(tt.name, "endpoint") {
				c.ConfigureEndpoint("127.0.0.1", 1)
			}
			c.ConfigureSocketFactory(socket)
			tt.do(c)
			err := c.Connect()
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "dialled") {
				t.Errorf("got %v; want %q", err, tt.want)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
			if _, err2 := c.ConnectAsync(30, nil); err2 == nil || err2.Error() != err.Error() {
				t.Errorf("ConnectAsync: %v", err2)
			}
		})
	}
}

func TestConnectReportsAllAtOnce(t *testing.T) {
	c := v1compat.NewAWSIoTMQTTClient("", v1compat.WithCleanSession(false), v1compat.WithWebsocket(true), nil)
	c.ConfigureEndpoint("", 1)
	c.ConfigureLastWill("", nil, 0)
	c.ConfigureDrainingFrequency(0)
	err := c.Connect(-1)
	for _, want := range []string{
		"A client id must be provided if clean session is False.", "Invalid host.", "Invalid topic.",
		"draining frequency", "Keepalive must be >=0.",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in %v", want, err)
		}
	}
	var ce *v1compat.ConfigureError
	var ve *v1compat.ValueError
	if !errors.As(err, &ce) || ce.Call != "NewAWSIoTMQTTClient" || !errors.As(err, &ve) {
		t.Errorf("%v", err)
	}
	if err := c.Connect(1, 2); !errors.Is(err, v1compat.ErrTooManyArguments) {
		t.Errorf("two keep-alives: %v", err)
	}
}

// A later call mends a former one: v1's program that catches the exception and
// tries again.
func TestConfigureMends(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "mend")
	c.ConfigureEndpoint("", 0)
	c.ConfigureLastWill("#", "x", 0)
	if c.Connect() == nil {
		t.Fatal("connected")
	}
	c.ConfigureEndpoint(srv.Host(), srv.TCPPort())
	c.ClearLastWill()
	must(t, c.Connect())
}

func TestConfigureWhileConnected(t *testing.T) {
	srv := server(t)
	c := connected(t, srv, "late")
	former := c.V2()
	c.ConfigureLastWill("will", "bye", 1, true)
	c.ConfigureIAMCredentials("a", "b", "c") // allowed at any time
	if c.V2() != former {
		t.Error("the core was replaced while connected")
	}
	must(t, c.Disconnect())
	err := c.Connect()
	var ce *v1compat.ConfigureError
	if !errors.Is(err, v1compat.ErrConfiguredWhileConnected) || !errors.As(err, &ce) || ce.Call != "ConfigureLastWill" {
		t.Errorf("next Connect: %v", err)
	}
	if strings.Contains(err.Error(), "IAM") {
		t.Error(err)
	}
	must(t, c.Connect())
	for _, p := range srv.Recorder().Packets() {
		if p.Connect != nil && p.Conn == 2 && (p.Connect.Will == nil || p.Connect.Will.Topic != "will" || !p.Connect.Will.Retain || p.Connect.Will.QoS != 1) {
			t.Errorf("will of the second CONNECT: %+v", p.Connect.Will)
		}
	}
	if _, err := former.Publish(bg(), &awsiot.PublishPacket{Topic: "a"}); !errors.Is(err, awsiot.ErrClosed) {
		t.Errorf("the former V2: %v", err)
	}
}

// What the CONNECT carries. The recorder leaves the metrics out of the user name.
func TestConnectPacket(t *testing.T) {
	srv := server(t)
	for _, tt := range []struct {
		name      string
		opts      []v1compat.ClientOption
		do        func(c *v1compat.AWSIoTMQTTClient)
		keepAlive []int
		want      string
	}{
		{name: "default", want: "clean 600 "},
		{name: "keep-alive", keepAlive: []int{45}, want: "clean 45 "},
		{name: "keep-alive off", keepAlive: []int{0}, want: "clean 0 "},
		{name: "session", opts: []v1compat.ClientOption{v1compat.WithCleanSession(false), v1compat.WithProtocolType(v1compat.MQTTv31)}, want: "rejoin 3600 600 "},
		{name: "user", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureUsernamePassword("u", "p") }, want: "clean 600 u password"},
		{name: "password without user", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureUsernamePassword("", "p"); c.DisableMetricsCollection() }, want: "clean 600 "},
		{name: "user with query", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureUsernamePassword("u?a=b") }, want: "clean 600 u?a=b"},
		{name: "will", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureLastWill("w", 1.0, 1, true) }, want: "clean 600  will w 1.0 1 true"},
		{name: "will cleared", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureLastWill("w", 1.0, 1); c.ClearLastWill() }, want: "clean 600 "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv.Recorder().Reset()
			id := strings.ReplaceAll(tt.name, " ", "-")
			c := plain(t, srv, id, tt.opts...)
			if tt.do != nil {
				tt.do(c)
			}
			must(t, c.Connect(tt.keepAlive...))
			if got := connectText(srv, id); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestMetrics(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(c *v1compat.AWSIoTMQTTClient)
		want bool
	}{
		{"default", func(c *v1compat.AWSIoTMQTTClient) {}, true},
		{"off", func(c *v1compat.AWSIoTMQTTClient) { c.DisableMetricsCollection() }, false},
		{"on again", func(c *v1compat.AWSIoTMQTTClient) { c.DisableMetricsCollection(); c.EnableMetricsCollection() }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			here, there := net.Pipe()
			packet := make(chan string, 1)
			go func() {
				b := make([]byte, 512)
				n, _ := there.Read(b)
				packet <- string(b[:n])
				there.Close()
			}()
			c := v1compat.NewAWSIoTMQTTClient("metrics")
			c.ConfigureEndpoint("h", 1)
			c.ConfigureSocketFactory(func() (net.Conn, error) { return here, nil })
			tt.do(c)
			var timeout *v1compat.ConnectTimeoutError
			if err := c.Connect(); !errors.As(err, &timeout) {
				t.Errorf("the server closed the connection: %v", err)
			}
			if got := strings.Contains(<-packet, "?SDK=PortageGo&Version="); got != tt.want {
				t.Errorf("metrics in CONNECT: %v", got)
			}
			must(t, c.V2().Close())
		})
	}
}

func TestSocketFactory(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "factory")
	c.ConfigureEndpoint("not-resolved.invalid", 1)
	calls := 0
	c.ConfigureSocketFactory(func() (net.Conn, error) {
		calls++
		switch calls {
		case 1:
			return nil, fs.ErrPermission
		case 2:
			return nil, nil
		}
		return net.Dial("tcp", net.JoinHostPort(srv.Host(), itoa(srv.TCPPort())))
	})
	if err := c.Connect(); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("the factory's error: %v", err)
	}
	if err := c.Connect(); err == nil || !strings.Contains(err.Error(), "neither a connection nor an error") {
		t.Errorf("no connection: %v", err)
	}
	must(t, c.Connect())
	if calls != 3 {
		t.Errorf("%d calls", calls)
	}
}

// A factory that never returns does not hang Connect, and its late connection is
// closed.
func TestSocketFactoryHangs(t *testing.T) {
	release, closed := make(chan struct{}), make(chan struct{})
	c := v1compat.NewAWSIoTMQTTClient("hang")
	c.ConfigureEndpoint("h", 1)
	c.ConfigureConnectDisconnectTimeout(0.05)
	c.ConfigureSocketFactory(func() (net.Conn, error) {
		<-release
		return closeTeller{closed: closed}, nil
	})
	done := make(chan error, 1)
	go func() { done <- c.Connect() }()
	for c.V2().State() == awsiot.StateStopped {
	}
	must(t, c.Disconnect())
	select {
	case err := <-done:
		var ce *v1compat.ConnectError
		if !errors.As(err, &ce) || !errors.Is(err, awsiot.ErrStopped) {
			t.Errorf("Connect: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Connect hangs")
	}
	close(release)
	<-closed
	must(t, c.V2().Close())
}

type closeTeller struct {
	net.Conn
	closed chan struct{}
}

func (c closeTeller) Close() error { close(c.closed); return nil }
