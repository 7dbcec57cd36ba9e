package driver

import (
	"context"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/portage-iot/awsiot/v1compat"
)

// facade drives package v1compat with v1's defaults, among them 20 publishes in
// flight. What it is compared with is v2 with OptionsV1, which has the same.
type facade struct {
	target Target
	call   call // callAsync or callBlocking
	c      *v1compat.AWSIoTMQTTClient
	gate   *gate // of the Publish that runs
}

// errQueued is a publish that the facade has put into its offline queue: what
// is measured then is not what was asked for.
var errQueued = errors.New("driver: the message went into the offline queue")

func (d *facade) Connect(_ context.Context, clientID string) error {
	if err := d.target.never(); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(d.target.Addr)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	d.c = v1compat.NewAWSIoTMQTTClient(clientID)
	d.c.ConfigureEndpoint(host, n)
	if d.target.CA != "" {
		// v1 knows TLS with a client certificate only; the null broker asks for
		// none, so the factory makes the connection whole.
		d.c.ConfigureSocketFactory(func() (net.Conn, error) { return d.target.Dial(context.Background()) })
	}
	d.c.OnAsyncError = func(_, _ string, err error) { d.gate.release(err) }
	return d.c.Connect()
}

func (d *facade) Publish(ctx context.Context, l Load) error {
	if d.call == callBlocking || l.QoS == 0 { // PublishAsync never tells of a QoS 0 message, as in v1
		return blocking(l, true, func() error {
			done, err := d.c.Publish(l.Topic, l.Payload, l.QoS)
			if err == nil && !done {
				err = errQueued
			}
			return err
		})
	}
	d.gate = newGate(l.Window)
	ack := func(v1compat.Mid) { d.gate.release(nil) }
	for i := range l.Count {
		var t time.Time
		if l.Lat != nil {
			t = time.Now()
		}
		if err := d.gate.acquire(ctx); err != nil {
			return err
		}
		mid, err := d.c.PublishAsync(l.Topic, l.Payload, l.QoS, ack)
		if err == nil && mid == v1compat.MidQueued {
			err = errQueued
		}
		if err != nil {
			return err
		}
		if l.Lat != nil {
			if err := d.gate.drain(ctx); err != nil {
				return err
			}
			l.Lat[i] = time.Since(t)
		}
	}
	return d.gate.drain(ctx)
}

func (d *facade) Subscribe(_ context.Context, filters []string, qos byte, h Handler) error {
	for i, f := range filters {
		if _, err := d.c.Subscribe(f, qos, func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { h(i, m.Payload) }); err != nil {
			return err
		}
	}
	return nil
}

func (d *facade) Close(context.Context) error {
	return errors.Join(d.c.Disconnect(), d.c.V2().Close())
}
