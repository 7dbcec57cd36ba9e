package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"os"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"golang.org/x/net/proxy"
)

// openFunc makes the transport to a broker.
type openFunc func(ctx context.Context) (net.Conn, error)

// errUnknownScheme has paho's text.
var errUnknownScheme = errors.New("unknown protocol")

// dial is the Dialer of core: it makes the transport of the plan. An attempt without a plan is one that somebody has caused on
// core itself: it goes to the first server.
func (c *client) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	c.mu.Lock()
	p := c.plan
	c.plan = nil
	c.mu.Unlock()
	c.pace() // core makes no further attempt by itself
	if p == nil {
		broker := firstServer(&c.options)
		if broker == nil {
			return nil, errNoServers
		}
		p = c.planFor(broker)
	}
	conn, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	return timed(conn, c.options.WriteTimeout), nil
}

// opener returns how the options reach a broker.
func (c *client) opener(broker *url.URL, tlsc *tls.Config) openFunc {
	o := &c.options
	if fn := o.CustomOpenConnectionFn; fn != nil {
		return func(context.Context) (net.Conn, error) {
			conn, err := fn(broker, *o)
			if err == nil && conn == nil {
				err = optionError("CustomOpenConnectionFn", "returned neither a connection nor an error")
			}
			return conn, err
		}
	}
	dialer := o.Dialer
	if dialer == nil {
		dialer = &net.Dialer{Timeout: 30 * time.Second}
	}
	plain := func(ctx context.Context) (net.Conn, error) { return throughProxy(ctx, dialer, broker.Host) }
	switch broker.Scheme {
	case "mqtt", "tcp":
		return plain
	case "ssl", "tls", "mqtts", "mqtt+ssl", "tcps":
		return func(ctx context.Context) (net.Conn, error) {
			if os.Getenv("all_proxy") == "" {
				return (&tls.Dialer{NetDialer: dialer, Config: tlsc}).DialContext(ctx, "tcp", broker.Host)
			}
			conn, err := plain(ctx)
			if err != nil {
				return nil, err
			}
			secure := tls.Client(conn, named(tlsc, broker.Hostname()))
			if err := secure.HandshakeContext(ctx); err != nil {
				conn.Close()
				return nil, err
			}
			return secure, nil
		}
	case "ws", "wss":
		return func(context.Context) (net.Conn, error) {
			bare, config := *broker, tlsc
			bare.User = nil // it is for CONNECT, and the websocket package refuses it
			if bare.Scheme == "ws" {
				config = nil
			}
			return paho.NewWebsocket(bare.String(), config, o.ConnectTimeout, o.HTTPHeaders, o.WebsocketOptions)
		}
	case "unix":
		path := broker.Host // unix://name: in the working directory
		if path == "" {
			path = broker.Path
		}
		return func(ctx context.Context) (net.Conn, error) { return dialer.DialContext(ctx, "unix", path) }
	}
	return func(context.Context) (net.Conn, error) { return nil, errUnknownScheme }
}

// throughProxy dials by the proxy that the environment names, as paho does: all_proxy and no_proxy.
func throughProxy(ctx context.Context, dialer *net.Dialer, addr string) (net.Conn, error) {
	d := proxy.FromEnvironmentUsing(dialer)
	if cd, ok := d.(proxy.ContextDialer); ok {
		return cd.DialContext(ctx, "tcp", addr)
	}
	return d.Dial("tcp", addr)
}

// named returns config with a server name.
func named(config *tls.Config, host string) *tls.Config {
	if config == nil {
		config = &tls.Config{}
	}
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName = host
	}
	return config
}

// timed makes of a transport what core is given: deadlines may be set at any time, and limit bounds every write unless it is 0.
func timed(conn net.Conn, limit time.Duration) net.Conn {
	conn = concurrent(conn)
	if limit > 0 {
		conn = &timedConn{Conn: conn, limit: limit}
	}
	return conn
}

// timedConn bounds every write by WriteTimeout.
type timedConn struct {
	net.Conn
	limit time.Duration
}

// Write implements net.Conn.
func (t *timedConn) Write(b []byte) (int, error) {
	if err := t.SetWriteDeadline(time.Now().Add(t.limit)); err != nil {
		return 0, err
	}
	return t.Conn.Write(b)
}
