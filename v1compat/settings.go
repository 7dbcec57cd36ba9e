package v1compat

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// settings is what the constructor and the Configure calls leave behind. The
// core's options are made from it whenever the core is made.
type settings struct {
	clientID  string
	websocket bool
	clean     bool
	quirks    Quirks

	host string
	port int
	alpn bool // port 443 was configured at some time

	credentials   bool    // ConfigureCredentials was called
	iam           iamKeys // may change at any time: read at every handshake
	ca, key, cert string
	ciphers       []uint16

	will              *awsiot.Will
	base, max, stable time.Duration
	queueSize         int
	drop              DropBehavior
	drainHz           float64

	connectTimeout   time.Duration // CONNACK, and Disconnect
	operationTimeout time.Duration
	keepAlive        time.Duration

	username  string
	password  []byte
	socket    func() (net.Conn, error)
	noMetrics bool
}

// v1's defaults (v1 documents a queue of 20; its code has no limit).
func defaultSettings(clientID string) settings {
	return settings{
		clientID: clientID, clean: true,
		base: time.Second, max: 32 * time.Second, stable: 20 * time.Second,
		queueSize: -1, drop: DropNewest, drainHz: 2,
		connectTimeout: 30 * time.Second, operationTimeout: 5 * time.Second,
		keepAlive: 600 * time.Second,
	}
}

// randomClientID is what v1 used for an empty client id: 23 characters, made
// locally, out of v1's alphabet.
func randomClientID() string {
	const alphabet = "0123456789ADCDEF"
	var b [18]byte
	rand.Read(b[:]) // never fails
	for i := range b {
		b[i] = alphabet[b[i]%16]
	}
	return "paho/" + string(b[:])
}

// options builds the core's options. It cannot fail: what is wrong is reported
// by check.
//
// The core's ack timeout is off: it would end the operation, while a timeout of
// v1 only ends the wait and leaves the message in flight. The waits are this
// package's own.
func (s *settings) options(received awsiot.MessageHandler, connectSent func(), keys func() iamKeys) awsiot.ClientOptions {
	o := awsiot.OptionsV1(s.clientID)
	o.Endpoint, o.Port = s.host, s.port
	o.KeepAlive = s.keepAlive
	o.ConnackTimeout = s.connectTimeout
	o.AckTimeout = -1
	o.SessionBehavior = awsiot.CleanSession
	if !s.clean {
		o.SessionBehavior, o.SessionExpiry = awsiot.RejoinAlways, time.Hour
	}
	o.Auth = awsiot.PlainTCP()
	switch {
	case s.websocket: // key, certificate and ciphers have no part in it, as in v1
		o.CAFile, o.Auth = s.ca, websocketAuth(keys)
	case s.credentials:
		o.CAFile, o.Auth = s.ca, awsiot.MTLSFromPath(s.cert, s.key)
		if len(s.ciphers) > 0 {
			o.TLSConfig = &tls.Config{CipherSuites: s.ciphers, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12}
		}
		if s.alpn && s.port != 443 { // the core offers it on 443
			if o.TLSConfig == nil {
				o.TLSConfig = &tls.Config{}
			}
			o.TLSConfig.NextProtos = []string{"x-amzn-mqtt-ca"}
		}
	}
	if s.socket != nil {
		o.Dialer = dialWith(s.socket)
	}
	o.Will = s.will
	o.MinReconnectDelay, o.MaxReconnectDelay = s.base, max(s.base, s.max)
	o.MinConnectedTimeToResetReconnectDelay = s.stable
	o.OfflineQueue.MaxOperations = awsiot.QueueSizeV1(s.queueSize)
	o.OfflineQueue.WhenFull = awsiot.RejectNew
	if s.drop == DropOldest {
		o.OfflineQueue.WhenFull = awsiot.DropOldest
	}
	o.OfflineQueue.DrainRate = s.drainHz
	o.Username, o.Password = s.username, s.password
	if s.username == "" && s.noMetrics {
		o.Password = nil // v1 sent none without a user name
	}
	o.DisableMetrics = s.noMetrics
	o.Logger = s.coreLogger()
	o.OnPublishReceived = received
	o.Trace = &awsiot.Trace{ConnectSent: connectSent}
	return o
}

// check returns what Connect can say about the settings as a whole. Files are
// opened here so that every unreadable one is named; the core reads them.
func (s *settings) check() []error {
	var errs []error
	add := func(call string, err error) { errs = append(errs, &ConfigureError{Call: call, Err: err}) }
	if s.host == "" && s.port == 0 {
		add("ConfigureEndpoint", &ValueError{Message: "Invalid host.", Err: errors.New("it was never called")})
	}
	if s.credentials {
		files := []struct{ what, path string }{{"root CA", s.ca}, {"private key", s.key}, {"certificate", s.cert}}
		if s.websocket {
			files = files[:1]
		}
		for _, f := range files {
			if err := readable(f.path); err != nil {
				add("ConfigureCredentials", fmt.Errorf("%s: %w", f.what, err))
			}
		}
	}
	return errs
}

// readable opens the file, as v1 did at once in configureCredentials.
func readable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return err
	} else if info.IsDir() {
		return &os.PathError{Op: "read", Path: path, Err: errors.New("is a directory")}
	}
	return nil
}

// dialWith adapts v1's socket factory, which knows no deadline, to the core's
// dialer: the connect timeout holds all the same, and a connection that comes
// too late is closed.
func dialWith(factory func() (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		done := make(chan result)
		go func() {
			conn, err := factory()
			select {
			case done <- result{conn, err}:
			case <-ctx.Done():
				if conn != nil {
					conn.Close()
				}
			}
		}()
		select {
		case r := <-done:
			if r.err == nil && r.conn == nil {
				return nil, errors.New("v1compat: the socket factory returned neither a connection nor an error")
			}
			return r.conn, r.err
		case <-ctx.Done():
			return nil, fmt.Errorf("v1compat: the socket factory did not return in time: %w", context.Cause(ctx))
		}
	}
}
