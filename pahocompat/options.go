package mqtt

import (
	"errors"
	"log/slog"
	"math"
	"net/url"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/portage-iot/awsiot/internal/topic"
	awsiot "github.com/portage-iot/awsiot/v2"
)

const (
	// hold is the delay between attempts of core: this package decides when one is made.
	hold = 365 * 24 * time.Hour
	// never is a session that does not expire, which is what CleanSession false means in MQTT 3.1.1 [MQTT5-3.1.2.11.2].
	never = math.MaxUint32 * time.Second
	// inbound bounds the QoS 0 messages that wait for a handler; beyond it new ones are dropped.
	inbound = 64 << 20
	// largest is the largest packet of MQTT: paho has no limit of its own.
	largest = 268435460
	// whole is a Receive Maximum that does not limit.
	whole = math.MaxUint16
)

// coreLog is where every core logs; keptLog, where those do whose messages outlive the process.
var coreLog, keptLog = slog.New(&logHandler{}), slog.New(&logHandler{kept: true})

// errNoServers has paho's text.
var errNoServers = errors.New("no servers defined to connect to")

// check returns everything in o that the v2 engine cannot hold, joined.
func check(o *paho.ClientOptions) error {
	var errs []error
	for i, s := range o.Servers {
		if s == nil {
			errs = append(errs, optionError("Servers", "number %d is nil", i))
		}
	}
	switch o.ProtocolVersion {
	case 0, 4:
	default:
		errs = append(errs, optionError("ProtocolVersion", "%d is not spoken by MQTT 5 on awsiot.Client, which 0 and 4 may become; %s=paho speaks it", o.ProtocolVersion, engineVariable))
	}
	if o.WillEnabled {
		switch {
		case o.WillQos == 2:
			errs = append(errs, &errQoS2{"WillQos"})
		case o.WillQos > 2:
			errs = append(errs, optionError("WillQos", "%d: %v", o.WillQos, paho.ErrInvalidQos))
		}
	}
	if o.KeepAlive < 0 || o.KeepAlive > math.MaxUint16 {
		errs = append(errs, optionError("KeepAlive", "%d s is not from 0 to 65535 s", o.KeepAlive))
	}
	if o.MaxResumePubInFlight < 0 {
		errs = append(errs, optionError("MaxResumePubInFlight", "%d is negative", o.MaxResumePubInFlight))
	}
	for _, d := range []struct {
		name string
		d    time.Duration
	}{{"PingTimeout", o.PingTimeout}, {"ConnectTimeout", o.ConnectTimeout}, {"MaxReconnectInterval", o.MaxReconnectInterval},
		{"ConnectRetryInterval", o.ConnectRetryInterval}, {"WriteTimeout", o.WriteTimeout}} {
		if d.d < 0 {
			errs = append(errs, optionError(d.name, "%v is negative", d.d))
		}
	}
	return errors.Join(errs...)
}

// coreOptions returns the options of core that last; fill sets those of an attempt.
func (c *client) coreOptions() awsiot.ClientOptions {
	o := &c.options
	co := awsiot.ClientOptions{
		ClientID:          o.ClientID,
		Auth:              awsiot.PlainTCP(), // TLS and websockets are in what dial returns
		Dialer:            c.dial,
		Resubscribe:       awsiot.Resubscribe{When: awsiot.ResubscribeNever},
		OfflineQueue:      awsiot.OfflineQueue{Behavior: awsiot.FailNonQoS1},
		Inbound:           awsiot.Inbound{MaxBytes: inbound},
		FlowControl:       awsiot.FlowControlNone,
		MaximumPacketSize: largest,
		AckTimeout:        -1,
		RetryJitterMode:   awsiot.JitterNone,
		Logger:            coreLog,
		OnPublishReceived: c.unhandled,
	}
	if o.ResumeSubs {
		co.OfflineQueue.Behavior = awsiot.FailQoS0
	}
	if !o.CleanSession {
		if !inMemory(o.Store) {
			co.Logger = keptLog
		}
		co.SessionBehavior, co.SessionExpiry = awsiot.RejoinAlways, never
	}
	var first *plan
	if broker := firstServer(o); broker != nil {
		first = namesFor(o, broker)
	}
	c.fill(&co, first)
	co.MinReconnectDelay, co.MaxReconnectDelay = hold, hold
	return co
}

// plan is how the next attempt of core reaches a broker.
type plan struct {
	broker             *url.URL
	open               openFunc
	username, password string
}

// namesFor returns the plan for a broker with the names that the options have.
func namesFor(o *paho.ClientOptions, broker *url.URL) *plan {
	p := &plan{broker: broker, username: o.Username, password: o.Password}
	if user := broker.User; user != nil {
		p.username = user.Username()
		if word, ok := user.Password(); ok {
			p.password = word
		}
	}
	return p
}

// planFor asks the program's functions for what an attempt at a broker needs.
func (c *client) planFor(broker *url.URL) *plan {
	o := &c.options
	p := namesFor(o, broker)
	if o.CredentialsProvider != nil {
		p.username, p.password = o.CredentialsProvider()
	}
	tlsc := o.TLSConfig
	if o.OnConnectAttempt != nil {
		tlsc = o.OnConnectAttempt(broker, tlsc)
	}
	p.open = c.opener(broker, tlsc)
	return p
}

// fill sets what an attempt reads; p is nil without servers.
func (c *client) fill(co *awsiot.ClientOptions, p *plan) {
	o := &c.options
	co.Endpoint, co.Port = "localhost", 1883 // of schemes without a host; the port is that of the plan
	broker := firstServer(o)
	if p != nil {
		broker = p.broker
		co.Username, co.Password = p.username, nil
		if p.username != "" && p.password != "" { // as paho: no password without a name
			co.Password = []byte(p.password)
		}
	}
	if broker != nil && broker.Scheme != "unix" && broker.Hostname() != "" {
		co.Endpoint = broker.Hostname()
	}
	aws := topic.IsAWSEndpoint(co.Endpoint)
	co.DisableMetrics = !aws // other brokers compare the name with what they know
	co.ReceiveMaximum = whole
	if aws {
		co.ReceiveMaximum = 0
	}
	co.KeepAlive = time.Duration(o.KeepAlive) * time.Second
	if o.KeepAlive == 0 {
		co.KeepAlive = -1
	}
	co.PingTimeout = max(o.PingTimeout, time.Millisecond)
	co.ConnectTimeout = o.ConnectTimeout
	if o.ConnectTimeout == 0 {
		co.ConnectTimeout = hold
	}
	co.ConnackTimeout = co.ConnectTimeout
	co.MaxInflight = o.MaxResumePubInFlight
	co.Will = nil
	if o.WillEnabled {
		co.Will = &awsiot.Will{Topic: o.WillTopic, Payload: o.WillPayload, QoS: awsiot.QoS(o.WillQos), Retain: o.WillRetained}
	}
}

// firstServer returns the first server, or nil.
func firstServer(o *paho.ClientOptions) *url.URL {
	if len(o.Servers) == 0 {
		return nil
	}
	return o.Servers[0]
}
