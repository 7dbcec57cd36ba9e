package mqtt

import (
	"context"
	"errors"
	"net"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// plain is what NewV2 keeps of paho's options beside the awsiot.Client.
type plain struct {
	options paho.ClientOptions
	problem error       // why no attempt is made
	was     atomic.Bool // connected, since the last Start
	files   paho.Store  // a FileStore whose messages are to be taken over; nil: none, or no more
	dir     string      // of files
}

// fileStore returns the FileStore that messages outlive the process in, with its directory; nil: there is none.
func fileStore(o *paho.ClientOptions) (paho.Store, string) {
	f, ok := o.Store.(*paho.FileStore)
	if !ok || f == nil || o.CleanSession {
		return nil, ""
	}
	dir := reflect.ValueOf(f).Elem().FieldByName("directory").String() // paho does not say it otherwise
	if dir == "" {
		dir = "." // as paho
	}
	return f, dir
}

// inMemory reports whether s keeps nothing beyond the process, which awsiot.Client does by itself.
func inMemory(s paho.Store) bool {
	switch s.(type) {
	case nil, *paho.MemoryStore, *paho.OrderedMemoryStore:
		return true
	}
	return false
}

// takeOver hands what paho has left in its files to core, which keeps it in files of its own in the same directory: a message is in
// one of them at any time, and perhaps in both. State of QoS 2 is left as it is, and an error.
func (p *plain) takeOver(core *awsiot.Client) error {
	if p.files == nil {
		return nil
	}
	s := &store{s: p.files, resume: p.options.ResumeSubs}
	if err := guarded(s.s.Open); err != nil {
		return err
	}
	defer s.close()
	held, err := s.load()
	if err != nil {
		return err
	}
	for _, h := range held {
		var failed error
		switch m := h.packet.(type) {
		case *packets.PublishPacket:
			if m.Qos == 1 && strings.HasPrefix(h.key, outbound) {
				failed = core.PublishAsync(&awsiot.PublishPacket{Topic: m.TopicName, Payload: m.Payload, QoS: awsiot.AtLeastOnce, Retain: m.Retain}).Err()
			}
		case *packets.SubscribePacket:
			if p.options.ResumeSubs {
				var subs []awsiot.Subscription
				for i, topic := range m.Topics {
					subs = append(subs, awsiot.Subscription{TopicFilter: topic, QoS: awsiot.QoS(m.Qoss[i])})
				}
				failed = core.SubscribeAsync(&awsiot.SubscribePacket{Subscriptions: subs}).Err()
			}
		case *packets.UnsubscribePacket:
			if p.options.ResumeSubs {
				failed = core.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: m.Topics}).Err()
			}
		}
		if failed != nil {
			return optionError("Store", "%s cannot be taken over: %v", h.key, failed)
		}
		if err := guarded(func() { s.s.Del(h.key) }); err != nil {
			return err
		}
	}
	p.files = nil
	return nil
}

// coreOptions returns the options of the client that NewV2 makes; s is its shape, which handlers get.
func (p *plain) coreOptions(s *shape) awsiot.ClientOptions {
	o := &p.options
	c := client{options: *o} // for fill and opener, which only read options
	co := c.coreOptions()
	co.Dialer = func(ctx context.Context, _, _ string) (net.Conn, error) {
		if p.problem != nil {
			return nil, p.problem
		}
		if err := p.takeOver(s.core); err != nil {
			return nil, err
		}
		return p.dial(ctx)
	}
	if p.files != nil {
		co.Store = awsiot.NewFileStore(p.dir)
	}
	co.MinReconnectDelay, co.MaxReconnectDelay = min(firstWait, o.MaxReconnectInterval), o.MaxReconnectInterval
	if o.MaxReconnectInterval <= 0 {
		co.MinReconnectDelay, co.MaxReconnectDelay = firstWait, firstWait
	}
	if o.ConnectRetry {
		co.InitialReconnectDelay = o.ConnectRetryInterval
	}
	co.MaxInflight = 0
	co.OnPublishReceived = nil
	if h := s.handler(o.DefaultPublishHandler); h != nil {
		co.OnPublishReceived = func(m *awsiot.Message) {
			if !m.Handled {
				h(m)
			}
		}
	} else if o.AutoAckDisabled {
		co.OnPublishReceived = func(m *awsiot.Message) {
			if !m.Handled {
				m.HoldAck() // nobody acknowledges it
			}
		}
	}
	if o.CredentialsProvider != nil && p.problem == nil {
		co.Username, co.Password = passwordOf(o.CredentialsProvider())
	}
	return co
}

// passwordOf is a user name and a password as CONNECT takes them: paho sends no password without a name.
func passwordOf(name, word string) (string, []byte) {
	if name == "" || word == "" {
		return name, nil
	}
	return name, []byte(word)
}

// dial tries every broker once, in order, until one takes the connection.
func (p *plain) dial(ctx context.Context) (net.Conn, error) {
	c := client{options: p.options}
	var errs []error
	for _, broker := range p.options.Servers {
		conn, err := p.open(ctx, &c, broker)
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

func (p *plain) open(ctx context.Context, c *client, broker *url.URL) (net.Conn, error) {
	tlsc := p.options.TLSConfig
	if fn := p.options.OnConnectAttempt; fn != nil {
		tlsc = fn(broker, tlsc)
	}
	conn, err := c.opener(broker, tlsc)(ctx)
	if err != nil {
		return nil, err
	}
	return timed(conn, p.options.WriteTimeout), nil
}

// observer calls the handlers of paho's options, each on a goroutine of its own as under paho.
func (p *plain) observer(core *awsiot.Client) awsiot.Observer {
	o := &p.options
	return awsiot.Observer{
		OnAttemptingConnect: func(*awsiot.AttemptingConnect) {
			if o.OnReconnecting != nil && p.was.Load() {
				again := *o // a copy: the options of a client that runs change by Update
				o.OnReconnecting(FromV2(core), &again)
			}
		},
		OnConnectionSuccess: func(e *awsiot.ConnectionSuccess) {
			p.was.Store(true)
			if o.OnConnect != nil {
				go o.OnConnect(FromV2(e.Client)) // the program's
			}
		},
		OnConnectionFailure: func(*awsiot.ConnectionFailure) { p.renew(core) },
		OnDisconnection: func(e *awsiot.Disconnection) {
			if e.Requested() {
				p.was.Store(false)
				return
			}
			p.renew(core)
			if !o.AutoReconnect {
				p.was.Store(false)
				go func() { _ = e.Client.Stop(context.Background(), nil) }() // ends with the client's end
			}
			if o.OnConnectionLost != nil {
				go o.OnConnectionLost(FromV2(e.Client), e.Err) // the program's
			}
		},
	}
}

// renew asks the CredentialsProvider for the next attempt.
func (p *plain) renew(core *awsiot.Client) {
	if fn := p.options.CredentialsProvider; fn != nil {
		name, word := fn()
		_ = core.Update(func(co *awsiot.ClientOptions) { co.Username, co.Password = passwordOf(name, word) }) // ErrClosed: no next one
	}
}
