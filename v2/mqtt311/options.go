package mqtt311

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// Options describe a connection. The zero value of a field is its default, which is that of the AWS SDKs' builder.
type Options struct {
	// Endpoint, Port, Auth, CAFile, CAPEM, TLSConfig, HTTPProxy and Dialer say how to reach the broker, and Username,
	// Password and DisableMetrics what CONNECT says of the client: as the fields of awsiot.ClientOptions of those names.
	Endpoint          string
	Port              int
	Auth              awsiot.Auth
	CAFile            string
	CAPEM             []byte
	TLSConfig         *tls.Config
	HTTPProxy         func(*http.Request) (*url.URL, error)
	Dialer            func(ctx context.Context, network, addr string) (net.Conn, error)
	Username          string
	Password          []byte
	DisableMetrics    bool
	ClientID          string        // needed
	CleanSession      bool          // false: the broker keeps subscriptions and messages for the client
	Will              *Will         // nil: none
	KeepAlive         time.Duration // whole seconds, 1,200 s; negative: off
	PingTimeout       time.Duration // 3 s; below KeepAlive
	ConnectTimeout    time.Duration // 5 s for DNS, TCP, proxy, TLS and upgrade together
	ConnackTimeout    time.Duration // 20 s, from the transport to the CONNACK
	OperationTimeout  time.Duration // of a publish at QoS 1 or 2 and an unsubscribe, from when it was given to the connection; 0: none
	MinReconnectDelay time.Duration // 5 s after a loss, twice as long after each attempt that fails
	MaxReconnectDelay time.Duration // 60 s
	MaxPending        int           // operations that wait for a connection, more fail with awsiot.ErrQueueFull; 0: no limit
	MaxInflight       int           // operations that were sent and have not ended; 20: MQTT 3.1.1 has no way to ask, and brokers end connections over more (AWS IoT Core over 100)
	MaximumPacketSize int           // bytes of a packet from the broker, a larger one ends the connection; 16 MiB
	MaxInboundBytes   int           // of messages at QoS 0 that wait for their handlers, with 400 for each, more are dropped and counted; as many at QoS 1 and 2, more end the connection and come again; 16 MiB
	Logger            *slog.Logger  // nil: silent
	OnConnected       func(Connected)
	OnConnectFailed   func(error) // an attempt failed; the first one of a Connect is its error too
	OnInterrupted     func(error) // the connection was lost; attempts to make it again follow
	OnResumed         func(Connected)
	OnClosed          func()  // Disconnect has ended the connection
	OnMessage         Handler // every message, after the handlers of its subscriptions
}

// Will is what the broker publishes when the connection ends without DISCONNECT.
type Will struct {
	Topic   string
	Payload []byte
	QoS     awsiot.QoS
	Retain  bool
}

// Connected tells of a new connection.
type Connected struct {
	SessionPresent bool // the broker has kept the session: subscriptions are there, messages may follow
}

// withDefaults fills in what is zero.
func (o Options) withDefaults() Options {
	o.KeepAlive = cmp.Or(o.KeepAlive, 1200*time.Second)
	o.PingTimeout = cmp.Or(o.PingTimeout, 3*time.Second)
	o.ConnectTimeout = cmp.Or(o.ConnectTimeout, 5*time.Second)
	o.ConnackTimeout = cmp.Or(o.ConnackTimeout, 20*time.Second)
	o.MinReconnectDelay = cmp.Or(o.MinReconnectDelay, 5*time.Second)
	o.MaxReconnectDelay = cmp.Or(o.MaxReconnectDelay, 60*time.Second)
	o.MaxInflight = cmp.Or(o.MaxInflight, 20)
	o.MaximumPacketSize = cmp.Or(o.MaximumPacketSize, 16<<20)
	o.MaxInboundBytes = cmp.Or(o.MaxInboundBytes, 16<<20)
	if o.KeepAlive < 0 {
		o.KeepAlive = 0
	}
	return o
}

// transport is what reaches the broker, as options of the client for MQTT 5.
func (o Options) transport() awsiot.ClientOptions {
	return awsiot.ClientOptions{Endpoint: o.Endpoint, Port: o.Port, Auth: o.Auth, CAFile: o.CAFile, CAPEM: o.CAPEM, TLSConfig: o.TLSConfig,
		HTTPProxy: o.HTTPProxy, Dialer: o.Dialer, Username: o.Username, Password: o.Password, DisableMetrics: o.DisableMetrics,
		ClientID: o.ClientID, ConnectTimeout: o.ConnectTimeout, Logger: o.Logger}
}

// Format prints the options that say how to reach the broker, as awsiot.ClientOptions do: without secrets.
func (o Options) Format(s fmt.State, verb rune) {
	fmt.Fprintf(s, fmt.FormatString(s, verb), o.transport())
}

// Validate returns every problem, joined, each a *awsiot.ValidationError.
func (o Options) Validate() error {
	o = o.withDefaults()
	errs := []error{o.transport().Validate()}
	add := func(bad bool, field, problem string) {
		if bad {
			errs = append(errs, &awsiot.ValidationError{Field: field, Problem: problem})
		}
	}
	add(o.ClientID == "", "ClientID", "is empty")
	add(o.KeepAlive%time.Second != 0 || o.KeepAlive > 65535*time.Second, "KeepAlive", "must be whole seconds, at most 65535")
	add(o.KeepAlive > 0 && o.PingTimeout >= o.KeepAlive, "PingTimeout", "must be below KeepAlive")
	add(o.PingTimeout < 0, "PingTimeout", "is negative")
	add(o.ConnackTimeout < 0, "ConnackTimeout", "is negative")
	add(o.OperationTimeout < 0, "OperationTimeout", "is negative")
	add(o.MinReconnectDelay < 0, "MinReconnectDelay", "is negative")
	add(o.MaxReconnectDelay < o.MinReconnectDelay, "MaxReconnectDelay", "is below MinReconnectDelay")
	add(o.MaxPending < 0, "MaxPending", "is negative")
	add(o.MaxInflight < 0 || o.MaxInflight > 65535, "MaxInflight", "must be 1 to 65535")
	add(o.MaximumPacketSize < 0 || o.MaximumPacketSize > maxPacket, "MaximumPacketSize", "must be 1 to 268435455")
	add(o.MaxInboundBytes < 0, "MaxInboundBytes", "is negative")
	if w := o.Will; w != nil {
		if err := o.checkPublish(&PublishPacket{Topic: w.Topic, Payload: w.Payload, QoS: w.QoS, Retain: w.Retain}); err != nil {
			errs = append(errs, &awsiot.ValidationError{Field: "Will", Problem: err.Error()})
		}
	}
	return errors.Join(errs...)
}

// limited reports whether the limits of AWS IoT Core hold: it ends the connection of a client that goes over them.
func (o Options) limited() bool { return topic.IsAWSEndpoint(o.Endpoint) }

// maxPacket is the longest packet of MQTT 3.1.1 without its fixed header (2.2.3), maxPayload what fits into one beside
// the longest topic.
const (
	maxPacket  = 268_435_455
	maxPayload = maxPacket - 65_535 - 4
)

func (o Options) checkPublish(p *PublishPacket) error {
	switch err := topic.ValidateTopic(p.Topic); {
	case err != nil:
		return &awsiot.ValidationError{Field: "Topic", Problem: err.Error()}
	case p.QoS > awsiot.ExactlyOnce:
		return &awsiot.ValidationError{Field: "QoS", Problem: "must be 0, 1 or 2"}
	case len(p.Payload) > maxPayload:
		return &awsiot.ValidationError{Field: "Payload", Problem: "is larger than a packet can be"}
	case !o.limited():
		return nil
	case p.QoS == awsiot.ExactlyOnce:
		return &awsiot.ValidationError{Field: "QoS", Problem: "AWS IoT Core has no QoS 2"}
	case len(p.Payload) > topic.MaxAWSPayloadBytes:
		return &awsiot.ValidationError{Field: "Payload", Problem: "is above the 128 KiB of AWS IoT Core"}
	}
	if err := topic.CheckAWSTopic(p.Topic); err != nil {
		return &awsiot.ValidationError{Field: "Topic", Problem: err.Error()}
	}
	return nil
}

func (o Options) checkFilter(filter string, qos awsiot.QoS) error {
	err := topic.ValidateFilter(filter)
	if err == nil && o.limited() {
		err = topic.CheckAWSFilter(filter)
	}
	switch {
	case err != nil:
		return &awsiot.ValidationError{Field: "TopicFilter", Problem: err.Error()}
	case qos > awsiot.ExactlyOnce, qos == awsiot.ExactlyOnce && o.limited():
		return &awsiot.ValidationError{Field: "QoS", Problem: "must be 0 or 1, or 2 outside AWS IoT Core"}
	}
	return nil
}
