package v1compat_test

// The calls of the recordings, by name, and the exceptions that errors stand for.

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/portage-iot/awsiot/v1compat"
)

// invoke makes the call c.
func (d *trDriver) invoke(c *trCall) (any, error) {
	if c.Object == jobsObject {
		return d.jobsCall(c)
	}
	if c.Object == discoveryObject || c.Object == discoveryInfoObject {
		return d.discoveryCall(c)
	}
	if c.Assign != "" {
		return nil, d.assign(c)
	}
	if c.Method == "__init__" {
		id, _ := c.Args[0].(string)
		if c.Object == "AWSIoTMQTTShadowClient" {
			d.newShadow(id, c)
		} else {
			d.newClient(id, c, true)
			d.logged = true
		}
		return nil, nil
	}
	d.object(c)
	d.uses(c)
	d.environment(c)
	a := &trArgs{c: c, rec: d.w.rec}
	f := d.clientCall(a)
	switch c.Object {
	case "AWSIoTMQTTShadowClient":
		f = d.shadowCall(a)
	case "deviceShadow":
		f = d.handlerCall(a)
	}
	if f == nil {
		return inexpressible("the replayer does not know " + c.Object + "." + c.Method), nil
	}
	if a.bad != "" {
		return inexpressible(a.bad), nil
	}
	return f()
}

// assign sets a hook.
func (d *trDriver) assign(c *trCall) error {
	name := callbackName(c.Value)
	hook := func() { d.callback(name, nil, nil, 0) }
	if c.Object == "AWSIoTMQTTShadowClient" {
		if d.shadow == nil {
			d.newShadow(d.nextID(c.Seq), c)
		}
		switch c.Assign {
		case "onOnline":
			d.shadow.OnOnline = hook
		case "onOffline":
			d.shadow.OnOffline = hook
		default:
			return errors.New("no such hook")
		}
		return nil
	}
	d.object(c)
	switch c.Assign {
	case "onOnline":
		d.client.OnOnline = hook
	case "onOffline":
		d.client.OnOffline = hook
	case "onMessage":
		d.client.OnMessage = func(m *v1compat.Message) { d.callback(name, []any{d.message(m)}, nil, 0) }
	default:
		return errors.New("no such hook")
	}
	return nil
}

// setting is a call that returns nothing.
func setting(f func()) func() (any, error) { return func() (any, error) { f(); return nil, nil } }

// acting is a call that returns True or raises.
func acting(f func() error) func() (any, error) { return func() (any, error) { return true, f() } }

// clientCall is a method of AWSIoTMQTTClient.
func (d *trDriver) clientCall(a *trArgs) func() (any, error) {
	c, n := d.client, len(a.c.Args)
	switch a.c.Method {
	case "configureEndpoint":
		host, port := a.str(0, "hostName"), int(a.num(1, "portNumber"))
		return setting(func() { c.ConfigureEndpoint(host, port) })
	case "configureCredentials":
		var paths [3]string
		for i := range n {
			paths[i] = d.w.certs.path(a.str(i, ""))
		}
		return setting(func() { c.ConfigureCredentials(paths[0], paths[1], paths[2]) })
	case "configureIAMCredentials":
		id, secret, token := a.str(0, "AWSAccessKeyID"), a.str(1, "AWSSecretAccessKey"), ""
		if a.at(2, "AWSSessionToken") != nil {
			token = a.str(2, "AWSSessionToken")
		}
		return setting(func() { c.ConfigureIAMCredentials(id, secret, token) })
	case "configureAutoReconnectBackoffTime":
		base, most, stable := a.num(0, ""), a.num(1, ""), a.num(2, "")
		return setting(func() { c.ConfigureAutoReconnectBackoffTime(base, most, stable) })
	case "configureOfflinePublishQueueing":
		size := int(a.num(0, "queueSize"))
		if n > 1 {
			drop := v1compat.DropBehavior(a.num(1, ""))
			return setting(func() { c.ConfigureOfflinePublishQueueing(size, drop) })
		}
		return setting(func() { c.ConfigureOfflinePublishQueueing(size) })
	case "configureDrainingFrequency":
		f := a.num(0, "frequencyInHz")
		return setting(func() { c.ConfigureDrainingFrequency(f) })
	case "configureConnectDisconnectTimeout":
		f := a.num(0, "timeoutSecond")
		return setting(func() { c.ConfigureConnectDisconnectTimeout(f) })
	case "configureMQTTOperationTimeout":
		f := a.num(0, "timeoutSecond")
		return setting(func() { c.ConfigureMQTTOperationTimeout(f) })
	case "configureUsernamePassword":
		user := a.str(0, "username")
		if n > 1 && a.c.Args[1] != nil {
			password := a.text(1, "password")
			return setting(func() { c.ConfigureUsernamePassword(user, password) })
		}
		return setting(func() { c.ConfigureUsernamePassword(user) })
	case "configureSocketFactory":
		return setting(func() { c.ConfigureSocketFactory(d.w.dial) })
	case "enableMetricsCollection":
		return setting(c.EnableMetricsCollection)
	case "disableMetricsCollection":
		return setting(c.DisableMetricsCollection)
	case "configureLastWill":
		topic, body, qos := a.str(0, ""), a.payload(1), a.qos(2)
		if n > 3 {
			retain := a.flag(3, "retain")
			return setting(func() { c.ConfigureLastWill(topic, body, qos, retain) })
		}
		return setting(func() { c.ConfigureLastWill(topic, body, qos) })
	case "clearLastWill":
		return setting(c.ClearLastWill)
	case "connect":
		if n == 0 {
			return acting(func() error { return c.Connect() })
		}
		k := int(a.num(0, ""))
		return acting(func() error { return c.Connect(k) })
	case "connectAsync":
		k, ack := 600, d.ackConnection(a.at(1, "ackCallback"))
		if n > 0 {
			k = int(a.num(0, ""))
		}
		return func() (any, error) { return c.ConnectAsync(k, ack) }
	case "disconnect":
		return acting(c.Disconnect)
	case "disconnectAsync":
		ack := d.ackConnection(a.at(0, "ackCallback"))
		return func() (any, error) { return c.DisconnectAsync(ack) }
	}
	return d.requestCall(a)
}

// requestCall is one of publish, subscribe and unsubscribe.
func (d *trDriver) requestCall(a *trArgs) func() (any, error) {
	c := d.client
	switch a.c.Method {
	case "publish":
		topic, body, qos := a.str(0, ""), a.payload(1), a.qos(2)
		return func() (any, error) { return c.Publish(topic, body, qos) }
	case "publishAsync":
		topic, body, qos, ack := a.str(0, ""), a.payload(1), a.qos(2), d.ackMid(a.at(3, "ackCallback"))
		return func() (any, error) { return c.PublishAsync(topic, body, qos, ack) }
	case "subscribe":
		topic, qos, cb := a.str(0, ""), a.qos(1), d.messageCallback(a.at(2, "callback"))
		return func() (any, error) { return c.Subscribe(topic, qos, cb) }
	case "subscribeAsync":
		topic, qos := a.str(0, ""), a.qos(1)
		ack, cb := d.ackData(a.at(2, "ackCallback")), d.messageCallback(a.at(3, "messageCallback"))
		return func() (any, error) { return c.SubscribeAsync(topic, qos, ack, cb) }
	case "unsubscribe":
		topic := a.str(0, "")
		return func() (any, error) { return c.Unsubscribe(topic) }
	case "unsubscribeAsync":
		topic, ack := a.str(0, ""), d.ackMid(a.at(1, "ackCallback"))
		return func() (any, error) { return c.UnsubscribeAsync(topic, ack) }
	}
	return nil
}

// payload is a publish payload: text, bytes, a number or None. JSON does not tell 1.0 from 1 and has no bytes: there the
// message that was sent tells what the argument was.
func (a *trArgs) payload(i int) any {
	v := a.at(i, "payload")
	sent, known := a.sent()
	switch v := v.(type) {
	case float64:
		if whole := int64(v); v == float64(whole) && (!known || sent == strconv.FormatInt(whole, 10)) {
			return whole
		}
		return v
	case string:
		if known && sent != v && pythonBytes.MatchString(v) {
			return []byte(sent)
		}
		return v
	case map[string]any:
		if b, ok := recordedBytes(v); ok {
			return b
		}
		return v // a dict, which v1 refused
	default:
		return v
	}
}

// recordedBytes reads an argument of type bytes or bytearray in the forms of the recorder: {"bytes": X} and
// {"bytearray": X}, where X is text or {"hex": ...}, and the latter alone.
func recordedBytes(v any) ([]byte, bool) {
	m, ok := v.(map[string]any)
	if !ok || len(m) != 1 {
		return nil, false
	}
	if s, ok := m["hex"].(string); ok {
		b, err := hex.DecodeString(s)
		return b, err == nil
	}
	for _, kind := range []string{"bytes", "bytearray"} {
		switch x := m[kind].(type) {
		case string:
			return []byte(x), true
		case map[string]any:
			return recordedBytes(x)
		}
	}
	return nil, false
}

// pythonBytes is bytes as Python prints them.
var pythonBytes = regexp.MustCompile(`^(bytearray\()?b?['"].*['"]\)?$`)

// sent is the payload of the first message that was sent after a publish call to its topic, unless the call failed.
func (a *trArgs) sent() (string, bool) {
	if a.c.raised || !strings.HasPrefix(a.c.Method, "publish") {
		return "", false
	}
	p := a.rec.packet(func(p *trPacket) bool {
		return p.Dir == "c2s" && p.Type == "PUBLISH" && p.Seq > a.c.Seq && p.Topic == a.c.Args0()
	})
	if p == nil {
		return "", false
	}
	switch v := p.Payload.(type) {
	case string:
		return v, true
	case map[string]any:
		s, _ := v["hex"].(string)
		b, err := hex.DecodeString(s)
		return string(b), err == nil
	}
	return "", false
}

// shadowCall is a method of AWSIoTMQTTShadowClient.
func (d *trDriver) shadowCall(a *trArgs) func() (any, error) {
	s := d.shadow
	switch a.c.Method {
	case "createShadowHandlerWithName":
		name, persistent := a.str(0, "shadowName"), a.flag(1, "isPersistentSubscribe")
		return func() (any, error) {
			d.handler = s.CreateShadowHandlerWithName(name, persistent)
			d.handlers[name] = d.handler
			return "<deviceShadow>", nil
		}
	case "getMQTTConnection":
		return func() (any, error) {
			d.client = s.GetMQTTConnection()
			return "<AWSIoTMQTTClient>", nil
		}
	case "connect":
		if len(a.c.Args) == 0 {
			return acting(func() error { return s.Connect() })
		}
		k := int(a.num(0, ""))
		return acting(func() error { return s.Connect(k) })
	case "disconnect":
		return acting(s.Disconnect)
	}
	former := d.client
	d.client = s.GetMQTTConnection() // the rest is forwarded
	defer func() { d.client = former }()
	return d.clientCall(a)
}

// handlerCall is a method of deviceShadow.
func (d *trDriver) handlerCall(a *trArgs) func() (any, error) {
	h := d.shadowHandler(a.c)
	switch a.c.Method {
	case "shadowGet":
		cb, timeout := d.shadowCallback(a.at(0, "srcCallback")), a.num(1, "srcTimeout")
		return func() (any, error) { t, err := h.ShadowGet(cb, timeout); return shadowToken(t), err }
	case "shadowDelete":
		cb, timeout := d.shadowCallback(a.at(0, "srcCallback")), a.num(1, "srcTimeout")
		return func() (any, error) { t, err := h.ShadowDelete(cb, timeout); return shadowToken(t), err }
	case "shadowUpdate":
		body, cb, timeout := a.str(0, ""), d.shadowCallback(a.at(1, "srcCallback")), a.num(2, "srcTimeout")
		return func() (any, error) { t, err := h.ShadowUpdate(body, cb, timeout); return shadowToken(t), err }
	case "shadowRegisterDeltaCallback":
		cb := d.shadowCallback(a.at(0, "srcCallback"))
		return func() (any, error) { return nil, h.ShadowRegisterDeltaCallback(cb) }
	case "shadowUnregisterDeltaCallback":
		return func() (any, error) { return nil, h.ShadowUnregisterDeltaCallback() }
	}
	return nil
}

// raised is the Python exception that err stands for, with v1's text.
func raised(err error) trRaise {
	if r, ok := discoveryRaised(err); ok {
		return r
	}
	text := func(name string, bare error) trRaise { return trRaise{name, bare.Error()} }
	coded := func(name, word string, code int) trRaise {
		return trRaise{name, fmt.Sprintf("%s Error: %d", word, code)}
	}
	switch e := v1Error(err).(type) {
	case *v1compat.ValueError:
		return trRaise{"ValueError", e.Message}
	case *v1compat.TypeError:
		return trRaise{"TypeError", e.Message}
	case *v1compat.KeyError:
		return trRaise{"KeyError", "'" + e.Key + "'"}
	case *v1compat.ConnectTimeoutError:
		return text("connectTimeoutException", &v1compat.ConnectTimeoutError{})
	case *v1compat.DisconnectTimeoutError:
		return text("disconnectTimeoutException", &v1compat.DisconnectTimeoutError{})
	case *v1compat.PublishTimeoutError:
		return text("publishTimeoutException", e)
	case *v1compat.SubscribeTimeoutError:
		return text("subscribeTimeoutException", e)
	case *v1compat.UnsubscribeTimeoutError:
		return text("unsubscribeTimeoutException", e)
	case *v1compat.ConnectError:
		return coded("connectError", "Connect", e.Code)
	case *v1compat.DisconnectError:
		return coded("disconnectError", "Disconnect", e.Code)
	case *v1compat.PublishError:
		return coded("publishError", "Publish", e.Code)
	case *v1compat.SubscribeError:
		return coded("subscribeError", "Subscribe", e.Code)
	case *v1compat.UnsubscribeError:
		return coded("unsubscribeError", "Unsubscribe", e.Code)
	case *v1compat.SubackError:
		return text("subackError", &v1compat.SubackError{})
	case *v1compat.PublishQueueFullError:
		return text("publishQueueFullException", e)
	case *v1compat.SubscribeQueueFullError:
		return text("subscribeQueueFullException", e)
	case *v1compat.UnsubscribeQueueFullError:
		return text("unsubscribeQueueFullException", e)
	case *v1compat.PublishQueueDisabledError:
		return text("publishQueueDisabledException", e)
	case *v1compat.SubscribeQueueDisabledError:
		return text("subscribeQueueDisabledException", e)
	case *v1compat.UnsubscribeQueueDisabledError:
		return text("unsubscribeQueueDisabledException", e)
	}
	return raisedByGo(err)
}

// v1Error is the first error of package v1compat in the tree of err.
func v1Error(err error) error {
	if _, ok := err.(*v1compat.ConfigureError); !ok && strings.HasPrefix(fmt.Sprintf("%T", err), "*v1compat.") {
		return err
	}
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			if found := v1Error(err); found != nil {
				return found
			}
		}
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return v1Error(inner)
		}
	}
	return nil
}

// raisedByGo is the counterpart of an error of the standard library. The texts of OpenSSL are not compared.
func raisedByGo(err error) trRaise {
	var path *fs.PathError
	var verify *tls.CertificateVerificationError
	var host x509.HostnameError
	var authority x509.UnknownAuthorityError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return trRaise{"ConnectionRefusedError", "[Errno 111] Connection refused"}
	case errors.As(err, &path) && errors.Is(err, fs.ErrNotExist):
		return trRaise{"OSError", path.Path + ": No such file or directory"}
	case errors.As(err, &verify), errors.As(err, &host), errors.As(err, &authority):
		return trRaise{"SSLCertVerificationError", "[SSL: CERTIFICATE_VERIFY_FAILED]"}
	}
	return trRaise{fmt.Sprintf("%T", err), err.Error()}
}
