package v1compat

import (
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// DropBehavior is v1's drop behaviour of a full offline queue.
//
// Deprecated: use awsiot.OfflineQueue.WhenFull.
type DropBehavior int

// The values of v1's dropBehavior.
//
// Deprecated: use awsiot.DropOldest and awsiot.RejectNew.
const (
	// DropOldest is v1's DROP_OLDEST: the oldest request makes room.
	DropOldest DropBehavior = iota
	// DropNewest is v1's DROP_NEWEST, the default: the new request is refused.
	DropNewest
)

// String returns the name of the constant.
func (d DropBehavior) String() string {
	switch d {
	case DropOldest:
		return "DropOldest"
	case DropNewest:
		return "DropNewest"
	}
	return fmt.Sprintf("DropBehavior(%d)", int(d))
}

// change is a Configure call that counts from the next Connect on.
type change struct {
	call string
	put  func(*awsiot.ClientOptions)
}

// from says when a Configure call counts on a client that is connected, or connecting; on a stopped one it always counts
// at once.
type from int

const (
	fromNow     from = iota // at once, or with the next attempt of the client itself: what Client.Update makes of it
	fromConnect             // from the next Connect on, as v1 read it
)

// configure runs one Configure call: take changes the settings, put the options accordingly, and an error of either is
// what the next Connect reports about this call.
func (c *AWSIoTMQTTClient) configure(call string, when from, take func(*settings) error, put func(*awsiot.ClientOptions)) {
	c.mu.Lock()
	err := take(&c.settings)
	c.later = slices.DeleteFunc(c.later, func(l change) bool { return l.call == call })
	wait := when == fromConnect && c.core.State() != awsiot.StateStopped
	if err == nil && wait {
		c.later = append(c.later, change{call, put})
	}
	c.setProblem(call, err)
	c.mu.Unlock()
	if err == nil && !wait {
		c.update(call, put)
	}
}

// setProblem keeps or clears the error of a Configure call. The caller holds c.mu.
func (c *AWSIoTMQTTClient) setProblem(call string, err error) {
	c.problems = slices.DeleteFunc(c.problems, func(e *ConfigureError) bool { return e.Call == call })
	if err != nil {
		c.problems = append(c.problems, &ConfigureError{Call: call, Err: err})
	}
}

// update changes the core's options; what that refuses is logged, and returned by the next Connect. put runs with c.mu
// held.
func (c *AWSIoTMQTTClient) update(call string, put func(*awsiot.ClientOptions)) {
	err := c.core.Update(func(o *awsiot.ClientOptions) {
		c.mu.Lock()
		defer c.mu.Unlock()
		put(o)
	})
	if err == nil || errors.Is(err, awsiot.ErrClosed) { // which Connect reports by itself
		return
	}
	c.logger().Warn("the configuration was refused", "call", call, "error", err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.setProblem(call, valueError(err))
}

// catchUp makes what was configured on a running client count: at Connect, and when the client has stopped.
func (c *AWSIoTMQTTClient) catchUp() {
	c.mu.Lock()
	later := c.later
	c.later = nil
	c.mu.Unlock()
	for _, l := range later {
		c.update(l.call, l.put)
	}
}

// A Configure call on a connected client behaves as in v1 and never makes Connect
// fail for that: both timeouts, the queue, the draining frequency and the back-off
// count at once; last will, credentials and socket factory from the next reconnect
// on; endpoint, user name, password and metrics from the next Connect on.

// ConfigureEndpoint is v1's configureEndpoint. Port 443 speaks MQTT with the
// ALPN name x-amzn-mqtt-ca; once set, the name is offered on every other port
// too, as in v1. With WithWebsocket(true) no port does, and the host must be one
// of AWS's endpoint names.
//
// Deprecated: use awsiot.ClientOptions.Endpoint and Port.
func (c *AWSIoTMQTTClient) ConfigureEndpoint(hostName string, portNumber int) {
	c.configure("ConfigureEndpoint", fromConnect, func(s *settings) error {
		s.host, s.port, s.alpn = hostName, portNumber, s.alpn || portNumber == 443 && !s.websocket
		if hostName == "" {
			return &ValueError{Message: "Invalid host.", Err: errors.New("it is empty")}
		}
		if portNumber <= 0 || portNumber > 65535 {
			return &ValueError{Message: "Invalid port number.", Err: fmt.Errorf("%d is not in 1..65535", portNumber)}
		}
		return nil
	}, func(o *awsiot.ClientOptions) {
		o.Endpoint, o.Port = hostName, portNumber
		c.putTLS(o, portNumber)
	})
}

// ConfigureCredentials is v1's configureCredentials; mind the order: CA, key,
// certificate. The paths name PEM files, which are read at Connect and again for
// every reconnect; PEM text in the place of a path is a *ValueError that does not show it. ciphers is at most one colon-separated list of OpenSSL names
// of TLS 1.2 cipher suites; it limits the connection to TLS 1.2. Without this
// call the connection is plain TCP, as in v1. With WithWebsocket(true) only the CA
// is used: keyPath and certificatePath may be empty.
//
// Deprecated: use awsiot.ClientOptions.CAFile and awsiot.MTLSFromPath(certificate, key).
func (c *AWSIoTMQTTClient) ConfigureCredentials(caFilePath, keyPath, certificatePath string, ciphers ...string) {
	put := func(o *awsiot.ClientOptions) {
		c.settings.putCredentials(o)
		c.putTLS(o, o.Port)
	}
	c.configure("ConfigureCredentials", fromNow, func(s *settings) error {
		s.credential = true
		s.ca, s.key, s.cert, s.ciphers = caFilePath, keyPath, certificatePath, nil
		if err := s.dropPEM(); err != nil {
			return err
		}
		if len(ciphers) > 1 {
			return ErrTooManyArguments
		}
		var err error
		if len(ciphers) == 1 && !s.websocket {
			s.ciphers, err = parseCiphers(ciphers[0])
		}
		return err
	}, put)
	c.update("ConfigureCredentials", put) // also when it was refused: nothing connects without them
}

// ConfigureIAMCredentials is v1's configureIAMCredentials. The credentials sign
// websocket handshakes and mean nothing without WithWebsocket(true), as in v1;
// sessionToken is "" for those that do not end. It may be called at any time, also
// on a connected client: the next handshake, the one of a reconnect too, uses
// them, which is how a program renews credentials that end. When one of the first
// two is empty, credentials are looked for as WithWebsocket says.
//
// Deprecated: use awsauth.Websocket with awsauth.Static.
func (c *AWSIoTMQTTClient) ConfigureIAMCredentials(accessKeyID, secretAccessKey, sessionToken string) {
	keys := iamKeys{accessKeyID, secretAccessKey, sessionToken}
	c.configure("ConfigureIAMCredentials", fromNow, func(s *settings) error {
		s.iam = seal(keys)
		return nil
	}, func(o *awsiot.ClientOptions) {
		if c.wrapped && !c.settings.iamGiven { // a client of one's own has it since its birth, if it is one of websockets
			c.settings.iamGiven = true
			o.Auth = websocketAuth(c.iamKeys)
		}
	})
}

// ConfigureLastWill is v1's configureLastWill; payload takes the types of
// Publish, qos is 0 or 1, retain is at most one value, false by default.
//
// Deprecated: use awsiot.ClientOptions.Will.
func (c *AWSIoTMQTTClient) ConfigureLastWill(topicName string, payload any, qos byte, retain ...bool) {
	c.configure("ConfigureLastWill", fromNow, func(s *settings) error {
		body, err := encodePayload(payload)
		errs := []error{checkTopic(topicName), checkQoS(qos), err}
		if len(retain) > 1 {
			errs = append(errs, ErrTooManyArguments)
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
		s.will = &awsiot.Will{Topic: topicName, Payload: slices.Clone(body), QoS: awsiot.QoS(qos), Retain: len(retain) > 0 && retain[0]}
		return nil
	}, c.putWill)
}

// ClearLastWill is v1's clearLastWill.
//
// Deprecated: leave awsiot.ClientOptions.Will nil.
func (c *AWSIoTMQTTClient) ClearLastWill() {
	c.configure("ConfigureLastWill", fromNow, func(s *settings) error {
		s.will = nil
		return nil
	}, c.putWill)
}

func (c *AWSIoTMQTTClient) putWill(o *awsiot.ClientOptions) { o.Will = c.settings.will }

// ConfigureAutoReconnectBackoffTime is v1's configureAutoReconnectBackoffTime,
// in seconds; defaults 1, 32, 20. The wait starts at 1 s whatever base is, as in
// v1, doubles up to max, and is base after a connection that lasted stable seconds.
//
// Deprecated: use awsiot.ClientOptions.MinReconnectDelay, MaxReconnectDelay and
// MinConnectedTimeToResetReconnectDelay.
func (c *AWSIoTMQTTClient) ConfigureAutoReconnectBackoffTime(base, maximum, stable float64) {
	var b, m, st time.Duration
	c.configure("ConfigureAutoReconnectBackoffTime", fromNow, func(*settings) error {
		var err1, err2, err3 error
		b, err1 = seconds("base", base)
		m, err2 = seconds("max", maximum)
		st, err3 = seconds("stable", stable)
		if err := errors.Join(err1, err2, err3); err != nil {
			return &ValueError{Message: "Negative time configuration detected.", Err: err}
		}
		if b >= st {
			return &ValueError{Message: "Min connect time should be bigger than base reconnect time.", Err: fmt.Errorf("stable %g s, base %g s", stable, base)}
		}
		return nil
	}, func(o *awsiot.ClientOptions) {
		o.MinReconnectDelay, o.MaxReconnectDelay, o.MinConnectedTimeToResetReconnectDelay = b, max(b, m), st
	})
}

// ConfigureOfflinePublishQueueing is v1's configureOfflinePublishQueueing: the
// number of requests (publish, subscribe and unsubscribe) that are kept while
// the client is not online; 0 keeps none, a negative number all (the default).
// dropBehavior is at most one value, DropNewest by default. v1 threw away what
// was queued; here it is kept.
//
// Deprecated: use awsiot.ClientOptions.OfflineQueue.
func (c *AWSIoTMQTTClient) ConfigureOfflinePublishQueueing(queueSize int, dropBehavior ...DropBehavior) {
	drop := DropNewest
	c.configure("ConfigureOfflinePublishQueueing", fromNow, func(*settings) error {
		if len(dropBehavior) > 1 {
			return ErrTooManyArguments
		}
		if len(dropBehavior) == 1 {
			drop = dropBehavior[0]
		}
		if drop != DropNewest && drop != DropOldest {
			return &ValueError{Message: "Drop behavior not supported.", Err: errors.New(drop.String())}
		}
		return nil
	}, func(o *awsiot.ClientOptions) {
		o.OfflineQueue.MaxOperations, o.OfflineQueue.WhenFull = awsiot.QueueSizeV1(queueSize), awsiot.RejectNew
		if drop == DropOldest {
			o.OfflineQueue.WhenFull = awsiot.DropOldest
		}
	})
}

// ConfigureDrainingFrequency is v1's configureDrainingFrequency: how many queued
// requests are sent per second once the client is online again, 2 by default.
//
// Deprecated: use awsiot.OfflineQueue.DrainRate.
func (c *AWSIoTMQTTClient) ConfigureDrainingFrequency(hz float64) {
	c.configure("ConfigureDrainingFrequency", fromNow, func(*settings) error {
		if !(hz > 0) || math.IsInf(hz, 1) {
			return &ValueError{Message: "Invalid draining frequency.", Err: fmt.Errorf("%g is not a number above 0", hz)}
		}
		return nil
	}, func(o *awsiot.ClientOptions) { o.OfflineQueue.DrainRate = hz })
}

// ConfigureConnectDisconnectTimeout is v1's configureConnectDisconnectTimeout:
// how many seconds Connect waits for the CONNACK, and Disconnect for the end of
// the connection; 30 by default. Reaching the server has its own limit, 10 s.
//
// Deprecated: use awsiot.ClientOptions.ConnackTimeout.
func (c *AWSIoTMQTTClient) ConfigureConnectDisconnectTimeout(timeoutSeconds float64) {
	d, err := positiveSeconds("timeout", timeoutSeconds)
	c.configure("ConfigureConnectDisconnectTimeout", fromNow, func(*settings) error { return err },
		func(o *awsiot.ClientOptions) { o.ConnackTimeout = d })
}

// ConfigureMQTTOperationTimeout is v1's configureMQTTOperationTimeout: how many
// seconds Publish, Subscribe and Unsubscribe wait for their acknowledgement; 5 by
// default. The operation itself goes on, as in v1.
//
// Deprecated: use awsiot.ClientOptions.AckTimeout or a context.
func (c *AWSIoTMQTTClient) ConfigureMQTTOperationTimeout(timeoutSeconds float64) {
	d, err := positiveSeconds("timeout", timeoutSeconds)
	c.configure("ConfigureMQTTOperationTimeout", fromNow, func(*settings) error { return err },
		func(o *awsiot.ClientOptions) { o.AckTimeout = d })
}

// ConfigureUsernamePassword is v1's configureUsernamePassword. password is at
// most one value; none sends none.
//
// Deprecated: use awsiot.ClientOptions.Username and Password.
func (c *AWSIoTMQTTClient) ConfigureUsernamePassword(username string, password ...string) {
	c.configure("ConfigureUsernamePassword", fromConnect, func(s *settings) error {
		if len(password) > 1 {
			return ErrTooManyArguments
		}
		u := userPassword{name: username}
		if len(password) == 1 {
			u.password = []byte(password[0])
		}
		s.user = seal(u)
		return nil
	}, func(o *awsiot.ClientOptions) { c.settings.putUser(o) })
}

// ConfigureSocketFactory is v1's configureSocketFactory: f returns a connected
// TCP connection, for every attempt anew. TLS is put on top when
// ConfigureCredentials was called.
//
// Deprecated: use awsiot.ClientOptions.Dialer.
func (c *AWSIoTMQTTClient) ConfigureSocketFactory(f func() (net.Conn, error)) {
	c.configure("ConfigureSocketFactory", fromNow, func(s *settings) error {
		s.socket = f
		return nil
	}, c.putDialer)
}

// EnableMetricsCollection is v1's enableMetricsCollection: the CONNECT carries
// the name and version of this SDK in its user name. It is on by default.
//
// Deprecated: use awsiot.ClientOptions.DisableMetrics.
func (c *AWSIoTMQTTClient) EnableMetricsCollection() {
	c.configure("EnableMetricsCollection", fromConnect, func(s *settings) error {
		s.noMetrics = false
		return nil
	}, func(o *awsiot.ClientOptions) { c.settings.putUser(o) })
}

// DisableMetricsCollection is v1's disableMetricsCollection.
//
// Deprecated: use awsiot.ClientOptions.DisableMetrics.
func (c *AWSIoTMQTTClient) DisableMetricsCollection() {
	c.configure("EnableMetricsCollection", fromConnect, func(s *settings) error {
		s.noMetrics = true
		return nil
	}, func(o *awsiot.ClientOptions) { c.settings.putUser(o) })
}

// seconds converts v1's seconds, whole or fractional.
func seconds(name string, s float64) (time.Duration, error) {
	const most = float64(math.MaxInt64 / int64(time.Second))
	if !(s >= 0 && s <= most) { // NaN too
		return 0, fmt.Errorf("%s is %g s", name, s)
	}
	return time.Duration(s * float64(time.Second)), nil
}

func positiveSeconds(name string, s float64) (time.Duration, error) {
	d, err := seconds(name, s)
	if err == nil && d == 0 {
		err = fmt.Errorf("%s is %g s: nothing could ever be in time", name, s)
	}
	if err != nil {
		return 0, &ValueError{Message: "Invalid timeout.", Err: err}
	}
	return d, nil
}

// keepAlive converts the argument of Connect, in seconds; 0 turns pings off.
func keepAlive(s int) (time.Duration, error) {
	if s < 0 || s > 65535 {
		return 0, &ValueError{Message: "Keepalive must be >=0.", Err: fmt.Errorf("%d is not in 0..65535", s)}
	}
	return awsiot.KeepAliveV1(s), nil
}

// checkTopic, checkFilter and checkQoS refuse at the call, online or not, what
// v1 refused online only; v1's texts.
func checkTopic(s string) error {
	err := topic.ValidateTopic(s)
	if err == nil {
		return nil
	}
	var te *topic.Error
	if errors.As(err, &te) && te.Rule == topic.RuleWildcard {
		return &ValueError{Message: "Publish topic cannot contain wildcards.", Err: err}
	}
	return &ValueError{Message: "Invalid topic.", Err: err}
}

func checkFilter(s string) error {
	if err := topic.ValidateFilter(s); err != nil {
		return &ValueError{Message: "Invalid topic.", Err: err}
	}
	return nil
}

func checkQoS(qos byte) error {
	switch qos {
	case 0, 1:
		return nil
	case 2:
		return &ValueError{Message: "Invalid QoS level.", Err: errors.New("AWS IoT has no QoS 2; use 0 or 1")}
	}
	return &ValueError{Message: "Invalid QoS level.", Err: fmt.Errorf("%d is not 0 or 1", qos)}
}
