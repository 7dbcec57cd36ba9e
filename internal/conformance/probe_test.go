package conformance

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"reflect"
	"strings"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
)

// target is the endpoint that is asked.
type target struct {
	host              string
	mqtt, alpn, https string // host:port for MQTT without ALPN, for what ALPN chooses, and for HTTPS
	roots             *x509.CertPool
	cert              tls.Certificate
	thing             string           // its name, and the client id of the first connection
	patience          time.Duration    // for what must come
	settle            time.Duration    // for what must not
	pace              time.Duration    // between two connections: AWS takes one a second of a client id
	srv               *iotlocal.Server // nil: AWS
}

// probe is one fact under examination.
type probe struct {
	target
	conns   []*conn
	undo    []func()
	number  int      // of clients
	differs []string // what is not as the fact says
	denied  string   // what the device was not allowed to do
}

// stop ends a probe from within.
type stop struct{}

// run examines a fact.
func (t target) run(f fact) (differs []string, denied string) {
	p := &probe{target: t}
	defer func() {
		for _, c := range p.conns {
			c.nc.Close()
		}
	}()
	p.guard(func() { f.probe(p) })
	for i := len(p.undo) - 1; i >= 0; i-- {
		p.guard(p.undo[i])
	}
	return p.differs, p.denied
}

// guard runs a part of a probe to its end or stop.
func (p *probe) guard(f func()) {
	defer func() {
		if r := recover(); r != nil {
			if _, ours := r.(stop); !ours {
				panic(r)
			}
		}
	}()
	f()
}

// differ notes a difference.
func (p *probe) differ(format string, args ...any) {
	p.differs = append(p.differs, fmt.Sprintf(format, args...))
}

// fail notes a difference after which the probe cannot go on.
func (p *probe) fail(format string, args ...any) {
	p.differ(format, args...)
	panic(stop{})
}

// deny notes what the device may not do. iotlocal allows everything that a probe does not forbid itself.
func (p *probe) deny(what string) {
	if p.srv != nil {
		p.fail("not permitted: %s", what)
	}
	p.denied = what
	panic(stop{})
}

func (p *probe) check(err error) {
	if err != nil {
		p.fail("%v", err)
	}
}

// equal compares two values.
func (p *probe) equal(what string, got, want any) {
	if !reflect.DeepEqual(got, want) {
		p.differ("%s: %v, want %v", what, got, want)
	}
}

// contains looks for a part of a text.
func (p *probe) contains(what, got, part string) {
	if !strings.Contains(got, part) {
		p.differ("%s: %q, want it to have %q", what, got, part)
	}
}

// topic is a name for messages of the probe alone.
func (p *probe) topic(name string) string { return "conformance/" + p.thing + "/" + name }

// clientID names the next client: the thing itself, then THING-2 and so on.
func (p *probe) clientID() string {
	p.number++
	if p.number == 1 {
		return p.thing
	}
	return fmt.Sprintf("%s-%d", p.thing, p.number)
}

// dialTLS connects to an address with the device's certificate.
func (p *probe) dialTLS(addr string, alpn ...string) (*tls.Conn, error) {
	return tls.DialWithDialer(&net.Dialer{Timeout: p.patience}, "tcp", addr, &tls.Config{RootCAs: p.roots, ServerName: p.host,
		Certificates: []tls.Certificate{p.cert}, NextProtos: alpn})
}

// object is a JSON object.
type object = map[string]any

func (p *probe) parse(text []byte) object {
	var o object
	if err := json.Unmarshal(text, &o); err != nil {
		p.fail("%s is no JSON object: %v", text, err)
	}
	return o
}

// same compares JSON. Times are only asked to be times of now, in seconds or milliseconds.
func (p *probe) same(what string, got any, want string) {
	var w any
	p.check(json.Unmarshal([]byte(want), &w))
	if g := p.plain(got); !reflect.DeepEqual(g, w) {
		text, err := json.Marshal(g)
		p.check(err)
		p.differ("%s: %s, want %s", what, text, want)
	}
}

// plain puts 0 in the place of timestamps of today.
func (p *probe) plain(v any) any {
	switch v := v.(type) {
	case object:
		out := object{}
		for k, e := range v {
			if n, ok := e.(float64); ok && (k == "timestamp" || strings.HasSuffix(k, "At")) {
				now := float64(time.Now().Unix())
				if seconds := n; near(seconds, now) || near(n/1000, now) {
					out[k] = 0.0
					continue
				}
			}
			out[k] = p.plain(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = p.plain(e)
		}
		return out
	}
	return v
}

// near says that two times in seconds are within a day.
func near(a, b float64) bool { return a > b-86400 && a < b+86400 }

// at returns a member of members.
func at(o object, path string) any {
	var v any = o
	for name := range strings.SplitSeq(path, ".") {
		m, ok := v.(object)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}
