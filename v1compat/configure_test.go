package v1compat_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/internal/facadetest"
	"github.com/portage-iot/awsiot/iotlocal"

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

// secretKey is what must not be in an error or a log.
const secretKey = "-----BEGIN PRIVATE KEY-----\nMIIEvSECRETTEXT\n-----END PRIVATE KEY-----\n"

func TestConfigureErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file.pem")
	require.NoError(t, os.WriteFile(file, []byte("x"), 0o600))
	socket := func() (net.Conn, error) { return nil, errors.New("dialled") }
	for _, tt := range []configured{
		{name: "endpoint never", do: func(c *v1compat.AWSIoTMQTTClient) {}, want: "ConfigureEndpoint: Invalid host. (it was never called)"},
		{name: "host empty", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureEndpoint("", 8883) }, want: "ConfigureEndpoint: Invalid host."},
		{name: "endpoint of nothing", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureEndpoint("", 0) }, want: "ConfigureEndpoint: Invalid host. (it is empty)"},
		{name: "port 0", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureEndpoint("h", 0) }, want: "ConfigureEndpoint: Invalid port number. (0"},
		{name: "port negative", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureEndpoint("h", -1) }, want: "Invalid port number."},
		{name: "port big", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureEndpoint("h", 65536) }, want: "Invalid port number."},
		{name: "scheme", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureEndpoint("ssl://h", 1) }, want: "without a scheme"},
		{name: "CA missing", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureCredentials(filepath.Join(dir, "no"), file, file) },
			want: "ConfigureCredentials: root CA: open ", is: fs.ErrNotExist},
		{name: "CA none", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureCredentials("", file, file) }, want: "root CA: the path is empty", is: fs.ErrNotExist},
		{name: "key missing", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureCredentials(file, "no", file) }, want: "private key: open no", is: fs.ErrNotExist},
		{name: "certificate missing", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureCredentials(file, file, "no") }, want: "certificate: open no", is: fs.ErrNotExist},
		{name: "certificate is a directory", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureCredentials(file, file, dir) }, want: "is a directory"},
		{name: "not PEM", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureCredentials(file, file, file) }, want: "failed to find any PEM data"},
		{name: "ciphers", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureCredentials(file, file, file, "HIGH") }, want: `"HIGH" is not the OpenSSL name`},
		{name: "ciphers twice", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureCredentials(file, file, file, "a", "b") }, is: v1compat.ErrTooManyArguments},
		{name: "key as text", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureCredentials(file, secretKey, file) },
			want: "ConfigureCredentials: Invalid credentials. (private key: this is PEM text, not the path of a file with it)"},
		{name: "key on one line", do: func(c *v1compat.AWSIoTMQTTClient) {
			c.ConfigureCredentials(file, strings.ReplaceAll(secretKey, "\n", ""), file)
		}, want: "private key: this is PEM text"},
		{name: "CA as text", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureCredentials(secretKey, file, file) }, want: "root CA: this is PEM text"},
		{name: "certificate as text", do: func(c *v1compat.AWSIoTMQTTClient) { c.ConfigureCredentials(file, file, secretKey) }, want: "certificate: this is PEM text"},
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
			if assert.Error(t, err) {
				assert.Contains(t, err.Error(), tt.want)
				assert.NotContains(t, err.Error(), "dialled")
				assert.Equal(t, tt.name == "endpoint never", strings.Contains(err.Error(), "never called"), err.Error())
				assert.NotContains(t, err.Error(), "SECRETTEXT")
			}
			assert.False(t, tt.is != nil && !errors.Is(err, tt.is), "%v is not %v", err, tt.is)
			_, err2 := c.ConnectAsync(30, nil)
			if assert.Error(t, err2, "ConnectAsync") {
				assert.Equal(t, err.Error(), err2.Error(), "ConnectAsync")
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
		if assert.Error(t, err, "missing") {
			assert.Contains(t, err.Error(), want, "missing")
		}
	}
	var ce *v1compat.ConfigureError
	var ve *v1compat.ValueError
	if assert.ErrorAs(t, err, &ce) {
		assert.Equal(t, "NewAWSIoTMQTTClient", ce.Call)
		assert.ErrorAs(t, err, &ve)
	}
	assert.ErrorIs(t, c.Connect(1, 2), v1compat.ErrTooManyArguments, "two keep-alives")
}

// A later call mends a former one: v1's program that catches the exception and
// tries again.
func TestConfigureMends(t *testing.T) {
	srv := server(t)
	c := plain(t, srv, "mend")
	c.ConfigureEndpoint("", 0)
	c.ConfigureLastWill("#", "x", 0)
	require.Error(t, c.Connect(), "connected")
	c.ConfigureEndpoint(srv.Host(), srv.TCPPort())
	c.ClearLastWill()
	require.NoError(t, c.Connect())
}

// One core for life: Configure calls between Disconnect and Connect, and another keep-alive, leave a handle of V2 as it was,
// with what was subscribed and queued on it.
func TestOneCore(t *testing.T) {
	srv := server(t)
	c := connected(t, srv, "late")
	core := c.V2()
	got := make(chan string, 4)
	_, err := core.Subscribe(bg(), &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "own", QoS: 1,
		Handler: func(m *awsiot.Message) { got <- string(m.Payload) }}}})
	require.NoError(t, err)
	c.ConfigureLastWill("will", "bye", 1, true)
	c.ConfigureIAMCredentials("a", "b", "c")
	require.NoError(t, c.Disconnect())
	c.ConfigureUsernamePassword("late")
	c.ConfigureMQTTOperationTimeout(3)
	f := core.PublishAsync(&awsiot.PublishPacket{Topic: "own", Payload: []byte("queued"), QoS: 1})
	require.NoError(t, c.Connect(77))
	assert.Same(t, core, c.V2())
	_, err = f.Wait(t.Context())
	require.NoError(t, err)
	_, err = core.Publish(bg(), &awsiot.PublishPacket{Topic: "own", Payload: []byte("at once"), QoS: 1})
	require.NoError(t, err)
	assert.Equal(t, []string{"queued", "at once"}, []string{facadetest.Next(t, got), facadetest.Next(t, got)})
	assert.Equal(t, "clean 77 late will will bye 1 true", connectText(srv, "late"))
}

// A publish on V2 without a PUBACK ends with the operation timeout of v1.
func TestV2HasTheOperationTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		require.NoError(t, w.c.Connect())
		fault(t, w.srv, iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK, Action: iotlocal.Drop})
		d := took(func() {
			_, err := w.c.V2().Publish(bg(), &awsiot.PublishPacket{Topic: "a", QoS: 1})
			assert.ErrorIs(t, err, awsiot.ErrAckTimeout)
		})
		assert.Equal(t, 5*time.Second, d)
	})
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
			require.NoError(t, c.Connect(tt.keepAlive...))
			assert.Equal(t, tt.want, connectText(srv, id))
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
			assert.ErrorAs(t, c.Connect(), &timeout, "the server closed the connection")
			assert.Equal(t, tt.want, strings.Contains(<-packet, "?SDK=PortageGo&Version="), "metrics in CONNECT")
			require.NoError(t, c.V2().Close())
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
	assert.ErrorIs(t, c.Connect(), fs.ErrPermission, "the factory's error")
	err := c.Connect()
	if assert.Error(t, err, "no connection") {
		assert.Contains(t, err.Error(), "neither a connection nor an error", "no connection")
	}
	require.NoError(t, c.Connect())
	assert.Equal(t, 3, calls, "%d calls", calls)
}

// A factory that never returns does not hang Connect, and its late connection is
// closed.
func TestSocketFactoryHangs(t *testing.T) {
	entered, release, closed := make(chan struct{}), make(chan struct{}), make(chan struct{})
	c := v1compat.NewAWSIoTMQTTClient("hang")
	c.ConfigureEndpoint("h", 1)
	c.ConfigureConnectDisconnectTimeout(0.05)
	c.ConfigureSocketFactory(func() (net.Conn, error) {
		close(entered)
		<-release
		return closeTeller{closed: closed}, nil
	})
	done := make(chan error, 1)
	go func() { done <- c.Connect() }()
	<-entered // an attempt that is stopped before it calls the factory does not call it any more
	require.NoError(t, c.Disconnect())
	select {
	case err := <-done:
		var ce *v1compat.ConnectError
		if assert.ErrorAs(t, err, &ce, "Connect") {
			assert.ErrorIs(t, err, awsiot.ErrStopped, "Connect")
		}
	case <-time.After(facadetest.Patience):
		require.Fail(t, "Connect hangs")
	}
	close(release)
	<-closed
	require.NoError(t, c.V2().Close())
}

// A factory that never returns is not called once more while it has not, however often the client tries again, and one that
// panics costs an attempt.
func TestSocketFactoryRunsOnce(t *testing.T) {
	srv := server(t)
	c := v1compat.NewAWSIoTMQTTClient("once")
	c.ConfigureEndpoint("h", 1)
	c.ConfigureConnectDisconnectTimeout(300)
	release := make(chan struct{})
	var running, most, calls atomic.Int32
	c.ConfigureSocketFactory(func() (net.Conn, error) {
		most.Store(max(most.Load(), running.Add(1)))
		defer running.Add(-1)
		if calls.Add(1) == 1 {
			panic("a fault of the program")
		}
		<-release
		return nil, fs.ErrPermission
	})
	err := c.Connect()
	if assert.Error(t, err) {
		assert.Contains(t, err.Error(), "a fault of the program")
	}
	c.ConfigureConnectDisconnectTimeout(0.05)
	require.NoError(t, c.V2().Update(func(o *awsiot.ClientOptions) { o.ConnectTimeout = 50 * time.Millisecond }))
	for range 3 {
		assert.Error(t, c.Connect())
	}
	assert.EqualValues(t, 1, most.Load(), "factories at once")
	close(release)
	c.ConfigureConnectDisconnectTimeout(300)
	require.NoError(t, c.V2().Update(func(o *awsiot.ClientOptions) { o.ConnectTimeout = 5 * time.Minute }))
	c.ConfigureSocketFactory(func() (net.Conn, error) { return net.Dial("tcp", net.JoinHostPort(srv.Host(), itoa(srv.TCPPort()))) })
	require.NoError(t, c.Connect())
	require.NoError(t, c.V2().Close())
}

type closeTeller struct {
	net.Conn
	closed chan struct{}
}

func (c closeTeller) Close() error { close(c.closed); return nil }
