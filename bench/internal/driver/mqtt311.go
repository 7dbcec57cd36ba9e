package driver

import (
	"context"
	"time"

	mqttgo "github.com/at-wat/mqtt-go"
	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// paho3 drives paho.mqtt.golang (MQTT 3.1.1), and pahocompat, which has the same API. Its Publish returns a token; the
// driver keeps a ring of window tokens and waits for the oldest.
type paho3 struct {
	target Target
	make   func(*mqtt.ClientOptions) mqtt.Client
	c      mqtt.Client
	shadow byHand
}

func (d *paho3) Connect(ctx context.Context, clientID string) error {
	if err := d.target.never(); err != nil {
		return err
	}
	o := mqtt.NewClientOptions().SetClientID(clientID).SetCleanSession(true).SetKeepAlive(keepAlive * time.Second).SetProtocolVersion(4)
	if d.target.CA == "" {
		o.AddBroker("tcp://" + d.target.Addr)
	} else {
		cfg, err := d.target.TLSConfig()
		if err != nil {
			return err
		}
		o.AddBroker("ssl://" + d.target.Addr).SetTLSConfig(cfg)
	}
	d.c = d.make(o)
	return await(ctx, d.c.Connect())
}

func await(ctx context.Context, t mqtt.Token) error {
	select {
	case <-t.Done():
		return t.Error()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (d *paho3) Publish(ctx context.Context, l Load) error {
	ring := make([]mqtt.Token, min(l.Window, l.Count))
	for i := range l.Count {
		t := &ring[i%len(ring)]
		if *t != nil {
			if err := await(ctx, *t); err != nil {
				return err
			}
		}
		var at time.Time
		if l.Lat != nil {
			at = time.Now()
		}
		*t = d.c.Publish(l.Topic, l.QoS, false, l.Payload)
		if l.Lat != nil {
			if err := await(ctx, *t); err != nil {
				return err
			}
			l.Lat[i] = time.Since(at)
		}
	}
	for _, t := range ring {
		if err := await(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func (d *paho3) Subscribe(ctx context.Context, filters []string, qos byte, h Handler) error {
	for i, f := range filters {
		if err := await(ctx, d.c.Subscribe(f, qos, func(_ mqtt.Client, m mqtt.Message) { h(i, m.Payload()) })); err != nil {
			return err
		}
	}
	return nil
}

func (d *paho3) Close(context.Context) error {
	d.c.Disconnect(10) // milliseconds for what is pending; nothing is
	return nil
}

// atwat drives at-wat/mqtt-go (MQTT 3.1.1). Its Publish waits for the end of
// the message.
type atwat struct {
	target Target
	c      *mqttgo.BaseClient
	mux    *mqttgo.ServeMux
}

func (d *atwat) Connect(ctx context.Context, clientID string) (err error) {
	if err := d.target.never(); err != nil {
		return err
	}
	if d.target.CA == "" {
		d.c, err = mqttgo.DialContext(ctx, "mqtt://"+d.target.Addr)
	} else {
		cfg, err2 := d.target.TLSConfig()
		if err2 != nil {
			return err2
		}
		d.c, err = mqttgo.DialContext(ctx, "mqtts://"+d.target.Addr, mqttgo.WithTLSConfig(cfg))
	}
	if err != nil {
		return err
	}
	d.mux = &mqttgo.ServeMux{}
	d.c.Handle(d.mux)
	_, err = d.c.Connect(ctx, clientID, mqttgo.WithKeepAlive(keepAlive), mqttgo.WithCleanSession(true))
	return err
}

func (d *atwat) Publish(_ context.Context, l Load) error {
	bg := context.Background()
	return blocking(l, false, func() error {
		return d.c.Publish(bg, &mqttgo.Message{Topic: l.Topic, QoS: mqttgo.QoS(l.QoS), Payload: l.Payload})
	})
}

func (d *atwat) Subscribe(ctx context.Context, filters []string, qos byte, h Handler) error {
	return inBatches(filters, func(first int, fs []string) error {
		var subs []mqttgo.Subscription
		for i, f := range fs {
			if err := d.mux.HandleFunc(f, func(m *mqttgo.Message) { h(first+i, m.Payload) }); err != nil {
				return err
			}
			subs = append(subs, mqttgo.Subscription{Topic: f, QoS: mqttgo.QoS(qos)})
		}
		_, err := d.c.Subscribe(ctx, subs...)
		return err
	})
}

func (d *atwat) Close(ctx context.Context) error { return d.c.Disconnect(ctx) }
