package driver

import (
	"context"
	"net/url"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
)

// keepAlive is what every peer is given, in seconds: long enough that no ping
// falls into a measurement.
const keepAlive = 300

// paho5 drives paho.Client of paho.golang, the MQTT 5 client in Go. Its
// Publish waits for the end of the message.
type paho5 struct {
	target Target
	c      *paho.Client
	router *paho.StandardRouter
}

func (d *paho5) Connect(ctx context.Context, clientID string) error {
	if err := d.target.never(); err != nil {
		return err
	}
	conn, err := d.target.Dial(ctx)
	if err != nil {
		return err
	}
	if d.target.CA != "" {
		conn = packets.NewThreadSafeConn(conn) // its documentation asks for it with TLS
	}
	d.router = paho.NewStandardRouter()
	d.c = paho.NewClient(paho.ClientConfig{Conn: conn, Router: d.router})
	_, err = d.c.Connect(ctx, &paho.Connect{ClientID: clientID, CleanStart: true, KeepAlive: keepAlive})
	return err
}

func (d *paho5) Publish(_ context.Context, l Load) error {
	bg := context.Background()
	return blocking(l, false, func() error {
		_, err := d.c.Publish(bg, &paho.Publish{Topic: l.Topic, QoS: l.QoS, Payload: l.Payload})
		return err
	})
}

func (d *paho5) Subscribe(ctx context.Context, filters []string, qos byte, h Handler) error {
	return pahoSubscribe(d.router, filters, qos, h, func(s *paho.Subscribe) error {
		_, err := d.c.Subscribe(ctx, s)
		return err
	})
}

func pahoSubscribe(r *paho.StandardRouter, filters []string, qos byte, h Handler, send func(*paho.Subscribe) error) error {
	return inBatches(filters, func(first int, fs []string) error {
		s := &paho.Subscribe{}
		for i, f := range fs {
			r.RegisterHandler(f, func(m *paho.Publish) { h(first+i, m.Payload) })
			s.Subscriptions = append(s.Subscriptions, paho.SubscribeOptions{Topic: f, QoS: qos})
		}
		return send(s)
	})
}

func (d *paho5) Close(context.Context) error { return d.c.Disconnect(&paho.Disconnect{}) }

// autoPaho drives autopaho, the layer of paho.golang that reconnects.
type autoPaho struct {
	target Target
	cm     *autopaho.ConnectionManager
	router *paho.StandardRouter
}

func (d *autoPaho) Connect(ctx context.Context, clientID string) error {
	if err := d.target.never(); err != nil {
		return err
	}
	u := &url.URL{Scheme: "mqtt", Host: d.target.Addr}
	cfg := autopaho.ClientConfig{ServerUrls: []*url.URL{u}, KeepAlive: keepAlive, CleanStartOnInitialConnection: true,
		ConnectTimeout: 5 * time.Second, ClientConfig: paho.ClientConfig{ClientID: clientID}}
	if d.target.CA != "" {
		var err error
		u.Scheme = "tls"
		if cfg.TlsCfg, err = d.target.TLSConfig(); err != nil {
			return err
		}
	}
	d.router = paho.NewStandardRouter()
	cfg.OnPublishReceived = []func(paho.PublishReceived) (bool, error){func(r paho.PublishReceived) (bool, error) {
		d.router.Route(r.Packet.Packet())
		return true, nil
	}}
	var err error
	// not ctx: the manager lives until Disconnect, the attempt is bounded below
	if d.cm, err = autopaho.NewConnection(context.WithoutCancel(ctx), cfg); err != nil {
		return err
	}
	return d.cm.AwaitConnection(ctx)
}

func (d *autoPaho) Publish(_ context.Context, l Load) error {
	bg := context.Background()
	return blocking(l, false, func() error {
		_, err := d.cm.Publish(bg, &paho.Publish{Topic: l.Topic, QoS: l.QoS, Payload: l.Payload})
		return err
	})
}

func (d *autoPaho) Subscribe(ctx context.Context, filters []string, qos byte, h Handler) error {
	return pahoSubscribe(d.router, filters, qos, h, func(s *paho.Subscribe) error {
		_, err := d.cm.Subscribe(ctx, s)
		return err
	})
}

func (d *autoPaho) Close(ctx context.Context) error { return d.cm.Disconnect(ctx) }
