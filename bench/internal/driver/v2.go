package driver

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/iotshadow"
)

// call is the way of publishing that a v2 driver measures.
type call int

const (
	callFunc     call = iota // PublishFunc from one goroutine, completions by callback
	callBlocking             // Publish from as many goroutines as the window has places
	callAsync                // PublishAsync from one goroutine, a ring of futures
)

func (c call) String() string {
	switch c {
	case callFunc:
		return "PublishFunc"
	case callBlocking:
		return "Publish"
	case callAsync:
		return "PublishAsync"
	}
	return "call(" + strconv.Itoa(int(c)) + ")"
}

// v2 drives package awsiot with its default options: statistics, timeouts and
// keep-alive on, no Store. Flow control is off, as it is by default for
// endpoints that are not AWS: a hundred publishes a second are the subject of
// one driver only, as the file store is of another.
type v2 struct {
	target Target
	call   call
	flow   awsiot.FlowControl
	store  bool // NewFileStore in a folder of its own
	v1     bool // the options of OptionsV1, with 20 in flight and a lane for all callbacks

	dir string // of the store
	c   *awsiot.Client

	makeShadows sync.Once
	shadows     *iotshadow.Client // by the first Update
}

func (d *v2) options(clientID string) (awsiot.ClientOptions, error) {
	host, port, err := net.SplitHostPort(d.target.Addr)
	if err != nil {
		return awsiot.ClientOptions{}, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return awsiot.ClientOptions{}, err
	}
	o := awsiot.ClientOptions{ClientID: clientID, FlowControl: d.flow}
	if d.v1 {
		o = awsiot.OptionsV1(clientID)
	}
	o.Endpoint, o.Port, o.Auth = host, n, awsiot.PlainTCP()
	if d.target.CA != "" {
		o.Auth, o.CAFile = awsiot.TLS(), d.target.CA
	}
	if d.target.Reconnect > 0 {
		o.RetryJitterMode = awsiot.JitterNone
		o.MinReconnectDelay, o.MaxReconnectDelay = d.target.Reconnect, d.target.Reconnect
		o.SessionBehavior, o.SessionExpiry = awsiot.RejoinPostSuccess, time.Hour
	}
	if d.store {
		if d.dir, err = os.MkdirTemp("", "bench-store"); err != nil {
			return o, err
		}
		o.Store = awsiot.NewFileStore(d.dir)
	}
	return o, nil
}

func (d *v2) Connect(ctx context.Context, clientID string) error {
	o, err := d.options(clientID)
	if err != nil {
		return err
	}
	d.c = awsiot.NewClient(o)
	return d.c.StartAndWait(ctx)
}

func (d *v2) Publish(ctx context.Context, l Load) error {
	p := &awsiot.PublishPacket{Topic: l.Topic, QoS: awsiot.QoS(l.QoS), Payload: l.Payload}
	switch d.call {
	case callBlocking:
		// As the peers: a context that cannot end, the common case of a device
		// program that relies on AckTimeout.
		bg := context.Background()
		return blocking(l, true, func() error {
			_, err := d.c.Publish(bg, p)
			return err
		})
	case callAsync:
		return d.async(ctx, l, p)
	default:
		return d.callbacks(ctx, l, p)
	}
}

func (d *v2) callbacks(ctx context.Context, l Load, p *awsiot.PublishPacket) error {
	g := newGate(l.Window)
	done := func(_ awsiot.PublishResult, err error) { g.release(err) }
	for i := range l.Count {
		var t time.Time
		if l.Lat != nil {
			t = time.Now()
		}
		if err := g.acquire(ctx); err != nil {
			return err
		}
		d.c.PublishFunc(p, done)
		if l.Lat != nil {
			if err := g.drain(ctx); err != nil {
				return err
			}
			l.Lat[i] = time.Since(t)
		}
	}
	return g.drain(ctx)
}

func (d *v2) async(ctx context.Context, l Load, p *awsiot.PublishPacket) error {
	ring := make([]*awsiot.Future[awsiot.PublishResult], min(l.Window, l.Count))
	for i := range l.Count {
		f := &ring[i%len(ring)]
		if *f != nil {
			if _, err := (*f).Wait(ctx); err != nil {
				return err
			}
		}
		var t time.Time
		if l.Lat != nil {
			t = time.Now()
		}
		*f = d.c.PublishAsync(p)
		if l.Lat != nil {
			if _, err := (*f).Wait(ctx); err != nil {
				return err
			}
			l.Lat[i] = time.Since(t)
		}
	}
	for _, f := range ring {
		if _, err := f.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *v2) Subscribe(ctx context.Context, filters []string, qos byte, h Handler) error {
	return inBatches(filters, func(first int, fs []string) error {
		p := &awsiot.SubscribePacket{}
		for i, f := range fs {
			p.Subscriptions = append(p.Subscriptions, awsiot.Subscription{
				TopicFilter: f, QoS: awsiot.QoS(qos),
				Handler: func(m *awsiot.Message) { h(first+i, m.Payload) },
			})
		}
		_, err := d.c.Subscribe(ctx, p)
		return err
	})
}

// Dropped is the number of QoS 0 messages that found Inbound.MaxBytes full.
func (d *v2) Dropped() uint64 { return d.c.Stats().InboundDropped }

func (d *v2) Close(context.Context) error {
	var err error
	if d.shadows != nil {
		err = d.shadows.Close()
	}
	err = errors.Join(err, d.c.Close())
	if d.dir != "" {
		err = errors.Join(err, os.RemoveAll(d.dir))
	}
	return err
}

// inBatches cuts filters into SUBSCRIBE packets of 8, AWS IoT Core's limit.
func inBatches(filters []string, f func(first int, fs []string) error) error {
	for first := 0; first < len(filters); first += 8 {
		if err := f(first, filters[first:min(first+8, len(filters))]); err != nil {
			return err
		}
	}
	return nil
}
